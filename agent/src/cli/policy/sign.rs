//! `policy sign`.

use std::fmt::Write as _;
use std::path::PathBuf;

use jiff::SignedDuration;
use mcpolicy_platform::environment::Environment;

use super::common::{self, Clock, Signing};
use crate::authoring::repository::Repository;
use crate::authoring::source::{self, Source};
use crate::authoring::statement;
use crate::cli::exit;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The repository
    #[arg(default_value = ".")]
    repository: PathBuf,

    /// Change ticket that the statement names
    #[arg(long)]
    ticket: Option<String>,

    /// How long the policy is valid
    #[arg(long, value_name = "TIME", default_value = "180d", value_parser = common::lifetime)]
    expires_in: SignedDuration,

    /// Make a new statement even if the newest one is about the same policy
    #[arg(long)]
    new: bool,

    /// Number of a new statement [default: one more than the newest in signed/]
    #[arg(long, value_name = "N")]
    sequence: Option<u64>,

    #[command(flatten)]
    signing: Signing,

    #[command(flatten)]
    clock: Clock,
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let repository = Repository::at(&options.repository)?;
    let policy = source::compile(&Source::of_policy(&repository.policy())?)?;
    let root = repository.trust()?.newest_root()?;
    let signed = statement::sign(
        &repository.signed()?,
        &statement::Order {
            document: policy.document(),
            root: &root,
            signers: &options.signing.signers(environment)?,
            now: options.clock.now(),
            lifetime: options.expires_in,
            ticket: options.ticket.clone(),
            anew: options.new,
            sequence: options.sequence,
        },
    )?;
    let mut out = String::new();
    let said = &signed.statement;
    let verb = if signed.continued { "signed too" } else { "signed" };
    let _ = writeln!(out, "{verb}: policy {} of {}, until {}", said.sequence, said.name, said.expires);
    for loosening in &signed.loosening {
        let _ = writeln!(out, "LOOSENS: {loosening}");
    }
    let _ = writeln!(out, "{} of {} signatures", signed.valid, signed.needed);
    if signed.valid < signed.needed as usize {
        let _ = writeln!(out, "next: commit signed/ and have the next person run mcpolicy policy sign");
    } else {
        let _ = writeln!(out, "next: mcpolicy policy publish --to FOLDER");
    }
    common::say(&out)?;
    Ok(exit::OK)
}

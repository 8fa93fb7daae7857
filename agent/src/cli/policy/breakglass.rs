//! `policy breakglass`.

use std::path::PathBuf;

use jiff::SignedDuration;
use mcpolicy_platform::environment::Environment;

use super::common::{self, Clock, Signing};
use crate::authoring::breakglass;
use crate::authoring::repository::Repository;
use crate::cli::exit;
use crate::output::text::visible;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The device: no other takes the token
    #[arg(long, value_name = "ID")]
    device: String,

    /// How long the device only watches, at most a day; a restart of it ends it, too
    #[arg(long = "for", value_name = "TIME", default_value = "2h", value_parser = common::lifetime)]
    lifetime: SignedDuration,

    /// Why: it is written down and reported
    #[arg(long)]
    reason: String,

    /// Change ticket
    #[arg(long)]
    ticket: Option<String>,

    /// The repository, whose newest root says which keys count
    #[arg(long, value_name = "DIR", default_value = ".")]
    repository: PathBuf,

    /// Say it as JSON: what is signed, and the line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    signing: Signing,

    #[command(flatten)]
    clock: Clock,
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let root = Repository::at(&options.repository)?.trust()?.newest_root()?;
    let (token, envelope) = breakglass::breakglass(&breakglass::Order {
        device: &options.device,
        lifetime: options.lifetime,
        reason: &options.reason,
        ticket: options.ticket.clone(),
        root: &root,
        signers: &options.signing.signers(environment)?,
        now: options.clock.now(),
    })?;
    let line = breakglass::line(&envelope);
    if options.json {
        common::say_json(&serde_json::json!({
            "schema": "mcpolicy/policy-breakglass/v1",
            "breakglass": token,
            "line": line,
        }))?;
    } else {
        common::say(&format!("{line}\n"))?;
        common::note(&format!(
            "{}: {} only watches for {} s from when an administrator gives the line to `mcpolicy breakglass` there, \
             until {}",
            token.id,
            visible(&token.device),
            token.seconds,
            token.expires
        ));
    }
    Ok(exit::OK)
}

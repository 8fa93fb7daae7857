//! `policy rotate`.

use std::fmt::Write as _;
use std::path::PathBuf;

use jiff::SignedDuration;
use mcpolicy_platform::environment::Environment;
use mcpolicy_schema::envelope::PublicKey;
use mcpolicy_schema::signed::{Reset, Root};

use super::common::{self, Clock, Signing};
use super::init::role_key;
use crate::authoring::repository::Repository;
use crate::authoring::rotate::{self, Change, RoleName, Rotated};
use crate::cli::exit;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The repository
    #[arg(default_value = ".")]
    repository: PathBuf,

    /// A further key of a role (root=FILE); may be repeated
    #[arg(long, value_name = "ROLE=KEY", value_parser = role_key)]
    add: Vec<(RoleName, PublicKey)>,

    /// A key that loses a role, by its id (root=3f2a…); may be repeated
    #[arg(long, value_name = "ROLE=ID", value_parser = role_text)]
    remove: Vec<(RoleName, String)>,

    /// How many keys of a role must sign (root=2); may be repeated
    #[arg(long, value_name = "ROLE=N", value_parser = role_number)]
    threshold: Vec<(RoleName, u32)>,

    /// How many policy keys must sign a policy that loosens
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=32))]
    loosening_threshold: Option<u32>,

    /// New floors HEAD,POLICY,REVOCATIONS, after a stolen key has signed enormous numbers
    #[arg(long, value_name = "N,N,N", value_parser = reset)]
    reset: Option<Reset>,

    /// Only a new end
    #[arg(long)]
    renew: bool,

    /// Begin a new chain because the root keys are lost; machines must then be pinned to the new root by MDM
    #[arg(long)]
    break_chain: bool,

    /// Throw the draft away that is still to be signed
    #[arg(long)]
    discard: bool,

    /// How long the next root is valid
    #[arg(long, value_name = "TIME", default_value = "400d", value_parser = common::lifetime)]
    expires_in: SignedDuration,

    #[command(flatten)]
    signing: Signing,

    #[command(flatten)]
    clock: Clock,
}

fn role_text(text: &str) -> Result<(RoleName, String), String> {
    let (role, rest) = text.split_once('=').ok_or("write ROLE=VALUE, for example root=3f2a77c1")?;
    let role = RoleName::parse(role).map_err(|error| format!("{error:#}"))?;
    Ok((role, rest.to_owned()))
}

fn role_number(text: &str) -> Result<(RoleName, u32), String> {
    let (role, number) = role_text(text)?;
    let number = number.parse().map_err(|_| "write ROLE=N, for example root=2".to_owned())?;
    Ok((role, number))
}

fn reset(text: &str) -> Result<Reset, String> {
    let numbers: Option<Vec<u64>> = text.split(',').map(|n| n.parse().ok()).collect();
    match numbers.as_deref() {
        Some([head, policy, revocations]) => {
            Ok(Reset { head: *head, policy: *policy, revocations: *revocations })
        }
        _ => Err("write three numbers: HEAD,POLICY,REVOCATIONS".to_owned()),
    }
}

impl Options {
    fn changes(&self) -> Vec<Change> {
        // Keys are added first, so that replacing the only one leaves no role empty on the way.
        let mut changes: Vec<Change> = self.add.iter().map(|(role, key)| Change::Add(*role, *key)).collect();
        changes.extend(self.remove.iter().map(|(role, id)| Change::Remove(*role, id.clone())));
        changes.extend(self.threshold.iter().map(|(role, n)| Change::Threshold(*role, *n)));
        changes.extend(self.loosening_threshold.map(Change::Loosening));
        changes.extend(self.reset.map(Change::Reset));
        changes
    }
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let repository = Repository::at(&options.repository)?;
    let asks_more = options.renew || options.break_chain || !options.changes().is_empty();
    if options.discard && !asks_more {
        // Throwing away needs nobody's key: a draft counts for nothing.
        let name = rotate::discard(&repository.trust()?)?;
        common::say(&format!("threw away {name}\n"))?;
        return Ok(exit::OK);
    }
    let rotated = rotate::rotate(&rotate::Order {
        trust: &repository.trust()?,
        changes: options.changes(),
        renew: options.renew,
        break_chain: options.break_chain,
        discard: options.discard,
        signers: &options.signing.signers(environment)?,
        now: options.clock.now(),
        lifetime: options.expires_in,
    })?;
    common::say(&human(&rotated))?;
    Ok(exit::OK)
}

fn human(rotated: &Rotated) -> String {
    let root = &rotated.root;
    let mut out = format!("root {}, until {}\n{}", root.sequence, root.expires, roles(root));
    match rotated.before {
        Some((valid, needed)) => {
            let _ = writeln!(out, "signed by {valid} of the {needed} that the root before demands");
        }
        None => {
            let _ = writeln!(
                out,
                "NEW CHAIN: no machine follows it by itself; pin trust/root.{}.json by MDM",
                root.sequence
            );
        }
    }
    let (valid, needed) = rotated.own;
    let _ = writeln!(out, "signed by {valid} of the {needed} that it demands itself");
    let next = if rotated.complete {
        "complete; next: mcpolicy policy publish (or --refresh)"
    } else {
        "a draft that nobody trusts yet; next: commit trust/ and have the next person run mcpolicy policy rotate --key"
    };
    let _ = writeln!(out, "{next}");
    out
}

/// Who may sign what in a root, with the ids of the keys.
pub(super) fn roles(root: &Root) -> String {
    let mut out = String::new();
    for name in RoleName::ALL {
        let role = name.of(&root.roles);
        let ids: Vec<String> = role.keys.iter().map(PublicKey::key_id).collect();
        let _ = writeln!(
            out,
            "  {:<10} {} of {}: {}",
            name.as_str(),
            role.threshold,
            role.keys.len(),
            ids.join(", ")
        );
    }
    let _ =
        writeln!(out, "  a policy that loosens needs {} policy keys", root.roles.policy.loosening_threshold);
    out
}

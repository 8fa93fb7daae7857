//! `policy show`.

use std::fmt::Write as _;
use std::path::PathBuf;

use mcpolicy_schema::envelope::PublicKey;
use mcpolicy_schema::trust::Demands;

use super::common::{self, Clock};
use super::{rotate, verify};
use crate::authoring::folder::{Folder, HEAD};
use crate::authoring::present;
use crate::authoring::repository::Repository;
use crate::authoring::rotate::RoleName;
use crate::authoring::source::{self, Source};
use crate::authoring::words::counted;
use crate::cli::exit;
use crate::output::text::visible;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The policy, the folder it is in, a published body, or with --trust-root a published folder
    #[arg(default_value = ".")]
    policy: PathBuf,

    /// The root that machines are pinned to: shows what a published folder puts in force
    #[arg(long, value_name = "FILE")]
    trust_root: Option<PathBuf>,

    /// Show whose signatures count instead: the roles of the newest root of the repository, with the ids of their keys
    #[arg(long, conflicts_with = "trust_root")]
    trust: bool,

    /// Say it as JSON, as it would be signed
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    clock: Clock,
}

pub(super) fn run(options: &Options, columns: usize) -> anyhow::Result<u8> {
    if options.trust {
        return trust(options);
    }
    if let Some(trust_root) = &options.trust_root {
        return published(options, trust_root, columns);
    }
    let is_published = options.policy.is_dir() && Folder::at(&options.policy)?.path().join(HEAD).is_file();
    anyhow::ensure!(
        !is_published || options.policy.join(source::FILE_NAME).is_file(),
        "{} is a published folder; name the root that you trust with --trust-root",
        options.policy.display()
    );
    let policy = source::compile(&Source::of_policy(&options.policy)?)?;
    if options.json {
        common::say_json(policy.document())?;
    } else {
        common::say(&present::policy(policy.document(), columns))?;
    }
    Ok(exit::OK)
}

fn trust(options: &Options) -> anyhow::Result<u8> {
    let root = Repository::at(&options.policy)?.trust()?.newest_root()?;
    if options.json {
        let keys: std::collections::BTreeMap<&str, Vec<String>> = RoleName::ALL
            .into_iter()
            .map(|name| (name.as_str(), name.of(&root.roles).keys.iter().map(PublicKey::key_id).collect()))
            .collect();
        common::say_json(&serde_json::json!({
            "schema": "mcpolicy/policy-trust/v1", "root": root, "key_ids": keys,
        }))?;
    } else {
        let head = format!("root {}, until {}\n", root.sequence, root.expires);
        common::say(&(head + &rotate::roles(&root)))?;
    }
    Ok(exit::OK)
}

fn published(options: &Options, trust_root: &std::path::Path, columns: usize) -> anyhow::Result<u8> {
    let verified = verify::folder(&options.policy, trust_root, Demands::default(), options.clock.now())?;
    let refusal = verified.documents.iter().find_map(|d| d.refusal.as_deref());
    let Some(policy) = verified.trust.policy() else {
        anyhow::bail!(
            "{} holds no policy that machines take: {}",
            options.policy.display(),
            refusal.unwrap_or("there is none")
        );
    };
    let revocations = verified.trust.revocations();
    if options.json {
        common::say_json(&serde_json::json!({
            "schema": "mcpolicy/policy-show/v1",
            "sequence": policy.sequence,
            "issued": policy.issued,
            "expires": policy.expires,
            "signers": policy.signers(),
            "policy": policy.document(),
            "revocations": revocations.map(|r| r.revocations.document()),
        }))?;
        return Ok(exit::OK);
    }
    let mut out = format!(
        "policy {}, signed by {}, until {}\n",
        policy.sequence,
        counted(policy.signers(), "key", "keys"),
        policy.expires
    );
    if let Some(refusal) = refusal {
        let _ = writeln!(out, "REFUSED in part: {}", visible(refusal));
    }
    out.push_str(&present::policy(policy.document(), columns));
    for line in revocations.map_or(&[][..], |r| r.revocations.document().revocation.as_slice()) {
        let _ = writeln!(
            out,
            "revoked {}: {} ({})",
            visible(&line.id),
            visible(&present::revoked(&line.revoked)),
            visible(&line.reason)
        );
    }
    common::say(&out)?;
    Ok(exit::OK)
}

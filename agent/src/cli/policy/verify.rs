//! `policy verify`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;
use mcpolicy_schema::limits::MAX_ENVELOPE_BYTES;
use mcpolicy_schema::signed::Head;
use mcpolicy_schema::trust::{Demands, Staleness};
use serde::Serialize;

use super::common::{self, Clock};
use crate::authoring::folder::Folder;
use crate::authoring::verify::{self, Judged, Result as RuleResult, Verified};
use crate::authoring::words::counted;
use crate::cli::exit;
use crate::policy_store::published;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The published folder
    folder: PathBuf,

    /// The root that machines are pinned to; never one that comes with the folder
    #[arg(long, value_name = "FILE")]
    trust_root: PathBuf,

    /// Lowest policy that machines take
    #[arg(long, value_name = "N", default_value_t = 0)]
    min_policy: u64,

    /// Lowest revocations that machines take
    #[arg(long, value_name = "N", default_value_t = 0)]
    min_revocations: u64,

    /// The channel that machines are on
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,

    /// Say it as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    clock: Clock,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    folder: String,
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Policy<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revocations: Option<u64>,
    root: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    staleness: Option<Staleness>,
    documents: &'a [Judged],
}

#[derive(Serialize)]
struct Policy<'a> {
    name: &'a str,
    sequence: u64,
    issued: Timestamp,
    expires: Timestamp,
    signers: usize,
    sha256: String,
    loosens: Vec<String>,
}

/// Verifies a folder against a pinned root.
pub(super) fn folder(
    path: &Path,
    trust_root: &Path,
    demands: Demands,
    now: Timestamp,
) -> anyhow::Result<Verified> {
    let pinned = std::path::absolute(trust_root)?;
    let name = pinned.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let place = Folder::at(pinned.parent().unwrap_or(&pinned))?;
    let bytes = place.read(&name, MAX_ENVELOPE_BYTES)?;
    let bytes = bytes.with_context(|| format!("there is no trust root at {}", trust_root.display()))?;
    anyhow::ensure!(path.is_dir(), "{} is no folder; name the published folder", path.display());
    let documents = published::read(path)?;
    verify::verify(&bytes, &documents, demands, now)
        .map_err(|refusal| anyhow::anyhow!("{}: {refusal}", trust_root.display()))
}

pub(super) fn run(options: &Options) -> anyhow::Result<u8> {
    let demands = Demands {
        min_policy: options.min_policy,
        min_revocations: options.min_revocations,
        channel: options.channel.clone(),
    };
    let verified = folder(&options.folder, &options.trust_root, demands, options.clock.now())?;
    let good = verified.is_good();
    // a head that names no revocations has none that are too low
    let revocations = verified.trust.revocations().map_or(0, |list| list.sequence);
    anyhow::ensure!(
        !good || revocations >= options.min_revocations,
        "the folder has no revocations, and those of sequence {} are demanded",
        options.min_revocations
    );
    let beside = published::sequences(&options.folder)?.revocations.last().copied().unwrap_or(0);
    if good && beside > revocations {
        common::note(&format!(
            "warning: the head names {}, although revocations.{beside}.json lies beside it; if your emergency keys have \
             signed that, `mcpolicy policy publish --refresh` puts it in force",
            if revocations == 0 { "no revocations".to_owned() } else { format!("revocations {revocations}") }
        ));
    }
    if options.json {
        let policy = verified.trust.policy().map(|p| Policy {
            name: &p.name,
            sequence: p.sequence,
            issued: p.issued,
            expires: p.expires,
            signers: p.signers(),
            sha256: p.sha256.to_string(),
            loosens: p.loosening.iter().map(ToString::to_string).collect(),
        });
        common::say_json(&Answer {
            schema: "mcpolicy/policy-verify/v1",
            folder: options.folder.to_string_lossy().into_owned(),
            verified: good,
            policy,
            revocations: verified.trust.revocations().map(|r| r.sequence),
            root: verified.trust.root().sequence,
            staleness: verified.staleness,
            documents: &verified.documents,
        })?;
    } else {
        common::say(&human(&verified, good))?;
    }
    Ok(if good { exit::OK } else { exit::FINDINGS })
}

fn human(verified: &Verified, good: bool) -> String {
    let mut out = String::new();
    for judged in &verified.documents {
        let passed = judged.rules.iter().filter(|r| r.result == RuleResult::Passed).count();
        let _ = writeln!(out, "{}: {passed} of {} rules hold", judged.document, judged.rules.len());
        for rule in &judged.rules {
            let mark = match rule.result {
                RuleResult::Passed => "ok",
                RuleResult::Failed => "FAILED",
                RuleResult::NotReached => "not reached",
            };
            let _ = writeln!(out, "  {:<28} {mark}", rule.rule);
        }
        if let Some(refusal) = &judged.refusal {
            let _ = writeln!(out, "  {}", crate::output::text::visible(refusal));
        }
    }
    if let Some(policy) = verified.trust.policy() {
        let _ = writeln!(
            out,
            "policy {} {}, signed by {}, until {}",
            crate::output::text::visible(&policy.name),
            policy.sequence,
            counted(policy.signers(), "key", "keys"),
            policy.expires
        );
        for loosening in &policy.loosening {
            let _ = writeln!(out, "LOOSENS: {loosening}");
        }
    }
    if let Some(list) = verified.trust.revocations() {
        let lines = list.revocations.document().revocation.len();
        let _ = writeln!(out, "revocations {} with {}", list.sequence, counted(lines, "line", "lines"));
    }
    let head = verified.trust.head().filter(|_| good);
    let verdict = match head {
        Some(head) => {
            let channel = crate::output::text::visible(&head.channel);
            format!("verified: a machine on the channel {channel} would take this folder{}", in_ring(head))
        }
        None => "REFUSED: a machine would not take this folder".to_owned(),
    };
    let _ = writeln!(out, "{verdict}");
    out
}

/// For whom the policies of a head are, where they are not for all.
fn in_ring(head: &Head) -> String {
    let Some(ring) = &head.ring else { return String::new() };
    let others = match head.elsewhere {
        Some(policy) => format!("policy {} for all others", policy.sequence),
        None => "what others have goes on".to_owned(),
    };
    format!(", policy {} in the ring {}; {others}", head.policy.sequence, crate::output::text::visible(ring))
}

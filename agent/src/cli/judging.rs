//! By which policy `scan` judges.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use mcpolicy_schema::report::v1::Report;
use mcpolicy_schema::trust::Demands;
use mcpolicy_schema::verdict::Verdict;

use crate::in_force::InForce;

#[derive(Debug, Args)]
pub(super) struct Judging {
    /// Judge every entry by the published policy in this folder; refused whole if any check fails
    #[arg(long, value_name = "DIR", requires = "trust_root")]
    policy: Option<PathBuf>,

    /// The root document that is trusted: pinned by you, never taken from the policy's folder by itself
    #[arg(long, value_name = "FILE", requires = "policy")]
    trust_root: Option<PathBuf>,

    /// Refuse a published policy of a lower sequence: an older copy of the folder than the one you know of
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, requires = "policy")]
    min_policy: u64,

    /// Refuse a published policy whose revocations have a lower sequence, or that has none
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, requires = "policy")]
    min_revocations: u64,

    /// Refuse a published policy of another channel than this one
    #[arg(
        long,
        value_name = "NAME",
        default_value = "default",
        hide_default_value = true,
        requires = "policy"
    )]
    channel: String,

    /// Judge by an unsigned policy.toml, or the folder it is in; the report says UNSIGNED
    #[arg(long, value_name = "FILE", conflicts_with_all = ["policy", "trust_root"])]
    draft: Option<PathBuf>,

    /// The id of this machine, as rules, rings and revocations name it; stored reports are told apart by it
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(super) device_id: String,

    /// A group that this machine is in, as rings name it; may be given several times. Stored reports are compared by it
    #[arg(long = "group", value_name = "NAME")]
    pub(super) groups: Vec<String>,

    /// Exit with 1 if an entry or an undeclared running server has this verdict or a graver one
    #[arg(long, value_name = "VERDICT")]
    fail_on_verdict: Option<FailOnVerdict>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FailOnVerdict {
    /// Denied, or not to be judged
    Unknown,
    /// Denied
    Deny,
}

impl Judging {
    /// The policy that was asked for. What fails a check is refused whole, and nothing is judged.
    pub(super) fn in_force(&self, now: Timestamp) -> anyhow::Result<Option<InForce>> {
        if let (Some(folder), Some(root)) = (&self.policy, &self.trust_root) {
            let (min_policy, min_revocations) = (self.min_policy, self.min_revocations);
            let channel = Some(self.channel.clone());
            let demands = Demands { min_policy, min_revocations, channel };
            return InForce::verified(folder, root, demands, now).map(Some);
        }
        if let Some(draft) = &self.draft {
            return InForce::draft(draft).map(Some);
        }
        anyhow::ensure!(self.fail_on_verdict.is_none(), "--fail-on-verdict needs --policy or --draft");
        Ok(None)
    }

    /// What is demanded of the number of a policy is demanded of the one that judges here, which may be that of the machines
    /// outside of a ring.
    pub(super) fn ensure_floor(&self, sequence: Option<u64>) -> anyhow::Result<()> {
        anyhow::ensure!(
            sequence.is_none_or(|sequence| sequence >= self.min_policy),
            "nothing was judged: the policy of machines outside of the ring is {}, and {} or a newer one is demanded; while a \
             newer one is offered to a ring only, demand what `policy publish` names for all others",
            sequence.unwrap_or(0),
            self.min_policy
        );
        Ok(())
    }

    /// Whether the report holds a verdict on which the caller wants to fail.
    pub(super) fn fails(&self, report: &Report) -> bool {
        let Some(threshold) = self.fail_on_verdict else { return false };
        let threshold = match threshold {
            FailOnVerdict::Unknown => Verdict::Unknown,
            FailOnVerdict::Deny => Verdict::Deny,
        };
        let entries = report.entries.iter().filter_map(|entry| entry.judged.as_ref());
        let processes = report.findings.iter().filter_map(|finding| finding.judged.as_ref());
        entries.chain(processes).any(|judged| judged.verdict >= threshold)
    }
}

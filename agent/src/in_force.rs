//! The policy by which a scan judges: an unsigned draft, or a published one that was verified.

use std::path::Path;

use mcpolicy_schema::document::Mode;
use mcpolicy_schema::policy::{Fault, Policy};
use mcpolicy_schema::report::v1::PolicyInForce;
use mcpolicy_schema::revocations::Revocations;
use mcpolicy_schema::signed::Grant;
use sha2::{Digest, Sha256};

use crate::authoring::source;

/// Said of a draft wherever its verdicts are shown.
pub const UNSIGNED: &str = "UNSIGNED draft: nobody has signed this policy; its verdicts bind nobody";

/// A policy with all that goes with it.
pub struct InForce {
    /// The rules.
    pub policy: Policy,
    /// What is denied now, whatever they allow.
    pub revocations: Option<Revocations>,
    /// Verified grants.
    pub grants: Vec<Grant>,
    /// Its sequence; `None` for a draft.
    pub sequence: Option<u64>,
    /// SHA-256 of its body.
    pub sha256: String,
    /// Sequence of the revocations.
    pub revocations_sequence: Option<u64>,
    /// `fresh`, `stale` or `expired`; `None` for a draft.
    pub staleness: Option<&'static str>,
    /// It allows nothing new.
    pub expired: bool,
    /// What a reader of the verdicts must know.
    pub notices: Vec<String>,
}

impl InForce {
    /// A policy as its author has it, or the folder that it is in.
    ///
    /// # Errors
    /// It cannot be read, or something in it is wrong.
    pub fn draft(path: &Path) -> anyhow::Result<Self> {
        let document = source::load(path)?;
        let body = serde_json::to_vec(&document)?;
        let policy = Policy::compile(document).map_err(|faults| refusal(path, &faults))?;
        Ok(Self {
            policy,
            revocations: None,
            grants: Vec::new(),
            sequence: None,
            sha256: Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect(),
            revocations_sequence: None,
            staleness: None,
            expired: false,
            notices: vec![UNSIGNED.to_owned()],
        })
    }

    /// How a report names it. `ring` is the machine's.
    pub fn about(&self, ring: Option<&str>) -> PolicyInForce {
        PolicyInForce {
            name: self.policy.document().policy.name.clone(),
            sequence: self.sequence,
            signed: self.sequence.is_some(),
            sha256: self.sha256.clone(),
            mode: word(self.policy.mode(ring)).to_owned(),
            ring: ring.map(str::to_owned),
            revocations: self.revocations_sequence,
            staleness: self.staleness.map(str::to_owned),
            notices: self.notices.clone(),
        }
    }
}

fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "observe",
        Mode::Warn => "warn",
        Mode::Hold => "hold",
        Mode::Enforce => "enforce",
    }
}

/// Everything that is wrong, a line each: an author mends them all at once.
fn refusal(path: &Path, faults: &[Fault]) -> anyhow::Error {
    let lines: Vec<String> =
        faults.iter().map(|fault| format!("\n  {}: {}", fault.place, fault.message)).collect();
    anyhow::anyhow!("the policy {} is refused, nothing was judged:{}", path.display(), lines.concat())
}

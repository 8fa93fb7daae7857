//! What an evaluation says: verdict, rule, reason and the trace of rules tried.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::finding::FindingCode;

/// Whether an entry may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Verdict {
    /// A rule or the default allows it.
    Allow,
    /// It could not be judged: a needed fact is missing. Treated as deny in enforce, never counted as allow.
    Unknown,
    /// A rule or the default denies it.
    Deny,
}

impl Verdict {
    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Unknown => "unknown",
            Self::Deny => "deny",
        }
    }
}

/// Which list decided. In the order in which they are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum DecidedBy {
    /// The signed emergency list.
    Revocation,
    /// `[[deny]]`.
    Denylist,
    /// `[[exception]]`, a signed grant, or a grandfathered entry of hold mode.
    Exception,
    /// `[[rule]]`.
    Allowlist,
    /// `default`.
    Default,
}

impl DecidedBy {
    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Revocation => "revocation",
            Self::Denylist => "denylist",
            Self::Exception => "exception",
            Self::Allowlist => "allowlist",
            Self::Default => "default",
        }
    }
}

/// Why a rule does not admit an entry, or why an entry is denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Stable code; its severity and remedy stand in docs/findings.md.
    pub code: FindingCode,
    /// What exactly, in words for people: names and flags, never a value from the entry.
    pub detail: String,
}

/// A rule that was asked and did not admit the entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Id of the rule.
    pub rule: String,
    /// The first condition that failed.
    pub reason: Reason,
}

/// What an evaluation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether the entry may be there.
    pub verdict: Verdict,
    /// Which list decided.
    pub decided_by: DecidedBy,
    /// Id of the rule, exception, grant or revocation that decided; `None` if the default did.
    pub rule: Option<String>,
    /// Why it is not allowed; `None` if it is.
    pub reason: Option<Reason>,
    /// Rules that were asked and did not admit it, in the policy's order.
    pub trace: Vec<Tried>,
    /// For an allowed package whose only fault is its version: the version that the rule names for it.
    pub pin: Option<String>,
    /// Ids of rules to offer to the developer instead.
    pub alternatives: Vec<String>,
    /// Whom to ask.
    pub contact: String,
    /// When what allows it ends: an exception, a grant, hold mode's grace, a condition that is not met yet.
    pub until: Option<Timestamp>,
    /// Change ticket of what allows it.
    pub ticket: Option<String>,
}

impl Judgement {
    /// The graver of two: deny over unknown over allow. Where readers may read a file differently, every reading is
    /// judged and the worst counts.
    pub fn worst(self, other: Self) -> Self {
        if other.verdict > self.verdict { other } else { self }
    }

    /// Whether enforce mode lets the entry be.
    pub fn is_allowed(&self) -> bool {
        self.verdict == Verdict::Allow
    }
}

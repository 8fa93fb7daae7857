//! The head: which policy and revocations are current. Short-lived, so that withholding newer ones is noticed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Sha256Hex, numbered_payload, require};
use crate::limits::MAX_SEQUENCE;

/// A current document: its number, and length and digest of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// Its sequence.
    pub sequence: u64,
    /// Length of its body in bytes.
    pub len: u64,
    /// Digest of its body.
    pub sha256: Sha256Hex,
}

impl Current {
    /// Length and digest of the body.
    pub fn body(&self) -> super::Digest {
        super::Digest { len: self.len, sha256: self.sha256 }
    }
}

/// The payload of `head`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Always `mcpolicy/head/v1`.
    pub schema: String,
    /// Its number, higher than that of every head before.
    pub sequence: u64,
    /// When it was signed.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// Which fleet it is for: a machine of another one refuses it.
    pub channel: String,
    /// The policy that is current.
    pub policy: Current,
    /// The revocations that are current; absent until there are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocations: Option<Current>,
    /// Oldest agent that enforces this policy in full; an older one says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_agent: Option<String>,
    /// The ring that may take it up; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<String>,
    /// With a ring: the policy of all other machines; absent where there was none before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<Current>,
    /// How often to ask for a newer one, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll_interval_s: Option<u32>,
    /// Members that a reader must understand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crit: Vec<String>,
}

numbered_payload!(
    Head,
    "head",
    "head",
    [
        schema,
        sequence,
        issued,
        expires,
        channel,
        policy,
        revocations,
        min_agent,
        ring,
        elsewhere,
        poll_interval_s,
        crit
    ],
    Self::named_are_numbered
);

impl Head {
    fn named_are_numbered(&self) -> Result<(), String> {
        let named = [Some(self.policy), self.revocations, self.elsewhere];
        let sequences = || named.into_iter().flatten().map(|current| current.sequence);
        require(sequences().all(|sequence| sequence > 0), || {
            "it names a document with the sequence 0".to_owned()
        })?;
        require(sequences().all(|sequence| sequence <= MAX_SEQUENCE), || {
            format!("it names a document with a sequence above {MAX_SEQUENCE}, the greatest that counts")
        })?;
        require(self.elsewhere.is_none() || self.ring.is_some(), || {
            "it names a policy for the machines outside of a ring, and no ring".to_owned()
        })
    }
}

//! What a machine must remember beside the documents themselves, so that a restart forgets nothing.
//!
//! Unknown members are ignored: an agent that was set back to an older version must not lose its policy over them.

use serde::{Deserialize, Serialize};

use super::Clock;
use crate::signed::Sha256Hex;

/// The value of [`State::schema`].
pub const SCHEMA: &str = "mcpolicy/trust-state/v1";

/// The lowest sequence of one kind of document that is still taken, and what stood in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Floor {
    /// Lowest sequence.
    pub sequence: u64,
    /// Digest of the payload that had it: the same number may not come again with other content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Sha256Hex>,
}

impl Floor {
    /// A floor that a root demands; no content is known.
    pub(super) fn at(sequence: u64) -> Self {
        Self { sequence, payload: None }
    }
}

/// The floors of all kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Floors {
    /// Of heads.
    pub head: Floor,
    /// Of policies.
    pub policy: Floor,
    /// Of revocations.
    pub revocations: Floor,
    /// Of the policies that were offered to all machines, or to all outside of a ring: a head that offers one to a ring
    /// brings no older one back elsewhere.
    #[serde(default)]
    pub for_all: u64,
}

/// What the device settings demand; it counts above everything that was stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Demands {
    /// Lowest policy (`MinPolicyVersion`).
    pub min_policy: u64,
    /// Lowest revocations.
    pub min_revocations: u64,
    /// The channel of this machine; absent: any.
    pub channel: Option<String>,
}

/// A document that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Digest of the payload of the root whose keys had signed it.
    pub root: Sha256Hex,
    /// Digest of the payload.
    pub payload: Sha256Hex,
}

/// The documents in force, as bytes, to be kept beside [`State`]. They are verified again whenever they are loaded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// The newest root, and those whose keys had signed what is in force.
    pub roots: Vec<Vec<u8>>,
    /// The head.
    pub head: Option<Vec<u8>>,
    /// The policy's statement.
    pub statement: Option<Vec<u8>>,
    /// The policy's body.
    pub body: Option<Vec<u8>>,
    /// The revocations' statement.
    pub revocations_statement: Option<Vec<u8>>,
    /// The revocations' body.
    pub revocations_body: Option<Vec<u8>>,
}

/// What a machine must remember.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Always `mcpolicy/trust-state/v1`.
    pub schema: String,
    /// Digests of the payloads of all roots from the pinned one to the newest, in order.
    pub chain: Vec<Sha256Hex>,
    /// The head that was accepted last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Accepted>,
    /// The policy in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Accepted>,
    /// The revocations in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocations: Option<Accepted>,
    /// The floors.
    pub floors: Floors,
    /// Issue of the newest head whose documents are all in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_as_of: Option<jiff::Timestamp>,
    /// The trusted time.
    pub clock: Clock,
}

//! The statements about bodies: a policy, a revocations list.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Digest, numbered_payload, require};
use crate::limits::{MAX_POLICY_BODY_BYTES, MAX_REVOCATIONS_BODY_BYTES};

/// The payload of a `policy.N` statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Always `mcpolicy/policy-statement/v1`.
    pub schema: String,
    /// Its number, higher than that of every policy before.
    pub sequence: u64,
    /// When it was signed.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// Name of the policy.
    pub name: String,
    /// Change ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Length and digest of the body.
    pub body: Digest,
    /// The policy loosens, for people who sign it. A verifier computes it anew and never believes it.
    #[serde(default)]
    pub loosens: bool,
    /// Members that a reader must understand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crit: Vec<String>,
}

numbered_payload!(
    Statement,
    "policy",
    "policy-statement",
    [schema, sequence, issued, expires, name, ticket, body, loosens, crit],
    |statement: &Self| body_within(&statement.body, MAX_POLICY_BODY_BYTES)
);

/// The payload of a `revocations.N` statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationsStatement {
    /// Always `mcpolicy/revocations-statement/v1`.
    pub schema: String,
    /// Its number, higher than that of every list before.
    pub sequence: u64,
    /// When it was signed.
    pub issued: Timestamp,
    /// When it ends: until then it can be taken as new. A list in force denies until a newer one takes its place.
    pub expires: Timestamp,
    /// Change ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Length and digest of the body.
    pub body: Digest,
    /// Members that a reader must understand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crit: Vec<String>,
}

numbered_payload!(
    RevocationsStatement,
    "revocations",
    "revocations-statement",
    [schema, sequence, issued, expires, ticket, body, crit],
    |statement: &Self| body_within(&statement.body, MAX_REVOCATIONS_BODY_BYTES)
);

fn body_within(body: &Digest, most: usize) -> Result<(), String> {
    require(body.len <= most as u64, || {
        format!("the body has {} bytes, more than the {most} that are read", body.len)
    })
}

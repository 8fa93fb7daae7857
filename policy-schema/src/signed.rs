//! The payloads of signed documents. Each has its own payload type, so that none can be taken for another.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One entry that is allowed to one user on one device for a time: what `policy grant` signs and `redeem` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Grant {
    /// Always `mcpolicy/grant/v1`.
    pub schema: String,
    /// Unique; a revocation can name it.
    pub id: String,
    /// Fingerprint of the entry.
    pub fingerprint: String,
    /// Identity of the entry, for people.
    pub identity: String,
    /// The only device on which it counts.
    pub device: String,
    /// The only user for whom it counts.
    pub user: String,
    /// Change ticket, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// When it was signed.
    #[cfg_attr(feature = "json-schema", schemars(with = "String"))]
    pub issued: Timestamp,
    /// When it ends.
    #[cfg_attr(feature = "json-schema", schemars(with = "String"))]
    pub expires: Timestamp,
    /// Names of members that a reader must understand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crit: Vec<String>,
}

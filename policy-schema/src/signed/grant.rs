//! A grant: one entry allowed to one user on one device for a time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Common, Payload, require};

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

impl Payload for Grant {
    const DOCUMENT: &'static str = "grant";
    const PAYLOAD_TYPE: &'static str = "application/vnd.mcpolicy.grant.v1+json";
    const SCHEMA: &'static str = "mcpolicy/grant/v1";
    const MEMBERS: &'static [&'static str] =
        &["schema", "id", "fingerprint", "identity", "device", "user", "ticket", "issued", "expires", "crit"];

    fn common(&self) -> Common<'_> {
        Common {
            schema: &self.schema,
            sequence: None,
            issued: self.issued,
            expires: Some(self.expires),
            crit: &self.crit,
        }
    }

    fn check(&self) -> Result<(), String> {
        // an empty device or user would be everybody's to a careless reader
        for (name, value) in [
            ("id", &self.id),
            ("fingerprint", &self.fingerprint),
            ("device", &self.device),
            ("user", &self.user),
        ] {
            require(!value.is_empty(), || format!("`{name}` is empty"))?;
        }
        Ok(())
    }
}

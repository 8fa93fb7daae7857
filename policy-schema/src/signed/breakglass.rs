//! A break-glass token: for a time, one machine only watches.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Common, Payload, require};

/// Longest time that one token may open, in seconds: a day.
pub const MAX_SECONDS: u32 = 24 * 60 * 60;

/// One machine only watches for a time, whatever the policy says: what `policy breakglass` signs and `mcpolicy breakglass`
/// takes. It takes protection away, so as many must sign as a policy that does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breakglass {
    /// Always `mcpolicy/breakglass/v1`.
    pub schema: String,
    /// Unique: a machine takes each only once.
    pub id: String,
    /// The only device on which it counts.
    pub device: String,
    /// How long, from when it is taken, in seconds.
    pub seconds: u32,
    /// Why; it is reported.
    pub reason: String,
    /// Change ticket, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// When it was signed.
    pub issued: Timestamp,
    /// Until when it may be taken.
    pub expires: Timestamp,
    /// Names of members that a reader must understand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crit: Vec<String>,
}

impl Payload for Breakglass {
    const DOCUMENT: &'static str = "breakglass";
    const PAYLOAD_TYPE: &'static str = "application/vnd.mcpolicy.breakglass.v1+json";
    const SCHEMA: &'static str = "mcpolicy/breakglass/v1";
    const MEMBERS: &'static [&'static str] =
        &["schema", "id", "device", "seconds", "reason", "ticket", "issued", "expires", "crit"];

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
        // an empty device would be every machine's to a careless reader
        for (name, value) in [("id", &self.id), ("device", &self.device), ("reason", &self.reason)] {
            require(!value.is_empty(), || format!("`{name}` is empty"))?;
        }
        let is_time = self.seconds > 0 && self.seconds <= MAX_SECONDS;
        require(is_time, || format!("`seconds` is {}, not 1 to {MAX_SECONDS}", self.seconds))
    }
}

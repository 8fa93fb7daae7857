//! A developer's request for an entry. Not signed: it proves nothing, and nothing follows from it but that somebody
//! looks at it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Common, Payload, require};

/// What a developer asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Always `mcpolicy/request/v1`.
    pub schema: String,
    /// Unique.
    pub id: String,
    /// Fingerprint of the entry (`sha256:…`).
    pub fingerprint: String,
    /// Identity of the entry, for people.
    pub identity: String,
    /// Name of the entry in the client's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The device on which it is wanted.
    pub device: String,
    /// The user who wants it.
    pub user: String,
    /// What for, in the developer's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was asked.
    pub issued: Timestamp,
}

impl Payload for Request {
    const DOCUMENT: &'static str = "request";
    const PAYLOAD_TYPE: &'static str = "application/vnd.mcpolicy.request.v1+json";
    const SCHEMA: &'static str = "mcpolicy/request/v1";
    const MEMBERS: &'static [&'static str] =
        &["schema", "id", "fingerprint", "identity", "name", "client", "device", "user", "reason", "issued"];

    fn common(&self) -> Common<'_> {
        Common { schema: &self.schema, sequence: None, issued: self.issued, expires: None, crit: &[] }
    }

    fn check(&self) -> Result<(), String> {
        for (name, value) in
            [("fingerprint", &self.fingerprint), ("device", &self.device), ("user", &self.user)]
        {
            require(!value.is_empty(), || format!("`{name}` is empty"))?;
        }
        Ok(())
    }
}

//! A developer's request to have a server allowed, as `mcpolicy request` leaves it for the security team.

use serde::{Deserialize, Serialize};

use super::{Entry, Identity};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Request {
    /// Unique; `policy approve` takes it.
    pub id: String,
    /// When it was made, RFC 3339 in UTC.
    pub time: String,
    /// Who asks.
    pub user: String,
    /// On which device, where it has an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Fingerprint of the entry; requests for the same server share it.
    pub fingerprint: String,
    /// What the entry would run or contact.
    pub identity: Identity,
    /// The name under which the client lists it.
    pub name: String,
    /// Whose configuration it is in.
    pub client: String,
    /// Why it is needed, in the developer's words, redacted.
    #[serde(default)]
    pub reason: String,
    /// The entry as it was when the request was made.
    pub entry: Box<Entry>,
}

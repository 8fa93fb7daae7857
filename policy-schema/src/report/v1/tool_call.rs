//! One call of a tool of a server, as a client's hook told it.

use serde::{Deserialize, Serialize};

use super::Identity;

/// A call. It is the word of a program with its user's rights: whoever runs the hook by hand makes one up. Arguments and
/// results are in none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct ToolCall {
    /// Whose client it was, as the system names the caller.
    pub user: String,
    /// The client.
    pub client: String,
    /// Its session, by its own id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// The call, by its own id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub call: String,
    /// The server, as the client names it.
    pub server: String,
    /// What the server runs or contacts, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Fingerprint of its entry, where there is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// The tool.
    pub tool: String,
    /// Keyed hash of the arguments: equal arguments have the same, and nothing else can be told by it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub input: String,
    /// `allow` or `deny`; `would` where the mode acts on nothing, and enforcing would deny it.
    pub decision: String,
    /// Code of the reason, where enforcing would deny it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// How it ended: `ok`, `error`, or `unknown` where the client told nothing more; absent for a denied one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub result: String,
    /// How long it took, in milliseconds, where its end was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
}

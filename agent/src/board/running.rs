//! Denied servers that run at this moment: in no file any more, or in none that the agent may change.

use mcpolicy_schema::report::v1::Identity;
use serde::{Deserialize, Serialize};

/// A server that is not allowed and runs. Everything is redacted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningServer {
    /// The name of its entry, or what it runs.
    pub server: String,
    /// The client that runs it.
    pub client: String,
    /// Its user; empty where none is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Its process.
    pub process: u32,
    /// No file declares it.
    pub undeclared: bool,
    /// Code of the reason.
    pub code: String,
    /// The rule that decided, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The reason in words.
    pub detail: String,
    /// Why it is not ended; absent where it is being ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
    /// Why it is not certain that it is a server at all: such a one is told, and makes nobody non-compliant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
}

/// A server that a client was given on its command line, as it is told of one call of it. Everything is redacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenServer {
    /// The user of the client.
    pub user: String,
    /// The client.
    pub client: String,
    /// Its name there.
    pub name: String,
    /// Whether the policy allows it.
    pub is_allowed: bool,
    /// Code of the reason, where it does not.
    pub code: String,
    /// The reason in words.
    pub detail: String,
    /// The rule that decided.
    pub rule: Option<String>,
    /// What it runs or contacts.
    pub identity: Identity,
    /// Fingerprint of the entry that it would be.
    pub fingerprint: String,
}

impl RunningServer {
    /// Whether it counts as one that the policy does not allow and that runs all the same.
    pub fn counts(&self) -> bool {
        self.doubt.is_none()
    }
}

/// An event of the journal about a running server, as `explain` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerEvent {
    /// When, RFC 3339.
    pub time: String,
    /// What: `server-warned`, `server-ended`, `undeclared-server` and the like.
    pub code: String,
    /// Name of its entry, or what it ran.
    pub server: String,
    /// In words.
    pub detail: String,
    /// Whose; empty for nobody's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
}

/// Whether an event of the journal is about a running server.
pub fn is_about_server(code: &str) -> bool {
    code.starts_with("server-") || matches!(code, "undeclared-server" | "restart-needed")
}

/// How many of them count.
pub fn open(running: &[RunningServer]) -> u64 {
    running.iter().filter(|server| server.counts()).count() as u64
}

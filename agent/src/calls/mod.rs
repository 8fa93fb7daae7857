//! Calls of tools, which hooks of clients ask about: what the policy says of one now, and the record of it.
//!
//! A hook is a program with its user's rights, and so is whoever starts it by hand: what it says of client, session, server
//! and tool is that user's claim, and by whose account it is asked the socket knows. A claim can make no more than what its
//! user could do without the hook: be let through what the policy lets through, and fill the records of the own calls.

pub mod decide;
pub mod known;
pub mod ledger;
pub mod names;

use serde::{Deserialize, Serialize};

/// Longest name, id or path of a call that is looked at, in bytes.
pub const MAX_TEXT: usize = 1024;
/// Longest command or URL, in bytes.
pub const MAX_LAUNCH: usize = 64 << 10;
/// Most folders of one call.
pub const MAX_FOLDERS: usize = 16;

/// A client with a hook that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Caller {
    /// Claude Code.
    ClaudeCode,
    /// Codex.
    Codex,
    /// Cursor.
    Cursor,
}

impl Caller {
    /// Its id.
    pub fn id(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Cursor => "cursor",
        }
    }
}

/// A call, before it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Whose hook asks.
    pub client: Caller,
    /// The session, by the client's own id.
    #[serde(default)]
    pub session: String,
    /// The call, by the client's own id; empty where it gives none.
    #[serde(default)]
    pub call: String,
    /// The server, where the client names it by itself.
    #[serde(default)]
    pub server: Option<String>,
    /// The client says that no file of it declares the server: it was given to it.
    #[serde(default)]
    pub is_given: bool,
    /// The tool as the client names it: `mcp__SERVER__TOOL`, or the bare name where it names the server.
    #[serde(default)]
    pub tool: String,
    /// Folders in which the client works.
    #[serde(default)]
    pub folders: Vec<String>,
    /// What the server runs, where the client says so: its words with one space between them.
    #[serde(default)]
    pub command: Option<String>,
    /// Where the server is, where the client says so.
    #[serde(default)]
    pub url: Option<String>,
    /// SHA-256 of the arguments; these stay with the hook.
    #[serde(default)]
    pub input: String,
    /// What the client gave could not be read: there is nothing to know of the call.
    #[serde(default)]
    pub is_unreadable: bool,
}

/// A call that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Which.
    pub call: Call,
    /// Whether it went well; nothing where the client does not say.
    #[serde(default)]
    pub is_ok: Option<bool>,
    /// How long it took, as the client says, in milliseconds.
    #[serde(default)]
    pub took_ms: Option<u64>,
}

/// What is answered about a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Whether it is let through.
    pub is_let_through: bool,
    /// Why not, and whom to ask; empty where it is.
    #[serde(default)]
    pub message: String,
}

impl Call {
    /// Whether no part of it is longer than what a client would say.
    pub fn is_bounded(&self) -> bool {
        let is_short = |text: &String| text.len() <= MAX_TEXT;
        let launch = self.command.iter().chain(&self.url).all(|text| text.len() <= MAX_LAUNCH);
        [&self.session, &self.call, &self.tool, &self.input].into_iter().chain(&self.server).all(is_short)
            && self.folders.len() <= MAX_FOLDERS
            && self.folders.iter().all(|folder| folder.len() <= 4 * MAX_TEXT)
            && launch
    }
}

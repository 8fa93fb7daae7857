//! Where a client looks for what its administrator says.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A client for which there is a compiler. The ids are those of docs/clients.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Client {
    /// Claude Code.
    ClaudeCode,
    /// Claude Desktop.
    ClaudeDesktop,
    /// Codex: command line, IDE extension and desktop share the file.
    Codex,
    /// Cursor.
    Cursor,
    /// Visual Studio Code and its Insiders.
    Vscode,
    /// GitHub Copilot: its command line, VS Code, JetBrains and the Copilot app share the file.
    CopilotCli,
    /// Gemini CLI.
    GeminiCli,
    /// Qwen Code.
    QwenCode,
    /// Amp.
    Amp,
    /// Factory droid.
    Droid,
    /// opencode.
    Opencode,
    /// Kilo Code.
    KiloCode,
}

impl Client {
    /// All of them, in the order of docs/native.md.
    pub const ALL: [Self; 12] = [
        Self::ClaudeCode,
        Self::ClaudeDesktop,
        Self::Codex,
        Self::Cursor,
        Self::Vscode,
        Self::CopilotCli,
        Self::GeminiCli,
        Self::QwenCode,
        Self::Amp,
        Self::Droid,
        Self::Opencode,
        Self::KiloCode,
    ];

    /// Its id, as in docs/clients.md and in `native` of a policy.
    pub fn id(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::ClaudeDesktop => "claude-desktop",
            Self::Codex => "codex",
            Self::Cursor => "cursor",
            Self::Vscode => "vscode",
            Self::CopilotCli => "copilot-cli",
            Self::GeminiCli => "gemini-cli",
            Self::QwenCode => "qwen-code",
            Self::Amp => "amp",
            Self::Droid => "droid",
            Self::Opencode => "opencode",
            Self::KiloCode => "kilo-code",
        }
    }

    /// The client with this id.
    pub fn of_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|client| client.id() == id)
    }

    /// Ids of the clients that obey what is written for this one, itself among them.
    pub fn governs(self) -> &'static [&'static str] {
        match self {
            // local sessions of the Code tab hand the servers of Claude Desktop to an embedded Claude Code (documentation)
            Self::ClaudeCode => &["claude-code", "claude-desktop"],
            Self::Vscode => &["vscode", "vscode-insiders"],
            Self::CopilotCli => &["copilot-cli", "vscode", "vscode-insiders", "jetbrains-copilot"],
            Self::ClaudeDesktop => &["claude-desktop"],
            Self::Codex => &["codex"],
            Self::Cursor => &["cursor"],
            Self::GeminiCli => &["gemini-cli"],
            Self::QwenCode => &["qwen-code"],
            Self::Amp => &["amp"],
            Self::Droid => &["droid"],
            Self::Opencode => &["opencode"],
            Self::KiloCode => &["kilo-code"],
        }
    }
}

/// A place that a client reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A file: absolute, on Windows with `%ProgramData%` or `%ProgramFiles%` for the installer to fill in.
    File(String),
    /// Values of a key of the Windows registry, by name.
    Registry(String),
    /// Managed preferences of a domain on macOS, which only MDM may write.
    Preferences(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(path),
            Self::Registry(key) => f.write_str(key),
            Self::Preferences(domain) => write!(f, "managed preferences of {domain}"),
        }
    }
}

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// JSON without liberties.
    Json,
    /// JSON with comments, perhaps with trailing commas.
    Jsonc,
    /// TOML.
    Toml,
    /// Named values of a registry key or of preferences, here as one JSON object: text, true or false, a number; for
    /// preferences lists and maps too. The installer turns them into what the system has.
    Values,
}

/// A place that may be written for a client.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Where.
    pub place: Place,
    /// In what form. A file belongs to root (or Administrators) and has mode 0644, its folders 0755: every client is
    /// another user's process, and most take what they cannot read for no policy at all.
    pub format: Format,
    /// The file is ours alone: nobody else has a reason to write it.
    pub own: bool,
    /// For MDM only: the system lets nobody else write it, or the client takes it in place of every file, those of an
    /// administrator too.
    pub mdm: bool,
    /// Other files of the same client that an administrator may have, each of which the caller reads and hands over in
    /// [`crate::Input::beside`]. One that ends with `*` means all files of that folder.
    pub beside: &'static [&'static str],
}

impl Target {
    pub(crate) fn file(path: &str, format: Format) -> Self {
        Self { place: Place::File(path.to_owned()), format, own: false, mdm: false, beside: &[] }
    }

    pub(crate) fn registry(key: &str) -> Self {
        let place = Place::Registry(key.to_owned());
        Self { place, format: Format::Values, own: false, mdm: false, beside: &[] }
    }

    pub(crate) fn preferences(domain: &str) -> Self {
        let place = Place::Preferences(domain.to_owned());
        Self { place, format: Format::Values, own: false, mdm: true, beside: &[] }
    }

    /// The key of the maps of [`crate::Input`].
    pub fn id(&self) -> String {
        self.place.to_string()
    }
}

//! The normalised server: one [`Entry`] per declaration (a source plus a key path), whatever client and format it
//! was written for.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::contradiction;
use crate::sensitive::Sensitive;

/// Stable id of a client, for example `claude-code`. The ids are listed in docs/clients.md.
pub type ClientId = &'static str;

/// The client id of a file whose owner is not known but whose shape is launchable.
pub const UNKNOWN_CLIENT: ClientId = "unknown-client";

/// Where a declaration stands in a client's own order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Scope {
    /// Machine-wide, written by administrators.
    Managed,
    /// The user's own file, for all projects.
    User,
    /// The user's own file, for one project only (Claude's `projects.<path>.mcpServers`).
    Local,
    /// A file in the project, usually brought by its repository.
    Project,
    /// Brought by a plugin or an extension of the client.
    Plugin,
}

impl Scope {
    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Managed => "managed",
            Self::User => "user",
            Self::Local => "local",
            Self::Project => "project",
            Self::Plugin => "plugin",
        }
    }
}

/// How the client talks to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Transport {
    /// A child process, over its standard input and output.
    Stdio,
    /// Streamable HTTP.
    Http,
    /// Server-sent events, the older HTTP form.
    Sse,
    /// WebSocket.
    Ws,
    /// Code inside the client itself.
    Builtin,
    /// Nothing that says which.
    Unknown,
}

impl Transport {
    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Http => "http",
            Self::Sse => "sse",
            Self::Ws => "ws",
            Self::Builtin => "builtin",
            Self::Unknown => "unknown",
        }
    }
}

/// Why no client loads a declaration as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Inert {
    /// It stands under a key that no reader of the file reads.
    KeyNotRead,
    /// Every reader refuses this entry (a missing `type`, a reserved name, a wrong shape).
    EntryRefused,
    /// Every reader refuses the whole file (a comment in a strict-JSON file).
    FileRefused,
    /// A later duplicate of the same key takes its place.
    Overridden,
}

impl Inert {
    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyNotRead => "key-not-read",
            Self::EntryRefused => "entry-refused",
            Self::FileRefused => "file-refused",
            Self::Overridden => "overridden",
        }
    }
}

/// A client that would load the entry as written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reader {
    /// Which client.
    pub client: ClientId,
    /// The setting of that client on which it depends, `None` if it always reads the file.
    pub setting: Option<&'static str>,
}

/// A place in a text file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in Unicode scalar values, from 1.
    pub column: u32,
}

/// The command of a `stdio` server as its client would see it, before any identity is read out of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamedValue {
    /// Name of the variable or header.
    pub name: String,
    /// Its value; empty where the file gives only a name.
    pub value: Sensitive,
}

/// One normalised server declaration. Raw values are [`Sensitive`]; nothing here is fit for output before redaction.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The name under which the client lists it.
    pub name: String,
    /// Whose location the file is.
    pub client: ClientId,
    /// Who would load it as written; empty if [`Entry::inert`] says why not.
    pub readers: Vec<Reader>,
    /// Scope of the declaration.
    pub scope: Scope,
    /// JSON Pointer (RFC 6901) of the entry in its file; TOML, YAML and XML use the same notation.
    pub key_path: String,
    /// Where the entry's name (or list item) stands.
    pub position: Position,
    /// Bytes of the whole member, name and value, in the file.
    pub span: Range<usize>,
    /// How the client talks to it.
    pub transport: Transport,
    /// The transport word as written, where there is one.
    pub declared_type: Option<String>,
    /// What is run.
    pub command: Option<Sensitive>,
    /// With what arguments.
    pub args: Vec<Sensitive>,
    /// What is contacted.
    pub url: Option<Sensitive>,
    /// Environment of the server.
    pub env: Vec<NamedValue>,
    /// HTTP headers.
    pub headers: Vec<NamedValue>,
    /// Working directory, where the entry sets one.
    pub cwd: Option<Sensitive>,
    /// Each client that would load it obeys an off switch that is set in it.
    pub disabled: bool,
    /// Why no reader loads it, `None` if at least one does.
    pub inert: Option<Inert>,
    /// Other members of the entry that change what runs or what is allowed (`envFile`, `headersHelper`, `trust` …):
    /// name and value as text (lists and maps as compact JSON).
    pub members: Vec<NamedValue>,
    /// What is wrong with its shape, in words for people, without any value from the file.
    pub malformed: Option<&'static str>,
    /// The project directory that a local-scope entry belongs to.
    pub project: Option<String>,
}

impl Entry {
    /// A live declaration in the user's own file that starts a command. For what comes from no file: a running process,
    /// a case on a command line, a test.
    pub fn stdio(
        command: impl Into<Sensitive>,
        args: impl IntoIterator<Item = impl Into<Sensitive>>,
    ) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        Self { command: Some(command.into()), args, ..Self::empty(Transport::Stdio) }
    }

    /// The same of a remote server.
    pub fn remote(url: impl Into<Sensitive>) -> Self {
        Self { url: Some(url.into()), ..Self::empty(Transport::Http) }
    }

    fn empty(transport: Transport) -> Self {
        Self {
            name: String::new(),
            client: UNKNOWN_CLIENT,
            readers: Vec::new(),
            scope: Scope::User,
            key_path: String::new(),
            position: Position { line: 1, column: 1 },
            span: 0..0,
            transport,
            declared_type: None,
            command: None,
            args: Vec::new(),
            url: None,
            env: Vec::new(),
            headers: Vec::new(),
            cwd: None,
            disabled: false,
            inert: None,
            members: Vec::new(),
            malformed: None,
            project: None,
        }
    }

    /// Whether programs that read it differently would launch different things.
    pub fn contradicts(&self) -> bool {
        self.malformed.is_some_and(|what| contradiction::named(what).is_some())
    }

    /// The value of a member in [`Entry::members`].
    pub fn member(&self, name: &str) -> Option<&Sensitive> {
        self.members.iter().find(|m| m.name == name).map(|m| &m.value)
    }
}

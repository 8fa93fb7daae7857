//! Where a client looks: a path template with what is read there.

use mcpolicy_schema::entry::Scope;

use crate::codec::{Dialect, Format};

/// Whose paths a template is for. A home has a layout of its own: WSL homes on Windows are `Linux`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Os {
    /// Linux, and homes inside WSL.
    Linux,
    /// macOS.
    Macos,
    /// Windows.
    Windows,
}

impl Os {
    /// The word used in reports and in clients.toml.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Macos => "macos",
            Self::Windows => "windows",
        }
    }
}

/// All three.
pub const ANY_OS: &[Os] = &[Os::Linux, Os::Macos, Os::Windows];
/// Linux and macOS.
pub const UNIX: &[Os] = &[Os::Linux, Os::Macos];
/// Linux only.
pub const LINUX: &[Os] = &[Os::Linux];
/// macOS only.
pub const MACOS: &[Os] = &[Os::Macos];
/// Windows only.
pub const WINDOWS: &[Os] = &[Os::Windows];

/// The template of a file that another one names for servers: it may be called anything.
pub const NAMED: &str = "<named>";

/// What a file at a location is to its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The client's own file: it owns the entries.
    Own,
    /// Another client's file that this one reads too.
    Reads,
    /// Another client's file that this one reads if a setting says so.
    ReadsIf(&'static str),
}

/// One path template of one client.
///
/// Templates: `~` the home; `$VAR` a variable of the client with its default (`About::variables`), `$VAR?` only where
/// the variable is set; `%APPDATA%` and the like on Windows; `<project>` a project root; `<plugin>` a directory that
/// a plugin index named; `<named>` a file of a plugin that another one named; `<agent>` a file, `<skills>` and
/// `<marketplace>` directories that settings name; `*` one path component; `**` before the last one any folders, or none. Components are separated by `/` on every system. What has none of
/// these prefixes is a path of the machine.
#[derive(Debug, Clone, Copy)]
pub struct Location {
    /// Where the template holds.
    pub os: &'static [Os],
    /// Scope of what stands there.
    pub scope: Scope,
    /// The template.
    pub path: &'static str,
    /// How it is read.
    pub format: Format,
    /// JSON Pointers of the server maps in it, `""` for the top. Empty for files that only lead to others, hold
    /// settings, or hold a managed policy.
    pub keys: &'static [&'static str],
    /// Whether the servers may also be a list of named entries.
    pub list: bool,
    /// What the file is to the client.
    pub role: Role,
    /// Whether the client keeps its own state in the file (sign-in, remembered projects, open windows): such a file is
    /// never taken away as a whole.
    pub state: bool,
    /// Whether the file is there for another purpose (instructions of an agent, a recipe) and most of its kind name no
    /// servers: one that does not is none of our business, readable or not. Nothing that clients keep about the servers
    /// of their usual files holds for those in here.
    pub aside: bool,
}

impl Location {
    const fn new(scope: Scope, path: &'static str) -> Self {
        let format = Format::Json(Dialect::UNKNOWN);
        Self {
            os: ANY_OS,
            scope,
            path,
            format,
            keys: &["/mcpServers"],
            list: false,
            role: Role::Own,
            state: false,
            aside: false,
        }
    }

    /// A file of the user: JSON with servers under `mcpServers`, until said otherwise.
    pub const fn user(path: &'static str) -> Self {
        Self::new(Scope::User, path)
    }

    /// A file of a project.
    pub const fn project(path: &'static str) -> Self {
        Self::new(Scope::Project, path)
    }

    /// A file of a plugin or extension.
    pub const fn plugin(path: &'static str) -> Self {
        Self::new(Scope::Plugin, path)
    }

    /// A machine-wide file of administrators.
    pub const fn managed(path: &'static str) -> Self {
        Self::new(Scope::Managed, path)
    }

    /// Holds on these systems only.
    #[must_use]
    pub const fn on(self, os: &'static [Os]) -> Self {
        Self { os, ..self }
    }

    /// Read in this format.
    #[must_use]
    pub const fn format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// JSON of this dialect.
    #[must_use]
    pub const fn json(self, dialect: Dialect) -> Self {
        Self { format: Format::Json(dialect), ..self }
    }

    /// Servers stand under these JSON Pointers.
    #[must_use]
    pub const fn keys(self, keys: &'static [&'static str]) -> Self {
        Self { keys, ..self }
    }

    /// Servers may be a list of named entries.
    #[must_use]
    pub const fn or_list(self) -> Self {
        Self { list: true, ..self }
    }

    /// Holds no servers: settings, an index, a managed policy.
    #[must_use]
    pub const fn no_servers(self) -> Self {
        Self { keys: &[], ..self }
    }

    /// The client keeps its own state in it.
    #[must_use]
    pub const fn state(self) -> Self {
        Self { state: true, ..self }
    }

    /// A file for another purpose, in which servers may stand.
    #[must_use]
    pub const fn aside(self) -> Self {
        Self { aside: true, ..self }
    }

    /// The front matter of Markdown files that describe agents.
    #[must_use]
    pub const fn agents(self) -> Self {
        self.aside().format(Format::FrontMatter)
    }

    /// Another client's file.
    #[must_use]
    pub const fn shared(self) -> Self {
        Self { role: Role::Reads, ..self }
    }

    /// Another client's file, read only with this setting.
    #[must_use]
    pub const fn shared_if(self, setting: &'static str) -> Self {
        Self { role: Role::ReadsIf(setting), ..self }
    }
}

//! What the program knows of one client. A new client is one file in `adapters/`, its fixtures and one registry line.

use mcpolicy_schema::entry::{ClientId, Entry, NamedValue, Scope, Transport};
use mcpolicy_schema::finding::Finding;

use crate::codec::Parsed;
use crate::edit::Change;
use crate::elsewhere::{Declared, Keeps, OffSwitch};
use crate::environment::EnvironmentFile;
use crate::location::Location;
use crate::node::{Node, Span};
use crate::reads::Reads;
use crate::servers;
use crate::writes::Writes;

/// A variable that moves a client's files.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name, without `$`.
    pub name: &'static str,
    /// Where the client looks when it is not set, as a template; empty if nowhere.
    pub default: &'static str,
}

/// A member of an entry by which its user switches the entry off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntrySwitch {
    /// Name of the member.
    pub member: &'static str,
    /// The value that means off.
    pub off: bool,
    /// Whether something may rest on it.
    pub holds: Holds,
    /// Where this is known from.
    pub evidence: &'static str,
}

/// Whether a client leaves alone what its switch in the entry says is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// It does, in these versions; of no other is known that people have it.
    In(&'static str),
    /// Not always, and why: what is denied counts as live.
    NotAlways(&'static str),
}

/// The facts of a client that are plain data.
#[derive(Debug)]
pub struct About {
    /// Stable id, as in docs/clients.md.
    pub id: ClientId,
    /// What the vendor calls it.
    pub name: &'static str,
    /// How common it is judged to be on corporate laptops; 1 is first. Decides who owns a shared file.
    pub rank: u8,
    /// Where it looks.
    pub locations: &'static [Location],
    /// Variables that move its files.
    pub variables: &'static [Variable],
    /// Files of which it takes variables by itself.
    pub environments: &'static [EnvironmentFile],
    /// Variables that bring servers in a way that is not followed: configuration as a text. Where a start file
    /// sets one, that is told.
    pub content: &'static [&'static str],
    /// File names of its executables, without `.exe`; matched in any case.
    pub processes: &'static [&'static str],
    /// Command-line flags that switch its permission questions or sandbox off.
    pub bypass_flags: &'static [&'static str],
    /// What it takes an entry with a URL and no transport word for.
    pub untyped_url: Transport,
    /// Under which names it reads what it launches.
    pub reads: &'static Reads,
    /// The form in which it writes entries. None until it is known of this very client.
    pub writes: Option<&'static Writes>,
    /// Its off switch in the entry. None until it is known of this very client: the same member is read by one client
    /// and passed over by the next, which then starts the server.
    pub switch: Option<EntrySwitch>,
    /// Where the facts come from: version tested, source or documentation read.
    pub evidence: &'static str,
    /// What a reader of docs/clients.md should know.
    pub notes: &'static str,
}

impl About {
    /// Defaults to build a client from: `About { id: …, ..About::NONE }`.
    pub const NONE: Self = Self {
        id: "",
        name: "",
        rank: 99,
        locations: &[],
        variables: &[],
        environments: &[],
        content: &[],
        processes: &[],
        bypass_flags: &[],
        untyped_url: Transport::Http,
        reads: &Reads::ANY,
        writes: None,
        switch: None,
        evidence: "",
        notes: "",
    };

    /// The versions on which its behaviour was tested, by the words of its evidence; one of which only files were looked at is
    /// none.
    pub fn tested(&self) -> Vec<&'static str> {
        let clauses = self.evidence.split(';').map(str::trim);
        let tested = clauses.filter(|clause| clause.starts_with("tested") && !clause.contains("files only"));
        let is_version = |word: &&str| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit());
        tested.flat_map(|clause| clause.split([' ', ','])).filter(is_version).collect()
    }

    /// The switch in the entry on which something may rest.
    pub fn sure_switch(&self) -> Option<EntrySwitch> {
        self.switch.filter(|switch| matches!(switch.holds, Holds::In(_)))
    }

    /// Whether the client leaves this entry alone because of its own switch in it.
    pub fn is_off(&self, entry: &Node<'_>) -> bool {
        self.sure_switch()
            .is_some_and(|switch| entry.get(switch.member).and_then(Node::as_bool) == Some(switch.off))
    }
}

/// A server found in a tree, before it is normalised.
#[derive(Debug, Clone)]
pub struct Found<'d> {
    /// The name under which the client lists it.
    pub name: String,
    /// JSON Pointer of the entry.
    pub key_path: String,
    /// What stands there.
    pub node: &'d Node<'d>,
    /// Bytes of the whole member or list item.
    pub span: Span,
    /// Scope, where it is another than the file's.
    pub scope: Option<Scope>,
    /// The project that a local-scope entry belongs to.
    pub project: Option<String>,
}

/// Whether a client loads an entry as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// It does.
    Yes,
    /// Only with this setting.
    IfSetting(&'static str),
    /// It does not, and why.
    No(&'static str),
}

/// Another place that a file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lead {
    /// A project directory that the client remembers, as an absolute path.
    Project(String),
    /// A directory with a plugin of this client: its `<plugin>` templates apply. A relative path is meant from the folder
    /// of the file that names it.
    Plugin(String),
    /// What another of its templates stands for, or begins with: `<named>` a file, `$NAME` a directory. Relative as above.
    Named {
        /// The template, or its first component.
        template: &'static str,
        /// The file or directory.
        path: String,
    },
    /// Work on another machine or in a container, which this scan cannot see: kind of the gap and what it names.
    Elsewhere {
        /// `remote-host`, `devcontainer`, `container`, `docker-gateway`, `extension-servers` …
        kind: &'static str,
        /// What is named, for people.
        what: String,
    },
}

/// A file that takes the place of a client's usual one: what stands in that counts for nothing then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instead {
    /// The template of its location.
    pub template: &'static str,
    /// It counts as soon as the variable of its template is set; others only where they are there.
    pub by_variable: bool,
}

/// A finding about a setting rather than about an entry.
#[derive(Debug, Clone)]
pub struct SettingFinding {
    /// What was found.
    pub finding: Finding,
    /// Byte offset of the setting in the text.
    pub offset: usize,
}

/// One client. Everything but [`ClientAdapter::about`] has a default that suits most of them.
pub trait ClientAdapter: Sync {
    /// The plain facts.
    fn about(&self) -> &'static About;

    /// The servers that the client takes from this file.
    fn servers<'d>(&self, at: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
        servers::under_keys(&doc.root, at.keys)
    }

    /// Whether it loads this entry as written. The caller has already settled keys and dialect.
    fn loads(&self, entry: &Entry, at: &Location) -> Load {
        let _ = (entry, at);
        Load::Yes
    }

    /// Other places that this file names.
    fn leads(&self, at: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
        let _ = (at, doc);
        Vec::new()
    }

    /// Where the client's own treatment of the text, before it parses it, makes another file of it.
    fn rewrites(&self, text: &str, doc: &Parsed<'_>) -> Option<usize> {
        let _ = (text, doc);
        None
    }

    /// Files of variables whose values the client puts into the text of its YAML files before it parses them, in place of
    /// `${{ secrets.NAME }}`.
    fn fills_from(&self) -> &'static [&'static str] {
        &[]
    }

    /// Variables that this file makes the client hand to every server that it starts, with the place of each.
    fn environment(&self, at: &Location, doc: &Parsed<'_>) -> Vec<(NamedValue, usize)> {
        let _ = (at, doc);
        Vec::new()
    }

    /// Settings worth telling (automatic approval, weakening of a managed policy).
    fn settings(&self, at: &Location, doc: &Parsed<'_>) -> Vec<SettingFinding> {
        let _ = (at, doc);
        Vec::new()
    }

    /// Files in which the client keeps approvals that may belong to a declaration.
    fn approval_files(&self, declared: &Declared<'_>) -> Vec<Keeps> {
        let _ = declared;
        Vec::new()
    }

    /// What takes the approvals of removed declarations out of one of these files: each change with the index of its
    /// declaration. There may be thousands of both.
    fn approvals(&self, declared: &[Declared<'_>], root: &Node<'_>) -> Vec<(usize, Change)> {
        let _ = (declared, root);
        Vec::new()
    }

    /// The user's own switches for this declaration, outside of its file. It is off when all of them are set; none if
    /// the client has no such switch, or if it would not hold wherever the client reads the declaration.
    fn off_switches(&self, declared: &Declared<'_>) -> Vec<OffSwitch> {
        let _ = declared;
        Vec::new()
    }

    /// Files of a work tree in which the client itself may have put a switch. None of them is ours to edit, but a server
    /// that is allowed again may be off by them still.
    fn moved_switches(&self, declared: &Declared<'_>) -> Vec<Keeps> {
        let _ = declared;
        Vec::new()
    }

    /// What sets a switch in its file.
    fn switch_off(&self, declared: &Declared<'_>, keeps: &Keeps, doc: &Parsed<'_>) -> Vec<Change> {
        let _ = (declared, keeps, doc);
        Vec::new()
    }

    /// What takes a switch back in its file; nothing if no part of it is set there.
    fn switch_on(&self, declared: &Declared<'_>, keeps: &Keeps, doc: &Parsed<'_>) -> Vec<Change> {
        let _ = (declared, keeps, doc);
        Vec::new()
    }

    /// Files that are the user's configuration in place of the usual one, the first that counts.
    fn instead(&self) -> &'static [Instead] {
        &[]
    }

    /// Whether a switch is set in its file.
    fn is_off(&self, declared: &Declared<'_>, keeps: &Keeps, root: &Node<'_>) -> bool {
        let _ = (declared, keeps, root);
        false
    }
}

//! Entry to facts: which file it would run, where that really lies, who could put another in its place, its digest
//! where the policy wants one, and who owns the socket of a loopback URL.
//!
//! A fact that cannot be had stays `None`: the verdict is then unknown, never a guess. Everything goes through the
//! [`Machine`], so that the entries of an image are judged by the files of that image and never by the host's.

mod files;
mod search;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mcpolicy_clients::location::Os;
use mcpolicy_clients::template::{ANY_FOLDERS, Layout};
use mcpolicy_platform::machine::{Account, Machine};
use mcpolicy_platform::processes::Process;
use mcpolicy_platform::sockets;
use mcpolicy_schema::entry::{ClientId, Entry, Scope};
use mcpolicy_schema::evaluate::{Facts, FileFacts};
use mcpolicy_schema::identity::{Identity, Kind};
use mcpolicy_schema::risk;
use mcpolicy_schema::sensitive::Sensitive;

use crate::discover::source::Source;
use crate::gap::Gap;
use crate::worker::aside::Place;
use crate::worker::{Seen, core};
use files::Files;

/// Flags of runners that move the directory in which a relative script is looked for.
const MOVES: [&str; 7] = ["--directory", "--cwd", "-C", "--prefix", "--dir", "--chdir", "--project"];

/// Who looks at files. `home` is the index of the home whose entry names the path: what lies in a home is looked at by
/// its own worker.
pub trait Look {
    /// What stands there.
    fn program(&self, home: Option<usize>, path: &Path) -> Seen;
    /// Whether the user could put something else there.
    fn user_writable(&self, home: Option<usize>, path: &Path, account: &Account) -> bool;
    /// The digest of a file of at most so many bytes, and its length.
    ///
    /// # Errors
    /// It cannot be had.
    fn hash(&self, home: Option<usize>, path: &Path, most: u64) -> Result<(String, u64), Unhashed>;
    /// Whether a home gives no answers at this time, so that what is said of it is nothing to keep.
    fn gives_none(&self, _home: Option<usize>) -> bool {
        false
    }
    /// Clients that have left anything of their own in the home of a file; `None` where that cannot be told.
    fn clients(&self, layout: &Layout, source: &Source) -> Option<Vec<ClientId>>;
}

/// Why a file was not hashed, in words that follow `the file`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unhashed(pub String);

/// A scan looks at everything itself.
impl Look for Machine {
    fn program(&self, _home: Option<usize>, path: &Path) -> Seen {
        core::seen(self, path)
    }

    fn user_writable(&self, _home: Option<usize>, path: &Path, account: &Account) -> bool {
        self.is_writable_by(path, account)
    }

    fn hash(&self, _home: Option<usize>, path: &Path, most: u64) -> Result<(String, u64), Unhashed> {
        core::hash(self, path, most).map_err(|error| Unhashed(error.to_string()))
    }

    fn clients(&self, layout: &Layout, _source: &Source) -> Option<Vec<ClientId>> {
        Some(Place { machine: self, layout }.clients())
    }
}

/// Where facts are looked for.
pub struct Ground<'a> {
    /// Who looks.
    pub look: &'a dyn Look,
    /// Whether its files say anything of what the entries would run: not for a single file, which may be from anywhere.
    pub has_files: bool,
    /// The process table of a live scan.
    pub processes: Option<&'a [Process]>,
    /// Whether listening sockets are those of the machine: not where a folder is taken for one.
    pub has_sockets: bool,
    /// Search paths by system (`linux`, `macos`, `windows`), where the policy gives them.
    pub search_path: &'a BTreeMap<String, Vec<String>>,
    /// Whether the digest of the file at a path is wanted.
    pub wants_digest: Box<dyn Fn(&str) -> bool + 'a>,
}

/// The user for whom a client would start the entry.
#[derive(Debug, Clone)]
pub struct Dweller {
    /// Index of his home.
    pub at: Option<usize>,
    /// His home; `None` for machine-wide entries and checkouts.
    pub home: Option<PathBuf>,
    /// Whose rules of paths hold there.
    pub os: Os,
    /// His rights.
    pub account: Account,
}

/// What is asked about one entry.
pub struct Asked<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// What it would run or contact.
    pub identity: &'a Identity,
    /// For whom.
    pub dweller: &'a Dweller,
    /// Where the client would start it, unless the entry itself says so.
    pub directory: Option<&'a Path>,
    /// The file that a process of it runs, where that is known better than by looking for it.
    pub running: Option<&'a Path>,
}

/// Finds facts, each path looked at once.
pub struct Resolver<'a> {
    ground: Ground<'a>,
    files: Files<'a>,
    listeners: BTreeMap<u16, Option<PathBuf>>,
    /// `PATH` of running clients by user and client.
    searches: BTreeMap<(Option<u32>, &'static str), Option<Vec<PathBuf>>>,
}

impl<'a> Resolver<'a> {
    /// A resolver that has looked at nothing yet.
    pub fn new(ground: Ground<'a>) -> Self {
        let files = Files::new(ground.look);
        Self { ground, files, listeners: BTreeMap::new(), searches: BTreeMap::new() }
    }

    /// Takes another process table. What was found by the one before is forgotten.
    pub fn amid(&mut self, processes: &'a [Process]) {
        self.ground.processes = Some(processes);
        self.listeners.clear();
        self.searches.clear();
    }

    /// What is known of the files that an entry names.
    pub fn facts(&mut self, asked: &Asked<'_>) -> Facts {
        if !self.ground.has_files || !is_at_home(asked.dweller.os) {
            return Facts::default();
        }
        Facts { program: self.program(asked), script: self.script(asked), listener: self.listener(asked) }
    }

    /// What was not hashed.
    pub fn take_gaps(&mut self) -> Vec<Gap> {
        self.files.take_gaps()
    }

    fn file(&mut self, path: &Path, asked: &Asked<'_>) -> Option<FileFacts> {
        self.files.facts(path, asked.dweller.at, &asked.dweller.account, &self.ground.wants_digest)
    }

    fn program(&mut self, asked: &Asked<'_>) -> Option<FileFacts> {
        if let Some(file) = asked.running {
            return self.file(file, asked);
        }
        let program = asked.identity.program.as_str();
        let path = if is_bare(program, asked.dweller.os) {
            let directories = self.search_path(asked)?;
            search::find(self.ground.look, asked.dweller.at, &directories, program, asked.dweller.os)?
        } else {
            place(program, asked)?
        };
        self.file(&path, asked)
    }

    fn script(&mut self, asked: &Asked<'_>) -> Option<FileFacts> {
        let path = place(script_of(asked.identity)?, asked)?;
        self.file(&path, asked)
    }

    /// The owner of the listening socket: only the live machine has one.
    fn listener(&mut self, asked: &Asked<'_>) -> Option<FileFacts> {
        if !self.ground.has_sockets {
            return None;
        }
        let target = match asked.identity.kind {
            Kind::Url => Some(asked.identity.name.as_str()),
            _ => asked.identity.target.as_deref(),
        };
        let port = risk::loopback_port(target?)?;
        let owner = self.listeners.entry(port).or_insert_with(|| sockets::listening_executable(port)).clone();
        self.file(&owner?, asked)
    }

    /// Where a bare command is looked for: what the entry itself says, else what the running client has, else the
    /// policy's word, else what the system has at first.
    fn search_path(&mut self, asked: &Asked<'_>) -> Option<Vec<PathBuf>> {
        let os = asked.dweller.os;
        if let Some(own) = search::of_entry(asked.entry, asked.identity, os) {
            return search::split(own.expose(), os);
        }
        if let Some(found) = self.of_client(asked) {
            return Some(found);
        }
        let given = self.ground.search_path.get(os.as_str());
        let given = given.map(|list| search::expand(list, asked.dweller.home.as_deref()));
        Some(given.unwrap_or_else(|| search::default_path(os)))
    }

    fn of_client(&mut self, asked: &Asked<'_>) -> Option<Vec<PathBuf>> {
        let uid = asked.dweller.account.uid;
        let (processes, client, os) = (self.ground.processes?, asked.entry.client, asked.dweller.os);
        asked.dweller.home.as_ref()?;
        let found = self.searches.entry((uid, client));
        found.or_insert_with(|| search::of_running_client(processes, uid?, client, os)).clone()
    }
}

/// Where programs of these names would stand, by the policy's search path or else by what the system has at first.
pub fn programs(
    search_path: &BTreeMap<String, Vec<String>>,
    layout: &mcpolicy_clients::template::Layout,
    names: &[&str],
) -> Vec<PathBuf> {
    let given = search_path.get(layout.os.as_str()).map(|list| search::expand(list, Some(&layout.home)));
    let directories = given.unwrap_or_else(|| search::default_path(layout.os));
    let of = |directory: &PathBuf| {
        names.iter().flat_map(|name| search::candidates(directory, name, layout.os)).collect::<Vec<_>>()
    };
    directories.iter().flat_map(of).collect()
}

/// Whether paths of this system mean something to the machine that looks: `C:\x` is a strange name on Linux, and WSL
/// programs are not found from Windows.
fn is_at_home(os: Os) -> bool {
    (os == Os::Windows) == (crate::ground::host_os() == Os::Windows)
}

/// A program that is looked for in `PATH`.
fn is_bare(program: &str, os: Os) -> bool {
    let marks: &[char] = if os == Os::Windows { &['/', '\\', ':'] } else { &['/'] };
    !program.is_empty() && !program.contains(marks)
}

/// The file that an interpreter is given, where the text names one.
fn script_of(identity: &Identity) -> Option<&str> {
    if identity.kind != Kind::Script || identity.inline_code {
        return None;
    }
    let name = identity.name.as_str();
    let runner = identity.runner.as_deref().unwrap_or_default();
    // `npm run start` is a line of package.json, `uv run tool` a program of the project
    let is_line = name.starts_with(&format!("{runner} "));
    let is_tool = runner == "uv run" && !name.contains(['/', '\\']) && !name.ends_with(".py");
    let moves = |arg: &Sensitive| {
        let word = arg.expose().split('=').next().unwrap_or_default();
        MOVES.contains(&word)
    };
    let is_moved = !Path::new(name).is_absolute() && identity.runner_args.iter().any(moves);
    (!name.starts_with('-') && !is_line && !is_tool && !is_moved).then_some(name)
}

/// The absolute path of a file that an entry names: a relative one is taken from where the client would start it.
fn place(text: &str, asked: &Asked<'_>) -> Option<PathBuf> {
    let path = literal(text)?;
    if path.is_absolute() {
        return Some(path);
    }
    let own = asked.entry.cwd.as_ref().filter(|cwd| !cwd.is_empty());
    let directory = match own {
        Some(cwd) => {
            let cwd = literal(cwd.expose())?;
            if cwd.is_absolute() { cwd } else { asked.directory?.join(cwd) }
        }
        None => asked.directory?.to_owned(),
    };
    // `./x` is `x`; `..` stays, since what is above depends on links
    Some(directory.join(path).components().collect())
}

/// A text that is a path as it stands. What a client or shell would expand first is not, and neither is `~`: most
/// clients take it for a directory of that name.
fn literal(text: &str) -> Option<PathBuf> {
    let expands = text.is_empty() || text.starts_with('~') || text.contains(['$', '%', '\0', '`']);
    let placeholder = text.contains("{{") || text.contains("<secret:");
    (!expands && !placeholder).then(|| PathBuf::from(text))
}

/// Where a client starts what a file declares: the project that the entry or the file belongs to.
pub fn directory_of(entry: &Entry, source: &Source) -> Option<PathBuf> {
    if let Some(project) = &entry.project {
        return literal(project).filter(|path| path.is_absolute());
    }
    if entry.scope == Scope::Project { project_of(source) } else { None }
}

/// The projects that a file may belong to by a template below one. With folders of any number in it there may be several.
fn roots_of<'p>(path: &'p Path, below: &str) -> Vec<&'p Path> {
    if !below.split('/').any(|part| part == ANY_FOLDERS) {
        return path.ancestors().nth(below.split('/').count()).into_iter().collect();
    }
    let fixed: PathBuf = below.split('/').take_while(|part| !part.contains('*')).collect();
    let depth = fixed.components().count();
    let folders = path.ancestors().skip(1).filter(|folder| folder.ends_with(&fixed));
    folders.filter_map(|folder| folder.ancestors().nth(depth)).collect()
}

/// The project that a file of a project belongs to, if all its readers see the same in it.
pub fn project_of(source: &Source) -> Option<PathBuf> {
    let roots: BTreeSet<&Path> = source
        .readings
        .iter()
        .filter_map(|reading| reading.location.path.strip_prefix("<project>/"))
        .flat_map(|below| roots_of(&source.path, below))
        .collect();
    // readers that see different projects in one file start it in different places
    let mut roots = roots.into_iter();
    roots.next().filter(|_| roots.next().is_none()).map(Path::to_owned)
}

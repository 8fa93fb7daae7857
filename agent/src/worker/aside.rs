//! Files in which clients keep something about entries of other files: who owns a file, which clients its user has, and
//! switches and approvals, read, set and cleaned by whoever this process is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcpolicy_clients::adapter::ClientAdapter;
use mcpolicy_clients::adapters::{self, by_id};
use mcpolicy_clients::edit::{self, Change, Piece};
use mcpolicy_clients::elsewhere::{self, Declared, Keeps, OffSwitch};
use mcpolicy_clients::location::Role;
use mcpolicy_clients::template::{self, Layout, Pattern, component_matches};
use mcpolicy_platform::machine::{FileKind, Machine, ReadError};
use mcpolicy_schema::entry::{ClientId, Scope};
use serde::{Deserialize, Serialize};

use super::core::MAX_BYTES;
use super::git_index;
use crate::discover::source::Source;
use crate::enforce::owned::{self, MARKERS, Owner};

/// Longest `.git` file, in bytes.
const MAX_DOT_GIT: u64 = 4096;
/// Longest index of a repository that is read, in bytes: about half a million files.
const MAX_INDEX: u64 = 64 * 1024 * 1024;
/// Most files that a template may stand for: a client has one for each project.
const MAX_FILES: usize = 1000;
/// Most folders of a client, by the values of its variable, in which its switch is set. Each gets a file or three.
///
/// Attack: a clone's `.envrc` that names hundreds of them.
const MAX_FOLDERS: usize = 32;

/// A declaration as other files of its client name it; what [`Declared`] borrows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Declaration {
    /// The name under which the client lists it.
    pub name: String,
    /// Its scope, as this client reads it.
    pub scope: Scope,
    /// JSON Pointer of the entry in its own file.
    pub key_path: String,
    /// The folder that a project's file belongs to.
    pub project: Option<String>,
    /// The root of the Git work tree around it.
    pub checkout: Option<String>,
    /// The main work tree of its repository.
    pub repository: Option<String>,
}

impl Declaration {
    /// As adapters take it.
    pub fn declared(&self) -> Declared<'_> {
        Declared {
            name: &self.name,
            scope: self.scope,
            key_path: &self.key_path,
            project: self.project.as_deref(),
            checkout: self.checkout.as_deref(),
            repository: self.repository.as_deref(),
        }
    }
}

/// What a client keeps about entries of other files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keeping {
    /// Its off switch.
    Switch,
    /// The off switch in a file of a work tree, where the client may have put it. Looked at, never edited.
    Moved,
    /// Approvals.
    Approvals,
}

/// One kind of file of a client, and the entries that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// The client.
    pub client: ClientId,
    /// What is kept there.
    pub keeping: Keeping,
    /// Its template, as the client's adapter names it for these entries.
    pub template: String,
    /// The entries.
    pub declared: Vec<Declaration>,
    /// Allowed servers that a switch must leave alone.
    pub others: Vec<Declaration>,
}

/// A file that an [`Aside`] stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFile {
    /// Its path on the machine, as the template gives it.
    pub path: PathBuf,
    /// It is there.
    pub there: bool,
    /// An edit of it would stay with its user: it lies below the home, and neither Git nor a sync service owns it. Of
    /// what a client keeps there itself Git owns what it tracks.
    pub free: bool,
    /// The switch is set for all entries, one that was moved for any, or nothing is approved for any.
    pub settled: bool,
}

/// What is to be done about an [`Aside`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Settling {
    /// The switch is set; the approvals are taken out.
    Set,
    /// The switch is taken back.
    TakeBack,
}

/// What stands around a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Around {
    /// The file, links resolved, as a path of the machine.
    pub real: PathBuf,
    /// Who owns it beside its user.
    pub owner: Option<Owner>,
    /// The project that it is a file of.
    pub project: Option<PathBuf>,
    /// The root of the work tree around the project.
    pub checkout: Option<PathBuf>,
    /// The main work tree of that repository.
    pub repository: Option<PathBuf>,
    /// How long it has not changed.
    pub unchanged: Duration,
    /// Clients that have left files in the home.
    pub clients: Vec<ClientId>,
}

/// Something that is called `.git`.
#[derive(Debug, Default)]
struct Git {
    /// Git takes it for its own.
    is_valid: bool,
    /// Its text, if it is a file.
    text: Option<String>,
}

/// One home as it is looked at for what stands around its files.
pub struct Place<'m> {
    /// The machine.
    pub machine: &'m Machine,
    /// The home, and the variables of its user.
    pub layout: &'m Layout,
}

impl Place<'_> {
    /// The home without links in it.
    fn home(&self) -> PathBuf {
        let home = &self.layout.home;
        self.machine.resolve(home).map_or_else(|_| home.clone(), |found| found.path)
    }

    fn is_there(&self, path: &Path) -> bool {
        self.machine.kind(path).is_some()
    }

    /// Who owns a path without links in it.
    pub fn owner(&self, real: &Path) -> Option<Owner> {
        let above: Vec<&Path> = real.ancestors().skip(1).collect();
        let git = above.iter().filter(|folder| self.git(folder).is_some_and(|git| git.is_valid));
        let git: Vec<PathBuf> = git.map(|folder| (*folder).to_owned()).collect();
        self.owner_beside(real, &git)
    }

    /// The sync service that owns a path without links in it.
    fn sync_owner(&self, real: &Path) -> Option<Owner> {
        self.owner_beside(real, &[])
    }

    fn owner_beside(&self, real: &Path, git: &[PathBuf]) -> Option<Owner> {
        let home = self.home();
        let mut marked = Vec::new();
        for folder in real.ancestors().skip(1).filter(|folder| folder.starts_with(&home)) {
            let services = MARKERS.iter().filter(|(name, _)| self.is_there(&folder.join(name)));
            marked.extend(services.map(|(_, service)| (folder.to_owned(), *service)));
        }
        owned::owner(real, &home, git, &marked)
    }

    /// Whether the index of a work tree names a path without links in it; yes if that cannot be told. A repository
    /// without an index tracks nothing yet.
    fn is_tracked(&self, root: &Path, real: &Path) -> bool {
        let Some(path) = real.strip_prefix(root).ok().and_then(Path::to_str) else { return true };
        let text = self.git(root).and_then(|git| git.text);
        let folder = match text {
            Some(text) => owned::git_folder(root, &text),
            None => Some(root.join(".git")),
        };
        let Some(index) = folder.map(|folder| folder.join("index")) else { return true };
        if !self.is_there(&index) {
            return false;
        }
        let read = self.machine.read(&index, None, MAX_INDEX);
        let path = path.replace(std::path::MAIN_SEPARATOR, "/");
        read.ok().and_then(|file| git_index::tracks(&file.bytes, &path)).unwrap_or(true)
    }

    /// What of a folder's is called `.git`.
    ///
    /// Attack: a link to nowhere, or a file that names any folder, makes a tree of Git's in our eyes; the client sees
    /// none, and its lists then go by the working directory.
    fn git(&self, folder: &Path) -> Option<Git> {
        let dot_git = folder.join(".git");
        self.machine.kind(&dot_git)?;
        let has = |place: &Path, name: &str| self.is_there(&place.join(name));
        let Ok(real) = self.machine.resolve(&dot_git) else { return Some(Git::default()) };
        if self.machine.kind(&real.path) == Some(FileKind::Directory) {
            let is_valid = ["HEAD", "objects", "refs"].iter().all(|name| has(&real.path, name));
            return Some(Git { is_valid, text: None });
        }
        let file = self.machine.read(&dot_git, None, MAX_DOT_GIT).ok();
        let text = file.and_then(|file| String::from_utf8(file.bytes).ok());
        let is_valid =
            text.as_deref().and_then(|text| owned::git_folder(folder, text)).is_some_and(|place| {
                // what a linked work tree leads to leads back to it
                let back = self.machine.read(&place.join("gitdir"), None, MAX_DOT_GIT).ok();
                let back = back.and_then(|file| String::from_utf8(file.bytes).ok());
                let leads_back = back.as_deref().is_none_or(|text| {
                    self.machine
                        .resolve(Path::new(text.trim_end()))
                        .is_ok_and(|found| found.path == real.path)
                });
                has(&place, "HEAD")
                    && leads_back
                    && (back.is_some() || !owned::is_linked(&place))
                    && self.is_of_one_repository(&place)
            });
        Some(Git { is_valid, text })
    }

    /// Whether the place of a linked work tree says that it belongs to the repository that it lies in, as Git writes it.
    ///
    /// Attack: a `commondir` that leads to another repository. Git and clients take that one for the main work tree, and a
    /// list of what is switched off, kept under the other, is no list of theirs.
    fn is_of_one_repository(&self, place: &Path) -> bool {
        let named = self.machine.read(&place.join("commondir"), None, MAX_DOT_GIT).ok();
        let named = named.and_then(|file| String::from_utf8(file.bytes).ok());
        let Some(named) = named else { return !owned::is_linked(place) };
        let common = self.machine.resolve(&place.join(named.trim_end())).ok();
        let around =
            place.parent().and_then(Path::parent).and_then(|folder| self.machine.resolve(folder).ok());
        common
            .zip(around)
            .is_some_and(|(common, around)| owned::is_linked(place) && common.path == around.path)
    }

    /// What stands around a file; how long it is unchanged is for who opens it to say.
    pub fn around(&self, source: &Source) -> Option<Around> {
        let real = self.machine.resolve(&source.path).ok()?.path;
        let project = project_of(source).and_then(|folder| self.machine.resolve(folder).ok());
        let project = project.map(|found| found.path);
        let work_tree = |folder: &PathBuf| {
            folder.ancestors().find(|at| self.is_there(&at.join(".git"))).map(Path::to_owned)
        };
        // the nearest, whatever it is: one that only looks like a repository is for each client to make of what it will,
        // so that no switch is known to hold
        let git = |root: PathBuf| self.git(&root).filter(|git| git.is_valid).map(|git| (root, git.text));
        let found = project.as_ref().and_then(work_tree).and_then(git);
        let repository = found.as_ref().map(|(root, text)| owned::main_work_tree(root, text.as_deref()));
        let checkout = found.map(|(root, _)| root);
        let owner = self.owner(&real);
        let (unchanged, clients) = (Duration::ZERO, self.clients());
        Some(Around { real, owner, project, checkout, repository, unchanged, clients })
    }

    /// Clients of which there is anything in the home: a file or a folder of their own.
    pub fn clients(&self) -> Vec<ClientId> {
        let mut listed = BTreeMap::new();
        let mut is_there = |path: &PathBuf| self.may_be_there(path, &mut listed) && self.is_there(path);
        let here = |adapter: &&&dyn ClientAdapter| self.traces(**adapter).iter().any(&mut is_there);
        adapters::ALL.iter().filter(here).map(|adapter| adapter.about().id).collect()
    }

    /// Whether the list of a folder has a name, by whatever case; yes if it cannot be listed. Of the hundred places of all
    /// clients nearly none is there, and most are in the same two folders: asking for each is what an edit waited for most.
    fn may_be_there(&self, path: &Path, listed: &mut BTreeMap<PathBuf, Option<BTreeSet<String>>>) -> bool {
        let lower = |name: &std::ffi::OsStr| name.to_string_lossy().to_lowercase();
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return true };
        if !listed.contains_key(parent) {
            let names = match self.machine.list(parent) {
                Ok(names) => Some(names.iter().map(|one| lower(&one.name)).collect()),
                Err(ReadError::NotFound) => Some(BTreeSet::new()),
                Err(_) => None,
            };
            listed.insert(parent.to_owned(), names);
        }
        listed[parent].as_ref().is_none_or(|names| names.contains(&lower(name)))
    }

    /// The folders and files of a client's own that are right below the home or a folder where all programs keep theirs.
    fn traces(&self, adapter: &dyn ClientAdapter) -> Vec<PathBuf> {
        let about = adapter.about();
        let own = about.locations.iter().filter(|location| {
            location.role == Role::Own
                && location.scope != Scope::Managed
                && location.os.contains(&self.layout.os)
        });
        let bases = own.flat_map(|location| template::expand(about, location.path, self.layout));
        bases.map(|pattern| self.trace(&pattern.base)).collect()
    }

    fn trace(&self, path: &Path) -> PathBuf {
        let Ok(below) = path.strip_prefix(&self.layout.home) else { return path.to_owned() };
        let shared = SHARED_FOLDERS.iter().filter(|folder| below.starts_with(folder));
        let above = shared.map(|folder| Path::new(folder).components().count()).max().unwrap_or(0);
        self.layout.home.join(below.components().take(above + 1).collect::<PathBuf>())
    }

    /// The files that an aside stands for.
    pub fn kept(&self, aside: &Aside) -> Vec<KeptFile> {
        let Some((adapter, keeps)) = named(aside) else { return Vec::new() };
        let project = aside.declared.first().and_then(|declared| declared.project.as_deref()).map(Path::new);
        let patterns = match project {
            Some(project) if keeps.in_project() => {
                template::below(&keeps.path, "<project>", project).into_iter().collect()
            }
            _ => template::expand(adapter.about(), &keeps.path, self.layout),
        };
        let mut paths: Vec<PathBuf> = patterns.iter().flat_map(|pattern| self.files_of(pattern)).collect();
        // attack: a thousand folders before the one that its user's client has for its own
        let is_too_much = paths.len() > MAX_FILES;
        paths.truncate(MAX_FILES);
        let mut files: Vec<KeptFile> =
            paths.into_iter().map(|path| self.kept_file(adapter, aside, path)).collect();
        if let Some(last) = files.last_mut().filter(|_| is_too_much) {
            // it stands for those that are not looked at
            (last.there, last.free, last.settled) = (true, false, false);
        }
        if aside.keeping == Keeping::Switch && patterns.len() > MAX_FOLDERS {
            // no switch is known to hold then, and none is set; what was set before is taken back where it is
            let path = self.layout.home.join("more folders than a switch is set in");
            files.push(KeptFile { path, there: true, free: false, settled: false });
        }
        files
    }

    /// A path without wildcards whether it is there or not; those of a directory only where they are.
    fn files_of(&self, pattern: &Pattern) -> Vec<PathBuf> {
        let mut places = vec![pattern.base.clone()];
        for component in &pattern.rest {
            let below = places.iter().flat_map(|place| {
                let names = self.machine.list(place).unwrap_or_default().into_iter();
                let fitting =
                    names.filter(|entry| component_matches(component, &entry.name.to_string_lossy()));
                fitting.map(|entry| place.join(entry.name)).collect::<Vec<_>>()
            });
            // a component without a wildcard may come after one with
            places = if component.contains('*') {
                below.collect()
            } else {
                places.iter().map(|place| place.join(component)).filter(|path| self.is_there(path)).collect()
            };
        }
        places
    }

    fn kept_file(&self, adapter: &dyn ClientAdapter, aside: &Aside, path: PathBuf) -> KeptFile {
        let there = self.is_there(&path);
        let found = self.machine.resolve(&path);
        // where a link leads to nothing, nothing is approved
        let leads_nowhere = there && matches!(found, Err(ReadError::Dangling | ReadError::NotFound));
        let real = match found {
            Ok(found) => Some(found.path),
            // to be made: what it is to lie in may have to be made first
            Err(_) if !there => path.ancestors().skip(1).find_map(|above| {
                let found = self.machine.resolve(above).ok()?;
                Some(found.path.join(path.strip_prefix(above).ok()?))
            }),
            Err(_) => None,
        };
        let home = self.home();
        let bytes = self.machine.read(&path, None, MAX_BYTES).ok().map(|file| file.bytes);
        let settled = match bytes {
            Some(bytes) => is_settled(adapter, aside, &bytes),
            None => aside.keeping == Keeping::Approvals && leads_nowhere,
        };
        let is_ours = |real: &Path| match self.owner(real) {
            None => true,
            // what Git does not know of is changed without a word in its status, and travels nowhere; so is it when what was
            // taken out comes back
            Some(Owner::Git { root }) if aside.keeping == Keeping::Approvals && there => {
                !self.is_tracked(&root, real) && self.sync_owner(real).is_none()
            }
            Some(_) => false,
        };
        let free = real.is_some_and(|real| real.starts_with(&home) && is_ours(&real));
        KeptFile { path, there, free, settled }
    }
}

/// Folders of a home in which all programs keep theirs.
const SHARED_FOLDERS: &[&str] = &[
    ".config",
    ".local",
    ".local/share",
    ".local/state",
    ".cache",
    "Library",
    "Library/Application Support",
    "Library/Preferences",
    "AppData",
    "AppData/Roaming",
    "AppData/Local",
    "Documents",
];

/// The folder that a project's file belongs to, by the template of the first that reads it as such.
fn project_of(source: &Source) -> Option<&Path> {
    let rests = source.readings.iter().filter_map(|reading| reading.location.path.strip_prefix("<project>/"));
    let depth = rests.map(|rest| rest.split('/').count()).next()?;
    source.path.ancestors().nth(depth)
}

/// What the adapter knows of the file; nothing where it has no such file for these entries.
fn named(aside: &Aside) -> Option<(&'static dyn ClientAdapter, Keeps)> {
    let adapter = by_id(aside.client)?;
    let declared = aside.declared.first()?.declared();
    let keeps = match aside.keeping {
        Keeping::Switch => adapter.off_switches(&declared).into_iter().map(|switch| switch.keeps).collect(),
        Keeping::Moved => adapter.moved_switches(&declared),
        Keeping::Approvals => adapter.approval_files(&declared),
    };
    keeps.into_iter().find(|keeps| keeps.path == aside.template).map(|keeps| (adapter, keeps))
}

fn declared_of(aside: &Aside) -> Vec<Declared<'_>> {
    aside.declared.iter().map(Declaration::declared).collect()
}

/// The off switch that an aside is about.
fn switch_of(adapter: &dyn ClientAdapter, aside: &Aside) -> Option<OffSwitch> {
    let declared = aside.declared.first()?.declared();
    adapter.off_switches(&declared).into_iter().find(|switch| switch.keeps.path == aside.template)
}

/// The bytes that a file begins with which is made for a switch; `None` for one that is not to be made.
pub fn empty(aside: &Aside) -> Option<&'static str> {
    let adapter = by_id(aside.client)?;
    (aside.keeping == Keeping::Switch).then(|| switch_of(adapter, aside)?.empty).flatten()
}

/// Whether nothing is left to do in the bytes of a file.
pub fn is_settled(adapter: &dyn ClientAdapter, aside: &Aside, bytes: &[u8]) -> bool {
    match aside.keeping {
        Keeping::Switch => switch_of(adapter, aside).is_some_and(|switch| {
            let is_off =
                |one: &Declaration| elsewhere::is_off(adapter, &switch.keeps, &one.declared(), bytes);
            aside.declared.iter().all(is_off)
        }),
        Keeping::Moved => named(aside).is_some_and(|(_, keeps)| {
            aside.declared.iter().any(|one| elsewhere::is_off(adapter, &keeps, &one.declared(), bytes))
        }),
        Keeping::Approvals => named(aside).is_none_or(|(_, keeps)| {
            elsewhere::approvals(adapter, &keeps, &declared_of(aside), bytes).is_empty()
        }),
    }
}

/// New bytes, and what was taken out for each entry.
pub type Settled = (Vec<u8>, Vec<Vec<Piece>>);

/// What a file becomes; `None` if nothing is to be done.
///
/// # Errors
/// Why it cannot be done, in words.
pub fn settle(aside: &Aside, settling: Settling, before: Option<&[u8]>) -> Result<Option<Settled>, String> {
    let (adapter, keeps) = named(aside).ok_or("its client keeps nothing of the kind there")?;
    match aside.keeping {
        Keeping::Switch => {
            let switch = switch_of(adapter, aside).ok_or("its client has no such switch")?;
            switched(adapter, &switch, aside, settling, before)
        }
        Keeping::Moved => Ok(None),
        Keeping::Approvals => before.map_or(Ok(None), |bytes| cleaned(adapter, &keeps, aside, bytes)),
    }
}

fn switched(
    adapter: &dyn ClientAdapter,
    switch: &OffSwitch,
    aside: &Aside,
    settling: Settling,
    before: Option<&[u8]>,
) -> Result<Option<Settled>, String> {
    let mut now: Option<Vec<u8>> = None;
    for one in &aside.declared {
        let bytes = now.as_deref().or(before);
        let next = match (settling, bytes) {
            (Settling::Set, bytes) => elsewhere::switched_off(adapter, switch, &one.declared(), bytes),
            (Settling::TakeBack, Some(bytes)) => {
                elsewhere::switched_on(adapter, switch, &one.declared(), bytes)
            }
            (Settling::TakeBack, None) => Ok(None),
        };
        if let Some(next) = next.map_err(|error| error.to_string())? {
            now = Some(next);
        }
    }
    let Some(bytes) = now else { return Ok(None) };
    let others: Vec<Declared<'_>> = aside.others.iter().map(Declaration::declared).collect();
    if settling == Settling::Set && !owned::spares(adapter, &switch.keeps, &others, before, &bytes) {
        return Err("the off switch would take an allowed server of the same name along".to_owned());
    }
    Ok(Some((bytes, aside.declared.iter().map(|_| Vec::new()).collect())))
}

/// All approvals in one go; those that several entries share are counted to the first.
fn cleaned(
    adapter: &dyn ClientAdapter,
    keeps: &Keeps,
    aside: &Aside,
    bytes: &[u8],
) -> Result<Option<Settled>, String> {
    let all = elsewhere::approvals(adapter, keeps, &declared_of(aside), bytes);
    let (whose, changes): (Vec<usize>, Vec<Change>) = all.into_iter().unzip();
    if changes.is_empty() {
        return Ok(None);
    }
    let edited = edit::apply(keeps.format, "", bytes, &changes).map_err(|error| error.to_string())?;
    let mut removed: BTreeMap<usize, Vec<Piece>> = BTreeMap::new();
    for (at, pieces) in whose.into_iter().zip(edited.removed) {
        removed.entry(at).or_default().extend(pieces);
    }
    let removed = (0..aside.declared.len()).map(|at| removed.remove(&at).unwrap_or_default()).collect();
    Ok(Some((edited.bytes, removed)))
}

#[cfg(test)]
mod tests {
    use mcpolicy_clients::location::Os;

    use super::*;

    #[test]
    fn a_switch_in_more_folders_than_are_looked_at_is_not_known_to_hold() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::at_root(folder.path());
        let folders = (0..=MAX_FOLDERS).map(|n| PathBuf::from(format!("/h/{n}")));
        let variables = BTreeMap::from([("CLAUDE_CONFIG_DIR".to_owned(), folders.collect())]);
        let layout = Layout { os: Os::Linux, home: "/h".into(), variables };
        let tree = Some("/h/p".to_owned());
        let declared = Declaration {
            name: "evil".to_owned(),
            scope: Scope::Project,
            key_path: "/mcpServers/evil".to_owned(),
            project: tree.clone(),
            checkout: tree.clone(),
            repository: tree,
        };
        let adapter = by_id("claude-code").unwrap();
        let mut switches =
            adapter.off_switches(&declared.declared()).into_iter().map(|switch| switch.keeps.path);
        let template = switches.find(|path| path == "$CLAUDE_CONFIG_DIR/settings.json").unwrap();
        let (client, keeping) = (adapter.about().id, Keeping::Switch);
        let aside = Aside { client, keeping, template, declared: vec![declared], others: Vec::new() };
        let files = Place { machine: &machine, layout: &layout }.kept(&aside);
        assert!(files.len() > MAX_FOLDERS + 1, "each of them, and what stands for all");
        let last = files.last().unwrap();
        assert!(last.there && !last.free && !last.settled, "{last:?}");
    }
}

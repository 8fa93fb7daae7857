//! Host and registry of adapters to sources: fixed locations, the walk of each home, and whatever the files found
//! lead to (remembered projects with their parents, plugins).
//!
//! Discovery is a worklist: the pipeline takes a batch of sources, reads them, and hands back the leads.

pub mod changed;
pub mod elsewhere;
mod environment;
pub mod index;
mod moved;
pub mod named;
pub mod prune;
pub mod shares;
pub mod source;
pub mod sourced;
pub mod start;
pub mod unknown;
pub mod variables;
pub mod walk;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use mcpolicy_clients::adapter::{ClientAdapter, Lead};
use mcpolicy_clients::adapters;
use mcpolicy_clients::location::Os;
use mcpolicy_clients::template::{self, ANY_FOLDERS, Layout, Pattern, component_matches};
use mcpolicy_platform::filesystems::Mounts;
use mcpolicy_platform::machine::{FileKind, Machine, ReadError};
use mcpolicy_platform::paths;
use mcpolicy_schema::entry::Scope;

use crate::gap::Gap;
use changed::Project;
use index::ProjectIndex;
use shares::{Shares, Told};
use source::{Reading, Source};

/// A home with what its templates are expanded by.
#[derive(Debug, Clone)]
pub struct HomeContext {
    /// The user's name.
    pub user: String,
    /// The user's number, where the system has such.
    pub uid: Option<u32>,
    /// Paths and variables.
    pub layout: Layout,
}

/// Whether discovery may leave the homes: a live scan and a root may, `--home` may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The homes only.
    Homes,
    /// Wherever clients of the homes' users look, but not at what is machine-wide.
    Users,
    /// The whole machine.
    Machine,
}

/// Longest path that a system takes (`PATH_MAX` of Linux), in bytes. A remembered one may be of any length, and each
/// of its parents would be looked into.
const MAX_PATH: usize = 4096;
/// Most parts of the path of a project that a client remembers: as deep as the walk goes, in a home that lies deep itself.
const MAX_PARTS: usize = walk::MAX_DEPTH + 32;

/// How deep a pattern's `**` is followed, in folders, and most folders that it may stand for: whoever writes a
/// repository decides how many there are.
const MAX_FOLDERS_DEEP: usize = 16;
const MAX_FOLDERS: usize = 1000;

/// The worklist.
pub struct Discovery<'m> {
    machine: &'m Machine,
    homes: &'m [HomeContext],
    reach: Reach,
    indexes: BTreeMap<Os, ProjectIndex>,
    /// Found and not yet taken.
    waiting: BTreeMap<PathBuf, Source>,
    /// Handed out, with the readers that are known so far.
    taken: BTreeMap<PathBuf, Source>,
    /// Known from an earlier scan, and not read again.
    known: Option<&'m BTreeMap<PathBuf, Source>>,
    /// Of these, the files that are.
    anew: BTreeSet<PathBuf>,
    /// Handed out before somebody was known who reads the file, too.
    again: BTreeSet<PathBuf>,
    /// Directories in which files were looked for, found or not: where a new one would come to be.
    places: BTreeSet<PathBuf>,
    /// Project and plugin directories already looked into, per home.
    visited: BTreeSet<Project>,
    /// Those of them that were listed, or are not there.
    projects: BTreeSet<Project>,
    /// Places that files name, with the client and how it names them, per home.
    named: BTreeMap<Option<usize>, Shares>,
    gaps: Vec<Gap>,
    /// Folders behind a privacy prompt.
    protected: Vec<PathBuf>,
    /// What is mounted, once it was asked for.
    mounts: OnceCell<Mounts>,
    /// Homes of others, who tell of them themselves.
    others: &'m [PathBuf],
}

impl<'m> Discovery<'m> {
    /// An empty worklist for these homes.
    pub fn new(machine: &'m Machine, homes: &'m [HomeContext], reach: Reach) -> Self {
        let systems: BTreeSet<Os> = homes.iter().map(|h| h.layout.os).collect();
        let indexes = systems.into_iter().map(|os| (os, ProjectIndex::new(os))).collect();
        let protected =
            |h: &HomeContext| crate::ground::protected(&machine.host_path(&h.layout.home), h.layout.os);
        Self {
            protected: homes.iter().flat_map(protected).collect(),
            others: &[],
            mounts: OnceCell::new(),
            machine,
            homes,
            reach,
            indexes,
            waiting: BTreeMap::new(),
            taken: BTreeMap::new(),
            known: None,
            anew: BTreeSet::new(),
            again: BTreeSet::new(),
            places: BTreeSet::new(),
            visited: BTreeSet::new(),
            projects: BTreeSet::new(),
            named: BTreeMap::new(),
            gaps: Vec::new(),
        }
    }

    /// Leaves out homes of others, wherever what is found leads.
    #[must_use]
    pub fn without(self, others: &'m [PathBuf]) -> Self {
        Self { others, ..self }
    }

    /// The project files of homes of this layout.
    pub fn index(&mut self, os: Os) -> &ProjectIndex {
        self.indexes.entry(os).or_insert_with(|| ProjectIndex::new(os))
    }

    /// Adds the fixed locations of all homes and, with [`Reach::Machine`], of the machine.
    pub fn add_fixed(&mut self, os: Os) {
        for (at, home) in self.homes.iter().enumerate() {
            for reading in readings(home.layout.os, |scope| scope != Scope::Managed) {
                for pattern in template::expand(reading.adapter.about(), reading.location.path, &home.layout)
                {
                    self.add_pattern(&pattern, Some(at), reading);
                }
            }
            self.add_project(&home.layout.home, Some(at));
            self.add_above(&home.layout.home, at);
            self.gaps.extend(elsewhere::gaps(self.machine, home, at));
        }
        if self.reach == Reach::Machine {
            let layout = Layout { os, home: PathBuf::new(), variables: BTreeMap::new() };
            for reading in readings(os, |scope| scope == Scope::Managed) {
                for pattern in template::expand(reading.adapter.about(), reading.location.path, &layout) {
                    self.add_pattern(&pattern, None, reading);
                }
            }
        }
    }

    /// Adds one file with its readers. One that was handed out is read again if it has more readers than was known.
    pub fn add(&mut self, source: Source) {
        // attack: a project file that is a plugin's, too, to whom servers of another form count
        if let Some(known) = self.taken.get_mut(&source.path) {
            if known.join(&source.readings) {
                self.again.insert(source.path);
            }
            return;
        }
        if let Some(known) = self.known_of(&source.path) {
            let mut known = known.clone();
            if known.join(&source.readings) {
                self.again.insert(source.path);
                self.taken.insert(known.path.clone(), known);
            }
            return;
        }
        match self.waiting.get_mut(&source.path) {
            Some(known) => {
                known.join(&source.readings);
                known.home = known.home.or(source.home);
            }
            None => {
                self.waiting.insert(source.path.clone(), source);
            }
        }
    }

    /// Adds what the walk of a home saw.
    pub fn add_walked(&mut self, walked: &walk::Walked, home: usize) {
        for (host_path, readings) in &walked.files {
            let path = self.machine.machine_path(host_path);
            if self.is_anothers(&path) {
                continue;
            }
            for (reading, _) in readings {
                self.add(Source::new(path.clone(), Some(home), *reading));
            }
        }
        for host_path in &walked.repositories {
            self.places.insert(self.machine.machine_path(host_path));
        }
        for host_path in &walked.linked {
            self.add_linked(&self.machine.machine_path(host_path), home);
        }
        // attack: a folder that may be entered but not listed (mode 111) is a project to whoever knows the names in it,
        // or the folder of a client (`.cursor`) in one
        for host_path in &walked.unreadable {
            let path = self.machine.machine_path(host_path);
            if let Some(parent) = path.parent() {
                self.add_project(parent, Some(home));
            }
            self.add_project(&path, Some(home));
        }
    }

    /// A link to a directory is not walked through. If it stands for a client's folder in a project, the project is
    /// looked into (a repository can commit such a link); otherwise the directory itself is, and unless the walk
    /// comes there by another way, the rest of it is a gap.
    fn add_linked(&mut self, link: &Path, home: usize) {
        if let Some(parent) = link.parent() {
            self.add_project(parent, Some(home));
        }
        self.add_project(link, Some(home));
        let walked = self.machine.resolve(link).is_ok_and(|target| {
            let place = &self.homes[home].layout.home;
            let (home, target) = (self.machine.host_path(place), self.machine.host_path(&target.path));
            target.starts_with(&home) && !target.ancestors().any(|folder| prune::is_pruned(folder, &home))
        });
        if !walked {
            let reason =
                "a link to a directory that the walk does not enter; only its own project files were read";
            self.gaps.push(Gap::at("linked-directory", reason, link).of_home(Some(home)));
        }
    }

    /// Adds the project files that a directory has, by one listing of it.
    pub fn add_project(&mut self, directory: &Path, home: Option<usize>) {
        if !self.visited.insert((home, directory.to_owned())) {
            return;
        }
        if self.is_barred(directory, home) {
            return;
        }
        self.places.insert(directory.to_owned());
        // no list of names: each is tried
        let names = match self.names_in(directory) {
            Ok(names) => Some(names),
            Err(error) if is_no_folder(&error) => {
                self.projects.insert((home, directory.to_owned()));
                return;
            }
            Err(ReadError::LeavesScope { .. }) => return self.note_outside(directory, home),
            Err(error) => {
                self.note_unreadable(directory, &error, home);
                // attack: a folder of a number of the user's own range (`podman unshare chown`) that may be entered
                None
            }
        };
        if names.is_some() {
            self.projects.insert((home, directory.to_owned()));
        }
        self.add_project_files(directory, names.as_ref(), home);
    }

    /// What stands in the folders above a home is taken in every project of it (tested: `.mcp.json` by Claude Code,
    /// `opencode.json` by opencode and Kilo Code, up to the root). That such a folder may not be listed is no gap: it is
    /// the administrators', and each name is tried.
    fn add_above(&mut self, place: &Path, home: usize) {
        if self.reach == Reach::Homes {
            return;
        }
        for folder in place.ancestors().skip(1).take_while(|folder| !folder.as_os_str().is_empty()) {
            let is_new = self.visited.insert((Some(home), folder.to_owned()));
            if is_new && !self.is_inside(folder) && !self.is_barred(folder, Some(home)) {
                let names = self.names_in(folder).ok();
                self.add_project_files(folder, names.as_ref(), Some(home));
            }
        }
    }

    /// Names in a directory, in small letters.
    fn names_in(&self, directory: &Path) -> Result<BTreeSet<String>, ReadError> {
        let entries = self.machine.list(directory)?;
        Ok(entries.iter().map(|e| e.name.to_string_lossy().to_lowercase()).collect())
    }

    /// Adds the project files that a directory with these names has; without them, each that it could have.
    fn add_project_files(&mut self, directory: &Path, names: Option<&BTreeSet<String>>, home: Option<usize>) {
        let os = home.map_or(Os::Linux, |at| self.homes[at].layout.os);
        let index = self.indexes.entry(os).or_insert_with(|| ProjectIndex::new(os));
        let possible: Vec<_> = index
            .below_project()
            .filter(|(_, rest)| {
                let first = rest.split('/').next().unwrap_or_default().to_lowercase();
                let Some(names) = names else { return !first.contains('*') };
                names.contains(&first)
                    || (first.contains('*') && names.iter().any(|n| component_matches(&first, n)))
            })
            .map(|(reading, _)| reading)
            .collect();
        for reading in possible {
            if let Some(pattern) = template::below(reading.location.path, "<project>", directory) {
                self.add_pattern(&pattern, home, reading);
            }
        }
    }

    /// A directory that is there and cannot be listed, or of which nobody can say whether it is.
    fn note_unreadable(&mut self, directory: &Path, error: &ReadError, home: Option<usize>) {
        let partial = !self.is_closed(directory, home);
        let gap = Gap { partial, ..Gap::at("unreadable", error.to_string(), directory) };
        self.gaps.push(gap.of_home(home));
    }

    /// Whether a directory is another user's and cannot be entered: no client of this user opens anything in it either.
    /// One that can be entered hides what is below it, though (attack: `podman unshare chown`, mode 711).
    fn is_closed(&self, directory: &Path, home: Option<usize>) -> bool {
        let Some(uid) = home.and_then(|at| self.homes[at].uid) else { return false };
        let owner = directory.ancestors().find_map(|folder| self.machine.owner_uid(folder));
        let any_name = self.machine.resolve(&directory.join(".mcp.json"));
        owner.is_some_and(|owner| owner != uid) && matches!(any_name, Err(ReadError::Denied))
    }

    /// Adds a remembered project and all its parents: Claude Code reads `.mcp.json` in every parent directory, and
    /// others look up to the root of the repository.
    pub fn add_remembered(&mut self, directory: &Path, home: Option<usize>) {
        if directory.as_os_str().len() > MAX_PATH {
            let reason = "a client remembers a path that is too long to exist";
            self.gaps.push(Gap::beyond("outside-scope", reason, None).of_home(home));
            return;
        }
        if directory.components().count() > MAX_PARTS {
            let reason = "a client remembers a project that lies deeper than is looked";
            self.gaps.push(Gap::beyond("walk-budget", reason, None).partial().of_home(home));
            return;
        }
        for parent in directory.ancestors().take_while(|p| !p.as_os_str().is_empty()) {
            // one above may be another that has to be looked into again
            if self.visited.contains(&(home, parent.to_owned())) {
                continue;
            }
            let inside = home.is_some_and(|at| parent.starts_with(&self.homes[at].layout.home));
            if self.reach == Reach::Homes && !inside {
                break;
            }
            self.add_project(parent, home);
        }
    }

    /// Follows what a file named.
    pub fn add_lead(
        &mut self,
        lead: &Lead,
        adapter: &'static dyn ClientAdapter,
        home: Option<usize>,
        from: &Path,
    ) {
        // attack: a NUL in a path that a repository names, at which a worker's whole answer would be none. No client opens it
        if let Lead::Project(path) | Lead::Plugin(path) | Lead::Named { path, .. } = lead
            && !paths::is_one(Path::new(path))
        {
            return;
        }
        match lead {
            Lead::Project(path) => {
                for path in self.absolute(path, home) {
                    self.note_if_outside(&path, home);
                    self.add_remembered(&path, home);
                }
            }
            Lead::Plugin(path) => self.add_named("<plugin>", path, adapter, home, from),
            Lead::Named { template, path } => self.add_named(template, path, adapter, home, from),
            Lead::Elsewhere { kind, what } => {
                // Several clients of one family say the same of a file; equal gaps are told once.
                let gap = Gap::beyond(kind, what.clone(), Some(from));
                // what starts by itself should have been seen
                let starts = matches!(*kind, "plugin-file" | "agent-file");
                let gap = if starts { gap.partial() } else { gap };
                self.gaps.push(gap.of_home(home));
            }
        }
    }

    /// The places that an absolute path may name, none of them with `..` in it: clients remember paths as they were typed;
    /// one place must not be two, nor a path that leads up a claim.
    fn absolute(&self, path: &str, home: Option<usize>) -> Vec<PathBuf> {
        let in_home = path.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let path = match (in_home, home) {
            (Some(rest), Some(at)) => self.homes[at].layout.home.join(rest.trim_start_matches('/')),
            _ => PathBuf::from(path),
        };
        let is_absolute = |path: &PathBuf| path.is_absolute() || is_windows_absolute(path);
        if !is_absolute(&path) {
            return Vec::new();
        }
        variables::without_steps_up(self.machine, &path).into_iter().filter(is_absolute).collect()
    }

    /// A remembered project outside of the homes that alone are scanned is a gap if it is there at all.
    fn note_if_outside(&mut self, path: &Path, home: Option<usize>) {
        if self.reach == Reach::Homes && !self.is_inside(path) {
            self.note_outside(path, home);
        }
    }

    /// Places that must not be touched: folders behind a privacy prompt, and network file systems outside of the homes,
    /// which may not answer. Each is a gap.
    fn is_barred(&mut self, path: &Path, home: Option<usize>) -> bool {
        let (kind, reason) = if self.protected.iter().any(|p| path.starts_with(p)) {
            ("protected-folder", "protected by the system's privacy rules; give full disk access to scan it")
        } else if self.is_anothers(path) {
            self.note_outside(path, home);
            return true;
        } else if home.is_some()
            && !self.is_inside(path)
            && self.machine.followed_host_path(path).is_ok_and(|place| self.is_network(&place))
        {
            ("network-file-system", "a client looks here, on a network file system")
        } else {
            return false;
        };
        self.gaps.push(Gap::at(kind, reason, path).of_home(home));
        true
    }

    fn is_network(&self, place: &Path) -> bool {
        self.mounts.get_or_init(Mounts::now).is_network(place)
    }

    /// In the home of another, unless that lies around one of ours.
    fn is_anothers(&self, path: &Path) -> bool {
        let longest = |place: &Path| if path.starts_with(place) { place.as_os_str().len() } else { 0 };
        let theirs = self.others.iter().map(|other| longest(other)).max().unwrap_or(0);
        theirs > self.homes.iter().map(|home| longest(&home.layout.home)).max().unwrap_or(0)
    }

    fn is_inside(&self, path: &Path) -> bool {
        self.homes.iter().any(|h| path.starts_with(&h.layout.home))
    }

    fn note_outside(&mut self, path: &Path, home: Option<usize>) {
        let reason = "a client looks here, outside of what is scanned";
        self.gaps.push(Gap::beyond("outside-scope", reason, Some(path)).of_home(home));
    }

    /// Adds what the templates of a client that are, or begin with, this one stand for at a place.
    fn add_named(
        &mut self,
        named: &str,
        path: &str,
        adapter: &'static dyn ClientAdapter,
        home: Option<usize>,
        from: &Path,
    ) {
        let mut places = self.absolute(path, home);
        if places.is_empty() {
            places.extend(beside(from, path));
        }
        for place in places {
            self.add_named_at(named, place, adapter, home, from);
        }
    }

    fn add_named_at(
        &mut self,
        named: &str,
        place: PathBuf,
        adapter: &'static dyn ClientAdapter,
        home: Option<usize>,
        from: &Path,
    ) {
        if place.as_os_str().len() > MAX_PATH {
            return;
        }
        // attack: two links to their own folder in a catalogue, by which each plugin has two more below it
        let place = self.machine.resolve(&place).map_or(place, |found| found.path);
        let (machine, homes) = (self.machine, self.homes);
        let key = (adapter.about().id, named.to_owned(), place.clone());
        let is_repository = |folder: &Path| machine.kind(&folder.join(".git")).is_some();
        let its = home.map(|at| &*homes[at].layout.home);
        match self.named.entry(home).or_default().tell(key, from, its, is_repository) {
            Told::New => {}
            Told::Known => return,
            Told::TooMany(below, most) => {
                let reason = format!(
                    "files below here name more than {most} places of plugins; the others are not read"
                );
                return self
                    .gaps
                    .push(Gap::beyond("plugin-file", reason, Some(&below)).partial().of_home(home));
            }
        }
        if self.reach == Reach::Homes && !self.is_inside(&place) {
            // one that is not there starts nothing
            if self.machine.resolve(&place).is_err_and(|error| error.is_absent()) {
                return;
            }
            // what starts by itself should have been seen
            let reason = "a plugin of a client stands here, outside of what is scanned";
            return self.gaps.push(Gap::at("outside-scope", reason, &place).of_home(home));
        }
        for location in adapter.about().locations {
            let whole = || Pattern { base: place.clone(), rest: Vec::new() };
            let pattern = template::below(location.path, named, &place);
            if let Some(pattern) = pattern.or_else(|| (location.path == named).then(whole)) {
                self.add_pattern(&pattern, home, Reading { adapter, location });
            }
        }
    }

    /// Adds the files that exist for a pattern.
    fn add_pattern(&mut self, pattern: &Pattern, home: Option<usize>, reading: Reading) {
        if self.is_barred(&pattern.base, home) {
            return;
        }
        if self.reach == Reach::Homes && !self.is_inside(&pattern.base) {
            return self.note_outside(&pattern.base, home);
        }
        let mut places = vec![pattern.base.clone()];
        if pattern.rest.is_empty() {
            self.places.extend(pattern.base.parent().map(Path::to_owned));
        }
        for component in &pattern.rest {
            self.places.extend(places.iter().cloned());
            let matching: Vec<_> = places.iter().map(|place| self.matching(place, component, home)).collect();
            places = matching.into_iter().flatten().collect();
        }
        for path in places {
            if self.machine.kind(&path).is_some() {
                self.add(Source::new(path, home, reading));
                continue;
            }
            match self.machine.resolve(&path) {
                // A client's folder that is a link out of what is scanned.
                Err(ReadError::LeavesScope { .. }) => self.note_outside(&path, home),
                Err(error @ ReadError::OfProcess) => {
                    self.gaps.push(Gap::at("unreadable", error.to_string(), &path).of_home(home));
                }
                _ => {}
            }
        }
    }

    /// The entries of a directory that fit a component with a wildcard. A directory that cannot be listed is a gap.
    fn matching(&mut self, directory: &Path, component: &str, home: Option<usize>) -> Vec<PathBuf> {
        if !component.contains('*') {
            return vec![directory.join(component)];
        }
        if component == ANY_FOLDERS {
            return self.folders(directory, home);
        }
        match self.machine.list(directory) {
            Ok(entries) => {
                let fitting =
                    entries.iter().filter(|e| component_matches(component, &e.name.to_string_lossy()));
                fitting.map(|e| directory.join(&e.name)).collect()
            }
            Err(error) => {
                if !is_no_folder(&error) {
                    self.note_unreadable(directory, &error, home);
                }
                Vec::new()
            }
        }
    }

    /// A directory and the folders below it, each once whatever links lead to it. What lies too deep or is too much is a
    /// gap.
    fn folders(&mut self, directory: &Path, home: Option<usize>) -> Vec<PathBuf> {
        let mut out = Vec::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![(directory.to_owned(), 0)];
        while let Some((folder, depth)) = open.pop() {
            match self.machine.resolve(&folder) {
                Ok(real) if seen.insert(real.path.clone()) => {}
                Ok(_) => continue,
                Err(ReadError::LeavesScope { .. }) => {
                    self.note_outside(&folder, home);
                    continue;
                }
                Err(error) => {
                    if !is_no_folder(&error) {
                        self.note_unreadable(&folder, &error, home);
                    }
                    continue;
                }
            }
            if depth > MAX_FOLDERS_DEEP || out.len() >= MAX_FOLDERS {
                let reason =
                    "a client reads all folders below this one; there are too many, or they are too deep";
                self.gaps.push(Gap::at("walk-budget", reason, directory).of_home(home));
                break;
            }
            match self.machine.list(&folder) {
                Ok(entries) => {
                    let folders = entries.iter().map(|entry| folder.join(&entry.name));
                    let folders = folders.filter(|path| {
                        matches!(self.machine.kind(path), Some(FileKind::Directory | FileKind::Symlink))
                    });
                    open.extend(folders.map(|path| (path, depth + 1)));
                    out.push(folder);
                }
                Err(error) if is_no_folder(&error) => {}
                Err(error) => self.note_unreadable(&folder, &error, home),
            }
        }
        out
    }

    /// The next batch to read, in order of their paths; empty when there is nothing left. Project files come last: what
    /// the others lead to may add readers to them. Last of all, and one batch for all that led to them, those that have
    /// got readers since: how often that is, is bounded by the number of locations.
    pub fn take(&mut self) -> Vec<Source> {
        if self.waiting.is_empty() {
            let again = std::mem::take(&mut self.again);
            return again.iter().filter_map(|path| self.taken.get(path).cloned()).collect();
        }
        let waiting = std::mem::take(&mut self.waiting);
        let is_project = |s: &Source| s.owner().location.scope == Scope::Project;
        let only_projects = waiting.values().all(is_project);
        let (now, later) = waiting.into_iter().partition(|(_, s)| only_projects || !is_project(s));
        self.waiting = later;
        let now: BTreeMap<PathBuf, Source> = now;
        self.taken.extend(now.clone());
        now.into_values().collect()
    }

    /// Whether a path was already handed out.
    pub fn is_taken(&self, path: &Path) -> bool {
        self.taken.contains_key(path) || self.known_of(path).is_some()
    }

    /// A file that was read by an earlier scan and is not to be read again.
    fn known_of(&self, path: &Path) -> Option<&'m Source> {
        self.known?.get(path).filter(|_| !self.anew.contains(path))
    }

    /// Directories in which files were looked for so far, whether they are there or not.
    pub fn take_places(&mut self) -> BTreeSet<PathBuf> {
        std::mem::take(&mut self.places)
    }

    /// Projects whose folder was looked into so far; not one that could not be listed.
    pub fn take_projects(&mut self) -> BTreeSet<Project> {
        std::mem::take(&mut self.projects)
    }

    /// Gaps met so far.
    pub fn take_gaps(&mut self) -> Vec<Gap> {
        std::mem::take(&mut self.gaps)
    }
}

/// All readings on a system whose scope fits, without project and plugin templates.
fn readings(os: Os, fits: impl Fn(Scope) -> bool) -> Vec<Reading> {
    let all = adapters::ALL.iter().copied();
    all.flat_map(|adapter| {
        adapter.about().locations.iter().map(move |location| Reading { adapter, location })
    })
    .filter(|r| r.location.os.contains(&os) && fits(r.location.scope) && !r.location.path.starts_with('<'))
    .collect()
}

/// Whether the machine has no such folder. A link to one that is not there (a folder of dotfiles that moved on, a share
/// that is not mounted) hides nothing, as one to a file does not: what comes there is found by the next pass.
fn is_no_folder(error: &ReadError) -> bool {
    error.is_absent() || matches!(error, ReadError::NotRegular(_))
}

/// A path relative to the folder of the file that names it, as a client joins the two: `..` takes away a name, whatever
/// that leads to.
fn beside(file: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    let is_beside = !path.components().any(|part| matches!(part, Component::RootDir | Component::Prefix(_)));
    Some(variables::joined(file.parent()?, path)).filter(|_| is_beside)
}

/// `C:\…` as remembered by clients of a Windows home.
fn is_windows_absolute(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let bytes = text.as_bytes();
    bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' && matches!(bytes[2], b'\\' | b'/')
}

//! The bounded parallel walk of a home: which files may be configurations, and what was passed over.
//!
//! Only names are looked at; nothing is opened. Links are not followed, other and network file systems not entered,
//! `.gitignore` not obeyed (it is written by whoever wrote the repository).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use ignore::{DirEntry, WalkBuilder, WalkState};
use mcpolicy_platform::filesystems;
use mcpolicy_platform::machine::Machine;

use super::environment;
use super::index::ProjectIndex;
use super::named;
use super::prune;
use super::source::Reading;
use super::unknown;

/// How deep below a home the walk goes. No honest tree comes near it.
///
/// Attack: each step into a chain of folders costs as much as the chain is long, so that some chains of two thousand eat
/// the time of all.
pub const MAX_DEPTH: usize = 128;

/// What bounds a walk.
pub struct Bounds<'a> {
    /// The machine that the home is of: where a link leads, it says and not this host.
    pub machine: &'a Machine,
    /// The home as it is called on this host.
    pub home: &'a Path,
    /// Time after which no further directory is entered.
    pub budget: Duration,
    /// Number of threads.
    pub threads: usize,
    /// Folders that may not be touched (macOS privacy prompts).
    pub protected: &'a [PathBuf],
    /// Homes of others, who tell of them themselves.
    pub others: &'a [PathBuf],
    /// Told now and then how many directories have been visited.
    pub progress: &'a (dyn Fn(u64) + Sync),
}

/// What one walk saw. Paths are those of this host.
#[derive(Default)]
pub struct Walked {
    /// Project files of known clients, with the project of each reading.
    pub files: Vec<(PathBuf, Vec<(Reading, PathBuf)>)>,
    /// Files of unknown origin that are worth a look.
    pub candidates: Vec<PathBuf>,
    /// Files that are a client's own by their names, wherever they lie.
    pub named: Vec<PathBuf>,
    /// The `.envrc` of projects.
    pub environments: Vec<PathBuf>,
    /// Files in projects from which clients take variables.
    pub of_clients: Vec<PathBuf>,
    /// Work trees of Git, which are projects before any client has left a file in them.
    pub repositories: Vec<PathBuf>,
    /// Links to directories: they are not walked through.
    pub linked: Vec<PathBuf>,
    /// Directories visited.
    pub directories: u64,
    /// Directories that the time budget left out.
    pub over_budget: u64,
    /// Directories that lie too deep.
    pub too_deep: Vec<PathBuf>,
    /// Other file systems that were not entered.
    pub other_filesystems: Vec<PathBuf>,
    /// Protected folders that were not entered.
    pub protected: Vec<PathBuf>,
    /// Directories that could not be listed.
    pub unreadable: Vec<PathBuf>,
}

impl Walked {
    /// The same as seen from another name of the home.
    #[must_use]
    pub fn seen_from(mut self, home: &Path, name: &Path) -> Self {
        if home == name {
            return self;
        }
        let renamed = |path: &mut PathBuf| {
            if let Ok(below) = path.strip_prefix(home) {
                *path = name.join(below);
            }
        };
        for (path, readings) in &mut self.files {
            renamed(path);
            readings.iter_mut().for_each(|(_, project)| renamed(project));
        }
        let all = [
            &mut self.candidates,
            &mut self.named,
            &mut self.environments,
            &mut self.of_clients,
            &mut self.repositories,
            &mut self.linked,
            &mut self.other_filesystems,
            &mut self.protected,
            &mut self.unreadable,
            &mut self.too_deep,
        ];
        all.into_iter().flatten().for_each(renamed);
        self
    }
}

enum Seen {
    File(PathBuf, Vec<(Reading, PathBuf)>),
    Candidate(PathBuf),
    Named(PathBuf),
    Environment(PathBuf),
    OfClients(PathBuf),
    Repository(PathBuf),
    Linked(PathBuf),
    OtherFilesystem(PathBuf),
    Protected(PathBuf),
    Unreadable(PathBuf),
    TooDeep(PathBuf),
}

struct Counters {
    directories: AtomicU64,
    over_budget: AtomicU64,
}

/// Walks a home.
pub fn walk(index: &ProjectIndex, bounds: &Bounds<'_>) -> Walked {
    let counters = Counters { directories: AtomicU64::new(0), over_budget: AtomicU64::new(0) };
    // A budget beyond what the clock can count is none at all.
    let start = Instant::now();
    let deadline =
        start.checked_add(bounds.budget).unwrap_or(start + Duration::from_secs(u64::from(u32::MAX)));
    let device = filesystems::device_of(bounds.home);
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let counters = &counters;
        scope.spawn(move || {
            let walker = builder(bounds.home, bounds.threads).build_parallel();
            walker.run(|| {
                let sender = sender.clone();
                let visit = Visit { index, bounds, device, deadline, counters };
                Box::new(move |entry| visit.entry(entry, &sender))
            });
        });
        collect(&receiver, counters)
    })
}

/// The walker as it is set up; the benchmark's bare walk uses the same.
pub fn builder(home: &Path, threads: usize) -> WalkBuilder {
    let mut builder = WalkBuilder::new(home);
    builder.standard_filters(false).follow_links(false).threads(threads);
    builder
}

fn collect(receiver: &std::sync::mpsc::Receiver<Seen>, counters: &Counters) -> Walked {
    let mut walked = Walked::default();
    for seen in receiver {
        match seen {
            Seen::File(path, readings) => walked.files.push((path, readings)),
            Seen::Candidate(path) => walked.candidates.push(path),
            Seen::Named(path) => walked.named.push(path),
            Seen::Environment(path) => walked.environments.push(path),
            Seen::OfClients(path) => walked.of_clients.push(path),
            Seen::Repository(path) => walked.repositories.push(path),
            Seen::Linked(path) => walked.linked.push(path),
            Seen::OtherFilesystem(path) => walked.other_filesystems.push(path),
            Seen::Protected(path) => walked.protected.push(path),
            Seen::Unreadable(path) => walked.unreadable.push(path),
            Seen::TooDeep(path) => walked.too_deep.push(path),
        }
    }
    walked.directories = counters.directories.load(Ordering::Relaxed);
    walked.over_budget = counters.over_budget.load(Ordering::Relaxed);
    // Threads finish in any order; reports must be the same twice.
    walked.files.sort_by(|a, b| a.0.cmp(&b.0));
    for list in [&mut walked.candidates, &mut walked.linked, &mut walked.other_filesystems] {
        list.sort();
    }
    walked.named.sort();
    walked.environments.sort();
    walked.of_clients.sort();
    walked.repositories.sort();
    walked.protected.sort();
    walked.unreadable.sort();
    walked.too_deep.sort();
    walked
}

struct Visit<'a> {
    index: &'a ProjectIndex,
    bounds: &'a Bounds<'a>,
    device: Option<u64>,
    deadline: Instant,
    counters: &'a Counters,
}

impl Visit<'_> {
    fn entry(&self, entry: Result<DirEntry, ignore::Error>, sender: &Sender<Seen>) -> WalkState {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                if let Some(path) = path_of(&error) {
                    let _ = sender.send(Seen::Unreadable(path));
                }
                return WalkState::Continue;
            }
        };
        if entry.file_type().is_some_and(|kind| kind.is_dir()) {
            return self.directory(&entry, sender);
        }
        if entry.path_is_symlink() && self.leads_to_directory(entry.path()) {
            let _ = sender.send(Seen::Linked(entry.path().to_owned()));
        }
        self.file(entry.path(), sender);
        WalkState::Continue
    }

    /// An image's `~/doc -> /usr/share/doc` is nothing where the image has no such folder, whatever this host has.
    fn leads_to_directory(&self, link: &Path) -> bool {
        let machine = self.bounds.machine;
        machine.leads_to_directory(&machine.machine_path(link))
    }

    fn directory(&self, entry: &DirEntry, sender: &Sender<Seen>) -> WalkState {
        let path = entry.path();
        self.repository(path, sender);
        if entry.depth() > 0 {
            if prune::is_pruned(path, self.bounds.home) {
                return WalkState::Skip;
            }
            if self.bounds.others.iter().any(|p| p == path) {
                return WalkState::Skip;
            }
            if self.bounds.protected.iter().any(|p| p == path) {
                let _ = sender.send(Seen::Protected(path.to_owned()));
                return WalkState::Skip;
            }
            if filesystems::device_of(path) != self.device {
                let _ = sender.send(Seen::OtherFilesystem(path.to_owned()));
                return WalkState::Skip;
            }
        }
        if entry.depth() > MAX_DEPTH {
            let _ = sender.send(Seen::TooDeep(path.to_owned()));
            return WalkState::Skip;
        }
        if Instant::now() >= self.deadline {
            self.counters.over_budget.fetch_add(1, Ordering::Relaxed);
            return WalkState::Skip;
        }
        let count = self.counters.directories.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_multiple_of(1024) {
            (self.bounds.progress)(count);
        }
        // A directory that bears the name of a configuration is reported like a file of that name.
        self.known(path, sender);
        WalkState::Continue
    }

    fn known(&self, path: &Path, sender: &Sender<Seen>) -> bool {
        let readings = self.index.readings(path);
        let known = !readings.is_empty();
        if known {
            let _ = sender.send(Seen::File(path.to_owned(), readings));
        }
        known
    }

    /// Something that is called `.git` makes a work tree of the folder that it is in.
    fn repository(&self, path: &Path, sender: &Sender<Seen>) {
        if path.file_name().is_some_and(|name| name == ".git")
            && let Some(root) = path.parent()
        {
            let _ = sender.send(Seen::Repository(root.to_owned()));
        }
    }

    fn file(&self, path: &Path, sender: &Sender<Seen>) {
        self.repository(path, sender);
        if path.file_name().is_some_and(|name| name == named::ENVIRONMENT) {
            let _ = sender.send(Seen::Environment(path.to_owned()));
        }
        if environment::is_of_project(path) {
            let _ = sender.send(Seen::OfClients(path.to_owned()));
        }
        if named::is_named(path) {
            let _ = sender.send(Seen::Named(path.to_owned()));
        }
        if !self.known(path, sender) && unknown::is_candidate(path, self.bounds.home) {
            let _ = sender.send(Seen::Candidate(path.to_owned()));
        }
    }
}

fn path_of(error: &ignore::Error) -> Option<PathBuf> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path.clone()),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        _ => None,
    }
}

//! Which folders are watched: those in which files were looked for, and where one is not there, the nearest above that is,
//! so that its coming is seen.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mcpolicy_platform::machine::{FileKind, Machine};
use mcpolicy_platform::watch::{Hint, Unwatched, Watcher};

/// Most folders that are watched.
pub(super) const MOST: usize = 8192;

/// The folders of one machine that are watched.
pub(super) struct Watches {
    machine: Machine,
    watcher: Watcher,
    /// Places of the machine that somebody wants to hear of.
    wanted: BTreeSet<PathBuf>,
    /// Why not everything is watched.
    pub(super) degraded: Option<String>,
}

impl Watches {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// The system gives out no watcher.
    pub(super) fn new(machine: Machine, tell: impl Fn(Hint) + Send + 'static) -> Result<Self, Unwatched> {
        let watcher = Watcher::new(tell)?;
        Ok(Self { machine, watcher, wanted: BTreeSet::new(), degraded: None })
    }

    /// Watches these places of the machine from now on, beside those that are watched. Gives the folders that are new.
    pub(super) fn add(&mut self, places: impl IntoIterator<Item = PathBuf>) -> BTreeSet<PathBuf> {
        let mut new = BTreeSet::new();
        for place in places {
            if self.wanted.insert(place.clone()) {
                new.extend(self.watch_nearest(&place));
            }
        }
        new
    }

    /// After something came or went: watches what is there by now of the wanted places.
    pub(super) fn again(&mut self) -> BTreeSet<PathBuf> {
        let gone: Vec<PathBuf> =
            self.watcher.folders().iter().filter(|folder| !folder.is_dir()).cloned().collect();
        gone.iter().for_each(|folder| self.watcher.forget(folder));
        self.degraded = None;
        let wanted: Vec<PathBuf> = self.wanted.iter().cloned().collect();
        wanted.iter().flat_map(|place| self.watch_nearest(place)).collect()
    }

    fn watch_nearest(&mut self, place: &Path) -> Option<PathBuf> {
        let there = place.ancestors().find(|folder| self.machine.leads_to_directory(folder))?;
        // of a project's or client's folder that is not there, each step on the way to it has to be seen
        let host = self.machine.followed_host_path(there).ok()?;
        if self.watcher.folders().contains(&host) {
            return None;
        }
        if self.watcher.folders().len() >= MOST {
            self.degraded.get_or_insert_with(|| format!("there are more than {MOST} folders to watch"));
            return None;
        }
        match self.watcher.watch(&host) {
            Ok(()) => Some(there.to_owned()),
            Err(Unwatched::Absent) => None,
            Err(error) => {
                self.degraded = Some(format!("{} {error}", there.display()));
                None
            }
        }
    }

    /// How many folders are watched.
    pub(super) fn len(&self) -> usize {
        self.watcher.folders().len()
    }

    /// Whether something is a folder, as far as anybody can tell now.
    pub(super) fn is_folder(&self, path: &Path) -> bool {
        self.machine.kind(path) == Some(FileKind::Directory)
    }
}

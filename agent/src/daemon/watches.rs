//! Which folders are watched: those in which files were looked for, and where one is not there, the nearest above that is,
//! so that its coming is seen.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use mcpolicy_platform::machine::{FileKind, Machine};
use mcpolicy_platform::watch::{Hint, Unwatched, Watcher};

/// Most folders that are watched.
pub(super) const MOST: usize = 8192;

/// The folders of one machine that are watched.
pub(super) struct Watches {
    machine: Machine,
    /// Makes a watcher.
    make: Box<dyn Fn() -> Result<Watcher, Unwatched>>,
    /// None where the system gives out no more.
    watcher: Option<Watcher>,
    /// Places of the machine that somebody wants to hear of.
    wanted: BTreeSet<PathBuf>,
    /// Why not everything is watched.
    pub(super) degraded: Option<String>,
}

impl Watches {
    /// Watches nothing yet. Where the system gives out no watcher, that is a reason to look more often, and none to end.
    pub(super) fn new(machine: Machine, tell: impl Fn(Hint) + Send + Clone + 'static) -> Self {
        let make = Box::new(move || Watcher::new(tell.clone()));
        let mut watches = Self { machine, make, watcher: None, wanted: BTreeSet::new(), degraded: None };
        watches.make_watcher();
        watches
    }

    fn make_watcher(&mut self) {
        if self.watcher.is_none() {
            match (self.make)() {
                Ok(watcher) => self.watcher = Some(watcher),
                Err(error) => self.degraded = Some(format!("no changes are told, {error}")),
            }
        }
    }

    /// Folders of this host that are watched.
    fn folders(&self) -> &BTreeSet<PathBuf> {
        static NONE: BTreeSet<PathBuf> = BTreeSet::new();
        self.watcher.as_ref().map_or(&NONE, Watcher::folders)
    }

    fn forget(&mut self, folders: &[PathBuf]) {
        let Some(watcher) = &mut self.watcher else { return };
        folders.iter().for_each(|folder| watcher.forget(folder));
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

    /// Whether somebody wants to hear of a folder.
    pub(super) fn wants(&self, folder: Option<&Path>) -> bool {
        folder.is_some_and(|folder| self.wanted.contains(folder))
    }

    /// Whether the coming or going of this path of the machine changes what is watched.
    pub(super) fn hang_on(&self, path: &Path) -> bool {
        below(&self.wanted, path).next().is_some()
            || below(self.folders(), &self.machine.host_path(path)).next().is_some()
    }

    /// After something came to be at a path, or went: watches anew what is there by now. Gives the folders that were not
    /// watched until then.
    ///
    /// Attack, and `git checkout`: a folder is removed and made anew. The watch of its name ended with the old one.
    pub(super) fn renew(&mut self, path: &Path) -> BTreeSet<PathBuf> {
        let host = self.machine.host_path(path);
        let old: Vec<PathBuf> = below(self.folders(), &host).cloned().collect();
        self.forget(&old);
        let wanted: Vec<PathBuf> = below(&self.wanted, path).cloned().collect();
        wanted.iter().filter_map(|place| self.watch_nearest(place)).collect()
    }

    /// Watches what is there by now of all wanted places: what was told of some was lost, or the system gave out no watch.
    /// Gives the folders that were not watched until then.
    pub(super) fn again(&mut self) -> BTreeSet<PathBuf> {
        let gone: Vec<PathBuf> = self.folders().iter().filter(|folder| !folder.is_dir()).cloned().collect();
        self.forget(&gone);
        self.degraded = None;
        self.make_watcher();
        let wanted: Vec<PathBuf> = self.wanted.iter().cloned().collect();
        wanted.iter().flat_map(|place| self.watch_nearest(place)).collect()
    }

    fn watch_nearest(&mut self, place: &Path) -> Option<PathBuf> {
        let there = place.ancestors().find(|folder| self.machine.leads_to_directory(folder))?;
        // of a project's or client's folder that is not there, each step on the way to it has to be seen
        let host = self.machine.followed_host_path(there).ok()?;
        let watcher = self.watcher.as_mut()?;
        if watcher.folders().contains(&host) {
            return None;
        }
        if watcher.folders().len() >= MOST {
            self.degraded.get_or_insert_with(|| format!("there are more than {MOST} folders to watch"));
            return None;
        }
        match watcher.watch(&host) {
            Ok(()) => Some(there.to_owned()),
            Err(Unwatched::Absent) => None,
            Err(error) => {
                self.degraded = Some(format!("{} {error}", there.display()));
                None
            }
        }
    }

    /// Folders that ought to be watched and are not: what comes into them is told by nobody.
    pub(super) fn unwatched(&self) -> BTreeSet<PathBuf> {
        if self.degraded.is_none() {
            return BTreeSet::new();
        }
        let is_watched = |place: &Path| {
            let host = self.machine.followed_host_path(place);
            host.is_ok_and(|host| self.folders().contains(&host))
        };
        let unwatched = self.wanted.iter().filter(|place| !is_watched(place) && self.is_folder(place));
        unwatched.cloned().collect()
    }

    /// How many folders are watched.
    pub(super) fn len(&self) -> usize {
        self.folders().len()
    }

    /// Whether something is a folder, as far as anybody can tell now.
    pub(super) fn is_folder(&self, path: &Path) -> bool {
        self.machine.kind(path) == Some(FileKind::Directory)
    }
}

/// Of sorted paths, one and all below it.
fn below<'p>(paths: &'p BTreeSet<PathBuf>, path: &'p Path) -> impl Iterator<Item = &'p PathBuf> {
    let from = paths.range::<Path, _>((Bound::Included(path), Bound::Unbounded));
    from.take_while(move |other| other.starts_with(path))
}

//! Which folders are watched: those in which files were looked for, and where one is not there, the nearest above that is,
//! so that its coming is seen.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::Instant;

use mcpolicy_platform::machine::{FileKind, Machine};
use mcpolicy_platform::watch::{Hint, Unwatched, Watcher};
use mcpolicy_platform::writers::{Writer, Writers};

/// Most folders that are watched.
pub(super) const MOST: usize = 8192;
/// Folders that each home may have watched, whatever the others have; fewer where there are many homes.
///
/// Attack: a user with thousands of projects takes all that there are, and changes of another's files are seen late.
const SHARE: usize = 256;

/// Whose a folder is: a home, by its index; `None` for what lies outside of homes.
pub(super) type Owner = Option<usize>;

/// The folders of one machine that are watched.
pub(super) struct Watches {
    machine: Machine,
    homes: Vec<PathBuf>,
    /// Makes a watcher.
    make: Box<dyn Fn() -> Result<Watcher, Unwatched>>,
    /// None where the system gives out no more.
    watcher: Option<Watcher>,
    /// Who writes in them, where the system tells.
    writers: Option<Writers>,
    /// Places of the machine that somebody wants to hear of.
    wanted: BTreeSet<PathBuf>,
    /// How many of the watched folders are whose.
    counts: BTreeMap<Owner, usize>,
    owners: BTreeMap<PathBuf, Owner>,
    /// Why not everything of a home is watched.
    pub(super) degraded: BTreeMap<Owner, String>,
}

impl Watches {
    /// Watches nothing yet. Where the system gives out no watcher, that is a reason to look more often, and none to end.
    pub(super) fn new(
        machine: Machine,
        homes: Vec<PathBuf>,
        tell: impl Fn(Hint) + Send + Clone + 'static,
    ) -> Self {
        let mut watches = Self {
            machine,
            homes,
            make: Box::new(move || Watcher::new(tell.clone())),
            watcher: None,
            writers: Writers::new(),
            wanted: BTreeSet::new(),
            counts: BTreeMap::new(),
            owners: BTreeMap::new(),
            degraded: BTreeMap::new(),
        };
        watches.make_watcher();
        watches
    }

    fn make_watcher(&mut self) {
        if self.watcher.is_none() {
            match (self.make)() {
                Ok(watcher) => self.watcher = Some(watcher),
                Err(error) => {
                    // of every home
                    for owner in (0..self.homes.len()).map(Some).chain([None]) {
                        self.degraded.insert(owner, format!("no changes are told, {error}"));
                    }
                }
            }
        }
    }

    /// Folders of this host that are watched.
    fn folders(&self) -> &BTreeSet<PathBuf> {
        static NONE: BTreeSet<PathBuf> = BTreeSet::new();
        self.watcher.as_ref().map_or(&NONE, Watcher::folders)
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
        old.iter().for_each(|folder| self.forget(folder));
        let wanted: Vec<PathBuf> = below(&self.wanted, path).cloned().collect();
        wanted.iter().filter_map(|place| self.watch_nearest(place)).collect()
    }

    /// Watches what is there by now of all wanted places: what was told of some was lost, or the system gave out no watch.
    /// Gives the folders that were not watched until then.
    pub(super) fn again(&mut self) -> BTreeSet<PathBuf> {
        let gone: Vec<PathBuf> = self.folders().iter().filter(|folder| !folder.is_dir()).cloned().collect();
        gone.iter().for_each(|folder| self.forget(folder));
        self.degraded.clear();
        self.make_watcher();
        let wanted: Vec<PathBuf> = self.wanted.iter().cloned().collect();
        wanted.iter().flat_map(|place| self.watch_nearest(place)).collect()
    }

    /// Takes in who wrote which file. `matters` is asked about paths of this host.
    pub(super) fn take_in_writers(&mut self, now: Instant, matters: &dyn Fn(&Path) -> bool) {
        if let Some(writers) = &mut self.writers {
            writers.take_in(now, matters);
        }
    }

    /// Who wrote a file of the machine last, if that was a moment ago and the system tells.
    pub(super) fn writer_of(&self, path: &Path) -> Option<&Writer> {
        let host = self.machine.followed_host_path(path.parent()?).ok()?.join(path.file_name()?);
        self.writers.as_ref()?.of(&host)
    }

    fn watch_nearest(&mut self, place: &Path) -> Option<PathBuf> {
        let there = place.ancestors().find(|folder| self.machine.leads_to_directory(folder))?;
        // of a project's or client's folder that is not there, each step on the way to it has to be seen
        let host = self.machine.followed_host_path(there).ok()?;
        let watcher = self.watcher.as_mut()?;
        if watcher.folders().contains(&host) {
            return None;
        }
        let owner = innermost(&self.homes, place);
        if !has_room(&self.counts, self.homes.len(), owner) {
            let why = || format!("there are more than {} folders to watch", watcher.folders().len());
            self.degraded.entry(owner).or_insert_with(why);
            return None;
        }
        match watcher.watch(&host) {
            Ok(()) => {
                if let Some(writers) = &mut self.writers {
                    writers.watch(&host);
                }
                *self.counts.entry(owner).or_default() += 1;
                self.owners.insert(host, owner);
                Some(there.to_owned())
            }
            Err(Unwatched::Absent) => None,
            Err(error) => {
                self.degraded.insert(owner, format!("{} {error}", there.display()));
                None
            }
        }
    }

    fn forget(&mut self, folder: &Path) {
        if let Some(watcher) = &mut self.watcher {
            watcher.forget(folder);
        }
        if let Some(writers) = &mut self.writers {
            writers.forget(folder);
        }
        if let Some(count) = self.owners.remove(folder).and_then(|owner| self.counts.get_mut(&owner)) {
            *count = count.saturating_sub(1);
        }
    }

    /// Folders that ought to be watched and are not: what comes into them is told by nobody.
    pub(super) fn unwatched(&self) -> BTreeSet<PathBuf> {
        if self.degraded.is_empty() {
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

/// The home that a path lies in, the innermost of them.
fn innermost(homes: &[PathBuf], path: &Path) -> Owner {
    let around = homes.iter().enumerate().filter(|(_, home)| path.starts_with(home));
    around.max_by_key(|(_, home)| home.as_os_str().len()).map(|(at, _)| at)
}

/// Whether one more folder may be watched for somebody: the shares of all others stay free for them.
fn has_room(counts: &BTreeMap<Owner, usize>, homes: usize, owner: Owner) -> bool {
    let share = SHARE.min(MOST / (homes + 1));
    let count = |owner: Owner| counts.get(&owner).copied().unwrap_or_default();
    let others = (0..homes).map(Some).chain([None]).filter(|other| *other != owner);
    let kept: usize = others.map(|other| share.saturating_sub(count(other))).sum();
    count(owner) < share || counts.values().sum::<usize>() + kept < MOST
}

/// Of sorted paths, one and all below it.
fn below<'p>(paths: &'p BTreeSet<PathBuf>, path: &'p Path) -> impl Iterator<Item = &'p PathBuf> {
    let from = paths.range::<Path, _>((Bound::Included(path), Bound::Unbounded));
    from.take_while(move |other| other.starts_with(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_takes_what_others_leave_but_not_their_share() {
        for homes in [1, 2, 10, 500] {
            let mut counts = BTreeMap::new();
            let mut take = |owner| {
                let mut taken = 0;
                while has_room(&counts, homes, owner) {
                    *counts.entry(owner).or_insert(0) += 1;
                    taken += 1;
                }
                taken
            };
            let share = SHARE.min(MOST / (homes + 1));
            assert_eq!(take(Some(0)), MOST - homes * share, "{homes}");
            for other in (1..homes).map(Some).chain([None]) {
                assert_eq!(take(other), share, "{homes}");
            }
            assert!(counts.values().sum::<usize>() <= MOST);
        }
    }
}

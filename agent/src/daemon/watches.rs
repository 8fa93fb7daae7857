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

/// Places that are wanted for a home, whether they are there or not.
///
/// Attack: a user's client knows ever new projects that are not there.
const MOST_WANTED: usize = 16_384;

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
    /// Places of the machine that somebody wants to hear of, and all who have named them.
    wanted: BTreeMap<PathBuf, BTreeSet<Owner>>,
    wants: BTreeMap<Owner, usize>,
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
            wanted: BTreeMap::new(),
            wants: BTreeMap::new(),
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

    /// Watches these places of the machine from now on, beside those that are watched. Outside of homes they are whose files
    /// have named them. Gives the folders that are new.
    pub(super) fn add(
        &mut self,
        named_by: Owner,
        places: impl IntoIterator<Item = PathBuf>,
    ) -> BTreeSet<PathBuf> {
        let mut new = BTreeSet::new();
        for place in places {
            let owner = innermost(&self.homes, &place).or(named_by);
            // attack: who has too much to watch names another's folder first
            if self.wanted.get(&place).is_some_and(|owners| owners.contains(&owner)) {
                continue;
            }
            let wants = self.wants.entry(owner).or_default();
            if *wants >= MOST_WANTED {
                self.degraded.entry(owner).or_insert_with(too_many_wanted);
                continue;
            }
            *wants += 1;
            self.wanted.entry(place.clone()).or_default().insert(owner);
            new.extend(self.watch_nearest(&place, owner));
        }
        new
    }

    /// Who has named a place.
    pub(super) fn owners_of(&self, place: &Path) -> impl Iterator<Item = Owner> {
        self.wanted.get(place).into_iter().flatten().copied()
    }

    /// Wanted places at and below a path, each with everybody who has named it.
    fn wanted_below(&self, path: &Path) -> Vec<(PathBuf, Owner)> {
        let from = self.wanted.range::<Path, _>((Bound::Included(path), Bound::Unbounded));
        let below = from.take_while(|(other, _)| other.starts_with(path));
        below.flat_map(|(place, owners)| owners.iter().map(|owner| (place.clone(), *owner))).collect()
    }

    /// Whether somebody wants to hear of a folder.
    pub(super) fn wants(&self, folder: Option<&Path>) -> bool {
        folder.is_some_and(|folder| self.wanted.contains_key(folder))
    }

    /// Whether the coming or going of this path of the machine changes what is watched.
    pub(super) fn hang_on(&self, path: &Path) -> bool {
        let mut wanted = self.wanted.range::<Path, _>((Bound::Included(path), Bound::Unbounded));
        wanted.next().is_some_and(|(other, _)| other.starts_with(path))
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
        let wanted = self.wanted_below(path);
        wanted.iter().filter_map(|(place, owner)| self.watch_nearest(place, *owner)).collect()
    }

    /// Watches what is there by now of all wanted places: what was told of some was lost, or the system gave out no watch.
    /// Gives the folders that were not watched until then.
    pub(super) fn again(&mut self) -> BTreeSet<PathBuf> {
        let gone: Vec<PathBuf> = self.folders().iter().filter(|folder| !folder.is_dir()).cloned().collect();
        gone.iter().for_each(|folder| self.forget(folder));
        // those who want more than is kept of them still do
        let full = self.wants.iter().filter(|(_, count)| **count >= MOST_WANTED);
        self.degraded = full.map(|(owner, _)| (*owner, too_many_wanted())).collect();
        self.make_watcher();
        let wanted = self.wanted_below(Path::new(""));
        wanted.iter().filter_map(|(place, owner)| self.watch_nearest(place, *owner)).collect()
    }

    /// Notes of who writes begin anew; what was told is to be taken in before.
    pub(super) fn renew_writers(&mut self) {
        if let Some(writers) = &mut self.writers {
            let folders = self.watcher.as_ref().map(Watcher::folders);
            writers.renew(folders.into_iter().flatten());
        }
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

    fn watch_nearest(&mut self, place: &Path, owner: Owner) -> Option<PathBuf> {
        let there = place.ancestors().find(|folder| self.machine.leads_to_directory(folder))?;
        // of a project's or client's folder that is not there, each step on the way to it has to be seen
        let host = self.machine.followed_host_path(there).ok()?;
        let watcher = self.watcher.as_mut()?;
        if watcher.folders().contains(&host) {
            return None;
        }
        if !has_room(&self.counts, self.homes.len(), owner) {
            let why = || format!("it has more folders to watch than its share of {MOST}");
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
        let unwatched = self.wanted.keys().filter(|place| !is_watched(place) && self.is_folder(place));
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

fn too_many_wanted() -> String {
    format!(
        "there are more than {MOST_WANTED} places to watch, and what is new in others is found once a day"
    )
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

    /// Two homes in a folder that is taken for the machine, and a folder outside of both.
    fn watches(root: &Path) -> Watches {
        for folder in ["home/ann", "home/bob", "srv/x"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        let homes = ["/home/ann", "/home/bob"].map(PathBuf::from).to_vec();
        Watches::new(Machine::at_root(root), homes, |_| {})
    }

    #[test]
    fn a_folder_outside_of_homes_is_of_all_who_name_it_and_one_in_a_home_is_its_owners() {
        let root = tempfile::tempdir().unwrap();
        let mut watches = watches(root.path());
        let (outside, inside) = (PathBuf::from("/srv/x"), PathBuf::from("/home/ann"));
        assert_eq!(watches.add(Some(1), [outside.clone()]).len(), 1);
        assert_eq!(watches.add(Some(0), [outside.clone(), inside.clone()]).len(), 1, "it is watched");
        assert_eq!(watches.owners_of(&outside).collect::<Vec<_>>(), [Some(0), Some(1)]);
        assert_eq!(watches.add(Some(1), [inside.clone()]).len(), 0);
        assert_eq!(watches.owners_of(&inside).collect::<Vec<_>>(), [Some(0)]);
    }

    #[test]
    fn who_wants_more_than_is_kept_stays_degraded_and_alone() {
        let root = tempfile::tempdir().unwrap();
        let mut watches = watches(root.path());
        let named = |from: usize| (from..from + MOST_WANTED).map(|n| PathBuf::from(format!("/srv/none/{n}")));
        watches.add(Some(0), named(0));
        assert!(watches.degraded.is_empty());
        watches.add(Some(0), named(MOST_WANTED));
        for _ in 0..2 {
            assert_eq!(watches.degraded.keys().collect::<Vec<_>>(), [&Some(0)]);
            watches.again();
        }
        assert_eq!(watches.add(Some(1), [PathBuf::from("/home/bob")]).len(), 1);
    }

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

//! Folders in which opens are held: those of clients' files in homes, and those in which one may come to be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::pipeline::{Ground, Outcome};
use crate::resolve;

/// Folders of each user. Those of files that are there come first, then those nearest to the home.
pub const MOST: usize = 256;

/// Folders of each home, of the machine.
#[derive(Debug, Default)]
pub struct Folders {
    /// In which files are.
    of_files: BTreeMap<usize, BTreeSet<PathBuf>>,
    /// In which files were looked for.
    of_places: BTreeMap<usize, BTreeSet<PathBuf>>,
}

impl Folders {
    /// Takes in what a pass or look has found. Whether anything is new.
    pub fn take_in(&mut self, outcome: &Outcome) -> bool {
        let mut is_new = false;
        for result in &outcome.sources {
            let Some(home) = result.source.home else { continue };
            let of = self.of_files.entry(home).or_default();
            let folders = result.source.path.parent().map(Path::to_owned);
            for folder in folders.into_iter().chain(resolve::project_of(&result.source)) {
                is_new |= of.insert(folder);
            }
        }
        for (home, places) in &outcome.places_of {
            let of = self.of_places.entry(*home).or_default();
            for place in places {
                is_new |= of.insert(place.clone());
            }
        }
        is_new
    }

    /// Takes in folders of files to which links of known files lead.
    pub fn take_in_linked(&mut self, linked: BTreeMap<Option<usize>, BTreeSet<PathBuf>>) {
        for (home, folders) in linked {
            if let Some(home) = home {
                self.of_files.entry(home).or_default().extend(folders);
            }
        }
    }

    /// Those that are there, as paths of this host, each with the number of its user. None of root's own home, nor of one of
    /// which no number is known.
    pub fn on_host(&self, ground: &Ground) -> Vec<(PathBuf, u32)> {
        let mut all = Vec::new();
        for (at, home) in ground.homes.iter().enumerate() {
            // the system's own programs read in root's folders, and root can do away with any gate
            let Some(uid) = home.uid.filter(|uid| *uid != 0) else { continue };
            let mut mine: BTreeSet<PathBuf> = BTreeSet::new();
            let files = self.of_files.get(&at).into_iter().flatten();
            let mut places: Vec<&PathBuf> = self.of_places.get(&at).into_iter().flatten().collect();
            places.sort_by_key(|place| place.components().count());
            for folder in files.chain(places) {
                if mine.len() >= MOST {
                    break;
                }
                let there = ground.machine.leads_to_directory(folder);
                mine.extend(there.then(|| ground.machine.followed_host_path(folder).ok()).flatten());
            }
            all.extend(mine.into_iter().map(|folder| (folder, uid)));
        }
        all
    }
}

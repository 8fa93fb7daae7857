//! What a machine says to its native policies: entries that are allowed on it, and such as are not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use mcpolicy_native::{Allowed, Denied};

use crate::assess::Assessed;
use crate::pipeline::{Ground, Outcome};

/// Entries of one home that are told to clients.
///
/// Attack: a user with a hundred thousand entries, each of which stands in the file of everybody's client then.
const MOST_OF_HOME: usize = 1000;

/// Entries of a machine, as they were judged.
#[derive(Debug, Clone, Default)]
pub struct Entries {
    /// Homes of its users.
    pub homes: Vec<String>,
    /// Allowed ones.
    pub allowed: Vec<Allowed>,
    /// Denied ones, and such as could not be judged.
    pub denied: Vec<Denied>,
    /// Entries of homes with too many, of which nothing is said.
    pub left_out: usize,
}

/// One entry as clients are told of it.
#[derive(Debug)]
enum One {
    Allowed(Box<Allowed>),
    Denied(Box<Denied>),
}

/// What one file declares.
#[derive(Debug, Default)]
struct OfFile {
    /// The first of them, as many as a home may have.
    first: Vec<One>,
    /// All of them.
    count: usize,
    /// What was judged, and how: whether a file says the same as before.
    seen: Vec<(String, String, bool, Option<String>)>,
}

impl OfFile {
    fn add(&mut self, item: &Assessed) {
        let Some(judgement) = &item.judgement else { return };
        let (is_allowed, rule) = (judgement.is_allowed(), judgement.rule.as_deref());
        self.count += 1;
        if self.count > MOST_OF_HOME {
            return;
        }
        let name = item.entry.name.clone();
        self.seen.push((item.fingerprint.clone(), name, is_allowed, rule.map(str::to_owned)));
        if is_allowed {
            let allowed = Allowed::of_entry(&item.entry, rule);
            self.first.extend(allowed.map(|allowed| One::Allowed(Box::new(allowed))));
        } else {
            self.first.push(One::Denied(Box::new(Denied::of_entry(&item.entry))));
        }
    }
}

/// A file, by the home that it was found from.
type Key = (Option<usize>, PathBuf);

/// What the files of a machine declare, kept up to date by looks at what changed.
#[derive(Debug, Default)]
pub struct Declared {
    homes: Vec<String>,
    files: BTreeMap<Key, OfFile>,
}

impl Declared {
    /// What a pass has found.
    pub fn of(ground: &Ground, outcome: &Outcome) -> Self {
        let homes = ground.homes.iter().map(|home| home.layout.home.to_string_lossy().into_owned()).collect();
        Self { homes, files: by_file(outcome) }
    }

    /// Takes in what a look at these paths of homes has found. Whether anything is otherwise than before.
    pub fn looked(&mut self, outcome: &Outcome, paths: &BTreeMap<usize, BTreeSet<PathBuf>>) -> bool {
        let looked_at =
            paths.iter().flat_map(|(home, paths)| paths.iter().map(move |path| (Some(*home), path.clone())));
        let found = outcome.sources.iter().map(|file| (file.source.home, file.source.path.clone()));
        let keys: BTreeSet<Key> = looked_at.chain(found).collect();
        let mut now = by_file(outcome);
        let mut is_other = false;
        for key in keys {
            let (before, now) = (self.files.remove(&key), now.remove(&key));
            let seen =
                |of: &Option<OfFile>| of.as_ref().map_or((0, Vec::new()), |of| (of.count, of.seen.clone()));
            is_other |= seen(&before) != seen(&now);
            self.files.extend(now.map(|now| (key, now)));
        }
        is_other
    }

    /// What clients are told.
    pub fn entries(&self) -> Entries {
        let mut entries = Entries { homes: self.homes.clone(), ..Entries::default() };
        let mut of_home: BTreeMap<Option<usize>, usize> = BTreeMap::new();
        for ((home, _), file) in &self.files {
            let count = of_home.entry(*home).or_default();
            let room = MOST_OF_HOME.saturating_sub(*count);
            *count += file.count;
            entries.left_out += file.count.saturating_sub(room);
            for one in file.first.iter().take(room) {
                match one {
                    One::Allowed(allowed) => entries.allowed.push((**allowed).clone()),
                    One::Denied(denied) => entries.denied.push((**denied).clone()),
                }
            }
        }
        entries
    }
}

/// What no client loads says nothing of what is in use.
fn by_file(outcome: &Outcome) -> BTreeMap<Key, OfFile> {
    let mut files: BTreeMap<Key, OfFile> = BTreeMap::new();
    for item in outcome.entries.iter().filter(|item| item.entry.inert.is_none()) {
        let source = &outcome.sources[item.source].source;
        files.entry((source.home, source.path.clone())).or_default().add(item);
    }
    files
}

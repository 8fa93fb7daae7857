//! How many places the files of a home may name. Whoever writes a repository decides how many its files name, so each
//! repository has a share of its own: what one clone names keeps nothing of another from being read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mcpolicy_platform::machine::Machine;
use mcpolicy_schema::entry::ClientId;

use crate::gap::Gap;

/// Most places that the files of a home may name, and those of one repository in it.
const MOST: usize = 20_000;
const SHARE: usize = 4_000;

/// A place that a file names: the client that follows it, how it names it, and where it is.
pub(super) type Named = (ClientId, String, PathBuf);

/// What became of a place that is named.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Named for the first time.
    New,
    /// Named before.
    Known,
    /// One too many of those whose files stand below this folder.
    TooMany(PathBuf, usize),
}

/// The places that the files of one home name.
#[derive(Default)]
pub(super) struct Shares {
    named: BTreeSet<Named>,
    of: BTreeMap<PathBuf, usize>,
    /// To whom the files of a folder belong, which is asked for each place that they name.
    sharers: BTreeMap<PathBuf, PathBuf>,
}

impl Shares {
    /// Takes note of a place that a file names. `is_repository` tells whether a folder is a work tree of Git.
    pub(super) fn tell(
        &mut self,
        place: Named,
        from: &Path,
        home: Option<&Path>,
        is_repository: impl Fn(&Path) -> bool,
    ) -> Told {
        if self.named.contains(&place) {
            return Told::Known;
        }
        let folder = from.parent().unwrap_or(from).to_owned();
        let sharer = self.sharers.entry(folder);
        let sharer = sharer.or_insert_with_key(|folder| sharer_of(folder, home, is_repository)).clone();
        let used = self.of.entry(sharer.clone()).or_default();
        if *used >= SHARE {
            return Told::TooMany(sharer, SHARE);
        }
        if self.named.len() >= MOST {
            return Told::TooMany(home.unwrap_or(Path::new("/")).to_owned(), MOST);
        }
        *used += 1;
        self.named.insert(place);
        Told::New
    }
}

/// How much is read of the files of each repository.
///
/// Attack: some hundred links of a clone to one file of 14 MB, whose reading lasts until the time of the home's worker is
/// over, so that nothing in that home is done.
pub struct Bytes {
    most: u64,
    used: BTreeMap<PathBuf, u64>,
    sharers: BTreeMap<PathBuf, PathBuf>,
    told: BTreeSet<PathBuf>,
}

impl Bytes {
    /// So many bytes for each.
    pub fn each(most: u64) -> Self {
        Self { most, used: BTreeMap::new(), sharers: BTreeMap::new(), told: BTreeSet::new() }
    }

    /// Whether a file may still be read.
    ///
    /// # Errors
    /// It may not; what is to be told of that, once for each repository.
    pub fn ask(&mut self, file: &Path, home: &Path, machine: &Machine) -> Result<(), Option<Gap>> {
        let sharer = self.sharer(file, home, machine);
        if self.used.get(&sharer).is_none_or(|used| *used < self.most) {
            return Ok(());
        }
        let is_new = self.told.insert(sharer.clone());
        Err(is_new.then(|| self.gap(&sharer)))
    }

    /// Takes note of what was read.
    pub fn add(&mut self, file: &Path, home: &Path, machine: &Machine, bytes: u64) {
        let sharer = self.sharer(file, home, machine);
        *self.used.entry(sharer).or_default() += bytes;
    }

    fn sharer(&mut self, file: &Path, home: &Path, machine: &Machine) -> PathBuf {
        let folder = file.parent().unwrap_or(file).to_owned();
        let is_repository = |folder: &Path| machine.kind(&folder.join(".git")).is_some();
        let sharer = self.sharers.entry(folder);
        sharer.or_insert_with_key(|folder| sharer_of(folder, Some(home), is_repository)).clone()
    }

    fn gap(&self, sharer: &Path) -> Gap {
        let mib = self.most >> 20;
        let reason = format!(
            "its files that clients or shells read are more than {mib} MiB together; those beyond were not read"
        );
        Gap::at("too-large", reason, sharer).partial()
    }
}

/// The outermost repository below the home (a repository has submodules, but decides about them); without one the first
/// folder below the home: what was unpacked there has as many folders as its maker likes.
pub(super) fn sharer_of(
    folder: &Path,
    home: Option<&Path>,
    is_repository: impl Fn(&Path) -> bool,
) -> PathBuf {
    let below = home.filter(|home| folder.starts_with(home)).unwrap_or(Path::new("/"));
    let mut above: Vec<&Path> = folder.ancestors().take_while(|one| *one != below).collect();
    above.reverse();
    let outermost = above.iter().find(|one| is_repository(one)).or(above.first());
    outermost.map_or(folder, |one| *one).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = "/home/ann";

    fn tell(shares: &mut Shares, place: usize, from: &str) -> Told {
        let is_repository = |folder: &Path| {
            ["/home/ann", "/home/ann/src/a/b", "/home/ann/src/a/b/sub"].map(Path::new).contains(&folder)
        };
        let named = ("claude-code", "<plugin>".to_owned(), PathBuf::from(format!("/p/{place}")));
        shares.tell(named, Path::new(from), Some(Path::new(HOME)), is_repository)
    }

    #[test]
    fn what_one_repository_names_takes_nothing_from_another_place() {
        let mut shares = Shares::default();
        for at in 0..SHARE {
            let from = if at % 2 == 0 { "/home/ann/src/a/b/x" } else { "/home/ann/src/a/b/sub/c/x" };
            assert_eq!(tell(&mut shares, at, from), Told::New);
        }
        let too_many = Told::TooMany("/home/ann/src/a/b".into(), SHARE);
        assert_eq!(tell(&mut shares, SHARE, "/home/ann/src/a/b/y/x"), too_many);
        assert_eq!(tell(&mut shares, 0, "/home/ann/src/a/b/y/x"), Told::Known);
        for (at, from) in ["/home/ann/src/a/x", "/home/ann/dl/c/d/x", "/home/ann/.claude.json", "/opt/x"]
            .into_iter()
            .enumerate()
        {
            assert_eq!(tell(&mut shares, SHARE + at, from), Told::New, "{from}");
        }
    }

    #[test]
    fn all_repositories_of_a_home_have_a_bound_too() {
        let mut shares = Shares::default();
        let told: Vec<Told> =
            (0..=MOST).map(|at| tell(&mut shares, at, &format!("/home/ann/{}/x", at % 7))).collect();
        assert!(told[..MOST].iter().all(|told| *told == Told::New));
        assert_eq!(told[MOST], Told::TooMany(HOME.into(), MOST));
    }
}

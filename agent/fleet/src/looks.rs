//! Which inventory after a moment could have seen a declaration: the first one that looked where it stood.
//!
//! In doubt it could not: a server that is told as gone and is there is worse than one that is told as there and is gone.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Statement, params};

use crate::FleetError;

/// Comparisons for one machine. Attack: thousands of inventories that could look nowhere, for thousands of places.
const MOST_STEPS: u64 = 20_000_000;
/// Places of one machine of which the answer is kept for the next question.
const MOST_KEPT: usize = 20_000;
/// Inventories of one machine, and places into which they could not look, that are read; more is no laptop's.
const MOST_READ: i64 = 100_000;

/// Where a declaration stood.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    /// Of which scans; none where the inventory of it did not arrive.
    pub(crate) extent: Option<String>,
    pub(crate) owner: String,
    pub(crate) path: String,
    /// It stands in the folder of a project.
    pub(crate) is_project: bool,
    /// The privacy tier of its record.
    pub(crate) tier: String,
}

/// Something that an inventory could not look into.
struct Unseen {
    kind: String,
    owner: String,
    path: String,
    tier: String,
}

impl Unseen {
    fn covers(&self, spot: &Spot) -> bool {
        // hashes of two tiers are of nothing that could be compared
        if self.tier != spot.tier {
            return true;
        }
        if !self.owner.is_empty() && self.owner != spot.owner {
            return false;
        }
        // a hash of a path does not say what lies below it
        if self.tier == "outcomes" {
            return true;
        }
        if self.path.is_empty() {
            return self.kind == "worker-failed" || spot.is_project;
        }
        is_below(&spot.path, &self.path)
    }
}

/// Whether a path is a folder or lies in it. As in the most forgiving file system: what is too much is only kept.
fn is_below(path: &str, folder: &str) -> bool {
    let plain = |text: &str| text.replace('\\', "/").to_ascii_lowercase();
    let (path, folder) = (plain(path), plain(folder));
    let folder = folder.trim_end_matches('/');
    let is_drive = folder.len() == 2 && folder.ends_with(':');
    if folder.is_empty() || is_drive {
        // the root, below which everything is; from which drive a path without one comes is not known
        return !is_drive || path.starts_with(folder) || path.as_bytes().get(1) != Some(&b':');
    }
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

struct Inventory {
    time: i64,
    unseen: Vec<Unseen>,
}

/// Answers of one machine after the other: rows must come ordered by machine.
pub(crate) struct Looks<'c> {
    inventories: Statement<'c>,
    coverage: Statement<'c>,
    device: Option<String>,
    /// By extent, in order of time.
    whole: BTreeMap<String, Vec<Inventory>>,
    /// From which place in the list the last question of a spot began, and its answer.
    kept: BTreeMap<Spot, (usize, Option<usize>)>,
    steps: u64,
}

impl<'c> Looks<'c> {
    /// # Errors
    /// The database refuses.
    pub(crate) fn new(connection: &'c Connection) -> Result<Self, FleetError> {
        let inventories = connection.prepare(
            "SELECT snapshot, extent, time FROM whole_inventories WHERE device = ?1 ORDER BY time, seq LIMIT ?2",
        )?;
        let coverage = connection.prepare(
            "SELECT c.snapshot, c.kind, c.owner, c.path, COALESCE(r.privacy, 'full') FROM coverage AS c
             LEFT JOIN records AS r ON r.id = c.id WHERE c.device = ?1 AND c.is_partial = 1 LIMIT ?2",
        )?;
        let (whole, kept) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { inventories, coverage, device: None, whole, kept, steps: 0 })
    }

    /// When the first inventory after a time was made that could see a spot; in seconds since 1970.
    ///
    /// # Errors
    /// The database refuses.
    pub(crate) fn next(&mut self, device: &str, spot: Spot, after: i64) -> Result<Option<i64>, FleetError> {
        if self.device.as_deref() != Some(device) {
            self.read(device)?;
        }
        let Some(extent) = &spot.extent else { return Ok(None) };
        // who looks at the whole machine looks into each home of it
        let whole = is_of_home(extent).then(|| Spot { extent: Some(String::new()), ..spot.clone() });
        let looks = [Some(spot), whole].into_iter().flatten();
        Ok(looks.filter_map(|spot| self.next_of(spot, after)).min())
    }

    /// The same of the scans of one extent.
    fn next_of(&mut self, spot: Spot, after: i64) -> Option<i64> {
        let list = spot.extent.as_ref().and_then(|extent| self.whole.get(extent))?;
        let from = list.partition_point(|inventory| inventory.time <= after);
        let known = self.kept.get(&spot).copied();
        let found = walk(list, &spot, from, known, &mut self.steps);
        let time = found.and_then(|at| list.get(at)).map(|inventory| inventory.time);
        if self.kept.len() < MOST_KEPT || known.is_some() {
            self.kept.insert(spot, (from, found));
        }
        time
    }

    fn read(&mut self, device: &str) -> Result<(), FleetError> {
        self.device = Some(device.to_owned());
        self.whole.clear();
        self.kept.clear();
        self.steps = 0;
        let mut unseen: BTreeMap<String, Vec<Unseen>> = BTreeMap::new();
        let mut rows = self.coverage.query(params![device, MOST_READ])?;
        let mut read = 0;
        while let Some(row) = rows.next()? {
            read += 1;
            let one = Unseen { kind: row.get(1)?, owner: row.get(2)?, path: row.get(3)?, tier: row.get(4)? };
            unseen.entry(row.get(0)?).or_default().push(one);
        }
        if read >= MOST_READ {
            // what is not read might cover everything
            return Ok(());
        }
        drop(rows);
        let mut rows = self.inventories.query(params![device, MOST_READ])?;
        let mut names = BTreeSet::new();
        while let Some(row) = rows.next()? {
            let snapshot: String = row.get(0)?;
            // whose the gaps are cannot be told of two inventories with one name: the second says nothing
            if !names.insert(snapshot.clone()) {
                continue;
            }
            let unseen = unseen.remove(&snapshot).unwrap_or_default();
            self.whole.entry(row.get(1)?).or_default().push(Inventory { time: row.get(2)?, unseen });
        }
        Ok(())
    }
}

/// The first inventory from a place on that could see a spot. What an earlier walk from further behind found holds.
fn walk(
    list: &[Inventory],
    spot: &Spot,
    from: usize,
    known: Option<(usize, Option<usize>)>,
    steps: &mut u64,
) -> Option<usize> {
    for (at, inventory) in list.iter().enumerate().skip(from) {
        if let Some((start, found)) = known
            && at >= start
            && found.is_none_or(|found| at <= found)
        {
            return found;
        }
        *steps += 1 + inventory.unseen.len() as u64;
        if *steps > MOST_STEPS {
            return None;
        }
        if !inventory.unseen.iter().any(|unseen| unseen.covers(spot)) {
            return Some(at);
        }
    }
    None
}

/// Whether a scan was one of homes (`own-home ann`, `home ann`), which one of the whole machine has too; a file or project that was
/// named need not lie where it looks.
fn is_of_home(extent: &str) -> bool {
    extent.starts_with("own-home ") || extent.starts_with("home ")
}

#[cfg(test)]
mod tests {
    use super::is_below;

    #[test]
    fn below_a_root_is_everything_and_below_a_folder_what_is_in_it() {
        for (path, folder, is) in [
            ("/home/ann/a.json", "/", true),
            ("/home/ann/a.json", "/home/ann/", true),
            ("/home/anna/a.json", "/home/ann", false),
            (r"C:\Users\ann\a.json", r"c:\", true),
            (r"C:\Users\ann\a.json", r"C:\Users\Ann", true),
            (r"D:\a.json", r"C:\", false),
            ("a.json", "C:/", true),
        ] {
            assert_eq!(is_below(path, folder), is, "{path} in {folder}");
        }
    }
}

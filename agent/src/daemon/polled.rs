//! Where the system does not tell of changes: folders are listed, and what differs from the list before counts as told.
//! That is for what lies outside of homes, as the published policy, settings and accounts; in homes files are looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use mcpolicy_platform::machine::Machine;

/// Length and time of the last change of what has a name.
type Stamp = (u64, Option<SystemTime>);

/// Folders as they were listed last.
#[derive(Default)]
pub(super) struct Polled(BTreeMap<PathBuf, BTreeMap<OsString, Stamp>>);

impl Polled {
    /// Lists these folders of the machine. Gives the paths of this host at which something differs since they were listed
    /// before.
    pub(super) fn changed(&mut self, machine: &Machine, folders: BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
        let before = std::mem::take(&mut self.0);
        let mut changed = BTreeSet::new();
        for folder in folders {
            let now = listed(machine, &folder);
            if let Some(before) = before.get(&folder) {
                let names = before.keys().chain(now.keys());
                let differing = names.filter(|name| before.get(*name) != now.get(*name));
                changed.extend(differing.map(|name| machine.host_path(&folder.join(name))));
            }
            self.0.insert(folder, now);
        }
        changed
    }
}

fn listed(machine: &Machine, folder: &Path) -> BTreeMap<OsString, Stamp> {
    let stamp = |name: &OsString| {
        let data = std::fs::symlink_metadata(machine.host_path(&folder.join(name))).ok();
        data.map_or((0, None), |data| (data.len(), data.modified().ok()))
    };
    let entries = machine.list(folder).unwrap_or_default().into_iter();
    entries.map(|entry| (stamp(&entry.name), entry.name)).map(|(stamp, name)| (name, stamp)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_changes_or_goes_between_two_lists_is_told_and_nothing_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().canonicalize().unwrap();
        let write = |name: &str, text: &str| std::fs::write(at.join(name), text).unwrap();
        let (machine, folders) = (Machine::live(), BTreeSet::from([at.clone()]));
        let mut polled = Polled::default();
        ["stays", "goes", "grows"].into_iter().for_each(|name| write(name, "x"));
        assert_eq!(polled.changed(&machine, folders.clone()), BTreeSet::new());
        std::fs::remove_file(at.join("goes")).unwrap();
        write("grows", "xx");
        write("comes", "x");
        let told = ["comes", "goes", "grows"].map(|name| at.join(name));
        assert_eq!(polled.changed(&machine, folders.clone()), BTreeSet::from(told));
        assert_eq!(polled.changed(&machine, folders), BTreeSet::new());
    }
}

//! What lies around the clients' files: the published policy, the settings, accounts, and the folders of homes. A change there
//! means more than a look at a file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcpolicy_platform::machine::Machine;
use mcpolicy_platform::watch::Change;

use super::{LEAST_FOR_ACCOUNTS, LEAST_FOR_POLICY, Rig};
use crate::judge::system_of;
use crate::native::keeper;
use crate::pipeline::Ground;

/// Where homes usually are, whether there is one yet or not.
const HOMES: [&str; 2] = ["/home", "/Users"];
/// Where only administrators write what counts for all users. (In `C:\\ProgramData` everybody makes folders.)
const OF_ADMINISTRATORS: [&str; 2] = ["/etc", "/Library"];
const ACCOUNTS: [&str; 2] = ["/etc/passwd", "/etc/group"];

/// What a change means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// Nothing of the machine: it may be one of a client's file.
    Nothing,
    /// The settings are to be read anew.
    OtherSettings,
    /// The stored policy was touched: it is to be there still.
    Store,
    /// Perhaps another policy, or other accounts: a pass, and the session that ends has lasted this long at least.
    Pass(Duration),
}

fn folders_of_native(ground: &Ground) -> BTreeSet<PathBuf> {
    let places = keeper::places(system_of(ground.os));
    places.iter().filter_map(|place| place.parent()).map(Path::to_owned).collect()
}

/// Paths of the machine, except where another is named.
pub(super) struct Around {
    machine: Machine,
    settings: PathBuf,
    /// Where the agent keeps the policy in force.
    store: PathBuf,
    own: Vec<PathBuf>,
    homes: BTreeSet<PathBuf>,
    /// Folders in which homes are, or may come to be.
    of_homes: BTreeSet<PathBuf>,
    /// Folders of the clients' managed files, where these are ours to keep.
    native: BTreeSet<PathBuf>,
}

impl Around {
    pub(super) fn new(rig: &Rig<'_>, ground: &Ground) -> Self {
        let machine = ground.machine.clone();
        let homes: BTreeSet<PathBuf> = ground.homes.iter().map(|home| home.layout.home.clone()).collect();
        let parents = homes.iter().filter_map(|home| home.parent().map(Path::to_owned));
        Self {
            settings: machine.machine_path(rig.settings),
            store: machine.machine_path(&(rig.setting)().state.join("policy")),
            own: rig.own.iter().map(|folder| machine.machine_path(folder)).collect(),
            of_homes: parents.chain(HOMES.map(PathBuf::from)).collect(),
            native: if rig.native { folders_of_native(ground) } else { BTreeSet::new() },
            homes,
            machine,
        }
    }

    /// What has to be watched for it.
    pub(super) fn folders(&self) -> BTreeSet<PathBuf> {
        let around =
            self.settings.parent().into_iter().chain([&*self.store, Path::new("/etc")]).map(Path::to_owned);
        let own = self.own.iter().chain(&self.of_homes).chain(&self.native).cloned();
        around.chain(own).collect()
    }

    /// Whether a change is in a folder of the clients' managed files, or of such a folder.
    pub(super) fn is_at_native(&self, path: &Path, change: Change) -> bool {
        path.parent().is_some_and(|folder| self.native.contains(folder))
            || change.came_or_went && self.native.iter().any(|folder| folder.starts_with(path))
    }

    /// What a change at a path means.
    pub(super) fn means(&self, path: &Path, change: Change) -> Means {
        // with a folder comes and goes what is in it
        let moved = |what: &Path| change.came_or_went && what.starts_with(path);
        if path == self.settings || moved(&self.settings) {
            return Means::OtherSettings;
        }
        if path.starts_with(&self.store) {
            return Means::Store;
        }
        if self.own.iter().any(|folder| path.starts_with(folder) || moved(folder)) {
            return Means::Pass(LEAST_FOR_POLICY);
        }
        let is_account = || ACCOUNTS.iter().any(|file| path == Path::new(file));
        let is_home = self.homes.contains(path);
        // a file that is written beside a home is no home (one in `/tmp` has many)
        let may_be_new = change.came_or_went && change.may_be_folder;
        let is_beside = || may_be_new && path.parent().is_some_and(|parent| self.of_homes.contains(parent));
        if is_home || is_beside() || is_account() {
            return Means::Pass(LEAST_FOR_ACCOUNTS);
        }
        if moved(&self.store) { Means::Store } else { Means::Nothing }
    }

    /// What a change outside of homes means, where clients' files are looked for.
    ///
    /// Attack: a user whose client knows a project in `/tmp`, and who makes and removes it again and again. Where only
    /// administrators write, a pass may follow at once.
    pub(super) fn means_of_all(path: &Path) -> Means {
        let is_administrators = OF_ADMINISTRATORS.iter().any(|folder| path.starts_with(folder));
        Means::Pass(if is_administrators { LEAST_FOR_POLICY } else { LEAST_FOR_ACCOUNTS })
    }

    /// Whether what is mounted at a path of this host may be a home, or lie in one.
    pub(super) fn may_be_home(&self, path: &Path) -> bool {
        let path = self.machine.machine_path(path);
        let of_home = |home: &PathBuf| home.starts_with(&path) || path.starts_with(home);
        self.homes.iter().any(of_home) || HOMES.iter().any(|homes| path.starts_with(homes))
    }
}

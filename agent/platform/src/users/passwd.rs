//! Accounts of a Linux machine, from the files in its `etc`. Lines are taken for hostile: an image's are anybody's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Home, HomeLayout, unlisted_homes};
use crate::machine::{FileKind, Machine};

/// More than any real list: 100,000 accounts.
const MAX_BYTES: u64 = 16 << 20;
/// Where people's numbers begin unless `etc/login.defs` says otherwise.
const FIRST_UID: u32 = 1000;
const NOBODY: [u32; 2] = [65534, u32::MAX];

/// An account that a line names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: Option<u32>,
    pub(super) home: PathBuf,
    /// Somebody can log in, or a service be started, with a shell of that account.
    pub(super) has_shell: bool,
}

/// What ends a login at once.
const NO_SHELLS: [&str; 7] = ["nologin", "false", "true", "sync", "halt", "shutdown", "null"];
/// Folders that are the system's, whoever's home they are called.
const SYSTEMS: [&str; 15] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/nonexistent",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var/run",
];

/// Homes of root and of people with an account, of the system's accounts with a shell, as of build servers, then
/// directories below `/home` that have none.
pub(super) fn homes(machine: &Machine) -> Vec<Home> {
    let first_uid = first_uid_of(machine);
    let accounts = accounts(machine);
    let covered = |account: &Account| {
        is_person(account, first_uid)
            || (runs_as_people_do(machine, account, first_uid) && owns_its_home(machine, account))
    };
    let mut homes: Vec<Home> =
        accounts.into_iter().filter(covered).filter_map(|account| home_of(machine, account)).collect();
    let known: BTreeSet<PathBuf> = homes.iter().map(|home| home.path.clone()).collect();
    homes.extend(unlisted_homes(machine, Path::new("/home"), &known, first_uid));
    homes
}

/// Homes of the system's accounts with a shell that are not their own: nothing is looked for in them.
pub(super) fn uncovered(machine: &Machine) -> Vec<Home> {
    let first_uid = first_uid_of(machine);
    let known = homes(machine);
    let uncovered = accounts(machine)
        .into_iter()
        .filter(|account| runs_as_people_do(machine, account, first_uid) && !owns_its_home(machine, account));
    let homes = uncovered.filter_map(|account| home_of(machine, account));
    homes.filter(|home| known.iter().all(|known| known.path != home.path)).collect()
}

/// The name of the account with this number.
pub(super) fn name_of(machine: &Machine, uid: u32) -> Option<String> {
    accounts(machine).into_iter().find(|account| account.uid == uid).map(|account| account.name)
}

/// The primary group of an account: by its number, else by its name.
pub(super) fn primary_group(machine: &Machine, user: &str, uid: Option<u32>) -> Option<u32> {
    let accounts = accounts(machine);
    let by_uid = |account: &&Account| uid.is_some_and(|uid| account.uid == uid);
    let by_name = |account: &&Account| uid.is_none() && account.name == user;
    accounts.iter().find(|account| by_uid(account) || by_name(account))?.gid
}

/// Number and primary group of the account of a name.
pub(super) fn ids_of(machine: &Machine, user: &str) -> Option<(u32, u32)> {
    let accounts = accounts(machine);
    let account = accounts.iter().find(|account| account.name == user)?;
    Some((account.uid, account.gid?))
}

/// The primary groups of all accounts.
pub(super) fn primary_groups(machine: &Machine) -> impl Iterator<Item = u32> {
    accounts(machine).into_iter().filter_map(|account| account.gid)
}

fn accounts(machine: &Machine) -> Vec<Account> {
    parse(&machine.read_system("/etc/passwd", MAX_BYTES).unwrap_or_default())
}

fn is_person(account: &Account, first_uid: u32) -> bool {
    let nobody = account.name == "nobody" || NOBODY.contains(&account.uid);
    (account.uid == 0 || account.uid >= first_uid) && !nobody
}

/// A build server or runner: its number is the system's, it has a shell, and a folder that is not the system's.
fn runs_as_people_do(machine: &Machine, account: &Account, first_uid: u32) -> bool {
    let is_systems = |home: &Path| {
        home.parent().is_none() || SYSTEMS.iter().any(|systems| home.starts_with(Path::new(systems)))
    };
    let at = machine.resolve(&account.home).map(|at| at.path);
    let numbered = account.uid > 0 && account.uid < first_uid && account.name != "nobody";
    numbered && account.has_shell && !is_systems(&account.home) && at.is_ok_and(|at| !is_systems(&at))
}

/// Attack: an account whose home is a folder of somebody else would have it edited by a worker of its own.
fn owns_its_home(machine: &Machine, account: &Account) -> bool {
    let at = machine.resolve(&account.home).ok();
    at.and_then(|at| machine.owner_uid(&at.path)) == Some(account.uid)
}

fn home_of(machine: &Machine, account: Account) -> Option<Home> {
    let Account { name, uid, home, .. } = account;
    // everything is below `/`: as somebody's home it would make every file his own
    if home.parent().is_none() && uid != 0 {
        return None;
    }
    let at = machine.resolve(&home).ok()?;
    let home_is_directory = machine.kind(&at.path) == Some(FileKind::Directory);
    let layout = HomeLayout::Linux;
    home_is_directory.then_some(Home { user: name, uid: Some(uid), path: home, layout, within_wsl: None })
}

/// The lines `name:password:uid:gid:comment:home:shell` that make sense; the others are passed over.
pub(super) fn parse(text: &[u8]) -> Vec<Account> {
    text.split(|byte| *byte == b'\n').filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Account> {
    let line = std::str::from_utf8(line).ok()?;
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = fields[..] else { return None };
    // `+name` and `-name` are for NIS; a control character would play tricks on terminals
    let odd_name = name.is_empty() || name.starts_with(['+', '-', '#']) || name.contains(char::is_control);
    let digits_only = !uid.is_empty() && uid.bytes().all(|byte| byte.is_ascii_digit());
    let odd_home = !home.starts_with('/') || home.contains(char::is_control);
    if odd_name || !digits_only || odd_home {
        return None;
    }
    // written once for each home, `/home/a/` and `/home/a` are one
    let home: PathBuf = Path::new(home).components().collect();
    // an empty field is `/bin/sh`
    let has_shell = !NO_SHELLS.contains(&shell.trim().rsplit('/').next().unwrap_or_default());
    Some(Account { name: name.to_owned(), uid: number(uid)?, gid: number(gid), home, has_shell })
}

/// The number of a user or group. The highest is what the system's calls take for "none".
pub(super) fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number| *number != u32::MAX)
}

fn first_uid_of(machine: &Machine) -> u32 {
    first_uid(&machine.read_system("/etc/login.defs", MAX_BYTES).unwrap_or_default())
}

/// `UID_MIN` of login.defs.
pub(super) fn first_uid(login_defs: &[u8]) -> u32 {
    let text = String::from_utf8_lossy(login_defs);
    let value = text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("UID_MIN")).then(|| words.next()).flatten()?.parse().ok()
    });
    // zero would make people of all the daemons
    value.filter(|uid| *uid > 0).unwrap_or(FIRST_UID)
}

//! Whose homes are on the machine.

mod groups;
#[cfg(unix)]
#[path = "unix.rs"]
mod os;
#[cfg(windows)]
#[path = "windows.rs"]
mod os;
mod passwd;
#[cfg(windows)]
pub(crate) mod registry;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
#[cfg(windows)]
mod wsl;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::machine::{FileKind, Machine};

pub(crate) use groups::by_image as groups_by_image;
pub use groups::{Groups, account, groups_of};
pub use os::{is_privileged, own_uid};

/// The primary group of an account, by the files in `etc`.
pub(crate) fn primary_group(machine: &Machine, user: &str, uid: u32) -> Option<u32> {
    passwd::primary_group(machine, user, Some(uid))
}

/// A user's home directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The account's name, for people. Where no account is known it is the directory's name.
    pub user: String,
    /// Who the files in it should belong to, where the system has numbers and one is known.
    pub uid: Option<u32>,
    /// Where it is on the machine.
    pub path: PathBuf,
    /// Which system's paths hold in it.
    pub layout: HomeLayout,
    /// The WSL distribution that it is in, on Windows.
    pub within_wsl: Option<String>,
}

/// Which system's paths hold in a home: WSL homes on Windows are `Linux`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HomeLayout {
    /// `~/.config` and its like.
    Linux,
    /// `~/Library` and its like.
    Macos,
    /// `AppData` and its like.
    Windows,
}

impl HomeLayout {
    /// The layout of homes on the system that this was built for.
    pub const HOST: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_os = "macos") {
        Self::Macos
    } else {
        Self::Linux
    };
}

/// The homes of all people on the machine, each once, sorted by path.
///
/// A folder taken as a machine shows by its directories which system it is from, whatever system this is.
pub fn all_homes(machine: &Machine) -> Vec<Home> {
    let mut homes = if machine.is_live() { os::all_homes(machine) } else { homes_in_folder(machine) };
    homes.sort_by(|a, b| a.path.cmp(&b.path));
    homes.dedup_by(|a, b| a.path == b.path);
    homes
}

/// Homes of accounts with a shell that are not looked into, since the folder is not the account's own. Only where accounts
/// are in a list that is read.
pub fn uncovered_homes(machine: &Machine) -> Vec<Home> {
    if machine.is_live() && HomeLayout::HOST != HomeLayout::Linux {
        return Vec::new();
    }
    passwd::uncovered(machine)
}

/// Number and primary group of a service's account, by the system's own file. Nothing where it has no line there; macOS keeps
/// its accounts elsewhere, and Windows has no such numbers.
pub fn service_account(machine: &Machine, name: &str) -> Option<(u32, u32)> {
    passwd::ids_of(machine, name).filter(|_| cfg!(unix))
}

/// The home of whoever started this process.
pub fn own_home(env: &Environment) -> Option<Home> {
    let variable = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
    let path = PathBuf::from(env.get(variable).filter(|path| !path.is_empty())?);
    if !path.is_absolute() {
        return None;
    }
    let machine = Machine::live();
    // under sudo on macOS, HOME is still the user's: his files should be his, not root's
    let uid = machine.resolve(&path).ok().and_then(|at| machine.owner_uid(&at.path)).or_else(own_uid);
    let user = if uid == own_uid() { own_name(env) } else { None };
    let user = user.or_else(|| passwd::name_of(&machine, uid?)).unwrap_or_else(|| name_of_directory(&path));
    Some(Home { user, uid, path, layout: HomeLayout::HOST, within_wsl: None })
}

fn own_name(env: &Environment) -> Option<String> {
    let mut names = ["USER", "LOGNAME", "USERNAME"].into_iter().filter_map(|name| env.get(name));
    names.find(|name| !name.is_empty()).map(str::to_owned)
}

fn homes_in_folder(machine: &Machine) -> Vec<Home> {
    let is_directory = |path: &str| machine.kind(Path::new(path)) == Some(FileKind::Directory);
    let mut homes = passwd::homes(machine);
    if is_directory("/Users") {
        let layout = if is_directory("/Windows") { HomeLayout::Windows } else { HomeLayout::Macos };
        homes.extend(homes_below_users(machine, layout));
    }
    homes
}

/// Directories directly below `/Users`, without those that belong to nobody.
fn homes_below_users(machine: &Machine, layout: HomeLayout) -> Vec<Home> {
    let nobodys = ["Shared", "Guest", "Public", "Default", "Default User", "All Users"];
    let mut homes = Vec::new();
    for entry in machine.list(Path::new("/Users")).unwrap_or_default() {
        let hidden = starts_with_dot(&entry.name);
        if entry.kind != FileKind::Directory || hidden || nobodys.iter().any(|name| entry.name == **name) {
            continue;
        }
        let path = Path::new("/Users").join(&entry.name);
        let uid = if layout == HomeLayout::Windows { None } else { machine.owner_uid(&path) };
        homes.push(Home { user: name_of_directory(&path), uid, path, layout, within_wsl: None });
    }
    let root = Path::new("/var/root");
    if layout == HomeLayout::Macos && machine.resolve(root).is_ok() {
        let path = root.to_owned();
        homes.push(Home { user: "root".to_owned(), uid: Some(0), path, layout, within_wsl: None });
    }
    homes
}

/// Directories below `dir` (`/home`) that no account in `known` has: users of a domain are in no local list.
fn unlisted_homes(machine: &Machine, dir: &Path, known: &BTreeSet<PathBuf>, first_uid: u32) -> Vec<Home> {
    let mut homes = Vec::new();
    for path in visible_directories(machine, dir) {
        if known.contains(&path) {
            continue;
        }
        let uid = machine.owner_uid(&path).filter(|uid| *uid >= first_uid);
        let users: Vec<PathBuf> = if uid.is_some() {
            vec![path]
        } else {
            // /home/DOMAIN/user, as winbind and sssd lay homes out
            let inner = visible_directories(machine, &path);
            let is_user = |path: &PathBuf| machine.owner_uid(path).is_some_and(|uid| uid >= first_uid);
            let inner: Vec<PathBuf> =
                inner.into_iter().filter(|at| is_user(at) && !known.contains(at)).collect();
            let holds_known = known.iter().any(|home| home.starts_with(&path));
            if inner.is_empty() && !holds_known { vec![path] } else { inner }
        };
        homes.extend(users.into_iter().map(|path| Home {
            user: name_of_directory(&path),
            // never root: in a directory of root's that everybody may write, a link would reach all that root reads
            uid: machine.owner_uid(&path).filter(|uid| *uid >= first_uid),
            path,
            layout: HomeLayout::Linux,
            within_wsl: None,
        }));
    }
    homes
}

fn visible_directories(machine: &Machine, dir: &Path) -> Vec<PathBuf> {
    let entries = machine.list(dir).unwrap_or_default().into_iter();
    let directories = entries.filter(|entry| entry.kind == FileKind::Directory);
    let visible = directories.filter(|entry| !starts_with_dot(&entry.name) && entry.name != "lost+found");
    visible.map(|entry| dir.join(entry.name)).collect()
}

fn starts_with_dot(name: &OsStr) -> bool {
    name.as_encoded_bytes().first() == Some(&b'.')
}

fn name_of_directory(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

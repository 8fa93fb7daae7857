//! Files that Git or a sync service owns, and what off switches outside of them can do. Pure: what is on the disk is an
//! argument.
//!
//! An edit of such a file dirties a work tree or travels to other machines. So where every client that would load an
//! entry has a switch of its user's own, outside of the tree, these are set, and the file stays.

use std::path::{Component, Path, PathBuf};

use mcpolicy_clients::adapter::ClientAdapter;
use mcpolicy_clients::adapters::by_id;
use mcpolicy_clients::elsewhere::{Declared, Evidence, Keeps, OffSwitch, is_off};
use mcpolicy_schema::entry::{ClientId, Entry};

use super::plan::Switches;
use crate::worker::aside::Declaration;

/// Who owns a file beside its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// A Git work tree.
    Git {
        /// Its root.
        root: PathBuf,
    },
    /// A folder that a service copies to other machines.
    Sync {
        /// The folder.
        root: PathBuf,
        /// The service.
        service: &'static str,
    },
}

impl Owner {
    /// The tree that is owned.
    pub fn root(&self) -> &Path {
        match self {
            Self::Git { root } | Self::Sync { root, .. } => root,
        }
    }

    /// Whether another file lies outside of what is owned.
    pub fn leaves(&self, path: &Path) -> bool {
        !path.starts_with(self.root())
    }
}

/// Names of folders that sync services make below a home or in the cloud folder of macOS; each may go on with a blank,
/// a hyphen or a bracket and the name of an account.
const SERVICES: &[(&str, &str)] = &[
    ("dropbox", "Dropbox"),
    ("onedrive", "OneDrive"),
    ("iclouddrive", "iCloud Drive"),
    ("icloud drive", "iCloud Drive"),
    ("google drive", "Google Drive"),
    ("googledrive", "Google Drive"),
    ("my drive", "Google Drive"),
    ("box", "Box"),
    ("box sync", "Box"),
    ("nextcloud", "Nextcloud"),
    ("owncloud", "ownCloud"),
    ("pcloud drive", "pCloud"),
    ("syncthing", "Syncthing"),
];

/// Names in a folder that mark it as one that a service keeps.
pub const MARKERS: &[(&str, &str)] = &[
    (".dropbox", "Dropbox"),
    (".dropbox.cache", "Dropbox"),
    (".stfolder", "Syncthing"),
    (".tmp.drivedownload", "Google Drive"),
    (".owncloudsync.log", "ownCloud"),
];

/// Folders below the home in which macOS keeps what it or others sync.
const MAC_FOLDERS: &[(&[&str], &str)] = &[
    (&["Library", "Mobile Documents"], "iCloud Drive"),
    (&["Library", "CloudStorage"], "a cloud storage of macOS"),
];

/// Who owns a file. `path` and `home` have no links in them; `git` are the ancestors of the file that hold a `.git`,
/// folder or file, and `marked` those that hold one of [`MARKERS`], each with the service.
pub fn owner(path: &Path, home: &Path, git: &[PathBuf], marked: &[(PathBuf, &'static str)]) -> Option<Owner> {
    let nearest = |roots: &mut dyn Iterator<Item = &PathBuf>| {
        roots
            .filter(|root| path.starts_with(root) && path != root.as_path())
            .max_by_key(|r| r.components().count())
            .cloned()
    };
    if let Some(root) = nearest(&mut git.iter()) {
        return Some(Owner::Git { root });
    }
    let by_marker = nearest(&mut marked.iter().map(|(root, _)| root)).and_then(|root| {
        let (_, service) = marked.iter().find(|(marked, _)| *marked == root)?;
        // a marker in the home itself is the service's own state, not the sign of a synced home
        (root != home).then_some(Owner::Sync { root, service })
    });
    by_marker.or_else(|| by_name(path, home))
}

fn by_name(path: &Path, home: &Path) -> Option<Owner> {
    let below = path.strip_prefix(home).ok()?;
    let names: Vec<&str> = below
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    // the file itself is no folder
    let folders = names.split_last().map_or(&[][..], |(_, folders)| folders);
    for (start, service) in MAC_FOLDERS {
        if folders.len() >= start.len() && folders.iter().zip(*start).all(|(a, b)| a.eq_ignore_ascii_case(b))
        {
            return Some(Owner::Sync { root: home.join(start.join("/")), service });
        }
    }
    let first = folders.first()?;
    let service = service_named(first)?;
    Some(Owner::Sync { root: home.join(first), service })
}

/// A service by its name.
pub fn service_known(name: &str) -> Option<&'static str> {
    let all = SERVICES.iter().chain(MARKERS).map(|(_, service)| *service);
    all.chain(MAC_FOLDERS.iter().map(|(_, service)| *service)).find(|service| *service == name)
}

fn service_named(folder: &str) -> Option<&'static str> {
    let folder = folder.to_lowercase();
    let of = |name: &str| {
        folder.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '-', '(']))
    };
    SERVICES.iter().find(|(name, _)| of(name)).map(|(_, service)| *service)
}

/// The folder that a `.git` file names, of the folder that it lies in.
pub fn git_folder(root: &Path, text: &str) -> Option<PathBuf> {
    text.strip_prefix("gitdir:").map(|rest| without_dots(&root.join(rest.trim())))
}

/// Whether such a folder is that of a linked work tree.
pub fn is_linked(git_folder: &Path) -> bool {
    git_folder.parent().and_then(Path::file_name).is_some_and(|name| name == "worktrees")
}

/// The main work tree of the repository that a work tree belongs to. `dot_git` is the text of its `.git` if that is a
/// file: a linked work tree names its place in the main one there, a submodule is a work tree of its own.
pub fn main_work_tree(root: &Path, dot_git: Option<&str>) -> PathBuf {
    let named = dot_git.and_then(|text| git_folder(root, text));
    let main = named.as_deref().filter(|gitdir| is_linked(gitdir)).and_then(|gitdir| {
        let worktrees = gitdir.parent()?;
        worktrees.parent().filter(|folder| folder.file_name().is_some_and(|n| n == ".git"))?.parent()
    });
    main.unwrap_or(root).to_owned()
}

/// A path without `.` and `..`, by its text alone.
fn without_dots(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(out.pop()),
            part => out.push(part),
        }
    }
    out
}

/// What is asked of the disk about a switch's file.
pub struct SwitchFile {
    /// Whether all paths of its template are the user's alone: below the home, and in no tree that is owned.
    pub free: bool,
    /// Whether the switch is set, as the client reads each file there is.
    pub set: Vec<bool>,
    /// Whether there is a path for it at all: the template of a variable that is not set names none.
    pub exists: bool,
}

/// What switches can do for an entry of an owned file. They hold only if every client that would load it has one, and it
/// is known to hold: one that goes on reading keeps the server alive. `is_here` says whether a client is used in this
/// home, and must say yes if that is not known.
pub fn switches(
    entry: &Entry,
    declared: &dyn Fn(ClientId) -> Declaration,
    is_here: &dyn Fn(ClientId) -> bool,
    read: &dyn Fn(&Declaration, &OffSwitch) -> SwitchFile,
) -> Switches {
    let mut live =
        entry.readers.iter().map(|reader| reader.client).filter(|client| is_here(client)).peekable();
    // what nobody loads now is no client's to switch off, but another dialect or version may load it
    if live.peek().is_none() {
        return Switches::NoUse;
    }
    let mut to_set = Vec::new();
    for client in live {
        let Some(adapter) = by_id(client) else { return Switches::NoUse };
        let declared = declared(client);
        let all = adapter.off_switches(&declared.declared());
        if all.is_empty() {
            return Switches::NoUse;
        }
        for switch in all {
            let found = read(&declared, &switch);
            if !found.exists || (found.set.is_empty() && switch.empty.is_none()) {
                continue;
            }
            if !found.free || switch.evidence == Evidence::Inferred {
                return Switches::NoUse;
            }
            if found.set.is_empty() || found.set.contains(&false) {
                to_set.push(switch);
            }
        }
    }
    if to_set.is_empty() { Switches::Off } else { Switches::ToSet(to_set) }
}

/// Whether setting a switch leaves every other server alone: a list goes by name, and may be for all projects. `others`
/// are the allowed servers of the same client and user.
pub fn spares(
    adapter: &dyn ClientAdapter,
    keeps: &Keeps,
    others: &[Declared<'_>],
    before: Option<&[u8]>,
    after: &[u8],
) -> bool {
    let was_off = |other: &Declared<'_>| before.is_some_and(|bytes| is_off(adapter, keeps, other, bytes));
    others.iter().all(|other| was_off(other) || !is_off(adapter, keeps, other, after))
}

#[cfg(test)]
#[path = "owned_tests.rs"]
mod tests;

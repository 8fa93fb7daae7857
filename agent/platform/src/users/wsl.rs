//! Homes inside the WSL distributions of a Windows user.

use std::path::{Path, PathBuf};

use super::registry::{Hive, Key};
use super::{Home, HomeLayout, name_of_directory, visible_directories};
use crate::machine::{FileKind, Machine};

/// Homes of a user's distributions, as far as they are to be had without starting anything.
///
/// A distribution of the first kind is a directory. One of the second kind is a disk image, seen through a share that
/// starts the distribution when it is asked; so it is asked only where a WSL machine runs already.
pub(super) fn homes_of_user(machine: &Machine, sid: &str) -> Vec<Home> {
    let path = format!(r"{sid}\Software\Microsoft\Windows\CurrentVersion\Lxss");
    let Some(lxss) = Key::open(Hive::Users, &path) else { return Vec::new() };
    let mut homes = Vec::new();
    for id in lxss.subkeys() {
        let Some(key) = Key::open(Hive::Users, &format!("{path}\\{id}")) else { continue };
        let Some(name) = key.text("DistributionName").filter(|name| is_plain(name)) else { continue };
        let base = key.text("BasePath").map(|base| PathBuf::from(base.trim_start_matches(r"\\?\")));
        let directory = base.map(|base| base.join("rootfs"));
        let top = match directory.filter(|at| machine.kind(at) == Some(FileKind::Directory)) {
            Some(directory) => directory,
            None if is_running() => PathBuf::from(format!(r"\\wsl.localhost\{name}\")),
            None => continue,
        };
        homes.extend(homes_below(machine, &top, &name));
    }
    homes
}

/// A name becomes part of a path: it is the user's to choose, and must not lead to another server.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    // Docker's own have no people in them
    !name.is_empty()
        && name.chars().all(plain)
        && !name.starts_with(['.', ' '])
        && !name.starts_with("docker-desktop")
}

fn is_running() -> bool {
    let names = ["vmmem", "vmmemwsl"];
    crate::processes::processes().iter().any(|process| {
        let name = process.name.to_ascii_lowercase();
        names.contains(&name.trim_end_matches(".exe"))
    })
}

fn homes_below(machine: &Machine, top: &Path, distribution: &str) -> Vec<Home> {
    let mut paths = visible_directories(machine, &top.join("home"));
    let root = top.join("root");
    if machine.kind(&root) == Some(FileKind::Directory) {
        paths.push(root);
    }
    let homes = paths.into_iter().map(|path| Home {
        user: name_of_directory(&path),
        uid: None,
        path,
        layout: HomeLayout::Linux,
        within_wsl: Some(distribution.to_owned()),
    });
    homes.collect()
}

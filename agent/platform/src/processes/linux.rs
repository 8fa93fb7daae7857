//! Containers, by the mount tables of other processes, and what processes are connected to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::containers::{Mount, name_for_people, parse_mounts, shows_home};
use crate::machine::Machine;

/// A machine with thousands of mounts has a table of this size.
const MAX_TABLE: u64 = 4 << 20;

pub(super) fn containers_mounting(home: &Path) -> Vec<String> {
    let machine = Machine::live();
    let home = machine.resolve(home).map_or_else(|_| home.to_owned(), |found| found.path);
    let host = mounts_of(&machine, "self");
    let mut names = BTreeSet::new();
    for pid in one_per_namespace() {
        if !shows_home(&host, &mounts_of(&machine, &pid.to_string()), &home) {
            continue;
        }
        let text = |file: &str| {
            let bytes = machine.read_system(&format!("/proc/{pid}/{file}"), MAX_TABLE).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        names.insert(name_for_people(&text("cgroup"), text("comm").trim_end(), pid));
    }
    names.into_iter().collect()
}

pub(super) fn is_spoken_to(pid: u32) -> Option<bool> {
    let is_connected = |number: u32| {
        let leads = std::fs::read_link(format!("/proc/{pid}/fd/{number}")).ok()?;
        let leads = leads.to_string_lossy();
        // Node makes its pipes to children from sockets
        Some(leads.starts_with("pipe:[") || leads.starts_with("socket:["))
    };
    Some(is_connected(0)? && is_connected(1)?)
}

fn mounts_of(machine: &Machine, pid: &str) -> Vec<Mount> {
    // read by number: /proc/self would be a link
    let pid = if pid == "self" { std::process::id().to_string() } else { pid.to_owned() };
    parse_mounts(&machine.read_system(&format!("/proc/{pid}/mountinfo"), MAX_TABLE).unwrap_or_default())
}

/// The lowest process of each mount namespace but ours.
fn one_per_namespace() -> Vec<u32> {
    let namespace = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/mnt"));
    let Ok(own) = namespace(std::process::id()) else { return Vec::new() };
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut pids: Vec<u32> = names.filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    let mut first: BTreeMap<PathBuf, u32> = BTreeMap::new();
    for pid in pids {
        if let Ok(at) = namespace(pid)
            && at != own
        {
            first.entry(at).or_insert(pid);
        }
    }
    first.into_values().collect()
}

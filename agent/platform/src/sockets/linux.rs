//! The kernel's tables of sockets, and the open files of every process.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::table::listening_sockets;
use crate::machine::Machine;

/// A busy server has a table of this size.
const MAX_TABLE: u64 = 16 << 20;

pub(super) fn listening_executable(port: u16) -> Option<PathBuf> {
    let machine = Machine::live();
    // by number: /proc/net would be a link
    let own = std::process::id();
    let mut sockets = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        let bytes = machine.read_system(&format!("/proc/{own}/net/{table}"), MAX_TABLE).unwrap_or_default();
        sockets.extend(listening_sockets(&String::from_utf8_lossy(&bytes), port));
    }
    let wanted: BTreeSet<PathBuf> =
        sockets.iter().map(|inode| PathBuf::from(format!("socket:[{inode}]"))).collect();
    if wanted.is_empty() {
        return None;
    }
    let mut seen = BTreeSet::new();
    let mut programs = BTreeSet::new();
    for process in numbered(Path::new("/proc")) {
        let held = held_by(&process, &wanted);
        if !held.is_empty() {
            programs.insert(executable_of(&machine, &process)?);
            seen.extend(held);
        }
    }
    let mut programs = programs.into_iter();
    let program = programs.next();
    // a socket without an owner that we may see, or a second program: it cannot be told who answers
    program.filter(|_| seen == wanted && programs.next().is_none())
}

/// Directories of `/proc` that are processes.
fn numbered(proc: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(proc) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.bytes().all(|b| b.is_ascii_digit())).map(|name| proc.join(name)).collect()
}

fn held_by(process: &Path, wanted: &BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    let Ok(entries) = std::fs::read_dir(process.join("fd")) else { return BTreeSet::new() };
    let targets = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| wanted.contains(target)).collect()
}

/// The path of a process's file, if that file is what lies there: a process in a mount name space of its own may have
/// run another file under an honest path.
fn executable_of(machine: &Machine, process: &Path) -> Option<PathBuf> {
    let link = process.join("exe");
    let path = std::fs::read_link(&link).ok()?;
    machine.is_same_file(&path, &link).then_some(path)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    #[test]
    fn the_program_that_listens_is_found_by_its_port() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let own = std::env::current_exe().expect("a path").canonicalize().expect("it is there");
        assert_eq!(super::listening_executable(port), Some(own));
        drop(listener);
        assert_eq!(super::listening_executable(port), None);
    }
}

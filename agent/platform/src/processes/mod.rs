//! What runs on the machine.

#[cfg(any(target_os = "linux", test))]
pub(crate) mod containers;
mod exact;
#[cfg(target_os = "linux")]
mod linux;
mod listed;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

pub use exact::{Exact, Instance, NotHeld, Started, ourselves, parent};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System, UpdateKind};
pub use table::Table;

/// A running process.
#[derive(Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Who started it.
    pub parent: Option<u32>,
    /// Its short name.
    pub name: String,
    /// The file it runs, where we may know.
    pub exe: Option<PathBuf>,
    /// Its command line, the program first. May hold secrets.
    pub args: Vec<String>,
    /// The user it runs as; `None` on Windows.
    pub uid: Option<u32>,
    /// When it started, in seconds since 1970.
    pub start_time: u64,
    /// Where it works, where we may know.
    pub cwd: Option<PathBuf>,
}

impl fmt::Debug for Process {
    /// Shows no arguments: they may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("pid", &self.pid).field("name", &self.name).finish_non_exhaustive()
    }
}

/// All processes but this one, without threads and without the kernel's own, sorted by number.
pub fn processes() -> Vec<Process> {
    let wanted = everything();
    // the constructors that look at everything abort where performance counters are missing
    let Ok(system) = System::new_with_specifics(RefreshKind::nothing().with_processes(wanted)) else {
        return Vec::new();
    };
    let own = std::process::id();
    let running = system.processes().values();
    let others = running.filter(|process| process.thread_kind().is_none() && process.pid().as_u32() != own);
    let mut found: Vec<Process> = others.map(from_sysinfo).collect();
    found.sort_by_key(|process| process.pid);
    found
}

/// All that a [`Process`] holds.
fn everything() -> ProcessRefreshKind {
    ProcessRefreshKind::nothing()
        .without_tasks()
        .with_cmd(UpdateKind::Always)
        .with_exe(UpdateKind::Always)
        .with_cwd(UpdateKind::Always)
        .with_user(UpdateKind::Always)
}

fn from_sysinfo(process: &sysinfo::Process) -> Process {
    #[cfg(unix)]
    let uid = process.user_id().map(|uid| **uid);
    #[cfg(not(unix))]
    let uid = None;
    Process {
        pid: process.pid().as_u32(),
        parent: process.parent().map(Pid::as_u32),
        name: process.name().to_string_lossy().into_owned(),
        exe: process.exe().filter(|path| !path.as_os_str().is_empty()).map(Path::to_owned),
        args: process.cmd().iter().map(|arg| arg.to_string_lossy().into_owned()).collect(),
        uid,
        start_time: process.start_time(),
        cwd: process.cwd().filter(|path| !path.as_os_str().is_empty()).map(Path::to_owned),
    }
}

/// These variables of a process's environment, as it was when the process started. No others are kept.
pub fn environment_of(pid: u32, names: &BTreeSet<&str>) -> BTreeMap<String, String> {
    let Ok(mut system) = System::new_with_specifics(RefreshKind::nothing()) else { return BTreeMap::new() };
    let pid = Pid::from_u32(pid);
    let wanted = ProcessRefreshKind::nothing().without_tasks().with_environ(UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, wanted);
    let pairs = system.process(pid).map(sysinfo::Process::environ).unwrap_or_default().iter();
    let pairs = pairs.filter_map(|pair| pair.to_str()?.split_once('='));
    let kept = pairs.filter(|(name, _)| names.contains(name));
    kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Whether a process is spoken to through its input and output: both are pipes or sockets, as those of a server that a
/// client has started are. `None` where the system does not tell, or not us.
pub fn is_spoken_to(pid: u32) -> Option<bool> {
    #[cfg(target_os = "linux")]
    return linux::is_spoken_to(pid);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = pid;
        None
    }
}

/// Containers that see this home or a directory in it, as words for people. Only on Linux, and only root sees all.
pub fn containers_mounting(home: &Path) -> Vec<String> {
    #[cfg(target_os = "linux")]
    return linux::containers_mounting(home);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = home;
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn sleeping_child() -> std::process::Child {
        use std::process::{Command, Stdio};
        let mut command = Command::new("sleep");
        command.arg("600").env("MCPOLICY_TEST_WANTED", "yes").env("MCPOLICY_TEST_OTHER", "secret");
        command.stdin(Stdio::null()).spawn().expect("sleep starts")
    }

    #[test]
    #[cfg(unix)]
    fn a_child_is_seen_with_its_arguments_and_only_the_variables_asked_for() {
        let mut child = sleeping_child();
        let pid = child.id();
        let seen = processes().into_iter().find(|process| process.pid == pid && process.args.len() == 2);
        let env = environment_of(pid, &BTreeSet::from(["MCPOLICY_TEST_WANTED"]));
        child.kill().expect("the child is ours");
        child.wait().expect("the child ends");
        let seen = seen.expect("the child is listed");
        assert_eq!(seen.parent, Some(std::process::id()));
        assert_eq!(seen.args[1], "600");
        assert!(seen.start_time > 1_600_000_000 && seen.cwd.is_some() && seen.uid.is_some());
        assert!(!format!("{seen:?}").contains("600"), "arguments may be secrets");
        assert_eq!(env, BTreeMap::from([("MCPOLICY_TEST_WANTED".to_owned(), "yes".to_owned())]));
    }

    #[test]
    fn processes_are_sorted_without_threads_and_without_this_one() {
        let other_thread = std::thread::spawn(std::thread::park);
        let pids: Vec<u32> = processes().iter().map(|process| process.pid).collect();
        other_thread.thread().unpark();
        assert!(pids.is_sorted_by(|a, b| a < b));
        assert!(!pids.contains(&std::process::id()));
        let own_threads =
            processes().iter().filter(|process| process.parent == Some(std::process::id())).count();
        // other tests of this binary may have started a child or two
        assert!(own_threads < 5, "{own_threads} threads are listed as processes");
    }
}

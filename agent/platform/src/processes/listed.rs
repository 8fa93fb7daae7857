//! A quick list of all processes, without their words, files and folders: which are there, and which are those of before.

/// A process as the list has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) pid: u32,
    pub(super) parent: Option<u32>,
    /// Its short name.
    name: String,
    /// When it began: on Linux in ticks since boot, which is exact; elsewhere in seconds since 1970.
    begun: u64,
}

impl Listed {
    /// Whether both are one process that runs one program.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.pid == other.pid && self.name == other.name && self.begun.abs_diff(other.begun) < TOLERANCE
    }
}

/// Less than this is no difference: seconds since 1970 are made from the time of boot, which moves with the wall clock.
const TOLERANCE: u64 = if cfg!(target_os = "linux") { 1 } else { 3 };

/// All processes but this one and the kernel's.
///
/// `sysinfo` reads four files of each process for its shortest list, which takes 20 ms for 300 processes; this reads one.
#[cfg(target_os = "linux")]
#[allow(clippy::disallowed_methods, reason = "files of the kernel's own")]
pub(super) fn listed() -> Vec<Listed> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let own = std::process::id();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let stat = |pid: u32| of_stat(pid, &std::fs::read(format!("/proc/{pid}/stat")).ok()?);
    pids.filter(|pid| *pid != own).filter_map(stat).collect()
}

/// `/proc/PID/stat` (proc_pid_stat(5)); none for a thread of the kernel.
///
/// Attack: a short name with blanks and brackets. It ends with the last bracket of the line.
#[cfg(target_os = "linux")]
fn of_stat(pid: u32, stat: &[u8]) -> Option<Listed> {
    /// `PF_KTHREAD` of the kernel's `sched.h`.
    const OF_KERNEL: u64 = 0x0020_0000;
    let text = String::from_utf8_lossy(stat);
    let (name, rest) = text.split_once('(')?.1.rsplit_once(')')?;
    // the third field of the manual is the first of these
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    if number(9)? & OF_KERNEL != 0 {
        return None;
    }
    let parent = u32::try_from(number(4)?).ok().filter(|parent| *parent != 0);
    Some(Listed { pid, parent, name: name.to_owned(), begun: number(22)? })
}

/// All processes but this one and the kernel's.
#[cfg(not(target_os = "linux"))]
pub(super) fn listed() -> Vec<Listed> {
    use sysinfo::{Pid, ProcessRefreshKind, RefreshKind, System};
    let plain = ProcessRefreshKind::nothing().without_tasks();
    let Ok(system) = System::new_with_specifics(RefreshKind::nothing().with_processes(plain)) else {
        return Vec::new();
    };
    let own = std::process::id();
    let others = system.processes().values();
    let others = others.filter(|process| process.thread_kind().is_none() && process.pid().as_u32() != own);
    let one = |process: &sysinfo::Process| Listed {
        pid: process.pid().as_u32(),
        parent: process.parent().map(Pid::as_u32),
        name: process.name().to_string_lossy().into_owned(),
        begun: process.start_time(),
    };
    others.map(one).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_hides_nothing_of_a_process() {
        let fields = "S 12 7 7 0 -1 4194304 1 0 0 0 3 4 0 0 20 0 1 0 991 0 0";
        let one = of_stat(7, format!("7 (a) R 1 (b) {fields}\n").as_bytes()).unwrap();
        assert_eq!((one.name.as_str(), one.parent, one.begun), ("a) R 1 (b", Some(12), 991));
        let of_kernel = fields.replace("4194304", "2129984");
        assert_eq!(of_stat(7, format!("7 (kthreadd) {of_kernel}\n").as_bytes()), None);
        for broken in ["", "7", "7 (a", "7 (a)", "7 (a) S x"] {
            assert_eq!(of_stat(7, broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn the_list_has_every_process_that_sysinfo_has() {
        let pids =
            |listed: &[Listed]| listed.iter().map(|one| one.pid).collect::<std::collections::BTreeSet<_>>();
        let (before, all, after) = (listed(), super::super::processes(), listed());
        let (before, after) = (pids(&before), pids(&after));
        // others come and go meanwhile
        let all = all.iter().map(|process| process.pid).collect::<std::collections::BTreeSet<_>>();
        assert!(before.intersection(&after).all(|pid| all.contains(pid)));
        assert!(
            all.iter().all(|pid| before.contains(pid) || after.contains(pid) || *pid == std::process::id())
        );
    }
}

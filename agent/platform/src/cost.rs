//! What this process and those it started cost: time on the processor and memory.

use std::collections::BTreeSet;
use std::time::Duration;

use sysinfo::{Pid, ProcessRefreshKind, RefreshKind, System};

/// The cost of a tree of processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Time on processors since they started; of those that have ended only what their parents still count.
    pub cpu: Duration,
    /// Memory in KiB: proportional (PSS) where the kernel tells it, else resident.
    pub memory_kib: u64,
    /// How many processes.
    pub processes: usize,
}

/// Of this process and all below it.
pub fn own() -> Cost {
    of_tree(std::process::id())
}

/// Of a process and all below it. Nothing of what is not there.
pub fn of_tree(pid: u32) -> Cost {
    let wanted = ProcessRefreshKind::nothing().without_tasks().with_cpu().with_memory();
    let Ok(system) = System::new_with_specifics(RefreshKind::nothing().with_processes(wanted)) else {
        return Cost::default();
    };
    let mut tree = BTreeSet::from([Pid::from_u32(pid)]);
    loop {
        let below = |process: &&sysinfo::Process| {
            process.thread_kind().is_none()
                && !tree.contains(&process.pid())
                && process.parent().is_some_and(|parent| tree.contains(&parent))
        };
        let new: Vec<Pid> = system.processes().values().filter(below).map(sysinfo::Process::pid).collect();
        if new.is_empty() {
            break;
        }
        tree.extend(new);
    }
    let mut cost = Cost::default();
    for process in tree.iter().filter_map(|pid| system.process(*pid)) {
        cost.cpu += Duration::from_millis(process.accumulated_cpu_time());
        cost.memory_kib += proportional(process.pid().as_u32()).unwrap_or(process.memory() / 1024);
        cost.processes += 1;
    }
    cost
}

/// The proportional set size, in KiB. Linux alone tells it, and only of one's own processes or to root.
#[allow(clippy::disallowed_methods, reason = "a file of the kernel's own")]
fn proportional(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_its_time_grows_as_it_works() {
        let before = own();
        assert!(before.memory_kib > 100 && before.processes >= 1, "{before:?}");
        let mut sum = 0_u64;
        while own().cpu < before.cpu + Duration::from_millis(30) {
            sum = (0..2_000_000_u64).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
        }
        assert!(own().cpu > before.cpu);
    }
}

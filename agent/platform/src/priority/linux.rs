//! Linux, where priorities are those of threads.

#![allow(unsafe_code, reason = "rustix has no call for the disk's priority")]

use rustix::process::{Resource, getpriority_process, getrlimit, setpriority_process};

use super::NICE;

/// `IOPRIO_WHO_PROCESS`: of this thread, if none is named.
const OF_THREAD: libc::c_int = 1;
/// `IOPRIO_CLASS_BE`, and the last of its eight steps. Not the idle class: a disk that is busy all day would hold whoever waits
/// for this thread up all day.
const LAST_OF_OTHERS: libc::c_int = (2 << 13) | 7;

/// `IOPRIO_CLASS_IDLE`.
const IDLE: libc::c_int = 3;

#[derive(Debug)]
pub(super) struct Before {
    nice: Option<i32>,
    disk: Option<libc::c_int>,
}

pub(super) fn begin() -> Before {
    // whom a service manager has put into the idle class stays there
    let disk = disk().filter(|disk| disk >> 13 != IDLE);
    if disk.is_some() {
        set_disk(LAST_OF_OTHERS);
    }
    let nice = getpriority_process(None).ok().filter(|nice| *nice < NICE && can_come_back_to(*nice));
    Before { nice: nice.filter(|_| setpriority_process(None, NICE).is_ok()), disk }
}

pub(super) fn end(before: &Before) {
    if let Some(disk) = before.disk {
        set_disk(disk);
    }
    if let Some(nice) = before.nice {
        let _ = setpriority_process(None, nice);
    }
}

/// Whoever is nice stays so, but for root and whom a limit lets.
fn can_come_back_to(nice: i32) -> bool {
    let limit = getrlimit(Resource::Nice).current;
    rustix::process::geteuid().is_root()
        || limit.is_none_or(|limit| i64::try_from(limit).is_ok_and(|limit| 20 - limit <= i64::from(nice)))
}

pub(super) fn disk() -> Option<libc::c_int> {
    // SAFETY: takes numbers
    let told = unsafe { libc::syscall(libc::SYS_ioprio_get, OF_THREAD, 0) };
    libc::c_int::try_from(told).ok().filter(|told| *told >= 0)
}

fn set_disk(priority: libc::c_int) {
    // SAFETY: takes numbers; a failure changes nothing but speed
    unsafe { libc::syscall(libc::SYS_ioprio_set, OF_THREAD, 0, priority) };
}

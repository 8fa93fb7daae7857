//! By number, with the start looked at directly before the signal: there is no hold on a process that is not one's child.

#![allow(unsafe_code, reason = "no crate of ours tells the start of a process in microseconds")]

use std::io;
use std::mem::{MaybeUninit, size_of};

use rustix::process::{Pid, Signal, kill_process};

use super::NotHeld;

#[derive(Debug)]
pub(super) struct Handle {
    pid: u32,
    started: u64,
}

pub(super) fn hold(pid: u32) -> Result<Handle, NotHeld> {
    started(pid).map(|started| Handle { pid, started }).ok_or(NotHeld::Gone)
}

pub(super) fn is_running(handle: &Handle) -> bool {
    is_alive(handle.pid, handle.started)
}

pub(super) fn ask_to_end(handle: &Handle) -> io::Result<()> {
    send(handle, Signal::TERM)
}

pub(super) fn kill(handle: &Handle) -> io::Result<()> {
    send(handle, Signal::KILL)
}

fn send(handle: &Handle, signal: Signal) -> io::Result<()> {
    let gone = || io::Error::from_raw_os_error(libc::ESRCH);
    let number = i32::try_from(handle.pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
    // A number is given out again only after all others were: that none of this start has it is as near as it gets.
    if !is_running(handle) {
        return Err(gone());
    }
    Ok(kill_process(number, signal)?)
}

pub(super) fn is_alive(pid: u32, since: u64) -> bool {
    info(pid).is_some_and(|info| start_of(&info) == since && info.pbi_status != libc::SZOMB)
}

/// Microseconds since 1970.
pub(super) fn started(pid: u32) -> Option<u64> {
    info(pid).map(|info| start_of(&info))
}

fn start_of(info: &libc::proc_bsdinfo) -> u64 {
    info.pbi_start_tvsec.saturating_mul(1_000_000).saturating_add(info.pbi_start_tvusec)
}

fn info(pid: u32) -> Option<libc::proc_bsdinfo> {
    let number = i32::try_from(pid).ok()?;
    let size = i32::try_from(size_of::<libc::proc_bsdinfo>()).ok()?;
    let mut info = MaybeUninit::<libc::proc_bsdinfo>::zeroed();
    // SAFETY: the buffer is as large as the size that is said, and the call writes at most that.
    let told =
        unsafe { libc::proc_pidinfo(number, libc::PROC_PIDTBSDINFO, 0, info.as_mut_ptr().cast(), size) };
    // SAFETY: all of it was written, and of numbers every pattern is one.
    (told == size).then(|| unsafe { info.assume_init() })
}

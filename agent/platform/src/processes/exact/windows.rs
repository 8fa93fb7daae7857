//! By handle: while it is open, the number is nobody else's.
//!
//! There is no SIGTERM here. A service or console program could be told by a console event only from within its own
//! console, so asking it to end is ending it.

#![allow(unsafe_code, reason = "std has handles of children only")]

use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};

use windows_sys::Win32::Foundation::{ERROR_INVALID_PARAMETER, FILETIME, WAIT_TIMEOUT};
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE, PROCESS_TERMINATE,
    TerminateProcess, WaitForSingleObject,
};

use super::NotHeld;

pub(super) type Handle = OwnedHandle;

/// What a process that was ended by us says it ended with: as one that SIGTERM ended elsewhere.
const ENDED: u32 = 143;

pub(super) fn hold(pid: u32) -> Result<Handle, NotHeld> {
    open(pid, PROCESS_TERMINATE | PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE).map_err(|error| {
        // what it says of a number that nobody has
        let is_gone = error.raw_os_error() == i32::try_from(ERROR_INVALID_PARAMETER).ok();
        if is_gone { NotHeld::Gone } else { NotHeld::Refused(error) }
    })
}

pub(super) fn is_running(handle: &Handle) -> bool {
    // SAFETY: the handle is open, and nothing is waited for.
    unsafe { WaitForSingleObject(handle.as_raw_handle(), 0) == WAIT_TIMEOUT }
}

pub(super) fn ask_to_end(handle: &Handle) -> io::Result<()> {
    kill(handle)
}

pub(super) fn kill(handle: &Handle) -> io::Result<()> {
    // SAFETY: the handle is open and was opened with the right to do so.
    if unsafe { TerminateProcess(handle.as_raw_handle(), ENDED) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// 100 ns since 1601.
pub(super) fn started(pid: u32) -> Option<u64> {
    started_of(&open(pid, PROCESS_QUERY_LIMITED_INFORMATION).ok()?)
}

pub(super) fn is_alive(pid: u32, since: u64) -> bool {
    let Ok(handle) = open(pid, PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE) else { return false };
    is_running(&handle) && started_of(&handle) == Some(since)
}

fn open(pid: u32, rights: u32) -> io::Result<Handle> {
    // SAFETY: takes numbers only.
    let handle = unsafe { OpenProcess(rights, 0, pid) };
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is an open handle that is nobody else's.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

fn started_of(handle: &Handle) -> Option<u64> {
    let zero = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };
    let (mut created, mut exited, mut kernel, mut user) = (zero, zero, zero, zero);
    // SAFETY: the handle is open, and all four are written before the call returns.
    let told =
        unsafe { GetProcessTimes(handle.as_raw_handle(), &mut created, &mut exited, &mut kernel, &mut user) };
    (told != 0).then(|| (u64::from(created.dwHighDateTime) << 32) | u64::from(created.dwLowDateTime))
}

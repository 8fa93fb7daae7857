//! Calls on a pipe that end at a deadline: std's block for as long as the other side likes.

#![allow(unsafe_code, reason = "std has no overlapped calls")]

use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, ERROR_OPERATION_ABORTED, TRUE, WAIT_OBJECT_0};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Threading::{CreateEventW, INFINITE, WaitForMultipleObjects};
use windows_sys::core::BOOL;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// With so many bytes.
    Done(u32),
    /// At its deadline.
    Late,
    /// Since the event that stops it was set.
    Stopped,
}

/// An event that stays set once it is.
pub(super) fn event() -> io::Result<OwnedHandle> {
    // SAFETY: no attributes and no name; the rest are numbers
    let event = unsafe { CreateEventW(std::ptr::null(), TRUE, 0, std::ptr::null()) };
    if event.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle was made above, and is nobody else's
    Ok(unsafe { OwnedHandle::from_raw_handle(event) })
}

/// Starts a call, waits for its end, and has it cancelled when the time is over or the other event is set. When this
/// returns, the system uses neither the state nor a buffer that was given to the call.
pub(super) fn overlapped(
    file: &OwnedHandle,
    time: Option<Duration>,
    stop: Option<&OwnedHandle>,
    start: impl FnOnce(*mut OVERLAPPED) -> BOOL,
) -> io::Result<Ended> {
    let event = event()?;
    let mut state = OVERLAPPED { hEvent: event.as_raw_handle(), ..OVERLAPPED::default() };
    let state = &raw mut state;
    let mut unfinished = Ended::Late;
    if start(state) == 0 {
        let error = io::Error::last_os_error();
        if error.raw_os_error() != i32::try_from(ERROR_IO_PENDING).ok() {
            return Err(error);
        }
        let mut handles = vec![event.as_raw_handle()];
        handles.extend(stop.map(|stop| stop.as_raw_handle()));
        let count = u32::try_from(handles.len()).unwrap_or(1);
        let milliseconds =
            time.map_or(INFINITE, |time| u32::try_from(time.as_millis() + 1).unwrap_or(INFINITE - 1));
        // SAFETY: as many handles as are told, which are open; they outlive the call
        let waited = unsafe { WaitForMultipleObjects(count, handles.as_ptr(), 0, milliseconds) };
        if waited == WAIT_OBJECT_0 + 1 {
            unfinished = Ended::Stopped;
        }
        if waited != WAIT_OBJECT_0 {
            // SAFETY: the file is open, and `state` is that of a call on it
            unsafe { CancelIoEx(file.as_raw_handle(), state) };
        }
    }
    let mut count = 0;
    // SAFETY: the file is open, `state` is that of a call on it, and `count` outlives this call, which waits for the end
    let done = unsafe { GetOverlappedResult(file.as_raw_handle(), state, &raw mut count, TRUE) };
    if done != 0 {
        return Ok(Ended::Done(count));
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == i32::try_from(ERROR_OPERATION_ABORTED).ok() {
        Ok(unfinished)
    } else {
        Err(error)
    }
}

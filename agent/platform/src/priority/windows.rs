//! Windows.

#![allow(unsafe_code, reason = "std cannot set a priority")]

use windows_sys::Win32::System::Threading::{
    BELOW_NORMAL_PRIORITY_CLASS, GetCurrentProcess, GetCurrentThread, SetPriorityClass, SetThreadPriority,
    THREAD_MODE_BACKGROUND_BEGIN, THREAD_MODE_BACKGROUND_END,
};

pub(super) fn background() {
    // not PROCESS_MODE_BACKGROUND_BEGIN: it also caps memory at 32 MB, and the process would swap all day
    // SAFETY: takes no pointers; the pseudo handle of the own process is always valid and needs no closing
    unsafe { SetPriorityClass(GetCurrentProcess(), BELOW_NORMAL_PRIORITY_CLASS) };
}

/// Whether it has begun: one that is in the background already is left so.
#[derive(Debug)]
pub(super) struct Before(bool);

pub(super) fn begin() -> Before {
    Before(set(THREAD_MODE_BACKGROUND_BEGIN))
}

pub(super) fn end(before: &Before) {
    if before.0 {
        set(THREAD_MODE_BACKGROUND_END);
    }
}

fn set(priority: i32) -> bool {
    // SAFETY: takes no pointers; the pseudo handle of the own thread is always valid and needs no closing
    unsafe { SetThreadPriority(GetCurrentThread(), priority) != 0 }
}

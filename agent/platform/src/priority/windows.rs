//! Windows.

#![allow(unsafe_code, reason = "std cannot set a priority")]

use windows_sys::Win32::System::Threading::{
    BELOW_NORMAL_PRIORITY_CLASS, GetCurrentProcess, SetPriorityClass,
};

pub(super) fn background() {
    // not PROCESS_MODE_BACKGROUND_BEGIN: it also caps memory at 32 MB, and the process would swap all day
    // SAFETY: takes no pointers; the pseudo handle of the own process is always valid and needs no closing
    unsafe { SetPriorityClass(GetCurrentProcess(), BELOW_NORMAL_PRIORITY_CLASS) };
}

//! macOS, where a thread is in the background or is not.

#![allow(unsafe_code, reason = "neither std nor rustix knows threads in the background")]

/// `PRIO_DARWIN_THREAD` and `PRIO_DARWIN_BG` of `sys/resource.h`.
const THREAD: libc::c_int = 3;
const IN_BACKGROUND: libc::c_int = 0x1000;

#[derive(Debug)]
pub(super) struct Before;

pub(super) fn begin() -> Before {
    set(IN_BACKGROUND);
    Before
}

pub(super) fn end(_: &Before) {
    set(0);
}

fn set(priority: libc::c_int) {
    // SAFETY: takes numbers; a failure changes nothing but speed
    unsafe { libc::setpriority(THREAD, 0, priority) };
}

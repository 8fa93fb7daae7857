//! Stays out of the user's way.

#[cfg(windows)]
#[path = "windows.rs"]
mod os;

/// Lowers the priority of this process, as far as the system lets us; a failure changes nothing but speed.
pub fn background() {
    // on Linux the disk's priority follows this number
    #[cfg(unix)]
    let _ = rustix::process::setpriority_process(None, 10);
    #[cfg(windows)]
    os::background();
}

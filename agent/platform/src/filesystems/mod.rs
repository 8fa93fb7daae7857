//! What kind of file system a path is on: a scan of a home on a server would read the whole network's files.

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod os;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod os;
#[cfg(windows)]
#[path = "windows.rs"]
mod os;

use std::path::Path;

/// Keeps the table of mounts for the rest of this process: one that gives up its rights cannot ask for it any more.
pub fn remember() {
    #[cfg(target_os = "linux")]
    os::remember();
}

/// Whether a path of this host is on another machine's disk. A path that does not exist is judged by where it would be.
pub fn is_network(path: &Path) -> bool {
    os::is_network(path)
}

/// The number of the device that a path of this host is on; a link is not followed.
pub fn device_of(path: &Path) -> Option<u64> {
    os::device_of(path)
}

/// Bytes that are free for whoever asks on the disk that a path of this host is on.
pub fn free_bytes(path: &Path) -> Option<u64> {
    os::free_bytes(path)
}

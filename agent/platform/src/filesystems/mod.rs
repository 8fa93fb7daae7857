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

/// What is mounted at this moment, for many paths: on Linux the table of hundreds of lines is read once.
pub struct Mounts {
    #[cfg(target_os = "linux")]
    table: Option<os::Table>,
}

impl Mounts {
    /// What is mounted now.
    pub fn now() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            table: os::table(),
        }
    }

    /// As [`is_network`].
    pub fn is_network(&self, path: &Path) -> bool {
        #[cfg(target_os = "linux")]
        if let Some(table) = &self.table {
            return os::is_network_by(table, path);
        }
        os::is_network(path)
    }
}

/// The number of the device that a path of this host is on; a link is not followed.
pub fn device_of(path: &Path) -> Option<u64> {
    os::device_of(path)
}

/// Bytes that are free for whoever asks on the disk that a path of this host is on.
pub fn free_bytes(path: &Path) -> Option<u64> {
    os::free_bytes(path)
}

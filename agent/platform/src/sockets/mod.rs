//! Who listens on a port of this machine.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(target_os = "linux", test))]
mod table;

use std::path::PathBuf;

/// The one executable that owns every socket on which a client of this machine could reach `port` by a loopback
/// address. `None` if nothing listens, if several programs do, or if it cannot be told: another user's process that we
/// may not look at, a file that was replaced since, a process that sees other files at its paths (a container). Only
/// on Linux; macOS and Windows do not say yet.
pub fn listening_executable(port: u16) -> Option<PathBuf> {
    #[cfg(target_os = "linux")]
    return linux::listening_executable(port);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = port;
        None
    }
}

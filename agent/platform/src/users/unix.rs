//! Linux and macOS.

use super::Home;
use crate::machine::Machine;

/// Whether this process may read everybody's files.
pub fn is_privileged() -> bool {
    rustix::process::geteuid().is_root()
}

/// The number of the user that this process runs as.
pub fn own_uid() -> Option<u32> {
    Some(rustix::process::geteuid().as_raw())
}

#[cfg(target_os = "linux")]
pub(super) fn all_homes(machine: &Machine) -> Vec<Home> {
    super::passwd::homes(machine)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn all_homes(machine: &Machine) -> Vec<Home> {
    // people are not in /etc/passwd here, and asking the directory service could wait for a server
    super::homes_below_users(machine, super::HomeLayout::Macos)
}

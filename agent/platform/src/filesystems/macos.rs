//! By the mount's own flag.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The file system is on this machine's disks.
const MNT_LOCAL: u32 = 0x1000;

pub(super) fn is_network(path: &Path) -> bool {
    // a path that is not there yet is on the disk of the directory that it would be in
    let existing = path.ancestors().find(|path| path.symlink_metadata().is_ok());
    let Some(Ok(mount)) = existing.map(rustix::fs::statfs) else { return false };
    mount.f_flags & MNT_LOCAL == 0
}

pub(super) fn device_of(path: &Path) -> Option<u64> {
    std::fs::symlink_metadata(path).ok().map(|metadata| metadata.dev())
}

pub(super) fn free_bytes(path: &Path) -> Option<u64> {
    let told = rustix::fs::statvfs(path).ok()?;
    told.f_bavail.checked_mul(told.f_frsize)
}

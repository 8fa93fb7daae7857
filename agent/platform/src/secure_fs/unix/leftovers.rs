//! What edits that were broken off have left behind.

use std::ffi::OsStr;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, Mode, OFlags};

use super::unlock::Unlocked;
use super::{Home, judge, length, read_fault, refused, stamp};
use crate::secure_fs::Leftover;
use crate::secure_fs::fault::Fault;
use crate::secure_fs::names::TempName;
use std::path::Path;

/// A directory with more of them is not ours to clean in one go.
const MAX_LEFTOVERS: usize = 1000;

impl Home {
    pub(in super::super) fn sweep(&self, relative_dir: &Path) -> Result<Vec<Leftover>, Fault> {
        let dir = self.walk_to_directory(relative_dir)?.fd;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let listing = rustix::fs::openat(&dir, c".", flags, Mode::empty()).map_err(read_fault)?;
        let mut found = Vec::new();
        for entry in Dir::read_from(&listing).map_err(read_fault)? {
            let entry = entry.map_err(read_fault)?;
            let Some(name) = entry.file_name().to_str().ok().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // gone meanwhile, or something that we never made
            if let Some(leftover) = self.leftover(&dir, name) {
                found.push(leftover);
            }
            if found.len() == MAX_LEFTOVERS {
                break;
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    fn leftover(&self, dir: &std::os::fd::OwnedFd, name: TempName) -> Option<Leftover> {
        let stat = rustix::fs::statat(dir, name.as_str(), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        judge(&stat, self.owner).ok()?;
        let (seconds, nanoseconds) = stamp(&stat).modified;
        let since = Duration::new(u64::try_from(seconds).unwrap_or(0), nanoseconds);
        let modified = SystemTime::UNIX_EPOCH.checked_add(since)?;
        Some(Leftover { name, modified, length: length(&stat) })
    }

    pub(in super::super) fn remove_leftover(
        &self,
        relative_dir: &Path,
        name: &TempName,
    ) -> Result<(), Fault> {
        let dir = self.walk_to_directory(relative_dir)?.fd;
        let name = OsStr::new(name.as_str());
        let stat = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(read_fault)?;
        judge(&stat, self.owner)?;
        let _unlocked = Unlocked::of(&dir, self.owner);
        rustix::fs::unlinkat(&dir, name, AtFlags::empty()).map_err(refused)
    }
}

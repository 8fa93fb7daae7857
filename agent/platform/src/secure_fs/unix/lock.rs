//! The directory that is a client's lock.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;

use super::system::PASS;
use super::{Home, id, read_fault, refused, stamp};
use crate::secure_fs::fault::Fault;

#[derive(Debug)]
pub(in super::super) struct LockDir {
    dir: OwnedFd,
    name: OsString,
    /// Held, so that the directory of whoever takes the lock over does not get its number.
    own: OwnedFd,
}

impl Home {
    /// Nothing where somebody has it.
    pub(in super::super) fn make_lock(&self, path: &Path) -> Result<Option<LockDir>, Fault> {
        let (dir, name) = self.lock_place(path)?;
        match rustix::fs::mkdirat(&dir, &name, Mode::from_raw_mode(0o700)) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(None),
            Err(error) => return Err(refused(error)),
        }
        let flags = PASS | OFlags::DIRECTORY;
        let own = rustix::fs::openat(&dir, &name, flags, Mode::empty()).map_err(read_fault)?;
        Ok(Some(LockDir { dir, name, own }))
    }

    /// When it was last touched; nothing where it is gone.
    pub(in super::super) fn lock_touched(&self, path: &Path) -> Result<Option<SystemTime>, Fault> {
        let (dir, name) = self.lock_place(path)?;
        let stat = match rustix::fs::statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(None),
            stat => stat.map_err(read_fault)?,
        };
        let (seconds, nanoseconds) = stamp(&stat).modified;
        let since = Duration::new(u64::try_from(seconds).unwrap_or(0), nanoseconds);
        Ok(SystemTime::UNIX_EPOCH.checked_add(since))
    }

    /// Removes a lock that nobody keeps alive. Only an empty directory goes: whatever else stands there stays.
    pub(in super::super) fn break_lock(&self, path: &Path) -> Result<(), Fault> {
        let (dir, name) = self.lock_place(path)?;
        match rustix::fs::unlinkat(&dir, &name, AtFlags::REMOVEDIR) {
            Err(Errno::NOENT) => Ok(()),
            done => done.map_err(refused),
        }
    }

    fn lock_place(&self, path: &Path) -> Result<(OwnedFd, OsString), Fault> {
        let name = path.file_name().ok_or(Fault::BadPath)?.to_owned();
        let dir = self.walk_to_directory(path.parent().ok_or(Fault::BadPath)?)?.fd;
        Ok((dir, name))
    }
}

impl LockDir {
    pub(in super::super) fn touch(&self) -> Result<(), Fault> {
        if !self.is_ours() {
            return Err(Fault::InUse);
        }
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let times = Timestamps { last_access: now, last_modification: now };
        rustix::fs::utimensat(&self.dir, &self.name, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(refused)
    }

    fn is_ours(&self) -> bool {
        let own = rustix::fs::fstat(&self.own);
        let named = rustix::fs::statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        own.is_ok_and(|own| named.is_ok_and(|named| id(&own) == id(&named)))
    }
}

impl Drop for LockDir {
    fn drop(&mut self) {
        // taken over as stale, it is another's
        if self.is_ours() {
            let _ = rustix::fs::unlinkat(&self.dir, &self.name, AtFlags::REMOVEDIR);
        }
    }
}

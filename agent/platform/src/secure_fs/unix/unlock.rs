//! A folder whose owner has taken the right to write it from himself.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode};

/// What an edit needs of a folder: to make names in it, and to go into it.
const WRITE: u32 = 0o300;

/// Such a folder, writable for its owner as long as this is held. Attack: `chmod 555` of the folder would keep a denied
/// server for ever, and its owner could take that back at any time. A process that is killed in between leaves the
/// folder writable for its owner.
pub(super) struct Unlocked<'d> {
    dir: &'d OwnedFd,
    /// What it was.
    mode: Mode,
}

impl<'d> Unlocked<'d> {
    /// Nothing where the owner may write, or where it is not the owner's folder.
    pub(super) fn of(dir: &'d OwnedFd, owner: u32) -> Option<Self> {
        let found = rustix::fs::fstat(dir).ok()?;
        let mode = Mode::from_raw_mode(found.st_mode);
        let needed = Mode::from_raw_mode(WRITE as _);
        if found.st_uid != owner || mode.contains(needed) {
            return None;
        }
        // by its own name in itself: the handle is for looking only, and a path may lead elsewhere by now
        rustix::fs::chmodat(dir, c".", mode | needed, AtFlags::empty()).ok()?;
        Some(Self { dir, mode })
    }
}

impl Drop for Unlocked<'_> {
    fn drop(&mut self) {
        let _ = rustix::fs::chmodat(self.dir, c".", self.mode, AtFlags::empty());
    }
}

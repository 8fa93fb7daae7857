//! Back to what the user has, after an exchange that met a write of his.
//!
//! For a moment another file than his newest stood at the name. A program that opened it then would build its next
//! save on it, and take the place of what we put back. So each file that we put in place is *veiled*: a lease lets
//! nobody open it until it is known whether it stays. If ours goes again, whoever waits for it is given the bytes of
//! the file that is back, in our file, which has no name any more. Where somebody may have seen what did not stay, a
//! copy of what is at risk is kept beside.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt as _;

use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;

use super::replace::{LONGER, read_all, rename_new, stat, sync_directory, unlink};
use super::system::{self, Lease, Look, Met};
use super::{Id, Opened, holds, id, judge, links, read_fault, refused};
use crate::secure_fs::failpoint::at;
use crate::secure_fs::fault::{Fault, ReplaceError};

/// How often a file goes back and forth before the user's writes are kept side by side.
const MAX_EXCHANGES: usize = 16;

/// What is at the name by our doing: bytes that may be thrown away as long as they are these.
pub(super) struct Put<'f> {
    pub(super) file: &'f File,
    pub(super) id: Id,
    pub(super) bytes: &'f [u8],
    /// None where the file has been in place for long and all may have seen it: after a crash.
    pub(super) veil: Option<Lease<&'f File>>,
}

impl Put<'_> {
    fn met(&self) -> Met {
        self.veil.as_ref().map_or(Met::Nobody, Lease::met)
    }

    /// Lets in who waits. Ours has no name any more, or never gets one again.
    fn unveil(&mut self) {
        if let Some(veil) = &mut self.veil {
            veil.release();
        }
    }

    /// Gives the file other bytes, for whoever waits to read it. Whether all of them are there.
    fn fill(&self, bytes: &[u8]) -> bool {
        let write = |bytes: &[u8]| {
            let length = bytes.len() as u64;
            self.file.write_all_at(bytes, 0).and_then(|()| self.file.set_len(length))
        };
        if write(bytes).is_ok() {
            return true;
        }
        // no room: better what we had than half of either
        let _ = write(self.bytes);
        false
    }
}

/// A file that goes back in place, held, so that no other gets its number.
struct Back {
    handle: OwnedFd,
    id: Id,
    /// None for what holds no bytes of its owner's, as a link.
    veil: Option<Lease<File>>,
}

impl Back {
    fn open(owned: &Opened, temp: &OsStr) -> Result<Self, Fault> {
        let handle = rustix::fs::openat(&owned.dir, temp, system::PASS, Mode::empty()).map_err(read_fault)?;
        let stat = rustix::fs::fstat(&handle).map_err(read_fault)?;
        let file = judge(&stat, owned.owner).ok().and_then(|()| owned.open_same(temp, id(&stat)));
        Ok(Self { handle, id: id(&stat), veil: file.map(Lease::against_all) })
    }

    fn file(&self) -> Option<&File> {
        self.veil.as_ref().map(Lease::file)
    }
}

impl Opened {
    /// The file at a temporary name, to be read, if it is still the one that was looked at.
    fn open_same(&self, temp: &OsStr, looked_at: Id) -> Option<File> {
        let Ok(Look::File(handle, _)) = system::look(self.dir.as_fd(), temp, self.stamp.device) else {
            return None;
        };
        let file = File::from(system::open_to_read(&self.dir, temp, handle).ok()?);
        (id(&rustix::fs::fstat(&file).ok()?) == looked_at).then_some(file)
    }

    pub(super) fn conflict(&self, kept: &OsStr) -> ReplaceError {
        ReplaceError::Conflict { kept: self.path.with_file_name(kept) }
    }

    pub(super) fn undo_for(&self, fault: Fault, put: &mut Put<'_>, temp: &OsStr) -> ReplaceError {
        match self.undo(put, temp) {
            ReplaceError::Changed => fault.into(),
            error => error,
        }
    }

    /// Puts the file at the temporary name back in its place, where `put` stands. Something newer of the user's may
    /// come to light by that, and is then put back in its turn: the newest of his writes ends up in place.
    pub(super) fn undo(&self, put: &mut Put<'_>, temp: &OsStr) -> ReplaceError {
        let mut in_place = put.id;
        let mut both_are_the_users = false;
        let mut last: Option<Back> = None;
        for _ in 0..MAX_EXCHANGES {
            let Ok(back) = Back::open(self, temp) else { return self.conflict(temp) };
            if !self.exchange_back(temp, in_place) {
                return self.conflict(temp);
            }
            let Ok(displaced) = at("verify-back").and_then(|()| stat(&self.dir, temp)) else {
                // by rename, where nothing can be exchanged: the name is gone
                return if self.is_gone(temp) { self.let_go(put, &back) } else { self.conflict(temp) };
            };
            if id(&displaced) == in_place {
                if both_are_the_users {
                    return self.conflict(temp);
                }
                if let Some(superseded) = last {
                    return self.drop_superseded(put, temp, &superseded, &back);
                }
                if !wrote_into(put) {
                    return self.drop_ours(put, temp, &back);
                }
                // he wrote into our file, for as long as it was in place: that is newer than what went back
                both_are_the_users = true;
            } else if last.as_ref().map_or_else(|| is_somewhere(put.file), |last| is_somewhere(&last.handle))
            {
                // what was in place was not replaced but moved: without us, that would be what goes back now
                both_are_the_users = true;
            }
            in_place = back.id;
            last = Some(back);
        }
        self.conflict(temp)
    }

    /// Whether the file at the temporary name is back. Where names cannot be exchanged, it is renamed over ours.
    fn exchange_back(&self, temp: &OsStr, in_place: Id) -> bool {
        match self.exchange("exchange-back", temp) {
            Ok(Some(())) => true,
            Ok(None) => {
                stat(&self.dir, &self.name).is_ok_and(|now| id(&now) == in_place)
                    && rustix::fs::renameat(&self.dir, temp, &self.dir, &self.name).is_ok()
            }
            Err(_) => false,
        }
    }

    fn is_gone(&self, temp: &OsStr) -> bool {
        matches!(rustix::fs::statat(&self.dir, temp, AtFlags::SYMLINK_NOFOLLOW), Err(Errno::NOENT))
    }

    /// Removes our own file, which an undoing has displaced.
    fn drop_ours(&self, put: &mut Put<'_>, temp: &OsStr, back: &Back) -> ReplaceError {
        if unlink(&self.dir, temp, "unlink-ours").is_err() {
            return self.conflict(temp);
        }
        self.let_go(put, back)
    }

    /// Our file has no name any more; `back` is in place. Who waits for ours gets to read that one.
    fn let_go(&self, put: &mut Put<'_>, back: &Back) -> ReplaceError {
        let is_unseen = matches!(put.met(), Met::Nobody | Met::Reader);
        let bytes = match back.file().filter(|_| put.veil.is_some() && is_unseen).map(read_all).transpose() {
            Ok(bytes) => bytes,
            Err(fault) => return fault.into(),
        };
        let filled = bytes.filter(|bytes| put.fill(bytes));
        let is_safe = put.veil.is_none() || filled.is_some();
        put.unveil();
        sync_directory(&self.dir);
        // opened for writing while it was in place, and written only now
        if !holds(put.file, filled.as_deref().unwrap_or(put.bytes)).unwrap_or(true) {
            return self.keep_copy(put.file);
        }
        match back.file() {
            Some(file) if !is_safe => self.keep_copy(file),
            _ => ReplaceError::Changed,
        }
    }

    /// Removes a file of the user's that he renamed another over, which is in place. He built that one on this one,
    /// unless a program of his has seen something else meanwhile.
    fn drop_superseded(&self, put: &mut Put<'_>, temp: &OsStr, old: &Back, new: &Back) -> ReplaceError {
        let seen = old.veil.as_ref().map_or(Met::Nobody, Lease::met);
        let ours_seen = matches!(put.met(), Met::Writer | Met::Unknown);
        if ours_seen || seen == Met::Writer || unlink(&self.dir, temp, "unlink-ours").is_err() {
            return self.conflict(temp);
        }
        let outcome = self.let_go(put, new);
        match (outcome, new.file()) {
            // who saw the old one again would build on it, and lose the new one
            (ReplaceError::Changed, Some(new)) if seen != Met::Nobody => self.keep_copy(new),
            (outcome, _) => outcome,
        }
    }

    /// Bytes of an open file, kept beside under a name of their own.
    pub(super) fn keep_copy(&self, file: &File) -> ReplaceError {
        match read_all(file).and_then(|bytes| self.write_beside(&bytes)) {
            Ok(kept) => self.conflict(OsStr::new(kept.as_str())),
            Err(fault) => fault.into(),
        }
    }

    /// Gives a file its name back, unless that is taken by now. A program may have seen that nothing was there, and
    /// begin anew: what it will then write over is kept beside, if only its owner knows it.
    pub(super) fn back_to_empty_name(&self, temp: &OsStr, otherwise: ReplaceError) -> ReplaceError {
        let held = Back::open(self, temp).ok();
        let back =
            at("exchange-back").and_then(|()| rename_new(&self.dir, temp, &self.name).map_err(refused));
        if back.is_err() {
            return self.conflict(temp);
        }
        match held.as_ref().and_then(Back::file) {
            Some(file) if !holds(file, &self.bytes).unwrap_or(true) => self.keep_copy(file),
            _ => otherwise,
        }
    }
}

/// Whether somebody has written into our file, or does so now that he is let.
fn wrote_into(put: &mut Put<'_>) -> bool {
    if put.met() == Met::Writer
        && let Some(veil) = &mut put.veil
    {
        veil.let_writers_through(LONGER);
    }
    !holds(put.file, put.bytes).unwrap_or(false)
}

/// Whether an open file still has a name.
fn is_somewhere(file: impl AsFd) -> bool {
    rustix::fs::fstat(file).map_or(true, |stat| links(&stat) > 0)
}

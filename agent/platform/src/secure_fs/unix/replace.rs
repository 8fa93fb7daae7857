//! A new file in the place of the one that was read, if and only if nobody wrote that one meanwhile.
//!
//! What can go wrong goes wrong between two system calls, so each has its [step](super::super::failpoint::STEPS). Two
//! rules decide every case: a file whose bytes only a user knows is never removed; and after an exchange the displaced
//! file is at the temporary name, so that putting it back is the same exchange again.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::system::{self, Lease};
use super::{Home, Id, Opened, holds, id, judge, length, links, read_fault, refused, stamp, write_fault};
use crate::secure_fs::failpoint::at;
use crate::secure_fs::fault::{Fault, ReplaceError};
use crate::secure_fs::names::TempName;
use crate::secure_fs::{Replaced, Stamp};

/// For a program that writes the file just as we come.
const BRIEFLY: Duration = Duration::from_millis(10);
/// For a program that has the old file open, before it loses its name.
const LONGER: Duration = Duration::from_millis(50);
/// How often a file goes back and forth before the user's writes are kept side by side.
const MAX_EXCHANGES: usize = 16;

/// The new file, open, under its temporary name until it is [settled](Self::settled).
struct Ours<'d> {
    dir: &'d OwnedFd,
    name: &'d OsStr,
    file: File,
    id: Id,
    settled: bool,
}

impl Ours<'_> {
    /// The name is not ours to remove any more.
    fn settled(mut self) -> Self {
        self.settled = true;
        self
    }
}

impl Drop for Ours<'_> {
    fn drop(&mut self) {
        if !self.settled {
            // nothing of ours stays behind a failure; what cannot be removed is swept later
            let _ = rustix::fs::unlinkat(self.dir, self.name, AtFlags::empty());
        }
    }
}

impl Opened {
    pub(in super::super) fn replace(&self, new: &[u8], temp: &TempName) -> Result<Replaced, ReplaceError> {
        let name = OsStr::new(temp.as_str());
        let ours = write_temp(&self.dir, name, new, self.owner, Rights::Of(self))?;
        at("take-lease")?;
        let mut lease = Lease::take(&self.file, BRIEFLY);
        at("compare")?;
        self.check_unchanged()?;
        let atomic = self.put_in_place(name)?;
        let ours = ours.settled();
        let mut left = None;
        if atomic {
            match self.is_displaced(name, &mut lease) {
                Ok(true) => {}
                Ok(false) => return Err(self.undo(&ours.as_put(new), name)),
                Err(fault) => return Err(self.undo_for(fault, &ours.as_put(new), name)),
            }
            left = unlink(&self.dir, name, "unlink-displaced").err().map(|_| temp.clone());
        }
        if left.is_none() && !self.stayed_the_same(&mut lease) {
            return Err(self.rescue(&ours.as_put(new)));
        }
        drop(lease);
        let durable = sync_directory(&self.dir);
        let stamp = self.stamp_of(&ours, new)?;
        let _ = at("done");
        Ok(Replaced { stamp, atomic, durable, left })
    }

    pub(in super::super) fn remove(&self, temp: &TempName) -> Result<(), ReplaceError> {
        let name = OsStr::new(temp.as_str());
        at("take-lease")?;
        let mut lease = Lease::take(&self.file, BRIEFLY);
        at("compare")?;
        self.check_unchanged()?;
        at("exchange")?;
        match rename_new(&self.dir, &self.name, name) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Err(ReplaceError::Changed),
            Err(error) => return Err(refused(error).into()),
        }
        let fault = match self.is_displaced(name, &mut lease) {
            Ok(true) => None,
            Ok(false) => Some(ReplaceError::Changed),
            Err(fault) => Some(fault.into()),
        };
        if let Some(error) = fault {
            return Err(self.back_to_empty_name(name, error));
        }
        unlink(&self.dir, name, "unlink-displaced")?;
        if !self.stayed_the_same(&mut lease) {
            let rescued = self.write_rescued()?;
            return Err(self.back_to_empty_name(OsStr::new(rescued.as_str()), ReplaceError::Changed));
        }
        drop(lease);
        sync_directory(&self.dir);
        let _ = at("done");
        Ok(())
    }

    pub(in super::super) fn reinstate(&self, leftover: &TempName) -> Result<(), ReplaceError> {
        let name = OsStr::new(leftover.as_str());
        judge(&stat(&self.dir, name)?, self.owner)?;
        self.check_unchanged()?;
        let written = Put { file: &self.file, id: (self.stamp.device, self.stamp.inode), bytes: &self.bytes };
        match self.undo(&written, name) {
            ReplaceError::Changed => Ok(()),
            error => Err(error),
        }
    }

    /// The name still leads to the file that was read, and it looks the same.
    fn check_unchanged(&self) -> Result<(), ReplaceError> {
        match rustix::fs::statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(now) if stamp(&now) == self.stamp => Ok(()),
            Ok(_) | Err(Errno::NOENT) => Err(ReplaceError::Changed),
            Err(error) => Err(read_fault(error).into()),
        }
    }

    /// Whether it was done by exchange.
    fn put_in_place(&self, temp: &OsStr) -> Result<bool, ReplaceError> {
        let done = match self.exchange("exchange", temp) {
            Ok(None) => rustix::fs::renameat(&self.dir, temp, &self.dir, &self.name).map(|()| false),
            exchanged => exchanged.map(|_| true),
        };
        match done {
            // removed, or moved away
            Err(Errno::NOENT) => Err(ReplaceError::Changed),
            done => done.map_err(|error| refused(error).into()),
        }
    }

    /// Whether what was displaced is the file that was read, with the bytes that were read, and nobody waits to write
    /// it.
    fn is_displaced(&self, temp: &OsStr, lease: &mut Lease<'_>) -> Result<bool, Fault> {
        at("verify")?;
        if id(&stat(&self.dir, temp)?) != (self.stamp.device, self.stamp.inode) {
            return Ok(false);
        }
        // whoever still has it open for writing after that could hold us for ever: he is not waited for
        lease.wait(LONGER);
        let same = holds(&self.file, &self.bytes).map_err(|error| io_fault(&error))?;
        Ok(same && !lease.is_breaking())
    }

    /// The same question for the file that has no name any more.
    fn stayed_the_same(&self, lease: &mut Lease<'_>) -> bool {
        let _ = at("verify-unlinked");
        if lease.is_whole() {
            return true;
        }
        if lease.is_breaking() {
            lease.let_writers_through(LONGER);
        }
        // what cannot be read cannot be put back either
        holds(&self.file, &self.bytes).unwrap_or(true)
    }

    /// What our file is now; `Changed` where the user has already written after us.
    fn stamp_of(&self, ours: &Ours<'_>, new: &[u8]) -> Result<Stamp, ReplaceError> {
        let changed = |_| ReplaceError::Changed;
        let at_name =
            rustix::fs::statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW).map_err(changed)?;
        let now = rustix::fs::fstat(&ours.file).map_err(refused)?;
        let same = id(&at_name) == ours.id && holds(&ours.file, new).map_err(|error| io_fault(&error))?;
        if same { Ok(stamp(&now)) } else { Err(ReplaceError::Changed) }
    }

    fn undo_for(&self, fault: Fault, put: &Put<'_>, temp: &OsStr) -> ReplaceError {
        match self.undo(put, temp) {
            ReplaceError::Changed => fault.into(),
            error => error,
        }
    }

    /// Puts the file at the temporary name back in its place, where `put` stands. Something newer of the user's may
    /// come to light by that, and is then put back in its turn: the newest of his writes ends up in place.
    fn undo(&self, put: &Put<'_>, temp: &OsStr) -> ReplaceError {
        let conflict = || ReplaceError::Conflict { kept: self.path.with_file_name(temp) };
        let mut in_place = put.id;
        let mut both_are_the_users = false;
        let mut held: Option<OwnedFd> = None;
        for _ in 0..MAX_EXCHANGES {
            // held, so that no file that he makes meanwhile gets its number
            let Ok((pinned, going_back)) = pin(&self.dir, temp) else { return conflict() };
            if !self.exchange_back(temp, in_place) {
                return conflict();
            }
            let Ok(displaced) = at("verify-back").and_then(|()| stat(&self.dir, temp)) else {
                // by rename, where nothing can be exchanged: the name is gone
                return if self.is_gone(temp) { ReplaceError::Changed } else { conflict() };
            };
            if id(&displaced) == in_place {
                if both_are_the_users {
                    return conflict();
                }
                if in_place != put.id || holds(put.file, put.bytes).unwrap_or(false) {
                    return self.drop_displaced(put, temp, in_place == put.id);
                }
                // he wrote into our file, for as long as it was in place: that is newer than what went back
                both_are_the_users = true;
            } else if held.as_ref().map_or_else(|| is_somewhere(put.file), is_somewhere) {
                // what was in place was not replaced but moved: without us, that would be what goes back now
                both_are_the_users = true;
            }
            held = Some(pinned);
            in_place = going_back;
        }
        conflict()
    }

    /// `None` where the file system cannot; the hook says so with the error that such a system gives.
    fn exchange(&self, step: &'static str, temp: &OsStr) -> Result<Option<()>, Errno> {
        match at(step) {
            Err(Fault::Io(errno)) if errno == Errno::INVAL.raw_os_error() => Ok(None),
            Err(fault) => Err(Errno::from_raw_os_error(fault.errno().unwrap_or_default())),
            Ok(()) => system::exchange(&self.dir, temp, &self.name),
        }
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

    /// Removes what an undoing has displaced: our own file, or one of the user's that he renamed another over.
    fn drop_displaced(&self, put: &Put<'_>, temp: &OsStr, is_ours: bool) -> ReplaceError {
        if unlink(&self.dir, temp, "unlink-ours").is_err() {
            return ReplaceError::Conflict { kept: self.path.with_file_name(temp) };
        }
        sync_directory(&self.dir);
        // opened for writing while it was in place, and written only now
        if is_ours && !holds(put.file, put.bytes).unwrap_or(true) {
            return match self.write_copy(put.file) {
                Ok(kept) => ReplaceError::Conflict { kept: self.path.with_file_name(kept.as_str()) },
                Err(fault) => fault.into(),
            };
        }
        ReplaceError::Changed
    }

    /// A write came to the old file in the very moment when it lost its name: its bytes get one again.
    fn rescue(&self, put: &Put<'_>) -> ReplaceError {
        match self.write_rescued() {
            Ok(rescued) => self.undo(put, OsStr::new(rescued.as_str())),
            Err(fault) => fault.into(),
        }
    }

    fn write_rescued(&self) -> Result<TempName, Fault> {
        at("rescue")?;
        self.write_copy(&self.file)
    }

    /// Bytes of an open file without a name, in a new file beside.
    fn write_copy(&self, file: &File) -> Result<TempName, Fault> {
        let name = TempName::random()?;
        let bytes = read_all(file)?;
        write_temp(&self.dir, OsStr::new(name.as_str()), &bytes, self.owner, Rights::Of(self))?.settled();
        Ok(name)
    }

    /// Gives a file its name back, unless that is taken by now.
    fn back_to_empty_name(&self, temp: &OsStr, otherwise: ReplaceError) -> ReplaceError {
        let back =
            at("exchange-back").and_then(|()| rename_new(&self.dir, temp, &self.name).map_err(refused));
        match back {
            Ok(()) => otherwise,
            Err(_) => ReplaceError::Conflict { kept: self.path.with_file_name(temp) },
        }
    }
}

impl Home {
    pub(in super::super) fn create(
        &self,
        relative: &Path,
        bytes: &[u8],
        mode: u32,
        temp: &TempName,
    ) -> Result<Replaced, ReplaceError> {
        let name = relative.file_name().ok_or(Fault::BadPath)?;
        let dir = self.walk_to_directory(relative.parent().ok_or(Fault::BadPath)?)?.fd;
        let ours = write_temp(&dir, OsStr::new(temp.as_str()), bytes, self.owner, Rights::Mode(mode))?;
        at("exchange")?;
        match rename_new(&dir, ours.name, name) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(ReplaceError::Changed),
            Err(error) => return Err(refused(error).into()),
        }
        let ours = ours.settled();
        let durable = sync_directory(&dir);
        let stamp = stamp(&rustix::fs::fstat(&ours.file).map_err(refused)?);
        let _ = at("done");
        Ok(Replaced { stamp, atomic: true, durable, left: None })
    }
}

/// What is at the name by our doing: bytes that may be thrown away as long as they are these.
struct Put<'f> {
    file: &'f File,
    id: Id,
    bytes: &'f [u8],
}

impl Ours<'_> {
    fn as_put<'f>(&'f self, bytes: &'f [u8]) -> Put<'f> {
        Put { file: &self.file, id: self.id, bytes }
    }
}

/// What a new file may be used for.
#[derive(Clone, Copy)]
enum Rights<'o> {
    /// As the one that it replaces.
    Of(&'o Opened),
    /// By the numbers of its mode.
    Mode(u32),
}

/// Writes a new file, first for its owner alone, and waits until it is on the disk.
fn write_temp<'d>(
    dir: &'d OwnedFd,
    name: &'d OsStr,
    bytes: &[u8],
    owner: u32,
    rights: Rights<'_>,
) -> Result<Ours<'d>, Fault> {
    at("create-temp")?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let private = Mode::RUSR | Mode::WUSR;
    let file = rustix::fs::openat(dir, name, flags, private).map(File::from).map_err(refused)?;
    let created = rustix::fs::fstat(&file).map_err(refused)?;
    let mut ours = Ours { dir, name, file, id: id(&created), settled: false };
    if created.st_uid != owner {
        // root writes for the owner only where no worker could be had: never by a path
        rustix::fs::fchown(&ours.file, Some(rustix::fs::Uid::from_raw(owner)), None).map_err(refused)?;
    }
    at("write-temp")?;
    ours.file.write_all(bytes).map_err(|error| write_fault(error.raw_os_error().unwrap_or_default()))?;
    at("copy-metadata")?;
    match rights {
        Rights::Of(old) => system::copy_metadata(&old.file, &ours.file, old.gid, old.mode)?,
        Rights::Mode(mode) => {
            let mode = Mode::from_raw_mode((mode & 0o777) as _);
            rustix::fs::fchmod(&ours.file, mode).map_err(refused)?;
        }
    }
    at("sync-temp")?;
    system::sync(&ours.file).map_err(refused)?;
    Ok(ours)
}

/// Renames to a name that nothing has yet.
fn rename_new(dir: &OwnedFd, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
    match rustix::fs::renameat_with(dir, from, dir, to, RenameFlags::NOREPLACE) {
        // not on this file system: a second name, which fails where it is taken, then without the first
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            rustix::fs::linkat(dir, from, dir, to, AtFlags::empty())?;
            rustix::fs::unlinkat(dir, from, AtFlags::empty())
        }
        done => done,
    }
}

/// Bytes past this are not a configuration, and whoever wrote them did so after we had looked.
const MAX_RESCUED: usize = 64 << 20;

fn read_all(file: &File) -> Result<Vec<u8>, Fault> {
    use std::os::unix::fs::FileExt as _;
    let size = length(&rustix::fs::fstat(file).map_err(read_fault)?);
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(MAX_RESCUED).min(MAX_RESCUED)];
    let mut done = 0;
    while done < bytes.len() {
        match file.read_at(&mut bytes[done..], done as u64).map_err(|error| io_fault(&error))? {
            0 => break,
            count => done += count,
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

fn unlink(dir: &OwnedFd, name: &OsStr, step: &'static str) -> Result<(), Fault> {
    at(step)?;
    rustix::fs::unlinkat(dir, name, AtFlags::empty()).map_err(refused)
}

/// Whether the names in a directory are on the disk.
fn sync_directory(dir: &OwnedFd) -> bool {
    at("sync-directory").is_ok() && system::sync_directory(dir).is_ok()
}

fn stat(dir: &OwnedFd, name: &OsStr) -> Result<Stat, Fault> {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(read_fault)
}

fn pin(dir: &OwnedFd, name: &OsStr) -> Result<(OwnedFd, Id), Fault> {
    let pinned = rustix::fs::openat(dir, name, system::PASS, Mode::empty()).map_err(read_fault)?;
    let stat = rustix::fs::fstat(&pinned).map_err(read_fault)?;
    Ok((pinned, id(&stat)))
}

/// Whether an open file still has a name.
fn is_somewhere(file: impl AsFd) -> bool {
    rustix::fs::fstat(file).map_or(true, |stat| links(&stat) > 0)
}

fn io_fault(error: &std::io::Error) -> Fault {
    Fault::Io(error.raw_os_error().unwrap_or_default())
}

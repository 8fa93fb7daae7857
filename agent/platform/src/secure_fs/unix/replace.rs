//! A new file in the place of the one that was read, if and only if nobody wrote that one meanwhile.
//!
//! What can go wrong goes wrong between two system calls, so each has its [step](super::super::failpoint::STEPS). Two
//! rules decide every case: a file whose bytes only a user knows is never removed; and after an exchange the displaced
//! file is at the temporary name, so that putting it back is the same exchange again.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::rights::give_group;
use super::system::{self, Lease, Watch};
use super::undo::Put;
use super::unlock::Unlocked;
use super::{Home, Id, Opened, holds, id, judge, length, links, read_fault, refused, stamp, write_fault};
use crate::secure_fs::failpoint::at;
use crate::secure_fs::fault::{Fault, ReplaceError};
use crate::secure_fs::names::TempName;
use crate::secure_fs::{Replaced, Rights, Stamp};

/// For a program that writes the file just as we come.
const BRIEFLY: Duration = Duration::from_millis(10);
/// For a program that has the old file open, before it loses its name.
pub(super) const LONGER: Duration = Duration::from_millis(50);
/// For whoever still holds the old file when it has lost its name. Nobody else waits for us then.
const LATE: Duration = Duration::from_millis(200);

/// The new file, open, under its temporary name until it is [settled](Self::settle).
struct Ours<'d> {
    dir: &'d OwnedFd,
    name: &'d OsStr,
    file: File,
    id: Id,
    /// It has the group that was meant.
    group_kept: bool,
    settled: Cell<bool>,
}

impl Ours<'_> {
    /// The name is not ours to remove any more.
    fn settle(&self) {
        self.settled.set(true);
    }
}

impl Drop for Ours<'_> {
    fn drop(&mut self) {
        if !self.settled.get() {
            // nothing of ours stays behind a failure; what cannot be removed is swept later
            let _ = rustix::fs::unlinkat(self.dir, self.name, AtFlags::empty());
        }
    }
}

impl Opened {
    pub(in super::super) fn replace(&self, new: &[u8], temp: &TempName) -> Result<Replaced, ReplaceError> {
        let name = OsStr::new(temp.as_str());
        let _unlocked = Unlocked::of(&self.dir, self.owner);
        let ours = write_temp(&self.dir, name, new, self.owner, Like::Old(self))?;
        at("take-lease")?;
        let mut lease = Lease::against_writers(&self.file, BRIEFLY);
        // until it is sure that ours stays in place, nobody gets to see it
        let mut put =
            Put { file: &ours.file, id: ours.id, bytes: new, veil: Some(Lease::against_all(&ours.file)) };
        at("compare")?;
        self.check_unchanged()?;
        let atomic = self.put_in_place(name)?;
        ours.settle();
        let (mut left, mut held) = (None, None);
        if atomic {
            match self.is_displaced(name, &mut lease) {
                Ok(true) => {}
                Ok(false) => return Err(self.undo(&mut put, name)),
                Err(fault) => return Err(self.undo_for(fault, &mut put, name)),
            }
            let unlinked = self.hold_by_twin(temp, &lease).and_then(|watch| {
                held = watch;
                unlink(&self.dir, name, "unlink-displaced")
            });
            left = unlinked.err().map(|_| temp.clone());
        }
        if left.is_none() && !self.stayed_the_same(&mut lease, held.as_ref()) {
            return Err(self.rescue(&mut put, held.as_ref()));
        }
        drop(put);
        drop(lease);
        let durable = sync_directory(&self.dir);
        if left.is_none() {
            self.keep_late_write(held.as_ref())?;
        }
        let stamp = self.stamp_of(&ours, new)?;
        let _ = at("done");
        Ok(Replaced { stamp, atomic, durable, left, group_kept: ours.group_kept })
    }

    pub(in super::super) fn remove(&self, temp: &TempName) -> Result<(), ReplaceError> {
        let name = OsStr::new(temp.as_str());
        let _unlocked = Unlocked::of(&self.dir, self.owner);
        at("take-lease")?;
        let mut lease = Lease::against_writers(&self.file, BRIEFLY);
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
        let held = match self.hold_by_twin(temp, &lease) {
            Ok(held) => unlink(&self.dir, name, "unlink-displaced").map(|()| held),
            Err(fault) => Err(fault),
        };
        let held = match held {
            Ok(held) => held,
            Err(fault) => return Err(self.back_to_empty_name(name, fault.into())),
        };
        if !self.stayed_the_same(&mut lease, held.as_ref()) {
            let rescued = self.write_rescued()?;
            let back = self.back_to_empty_name(OsStr::new(rescued.name.as_str()), ReplaceError::Changed);
            return Err(self.with_the_rest(back, &rescued, held.as_ref()));
        }
        drop(lease);
        sync_directory(&self.dir);
        self.keep_late_write(held.as_ref())?;
        let _ = at("done");
        Ok(())
    }

    pub(in super::super) fn reinstate(&self, leftover: &TempName) -> Result<(), ReplaceError> {
        let name = OsStr::new(leftover.as_str());
        let _unlocked = Unlocked::of(&self.dir, self.owner);
        judge(&stat(&self.dir, name)?, self.owner)?;
        self.check_unchanged()?;
        let id = (self.stamp.device, self.stamp.inode);
        let mut written = Put { file: &self.file, id, bytes: &self.bytes, veil: None };
        match self.undo(&mut written, name) {
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
    fn is_displaced(&self, temp: &OsStr, lease: &mut Lease<&File>) -> Result<bool, Fault> {
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
    fn stayed_the_same(&self, lease: &mut Lease<&File>, held: Option<&Watch>) -> bool {
        let _ = at("verify-unlinked");
        if let Some(watch) = held {
            // attack, and load: one who is stopped between the look-up and the lease. Mostly nobody is.
            watch.wait(LONGER, || lease.is_breaking());
        }
        if lease.is_whole() {
            return true;
        }
        if lease.is_breaking() {
            lease.let_writers_through(LONGER);
        }
        // what cannot be read cannot be put back either
        let same = holds(&self.file, &self.bytes).unwrap_or(true);
        if !same {
            // he may be in the middle of it: half of his write is not what is to come back
            lease.wait(LONGER);
        }
        same
    }

    /// A program may have looked the name up before the exchange, and come to open what it found only now: what it
    /// writes into the file without a name gets one. Where it can be known that nobody holds the file any more, this is
    /// the last word.
    fn keep_late_write(&self, held: Option<&Watch>) -> Result<(), ReplaceError> {
        self.wait_for_the_last(held);
        if holds(&self.file, &self.bytes).unwrap_or(true) {
            return Ok(());
        }
        Err(self.keep_copy(&self.file))
    }

    /// What our file is now. The displaced one is gone: a user who has already written has written after us, and nothing
    /// of what happened here is undone by that.
    fn stamp_of(&self, ours: &Ours<'_>, new: &[u8]) -> Result<Stamp, ReplaceError> {
        let changed = |_| ReplaceError::WrittenSince;
        let at_name =
            rustix::fs::statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW).map_err(changed)?;
        let now = rustix::fs::fstat(&ours.file).map_err(|_| ReplaceError::WrittenSince)?;
        let same = id(&at_name) == ours.id && holds(&ours.file, new).unwrap_or(false);
        if same { Ok(stamp(&now)) } else { Err(ReplaceError::WrittenSince) }
    }

    /// `None` where the file system cannot; the hook says so with the error that such a system gives.
    pub(super) fn exchange(&self, step: &'static str, temp: &OsStr) -> Result<Option<()>, Errno> {
        match at(step) {
            Err(Fault::Io(errno)) if errno == Errno::INVAL.raw_os_error() => Ok(None),
            Err(fault) => Err(Errno::from_raw_os_error(fault.errno().unwrap_or_default())),
            Ok(()) => system::exchange(&self.dir, temp, &self.name),
        }
    }

    /// A write came to the old file in the very moment when it lost its name: its bytes get one again.
    fn rescue(&self, put: &mut Put<'_>, held: Option<&Watch>) -> ReplaceError {
        match self.write_rescued() {
            Ok(rescued) => {
                let back = self.undo(put, OsStr::new(rescued.name.as_str()));
                self.with_the_rest(back, &rescued, held)
            }
            Err(fault) => fault.into(),
        }
    }

    fn write_rescued(&self) -> Result<Rescued, Fault> {
        at("rescue")?;
        let bytes = read_all(&self.file)?;
        Ok(Rescued { name: self.write_beside(&bytes)?, bytes })
    }

    /// He may have gone on writing while his bytes were put back: then all of them are kept beside.
    fn with_the_rest(&self, back: ReplaceError, rescued: &Rescued, held: Option<&Watch>) -> ReplaceError {
        self.wait_for_the_last(held);
        if holds(&self.file, &rescued.bytes).unwrap_or(true) { back } else { self.keep_copy(&self.file) }
    }

    fn wait_for_the_last(&self, held: Option<&Watch>) {
        // another of its names keeps what is written to it
        let is_nowhere = rustix::fs::fstat(&self.file).is_ok_and(|stat| links(&stat) == 0);
        if let Some(watch) = held.filter(|_| is_nowhere) {
            watch.wait(LATE, || false);
        }
    }

    /// Bytes of the user's that would have no name, in a new file beside.
    pub(super) fn write_beside(&self, bytes: &[u8]) -> Result<TempName, Fault> {
        let name = TempName::random()?;
        write_temp(&self.dir, OsStr::new(name.as_str()), bytes, self.owner, Like::Old(self))?.settle();
        Ok(name)
    }
}

/// The bytes of a file without a name, under a new one.
struct Rescued {
    name: TempName,
    bytes: Vec<u8>,
}

impl Home {
    pub(in super::super) fn create(
        &self,
        relative: &Path,
        bytes: &[u8],
        rights: Rights,
        temp: &TempName,
    ) -> Result<Replaced, ReplaceError> {
        let name = relative.file_name().ok_or(Fault::BadPath)?;
        let dir = self.walk_to_directory(relative.parent().ok_or(Fault::BadPath)?)?.fd;
        let _unlocked = Unlocked::of(&dir, self.owner);
        let ours = write_temp(&dir, OsStr::new(temp.as_str()), bytes, self.owner, Like::Rights(rights))?;
        at("exchange")?;
        match rename_new(&dir, ours.name, name) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(ReplaceError::Changed),
            Err(error) => return Err(refused(error).into()),
        }
        ours.settle();
        let durable = sync_directory(&dir);
        let stamp = stamp(&rustix::fs::fstat(&ours.file).map_err(refused)?);
        let _ = at("done");
        Ok(Replaced { stamp, atomic: true, durable, left: None, group_kept: ours.group_kept })
    }
}

/// What a new file may be used for.
#[derive(Clone, Copy)]
enum Like<'o> {
    /// As the one that it replaces.
    Old(&'o Opened),
    /// By its group and the numbers of its mode.
    Rights(Rights),
}

/// Writes a new file, first for its owner alone, and waits until it is on the disk.
fn write_temp<'d>(
    dir: &'d OwnedFd,
    name: &'d OsStr,
    bytes: &[u8],
    owner: u32,
    like: Like<'_>,
) -> Result<Ours<'d>, Fault> {
    at("create-temp")?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let private = Mode::RUSR | Mode::WUSR;
    let file = rustix::fs::openat(dir, name, flags, private).map(File::from).map_err(refused)?;
    let created = rustix::fs::fstat(&file).map_err(refused)?;
    let mut ours = Ours { dir, name, file, id: id(&created), group_kept: true, settled: Cell::new(false) };
    if created.st_uid != owner {
        // root writes for the owner only where no worker could be had: never by a path
        rustix::fs::fchown(&ours.file, Some(rustix::fs::Uid::from_raw(owner)), None).map_err(refused)?;
    }
    at("write-temp")?;
    (&ours.file).write_all(bytes).map_err(|error| write_fault(error.raw_os_error().unwrap_or_default()))?;
    at("copy-metadata")?;
    let rights = match like {
        Like::Old(old) => old.rights,
        Like::Rights(rights) => Some(rights),
    };
    let rights = rights.unwrap_or(Rights::PRIVATE);
    let mut mode = rights.mode & 0o777;
    if let Some(group) = rights.group {
        (mode, ours.group_kept) = give_group(&ours.file, group, mode)?;
    }
    match like {
        Like::Old(old) => system::copy_metadata(&old.file, &ours.file, mode)?,
        Like::Rights(_) => {
            rustix::fs::fchmod(&ours.file, Mode::from_raw_mode(mode as _)).map_err(refused)?;
        }
    }
    at("sync-temp")?;
    system::sync(&ours.file).map_err(refused)?;
    Ok(ours)
}

/// Renames to a name that nothing has yet.
pub(super) fn rename_new(dir: &OwnedFd, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
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

pub(super) fn read_all(file: &File) -> Result<Vec<u8>, Fault> {
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

pub(super) fn unlink(dir: &OwnedFd, name: &OsStr, step: &'static str) -> Result<(), Fault> {
    at(step)?;
    rustix::fs::unlinkat(dir, name, AtFlags::empty()).map_err(refused)
}

/// Whether the names in a directory are on the disk.
pub(super) fn sync_directory(dir: &OwnedFd) -> bool {
    at("sync-directory").is_ok() && system::sync_directory(dir).is_ok()
}

pub(super) fn stat(dir: &OwnedFd, name: &OsStr) -> Result<Stat, Fault> {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(read_fault)
}

pub(super) fn io_fault(error: &std::io::Error) -> Fault {
    Fault::Io(error.raw_os_error().unwrap_or_default())
}

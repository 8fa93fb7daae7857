//! macOS: one component at a time with `O_NOFOLLOW` (which `O_NOFOLLOW_ANY` would be for a whole path), exchange by
//! `RENAME_SWAP`, attributes and access lists by `fcopyfile`. There are no leases.

#![allow(unsafe_code, reason = "the state of `fcopyfile` is freed by hand")]

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::time::Duration;

use rustix::fs::{AtFlags, CopyfileFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::{Fault, id, read_fault, refused};

/// Never wait for a pipe, never become our terminal, never follow a link, never reach a child process.
pub(super) const PASS: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// File systems of this machine's own disks.
const LOCAL: &[&[u8]] = &[b"apfs", b"hfs"];

/// What stands at a name.
pub(super) enum Look {
    Directory(OwnedFd),
    Link(OsString),
    File(Handle, Stat),
    OtherMount,
}

/// Nothing can be held here without opening it; the numbers are compared once it is open.
pub(super) type Handle = ();

pub(super) fn look(dir: BorrowedFd<'_>, name: &OsStr, home_device: u64) -> Result<Look, Errno> {
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(dir, name, Vec::new())?;
            Ok(Look::Link(OsString::from_vec(target.into_bytes())))
        }
        // every volume has a device of its own
        _ if id(&stat).0 != home_device => Ok(Look::OtherMount),
        FileType::Directory => {
            let opened = rustix::fs::openat(dir, name, PASS | OFlags::DIRECTORY, Mode::empty())?;
            if id(&rustix::fs::fstat(&opened)?).0 != home_device {
                return Ok(Look::OtherMount);
            }
            Ok(Look::Directory(opened))
        }
        _ => Ok(Look::File((), stat)),
    }
}

pub(super) fn open_to_read(dir: &OwnedFd, name: &OsStr, (): Handle) -> Result<OwnedFd, Errno> {
    rustix::io::retry_on_intr(|| rustix::fs::openat(dir, name, PASS, Mode::empty()))
}

pub(super) fn check_file_system(home: &OwnedFd) -> Result<(), Fault> {
    let found = rustix::fs::fstatfs(home).map_err(read_fault)?;
    let name: Vec<u8> = found
        .f_fstypename
        .iter()
        .map(|letter| letter.cast_unsigned())
        .take_while(|byte| *byte != 0)
        .collect();
    if LOCAL.contains(&name.as_slice()) {
        return Ok(());
    }
    Err(Fault::UnsupportedFileSystem { kind: String::from_utf8_lossy(&name).into_owned() })
}

/// Gives two names each other's file, in one step. `None` where the file system cannot.
pub(super) fn exchange(dir: &OwnedFd, one: &OsStr, other: &OsStr) -> Result<Option<()>, Errno> {
    match rustix::fs::renameat_with(dir, one, dir, other, RenameFlags::EXCHANGE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(None),
        done => done.map(Some),
    }
}

/// To the disk's own cache; the full flush, which stops the whole disk, is for our own stores.
pub(super) fn sync(file: &File) -> Result<(), Errno> {
    rustix::fs::fsync(file)
}

pub(super) fn sync_directory(dir: &OwnedFd) -> Result<(), Errno> {
    rustix::fs::fsync(dir)
}

/// Gives a new file the attributes and the access list of another, as far as its owner may, and this mode.
pub(super) fn copy_metadata(from: &File, to: &File, mode: u32) -> Result<(), Fault> {
    let state = rustix::fs::copyfile_state_alloc().map_err(refused)?;
    // SAFETY: the state was allocated above and is freed below, once
    let copied = unsafe { rustix::fs::fcopyfile(from, to, state, CopyfileFlags::ACL | CopyfileFlags::XATTR) };
    // SAFETY: as above
    let freed = unsafe { rustix::fs::copyfile_state_free(state) };
    copied.and(freed).map_err(refused)?;
    rustix::fs::fchmod(to, Mode::from_raw_mode((mode & 0o777) as _)).map_err(refused)
}

/// What Linux offers; here it is never to be had, and the bytes are compared once more instead.
pub(super) struct Lease<F>(F);

/// Who came while a lease was held that lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(dead_code, reason = "without leases nothing is known")]
pub(super) enum Met {
    Nobody,
    Reader,
    Writer,
    Unknown,
}

impl<F> Lease<F> {
    pub(super) fn against_writers(file: F, _patience: Duration) -> Self {
        Self(file)
    }

    pub(super) fn against_all(file: F) -> Self {
        Self(file)
    }

    pub(super) fn file(&self) -> &F {
        &self.0
    }

    pub(super) fn wait(&mut self, _patience: Duration) {}

    pub(super) fn also_by(&self, _other: &std::fs::File) -> bool {
        true
    }

    pub(super) fn is_whole(&self) -> bool {
        false
    }

    pub(super) fn is_breaking(&self) -> bool {
        false
    }

    pub(super) fn met(&self) -> Met {
        Met::Unknown
    }

    pub(super) fn let_writers_through(&mut self, _patience: Duration) {}

    pub(super) fn release(&mut self) {}
}

/// What Linux offers, too.
pub(super) enum Watch {}

impl Watch {
    pub(super) const CAN: bool = false;

    pub(super) fn on(_file: &std::fs::File) -> Option<Self> {
        None
    }

    pub(super) fn wait(&self, _patience: Duration, _until: impl Fn() -> bool) {
        match *self {}
    }
}

pub(super) fn take_the_place(_file: &std::fs::File, _other: &std::fs::File) -> bool {
    false
}

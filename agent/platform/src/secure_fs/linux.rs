//! Linux: handles that open nothing (`O_PATH`), one-component look-ups that refuse mounts, exchange of two names,
//! attributes.

#[path = "lease.rs"]
mod lease;
#[path = "watch.rs"]
mod watch;

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;

use rustix::fs::{CWD, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Stat, XattrFlags};
use rustix::io::Errno;

pub(super) use lease::{Lease, Met};
pub(super) use watch::{Watch, take_the_place};

use super::{Fault, id, read_fault, refused};

/// A handle to a directory or file itself, which opens neither.
pub(super) const PASS: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// File systems of this machine's own disks, which exchange names or at least rename in one step.
const LOCAL: &[(u64, &str)] = &[
    (0xEF53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683E, "btrfs"),
    (0x0102_1994, "tmpfs"),
    (0x794C_7630, "overlay"),
    (0xF2F5_2010, "f2fs"),
    (0x2FC1_2FC1, "zfs"),
    (0xCA45_1A4E, "bcachefs"),
    (0x3153_464A, "jfs"),
    (0x5265_4973, "reiserfs"),
    (0xF15F, "ecryptfs"),
];
/// Those of which the name is worth telling.
const REFUSED: &[(u64, &str)] = &[
    (0x6969, "nfs"),
    (0xFF53_4D42, "cifs"),
    (0xFE53_4D42, "smb"),
    (0x6573_5546, "fuse"),
    (0x0102_1997, "9p"),
    (0x00C3_6400, "ceph"),
    (0x5346_414F, "afs"),
    (0x4D44, "vfat"),
    (0x2011_BAB0, "exfat"),
    (0x9FA0, "proc"),
];

/// What stands at a name.
pub(super) enum Look {
    Directory(OwnedFd),
    Link(OsString),
    File(Handle, Stat),
    OtherMount,
}

/// A file that was looked at.
pub(super) type Handle = OwnedFd;

pub(super) fn look(dir: BorrowedFd<'_>, name: &OsStr, home_device: u64) -> Result<Look, Errno> {
    let (handle, checked) = match pass(dir, name) {
        Err(Errno::XDEV) => return Ok(Look::OtherMount),
        opened => opened?,
    };
    let stat = rustix::fs::fstat(&handle)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(&handle, c"", Vec::new())?;
            Ok(Look::Link(OsString::from_vec(target.into_bytes())))
        }
        // the kernel could not be asked; a directory of another device is all that can be seen then
        FileType::Directory if !checked && id(&stat).0 != home_device => Ok(Look::OtherMount),
        FileType::Directory => Ok(Look::Directory(handle)),
        _ => Ok(Look::File(handle, stat)),
    }
}

/// Whether the kernel saw to it that no mount is crossed; it knows how to since 5.6.
fn pass(dir: BorrowedFd<'_>, name: &OsStr) -> Result<(OwnedFd, bool), Errno> {
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    match rustix::io::retry_on_intr(|| rustix::fs::openat2(dir, name, PASS, Mode::empty(), resolve)) {
        // an older kernel, or a sandbox that refuses what it does not know
        Err(Errno::NOSYS | Errno::PERM) => Ok((rustix::fs::openat(dir, name, PASS, Mode::empty())?, false)),
        // a rename somewhere on the machine made the kernel unsure: it never goes up here, so ask again
        Err(Errno::AGAIN) => Ok((rustix::fs::openat2(dir, name, PASS, Mode::empty(), resolve)?, true)),
        opened => Ok((opened?, true)),
    }
}

/// Opens for reading the very file that was looked at, whatever its name leads to by now: no device's driver is ever
/// woken, no pipe waited for.
pub(super) fn open_to_read(dir: &OwnedFd, name: &OsStr, handle: Handle) -> Result<OwnedFd, Errno> {
    let link = format!("/proc/self/fd/{}", handle.as_raw_fd());
    let open = |flags| rustix::io::retry_on_intr(|| rustix::fs::openat(CWD, &*link, flags, Mode::empty()));
    let opened = match open(READ | OFlags::NOATIME) {
        // the right to leave the time of access alone is the owner's
        Err(Errno::PERM) => open(READ),
        opened => opened,
    };
    match opened {
        // no /proc, as in an image that is being built: by the name, and the caller compares numbers
        Err(Errno::NOENT | Errno::NOTDIR) => {
            rustix::fs::openat(dir, name, READ | OFlags::NOFOLLOW, Mode::empty())
        }
        opened => opened,
    }
}

pub(super) fn check_file_system(home: &OwnedFd) -> Result<(), Fault> {
    let found = rustix::fs::fstatfs(home).map_err(read_fault)?;
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        reason = "the width differs between processors"
    )]
    let number = found.f_type as u64 & 0xFFFF_FFFF;
    if LOCAL.iter().any(|(local, _)| *local == number) {
        return Ok(());
    }
    let name = REFUSED.iter().find(|(refused, _)| *refused == number).map(|(_, name)| (*name).to_owned());
    Err(Fault::UnsupportedFileSystem { kind: name.unwrap_or_else(|| format!("{number:#x}")) })
}

/// Gives two names each other's file, in one step. `None` where the file system cannot.
pub(super) fn exchange(dir: &OwnedFd, one: &OsStr, other: &OsStr) -> Result<Option<()>, Errno> {
    match rustix::fs::renameat_with(dir, one, dir, other, RenameFlags::EXCHANGE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(None),
        done => done.map(Some),
    }
}

pub(super) fn sync(file: &File) -> Result<(), Errno> {
    rustix::fs::fsync(file)
}

/// The directory's handle opens nothing, so it is opened for this.
pub(super) fn sync_directory(dir: &OwnedFd) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::fsync(rustix::fs::openat(dir, c".", flags, Mode::empty())?)
}

const ACL: &CStr = c"system.posix_acl_access";

/// Gives a new file the attributes and the access list of another, as far as its owner may, and this mode.
///
/// Security labels are left as the directory gave them: to set one by a user's file's word is how a privileged edit
/// relabels what the user chose.
pub(super) fn copy_metadata(from: &File, to: &File, mode: u32) -> Result<(), Fault> {
    let mut has_acl = false;
    for name in attributes(from)? {
        let copied = name.to_bytes().starts_with(b"user.") || name.as_ref() == ACL;
        if !copied {
            continue;
        }
        has_acl |= name.as_ref() == ACL;
        if let Some(value) = attribute(from, &name)? {
            rustix::fs::fsetxattr(to, &*name, &value, XattrFlags::empty()).map_err(refused)?;
        }
    }
    if !has_acl {
        // the directory may have given it one
        match rustix::fs::fremovexattr(to, ACL) {
            Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(error) => return Err(refused(error)),
        }
    }
    rustix::fs::fchmod(to, Mode::from_raw_mode(mode)).map_err(refused)
}

/// More attributes than the kernel can list are not to be had.
const MAX_ATTRIBUTES: usize = 64 << 10;

fn attributes(file: &File) -> Result<Vec<std::ffi::CString>, Fault> {
    let mut list = Vec::with_capacity(1024);
    loop {
        match rustix::fs::flistxattr(file, rustix::buffer::spare_capacity(&mut list)) {
            Ok(_) => break,
            Err(Errno::RANGE) if list.capacity() < MAX_ATTRIBUTES => {
                list = Vec::with_capacity(MAX_ATTRIBUTES);
            }
            // none on this file system
            Err(Errno::NOTSUP) => return Ok(Vec::new()),
            Err(error) => return Err(read_fault(error)),
        }
    }
    let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.filter_map(|name| std::ffi::CString::new(name).ok()).collect())
}

/// Nothing where it went meanwhile.
fn attribute(file: &File, name: &CStr) -> Result<Option<Vec<u8>>, Fault> {
    let mut value = Vec::with_capacity(1024);
    loop {
        match rustix::fs::fgetxattr(file, name, rustix::buffer::spare_capacity(&mut value)) {
            Ok(_) => return Ok(Some(value)),
            Err(Errno::RANGE) if value.capacity() <= MAX_ATTRIBUTES => {
                value = Vec::with_capacity(MAX_ATTRIBUTES + 1);
            }
            Err(Errno::NODATA) => return Ok(None),
            Err(error) => return Err(read_fault(error)),
        }
    }
}

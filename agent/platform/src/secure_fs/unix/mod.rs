//! Linux and macOS: what is common to them. What only one of them has stands in `linux.rs` and `macos.rs`.

mod leftovers;
mod lock;
mod replace;
mod rewrite;
mod rights;
mod twin;
mod undo;
mod unlock;
mod walk;

#[cfg(target_os = "linux")]
#[path = "../linux.rs"]
mod system;
#[cfg(target_os = "macos")]
#[path = "../macos.rs"]
mod system;

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

pub(super) use lock::LockDir;

use super::fault::Fault;
use super::{Rights, Stamp};
use crate::machine::FileKind;

/// How often a read begins anew when the file is replaced or written under it.
const MAX_READS: usize = 8;
const CHUNK: usize = 64 << 10;

/// A file, wherever its name goes: no other gets its numbers while a handle is open.
type Id = (u64, u64);

#[derive(Debug)]
pub(super) struct Home {
    fd: OwnedFd,
    owner: u32,
    device: u64,
    /// The path that was given and the one without links in it: an absolute link below either stays in the home.
    paths: [PathBuf; 2],
}

pub(super) struct Opened {
    /// The directory that holds it, links resolved.
    dir: OwnedFd,
    name: OsString,
    file: File,
    owner: u32,
    pub(super) names: u64,
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
    pub(super) stamp: Stamp,
    pub(super) rights: Option<Rights>,
}

impl Home {
    pub(super) fn open(host_path: &Path, uid: Option<u32>) -> Result<Self, Fault> {
        if !host_path.is_absolute() {
            return Err(Fault::BadPath);
        }
        // the path is the system's word, of its list of users: its links are followed, once, here
        let flags = system::PASS.difference(OFlags::NOFOLLOW) | OFlags::DIRECTORY;
        let fd = match again(|| rustix::fs::openat(rustix::fs::CWD, host_path, flags, Mode::empty())) {
            Err(Errno::NOTDIR) => return Err(not_a_directory(host_path)),
            opened => opened.map_err(read_fault)?,
        };
        let stat = rustix::fs::fstat(&fd).map_err(read_fault)?;
        if let Some(uid) = uid
            && stat.st_uid != uid
        {
            return Err(Fault::ForeignOwner { uid: stat.st_uid });
        }
        if mode(&stat) & 0o022 != 0 {
            return Err(Fault::WritableByOthers);
        }
        system::check_file_system(&fd)?;
        let real = std::fs::canonicalize(host_path).unwrap_or_else(|_| host_path.to_owned());
        let device = id(&stat).0;
        Ok(Self { fd, owner: stat.st_uid, device, paths: [host_path.to_owned(), real] })
    }

    // `Option` for Windows, which has no numbers
    #[expect(clippy::unnecessary_wraps, reason = "on Windows there is no number")]
    pub(super) fn owner(&self) -> Option<u32> {
        Some(self.owner)
    }

    pub(super) fn make_directory(&self, relative: &Path) -> Result<(), Fault> {
        let mut way = PathBuf::new();
        for component in relative.components() {
            let above = self.walk_to_directory(&way)?;
            way.push(component);
            match self.walk_to_directory(&way) {
                Err(Fault::NotFound) => {}
                there => {
                    there?;
                    continue;
                }
            }
            let name = component.as_os_str();
            match rustix::fs::mkdirat(&above.fd, name, Mode::from_raw_mode(0o700)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(refused(error)),
            }
        }
        self.walk_to_directory(relative).map(drop)
    }

    pub(super) fn open_file(&self, relative: &Path, max_bytes: u64) -> Result<Opened, Fault> {
        for _ in 0..MAX_READS {
            if let Some(opened) = self.try_open(relative, max_bytes)? {
                return Ok(opened);
            }
        }
        Err(Fault::Unstable)
    }

    /// Nothing where somebody replaced or wrote the file while it was read.
    fn try_open(&self, relative: &Path, max_bytes: u64) -> Result<Option<Opened>, Fault> {
        let found = self.walk_to_file(relative)?;
        judge(&found.stat, self.owner)?;
        if length(&found.stat) > max_bytes {
            return Err(Fault::TooLarge { bytes: length(&found.stat) });
        }
        let file = match system::open_to_read(&found.dir, &found.name, found.handle) {
            Ok(fd) => File::from(fd),
            // the name is another's by now
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::STALE) => return Ok(None),
            Err(error) => return Err(read_fault(error)),
        };
        let before = rustix::fs::fstat(&file).map_err(read_fault)?;
        if stamp(&before) != stamp(&found.stat) || links(&before) == 0 {
            return Ok(None);
        }
        let bytes = read_at_most(&file, length(&before), max_bytes)?;
        let after = rustix::fs::fstat(&file).map_err(read_fault)?;
        if stamp(&after) != stamp(&before) || bytes.len() as u64 != length(&after) {
            return Ok(None);
        }
        Ok(Some(Opened {
            dir: found.dir,
            name: found.name,
            path: found.path,
            owner: self.owner,
            names: links(&after),
            stamp: stamp(&after),
            rights: Some(Rights { mode: mode(&after), group: Some(after.st_gid) }),
            file,
            bytes,
        }))
    }
}

/// A regular file of the owner's. Attack: a second name for a file of somebody else's, which its owner is told by; how
/// many names it has is no matter, for nothing is written through any of them.
fn judge(stat: &Stat, owner: u32) -> Result<(), Fault> {
    match kind(stat) {
        FileKind::File => {}
        kind => return Err(Fault::NotRegular(kind)),
    }
    if stat.st_uid != owner {
        return Err(Fault::ForeignOwner { uid: stat.st_uid });
    }
    Ok(())
}

fn not_a_directory(path: &Path) -> Fault {
    match std::fs::metadata(path) {
        Ok(metadata) => Fault::NotRegular(FileKind::of(metadata.file_type())),
        Err(_) => Fault::NotFound,
    }
}

fn read_at_most(file: &File, length: u64, max_bytes: u64) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0).saturating_add(1));
    let read = file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| Fault::Io(error.raw_os_error().unwrap_or_default()))?;
    match bytes.len() as u64 {
        read if read > max_bytes => Err(Fault::TooLarge { bytes: read }),
        _ => Ok(bytes),
    }
}

/// Whether an open file holds exactly these bytes. Reads no more than them and one.
fn holds(file: &File, expected: &[u8]) -> std::io::Result<bool> {
    let mut buffer = vec![0_u8; CHUNK.min(expected.len() + 1)];
    let mut done = 0;
    loop {
        match file.read_at(&mut buffer, done as u64) {
            Ok(0) => return Ok(done == expected.len()),
            Ok(count) => {
                if expected.get(done..done + count) != buffer.get(..count) {
                    return Ok(false);
                }
                done += count;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "the widths differ between systems")]
fn id(stat: &Stat) -> Id {
    (stat.st_dev as u64, stat.st_ino as u64)
}

#[allow(clippy::useless_conversion, reason = "the widths differ between systems")]
fn links(stat: &Stat) -> u64 {
    u64::from(stat.st_nlink)
}

/// The permission bits.
#[allow(clippy::useless_conversion, reason = "the widths differ between systems")]
fn mode(stat: &Stat) -> u32 {
    u32::from(stat.st_mode) & 0o777
}

fn length(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

#[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "the widths differ between systems")]
fn stamp(stat: &Stat) -> Stamp {
    let (device, inode) = id(stat);
    Stamp {
        device,
        inode,
        length: length(stat),
        modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
        changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
    }
}

fn kind(stat: &Stat) -> FileKind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        FileType::Fifo => FileKind::Fifo,
        FileType::Socket => FileKind::Socket,
        FileType::CharacterDevice | FileType::BlockDevice => FileKind::Device,
        _ => FileKind::Other,
    }
}

fn read_fault(error: Errno) -> Fault {
    match error {
        Errno::NOENT | Errno::NOTDIR => Fault::NotFound,
        Errno::LOOP => Fault::Loop,
        Errno::XDEV => Fault::OtherMount,
        Errno::ACCESS | Errno::PERM => Fault::Denied(error.raw_os_error()),
        Errno::AGAIN => Fault::InUse,
        Errno::INVAL | Errno::NAMETOOLONG | Errno::ILSEQ => Fault::BadPath,
        _ => Fault::Io(error.raw_os_error()),
    }
}

/// What a number of the system means for a write.
pub(super) fn write_fault(errno: i32) -> Fault {
    match Errno::from_raw_os_error(errno) {
        Errno::NOENT | Errno::NOTDIR => Fault::NotFound,
        Errno::ROFS | Errno::ACCESS | Errno::PERM => Fault::ReadOnly(errno),
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => Fault::NoSpace(errno),
        _ => Fault::Io(errno),
    }
}

fn refused(error: Errno) -> Fault {
    write_fault(error.raw_os_error())
}

fn again<T>(call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    rustix::io::retry_on_intr(call)
}

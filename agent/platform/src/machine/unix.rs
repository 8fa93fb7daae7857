//! Opening on Linux and macOS, on the resolved path and without following any link on the way.
//!
//! Between resolving and opening, the user may swap a directory for a link. So the kernel is told to refuse links in
//! every component, or each directory is opened in turn.

use std::ffi::OsStr;
use std::fs::{File, FileType, Metadata};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType as RawType, Mode, OFlags};
use rustix::io::Errno;

use super::{Account, Attempt, DirEntry, FileKind, HandleFacts, ReadError};

/// Never wait for a pipe or a lease, never become our terminal, never follow a link, never reach a child process.
pub(super) const READ_FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
pub(super) const READ_DIR: OFlags = READ_FILE.union(OFlags::DIRECTORY);
/// A directory that is only passed through: needs no right to list it.
#[cfg(target_os = "linux")]
const PASS_DIR: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const PASS_DIR: OFlags = READ_DIR.union(OFlags::from_bits_retain(DARWIN_O_EXEC));
/// With `O_DIRECTORY` it is `O_SEARCH`, which rustix does not name.
#[cfg(not(target_os = "linux"))]
const DARWIN_O_EXEC: u32 = 0x4000_0000;

/// Where the walk of a path begins.
pub(super) fn top(_path: &Path, _live: bool) -> Result<PathBuf, ReadError> {
    Ok(PathBuf::from("/"))
}

/// Where the walk goes on after an absolute link.
pub(super) fn top_of_link(_target: &Path, _at: &Path, _live: bool) -> Result<PathBuf, ReadError> {
    Ok(PathBuf::from("/"))
}

/// Every name is a name here.
pub(super) fn check_name(_name: &OsStr) -> Result<(), ReadError> {
    Ok(())
}

pub(super) fn is_below(path: &Path, dir: &Path) -> bool {
    path.starts_with(dir)
}

pub(super) fn special_kind(file_type: FileType) -> FileKind {
    if file_type.is_fifo() {
        FileKind::Fifo
    } else if file_type.is_socket() {
        FileKind::Socket
    } else if file_type.is_char_device() || file_type.is_block_device() {
        FileKind::Device
    } else {
        FileKind::Other
    }
}

pub(super) fn owner_uid(metadata: &Metadata) -> Option<u32> {
    Some(metadata.uid())
}

/// Whether two looks were at one file.
pub(super) fn same_file(one: &Metadata, other: &Metadata) -> bool {
    one.dev() == other.dev() && one.ino() == other.ino()
}

/// Modes say who may write.
pub(super) const HAS_MODES: bool = true;

/// Whether anybody may run it as a program; what the search of a `PATH` passes over is not.
pub(super) fn is_executable(metadata: &Metadata) -> bool {
    metadata.mode() & 0o111 != 0
}

/// Whether a user may change a file or the names in a directory: its owner always may, since he can change the mode.
/// Of root it is asked whether anybody else may.
pub(super) fn may_change(metadata: &Metadata, user: &Account) -> bool {
    let mode = metadata.mode();
    let is_root = user.uid == Some(0);
    let owns = if is_root { metadata.uid() != 0 } else { user.uid == Some(metadata.uid()) };
    let group = user.gids.contains(&metadata.gid()) && !(is_root && metadata.gid() == 0);
    owns || mode & 0o002 != 0 || (group && mode & 0o020 != 0)
}

/// Whether a user who may change a directory may put something else in the place of what is in it: in a sticky one
/// (`/tmp`) only its owner and the owner of the thing may.
pub(super) fn may_replace(directory: &Metadata, inside: &Metadata, user: &Account) -> bool {
    let sticky = directory.mode() & 0o1000 != 0;
    let owns = |metadata: &Metadata| match user.uid {
        Some(0) => metadata.uid() != 0,
        uid => uid == Some(metadata.uid()),
    };
    may_change(directory, user) && (!sticky || owns(directory) || owns(inside))
}

/// Whether this process has the rights of that user and no others.
pub(super) fn runs_as(uid: Option<u32>) -> bool {
    uid == Some(rustix::process::geteuid().as_raw())
}

/// The handle was opened on this very path, without links: no other answer is possible.
pub(super) fn real_path(_root: Option<&Path>, _file: &File, resolved: PathBuf) -> PathBuf {
    resolved
}

/// A directory has one path without links.
pub(super) fn real_directory(_root: Option<&Path>, _resolved: &Path) -> Option<PathBuf> {
    None
}

pub(super) fn is_same(seen: &Metadata, opened: &HandleFacts) -> bool {
    seen.dev() == opened.device && seen.ino() == opened.inode
}

pub(super) fn facts(file: &File) -> Result<HandleFacts, ReadError> {
    let metadata = file.metadata().map_err(|error| ReadError::of(&error))?;
    Ok(HandleFacts {
        kind: FileKind::of(metadata.file_type()),
        length: metadata.len(),
        device: metadata.dev(),
        inode: metadata.ino(),
        links: metadata.nlink(),
        owner_uid: Some(metadata.uid()),
        readable_by_all: metadata.mode() & 0o004 != 0,
        writable_by_others: metadata.mode() & 0o022 != 0,
    })
}

pub(super) fn open_file(root: Option<&Path>, path: &Path) -> Result<File, Attempt> {
    match open(root, path, READ_FILE) {
        Ok(handle) => Ok(File::from(handle)),
        // what was resolved a moment ago is gone, or is a link or a socket now
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO | Errno::XDEV) => Err(Attempt::Changed),
        Err(error) => Err(ReadError::of(&error.into()).into()),
    }
}

pub(super) fn list(root: Option<&Path>, path: &Path, max_names: usize) -> Result<Vec<DirEntry>, ReadError> {
    let failed = |error: Errno| ReadError::of(&error.into());
    let handle = open(root, path, READ_DIR).map_err(failed)?;
    let mut entries = Vec::new();
    let dir = Dir::read_from(&handle).map_err(failed)?;
    for entry in dir {
        let entry = entry.map_err(failed)?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        if entries.len() == max_names {
            return Err(ReadError::TooLarge { bytes: max_names as u64 });
        }
        entries
            .push(DirEntry { name: name.to_owned(), kind: kind_of_entry(&handle, name, entry.file_type()) });
    }
    Ok(entries)
}

fn kind_of_entry(dir: &OwnedFd, name: &OsStr, told: RawType) -> FileKind {
    let raw = match told {
        // some file systems do not say it in the listing
        RawType::Unknown => rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_or(RawType::Unknown, |stat| RawType::from_raw_mode(stat.st_mode)),
        told => told,
    };
    match raw {
        RawType::RegularFile => FileKind::File,
        RawType::Directory => FileKind::Directory,
        RawType::Symlink => FileKind::Symlink,
        RawType::Fifo => FileKind::Fifo,
        RawType::Socket => FileKind::Socket,
        RawType::CharacterDevice | RawType::BlockDevice => FileKind::Device,
        _ => FileKind::Other,
    }
}

/// Opens a path of the machine that has no links in it; a link that has come since makes it fail.
fn open(root: Option<&Path>, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let root = root.unwrap_or(Path::new("/"));
    let root = again(|| rustix::fs::openat(CWD, root, PASS_DIR.difference(OFlags::NOFOLLOW), Mode::empty()))?;
    #[cfg(target_os = "linux")]
    match open_at_once(&root, path, flags) {
        // kernels before 5.6, and sandboxes that refuse what they do not know
        Err(Errno::NOSYS | Errno::PERM) => {}
        done => return done,
    }
    open_step_by_step(root, path, flags)
}

#[cfg(target_os = "linux")]
fn open_at_once(root: &OwnedFd, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    use rustix::fs::ResolveFlags;
    let below = path.strip_prefix("/").unwrap_or(path);
    let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    again(|| rustix::fs::openat2(root, below, flags, Mode::empty(), resolve))
}

/// Opens each directory in turn, none of them through a link.
pub(super) fn open_step_by_step(root: OwnedFd, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    let Some(mut name) = names.next() else {
        return again(|| rustix::fs::openat(&root, ".", flags, Mode::empty()));
    };
    let mut dir = root;
    for next in names {
        dir = again(|| rustix::fs::openat(&dir, name, PASS_DIR, Mode::empty()))?;
        name = next;
    }
    again(|| rustix::fs::openat(&dir, name, flags, Mode::empty()))
}

fn again<T>(call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    rustix::io::retry_on_intr(call)
}

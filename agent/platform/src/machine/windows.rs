//! Opening on Windows. Links (symbolic links and junctions) are followed by the walk, never by the system: a link to
//! another server would send it proof of our account's password before we could say no.

#![allow(unsafe_code, reason = "std tells neither a handle's file number nor its final path")]

use std::ffi::{OsStr, OsString};
use std::fs::{File, FileType, Metadata, OpenOptions};
use std::mem::MaybeUninit;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::{Component, Path, PathBuf, Prefix};

use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_NAME_NORMALIZED, FILE_READ_ATTRIBUTES, FILE_TYPE_DISK, GetFileInformationByHandle, GetFileType,
    GetFinalPathNameByHandleW, VOLUME_NAME_DOS,
};

use super::windows_names::{BadName, is_wsl_server, judge};
use super::{Account, Attempt, DirEntry, FileKind, HandleFacts, ReadError};

/// A drive, or the share of a WSL distribution. In a folder taken as a machine, its top.
pub(super) fn top(path: &Path, live: bool) -> Result<PathBuf, ReadError> {
    if !live {
        return Ok(PathBuf::from("\\"));
    }
    let refused = || ReadError::LeavesScope { target: path.to_owned() };
    let Some(Component::Prefix(prefix)) = path.components().next() else { return Err(refused()) };
    match prefix.kind() {
        Prefix::Disk(letter) | Prefix::VerbatimDisk(letter) if path.has_root() => {
            Ok(PathBuf::from(format!("{}:\\", char::from(letter.to_ascii_uppercase()))))
        }
        Prefix::UNC(server, share) | Prefix::VerbatimUNC(server, share)
            if server.to_str().is_some_and(is_wsl_server) =>
        {
            let mut top = OsString::from("\\\\");
            top.push(server);
            top.push("\\");
            top.push(share);
            top.push("\\");
            Ok(PathBuf::from(top))
        }
        _ => Err(refused()),
    }
}

/// A link without a drive stays on the drive it is on.
pub(super) fn top_of_link(target: &Path, at: &Path, live: bool) -> Result<PathBuf, ReadError> {
    let has_drive = matches!(target.components().next(), Some(Component::Prefix(_)));
    top(if has_drive { target } else { at }, live)
}

/// Streams and device names are no files.
pub(crate) fn check_name(name: &OsStr) -> Result<(), ReadError> {
    // what is not Unicode holds no colon and is no device
    match judge(&name.to_string_lossy()) {
        Ok(()) => Ok(()),
        Err(BadName::Stream) => Err(ReadError::NotRegular(FileKind::Other)),
        Err(BadName::Device) => Err(ReadError::NotRegular(FileKind::Device)),
    }
}

/// By components, without regard to case, as the file system has it.
pub(crate) fn is_below(path: &Path, dir: &Path) -> bool {
    let mut below = path.components();
    dir.components().all(|wanted| {
        below.next().is_some_and(|found| {
            let (found, wanted) = (found.as_os_str().to_string_lossy(), wanted.as_os_str().to_string_lossy());
            found.to_lowercase() == wanted.to_lowercase()
        })
    })
}

pub(super) fn special_kind(_file_type: FileType) -> FileKind {
    FileKind::Other
}

pub(super) fn owner_uid(_metadata: &Metadata) -> Option<u32> {
    None
}

/// `Metadata` has no numbers here, so it cannot be told.
pub(super) fn same_file(_one: &Metadata, _other: &Metadata) -> bool {
    false
}

/// Access lists are not read yet; the place must do.
pub(super) const HAS_MODES: bool = false;

/// Every file may be started; the ending says what with.
pub(super) fn is_executable(_metadata: &Metadata) -> bool {
    true
}

pub(super) fn may_change(_metadata: &Metadata, _user: &Account) -> bool {
    true
}

pub(super) fn may_replace(_directory: &Metadata, _inside: &Metadata, _user: &Account) -> bool {
    true
}

/// Whether this process can read no more than its user.
pub(super) fn runs_as(_uid: Option<u32>) -> bool {
    !crate::users::is_privileged()
}

/// Without numbers in `Metadata`, the length and times must do; the final path is judged besides.
pub(super) fn is_same(seen: &Metadata, opened: &HandleFacts) -> bool {
    seen.len() == opened.length
}

pub(super) fn facts(file: &File) -> Result<HandleFacts, ReadError> {
    let metadata = file.metadata().map_err(|error| ReadError::of(&error))?;
    let information = information(file).map_err(|error| ReadError::of(&error))?;
    Ok(HandleFacts {
        kind: FileKind::of(metadata.file_type()),
        length: metadata.len(),
        device: u64::from(information.dwVolumeSerialNumber),
        inode: (u64::from(information.nFileIndexHigh) << 32) | u64::from(information.nFileIndexLow),
        links: u64::from(information.nNumberOfLinks),
        owner_uid: None,
        // access lists are not read: a file outside the home counts as one that the user may not read
        readable_by_all: false,
        writable_by_others: false,
    })
}

pub(super) fn open_file(root: Option<&Path>, path: &Path) -> Result<File, Attempt> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Attempt::Changed,
        _ => Attempt::Failed(ReadError::of(&error)),
    };
    let mut options = OpenOptions::new();
    // a link that has come since is opened itself, and its handle is no regular file
    let file = options
        .read(true)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
        .open(host(root, path))
        .map_err(failed)?;
    // SAFETY: the handle is open as long as `file` lives
    if unsafe { GetFileType(file.as_raw_handle()) } != FILE_TYPE_DISK {
        return Err(ReadError::NotRegular(FileKind::Device).into());
    }
    Ok(file)
}

/// Where the open file really is. A directory on the way may have become a link since the walk: this sees through it.
pub(super) fn real_path(root: Option<&Path>, file: &File, resolved: PathBuf) -> PathBuf {
    // in a folder the path on the host says nothing, and nobody is at work there
    if root.is_some() {
        return resolved;
    }
    final_path(file).map_or(resolved, |path| strip_verbatim(&path))
}

/// The system's own name for a directory, with short names (`RUNNER~1`) written out.
pub(super) fn real_directory(root: Option<&Path>, resolved: &Path) -> Option<PathBuf> {
    if root.is_some() {
        return None;
    }
    let dir = open_for_facts(resolved).ok()?;
    final_path(&dir).map(|path| strip_verbatim(&path))
}

pub(super) fn list(root: Option<&Path>, path: &Path, max_names: usize) -> Result<Vec<DirEntry>, ReadError> {
    let failed = |error: std::io::Error| ReadError::of(&error);
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(host(root, path)).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entries.len() == max_names {
            return Err(ReadError::TooLarge { bytes: max_names as u64 });
        }
        let kind = FileKind::of(entry.file_type().map_err(failed)?);
        entries.push(DirEntry { name: entry.file_name(), kind });
    }
    Ok(entries)
}

/// The number of the volume that a path is on; a link is not followed.
pub(crate) fn device_of(path: &Path) -> Option<u64> {
    let handle = open_for_facts(path).ok()?;
    information(&handle).ok().map(|information| u64::from(information.dwVolumeSerialNumber))
}

/// A handle that can be asked, not read.
fn open_for_facts(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    // directories open only with backup semantics
    options
        .access_mode(FILE_READ_ATTRIBUTES)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT);
    options.open(path)
}

fn host(root: Option<&Path>, path: &Path) -> PathBuf {
    match root {
        Some(root) => root.join(path.strip_prefix("\\").unwrap_or(path)),
        None => path.to_owned(),
    }
}

pub(crate) fn information(file: &File) -> std::io::Result<BY_HANDLE_FILE_INFORMATION> {
    let mut information = MaybeUninit::<BY_HANDLE_FILE_INFORMATION>::zeroed();
    // SAFETY: the handle is open as long as `file` lives, and the pointer is to memory of the right size
    if unsafe { GetFileInformationByHandle(file.as_raw_handle(), information.as_mut_ptr()) } == 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the structure is plain numbers, so that zeroes are valid, and the call has filled it
    Ok(unsafe { information.assume_init() })
}

pub(crate) fn final_path(file: &File) -> Option<PathBuf> {
    let mut buffer = vec![0_u16; 1024];
    loop {
        let length = u32::try_from(buffer.len()).ok()?;
        // SAFETY: the handle is open as long as `file` lives; the buffer has the length that is told
        let written = unsafe {
            GetFinalPathNameByHandleW(
                file.as_raw_handle(),
                buffer.as_mut_ptr(),
                length,
                FILE_NAME_NORMALIZED | VOLUME_NAME_DOS,
            )
        };
        let written = usize::try_from(written).ok().filter(|written| *written > 0)?;
        if let Some(path) = buffer.get(..written) {
            return Some(PathBuf::from(OsString::from_wide(path)));
        }
        // too small: it has told the size it needs
        buffer.resize(written, 0);
    }
}

/// `\\?\C:\x` as `C:\x`, so that it compares with other paths.
fn strip_verbatim(path: &Path) -> PathBuf {
    let mut components = path.components();
    let Some(Component::Prefix(prefix)) = components.next() else { return path.to_owned() };
    match prefix.kind() {
        Prefix::VerbatimDisk(letter) => Path::new(&format!("{}:\\", char::from(letter.to_ascii_uppercase())))
            .join(relative(components.as_path())),
        Prefix::VerbatimUNC(server, share) => {
            let mut top = OsString::from("\\\\");
            top.push(server);
            top.push("\\");
            top.push(share);
            top.push("\\");
            PathBuf::from(top).join(relative(components.as_path()))
        }
        _ => path.to_owned(),
    }
}

fn relative(path: &Path) -> &Path {
    path.strip_prefix("\\").unwrap_or(path)
}

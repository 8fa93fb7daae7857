//! Windows. A file is held without sharing writes from the last look at it until the new one has its name, so that
//! nobody can write it in between; the directories on its way are held without sharing their names, so that a path
//! means the same throughout. Links and junctions are not followed, not even inside the home.
//!
//! Only compiled so far, never run on Windows (docs/platforms.md).

#![allow(unsafe_code, reason = "std moves no file to a new name only, and copies no access list")]

use std::ffi::{OsStr, OsString, c_void};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::os::windows::io::AsRawHandle as _;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use windows_sys::Win32::Foundation::{GENERIC_READ, GENERIC_WRITE};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GetKernelObjectSecurity, SetKernelObjectSecurity,
};
use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_ATTRIBUTE_REPARSE_POINT, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_READ_ATTRIBUTES, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_WRITE_ATTRIBUTES,
    GetVolumeInformationByHandleW, MoveFileExW, WRITE_DAC,
};

use super::failpoint::at;
use super::fault::{Fault, ReplaceError};
use super::names::TempName;
use super::{Leftover, Replaced, Rights, Stamp};
use crate::machine::{
    FileKind, windows_check_name, windows_final_path, windows_information, windows_is_below,
};

/// For a program that has the file open just as we come.
const PATIENCE: Duration = Duration::from_millis(60);
const PAUSE: Duration = Duration::from_millis(2);
/// More names than this one after the other are no place for a configuration.
const MAX_DEPTH: usize = 256;
const MAX_LEFTOVERS: usize = 1000;
/// File systems of this machine's own disks, which keep access lists and numbers.
const LOCAL: [&str; 2] = ["NTFS", "ReFS"];

const NOT_FOUND: [i32; 2] = [2, 3];
const ACCESS_DENIED: i32 = 5;
const WRITE_PROTECT: i32 = 19;
const SHARING_VIOLATION: [i32; 2] = [32, 33];
const NO_ROOM: [i32; 3] = [39, 112, 1295];
const EXISTS: [i32; 2] = [80, 183];
const BAD_NAME: [i32; 3] = [123, 161, 206];

#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
    /// Keeps the directory from being moved.
    _held: File,
}

/// Directories that keep their names as long as this lives.
#[derive(Debug)]
struct Way {
    path: PathBuf,
    relative: PathBuf,
    _held: Vec<File>,
}

pub(super) struct Opened {
    way: Way,
    name: OsString,
    /// Always one: others are refused.
    pub(super) names: u64,
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
    pub(super) stamp: Stamp,
    /// An access list, which is copied, instead.
    pub(super) rights: Option<Rights>,
}

impl Home {
    pub(super) fn open(host_path: &Path, _uid: Option<u32>) -> Result<Self, Fault> {
        if !host_path.is_absolute() {
            return Err(Fault::BadPath);
        }
        if crate::filesystems::is_network(host_path) {
            return Err(Fault::UnsupportedFileSystem { kind: "network".to_owned() });
        }
        // the path is the system's word, of its list of profiles: its links are followed, once, here
        let path = std::fs::canonicalize(host_path).map_err(|error| read_fault(&error))?;
        let held = hold_directory(&path)?;
        check_file_system(&held)?;
        Ok(Self { path, _held: held })
    }

    // `Option` for Unix, which has numbers
    pub(super) fn owner(&self) -> Option<u32> {
        None
    }

    pub(super) fn make_directory(&self, relative: &Path) -> Result<(), Fault> {
        let mut done = PathBuf::new();
        for component in relative.components() {
            let above = self.way_to(&done)?;
            windows_check_name(component.as_os_str()).map_err(|_| Fault::BadPath)?;
            match std::fs::create_dir(above.path.join(component)) {
                Err(error) if !is(&error, &EXISTS) => return Err(fault_of_write(&error)),
                _ => done.push(component),
            }
        }
        self.way_to(&done).map(drop)
    }

    pub(super) fn open_file(&self, relative: &Path, max_bytes: u64) -> Result<Opened, Fault> {
        let name = relative.file_name().ok_or(Fault::BadPath)?.to_owned();
        let way = self.way_to(relative.parent().ok_or(Fault::BadPath)?)?;
        windows_check_name(&name).map_err(|_| Fault::BadPath)?;
        let mut file = patiently(|| open_to_read(&way.path.join(&name)))?;
        self.judge(&file)?;
        let before = stamp(&file)?;
        if before.length > max_bytes {
            return Err(Fault::TooLarge { bytes: before.length });
        }
        let bytes = read_at_most(&mut file, max_bytes)?;
        if stamp(&file)? != before || bytes.len() as u64 != before.length {
            return Err(Fault::Unstable);
        }
        let path = way.relative.join(&name);
        Ok(Opened { way, name, names: 1, path, bytes, stamp: before, rights: None })
    }

    /// A regular file with one name, really below the home.
    fn judge(&self, file: &File) -> Result<(), Fault> {
        judge(file)?;
        let real = windows_final_path(file).ok_or(Fault::LeavesHome)?;
        if windows_is_below(&real, &self.path) { Ok(()) } else { Err(Fault::LeavesHome) }
    }

    /// Holds each directory on the way, none of them a link.
    fn way_to(&self, relative: &Path) -> Result<Way, Fault> {
        let mut way = Way { path: self.path.clone(), relative: PathBuf::new(), _held: Vec::new() };
        for component in relative.components() {
            let name = match component {
                Component::Normal(name) => name,
                Component::CurDir => continue,
                _ => return Err(Fault::BadPath),
            };
            windows_check_name(name).map_err(|_| Fault::BadPath)?;
            if way._held.len() == MAX_DEPTH {
                return Err(Fault::BadPath);
            }
            way.path.push(name);
            way.relative.push(name);
            let held = hold_directory(&way.path)?;
            way._held.push(held);
        }
        Ok(way)
    }

    pub(super) fn create(
        &self,
        relative: &Path,
        bytes: &[u8],
        _rights: Rights,
        temp: &TempName,
    ) -> Result<Replaced, ReplaceError> {
        let name = relative.file_name().ok_or(Fault::BadPath)?;
        windows_check_name(name).map_err(|_| Fault::BadPath)?;
        let way = self.way_to(relative.parent().ok_or(Fault::BadPath)?)?;
        let ours = Ours::write(&way, temp, bytes, None)?;
        at("exchange")?;
        match move_to_new_name(&ours.path, &way.path.join(name)) {
            Ok(()) => ours.settled(),
            Err(error) if is(&error, &EXISTS) => Err(ReplaceError::Changed),
            Err(error) => Err(fault_of_write(&error).into()),
        }
    }

    pub(super) fn sweep(&self, relative_dir: &Path) -> Result<Vec<Leftover>, Fault> {
        let way = self.way_to(relative_dir)?;
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&way.path).map_err(|error| read_fault(&error))? {
            let entry = entry.map_err(|error| read_fault(&error))?;
            let Some(name) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // gone meanwhile, or something that we never made
            let Ok(metadata) = entry.metadata() else { continue };
            let Ok(modified) = metadata.modified() else { continue };
            if metadata.is_file() && metadata.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT == 0 {
                found.push(Leftover { name, modified, length: metadata.len() });
            }
            if found.len() == MAX_LEFTOVERS {
                break;
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// Nothing has a second name for an edit here.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "elsewhere there may be one")]
    pub(super) fn remove_twin(&self, _relative: &Path, _temp: &TempName) -> Result<(), Fault> {
        Ok(())
    }

    pub(super) fn remove_leftover(&self, relative_dir: &Path, name: &TempName) -> Result<(), Fault> {
        let path = self.way_to(relative_dir)?.path.join(name.as_str());
        let held = hold_file(&path)?;
        self.judge(&held)?;
        std::fs::remove_file(&path).map_err(|error| fault_of_write(&error))
    }
}

impl Opened {
    pub(super) fn replace(&self, new: &[u8], temp: &TempName) -> Result<Replaced, ReplaceError> {
        let target = self.way.path.join(&self.name);
        let ours = Ours::write(&self.way, temp, new, Some(&target))?;
        let _held = self.hold_unchanged(&target)?;
        at("exchange")?;
        // with the semantics of POSIX, in one step, though we hold the old file
        std::fs::rename(&ours.path, &target).map_err(|error| fault_of_write(&error))?;
        ours.settled()
    }

    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as on systems that have a gate")]
    pub(super) fn rewrite(&self, _: &[u8]) -> Result<bool, ReplaceError> {
        Ok(false)
    }

    pub(super) fn remove(&self, _temp: &TempName) -> Result<(), ReplaceError> {
        let target = self.way.path.join(&self.name);
        let _held = self.hold_unchanged(&target)?;
        at("unlink-displaced")?;
        std::fs::remove_file(&target).map_err(|error| fault_of_write(&error))?;
        Ok(())
    }

    /// Nothing is ever displaced here, so that a leftover holds what was to be written, never what a user wrote.
    pub(super) fn reinstate(&self, leftover: &TempName) -> Result<(), ReplaceError> {
        let target = self.way.path.join(&self.name);
        let from = self.way.path.join(leftover.as_str());
        judge(&hold_file(&from)?)?;
        let _held = self.hold_unchanged(&target)?;
        std::fs::rename(&from, &target).map_err(|error| fault_of_write(&error))?;
        Ok(())
    }

    /// The file that was read, as it was read, held so that nobody can write it.
    fn hold_unchanged(&self, target: &Path) -> Result<File, ReplaceError> {
        at("compare")?;
        let mut held = match hold_file(target) {
            Err(Fault::NotFound) => return Err(ReplaceError::Changed),
            held => held?,
        };
        let bytes = match read_at_most(&mut held, self.stamp.length) {
            Err(Fault::TooLarge { .. }) => return Err(ReplaceError::Changed),
            bytes => bytes?,
        };
        if stamp(&held)? != self.stamp || bytes != self.bytes {
            return Err(ReplaceError::Changed);
        }
        at("verify")?;
        Ok(held)
    }
}

/// The new file under its temporary name, removed unless it is settled.
struct Ours {
    path: PathBuf,
    file: File,
    settled: bool,
}

impl Ours {
    fn write(way: &Way, temp: &TempName, bytes: &[u8], like: Option<&Path>) -> Result<Self, Fault> {
        at("create-temp")?;
        let path = way.path.join(temp.as_str());
        let mut options = OpenOptions::new();
        options.create_new(true).write(true).access_mode(GENERIC_READ | GENERIC_WRITE | WRITE_DAC);
        options.share_mode(FILE_SHARE_READ | FILE_SHARE_DELETE).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
        let file = options.open(&path).map_err(|error| fault_of_write(&error))?;
        let mut ours = Self { path, file, settled: false };
        at("write-temp")?;
        ours.file.write_all(bytes).map_err(|error| fault_of_write(&error))?;
        at("copy-metadata")?;
        if let Some(like) = like {
            let old = patiently(|| open_to_read(like))?;
            copy_access_list(&old, &ours.file).map_err(|error| fault_of_write(&error))?;
        }
        at("sync-temp")?;
        ours.file.sync_all().map_err(|error| fault_of_write(&error))?;
        Ok(ours)
    }

    fn settled(mut self) -> Result<Replaced, ReplaceError> {
        self.settled = true;
        let stamp = stamp(&self.file)?;
        let _ = at("done");
        // names are in the journal of the file system, which has no call to wait for it
        Ok(Replaced { stamp, atomic: true, durable: true, left: None, group_kept: true })
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        if !self.settled {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn judge(file: &File) -> Result<(), Fault> {
    let metadata = file.metadata().map_err(|error| read_fault(&error))?;
    if metadata.file_type().is_symlink() {
        return Err(Fault::LeavesHome);
    }
    if metadata.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT != 0 {
        return Err(Fault::UnsupportedFileSystem { kind: "reparse point".to_owned() });
    }
    if !metadata.is_file() {
        return Err(Fault::NotRegular(FileKind::of(metadata.file_type())));
    }
    // attack: a second name for a file of somebody else's, whose owner nobody looks at here
    match windows_information(file).map_err(|error| read_fault(&error))?.nNumberOfLinks {
        1 => Ok(()),
        links => Err(Fault::HardLinked { links: u64::from(links) }),
    }
}

fn check_file_system(home: &File) -> Result<(), Fault> {
    let mut name = [0_u16; 64];
    // SAFETY: the handle is open as long as `home` lives; what is not wanted is null; the buffer has the length told
    let told = unsafe {
        GetVolumeInformationByHandleW(
            home.as_raw_handle(),
            std::ptr::null_mut(),
            0,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            name.as_mut_ptr(),
            64,
        )
    };
    if told == 0 {
        return Err(read_fault(&io::Error::last_os_error()));
    }
    let end = name.iter().position(|unit| *unit == 0).unwrap_or(name.len());
    let kind = String::from_utf16_lossy(&name[..end]);
    if LOCAL.contains(&kind.as_str()) { Ok(()) } else { Err(Fault::UnsupportedFileSystem { kind }) }
}

/// A directory that is no link; nobody renames or removes it as long as it is held.
fn hold_directory(path: &Path) -> Result<File, Fault> {
    let mut options = OpenOptions::new();
    options.access_mode(GENERIC_READ).share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE);
    options.custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT);
    let held = options.open(path).map_err(|error| read_fault(&error))?;
    let metadata = held.metadata().map_err(|error| read_fault(&error))?;
    if metadata.file_type().is_symlink() {
        return Err(Fault::LeavesHome);
    }
    if metadata.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT != 0 {
        return Err(Fault::UnsupportedFileSystem { kind: "reparse point".to_owned() });
    }
    if metadata.is_dir() { Ok(held) } else { Err(Fault::NotFound) }
}

/// A file that nobody writes as long as it is held; its name may go.
fn hold_file(path: &Path) -> Result<File, Fault> {
    let mut options = OpenOptions::new();
    options.access_mode(GENERIC_READ | DELETE).share_mode(FILE_SHARE_READ | FILE_SHARE_DELETE);
    options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    patiently(|| options.open(path))
}

fn open_to_read(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE);
    // a directory opens only with backup semantics: it is to be told from a refusal
    options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS);
    options.open(path)
}

/// Tries again for a little while where another program holds the file.
fn patiently(open: impl Fn() -> io::Result<File>) -> Result<File, Fault> {
    let begin = Instant::now();
    loop {
        match open() {
            Err(error) if is(&error, &SHARING_VIOLATION) && begin.elapsed() < PATIENCE => {
                std::thread::sleep(PAUSE);
            }
            opened => return opened.map_err(|error| read_fault(&error)),
        }
    }
}

fn read_at_most(file: &mut File, max_bytes: u64) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).map_err(|error| read_fault(&error))?;
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| read_fault(&error))?;
    match bytes.len() as u64 {
        read if read > max_bytes => Err(Fault::TooLarge { bytes: read }),
        _ => Ok(bytes),
    }
}

/// The time of the last change of anything is not told apart from that of the last write.
fn stamp(file: &File) -> Result<Stamp, Fault> {
    let told = windows_information(file).map_err(|error| read_fault(&error))?;
    let wide = |high: u32, low: u32| (u64::from(high) << 32) | u64::from(low);
    let modified = unix_time(wide(told.ftLastWriteTime.dwHighDateTime, told.ftLastWriteTime.dwLowDateTime));
    Ok(Stamp {
        device: u64::from(told.dwVolumeSerialNumber),
        inode: wide(told.nFileIndexHigh, told.nFileIndexLow),
        length: wide(told.nFileSizeHigh, told.nFileSizeLow),
        modified,
        changed: modified,
    })
}

/// From tenths of microseconds since 1601.
fn unix_time(ticks: u64) -> (i64, u32) {
    const PER_SECOND: u64 = 10_000_000;
    const SINCE_1601: i64 = 11_644_473_600;
    let seconds = i64::try_from(ticks / PER_SECOND).unwrap_or(i64::MAX).saturating_sub(SINCE_1601);
    (seconds, u32::try_from(ticks % PER_SECOND).unwrap_or(0) * 100)
}

fn copy_access_list(from: &File, to: &File) -> io::Result<()> {
    let mut needed = 0;
    // SAFETY: the handle is open as long as `from` lives; without a buffer only the length is told
    unsafe {
        let (none, list) = (std::ptr::null_mut(), DACL_SECURITY_INFORMATION);
        GetKernelObjectSecurity(from.as_raw_handle(), list, none, 0, &raw mut needed);
    }
    // as numbers of eight bytes, so that it is aligned as the system expects
    let mut buffer = vec![0_u64; usize::try_from(needed).unwrap_or(0).div_ceil(8)];
    let descriptor: *mut c_void = buffer.as_mut_ptr().cast();
    // SAFETY: the handle is open as long as `from` lives; the buffer has at least the length that is told
    let read = unsafe {
        let list = DACL_SECURITY_INFORMATION;
        GetKernelObjectSecurity(from.as_raw_handle(), list, descriptor, needed, &raw mut needed)
    };
    if read == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle is open as long as `to` lives; the descriptor was filled above
    let set = unsafe { SetKernelObjectSecurity(to.as_raw_handle(), DACL_SECURITY_INFORMATION, descriptor) };
    if set == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Fails where the new name is taken.
fn move_to_new_name(from: &Path, to: &Path) -> io::Result<()> {
    let wide = |path: &Path| -> Vec<u16> { path.as_os_str().encode_wide().chain([0]).collect() };
    let (from, to) = (wide(from), wide(to));
    // SAFETY: two strings of UTF-16 that end in zero and outlive the call
    if unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), 0) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn is(error: &io::Error, numbers: &[i32]) -> bool {
    error.raw_os_error().is_some_and(|number| numbers.contains(&number))
}

fn read_fault(error: &io::Error) -> Fault {
    match error.raw_os_error().unwrap_or_default() {
        number if NOT_FOUND.contains(&number) => Fault::NotFound,
        number if SHARING_VIOLATION.contains(&number) => Fault::InUse,
        number if BAD_NAME.contains(&number) => Fault::BadPath,
        ACCESS_DENIED => Fault::Denied(ACCESS_DENIED),
        number => Fault::Io(number),
    }
}

/// What a number of the system means for a write.
pub(super) fn write_fault(number: i32) -> Fault {
    match number {
        number if NOT_FOUND.contains(&number) => Fault::NotFound,
        number if SHARING_VIOLATION.contains(&number) => Fault::InUse,
        number if NO_ROOM.contains(&number) => Fault::NoSpace(number),
        ACCESS_DENIED | WRITE_PROTECT => Fault::ReadOnly(number),
        number => Fault::Io(number),
    }
}

fn fault_of_write(error: &io::Error) -> Fault {
    write_fault(error.raw_os_error().unwrap_or_default())
}

/// The directory that is a client's lock, held so that its name stays ours.
#[derive(Debug)]
pub(super) struct LockDir {
    path: PathBuf,
    own: Option<File>,
    _way: Way,
}

impl Home {
    /// Nothing where somebody has it.
    pub(super) fn make_lock(&self, path: &Path) -> Result<Option<LockDir>, Fault> {
        let (way, path) = self.lock_place(path)?;
        match std::fs::create_dir(&path) {
            Ok(()) => {}
            Err(error) if is(&error, &EXISTS) => return Ok(None),
            Err(error) => return Err(fault_of_write(&error)),
        }
        let mut options = OpenOptions::new();
        options.access_mode(FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES);
        // a client that finds it stale may take it over
        options.share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE);
        options.custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT);
        let own = options.open(&path).map_err(|error| read_fault(&error))?;
        Ok(Some(LockDir { path, own: Some(own), _way: way }))
    }

    /// When it was last touched; nothing where it is gone.
    pub(super) fn lock_touched(&self, path: &Path) -> Result<Option<SystemTime>, Fault> {
        let (_way, path) = self.lock_place(path)?;
        match std::fs::symlink_metadata(path).and_then(|metadata| metadata.modified()) {
            Ok(touched) => Ok(Some(touched)),
            Err(error) if is(&error, &NOT_FOUND) => Ok(None),
            Err(error) => Err(read_fault(&error)),
        }
    }

    /// Removes a lock that nobody keeps alive. Only an empty directory goes.
    pub(super) fn break_lock(&self, path: &Path) -> Result<(), Fault> {
        let (_way, path) = self.lock_place(path)?;
        match std::fs::remove_dir(path) {
            Err(error) if is(&error, &NOT_FOUND) => Ok(()),
            done => done.map_err(|error| fault_of_write(&error)),
        }
    }

    fn lock_place(&self, path: &Path) -> Result<(Way, PathBuf), Fault> {
        let name: &OsStr = path.file_name().ok_or(Fault::BadPath)?;
        windows_check_name(name).map_err(|_| Fault::BadPath)?;
        let way = self.way_to(path.parent().ok_or(Fault::BadPath)?)?;
        let path = way.path.join(name);
        Ok((way, path))
    }
}

impl LockDir {
    #[expect(clippy::disallowed_methods, reason = "the present, as the file system's clock has it")]
    pub(super) fn touch(&self) -> Result<(), Fault> {
        let own = self.own.as_ref().filter(|_| self.is_ours()).ok_or(Fault::InUse)?;
        own.set_modified(SystemTime::now()).map_err(|error| fault_of_write(&error))
    }

    fn is_ours(&self) -> bool {
        let mut options = OpenOptions::new();
        options.access_mode(FILE_READ_ATTRIBUTES);
        options.custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT);
        let named = options.open(&self.path).ok().and_then(|file| windows_information(&file).ok());
        let own = self.own.as_ref().and_then(|file| windows_information(file).ok());
        named.zip(own).is_some_and(|(named, own)| {
            (named.nFileIndexHigh, named.nFileIndexLow) == (own.nFileIndexHigh, own.nFileIndexLow)
        })
    }
}

impl Drop for LockDir {
    fn drop(&mut self) {
        // taken over as stale, it is another's
        if self.is_ours() {
            self.own = None;
            let _ = std::fs::remove_dir(&self.path);
        }
    }
}

//! Linux: a notification group of fanotify, which names process, folder and file. It is no gate: nobody waits for it.

#![allow(unsafe_code, reason = "neither std nor rustix has fanotify")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::Writer;

/// Names of files are told with the handles of their folders (Linux 5.9); the queue is bounded by the kernel.
const INIT: libc::c_uint = libc::FAN_CLASS_NOTIF
    | libc::FAN_CLOEXEC
    | libc::FAN_NONBLOCK
    | libc::FAN_REPORT_DIR_FID
    | libc::FAN_REPORT_NAME;
const MASK: u64 = libc::FAN_CREATE | libc::FAN_MOVED_TO | libc::FAN_CLOSE_WRITE | libc::FAN_EVENT_ON_CHILD;
/// Bytes that are read at once.
const BUFFER: usize = 64 * 1024;
/// Buffers that are read in a row: whoever writes faster than that is not followed without end.
const ROUNDS: usize = 64;
/// `MAX_HANDLE_SZ` of the kernel.
const MAX_HANDLE: usize = 128;

/// A folder as the kernel names it: file system, type and bytes of its handle.
type Handle = Vec<u8>;

pub(super) struct Group {
    queue: OwnedFd,
    folders: BTreeMap<Handle, PathBuf>,
    handles: BTreeMap<PathBuf, Handle>,
}

impl Group {
    pub(super) fn new() -> Option<Self> {
        // without root the kernel makes a group too, but tells no process
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        // SAFETY: takes two numbers
        let queue = unsafe { libc::fanotify_init(INIT, libc::O_RDONLY.unsigned_abs()) };
        // SAFETY: it was just made, and is nobody else's
        let queue = (queue >= 0).then(|| unsafe { OwnedFd::from_raw_fd(queue) })?;
        Some(Self { queue, folders: BTreeMap::new(), handles: BTreeMap::new() })
    }

    pub(super) fn watch(&mut self, path: &Path) -> bool {
        if self.handles.contains_key(path) {
            return true;
        }
        let Some(folder) = open(path) else { return false };
        let Some(handle) = handle(&folder) else { return false };
        if !self.mark(libc::FAN_MARK_ADD, &folder) {
            return false;
        }
        self.folders.insert(handle.clone(), path.to_owned());
        self.handles.insert(path.to_owned(), handle);
        true
    }

    pub(super) fn forget(&mut self, path: &Path) {
        let Some(known) = self.handles.remove(path) else { return };
        self.folders.remove(&known);
        // of one that is gone the mark went with it; another of its name has none
        if let Some(folder) = open(path).filter(|folder| handle(folder).is_some_and(|now| now == known)) {
            self.mark(libc::FAN_MARK_REMOVE, &folder);
        }
    }

    fn mark(&self, what: libc::c_uint, folder: &File) -> bool {
        let flags = what | libc::FAN_MARK_ONLYDIR;
        // SAFETY: both descriptors are open, and no path is taken as a null pointer
        let done = unsafe {
            libc::fanotify_mark(self.queue.as_raw_fd(), flags, MASK, folder.as_raw_fd(), std::ptr::null())
        };
        done == 0
    }

    pub(super) fn take_in(&mut self, tell: &mut dyn FnMut(PathBuf, u32)) {
        let mut buffer = vec![0; BUFFER];
        for _ in 0..ROUNDS {
            let Ok(read @ 1..) = rustix::io::read(self.queue.as_fd(), &mut buffer) else { return };
            for event in Events(&buffer[..read]) {
                if let Some(folder) = self.folders.get(&event.folder) {
                    tell(folder.join(event.name), event.pid);
                }
            }
        }
    }
}

fn open(folder: &Path) -> Option<File> {
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    OpenOptions::new().read(true).custom_flags(flags).open(folder).ok()
}

/// The handle of a folder; none where the file system has no such thing.
fn handle(folder: &File) -> Option<Handle> {
    // handle_bytes, handle_type and the bytes, as `struct file_handle` has them
    let mut bytes = [0_u32; 2 + MAX_HANDLE / 4];
    bytes[0] = MAX_HANDLE as u32;
    let mut mount: libc::c_int = 0;
    // SAFETY: the empty path means the descriptor itself; the buffer has as many bytes as its first word says, beside its head
    let done = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            folder.as_raw_fd(),
            c"".as_ptr(),
            bytes.as_mut_ptr(),
            &raw mut mount,
            libc::AT_EMPTY_PATH,
        )
    };
    if done != 0 {
        return None;
    }
    let length = usize::try_from(bytes[0]).ok().filter(|length| *length <= MAX_HANDLE)?;
    let mut known = of_file_system(folder)?.to_vec();
    known.extend(bytes.iter().skip(1).flat_map(|word| word.to_ne_bytes()).take(4 + length));
    Some(known)
}

/// The number of a file system, as fanotify tells it.
fn of_file_system(folder: &File) -> Option<[u8; 8]> {
    // SAFETY: a structure of numbers, for which zero is a value
    let mut about: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open, and the structure outlives the call
    if unsafe { libc::fstatfs(folder.as_raw_fd(), &raw mut about) } != 0 {
        return None;
    }
    // SAFETY: the number is two 32-bit words, which libc hides
    Some(unsafe { std::mem::transmute_copy(&about.f_fsid) })
}

struct Event<'b> {
    pid: u32,
    folder: Handle,
    name: &'b OsStr,
}

/// The events of a buffer. One that is not as expected is passed over.
struct Events<'b>(&'b [u8]);

impl<'b> Iterator for Events<'b> {
    type Item = Event<'b>;

    fn next(&mut self) -> Option<Event<'b>> {
        loop {
            // `struct fanotify_event_metadata`: event_len u32, vers u8, reserved u8, metadata_len u16, mask u64, fd i32, pid i32
            let length = usize::try_from(u32::from_ne_bytes(field(self.0, 0)?)).ok()?;
            let event = self.0.get(..length).filter(|event| event.len() >= 24)?;
            self.0 = &self.0[length..];
            let head = usize::from(u16::from_ne_bytes(field(event, 6)?));
            let pid = i32::from_ne_bytes(field(event, 20)?);
            let about = event.get(head..).and_then(in_folder);
            if let (Ok(pid @ 1..), Some((folder, name))) = (u32::try_from(pid), about) {
                return Some(Event { pid, folder, name });
            }
        }
    }
}

/// Folder and name of the first record that has them.
fn in_folder(mut records: &[u8]) -> Option<(Handle, &OsStr)> {
    loop {
        // `struct fanotify_event_info_fid`: info_type u8, pad u8, len u16, fsid 8 bytes, then the handle and the name
        let length = usize::from(u16::from_ne_bytes(field(records, 2)?));
        let record = records.get(..length).filter(|record| record.len() >= 20)?;
        if record[0] == libc::FAN_EVENT_INFO_TYPE_DFID_NAME {
            let bytes = usize::try_from(u32::from_ne_bytes(field(record, 12)?)).ok()?;
            let end = bytes.checked_add(20)?;
            let mut folder = record[4..12].to_vec();
            folder.extend(record.get(16..end)?);
            let name = record.get(end..)?;
            let name = name.split(|byte| *byte == 0).next()?;
            return Some((folder, OsStr::from_bytes(name)));
        }
        records = &records[length..];
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// A process; not one of this program: its workers do what it tells them.
#[allow(clippy::disallowed_methods, reason = "files of the kernel's own")]
pub(super) fn look_up(pid: u32) -> Option<Writer> {
    let program = |pid: u32| fs::read_link(format!("/proc/{pid}/exe")).ok();
    let own = || fs::read_link("/proc/self/exe").ok();
    let of = program(pid);
    if pid == std::process::id() || (of.is_some() && of == own()) {
        return None;
    }
    Some(Writer { pid, program: of, parent: parent(pid).and_then(program) })
}

#[allow(clippy::disallowed_methods, reason = "a file of the kernel's own")]
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the name of the program stands in parentheses and may hold anything
    let after = stat.rsplit_once(')')?.1;
    after.split_whitespace().nth(1)?.parse().ok().filter(|parent| *parent > 1)
}

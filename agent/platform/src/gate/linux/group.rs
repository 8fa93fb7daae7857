//! A group of fanotify that is asked for permission, and what is answered.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

use rustix::fs::{MemfdFlags, memfd_create};

use super::super::Lack;

/// The queue has no bound: beyond a bound the kernel lets opens through unasked. There is one event for each thread that
/// waits, so that what bounds threads bounds it.
const INIT: libc::c_uint =
    libc::FAN_CLASS_CONTENT | libc::FAN_CLOEXEC | libc::FAN_NONBLOCK | libc::FAN_UNLIMITED_QUEUE;
/// How the kernel opens a file for us. To read, since opened for writing a program that runs could be started by nobody, and
/// no file of a read-only mount opened. Without waiting: a pipe would hold us up until somebody writes to it.
const OPENS: libc::c_int =
    libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_LARGEFILE | libc::O_NOATIME;
/// Files in a folder, never all of a file system: each open of the machine would wait then.
const MASK: u64 = libc::FAN_OPEN_PERM | libc::FAN_EVENT_ON_CHILD;
/// `struct fanotify_event_metadata`.
const EVENT: usize = 24;

#[derive(Debug)]
pub(super) struct Group(OwnedFd);

/// An open that waits.
pub(super) struct Event {
    pub(super) file: OwnedFd,
    pub(super) pid: u32,
}

pub(super) enum Next {
    Event(Event),
    /// Nobody waits.
    Nothing,
    /// The kernel could not open the file for us, and has refused it to whoever opens it: a socket, say.
    Lost,
}

impl Group {
    pub(super) fn new() -> Result<Self, Lack> {
        // SAFETY: takes two numbers
        let group = unsafe { libc::fanotify_init(INIT, OPENS.unsigned_abs()) };
        if group < 0 {
            return Err(match io::Error::last_os_error().raw_os_error().unwrap_or_default() {
                libc::EPERM => Lack::Right,
                libc::ENOSYS | libc::EINVAL => Lack::Kernel,
                errno => Lack::Refused(errno),
            });
        }
        // SAFETY: it was just made, and is nobody else's
        Ok(Self(unsafe { OwnedFd::from_raw_fd(group) }))
    }

    /// The group that was given to this process.
    pub(super) fn of(fd: OwnedFd) -> Self {
        Self(fd)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub(super) fn mark(&self, folder: &File) -> Result<(), i32> {
        self.change(libc::FAN_MARK_ADD | libc::FAN_MARK_ONLYDIR, MASK, folder.as_fd())
    }

    pub(super) fn unmark(&self, folder: &File) {
        // one that is gone took its mark along
        let _ = self.change(libc::FAN_MARK_REMOVE | libc::FAN_MARK_ONLYDIR, MASK, folder.as_fd());
    }

    fn change(&self, how: libc::c_uint, mask: u64, what: BorrowedFd<'_>) -> Result<(), i32> {
        // SAFETY: both descriptors are open; without a path the second is meant itself
        let done =
            unsafe { libc::fanotify_mark(self.0.as_raw_fd(), how, mask, what.as_raw_fd(), std::ptr::null()) };
        match done {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error().raw_os_error().unwrap_or_default()),
        }
    }

    /// The next open that waits. One at a time: what was read and is not looked at yet is known to nobody else.
    pub(super) fn next(&self) -> Next {
        let mut event = [MaybeUninit::<u8>::uninit(); EVENT];
        match rustix::io::read(&self.0, &mut event[..]) {
            Ok((bytes, _)) if bytes.len() == EVENT => {
                let fd = i32::from_ne_bytes([bytes[16], bytes[17], bytes[18], bytes[19]]);
                let pid = i32::from_ne_bytes([bytes[20], bytes[21], bytes[22], bytes[23]]);
                if fd < 0 {
                    return Next::Lost;
                }
                // SAFETY: the kernel has just opened it for this process, and nobody else knows of it
                let file = unsafe { OwnedFd::from_raw_fd(fd) };
                Next::Event(Event { file, pid: u32::try_from(pid).unwrap_or_default() })
            }
            Ok(_) | Err(rustix::io::Errno::AGAIN) => Next::Nothing,
            Err(_) => Next::Lost,
        }
    }

    /// Answers an open by the number that its file has in the process which read the event, be it this one or not. Whether
    /// somebody waited.
    pub(super) fn respond(&self, number: RawFd, allow: bool) -> bool {
        let response = if allow { libc::FAN_ALLOW } else { libc::FAN_DENY };
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&number.to_ne_bytes());
        bytes[4..].copy_from_slice(&response.to_ne_bytes());
        rustix::io::write(&self.0, &bytes) == Ok(bytes.len())
    }
}

/// Whether the kernel holds opens for this process: tried with a file that nobody else can open.
pub(super) fn ability() -> Result<(), Lack> {
    let group = Group::new()?;
    let nobodys = memfd_create(c"mcpolicy", MemfdFlags::CLOEXEC)
        .map_err(|error| Lack::Refused(error.raw_os_error()))?;
    match group.change(libc::FAN_MARK_ADD, libc::FAN_OPEN_PERM, nobodys.as_fd()) {
        Ok(()) => Ok(()),
        Err(libc::EINVAL) => Err(Lack::Kernel),
        Err(libc::EPERM) => Err(Lack::Right),
        Err(errno) => Err(Lack::Refused(errno)),
    }
}

//! Whether anybody still holds a file by the name that it has lost.
//!
//! Who opens a file holds its directory entry from the look-up on, before he is counted as one who has it open: a lease
//! that is asked for in between is given, and he writes after it has been given back. Only one thing tells when the last
//! who holds an entry has let go of it: the kernel then says that the file was deleted, if it has no other name. So we
//! hold the file by the entry of a second name, which is gone as well, and listen.

#![allow(
    unsafe_code,
    reason = "a descriptor is put in the place of another, behind a handle that others hold"
)]

use std::cell::Cell;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(1);

/// Listens for the end of a directory entry.
pub(in super::super) struct Watch {
    events: OwnedFd,
    ended: Cell<bool>,
}

impl Watch {
    /// This system tells of it.
    pub(in super::super) const CAN: bool = true;

    /// Nothing where the system has no more of them for this user, or no /proc.
    pub(in super::super) fn on(file: &File) -> Option<Self> {
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        inotify::add_watch(&events, path, WatchFlags::DELETE_SELF).ok()?;
        Some(Self { events, ended: Cell::new(false) })
    }

    /// Whether nobody holds it any more.
    fn has_ended(&self) -> bool {
        if !self.ended.get() {
            let mut buffer = [MaybeUninit::uninit(); 256];
            let mut reader = inotify::Reader::new(&self.events, &mut buffer);
            let is_told = !matches!(reader.next(), Err(Errno::AGAIN | Errno::INTR));
            self.ended.set(is_told);
        }
        self.ended.get()
    }

    /// Waits for it, unless `until` is so before.
    pub(in super::super) fn wait(&self, patience: Duration, until: impl Fn() -> bool) {
        let begin = Instant::now();
        while !self.has_ended() && !until() && begin.elapsed() < patience {
            std::thread::sleep(PAUSE);
        }
    }
}

/// Puts another opened handle of the same file in the place of one. Whether it was done.
pub(in super::super) fn take_the_place(file: &File, other: &File) -> bool {
    // SAFETY: both descriptors are open as long as the files live; the number stays `file`'s own
    unsafe { libc::dup3(other.as_raw_fd(), file.as_raw_fd(), libc::O_CLOEXEC) >= 0 }
}

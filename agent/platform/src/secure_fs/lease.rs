//! Leases of Linux: as long as one is whole, whoever opens the file in a way that it is about waits for us, and we see
//! that he does.

#![allow(unsafe_code, reason = "no crate of ours offers file leases")]

use std::os::fd::{AsFd, AsRawFd as _};
use std::time::{Duration, Instant};

use rustix::io::Errno;

/// Between two tries to get a lease.
const PAUSE: Duration = Duration::from_millis(1);
/// `libc` does not name it; it is 10 on every processor.
const F_SETSIG: libc::c_int = 10;
/// Told to us when a lease breaks, instead of SIGIO, which would end the process. Nobody listens: we ask.
const IGNORED_BY_DEFAULT: libc::c_int = libc::SIGURG;
/// The shortest time for which a kernel can be told to let an opener wait (`fs.lease-break-time`, usually 45 s). After
/// that he is let in, whatever we do.
const SURELY_HELD: Duration = Duration::from_secs(1);

/// A lease on an open file, by whichever handle.
pub(in super::super) struct Lease<F: AsFd> {
    file: F,
    kind: libc::c_int,
    state: State,
    taken: Instant,
    /// It was let go at least once.
    let_in: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Held,
    /// Somebody has it open in a way that the lease forbids.
    Refused,
    /// This file system or sandbox has no leases.
    None,
}

/// Who came while a lease was held that lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Met {
    /// Nobody: what the file held was not seen.
    Nobody,
    /// Somebody waits to read it.
    Reader,
    /// Somebody waits to write it, and others perhaps to read it.
    Writer,
    /// There was no such lease, or it did not last: the file may have been read.
    Unknown,
}

impl<F: AsFd> Lease<F> {
    /// A lease against writers, waiting a little for whoever writes just now.
    pub(in super::super) fn against_writers(file: F, patience: Duration) -> Self {
        let mut lease = Self::new(file, libc::F_RDLCK);
        lease.wait(patience);
        lease
    }

    /// A lease against everybody, if nobody else has the file open.
    pub(in super::super) fn against_all(file: F) -> Self {
        let mut lease = Self::new(file, libc::F_WRLCK);
        lease.state = lease.ask();
        lease
    }

    fn new(file: F, kind: libc::c_int) -> Self {
        Self { file, kind, state: State::Refused, taken: Instant::now(), let_in: false }
    }

    /// The file.
    pub(in super::super) fn file(&self) -> &F {
        &self.file
    }

    /// Tries for some time to have it whole, if it was refused.
    pub(in super::super) fn wait(&mut self, patience: Duration) {
        let begin = Instant::now();
        while self.state == State::Refused {
            self.state = self.ask();
            if self.state != State::Refused || begin.elapsed() >= patience {
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn ask(&self) -> State {
        let fd = self.file.as_fd().as_raw_fd();
        // SAFETY: the descriptor is open as long as `file` lives; both commands take a number
        let asked = unsafe {
            libc::fcntl(fd, F_SETSIG, IGNORED_BY_DEFAULT);
            libc::fcntl(fd, libc::F_SETLEASE, self.kind)
        };
        match asked {
            0 => State::Held,
            _ if Errno::from_io_error(&std::io::Error::last_os_error()) == Some(Errno::AGAIN) => {
                State::Refused
            }
            _ => State::None,
        }
    }

    /// What the kernel says that it is, or is about to become.
    fn now(&self) -> libc::c_int {
        // SAFETY: the descriptor is open as long as `file` lives; the command takes nothing
        unsafe { libc::fcntl(self.file.as_fd().as_raw_fd(), libc::F_GETLEASE) }
    }

    /// Whether nobody can have come since it was taken, nor waits to.
    pub(in super::super) fn is_whole(&self) -> bool {
        self.state == State::Held && self.now() == self.kind
    }

    /// Whether another handle of the file has the same lease, as far as there is one: it lasts as long as that is open.
    pub(in super::super) fn also_by(&self, other: impl AsFd) -> bool {
        match self.state {
            State::Held => self.is_whole() && Lease::new(other, self.kind).ask() == State::Held,
            State::Refused | State::None => true,
        }
    }

    /// Whether somebody waits to open the file.
    pub(in super::super) fn is_breaking(&self) -> bool {
        self.state == State::Held && !self.is_whole()
    }

    /// Who has come to a lease against everybody.
    pub(in super::super) fn met(&self) -> Met {
        let now = self.now();
        let is_held = self.state == State::Held && !self.let_in && self.taken.elapsed() < SURELY_HELD;
        if !is_held || self.kind != libc::F_WRLCK {
            return Met::Unknown;
        }
        match now {
            libc::F_WRLCK => Met::Nobody,
            libc::F_RDLCK => Met::Reader,
            libc::F_UNLCK => Met::Writer,
            _ => Met::Unknown,
        }
    }

    /// Lets whoever waits write, and waits for the end of it.
    pub(in super::super) fn let_writers_through(&mut self, patience: Duration) {
        self.release();
        if self.state != State::None {
            // the opener needs a moment to be counted
            std::thread::sleep(PAUSE);
            self.wait(patience);
        }
    }

    /// Lets in whoever waits.
    pub(in super::super) fn release(&mut self) {
        if self.state == State::Held {
            // SAFETY: the descriptor is open as long as `file` lives; the command takes a number
            unsafe { libc::fcntl(self.file.as_fd().as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) };
            self.state = State::Refused;
            self.let_in = true;
        }
    }
}

impl<F: AsFd> Drop for Lease<F> {
    fn drop(&mut self) {
        self.release();
    }
}

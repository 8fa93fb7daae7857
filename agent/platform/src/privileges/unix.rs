//! Starting a worker on Linux and macOS, and talking with it against the clock.

#![allow(
    unsafe_code,
    reason = "what is open is closed between fork and exec, where only system calls may be made"
)]

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::fs::{FileType, OFlags};

use super::frames::{self, FrameError};
use super::os;
use super::worker::{Ended, Start, WorkerError};
use crate::waiting::wait_for;

/// Between two looks where the system cannot tell us of a process's end.
const PAUSE: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    /// Names the process even if its number were another's by now (Linux).
    handle: Option<OwnedFd>,
    input: Option<ChildStdin>,
    output: ChildStdout,
    deadline: Instant,
}

pub(super) fn spawn(start: &Start<'_>) -> Result<Running, WorkerError> {
    let failed = |error: &io::Error| WorkerError::Start(error.kind());
    let mut command = Command::new(start.program);
    command
        .args(start.args)
        .env_clear()
        .envs(start.env.iter().copied())
        // not where we happen to be: the user may own that
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // a fault in a parser must not write a user's bytes into the log of root
        .stderr(Stdio::null())
        .process_group(0);
    // SAFETY: between fork and exec it makes system calls only: no memory is taken, no lock
    unsafe { command.pre_exec(os::before_exec) };
    let mut child = command.spawn().map_err(|error| failed(&error))?;
    let handle = os::handle_of(child.id());
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        kill(handle.as_ref(), &mut child);
        return Err(WorkerError::Start(ErrorKind::BrokenPipe));
    };
    let mut running =
        Running { child, handle, input: Some(input), output, deadline: Instant::now() + start.deadline };
    // a worker that does not read fills the pipe: a write must come back then
    let set = running.input.as_ref().map_or(Ok(()), |input| rustix::fs::fcntl_setfl(input, OFlags::NONBLOCK));
    if let Err(error) = set {
        running.kill();
        return Err(failed(&error.into()));
    }
    Ok(running)
}

impl Running {
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn give_time(&mut self, time: Duration) {
        self.deadline = Instant::now() + time;
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        let Some(input) = self.input.as_mut() else { return Err(FrameError::Closed) };
        frames::write(&mut InTime { pipe: input, deadline: self.deadline }, bytes)
    }

    pub(super) fn close_input(&mut self) {
        self.input = None;
    }

    pub(super) fn receive(&mut self, cap: u32) -> Result<Vec<u8>, FrameError> {
        frames::read(&mut InTime { pipe: &mut self.output, deadline: self.deadline }, cap)
    }

    pub(super) fn finish(mut self) -> Ended {
        self.close_input();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return ended(status),
                // only we wait for it, so that it is there
                Ok(None) | Err(_) if Instant::now() >= self.deadline => break,
                Ok(None) | Err(_) => self.wait_a_little(),
            }
        }
        self.kill();
        Ended::Deadline
    }

    fn wait_a_little(&self) {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match &self.handle {
            Some(handle) => {
                let _ = wait_for(handle, PollFlags::IN, left);
            }
            None => std::thread::sleep(PAUSE.min(left)),
        }
    }

    fn kill(&mut self) {
        kill(self.handle.as_ref(), &mut self.child);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.kill();
        }
    }
}

/// A stopped process dies of this signal as well.
fn kill(handle: Option<&OwnedFd>, child: &mut Child) {
    if !handle.is_some_and(os::kill) {
        let _ = child.kill();
    }
    let _ = child.wait();
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, signal) => Ended::Killed(signal.unwrap_or_default()),
    }
}

/// Whether the standard streams are pipes, as [`spawn`] makes them.
pub(super) fn is_on_pipes() -> bool {
    let is_pipe = |fd: std::os::fd::BorrowedFd<'_>| {
        rustix::fs::fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_fifo())
    };
    is_pipe(io::stdin().as_fd()) && is_pipe(io::stdout().as_fd())
}

/// Whose a directory is: user and group.
pub(super) fn owner_of(path: &std::path::Path) -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::symlink_metadata(path).ok().map(|metadata| (metadata.uid(), metadata.gid()))
}

/// A pipe of which each read and write ends by the deadline.
struct InTime<'p, P> {
    pipe: &'p mut P,
    deadline: Instant,
}

impl<P: AsFd> InTime<'_, P> {
    fn ready(&self, flags: PollFlags) -> io::Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || !wait_for(self.pipe.as_fd(), flags, left)? {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

impl<P: AsFd + Read> Read for InTime<'_, P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.ready(PollFlags::IN)?;
        self.pipe.read(buffer)
    }
}

impl<P: AsFd + Write> Write for InTime<'_, P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            self.ready(PollFlags::OUT)?;
            match self.pipe.write(bytes) {
                // there was room, but not for so much at once
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Everything but the three standard streams is closed by the exec that follows: by marking, not by closing, since
/// std's own pipe, over which it tells of a failed exec, is among them.
pub(super) fn close_the_rest_one_by_one() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(MAX_FILES);
    for fd in 3..i32::try_from(limit.min(MAX_FILES)).unwrap_or(i32::MAX) {
        // SAFETY: takes two numbers; one that is no open file gives an error
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

const MAX_FILES: u64 = 1 << 16;

//! A worker as the one that started it sees it: something that may hang, lie or be stopped by its user at any moment.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

#[cfg(unix)]
use super::unix as os;

use super::frames::FrameError;
#[cfg(windows)]
use super::os;
use crate::gate::Own;

/// How a worker is started.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// The program, our own as a rule.
    pub program: &'a Path,
    /// Its arguments.
    pub args: &'a [&'a OsStr],
    /// All of its environment.
    pub env: &'a [(&'a str, &'a OsStr)],
    /// When it is killed, counted from now.
    pub deadline: Duration,
}

/// Why a worker could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkerError {
    /// The system refuses.
    #[error("cannot be started ({0})")]
    Start(std::io::ErrorKind),
    /// Not on this system yet.
    #[error("this system cannot do it yet")]
    Unsupported,
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal: a limit, a fault, or its user.
    Killed(i32),
    /// By us, at the deadline.
    Deadline,
}

/// A running worker. Killed and waited for when it is dropped.
#[derive(Debug)]
pub struct Worker {
    running: os::Running,
    /// It is the user, and opens that user's files: the gate does not hold it up.
    _own: Own,
}

impl Worker {
    /// Its number, for messages.
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// Gives it time anew: it is killed when so much has gone by from now.
    pub fn give_time(&mut self, time: Duration) {
        self.running.give_time(time);
    }

    /// Sends it one frame. A worker that does not read is not waited for past the deadline.
    ///
    /// # Errors
    /// It has ended, or the deadline has come.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        self.running.send(bytes)
    }

    /// Tells it that nothing more comes.
    pub fn close_input(&mut self) {
        self.running.close_input();
    }

    /// Waits for one frame of at most `cap` bytes.
    ///
    /// # Errors
    /// It has ended, its frame is longer, or the deadline has come.
    pub fn receive(&mut self, cap: u32) -> Result<Vec<u8>, FrameError> {
        self.running.receive(cap)
    }

    /// Waits until it ends, at most until the deadline, then kills it.
    pub fn finish(self) -> Ended {
        self.running.finish()
    }
}

pub(super) fn spawn(start: &Start<'_>) -> Result<Worker, WorkerError> {
    let running = os::spawn(start)?;
    let _own = Own::new(running.id());
    Ok(Worker { running, _own })
}

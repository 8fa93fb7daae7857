//! The local channel between the agent and commands: a Unix socket, or a named pipe on Windows.
//!
//! Who is at the other end is asked of the system, never of the other end. Whatever the other end does (nothing, a byte
//! a second), reading and writing end at a deadline.
//!
//! `interprocess` was looked at: its pipes on Windows have no deadline, tell no user, and do not see a pipe that somebody
//! else made under our name.

#[cfg(unix)]
#[path = "unix.rs"]
mod os;
#[cfg(windows)]
#[path = "windows.rs"]
mod os;
#[cfg(windows)]
mod overlapped;
#[cfg(windows)]
mod rights;

use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[cfg(windows)]
pub(crate) use rights::sid_of_token;

/// How long a connection that was accepted lasts, unless it is given another deadline.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// Who may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Every user of this machine: who it is, is told of each connection.
    Everybody,
    /// The user whose process listens, and administrators.
    OwnUser,
}

/// Who is at the other end, by the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The user: the number on Linux and macOS, the SID on Windows.
    pub user: String,
    /// The process that connected, where that is known. It may be gone by now, and its number another's: for messages,
    /// never for a decision.
    pub pid: Option<u32>,
    /// Root; on Windows SYSTEM, or an elevated member of Administrators.
    pub is_administrator: bool,
}

/// Why there is no channel.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// Nobody listens.
    #[error("nothing listens at {}", .0.display())]
    NotRunning(PathBuf),
    /// Another process listens there, and is alive.
    #[error("another process listens at {}", .0.display())]
    InUse(PathBuf),
    /// What stands there, or around it, is not what it must be.
    #[error("{} is not used: {why}", path.display())]
    Refused {
        /// The socket or its folder.
        path: PathBuf,
        /// Why, and what to do.
        why: &'static str,
    },
    /// A process of neither the administrator nor this user listens there.
    #[error("what listens at {} is another user's process ({user}), not the agent", path.display())]
    Foreign {
        /// The socket.
        path: PathBuf,
        /// Whose.
        user: String,
    },
    /// The other side took too long.
    #[error("no answer from {} in time", .0.display())]
    Late(PathBuf),
    /// The system refuses.
    #[error("{step} failed: {source}")]
    Io {
        /// What.
        step: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl ChannelError {
    fn io(step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { step, source }
    }
}

/// The side that waits for connections. What it made at its path is removed when it is dropped.
#[derive(Debug)]
pub struct Listener(os::Listener);

/// Ends the wait of a [`Listener`], from any thread.
#[derive(Debug, Clone)]
pub struct Stopper(os::Stopper);

impl Listener {
    /// Listens at a path (a pipe's name on Windows). The folder is made if it is not there; the one above it has to be.
    ///
    /// A socket that a dead process left is replaced. Everything else that stands there is left alone, and so is a folder
    /// that others may write: attack: who can write it takes the socket away and listens in its place.
    ///
    /// # Errors
    /// Another process listens, or something is not as it must be.
    pub fn bind(path: &Path, audience: Audience) -> Result<Self, ChannelError> {
        os::Listener::bind(path, audience).map(Self)
    }

    /// Waits for a connection; `None` when it was told to stop. A peer of which the system does not say who it is, or
    /// that is not of the audience, is dropped.
    ///
    /// The caller bounds how many it keeps at a time, in all and of one user.
    ///
    /// # Errors
    /// The system fails in a way that does not pass.
    pub fn accept(&self) -> Result<Option<Connection>, ChannelError> {
        let accepted = self.0.accept()?;
        let deadline = Instant::now() + DEFAULT_DEADLINE;
        Ok(accepted.map(|(stream, peer)| Connection { stream, peer, deadline }))
    }

    /// What ends the wait in [`Self::accept`], now and from then on.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.0.stopper())
    }
}

impl Stopper {
    /// Ends the wait.
    pub fn stop(&self) {
        self.0.stop();
    }
}

/// Connects to whoever listens at a path, and gives the connection so much time altogether.
///
/// Attack: a user makes a socket where another looks for the agent's, to be told what only the agent should hear. So the
/// system is asked whose process listens: the administrator's or our own user's, or there is no connection.
///
/// # Errors
/// Nobody listens, or somebody else does, or it takes too long.
pub fn connect(path: &Path, timeout: Duration) -> Result<Connection, ChannelError> {
    let deadline = Instant::now() + timeout;
    let (stream, peer) = os::connect(path, deadline)?;
    if !peer.is_administrator && !os::is_own_user(&peer) {
        return Err(ChannelError::Foreign { path: path.to_owned(), user: peer.user });
    }
    Ok(Connection { stream, peer, deadline })
}

/// A connection. Reading and writing fail with `TimedOut` once its deadline has come, however little is missing.
#[derive(Debug)]
pub struct Connection {
    stream: os::Stream,
    peer: Peer,
    deadline: Instant,
}

impl Connection {
    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Gives it another deadline, for everything that is read and written from now on.
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// What is left until the deadline.
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left()?;
        self.stream.read(buffer, left)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.left()?;
        self.stream.write(bytes, left)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! Unix sockets.

#![allow(unsafe_code, reason = "who is at the other end is asked by calls that rustix has not or gets wrong")]

use std::ffi::OsStr;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::{Errno, FdFlags, fcntl_setfd, ioctl_fionbio};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketType};
use rustix::process::geteuid;

use super::{Audience, ChannelError, Peer};
use crate::waiting::wait_for;

/// Connections that the system keeps for us until they are accepted.
const BACKLOG: i32 = 64;
/// Between two tries where the system does not say when the next is worth it.
const PAUSE: Duration = Duration::from_millis(5);
/// How long accepting rests when all files are taken: it would fail again at once.
const REST: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Listener {
    socket: OwnedFd,
    folder: OwnedFd,
    path: PathBuf,
    /// Which file our socket is, so that no other is removed.
    made: (u64, u64),
    audience: Audience,
    /// Readable once somebody has told us to stop.
    stopped: OwnedFd,
    stop: Stopper,
    /// Two that start at once must not take each other's socket for one of a dead process.
    _lock: File,
}

#[derive(Debug, Clone)]
pub(super) struct Stopper(Arc<OwnedFd>);

#[derive(Debug)]
pub(super) struct Stream(OwnedFd);

impl Listener {
    pub(super) fn bind(path: &Path, audience: Audience) -> Result<Self, ChannelError> {
        let (folder, name) = split(path)?;
        let folder_fd = own_folder(folder, audience)?;
        let lock = lock(path)?;
        make_room(path, &folder_fd, name)?;
        let failed = |step| move |error: Errno| ChannelError::io(step)(error.into());
        let socket = socket().map_err(ChannelError::io("making a socket"))?;
        net::bind(&socket, &address(path)?).map_err(failed("binding the socket"))?;
        let mode = match audience {
            Audience::Everybody => 0o666,
            Audience::OwnUser => 0o600,
        };
        // before it listens: nobody connects by the rights that it had until now
        rustix::fs::chmodat(&folder_fd, name, Mode::from_raw_mode(mode), AtFlags::empty())
            .map_err(failed("giving the socket its rights"))?;
        let made = stat_of(&folder_fd, name).map_err(ChannelError::io("looking at the socket"))?;
        net::listen(&socket, BACKLOG).map_err(failed("listening"))?;
        let (stopped, stop) = stop_pipe().map_err(ChannelError::io("making a pipe"))?;
        Ok(Self {
            socket,
            folder: folder_fd,
            path: path.to_owned(),
            made: identity(&made),
            audience,
            stopped,
            stop: Stopper(Arc::new(stop)),
            _lock: lock,
        })
    }

    pub(super) fn accept(&self) -> Result<Option<(Stream, Peer)>, ChannelError> {
        loop {
            let waited = wait_for_either(&self.socket, &self.stopped);
            if waited.map_err(ChannelError::io("waiting for a connection"))? {
                return Ok(None);
            }
            match accept(&self.socket) {
                Ok(socket) => match peer(socket.as_fd()) {
                    Ok(peer) if self.is_welcome(&peer) => return Ok(Some((Stream(socket), peer))),
                    // it is closed
                    Ok(_) | Err(_) => {}
                },
                // it has gone again
                Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED | Errno::PROTO) => {}
                // attack: one user opens connections until no files are left; they end at their deadlines
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    let waited = wait_for(&self.stopped, PollFlags::IN, REST);
                    if waited.map_err(ChannelError::io("waiting for a connection"))? {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(ChannelError::io("accepting a connection")(error.into())),
            }
        }
    }

    pub(super) fn stopper(&self) -> Stopper {
        self.stop.clone()
    }

    /// The rights of the socket say the same; not every system has always looked at them.
    fn is_welcome(&self, peer: &Peer) -> bool {
        self.audience == Audience::Everybody || peer.is_administrator || is_own_user(peer)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // the lock is still held: nobody can have put another there, but an administrator by hand
        let name = self.path.file_name().unwrap_or_default();
        if stat_of(&self.folder, name).is_ok_and(|found| identity(&found) == self.made) {
            let _ = rustix::fs::unlinkat(&self.folder, name, AtFlags::empty());
        }
    }
}

impl Stopper {
    pub(super) fn stop(&self) {
        // a pipe that is full has said it already
        let _ = rustix::io::write(&*self.0, &[1]);
    }
}

impl Stream {
    pub(super) fn read(&mut self, buffer: &mut [u8], time: Duration) -> io::Result<usize> {
        self.within(PollFlags::IN, time, |socket| rustix::io::read(socket, &mut *buffer))
    }

    /// std has SIGPIPE ignored: a peer that is gone is an error.
    pub(super) fn write(&mut self, bytes: &[u8], time: Duration) -> io::Result<usize> {
        self.within(PollFlags::OUT, time, |socket| rustix::io::write(socket, bytes))
    }

    fn within(
        &self,
        flags: PollFlags,
        time: Duration,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> Result<usize, Errno>,
    ) -> io::Result<usize> {
        let begin = Instant::now();
        loop {
            match attempt(self.0.as_fd()) {
                Err(Errno::AGAIN) => {}
                Err(Errno::INTR) => continue,
                done => return Ok(done?),
            }
            if !wait_for(&self.0, flags, time.saturating_sub(begin.elapsed()))? {
                return Err(ErrorKind::TimedOut.into());
            }
        }
    }
}

pub(super) fn connect(path: &Path, deadline: Instant) -> Result<(Stream, Peer), ChannelError> {
    let address = address(path)?;
    loop {
        let socket = socket().map_err(ChannelError::io("making a socket"))?;
        match net::connect(&socket, &address) {
            Ok(()) => {
                let peer = peer(socket.as_fd()).map_err(ChannelError::io("asking who listens"))?;
                return Ok((Stream(socket), peer));
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::CONNREFUSED) => {
                return Err(ChannelError::NotRunning(path.to_owned()));
            }
            // Linux, while more wait than the other side accepts
            Err(Errno::AGAIN) if Instant::now() < deadline => std::thread::sleep(PAUSE),
            Err(Errno::AGAIN) => return Err(ChannelError::Late(path.to_owned())),
            Err(Errno::INTR) => {}
            Err(error) => return Err(ChannelError::io("connecting")(error.into())),
        }
    }
}

pub(super) fn is_own_user(peer: &Peer) -> bool {
    peer.user == geteuid().as_raw().to_string()
}

fn refused(path: &Path, why: &'static str) -> ChannelError {
    ChannelError::Refused { path: path.to_owned(), why }
}

fn split(path: &Path) -> Result<(&Path, &OsStr), ChannelError> {
    let parts = path.parent().zip(path.file_name()).filter(|_| path.is_absolute());
    parts.ok_or_else(|| refused(path, "a socket needs an absolute path"))
}

fn address(path: &Path) -> Result<SocketAddrUnix, ChannelError> {
    SocketAddrUnix::new(path)
        .map_err(|_| refused(path, "the path is too long for a socket: about a hundred bytes are allowed"))
}

/// Opens the folder, made if it is not there, where nobody but root and we can put anything into it or in its place.
fn own_folder(folder: &Path, audience: Audience) -> Result<OwnedFd, ChannelError> {
    let failed = |error: Errno| ChannelError::io("opening the socket's folder")(error.into());
    let mode = match audience {
        Audience::Everybody => 0o755,
        Audience::OwnUser => 0o700,
    };
    let is_new = match rustix::fs::mkdir(folder, Mode::from_raw_mode(0o700)) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(error) => return Err(ChannelError::io("making the socket's folder")(error.into())),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = match rustix::fs::openat(CWD, folder, flags, Mode::empty()) {
        Ok(opened) => opened,
        Err(Errno::LOOP | Errno::NOTDIR | Errno::MLINK) => {
            return Err(refused(folder, "it is no directory, or a link to one: remove what stands there"));
        }
        Err(error) => return Err(failed(error)),
    };
    if is_new {
        // whatever our umask says
        rustix::fs::fchmod(&opened, Mode::from_raw_mode(mode)).map_err(failed)?;
    }
    let found = rustix::fs::fstat(&opened).map_err(failed)?;
    if !is_ours(&found) {
        return Err(refused(folder, "the folder belongs to another user: give it to the agent's"));
    }
    if found.st_mode & 0o022 != 0 {
        return Err(refused(folder, "others may write the folder: take that right from them"));
    }
    let above = folder.parent().unwrap_or(Path::new("/"));
    let above = rustix::fs::stat(above).map_err(failed)?;
    let is_sticky = above.st_mode & 0o1000 != 0;
    // its owner may put things in the place of others even where it is sticky
    if !is_ours(&above) || (above.st_mode & 0o002 != 0 && !is_sticky) {
        return Err(refused(
            folder,
            "others may put another folder in its place: see who may write the one above it",
        ));
    }
    Ok(opened)
}

fn is_ours(stat: &Stat) -> bool {
    stat.st_uid == 0 || stat.st_uid == geteuid().as_raw()
}

/// Held as long as we listen; the file stays.
fn lock(path: &Path) -> Result<File, ChannelError> {
    let failed = ChannelError::io("locking the socket");
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600).custom_flags(flags);
    let file = match options.open(path.with_file_name(name)) {
        Ok(file) => file,
        Err(error) => return Err(failed(error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ChannelError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Removes a socket at which nobody listens. Anything else that stands there stays, and nothing is bound then.
fn make_room(path: &Path, folder: &OwnedFd, name: &OsStr) -> Result<(), ChannelError> {
    let found = match stat_of(folder, name) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ChannelError::io("looking at the socket")(error)),
    };
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket {
        return Err(refused(path, "it is no socket: look at what stands there, and remove it"));
    }
    let trial = socket().map_err(ChannelError::io("making a socket"))?;
    match net::connect(&trial, &address(path)?) {
        Err(Errno::CONNREFUSED) => {}
        Err(Errno::NOENT) => return Ok(()),
        // a full queue is a living process's, too
        Ok(()) | Err(Errno::AGAIN) => return Err(ChannelError::InUse(path.to_owned())),
        Err(error) => return Err(ChannelError::io("trying the socket that is there")(error.into())),
    }
    rustix::fs::unlinkat(folder, name, AtFlags::empty())
        .map_err(|error| ChannelError::io("removing the socket of a dead process")(error.into()))
}

fn stat_of(folder: &OwnedFd, name: &OsStr) -> io::Result<Stat> {
    Ok(rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[allow(
    clippy::useless_conversion,
    clippy::unnecessary_cast,
    reason = "macOS has smaller numbers, with a sign"
)]
fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}

/// A socket that no child inherits and that never blocks.
fn socket() -> io::Result<OwnedFd> {
    #[cfg(target_os = "linux")]
    {
        let flags = net::SocketFlags::CLOEXEC | net::SocketFlags::NONBLOCK;
        Ok(net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let socket = net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
        ours(&socket)?;
        Ok(socket)
    }
}

fn accept(listener: &OwnedFd) -> Result<OwnedFd, Errno> {
    #[cfg(target_os = "linux")]
    return net::accept_with(listener, net::SocketFlags::CLOEXEC | net::SocketFlags::NONBLOCK);
    #[cfg(not(target_os = "linux"))]
    {
        let socket = net::accept(listener)?;
        ours(&socket)?;
        Ok(socket)
    }
}

fn ours(fd: &OwnedFd) -> Result<(), Errno> {
    fcntl_setfd(fd, FdFlags::CLOEXEC)?;
    ioctl_fionbio(fd, true)
}

/// The end that is read, and the one that is written.
fn stop_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe()?;
    ours(&read)?;
    ours(&write)?;
    Ok((read, write))
}

/// Who connected, or who listens: fixed by the system at the call, whatever became of the process since.
#[cfg(target_os = "linux")]
fn peer(socket: BorrowedFd<'_>) -> io::Result<Peer> {
    // not by rustix: its number of a process cannot be 0, which is what a process of another name space has
    let mut told = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or_default();
    // SAFETY: the socket is open; `told` is a structure of as many bytes as are told, and outlives the call
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut told).cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // no user has this number: the system has not filled it in
    if length as usize != size_of::<libc::ucred>() || told.uid == u32::MAX {
        return Err(ErrorKind::InvalidData.into());
    }
    let pid = u32::try_from(told.pid).ok().filter(|pid| *pid > 0);
    Ok(Peer { user: told.uid.to_string(), pid, is_administrator: told.uid == 0 })
}

#[cfg(target_os = "macos")]
fn peer(socket: BorrowedFd<'_>) -> io::Result<Peer> {
    let (mut uid, mut gid) = (u32::MAX, u32::MAX);
    // SAFETY: the socket is open; two pointers to numbers that outlive the call
    if unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut uid, &raw mut gid) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if uid == u32::MAX {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut pid: libc::pid_t = 0;
    let mut length = libc::socklen_t::try_from(size_of::<libc::pid_t>()).unwrap_or_default();
    // SAFETY: the socket is open; `pid` is a number of as many bytes as are told, and outlives the call
    let told = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_LOCAL,
            libc::LOCAL_PEERPID,
            (&raw mut pid).cast(),
            &raw mut length,
        )
    };
    let pid = if told == 0 { u32::try_from(pid).ok().filter(|pid| *pid > 0) } else { None };
    Ok(Peer { user: uid.to_string(), pid, is_administrator: uid == 0 })
}

/// Waits for either; whether the second is among what came.
fn wait_for_either(one: &OwnedFd, other: &OwnedFd) -> io::Result<bool> {
    loop {
        let mut fds = [PollFd::new(one, PollFlags::IN), PollFd::new(other, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) => return Ok(!fds[1].revents().is_empty()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

//! Named pipes.
//!
//! Only compiled so far, never run on Windows (docs/platforms.md).

#![allow(unsafe_code, reason = "std has no named pipes")]

use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::fs::OpenOptionsExt as _;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_BROKEN_PIPE, ERROR_FILE_NOT_FOUND, ERROR_NO_DATA, ERROR_PATH_NOT_FOUND,
    ERROR_PIPE_BUSY, ERROR_PIPE_CONNECTED, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX, ReadFile,
    SECURITY_IDENTIFICATION, WriteFile,
};
use windows_sys::Win32::System::Pipes::{
    ConnectNamedPipe, CreateNamedPipeW, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_UNLIMITED_INSTANCES,
};
use windows_sys::Win32::System::Threading::SetEvent;

use super::overlapped::{Ended, event, overlapped};
use super::{Audience, ChannelError, Peer, rights};

/// Bytes that the system keeps for each direction.
const BUFFER: u32 = 64 * 1024;
/// Between two tries to connect while all instances are taken.
const PAUSE: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(super) struct Listener {
    path: PathBuf,
    audience: Audience,
    /// The instance to which the next client connects. There is one at all times, so that the name stays ours.
    next: Mutex<Option<OwnedHandle>>,
    stopped: Stopper,
}

#[derive(Debug, Clone)]
pub(super) struct Stopper(Arc<OwnedHandle>);

#[derive(Debug)]
pub(super) struct Stream(OwnedHandle);

impl Listener {
    pub(super) fn bind(path: &Path, audience: Audience) -> Result<Self, ChannelError> {
        let first = instance(path, audience, true)?;
        let stopped = Stopper(Arc::new(event().map_err(ChannelError::io("making an event"))?));
        Ok(Self { path: path.to_owned(), audience, next: Mutex::new(Some(first)), stopped })
    }

    pub(super) fn accept(&self) -> Result<Option<(Stream, Peer)>, ChannelError> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let pipe = match next.take() {
                Some(pipe) => pipe,
                None => instance(&self.path, self.audience, false)?,
            };
            let came = self.wait_for_client(&pipe);
            if let Ok(false) = came {
                *next = Some(pipe);
                return Ok(None);
            }
            *next = Some(instance(&self.path, self.audience, false)?);
            // one that has gone again is of no interest
            if came.is_ok()
                && let Ok(peer) = rights::client(&pipe)
                && self.is_welcome(&peer)
            {
                return Ok(Some((Stream(pipe), peer)));
            }
        }
    }

    /// Whether a client came; no, if we were told to stop.
    fn wait_for_client(&self, pipe: &OwnedHandle) -> io::Result<bool> {
        let ended = overlapped(pipe, None, Some(&self.stopped.0), |state| {
            // SAFETY: the pipe is open, and `state` lives until the call has ended
            unsafe { ConnectNamedPipe(pipe.as_raw_handle(), state) }
        });
        match ended {
            Ok(Ended::Done(_)) => Ok(true),
            Ok(Ended::Stopped | Ended::Late) => Ok(false),
            // it was faster than we
            Err(error) if is(&error, ERROR_PIPE_CONNECTED) => Ok(true),
            Err(error) => Err(error),
        }
    }

    pub(super) fn stopper(&self) -> Stopper {
        self.stopped.clone()
    }

    /// The access list of the pipe says the same.
    fn is_welcome(&self, peer: &Peer) -> bool {
        self.audience == Audience::Everybody || peer.is_administrator || is_own_user(peer)
    }
}

impl Stopper {
    pub(super) fn stop(&self) {
        // SAFETY: the event is open as long as we hold it
        unsafe { SetEvent(self.0.as_raw_handle()) };
    }
}

impl Stream {
    pub(super) fn read(&mut self, buffer: &mut [u8], time: Duration) -> io::Result<usize> {
        let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let ended = overlapped(&self.0, Some(time), None, |state| {
            // SAFETY: the pipe is open; the buffer has at least that length, and it and `state` outlive the call, which
            // `overlapped` waits for
            unsafe {
                ReadFile(self.0.as_raw_handle(), buffer.as_mut_ptr(), length, std::ptr::null_mut(), state)
            }
        });
        match ended {
            // the other side has ended
            Err(error) if is(&error, ERROR_BROKEN_PIPE) || is(&error, ERROR_NO_DATA) => Ok(0),
            ended => count_of(&ended?),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8], time: Duration) -> io::Result<usize> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let ended = overlapped(&self.0, Some(time), None, |state| {
            // SAFETY: as for reading
            unsafe { WriteFile(self.0.as_raw_handle(), bytes.as_ptr(), length, std::ptr::null_mut(), state) }
        });
        match ended {
            Err(error) if is(&error, ERROR_NO_DATA) => Err(ErrorKind::BrokenPipe.into()),
            ended => count_of(&ended?),
        }
    }
}

fn count_of(ended: &Ended) -> io::Result<usize> {
    match ended {
        Ended::Done(count) => Ok(usize::try_from(*count).unwrap_or_default()),
        Ended::Late | Ended::Stopped => Err(ErrorKind::TimedOut.into()),
    }
}

pub(super) fn connect(path: &Path, deadline: Instant) -> Result<(Stream, Peer), ChannelError> {
    loop {
        // attack: the program that listens acts as whoever connects; ours may only learn who that is
        let opened = OpenOptions::new()
            .access_mode(rights::USE_OF_PIPE)
            .share_mode(0)
            .custom_flags(FILE_FLAG_OVERLAPPED)
            .security_qos_flags(SECURITY_IDENTIFICATION)
            .open(path);
        match opened {
            Ok(pipe) => {
                let pipe = OwnedHandle::from(pipe);
                let peer = rights::server(&pipe).map_err(ChannelError::io("asking who listens"))?;
                return Ok((Stream(pipe), peer));
            }
            Err(error) if is(&error, ERROR_FILE_NOT_FOUND) || is(&error, ERROR_PATH_NOT_FOUND) => {
                return Err(ChannelError::NotRunning(path.to_owned()));
            }
            Err(error) if is(&error, ERROR_PIPE_BUSY) => {
                if Instant::now() >= deadline {
                    return Err(ChannelError::Late(path.to_owned()));
                }
                std::thread::sleep(PAUSE);
            }
            Err(error) => return Err(ChannelError::io("connecting")(error)),
        }
    }
}

pub(super) fn is_own_user(peer: &Peer) -> bool {
    rights::own_user().is_ok_and(|own| own == peer.user)
}

/// One instance of the pipe. The first is refused where there is any of that name: attack: a user makes one before us,
/// and ours would be a further instance of his.
fn instance(path: &Path, audience: Audience, first: bool) -> Result<OwnedHandle, ChannelError> {
    let name: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    let first_flag = if first { FILE_FLAG_FIRST_PIPE_INSTANCE } else { 0 };
    let made = rights::with_attributes(audience, |attributes| {
        // SAFETY: the name is a string of UTF-16 that ends in zero; it and the attributes outlive the call
        let pipe = unsafe {
            CreateNamedPipeW(
                name.as_ptr(),
                PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | first_flag,
                PIPE_TYPE_BYTE | PIPE_REJECT_REMOTE_CLIENTS,
                PIPE_UNLIMITED_INSTANCES,
                BUFFER,
                BUFFER,
                0,
                attributes,
            )
        };
        if pipe == INVALID_HANDLE_VALUE {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle was made above, and is nobody else's
        Ok(unsafe { OwnedHandle::from_raw_handle(pipe) })
    });
    match made {
        Err(error) if first && is(&error, ERROR_ACCESS_DENIED) => Err(ChannelError::InUse(path.to_owned())),
        made => made.map_err(ChannelError::io("making the pipe")),
    }
}

fn is(error: &io::Error, number: u32) -> bool {
    error.raw_os_error() == i32::try_from(number).ok()
}

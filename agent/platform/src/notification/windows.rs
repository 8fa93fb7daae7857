//! Windows: a message that the system shows in the user's session. No process of the user's has a part in it.
//!
//! Only compiled so far, never run on Windows (docs/platforms.md).

#![allow(unsafe_code, reason = "std knows no sessions")]

use std::io;
use std::os::windows::io::{FromRawHandle as _, OwnedHandle};
use std::path::Path;
use std::time::Duration;

use windows_sys::Win32::Foundation::{FALSE, HANDLE};
use windows_sys::Win32::System::RemoteDesktop::{
    WTS_CURRENT_SERVER_HANDLE, WTS_CURRENT_SESSION, WTS_SESSION_INFOW, WTSActive, WTSEnumerateSessionsW,
    WTSFreeMemory, WTSQueryUserToken, WTSSendMessageW,
};
use windows_sys::Win32::UI::WindowsAndMessaging::{MB_ICONWARNING, MB_OK};

use super::{NotifyError, Recipient, Text};
use crate::ipc_channel::sid_of_token;

/// Seconds until the message goes by itself.
const SHOWN: u32 = 60;

/// Nothing is waited for: the system takes the message, or refuses it.
pub(super) fn deliver(
    _program: &Path,
    to: &Recipient,
    text: &Text,
    _within: Duration,
) -> Result<(), NotifyError> {
    let sessions = match to {
        Recipient::Own { .. } => vec![WTS_CURRENT_SESSION],
        Recipient::Sid(sid) => sessions_of(sid)?,
        Recipient::User { .. } => return Err(NotifyError::Unsupported),
    };
    if sessions.is_empty() {
        return Err(NotifyError::NoSession);
    }
    sessions.into_iter().try_for_each(|session| send(session, text))
}

/// There is no such process here.
pub(super) fn run() -> u8 {
    73
}

fn send(session: u32, text: &Text) -> Result<(), NotifyError> {
    let (title, body) = (wide(text.title()), wide(text.body()));
    // in bytes, without the zero
    let length = |text: &[u16]| u32::try_from((text.len() - 1) * 2).unwrap_or_default();
    let mut response = 0;
    // SAFETY: two texts with their lengths, which outlive the call, and a place for the answer, which is not waited for
    let sent = unsafe {
        WTSSendMessageW(
            WTS_CURRENT_SERVER_HANDLE,
            session,
            title.as_ptr(),
            length(&title),
            body.as_ptr(),
            length(&body),
            MB_OK | MB_ICONWARNING,
            SHOWN,
            &raw mut response,
            FALSE,
        )
    };
    if sent == 0 { Err(failed(&io::Error::last_os_error())) } else { Ok(()) }
}

/// The active sessions of a user.
fn sessions_of(sid: &str) -> Result<Vec<u32>, NotifyError> {
    let mut list: *mut WTS_SESSION_INFOW = std::ptr::null_mut();
    let mut count = 0;
    // SAFETY: the two places are ours to be written to
    let told =
        unsafe { WTSEnumerateSessionsW(WTS_CURRENT_SERVER_HANDLE, 0, 1, &raw mut list, &raw mut count) };
    if told == 0 {
        return Err(failed(&io::Error::last_os_error()));
    }
    // SAFETY: the system has made a list of so many, which is freed below
    let all = unsafe { std::slice::from_raw_parts(list, usize::try_from(count).unwrap_or_default()) };
    let active = all.iter().filter(|session| session.State == WTSActive).map(|session| session.SessionId);
    let of_user = active.filter(|session| user_of(*session).as_deref() == Some(sid)).collect();
    // SAFETY: the list was made by the call above, and nothing uses it from here on
    unsafe { WTSFreeMemory(list.cast()) };
    Ok(of_user)
}

/// Whose a session is; only SYSTEM may ask.
fn user_of(session: u32) -> Option<String> {
    let mut token: HANDLE = std::ptr::null_mut();
    // SAFETY: `token` is ours to be written to
    if unsafe { WTSQueryUserToken(session, &raw mut token) } == 0 {
        return None;
    }
    // SAFETY: the handle was opened above, and is nobody else's
    let token = unsafe { OwnedHandle::from_raw_handle(token) };
    sid_of_token(&token).ok()
}

fn wide(text: &str) -> Vec<u16> {
    // what a line ends with here
    text.replace('\n', "\r\n").encode_utf16().chain([0]).collect()
}

fn failed(error: &io::Error) -> NotifyError {
    NotifyError::Failed(format!("error {} of the system", error.raw_os_error().unwrap_or_default()))
}

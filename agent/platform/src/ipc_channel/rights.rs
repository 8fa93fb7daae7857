//! Who may use a pipe, who connected to it, and whose it is.

#![allow(unsafe_code, reason = "std knows neither access lists nor tokens")]

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};

use windows_sys::Win32::Foundation::{ERROR_SUCCESS, FALSE, HANDLE, LocalFree, TRUE};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, GetSecurityInfo,
    SDDL_REVISION_1, SE_KERNEL_OBJECT,
};
use windows_sys::Win32::Security::{
    CheckTokenMembership, CreateWellKnownSid, GetTokenInformation, IsWellKnownSid,
    OWNER_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID, RevertToSelf, SECURITY_ATTRIBUTES,
    SECURITY_MAX_SID_SIZE, TOKEN_QUERY, TOKEN_USER, TokenUser, WinBuiltinAdministratorsSid,
    WinLocalSystemSid,
};
use windows_sys::Win32::System::Pipes::{
    GetNamedPipeClientProcessId, GetNamedPipeServerProcessId, ImpersonateNamedPipeClient,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetCurrentThread, OpenProcessToken, OpenThreadToken,
};

use super::{Audience, Peer};

/// What a client may do with a pipe: read it, write it, look at it. Not `GENERIC_WRITE`, in which the right to make a
/// further instance is: attack: a user who makes one is the agent for whoever connects next.
pub(super) const USE_OF_PIPE: u32 = 0x0012_019b;

/// Runs something with the access list for a pipe of ours.
pub(super) fn with_attributes<T>(
    audience: Audience,
    run: impl FnOnce(*const SECURITY_ATTRIBUTES) -> io::Result<T>,
) -> io::Result<T> {
    // nothing is inherited; SYSTEM, administrators and we may do everything, and whoever has logged in may use it
    let mut list = format!("D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;{})", own_user()?);
    if audience == Audience::Everybody {
        list.push_str(&format!("(A;;{USE_OF_PIPE:#x};;;AU)"));
    }
    let text: Vec<u16> = list.encode_utf16().chain([0]).collect();
    let mut descriptor: PSECURITY_DESCRIPTOR = std::ptr::null_mut();
    // SAFETY: the text is a string of UTF-16 that ends in zero; `descriptor` is ours to be written to
    let made = unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(
            text.as_ptr(),
            SDDL_REVISION_1,
            &raw mut descriptor,
            std::ptr::null_mut(),
        )
    };
    if made == 0 {
        return Err(io::Error::last_os_error());
    }
    let descriptor = Local(descriptor);
    let attributes = SECURITY_ATTRIBUTES {
        nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap_or_default(),
        lpSecurityDescriptor: descriptor.0,
        bInheritHandle: FALSE,
    };
    run(&raw const attributes)
}

/// Who connected: by the token that the system took down when it did, not by the number of its process, which may be
/// another's by now.
pub(super) fn client(pipe: &OwnedHandle) -> io::Result<Peer> {
    // SAFETY: the pipe is open
    if unsafe { ImpersonateNamedPipeClient(pipe.as_raw_handle()) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let mut token: HANDLE = std::ptr::null_mut();
    // SAFETY: the pseudo handle of the own thread is always valid, and `token` is ours to be written to
    let opened = unsafe { OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &raw mut token) };
    let error = io::Error::last_os_error();
    // SAFETY: takes nothing
    if unsafe { RevertToSelf() } == 0 {
        // this thread would go on as the client
        std::process::abort();
    }
    if opened == 0 {
        return Err(error);
    }
    // SAFETY: the handle was opened above, and is nobody else's
    let token = unsafe { OwnedHandle::from_raw_handle(token) };
    let (user, is_system) = user_of(&token)?;
    let is_administrator = is_system || is_elevated_administrator(&token)?;
    let mut pid = 0;
    // SAFETY: the pipe is open, and `pid` is ours to be written to
    let told = unsafe { GetNamedPipeClientProcessId(pipe.as_raw_handle(), &raw mut pid) };
    Ok(Peer { user, pid: (told != 0 && pid > 0).then_some(pid), is_administrator })
}

/// Who made the pipe that we connected to. Only an elevated administrator can make one that Administrators own.
pub(super) fn server(pipe: &OwnedHandle) -> io::Result<Peer> {
    let (mut owner, mut descriptor): (PSID, PSECURITY_DESCRIPTOR) =
        (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the pipe is open; the two places are ours to be written to, and what is not wanted is null
    let result = unsafe {
        GetSecurityInfo(
            pipe.as_raw_handle(),
            SE_KERNEL_OBJECT,
            OWNER_SECURITY_INFORMATION,
            &raw mut owner,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            &raw mut descriptor,
        )
    };
    if result != ERROR_SUCCESS {
        return Err(io::Error::from_raw_os_error(i32::try_from(result).unwrap_or_default()));
    }
    // the owner is a part of it
    let _descriptor = Local(descriptor);
    let user = text_of(owner)?;
    // SAFETY: the owner is a SID of the descriptor, which is held
    let is_administrator = unsafe {
        IsWellKnownSid(owner, WinLocalSystemSid) != 0
            || IsWellKnownSid(owner, WinBuiltinAdministratorsSid) != 0
    };
    let mut pid = 0;
    // SAFETY: the pipe is open, and `pid` is ours to be written to
    let told = unsafe { GetNamedPipeServerProcessId(pipe.as_raw_handle(), &raw mut pid) };
    Ok(Peer { user, pid: (told != 0 && pid > 0).then_some(pid), is_administrator })
}

/// The SID of the user that this process runs as.
pub(super) fn own_user() -> io::Result<String> {
    let mut token: HANDLE = std::ptr::null_mut();
    // SAFETY: the pseudo handle of the own process is always valid, and `token` is ours to be written to
    if unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle was opened above, and is nobody else's
    let token = unsafe { OwnedHandle::from_raw_handle(token) };
    sid_of_token(&token)
}

/// The SID of a token's user.
pub(crate) fn sid_of_token(token: &OwnedHandle) -> io::Result<String> {
    user_of(token).map(|(user, _)| user)
}

/// The SID of a token's user, and whether it is SYSTEM's.
fn user_of(token: &OwnedHandle) -> io::Result<(String, bool)> {
    // as numbers of eight bytes, so that it is aligned as the system expects
    let mut buffer = [0_u64; 32];
    let size = u32::try_from(size_of_val(&buffer)).unwrap_or_default();
    let mut written = 0;
    let place: *mut c_void = buffer.as_mut_ptr().cast();
    // SAFETY: the token is open, and `place` is to a buffer of `size` bytes
    if unsafe { GetTokenInformation(token.as_raw_handle(), TokenUser, place, size, &raw mut written) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system has written this structure to the beginning of the buffer
    let sid = unsafe { (*place.cast::<TOKEN_USER>()).User.Sid };
    // SAFETY: the SID is in the buffer
    let is_system = unsafe { IsWellKnownSid(sid, WinLocalSystemSid) } != 0;
    Ok((text_of(sid)?, is_system))
}

/// A member of Administrators that is not elevated has the group only to be denied things by, and does not count.
fn is_elevated_administrator(token: &OwnedHandle) -> io::Result<bool> {
    let mut size = SECURITY_MAX_SID_SIZE;
    // as numbers of four bytes, so that it is aligned as the system expects
    let mut buffer = [0_u32; SECURITY_MAX_SID_SIZE as usize / 4];
    let sid: PSID = buffer.as_mut_ptr().cast();
    // SAFETY: `sid` is to a buffer of `size` bytes
    let made =
        unsafe { CreateWellKnownSid(WinBuiltinAdministratorsSid, std::ptr::null_mut(), sid, &raw mut size) };
    if made == 0 {
        return Err(io::Error::last_os_error());
    }
    let mut is_member = FALSE;
    // SAFETY: the token is open, the SID was made above, and `is_member` is ours to be written to
    if unsafe { CheckTokenMembership(token.as_raw_handle(), sid, &raw mut is_member) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(is_member != 0)
}

fn text_of(sid: PSID) -> io::Result<String> {
    let mut text: *mut u16 = std::ptr::null_mut();
    // SAFETY: the SID is one that the system gave us, and `text` is ours to be written to
    if unsafe { ConvertSidToStringSidW(sid, &raw mut text) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let _text = Local(text.cast());
    let mut length = 0;
    // SAFETY: the system's text ends in zero, before which all is read
    while unsafe { *text.add(length) } != 0 {
        length += 1;
    }
    // SAFETY: so many numbers are there, and they are held
    Ok(String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(text, length) }))
}

/// Memory that the system gave us to free.
struct Local(*mut c_void);

impl Drop for Local {
    fn drop(&mut self) {
        // SAFETY: it was given to us by a call that says so, and nothing uses it from here on
        unsafe { LocalFree(self.0) };
    }
}

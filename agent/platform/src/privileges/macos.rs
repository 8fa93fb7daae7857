//! macOS: users, limits. There is nothing like Landlock or seccomp that a program may use of itself and that is not
//! deprecated; the worker has the user's rights and no more.

#![allow(unsafe_code, reason = "std and rustix change no users")]

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, setrlimit, umask};

use super::{Confinement, Limits, PrivilegeError, UserIds};

/// As many as the kernel keeps; the directory service answers for the rest.
const MAX_GROUPS: usize = 16;

pub(super) fn become_user(user: &UserIds, limits: &Limits) -> Result<(), PrivilegeError> {
    if user.uid == 0 {
        return Err(PrivilegeError::Root);
    }
    let groups = user.groups.get(..MAX_GROUPS).unwrap_or(&user.groups);
    let count = libc::c_int::try_from(groups.len()).unwrap_or_default();
    // SAFETY: the pointer is to as many numbers as are told, and outlives the call
    done("setgroups", unsafe { libc::setgroups(count, groups.as_ptr()) })?;
    // by root these set the real, effective and saved number
    // SAFETY: takes a number
    done("setgid", unsafe { libc::setgid(user.gid) })?;
    // SAFETY: takes a number
    done("setuid", unsafe { libc::setuid(user.uid) })?;
    // SAFETY: take numbers
    if unsafe { libc::setuid(0) } == 0 || unsafe { libc::seteuid(0) } == 0 {
        return Err(PrivilegeError::Regained("root"));
    }
    // SAFETY: takes a number
    if user.gid != 0 && unsafe { libc::setegid(0) } == 0 {
        return Err(PrivilegeError::Regained("root's group"));
    }
    // SAFETY: ask for numbers
    let ids = unsafe { [libc::getuid(), libc::geteuid(), libc::getgid(), libc::getegid()] };
    if ids != [user.uid, user.uid, user.gid, user.gid] {
        return Err(PrivilegeError::Regained("another user's number"));
    }
    harden(limits)
}

pub(super) fn harden(limits: &Limits) -> Result<(), PrivilegeError> {
    umask(rustix::fs::Mode::from_raw_mode(0o077));
    // no limit on addresses: macOS maps more than that before `main`
    for (resource, limit) in [
        (Resource::Core, 0),
        (Resource::Cpu, limits.cpu_seconds),
        (Resource::Nofile, limits.files),
        (Resource::Fsize, limits.file_size),
    ] {
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        setrlimit(resource, limit)
            .map_err(|error| PrivilegeError::Refused { step: "a limit", errno: error.raw_os_error() })?;
    }
    Ok(())
}

pub(super) fn confine(_home: &Path, _read_only: &[&Path]) -> Result<Confinement, PrivilegeError> {
    Ok(Confinement::default())
}

pub(super) fn own_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// Between fork and exec: system calls only.
pub(super) fn before_exec() -> io::Result<()> {
    super::unix::close_the_rest_one_by_one();
    Ok(())
}

pub(super) fn handle_of(_process: u32) -> Option<OwnedFd> {
    None
}

pub(super) fn kill(_handle: &OwnedFd) -> bool {
    false
}

fn done(step: &'static str, result: libc::c_int) -> Result<(), PrivilegeError> {
    if result == 0 {
        return Ok(());
    }
    Err(PrivilegeError::Refused {
        step,
        errno: io::Error::last_os_error().raw_os_error().unwrap_or_default(),
    })
}

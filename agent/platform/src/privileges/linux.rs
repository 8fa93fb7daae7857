//! Linux.

#![allow(
    unsafe_code,
    reason = "rustix changes the users of one thread; these calls change those of the process"
)]

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Resource, Rlimit, Signal, getppid, pidfd_open, pidfd_send_signal,
    set_dumpable_behavior, set_parent_process_death_signal, setrlimit, umask,
};

use super::{Confinement, Limits, PrivilegeError, UserIds, seccomp};

/// The newest version of which we know what we ask.
const LANDLOCK: ABI = ABI::V6;

pub(super) fn become_user(user: &UserIds, limits: &Limits) -> Result<(), PrivilegeError> {
    if user.uid == 0 {
        return Err(PrivilegeError::Root);
    }
    one_thread()?;
    // a death signal that is set does not outlast the change of user
    let parent = getppid();
    // a worker that has stepped back (`priority::Background`) may come forward again, and no further; where root itself may not
    // raise limits, it only does not step back as far
    let _ = setrlimit(Resource::Nice, Rlimit { current: Some(20), maximum: Some(20) });
    set_ids(user)?;
    check_ids(user)?;
    harden(limits)?;
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| refused("the death signal", error))?;
    // it died before it was set: nobody would kill us
    if getppid() != parent {
        return Err(PrivilegeError::Refused { step: "the parent's life", errno: libc::ESRCH });
    }
    Ok(())
}

fn one_thread() -> Result<(), PrivilegeError> {
    // without /proc there is no telling; the calls below are then made in every thread all the same
    match std::fs::read_dir("/proc/self/task").map(Iterator::count) {
        Ok(count) if count > 1 => Err(PrivilegeError::Threads(count)),
        _ => Ok(()),
    }
}

/// Groups first, since without root they cannot be changed; all three ids of each kind, so that none is left to go
/// back to.
fn set_ids(user: &UserIds) -> Result<(), PrivilegeError> {
    // SAFETY: the pointer is to as many numbers as are told, and outlives the call
    done("setgroups", unsafe { libc::setgroups(user.groups.len(), user.groups.as_ptr()) })?;
    // SAFETY: takes three numbers
    done("setresgid", unsafe { libc::setresgid(user.gid, user.gid, user.gid) })?;
    // SAFETY: takes three numbers
    done("setresuid", unsafe { libc::setresuid(user.uid, user.uid, user.uid) })
}

fn check_ids(user: &UserIds) -> Result<(), PrivilegeError> {
    let (mut real, mut effective, mut saved) = (0, 0, 0);
    // SAFETY: three pointers to numbers that outlive the call
    done("getresuid", unsafe { libc::getresuid(&raw mut real, &raw mut effective, &raw mut saved) })?;
    if [real, effective, saved] != [user.uid; 3] {
        return Err(PrivilegeError::Regained("another user's number"));
    }
    // SAFETY: as above
    done("getresgid", unsafe { libc::getresgid(&raw mut real, &raw mut effective, &raw mut saved) })?;
    if [real, effective, saved] != [user.gid; 3] {
        return Err(PrivilegeError::Regained("another group's number"));
    }
    // SAFETY: take numbers
    if unsafe { libc::setresuid(u32::MAX, 0, u32::MAX) } == 0 || unsafe { libc::setuid(0) } == 0 {
        return Err(PrivilegeError::Regained("root"));
    }
    // SAFETY: takes a number
    if user.gid != 0 && unsafe { libc::setgid(0) } == 0 {
        return Err(PrivilegeError::Regained("root's group"));
    }
    // SAFETY: the pointer is to as many numbers as are told, and outlives the call
    if unsafe { libc::setgroups(1, [0].as_ptr()) } == 0 {
        return Err(PrivilegeError::Regained("the right to choose groups"));
    }
    let capabilities =
        rustix::thread::capabilities(None).map_err(|error| refused("the look at capabilities", error))?;
    if !capabilities.permitted.is_empty() || !capabilities.effective.is_empty() {
        return Err(PrivilegeError::Regained("a capability"));
    }
    Ok(())
}

pub(super) fn harden(limits: &Limits) -> Result<(), PrivilegeError> {
    rustix::thread::set_no_new_privs(true).map_err(|error| refused("no_new_privs", error))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| refused("dumpable", error))?;
    umask(rustix::fs::Mode::from_raw_mode(0o077));
    for (resource, limit) in [
        (Resource::Core, 0),
        (Resource::As, limits.memory),
        (Resource::Cpu, limits.cpu_seconds),
        (Resource::Nofile, limits.files),
        (Resource::Fsize, limits.file_size),
    ] {
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        setrlimit(resource, limit).map_err(|error| refused("a limit", error))?;
    }
    Ok(())
}

pub(super) fn confine(home: &Path, read_only: &[&Path]) -> Result<Confinement, PrivilegeError> {
    let mut confinement = landlock(home, read_only)?;
    confinement.seccomp = seccomp::apply()?;
    confinement.no_network |= confinement.seccomp;
    Ok(confinement)
}

fn landlock(home: &Path, read_only: &[&Path]) -> Result<Confinement, PrivilegeError> {
    // never to run anything, nor to make devices, sockets, pipes or links
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir;
    let restricted = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(LANDLOCK)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(LANDLOCK)))
        .and_then(landlock::Ruleset::create)
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules([home], read | write)))
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(read_only, read)))
        .and_then(landlock::RulesetCreated::restrict_self);
    let status = restricted.map_err(|_| PrivilegeError::Refused { step: "landlock", errno: errno() })?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Ok(Confinement::default());
    }
    let abi = match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => u32::try_from(effective_abi as i32).ok(),
        _ => None,
    };
    Ok(Confinement {
        landlock: abi,
        landlock_complete: status.ruleset == RulesetStatus::FullyEnforced,
        seccomp: false,
        // connections over TCP only
        no_network: false,
    })
}

/// The program that runs now, even if another lies at its path by then.
pub(super) fn own_program() -> io::Result<PathBuf> {
    let own = Path::new("/proc/self/exe");
    if own.exists() { Ok(own.to_owned()) } else { std::env::current_exe() }
}

/// Between fork and exec: system calls only.
pub(super) fn before_exec() -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 1 << 2;
    // SAFETY: takes three numbers
    if unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) } != 0 {
        // kernels before 5.11
        super::unix::close_the_rest_one_by_one();
    }
    Ok(())
}

pub(super) fn handle_of(process: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(process).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

pub(super) fn kill(handle: &OwnedFd) -> bool {
    pidfd_send_signal(handle, Signal::KILL).is_ok()
}

fn done(step: &'static str, result: libc::c_int) -> Result<(), PrivilegeError> {
    if result == 0 { Ok(()) } else { Err(PrivilegeError::Refused { step, errno: errno() }) }
}

fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or_default()
}

fn refused(step: &'static str, error: rustix::io::Errno) -> PrivilegeError {
    PrivilegeError::Refused { step, errno: error.raw_os_error() }
}

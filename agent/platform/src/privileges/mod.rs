//! What a worker does to itself before it reads a user's files, and how the process that has all rights starts it.
//!
//! The worker is a fresh process of our own program, started by root, with one thread. It becomes the user, gives up
//! every way back, limits what it may use up, and shuts itself in; only then does it read. So a link, a race or a
//! parser's fault in a user's file reaches nothing that the user could not reach himself.
//!
//! Being the user, it may be stopped or killed by the user (CVE-2020-16126 made that of a daemon which then held a
//! lock): the one that started it waits for no longer than a deadline, and asks nothing of it but an answer.

pub mod frames;
mod worker;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod os;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod os;
#[cfg(windows)]
#[path = "windows.rs"]
mod os;
#[cfg(target_os = "linux")]
mod seccomp;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
use os as streams;
#[cfg(unix)]
use unix as streams;

use std::path::{Path, PathBuf};

pub use worker::{Ended, Start, Worker, WorkerError};

use crate::machine::Machine;
pub use crate::users::is_privileged as am_root;

/// The numbers that make a process a user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserIds {
    /// The user.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// Further groups. Where they are not known (a directory service that does not answer) it is none: less may be
    /// read then, never more.
    pub groups: Vec<u32>,
}

impl UserIds {
    /// By the files in `etc`. Nothing where the account has no line there.
    pub fn of(machine: &Machine, user: &str, uid: u32) -> Option<Self> {
        let gid = crate::users::primary_group(machine, user, uid)?;
        let account = crate::users::account(machine, user, Some(uid));
        Some(Self { uid, gid, groups: account.gids.into_iter().collect() })
    }
}

/// Whether this system can start workers that are a user.
pub const HAS_WORKERS: bool = cfg!(unix);

/// Who a worker for a home is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Becoming {
    /// This user, for good.
    User(UserIds),
    /// Root's own home: nobody is to become, and the worker is only shut in.
    Root,
}

impl Becoming {
    /// By the account's number; where none is known, by the owner of the directory. Further groups of an image are
    /// anybody's word: those that mean something on this machine are not had by it. Nothing where the home is not there.
    pub fn of_home(machine: &Machine, user: &str, uid: Option<u32>, home: &Path) -> Option<Self> {
        let (owner, group) = streams::owner_of(&machine.host_path(&machine.resolve(home).ok()?.path))?;
        let uid = uid.unwrap_or(owner);
        if uid == 0 {
            return Some(Self::Root);
        }
        let mut ids =
            UserIds::of(machine, user, uid).unwrap_or(UserIds { uid, gid: group, groups: vec![group] });
        if !machine.is_live() {
            let host = Machine::live();
            ids.groups = crate::users::groups_by_image(&host, uid, ids.gid, &ids.groups);
        }
        Some(Self::User(ids))
    }
}

/// What a worker may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory, as addresses.
    pub memory: u64,
    /// Seconds of processor time; then it is killed.
    pub cpu_seconds: u64,
    /// Open files.
    pub files: u64,
    /// Longest file that it may write, in bytes.
    pub file_size: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 512 << 20, cpu_seconds: 10, files: 256, file_size: 64 << 20 }
    }
}

/// What holds the worker in, for the report. What is missing is the kernel's lack, not a fault.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Confinement {
    /// The version of Landlock that is in force; `None` where the kernel has none.
    pub landlock: Option<u32>,
    /// Whether the kernel could do all that was asked of Landlock.
    pub landlock_complete: bool,
    /// Whether system calls that it has no use for fail.
    pub seccomp: bool,
    /// Whether no connection can be made: by Landlock's or by seccomp's rules.
    pub no_network: bool,
}

/// Why a process could not give up its rights. Nothing of a user's may be read then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivilegeError {
    /// The account is root's: there is nobody to become.
    #[error("root's number is no user's: call harden and confine alone for root's own home")]
    Root,
    /// More than one thread: the others would keep their rights.
    #[error("{0} threads run: a worker gives up its rights before it starts any")]
    Threads(usize),
    /// A call failed.
    #[error("{step} failed (error {errno} of the system)")]
    Refused {
        /// Which.
        step: &'static str,
        /// The system's number of the error.
        errno: i32,
    },
    /// It was tried, and the rights came back.
    #[error("{0} could be had again after it was given up")]
    Regained(&'static str),
    /// This system has no such thing, or we do not use it yet.
    #[error("this system cannot do it yet")]
    Unsupported,
}

/// Becomes a user for good, and [hardens](harden) the process. It is tried whether anything can be regained.
///
/// On Windows a run without administrator's rights needs none of it, and another is not made yet: `Unsupported`.
///
/// # Errors
/// Anything at all fails: the process must end then, without having read anything.
pub fn become_user(user: &UserIds, limits: &Limits) -> Result<(), PrivilegeError> {
    os::become_user(user, limits)
}

/// No new rights by running a program, no core dump, no tracing by others of the same user, private files, limits.
///
/// # Errors
/// As for [`become_user`].
pub fn harden(limits: &Limits) -> Result<(), PrivilegeError> {
    os::harden(limits)
}

/// Shuts this process in: it reads and writes below `home`, reads `read_only` (what is not there is passed over), runs
/// nothing, and makes no connection. As much of it as the kernel can; what that is, is told.
///
/// # Errors
/// The kernel can, and refuses.
pub fn confine(home: &Path, read_only: &[&Path]) -> Result<Confinement, PrivilegeError> {
    os::confine(home, read_only)
}

/// The program of this process, to be started as a worker.
///
/// # Errors
/// The system does not say.
pub fn own_program() -> std::io::Result<PathBuf> {
    os::own_program()
}

/// Whether this process was started as a worker is: with pipes for its input and output.
pub fn is_on_pipes() -> bool {
    streams::is_on_pipes()
}

/// Starts a worker: pipes to its input and output, nothing else that is open, no environment but the given one, a
/// process group of its own, killed when the thread that started it ends (Linux) and at the deadline.
///
/// # Errors
/// It cannot be started.
pub fn spawn_worker(start: &Start<'_>) -> Result<Worker, WorkerError> {
    worker::spawn(start)
}

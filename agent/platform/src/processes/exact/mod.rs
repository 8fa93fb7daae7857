//! A hold on exactly one process: it and no other is asked to end, or ended.
//!
//! Attack: numbers are used again. Between the look at the table and the signal a process may end, and another, of another
//! user, may get its number. So a process is known by its number and the precise time of its start, and is looked at
//! once more after it is held, or directly before the signal where the system has no hold (macOS).

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(test)]
mod tests;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
use macos as system;
#[cfg(windows)]
use windows as system;

use std::collections::BTreeSet;
use std::{fmt, io};

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System, UpdateKind};

use super::{Process, from_sysinfo};

/// When a process started, as finely as the system tells: clock ticks since boot on Linux, microseconds since 1970 on
/// macOS, 100 ns since 1601 on Windows. Means something beside others of the same boot only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Started(pub u64);

/// One process of this boot, told from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance {
    /// Its number.
    pub pid: u32,
    /// When it started.
    pub started: Started,
}

impl Instance {
    /// The process that has this number now; `None` if there is none or the system does not tell.
    pub fn of(pid: u32) -> Option<Self> {
        system::started(pid).map(|started| Self { pid, started: Started(started) })
    }

    /// Whether it is still there. One that has ended and whose parent has not asked for it is not.
    pub fn is_running(self) -> bool {
        system::is_alive(self.pid, self.started.0)
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pid.fmt(f)
    }
}

/// Why a process is not held.
#[derive(Debug, thiserror::Error)]
pub enum NotHeld {
    /// It has ended; its number may be another's by now.
    #[error("it has ended")]
    Gone,
    /// It runs something else than what was seen, or as somebody else.
    #[error("it is not what was seen any more")]
    Changed,
    /// The first process, this one, or one that this one was started by.
    #[error("this agent runs below it, or it is the system's first process")]
    Untouchable,
    /// The system refuses.
    #[error("the system gives no hold on it: {0}")]
    Refused(#[from] io::Error),
}

/// A hold on exactly one process.
#[derive(Debug)]
pub struct Exact {
    instance: Instance,
    handle: system::Handle,
}

impl Exact {
    /// Whether a process can be asked to end. Windows has nothing of the kind for a process without a window:
    /// [`Exact::ask_to_end`] ends it there.
    pub const ASKS: bool = cfg!(unix);

    /// Takes hold of a process that was seen in the table. `instance` is that of the moment at which it was judged.
    ///
    /// # Errors
    /// It is not there any more, is not what was seen, must never be touched, or the system refuses.
    pub fn hold(seen: &Process, instance: Instance) -> Result<Self, NotHeld> {
        if instance.pid != seen.pid {
            return Err(NotHeld::Changed);
        }
        if ourselves().contains(&seen.pid) {
            return Err(NotHeld::Untouchable);
        }
        // The hold comes first: whatever is read of this number while it is valid is of this process.
        let handle = system::hold(seen.pid)?;
        let exact = Self { instance, handle };
        exact.check()?;
        match again(seen.pid) {
            Some((now, true)) if is_same(seen, &now) => {}
            Some(_) => return Err(NotHeld::Changed),
            None => return Err(NotHeld::Gone),
        }
        exact.check()?;
        Ok(exact)
    }

    /// Which process it is.
    pub fn instance(&self) -> Instance {
        self.instance
    }

    /// Whether it is still there.
    pub fn is_running(&self) -> bool {
        system::is_running(&self.handle) && self.instance.is_running()
    }

    /// Asks it to end (SIGTERM), where the system has such a thing: see [`Exact::ASKS`].
    ///
    /// # Errors
    /// It has ended, or the system refuses.
    pub fn ask_to_end(&self) -> Result<(), NotHeld> {
        self.check()?;
        Ok(system::ask_to_end(&self.handle)?)
    }

    /// Ends it (SIGKILL).
    ///
    /// # Errors
    /// It has ended, or the system refuses.
    pub fn kill(&self) -> Result<(), NotHeld> {
        self.check()?;
        Ok(system::kill(&self.handle)?)
    }

    fn check(&self) -> Result<(), NotHeld> {
        if self.is_running() { Ok(()) } else { Err(NotHeld::Gone) }
    }
}

/// What this process was started by, while it is there.
pub fn parent() -> Option<Instance> {
    let own = Instance::of(std::process::id())?;
    let (process, _) = again(own.pid)?;
    // where a parent that ends leaves its number behind (Windows), it may be that of one which came later
    Instance::of(process.parent?).filter(|parent| parent.started <= own.started)
}

/// This process, whatever it was started by, and the first of the system: none of them is ever touched.
pub fn ourselves() -> BTreeSet<u32> {
    let mut found = BTreeSet::from([0, 1]);
    let mut next = Some(std::process::id());
    while let Some(pid) = next.filter(|pid| found.insert(*pid)) {
        next = again(pid).and_then(|(process, _)| process.parent);
    }
    found
}

/// Whether what stands in the table now is what was seen: the program, its words and its user. Its parent may have ended
/// meanwhile. Seconds since 1970 are made from the time of boot, which moves with the wall clock.
fn is_same(seen: &Process, now: &Process) -> bool {
    now.exe == seen.exe
        && now.args == seen.args
        && now.uid == seen.uid
        && now.start_time.abs_diff(seen.start_time) <= 2
}

/// A process as it is now, and whether it has the rights of its user only.
///
/// Attack: a program with another user's rights (`sudo`) that is started below a client counts as its caller's by its user
/// number, and is not his.
fn again(pid: u32) -> Option<(Process, bool)> {
    let mut system = System::new_with_specifics(RefreshKind::nothing()).ok()?;
    let pid = Pid::from_u32(pid);
    let wanted = ProcessRefreshKind::nothing()
        .without_tasks()
        .with_cmd(UpdateKind::Always)
        .with_exe(UpdateKind::Always)
        .with_user(UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, wanted);
    let found = system.process(pid)?;
    #[cfg(unix)]
    let is_one_user = found.effective_user_id() == found.user_id();
    #[cfg(not(unix))]
    let is_one_user = true;
    Some((from_sysinfo(found), is_one_user))
}

//! Processes of our own: known by their handles, since a number may be another's a moment later.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::processes::Instance;

/// Processes that are kept; each home has one worker or two.
const MOST: usize = 256;

#[derive(Default)]
pub(super) struct Owns(Vec<(u32, OwnedFd)>);

impl Owns {
    /// Takes one in, if the process with this number is the one that was meant.
    pub(super) fn add(&mut self, pid: u32, started: u64) {
        self.0.retain(|(_, handle)| is_running(handle));
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let handle = number.and_then(|number| pidfd_open(number, PidfdFlags::empty()).ok());
        let is_it = || Instance::of(pid).is_some_and(|instance| instance.started.0 == started);
        if let Some(handle) = handle.filter(|_| self.0.len() < MOST && is_it()) {
            self.0.push((pid, handle));
        }
    }

    pub(super) fn remove(&mut self, pid: u32) {
        self.0.retain(|(own, _)| *own != pid);
    }

    /// Whether the process that has this number now is one of them.
    pub(super) fn has(&self, pid: u32) -> bool {
        self.0.iter().any(|(own, handle)| *own == pid && is_running(handle))
    }
}

/// A handle is readable once its process has ended.
fn is_running(handle: &OwnedFd) -> bool {
    let mut asked = [PollFd::new(handle, PollFlags::IN)];
    poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ended| ended == 0)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_ours_by_number_and_start_and_only_while_it_runs() {
        let mut child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        let (pid, started) = (child.id(), Instance::of(child.id()).unwrap().started.0);
        let mut owns = Owns::default();
        owns.add(pid, started + 1);
        assert!(!owns.has(pid), "another that had the number");
        owns.add(pid, started);
        assert!(owns.has(pid) && !owns.has(pid + 1));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!owns.has(pid));
    }
}

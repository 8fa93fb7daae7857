//! By pidfd (Linux 5.3): a descriptor that stands for one process, whatever becomes of its number.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::NotHeld;

pub(super) type Handle = OwnedFd;

pub(super) fn hold(pid: u32) -> Result<Handle, NotHeld> {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(NotHeld::Gone)?;
    match pidfd_open(number, PidfdFlags::empty()) {
        Ok(handle) => Ok(handle),
        Err(rustix::io::Errno::SRCH) => Err(NotHeld::Gone),
        Err(error) => Err(NotHeld::Refused(error.into())),
    }
}

/// A pidfd is readable once its process has ended, be it that nobody has asked for it yet.
pub(super) fn is_running(handle: &Handle) -> bool {
    let mut asked = [PollFd::new(handle, PollFlags::IN)];
    poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ended| ended == 0)
}

pub(super) fn ask_to_end(handle: &Handle) -> io::Result<()> {
    Ok(pidfd_send_signal(handle, Signal::TERM)?)
}

pub(super) fn kill(handle: &Handle) -> io::Result<()> {
    Ok(pidfd_send_signal(handle, Signal::KILL)?)
}

/// Clock ticks since boot.
pub(super) fn started(pid: u32) -> Option<u64> {
    of_stat(&stat(pid)?).map(|(_, started)| started)
}

/// One that has ended (`Z`, `X`) is only a line of the table.
pub(super) fn is_alive(pid: u32, since: u64) -> bool {
    let told = stat(pid).as_deref().and_then(of_stat);
    told.is_some_and(|(state, started)| started == since && !matches!(state, 'Z' | 'X'))
}

#[allow(clippy::disallowed_methods, reason = "a file of the kernel's own")]
fn stat(pid: u32) -> Option<Vec<u8>> {
    std::fs::read(format!("/proc/{pid}/stat")).ok()
}

/// State and start, the fields 3 and 22. The name before them is chosen by the process: it may hold spaces, line ends and
/// parentheses, so fields are counted from the last one.
fn of_stat(stat: &[u8]) -> Option<(char, u64)> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_cannot_lie_about_its_start_by_its_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21";
        for name in ["sleep", "a b) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 99 (", "\n) Z 1"] {
            assert_eq!(of_stat(format!("7 ({name}) {rest}\n").as_bytes()), Some(('S', 4711)), "{name}");
        }
        assert_eq!(of_stat(b"7 (\xff\xfe) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 5"), Some(('Z', 5)));
        assert_eq!(of_stat(b"7 (sleep) S 1"), None);
        assert_eq!(of_stat(b""), None);
    }
}

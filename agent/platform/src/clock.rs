//! Moments at which time leaps: the clock is set, or the machine wakes from sleep. Whoever waits for a time waits too long
//! then: the clock by which a program sleeps stands still while the machine does.

/// Tells of such moments from now on, for the rest of this process. On Linux only: there a timer says so by itself.
///
/// On Windows the clock by which a program sleeps goes on during sleep. macOS has it only for programs with a run loop of its
/// frameworks; there a leap is noticed when something else wakes the program.
///
/// # Errors
/// The system gives no timer or no thread.
pub fn watch(tell: impl Fn() + Send + 'static) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    return os::watch(tell);
    #[cfg(not(target_os = "linux"))]
    {
        drop(tell);
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod os {
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::io::Errno;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };

    pub(super) fn watch(tell: impl Fn() + Send + 'static) -> io::Result<()> {
        let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC)?;
        arm(&timer)?;
        let wait = move || {
            loop {
                match rustix::io::read(&timer, &mut [0; 8]) {
                    // the clock was set, or leapt over a sleep
                    Err(Errno::CANCELED) => tell(),
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(_) => return,
                }
                match arm(&timer) {
                    // it leapt once more just now, and the timer is set all the same
                    Err(error) if error.raw_os_error() == Some(Errno::CANCELED.raw_os_error()) => tell(),
                    Err(_) => return,
                    Ok(()) => {}
                }
            }
        };
        std::thread::Builder::new().name("clock".to_owned()).spawn(wait).map(drop)
    }

    /// A time that never comes; the timer is cancelled when the clock leaps.
    fn arm(timer: &OwnedFd) -> io::Result<()> {
        let never = Timespec { tv_sec: i64::from(i32::MAX) * 16, tv_nsec: 0 };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: never };
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        timerfd_settime(timer, flags, &once)?;
        Ok(())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime, clock_settime};

    #[test]
    #[ignore = "sets the clock of this machine to what it says: by hand only, on a machine of one's own"]
    fn that_the_clock_was_set_is_told() {
        let (tell, told) = mpsc::channel();
        super::watch(move || tell.send(()).unwrap_or_default()).unwrap();
        assert!(told.recv_timeout(Duration::from_millis(100)).is_err());
        clock_settime(ClockId::Realtime, clock_gettime(ClockId::Realtime)).unwrap();
        told.recv_timeout(Duration::from_secs(5)).expect("it is told");
    }
}

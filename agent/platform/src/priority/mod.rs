//! Stays out of the user's way.

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod os;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod os;
#[cfg(windows)]
#[path = "windows.rs"]
mod os;

/// Lowers the priority of this process, as far as the system lets us; a failure changes nothing but speed.
pub fn background() {
    // on Linux the disk's priority follows this number
    #[cfg(unix)]
    let _ = rustix::process::setpriority_process(None, NICE);
    #[cfg(windows)]
    os::background();
}

/// By how much less is asked of the processor than others ask. It stays a share: what does not run at all enforces nothing,
/// and files that change meanwhile wait for it.
#[cfg(unix)]
const NICE: i32 = 10;

/// While it is there, what this thread and those that it starts do has less claim to processor and disk.
#[derive(Debug)]
pub struct Background(os::Before);

impl Background {
    /// Lowers the priority of this thread, as far as it can be raised again afterwards.
    pub fn begin() -> Self {
        Self(os::begin())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        os::end(&self.0);
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    /// Nice value and disk priority of this thread.
    #[allow(clippy::disallowed_methods, reason = "a file of the kernel's own")]
    fn now() -> (String, String) {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let nice = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16).unwrap().to_owned();
        (nice, format!("{:?}", os::disk()))
    }

    #[test]
    fn a_thread_in_the_background_is_as_it_was_when_that_is_over() {
        // a thread of its own: others run beside it
        let test = || {
            let before = now();
            let background = Background::begin();
            let (nice, disk) = now();
            assert_ne!(disk, before.1);
            let below = std::thread::spawn(now).join().unwrap();
            assert_eq!(below, (nice, disk), "threads that it starts");
            drop(background);
            assert_eq!(now(), before);
        };
        std::thread::spawn(test).join().unwrap();
    }
}

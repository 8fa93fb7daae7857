//! Disks that come and go while we run: an encrypted home that its owner unlocks, one from a server.
//!
//! Linux tells by its table of mounts, which can be waited for. macOS shows what is mounted as a change of the folder in
//! which it appears; Windows has a home's folder only once its user logs in. There nothing is to be done here.

use std::path::PathBuf;

/// Tells where something was mounted or unmounted, from now on, for the rest of this process. On Linux only.
///
/// # Errors
/// The table cannot be read, or the system gives no thread.
pub fn watch(tell: impl Fn(Vec<PathBuf>) + Send + 'static) -> std::io::Result<()> {
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
    use std::collections::BTreeSet;
    use std::fs::File;
    use std::io::{self, Read as _, Seek as _};
    use std::path::PathBuf;

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;

    use crate::processes::containers::parse_mounts;

    /// Largest table that is read, in bytes.
    const MAX_TABLE: u64 = 4 << 20;

    /// A mount: where it is, and what. One over another is a change too.
    type Known = BTreeSet<(PathBuf, String, PathBuf)>;

    #[allow(clippy::disallowed_methods, reason = "a file of the kernel's own")]
    pub(super) fn watch(tell: impl Fn(Vec<PathBuf>) + Send + 'static) -> io::Result<()> {
        let mut table = File::open("/proc/self/mountinfo")?;
        let mut known = read(&mut table)?;
        let wait = move || {
            while wait_for_change(&table) {
                let Ok(now) = read(&mut table) else { return };
                let changed = known.symmetric_difference(&now).map(|(at, ..)| at.clone());
                let changed: BTreeSet<PathBuf> = changed.collect();
                known = now;
                if !changed.is_empty() {
                    tell(changed.into_iter().collect());
                }
            }
        };
        std::thread::Builder::new().name("mounts".to_owned()).spawn(wait).map(drop)
    }

    fn read(table: &mut File) -> io::Result<Known> {
        table.rewind()?;
        let mut text = Vec::new();
        table.take(MAX_TABLE).read_to_end(&mut text)?;
        Ok(parse_mounts(&text).into_iter().map(|mount| (mount.at, mount.device, mount.root)).collect())
    }

    /// Waits without end. The kernel marks the file as being in error while it has changed since it was read.
    fn wait_for_change(table: &File) -> bool {
        loop {
            let mut waiting = [PollFd::new(table, PollFlags::PRI)];
            match poll(&mut waiting, None) {
                Ok(_) => return !waiting[0].revents().contains(PollFlags::NVAL),
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::process::Command;
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    /// Runs the test below in a name space of its own: what is mounted there is mounted nowhere else.
    #[test]
    fn what_is_mounted_and_unmounted_is_told() {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]).arg(std::env::current_exe().unwrap());
        command.args(["--exact", "mounts::tests::in_a_name_space", "--ignored", "--nocapture"]);
        let Ok(output) = command.output() else { return eprintln!("skipped: unshare is not here") };
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if said.contains("unshare failed") {
            return eprintln!("skipped: only root makes name spaces here");
        }
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    #[ignore = "in a name space of its own, by the test above"]
    fn in_a_name_space() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().canonicalize().unwrap();
        let (tell, told) = mpsc::channel();
        super::watch(move |paths| drop(tell.send(paths))).unwrap();
        let run =
            |words: &[&str]| assert!(Command::new(words[0]).args(&words[1..]).status().unwrap().success());
        let wait = || {
            let end = Instant::now() + Duration::from_secs(5);
            loop {
                let paths: Vec<std::path::PathBuf> =
                    told.recv_timeout(end.saturating_duration_since(Instant::now())).expect("it is told");
                if paths.contains(&at) {
                    return;
                }
            }
        };
        let path = at.to_str().unwrap();
        run(&["mount", "-t", "tmpfs", "none", path]);
        wait();
        run(&["umount", path]);
        wait();
    }
}

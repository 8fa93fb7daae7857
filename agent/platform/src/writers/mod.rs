//! Which process wrote a file, as far as the system tells.
//!
//! Linux tells it to root (fanotify, by folder). macOS tells it to Endpoint Security clients and Windows to kernel
//! drivers only, which this is not: nothing is known there.
//!
//! What the system tells waits in a queue of the kernel's and is taken in when something else has woken us: nobody is
//! woken for it.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as os;
#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
use other as os;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long it is kept who wrote a file.
const KEPT: Duration = Duration::from_secs(60);
/// Files of which it is kept.
///
/// Attack: a user writes files without end.
const MOST: usize = 1024;

/// A process that wrote a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// Its number. It may have ended since, and the number may be another's.
    pub pid: u32,
    /// Its program. None if it had ended before it was looked at.
    pub program: Option<PathBuf>,
    /// The program of the process that had started it, likewise.
    pub parent: Option<PathBuf>,
}

/// Who wrote files in the folders that are watched.
pub struct Writers {
    inner: os::Group,
    known: BTreeMap<PathBuf, (Instant, Writer)>,
}

impl Writers {
    /// Watches nothing yet. None where the system does not tell, or not to this process.
    pub fn new() -> Option<Self> {
        Some(Self { inner: os::Group::new()?, known: BTreeMap::new() })
    }

    /// Takes note of who writes in a folder from now on. Whether the system tells for it: not every file system can.
    pub fn watch(&mut self, folder: &Path) -> bool {
        self.inner.watch(folder)
    }

    /// Nobody cares about a folder any more.
    pub fn forget(&mut self, folder: &Path) {
        self.inner.forget(folder);
    }

    /// Begins anew with these folders.
    ///
    /// Attack: a folder that is moved away takes its mark along; a thousand of them fill the kernel's queue.
    pub fn renew<'f>(&mut self, folders: impl Iterator<Item = &'f PathBuf>) {
        let Some(inner) = os::Group::new() else { return };
        self.inner = inner;
        for folder in folders {
            self.inner.watch(folder);
        }
    }

    /// Takes in what the system has told since the last time. `matters` says of which files it is kept: a process is looked up
    /// for those only.
    pub fn take_in(&mut self, now: Instant, matters: &dyn Fn(&Path) -> bool) {
        self.known.retain(|_, (at, _)| now.saturating_duration_since(*at) < KEPT);
        let known = &mut self.known;
        self.inner.take_in(&mut |path, pid| {
            if !matters(&path) || (known.len() >= MOST && !known.contains_key(&path)) {
                return;
            }
            if let Some(writer) = os::look_up(pid) {
                known.insert(path, (now, writer));
            }
        });
    }

    /// Who wrote a file last, if that was a moment ago.
    pub fn of(&self, path: &Path) -> Option<&Writer> {
        self.known.get(path).map(|(_, writer)| writer)
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs;
    use std::io::Read as _;
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A shell that has done something and stays until this goes, so that it can be looked up.
    struct Shell(Child);

    impl Shell {
        fn does(what: &str, folder: &Path) -> Self {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", &format!("{what}; echo; read end")]).current_dir(folder);
            let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            shell.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
            Self(shell)
        }
    }

    impl Drop for Shell {
        fn drop(&mut self) {
            drop(self.0.stdin.take());
            let _ = self.0.wait();
        }
    }

    /// A folder, and who writes in it; none where the system does not tell.
    fn watched() -> Option<(tempfile::TempDir, PathBuf, Writers)> {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().canonicalize().unwrap();
        let writers = Writers::new().and_then(|mut writers| writers.watch(&at).then_some(writers));
        if writers.is_none() {
            eprintln!("skipped: only root is told, and not for every file system");
        }
        Some((folder, at, writers?))
    }

    #[test]
    fn it_is_told_which_process_wrote_in_a_folder_that_is_watched_but_not_what_this_program_did() {
        let Some((_folder, at, mut writers)) = watched() else { return };
        let shell =
            Shell::does("echo 1 > new; echo 2 > x.tmp; mv x.tmp by-rename; echo 3 > unimportant", &at);
        fs::write(at.join("own"), "1").unwrap();
        writers.take_in(Instant::now(), &|path| !path.ends_with("unimportant"));
        let new = writers.of(&at.join("new")).expect("it is told");
        assert_eq!(new.pid, shell.0.id());
        assert_eq!(new.program, Some(fs::canonicalize("/bin/sh").unwrap()));
        assert_eq!(new.parent, Some(std::env::current_exe().unwrap()));
        // `mv` has ended by now
        assert!(writers.of(&at.join("by-rename")).is_some_and(|writer| writer.pid != shell.0.id()));
        for unknown in ["own", "unimportant"] {
            assert_eq!(writers.of(&at.join(unknown)), None, "{unknown}");
        }
        writers.take_in(Instant::now() + KEPT, &|_| true);
        assert_eq!(writers.of(&at.join("new")), None, "a minute later");
    }

    #[test]
    fn a_folder_that_nobody_cares_about_any_more_is_not_followed() {
        let Some((_folder, at, mut writers)) = watched() else { return };
        let below = at.join("below");
        fs::create_dir(&below).unwrap();
        let is_told = |writers: &mut Writers, name: &str| {
            let _shell = Shell::does(&format!("echo 1 > {name}"), &at);
            writers.take_in(Instant::now(), &|_| true);
            writers.of(&at.join(name)).is_some()
        };
        assert!(!is_told(&mut writers, "below/1"), "folders, never trees");
        assert!(writers.watch(&below) && is_told(&mut writers, "below/2"));
        writers.renew([at.clone()].iter());
        assert!(!is_told(&mut writers, "below/3") && is_told(&mut writers, "4"));
        writers.forget(&at);
        assert!(!is_told(&mut writers, "5"));
    }
}

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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    #[test]
    fn it_is_told_which_process_wrote_in_a_folder_that_is_watched_but_not_what_this_program_did() {
        let Some(mut writers) = Writers::new() else { return eprintln!("skipped: only root is told") };
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().canonicalize().unwrap();
        if !writers.watch(&at) {
            return eprintln!("skipped: not for this file system");
        }
        // it stays until its input ends, so that it can be looked up
        let script = "echo 1 > new; echo 2 > by-rename.tmp; mv by-rename.tmp by-rename; echo; read end";
        let mut shell = Command::new("/bin/sh")
            .args(["-c", script])
            .current_dir(&at)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Read::read(shell.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        fs::write(at.join("own"), "1").unwrap();
        fs::write(at.join("unimportant"), "1").unwrap();
        writers.take_in(Instant::now(), &|path| !path.ends_with("unimportant"));
        let new = writers.of(&at.join("new")).expect("it is told").clone();
        assert_eq!(new.pid, shell.id());
        assert_eq!(new.program, Some(fs::canonicalize("/bin/sh").unwrap()));
        assert_eq!(new.parent, Some(std::env::current_exe().unwrap()));
        // `mv` has ended by now
        assert!(writers.of(&at.join("by-rename")).is_some_and(|writer| writer.pid != shell.id()));
        assert_eq!(writers.of(&at.join("own")), None);
        assert_eq!(writers.of(&at.join("unimportant")), None);
        writers.take_in(Instant::now() + KEPT, &|_| true);
        assert_eq!(writers.of(&at.join("new")), None);
        // a folder that was moved away is not followed
        let moved = folder.path().join("moved");
        fs::create_dir(&moved).unwrap();
        assert!(writers.watch(&moved));
        writers.renew([at.clone()].iter());
        let script = "echo 1 > moved/x; echo 1 > again; echo; read end";
        let mut other = Command::new("/bin/sh")
            .args(["-c", script])
            .current_dir(&at)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Read::read(other.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        writers.take_in(Instant::now(), &|_| true);
        assert!(writers.of(&at.join("again")).is_some() && writers.of(&moved.join("x")).is_none());
        drop(other.stdin.take());
        other.wait().unwrap();
        writers.take_in(Instant::now() + KEPT, &|_| true);
        drop(shell.stdin.take());
        shell.wait().unwrap();
        writers.forget(&at);
        fs::write(at.join("later"), "1").unwrap();
        writers.take_in(Instant::now(), &|_| true);
        assert!(writers.known.is_empty());
    }
}

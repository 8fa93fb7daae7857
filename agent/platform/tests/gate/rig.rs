//! A gate over a folder, and programs that open files in it. This program is all of them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use mcpolicy_platform::gate::{self, Gate, Late, Question, Start, Told, Word};

/// The user whose files they are.
pub(crate) const ANN: u32 = 2001;
/// Nobody waits longer.
pub(crate) const FIVE: Duration = Duration::from_secs(5);

/// The other programs that this is, by its first word.
pub(crate) fn be(words: &[String]) -> Option<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["gate"] => gate::serve(&|path| matters(path)).unwrap(),
        ["agent", folder] => agent(Path::new(folder)),
        ["open", path, count] => super::costs::open(path, count.parse().unwrap()),
        _ => return None,
    }
    Some(())
}

fn matters(path: &[u8]) -> bool {
    path.ends_with(b"/mcp.json") || path == b"mcp.json"
}

/// An agent that answers nobody, until it is ended.
fn agent(folder: &Path) {
    let mut gate = open_gate(Late::Deny, |_| {});
    assert_eq!(gate.hold(&[(folder.to_owned(), ANN)]), []);
    println!("ready");
    std::thread::sleep(Duration::from_secs(60));
}

pub(crate) fn own_program() -> PathBuf {
    std::env::current_exe().unwrap()
}

fn open_gate(late: Late, tell: impl Fn(Told) + Send + 'static) -> Gate {
    let program = own_program();
    Gate::open(Start { program: &program, args: &[OsStr::new("gate")] }, late, tell).unwrap()
}

/// Whether there is a gate here at all.
pub(crate) fn can() -> bool {
    let Err(lack) = gate::ability() else { return true };
    assert!(std::env::var("CI").is_ok_and(|ci| ci != "true") || std::env::var("CI").is_err(), "{lack}");
    eprintln!("skipped: {lack}");
    false
}

pub(crate) struct Rig {
    pub(crate) gate: Gate,
    told: Receiver<Told>,
    folder: tempfile::TempDir,
}

impl Rig {
    pub(crate) fn new(late: Late) -> Self {
        let folder = tempfile::tempdir().unwrap();
        chown(folder.path(), Some(ANN), Some(ANN)).unwrap();
        let held = folder.path().canonicalize().unwrap().join("held");
        fs::create_dir(&held).unwrap();
        chown(&held, Some(ANN), Some(ANN)).unwrap();
        let (tell, told) = channel();
        let mut gate = open_gate(late, move |one| drop(tell.send(one)));
        assert_eq!(gate.hold(&[(held, ANN)]), []);
        Self { gate, told, folder }
    }

    /// The folder around the one that is held.
    pub(crate) fn around(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    pub(crate) fn held(&self) -> PathBuf {
        self.around().join("held")
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.held().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// The next question.
    pub(crate) fn asked(&self) -> Question {
        match self.told.recv_timeout(FIVE) {
            Ok(Told::Question(question)) => question,
            other => panic!("nothing is asked: {other:?}"),
        }
    }

    /// Waits until something is told.
    pub(crate) fn wait(&self, what: &str, is_it: impl Fn(&Told) -> bool) {
        let end = Instant::now() + FIVE;
        loop {
            match self.told.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(told) if is_it(&told) => return,
                Ok(_) => {}
                Err(_) => panic!("{what} is not told"),
            }
        }
    }

    /// What is told within some time.
    pub(crate) fn within(&self, time: Duration) -> Result<Told, RecvTimeoutError> {
        self.told.recv_timeout(time)
    }

    /// Closes the gate. The folder is still there.
    pub(crate) fn close(self) -> tempfile::TempDir {
        drop(self.gate);
        self.folder
    }

    /// That nothing is asked for a while.
    pub(crate) fn is_quiet(&self) {
        let told = self.told.recv_timeout(Duration::from_millis(30));
        assert_eq!(told, Err(RecvTimeoutError::Timeout));
    }

    /// Whoever asks next gets this answer: that the file is in order as it is, or not.
    pub(crate) fn answer(&self, allow: bool) -> Question {
        let question = self.asked();
        let word = if allow { Word::Allow(question.stamp) } else { Word::Deny };
        self.gate.answer(question.id, word);
        question
    }

    /// The holder and the answering process.
    pub(crate) fn processes(&self) -> (u32, u32) {
        let end = Instant::now() + FIVE;
        loop {
            let holder = children(std::process::id()).into_iter().find(|pid| is_gate(*pid));
            let answering = holder.and_then(|holder| children(holder).first().copied());
            if let (Some(holder), Some(answering)) = (holder, answering) {
                return (holder, answering);
            }
            assert!(Instant::now() < end, "the two processes do not run");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn is_gate(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.ends_with(b"\0gate\0"))
}

pub(crate) fn children(of: u32) -> Vec<u32> {
    let parent = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent(*pid) == Some(of)).collect()
}

pub(crate) fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

/// A program that reads a file and says what it holds.
pub(crate) fn reader(path: &Path) -> Child {
    let mut cat = Command::new("cat");
    cat.arg(path).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    cat.spawn().unwrap()
}

/// What it came to: the text, or nothing if it was not let read. It may not take longer than five seconds.
pub(crate) fn read(mut child: Child) -> Option<String> {
    let end = Instant::now() + FIVE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() >= end {
            child.kill().unwrap();
            panic!("somebody waits for more than five seconds");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    if status.success() {
        return Some(String::from_utf8(stdout).unwrap());
    }
    let said = String::from_utf8_lossy(&stderr).into_owned();
    assert!(said.contains("Operation not permitted"), "{said}");
    None
}

pub(crate) fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

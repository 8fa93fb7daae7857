//! A throw-away home with something beside it that must never change.
#![allow(dead_code, reason = "each test program uses some of it")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use mcpolicy_platform::secure_fs::{Fault, HomeDir, Original};
use tempfile::TempDir;

pub(crate) const MAX: u64 = 1 << 20;
/// Nobody's number on any machine that runs these tests.
pub(crate) const USER: u32 = 4001;
pub(crate) const STRANGER: u32 = 4009;
pub(crate) const SECRET: &str = "root:secret";

/// `home` is the user's (ours, where we are not root); `outside` holds the canary.
pub(crate) struct Folder {
    root: PathBuf,
    pub(crate) uid: u32,
    _dir: Option<TempDir>,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self::of(tempfile::tempdir().expect("temporary directory"))
    }

    /// In memory, where the machine has such: the disk would make the rounds of a race few.
    pub(crate) fn on_fast_disk() -> Self {
        Self::of(
            tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("temporary directory"),
        )
    }

    fn of(dir: TempDir) -> Self {
        let folder = Self { root: dir.path().to_owned(), uid: user(), _dir: Some(dir) };
        folder.furnish();
        folder
    }

    /// In a directory that somebody else removes: a file system is mounted there.
    pub(crate) fn within(root: &Path) -> Self {
        let folder = Self { root: root.to_owned(), uid: user(), _dir: None };
        folder.furnish();
        folder
    }

    fn furnish(&self) {
        fs::set_permissions(self.root(), Permissions::from_mode(0o755)).expect("permissions");
        fs::create_dir(self.at("")).expect("home");
        self.give("");
        fs::create_dir(self.root().join("outside")).expect("directory");
        fs::write(self.canary(), SECRET).expect("canary");
        fs::set_permissions(self.canary(), Permissions::from_mode(0o600)).expect("permissions");
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn canary(&self) -> PathBuf {
        self.root().join("outside/shadow")
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        let home = self.root().join("home");
        if path.is_empty() { home } else { home.join(path) }
    }

    /// To the user.
    pub(crate) fn give(&self, path: &str) {
        if is_root() {
            std::os::unix::fs::lchown(self.at(path), Some(self.uid), Some(self.uid)).expect("owner");
        }
    }

    pub(crate) fn directory(&self, path: &str) -> &Self {
        let mut made = PathBuf::new();
        for part in Path::new(path).components() {
            made.push(part);
            if !self.root().join("home").join(&made).exists() {
                fs::create_dir(self.root().join("home").join(&made)).expect("directory");
                self.give(made.to_str().expect("text"));
            }
        }
        self
    }

    pub(crate) fn file(&self, path: &str, text: &str) -> &Self {
        if let Some(parent) = Path::new(path).parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.directory(parent.to_str().expect("text"));
        }
        fs::write(self.at(path), text).expect("file");
        self.give(path);
        self
    }

    pub(crate) fn link(&self, path: &str, target: impl AsRef<Path>) -> &Self {
        std::os::unix::fs::symlink(target, self.at(path)).expect("link");
        self.give(path);
        self
    }

    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).expect("readable")
    }

    pub(crate) fn home(&self) -> HomeDir {
        HomeDir::open(&self.at(""), Some(self.uid)).expect("a home")
    }

    pub(crate) fn open(&self, path: &str) -> Result<Original, Fault> {
        self.home().open_file(Path::new(path), MAX)
    }

    pub(crate) fn refused(&self, path: &str) -> Fault {
        self.open(path).err().unwrap_or_else(|| panic!("{path} is read"))
    }

    pub(crate) fn names(&self, dir: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(dir)).expect("directory");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("entry").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }

    /// Nothing outside the home has changed.
    pub(crate) fn check_canary(&self) {
        let metadata = fs::symlink_metadata(self.canary()).expect("it is there");
        assert_eq!(fs::read_to_string(self.canary()).expect("canary"), SECRET);
        assert_eq!((metadata.mode() & 0o7777, metadata.uid()), (0o600, own_uid()));
        let names = fs::read_dir(self.root().join("outside")).expect("directory").count();
        assert_eq!(names, 1, "something was made beside the canary");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check_canary();
        }
    }
}

pub(crate) fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whose the home is.
pub(crate) fn user() -> u32 {
    if is_root() { USER } else { own_uid() }
}

pub(crate) fn is_root() -> bool {
    own_uid() == 0
}

/// The calling thread alone is the user from now on.
pub(crate) fn become_user_in_this_thread() {
    if is_root() {
        let (uid, gid) = (rustix::process::Uid::from_raw(USER), rustix::process::Gid::from_raw(USER));
        rustix::thread::set_thread_groups(&[]).expect("groups");
        rustix::thread::set_thread_res_gid(gid, gid, gid).expect("group");
        rustix::thread::set_thread_res_uid(uid, uid, uid).expect("user");
    }
}

/// Says loudly that a test was not run.
#[allow(clippy::print_stderr, reason = "a test that was not run must say so")]
pub(crate) fn skipped(test: &str, why: &str) {
    eprintln!("{test}: SKIPPED: {why}");
}

/// Whether this is root. In CI (`CI=true`) it must be: a test that nobody runs guards nothing.
pub(crate) fn needs_root(test: &str) -> bool {
    if !is_root() {
        let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!in_ci, "{test} must run in CI, and needs root");
        skipped(test, "needs root");
    }
    is_root()
}

/// Fails the test if the work hangs: that is how a trap would catch us.
pub(crate) fn at_once<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    wait.recv_timeout(Duration::from_secs(20)).expect("the work is done at once")
}

pub(crate) fn own(path: &Path, uid: u32) {
    chown(path, Some(uid), Some(uid)).expect("owner");
}

//! Notifications on a real bus of a session, with a desktop that writes down what it is told. The process that shows them is
//! the real binary. As root the desktop is another user's; without root it is one's own.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mcpolicy_platform::notification::{NotifyError, Recipient, Text, deliver};
use mcpolicy_platform::privileges::{UserIds, am_root};
use mcpolicy_tests::{skip, workspace};
use serde_json::Value;
use tempfile::TempDir;

use crate::BINARY;

/// `nobody`: the bus wants an account with a name.
const USER: u32 = 65534;
const WITHIN: Duration = Duration::from_secs(20);
/// The system's own, which has its modules.
const PYTHON: &str = "/usr/bin/python3";

/// A process of a test's own, ended with it.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A session of a user: a bus, and a desktop on it.
struct Session {
    folder: TempDir,
    uid: u32,
    _bus: Option<Ended>,
    _desktop: Option<Ended>,
}

impl Session {
    /// One without a bus.
    fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let uid = if am_root() { USER } else { mcpolicy_platform::users::own_uid().unwrap() };
        std::os::unix::fs::chown(folder.path(), Some(uid), Some(uid)).unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        Self { folder, uid, _bus: None, _desktop: None }
    }

    /// One with a bus and a desktop; `None`, said aloud, where the programs are not there.
    fn new(more: &[&str]) -> Option<Self> {
        let there = |program: &str, args: &[&str]| {
            Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
        };
        if !there("dbus-daemon", &["--version"])
            || !there(PYTHON, &["-c", "import dbus, gi"])
            || !(Path::new("/usr/bin/busctl").exists() || Path::new("/usr/bin/gdbus").exists())
        {
            skip("dbus-daemon, python3-dbus, python3-gi, and busctl or gdbus are needed");
            return None;
        }
        let mut session = Self::empty();
        let address = format!("--address=unix:path={}", session.bus().display());
        let bus = ["--session", "--nofork", "--nopidfile", "--print-address=1", &address];
        session._bus = Some(session.start("dbus-daemon", &bus));
        let server = workspace().join("tests/fixtures/notification_server.py");
        // where the user can read it
        let copy = session.folder.path().join("server.py");
        fs::copy(server, &copy).unwrap();
        fs::set_permissions(&copy, Permissions::from_mode(0o644)).unwrap();
        let (copy, told) = (copy.display().to_string(), session.told_file().display().to_string());
        let args: Vec<&str> =
            [copy.as_str(), told.as_str()].into_iter().chain(more.iter().copied()).collect();
        session._desktop = Some(session.start(PYTHON, &args));
        Some(session)
    }

    /// Starts a program as the user, and waits for its first line.
    fn start(&self, program: &str, args: &[&str]) -> Ended {
        let mut command = Command::new(program);
        command.args(args).env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
        command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", self.bus().display()));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        if am_root() {
            command.uid(self.uid).gid(self.uid);
        }
        let mut child = Ended(command.spawn().unwrap());
        let mut line = String::new();
        let mut out = BufReader::new(child.0.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{program} did not start");
        child.0.stdout = Some(out.into_inner());
        child
    }

    fn bus(&self) -> PathBuf {
        self.folder.path().join("bus")
    }

    fn told_file(&self) -> PathBuf {
        self.folder.path().join("told")
    }

    fn told(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.told_file()).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn recipient(&self) -> Recipient {
        let runtime = Some(self.folder.path().to_owned());
        if am_root() {
            let ids = UserIds { uid: self.uid, gid: self.uid, groups: vec![self.uid] };
            Recipient::User { ids, runtime }
        } else {
            Recipient::Own { runtime }
        }
    }

    fn deliver(&self, text: &Text, within: Duration) -> Result<(), NotifyError> {
        deliver(Path::new(BINARY), &self.recipient(), text, within)
    }

    /// Processes that have its bus in their command line, but for the bus itself.
    fn clients_of_the_bus(&self) -> Vec<String> {
        let wanted = self.bus().display().to_string();
        let mut found = Vec::new();
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            if line.contains(&wanted) && !line.contains("dbus-daemon") {
                found.push(line);
            }
        }
        found
    }
}

fn text() -> Text {
    Text::new("removed", &["why".to_owned()])
}

#[test]
fn a_notification_comes_to_its_users_desktop_by_a_process_that_is_the_user() {
    let Some(session) = Session::new(&[]) else { return };
    let name = "<a href=\"http://evil\">it's & 'quoted'\\074b\\076</a>\nnew line";
    let text = Text::new(&format!("{name} was removed"), &[name.to_owned(), "--second".to_owned()]);
    session.deliver(&text, WITHIN).unwrap();
    session.deliver(&Text::new("--help", &[]), WITHIN).unwrap();
    let told = session.told();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0]["summary"], text.title());
    assert_eq!(told[0]["body"], text.body());
    assert_eq!(told[0]["uid"], session.uid);
    assert_eq!((&told[0]["actions"], &told[0]["hints"]), (&0.into(), &0.into()));
    assert!(!told[0]["body"].as_str().unwrap().contains(['<', '>', '&', '\\']));
    assert_eq!(told[1]["summary"], "--help");
}

#[test]
fn a_desktop_that_never_answers_is_given_up_at_the_deadline() {
    let Some(session) = Session::new(&["silent"]) else { return };
    let begun = Instant::now();
    let within = Duration::from_secs(3);
    assert_eq!(session.deliver(&text(), within), Err(NotifyError::Late));
    assert!(begun.elapsed() < within + Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(session.told().len(), 1, "it was asked");
    assert_eq!(session.clients_of_the_bus(), Vec::<String>::new(), "what asked is gone");
}

#[test]
fn a_bus_that_takes_connections_and_says_nothing_is_given_up_as_well() {
    let session = Session::empty();
    let _bus = UnixListener::bind(session.bus()).unwrap();
    std::os::unix::fs::chown(session.bus(), Some(session.uid), Some(session.uid)).unwrap();
    let ended = session.deliver(&text(), Duration::from_secs(2));
    assert!(matches!(ended, Err(NotifyError::Late | NotifyError::NoTool)), "{ended:?}");
}

#[test]
fn a_user_without_a_session_is_told_nothing() {
    let session = Session::empty();
    assert_eq!(session.deliver(&text(), WITHIN), Err(NotifyError::NoSession));
    fs::write(session.bus(), "").unwrap();
    assert_eq!(session.deliver(&text(), WITHIN), Err(NotifyError::NoSession));
    fs::remove_file(session.bus()).unwrap();
    if am_root() {
        // root's, planted where the user's should be
        let _bus = UnixListener::bind(session.bus()).unwrap();
        assert_eq!(session.deliver(&text(), WITHIN), Err(NotifyError::NoSession));
    }
}

#[test]
fn root_has_no_session_of_its_own() {
    if !am_root() {
        return skip("this is not root");
    }
    let own = Recipient::Own { runtime: None };
    assert_eq!(deliver(Path::new(BINARY), &own, &text(), WITHIN), Err(NotifyError::Root));
    let ids = UserIds { uid: 0, gid: 0, groups: vec![] };
    let root = Recipient::User { ids, runtime: None };
    assert_eq!(deliver(Path::new(BINARY), &root, &text(), WITHIN), Err(NotifyError::Root));
}

#[test]
fn the_hidden_command_does_nothing_by_hand() {
    let mut child = Ended(
        Command::new(BINARY).arg("notify").stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap(),
    );
    let mut said = String::new();
    child.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.0.wait().unwrap().code(), said.as_str()), (Some(73), ""));
}

//! What the tests share: a fake machine in a temporary directory, the generated homes, and where things lie.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "this crate is for tests only"
)]

pub mod private;
pub mod signing;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is there")
}

/// The folder of reference material beside the workspace; `None`, said aloud, where it is not ([`skip`]).
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = workspace().join("../shared").join(name);
    if path.exists() {
        return Some(path.canonicalize().expect("it exists"));
    }
    skip(&format!("../shared/{name} is not beside this checkout"));
    None
}

/// Whether generated documents are to be written anew.
#[allow(clippy::disallowed_methods, reason = "the test's own parameter")]
pub fn regenerating() -> bool {
    std::env::var_os("MCPOLICY_REGENERATE").is_some()
}

/// Says why a test cannot be run here. In CI (`CI=true`) that is a failure: a test that nobody runs guards nothing.
///
/// # Panics
/// In CI.
#[allow(clippy::disallowed_methods, reason = "the test's own parameter")]
pub fn skip(why: &str) {
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!in_ci, "this test must run in CI: {why}");
    say(&format!("skipped: {why}"));
}

/// Says something in the test's output.
#[allow(clippy::print_stderr, reason = "tests speak to the person who runs them")]
pub fn say(text: &str) {
    eprintln!("{text}");
}

/// A machine in a temporary directory: a root with homes, and a way to run the program on it.
pub struct TestMachine {
    directory: tempfile::TempDir,
    binary: PathBuf,
}

impl TestMachine {
    /// An empty machine. `binary` is the program under test.
    pub fn new(binary: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir_all(directory.path().join("home/dev")).expect("a home");
        Self { directory, binary: PathBuf::from(binary) }
    }

    /// The root of the machine.
    pub fn root(&self) -> PathBuf {
        self.directory.path().canonicalize().expect("it exists")
    }

    /// The home of its user `dev`.
    pub fn home(&self) -> PathBuf {
        self.root().join("home/dev")
    }

    /// Writes a file below the home, with its directories.
    pub fn file(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home().join(path);
        std::fs::create_dir_all(path.parent().expect("a file has a directory")).expect("directories");
        std::fs::write(&path, content).expect("a file");
        path
    }

    /// Runs the program with a scrubbed environment.
    pub fn run(&self, arguments: &[&str]) -> Output {
        run(&self.binary, &self.home(), arguments)
    }

    /// Scans the home and returns the report.
    pub fn scan(&self, more: &[&str]) -> Value {
        let home = self.home();
        let mut arguments = vec!["scan", "--home", home.to_str().expect("UTF-8"), "--format", "json"];
        arguments.extend(more);
        report_of(&self.run(&arguments))
    }
}

/// Longest that a run may take before it counts as hung.
const HANG: Duration = Duration::from_secs(180);

/// Runs a program with an empty environment but for the home, a search path of nothing, and no colour.
pub fn run(binary: &Path, home: &Path, arguments: &[&str]) -> Output {
    run_with(binary, home, arguments, &[("PATH", "/nonexistent")])
}

/// The same with variables of its own. A run that takes longer than three minutes is ended and fails the test.
pub fn run_with(binary: &Path, home: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary);
    command.args(arguments).env_clear().env("HOME", home).envs(variables.iter().copied()).current_dir(home);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let drain = |mut pipe: Box<dyn std::io::Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).expect("a pipe can be read");
            bytes
        })
    };
    let (out, err) = (drain(Box::new(out)), drain(Box::new(err)));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            break status;
        }
        if start.elapsed() > HANG {
            child.kill().expect("it is our child");
            panic!("{} {arguments:?} hangs", binary.display());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Output { status, stdout: out.join().expect("joined"), stderr: err.join().expect("joined") }
}

/// The report that a run printed.
pub fn report_of(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("no report: {e}; said: {errors}"))
}

/// The texts at a member of each item of a list of the report.
pub fn texts(report: &Value, list: &str, member: &str) -> Vec<String> {
    let items = report[list].as_array().map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(|item| item.pointer(member)?.as_str().map(str::to_owned)).collect()
}

/// Codes of the findings about entries of this name.
pub fn codes_of(report: &Value, name: &str) -> Vec<String> {
    let findings = report["findings"].as_array().map_or(&[][..], Vec::as_slice);
    let about = findings.iter().filter(|f| f["name"] == name);
    about.filter_map(|f| f["code"].as_str().map(str::to_owned)).collect()
}

/// Makes a home with the generator beside the workspace; `None` where it is not there.
pub fn generated_home(out: &Path, arguments: &[&str]) -> Option<Value> {
    let generator = shared("bench/make_home.py")?;
    let status =
        Command::new("python3").arg(generator).arg(out).args(arguments).output().expect("python3 runs");
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    let truth = std::fs::read(out.join("truth.json")).expect("the answer key");
    Some(serde_json::from_slice(&truth).expect("the answer key is JSON"))
}

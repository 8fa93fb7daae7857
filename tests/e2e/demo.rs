//! `mcpolicy demo`: what it says of itself is true, it leaves nothing behind, and it cannot call a success what is none.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use mcpolicy_tests::{TestMachine, report_of, run_with};
use serde_json::Value;

use crate::actions::DEV;
use crate::enforce::own;

/// A home and a folder for temporary files, and who runs the demo there.
struct Place {
    machine: TestMachine,
    run_by: Option<u32>,
}

impl Place {
    fn new(run_by: Option<u32>) -> Self {
        let machine = TestMachine::new(crate::BINARY);
        fs::create_dir_all(machine.home().join("tmp")).unwrap();
        fs::write(machine.home().join(".claude.json"), "{\"mcpServers\":{\"mine\":{\"command\":\"own\"}}}")
            .unwrap();
        if let Some(uid) = run_by {
            own(uid, &machine.root());
        }
        Self { machine, run_by }
    }

    /// By a user, and by root where the test may be root.
    fn both(test: impl Fn(&Self)) {
        let probe = TestMachine::new(crate::BINARY);
        let is_root = fs::metadata(probe.root()).unwrap().uid() == 0;
        for run_by in if is_root { vec![Some(DEV), None] } else { vec![None] } {
            test(&Self::new(run_by));
        }
    }

    fn temporary(&self) -> PathBuf {
        self.machine.home().join("tmp")
    }

    /// The program and the words before its own.
    fn program(&self) -> (PathBuf, Vec<String>) {
        let Some(uid) = self.run_by.map(|uid| uid.to_string()) else {
            return (crate::BINARY.into(), Vec::new());
        };
        let words = ["--reuid", &uid, "--regid", &uid, "--clear-groups", crate::BINARY];
        (PathBuf::from("/usr/bin/setpriv"), words.map(str::to_owned).to_vec())
    }

    fn demo(&self, more: &[&str]) -> Output {
        let (program, words) = self.program();
        let words: Vec<&str> =
            words.iter().map(String::as_str).chain(["demo"]).chain(more.iter().copied()).collect();
        let temporary = self.temporary();
        let variables = [("PATH", "/nonexistent"), ("TMPDIR", temporary.to_str().unwrap())];
        run_with(&program, &self.machine.home(), &words, &variables)
    }

    /// What is in a folder, by name.
    fn names(&self, folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    }

    /// The home is as it was, and nothing is left.
    fn is_as_before(&self) {
        assert_eq!(self.names(&self.temporary()), [""; 0]);
        let mut names = self.names(&self.machine.home());
        names.sort();
        assert_eq!(names, [".claude.json", "tmp"]);
        let own = fs::read_to_string(self.machine.home().join(".claude.json")).unwrap();
        assert!(own.contains("mine"), "the home of whoever runs it is nothing to the demo: {own}");
    }
}

/// Whether the process with this number is one that a demo has started.
fn is_of_demo(pid: &str) -> bool {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).contains("mcpolicy-demo-")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn every_attack_is_answered_and_nothing_is_left_behind() {
    Place::both(|place| {
        let output = place.demo(&["--json"]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let played = report_of(&output);
        let attacks: Vec<[&str; 4]> = played["attacks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|attack| {
                let text = |at: &str| attack.pointer(at).and_then(Value::as_str).unwrap();
                assert_eq!(attack["answered"], true, "{attack}");
                let within = |name: &str| attack[name].as_f64().unwrap();
                assert!(within("milliseconds") > 0.0 && within("milliseconds") < 5000.0, "{attack}");
                // none where the daemon was just looking there of its own accord
                let counted = attack["daemon_milliseconds"].as_f64();
                assert!(counted.is_none_or(|counted| counted > 0.0), "{attack}");
                assert_eq!(attack["action"]["server"], attack["server"], "{attack}");
                assert!(text("/planted").contains(text("/server")), "{attack}");
                // an attack on a file that was there ends with the very bytes of before
                if let Some(before) = attack["before"].as_str() {
                    assert_eq!(before, text("/after"));
                }
                assert_ne!(text("/planted"), text("/after"));
                let since = if text("/attack") == "undeclared-process" { "seen" } else { "attack" };
                assert_eq!(attack["since"], since, "{attack}");
                [text("/attack"), text("/action/action"), text("/server"), text("/action/code")]
            })
            .collect();
        assert_eq!(
            attacks,
            [
                ["unknown-server", "quarantine", "db-helper", "not-allowed"],
                ["changed-server", "revert", "filesystem", "argument-not-allowed"],
                ["env-injection", "revert", "playwright", "environment-not-allowed"],
                ["look-alike", "quarantine", "m\u{435}mory", "impersonation"],
                ["checkout", "quarantine", "setup", "not-allowed"],
                ["undeclared-process", "end", "rogue-mcp-server", "not-allowed"],
            ]
        );
        let process = &played["attacks"][5];
        let detail = process["action"]["detail"].as_str().unwrap();
        assert!(detail.contains("which stands in no file"), "{detail}");
        let (planted, after) = (process["planted"].as_str().unwrap(), process["after"].as_str().unwrap());
        assert!(planted.starts_with(after) && after.starts_with("claude"), "the client goes on: {process}");
        // neither the stand-in of the client nor its server is left
        for word in planted.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty()) {
            assert!(!is_of_demo(word), "process {word}");
        }
        assert_eq!((&played["ok"], &played["status"]["mode"]), (&true.into(), &"enforce".into()));
        assert_eq!(played["status"]["servers"], played["status"]["allowed"]);
        assert_eq!(played["status"]["state"], "compliant", "{played}");
        place.is_as_before();
    });
}

/// Many systems let the group of a user write what he makes.
#[test]
fn a_umask_that_lets_the_group_write_does_not_spoil_it() {
    let place = Place::new(None);
    let temporary = place.temporary();
    let shell = ["-c", "umask 002; exec \"$0\" demo --json", crate::BINARY];
    let variables = [("PATH", "/nonexistent"), ("TMPDIR", temporary.to_str().unwrap())];
    let output = run_with(Path::new("/bin/sh"), &place.machine.home(), &shell, &variables);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    place.is_as_before();
}

#[test]
fn a_daemon_that_may_only_watch_answers_nothing_and_the_demo_says_so() {
    let place = Place::new(None);
    let output = place.demo(&["--mode-ceiling", "observe"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let text = said(&output);
    assert_eq!(text.matches("NOT ANSWERED within 5 s").count(), 6, "{text}");
    assert!(text.contains("0 of 6 attacks answered"), "{text}");
    assert!(!text.contains('✔'), "{text}");
    place.is_as_before();
}

#[test]
fn the_screen_is_plain_where_nobody_looks_and_no_line_is_too_wide() {
    let place = Place::new(None);
    let report = place.temporary().join("demo.html");
    let output = place.demo(&["--report", report.to_str().unwrap()]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(text.contains("6 of 6 attacks answered"), "{text}");
    assert!(text.contains("byte for byte what it was before"), "{text}");
    let temporary = place.temporary().to_string_lossy().into_owned();
    for line in text.lines().filter(|line| !line.contains(&temporary)) {
        assert!(line.chars().count() <= 100, "{line}");
    }
    let page = fs::read_to_string(&report).unwrap();
    assert!(page.contains("context7") && page.contains("playwright"), "{page}");
    assert!(!page.contains("db-helper"), "what was taken out is in no file any more");
    fs::remove_file(report).unwrap();
    place.is_as_before();
}

#[test]
fn what_is_kept_can_be_looked_at_with_the_usual_commands() {
    let place = Place::new(None);
    let output = place.demo(&["--json", "--keep"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let played = report_of(&output);
    let folder = PathBuf::from(played["folder"].as_str().unwrap());
    assert!(folder.starts_with(place.temporary()), "{}", folder.display());
    assert!(fs::metadata(folder.join("report.html")).unwrap().len() > 1000);
    let state = folder.join("laptop/var/lib/mcpolicy");
    let listed = place.machine.run(&["quarantine", "list", "--json", "--state", state.to_str().unwrap()]);
    let text = said(&listed);
    assert!(listed.status.success() && text.contains("db-helper") && text.contains("setup"), "{text}");
}

#[test]
fn told_to_stop_in_the_middle_it_takes_its_folder_with_it() {
    let place = Place::new(None);
    let mut command = Command::new(crate::BINARY);
    // in observe each attack takes five seconds: there is time enough
    command.args(["demo", "--mode-ceiling", "observe"]).env_clear().env("HOME", place.machine.home());
    command
        .env("TMPDIR", place.temporary())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let begun = lines.take_while(|line| !line.contains("1/6")).count();
    assert!(begun > 0);
    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    let end = Instant::now() + Duration::from_secs(20);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < end, "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(status.code(), Some(2));
    place.is_as_before();
}

#[test]
fn the_daemon_takes_nothing_for_a_folders_processes_but_what_its_own_starter_has_started() {
    let place = Place::new(None);
    for more in [&["--processes-below", "1"][..], &["--processes-below", "4000000"]] {
        let root = place.machine.root();
        let words = [&["run", "--until-input-ends", "--root", root.to_str().unwrap()][..], more].concat();
        let output = place.machine.run(&words);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("was not started by that process"), "{}", said(&output));
    }
    let output = place.machine.run(&["run", "--until-input-ends", "--processes-below", "1"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("--root"), "this machine has processes of its own: {}", said(&output));
}

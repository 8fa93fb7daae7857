//! A security team's desk: a throw-away home with a policy repository, keys and a published folder.

use std::path::PathBuf;
use std::process::Output;

use mcpolicy_tests::{TestMachine, report_of};
use serde_json::Value;

/// The day on which everything is made.
const NOW: &str = "2026-11-21T12:00:00Z";

pub(crate) struct Desk {
    pub(crate) machine: TestMachine,
}

impl Desk {
    /// A machine with a new repository `repo` and keys in `repo-keys`.
    pub(crate) fn new(more: &[&str]) -> Self {
        let desk = Self { machine: TestMachine::new(crate::BINARY) };
        let mut arguments = vec!["init", "repo", "--no-passphrase"];
        arguments.extend(more);
        desk.ok(&arguments);
        desk
    }

    pub(crate) fn run_at(&self, now: &str, arguments: &[&str]) -> Output {
        let mut all = vec!["policy"];
        all.extend(arguments);
        all.extend(["--now", now]);
        self.machine.run(&all)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.run_at(NOW, arguments)
    }

    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        self.ok_at(NOW, arguments)
    }

    pub(crate) fn ok_at(&self, now: &str, arguments: &[&str]) -> String {
        let output = self.run_at(now, arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {out}{err}");
        out + &err
    }

    /// Fails with wrong usage, says why, and that in one or two lines.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}{said}", text(&output.stdout));
        assert!(said.starts_with("mcpolicy: "), "{said}");
        said
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.machine.home().join(path)
    }

    pub(crate) fn edit(&self, path: &str, change: impl FnOnce(String) -> String) {
        let before = read(&self.path(path));
        self.machine.file(path, change(before));
    }

    pub(crate) fn verify(&self, root: &str, more: &[&str]) -> Value {
        self.verify_at(NOW, root, more)
    }

    pub(crate) fn verify_at(&self, now: &str, root: &str, more: &[&str]) -> Value {
        let mut arguments = vec!["verify", "site", "--trust-root", root, "--json"];
        arguments.extend(more);
        let output = self.run_at(now, &arguments);
        let answer = report_of(&output);
        let code = if answer["verified"] == true { Some(0) } else { Some(1) };
        assert_eq!(output.status.code(), code, "{answer}");
        answer
    }

    pub(crate) fn publish(&self) -> String {
        self.ok(&["publish", "repo", "--to", "site", "--key", "repo-keys/online-1.pem"])
    }
}

#[allow(clippy::disallowed_methods, reason = "a file of the test itself")]
pub(crate) fn read(path: &std::path::Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What the published head says.
pub(crate) fn head_of(desk: &Desk) -> Value {
    use base64::Engine as _;
    let envelope: Value = serde_json::from_str(&read(&desk.path("site/head.json"))).unwrap();
    let payload = base64::engine::general_purpose::STANDARD.decode(envelope["payload"].as_str().unwrap());
    serde_json::from_slice(&payload.unwrap()).unwrap()
}

/// The root that machines are pinned to.
pub(crate) const ROOT: &str = "repo/trust/root.1.json";

/// A repository with a policy published by one policy key.
pub(crate) fn published() -> Desk {
    let desk = Desk::new(&[]);
    desk.ok(&["sign", "repo", "--key", "repo-keys/policy-1.pem"]);
    desk.publish();
    desk
}

//! Keys and passphrases in the hands of people: each has their own, and what others could read is told.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use mcpolicy_tests::TestMachine;
use mcpolicy_tests::private::set_mode;

use crate::policy_desk::{Desk, read, text};

const NOW: &str = "2026-11-21T12:00:00Z";

/// Runs a command with lines on its standard input.
fn with_lines(desk: &Desk, arguments: &[&str], lines: &str) -> Output {
    let mut child = Command::new(crate::BINARY)
        .arg("policy")
        .args(arguments)
        .current_dir(desk.machine.home())
        .env_remove("MCPOLICY_PASSPHRASE_FILE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses early closes its input.
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn each_key_of_a_new_repository_can_have_a_passphrase_of_its_own() {
    let desk = Desk { machine: TestMachine::new(crate::BINARY) };
    let lines: String = (1..=8).map(|n| format!("passphrase {n}\n")).collect();
    let init = ["init", "repo", "--own-passphrases", "--passphrase-file", "-", "--now", NOW];
    let made = with_lines(&desk, &init, &lines);
    assert!(made.status.success(), "{}", said(&made));
    assert!(!said(&made).contains("one passphrase"), "{}", said(&made));
    let sign = |key: &str, line: &str| {
        let key = format!("repo-keys/{key}.pem");
        let arguments = ["sign", "repo", "--new", "--key", &key, "--passphrase-file", "-", "--now", NOW];
        let output = with_lines(&desk, &arguments, line);
        (output.status.code(), said(&output))
    };
    // Three root keys come first.
    assert_eq!(sign("policy-1", "passphrase 4\n").0, Some(0));
    assert_eq!(sign("policy-2", "passphrase 5\n").0, Some(0));
    let (code, told) = sign("policy-2", "passphrase 4\n");
    assert!(code == Some(2) && told.contains("passphrase is wrong"), "{told}");
    desk.machine.file("pass", "one\n");
    let refused = desk.refused(&["init", "other", "--own-passphrases", "--passphrase-file", "pass"]);
    assert!(refused.contains("one line for each key") && !desk.path("other").exists(), "{refused}");
}

#[test]
fn the_passphrase_of_a_key_is_changed_and_the_key_stays() {
    let desk = Desk { machine: TestMachine::new(crate::BINARY) };
    desk.machine.file("pass", "correct horse\n");
    desk.machine.file("new", "battery staple\n");
    let made = desk.ok(&["init", "repo", "--passphrase-file", "pass"]);
    assert!(made.contains("--change-passphrase"), "{made}");
    let key = "repo-keys/policy-1.pem";
    let id = |file: &str| desk.machine.run(&["policy", "key", key, "--passphrase-file", file]);
    let before = id("pass");
    assert!(before.status.success());
    let change = ["policy", "key", key, "--change-passphrase", "--passphrase-file"];
    let wrong = desk.machine.run(&[&change[..], &["new", "--new-passphrase-file", "new"]].concat());
    assert_eq!(wrong.status.code(), Some(2), "who does not know the old one changes nothing");
    let changed = desk.machine.run(&[&change[..], &["pass", "--new-passphrase-file", "new"]].concat());
    assert!(changed.status.success() && changed.stdout == before.stdout, "{}", said(&changed));
    assert!(!said(&changed).contains("horse") && !said(&changed).contains("staple"));
    assert_eq!(id("pass").status.code(), Some(2));
    assert_eq!(id("new").stdout, before.stdout);
    assert!(read(&desk.path(key)).starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    let lines = with_lines(
        &desk,
        &["key", key, "--change-passphrase", "--passphrase-file", "-", "--new-passphrase-file", "-"],
        "battery staple\ncorrect horse\n",
    );
    assert!(lines.status.success() && id("pass").stdout == before.stdout, "{}", said(&lines));
    let none =
        desk.machine.run(&["policy", "key", "none.pem", "--change-passphrase", "--passphrase-file", "new"]);
    assert!(none.status.code() == Some(2) && !desk.path("none.pem").exists(), "{}", said(&none));
}

#[test]
fn a_key_or_passphrase_that_others_can_read_is_told_with_what_to_do() {
    let desk = Desk { machine: TestMachine::new(crate::BINARY) };
    let pass = desk.machine.file("pass", "correct horse\n");
    if !set_mode(&pass, 0o600) {
        return;
    }
    desk.ok(&["init", "repo", "--passphrase-file", "pass"]);
    let sign = || {
        desk.ok(&["sign", "repo", "--new", "--key", "repo-keys/policy-1.pem", "--passphrase-file", "pass"])
    };
    assert!(!sign().contains("warning"));
    set_mode(&pass, 0o640);
    set_mode(&desk.path("repo-keys/policy-1.pem"), 0o604);
    let told = sign();
    assert!(told.contains("the passphrase file pass; take them away (chmod 600 pass)"), "{told}");
    assert!(told.contains("chmod 600 repo-keys/policy-1.pem") && told.contains("policy rotate"), "{told}");
}

#[test]
fn nothing_is_begun_where_a_key_is_there_already_or_a_name_is_empty() {
    let desk = Desk::new(&[]);
    let refused = desk.refused(&["init", "other", "--no-passphrase", "--keys", "repo-keys"]);
    assert!(refused.contains("never replaced") && refused.contains("--keys"), "{refused}");
    for option in ["--name", "--contact"] {
        let refused = desk.refused(&["init", "other", "--no-passphrase", option, " "]);
        assert!(refused.contains(&format!("{option} is empty")), "{refused}");
    }
    assert!(!desk.path("other").exists());
    let refused = desk.machine.run(&["policy", "key", "nowhere/x.pem", "--no-passphrase"]);
    let told = said(&refused);
    assert!(told.contains("folder") && told.contains("make it first"), "{told}");
}

#[test]
fn a_clock_at_the_end_of_time_ends_no_command_in_a_panic() {
    let desk = Desk::new(&[]);
    let late = "9999-12-01T00:00:00Z";
    let output = desk.run_at(late, &["init", "other", "--no-passphrase"]);
    assert!(output.status.code() == Some(2) && said(&output).contains("set it"), "{}", said(&output));
    let output = desk.run_at(late, &["check", "repo"]);
    assert!(output.status.code() == Some(1) && said(&output).contains("ended"), "{}", said(&output));
    let output = desk.run_at(late, &["sign", "repo", "--key", "repo-keys/policy-1.pem"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

//! The two demo policies, from template to verdict: checked, signed, published, verified, and a home judged by them.

use mcpolicy_tests::{TestMachine, report_of};
use serde_json::{Value, json};

use crate::policy_desk::{Desk, ROOT, read, text};

/// The day of their versions and review dates. Signing and scanning take the time of the machine, as everybody's do.
const WRITTEN: &str = "2026-11-21T12:00:00Z";

fn run(desk: &Desk, arguments: &[&str]) -> String {
    let output = desk.machine.run(&[&["policy"], arguments].concat());
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    said
}

/// A repository that `init` made of a template, published by as many policy keys as it takes.
fn published(template: &str, signers: usize) -> Desk {
    let desk = Desk { machine: TestMachine::new(crate::BINARY) };
    run(
        &desk,
        &["init", "repo", "--template", template, "--name", "acme", "--contact", "#acme", "--no-passphrase"],
    );
    let checked = desk.machine.run(&["policy", "check", "repo", "--now", WRITTEN, "--json"]);
    let checked = report_of(&checked);
    let errors =
        checked["problems"].as_array().unwrap().iter().filter(|problem| problem["weight"] == "error");
    assert_eq!(errors.count(), 0, "{checked}");
    run(&desk, &["test", "repo"]);
    for n in 1..=signers {
        let said = run(&desk, &["sign", "repo", "--key", &format!("repo-keys/policy-{n}.pem")]);
        assert_eq!(said.contains(&format!("{signers} of {signers} signatures")), n == signers, "{said}");
    }
    run(&desk, &["publish", "repo", "--to", "site", "--key", "repo-keys/online-1.pem"]);
    let verified = desk.machine.run(&["policy", "verify", "site", "--trust-root", ROOT, "--json"]);
    let verified = report_of(&verified);
    assert_eq!(
        (&verified["verified"], &verified["policy"]["name"]),
        (&json!(true), &json!("acme")),
        "{verified}"
    );
    assert_eq!(verified["policy"]["signers"], json!(signers));
    desk
}

/// What the published policy says of a home with these servers.
fn judged(desk: &Desk, servers: &Value) -> Value {
    desk.machine.file(".cursor/mcp.json", json!({ "mcpServers": servers }).to_string());
    let home = desk.machine.home();
    let home = home.to_str().unwrap();
    let scan = ["scan", "--home", home, "--format", "json", "--policy", "site", "--trust-root", ROOT];
    let report = report_of(&desk.machine.run(&scan));
    assert_eq!(
        (&report["policy"]["name"], &report["policy"]["signed"]),
        (&json!("acme"), &json!(true)),
        "{report}"
    );
    report
}

fn verdict(report: &Value, name: &str) -> [String; 3] {
    let entries = report["entries"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["name"] == name).unwrap();
    ["verdict", "rule", "reason"]
        .map(|member| entry["judged"][member].as_str().unwrap_or_default().to_owned())
}

fn servers() -> Value {
    let npx = |package: &str| json!({ "command": "npx", "args": ["-y", package] });
    json!({
        "allowed": npx("@upstash/context7-mcp@4.1.1"),
        "older": npx("@upstash/context7-mcp@4.1.0"),
        "denied": npx("@modelcontextprotocol/server-postgres@0.6.2"),
        "unlisted": npx("@example/nobody-reviewed-this@1.0.0"),
    })
}

#[test]
fn the_strict_demo_policy_is_signed_by_one_and_judges_a_home() {
    let desk = published("demo-strict", 1);
    let report = judged(&desk, &servers());
    assert_eq!(verdict(&report, "allowed"), ["allow", "context7", ""]);
    assert_eq!(verdict(&report, "older")[..], ["deny", "", "version-not-allowed"]);
    assert_eq!(verdict(&report, "denied"), ["deny", "no-server-postgres", "denylisted"]);
    assert_eq!(verdict(&report, "unlisted"), ["deny", "", "not-allowed"]);
}

#[test]
fn the_pilot_demo_policy_is_signed_by_two_and_judges_a_home() {
    let desk = published("demo-pilot", 2);
    let report = judged(&desk, &servers());
    assert_eq!(report["policy"]["mode"], "warn");
    assert_eq!(verdict(&report, "allowed"), ["allow", "context7", ""]);
    assert_eq!(verdict(&report, "older"), ["allow", "context7", ""]);
    assert_eq!(verdict(&report, "denied"), ["deny", "no-server-postgres", "denylisted"]);
    assert_eq!(verdict(&report, "unlisted"), ["deny", "", "not-allowed"]);
}

#[test]
fn a_template_is_the_example_with_its_own_name_contact_and_schema() {
    for template in ["demo-strict", "demo-pilot"] {
        let desk = Desk::new(&["--template", template, "--name", "A \"b\"", "--contact", "#c"]);
        let made = read(&desk.path("repo/policy.toml"));
        let example = mcpolicy_tests::workspace().join(format!("docs/examples/{template}.policy.toml"));
        let example = read(&example);
        let changed: Vec<&str> = made
            .lines()
            .zip(example.lines())
            .filter(|(ours, theirs)| ours != theirs)
            .map(|(ours, _)| ours)
            .collect();
        let expected = ["#:schema ./policy-v1.schema.json", "name = \"A \\\"b\\\"\"", "contact = \"#c\""];
        assert_eq!(changed, expected, "{template}");
        assert_eq!(made.lines().count(), example.lines().count());
    }
    let desk = Desk { machine: TestMachine::new(crate::BINARY) };
    assert_eq!(desk.run(&["init", "repo", "--template", "other", "--no-passphrase"]).status.code(), Some(2));
}

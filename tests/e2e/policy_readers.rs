//! Which clients count for `clients` of a rule: those that would start the entry on this machine.

use mcpolicy_tests::{TestMachine, report_of};

const POLICY: &str = "schema = \"mcpolicy/policy/v1\"\n\
    [policy]\nname = \"p\"\ncontact = \"c\"\nmode = \"enforce\"\n\
    [[rule]]\nid = \"docs\"\nowner = \"o\"\nreview_by = \"2099-01-01\"\nclients = [\"cursor\"]\n\
    args.positional = []\nidentity.npm = { package = \"docs-mcp\", versions = \"1.0.0\" }\nrunner_args = [\"-y\"]\n";

const ENTRY: &str = r#"{"command":"npx","args":["-y","docs-mcp@1.0.0"]}"#;

fn machine() -> TestMachine {
    let machine = TestMachine::new(crate::BINARY);
    machine.file("policy.toml", POLICY);
    machine.file(".cursor/mcp.json", format!(r#"{{"mcpServers":{{"docs":{ENTRY}}}}}"#));
    machine
}

/// Verdict and reason of the entry by the draft.
fn judged(machine: &TestMachine, more: &[&str]) -> (String, String) {
    let draft = machine.home().join("policy.toml");
    let report = machine.scan(&[&["--draft", draft.to_str().unwrap()], more].concat());
    let said = &report["entries"][0]["judged"];
    let text = |member: &str| said[member].as_str().unwrap_or_default().to_owned();
    (text("verdict"), text("detail"))
}

#[test]
fn a_rule_for_one_client_holds_in_its_file_until_another_that_reads_it_is_in_use() {
    let machine = machine();
    assert_eq!(judged(&machine, &[]).0, "allow");
    // One that reads the file only by a setting of its own changes nothing.
    machine.file(".config/Code/User/settings.json", "{}");
    assert_eq!(judged(&machine, &[]).0, "allow");
    machine.file(".config/devin/mcp_config.json", "{}");
    let (verdict, detail) = judged(&machine, &[]);
    assert!(verdict == "deny" && detail.contains("devin, which reads this file too"), "{verdict} {detail}");
}

#[test]
fn a_folder_of_its_own_is_enough_for_a_client_to_be_in_use() {
    let machine = machine();
    machine.file(".config/devin/logs/x", "");
    assert_eq!(judged(&machine, &[]).0, "deny");
}

#[test]
fn where_nobody_knows_who_is_there_every_reader_counts() {
    let machine = machine();
    machine.file("work/.cursor/mcp.json", format!(r#"{{"mcpServers":{{"docs":{ENTRY}}}}}"#));
    let (draft, project) = (machine.home().join("policy.toml"), machine.home().join("work"));
    let arguments = ["scan", "--project", project.to_str().unwrap(), "--format", "json", "--draft"];
    let report = report_of(&machine.run(&[&arguments[..], &[draft.to_str().unwrap()]].concat()));
    assert_eq!(report["entries"][0]["judged"]["verdict"], "deny", "{report}");
    // A report does not say who is there, so what it allows or denies is not known from it.
    machine.file("report.json", machine.scan(&[]).to_string());
    let simulated =
        report_of(&machine.run(&["policy", "simulate", "report.json", "--policy", "policy.toml", "--json"]));
    assert_eq!((&simulated["allowed"], &simulated["unknown"]), (&0.into(), &2.into()), "{simulated}");
}

#[test]
fn a_row_of_the_table_is_judged_for_its_client_and_the_readers_that_it_names() {
    let machine = machine();
    let row = |name: &str, more: &str, expect: &str| {
        format!(
            "[[test]]\nname = \"{name}\"\nclient = \"cursor\"\nentry = '{ENTRY}'\nexpect = \"{expect}\"\n{more}\n"
        )
    };
    machine
        .file("tests.toml", row("alone", "", "allow") + &row("with devin", "readers = [\"devin\"]", "deny"));
    let output = machine.run(&["policy", "test", "policy.toml"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    machine.file("tests.toml", row("wrong", "readers = [\"devlin\"]", "deny"));
    let output = machine.run(&["policy", "test", "policy.toml"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("no client has the id \"devlin\""), "{said}");
}

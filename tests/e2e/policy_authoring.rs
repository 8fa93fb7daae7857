//! Writing a policy: check, test, diff and show, as people and CI call them.

use mcpolicy_tests::{TestMachine, report_of};
use serde_json::Value;

/// The time of all runs.
const NOW: &str = "2026-11-21T12:00:00Z";

const POLICY: &str = r#"schema = "mcpolicy/policy/v1"

[policy]
name = "Example"
contact = "security@example.com"

[[rule]]
id = "docs"
identity.npm = { package = "@example/docs", versions = "1.4.2" }
owner = "platform"
review_by = "2027-06-30"
"#;

fn machine(policy: &str) -> TestMachine {
    let machine = TestMachine::new(crate::BINARY);
    machine.file("policies/policy.toml", policy);
    machine
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn check(machine: &TestMachine, more: &[&str]) -> (Option<i32>, Value) {
    let mut arguments = vec!["policy", "check", "policies", "--json", "--now", NOW];
    arguments.extend(more);
    let output = machine.run(&arguments);
    (output.status.code(), report_of(&output))
}

fn codes(answer: &Value) -> Vec<String> {
    mcpolicy_tests::texts(answer, "problems", "/code")
}

#[test]
fn a_policy_without_fault_is_checked_in_silence() {
    let machine = machine(POLICY);
    let (code, answer) = check(&machine, &["--strict"]);
    assert_eq!((code, answer["errors"].as_u64()), (Some(0), Some(0)), "{answer}");
    assert!(codes(&answer).is_empty(), "{answer}");
}

#[test]
fn a_misspelt_member_is_shown_at_its_line_with_a_caret() {
    let machine = machine(&POLICY.replace("owner =", "ovner ="));
    let output = machine.run(&["policy", "check", "policies", "--now", NOW]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("policy.toml:10:1") && said.contains("ovner = \"platform\"") && said.contains("^^^^^"),
        "{said}"
    );
    let (_, answer) = check(&machine, &[]);
    assert_eq!(
        (answer["problems"][0]["line"].as_u64(), codes(&answer)),
        (Some(10), vec!["syntax".to_owned()])
    );
}

#[test]
fn every_command_refuses_a_policy_that_is_not_valid_and_says_where() {
    let machine = machine("schema = \"mcpolicy/policy/v1\"\n[policy\n");
    machine.file("good.toml", POLICY);
    machine.file("policies/tests.toml", "");
    for arguments in [
        &["policy", "show", "policies"][..],
        &["policy", "test", "policies"],
        &["policy", "diff", "good.toml", "policies"],
        &["policy", "diff", "policies", "good.toml"],
    ] {
        let output = machine.run(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains("policy.toml:2:") && output.stdout.is_empty(), "{arguments:?}: {said}");
    }
    let output = machine.run(&["policy", "check", "nowhere.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("nowhere.toml"));
}

#[test]
fn rules_that_can_never_decide_are_found() {
    let wider = POLICY.replace("[[rule]]", "[[rule]]\nid = \"all-docs\"\nidentity.npm = { package = \"@example/docs\" }\nowner = \"x\"\nreview_by = \"2027-01-01\"\n\n[[rule]]");
    let (code, answer) = check(&machine(&wider), &[]);
    assert_eq!(code, Some(1));
    assert_eq!(codes(&answer), ["floating-version", "shadowed-rule"]);
    assert!(answer["problems"][1]["message"].as_str().unwrap().contains("docs admits nothing that all-docs"));
    let denied = format!(
        "{POLICY}\n[[deny]]\nid = \"no\"\nidentity.npm = {{ package = \"@example/docs\" }}\nreason = \"stolen\"\n"
    );
    let (code, answer) = check(&machine(&denied), &[]);
    assert_eq!((code, codes(&answer)), (Some(1), vec!["denied-rule".to_owned()]));
    let over = format!(
        "{POLICY}\n[[exception]]\nid = \"e\"\nfingerprint = \"sha256:{}\"\nowner = \"o\"\nticket = \"t\"\nexpires = \"2026-01-01T00:00:00Z\"\n",
        "0".repeat(64)
    );
    let (code, answer) = check(&machine(&over), &[]);
    assert_eq!((code, codes(&answer)), (Some(1), vec!["expired-exception".to_owned()]));
}

#[test]
fn a_narrower_rule_for_other_people_is_not_called_shadowed() {
    let other = POLICY.replace("[[rule]]", "[[rule]]\nid = \"all-docs\"\nidentity.npm = { package = \"@example/docs\" }\nusers = [\"ann\"]\nowner = \"x\"\nreview_by = \"2027-01-01\"\n\n[[rule]]");
    let (code, answer) = check(&machine(&other), &[]);
    assert_eq!((code, codes(&answer)), (Some(0), vec!["floating-version".to_owned()]), "{answer}");
}

#[test]
fn rules_that_nobody_answers_for_and_dates_are_found() {
    let nobody = POLICY.replace("owner = \"platform\"\nreview_by = \"2027-06-30\"\n", "");
    assert_eq!(codes(&check(&machine(&nobody), &[]).1), ["no-owner", "no-review"]);
    let past = POLICY.replace("2027-06-30", "2026-11-20");
    assert_eq!(codes(&check(&machine(&past), &[]).1), ["review-overdue"]);
    let soon = POLICY.replace("2027-06-30", "2026-12-21");
    let (code, answer) = check(&machine(&soon), &[]);
    assert_eq!((code, codes(&answer)), (Some(0), vec!["ends-soon".to_owned()]));
    assert_eq!(check(&machine(&soon), &["--strict"]).0, Some(1));
    let late = POLICY.replace("2027-06-30", "2026-12-22");
    assert_eq!(codes(&check(&machine(&late), &[]).1), Vec::<String>::new());
}

#[test]
fn an_overdue_remediation_and_an_old_specification_are_found() {
    let policy = format!(
        "{POLICY}mcp_spec = \"2025-03-26\"\nremediation = {{ what = \"use OAuth\", deadline = \"2026-11-01\" }}\n"
    );
    assert_eq!(codes(&check(&machine(&policy), &[]).1), ["remediation-overdue"]);
    assert_eq!(
        codes(&check(&machine(&policy), &["--spec", "2025-06-18"]).1),
        ["spec-outdated", "remediation-overdue"]
    );
    assert_eq!(codes(&check(&machine(&policy), &["--spec", "2025-03-26"]).1), ["remediation-overdue"]);
    assert_eq!(codes(&check(&machine(POLICY), &["--spec", "2025-06-18"]).1), ["spec-outdated"]);
    let done = policy.replace("2026-11-01\"", "2026-11-01\", done = true");
    assert_eq!(codes(&check(&machine(&done), &[]).1), Vec::<String>::new());
}

#[test]
fn variables_that_decide_what_runs_and_overlapping_patterns_are_found() {
    let policy = format!("{POLICY}env = {{ NODE_OPTIONS = \"*\", HTTPS_PROXY = \"*\", TOKEN = \"*\", token = \"x\", LANG = \"C\" }}\n")
        .replace("[[rule]]", "[policy.env]\nLANG = \"*\"\n\n[[rule]]");
    let (code, answer) = check(&machine(&policy), &[]);
    assert_eq!(code, Some(1));
    let mut found = codes(&answer);
    found.sort();
    assert_eq!(found, ["env-overlap", "env-overlap", "powerful-variable", "powerful-variable"], "{answer}");
    let (code, answer) =
        check(&machine(&policy), &["--allow", "env-overlap", "--allow", "powerful-variable"]);
    assert_eq!((code, answer["warnings"].as_u64()), (Some(0), Some(4)));
    let wrong = machine(POLICY).run(&["policy", "check", "policies", "--allow", "no-such-code"]);
    assert!(wrong.status.code() == Some(2) && text(&wrong.stderr).contains("shadowed-rule"));
}

#[test]
fn names_that_lead_nowhere_are_found() {
    let (code, answer) = check(&machine(&format!("{POLICY}clients = [\"curser\"]\n")), &[]);
    assert_eq!((code, codes(&answer)), (Some(1), vec!["unknown-client".to_owned()]), "{answer}");
    let policy = format!("{POLICY}rings = [\"early\"]\nalternatives = [\"other\"]\n");
    let (code, answer) = check(&machine(&policy), &[]);
    assert_eq!((code, codes(&answer)), (Some(1), vec!["invalid".to_owned(); 2]), "{answer}");
    assert_eq!(answer["problems"][0]["line"], 12);
}

#[test]
fn a_test_table_passes_and_fails_and_shows_the_row() {
    let machine = machine(POLICY);
    let row = |name: &str, expect: &str| {
        format!(
            "[[test]]\nname = \"{name}\"\nclient = \"cursor\"\nentry = '{{\"command\":\"npx\",\"args\":[\"-y\",\"@example/evil@1.0.0\"]}}'\nexpect = \"{expect}\"\n\n"
        )
    };
    machine.file("policies/tests.toml", row("unknown package", "deny"));
    let output = machine.run(&["policy", "test", "policies", "--now", NOW]);
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).starts_with("1 passed, 0 failed"));
    let good = "[[test]]\nname = \"reviewed\"\nclient = \"cursor\"\nentry = { command = \"npx\", args = [\"-y\", \"@example/docs@1.4.2\"] }\nexpect = \"allow\"\nrule = \"docs\"\n";
    machine.file("policies/tests.toml", good);
    let output = machine.run(&["policy", "test", "policies", "--now", NOW]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    machine.file("policies/tests.toml", row("unknown package", "deny") + &row("wrong hope", "allow"));
    let output = machine.run(&["policy", "test", "policies", "--now", NOW]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("wrong hope: expected allow, got deny") && said.contains("tests.toml:8:"),
        "{said}"
    );
    let answer = report_of(&machine.run(&["policy", "test", "policies", "--json", "--now", NOW]));
    assert_eq!((answer["passed"].as_u64(), answer["failed"].as_u64()), (Some(1), Some(1)));
    assert_eq!(answer["tests"][1]["got"]["verdict"], "deny");
    let only = machine.run(&["policy", "test", "policies", "--only", "unknown", "--now", NOW]);
    assert_eq!(only.status.code(), Some(0));
}

#[test]
fn a_test_table_that_cannot_be_read_is_no_pass() {
    let machine = machine(POLICY);
    let run = |table: Option<&str>| {
        if let Some(table) = table {
            machine.file("policies/tests.toml", table);
        }
        let output = machine.run(&["policy", "test", "policies"]);
        assert_eq!(output.status.code(), Some(2), "{table:?}: {}", text(&output.stdout));
        text(&output.stderr)
    };
    assert!(run(None).contains("tests.toml"));
    assert!(run(Some("")).contains("no row to run"));
    assert!(run(Some("[[test]]\nname = \"a\"\n")).contains("is missing"));
    assert!(run(Some("[[test]]\nname = \"a\"\nclient = \"cursor\"\nentry = \"{}\"\nexpect = \"deny\"\nreason = \"no-such\"\n")).contains("docs/findings.md"));
    machine.file(
        "policies/tests.toml",
        "[[test]]\nname = \"a\"\nclient = \"no-client\"\nentry = \"{}\"\nexpect = \"deny\"\n",
    );
    let output = machine.run(&["policy", "test", "policies"]);
    assert!(output.status.code() == Some(1) && text(&output.stdout).contains("docs/clients.md"));
}

#[test]
fn a_diff_says_what_changes_and_fails_where_it_is_told_to() {
    let machine = machine(POLICY);
    machine.file(
        "new/policy.toml",
        POLICY.replace("contact =", "mode = \"warn\"\ncontact =").replace("1.4.2", "1.4.3"),
    );
    let run = |more: &[&str]| {
        let mut arguments = vec!["policy", "diff", "policies", "new"];
        arguments.extend(more);
        machine.run(&arguments)
    };
    let said = text(&run(&[]).stdout);
    assert!(said.starts_with("LOOSENS   policy: mode: warn instead of enforce"), "{said}");
    assert!(
        said.contains("rule docs: admits npm @example/docs 1.4.3 instead of npm @example/docs 1.4.2"),
        "{said}"
    );
    assert_eq!(run(&["--fail-on", "loosening"]).status.code(), Some(1));
    let answer = report_of(&run(&["--json"]));
    assert_eq!((answer["second_signature"].as_bool(), answer["loosens"].as_u64()), (Some(true), Some(2)));
    assert!(text(&run(&["--format", "markdown"]).stdout).contains("needs the signatures of two people"));
    machine.file(
        "more/policy.toml",
        format!("{POLICY}\n[[rule]]\nid = \"x\"\nidentity.url = {{ url = \"https://mcp.example.com/\" }}\n"),
    );
    let more = |fail_on: &str| {
        machine.run(&["policy", "diff", "policies", "more", "--fail-on", fail_on]).status.code()
    };
    assert_eq!((more("loosening"), more("admits-more")), (Some(0), Some(1)));
    let same = machine.run(&["policy", "diff", "policies", "policies", "--fail-on", "admits-more"]);
    assert_eq!((same.status.code(), text(&same.stdout)), (Some(0), "no changes\n".to_owned()));
}

#[test]
fn hostile_names_in_a_diff_stay_text() {
    let machine = machine(POLICY);
    let evil = POLICY.replace("\"platform\"", "\"a|b](http://evil.example) @all <img> \\u001b[31m\"");
    machine.file("new/policy.toml", evil);
    let said = text(&machine.run(&["policy", "diff", "policies", "new", "--format", "markdown"]).stdout);
    // Nothing in a code span is a link, mention or tag, and nothing in it ends the span or the cell.
    let row = said.lines().find(|line| line.contains("evil.example")).unwrap_or_else(|| panic!("{said}"));
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    let [_, "neutral", "`rule docs`", what, ""] = cells.as_slice() else { panic!("{said}") };
    let inside = what.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).unwrap_or_default();
    assert!(inside.starts_with("owner: a\\u{7c}b](http") && !inside.contains('`'), "{said}");
    assert!(said.matches("evil.example").count() == 1 && !said.contains('\u{1b}'), "{said}");
    let said = text(&machine.run(&["policy", "diff", "policies", "new"]).stdout);
    assert!(said.contains("evil.example") && !said.contains('\u{1b}'), "{said}");
}

#[test]
fn a_policy_is_shown_to_people_and_to_programs() {
    let machine = machine(POLICY);
    let said = text(&machine.run(&["policy", "show", "policies"]).stdout);
    assert!(
        said.contains("Example") && said.contains("npm @example/docs 1.4.2") && said.contains("platform"),
        "{said}"
    );
    let answer = report_of(&machine.run(&["policy", "show", "policies", "--json"]));
    assert_eq!(answer["rule"][0]["id"], "docs");
    // The JSON is a policy again: what a published body is.
    machine.file("body.json", answer.to_string());
    let same = machine.run(&["policy", "diff", "policies", "body.json"]);
    assert_eq!(text(&same.stdout), "no changes\n");
}

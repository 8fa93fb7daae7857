//! `mcpolicy fleet` on reports that the scanner has written, and on records.

use std::path::Path;
use std::process::Output;

use mcpolicy_schema::report::v1::Class;
use mcpolicy_tests::{TestMachine, report_of};
use serde_json::{Value, json};

#[path = "../../agent/fleet/tests/maker/mod.rs"]
mod maker;

use maker::fleet::Plan;
use maker::machine::{Declared, Machine, START};

const TOKEN: &str = "ghp_SECRETMARK0000000000000000000000000001";

/// A machine with the reports of three others, of which one was scanned twice.
fn machine() -> TestMachine {
    let machine = TestMachine::new(crate::BINARY);
    let servers = json!({"mcpServers": {
        "docs": {"command": "npx", "args": ["-y", "@example/docs-mcp"], "env": {"DOCS_TOKEN": TOKEN}},
        "=cmd|'/c calc'!A1": {"command": "npx", "args": ["-y", "@example/<script>alert(1)</script>"]},
    }});
    machine.file(".claude.json", servers.to_string());
    let report = machine.scan(&[]);
    let store = |name: &str, host: &str, started: &str, entries: usize| {
        let mut report = report.clone();
        report["host"]["hostname"] = json!(host);
        report["scan"]["started_at"] = json!(started);
        if let Value::Array(list) = &mut report["entries"] {
            list.truncate(entries);
        }
        if entries == 0 {
            report["findings"] = json!([]);
        }
        machine.file(&format!("reports/{name}"), serde_json::to_string_pretty(&report).unwrap());
    };
    store("a.json", "laptop-a", "2026-11-20T09:00:00Z", 2);
    store("a-later.json", "laptop-a", "2026-11-21T09:00:00Z", 0);
    store("b.json", "laptop-b", "2026-11-21T09:00:00Z", 2);
    machine
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn every_file(folder: &Path) -> Vec<(String, String)> {
    let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    all.map(|path| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&path).unwrap())
    })
    .collect()
}

#[test]
fn a_fleet_is_told_from_what_the_scanner_wrote_without_secrets_scripts_or_formulas() {
    let machine = machine();
    let output =
        machine.run(&["fleet", "reports", "--out", "out", "--json", "--now", "2026-11-21T12:00:00Z"]);
    assert!(matches!(code(&output), Some(0 | 1)), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["read"]["documents"], &answer["read"]["refused"]), (&json!(3), &json!(0)));
    let gate =
        answer["gates"].as_array().unwrap().iter().find(|gate| gate["id"] == "literal-secrets").unwrap();
    assert_eq!(gate["state"], "look", "{gate}");
    assert_eq!(gate["offenders"][0]["machines"], 1, "the newer report of laptop-a has none");
    let files = every_file(&machine.home().join("out"));
    assert_eq!(files.len(), 5, "{files:?}");
    for (name, text) in files {
        assert!(
            !text.contains(TOKEN)
                && (name != "fleet.html" || !text.contains("<script"))
                && !text.contains("\n=cmd"),
            "{name}"
        );
        assert!(!text.contains(",=cmd"), "{name} has a formula");
    }
}

#[test]
fn whoever_had_a_server_is_told_with_the_exit_code_and_what_to_change() {
    let machine = machine();
    let output =
        machine.run(&["fleet", "blast", "npm:@example/docs-mcp", "reports", "--out", "out", "--json"]);
    assert_eq!(code(&output), Some(1), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["machines"], 2);
    let gone: Vec<bool> = answer["had"].as_array().unwrap().iter().map(|had| had["gone_by"] != 0).collect();
    assert_eq!(gone, [true, false], "{answer}");
    let credentials = std::fs::read_to_string(machine.home().join("out/credentials.csv")).unwrap();
    assert!(credentials.contains("DOCS_TOKEN") && credentials.contains("same-entry"), "{credentials}");
    assert!(!credentials.contains(TOKEN));
    let until = ["fleet", "blast", "npm:@example/docs-mcp", "reports", "--until", "2026-11-19"];
    assert_eq!(code(&machine.run(&until)), Some(0));
    machine.file("reports/torn.json", "{\n \"schema\": ");
    let output = machine.run(&until);
    assert_eq!(code(&output), Some(2), "a torn report may have had it: {output:?}");
}

#[test]
fn a_record_that_is_missing_is_told_and_reports_without_a_chain_prove_nothing() {
    let machine = machine();
    assert_eq!(code(&machine.run(&["fleet", "check", "reports"])), Some(2));
    let mut lines: Vec<String> = (0..5).flat_map(|number| Plan::of(number).machine().lines).collect();
    machine.file("records/all.ndjson", lines.join("\n"));
    let whole = machine.run(&["fleet", "check", "records"]);
    assert_eq!(code(&whole), Some(0), "{}", text(&whole));
    lines.remove(3);
    machine.file("records/all.ndjson", lines.join("\n"));
    let output = machine.run(&["fleet", "check", "records", "--json"]);
    assert_eq!(code(&output), Some(1));
    let fault = &report_of(&output)["chains_with_faults"][0]["faults"][0];
    assert_eq!(fault, &json!({"fault": "missing", "first": 4, "last": 4}));
}

#[test]
fn violations_that_a_machine_itself_tells_it_dropped_are_no_good_end_of_a_check() {
    let machine = machine();
    let lost = [(Class::Violation, 1), (Class::State, 0)].map(|(class, exit)| {
        let mut of = Machine::new("m", "team");
        of.heartbeat(START - 60);
        of.event(START, "server-ended", "ann", "bad");
        of.action(START, "quarantine", "applied", &Declared::unknown("ann", "npm:bad"));
        of.lose(START + 60, class, 9);
        of.heartbeat(START + 120);
        machine.file("records/all.ndjson", of.lines.join("\n"));
        let output = machine.run(&["fleet", "check", "records", "--json"]);
        assert_eq!(code(&output), Some(exit), "{class:?}: {}", text(&output));
        report_of(&output)
    });
    for (answer, violations) in lost.iter().zip([9, 0]) {
        let dropped = (&answer["dropped"], &answer["dropped_violations"]);
        assert_eq!(dropped, (&json!(9), &json!(violations)), "{answer}");
        assert_eq!(answer["faulty"], 0, "{answer}");
    }
}

#[test]
fn nothing_that_was_passed_over_and_no_empty_name_is_an_all_clear() {
    let machine = machine();
    let of = |arguments: &[&str]| {
        let output = machine.run(&[&["fleet"], arguments].concat());
        (code(&output), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let blast = |name: &str| of(&["blast", name, "records"]);
    let lines = Plan::of(0).machine().lines;
    machine.file("records/all.ndjson", lines.join("\n"));
    assert_eq!(blast("npm:nobody-has-it").0, Some(0));
    for name in ["", " "] {
        assert_eq!(blast(name).0, Some(2), "a variable that is not set");
    }
    let whole = of(&["records", "--now", "2026-11-11T12:00:00Z"]);
    let weather = lines[0].replace("\"kind\":\"inventory\"", "\"kind\":\"weather\"");
    for spoilt in [weather, "no record".to_owned()] {
        machine.file("records/all.ndjson", format!("{}\n{spoilt}", lines.join("\n")));
        assert_eq!(blast("npm:nobody-has-it").0, Some(2), "{spoilt}");
        let spoilt = of(&["records", "--now", "2026-11-11T12:00:00Z"]);
        assert_eq!((whole.0, spoilt.0), (Some(0), Some(2)), "{}", spoilt.1);
    }
    let mut of_actions = Machine::new("m", "team");
    of_actions.action(START, "quarantine", "applied", &Declared::unknown("ann", "executable:/tmp/evil"));
    machine.file("records/all.ndjson", of_actions.lines.join("\n"));
    assert_eq!(blast(&"c".repeat(64)).0, Some(2), "no action says a digest");
    let floating = Declared { version: None, ..Declared::unknown("ann", "npm:evil") };
    of_actions.inventory(START, "start", &[floating]);
    machine.file("records/all.ndjson", of_actions.lines.join("\n"));
    assert_eq!(blast("npm:evil@1.0.0").0, Some(1), "whatever version that is");
}

#[test]
fn two_laptops_of_one_host_name_are_told_and_a_window_is_proved_from_its_beginning() {
    let machine = machine();
    let output = machine.run(&["fleet", "reports", "--now", "2026-11-21T12:00:00Z"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("1 machines with more than one report"), "{told}");
    let mut of = Machine::new("m", "team");
    for number in 0..6 {
        of.heartbeat(START + number * 60);
    }
    machine.file("records/all.ndjson", of.lines[3..].join("\n"));
    let output = machine.run(&["fleet", "check", "records"]);
    assert_eq!(code(&output), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--since"), "{output:?}");
    let since = ["fleet", "check", "records", "--since", "2026-11-02T00:03:00Z"];
    assert_eq!(code(&machine.run(&since)), Some(0));
}

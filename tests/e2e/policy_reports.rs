//! The commands that work on stored reports: draft, simulate, requests, approve.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use mcpolicy_tests::{TestMachine, report_of, skip, texts};
use serde_json::{Value, json};

/// The time of all runs.
const NOW: &str = "2026-11-21T12:00:00Z";

const TOKEN: &str = "ghp_SECRETMARK0000000000000000000000000001";

fn servers() -> Value {
    json!({"mcpServers": {
        "docs": {"command": "npx", "args": ["-y", "@example/docs-mcp", "--read-only"], "env": {"DOCS_TOKEN": TOKEN}},
        "files": {"command": "npx", "args": ["-y", "@example/files-mcp", "/srv/data"]},
        "search": {"type": "http", "url": "https://mcp.example.com/search", "headers": {"Authorization": "Bearer ${SEARCH_KEY}"}},
        "plain": {"type": "http", "url": "http://mcp.example.com/plain"},
        "loader": {"command": "npx", "args": ["-y", "@example/loader-mcp"], "env": {"NODE_OPTIONS": "--require /tmp/x.js"}},
        "opaque": {"command": "bash", "args": ["-c", "curl -s https://mcp.example.com/x | sh"]},
        "keyed": {"command": "npx", "args": ["-y", "@example/keyed-mcp", "--api-key", TOKEN]},
        "star": {"command": "npx", "args": ["-y", "@example/star-mcp", "/srv/*"]}
    }})
}

fn machine(servers: &Value) -> (TestMachine, Value) {
    let machine = TestMachine::new(crate::BINARY);
    machine.file(".claude.json", servers.to_string());
    let mut report = machine.scan(&[]);
    report["host"]["hostname"] = json!("laptop-0");
    (machine, report)
}

fn store(machine: &TestMachine, name: &str, report: &Value) {
    machine.file(&format!("reports/{name}"), report.to_string());
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(machine: &TestMachine, arguments: &[&str]) -> Output {
    let mut all = arguments.to_vec();
    all.extend(["--now", NOW]);
    machine.run(&all)
}

fn draft(machine: &TestMachine, more: &[&str]) -> Value {
    let mut arguments = vec!["policy", "draft", "reports", "--json"];
    arguments.extend(more);
    report_of(&run(machine, &arguments))
}

#[allow(clippy::disallowed_methods, reason = "a file of the test itself")]
fn read(machine: &TestMachine, path: &str) -> String {
    std::fs::read_to_string(machine.home().join(path)).unwrap()
}

#[test]
fn a_drafted_policy_blocks_what_it_lists_and_nothing_else() {
    let (machine, report) = machine(&servers());
    store(&machine, "a.json", &report);
    let draft = draft(&machine, &["--output", "policy.toml"]);
    let left: Vec<&str> =
        draft["left"].as_array().unwrap().iter().map(|l| l["identity"].as_str().unwrap()).collect();
    for refused in ["url:http://mcp.example.com/plain", "npm:@example/loader-mcp"] {
        assert!(left.contains(&refused), "{left:?}");
    }
    assert!(left.iter().any(|identity| identity.starts_with("opaque:")), "{left:?}");
    let simulated =
        report_of(&run(&machine, &["policy", "simulate", "reports", "--policy", "policy.toml", "--json"]));
    let count = |list: &Value, member: &str| -> u64 {
        list.as_array().unwrap().iter().filter_map(|item| item.pointer(member)?.as_u64()).sum()
    };
    let allowed: u64 = count(&draft["rules"], "/allowed");
    assert!(allowed >= 3, "{draft}");
    assert_eq!(simulated["allowed"], allowed);
    let of_rules: u64 =
        draft["rules"].as_array().unwrap().iter().map(|r| count(&r["blocked"], "/entries")).sum();
    let listed = of_rules + count(&draft["left"], "/used/entries");
    let not_allowed = simulated["blocked"].as_u64().unwrap() + simulated["unknown"].as_u64().unwrap();
    assert_eq!(not_allowed, listed, "{simulated}\n{draft}");
}

#[test]
fn a_drafted_policy_has_no_secret_no_new_wildcard_and_open_places_for_people() {
    let (machine, report) = machine(&servers());
    store(&machine, "a.json", &report);
    let output = run(&machine, &["policy", "draft", "reports"]);
    let policy = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(!policy.contains("SECRETMARK") && !policy.contains("<secret:"), "{policy}");
    assert!(policy.contains("args.positional = [\"--read-only\"]"), "{policy}");
    assert!(policy.contains("references = [\"SEARCH_KEY\"]"), "{policy}");
    assert!(!policy.contains("\"/srv/*\""), "{policy}");
    assert!(
        policy.contains("# owner = \"\"") && policy.contains("# TODO: nobody names an exact version"),
        "{policy}"
    );
    machine.file("policy.toml", &policy);
    let checked = report_of(&run(&machine, &["policy", "check", ".", "--json"]));
    let codes: BTreeSet<String> = texts(&checked, "problems", "/code").into_iter().collect();
    assert_eq!(
        codes,
        BTreeSet::from(["floating-version", "no-owner", "no-review"].map(str::to_owned)),
        "{checked}"
    );
}

#[test]
fn a_draft_beside_a_policy_proposes_only_what_that_lacks() {
    let (machine, report) = machine(&servers());
    store(&machine, "a.json", &report);
    let policy = "schema = \"mcpolicy/policy/v1\" # ours\n[policy]\nname = \"p\"\ncontact = \"c\"\n\n[[rule]]\n\
        id = \"npm-example-docs-mcp\"\nidentity.npm = { package = \"@example/files-mcp\" }\nargs.positional = [\"/srv/data\"]\n";
    machine.file("old/policy.toml", policy);
    let draft = draft(&machine, &["--policy", "old"]);
    assert_eq!(draft["covered"], 1);
    let proposed = draft["policy"].as_str().unwrap();
    assert!(proposed.starts_with("schema = \"mcpolicy/policy/v1\" # ours"), "{proposed}");
    assert!(proposed.contains("id = \"npm-example-docs-mcp-2\""), "{proposed}");
    assert_eq!(proposed.matches("@example/files-mcp").count(), 1, "{proposed}");
}

#[test]
fn what_few_machines_have_is_only_mentioned() {
    let (machine, report) = machine(&servers());
    store(&machine, "a.json", &report);
    let mut other = report;
    other["host"]["hostname"] = json!("laptop-1");
    other["entries"].as_array_mut().unwrap().retain(|entry| entry["name"] == "docs");
    store(&machine, "b.json", &other);
    let draft = draft(&machine, &["--min-machines", "2"]);
    assert_eq!(draft["rules"].as_array().unwrap().len(), 1, "{draft}");
    assert_eq!(draft["rules"][0]["used"], json!({"machines": 2, "users": 1, "entries": 2}));
    let why = draft["left"].to_string();
    assert!(why.contains("on fewer than 2 machines"), "{why}");
}

/// A fleet of 20 laptops; every second one has one more server.
fn fleet(machine: &TestMachine, report: &Value) {
    for at in 0..20 {
        let mut one = report.clone();
        one["host"]["hostname"] = json!(format!("laptop-{at}"));
        let keep = |entry: &Value| entry["name"] == "docs" || (at % 2 == 0 && entry["name"] == "files");
        one["entries"].as_array_mut().unwrap().retain(keep);
        store(machine, &format!("{at}.json"), &one);
    }
}

const ONE_RULE: &str = "schema = \"mcpolicy/policy/v1\"\n[policy]\nname = \"p\"\ncontact = \"c\"\n\n[[rule]]\nid = \"docs\"\n\
    identity.npm = { package = \"@example/docs-mcp\" }\nargs.positional = [\"--read-only\"]\nenv = { DOCS_TOKEN = \"*\" }\n";

const TWO_RULES: &str = "\n[[rule]]\nid = \"files\"\nidentity.npm = { package = \"@example/files-mcp\" }\nargs.positional = [\"/srv/data\"]\n";

#[test]
fn a_policy_that_takes_a_server_from_many_machines_is_loud() {
    let (machine, report) = machine(&servers());
    fleet(&machine, &report);
    machine.file("old.toml", format!("{ONE_RULE}{TWO_RULES}"));
    machine.file("new.toml", ONE_RULE);
    let simulate = |more: &[&str]| {
        let mut arguments =
            vec!["policy", "simulate", "reports", "--policy", "new.toml", "--against", "old.toml"];
        arguments.extend(more);
        run(&machine, &arguments)
    };
    let output = simulate(&["--json"]);
    let answer = report_of(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("10 of 20 machines (50 %) would lose a server"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(answer["change"]["machines_newly_blocked"], 10);
    assert_eq!(answer["newly_blocked"][0]["identity"], "npm:@example/files-mcp");
    assert_eq!(answer["newly_blocked"][0]["machines"], 10);
    assert_eq!(answer["newly_blocked"][0]["reason"], "not-allowed");
    assert_eq!((&answer["allowed"], &answer["blocked"]), (&json!(20), &json!(10)));
    assert_eq!(simulate(&["--threshold", "50%"]).status.code(), Some(0));
    assert_eq!(simulate(&["--threshold", "9"]).status.code(), Some(1));
    assert_eq!(simulate(&["--threshold", "many"]).status.code(), Some(2));
    let back = run(
        &machine,
        &["policy", "simulate", "reports", "--policy", "old.toml", "--against", "new.toml", "--json"],
    );
    let back_answer = report_of(&back);
    assert_eq!(back.status.code(), Some(0));
    assert_eq!(back_answer["newly_allowed"][0]["identity"], "npm:@example/files-mcp");
}

#[test]
fn revocations_in_force_are_tried_too() {
    let (machine, report) = machine(&servers());
    fleet(&machine, &report);
    machine.file("new.toml", format!("{ONE_RULE}{TWO_RULES}"));
    let list = |revoked: Value| {
        let line = json!({"id": "r1", "revoked": revoked, "reason": "stolen release"});
        machine.file("list", json!({"schema": "mcpolicy/revocations/v1", "revocation": [line]}).to_string());
        let simulate =
            ["policy", "simulate", "reports", "--policy", "new.toml", "--revocations", "list", "--json"];
        let answer = report_of(&run(&machine, &simulate));
        ["allowed", "blocked", "unknown"].map(|count| answer[count].as_u64().unwrap())
    };
    assert_eq!(list(json!({"rule": "other"})), [30, 0, 0]);
    assert_eq!(list(json!({"rule": "files"})), [20, 10, 0]);
    assert_eq!(list(json!({"identity": {"npm": {"package": "@example/docs-mcp"}}})), [10, 20, 0]);
    let user = report["entries"][0]["user"].as_str().unwrap_or_default();
    assert_eq!(list(json!({"user": user})), [0, 30, 0]);
    // A report names neither groups nor, here, a device id: allowed is then more than it can tell.
    assert_eq!(list(json!({"group": "contractors"})), [0, 0, 30]);
    assert_eq!(list(json!({"device": "laptop-7"})), [0, 0, 30]);
    machine.file("list", "{\"schema\": \"mcpolicy/policy/v1\"}");
    let simulate = ["policy", "simulate", "reports", "--policy", "new.toml", "--revocations"];
    for (name, words) in [("list", "is no revocations list"), ("absent", "there is no revocations list")] {
        let output = run(&machine, &[&simulate[..], &[name]].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    }
}

#[test]
fn a_rule_that_nearly_fits_is_named_with_what_it_refuses() {
    let (machine, report) = machine(&servers());
    fleet(&machine, &report);
    machine.file("new.toml", ONE_RULE.replace("--read-only", "--offline"));
    let output = run(&machine, &["policy", "simulate", "reports", "--policy", "new.toml", "--json"]);
    let row = report_of(&output)["blocked_servers"][0].clone();
    assert_eq!(
        (&row["nearest_rule"], &row["reason"]),
        (&json!("docs"), &json!("argument-not-allowed")),
        "{row}"
    );
    assert_eq!(row["names"], json!(["docs"]));
}

#[test]
fn the_answer_does_not_depend_on_how_the_reports_are_stored() {
    let (machine, report) = machine(&servers());
    fleet(&machine, &report);
    machine.file("new.toml", ONE_RULE);
    let of = |inputs: &[&str]| {
        let mut arguments = vec!["policy", "simulate"];
        arguments.extend(inputs);
        arguments.extend(["--policy", "new.toml", "--json"]);
        text(&run(&machine, &arguments).stdout)
    };
    let folder = of(&["reports"]);
    let mut lines: Vec<String> = (0..20).map(|at| read(&machine, &format!("reports/{at}.json"))).collect();
    lines.reverse();
    machine.file("fleet.ndjson", lines.join("\n"));
    assert_eq!(of(&["fleet.ndjson"]), folder);
    // An older report of a machine changes nothing, wherever it stands.
    let mut old = report;
    old["host"]["hostname"] = json!("laptop-3");
    old["scan"]["started_at"] = json!("2020-01-01T00:00:00Z");
    store(&machine, "zz.json", &old);
    let with_old = of(&["reports"]);
    assert!(with_old.contains("\"superseded\": 1,"), "{with_old}");
    assert_eq!(with_old.replace("\"superseded\": 1,", "\"superseded\": 0,"), folder);
    let mut child = Command::new(crate::BINARY)
        .args(["policy", "simulate", "-", "--policy", "new.toml", "--json", "--now", NOW])
        .current_dir(machine.home())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.join("\n").as_bytes()).unwrap();
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), folder);
}

#[test]
fn names_of_attackers_stay_text_in_a_comment_and_on_a_terminal() {
    let hostile = "x` | @everyone <img src=x> [a](https://evil.example) \u{202e}\u{1b}[31m\n# b";
    let servers =
        json!({"mcpServers": {hostile: {"type": "http", "url": "https://mcp.example.com/`|@everyone"}}});
    let (machine, mut report) = machine(&servers);
    report["entries"][0]["identity"]["name"] = json!(hostile);
    store(&machine, "a.json", &report);
    machine.file("new.toml", ONE_RULE);
    for format in ["markdown", "human"] {
        let output =
            run(&machine, &["policy", "simulate", "reports", "--policy", "new.toml", "--format", format]);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(said.contains("everyone"), "{said}");
        assert!(!said.contains(['\u{202e}', '\u{1b}']) && !said.contains("\n# b"), "{said}");
    }
    let output =
        run(&machine, &["policy", "simulate", "reports", "--policy", "new.toml", "--format", "markdown"]);
    let said = text(&output.stdout);
    let row = said.lines().find(|line| line.contains("everyone")).unwrap();
    // Everything of theirs stands between two backticks, and the row has its six cells.
    assert_eq!((row.matches('`').count() % 2, row.matches('|').count()), (0, 7), "{row}");
    assert!(row.starts_with("| `url:x\\u{60} \\u{7c} @everyone"), "{row}");
    let drafted = run(&machine, &["policy", "draft", "reports"]);
    assert!(!text(&drafted.stdout).contains(['\u{202e}', '\u{1b}']), "{}", text(&drafted.stdout));
}

#[test]
fn what_is_no_report_is_told_without_its_text_and_the_rest_is_read() {
    let (machine, report) = machine(&servers());
    store(&machine, "a.json", &report);
    store(&machine, "config.json", &servers());
    machine.file("reports/broken.json", format!("{{\"schema\": \"mcpolicy/report/v1\", \"{TOKEN}"));
    machine.file("reports/other.json", json!({"schema": TOKEN}).to_string());
    machine.file("reports/lines.ndjson", format!("{report}\n{{\"x\": \"{TOKEN}\"}}\n\n"));
    machine.file("new.toml", ONE_RULE);
    for arguments in [
        &["policy", "simulate", "reports", "/nonexistent", "--policy", "new.toml", "--threshold", "100%"][..],
        &["policy", "draft", "reports", "/nonexistent"],
        &["policy", "requests", "reports", "/nonexistent"],
    ] {
        let output = run(&machine, arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {said}");
        for place in ["config.json", "broken.json", "other.json", "lines.ndjson line 2", "/nonexistent"] {
            assert!(said.contains(place), "{place}: {said}");
        }
        assert!(!said.contains("SECRETMARK") && !text(&output.stdout).contains("SECRETMARK"), "{said}");
    }
    let output = run(&machine, &["policy", "simulate", "/nonexistent", "--policy", "new.toml"]);
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true));
}

/// A report in which somebody asks for the entry of a name.
fn asking(report: &Value, machine: &str, user: &str, id: &str, name: &str) -> Value {
    let mut one = report.clone();
    one["host"]["hostname"] = json!(machine);
    let entry = report["entries"].as_array().unwrap().iter().find(|entry| entry["name"] == name).unwrap();
    one["requests"] = json!([{
        "id": id, "time": "2026-11-20T09:00:00Z", "user": user, "fingerprint": entry["fingerprint"],
        "identity": entry["identity"], "name": name, "client": entry["client"],
        "reason": "need it for\u{1b}[31m the docs", "entry": entry
    }]);
    one
}

#[test]
fn requests_are_listed_by_server_with_how_many_people_ask() {
    let (machine, report) = machine(&servers());
    store(&machine, "a.json", &asking(&report, "laptop-0", "ann", "r1", "docs"));
    store(&machine, "b.json", &asking(&report, "laptop-1", "bob", "r2", "docs"));
    store(&machine, "c.json", &asking(&report, "laptop-2", "cem", "r3", "files"));
    machine.file("p.toml", ONE_RULE);
    let output = run(&machine, &["policy", "requests", "reports", "--policy", "p.toml", "--json"]);
    let answer = report_of(&output);
    let asked = answer["asked"].as_array().unwrap();
    assert_eq!(asked.len(), 2, "{answer}");
    assert_eq!((&asked[0]["people"], &asked[0]["identity"]), (&json!(2), &json!("npm:@example/docs-mcp")));
    assert_eq!((&asked[0]["covered_by"], &asked[1]["verdict"]), (&json!("docs"), &json!("deny")));
    let shown = text(&run(&machine, &["policy", "requests", "reports"]).stdout);
    assert!(shown.contains("2 people") && !shown.contains('\u{1b}'), "{shown}");
}

fn approve(machine: &TestMachine, id: &str) -> Output {
    let arguments = [
        "policy",
        "approve",
        id,
        "--reports",
        "reports",
        "--ticket",
        "SEC-7",
        "--owner",
        "platform",
        "--review-by",
        "2027-05-21",
        "--policy",
        "policies",
    ];
    run(machine, &arguments)
}

#[test]
fn an_approved_request_becomes_a_rule_and_a_test_that_passes_and_only_once() {
    let (machine, report) = machine(&servers());
    store(&machine, "a.json", &asking(&report, "laptop-0", "ann", "r1", "docs"));
    store(&machine, "b.json", &asking(&report, "laptop-1", "bob", "r2", "search"));
    let before = "# ours\nschema = \"mcpolicy/policy/v1\"\n\n[policy] # settings\nname = \"p\"\ncontact = \"c\"\n\n\
        [[deny]]\nid = \"no\"\nidentity.npm = { package = \"evil\" }\nreason = \"r\" # because\n";
    machine.file("policies/policy.toml", before);
    for (id, rule) in [("r1", "npm-example-docs-mcp"), ("r2", "url-https-mcp-example-com-search")] {
        let output = approve(&machine, id);
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(
            said.starts_with("Allow ") && said.contains("Ticket: SEC-7") && said.contains(rule),
            "{said}"
        );
        assert!(!said.contains('\u{1b}'), "{said}");
        // The npm request names no version; a URL has none.
        assert_eq!(said.contains("admits any version: name the versions"), id == "r1", "{said}");
    }
    let policy = read(&machine, "policies/policy.toml");
    for kept in ["# ours\n", "[policy] # settings\n", "reason = \"r\" # because\n"] {
        assert!(policy.contains(kept), "{policy}");
    }
    assert!(policy.contains("owner = \"platform\"") && policy.contains("ticket = \"SEC-7\""), "{policy}");
    assert!(policy.contains("2027-05-21") && !policy.contains("SECRETMARK"), "{policy}");
    let tests = read(&machine, "policies/tests.toml");
    assert_eq!(tests.matches("[[test]]").count(), 2, "{tests}");
    assert_eq!(run(&machine, &["policy", "test", "policies"]).status.code(), Some(0), "{tests}");
    // The row tells something: without the rule it fails.
    machine.file("policies/policy.toml", before);
    assert_eq!(run(&machine, &["policy", "test", "policies"]).status.code(), Some(1));
    machine.file("policies/policy.toml", &policy);
    for id in ["r1", "r2"] {
        let again = approve(&machine, id);
        assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
        assert!(text(&again.stdout).contains("nothing to do"));
    }
    assert_eq!(read(&machine, "policies/policy.toml"), policy);
    assert_eq!(read(&machine, "policies/tests.toml"), tests);
}

#[test]
fn a_request_for_whatever_module_lies_in_a_project_becomes_no_rule() {
    let machine = TestMachine::new(crate::BINARY);
    let servers = json!({"mcpServers": {
        "loose": {"command": "python3", "args": ["-m", "server"]},
        "held": {"command": "python3", "args": ["-I", "-m", "server"]},
    }});
    machine.file("src/p/.cursor/mcp.json", servers.to_string());
    let report = machine.scan(&[]);
    store(&machine, "a.json", &asking(&report, "laptop-0", "ann", "r1", "loose"));
    store(&machine, "b.json", &asking(&report, "laptop-1", "bob", "r2", "held"));
    machine.file("policies/policy.toml", ONE_RULE);
    let output = approve(&machine, "r1");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("looks for the module in the project first"), "{said}");
    assert_eq!(read(&machine, "policies/policy.toml"), ONE_RULE);
    let output = approve(&machine, "r2");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(read(&machine, "policies/policy.toml").contains("-I"));
}

#[test]
fn a_request_that_is_not_what_it_says_is_refused_and_nothing_is_written() {
    let (machine, report) = machine(&servers());
    machine.file("policies/policy.toml", ONE_RULE);
    let mut forged = asking(&report, "laptop-0", "ann", "forged", "files");
    forged["requests"][0]["identity"]["name"] = json!("@example/docs-mcp");
    store(&machine, "forged.json", &forged);
    store(&machine, "one.json", &asking(&report, "laptop-1", "bob", "same-id", "files"));
    store(&machine, "two.json", &asking(&report, "laptop-2", "eve", "same-id", "search"));
    store(&machine, "opaque.json", &asking(&report, "laptop-3", "cem", "opaque", "opaque"));
    for (id, why) in [
        ("forged", "names another server than its entry"),
        ("same-id", "2 different servers have the id"),
        ("opaque", "no rule is made for this server"),
        ("no-such-id", "no report has a request"),
    ] {
        let output = approve(&machine, id);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(why), "{id}: {said}");
    }
    assert_eq!(read(&machine, "policies/policy.toml"), ONE_RULE);
    assert!(!machine.home().join("policies/tests.toml").exists());
}

/// On a terminal that util-linux's `script` plays; a pipe has no bar.
#[test]
fn a_simulation_shows_on_a_terminal_how_far_it_has_come_and_nothing_in_a_pipe() {
    let (machine, report) = machine(&servers());
    for n in 0..400 {
        store(&machine, &format!("{n}.json"), &report);
    }
    draft(&machine, &["--output", "policy.toml"]);
    let arguments = ["policy", "simulate", "reports", "--policy", "policy.toml"];
    let piped = run(&machine, &arguments);
    assert!(!text(&piped.stderr).contains(" files, "), "{}", text(&piped.stderr));

    let line = format!("{} {} --now {NOW}", crate::BINARY, arguments.join(" "));
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).stdin(Stdio::null());
    let shown = script.current_dir(machine.home()).env("HOME", machine.home()).env("TERM", "xterm").output();
    let Ok(shown) = shown else { return skip("script of util-linux is not here") };
    let shown = text(&shown.stdout);
    assert!(shown.contains("/400 files, "), "{shown}");
    assert!(shown.contains(text(&piped.stdout).lines().next().unwrap()), "{shown}");
}

/// A report has no groups, so nobody can tell who is in a ring by group: the policy's own mode must not look like all.
#[test]
fn a_ring_by_group_that_enforces_is_told_by_a_simulation() {
    let (machine, report) = machine(&servers());
    store(&machine, "a.json", &report);
    let policy = |mode: &str| {
        let ring = format!("[[ring]]\nname = \"pilot\"\ngroups = [\"dev\"]\nmode = \"{mode}\"\n");
        machine.file(
            "new.toml",
            format!("{ONE_RULE}{ring}").replacen("[policy]\n", "[policy]\nmode = \"observe\"\n", 1),
        );
        let output = run(&machine, &["policy", "simulate", "reports", "--policy", "new.toml"]);
        text(&output.stdout)
    };
    assert!(policy("enforce").contains("the ring of 1 machine is not known"), "{}", policy("enforce"));
    assert!(!policy("warn").contains("is not known"), "{}", policy("warn"));
}

/// The machine would deny it; its report does not say what the value is.
#[test]
fn a_hidden_value_that_may_be_a_denied_address_is_no_reason_to_allow() {
    for (value, unknown) in [
        ("https://evil.example/mcp", 1),
        ("https://user:pw-12345@evil.example/mcp", 1),
        ("ghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0),
    ] {
        let servers =
            json!({"mcpServers": {"a": {"command": "npx", "args": ["x@1.0.0"], "env": {"TARGET": value}}}});
        let (machine, report) = machine(&servers);
        store(&machine, "a.json", &report);
        let deny =
            "[[deny]]\nid = \"d\"\nidentity.url = { url = \"https://evil.example/mcp\" }\nreason = \"bad\"\n";
        let settings =
            "schema = \"mcpolicy/policy/v1\"\n[policy]\nname = \"x\"\ncontact = \"x\"\ndefault = \"allow\"\n";
        machine.file("new.toml", format!("{settings}{deny}"));
        let output = run(&machine, &["policy", "simulate", "reports", "--policy", "new.toml", "--json"]);
        assert_eq!(report_of(&output)["unknown"], unknown, "{value}: {}", text(&output.stdout));
    }
}

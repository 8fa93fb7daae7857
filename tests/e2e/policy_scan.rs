//! `scan --draft` and `scan --policy`: every entry of a machine judged by a policy.

use std::path::{Path, PathBuf};

use mcpolicy_tests::{TestMachine, codes_of, report_of, texts};
use serde_json::{Value, json};
#[cfg(unix)]
use sha2::{Digest, Sha256};

const HEAD: &str = "schema = \"mcpolicy/policy/v1\"\n[policy]\nname = \"fleet\"\ncontact = \"#mcp-help\"\n";

const FORMATS: [&str; 6] = ["human", "json", "csv", "sarif", "mdm", "html"];

/// Writes a draft beside the homes.
pub(crate) fn draft(machine: &TestMachine, rules: &str) -> PathBuf {
    let path = machine.root().join("policy.toml");
    std::fs::write(&path, format!("{HEAD}{rules}")).unwrap();
    path
}

pub(crate) fn scan_root(machine: &TestMachine, draft: &Path, more: &[&str]) -> Value {
    let root = machine.root();
    let mut arguments = vec!["scan", "--root", root.to_str().unwrap(), "--format", "json", "--draft"];
    arguments.push(draft.to_str().unwrap());
    arguments.extend(more);
    report_of(&machine.run(&arguments))
}

fn judged(report: &Value, name: &str) -> Value {
    let entries = report["entries"].as_array().unwrap();
    entries.iter().find(|e| e["name"] == name).unwrap_or_else(|| panic!("no {name}"))["judged"].clone()
}

pub(crate) fn verdict(report: &Value, name: &str) -> (String, String) {
    let judged = judged(report, name);
    let text = |member: &str| judged[member].as_str().unwrap_or_default().to_owned();
    (text("verdict"), text("reason"))
}

pub(crate) fn is(verdict: &str, reason: &str) -> (String, String) {
    (verdict.to_owned(), reason.to_owned())
}

pub(crate) fn npx(package: &str) -> Value {
    json!({"command": "npx", "args": ["-y", package]})
}

pub(crate) const GITHUB: &str = r#"
[[rule]]
id = "github"
identity.npm = { package = "@acme/github-mcp", versions = "1.2.3" }
env = { GITHUB_TOKEN = "*" }
names = ["github"]
alternatives = ["docs"]

[[rule]]
id = "docs"
identity.url = { url = "https://docs.example.com/mcp" }

[[deny]]
id = "no-evil"
identity.npm = { package = "evil-mcp" }
reason = "stole tokens in March"
"#;

fn machine_with_servers() -> TestMachine {
    let machine = TestMachine::new(crate::BINARY);
    let servers = json!({
        "mcpServers": {
            "allowed": npx("@acme/github-mcp@1.2.3"),
            "github": npx("github-mcp@1.2.3"),
            "unpinned": npx("@acme/github-mcp"),
            "denied": npx("evil-mcp@1.0.0"),
            "other": npx("left-pad-mcp@1.0.0"),
            "remote": {"url": "https://docs.example.com/mcp"},
        }
    });
    // Kiro's documents name the switch
    let off = json!({"command": "npx", "args": ["-y", "left-pad-mcp@1.0.0"], "disabled": true});
    machine.file(".kiro/settings/mcp.json", json!({"mcpServers": {"off": off}}).to_string());
    machine.file(".cursor/mcp.json", servers.to_string());
    // a key that none of its readers knows; `mcpServers` MCPorter would take
    machine
        .file(".vscode/mcp.json", json!({"mcp_servers": {"inert": npx("left-pad-mcp@1.0.0")}}).to_string());
    machine
}

#[test]
fn every_entry_of_a_machine_is_judged_live_or_not() {
    let machine = machine_with_servers();
    let report = scan_root(&machine, &draft(&machine, GITHUB), &[]);
    assert_eq!(verdict(&report, "allowed"), is("allow", ""));
    assert_eq!(judged(&report, "allowed")["rule"], "github");
    assert_eq!(verdict(&report, "remote"), is("allow", ""));
    assert_eq!(verdict(&report, "github"), is("deny", "impersonation"));
    assert_eq!(verdict(&report, "unpinned"), is("deny", "version-not-allowed"));
    assert_eq!(verdict(&report, "denied"), is("deny", "denylisted"));
    assert_eq!(judged(&report, "denied")["decided_by"], "denylist");
    for name in ["other", "off", "inert"] {
        assert_eq!(verdict(&report, name), is("deny", "not-allowed"), "{name}");
    }
    assert_eq!(report["summary"]["verdicts"], json!({"allow": 2, "deny": 6, "unknown": 0}));
    let policy = &report["policy"];
    assert_eq!((&policy["name"], &policy["signed"]), (&json!("fleet"), &json!(false)));
    assert_eq!(policy.get("sequence"), None);
    assert_eq!(policy["sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn a_server_behind_a_line_break_of_some_readers_only_is_seen_and_nothing_in_its_file_is_allowed() {
    let good = |name: &str| format!("\"{name}\":{}", npx("@acme/github-mcp@1.2.3"));
    let yaml = "  a: {type: stdio, name: a, enabled: true, cmd: npx, args: [-y, '@acme/github-mcp@1.2.3']}";
    let breaks = ['\u{85}', '\u{2028}', '\u{2029}'];
    let goose = |hidden: char| {
        let hides = format!("#x{hidden}  b: {{type: stdio, cmd: evil, enabled: true, name: b}}");
        (".config/goose/config.yaml", format!("extensions:\n{yaml}\n{hides}\n"))
    };
    let code = |hidden: char| {
        let hides = format!("//x{hidden},\"b\":{{\"command\":\"evil\"}}");
        ("src/p/.vscode/mcp.json", format!("{{\"servers\":{{{} {hides}\n}}}}", good("a")))
    };
    for (path, text) in breaks.map(goose).into_iter().chain(breaks[1..].iter().copied().map(code)) {
        let machine = TestMachine::new(crate::BINARY);
        machine.file(path, text.clone());
        let report = scan_root(&machine, &draft(&machine, GITHUB), &[]);
        assert_eq!(verdict(&report, "a"), is("deny", "ambiguous-entry"), "{text:?}");
        assert_eq!(verdict(&report, "b").0, "deny", "{text:?}");
        let findings = report["findings"].as_array().unwrap();
        let told = |f: &Value| f["code"] == "damaged-config" && f["severity"] == "high";
        assert!(findings.iter().any(told), "{text:?}");
    }
    // a break that changes nothing is none of our business
    for (path, text) in [
        (".config/goose/config.yaml", format!("extensions:\n{yaml}\n#x\u{2028}#y\n")),
        (".config/goose/config.yaml", format!("extensions:\n{yaml}\nnote: \"x\u{2028}b\"\n")),
        ("src/p/.vscode/mcp.json", format!("{{\"servers\":{{{} //x\u{2028}//y\n}}}}", good("a"))),
    ] {
        let machine = TestMachine::new(crate::BINARY);
        machine.file(path, text.clone());
        let report = scan_root(&machine, &draft(&machine, GITHUB), &[]);
        assert_eq!(verdict(&report, "a"), is("allow", ""), "{text:?}");
    }
}

#[test]
fn a_refused_entry_is_told_with_reason_remedy_contact_and_what_was_tried() {
    let machine = machine_with_servers();
    let report = scan_root(&machine, &draft(&machine, GITHUB), &[]);
    let findings = report["findings"].as_array().unwrap();
    let about = |name: &str| {
        let mut found = findings.iter().filter(|f| f["name"] == name && f["verdict"].is_string());
        let finding = found.next().unwrap_or_else(|| panic!("nothing is told of {name}"));
        assert!(found.next().is_none(), "{name} is told twice");
        finding.clone()
    };
    let unpinned = about("unpinned");
    assert_eq!(unpinned["code"], "version-not-allowed");
    assert!(unpinned["message"].as_str().unwrap().starts_with("by the UNSIGNED draft, not allowed: "));
    assert!(unpinned["remedy"].as_str().unwrap().ends_with("Ask #mcp-help."), "{unpinned}");
    let judged = judged(&report, "unpinned");
    assert_eq!(judged["trace"][0]["rule"], "github");
    assert_eq!(judged["contact"], "#mcp-help");
    assert!(about("denied")["message"].as_str().unwrap().contains("stole tokens in March"));
    assert!(about("off")["message"].as_str().unwrap().contains("switched off"));
    assert!(about("inert")["message"].as_str().unwrap().contains("no client loads it"));
    assert!(findings.iter().all(|f| f["name"] != "allowed" || f.get("verdict").is_none()));
    // what is risky about it is told as before
    assert!(codes_of(&report, "unpinned").contains(&"unpinned-package".to_owned()));
}

#[test]
fn people_see_the_verdict_the_rule_and_whom_to_ask() {
    let machine = machine_with_servers();
    let draft = draft(&machine, GITHUB);
    let root = machine.root();
    let output = machine.run(&["scan", "--root", root.to_str().unwrap(), "--draft", draft.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    for said in [
        "Policy fleet@draft",
        "VERDICT",
        "Not allowed (6 servers)",
        "do: ",
        "Ask #mcp-help.",
        "rule github: version-not-allowed:",
        "Verdicts: 2 allowed, 6 denied, 0 could not be judged.",
    ] {
        assert!(text.contains(said), "{said} is missing:\n{text}");
    }
}

#[test]
fn every_format_says_that_a_draft_is_unsigned() {
    let machine = machine_with_servers();
    let (draft, root) = (draft(&machine, GITHUB), machine.root());
    for format in FORMATS {
        let arguments = ["scan", "--root", root.to_str().unwrap(), "--format", format];
        let judged = machine.run(&[&arguments[..], &["--draft", draft.to_str().unwrap()]].concat());
        let text = String::from_utf8(judged.stdout).unwrap();
        let mark = if format == "mdm" { "unsigned=1" } else { "UNSIGNED" };
        assert!(text.contains(mark), "{format}: {text}");
        let plain = String::from_utf8(machine.run(&arguments).stdout).unwrap();
        assert!(!plain.contains(mark) && !plain.contains("verdicts="), "{format}");
    }
}

#[test]
fn the_exit_code_tells_the_gravest_verdict() {
    let machine = machine_with_servers();
    let (draft, root) = (draft(&machine, GITHUB), machine.root());
    let code = |more: &[&str]| {
        let arguments = ["scan", "--root", root.to_str().unwrap()];
        machine.run(&[&arguments[..], more].concat()).status.code()
    };
    let draft = draft.to_str().unwrap();
    assert_eq!(code(&["--draft", draft]), Some(0));
    assert_eq!(code(&["--draft", draft, "--fail-on-verdict", "deny"]), Some(1));
    assert_eq!(code(&["--draft", draft, "--fail-on-verdict", "unknown"]), Some(1));
    // the finding of an impersonation is critical
    assert_eq!(code(&["--draft", draft, "--fail-on", "critical"]), Some(1));
    // An inventory names its machine too: stored reports are told apart by it.
    assert_eq!(code(&["--device-id", "laptop-1"]), Some(0));
    for wrong in [
        &["--fail-on-verdict", "deny"][..],
        &["--policy", root.to_str().unwrap()],
        &["--trust-root", draft],
        &["--draft", draft, "--policy", root.to_str().unwrap(), "--trust-root", draft],
        &["--draft", "/nonexistent"],
    ] {
        assert_eq!(code(wrong), Some(2), "{wrong:?}");
    }
}

#[test]
fn an_allowed_machine_passes_the_gate() {
    let machine = TestMachine::new(crate::BINARY);
    machine.file(".cursor/mcp.json", json!({"mcpServers": {"a": npx("@acme/github-mcp@1.2.3")}}).to_string());
    let draft = draft(&machine, GITHUB);
    let home = machine.home();
    let arguments =
        ["scan", "--home", home.to_str().unwrap(), "--draft", draft.to_str().unwrap(), "--fail-on-verdict"];
    assert_eq!(machine.run(&[&arguments[..], &["unknown"]].concat()).status.code(), Some(0));
}

#[test]
fn a_draft_with_a_mistake_is_refused_whole() {
    let machine = machine_with_servers();
    for (rules, says) in [
        ("[[rule]]\nid = \"a\"\nidentty.npm = { package = \"x\" }\n", "identty"),
        (
            "[[rule]]\nid = \"a\"\nidentity.npm = { package = \"x\", versions = \"not a version\" }\n",
            "`not a version` is no version range",
        ),
        ("rule = 3\n[", "policy.toml"),
    ] {
        let draft = draft(&machine, rules);
        let home = machine.home();
        let output =
            machine.run(&["scan", "--home", home.to_str().unwrap(), "--draft", draft.to_str().unwrap()]);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{rules}");
        assert!(output.stdout.is_empty() && errors.contains(says), "{errors}");
    }
}

#[cfg(unix)]
fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(unix)]
const GOOD: &[u8] = b"#!/bin/sh\necho good\n";

/// A machine with a reviewed program at `/usr/local/bin/acme-mcp`.
#[cfg(unix)]
fn machine_with_program() -> (TestMachine, PathBuf) {
    let machine = TestMachine::new(crate::BINARY);
    program(&machine, "usr/local/bin/acme-mcp", GOOD);
    let servers = json!({"mcpServers": {
        "path": {"command": "/usr/local/bin/acme-mcp", "args": ["serve"]},
        "bare": {"command": "acme-mcp", "args": ["serve"]},
    }});
    machine.file(".cursor/mcp.json", servers.to_string());
    let rules = format!(
        "[[rule]]\nid = \"acme\"\nargs.positional = [\"serve\"]\n\
         identity.executable = {{ path = \"/usr/local/bin/acme-mcp\", sha256 = [\"{}\"] }}\n",
        digest(GOOD)
    );
    let draft = draft(&machine, &rules);
    (machine, draft)
}

#[cfg(unix)]
fn program(machine: &TestMachine, path: &str, bytes: &[u8]) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = machine.root().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
#[cfg(unix)]
fn a_program_is_allowed_by_the_digest_of_the_file_that_lies_there() {
    let (machine, draft) = machine_with_program();
    let report = scan_root(&machine, &draft, &[]);
    assert_eq!(verdict(&report, "path"), is("allow", ""));
    assert_eq!(verdict(&report, "bare"), is("allow", ""));
    program(&machine, "usr/local/bin/acme-mcp", b"#!/bin/sh\necho evil\n");
    let report = scan_root(&machine, &draft, &[]);
    assert_eq!(verdict(&report, "path"), is("deny", "digest-not-allowed"));
    assert_eq!(verdict(&report, "bare").0, "deny");
}

#[test]
#[cfg(unix)]
fn a_link_from_the_approved_path_to_another_program_is_denied() {
    let (machine, draft) = machine_with_program();
    program(&machine, "tmp/evil", b"#!/bin/sh\necho evil\n");
    let path = machine.root().join("usr/local/bin/acme-mcp");
    std::fs::remove_file(&path).unwrap();
    // an absolute link leads inside the image, never to the host's own file
    std::os::unix::fs::symlink("/tmp/evil", &path).unwrap();
    let report = scan_root(&machine, &draft, &[]);
    assert_eq!(verdict(&report, "path"), is("deny", "digest-not-allowed"));
    // a link to the very bytes that were reviewed is as good as they are
    std::fs::write(machine.root().join("tmp/evil"), GOOD).unwrap();
    assert_eq!(verdict(&scan_root(&machine, &draft, &[]), "path"), is("allow", ""));
}

#[test]
#[cfg(unix)]
fn a_program_that_cannot_be_looked_at_is_unknown_and_never_allowed() {
    let (machine, draft) = machine_with_program();
    // a scan of one home sees nothing outside of it
    let report = machine.scan(&["--draft", draft.to_str().unwrap()]);
    assert_eq!(verdict(&report, "path"), is("unknown", "missing-fact"));
    assert_eq!(verdict(&report, "bare"), is("unknown", "missing-fact"));
    assert_eq!(report["summary"]["verdicts"]["allow"], 0);
    let home = machine.home();
    let arguments = ["scan", "--home", home.to_str().unwrap(), "--draft", draft.to_str().unwrap()];
    let code = |on: &str| machine.run(&[&arguments[..], &["--fail-on-verdict", on]].concat()).status.code();
    assert_eq!((code("unknown"), code("deny")), (Some(1), Some(0)));
    std::fs::remove_file(machine.root().join("usr/local/bin/acme-mcp")).unwrap();
    assert_eq!(verdict(&scan_root(&machine, &draft, &[]), "path").0, "unknown");
}

#[test]
#[cfg(unix)]
fn another_program_of_the_same_name_that_comes_first_in_the_search_is_not_the_approved_one() {
    let (machine, draft) = machine_with_program();
    program(&machine, "usr/local/sbin/acme-mcp", GOOD);
    let report = scan_root(&machine, &draft, &[]);
    assert_eq!(verdict(&report, "path"), is("allow", ""));
    assert_ne!(verdict(&report, "bare").0, "allow");
}

#[test]
#[cfg(unix)]
fn a_relative_command_is_judged_where_the_client_would_start_it() {
    let machine = TestMachine::new(crate::BINARY);
    let relative = json!({"command": "./bin/server"});
    let other = json!({"command": "./bin/server", "cwd": "/home/dev/src/other"});
    machine.file(
        "src/shop/.mcp.json",
        json!({"mcpServers": {"relative": relative, "moved": other}}).to_string(),
    );
    machine.file(".cursor/mcp.json", json!({"mcpServers": {"nowhere": relative}}).to_string());
    program(&machine, "home/dev/src/shop/bin/server", GOOD);
    program(&machine, "home/dev/src/other/bin/server", b"#!/bin/sh\necho evil\n");
    let rules = format!(
        "[[rule]]\nid = \"shop\"\ncwd = [\"**\"]\n\
         identity.executable = {{ path = \"~/src/shop/bin/server\", sha256 = [\"{}\"] }}\n",
        digest(GOOD)
    );
    let report = scan_root(&machine, &draft(&machine, &rules), &[]);
    assert_eq!(verdict(&report, "relative"), is("allow", ""));
    assert_eq!(verdict(&report, "moved").0, "deny");
    assert_ne!(verdict(&report, "nowhere").0, "allow", "a user's client may start it anywhere");
}

#[test]
#[cfg(unix)]
fn a_script_is_allowed_by_its_own_digest() {
    let machine = TestMachine::new(crate::BINARY);
    program(&machine, "usr/bin/node", b"node");
    let script = program(&machine, "opt/mcp/server.js", GOOD);
    let entry = json!({"command": "node", "args": ["/opt/mcp/server.js"]});
    machine.file(".cursor/mcp.json", json!({"mcpServers": {"script": entry}}).to_string());
    let rules = format!(
        "[[rule]]\nid = \"script\"\n\
         identity.script = {{ interpreter = \"node\", path = \"/opt/mcp/server.js\", sha256 = [\"{}\"] }}\n",
        digest(GOOD)
    );
    let draft = draft(&machine, &rules);
    assert_eq!(verdict(&scan_root(&machine, &draft, &[]), "script"), is("allow", ""));
    std::fs::write(script, "evil").unwrap();
    assert_eq!(verdict(&scan_root(&machine, &draft, &[]), "script").0, "deny");
}

#[test]
fn of_two_declarations_under_one_key_both_are_judged() {
    let machine = TestMachine::new(crate::BINARY);
    let text = r#"{"mcpServers":{"a":{"command":"npx","args":["evil-mcp"]},"a":{"command":"npx","args":["-y","@acme/github-mcp@1.2.3"]}}}"#;
    machine.file(".cursor/mcp.json", text);
    let report = scan_root(&machine, &draft(&machine, GITHUB), &[]);
    let mut verdicts = texts(&report, "entries", "/judged/verdict");
    verdicts.sort();
    assert_eq!(verdicts, ["allow", "deny"]);
}

#[test]
fn rules_for_users_groups_and_devices_hold_for_those_only() {
    let machine = machine_with_servers();
    let etc = machine.root().join("etc");
    std::fs::create_dir_all(&etc).unwrap();
    std::fs::write(etc.join("passwd"), "dev:x:1000:1000::/home/dev:/bin/sh\n").unwrap();
    std::fs::write(etc.join("group"), "dev:x:1000:\nengineering:x:2000:ana,dev\n").unwrap();
    let rule = "[[rule]]\nid = \"github\"\nidentity.npm = { package = \"@acme/github-mcp\", versions = \"1.2.3\" }\n";
    let allowed = |condition: &str, more: &[&str]| {
        let draft = draft(&machine, &format!("{rule}{condition}\n"));
        verdict(&scan_root(&machine, &draft, more), "allowed").0 == "allow"
    };
    assert!(allowed("users = [\"dev\"]", &[]));
    assert!(!allowed("users = [\"ana\"]", &[]));
    assert!(allowed("groups = [\"engineering\"]", &[]));
    assert!(!allowed("groups = [\"admins\"]", &[]));
    assert!(allowed("devices = [\"laptop-1\"]", &["--device-id", "laptop-1"]));
    assert!(!allowed("devices = [\"laptop-1\"]", &["--device-id", "laptop-2"]));
    assert!(!allowed("devices = [\"\"]\nusers = [\"ana\"]", &[]), "a machine without id is no device");
}

/// The test's own primary group, which the home below a temporary folder belongs to by its owner.
fn own_group() -> Option<String> {
    let output = std::process::Command::new("id").arg("-gn").output().ok()?;
    let name = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    // Accounts of a directory service stand in no file.
    let known = std::process::Command::new("grep").args(["-q", &format!("^{name}:"), "/etc/group"]).status();
    known.is_ok_and(|found| found.success() && !name.is_empty()).then_some(name)
}

#[test]
fn a_given_home_has_the_groups_of_its_owner() {
    let Some(group) = own_group() else {
        mcpolicy_tests::skip("no group of the test's own user in /etc/group");
        return;
    };
    let machine = machine_for_published();
    let rule = "[[rule]]\nid = \"seven\"\nidentity.npm = { package = \"package-7\", versions = \"1.0.0\" }\n";
    let of = |groups: &str| {
        let draft = draft(&machine, &format!("{rule}groups = [\"{groups}\"]\n"));
        verdict(&machine.scan(&["--draft", draft.to_str().unwrap()]), "good").0
    };
    assert_eq!(of(&group), "allow");
    assert_eq!(of("nobody-has-this-group"), "deny");
}

#[test]
fn the_ring_of_the_machine_is_told_with_its_mode() {
    let machine = machine_with_servers();
    let rings = "[[ring]]\nname = \"pilot\"\nusers = [\"dev\"]\nmode = \"warn\"\n[[ring]]\nname = \"rest\"\npercent = 100\n";
    let report = scan_root(&machine, &draft(&machine, rings), &["--device-id", "laptop-1"]);
    assert_eq!((&report["policy"]["ring"], &report["policy"]["mode"]), (&json!("pilot"), &json!("warn")));
}

/// A published folder with a policy that allows `package-7@1.0.0`, and the trust root beside it.
struct Published {
    folder: PathBuf,
    root: PathBuf,
}

/// `age` hours ago everything was signed; `knobs` changes the body.
fn publish(machine: &TestMachine, age: i64, knobs: impl FnOnce(&mut Value)) -> Published {
    use mcpolicy_tests::signing as s;
    let issued = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(age);
    let root = s::signed(&s::root(1, issued), &s::ROOT[..2]);
    let body = s::body_with("package-7", knobs);
    let list = s::revocations_body("package-6");
    let mut head = s::head(7, issued, s::current(7, &body));
    head.revocations = Some(s::current(3, &list));
    let folder = machine.root().join("published");
    std::fs::create_dir_all(&folder).unwrap();
    let statement = s::signed(&s::statement(7, issued, &body), &s::POLICY[..2]);
    let revocations = s::signed(&s::revocations_statement(3, issued, &list), &s::EMERGENCY);
    for (name, bytes) in [
        ("root.1.json", &root),
        ("head.json", &s::signed(&head, &s::ONLINE[..1])),
        ("policy.7.json", &statement),
        ("policy.7.body", &body),
        ("revocations.3.json", &revocations),
        ("revocations.3.body", &list),
    ] {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    let pinned = machine.root().join("trusted-root.json");
    std::fs::write(&pinned, root).unwrap();
    Published { folder, root: pinned }
}

fn machine_for_published() -> TestMachine {
    let machine = TestMachine::new(crate::BINARY);
    let servers = json!({"mcpServers": {"good": npx("package-7@1.0.0"), "bad": npx("left-pad-mcp@1.0.0")}});
    machine.file(".cursor/mcp.json", servers.to_string());
    machine
}

fn scan_published(machine: &TestMachine, published: &Published, format: &str) -> std::process::Output {
    scan_demanding(machine, published, format, &[])
}

fn scan_demanding(
    machine: &TestMachine,
    published: &Published,
    format: &str,
    more: &[&str],
) -> std::process::Output {
    let (home, folder) = (machine.home(), published.folder.to_str().unwrap());
    let root = published.root.to_str().unwrap();
    let arguments = [
        "scan",
        "--home",
        home.to_str().unwrap(),
        "--format",
        format,
        "--policy",
        folder,
        "--trust-root",
        root,
    ];
    machine.run(&[&arguments, more].concat())
}

#[test]
fn a_published_policy_judges_with_its_sequence_and_age() {
    let machine = machine_for_published();
    let published = publish(&machine, 1, |_| {});
    let report = report_of(&scan_published(&machine, &published, "json"));
    assert_eq!(verdict(&report, "good"), is("allow", ""));
    assert_eq!(verdict(&report, "bad"), is("deny", "not-allowed"));
    let policy = &report["policy"];
    assert_eq!((&policy["sequence"], &policy["signed"]), (&json!(7), &json!(true)));
    assert_eq!((&policy["revocations"], &policy["staleness"]), (&json!(3), &json!("fresh")));
    assert_eq!(policy.get("notices"), None);
    for format in FORMATS {
        let text = String::from_utf8(scan_published(&machine, &published, format).stdout).unwrap();
        assert!(!text.contains("UNSIGNED") && !text.contains("unsigned=1"), "{format}");
    }
    let line = String::from_utf8(scan_published(&machine, &published, "mdm").stdout).unwrap();
    assert!(line.ends_with(" verdicts=allow:1,deny:1,unknown:0 policy=fleet@7 unsigned=0\n"), "{line}");
}

#[test]
fn a_scan_that_is_told_what_was_published_refuses_an_older_copy_of_the_folder() {
    let machine = machine_for_published();
    let published = publish(&machine, 1, |_| {});
    for good in [&["--min-policy", "7"][..], &["--min-policy", "7", "--min-revocations", "3"]] {
        let report = report_of(&scan_demanding(&machine, &published, "json", good));
        assert_eq!(verdict(&report, "good"), is("allow", ""));
    }
    for old in [&["--min-policy", "8"][..], &["--min-revocations", "4"]] {
        let output = scan_demanding(&machine, &published, "json", old);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{said}");
        assert!(said.contains("refused"), "{said}");
    }
    // a head of before the first revocations names none
    use mcpolicy_tests::signing as s;
    let issued = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let head =
        s::head(6, issued, s::current(7, &std::fs::read(published.folder.join("policy.7.body")).unwrap()));
    std::fs::write(published.folder.join("head.json"), s::signed(&head, &s::ONLINE[..1])).unwrap();
    assert_eq!(scan_demanding(&machine, &published, "json", &[]).status.code(), Some(0));
    let output = scan_demanding(&machine, &published, "json", &["--min-revocations", "1"]);
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true));
    let verify = |more: &[&str]| {
        let (folder, root) = (published.folder.to_str().unwrap(), published.root.to_str().unwrap());
        machine.run(&[&["policy", "verify", folder, "--trust-root", root], more].concat()).status.code()
    };
    assert_eq!((verify(&[]), verify(&["--min-revocations", "1"])), (Some(0), Some(2)));
    let alone = machine.run(&["scan", "--home", machine.home().to_str().unwrap(), "--min-policy", "1"]);
    assert_eq!(alone.status.code(), Some(2), "it means nothing without a policy");
}

#[test]
fn a_published_folder_in_which_any_byte_was_changed_is_refused_whole() {
    let machine = machine_for_published();
    let names = ["head.json", "policy.7.json", "policy.7.body", "revocations.3.json", "revocations.3.body"];
    for name in names {
        let published = publish(&machine, 1, |_| {});
        let file = published.folder.join(name);
        #[allow(clippy::disallowed_methods, reason = "a file of the test itself")]
        let bytes = std::fs::read(&file).unwrap();
        let changed = if name.ends_with(".json") {
            mcpolicy_tests::signing::tampered(&bytes)
        } else {
            String::from_utf8(bytes).unwrap().replace("package", "paCkage").into_bytes()
        };
        std::fs::write(&file, changed).unwrap();
        let output = scan_published(&machine, &published, "json");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {errors}");
        assert!(output.stdout.is_empty() && errors.contains("nothing was judged"), "{name}: {errors}");
        std::fs::remove_file(&file).unwrap();
        assert_eq!(scan_published(&machine, &published, "json").status.code(), Some(2), "{name} is gone");
    }
}

#[test]
fn a_policy_of_another_root_is_refused() {
    let machine = machine_for_published();
    let published = publish(&machine, 1, |_| {});
    use mcpolicy_tests::signing as s;
    let mut other = s::root(1, jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1));
    other.roles.root = s::role(&[41, 42], 2);
    other.roles.online = s::role(&[43], 1);
    std::fs::write(&published.root, s::signed(&other, &[41, 42])).unwrap();
    let output = scan_published(&machine, &published, "json");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    // a folder without anything to verify is no policy either
    std::fs::write(&published.root, "{}").unwrap();
    assert_eq!(scan_published(&machine, &published, "json").status.code(), Some(2));
}

#[test]
fn a_clock_that_is_behind_the_trust_root_is_told_and_does_not_stop_the_judging() {
    let machine = machine_for_published();
    let report = report_of(&scan_published(&machine, &publish(&machine, -12, |_| {}), "json"));
    assert_eq!(verdict(&report, "good"), is("allow", ""));
    let told = &report["policy"]["notices"];
    assert_eq!(
        told,
        &json!(["the clock of this machine is behind the time at which its trust root was made"])
    );
}

#[test]
fn a_trust_root_from_the_policys_own_folder_is_told() {
    let machine = machine_for_published();
    let published = publish(&machine, 1, |_| {});
    let own = Published { root: published.folder.join("root.1.json"), folder: published.folder };
    let text = String::from_utf8(scan_published(&machine, &own, "human").stdout).unwrap();
    assert!(text.contains("the trust root was taken from the policy's own folder"), "{text}");
}

#[test]
fn age_is_told_and_an_expired_policy_allows_nothing_new() {
    let machine = machine_for_published();
    let knobs = |stale: u32, expired: u32| {
        move |body: &mut Value| {
            body["policy"]["staleness"] = json!({"stale_after_hours": stale, "expired_after_days": expired});
        }
    };
    let report = report_of(&scan_published(&machine, &publish(&machine, 30, knobs(24, 30)), "json"));
    assert_eq!(report["policy"]["staleness"], "stale");
    assert_eq!(verdict(&report, "good"), is("allow", ""));
    assert!(report["policy"]["notices"][0].as_str().unwrap().starts_with("STALE: "));
    let report = report_of(&scan_published(&machine, &publish(&machine, 30, knobs(12, 1)), "json"));
    assert_eq!(report["policy"]["staleness"], "expired");
    assert_eq!(verdict(&report, "good"), is("deny", "policy-expired"));
    let notices = report["policy"]["notices"].to_string();
    assert!(report["policy"]["notices"][0].as_str().unwrap().starts_with("EXPIRED: "));
    assert!(notices.contains("a scan knows of nothing that the policy allowed before"), "{notices}");
}

/// A live machine in name spaces of its own, with a program that listens on port 3000.
#[cfg(unix)]
fn with_listener(rules: &str) -> Option<Value> {
    if !crate::live::can_isolate() {
        return None;
    }
    let machine = TestMachine::new(crate::BINARY);
    let urls = json!({"mcpServers": {
        "local": {"url": "http://127.0.0.1:3000/mcp"},
        "silent": {"url": "http://127.0.0.1:3001/mcp"},
    }});
    machine.file(".cursor/mcp.json", urls.to_string());
    let draft = draft(&machine, rules);
    let script = format!(
        r#"
        python3 -c 'import socket,time
s=socket.socket(); s.bind(("0.0.0.0",3000)); s.listen(); print("ready",flush=True); time.sleep(30)' > /root/ready &
        for i in $(seq 100); do grep -q ready /root/ready && break; sleep 0.05; done
        $MCPOLICY scan --format json --draft {}
        kill %1"#,
        draft.display()
    );
    Some(crate::live::isolated(&machine, &script))
}

#[cfg(unix)]
fn python() -> Option<PathBuf> {
    // the search path of the isolated machine
    let which = std::process::Command::new("sh")
        .args(["-c", "command -v python3"])
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .output()
        .ok()?;
    PathBuf::from(String::from_utf8(which.stdout).ok()?.trim()).canonicalize().ok()
}

#[test]
#[cfg(unix)]
fn a_loopback_url_is_allowed_only_by_the_program_that_listens() {
    let Some(python) = python() else {
        mcpolicy_tests::skip("python3 is not installed");
        return;
    };
    let rule = |listener: &str| {
        let url = |port: u16| {
            format!(
                "[[rule]]\nid = \"r{port}\"\nidentity.url = {{ url = \"http://127.0.0.1:{port}/mcp\"{listener} }}\n"
            )
        };
        url(3000) + &url(3001)
    };
    let listener = format!(", listener = {{ path = \"{}\" }}", python.display());
    let Some(report) = with_listener(&rule(&listener)) else { return };
    assert_eq!(verdict(&report, "local"), is("allow", ""));
    assert_ne!(verdict(&report, "silent").0, "allow", "nobody listens there");
    let report = with_listener(&rule(", listener = { path = \"/usr/local/bin/other\" }")).unwrap();
    assert_ne!(verdict(&report, "local").0, "allow");
    let report = with_listener(&rule("")).unwrap();
    assert_eq!(verdict(&report, "local"), is("deny", "loopback-unbound"));
}

#[test]
#[cfg(unix)]
fn a_server_that_runs_undeclared_is_judged_by_its_command_line() {
    if !crate::live::can_isolate() {
        return;
    }
    let machine = TestMachine::new(crate::BINARY);
    machine.file(".claude.json", "{}");
    let draft = draft(&machine, "");
    let scan =
        format!("{}\n$MCPOLICY scan --format json --draft {}", crate::live::FAKE_CLIENT, draft.display());
    let report = crate::live::isolated(&machine, &scan);
    let findings = report["findings"].as_array().unwrap();
    let says = |f: &&Value| f["message"].as_str().unwrap().contains("undeclared-mcp");
    let running = findings.iter().filter(says).find(|f| f["code"] == "undeclared-server").unwrap();
    assert_eq!(running["judged"]["verdict"], "deny");
    let refused = findings.iter().find(|f| f["verdict"] == "deny" && f.get("entry").is_none()).unwrap();
    assert!(refused["message"].as_str().unwrap().contains("by the UNSIGNED draft, not allowed"), "{refused}");
}

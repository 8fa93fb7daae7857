//! Every entry of every format comes back when a newer policy allows it: the very bytes where the file is as the edit left
//! it, also after a day, and each entry where its user has written in the file since.

use std::process::Command;

use mcpolicy_tests::report_of;
use serde_json::{Value, json};

use crate::enforce::{Site, npx, policy, rule};

/// Denied servers at the end of a file, after an allowed one.
struct File {
    path: &'static str,
    text: fn(&[&str]) -> String,
    /// What its user adds.
    line: &'static str,
}

fn json_file(servers: &[&str]) -> String {
    let entry = |name: &&str| format!("    \"{name}\": {}", npx(&format!("{name}@1.0.0")));
    let all: Vec<String> = servers.iter().map(entry).collect();
    format!("{{\n  \"mcpServers\": {{\n{}\n  }},\n  \"n\": 1.50\n}}\n", all.join(",\n"))
}

fn jsonc_file(servers: &[&str]) -> String {
    let entry = |name: &&str| {
        format!(
            "    // {name}\n    \"{name}\": {{\n      \"command\": \"npx\", // {name} runs\n      \"args\": [\"-y\", \"{name}@1.0.0\"],\n    }},\n"
        )
    };
    format!("{{\n  \"servers\": {{\n{}  }},\n}}", servers.iter().map(entry).collect::<String>())
}

fn toml_file(servers: &[&str]) -> String {
    let entry = |name: &&str| {
        format!("\n[mcp_servers.{name}]\ncommand = \"npx\" # {name}\nargs = [\"-y\", \"{name}@1.0.0\"]\n")
    };
    format!("model = \"o\"\n{}", servers.iter().map(entry).collect::<String>())
}

fn inline_file(servers: &[&str]) -> String {
    let entry =
        |name: &&str| format!("{name} = {{ command = \"npx\", args = [\"-y\", \"{name}@1.0.0\"] }}\n");
    format!("[mcp_servers]\n{}", servers.iter().map(entry).collect::<String>())
}

fn map_file(servers: &[&str]) -> String {
    let entry = |name: &&str| {
        format!(
            "  {name}:\n    type: stdio\n    name: {name}\n    cmd: npx\n    args:\n    - -y\n    - {name}@1.0.0\n    enabled: true\n"
        )
    };
    format!("GOOSE_MODEL: x\nextensions:\n{}", servers.iter().map(entry).collect::<String>())
}

fn list_file(servers: &[&str]) -> String {
    let entry = |name: &&str| {
        format!("  - name: {name}\n    command: npx # {name}\n    args: [\"-y\", \"{name}@1.0.0\"]\n")
    };
    format!(
        "name: n\nversion: 0.0.1\nschema: v1\nmcpServers:\n{}",
        servers.iter().map(entry).collect::<String>()
    )
}

const FILES: [File; 6] = [
    File { path: ".cursor/mcp.json", text: json_file, line: "\n" },
    File { path: "p/.vscode/mcp.json", text: jsonc_file, line: "\n// its user's\n" },
    File { path: ".codex/config.toml", text: toml_file, line: "\n# its user's\n" },
    File { path: "p/.codex/config.toml", text: inline_file, line: "\n# its user's\n" },
    File { path: ".config/goose/config.yaml", text: map_file, line: "# its user's\n" },
    File { path: ".continue/config.yaml", text: list_file, line: "# its user's\n" },
];

fn rules(servers: &[&str]) -> Value {
    policy(&json!({}), &json!(servers.iter().map(|server| rule(server)).collect::<Vec<_>>()))
}

impl Site {
    /// A pass a day and an hour later: originals shrink.
    fn a_day_goes_by(&mut self) {
        self.published += 25;
        self.enforce();
        let items = self.folder("state/vault/items");
        let whole = std::fs::read_dir(items).unwrap().filter(|item| {
            !std::fs::read_to_string(item.as_ref().unwrap().path()).unwrap().contains("\"shrunk\"")
        });
        assert_eq!(whole.count(), 0, "each original has shrunk");
    }

    fn nothing_is_left(&self) {
        let again = self.enforce();
        assert_eq!((&again["files"], &again["restored"]), (&json!([]), &json!([])), "{again}");
        let list = report_of(&self.run(&["quarantine", "list", "--json"]));
        assert_eq!(list["items"], json!([]));
    }
}

/// All formats in one home, with these servers in each file: `gone` are denied and allowed later.
fn all_come_back(servers: &[&str], gone: &[&str], is_changed: bool, is_shrunk: bool) {
    let what = format!("{servers:?} without {gone:?}, changed {is_changed}, shrunk {is_shrunk}");
    let mut site = Site::new();
    let stay: Vec<&str> = servers.iter().copied().filter(|server| !gone.contains(server)).collect();
    site.publish(&rules(if stay.is_empty() { &["other"] } else { &stay }));
    for File { path, text, .. } in &FILES {
        site.machine.file(path, text(servers));
    }
    let pass = site.enforce();
    assert_eq!(pass["files"].as_array().unwrap().len(), FILES.len(), "{what}: {pass}");
    for File { path, .. } in &FILES {
        let left = site.read(path);
        assert!(gone.iter().all(|server| !left.contains(&format!("{server}@"))), "{what}: {left}");
    }
    if is_changed {
        for File { path, line, .. } in &FILES {
            site.machine.file(path, site.read(path) + line);
        }
    }
    if is_shrunk {
        site.a_day_goes_by();
    }
    site.publish(&rules(servers));
    let pass = site.enforce();
    for File { path, text, line } in &FILES {
        let (now, before) = (site.read(path), text(servers));
        if !is_changed {
            assert_eq!(now, before, "{what}: {path}");
            continue;
        }
        for server in servers {
            let count = |text: &str| text.matches(&format!("{server}@1.0.0")).count();
            assert_eq!(count(&now), 1, "{what}: {server} in {path}: {now}\n{pass}");
        }
        assert!(now.contains(line.trim()), "{what}: {path}: {now}");
    }
    site.nothing_is_left();
}

#[test]
fn all_entries_of_a_file_of_each_format_come_back_as_they_were_also_after_a_day() {
    for is_shrunk in [false, true] {
        all_come_back(&["good", "e1", "e2"], &["e1", "e2"], false, is_shrunk);
        all_come_back(&["e1", "e2", "e3"], &["e1", "e2", "e3"], false, is_shrunk);
        all_come_back(&["e1", "good", "e2"], &["e1", "e2"], false, is_shrunk);
    }
}

#[test]
fn all_entries_of_a_file_of_each_format_come_back_to_a_file_that_was_changed_since_also_after_a_day() {
    for is_shrunk in [false, true] {
        all_come_back(&["good", "e1", "e2"], &["e1", "e2"], true, is_shrunk);
        all_come_back(&["e1", "e2", "e3"], &["e1", "e2", "e3"], true, is_shrunk);
        all_come_back(&["e1", "good", "e2"], &["e1", "e2"], true, is_shrunk);
    }
}

#[test]
fn a_pinned_entry_beside_one_that_was_taken_out_comes_back_as_it_was_after_a_day() {
    let mut site = Site::new();
    site.publish(&policy(&json!({"on_version": "pin"}), &json!([rule("@acme/good")])));
    let texts = [
        json!({"mcpServers": {"v": npx("@acme/good@2.0.0"), "e": npx("evil@1.0.0")}}).to_string(),
        "{ \"mcpServers\": { \"e\": {\"command\": \"npx\", \"args\": [\"evil@1.0.0\"]}, \"v\": {\"command\": \"npx\", \"args\": [\"-y\", \"@acme/good@2.0.0\"]} } }".to_owned(),
    ];
    let paths = [".cursor/mcp.json", "p/.cursor/mcp.json"];
    for (path, text) in paths.iter().zip(&texts) {
        site.machine.file(path, text);
    }
    site.enforce();
    assert!(site.read(paths[0]).contains("@acme/good@1.0.0"));
    site.a_day_goes_by();
    let any = json!({"id": "good", "identity": {"npm": {"package": "@acme/good", "versions": "*"}}});
    site.publish(&policy(&json!({}), &json!([any, rule("evil")])));
    site.enforce();
    for (path, text) in paths.iter().zip(&texts) {
        assert_eq!(&site.read(path), text);
    }
}

#[test]
fn approvals_and_switches_of_a_file_that_nobody_touched_come_back_as_they_were_after_a_day() {
    // with a server of the user's in the same file the newest comes first, whatever it is
    let state = json!({
        "mcpServers": {"good": npx("good@1.0.0"), "e2": npx("e2@1.0.0")},
        "projects": {"/home/dev/w": {"hasTrustDialogAccepted": true, "enabledMcpjsonServers": ["e1"], "mcpServers": {"e3": npx("e3@1.0.0")}}},
    });
    for (is_tracked, state) in [
        (false, json!({"a": 1, "projects": {}})),
        (true, json!({"a": 1, "projects": {}})),
        (false, state.clone()),
        (true, state),
    ] {
        let mut site = Site::new();
        site.publish(&rules(&["good"]));
        let settings = "{\n  \"enabledMcpjsonServers\": [\"e1\", \"k\"],\n  \"enableAllProjectMcpServers\": true,\n  \"disabledMcpjsonServers\": [ \"own\" ], \n  \"model\": \"x\" \n}";
        let files = [
            ("w/.mcp.json", json!({"mcpServers": {"e1": npx("e1@1.0.0")}}).to_string() + "\n"),
            (".claude/settings.json", settings.to_owned()),
            (".claude.json", state.to_string()),
        ];
        for (path, text) in &files {
            site.machine.file(path, text);
        }
        if is_tracked {
            let work_tree = site.machine.home().join("w");
            let git =
                |arguments: &[&str]| Command::new("git").arg("-C").arg(&work_tree).args(arguments).output();
            let made = git(&["init", "-q"]).and_then(|_| git(&["add", ".mcp.json"]));
            if !made.is_ok_and(|made| made.status.success()) {
                return mcpolicy_tests::skip("no git");
            }
        }
        let pass = site.enforce();
        assert_ne!(site.read(".claude/settings.json"), settings, "{pass}");
        site.a_day_goes_by();
        site.publish(&rules(&["good", "e1", "e2", "e3"]));
        let back = site.enforce();
        for (path, text) in &files {
            assert_eq!(&site.read(path), text, "{path}, tracked: {is_tracked}: {back}");
        }
    }
}

#[test]
fn what_a_restore_leaves_behind_is_told_with_the_true_reason() {
    let mut site = Site::new();
    site.publish(&rules(&["other"]));
    let text = json_file(&["e1", "e2", "e3"]);
    site.machine.file(".cursor/mcp.json", &text);
    let id = site.enforce()["files"][0]["vault"].as_str().unwrap().to_owned();
    let placed = report_of(&site.run(&["quarantine", "show", &id, "--json"]));
    assert_eq!(placed["entries"][1]["place"], "/mcpServers/e2");
    assert_eq!(placed["entries"][1].get("text"), None, "only who asks for it is shown it");
    let shown = report_of(&site.run(&["quarantine", "show", &id, "--json", "--text"]));
    assert!(shown["entries"][1]["text"].as_str().unwrap().contains("\"e2\": {"), "{shown}");
    let for_people = site.run(&["quarantine", "show", &id, "--text"]);
    assert!(String::from_utf8_lossy(&for_people.stdout).contains("e2@1.0.0"));

    // e2 has another in its place, e3 is not allowed
    let mut now: Value = serde_json::from_str(&site.read(".cursor/mcp.json")).unwrap();
    now["mcpServers"]["e2"] = npx("other@1.0.0");
    site.machine.file(".cursor/mcp.json", now.to_string());
    site.publish(&rules(&["other", "e1", "e2"]));
    let published = site.folder("published");
    let root = published.join("root.1.json");
    let flags = ["--policy", published.to_str().unwrap(), "--trust-root", root.to_str().unwrap()];
    let restored = site.run(&[&["quarantine", "restore", &id, "--json"], &flags[..]].concat());
    let said = report_of(&restored);
    assert_eq!((restored.status.code(), &said["entries"]), (Some(1), &json!(["e1"])), "{said}");
    let detail = said["detail"].as_str().unwrap();
    assert!(detail.contains("e2: its name is taken"), "{detail}");
    assert!(detail.contains("e3: the policy in force does not allow it"), "{detail}");

    // its table is a list now: told by the pass that finds it so, with exit code 1, and once
    site.machine.file(".cursor/mcp.json", "{\"mcpServers\": []}");
    site.publish(&rules(&["other", "e1", "e2", "e3"]));
    let pass = site.enforce_partly();
    assert_eq!(pass["restored"][0]["outcome"], "skipped", "{pass}");
    assert!(pass["restored"][0]["detail"].as_str().unwrap().contains("has no place for it"), "{pass}");
    let log = site.run(&["log", "--json"]);
    assert!(String::from_utf8_lossy(&log.stdout).contains("not-restored"));
    assert_eq!(site.enforce()["restored"], json!([]));
}

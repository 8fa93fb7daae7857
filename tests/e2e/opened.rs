//! Places that real clients were seen to open (`tests/long/opens.py`): what they start from there is found, and what cannot
//! be read is told.

use std::collections::{BTreeMap, BTreeSet};

use mcpolicy_tests::{TestMachine, report_of};
use serde_json::{Value, json};

/// A server under this key whose name is that of its file.
fn server(key: &str, name: &str) -> String {
    json!({"name": "x", key: {name: {"command": "x", "args": [name]}}}).to_string()
}

fn toml(name: &str) -> String {
    format!("[mcp_servers.{name}]\ncommand = \"x\"\n")
}

/// A scan of the whole machine, with a user `dev`.
fn scan(machine: &TestMachine) -> Value {
    let root = machine.root();
    std::fs::create_dir_all(root.join("etc")).unwrap();
    std::fs::write(root.join("etc/passwd"), "dev:x:1000:1000::/home/dev:/bin/sh\n").unwrap();
    report_of(&machine.run(&["scan", "--root", root.to_str().unwrap(), "--format", "json"]))
}

/// Writes a file of the machine, outside of the home.
fn put(machine: &TestMachine, path: &str, text: &str) {
    let path = machine.root().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The clients that load each server.
fn readers(report: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = report["entries"].as_array().unwrap().iter();
    let readers = |entry: &Value| {
        let readers = entry["readers"].as_array().into_iter().flatten();
        readers.map(|reader| text(&reader["client"])).collect()
    };
    entries.map(|entry| (text(&entry["name"]), readers(entry))).collect()
}

/// Of the names, those that a scan does not show as loaded by this client.
fn not_loaded<'a>(machine: &TestMachine, client: &str, names: &[&'a str]) -> Vec<&'a str> {
    let readers = readers(&scan(machine));
    let is_loaded = |name: &&&str| readers.get(**name).is_some_and(|clients| clients.contains(client));
    names.iter().filter(|name| !is_loaded(name)).copied().collect()
}

const NONE: [&str; 0] = [];

#[test]
fn plugins_that_clients_run_unasked_are_told() {
    let machine = TestMachine::new(crate::BINARY);
    let places = [
        ".config/opencode/plugin/a.js",
        ".config/opencode/plugins/b.ts",
        ".opencode/plugin/c.ts",
        "p/.opencode/plugins/d.js",
        ".config/kilo/plugin/e.ts",
        "p/.kilo/plugins/f.js",
        "p/.kilocode/plugin/g.ts",
        ".config/amp/plugins/h.ts",
        "p/.amp/plugins/i.js",
        "p/.amp/plugins/j/index.ts",
        ".cline/plugins/k.js",
        "Documents/Cline/Plugins/l.ts",
        "p/.cline/plugins/m/index.ts",
    ];
    for place in places {
        machine.file(place, "export const P = async () => ({})\n");
    }
    machine.file("p/plugin/other.js", "");
    machine.file("p/.opencode/plugin/sub/other.js", "");
    let report = machine.scan(&[]);
    let coverage = report["coverage"].as_array().unwrap().iter();
    let told = coverage.filter(|gap| gap["kind"] == "not-evaluable").map(|gap| gap["path"].as_str().unwrap());
    let told: BTreeSet<_> = told.map(str::to_owned).collect();
    let wanted = places.map(|place| machine.home().join(place).to_str().unwrap().to_owned());
    assert_eq!(told, BTreeSet::from(wanted));
}

#[test]
fn an_index_of_plugins_that_takes_the_place_of_the_usual_one_is_followed() {
    let machine = TestMachine::new(crate::BINARY);
    machine.file("x/p/.claude-plugin/plugin.json", server("mcpServers", "evil"));
    let path = machine.home().join("x/p");
    let index = json!({"version": 2, "plugins": {"p@m": [{"scope": "user", "installPath": path}]}});
    machine.file(".claude/plugins/installed_plugins_v2.json", index.to_string());
    let report = machine.scan(&[]);
    assert!(readers(&report)["evil"].contains("claude-code"), "{report}");
}

#[test]
fn machine_wide_files_that_clients_start_servers_of_are_found() {
    let machine = TestMachine::new(crate::BINARY);
    put(&machine, "etc/qwen-code/system-defaults.json", &server("mcpServers", "q"));
    put(&machine, "etc/kilo/kilo.jsonc", &server("mcp", "k1"));
    put(&machine, "etc/kilo/opencode.json", &server("mcp", "k2"));
    put(&machine, "etc/kilo/opencode.jsonc", &server("mcp", "k3"));
    put(&machine, "etc/ampcode/managed-settings.json", &server("amp.mcpServers", "a"));
    put(&machine, "etc/grok/managed_config.toml", &toml("g1"));
    put(&machine, "etc/grok/requirements.toml", &toml("g2"));
    for (client, names) in [
        ("qwen-code", &["q"][..]),
        ("kilo-code", &["k1", "k2", "k3"]),
        ("amp", &["a"]),
        ("grok-build", &["g1", "g2"]),
    ] {
        assert_eq!(not_loaded(&machine, client, names), NONE, "{client}");
    }
}

#[test]
fn files_above_the_home_are_looked_at_unless_only_the_home_is_asked_for() {
    let machine = TestMachine::new(crate::BINARY);
    put(&machine, "home/.mcp.json", &server("mcpServers", "m1"));
    put(&machine, ".mcp.json", &server("mcpServers", "m2"));
    put(&machine, "home/opencode.json", &server("mcp", "o1"));
    put(&machine, "opencode.jsonc", &server("mcp", "o2"));
    put(&machine, "kilo.json", &server("mcp", "k"));
    machine.file("p/.mcp.json", server("mcpServers", "own"));
    assert_eq!(not_loaded(&machine, "claude-code", &["m1", "m2", "own"]), NONE);
    assert_eq!(not_loaded(&machine, "opencode", &["o1", "o2"]), NONE);
    assert_eq!(not_loaded(&machine, "kilo-code", &["o1", "o2", "k"]), NONE);
    let only = readers(&machine.scan(&[]));
    assert_eq!(only.keys().collect::<Vec<_>>(), ["own"]);
}

#[test]
fn what_grok_build_starts_is_found() {
    let machine = TestMachine::new(crate::BINARY);
    let json = |name: &str| server("mcpServers", name);
    for name in ["config", "managed_config", "requirements"] {
        machine.file(&format!(".grok/{name}.toml"), toml(name));
    }
    machine.file(".grok/plugins/a/.mcp.json", json("a"));
    machine.file(".grok/plugins/b/plugin.json", json("b"));
    machine.file(".grok/plugins/c/.grok-plugin/plugin.json", json("c"));
    machine.file(".grok/plugins/d/.claude-plugin/plugin.json", json("d"));
    machine.file(".grok/plugins/e/plugin.json", r#"{"name":"e","mcpServers":"./x.json"}"#);
    machine.file(".grok/plugins/e/x.json", json("e"));
    machine.file(".claude/plugins/f/plugin.json", json("f"));
    machine.file(".grok/installed-plugins/g-1/plugin.json", json("g"));
    machine.file("p/.grok/plugins/h/plugin.json", json("h"));
    machine.file("p/.claude/plugins/i/plugin.json", json("i"));
    machine.file("x/j/plugin.json", json("j"));
    machine.file("x/k/plugin.json", json("k"));
    machine.file(".grok/config.toml", format!("{}[plugins]\npaths = [\"/home/dev/x/j\"]\n", toml("config")));
    machine.file(
        ".grok/installed-plugins/registry.json",
        json!({"repos": {"k-1": {"path": "/home/dev/x/k"}}}).to_string(),
    );
    machine.file(".grok/agents/l.md", "---\nname: l\nmcpServers:\n  - l: {command: x}\n---\n");
    machine.file("p/.mcp.json", json("m"));
    machine.file("p/.cursor/mcp.json", json("n"));
    machine.file(".cursor/mcp.json", json("o"));
    let state = json!({"mcpServers": {"s": {"command": "x"}},
        "projects": {"/home/dev/p": {"mcpServers": {"t": {"command": "x"}}}}});
    machine.file(".claude.json", state.to_string());
    let names = [
        "config",
        "managed_config",
        "requirements",
        "a",
        "b",
        "c",
        "d",
        "e",
        "f",
        "g",
        "h",
        "i",
        "j",
        "k",
        "l",
        "m",
        "n",
        "o",
        "s",
        "t",
    ];
    assert_eq!(not_loaded(&machine, "grok-build", &names), NONE);
}

#[test]
fn plugins_of_kimi_code_and_mistral_vibe_are_found() {
    let machine = TestMachine::new(crate::BINARY);
    let json = |name: &str| server("mcpServers", name);
    machine.file("x/a/kimi.plugin.json", json("a"));
    machine.file("x/b/.kimi-plugin/plugin.json", json("b"));
    machine.file(".kimi-code/plugins/managed/c/kimi.plugin.json", json("c"));
    let installed =
        json!({"plugins": [{"id": "a", "root": "/home/dev/x/a"}, {"id": "b", "root": "/home/dev/x/b"}]});
    machine.file(".kimi-code/plugins/installed.json", installed.to_string());
    assert_eq!(not_loaded(&machine, "kimi-code", &["a", "b", "c"]), NONE);
    machine.file(".vibe/plugins/d/mcp.json", json("d"));
    machine.file(".vibe/plugins/e/.claude-plugin/plugin.json", r#"{"name":"e","mcpServers":"./x.json"}"#);
    machine.file(".vibe/plugins/e/x.json", json("e"));
    machine.file(".vibe/plugins/f/.mcp.json", r#"{"f":{"command":"x"}}"#);
    machine.file("p/.vibe/plugins/g/.codex-plugin/plugin.json", json("g"));
    machine.file("p/.vibe/plugins/h/.opencode/opencode.json", server("mcp", "h"));
    machine.file("p/.vibe/plugins/i/kimi.plugin.json", json("i"));
    machine.file(".vibe/agents/j.toml", "[[mcp_servers]]\nname = \"j\"\ncommand = \"x\"\n");
    assert_eq!(not_loaded(&machine, "mistral-vibe", &["d", "e", "f", "g", "h", "i", "j"]), NONE);
}

#[test]
fn what_mcporter_imports_from_other_clients_is_found() {
    let machine = TestMachine::new(crate::BINARY);
    let files = [
        (".mcporter/mcporter.jsonc", "mcpServers"),
        (".config/mcporter/mcporter.json", "mcpServers"),
        (".cursor/mcp.json", "servers"),
        ("p/.cursor/mcp.json", "mcpServers"),
        ("AppData/Roaming/Cursor/User/mcp.json", "mcpServers"),
        ("p/.claude/mcp.json", "mcpServers"),
        ("p/.claude/settings.local.json", "mcpServers"),
        (".claude/mcp.json", "mcpServers"),
        (".claude/settings.json", "servers"),
        (".claude.json", "mcpServers"),
        (".config/Claude/settings.json", "mcpServers"),
        (".codeium/windsurf-next/mcp_config.json", "mcpServers"),
        (".windsurf/mcp_config.json", "mcpServers"),
        (".config/.codeium/windsurf/mcp_config.json", "mcpServers"),
        ("p/opencode.json", "mcp"),
        ("p/.openai/config.json", "mcp"),
        (".config/openai/config.json", "mcp"),
        (".config/Code/User/mcp.json", "mcpServers"),
        (".config/Code - Insiders/User/mcp.json", "mcp"),
        ("p/.vscode/mcp.json", "mcpServers"),
    ];
    for (path, key) in files {
        machine.file(path, server(key, path));
    }
    machine.file(".codex/config.toml", toml("codex"));
    machine.file("p/.codex/config.toml", toml("codex-p"));
    let names: Vec<&str> = files.iter().map(|file| file.0).chain(["codex", "codex-p"]).collect();
    assert_eq!(not_loaded(&machine, "mcporter", &names), NONE);
}

#[test]
fn other_files_that_clients_were_seen_to_load_are_shown_as_theirs() {
    let machine = TestMachine::new(crate::BINARY);
    machine.file("p/.mcp.json", server("mcpServers", "m"));
    machine.file("p/.amp/settings.jsonc", server("amp.mcpServers", "a"));
    machine.file(".claude/plugins/cache/m/p/1/skills/s/mcp.json", r#"{"s":{"command":"x"}}"#);
    let of_kilo = [
        ".config/kilo/opencode.jsonc",
        ".config/kilo/config.json",
        "p/opencode.json",
        "p/.kilo/opencode.json",
        "p/.kilocode/opencode.jsonc",
        "p/.kilocode/kilo.json",
    ];
    for path in of_kilo {
        machine.file(path, server("mcp", path));
    }
    machine.file(".config/kilo/config", "[mcp.old]\ntype = \"local\"\ncommand = [\"x\"]\n");
    assert_eq!(not_loaded(&machine, "kimi-code", &["m"]), NONE);
    assert_eq!(not_loaded(&machine, "amp", &["a", "s"]), NONE);
    assert_eq!(not_loaded(&machine, "kilo-code", &[&of_kilo[..], &["old"]].concat()), NONE);
}

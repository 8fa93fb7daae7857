//! What a scan cannot see is named, never passed over.

use mcpolicy_tests::{TestMachine, texts};
use serde_json::Value;

fn kinds(report: &Value) -> Vec<String> {
    texts(report, "coverage", "/kind")
}

#[test]
fn servers_that_leave_no_file_are_named_as_gaps() {
    let machine = TestMachine::new(crate::BINARY);
    machine.file(".docker/mcp/catalogs/docker-mcp.yaml", "x: 1\n");
    machine.file(
        ".vscode/extensions/acme.tools-1.0.0/package.json",
        r#"{"contributes":{"mcpServerDefinitionProviders":[{"id":"x"}]}}"#,
    );
    machine.file(".vscode/extensions/acme.theme-1.0.0/package.json", r#"{"contributes":{}}"#);
    machine.file("src/p/.devcontainer/devcontainer.json", r#"{"image":"x"}"#);
    machine.file(
        ".config/Code/User/workspaceStorage/a/workspace.json",
        r#"{"folder":"vscode-remote://ssh-remote%2Bbuildhost/srv/p"}"#,
    );
    machine.file(".config/crush/crushrc", "mcp add x -- npx x\n");
    let report = machine.scan(&[]);
    let kinds = kinds(&report);
    for kind in ["docker-gateway", "extension-servers", "devcontainer", "remote-host", "not-evaluable"] {
        assert_eq!(kinds.iter().filter(|k| *k == kind).count(), 1, "{kind} in {kinds:?}");
    }
    assert!(texts(&report, "findings", "/code").contains(&"not-evaluable".to_owned()));
    assert!(!report.to_string().contains("acme.theme"));
}

#[test]
fn a_variable_in_a_start_file_moves_a_client_and_a_computed_one_is_told() {
    let machine = TestMachine::new(crate::BINARY);
    machine.file(".zshrc", "export CODEX_HOME=\"$HOME/moved\"\nexport CLAUDE_CONFIG_DIR=$(pwd)\n");
    machine.file("moved/config.toml", "[mcp_servers.moved]\ncommand = \"x\"\n");
    let report = machine.scan(&[]);
    assert_eq!(texts(&report, "entries", "/name"), ["moved"]);
    assert!(texts(&report, "findings", "/code").contains(&"config-dir-unresolved".to_owned()));
    assert!(kinds(&report).contains(&"config-dir-unresolved".to_owned()));
}

#[test]
fn parents_of_a_remembered_project_count_and_vendored_files_do_not() {
    let machine = TestMachine::new(crate::BINARY);
    let server = |name: &str| format!(r#"{{"mcpServers":{{"{name}":{{"command":"x"}}}}}}"#);
    machine.file("src/.mcp.json", server("of-parent"));
    machine.file("src/p/node_modules/kit/.mcp.json", server("vendored"));
    machine.file("src/q/node_modules/open/.mcp.json", server("remembered"));
    let remembered = machine.home().join("src/q/node_modules/open");
    machine.file(".claude.json", format!(r#"{{"projects":{{"{}":{{}}}}}}"#, remembered.display()));
    let mut names = texts(&machine.scan(&[]), "entries", "/name");
    names.sort();
    assert_eq!(names, ["of-parent", "remembered"]);
}

#[test]
fn a_walk_without_time_is_counted_and_fixed_places_are_still_read() {
    let machine = TestMachine::new(crate::BINARY);
    machine.file(".claude.json", r#"{"mcpServers":{"fixed":{"command":"x"}}}"#);
    machine.file("src/p/.mcp.json", r#"{"mcpServers":{"walked":{"command":"x"}}}"#);
    let report = machine.scan(&["--walk-budget", "0"]);
    assert_eq!(texts(&report, "entries", "/name"), ["fixed"]);
    assert!(kinds(&report).contains(&"walk-budget".to_owned()));
    let home = machine.home();
    let strict = ["scan", "--walk-budget", "0", "--strict-coverage", "--home", home.to_str().unwrap()];
    assert_eq!(machine.run(&strict).status.code(), Some(3));
}

#[test]
fn two_scans_say_the_same() {
    let machine = TestMachine::new(crate::BINARY);
    for n in 0..40 {
        machine
            .file(&format!("src/p{n}/.mcp.json"), r#"{"mcpServers":{"a":{"command":"npx","args":["b"]}}}"#);
    }
    let key = machine.file("key", [1u8; 32]);
    let scan = || {
        let mut report = machine.scan(&["--fingerprint-key", key.to_str().unwrap()]);
        report["scan"]["started_at"] = Value::Null;
        report["scan"]["duration_ms"] = Value::Null;
        report
    };
    assert_eq!(scan(), scan());
}

#[test]
fn entries_that_lead_elsewhere_are_named_as_gaps() {
    let machine = TestMachine::new(crate::BINARY);
    let entries = [
        ("gateway", r#""docker","args":["mcp","gateway","run"]"#, "docker-gateway"),
        ("remote", r#""ssh","args":["box","srv"]"#, "remote-host"),
        ("inside", r#""docker","args":["exec","-i","c","srv"]"#, "container"),
        ("linux", r#""wsl.exe","args":["-d","Ubuntu","srv"]"#, "wsl"),
    ];
    let members: Vec<String> =
        entries.iter().map(|(name, e, _)| format!(r#""{name}":{{"command":{e}}}"#)).collect();
    machine.file(".cursor/mcp.json", format!(r#"{{"mcpServers":{{{}}}}}"#, members.join(",")));
    let kinds = kinds(&machine.scan(&[]));
    for (name, _, kind) in entries {
        assert!(kinds.contains(&kind.to_owned()), "{name} is no {kind}: {kinds:?}");
    }
}

#[test]
fn a_file_that_cannot_be_parsed_makes_the_scan_partial() {
    let machine = TestMachine::new(crate::BINARY);
    machine.file(".claude.json", "{");
    let home = machine.home();
    assert!(kinds(&machine.scan(&[])).contains(&"unparseable".to_owned()));
    let strict = ["scan", "--strict-coverage", "--home", home.to_str().unwrap()];
    assert_eq!(machine.run(&strict).status.code(), Some(3));
}

#[test]
fn a_remembered_project_outside_the_home_is_no_link() {
    let machine = TestMachine::new(crate::BINARY);
    let project = machine.root().join("opt/p");
    std::fs::create_dir_all(&project).unwrap();
    std::fs::write(project.join(".mcp.json"), r#"{"mcpServers":{"out":{"command":"x"}}}"#).unwrap();
    machine.file(".claude.json", r#"{"projects":{"/opt/p":{}}}"#);
    let root = machine.root();
    let report = mcpolicy_tests::report_of(&machine.run(&[
        "scan",
        "--root",
        root.to_str().unwrap(),
        "--format",
        "json",
    ]));
    assert_eq!(texts(&report, "entries", "/name"), ["out"]);
    assert!(!texts(&report, "findings", "/code").contains(&"symlink-leaves-home".to_owned()));
}

#[test]
fn plugins_of_a_directory_marketplace_are_read_and_bundles_that_they_name_are_a_gap() {
    let machine = TestMachine::new(crate::BINARY);
    let market = machine.home().join(".cache/market");
    machine.file(".cache/market/plugins/kit/.mcp.json", r#"{"kit":{"command":"x"}}"#);
    machine.file(
        ".cache/market/plugins/other/.claude-plugin/plugin.json",
        r#"{"name":"o","mcpServers":"./servers.mcpb"}"#,
    );
    let known = format!(r#"{{"m":{{"source":{{"source":"directory","path":"{}"}}}}}}"#, market.display());
    machine.file(".claude/plugins/known_marketplaces.json", known);
    let report = machine.scan(&[]);
    assert_eq!(texts(&report, "entries", "/name"), ["kit"]);
    assert!(kinds(&report).contains(&"plugin-file".to_owned()));
}

/// `scan --home` reads nothing outside of the home.
#[test]
fn a_plugin_outside_of_the_scanned_home_is_a_gap_if_it_is_there() {
    let outside = tempfile::tempdir().unwrap();
    let market = outside.path().join("market");
    let machine = TestMachine::new(crate::BINARY);
    let source = serde_json::json!({"m": {"source": {"source": "directory", "path": market}}});
    machine.file(".claude/plugins/known_marketplaces.json", source.to_string());
    let is_told = || {
        let told = machine.scan(&[])["coverage"].to_string();
        told.contains("a plugin of a client stands here, outside of what is scanned")
    };
    assert!(!is_told());
    std::fs::create_dir(&market).unwrap();
    assert!(is_told());
}

/// Claude Code 2.1.329 was run: the servers of such a plugin start at the first run in a trusted folder.
#[test]
fn a_catalogue_of_plugins_that_a_repository_brings_is_told() {
    for (at, (settings, is_told)) in [
        (r#"{"enabledPlugins":{"x@m":true}}"#, false),
        (r#"{"extraKnownMarketplaces":{"m":{"source":{"source":"directory","path":"./mk"}}}}"#, true),
        (r#"{"enabledPlugins":{"x@m":false},"extraKnownMarketplaces":{}}"#, false),
    ]
    .into_iter()
    .enumerate()
    {
        let machine = TestMachine::new(crate::BINARY);
        machine.file(&format!("src/p{at}/.claude/settings.json"), settings);
        // what its user has switched on is read where it is installed
        machine.file(".claude/settings.json", r#"{"enabledPlugins":{"own@m":true}}"#);
        let report = machine.scan(&[]);
        let told = texts(&report, "findings", "/message");
        assert_eq!(told.iter().any(|message| message.contains("brings a catalogue")), is_told, "{told:?}");
    }
}

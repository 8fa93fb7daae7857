//! Servers in files that are there for another purpose (agents, recipes) and in corners of settings are entries.

use mcpolicy_tests::{TestMachine, texts};
use serde_json::{Value, json};

/// Markdown whose front matter declares a server under this key.
fn agent(key: &str, server: &str) -> String {
    format!(
        "---\nname: a\ndescription: Use when: asked\n{key}:\n  {server}:\n    command: npx\n    args: [evil]\n---\nText.\n"
    )
}

fn declared(key: &str, server: &str) -> String {
    json!({key: {server: {"command": "npx", "args": ["evil"]}}}).to_string()
}

fn names(report: &Value) -> Vec<String> {
    let mut names = texts(report, "entries", "/name");
    names.sort();
    names
}

#[test]
fn roles_of_codex_are_read_wherever_it_searches_them_and_where_its_settings_name_them() {
    let machine = TestMachine::new(crate::BINARY);
    let role = |server: &str| {
        format!(
            "name = \"q\"\ndescription = \"d\"\n[mcp_servers.{server}]\ncommand = \"npx\"\nargs = [\"evil\"]\n"
        )
    };
    machine.file(".codex/agents/q.toml", role("of-user"));
    machine.file("src/p/.codex/agents/q.toml", role("of-project"));
    machine.file("src/p/.codex/agents/team/deep/q.toml", role("deep"));
    machine.file("src/p/.codex/agents/plain.toml", "name = \"plain\"\ndeveloper_instructions = \"x\"\n");
    machine.file("src/p/.codex/config.toml", "[agents.r]\nconfig_file = \"agents/q.toml\"\n");
    let report = machine.scan(&[]);
    assert_eq!(names(&report), ["deep", "of-project", "of-user"]);
    assert!(!report.to_string().contains("agent-file"));
    for (named, there) in [
        ("x/q.toml", "src/p/.codex/x/q.toml"),
        ("../q.toml", "src/p/q.toml"),
        ("agents/../../r.toml", "src/p/r.toml"),
    ] {
        machine.file("src/p/.codex/config.toml", format!("[agents.r]\nconfig_file = \"{named}\"\n"));
        machine.file(there, role("named"));
        assert!(names(&machine.scan(&[])).contains(&"named".to_owned()), "{named}");
    }
}

#[test]
fn servers_of_agents_recipes_and_corners_of_settings_are_seen() {
    let machine = TestMachine::new(crate::BINARY);
    let in_list =
        "---\nname: a\nmcpServers:\n  - of-list:\n      command: npx\n      args: [evil]\n  - named\n---\n";
    machine.file(".claude/agents/a.md", in_list);
    machine.file("src/p/.claude/agents/team/deep/a.md", agent("mcpServers", "claude-project"));
    machine.file("src/p/.kiro/agents/b.json", declared("mcpServers", "kiro-json"));
    machine.file("src/p/.kiro/agents/b.md", agent("mcpServers", "kiro-markdown"));
    machine.file(".kiro/agents/b.md", agent("mcpServers", "kiro-user"));
    machine.file("src/p/.amazonq/cli-agents/b.json", declared("mcpServers", "amazon-q"));
    machine.file(".copilot/agents/c.agent.md", agent("mcp-servers", "copilot-user"));
    machine.file("src/p/.github/agents/c.agent.md", agent("mcp-servers", "copilot-project"));
    machine.file(".gemini/agents/d.md", agent("mcp_servers", "gemini"));
    machine.file("src/p/.qwen/agents/d.md", agent("mcpServers", "qwen"));
    machine.file(
        ".config/goose/recipes/r.yaml",
        "title: r\nextensions:\n  - {name: goose, type: stdio, cmd: npx, args: [evil]}\n",
    );
    machine.file(
        ".continue/agents/e.yaml",
        "name: e\nmcpServers:\n  - {name: continue, command: npx, args: [evil]}\n",
    );
    let servers = |name: &str| json!({"context_servers": {name: {"command": "npx", "args": ["evil"]}}});
    let zed = json!({
        "linux": servers("zed-linux"), "macos": servers("zed-macos"), "stable": servers("zed-stable"),
        "profiles": {"P": servers("zed-profile"), "Q": {"settings": servers("zed-settings")}},
    });
    machine.file(".config/zed/settings.json", zed.to_string());
    machine.file(".config/zed/global_settings.json", servers("zed-global").to_string());
    let report = machine.scan(&[]);
    let expected = [
        "amazon-q",
        "claude-project",
        "continue",
        "copilot-project",
        "copilot-user",
        "gemini",
        "goose",
        "kiro-json",
        "kiro-markdown",
        "kiro-user",
        "of-list",
        "qwen",
        "zed-global",
        "zed-linux",
        "zed-macos",
        "zed-profile",
        "zed-settings",
        "zed-stable",
    ];
    assert_eq!(names(&report), expected);
    let inert: Vec<&str> = report["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["readers"].as_array().unwrap().is_empty())
        .map(|entry| entry["name"].as_str().unwrap())
        .collect();
    assert_eq!(inert, ["zed-macos"], "all others are loaded on Linux");
}

#[test]
fn agents_and_recipes_without_servers_give_no_alarm_whatever_their_syntax() {
    let machine = TestMachine::new(crate::BINARY);
    machine.file(".claude/agents/plain.md", "---\nname: a\ndescription: b\n---\ntext with mcpServers:\n");
    machine.file(".claude/agents/loose.md", "---\nname: a\ndescription: Use: it\n\n<example>: a: b\n---\n");
    machine.file(".claude/agents/none.md", "Only text.\n");
    machine.file(".claude/agents/empty.md", "");
    machine.file(".claude/agents/list.md", "---\n- a\n---\n");
    machine.file("src/p/.github/agents/rule.md", "---\nA rule and not a matter: at all: ---\n");
    machine.file(".config/goose/recipes/r.yaml", "title: r\n{% if x %}\nprompt: y\n{% endif %}\n");
    let report = machine.scan(&[]);
    assert_eq!(names(&report), Vec::<String>::new());
    assert_eq!(texts(&report, "findings", "/code"), Vec::<String>::new());
    assert_eq!(texts(&report, "coverage", "/kind"), Vec::<String>::new());
}

#[test]
fn an_agents_file_that_names_servers_and_cannot_be_read_is_told() {
    for text in [
        "---\nname: a\n  mcpServers:\n - x\n---\n",
        "---json\n{\"mcpServers\": {\"a\": {\"command\": \"x\"}}}\n---\n",
        "---\nmcpServers:\n  - s:\n      command: npx\n      args: [good, \"a---b\"]\n---\n",
        "---\nname: \"a\n\"mcp\\x53ervers\": [\n---\n",
    ] {
        let machine = TestMachine::new(crate::BINARY);
        machine.file(".claude/agents/a.md", text);
        let report = machine.scan(&[]);
        assert_eq!(texts(&report, "findings", "/code"), ["unparseable-config"], "{text}");
        assert_eq!(texts(&report, "coverage", "/kind"), ["unparseable"], "{text}");
    }
}

#[test]
fn folders_of_agents_without_end_are_a_gap_and_not_a_hang() {
    let machine = TestMachine::new(crate::BINARY);
    let deep = "x/".repeat(20);
    machine.file(&format!(".claude/agents/{deep}a.md"), agent("mcpServers", "deep"));
    let report = machine.scan(&[]);
    assert!(texts(&report, "coverage", "/kind").contains(&"walk-budget".to_owned()), "{report}");
}

#[test]
fn servers_of_skills_and_of_the_deprecated_files_of_continue_are_seen() {
    let machine = TestMachine::new(crate::BINARY);
    let bare = |server: &str| json!({server: {"command": "npx", "args": ["evil"]}}).to_string();
    machine.file("src/p/.agents/skills/a/mcp.json", bare("amp-project"));
    machine.file("src/p/.claude/skills/a/mcp.json", declared("mcpServers", "amp-claude"));
    machine.file(".config/agents/skills/a/mcp.json", bare("amp-user"));
    machine.file(".config/amp/skills/a/mcp.json", bare("amp-own"));
    machine.file(".claude/skills/a/mcp.json", bare("amp-claude-user"));
    let nested = |key: &str, server: Value| json!({"experimental": {key: server}}).to_string();
    let transport = json!({"transport": {"type": "stdio", "command": "npx", "args": ["evil"]}});
    let list = json!([{"name": "continue-project", "transport": transport["transport"]}]);
    machine.file("src/p/.continuerc.json", nested("modelContextProtocolServers", list));
    machine.file(".continue/config.json", nested("modelContextProtocolServer", transport));
    let report = machine.scan(&[]);
    let expected = [
        "amp-claude",
        "amp-claude-user",
        "amp-own",
        "amp-project",
        "amp-user",
        "continue-project",
        "modelContextProtocolServer",
    ];
    assert_eq!(names(&report), expected);
    assert!(texts(&report, "entries", "/identity/name").iter().all(|name| name == "evil"), "{report}");
    machine.file(".config/amp/settings.json", r#"{"amp.skills.path": "skills"}"#);
    let report = machine.scan(&[]);
    assert!(report["coverage"].to_string().contains("folder of skills"), "{report}");
}

#[test]
fn servers_of_an_agent_in_a_shape_that_is_not_read_are_a_gap() {
    for odd in ["'{\"a\":{\"command\":\"evil\"}}'", "evil", "5", "[[evil]]", "[{a: {command: npx}}, 5]"] {
        let machine = TestMachine::new(crate::BINARY);
        machine.file(".claude/agents/x.md", format!("---\nname: x\nmcpServers: {odd}\n---\n"));
        let report = machine.scan(&[]);
        assert!(report["coverage"].to_string().contains("agent-file"), "{odd}: {report}");
        let findings = report["findings"].as_array().unwrap();
        let shape = findings.iter().find(|finding| finding["code"] == "unexpected-shape");
        assert_eq!(shape.map(|finding| &finding["severity"]), Some(&json!("medium")), "{odd}: {report}");
    }
    for usual in ["", "[named]", "[{a: {command: npx, args: [good]}}]", "{a: {command: npx}}"] {
        let machine = TestMachine::new(crate::BINARY);
        machine.file(".claude/agents/x.md", format!("---\nname: x\nmcpServers: {usual}\n---\n"));
        let report = machine.scan(&[]);
        assert!(!report.to_string().contains("agent-file"), "{usual}: {report}");
        assert!(!report.to_string().contains("unexpected-shape"), "{usual}: {report}");
    }
}

/// Qwen Code 0.15.10 was run: both are started.
#[test]
fn command_lines_beside_the_table_of_servers_are_entries_of_qwen_code() {
    let machine = TestMachine::new(crate::BINARY);
    machine.file(
        ".qwen/settings.json",
        r#"{"mcp":{"serverCommand":"/opt/x one"},"mcpServerCommand":"/opt/y two"}"#,
    );
    machine.file("src/p/.qwen/settings.json", r#"{"mcpServerCommand":"/opt/z"}"#);
    let report = machine.scan(&[]);
    let mut commands = texts(&report, "entries", "/command");
    commands.sort();
    assert_eq!(commands, ["/opt/x one", "/opt/y two", "/opt/z"], "{report}");
    let mut programs = texts(&report, "entries", "/identity/name");
    programs.sort();
    assert_eq!(programs, ["/opt/x", "/opt/y", "/opt/z"], "{report}");
}

/// opencode 1.18.33 was run: the text is filled in before it is parsed, and the later `mcp` counts.
#[test]
fn a_file_that_is_another_once_references_are_filled_in_is_a_gap_and_nothing_in_it_is_allowed() {
    let machine = TestMachine::new(crate::BINARY);
    let server =
        |name: &str| format!(r#"{{"{name}":{{"type":"local","command":["npx","-y","good@1.0.0"]}}}}"#);
    let text = format!(r#"{{"mcp":{},"m{{env:NOPE}}cp":{}}}"#, server("a"), server("b"));
    machine.file("src/p/opencode.json", text);
    machine.file(
        "policy.toml",
        "schema = \"mcpolicy/policy/v1\"\n[policy]\nname = \"f\"\ncontact = \"c\"\n[[rule]]\nid = \"good\"\nidentity.npm = { package = \"good\", versions = \"1.0.0\" }\n",
    );
    let policy = machine.home().join("policy.toml");
    let report = machine.scan(&["--draft", policy.to_str().unwrap()]);
    assert!(texts(&report, "coverage", "/kind").contains(&"unparseable".to_owned()), "{report}");
    assert_eq!(texts(&report, "entries", "/judged/verdict"), ["deny"], "{report}");
}

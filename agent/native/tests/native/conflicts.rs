//! What an administrator has in the same files.

use mcpolicy_native::{Client, Conflict, ConflictKind, State, remove};

use crate::sample::{Machine, entries, rich};

fn with(client: Client, place: &str, text: &str) -> (Vec<Conflict>, Option<String>) {
    let policy = rich();
    let mut machine = Machine::new(&policy, &entries());
    machine.present.insert(place.to_owned(), State { bytes: Some(text.as_bytes().to_vec()), ours: None });
    let compiled = machine.compile(&policy, client);
    let output = compiled.outputs.into_iter().find(|output| output.target.id() == place);
    let text = output.and_then(|output| output.bytes).map(|bytes| String::from_utf8(bytes).unwrap());
    (compiled.conflicts, text)
}

fn kinds(conflicts: &[Conflict]) -> Vec<(&str, ConflictKind)> {
    conflicts.iter().map(|conflict| (conflict.key.as_str(), conflict.kind)).collect()
}

#[test]
fn a_list_of_an_administrator_that_admits_more_is_told_and_stays() {
    let theirs = r#"{ "allowedMcpServers": [{ "serverUrl": "https://*" }] }"#;
    let (conflicts, text) = with(Client::CopilotCli, "/etc/github-copilot/managed-settings.json", theirs);
    assert_eq!(kinds(&conflicts), [("/allowedMcpServers", ConflictKind::Widened)]);
    let text = text.unwrap();
    assert!(text.starts_with(r#"{ "allowedMcpServers": [{ "serverUrl": "https://*" }],"#), "{text}");
    assert!(text.contains("deniedMcpServers"), "what else is ours still stands there: {text}");
}

#[test]
fn a_list_of_an_administrator_that_admits_less_is_told_as_such() {
    let theirs = r#"{ "allowedMcpServers": [] }"#;
    let (conflicts, _) = with(Client::CopilotCli, "/etc/github-copilot/managed-settings.json", theirs);
    assert_eq!(kinds(&conflicts), [("/allowedMcpServers", ConflictKind::Narrowed)]);
    let theirs = r#"{"amp.mcpPermissions":[{"matches":{"command":"*"},"action":"reject"},{"matches":{"url":"*"},"action":"reject"}]}"#;
    let (conflicts, _) = with(Client::Amp, "/etc/ampcode/managed-settings.json", theirs);
    assert_eq!(kinds(&conflicts), [("/amp.mcpPermissions", ConflictKind::Narrowed)]);
    let theirs = r#"{"amp.mcpPermissions":[{"matches":{"command":"*"},"action":"reject"}]}"#;
    let (conflicts, _) = with(Client::Amp, "/etc/ampcode/managed-settings.json", theirs);
    assert_eq!(kinds(&conflicts), [("/amp.mcpPermissions", ConflictKind::Widened)]);
}

/// Quirk: to Gemini CLI (0.61.0) an empty list is every server, to Qwen Code (0.24.4) `*` is.
#[test]
fn a_list_of_an_administrator_that_its_client_takes_for_everything_is_told_as_such() {
    for (client, place, theirs, kind) in [
        (
            Client::GeminiCli,
            "/etc/gemini-cli/settings.json",
            r#"{"mcp":{"allowed":[]}}"#,
            ConflictKind::Widened,
        ),
        (
            Client::QwenCode,
            "/etc/qwen-code/settings.json",
            r#"{"mcp":{"allowed":[]}}"#,
            ConflictKind::Narrowed,
        ),
        (
            Client::QwenCode,
            "/etc/qwen-code/settings.json",
            r#"{"mcp":{"allowed":["*"]}}"#,
            ConflictKind::Widened,
        ),
    ] {
        let (conflicts, text) = with(client, place, theirs);
        assert!(kinds(&conflicts).contains(&("/mcp/allowed", kind)), "{theirs}: {conflicts:?}");
        assert!(text.is_some(), "what else is ours still stands there: {theirs}");
    }
}

#[test]
fn a_file_that_its_client_does_not_read_is_left_as_it_is() {
    for (client, place, text) in [
        (Client::CopilotCli, "/etc/github-copilot/managed-settings.json", "{ // a comment\n}"),
        (
            Client::CopilotCli,
            "/etc/github-copilot/managed-settings.json",
            r#"{"allowedMcpServers":[{"serverComand":["x"]}]}"#,
        ),
        (Client::CopilotCli, "/etc/github-copilot/managed-settings.json", r#"{"a":1,"a":2}"#),
        (Client::Codex, "/etc/codex/requirements.toml", "[mcp_servers\n"),
        (Client::Codex, "/etc/codex/requirements.toml", "[mcp_servers.x]\nidentity = { command = 1 }\n"),
        (Client::GeminiCli, "/etc/gemini-cli/settings.json", "[]"),
        (Client::Cursor, "/etc/cursor/hooks.json", r#"{"version":2,"hooks":{}}"#),
    ] {
        let (conflicts, left) = with(client, place, text);
        assert!(conflicts.iter().any(|one| one.kind != ConflictKind::Narrowed), "{place} {text}");
        assert!(left.is_none_or(|left| left == text), "{place} {text}");
    }
}

#[test]
fn requirements_of_an_administrator_stand_beside_ours_and_are_told_where_they_admit_more() {
    let theirs = "# theirs\n[mcp_servers.theirs]\nidentity = { command = \"npx\" }\n\n[mcp_servers.github]\nidentity = { url = \"https://api.githubcopilot.com/mcp/\" }\n[features]\nhooks = true";
    let (conflicts, text) = with(Client::Codex, "/etc/codex/requirements.toml", theirs);
    assert_eq!(kinds(&conflicts), [("/mcp_servers/theirs", ConflictKind::Widened)]);
    let text = text.unwrap();
    assert!(text.starts_with(theirs), "{text}");
    assert_eq!(text.matches("[mcp_servers.github]").count(), 1);
    assert_eq!(text.matches("[features]").count(), 1);
    assert!(text.contains("[mcp_servers.filesystem]"), "{text}");
}

#[test]
fn other_files_of_claude_code_that_admit_more_are_told() {
    let policy = rich();
    let mut machine = Machine::new(&policy, &entries());
    let folder = "/etc/claude-code/managed-settings.d";
    for (path, text) in [
        (
            "/etc/claude-code/managed-settings.json".to_owned(),
            r#"{"allowedMcpServers":[{"serverCommand":["npx"]}]}"#,
        ),
        (format!("{folder}/zzz.json"), r#"{"allowManagedMcpServersOnly":false}"#),
        (format!("{folder}/broken.json"), "{,}"),
        (
            format!("{folder}/fine.json"),
            r#"{"allowedMcpServers":[{"serverUrl":"https://api.githubcopilot.com/mcp/"}]}"#,
        ),
        (format!("{folder}/empty.json"), ""),
        (format!("{folder}/notes.txt"), "not read"),
    ] {
        machine.beside.insert(path, text.as_bytes().to_vec());
    }
    let conflicts = machine.compile(&policy, Client::ClaudeCode).conflicts;
    let told: Vec<(&str, ConflictKind)> =
        conflicts.iter().map(|one| (one.place.rsplit('/').next().unwrap(), one.kind)).collect();
    assert_eq!(
        told,
        [
            ("broken.json", ConflictKind::Unreadable),
            ("zzz.json", ConflictKind::Widened),
            ("managed-settings.json", ConflictKind::Widened)
        ]
    );
}

#[test]
fn what_was_changed_in_our_keys_is_put_back_and_the_rest_of_the_file_is_not_ours() {
    let policy = rich();
    let machine = Machine::new(&policy, &entries());
    let place = "/etc/gemini-cli/settings.json";
    let first = machine.compile(&policy, Client::GeminiCli);
    let mut tampered = machine.after(&first);
    let state = tampered.present.get_mut(place).unwrap();
    let text = String::from_utf8(state.bytes.clone().unwrap()).unwrap();
    let changed = text
        .replacen("\"mcp\"", "\"theme\": \"dark\",\n  \"mcp\"", 1)
        .replace("protocol/server-filesystem", "protocol/evil");
    state.bytes = Some(changed.clone().into_bytes());
    let drift = mcpolicy_native::verify(
        &first.outputs[0].target,
        Some(changed.as_bytes()),
        first.outputs[0].ours.as_ref().unwrap(),
    );
    assert!(drift.unwrap().iter().any(|one| one.key == "/mcpServers/filesystem" && !one.gone));
    let second = tampered.compile(&policy, Client::GeminiCli);
    let output = &second.outputs[0];
    let repaired = String::from_utf8(output.bytes.clone().unwrap()).unwrap();
    assert!(!repaired.contains("protocol/evil") && repaired.contains("\"theme\": \"dark\""), "{repaired}");
    let left =
        remove(&output.target, output.bytes.as_deref().unwrap(), output.ours.as_ref().unwrap()).unwrap();
    let left: serde_json::Value = serde_json::from_slice(&left.unwrap()).unwrap();
    assert_eq!(left, serde_json::json!({ "theme": "dark" }));
}

#[test]
fn a_drop_in_of_ours_that_was_damaged_is_written_anew() {
    let policy = rich();
    let machine = Machine::new(&policy, &entries());
    let first = machine.compile(&policy, Client::ClaudeCode);
    let mut tampered = machine.after(&first);
    for state in tampered.present.values_mut().filter(|state| state.bytes.is_some()) {
        state.bytes = Some(b"{ damaged".to_vec());
    }
    let second = tampered.compile(&policy, Client::ClaudeCode);
    assert_eq!(second.outputs[0], first.outputs[0]);
}

#[test]
fn what_an_administrator_adds_among_our_keys_stays_when_ours_go() {
    let policy = rich();
    let machine = Machine::new(&policy, &entries());
    let first = machine.compile(&policy, Client::GeminiCli);
    let output = &first.outputs[0];
    let text = String::from_utf8(output.bytes.clone().unwrap()).unwrap();
    // a key before ours, one in an object that we made, and one behind all with a comment before its comma's line
    let text = text.replacen('{', "{\n  \"theme\": \"dark\", // his\n", 1);
    let text = text.replacen("\"mcp\": {", "\"mcp\": {\n    \"serverCommand\": \"x\",", 1);
    let end = text.rfind("\n}").unwrap();
    let text = format!("{},\n  // his too\n  \"ui\": {{}}\n}}\n", &text[..end]);
    let left = remove(&output.target, text.as_bytes(), output.ours.as_ref().unwrap()).unwrap().unwrap();
    let left = String::from_utf8(left).unwrap();
    assert!(left.contains("// his\n") && left.contains("// his too"), "{left}");
    let ours = ["allowed", "excluded", "mcpServers"];
    assert!(ours.iter().all(|word| !left.contains(word)), "{left}");
    let plain: String = left.lines().map(|line| line.split("//").next().unwrap()).collect();
    let plain: serde_json::Value = serde_json::from_str(&plain).unwrap_or_else(|e| panic!("{e}: {left}"));
    assert_eq!(plain, serde_json::json!({ "theme": "dark", "mcp": { "serverCommand": "x" }, "ui": {} }));
}

#[test]
fn a_managed_server_of_an_administrator_is_told_where_the_policy_does_not_allow_it() {
    let theirs = r#"{"mcpServers":{"git":{"command":"uvx","args":["mcp-server-git==2025.12.18","--repository","/home/ann/src"]},"x":{"command":"npx","args":["x"]}}}"#;
    let (conflicts, text) = with(Client::ClaudeCode, "/etc/claude-code/managed-mcp.json", theirs);
    assert_eq!(kinds(&conflicts), [("/mcpServers/x", ConflictKind::Widened)]);
    assert_eq!(text.as_deref(), Some(theirs));
}

//! What clients keep about an entry in other files: approvals that go with it, and switches outside of the project.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "this is a test, and reads its own files")]

use std::path::Path;

use mcpolicy_clients::adapter::ClientAdapter;
use mcpolicy_clients::adapters::by_id;
use mcpolicy_clients::edit;
use mcpolicy_clients::elsewhere::{
    Declared, Evidence, NoSwitch, OffSwitch, approvals, is_off, switched_off, switched_on,
};
use mcpolicy_schema::entry::Scope;

const CHECKOUT: &str = "/home/dev/proj";

fn adapter(id: &str) -> &'static dyn ClientAdapter {
    by_id(id).unwrap()
}

fn of_project(name: &str) -> Declared<'_> {
    Declared {
        name,
        scope: Scope::Project,
        key_path: "/mcpServers/x",
        project: Some(CHECKOUT),
        checkout: Some(CHECKOUT),
        repository: Some(CHECKOUT),
    }
}

fn of_user(name: &str) -> Declared<'_> {
    Declared { scope: Scope::User, project: None, checkout: None, repository: None, ..of_project(name) }
}

/// A file that keeps approvals, without those of a removed entry.
fn cleaned(client: &str, declared: &Declared<'_>, file: &str, text: &str) -> String {
    let adapter = adapter(client);
    let keeps = adapter.approval_files(declared);
    let keeps =
        keeps.iter().find(|keeps| keeps.path.ends_with(file)).unwrap_or_else(|| panic!("{file}: {keeps:?}"));
    let changes = approvals(adapter, keeps, std::slice::from_ref(declared), text.as_bytes());
    let changes: Vec<_> = changes.into_iter().map(|(_, change)| change).collect();
    if changes.is_empty() {
        return text.to_owned();
    }
    let edited = edit::apply(keeps.format, "", text.as_bytes(), &changes).unwrap();
    String::from_utf8(edited.bytes).unwrap()
}

fn first_switch(client: &str, declared: &Declared<'_>) -> OffSwitch {
    adapter(client).off_switches(declared).into_iter().next().unwrap()
}

/// The switch of Claude Code in the user's settings.
fn in_settings(declared: &Declared<'_>) -> OffSwitch {
    let switches = adapter("claude-code").off_switches(declared);
    switches.into_iter().find(|switch| switch.keeps.path == "$CLAUDE_CONFIG_DIR/settings.json").unwrap()
}

fn set(client: &str, declared: &Declared<'_>, bytes: Option<&str>) -> Result<Option<String>, NoSwitch> {
    set_in(client, &first_switch(client, declared), declared, bytes)
}

fn set_in(
    client: &str,
    switch: &OffSwitch,
    declared: &Declared<'_>,
    bytes: Option<&str>,
) -> Result<Option<String>, NoSwitch> {
    let set = switched_off(adapter(client), switch, declared, bytes.map(str::as_bytes))?;
    if let Some(bytes) = &set {
        assert!(is_off(adapter(client), &switch.keeps, declared, bytes));
        assert_eq!(switched_off(adapter(client), switch, declared, Some(bytes)).unwrap(), None);
    }
    Ok(set.map(|bytes| String::from_utf8(bytes).unwrap()))
}

#[test]
fn blank_settings_of_claude_code_take_a_switch_and_a_blank_state_is_a_damaged_one() {
    let declared = of_project("evil");
    let settings = in_settings(&declared);
    let made = set_in("claude-code", &settings, &declared, None).unwrap();
    for blank in ["", " \r\n"] {
        assert_eq!(set_in("claude-code", &settings, &declared, Some(blank)).unwrap(), made, "{blank:?}");
        assert_eq!(set("claude-code", &declared, Some(blank)), Err(NoSwitch::NotRead), "{blank:?}");
        assert_eq!(set("cursor", &declared, Some(blank)), Err(NoSwitch::NotRead), "not seen on that one");
    }
    assert_eq!(set_in("claude-code", &settings, &declared, Some("{")), Err(NoSwitch::NotRead));
}

#[test]
fn approvals_in_the_state_of_claude_code_go_with_the_server_and_others_stay() {
    let text = r#"{
  "numStartups": 3,
  "projects": {
    "/home/dev/proj": {
      "enabledMcpjsonServers": ["evil", "good", "other"],
      "disabledMcpjsonServers": ["evil"],
      "enableAllProjectMcpServers": true,
      "hasTrustDialogAccepted": true
    },
    "/home/dev/proj/sub": { "enabledMcpjsonServers": ["evil"] },
    "/home/dev/project2": { "enabledMcpjsonServers": ["evil"], "enableAllProjectMcpServers": true }
  }
}
"#;
    let expected = r#"{
  "numStartups": 3,
  "projects": {
    "/home/dev/proj": {
      "enabledMcpjsonServers": ["good", "other"],
      "disabledMcpjsonServers": ["evil"],
      "hasTrustDialogAccepted": true
    },
    "/home/dev/proj/sub": { "enabledMcpjsonServers": [] },
    "/home/dev/project2": { "enabledMcpjsonServers": ["evil"], "enableAllProjectMcpServers": true }
  }
}
"#;
    assert_eq!(cleaned("claude-code", &of_project("evil"), "/.claude.json", text), expected);
}

#[test]
fn approvals_in_all_four_settings_of_claude_code_go_with_the_server() {
    let text = "{\r\n\t\"model\": \"x\",\r\n\t\"enableAllProjectMcpServers\": true,\r\n\t\"enabledMcpjsonServers\": [\r\n\t\t\"evil\",\r\n\t\t\"good\"\r\n\t]\r\n}";
    let expected = "{\r\n\t\"model\": \"x\",\r\n\t\"enabledMcpjsonServers\": [\r\n\t\t\"good\"\r\n\t]\r\n}";
    for file in [
        "$CLAUDE_CONFIG_DIR/settings.json",
        "$CLAUDE_CONFIG_DIR/settings.local.json",
        "<project>/.claude/settings.json",
        "<project>/.claude/settings.local.json",
    ] {
        assert_eq!(cleaned("claude-code", &of_project("evil"), file, text), expected, "{file}");
    }
    let keeps = adapter("claude-code").approval_files(&of_project("evil"));
    assert_eq!(keeps.iter().filter(|keeps| keeps.in_project()).count(), 2);
}

#[test]
fn an_approval_under_a_name_that_claude_code_takes_for_the_same_goes_too() {
    let text = r#"{"enabledMcpjsonServers":["my server","my.server","my_server","myserver"]}"#;
    let left = cleaned("claude-code", &of_project("my server"), "/settings.json", text);
    assert_eq!(left, r#"{"enabledMcpjsonServers":["myserver"]}"#);
}

#[test]
fn approvals_hidden_by_duplicates_and_escapes_go_too() {
    let text = r#"{"enabledMcpjsonServers":["\u0065vil"],"enabledMcpjsonServers":["good"],"enableAllProjectMcpServers":true,"enableAllProjectMcpServers":true}"#;
    let left = cleaned("claude-code", &of_project("evil"), "/settings.json", text);
    assert_eq!(left, r#"{"enabledMcpjsonServers":[],"enabledMcpjsonServers":["good"]}"#);
}

#[test]
fn what_approves_nothing_is_left_as_it_is() {
    let text = r#"{"enableAllProjectMcpServers":false,"enabledMcpjsonServers":["good"]}"#;
    assert_eq!(cleaned("claude-code", &of_project("evil"), "/settings.json", text), text);
    // a file that the client refuses approves nothing, and is not ours to mend
    let refused = r#"{"enabledMcpjsonServers":["evil"],}"#;
    assert_eq!(cleaned("claude-code", &of_project("evil"), "/settings.json", refused), refused);
}

#[test]
fn only_servers_of_projects_have_approvals_of_claude_code() {
    for scope in [Scope::User, Scope::Local, Scope::Plugin, Scope::Managed] {
        let declared = Declared { scope, ..of_project("evil") };
        assert_eq!(adapter("claude-code").approval_files(&declared), []);
    }
}

#[test]
fn nothing_in_the_state_that_the_real_claude_code_wrote_approves_anything() {
    let sample =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples/core/claude/dot-claude.json");
    // beside the checkout, where it is there at all
    let Ok(text) = std::fs::read_to_string(sample) else { return };
    assert_eq!(cleaned("claude-code", &of_project("loc"), "/.claude.json", &text), text);
    let switched = set("claude-code", &of_project("evil"), Some(&text)).unwrap().unwrap();
    let mut expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    expected["projects"][CHECKOUT]["disabledMcpServers"] = serde_json::json!(["evil"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&switched).unwrap(), expected);
}

#[test]
fn approvals_of_cursor_go_by_name_and_digest() {
    let text = r#"[
  "evil-0123456789abcdef",
  "evil-tools-0123456789abcdef",
  "evil-0123",
  "good-fedcba9876543210"
]"#;
    let expected = r#"[
  "evil-tools-0123456789abcdef",
  "evil-0123",
  "good-fedcba9876543210"
]"#;
    let own = "$CURSOR_DATA_DIR/projects/home-dev-proj/mcp-approvals.json";
    assert_eq!(cleaned("cursor", &of_project("evil"), own, text), expected);
    let any = "$CURSOR_DATA_DIR/projects/*/mcp-approvals.json";
    assert_eq!(cleaned("cursor", &of_user("evil"), any, text), expected);
}

#[test]
fn claude_code_is_switched_off_in_the_state_and_in_the_settings_of_the_user() {
    let declared = of_project("evil");
    let switches = adapter("claude-code").off_switches(&declared);
    assert!(switches.iter().all(|s| s.evidence == Evidence::Tested && !s.keeps.in_project()));
    let made = set("claude-code", &declared, None).unwrap().unwrap();
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made, serde_json::json!({"projects": {CHECKOUT: {"disabledMcpServers": ["evil"]}}}));
    let made = set_in("claude-code", &in_settings(&declared), &declared, None).unwrap().unwrap();
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made, serde_json::json!({"disabledMcpjsonServers": ["evil"]}));
    // a file that is not there and that no client would make needs none
    let legacy = switches.iter().find(|s| s.keeps.path.ends_with("/.claude/.config.json")).unwrap();
    assert_eq!(switched_off(adapter("claude-code"), legacy, &declared, None).unwrap(), None);
}

#[test]
fn a_switch_of_claude_code_covers_the_repositories_below_the_project() {
    let text = r#"{"projects":{"/home/dev/proj":{"disabledMcpServers":["evil"]},"/home/dev/proj/vendored":{},"/home/dev/projx":{}}}"#;
    let declared = of_project("evil");
    let switch = first_switch("claude-code", &declared);
    assert!(
        !is_off(adapter("claude-code"), &switch.keeps, &declared, text.as_bytes()),
        "on in the repository below"
    );
    let off = set("claude-code", &declared, Some(text)).unwrap().unwrap();
    let off: serde_json::Value = serde_json::from_str(&off).unwrap();
    assert_eq!(off["projects"]["/home/dev/proj/vendored"]["disabledMcpServers"][0], "evil");
    assert_eq!(off["projects"]["/home/dev/projx"], serde_json::json!({}));
    // the client came to know that repository after the switch was set: what is set is taken back all the same
    let on = switched_on(adapter("claude-code"), &switch, &declared, text.as_bytes()).unwrap().unwrap();
    let on: serde_json::Value = serde_json::from_slice(&on).unwrap();
    assert_eq!(on["projects"]["/home/dev/proj"], serde_json::json!({"disabledMcpServers": []}));
}

#[test]
fn a_list_that_claude_code_moves_into_the_work_tree_is_no_switch_and_is_found_there() {
    let declared = of_project("my.evil");
    let (switch, claude) = (first_switch("claude-code", &declared), adapter("claude-code"));
    let legacy = r#"{"projects":{"/home/dev/proj":{"disabledMcpjsonServers":["my.evil"]}}}"#;
    assert!(!is_off(claude, &switch.keeps, &declared, legacy.as_bytes()));
    assert_eq!(switched_on(claude, &switch, &declared, legacy.as_bytes()).unwrap(), None);
    let moved = claude.moved_switches(&declared);
    let paths: Vec<&str> = moved.iter().map(|keeps| &*keeps.path).collect();
    assert_eq!(paths, ["<project>/.claude/settings.json", "<project>/.claude/settings.local.json"]);
    // compared as the client does
    let there = br#"{"disabledMcpjsonServers":["my_evil"]}"#;
    assert!(moved.iter().all(|keeps| keeps.in_project() && is_off(claude, keeps, &declared, there)));
    assert!(!is_off(claude, &moved[1], &of_project("other"), there));
    assert_eq!(claude.moved_switches(&of_user("evil")), []);
}

#[test]
fn the_lists_of_claude_code_take_namesakes_along_as_far_as_the_client_does() {
    let (evil, claude) = (of_project("my.evil"), adapter("claude-code"));
    let elsewhere = Declared {
        name: "my evil",
        project: Some("/home/dev/q"),
        checkout: Some("/home/dev/q"),
        repository: Some("/home/dev/q"),
        ..evil
    };
    let settings = set_in("claude-code", &in_settings(&evil), &evil, None).unwrap().unwrap();
    let state = set("claude-code", &evil, None).unwrap().unwrap();
    let takes = |switch: OffSwitch, text: &str, other: &Declared<'_>| {
        is_off(claude, &switch.keeps, other, text.as_bytes())
    };
    // the settings: project servers of all projects; the state: all scopes, in this project
    assert!(takes(in_settings(&evil), &settings, &elsewhere));
    assert!(!takes(in_settings(&evil), &settings, &of_user("my.evil")));
    assert!(!takes(first_switch("claude-code", &evil), &state, &elsewhere));
    assert!(takes(first_switch("claude-code", &evil), &state, &of_user("my.evil")));
}

#[test]
fn outside_of_git_no_switch_of_claude_code_or_cursor_holds_for_the_folders_below() {
    let declared = Declared { checkout: None, repository: None, ..of_project("evil") };
    assert_eq!(adapter("claude-code").off_switches(&declared), []);
    assert_eq!(adapter("cursor").off_switches(&declared), []);
}

#[test]
fn cursor_is_switched_off_in_the_folder_of_the_project() {
    let declared = Declared { project: Some("/home/dev/proj/sub_dir"), ..of_project("evil") };
    let paths: Vec<String> =
        adapter("cursor").off_switches(&declared).into_iter().map(|switch| switch.keeps.path).collect();
    let path = |slug| format!("$CURSOR_DATA_DIR/projects/{slug}/mcp-disabled.json");
    assert_eq!(paths, [path("home-dev-proj"), path("home-dev-proj-sub-dir")]);
    assert_eq!(set("cursor", &declared, None).unwrap().unwrap(), "[\"evil\"]\n");
    let two = set("cursor", &declared, Some("[\n  \"good\"\n]")).unwrap().unwrap();
    assert_eq!(serde_json::from_str::<Vec<String>>(&two).unwrap(), ["good", "evil"]);
}

#[test]
fn gemini_is_switched_off_by_its_name_in_lower_case() {
    let declared = of_project("Evil");
    let made = set("gemini-cli", &declared, None).unwrap().unwrap();
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made, serde_json::json!({"evil": {"enabled": false}}));
    let on = r#"{"evil":{"enabled":true},"good":{"enabled":true}}"#;
    let off = set("gemini-cli", &declared, Some(on)).unwrap().unwrap();
    assert_eq!(off, r#"{"evil":{"enabled":false},"good":{"enabled":true}}"#);
    let nameless = Declared { key_path: "/mcp/serverCommand", ..declared };
    assert_eq!(adapter("gemini-cli").off_switches(&nameless), []);
    let quoted = of_project("a\"b\\c\u{1}");
    set("gemini-cli", &quoted, Some("{}")).unwrap().unwrap();
}

#[test]
fn copilot_is_switched_off_in_its_settings_and_for_projects_nobody_has_looked() {
    let off = set("copilot-cli", &of_user("evil"), Some("{\n  // mine\n  \"theme\": \"dark\"\n}"))
        .unwrap()
        .unwrap();
    assert!(off.contains("// mine"), "{off}");
    assert_eq!(first_switch("copilot-cli", &of_user("evil")).evidence, Evidence::Tested);
    assert_eq!(first_switch("copilot-cli", &of_project("evil")).evidence, Evidence::Inferred);
}

#[test]
fn a_switch_in_a_file_that_the_client_does_not_read_does_not_hold() {
    let declared = of_project("evil");
    for (client, text) in [
        ("claude-code", r#"{"projects":{"/home/dev/proj":{"disabledMcpServers":["evil"]}},}"#),
        ("gemini-cli", "\u{feff}{\"evil\":{\"enabled\":false}}"),
        ("cursor", "[\"evil\" // no\n]"),
        ("cursor", "[\"evil\""),
    ] {
        let switch = first_switch(client, &declared);
        assert!(!is_off(adapter(client), &switch.keeps, &declared, text.as_bytes()), "{client}: {text}");
        assert_eq!(set(client, &declared, Some(text)), Err(NoSwitch::NotRead), "{client}: {text}");
    }
    // something else where the list should be: nothing is overwritten
    let odd = r#"{"projects":{"/home/dev/proj":{"disabledMcpServers":"evil"}}}"#;
    assert!(matches!(set("claude-code", &declared, Some(odd)), Err(NoSwitch::Unfaithful(_))));
    let hidden = r#"{"evil":{"enabled":false},"evil":{"enabled":true}}"#;
    let switch = first_switch("gemini-cli", &declared);
    assert!(
        !is_off(adapter("gemini-cli"), &switch.keeps, &declared, hidden.as_bytes()),
        "the last of duplicates counts"
    );
}

#[test]
fn a_switch_is_taken_back_and_others_stay() {
    let declared = of_project("Evil");
    let first = |client| first_switch(client, &declared);
    for (switch, before) in [
        (first("claude-code"), r#"{"projects": {"/home/dev/proj": {"disabledMcpServers": ["other"]}}}"#),
        (in_settings(&declared), r#"{"disabledMcpjsonServers": ["other"]}"#),
        (first("cursor"), r#"["other"]"#),
        (first("gemini-cli"), r#"{"other": {"enabled": false}}"#),
        (first("copilot-cli"), r#"{"disabledMcpServers": ["other"]}"#),
    ] {
        let client = switch.client;
        let off =
            switched_off(adapter(client), &switch, &declared, Some(before.as_bytes())).unwrap().unwrap();
        let on = switched_on(adapter(client), &switch, &declared, &off).unwrap().unwrap();
        assert_eq!(String::from_utf8(on.clone()).unwrap(), before, "{client}");
        assert_eq!(
            switched_on(adapter(client), &switch, &declared, &on).unwrap(),
            None,
            "{client}: it is on"
        );
    }
}

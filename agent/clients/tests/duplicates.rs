//! Entries that stand twice: after the denied ones are taken out, no reading of the file has one of them, and what was
//! under the same name and allowed is as it was.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs, dead_code, reason = "a test binary")]

mod common;

use common::read;
use mcpolicy_clients::adapter::ClientAdapter;
use mcpolicy_clients::adapters::by_id;
use mcpolicy_clients::edit::{self, Change, Place};
use mcpolicy_clients::location::Location;
use mcpolicy_schema::entry::Entry;
use proptest::prelude::*;

const DENIED: &str = "evil";

/// A file of a client.
struct Case {
    client: &'static str,
    path: &'static str,
    text: String,
}

/// The first location of a file of this name that holds servers.
fn location(adapter: &'static dyn ClientAdapter, path: &str) -> &'static Location {
    let name = path.rsplit('/').next().unwrap();
    let mut all = adapter.about().locations.iter();
    all.find(|at| at.path.ends_with(&format!("/{name}")) && !at.keys.is_empty()).unwrap()
}

fn entries(case: &Case, bytes: &[u8]) -> Vec<Entry> {
    let adapter = by_id(case.client).unwrap();
    let at = location(adapter, case.path);
    read(adapter, at, case.path, bytes).unwrap().entries.into_iter().map(|(entry, _)| entry).collect()
}

fn is_denied(entry: &Entry) -> bool {
    entry.command.as_ref().is_some_and(|command| command.expose() == DENIED)
}

/// Takes out every entry that runs the denied program, wherever it stands, and returns what is left.
fn cleaned(case: &Case) -> String {
    let bytes = case.text.as_bytes();
    let before = entries(case, bytes);
    let denied = before.iter().filter(|entry| is_denied(entry));
    let place = |entry: &Entry| Place { key_path: entry.key_path.clone(), span: entry.span.clone() };
    let changes: Vec<Change> = denied.map(|entry| Change::Remove(place(entry))).collect();
    assert!(!changes.is_empty(), "{}", case.text);
    let format = location(by_id(case.client).unwrap(), case.path).format;
    let edited =
        edit::apply(format, case.path, bytes, &changes).unwrap_or_else(|e| panic!("{e}: {}", case.text));
    let after = entries(case, &edited.bytes);
    assert!(!after.iter().any(is_denied), "{}", case.text);
    let kept = |bytes: &[u8], all: &[Entry]| -> Vec<Vec<u8>> {
        all.iter().filter(|entry| !is_denied(entry)).map(|entry| bytes[entry.span.clone()].to_vec()).collect()
    };
    assert_eq!(kept(bytes, &before), kept(&edited.bytes, &after), "{}", case.text);
    String::from_utf8(edited.bytes).unwrap()
}

fn claude(text: &str) -> Case {
    Case { client: "claude-code", path: ".claude.json", text: text.to_owned() }
}

#[test]
fn a_name_that_stands_twice_in_a_table_leaves_neither_if_both_are_denied() {
    let left = cleaned(&claude(
        r#"{"mcpServers":{"a":{"command":"evil"},"b":{"command":"good"},"a":{"command":"evil"}}}"#,
    ));
    assert_eq!(left, r#"{"mcpServers":{"b":{"command":"good"}}}"#);
}

#[test]
fn a_denied_duplicate_behind_or_before_an_allowed_one_goes_alone() {
    let behind = cleaned(&claude(r#"{"mcpServers":{"a":{"command":"good"},"a":{"command":"evil"}}}"#));
    assert_eq!(behind, r#"{"mcpServers":{"a":{"command":"good"}}}"#);
    let before = cleaned(&claude(r#"{"mcpServers":{"a":{"command":"evil"},"a":{"command":"good"}}}"#));
    assert_eq!(before, r#"{"mcpServers":{"a":{"command":"good"}}}"#);
}

#[test]
fn a_table_that_stands_twice_is_cleaned_in_both_places() {
    let left = cleaned(&claude(
        r#"{"mcpServers":{"a":{"command":"evil"}},"x":1,"mcpServers":{"a":{"command":"evil"},"b":{"command":"good"}}}"#,
    ));
    assert_eq!(left, r#"{"mcpServers":{},"x":1,"mcpServers":{"b":{"command":"good"}}}"#);
    let local = cleaned(&claude(
        r#"{"projects":{"/p":{"mcpServers":{"a":{"command":"evil"}}},"/p":{"mcpServers":{"a":{"command":"evil"}}}}}"#,
    ));
    assert_eq!(local, r#"{"projects":{"/p":{"mcpServers":{}},"/p":{"mcpServers":{}}}}"#);
}

#[test]
fn a_name_spelled_with_escapes_is_the_same_name() {
    let left =
        cleaned(&claude(r#"{"mcpServers":{"abc":{"command":"evil"},"\u0061bc":{"command":"\u0065vil"}}}"#));
    assert_eq!(left, r#"{"mcpServers":{}}"#);
}

#[test]
fn a_command_that_stands_twice_in_an_entry_goes_with_it() {
    let left = cleaned(&claude(
        r#"{"mcpServers":{"a":{"command":"good","command":"evil"},"b":{"command":"good"}}}"#,
    ));
    assert_eq!(left, r#"{"mcpServers":{"b":{"command":"good"}}}"#);
}

#[test]
fn items_of_a_list_with_one_name_are_told_apart() {
    let text = "mcpServers:\n  - name: a\n    command: evil\n  - name: a\n    command: good\n  - name: a\n    command: evil\n";
    let case = Case { client: "continue", path: ".continue/config.yaml", text: text.to_owned() };
    assert_eq!(cleaned(&case), "mcpServers:\n  - name: a\n    command: good\n");
}

#[test]
fn names_that_differ_in_case_only_are_two_entries_of_toml() {
    let text = "[mcp_servers.C]\ncommand = \"evil\"\n\n[mcp_servers.c]\ncommand = \"good\"\n";
    let case = Case { client: "codex", path: ".codex/config.toml", text: text.to_owned() };
    assert_eq!(cleaned(&case), "[mcp_servers.c]\ncommand = \"good\"\n");
}

/// Members of a table whose names and commands repeat, with the layout of a person or of none.
fn table() -> impl Strategy<Value = String> {
    let names = prop_oneof![Just("a"), Just("A"), Just("b"), Just("\\u0061"), Just("c")];
    let commands = prop_oneof![3 => Just("good"), 2 => Just("evil"), 1 => Just("\\u0065vil")];
    let gaps = prop_oneof![Just(""), Just("\n  "), Just("\r\n\t"), Just(" ")];
    prop::collection::vec((names, commands, gaps), 0..6).prop_map(|members| {
        let members: Vec<String> = members
            .iter()
            .map(|(name, command, gap)| format!(r#"{gap}"{name}":{gap}{{"command": "{command}"}}"#))
            .collect();
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    #[test]
    fn however_often_names_and_tables_repeat_nothing_denied_is_left(
        tables in prop::collection::vec(table(), 1..4),
        end in prop_oneof![Just(""), Just("\n")],
    ) {
        let members: Vec<String> = tables.iter().map(|table| format!(r#""mcpServers": {table}"#)).collect();
        let case = claude(&format!("{{{}}}{end}", members.join(", ")));
        if entries(&case, case.text.as_bytes()).iter().any(is_denied) {
            cleaned(&case);
        }
    }
}

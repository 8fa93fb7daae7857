//! The attempts to talk round an allowlist, each as a server that a user configures in each client.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mcpolicy_native::Client;
use mcpolicy_schema::entry::Entry;
use mcpolicy_schema::policy::Policy;
use serde::Deserialize;
use serde_json::Value;

use crate::approved::{Approved, of_approved};
use crate::model::{Files, Server, started};
use crate::sample::{Machine, entry, judge, with_env};

#[derive(Deserialize)]
struct Set {
    approved: BTreeMap<String, Approved>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    server_name: String,
    entry: Option<Value>,
    expected: String,
}

/// The shared cases beside the checkout, if they are there.
fn set() -> Option<Set> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/evasions.json");
    let file = std::env::var_os("MCPOLICY_EVASIONS").map_or(shared, PathBuf::from);
    if !file.is_file() {
        mcpolicy_tests::skip("../shared/corpus/evasions.json is not beside this checkout");
        return None;
    }
    Some(serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap())
}

/// The case as an entry of a client; `None` where it is about the form of a file.
fn as_entry(client: &'static str, case: &Case) -> Option<Entry> {
    let value = case.entry.as_ref()?;
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let args: Option<Vec<&str>> = match value.get("args") {
        None => Some(Vec::new()),
        Some(args) => args.as_array()?.iter().map(Value::as_str).collect(),
    };
    let words: Vec<&str> = match (text("command"), text("url")) {
        (Some(command), None) => std::iter::once(command).chain(args?).collect(),
        (None, Some(url)) => vec![url],
        _ => return None,
    };
    let mut out = entry(client, &case.server_name, &words);
    for name in ["env", "headers"] {
        for (name, value) in value.get(name).and_then(Value::as_object).into_iter().flatten() {
            out = with_env(out, name, value.as_str().unwrap_or_default());
        }
    }
    Some(out)
}

/// For tests/native/evasions.py: the policy of the shared cases, the approved servers, and the attempts that start something,
/// each with its words. Written where `MCPOLICY_EVASIONS_TO` says.
#[test]
fn the_attempts_are_written_for_real_clients_where_that_is_asked_for() {
    let (Some(to), Some(set)) = (std::env::var_os("MCPOLICY_EVASIONS_TO"), set()) else { return };
    let document = of_approved(&set.approved);
    let policy = Policy::compile(document.clone()).unwrap();
    let words = |entry: &Entry| -> Vec<String> {
        let words = entry.command.iter().chain(&entry.args).chain(&entry.url);
        words.map(|word| word.expose().to_owned()).collect()
    };
    let mut entries = Vec::new();
    let mut attempts = Vec::new();
    for case in &set.cases {
        let Some(entry) = as_entry("claude-code", case) else { continue };
        let is_allowed = judge(&policy, &entry).is_allowed();
        if case.expected == "allow" && is_allowed {
            entries.push(serde_json::json!({"name": entry.name, "words": words(&entry)}));
        }
        // what is allowed but for its variables or headers is the other layers' to see
        let plain = words(&entry);
        let bare = crate::sample::entry(
            "claude-code",
            &entry.name,
            &plain.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        attempts.push(serde_json::json!({
            "id": case.id, "name": case.server_name, "entry": case.entry, "words": plain, "expected": case.expected,
            "is_plain": judge(&policy, &bare).is_allowed(),
        }));
    }
    let all = serde_json::json!({"policy": document, "entries": entries, "attempts": attempts});
    std::fs::write(to, all.to_string()).unwrap();
}

#[test]
fn no_client_with_exact_forms_starts_an_evasion_that_is_started_otherwise_than_an_approved_server() {
    let Some(set) = set() else { return };
    let policy = Policy::compile(of_approved(&set.approved)).unwrap();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for client in Client::ALL {
        let of = |expected: &str| {
            let cases = set.cases.iter().filter(|case| case.expected == expected);
            cases.filter_map(|case| Some((case.id.clone(), as_entry(client.id(), case)?))).collect::<Vec<_>>()
        };
        let good: Vec<Entry> =
            of("allow").into_iter().map(|(_, e)| e).filter(|e| judge(&policy, e).is_allowed()).collect();
        assert!(good.len() > 3, "the cases hold allowed entries");
        let machine = Machine::new(&policy, &good);
        let outputs = machine.compile(&policy, client).outputs;
        let files: Files = outputs.into_iter().filter_map(|o| Some((o.target.id(), o.bytes?))).collect();
        for (id, bad) in of("deny") {
            let words = bad.command.iter().chain(&bad.args).chain(&bad.url);
            let words: Vec<String> = words.map(|word| word.expose().to_owned()).collect();
            let server = Server { name: bad.name.clone(), is_remote: bad.url.is_some(), words, plugin: None };
            let plain =
                entry(client.id(), &bad.name, &server.words.iter().map(String::as_str).collect::<Vec<_>>());
            let started = started(client, &files, &server);
            let outcome = match &started {
                None => "refused",
                Some(launch) if *launch != server.words => "replaced by the approved server",
                Some(_) if judge(&policy, &plain).is_allowed() => "started as an approved one is",
                Some(_) => "started",
            };
            *counts.entry((client.id(), outcome)).or_default() += 1;
            let is_exact = !matches!(
                client,
                Client::ClaudeDesktop | Client::Cursor | Client::Droid | Client::Opencode | Client::KiloCode
            );
            assert!(!is_exact || outcome != "started", "{id} in {client:?}: {:?}", server.words);
        }
    }
    // the rest has only its variables, headers or file against it, which no client's policy compares
    for client in ["claude-code", "codex", "copilot-cli", "vscode", "amp"] {
        let of = |outcome| counts.get(&(client, outcome)).copied().unwrap_or_default();
        let (refused, as_approved) = (of("refused"), of("started as an approved one is"));
        assert!(refused >= 7 * as_approved && refused > 50, "{client}: {counts:?}");
    }
}

//! Real configuration files against the answers of an independent reader.
//!
//! The folder is named by `MCPOLICY_CORPUS` (default `../shared/corpus`): `index.tsv`, `expected.jsonl`, `files/`.
//! Each disagreement stands in `tests/fixtures/corpus-disagreements.tsv` with the reason why the other reader is wrong.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mcpolicy::discover::source::Source;
use mcpolicy::inventory::{self, State};
use mcpolicy::pipeline::reading_for;
use mcpolicy_schema::entry::{Entry, Inert, NamedValue, Reader};
use mcpolicy_schema::finding::FindingCode;
use mcpolicy_tests::{say, shared, workspace};
use serde_json::Value;

/// The client and the path at which a file of the corpus is read. The corpus has names of its own for clients.
pub(super) fn place(client: &str, path: &str, file: &str, text: &str) -> (&'static str, String) {
    let own = |id| (id, path.split('#').next().unwrap_or_default().to_owned());
    let at = |id, path: &str| (id, path.to_owned());
    match client {
        "amazonq" => at("amazon-q", ".aws/amazonq/mcp.json"),
        "claude_desktop" => at("claude-desktop", "claude_desktop_config.json"),
        "claude_settings" if path.contains("claude.json") => at("claude-code", ".claude.json"),
        "claude_settings" => at("claude-code", ".claude/settings.json"),
        "codex" => at("codex", ".codex/config.toml"),
        "copilot" => at("copilot-cli", "mcp-config.json"),
        "crush" => at("crush", "crush.json"),
        "cursor" => at("cursor", ".cursor/mcp.json"),
        "gemini" => at("gemini-cli", ".gemini/settings.json"),
        "junie" => at("jetbrains-junie", ".junie/mcp/mcp.json"),
        "kiro" => at("kiro", ".kiro/settings/mcp.json"),
        "managed" if file.ends_with(".toml") => at("codex", "requirements.toml"),
        "managed" => at("claude-code", "managed-mcp.json"),
        "mcp_json" | "mcp_json_other" => at("claude-code", ".mcp.json"),
        "opencode" => at("opencode", "opencode.json"),
        "plugin" => at("claude-code", ".claude-plugin/plugin.json"),
        "roo_cline" => at("roo-code", ".roo/mcp.json"),
        "vscode" => at("vscode", ".vscode/mcp.json"),
        "windsurf" => at("windsurf", "mcp_config.json"),
        "yaml" if text.lines().any(|l| l.starts_with("extensions:")) => at("goose", "config.yaml"),
        "yaml" => at("continue", ".continue/config.yaml"),
        "zed" => at("zed", ".config/zed/settings.json"),
        _ => own("unknown-client"),
    }
}

pub(super) fn corpus() -> Option<PathBuf> {
    #[allow(clippy::disallowed_methods, reason = "the test's own parameter")]
    match std::env::var("MCPOLICY_CORPUS") {
        Ok(folder) => Some(PathBuf::from(folder)),
        Err(_) => shared("corpus"),
    }
}

/// Lists disagree files by id, with the reason.
fn disagreements() -> BTreeMap<String, String> {
    let text = read(&workspace().join("tests/fixtures/corpus-disagreements.tsv"));
    let lines = String::from_utf8(text).unwrap();
    let rows = lines.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty());
    rows.map(|l| l.split_once('\t').expect("id<TAB>reason"))
        .map(|(id, why)| (id.to_owned(), why.to_owned()))
        .collect()
}

#[allow(clippy::disallowed_methods, reason = "files of the test itself")]
pub(super) fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn every_file_of_the_corpus_gives_the_entries_that_an_independent_reader_found() {
    let Some(root) = corpus() else { return };
    let listed = disagreements();
    let (mut files, mut entries, mut ignored, mut known) = (0, 0, 0, 0);
    let mut problems = Vec::new();
    for (answer, path) in answers(&root) {
        let id = answer["id"].as_str().unwrap();
        files += 1;
        entries += answer["servers"].as_array().map_or(0, Vec::len);
        ignored += answer["ignored"].as_array().map_or(0, Vec::len);
        let differences = compare(&root, &answer, &path);
        match (differences.is_empty(), listed.get(id)) {
            (true, None) => {}
            (false, Some(_)) => known += 1,
            (true, Some(_)) => problems.push(format!("{id}: listed as a disagreement but agrees")),
            (false, None) => problems.push(format!("{id} ({path}):\n  {}", differences.join("\n  "))),
        }
    }
    say(&format!(
        "corpus: {files} files, {entries} entries, {ignored} under unread keys, {known} known disagreements"
    ));
    assert!(files > 0, "the corpus is empty");
    assert!(problems.is_empty(), "{} of {files} files disagree:\n{}", problems.len(), problems.join("\n"));
}

/// Every entry of the corpus with the id of its file, in the order of the corpus; `None` where it is absent.
pub(crate) fn all_entries() -> Option<Vec<(String, Entry)>> {
    let root = corpus()?;
    let mut entries = Vec::new();
    for (answer, path) in answers(&root) {
        let id = answer["id"].as_str().unwrap();
        let taken = inventory_of(&root, &answer, &path);
        entries.extend(taken.entries.into_iter().map(|entry| (id.to_owned(), entry)));
    }
    Some(entries)
}

fn inventory_of(root: &Path, answer: &Value, path: &str) -> inventory::FileInventory {
    let (source, bytes) = source_of(root, answer, path);
    inventory::take(&source, &bytes)
}

/// A file of the corpus as its client finds it, and its bytes.
pub(super) fn source_of(root: &Path, answer: &Value, path: &str) -> (Source, Vec<u8>) {
    let file = answer["file"].as_str().unwrap();
    let bytes = read(&root.join(file));
    let (client, as_path) =
        place(answer["client"].as_str().unwrap(), path, file, &String::from_utf8_lossy(&bytes));
    let reading = reading_for(client, Path::new(&as_path)).unwrap_or_else(|| panic!("no adapter {client}"));
    (Source::new(PathBuf::from(&as_path), None, reading), bytes)
}

/// Every file of the corpus as the independent reader found it, with the path that it had in its repository.
pub(super) fn answers(root: &Path) -> Vec<(Value, String)> {
    let mut paths = index_of_paths(root);
    let expected = String::from_utf8(read(&root.join("expected.jsonl"))).unwrap();
    let answers = expected.lines().filter(|l| !l.trim().is_empty()).map(|l| serde_json::from_str(l).unwrap());
    answers
        .map(|answer: Value| {
            let path = paths.remove(answer["id"].as_str().unwrap()).expect("each answer has a file");
            (answer, path)
        })
        .collect()
}

pub(super) fn index_of_paths(root: &Path) -> BTreeMap<String, String> {
    let index = String::from_utf8(read(&root.join("index.tsv"))).unwrap();
    let mut lines = index.lines();
    let header: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let column = |name: &str| header.iter().position(|h| *h == name).unwrap();
    let (id, path) = (column("id"), column("path"));
    lines
        .map(|l| l.split('\t').collect::<Vec<_>>())
        .map(|row| (row[id].to_owned(), row[path].to_owned()))
        .collect()
}

/// What differs for one file; empty if nothing does.
fn compare(root: &Path, answer: &Value, path: &str) -> Vec<String> {
    let taken = inventory_of(root, answer, path);
    let mut out = Vec::new();
    // A tolerant client reads on in a damaged file, and so do we; the other reader stops at the first error.
    let damaged = taken.findings.iter().any(|f| f.finding.code == FindingCode::DamagedConfig);
    let failed = damaged || taken.state == State::Unparseable;
    let theirs_failed = !answer["error"].is_null();
    if damaged && theirs_failed {
        return out;
    }
    if failed != theirs_failed {
        let said = taken.findings.iter().map(|f| f.finding.message.as_str()).collect::<Vec<_>>().join("; ");
        out.push(format!("error: theirs {}, ours {:?} {said}", answer["error"], taken.state.as_str()));
    }
    let live = |e: &&Entry| !matches!(e.inert, Some(Inert::KeyNotRead | Inert::Overridden));
    let ours: BTreeMap<String, Value> =
        taken.entries.iter().filter(live).map(|e| (e.key_path.clone(), ours(e))).collect();
    let theirs: BTreeMap<String, Value> = list(answer, "servers").map(|s| (key_path(s), theirs(s))).collect();
    for key in ours.keys().chain(theirs.keys()).collect::<std::collections::BTreeSet<_>>() {
        match (ours.get(key), theirs.get(key)) {
            (Some(a), Some(b)) if same(a, b) => {}
            (a, b) => out.push(format!("{key}:\n    ours   {}\n    theirs {}", show(a), show(b))),
        }
    }
    let ours: Vec<&str> =
        taken.entries.iter().filter(|e| e.inert == Some(Inert::KeyNotRead)).map(|e| &*e.key_path).collect();
    let theirs: Vec<String> = list(answer, "ignored").map(key_path).collect();
    if sorted(ours.iter().copied()) != sorted(theirs.iter().map(String::as_str)) {
        out.push(format!("under unread keys: ours {ours:?}, theirs {theirs:?}"));
    }
    out
}

fn sorted<'a>(items: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut items: Vec<&str> = items.collect();
    items.sort_unstable();
    items
}

pub(super) fn list<'a>(answer: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    answer[member].as_array().map_or(&[][..], Vec::as_slice).iter()
}

pub(super) fn key_path(entry: &Value) -> String {
    entry["key_path"].as_str().unwrap().to_owned()
}

pub(super) fn show(entry: Option<&Value>) -> String {
    entry.map_or_else(|| "absent".to_owned(), Value::to_string)
}

pub(super) fn ours(entry: &Entry) -> Value {
    let names = |values: &[NamedValue]| {
        values.iter().map(|v| v.name.clone()).collect::<std::collections::BTreeSet<_>>()
    };
    serde_json::json!({
        "name": entry.name,
        "transport": entry.transport.as_str(),
        "command": entry.command.as_ref().map(|c| c.expose()),
        "args": entry.args.iter().map(|a| a.expose()).collect::<Vec<_>>(),
        "url": entry.url.as_ref().map(|u| u.expose()),
        "env": names(&entry.env),
        "headers": names(&entry.headers),
        "disabled": entry.disabled,
        "obeyed": obeys(entry),
    })
}

/// Whether whoever loads the entry obeys a switch in it.
fn obeys(entry: &Entry) -> bool {
    let about = |client: &str| mcpolicy_clients::adapters::by_id(client).map(|adapter| adapter.about());
    let sure = |reader: &Reader| about(reader.client).is_some_and(|about| about.sure_switch().is_some());
    !entry.readers.is_empty() && entry.readers.iter().all(sure)
}

pub(super) fn theirs(entry: &Value) -> Value {
    let mut out = entry.clone();
    for extra in ["key_path", "extra", "error"] {
        out.as_object_mut().unwrap().remove(extra);
    }
    out
}

/// Equal but for the transport, where the other reader has words of its own for what is not written, and for the off
/// switch: that one tells what is written, we tell what is obeyed.
pub(super) fn same(ours: &Value, theirs: &Value) -> bool {
    let transport = ours["transport"].as_str().unwrap();
    let fits = match theirs["transport"].as_str().unwrap() {
        "url-untyped" => matches!(transport, "http" | "sse" | "unknown"),
        "none" => transport == "unknown",
        "inline" | "sdk" => transport == "builtin",
        other if other.starts_with("unknown:") => transport == "unknown",
        other => transport == other,
    };
    let mut theirs = theirs.clone();
    theirs["transport"] = ours["transport"].clone();
    let mut ours = ours.clone();
    let is_obeyed = ours.as_object_mut().unwrap().remove("obeyed") == Some(Value::Bool(true));
    if !is_obeyed {
        assert_eq!(ours["disabled"], false, "nobody obeys it: {ours}");
        theirs["disabled"] = Value::Bool(false);
    }
    fits && ours == theirs
}

//! Real configuration files from which each entry is removed in turn: what is left are exactly the others, by our own
//! reading and by that of the independent reader, which reads every edited file anew.
//!
//! `MCPOLICY_CORPUS` names the folder, as in `corpus`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use mcpolicy::discover::source::Source;
use mcpolicy::inventory;
use mcpolicy_clients::codec::{self, decode};
use mcpolicy_clients::edit::{self, Change, Edited, Place};
use mcpolicy_schema::entry::{Entry, Inert};
use mcpolicy_tests::{say, skip, workspace};
use serde_json::{Value, json};

use crate::corpus;

/// One entry of one file, removed.
struct Removal<'a> {
    answer: &'a Value,
    path: &'a str,
    source: &'a Source,
    before: &'a [u8],
    key_path: String,
    edited: Edited,
}

#[test]
fn removing_each_entry_leaves_the_others() {
    let Some(root) = corpus::corpus() else { return };
    let answers = corpus::answers(&root);
    let sources: Vec<(Source, Vec<u8>)> =
        answers.iter().map(|(answer, path)| corpus::source_of(&root, answer, path)).collect();
    let mut removals = Vec::new();
    let mut unfaithful = BTreeSet::new();
    for ((answer, path), (source, before)) in answers.iter().zip(&sources) {
        // a file that neither reader understands has no entries to remove
        if !answer["error"].is_null() {
            continue;
        }
        for key_path in key_paths(answer) {
            match remove(source, before, &key_path) {
                Ok(edited) => removals.push(Removal { answer, path, source, before, key_path, edited }),
                Err(why) => drop(unfaithful.insert(format!("{}\t{key_path}\t{why}", text(answer, "id")))),
            }
        }
    }
    let mut problems: Vec<String> = removals.iter().filter_map(|r| problem(r).err()).collect();
    let again = by_the_independent_reader(&root, &removals, &mut problems);
    say(&format!(
        "{} entries of {} files removed one by one, {again} of the results read by the independent reader, {} not faithfully",
        removals.len(),
        answers.len(),
        unfaithful.len()
    ));
    assert!(!removals.is_empty(), "the corpus has no entries");
    assert!(problems.is_empty(), "{} of {}:\n{}", problems.len(), removals.len(), problems.join("\n"));
    assert_eq!(
        unfaithful,
        listed_as_unfaithful(),
        "what cannot be edited faithfully is listed, with the reason"
    );
}

/// Every place of an entry that the independent reader names, read by the client or not.
fn key_paths(answer: &Value) -> BTreeSet<String> {
    corpus::list(answer, "servers").chain(corpus::list(answer, "ignored")).map(corpus::key_path).collect()
}

/// Takes out whatever stands at a key path: of duplicates all, or the one before would come to life.
fn remove(source: &Source, bytes: &[u8], key_path: &str) -> Result<Edited, String> {
    let found = inventory::take(source, bytes).entries.into_iter().filter(|entry| entry.key_path == key_path);
    let changes: Vec<Change> = found.map(|entry| Change::Remove(place(&entry))).collect();
    assert!(!changes.is_empty(), "{key_path} was not found in {}", source.path.display());
    edit::apply(inventory::format_of(source), &source.path.to_string_lossy(), bytes, &changes)
        .map_err(|why| why.to_string())
}

fn place(entry: &Entry) -> Place {
    Place { key_path: entry.key_path.clone(), span: entry.span.clone() }
}

/// What is wrong with a result by our own reading.
fn problem(removal: &Removal<'_>) -> Result<(), String> {
    let Removal { answer, source, before, key_path, edited, .. } = removal;
    let say = |what: String| Err(format!("{} {key_path}: {what}", text(answer, "id")));
    if !is_only_cut(before, edited, key_path) {
        return say("bytes outside of the removed ranges differ".to_owned());
    }
    let (old, new) = (inventory::take(source, before), inventory::take(source, &edited.bytes));
    let kept: Vec<&Entry> = old.entries.iter().filter(|entry| entry.key_path != *key_path).collect();
    if kept.len() != new.entries.len() {
        return say(format!("{} entries are left, not {}", new.entries.len(), kept.len()));
    }
    for (was, is) in kept.iter().zip(&new.entries) {
        if before[was.span.clone()] != edited.bytes[is.span.clone()] {
            return say(format!("the text of {} changed", was.key_path));
        }
    }
    let live = |entry: &&Entry| !matches!(entry.inert, Some(Inert::KeyNotRead | Inert::Overridden));
    let ours: Vec<&Entry> = new.entries.iter().filter(live).collect();
    let theirs = others(removal, "servers");
    let same = |(ours, theirs): (&&Entry, &Value)| {
        ours.key_path == corpus::key_path(theirs)
            && corpus::same(&corpus::ours(ours), &corpus::theirs(theirs))
    };
    let (mut ours, mut theirs) = (ours, theirs);
    ours.sort_by(|a, b| a.key_path.cmp(&b.key_path));
    theirs.sort_by_key(corpus::key_path);
    if ours.len() != theirs.len() || !ours.iter().zip(&theirs).all(same) {
        return say(format!("other entries are left than {theirs:?}"));
    }
    Ok(())
}

/// Whether the result is the original without the cut ranges, and nothing else is written but a table that stays, empty,
/// where its only entry went: an empty map or list in YAML, its header in TOML.
fn is_only_cut(before: &[u8], edited: &Edited, key_path: &str) -> bool {
    let table = key_path.rsplit_once('/').map_or("", |(table, _)| table);
    let header = format!("[{}]", table.trim_start_matches('/').replace('/', "."));
    let mut expected = before.to_vec();
    for splice in edited.splices.iter().rev() {
        let written = splice.text.trim_ascii();
        if !(matches!(written, b"" | b"{}" | b"[]") || written == header.as_bytes()) {
            return false;
        }
        expected.splice(splice.range.clone(), splice.text.iter().copied());
    }
    expected == edited.bytes
}

/// The entries of an answer but the removed one. Items of a list behind it have moved up.
fn others(removal: &Removal<'_>, member: &str) -> Vec<Value> {
    let removed = &removal.key_path;
    let others =
        corpus::list(removal.answer, member).filter(|entry| corpus::key_path(entry) != *removed).cloned();
    let (table, last) = removed.rsplit_once('/').expect("a pointer to an entry");
    if !is_list(removal, table) {
        return others.collect();
    }
    let at = last.parse().expect("an item of a list");
    others.map(|entry| moved_up(entry, table, at)).collect()
}

fn is_list(removal: &Removal<'_>, table: &str) -> bool {
    let decoded = decode::decode(removal.before).unwrap();
    let source = removal.source;
    let parsed =
        codec::parse(inventory::format_of(source), &source.path.to_string_lossy(), &decoded.text).unwrap();
    parsed.root.pointer(table).is_some_and(|table| !table.items().is_empty())
}

fn moved_up(mut entry: Value, table: &str, removed: usize) -> Value {
    let key_path = corpus::key_path(&entry);
    let Some(rest) = key_path.strip_prefix(table).and_then(|rest| rest.strip_prefix('/')) else {
        return entry;
    };
    let (index, below) = rest.split_once('/').map_or((rest, ""), |(index, _)| (index, &rest[index.len()..]));
    let index: usize = index.parse().expect("an item of a list");
    if index > removed {
        entry["key_path"] = json!(format!("{table}/{}{below}", index - 1));
        // an item without a name is called by its place
        if entry["name"] == json!(index.to_string()) {
            entry["name"] = json!((index - 1).to_string());
        }
    }
    entry
}

/// Has every result read by the independent reader, and compares with what it found in the original. Returns how many.
fn by_the_independent_reader(root: &Path, removals: &[Removal<'_>], problems: &mut Vec<String>) -> usize {
    let folder = tempfile::tempdir().unwrap();
    write_as_corpus(folder.path(), removals);
    let Some(has_yaml) = run_the_independent_reader(&root.join("oracle.py"), folder.path()) else { return 0 };
    let answers = String::from_utf8(corpus::read(&folder.path().join("expected.jsonl"))).unwrap();
    let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), removals.len(), "one answer for each file");
    let mut read = 0;
    for (removal, answer) in removals.iter().zip(&answers) {
        if removal.answer["client"] == "yaml" && !has_yaml {
            continue;
        }
        read += 1;
        let old = removal.answer;
        for member in ["servers", "ignored"] {
            let expected = others(removal, member);
            if answer[member] != json!(expected) {
                let (id, key_path) = (text(old, "id"), &removal.key_path);
                problems.push(format!(
                    "{id} {key_path}: the independent reader finds other {member}:\n    {}\n    {}\n    {}",
                    answer[member],
                    json!(expected),
                    answer["error"]
                ));
            }
        }
        if settings(answer) != settings(old) {
            problems.push(format!("{} {}: settings changed", text(old, "id"), removal.key_path));
        }
    }
    read
}

/// Settings of the file. That it is a map of nothing but servers cannot be seen any more when it is empty.
fn settings(answer: &Value) -> Value {
    let mut settings = answer["policy"].clone();
    settings.as_object_mut().unwrap().remove("bare_map");
    settings
}

/// The results as a corpus of their own.
fn write_as_corpus(folder: &Path, removals: &[Removal<'_>]) {
    let mut index = "id\tclient\trepo\tpath\tcommit\tbytes\tsha256\tnotes\tfile\n".to_owned();
    for (at, removal) in removals.iter().enumerate() {
        let original = text(removal.answer, "file");
        let ending = original.rsplit('.').next().unwrap();
        let (client, path) = (text(removal.answer, "client"), removal.path);
        let file = format!("{at}.{ending}");
        index.push_str(&format!("{at}\t{client}\t-\t{path}\t-\t0\t-\t-\t{file}\n"));
        std::fs::write(folder.join(file), &removal.edited.bytes).unwrap();
    }
    std::fs::write(folder.join("index.tsv"), index).unwrap();
}

/// Runs it over a corpus, and says whether it had a reader for YAML: that is a package, without which it reads the rest.
fn run_the_independent_reader(oracle: &Path, folder: &Path) -> Option<bool> {
    const DRIVER: &str = "
import sys, types
try:
    import ruamel.yaml
    yaml = True
except ImportError:
    yaml = False
    sys.modules['ruamel'] = types.ModuleType('ruamel')
    sys.modules['ruamel.yaml'] = stand_in = types.ModuleType('ruamel.yaml')
    stand_in.YAML = None
import importlib.util
spec = importlib.util.spec_from_file_location('oracle', sys.argv[1])
oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)
oracle.main(sys.argv[2])
print('yaml' if yaml else 'no yaml')
";
    let run = Command::new("python3").args(["-B", "-c", DRIVER]).arg(oracle).arg(folder).output();
    let Ok(run) = run else {
        skip("the independent reader needs python3");
        return None;
    };
    let said = String::from_utf8_lossy(&run.stderr);
    if said.contains("No module named 'tomllib'") {
        skip("the independent reader needs Python 3.11");
        return None;
    }
    assert!(run.status.success(), "the independent reader failed: {said}");
    let has_yaml = run.stdout.starts_with(b"yaml");
    if !has_yaml {
        say(
            "the independent reader has no ruamel.yaml here: YAML files are compared by our own reading only",
        );
    }
    Some(has_yaml)
}

/// Entries that cannot be removed faithfully: the whole file goes.
fn listed_as_unfaithful() -> BTreeSet<String> {
    let text = corpus::read(&workspace().join("tests/fixtures/corpus-unfaithful.tsv"));
    let text = String::from_utf8(text).unwrap();
    text.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty()).map(str::to_owned).collect()
}

fn text<'a>(answer: &'a Value, member: &str) -> &'a str {
    answer[member].as_str().unwrap()
}

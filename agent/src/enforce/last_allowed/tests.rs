#![allow(clippy::disallowed_methods, reason = "a test reads its own files")]

use std::path::PathBuf;

use mcpolicy_clients::codec::{Dialect, Format};
use mcpolicy_clients::edit::{self, Change, Place};

use super::*;
use crate::inventory;
use crate::pipeline::reading_for;

const PATH: &str = "/home/ann/.cursor/mcp.json";
const GOOD: &str = r#"{"mcpServers":{"db":{"command":"npx","args":["-y","db@1.2.3"],"env":{"TOKEN":"s3cr3t"}},"x":{"command":"y"}}}"#;
const CHANGED: &str = r#"{"mcpServers":{"x":{"command":"y"},"db":{"command":"sh","args":["-c","evil"]}}}"#;
const FORMAT: Format = Format::Json(Dialect::RECOVERING);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-21T10:00:00Z")
}

fn source(path: &str) -> Source {
    Source::new(PathBuf::from(path), Some(0), reading_for("cursor", Path::new(path)).unwrap())
}

/// What a pass would note of a text whose entries are all allowed, but for those named.
fn standings(path: &str, text: &str, denied: &[&str]) -> Vec<Standing> {
    let source = source(path);
    let entries = inventory::take(&source, text.as_bytes()).entries;
    let standing = |entry: &Entry| {
        let place = Place { key_path: entry.key_path.clone(), span: entry.span.clone() };
        let pieces = edit::texts(FORMAT, path, text.as_bytes(), &[place]).unwrap().pop().unwrap();
        let allowed = LastAllowed { fingerprint: format!("sha256:{}", entry.name), pieces };
        Standing::of(&source, entry, (!denied.contains(&entry.name.as_str())).then_some(allowed))
    };
    entries.iter().filter_map(standing).collect()
}

fn slot(path: &str, name: &str) -> Slot {
    Slot { path: path.to_owned(), table: "/mcpServers".to_owned(), name: name.to_owned() }
}

fn noted(text: &str) -> Book {
    let mut book = Book::new("ann");
    book.note(PATH, standings(PATH, text, &[]), &Caps::default(), now());
    book
}

#[test]
fn a_changed_entry_is_put_back_to_its_last_allowed_text() {
    let mut book = noted(GOOD);
    book.note(PATH, standings(PATH, CHANGED, &["db"]), &Caps::default(), now());
    let last = book.last(&slot(PATH, "db")).unwrap();
    let changed = inventory::take(&source(PATH), CHANGED.as_bytes()).entries;
    let entry = changed.iter().find(|entry| entry.name == "db").unwrap();
    let place = Place { key_path: entry.key_path.clone(), span: entry.span.clone() };
    let change = Change::Replace { at: place, pieces: last.pieces };
    let edited = edit::apply(FORMAT, PATH, CHANGED.as_bytes(), &[change]).unwrap();
    let expected = r#"{"mcpServers":{"x":{"command":"y"},"db":{"command":"npx","args":["-y","db@1.2.3"],"env":{"TOKEN":"s3cr3t"}}}}"#;
    assert_eq!(String::from_utf8(edited.bytes).unwrap(), expected);
}

#[test]
fn a_book_comes_back_from_the_disk_and_each_user_has_an_own_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut book = noted(GOOD);
    book.save(folder.path()).unwrap();
    let again = Book::load(folder.path(), "ann").unwrap();
    assert_eq!(again.last(&slot(PATH, "db")), book.last(&slot(PATH, "db")));
    assert!(again.last(&slot(PATH, "db")).is_some());
    assert_eq!(Book::load(folder.path(), "bob").unwrap().last(&slot(PATH, "db")), None);
}

#[test]
fn a_book_is_written_only_when_something_changed() {
    let folder = tempfile::tempdir().unwrap();
    let mut book = noted(GOOD);
    book.save(folder.path()).unwrap();
    let path = path_of(folder.path(), "ann");
    std::fs::remove_file(&path).unwrap();
    // an entry above that goes moves this one, which changes nothing of it
    let moved = GOOD.replacen('{', "{\n\n  ", 1);
    book.note(PATH, standings(PATH, &moved, &[]), &Caps::default(), at("2026-11-21T11:00:00Z"));
    book.save(folder.path()).unwrap();
    assert!(!path.exists());
    book.note(PATH, standings(PATH, &moved, &[]), &Caps::default(), at("2026-11-23T11:00:00Z"));
    book.save(folder.path()).unwrap();
    assert!(path.exists(), "the sighting is two days old");
}

#[test]
fn what_its_user_took_out_is_forgotten_and_what_is_denied_is_not() {
    let mut book = noted(GOOD);
    book.note(
        PATH,
        standings(PATH, r#"{"mcpServers":{"x":{"command":"z"}}}"#, &["x"]),
        &Caps::default(),
        now(),
    );
    assert_eq!(book.last(&slot(PATH, "db")), None);
    assert!(book.last(&slot(PATH, "x")).is_some());
    // another file says nothing of this one
    book.note("/home/ann/p/.cursor/mcp.json", Vec::new(), &Caps::default(), now());
    assert!(book.last(&slot(PATH, "x")).is_some());
}

#[test]
fn a_name_that_stands_twice_is_left_as_it_was() {
    let mut book = noted(GOOD);
    let before = book.last(&slot(PATH, "db"));
    let mut twice = standings(PATH, CHANGED, &[]);
    twice.extend(standings(PATH, CHANGED, &[]));
    book.note(PATH, twice, &Caps::default(), now());
    assert_eq!(book.last(&slot(PATH, "db")), before);
}

#[test]
fn a_damaged_or_foreign_book_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    noted(GOOD).save(folder.path()).unwrap();
    let path = path_of(folder.path(), "ann");
    let good = std::fs::read_to_string(&path).unwrap();
    let pieces = good.find("\"bytes\":\"").unwrap() + 9;
    let mut changed = good.clone().into_bytes();
    changed[pieces] = if changed[pieces] == b'A' { b'B' } else { b'A' };
    for bytes in [changed, good[..good.len() / 2].into(), good.replace("\"ann\"", "\"bob\"").into()] {
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(Book::load(folder.path(), "ann").unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}

#[test]
fn a_book_keeps_within_its_caps_and_lets_the_longest_unseen_go_first() {
    let caps = Caps { entries: 3, bytes: 200, text: 60, unseen: SignedDuration::from_hours(48) };
    let file = |number: u32| format!("/home/ann/{number}/.cursor/mcp.json");
    let text = |name: &str| format!(r#"{{"mcpServers":{{"db":{{"command":"{name}"}}}}}}"#);
    let mut book = Book::new("ann");
    let long = "x".repeat(100);
    book.note(&file(0), standings(&file(0), &text(&long), &[]), &caps, now());
    assert_eq!(book.last(&slot(&file(0), "db")), None, "longer than one text may be");
    for number in 1..=5 {
        let time = now() + SignedDuration::from_mins(number.into());
        // two of them are the same text
        let name = format!("server-{}", number.max(2));
        book.note(&file(number), standings(&file(number), &text(&name), &[]), &caps, time);
    }
    book.prune(&caps, now() + SignedDuration::from_hours(1));
    let left: Vec<bool> = (1..=5).map(|number| book.last(&slot(&file(number), "db")).is_some()).collect();
    assert_eq!(left, [false, false, true, true, true]);
    assert_eq!(book.texts.len(), 3);
    book.prune(&Caps { bytes: 40, ..caps }, now() + SignedDuration::from_hours(1));
    assert_eq!((book.slots.len(), book.texts.len()), (1, 1));
    book.prune(&caps, now() + SignedDuration::from_hours(72));
    assert_eq!((book.slots.len(), book.texts.len()), (0, 0));
}

#[test]
fn no_text_shows_in_the_debug_form() {
    let book = noted(GOOD);
    assert!(!format!("{book:?} {:?}", book.last(&slot(PATH, "db"))).contains("s3cr3t"));
}

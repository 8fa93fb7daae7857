//! Parts of a file that holds its client's own state: it never goes as a whole, so that what is too much at once is told,
//! and taken out, part by part.
//!
//! Attack: one name of five megabytes, or 20,001 short ones, in `~/.claude.json`. What cannot be told apart cannot be
//! taken out, and every server of the file that matters most goes on.

use std::collections::{BTreeMap, BTreeSet};

use mcpolicy_clients::edit::Change;
use mcpolicy_schema::entry::Entry;
use serde::{Deserialize, Serialize};

use super::{Held, shed};
use crate::discover::source::Source;
use crate::inventory;
use crate::vault::digest_of;

/// Longest name or place that is told as it is, in bytes. No client is of any use with a thousandth of it.
const MAX_TEXT: usize = 64 << 10;
/// What is told of a longer one before its digest, in bytes.
const PREFIX: usize = 64;

/// Entries of a file in the order of its text: from one on, and at most so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The first.
    pub from: usize,
    /// How many.
    pub most: usize,
}

impl Part {
    /// All of them.
    pub const ALL: Self = Self { from: 0, most: usize::MAX };
    /// None of those that the file has: of a draft only those that the file does not have as they are there.
    pub const DIFFERING: Self = Self { from: usize::MAX, most: 0 };
}

/// Places by what is told of them, of those that are told by their digest.
pub(super) type Long = BTreeMap<String, String>;

/// Whether a file holds its client's own state: it never goes as a whole.
pub fn is_state(source: &Source) -> bool {
    source.readings.iter().any(|reading| reading.location.state)
}

/// All that such a file holds, its long names by their digests.
pub(super) fn all(source: &Source, bytes: &[u8]) -> (Held, Long) {
    let taken = inventory::take(source, bytes);
    let mut entries = taken.entries;
    let mut long = Long::new();
    for entry in &mut entries {
        if let Some(told) = told(&entry.name) {
            entry.name = told;
        }
        if let Some(told) = told(&entry.key_path) {
            let whole = std::mem::replace(&mut entry.key_path, told.clone());
            long.insert(told, whole);
        }
    }
    (Held { state: taken.state.as_str(), entries, findings: taken.findings, rest: 0 }, long)
}

/// What is told of a text that is longer than is kept.
fn told(text: &str) -> Option<String> {
    if text.len() <= MAX_TEXT {
        return None;
    }
    let mut end = PREFIX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Some(format!("{}… ({} bytes, sha256 {})", &text[..end], text.len(), digest_of(text.as_bytes())))
}

/// One part of it, no larger than is told at once.
pub(super) fn of(mut held: Held, part: Part) -> Held {
    let mut entries = held.entries.split_off(part.from.min(held.entries.len()));
    let most = part.most.min(shed::MAX_SERVERS_OF_FILE);
    let mut names = 0;
    let fit = entries.iter().take(most).take_while(|entry| {
        names += entry.name.len() + entry.key_path.len();
        names <= shed::MAX_NAMES
    });
    let fit = fit.count().max(1).min(entries.len());
    held.rest = entries.len() - fit;
    entries.truncate(fit);
    Held { entries, ..held }
}

/// The same part of what an edit of it left: from the same entry on, with as many after it as before the edit.
pub(super) fn after(mut held: Held, from: usize, rest: usize) -> Held {
    let end = held.entries.len().saturating_sub(rest);
    held.entries.truncate(end);
    held.entries.drain(..from.min(end));
    Held { rest, ..held }
}

/// What of it a file does not have in the same words at the same place.
///
/// A file may hold more than is told at once before anything comes back to it, and what comes back stands in the middle.
pub(super) fn differing(mut held: Held, bytes: &[u8], before: &Held, before_bytes: &[u8]) -> Held {
    let words = |entry: &Entry, bytes: &[u8]| digest_of(bytes.get(entry.span.clone()).unwrap_or_default());
    let known: BTreeSet<(&str, String)> =
        before.entries.iter().map(|entry| (&*entry.key_path, words(entry, before_bytes))).collect();
    held.entries.retain(|entry| !known.contains(&(&*entry.key_path, words(entry, bytes))));
    held
}

/// A change with the places that the text has.
pub(super) fn placed(mut change: Change, long: &Long) -> Change {
    if let Change::Remove(at)
    | Change::Replace { at, .. }
    | Change::SetText { at, .. }
    | Change::SetFlag { at, .. } = &mut change
        && let Some(whole) = long.get(&at.key_path)
    {
        at.key_path.clone_from(whole);
    }
    change
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::pipeline::reading_for;

    fn source() -> Source {
        let path = Path::new("/home/ann/.claude.json");
        Source::new(path.to_owned(), Some(0), reading_for("claude-code", path).unwrap())
    }

    fn text(names: &[String]) -> String {
        let entry = |name: &String| format!("\"{name}\":{{\"command\":\"x\"}}");
        format!("{{\"mcpServers\":{{{}}}}}", names.iter().map(entry).collect::<Vec<_>>().join(","))
    }

    fn names(held: &Held) -> Vec<&str> {
        held.entries.iter().map(|entry| &*entry.name).collect()
    }

    #[test]
    fn parts_are_whole_together_and_one_is_told_after_its_edit() {
        let all_names: Vec<String> = (0..10).map(|n| format!("s{n}")).collect();
        let held = |names: &[String]| all(&source(), text(names).as_bytes()).0;
        let part = |from, most| of(held(&all_names), Part { from, most });
        assert!(is_state(&source()));
        assert_eq!((names(&part(0, 4)), part(0, 4).rest), (vec!["s0", "s1", "s2", "s3"], 6));
        assert_eq!((names(&part(8, 4)), part(8, 4).rest), (vec!["s8", "s9"], 0));
        assert_eq!((names(&part(0, usize::MAX)).len(), part(12, 4).entries.len()), (10, 0));
        // s5 was taken out of the part that begins with s4
        let left: Vec<String> = all_names.iter().filter(|name| *name != "s5").cloned().collect();
        let seen = after(held(&left), 4, part(4, 4).rest);
        assert_eq!((names(&seen), seen.rest), (vec!["s4", "s6", "s7"], 2));
    }

    #[test]
    fn of_a_draft_only_that_is_told_which_the_file_does_not_have() {
        let texts = ["a", "b", "c"].map(|last| {
            let names: Vec<String> = ["s", "t", last].map(str::to_owned).to_vec();
            text(&names)
        });
        let held = |text: &str| all(&source(), text.as_bytes()).0;
        let told = |before: &str, after: &str| {
            let both = differing(held(after), after.as_bytes(), &held(before), before.as_bytes());
            names(&both).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(told(&texts[0], &texts[1]), ["b"]);
        assert!(told(&texts[0], &texts[0]).is_empty());
        let changed = texts[0].replacen("\"x\"", "\"y\"", 1);
        assert_eq!(told(&texts[0], &changed), ["s"]);
    }

    #[test]
    fn a_name_that_is_too_long_is_told_by_its_digest_and_found_by_it() {
        let long = format!("~{}", "n".repeat(MAX_TEXT));
        let (held, places) = all(&source(), text(&["a".to_owned(), long.clone()]).as_bytes());
        let entry = &held.entries[1];
        assert!(entry.name.len() < 200 && entry.key_path.len() < 200 && entry.name.starts_with("~nnn"));
        let at = mcpolicy_clients::edit::Place { key_path: entry.key_path.clone(), span: entry.span.clone() };
        let Change::Remove(at) = placed(Change::Remove(at), &places) else { panic!("a removal") };
        assert_eq!(at.key_path, format!("/mcpServers/~0{}", &long[1..]));
    }

    #[test]
    fn a_part_of_long_names_holds_few_and_at_the_least_one() {
        let many: Vec<String> = (0..200).map(|n| format!("{n:03}{}", "n".repeat(MAX_TEXT - 100))).collect();
        let part = of(all(&source(), text(&many).as_bytes()).0, Part::ALL);
        assert!((1..64).contains(&part.entries.len()), "{}", part.entries.len());
        assert_eq!(part.entries.len() + part.rest, 200);
    }
}

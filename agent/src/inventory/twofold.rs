//! A file that says one thing to readers that end a line at a character, and another to those that do not.

use std::collections::BTreeSet;

use mcpolicy_schema::contradiction;
use mcpolicy_schema::entry::{Entry, Position};
use mcpolicy_schema::finding::{Finding, FindingCode, Severity};

use super::{FileFinding, FileInventory, State};

/// What either reading finds. Where they differ no entry of the file has one meaning, and that is told.
pub(super) fn both(first: FileInventory, second: FileInventory, position: Position) -> FileInventory {
    let is_one = first.state == second.state
        && first.entries.len() == second.entries.len()
        && first.entries.iter().zip(&second.entries).all(|(one, other)| is_same(one, other));
    if is_one { with_settings(first, second) } else { differing(first, second, position) }
}

fn differing(first: FileInventory, second: FileInventory, position: Position) -> FileInventory {
    let mut out = first;
    let known: BTreeSet<(usize, String)> = out.entries.iter().map(place).collect();
    let (entries, second) = (second.entries, FileInventory { entries: Vec::new(), ..second });
    out.entries.extend(entries.into_iter().filter(|entry| !known.contains(&place(entry))));
    out.entries.sort_by_key(|entry| entry.span.start);
    for entry in &mut out.entries {
        entry.malformed = Some(contradiction::LINE_BREAKS);
    }
    let message = "a character ends a line for some readers only (U+0085, U+2028, U+2029, a CR by itself) and makes another file of it";
    let finding = Finding::new(FindingCode::DamagedConfig, message).weighing(Severity::High);
    out.findings.push(FileFinding { finding, position });
    with_settings(out, second)
}

/// What the second reading finds beside entries.
fn with_settings(mut first: FileInventory, second: FileInventory) -> FileInventory {
    if second.state == State::Unparseable {
        return first;
    }
    let told: BTreeSet<String> = first.findings.iter().map(|found| found.finding.message.clone()).collect();
    let new = |found: &FileFinding| !told.contains(&found.finding.message);
    first.findings.extend(second.findings.into_iter().filter(new));
    first.leads.extend(second.leads);
    first.environment.extend(second.environment);
    first
}

fn place(entry: &Entry) -> (usize, String) {
    (entry.span.start, entry.key_path.clone())
}

/// Whether two readings have one server here, live for the same clients.
fn is_same(one: &Entry, other: &Entry) -> bool {
    let launch = one.command == other.command && one.args == other.args && one.url == other.url;
    let given = one.env == other.env && one.headers == other.headers && one.cwd == other.cwd;
    let rest = one.members == other.members && one.malformed == other.malformed;
    let live = one.readers == other.readers && one.disabled == other.disabled && one.inert == other.inert;
    place(one) == place(other) && one.name == other.name && launch && given && rest && live
}

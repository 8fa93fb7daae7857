//! What a client keeps about an entry in files other than the entry's own: approvals, and off switches of the user.
//!
//! Which files these are, and what in them is about an entry, each adapter says; here is what they say it with, and how
//! a switch is set and read back. Nothing here touches a file.

use std::collections::BTreeMap;

use mcpolicy_schema::entry::{ClientId, Entry, Scope};

use crate::adapter::ClientAdapter;
use crate::codec::{self, Dialect, Format, Parsed, decode};
use crate::edit::{self, Change, Piece, Unfaithful};
use crate::node::{Node, escape};

/// A declaration as other files of its client name it.
#[derive(Debug, Clone, Copy)]
pub struct Declared<'a> {
    /// The name under which the client lists it.
    pub name: &'a str,
    /// Its scope.
    pub scope: Scope,
    /// JSON Pointer of the entry in its own file.
    pub key_path: &'a str,
    /// The checkout or folder that a project's file belongs to: an absolute path without links.
    pub project: Option<&'a str>,
    /// The root of the Git work tree that the project lies in, without links.
    pub checkout: Option<&'a str>,
    /// The main work tree of its repository; linked work trees share it, for any other it is the same.
    pub repository: Option<&'a str>,
}

impl<'a> Declared<'a> {
    /// An entry outside of any project.
    pub fn of(entry: &'a Entry) -> Self {
        let (name, scope, key_path) = (&*entry.name, entry.scope, &*entry.key_path);
        Self { name, scope, key_path, project: None, checkout: None, repository: None }
    }

    /// The Git root of the project, or the project itself outside of Git.
    pub fn project_root(&self) -> Option<&'a str> {
        self.checkout.or(self.project)
    }
}

/// A file in which a client keeps something about entries of other files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeps {
    /// Its path, as a template like those of locations; `*` stands for any one component.
    pub path: String,
    /// How the client reads it.
    pub format: Format,
}

impl Keeps {
    /// JSON of a dialect.
    pub fn json(path: impl Into<String>, dialect: Dialect) -> Self {
        Self { path: path.into(), format: Format::Json(dialect) }
    }

    /// Whether it lies in the project, where Git may own it.
    pub fn in_project(&self) -> bool {
        self.path.starts_with("<project>/")
    }
}

/// How it is known that a switch holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// The client was run.
    Tested,
    /// Its code was read.
    Read,
    /// It holds for entries of another kind; for these nobody has looked. Nothing may rest on it.
    Inferred,
}

/// A client's own switch, outside of the entry's file, by which a user switches one entry off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffSwitch {
    /// The client.
    pub client: ClientId,
    /// The file that holds it.
    pub keeps: Keeps,
    /// The file with nothing in it, for a user who has none; `None` if a file that is not there needs no switch.
    pub empty: Option<&'static str>,
    /// The client takes a file without a text for that, too.
    pub takes_blank: bool,
    /// How it is known that it holds.
    pub evidence: Evidence,
}

/// Why a switch cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSwitch {
    /// The file cannot be edited faithfully.
    #[error("the file of the off switch cannot be edited: {0}")]
    Unfaithful(#[from] Unfaithful),
    /// The client would not take the file as it is, so that no switch in it holds.
    #[error("the client would not read the file of the off switch")]
    NotRead,
    /// It was set and does not read as set.
    #[error("the off switch does not hold in this file")]
    DoesNotHold,
}

/// The bytes of a switch's file with the switch set; `None` if it is set already. `bytes` are those of a file that is
/// there.
///
/// # Errors
/// Why no switch in this file holds.
pub fn switched_off(
    adapter: &dyn ClientAdapter,
    switch: &OffSwitch,
    declared: &Declared<'_>,
    bytes: Option<&[u8]>,
) -> Result<Option<Vec<u8>>, NoSwitch> {
    let is_blank = |bytes: &[u8]| switch.takes_blank && bytes.trim_ascii().is_empty();
    let written = bytes.filter(|bytes| !is_blank(bytes));
    let Some(bytes) = written.or(switch.empty.map(str::as_bytes)) else { return Ok(None) };
    let format = switch.keeps.format;
    let changes = reading(format, bytes, |parsed| {
        let is_off = adapter.is_off(declared, &switch.keeps, &parsed.root);
        (!is_off).then(|| adapter.switch_off(declared, &switch.keeps, parsed))
    })
    .ok_or(NoSwitch::NotRead)?;
    let Some(changes) = changes else { return Ok(None) };
    let edited = edit::apply(format, "", bytes, &changes)?.bytes;
    if is_off(adapter, &switch.keeps, declared, &edited) {
        Ok(Some(edited))
    } else {
        Err(NoSwitch::DoesNotHold)
    }
}

/// The bytes of a switch's file with the switch taken back, where it is set only in part, too; `None` if nothing of it
/// is set.
///
/// # Errors
/// Why it cannot be taken back in this file.
pub fn switched_on(
    adapter: &dyn ClientAdapter,
    switch: &OffSwitch,
    declared: &Declared<'_>,
    bytes: &[u8],
) -> Result<Option<Vec<u8>>, NoSwitch> {
    let format = switch.keeps.format;
    let way_back = |bytes: &[u8]| {
        let take = |parsed: &Parsed<'_>| adapter.switch_on(declared, &switch.keeps, parsed);
        reading(format, bytes, take).ok_or(NoSwitch::NotRead)
    };
    let changes = way_back(bytes)?;
    if changes.is_empty() {
        return Ok(None);
    }
    let edited = edit::apply(format, "", bytes, &changes)?.bytes;
    if way_back(&edited)?.is_empty() { Ok(Some(edited)) } else { Err(NoSwitch::DoesNotHold) }
}

/// Whether a switch is set in the bytes of its file, as the client reads them.
pub fn is_off(adapter: &dyn ClientAdapter, keeps: &Keeps, declared: &Declared<'_>, bytes: &[u8]) -> bool {
    reading(keeps.format, bytes, |parsed| adapter.is_off(declared, keeps, &parsed.root)).unwrap_or(false)
}

/// The changes that take removed entries' approvals out of one of the files that keep them, each with the index of its
/// entry; none if there are none, or if the client would not read the file anyway.
pub fn approvals(
    adapter: &dyn ClientAdapter,
    keeps: &Keeps,
    declared: &[Declared<'_>],
    bytes: &[u8],
) -> Vec<(usize, Change)> {
    reading(keeps.format, bytes, |parsed| adapter.approvals(declared, &parsed.root)).unwrap_or_default()
}

/// What is made of a file that its client reads without complaint.
fn reading<T>(format: Format, bytes: &[u8], take: impl FnOnce(&Parsed<'_>) -> T) -> Option<T> {
    let decoded = decode::decode(bytes).ok()?;
    let mut parsed = codec::parse(format, "", &decoded.text).ok().filter(|parsed| parsed.damage.is_none())?;
    parsed.leniencies.bom |= decoded.leniencies.bom;
    parsed.leniencies.utf16 |= decoded.leniencies.utf16;
    let is_read = match format {
        Format::Json(dialect) => dialect.refusal(parsed.leniencies).is_none(),
        _ => true,
    };
    is_read.then(|| take(&parsed))
}

/// Takes those strings out of a list for which there is a declaration, by its index.
pub(crate) fn items_of(
    root: &Node<'_>,
    list: &str,
    whose: impl Fn(&str) -> Option<usize>,
) -> Vec<(usize, Change)> {
    let items = every(root, list).flat_map(|node| node.items()).filter_map(Node::as_str);
    let values: BTreeMap<&str, usize> = items.filter_map(|item| Some((item, whose(item)?))).collect();
    let change = |value: &str| Change::RemoveItem { list: list.to_owned(), value: value.to_owned() };
    values.into_iter().map(|(value, at)| (at, change(value))).collect()
}

/// Takes a member out, if it is there.
pub(crate) fn member(root: &Node<'_>, pointer: &str) -> Vec<Change> {
    let there = every(root, pointer).next().is_some();
    there.then(|| Change::RemoveMember { pointer: pointer.to_owned() }).into_iter().collect()
}

/// Adds a string to a list.
pub(crate) fn add(list: &str, value: &str) -> Vec<Change> {
    vec![Change::AddItem { list: list.to_owned(), value: value.to_owned() }]
}

/// Takes a string out of a list, if it is there.
pub(crate) fn take(root: &Node<'_>, list: &str, value: &str) -> Vec<Change> {
    let mut items = every(root, list).flat_map(|node| node.items());
    let is_there = items.any(|item| item.as_str() == Some(value));
    let change = || Change::RemoveItem { list: list.to_owned(), value: value.to_owned() };
    is_there.then(change).into_iter().collect()
}

/// Whether a list holds a string, as a client that takes the last of duplicates sees it.
pub(crate) fn holds(root: &Node<'_>, list: &str, value: &str) -> bool {
    root.pointer(list).is_some_and(|list| list.items().iter().any(|item| item.as_str() == Some(value)))
}

/// A new member of the top, `"name": value`.
pub(crate) fn insert(name: &str, value: &str) -> Change {
    let text = format!("{}: {value}", serde_text(name));
    let piece = Piece { range: 0..text.len(), bytes: text.into_bytes() };
    Change::Insert { table: String::new(), name: name.to_owned(), pieces: vec![piece] }
}

/// A string as JSON writes it.
fn serde_text(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Every node at a JSON Pointer, duplicates on the way included.
fn every<'d>(root: &'d Node<'d>, pointer: &str) -> impl Iterator<Item = &'d Node<'d>> {
    let mut nodes = vec![root];
    for token in pointer.split('/').skip(1).map(crate::node::unescape) {
        let below = |node: &'d Node<'d>| {
            node.members().iter().filter(|m| m.key == token).map(|m| &m.value).collect::<Vec<_>>()
        };
        nodes = nodes.into_iter().flat_map(below).collect();
    }
    nodes.into_iter()
}

/// A JSON Pointer below `/projects/<path>`.
pub(crate) fn below_project(project: &str, member: &str) -> String {
    format!("/projects/{}/{member}", escape(project))
}

//! Scalars, new members and kept entries as YAML text.

use std::borrow::Cow;

use super::raw::{Child, Raw};
use crate::codec::yaml::scalar::resolve;
use crate::edit::fresh::{Fresh, Made, Text};
use crate::edit::json::quoted;
use crate::edit::pieces::joined;
use crate::edit::style::{reindent, skip_blanks};
use crate::edit::{Piece, Unfaithful};
use crate::node::Value;

/// A string, plain if that says the same in any place.
pub(super) fn string(text: &str) -> String {
    let first = text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '.'));
    let plain =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'/' | b'.' | b'-' | b'@' | b'+' | b'=');
    let is_text = || matches!(resolve(Cow::Borrowed(text), true, None), Value::String(_));
    if first && text.bytes().all(plain) && is_text() { text.to_owned() } else { quoted(text) }
}

/// A string in quotes of the kind that stood there before, if they can hold it.
pub(super) fn like(text: &str, before: &str) -> String {
    match before.as_bytes().first() {
        Some(b'"') => quoted(text),
        Some(b'\'') if !text.contains(char::is_control) => format!("'{}'", text.replace('\'', "''")),
        _ => string(text),
    }
}

/// A value in brackets, which may stand anywhere.
pub(super) fn flow(value: &Fresh) -> Result<String, Unfaithful> {
    Ok(match value {
        Fresh::Flag(value) => value.to_string(),
        Fresh::List(items) => {
            let items: Vec<String> = items.iter().map(|item| string(item)).collect();
            format!("[{}]", items.join(", "))
        }
        Fresh::Map(members) => {
            let members: Result<Vec<String>, _> = members.iter().map(|made| member(made, false)).collect();
            format!("{{{}}}", members?.join(", "))
        }
    })
}

/// A member in one line.
pub(super) fn member(made: &Made, is_json: bool) -> Result<String, Unfaithful> {
    let key = if is_json { quoted(&made.key) } else { string(&made.key) };
    match &made.value {
        Text::Of(value) => Ok(format!("{key}: {}", flow(value)?)),
        Text::AsItWas(alone) => Ok(alone.entry.clone()),
    }
}

/// Kept text of an entry.
pub(in crate::edit) struct Kept {
    /// A document with this entry only.
    pub(in crate::edit) document: String,
    /// The entry at column 0, without line ending.
    pub(super) text: String,
    /// Its key, unless it stood in a list.
    pub(super) key: Option<String>,
    /// The key of the entry in it, if it is the item of a list and nothing else is in it.
    pub(super) inner: Option<String>,
    /// Whether it is lines rather than something between commas.
    pub(super) is_block: bool,
}

const FOREIGN: Unfaithful = Unfaithful::NotExpressible("the kept text is not one entry by itself");

/// Reads the kept text of an entry.
pub(in crate::edit) fn kept(pieces: &[Piece]) -> Result<Kept, Unfaithful> {
    let joined = joined(pieces)?;
    let lines = joined.trim_start_matches(['\n', '\r']);
    let indent = &lines[..skip_blanks(lines, 0)];
    let block = reindent(&lines[indent.len()..], indent, "");
    let block = block.trim_end_matches(['\n', '\r']);
    let between = joined.trim_matches(|c: char| c.is_whitespace() || c == ',');
    let forms = [
        (format!("{block}\n"), block, true),
        (format!("{{{between}\n}}"), between, false),
        (format!("[{between}\n]"), between, false),
    ];
    for (document, text, is_block) in forms {
        let Ok(raw) = Raw::read(&document) else { continue };
        let Some(root) = raw.root.filter(|root| raw.count(*root) == 1) else { continue };
        // `{n: a}` by itself is an item, not a document with the member `n`.
        if is_block && raw.is_flow(root) {
            continue;
        }
        let key = raw.only(root);
        if key.is_none() != raw.is_list(root) {
            continue;
        }
        let inner = key.is_none().then(|| raw.only_entry(raw.value(Child { parent: root, at: 0 }))).flatten();
        return Ok(Kept { key, inner, text: text.to_owned(), is_block, document });
    }
    Err(FOREIGN)
}

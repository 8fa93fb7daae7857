//! The text of an entry that is no longer in its file: where in the pieces the entry itself stands.

use std::ops::Range;

use super::{Piece, Unfaithful};
use crate::codec::json;
use crate::node::Node;

/// An entry's text without what separated it from others.
#[derive(Debug, Clone, Default)]
pub(super) struct Alone {
    /// The comments above it, if any.
    pub(super) above: String,
    /// The entry: `"key": value`, or a value.
    pub(super) entry: String,
    /// Its value only.
    pub(super) value: String,
    /// The comment behind it in its last line, if any.
    pub(super) behind: String,
    /// What stood before its first line, if that was blank.
    pub(super) indent: String,
    /// Its decoded key, unless it stood in a list.
    pub(super) key: Option<String>,
}

const FOREIGN: Unfaithful = Unfaithful::NotExpressible("the kept text is not one entry by itself");

/// All pieces as one text.
pub(super) fn joined(pieces: &[Piece]) -> Result<String, Unfaithful> {
    let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.bytes.iter().copied()).collect();
    String::from_utf8(bytes).map_err(|_| FOREIGN)
}

/// Of JSON.
pub(super) fn alone_in_json(pieces: &[Piece]) -> Result<Alone, Unfaithful> {
    let text = joined(pieces)?;
    let start = text.len() - text.trim_start_matches(|c: char| c.is_whitespace() || c == ',').len();
    let body = text[start..].trim_end();
    for (open, close) in [('{', '}'), ('[', ']')] {
        // A line comment may end the text.
        let document = format!("{open}{body}\n{close}");
        let Ok(parsed) = json::parse(&document, false) else { continue };
        let (key, value, at) = only(&parsed.root).ok_or(FOREIGN)?;
        let newline = text[..start].rfind(['\n', '\r']).map_or(0, |at| at + 1);
        let behind = &document[at.end..document.len() - 1];
        return Ok(Alone {
            above: document[1..at.start].to_owned(),
            entry: document[at].to_owned(),
            value: document[value.span.range()].to_owned(),
            behind: comments_behind(behind).to_owned(),
            indent: text[newline..start].chars().take_while(|c| matches!(c, ' ' | '\t')).collect(),
            key: key.map(str::to_owned),
        });
    }
    Err(FOREIGN)
}

/// The comments that stand behind an entry in its last line, on either side of its comma, without that.
fn comments_behind(text: &str) -> &str {
    let text = text.trim_start_matches([' ', '\t', ',']);
    let mut end = 0;
    loop {
        let rest = &text[end..];
        let next = rest.trim_start_matches([' ', '\t']);
        let skipped = end + rest.len() - next.len();
        if next.starts_with("//") {
            return text[..skipped + next.find(['\n', '\r']).unwrap_or(next.len())].trim_end();
        }
        match next.strip_prefix("/*").and_then(|inside| inside.find("*/")) {
            Some(length) => end = skipped + length + 4,
            None => return &text[..end],
        }
    }
}

/// The only member or item of a document that holds one entry: its key, if it has one, its value and its place.
pub(super) fn only<'d>(root: &'d Node<'_>) -> Option<(Option<&'d str>, &'d Node<'d>, Range<usize>)> {
    match (root.members(), root.items()) {
        ([member], []) => Some((Some(&member.key), &member.value, member.span().range())),
        ([], [item]) => Some((None, item, item.span.range())),
        _ => None,
    }
}

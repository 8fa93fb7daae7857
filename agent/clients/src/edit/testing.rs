//! What the tests of edits share: changes named by key path.

use std::ops::Range;

use super::{Change, Edited, Piece, Place, Unfaithful, apply, texts, tokens};
use crate::codec::{self, Dialect, Format, decode};
use crate::node::Node;

pub(super) const JSONC: Format = Format::Json(Dialect::JSONC);

/// The place of a key path, the last of duplicates; `nth` counts them from the end.
pub(super) fn place_of(format: Format, text: &str, key_path: &str, nth: usize) -> Place {
    let decoded = decode::decode(text.as_bytes()).unwrap();
    let parsed = codec::parse(format, "", &decoded.text).unwrap();
    let mut node = &parsed.root;
    let mut span = node.span;
    for token in tokens(key_path) {
        (node, span) = below(node, &token, nth);
    }
    let span =
        Range { start: span.start as usize + decoded.skipped, end: span.end as usize + decoded.skipped };
    Place { key_path: key_path.to_owned(), span }
}

fn below<'d, 'a>(node: &'d Node<'a>, token: &str, nth: usize) -> (&'d Node<'a>, crate::node::Span) {
    let members: Vec<_> = node.members().iter().rev().filter(|m| m.key == token).collect();
    match members.get(nth).or(members.last()) {
        Some(member) => (&member.value, member.span()),
        None => {
            let at: usize = token.parse().unwrap_or_else(|_| panic!("{token} is not there"));
            (&node.items()[at], node.items()[at].span)
        }
    }
}

pub(super) fn remove(format: Format, text: &str, key_paths: &[&str]) -> Result<Edited, Unfaithful> {
    let changes: Vec<Change> =
        key_paths.iter().map(|path| Change::Remove(place_of(format, text, path, 0))).collect();
    apply(format, "", text.as_bytes(), &changes)
}

/// The text with entries removed.
pub(super) fn without(format: Format, text: &str, key_paths: &[&str]) -> String {
    let edited = remove(format, text, key_paths).unwrap_or_else(|e| panic!("{key_paths:?} of {text}: {e}"));
    String::from_utf8(edited.bytes).unwrap()
}

pub(super) fn changed(format: Format, text: &str, changes: &[Change]) -> String {
    let edited = apply(format, "", text.as_bytes(), changes).unwrap_or_else(|e| panic!("{text}: {e}"));
    String::from_utf8(edited.bytes).unwrap()
}

/// The kept text of an entry.
pub(super) fn pieces_of(format: Format, text: &str, key_path: &str) -> Vec<Piece> {
    let places = [place_of(format, text, key_path, 0)];
    texts(format, "", text.as_bytes(), &places).unwrap().pop().unwrap()
}

pub(super) fn insert(table: &str, name: &str, pieces: Vec<Piece>) -> Change {
    Change::Insert { table: table.to_owned(), name: name.to_owned(), pieces }
}

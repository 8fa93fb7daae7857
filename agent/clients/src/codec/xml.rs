//! XML to the common tree. A document type is refused: it could name files and entities.
//!
//! An element is an object with the members `#name` (its tag), `@name` for each attribute, `#text` if it has text that
//! is not blank, and `#children` (a list) if it has elements. `#name` and `@name` are placed at the names in the file;
//! `#text` and `#children` have no key there and stand where their content starts.

use std::borrow::Cow;

use mcpolicy_schema::limits::MAX_DEPTH;
use roxmltree::{Document, Error, Node as Xml, ParsingOptions, StringStorage, TextPos};

use super::json::note_duplicates;
use super::{Duplicate, ParseError, Parsed};
use crate::node::{Member, Node, Span, Value};

#[cfg(test)]
#[path = "xml_tests.rs"]
mod tests;

/// Most nodes of one file; the largest real settings have some thousands.
const MAX_NODES: u32 = 1_000_000;
/// Most attributes of one element. The parser compares each with all before it, so many are quadratic.
const MAX_ATTRIBUTES: usize = 256;
/// Most namespace declarations. The parser copies those in force to each element that adds one.
const MAX_NAMESPACES: usize = 1000;

/// Parses XML.
///
/// # Errors
/// The first syntax error, or a document type.
pub fn parse(text: &str) -> Result<Parsed<'_>, ParseError> {
    check_size(text)?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options)
        .map_err(|error| ParseError::new(message(&error), offset(text, error.pos())))?;
    let mut reader = Reader { text, duplicates: Vec::new(), deep: None };
    let root = reader.element(document.root_element(), 0);
    Ok(Parsed { duplicates: reader.duplicates, deep: reader.deep, ..Parsed::plain(root) })
}

/// Refuses what would take the parser hours: see the limits above.
fn check_size(text: &str) -> Result<(), ParseError> {
    let bytes = text.as_bytes();
    if let Some(at) = memchr::memmem::find_iter(bytes, b"xmlns").nth(MAX_NAMESPACES) {
        return Err(ParseError::new("the file declares too many namespaces", at));
    }
    let mut at = 0;
    while let Some(open) = memchr::memchr(b'<', &bytes[at..]) {
        let start = at + open;
        let after = |end: &[u8]| {
            memchr::memmem::find(&bytes[start..], end).map_or(bytes.len(), |found| start + found + end.len())
        };
        at = match &bytes[start..] {
            [b'<', b'!', b'-', b'-', ..] => after(b"-->"),
            [b'<', b'!', b'[', ..] => after(b"]]>"),
            [b'<', b'?', ..] => after(b"?>"),
            _ => tag_end(bytes, start + 1)
                .ok_or_else(|| ParseError::new("an element has too many attributes", start))?,
        };
    }
    Ok(())
}

/// The byte after a tag, quoted values skipped; `None` if there are too many of them.
fn tag_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    for _ in 0..=MAX_ATTRIBUTES {
        match memchr::memchr3(b'>', b'"', b'\'', &bytes[at..]) {
            None => return Some(bytes.len()),
            Some(found) if bytes[at + found] == b'>' => return Some(at + found + 1),
            Some(found) => {
                let quote = bytes[at + found];
                at += found + 1;
                at += memchr::memchr(quote, &bytes[at..]).map_or(bytes.len() - at, |end| end + 1);
            }
        }
    }
    None
}

/// What is wrong in fixed words: the crate's own messages quote names and characters of the file.
fn message(error: &Error) -> &'static str {
    match error {
        Error::DtdDetected => "the file has a document type, which is refused",
        Error::DuplicatedAttribute(..) => "an attribute stands twice",
        Error::UnexpectedCloseTag(..) => "a closing tag does not match",
        Error::UnknownNamespace(..) => "a namespace is not declared",
        Error::UnknownEntityReference(..) | Error::MalformedEntityReference(_) => {
            "a reference to an unknown entity"
        }
        Error::NoRootNode => "the file has no element",
        Error::UnclosedRootNode | Error::UnexpectedEndOfStream => "the file ends inside an element",
        Error::NodesLimitReached => "the file has too many elements",
        Error::InvalidComment(_) => "not a valid comment",
        Error::NonXmlChar(..) => "a character that XML does not allow",
        _ => "not valid XML",
    }
}

/// Byte offset of a row and column, both from 1 and counted in characters.
fn offset(text: &str, place: TextPos) -> usize {
    let row = place.row.saturating_sub(1) as usize;
    let start = match row.checked_sub(1) {
        None => 0,
        Some(before) => {
            memchr::memchr_iter(b'\n', text.as_bytes()).nth(before).map_or(text.len(), |at| at + 1)
        }
    };
    let column = place.col.saturating_sub(1) as usize;
    text[start..].char_indices().nth(column).map_or(text.len(), |(at, _)| start + at)
}

struct Reader<'a> {
    text: &'a str,
    duplicates: Vec<Duplicate>,
    deep: Option<usize>,
}

impl<'a> Reader<'a> {
    fn element(&mut self, element: Xml<'_, 'a>, depth: usize) -> Node<'a> {
        let range = element.range();
        let span = Span::new(range.start, range.end);
        if depth >= MAX_DEPTH {
            self.deep.get_or_insert(range.start);
            return Node { value: Value::Deep, span };
        }
        let mut members = vec![self.name(element)];
        for attribute in element.attributes() {
            let name = attribute.range_qname();
            let at = attribute.range_value();
            let value = Value::String(stored(attribute.value_storage()));
            members.push(Member {
                key: Cow::Owned(format!("@{}", &self.text[name.clone()])),
                key_span: Span::new(name.start, name.end),
                value: Node { value, span: Span::new(at.start, at.end) },
            });
        }
        members.extend(text_member(element));
        let children: Vec<Node<'a>> = element
            .children()
            .filter(|child| child.is_element())
            .map(|child| self.element(child, depth + 1))
            .collect();
        if let (Some(first), Some(last)) = (children.first(), children.last()) {
            let span = Span { start: first.span.start, end: last.span.end };
            members.push(synthetic("#children", Node { value: Value::Array(children), span }));
        }
        note_duplicates(&members, &mut self.duplicates);
        Node { value: Value::Object(members), span }
    }

    fn name(&self, element: Xml<'_, 'a>) -> Member<'a> {
        let start = element.range().start + 1;
        let ends = |b: u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | b'/' | b'>');
        let length = self.text.as_bytes()[start..].iter().position(|b| ends(*b)).unwrap_or(0);
        let key_span = Span::new(start, start + length);
        let name = &self.text[key_span.range()];
        let value = Value::String(Cow::Borrowed(name));
        Member { key: Cow::Borrowed("#name"), key_span, value: Node { value, span: key_span } }
    }
}

/// All text of an element, without that of its children.
fn text_member<'a>(element: Xml<'_, 'a>) -> Option<Member<'a>> {
    let texts: Vec<Xml<'_, 'a>> = element
        .children()
        .filter(|child| child.is_text() && child.text().is_some_and(|text| !text.trim().is_empty()))
        .collect();
    let span = Span::new(texts.first()?.range().start, texts.last()?.range().end);
    let text = match texts.as_slice() {
        [one] => stored(one.text_storage()?),
        many => Cow::Owned(many.iter().filter_map(Xml::text).collect()),
    };
    Some(synthetic("#text", Node { value: Value::String(text), span }))
}

/// A member whose key does not stand in the file.
fn synthetic<'a>(key: &'static str, value: Node<'a>) -> Member<'a> {
    let key_span = Span { start: value.span.start, end: value.span.start };
    Member { key: Cow::Borrowed(key), key_span, value }
}

fn stored<'a>(text: &StringStorage<'a>) -> Cow<'a, str> {
    match text {
        StringStorage::Borrowed(text) => Cow::Borrowed(text),
        StringStorage::Owned(text) => Cow::Owned(text.as_ref().to_owned()),
    }
}

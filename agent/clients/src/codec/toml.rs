//! TOML 1.1 to the common tree.
//!
//! Tables of a TOML file need not stand in one piece: `[a.b]`, `[c]`, `[a.d]` is valid. The span of a table made by
//! headers or dotted keys therefore reaches from its first byte of content to its last and may cover foreign tables.
//! A key that two headers share has the place of the first of them, or of the table's own header where there is one.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hasher};
use std::ops::Range;

use mcpolicy_schema::limits::MAX_DEPTH;
use toml_edit::{ArrayOfTables, Document, InlineTable, Item, Key, Table, Value as Toml};

use super::{ParseError, Parsed};
use crate::node::{Member, Node, Span, Value};

#[cfg(test)]
#[path = "toml_tests.rs"]
mod tests;

/// Most steps that moving re-opened tables may take in the parser, which moves all tables behind each of them: a file
/// of 16 MB of `[x1.y]` ... and then `[x1]` ... would take it hours. A real file re-opens a handful.
const MAX_MOVES: usize = 200_000_000;

/// Parses TOML.
///
/// # Errors
/// The first syntax error. A key or table that stands twice is one, as it is to the clients.
pub fn parse(text: &str) -> Result<Parsed<'_>, ParseError> {
    // Only `message()` may be shown: `Display` of the error quotes the line, which may hold a token. The message is
    // made of fixed words and names of types.
    check_reopened(text)?;
    let document = Document::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        ParseError::new(error.message(), floor(text, offset))
    })?;
    let mut reader = Reader { text, deep: None };
    let mut root = reader.table(document.as_table(), None, 0);
    root.span = Span::new(0, text.len());
    let mut parsed = Parsed::plain(root);
    parsed.deep = reader.deep;
    Ok(parsed)
}

/// Refuses a file with too many tables whose own header comes after that of a table in them. Lines that only look
/// like headers are counted too, which is the safe side.
fn check_reopened(text: &str) -> Result<(), ParseError> {
    let mut implied: BTreeSet<u64> = BTreeSet::new();
    let mut reopened = 0usize;
    let lines = memchr::memchr_iter(b'\n', text.as_bytes()).count() + 1;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if let Some(header) = line.trim_start_matches([' ', '\t']).strip_prefix('[') {
            let header = Header::new(header);
            reopened += usize::from(header.escaped || implied.contains(&header.path));
            implied.extend(header.parents);
            if reopened.saturating_mul(lines) > MAX_MOVES {
                return Err(ParseError::new("too many tables are re-opened", offset));
            }
        }
        offset += line.len();
    }
    Ok(())
}

/// A header as far as it matters to [`check_reopened`]: equal paths have equal hashes.
struct Header {
    path: u64,
    parents: Vec<u64>,
    /// It has an escape, which is not decoded here.
    escaped: bool,
}

impl Header {
    /// Of the line after the first bracket. Quotes and blanks are left out of the path.
    fn new(line: &str) -> Self {
        let mut path = DefaultHasher::new();
        let (mut parents, mut escaped, mut quote) = (Vec::new(), false, None);
        for byte in line.strip_prefix('[').unwrap_or(line).bytes() {
            match (byte, quote) {
                (b'"' | b'\'', None) => quote = Some(byte),
                (_, Some(open)) if byte == open => quote = None,
                (b']', None) => break,
                _ if byte.is_ascii_whitespace() => {}
                _ => {
                    // The parser refuses paths of more than 80 keys.
                    if byte == b'.' && quote.is_none() && parents.len() < MAX_DEPTH {
                        parents.push(path.finish());
                    }
                    escaped |= byte == b'\\';
                    path.write_u8(byte);
                }
            }
        }
        Self { path: path.finish(), parents, escaped }
    }
}

/// The start of the character that holds this byte.
fn floor(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

struct Reader<'a> {
    text: &'a str,
    deep: Option<usize>,
}

impl<'a> Reader<'a> {
    fn item(&mut self, item: &Item, key_span: Span, depth: usize) -> Option<Node<'a>> {
        match item {
            Item::None => None,
            Item::Value(value) => Some(self.value(value, key_span, depth)),
            Item::Table(table) => Some(self.table(table, Some(key_span), depth)),
            Item::ArrayOfTables(tables) => Some(self.tables(tables, key_span, depth)),
        }
    }

    /// A table made by a header, by dotted keys, or implied by the headers of its members.
    fn table(&mut self, table: &Table, key_span: Option<Span>, depth: usize) -> Node<'a> {
        let content = match (key_span, table.span()) {
            (Some(_), Some(header)) if !table.is_implicit() && !table.is_dotted() => {
                Span::new(header.end, header.end)
            }
            (key, _) => key.map_or_else(Span::default, |k| Span { start: k.end, end: k.end }),
        };
        let members = table.iter().filter_map(|(name, item)| Some((table.key(name)?, item)));
        self.object(members, content, depth)
    }

    fn tables(&mut self, tables: &ArrayOfTables, key_span: Span, depth: usize) -> Node<'a> {
        if depth >= MAX_DEPTH {
            return self.too_deep(key_span);
        }
        let items: Vec<Node<'a>> =
            tables.iter().map(|table| self.table(table, Some(key_span), depth + 1)).collect();
        let after_key = Span { start: key_span.end, end: key_span.end };
        let span = items.iter().map(|item| item.span).fold(after_key, cover);
        Node { value: Value::Array(items), span }
    }

    /// The members in order of the text, whatever order the headers gave them. `span` grows to hold them all.
    fn object<'t>(
        &mut self,
        members: impl Iterator<Item = (&'t Key, &'t Item)>,
        span: Span,
        depth: usize,
    ) -> Node<'a> {
        if depth >= MAX_DEPTH {
            return self.too_deep(span);
        }
        let mut members: Vec<Member<'a>> = members
            .filter_map(|(key, item)| {
                let key_span = key.span().map(Span::from).unwrap_or(span);
                let value = self.item(item, key_span, depth + 1)?;
                Some(Member { key: self.text_at(key_span.range(), key.get()), key_span, value })
            })
            .collect();
        members.sort_by_key(|member| member.key_span.start);
        let span = members.iter().fold(span, |all, m| cover(cover(all, m.value.span), m.key_span));
        Node { value: Value::Object(members), span }
    }

    fn value(&mut self, value: &Toml, key_span: Span, depth: usize) -> Node<'a> {
        let after_key = Span { start: key_span.end, end: key_span.end };
        let span = value.span().map_or(after_key, Span::from);
        let written = || Cow::Borrowed(self.text.get(span.range()).unwrap_or_default());
        let value = match value {
            Toml::String(text) => Value::String(self.text_at(span.range(), text.value())),
            Toml::Integer(_) | Toml::Float(_) => Value::Number(written()),
            Toml::Datetime(_) => Value::String(written()),
            Toml::Boolean(value) => Value::Bool(*value.value()),
            Toml::Array(_) if depth >= MAX_DEPTH => return self.too_deep(span),
            Toml::Array(items) => {
                Value::Array(items.iter().map(|item| self.value(item, span, depth + 1)).collect())
            }
            Toml::InlineTable(table) => return self.inline(table, span, depth),
        };
        Node { value, span }
    }

    fn inline(&mut self, table: &InlineTable, span: Span, depth: usize) -> Node<'a> {
        let members = table.iter().filter_map(|(name, _)| table.get_key_value(name));
        self.object(members, span, depth)
    }

    fn too_deep(&mut self, span: Span) -> Node<'a> {
        self.deep.get_or_insert(span.start as usize);
        Node { value: Value::Deep, span }
    }

    /// A decoded text, borrowed from the file where it stands there as it is.
    fn text_at(&self, at: Range<usize>, decoded: &str) -> Cow<'a, str> {
        let bare = self.text.get(at.clone());
        let quoted = self.text.get(at.start + 1..at.end.saturating_sub(1).max(at.start + 1));
        [bare, quoted]
            .into_iter()
            .flatten()
            .find(|written| *written == decoded)
            .map_or_else(|| Cow::Owned(decoded.to_owned()), Cow::Borrowed)
    }
}

fn cover(a: Span, b: Span) -> Span {
    Span { start: a.start.min(b.start), end: a.end.max(b.end) }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self::new(range.start, range.end)
    }
}

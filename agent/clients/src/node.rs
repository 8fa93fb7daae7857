//! A parsed file as one kind of tree, whatever its format, with the place of every value.

use std::borrow::Cow;
use std::sync::OnceLock;

use mcpolicy_schema::entry::Position;

/// Bytes `start..end` of the text. Files are capped far below 4 GiB, so 32 bits keep big trees small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// A span from offsets.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// As a range of byte offsets.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A value and its place.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    /// The value.
    pub value: Value<'a>,
    /// Where it stands.
    pub span: Span,
}

/// A value of any format. TOML dates are strings; XML elements are objects (see `codec::xml`).
#[derive(Debug, Clone)]
pub enum Value<'a> {
    /// `null`, an empty YAML value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it is written.
    Number(Cow<'a, str>),
    /// A decoded string.
    String(Cow<'a, str>),
    /// A list.
    Array(Vec<Node<'a>>),
    /// A map with every member in order, duplicates included.
    Object(Vec<Member<'a>>),
    /// Valid but nested deeper than `limits::MAX_DEPTH`; not kept.
    Deep,
}

/// A member of an object.
#[derive(Debug, Clone)]
pub struct Member<'a> {
    /// The decoded key.
    pub key: Cow<'a, str>,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node<'a>,
}

impl Member<'_> {
    /// Bytes of key and value.
    pub fn span(&self) -> Span {
        Span { start: self.key_span.start, end: self.value.span.end.max(self.key_span.end) }
    }
}

impl<'a> Node<'a> {
    /// The members of an object; empty for anything else.
    pub fn members(&self) -> &[Member<'a>] {
        match &self.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    /// The items of a list; empty for anything else.
    pub fn items(&self) -> &[Self] {
        match &self.value {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    /// The same node without the text that it was read from. Trees are not deeper than `limits::MAX_DEPTH`.
    pub(crate) fn into_owned(self) -> Node<'static> {
        let value = match self.value {
            Value::Null => Value::Null,
            Value::Bool(value) => Value::Bool(value),
            Value::Number(text) => Value::Number(Cow::Owned(text.into_owned())),
            Value::String(text) => Value::String(Cow::Owned(text.into_owned())),
            Value::Array(items) => Value::Array(items.into_iter().map(Node::into_owned).collect()),
            Value::Object(members) => {
                let owned = |m: Member<'_>| Member {
                    key: Cow::Owned(m.key.into_owned()),
                    key_span: m.key_span,
                    value: m.value.into_owned(),
                };
                Value::Object(members.into_iter().map(owned).collect())
            }
            Value::Deep => Value::Deep,
        };
        Node { value, span: self.span }
    }

    /// The last member of this name: every client tested takes the last of duplicates.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.members().iter().rev().find(|m| m.key == key).map(|m| &m.value)
    }

    /// The node at a JSON Pointer, last of duplicates at each step; `""` is this node.
    pub fn pointer(&self, pointer: &str) -> Option<&Self> {
        pointer.split('/').skip(1).try_fold(self, |node, part| node.get(&unescape(part)))
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The text that JavaScript makes of a value, as clients do with variables: that of a list of one path is the path.
    pub fn to_js_text(&self) -> String {
        match &self.value {
            Value::String(text) => text.to_string(),
            Value::Number(text) => text.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Null => "null".to_owned(),
            Value::Array(items) => {
                let texts: Vec<String> = items
                    .iter()
                    .map(|item| match item.value {
                        Value::Null => String::new(),
                        _ => item.to_js_text(),
                    })
                    .collect();
                texts.join(",")
            }
            Value::Object(_) | Value::Deep => "[object Object]".to_owned(),
        }
    }

    /// The value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }

    /// A scalar as text, as JavaScript's `String()` would give it for what occurs in configurations.
    pub fn scalar_text(&self) -> Option<Cow<'_, str>> {
        match &self.value {
            Value::String(text) => Some(Cow::Borrowed(text)),
            Value::Number(text) => Some(Cow::Borrowed(text)),
            Value::Bool(true) => Some(Cow::Borrowed("true")),
            Value::Bool(false) => Some(Cow::Borrowed("false")),
            Value::Null | Value::Array(_) | Value::Object(_) | Value::Deep => None,
        }
    }
}

/// Escapes one reference token of a JSON Pointer (RFC 6901 section 3).
pub fn escape(token: &str) -> Cow<'_, str> {
    if token.contains(['~', '/']) {
        Cow::Owned(token.replace('~', "~0").replace('/', "~1"))
    } else {
        Cow::Borrowed(token)
    }
}

/// The reverse of [`escape`].
pub fn unescape(token: &str) -> Cow<'_, str> {
    if token.contains('~') {
        Cow::Owned(token.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(token)
    }
}

/// Turns byte offsets into lines and columns. The tables are built at the first question: of most files, an agent that
/// looks again and again has none.
#[derive(Debug, Clone)]
pub struct LineIndex<'a> {
    text: &'a str,
    tables: OnceLock<Tables>,
}

#[derive(Debug, Clone)]
struct Tables {
    starts: Vec<u32>,
    /// Byte offset and number of characters before it in its line, within long lines only: a file of 100,000 entries
    /// on one line must not cost a scan of the line for each.
    marks: Vec<(u32, u32)>,
}

/// Distance of the marks in a long line, in bytes.
const MARK_EVERY: usize = 1024;

impl<'a> LineIndex<'a> {
    /// For a text in which a line ends at LF, CRLF or a lone CR.
    pub fn new(text: &'a str) -> Self {
        Self { text, tables: OnceLock::new() }
    }

    /// Line and column of a byte offset; an offset past the end is the end.
    pub fn position(&self, offset: usize) -> Position {
        let Tables { starts, marks } = self.tables.get_or_init(|| Tables::of(self.text));
        let offset = offset.min(self.text.len());
        let line = starts.partition_point(|start| *start as usize <= offset) - 1;
        let start = starts[line] as usize;
        let marked = marks.partition_point(|(at, _)| *at as usize <= offset);
        let (from, before) = match marked.checked_sub(1).map(|at| marks[at]) {
            Some((at, before)) if at as usize > start => (at as usize, before as usize),
            _ => (start, 0),
        };
        let after = self.text.get(from..offset).map_or(offset - from, |part| part.chars().count());
        Position { line: line as u32 + 1, column: (before + after) as u32 + 1 }
    }
}

impl Tables {
    fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        for at in memchr::memchr2_iter(b'\n', b'\r', bytes) {
            if bytes[at] == b'\n' || bytes.get(at + 1) != Some(&b'\n') {
                starts.push(at as u32 + 1);
            }
        }
        let ends = starts.iter().skip(1).copied().chain([bytes.len() as u32]);
        let mut marks = Vec::new();
        for (start, end) in starts.iter().copied().zip(ends) {
            mark_line(text, start as usize, end as usize, &mut marks);
        }
        Self { starts, marks }
    }
}

fn mark_line(text: &str, start: usize, end: usize, marks: &mut Vec<(u32, u32)>) {
    let (mut from, mut before) = (start, 0);
    while end - from > MARK_EVERY {
        let mut to = from + MARK_EVERY;
        while !text.is_char_boundary(to) {
            to -= 1;
        }
        before += text[from..to].chars().count() as u32;
        marks.push((to as u32, before));
        from = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one_in_any_line_ending() {
        let text = "a\r\nbé\rc\nd";
        let index = LineIndex::new(text);
        let at = |needle: char| index.position(text.find(needle).unwrap());
        assert_eq!(at('a'), Position { line: 1, column: 1 });
        assert_eq!(at('é'), Position { line: 2, column: 2 });
        assert_eq!(at('c'), Position { line: 3, column: 1 });
        assert_eq!(at('d'), Position { line: 4, column: 1 });
        assert_eq!(index.position(999), Position { line: 4, column: 2 });
    }

    #[test]
    fn columns_in_long_lines_are_counted_from_the_nearest_mark() {
        let text = format!("x\n{}end\nlast", "é".repeat(3000));
        let index = LineIndex::new(&text);
        assert_eq!(index.position(text.find("end").unwrap()), Position { line: 2, column: 3001 });
        assert_eq!(index.position(text.find("last").unwrap()), Position { line: 3, column: 1 });
        assert_eq!(index.position(2), Position { line: 2, column: 1 });
    }

    #[test]
    fn pointer_tokens_survive_escaping() {
        assert_eq!(escape("a/b~c"), "a~1b~0c");
        assert_eq!(unescape(&escape("~1/")), "~1/");
    }
}

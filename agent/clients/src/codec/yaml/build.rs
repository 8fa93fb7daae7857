//! Events to a flat list of items, and from there to the tree.
//!
//! Two steps, so that neither 100,000 levels nor an alias that holds itself can exhaust the stack: the first step is
//! a loop over events, the second stops at `MAX_DEPTH`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use mcpolicy_schema::limits::{MAX_ALIAS_NODES, MAX_DEPTH};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span as Place};

use super::scalar::resolve;
use crate::codec::breaks::{self, Of};
use crate::codec::json::note_duplicates;
use crate::codec::{Duplicate, ParseError, Parsed};
use crate::node::{Member, Node, Span, Value};

/// Most values of one file, before aliases. The largest real YAML configurations have some thousands; a file of
/// 16 MB of `- - - -` would otherwise take a gigabyte.
const MAX_ITEMS: usize = 1_000_000;
/// Text of this many bytes that an alias repeats is paid for like one more node.
const ALIAS_TEXT_UNIT: usize = 256;
/// Longest `%TAG` line. Its prefix is copied into each tag that uses it, which makes a long one quadratic.
const MAX_TAG_LINE: usize = 1024;

/// One node of the document as the events gave it. Items stand in order of the text, each before those in it.
pub(crate) struct Item<'a> {
    pub(crate) kind: Kind<'a>,
    pub(crate) span: Span,
    /// Of a collection: where it starts behind its tag and anchor, as the parser has it.
    pub(crate) head: u32,
    /// Of a collection in brackets: where they open.
    pub(crate) open: Option<u32>,
}

pub(crate) enum Kind<'a> {
    Scalar {
        value: Value<'a>,
        /// The unquoted, untagged `<<`.
        merge: bool,
    },
    List(Vec<usize>),
    /// Keys and values by turns.
    Map(Vec<usize>),
    /// Of the item with this index.
    Alias(usize),
}

/// Reads the only document of a text.
pub(super) fn document(text: &str) -> Result<Parsed<'_>, ParseError> {
    let (arena, root) = read(text)?;
    let (items, breaks) = (&arena.items, arena.breaks());
    let mut tree = Tree { items, budget: MAX_ALIAS_NODES, duplicates: Vec::new(), deep: None };
    let root = match root {
        Some(root) => tree.node(root, 0, false)?,
        None => Node { value: Value::Null, span: Span::default() },
    };
    let mut duplicates = tree.duplicates;
    duplicates.sort_by_key(|duplicate| duplicate.span.start);
    let deep = tree.deep;
    Ok(Parsed { duplicates, deep, breaks, ..Parsed::plain(root) })
}

/// The items of the only document and the index of its root, aliases and merge keys as they stand.
pub(crate) fn items(text: &str) -> Result<(Vec<Item<'_>>, Option<usize>), ParseError> {
    read(text).map(|(arena, root)| (arena.items, root))
}

fn read(text: &str) -> Result<(Arena<'_>, Option<usize>), ParseError> {
    check_tag_lines(text)?;
    let mut arena = Arena {
        offsets: Offsets::new(text),
        items: Vec::new(),
        anchors: Vec::new(),
        quoted: Vec::new(),
        end: 0,
    };
    let root = arena.read(text)?;
    Ok((arena, root))
}

fn check_tag_lines(text: &str) -> Result<(), ParseError> {
    let bytes = text.as_bytes();
    for at in memchr::memmem::find_iter(bytes, b"%TAG") {
        let at_line_start = at == 0 || matches!(bytes[at - 1], b'\n' | b'\r');
        let line = memchr::memchr2(b'\n', b'\r', &bytes[at..]).unwrap_or(bytes.len() - at);
        if at_line_start && line > MAX_TAG_LINE {
            return Err(ParseError::new("a %TAG directive is too long", at));
        }
    }
    Ok(())
}

/// Byte offsets of the parser's places. Their lines and columns are used and not their index, which is wrong behind a
/// directive or comment with a wide character: there the parser counts bytes for characters.
struct Offsets<'a> {
    text: &'a str,
    /// Number of characters before each line.
    lines: Vec<usize>,
    /// Offset of every [`Self::STEP`]th character; empty if all characters are one byte.
    marks: Vec<usize>,
}

impl<'a> Offsets<'a> {
    const STEP: usize = 64;

    fn new(text: &'a str) -> Self {
        let (mut lines, mut marks, mut before) = (vec![0], Vec::new(), ' ');
        let wide = !text.is_ascii();
        for (index, (at, ch)) in text.char_indices().enumerate() {
            if before == '\n' || (before == '\r' && ch != '\n') {
                lines.push(index);
            }
            // The parser gives a byte order mark at the start of a line no column.
            if ch == '\u{feff}' && lines.last() == Some(&index) {
                lines.pop();
                lines.push(index + 1);
            }
            if wide && index % Self::STEP == 0 {
                marks.push(at);
            }
            before = ch;
        }
        Self { text, lines, marks }
    }

    fn byte(&self, place: Marker) -> usize {
        let Some(line) = self.lines.get(place.line().saturating_sub(1)) else { return self.text.len() };
        let index = line + place.col();
        if self.marks.is_empty() {
            return index.min(self.text.len());
        }
        let Some(mark) = self.marks.get(index / Self::STEP) else { return self.text.len() };
        let rest = &self.text[*mark..];
        rest.char_indices().nth(index % Self::STEP).map_or(self.text.len(), |(at, _)| mark + at)
    }

    fn span(&self, place: Place) -> Span {
        let start = self.byte(place.start);
        Span::new(start, self.byte(place.end).max(start))
    }

    /// A scalar without what the parser counts to it: the tag and anchor before it, and after a quoted one the blanks
    /// and the comment.
    fn scalar(&self, mut span: Span, style: ScalarStyle) -> Span {
        let start = properties(&self.text.as_bytes()[span.range()]);
        span.start += start as u32;
        let bytes = &self.text.as_bytes()[span.range()];
        let mut at = 1;
        let length = match style {
            ScalarStyle::DoubleQuoted => loop {
                match memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
                    Some(found) if bytes[at + found] == b'"' => break at + found + 1,
                    Some(found) => at += found + 2,
                    None => return span,
                }
            },
            ScalarStyle::SingleQuoted => loop {
                match memchr::memchr(b'\'', bytes.get(at..).unwrap_or_default()) {
                    Some(found) if bytes.get(at + found + 1) == Some(&b'\'') => at += found + 2,
                    Some(found) => break at + found + 1,
                    None => return span,
                }
            },
            _ => return span,
        };
        Span { start: span.start, end: span.start + length as u32 }
    }

    /// The message of the parser is made of fixed words and at most one character of punctuation.
    fn error(&self, error: &ScanError) -> ParseError {
        ParseError::new(error.info(), self.byte(*error.marker()))
    }
}

/// Length of the tag and anchor at the start of a node, with blanks and comments after them.
fn properties(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = &bytes[at..];
        at += match byte {
            b' ' | b'\t' | b'\r' | b'\n' => 1,
            b'!' | b'&' => rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len()),
            b'#' => memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len()),
            _ => break,
        };
    }
    at
}

struct Arena<'a> {
    offsets: Offsets<'a>,
    items: Vec<Item<'a>>,
    /// Items by anchor number; `usize::MAX` where there is none.
    anchors: Vec<usize>,
    /// Where quoted texts stand, in order.
    quoted: Vec<Span>,
    /// End of the last scalar, key or bracket: where an empty value stands.
    end: u32,
}

impl<'a> Arena<'a> {
    /// See [`Parsed::breaks`]: all of the text but what is quoted, where a break is a part of the value to every reader.
    fn breaks(&self) -> Vec<usize> {
        let text = self.offsets.text;
        let mut found = breaks::within(text, 0..text.len(), Of::Yaml);
        found.retain(|at| {
            let before = self.quoted.partition_point(|span| span.start as usize <= *at);
            before.checked_sub(1).is_none_or(|last| self.quoted[last].end as usize <= *at)
        });
        breaks::with_returns(found, text, true)
    }

    fn read(&mut self, text: &'a str) -> Result<Option<usize>, ParseError> {
        let mut root = None;
        let mut open: Vec<usize> = Vec::new();
        let mut documents = 0;
        for event in Parser::new_from_str(text) {
            let (event, place) = event.map_err(|error| self.offsets.error(&error))?;
            let span = self.offsets.span(place);
            let item = match event {
                Event::DocumentStart(_) if documents > 0 => {
                    let message = "the file holds more than one YAML document";
                    return Err(ParseError::new(message, span.start as usize));
                }
                Event::DocumentStart(_) => {
                    documents += 1;
                    continue;
                }
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => continue,
                Event::SequenceEnd | Event::MappingEnd => {
                    if let Some(closed) = open.pop() {
                        self.close(closed, span);
                    }
                    continue;
                }
                Event::Alias(anchor) => self.alias(anchor, span)?,
                Event::Scalar(text, style, anchor, tag) => {
                    let plain = style == ScalarStyle::Plain;
                    let merge = plain && tag.is_none() && text == "<<";
                    let value = resolve(text, plain, tag.as_deref());
                    let span = self.offsets.scalar(span, style);
                    if matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted) {
                        self.quoted.push(span);
                    }
                    self.push(Kind::Scalar { value, merge }, span, anchor)?
                }
                Event::SequenceStart(anchor, _) => self.push(Kind::List(Vec::new()), span, anchor)?,
                Event::MappingStart(anchor, _) => self.push(Kind::Map(Vec::new()), span, anchor)?,
            };
            match open.last() {
                Some(parent) => self.adopt(*parent, item),
                None => root = Some(item),
            }
            if matches!(self.items[item].kind, Kind::List(_) | Kind::Map(_)) {
                open.push(item);
            }
        }
        Ok(root)
    }

    fn push(&mut self, kind: Kind<'a>, mut span: Span, anchor: usize) -> Result<usize, ParseError> {
        if self.items.len() >= MAX_ITEMS {
            return Err(ParseError::new("the file has too many values", span.start as usize));
        }
        let (mut head, mut open) = (span.start, None);
        if let Kind::List(_) | Kind::Map(_) = kind {
            let written = &self.offsets.text.as_bytes()[span.range()];
            head += properties(written) as u32;
            open = written.last().filter(|b| matches!(b, b'{' | b'[')).map(|_| span.end - 1);
        }
        match kind {
            // The parser places an empty value at the token that follows, which may be lines below.
            Kind::Scalar { .. } if span.start == span.end => span = Span { start: self.end, end: self.end },
            Kind::Scalar { .. } | Kind::Alias(_) => self.end = span.end,
            // A flow collection is an opening bracket so far, a block collection nothing.
            Kind::List(_) | Kind::Map(_) => {
                self.end = self.end.max(span.end);
                span.end = span.start;
            }
        }
        let at = self.items.len();
        self.items.push(Item { kind, span, head, open });
        if anchor > 0 {
            if self.anchors.len() <= anchor {
                self.anchors.resize(anchor + 1, usize::MAX);
            }
            self.anchors[anchor] = at;
        }
        Ok(at)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<usize, ParseError> {
        match self.anchors.get(anchor).copied().filter(|at| *at != usize::MAX) {
            Some(target) => self.push(Kind::Alias(target), span, 0),
            None => Err(ParseError::new("an alias has no anchor", span.start as usize)),
        }
    }

    fn adopt(&mut self, parent: usize, child: usize) {
        if let Kind::List(children) | Kind::Map(children) = &mut self.items[parent].kind {
            children.push(child);
        }
    }

    /// Ends a collection at its bracket or, without one, at the end of its last child.
    fn close(&mut self, at: usize, bracket: Span) {
        let (Kind::List(children) | Kind::Map(children)) = &self.items[at].kind else { return };
        let start = children.first().map(|child| self.items[*child].span.start);
        let end = children.last().map(|child| self.items[*child].span.end);
        let item = &mut self.items[at];
        item.span.start = start.map_or(item.span.start, |start| item.span.start.min(start));
        item.span.end = end.unwrap_or(item.span.start).max(item.span.start);
        // The parser counts a comment behind the bracket to it.
        if bracket.end > bracket.start {
            item.span.end = bracket.start + 1;
        }
        self.end = self.items[at].span.end;
    }
}

struct Tree<'i, 'a> {
    items: &'i [Item<'a>],
    /// Nodes that aliases may still expand to.
    budget: usize,
    duplicates: Vec<Duplicate>,
    deep: Option<usize>,
}

impl<'a> Tree<'_, 'a> {
    /// `copied`: below an alias, where each node is paid for and duplicates have been noted already.
    fn node(&mut self, at: usize, depth: usize, copied: bool) -> Result<Node<'a>, ParseError> {
        let Item { kind, span, .. } = &self.items[at];
        if copied {
            self.pay(kind, *span)?;
        }
        let value = match kind {
            Kind::Scalar { value, .. } => value.clone(),
            Kind::Alias(target) => self.aliased(*target, depth)?.value,
            Kind::List(_) | Kind::Map(_) if depth >= MAX_DEPTH => {
                self.deep.get_or_insert(span.start as usize);
                Value::Deep
            }
            Kind::List(children) => {
                let items = children.iter().map(|child| self.node(*child, depth + 1, copied));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Kind::Map(children) => Value::Object(self.members(children, depth, copied)?),
        };
        Ok(Node { value, span: *span })
    }

    fn aliased(&mut self, target: usize, depth: usize) -> Result<Node<'a>, ParseError> {
        self.node(target, depth, true)
    }

    fn pay(&mut self, kind: &Kind<'a>, span: Span) -> Result<(), ParseError> {
        let text = match kind {
            Kind::Scalar { value: Value::String(text) | Value::Number(text), .. } => text.len(),
            _ => 0,
        };
        match self.budget.checked_sub(1 + text / ALIAS_TEXT_UNIT) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => Err(ParseError::new("aliases expand to too many values", span.start as usize)),
        }
    }

    /// Merged members come first: the last of equal keys counts, and what a map says itself wins. What it says itself behind
    /// the merge key wins for every reader, with one that follows no merge keys among them: of such a key nothing is left
    /// of the merged value. Before the merge key it does not for some (yaml.v2, Psych), and both stay.
    fn members(
        &mut self,
        children: &[usize],
        depth: usize,
        copied: bool,
    ) -> Result<Vec<Member<'a>>, ParseError> {
        let mut merged = Vec::new();
        let mut own = Vec::with_capacity(children.len() / 2);
        // how many own keys stand before the merge key that brought a member
        let mut before: Vec<usize> = Vec::new();
        for pair in children.chunks_exact(2) {
            let (key, key_span) = self.key(pair[0])?;
            let value = self.node(pair[1], depth + 1, copied)?;
            if matches!(self.items[pair[0]].kind, Kind::Scalar { merge: true, .. }) {
                match mergeable(value) {
                    Ok(members) => {
                        merged.extend(members);
                        before.resize(merged.len(), own.len());
                    }
                    Err(value) => own.push(Member { key, key_span, value }),
                }
            } else {
                own.push(Member { key, key_span, value });
            }
        }
        if !copied {
            note_duplicates(&own, &mut self.duplicates);
        }
        let mut merged = not_said_again(merged, &before, &own);
        merged.append(&mut own);
        Ok(merged)
    }

    /// A key as text. JavaScript clients make text of scalars; a list or a map has no text that means anything.
    fn key(&mut self, at: usize) -> Result<(Cow<'a, str>, Span), ParseError> {
        let Item { kind, span, .. } = &self.items[at];
        let mut kind = kind;
        if let Kind::Alias(target) = kind {
            kind = &self.items[*target].kind;
            self.pay(kind, *span)?;
        }
        let text = match kind {
            Kind::Scalar { value: Value::String(text) | Value::Number(text), .. } => text.clone(),
            Kind::Scalar { value: Value::Bool(true), .. } => Cow::Borrowed("true"),
            Kind::Scalar { value: Value::Bool(false), .. } => Cow::Borrowed("false"),
            Kind::Scalar { value: Value::Null, .. } => Cow::Borrowed("null"),
            _ => return Err(ParseError::new("a key is not text", span.start as usize)),
        };
        Ok((text, *span))
    }
}

/// The merged members without those that the map says itself behind their merge key. A map in a map stays: what an edit
/// takes out of the map itself would bring it to light.
fn not_said_again<'a>(merged: Vec<Member<'a>>, before: &[usize], own: &[Member<'a>]) -> Vec<Member<'a>> {
    if merged.is_empty() {
        return merged;
    }
    let last: BTreeMap<&str, usize> = own.iter().enumerate().map(|(at, member)| (&*member.key, at)).collect();
    let is_said_again = |member: &Member<'_>, before: usize| {
        !member.value.is_object() && last.get(&*member.key).is_some_and(|at| *at >= before)
    };
    let kept = merged.into_iter().zip(before).filter(|(member, before)| !is_said_again(member, **before));
    kept.map(|(member, _)| member).collect()
}

/// The members that a merge key brings: of a map, or of a list of maps, of which the first wins.
fn mergeable(node: Node<'_>) -> Result<Vec<Member<'_>>, Node<'_>> {
    match node.value {
        Value::Object(members) => Ok(members),
        Value::Array(items) if items.iter().all(Node::is_object) => {
            let lists = items.into_iter().rev().map(|item| match item.value {
                Value::Object(members) => members,
                _ => Vec::new(),
            });
            Ok(lists.flatten().collect())
        }
        value => Err(Node { value, span: node.span }),
    }
}

//! A YAML file as it is written: collections with their children, anchors and aliases not followed.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::codec::yaml::build::{self, Item, Kind};
use crate::edit::commas::{Comments, List};
use crate::edit::style::{after_newline, line_end, line_start, skip_blanks};
use crate::edit::{Doc, Place, Unfaithful};
use crate::node::{Value, unescape};

pub(super) struct Raw<'t> {
    pub(super) text: &'t str,
    items: Vec<Item<'t>>,
    pub(super) root: Option<usize>,
    /// The index behind the last item in each item.
    ends: Vec<usize>,
    /// The collection that each item is in, and the number of the child that it is or is part of.
    parents: Vec<Option<Child>>,
}

/// A member or an item of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Child {
    pub(super) parent: usize,
    pub(super) at: usize,
}

/// How a collection is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// By lines, the children starting at this column.
    Block { column: usize },
    /// In brackets, the first of which stands here.
    Flow { open: usize },
}

pub(super) const ODD: Unfaithful = Unfaithful::NotExpressible("a layout of YAML that is not known here");

impl<'t> Raw<'t> {
    pub(super) fn read(text: &'t str) -> Result<Self, Unfaithful> {
        let (items, root) = build::items(text).map_err(|_| Unfaithful::Unparseable)?;
        let mut raw =
            Self { text, root, ends: vec![0; items.len()], parents: vec![None; items.len()], items };
        // An item comes before those in it, so their ends are known first.
        for at in (0..raw.items.len()).rev() {
            let (Kind::List(children) | Kind::Map(children)) = &raw.items[at].kind else {
                raw.ends[at] = at + 1;
                continue;
            };
            raw.ends[at] = children.last().map_or(at + 1, |last| raw.ends[*last]);
            let width = raw.width(at);
            for (number, child) in children.iter().enumerate() {
                raw.parents[*child] = Some(Child { parent: at, at: number / width });
            }
        }
        Ok(raw)
    }

    /// Items that make one child: a key and a value in a map.
    fn width(&self, collection: usize) -> usize {
        if self.is_map(collection) { 2 } else { 1 }
    }

    pub(super) fn is_map(&self, item: usize) -> bool {
        matches!(self.items[item].kind, Kind::Map(_))
    }

    pub(super) fn is_list(&self, item: usize) -> bool {
        matches!(self.items[item].kind, Kind::List(_))
    }

    pub(super) fn is_flow(&self, collection: usize) -> bool {
        self.items[collection].open.is_some()
    }

    pub(super) fn is_alias(&self, item: usize) -> bool {
        matches!(self.items[item].kind, Kind::Alias(_))
    }

    fn children(&self, collection: usize) -> &[usize] {
        match &self.items[collection].kind {
            Kind::List(children) | Kind::Map(children) => children,
            Kind::Scalar { .. } | Kind::Alias(_) => &[],
        }
    }

    pub(super) fn count(&self, collection: usize) -> usize {
        self.children(collection).len() / self.width(collection)
    }

    /// The item that is the value of a child.
    pub(super) fn value(&self, child: Child) -> usize {
        let width = self.width(child.parent);
        self.children(child.parent)[child.at * width + width - 1]
    }

    /// The first item of a child: its key, or the item itself.
    fn first(&self, child: Child) -> usize {
        self.children(child.parent)[child.at * self.width(child.parent)]
    }

    /// The items of a child.
    pub(super) fn items_of(&self, child: Child) -> Range<usize> {
        self.first(child)..self.ends[self.value(child)]
    }

    pub(super) fn subtree(&self, item: usize) -> Range<usize> {
        item..self.ends[item]
    }

    pub(super) fn parent(&self, item: usize) -> Option<Child> {
        self.parents[item]
    }

    pub(super) fn span(&self, item: usize) -> Range<usize> {
        self.items[item].span.range()
    }

    pub(super) fn string(&self, item: usize) -> Option<&str> {
        match &self.items[item].kind {
            Kind::Scalar { value: Value::String(text), .. } => Some(text),
            _ => None,
        }
    }

    pub(super) fn is_null(&self, item: usize) -> bool {
        matches!(self.items[item].kind, Kind::Scalar { value: Value::Null, .. })
    }

    pub(super) fn is_scalar(&self, item: usize) -> bool {
        matches!(self.items[item].kind, Kind::Scalar { .. })
    }

    /// Items that aliases stand for, each with its alias.
    pub(super) fn aliases(&self) -> impl Iterator<Item = (usize, usize)> {
        self.items.iter().enumerate().filter_map(|(at, item)| match item.kind {
            Kind::Alias(target) => Some((at, target)),
            _ => None,
        })
    }

    /// The text of a key.
    pub(super) fn key(&self, child: Child) -> Option<&str> {
        if !self.is_map(child.parent) {
            return None;
        }
        let mut key = &self.items[self.first(child)].kind;
        if let Kind::Alias(target) = key {
            key = &self.items[*target].kind;
        }
        match key {
            Kind::Scalar { value: Value::String(text) | Value::Number(text), .. } => Some(text),
            Kind::Scalar { value: Value::Bool(true), .. } => Some("true"),
            Kind::Scalar { value: Value::Bool(false), .. } => Some("false"),
            Kind::Scalar { value: Value::Null, .. } => Some("null"),
            _ => None,
        }
    }

    /// The key of a collection's first child.
    pub(super) fn only(&self, collection: usize) -> Option<String> {
        self.key(Child { parent: collection, at: 0 }).map(str::to_owned)
    }

    /// The children of a collection that a token of a JSON Pointer names.
    pub(super) fn named(&self, collection: usize, token: &str) -> Vec<Child> {
        let children = (0..self.count(collection)).map(|at| Child { parent: collection, at });
        if self.is_map(collection) {
            children.filter(|child| self.key(*child) == Some(token)).collect()
        } else {
            let at = token.parse().ok();
            children.filter(|child| Some(child.at) == at).collect()
        }
    }

    /// The item of a list of which a member is all there is (`- name: entry`), or the member itself.
    pub(super) fn with_item_of_its_own(&self, member: Child) -> Child {
        let is_alone = self.only_entry(member.parent).is_some();
        let item = self.parent(member.parent).filter(|item| is_alone && self.is_list(item.parent));
        item.unwrap_or(member)
    }

    /// The key of a map with one member, the value of which may have members in its turn.
    pub(super) fn only_entry(&self, map: usize) -> Option<String> {
        let is_one = self.is_map(map) && self.count(map) == 1;
        let value = is_one.then(|| self.value(Child { parent: map, at: 0 }))?;
        if self.is_map(value) || self.is_alias(value) { self.only(map) } else { None }
    }

    /// The children at exactly these places, found in one walk for all of them.
    pub(super) fn find(&self, doc: Doc<'_>, places: &[&Place]) -> Result<Vec<Child>, Unfaithful> {
        let mut wanted: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        for (number, place) in places.iter().enumerate() {
            let range = doc.range(place)?;
            wanted.entry((range.start, range.end)).or_default().push(number);
        }
        let mut found: Vec<Option<Child>> = vec![None; places.len()];
        let collections = (0..self.items.len()).filter(|at| !self.children(*at).is_empty());
        for child in
            collections.flat_map(|parent| (0..self.count(parent)).map(move |at| Child { parent, at }))
        {
            let span = self.place(child);
            for number in wanted.get(&(span.start, span.end)).into_iter().flatten() {
                let name = places[*number].key_path.rsplit('/').next().map(unescape).unwrap_or_default();
                let fits = match self.key(child) {
                    Some(key) => key == name,
                    None => child.at.to_string() == name,
                };
                if fits {
                    found[*number].get_or_insert(child);
                }
            }
        }
        found.into_iter().map(|child| child.ok_or(Unfaithful::Gone)).collect()
    }

    /// Bytes of a child as an entry's place says them.
    fn place(&self, child: Child) -> Range<usize> {
        let (first, value) = (self.span(self.first(child)), self.span(self.value(child)));
        if self.is_map(child.parent) { first.start..value.end.max(first.end) } else { value }
    }

    pub(super) fn layout(&self, collection: usize) -> Result<Layout, Unfaithful> {
        if let Some(open) = self.items[collection].open {
            return Ok(Layout::Flow { open: open as usize });
        }
        let mut above = self.parent(collection);
        while let Some(child) = above {
            // `[a: 1]`: a map without brackets in brackets.
            if self.items[child.parent].open.is_some() {
                return Err(ODD);
            }
            above = self.parent(child.parent);
        }
        let first = Child { parent: collection, at: 0 };
        let first =
            if self.is_map(collection) { self.span(self.first(first)).start } else { self.dash(first)? };
        Ok(Layout::Block { column: first - line_start(self.text, first) })
    }

    /// The first dash of a block list. The parser says where it is only if the list is indented more than its key.
    fn dash(&self, first: Child) -> Result<usize, Unfaithful> {
        let head = self.items[first.parent].head as usize;
        let item = self.span(self.value(first)).start;
        if head < item && self.text[head..].starts_with('-') {
            return Ok(head);
        }
        let before = self.text[..head].trim_end();
        if before.ends_with('-') { Ok(before.len() - 1) } else { Err(ODD) }
    }

    /// A flow collection as a list of what stands between commas.
    pub(super) fn list(&self, collection: usize, open: usize) -> List<'t> {
        let inner = open + 1..self.span(collection).end.saturating_sub(1).max(open + 1);
        let mut at = inner.start;
        let mut children = Vec::with_capacity(self.count(collection));
        for number in 0..self.count(collection) {
            let place = self.place(Child { parent: collection, at: number });
            children.push(first_token(self.text, at).min(place.start)..place.end);
            at = place.end;
        }
        List { text: self.text, inner, children, comments: Comments::Hash }
    }

    /// Where a child of a block collection begins: its dash, or its key with what stands before that.
    pub(super) fn head(&self, child: Child, column: usize) -> Result<usize, Unfaithful> {
        let first = self.span(self.first(child)).start;
        if self.is_map(child.parent) {
            let line = line_start(self.text, first);
            let before = self.text.get(line + column..first).ok_or(ODD)?;
            let is_odd = !before.is_empty() && !before.starts_with(['&', '!']);
            return if is_odd { Err(ODD) } else { Ok(line + column) };
        }
        if child.at == 0 {
            return self.dash(child);
        }
        let mut line = line_start(self.text, first);
        loop {
            let dash = line + column;
            if skip_blanks(self.text, line) == dash && self.text[dash..].starts_with('-') {
                return Ok(dash);
            }
            line = line_start(self.text, line.checked_sub(1).ok_or(ODD)?);
        }
    }

    /// The end of a child, with the blank lines at the end of a text that may be part of it.
    pub(super) fn end(&self, child: Child) -> usize {
        self.place(child).end
    }

    /// The byte behind the last line of a child of a block collection.
    pub(super) fn tail(&self, child: Child) -> usize {
        let end = self.content_end(child);
        after_newline(self.text, line_end(self.text, end))
    }

    /// The byte behind the last that is no white space.
    fn content_end(&self, child: Child) -> usize {
        let start = self.span(self.first(child)).start;
        let end = self.place(child).end;
        start + self.text[start..end.max(start)].trim_end().len()
    }

    /// Where the value of a child may be written: behind the colon or the dash and the tag and anchor.
    pub(super) fn value_start(&self, child: Child, column: usize) -> Result<usize, Unfaithful> {
        let bytes = self.text.as_bytes();
        let mut at = if self.is_map(child.parent) {
            let colon = skip_blanks(self.text, self.span(self.first(child)).end);
            if bytes.get(colon) != Some(&b':') {
                return Err(ODD);
            }
            colon + 1
        } else {
            self.head(child, column)? + 1
        };
        loop {
            let next = skip_blanks(self.text, at);
            if !matches!(bytes.get(next), Some(b'&' | b'!')) {
                return Ok(at);
            }
            at = next + bytes[next..].iter().position(u8::is_ascii_whitespace).unwrap_or(bytes.len() - next);
        }
    }
}

/// The first byte that is neither blank, nor a separator, nor of a comment.
fn first_token(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(at) {
        at += match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' => 1,
            b'#' => memchr::memchr2(b'\n', b'\r', &bytes[at..]).unwrap_or(bytes.len() - at),
            _ => break,
        };
    }
    at
}

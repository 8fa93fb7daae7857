//! Inline tables and arrays of TOML.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use toml_edit::{InlineTable, Item, TableLike, Value};

use super::statements::with_parents;
use crate::edit::commas::{Comments, List};
use crate::node::escape;

/// Children of one pair of brackets, each with its pointer below the brackets.
pub(super) struct Inline<'d> {
    children: Vec<Leaf<'d>>,
    by_pointer: BTreeMap<String, usize>,
    span: Range<usize>,
    is_table: bool,
}

struct Leaf<'d> {
    pointer: String,
    value: &'d Value,
}

/// What a pointer leads to in a value.
pub(super) struct Spot<'d> {
    /// The innermost brackets on the way.
    pub(super) list: Rc<Inline<'d>>,
    /// Its children at or below the pointer: several, if dotted keys say what it is.
    pub(super) children: Vec<usize>,
    /// The value, if one child is it.
    pub(super) value: Option<&'d Value>,
}

/// The brackets looked at so far, by their place: with 10,000 entries in one pair, each must not read them all.
#[derive(Default)]
pub(super) struct Inlines<'d>(BTreeMap<usize, Rc<Inline<'d>>>);

impl<'d> Inlines<'d> {
    /// The brackets of a value.
    pub(super) fn of(&mut self, value: &'d Value) -> Option<Rc<Inline<'d>>> {
        let span = value.span().filter(|_| value.is_array() || value.is_inline_table())?;
        let made = || Rc::new(Inline::new(value, span.clone()));
        Some(Rc::clone(self.0.entry(span.start).or_insert_with(made)))
    }

    /// What stands at a pointer below a value.
    pub(super) fn at(&mut self, value: &'d Value, pointer: &str) -> Option<Spot<'d>> {
        let mut list = self.of(value)?;
        let mut pointer = pointer;
        loop {
            let on_the_way = with_parents(pointer).skip(1).find_map(|upper| list.by_pointer.get(upper));
            let leaf = on_the_way.map(|at| &list.children[*at]);
            match leaf.and_then(|leaf| Some((self.of(leaf.value)?, leaf.pointer.len()))) {
                Some((inner, length)) => {
                    list = inner;
                    pointer = &pointer[length..];
                }
                None => return Some(Inline::spot(list, pointer)),
            }
        }
    }
}

impl<'d> Inline<'d> {
    fn new(value: &'d Value, span: Range<usize>) -> Self {
        let mut children = Vec::new();
        match value {
            Value::Array(items) => {
                for (at, value) in items.iter().enumerate() {
                    children.push(Leaf { pointer: format!("/{at}"), value });
                }
            }
            Value::InlineTable(table) => {
                leaves(table, "", &mut children);
                children.sort_by_key(|leaf| leaf.value.span().map_or(0, |span| span.start));
            }
            _ => {}
        }
        let by_pointer = children.iter().enumerate().map(|(at, leaf)| (leaf.pointer.clone(), at)).collect();
        Self { children, by_pointer, span, is_table: value.is_inline_table() }
    }

    fn spot(list: Rc<Self>, pointer: &str) -> Spot<'d> {
        let exact = list.by_pointer.get(pointer).copied();
        let below = format!("{pointer}/");
        let dotted = list.by_pointer.range(below.clone()..);
        let dotted = dotted.take_while(|(found, _)| found.starts_with(&below)).map(|(_, at)| *at);
        let children: Vec<usize> = exact.into_iter().chain(dotted).collect();
        let value = exact.map(|at| list.children[at].value);
        Spot { list, children, value }
    }

    /// The strings of an array.
    pub(super) fn strings(&self) -> impl Iterator<Item = (usize, &'d str)> {
        let items = self.children.iter().enumerate().filter(|_| !self.is_table);
        items.filter_map(|(at, leaf)| Some((at, leaf.value.as_str()?)))
    }

    pub(super) fn open(&self) -> usize {
        self.span.start
    }

    pub(super) fn is_table(&self) -> bool {
        self.is_table
    }

    /// With the place of every child: from behind the separator before it, for a dotted key has no place as a whole.
    pub(super) fn list<'t>(&self, text: &'t str) -> List<'t> {
        let inner = self.span.start + 1..self.span.end.saturating_sub(1).max(self.span.start + 1);
        let mut at = inner.start;
        let mut children = Vec::with_capacity(self.children.len());
        for leaf in &self.children {
            let value = leaf.value.span().unwrap_or(at..at);
            children.push(first_token(text, at)..value.end);
            at = value.end;
        }
        List { text, inner, children, comments: Comments::Hash }
    }
}

/// The first byte that is neither blank, nor a comma, nor of a comment.
fn first_token(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(at) {
        at += match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => 1,
            b'#' => memchr::memchr(b'\n', &bytes[at..]).unwrap_or(bytes.len() - at),
            _ => break,
        };
    }
    at
}

/// All values of an inline table, those of dotted keys included.
fn leaves<'d>(table: &'d InlineTable, pointer: &str, out: &mut Vec<Leaf<'d>>) {
    for (name, item) in TableLike::iter(table) {
        let pointer = format!("{pointer}/{}", escape(name));
        match item {
            Item::Value(Value::InlineTable(inner)) if inner.is_dotted() => leaves(inner, &pointer, out),
            Item::Value(value) => out.push(Leaf { pointer, value }),
            _ => {}
        }
    }
}

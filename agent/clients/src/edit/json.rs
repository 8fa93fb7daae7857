//! Changes of JSON.

use std::collections::BTreeMap;
use std::ops::Range;

use super::commas::{Added, Comments, List};
use super::fresh::{self, Fresh, Made, Text};
use super::pieces::{self, Alone};
use super::splice::Plan;
use super::style::{self, Style};
use super::{Change, Doc, Piece, Place, Unfaithful, tokens};
use crate::codec::{Dialect, json};
use crate::node::{Node, Value};

/// Plans all changes.
pub(super) fn plan(doc: Doc<'_>, dialect: Dialect, changes: &[Change]) -> Result<Plan, Unfaithful> {
    let parsed = json::parse(doc.text, false).map_err(|_| Unfaithful::Unparseable)?;
    let mut planner = Planner {
        doc,
        root: &parsed.root,
        comments: parsed.leniencies.comments || dialect.comments,
        lists: BTreeMap::new(),
        plan: Plan::new(changes.len()),
    };
    for (at, change) in changes.iter().enumerate() {
        planner.change(at, change)?;
    }
    planner.remove_items(changes);
    planner.finish()
}

/// What [`Change::Remove`] would take out of each place.
pub(super) fn texts(doc: Doc<'_>, places: &[Place]) -> Result<Vec<Vec<Range<usize>>>, Unfaithful> {
    let parsed = json::parse(doc.text, false).map_err(|_| Unfaithful::Unparseable)?;
    let mut lists: BTreeMap<u32, List<'_>> = BTreeMap::new();
    let mut out = Vec::with_capacity(places.len());
    for place in places {
        let found = find(&parsed.root, doc, place)?;
        let list = lists.entry(found.parent.span.start).or_insert_with(|| list_of(doc.text, found.parent));
        out.push(vec![list.cut(found.child)]);
    }
    Ok(out)
}

/// What is to happen between one pair of brackets.
struct Open<'d, 'a> {
    node: &'d Node<'a>,
    removed: BTreeMap<usize, usize>,
    added: Vec<Added>,
    made: Vec<Made>,
}

struct Planner<'d, 'a> {
    doc: Doc<'a>,
    root: &'d Node<'a>,
    /// Whether the file has comments or its clients read them, so that more of them do no harm.
    comments: bool,
    /// By the place of the opening bracket.
    lists: BTreeMap<u32, Open<'d, 'a>>,
    plan: Plan,
}

/// A child and the node it is in.
struct Child<'d, 'a> {
    parent: &'d Node<'a>,
    child: usize,
    value: &'d Node<'a>,
}

impl<'d, 'a> Planner<'d, 'a> {
    fn change(&mut self, at: usize, change: &Change) -> Result<(), Unfaithful> {
        match change {
            Change::Remove(place) => {
                let found = find(self.root, self.doc, place)?;
                self.remove(found.parent, found.child, at);
            }
            Change::Replace { at: place, pieces } => self.replace(at, place, pieces)?,
            Change::SetText { at: place, pointer, text } => {
                let (node, missing) = self.below(place, pointer)?;
                if !missing.is_empty() || node.as_str().is_none() {
                    return Err(Unfaithful::Gone);
                }
                self.write(at, node.span.range(), quoted(text));
            }
            Change::SetFlag { at: place, pointer, value } => {
                let (node, missing) = self.below(place, pointer)?;
                if missing.is_empty() && !matches!(node.value, Value::Object(_) | Value::Array(_)) {
                    self.write(at, node.span.range(), value.to_string());
                } else {
                    self.make(node, &missing, Text::Of(Fresh::Flag(*value)))?;
                }
            }
            Change::RemoveItem { .. } => {}
            Change::AddItem { list, value } => self.add_item(list, value)?,
            Change::RemoveMember { pointer } => {
                let mut path = tokens(pointer);
                let Some(name) = path.pop() else { return Err(Unfaithful::Gone) };
                for parent in all_at(self.root, &path) {
                    for (child, member) in parent.members().iter().enumerate() {
                        if member.key == name {
                            self.remove(parent, child, at);
                        }
                    }
                }
            }
            Change::Insert { table, name, pieces } => self.insert(table, name, pieces)?,
        }
        Ok(())
    }

    /// Takes strings out of lists, each list read once.
    fn remove_items(&mut self, changes: &[Change]) {
        for (list, values) in super::items_to_remove(changes) {
            for list in all_at(self.root, &tokens(list)) {
                for (child, item) in list.items().iter().enumerate() {
                    if let Some(change) = item.as_str().and_then(|text| values.get(text)) {
                        self.remove(list, child, *change);
                    }
                }
            }
        }
    }

    fn open(&mut self, node: &'d Node<'a>) -> &mut Open<'d, 'a> {
        self.lists.entry(node.span.start).or_insert_with(|| Open {
            node,
            removed: BTreeMap::new(),
            added: Vec::new(),
            made: Vec::new(),
        })
    }

    fn remove(&mut self, parent: &'d Node<'a>, child: usize, change: usize) {
        self.open(parent).removed.entry(child).or_insert(change);
    }

    fn write(&mut self, change: usize, range: Range<usize>, text: String) {
        self.plan.removed[change].push(range.clone());
        self.plan.put(range, text);
    }

    fn replace(&mut self, change: usize, place: &Place, pieces: &[Piece]) -> Result<(), Unfaithful> {
        let found = find(self.root, self.doc, place)?;
        let alone = pieces::alone_in_json(pieces)?;
        let key = found.parent.members().get(found.child).map(|member| &*member.key);
        if alone.key.as_deref() != key {
            return Err(Unfaithful::NotExpressible("the kept text is that of another entry"));
        }
        let at = found.value.span.range();
        let to = style::indent(self.doc.text, self.doc.range(place)?.start);
        self.write(change, at, style::reindent(&alone.value, &alone.indent, to));
        Ok(())
    }

    fn add_item(&mut self, list: &str, value: &str) -> Result<(), Unfaithful> {
        let (node, missing) = reach(self.root, &tokens(list));
        if !missing.is_empty() {
            return self.make(node, &missing, Text::Of(Fresh::List(vec![value.to_owned()])));
        }
        if !matches!(node.value, Value::Array(_)) {
            return Err(Unfaithful::NotExpressible("the list is no list"));
        }
        let text = quoted(value);
        let is_there = node.items().iter().any(|item| item.as_str() == Some(value));
        let open = self.open(node);
        if !is_there && open.added.iter().all(|added| added.text != text) {
            open.added.push(Added { text, behind: String::new() });
        }
        Ok(())
    }

    fn insert(&mut self, table: &str, name: &str, pieces: &[Piece]) -> Result<(), Unfaithful> {
        let alone = pieces::alone_in_json(pieces)?;
        if alone.key.as_deref().is_some_and(|key| key != name) {
            return Err(Unfaithful::NotExpressible("the kept text is that of another entry"));
        }
        let mut path = tokens(table);
        let (node, missing) = reach(self.root, &path);
        let in_list = alone.key.is_none();
        if missing.is_empty() && matches!(node.value, Value::Array(_)) == in_list {
            if in_list || node.is_object() && node.members().iter().all(|member| member.key != name) {
                let outer = style::indent(self.doc.text, node.span.start as usize);
                let first = node.members().first().map(|m| m.key_span.start);
                let first = first.or_else(|| node.items().first().map(|i| i.span.start));
                let to = match first {
                    Some(first) if style::starts_line(self.doc.text, first as usize) => {
                        style::indent(self.doc.text, first as usize).to_owned()
                    }
                    _ => format!("{outer}{}", Style::of(self.doc.text).unit),
                };
                let added = self.as_it_was(&alone, &to);
                self.open(node).added.push(added);
                return Ok(());
            }
            return Err(if node.is_object() { Unfaithful::Taken } else { NO_TABLE });
        }
        if missing.is_empty() || in_list {
            return Err(NO_TABLE);
        }
        path.drain(..path.len() - missing.len());
        path.push(name.to_owned());
        self.make(node, &path, Text::AsItWas(alone))
    }

    /// The entry with its comments at the indentation of its new neighbours.
    fn as_it_was(&self, alone: &Alone, indent: &str) -> Added {
        let text =
            if self.comments { format!("{}{}", alone.above, alone.entry) } else { alone.entry.clone() };
        let behind = if self.comments { alone.behind.clone() } else { String::new() };
        Added { text: style::reindent(&text, &alone.indent, indent), behind }
    }

    fn make(&mut self, node: &'d Node<'a>, missing: &[String], value: Text) -> Result<(), Unfaithful> {
        if missing.is_empty() || !node.is_object() {
            return Err(Unfaithful::NotExpressible("something else stands where it would go"));
        }
        fresh::add(&mut self.open(node).made, missing, value)
    }

    /// The node below an entry, or the last one on the way to it and the keys that are missing.
    fn below(&self, place: &Place, pointer: &str) -> Result<(&'d Node<'a>, Vec<String>), Unfaithful> {
        let found = find(self.root, self.doc, place)?;
        Ok(reach(found.value, &tokens(pointer)))
    }

    fn finish(mut self) -> Result<Plan, Unfaithful> {
        let style = Style::of(self.doc.text);
        for mut open in std::mem::take(&mut self.lists).into_values() {
            let list = list_of(self.doc.text, open.node);
            let outer = style::indent(self.doc.text, list.inner.start);
            let indent = format!("{outer}{}", style.unit);
            for made in std::mem::take(&mut open.made) {
                let added = self.member(made, &indent, &style);
                open.added.push(added);
            }
            list.plan(&open.removed, &open.added, &style, &mut self.plan);
        }
        Ok(self.plan)
    }

    fn member(&self, made: Made, indent: &str, style: &Style) -> Added {
        let value = match made.value {
            Text::AsItWas(alone) => return self.as_it_was(&alone, indent),
            Text::Of(Fresh::Flag(value)) => value.to_string(),
            Text::Of(Fresh::List(items)) => {
                let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Text::Of(Fresh::Map(members)) => {
                let inner = format!("{indent}{}", style.unit);
                let members = members.into_iter().map(|made| self.member(made, &inner, style).text);
                let members: Vec<String> = members.collect();
                let newline = style.newline;
                if style.lines {
                    let members = members.join(&format!(",{newline}{inner}"));
                    format!("{{{newline}{inner}{members}{newline}{indent}}}")
                } else {
                    format!("{{{}}}", members.join(", "))
                }
            }
        };
        Added { text: format!("{}: {value}", quoted(&made.key)), behind: String::new() }
    }
}

const NO_TABLE: Unfaithful = Unfaithful::NotExpressible("the table is not of the kind that held the entry");

fn list_of<'t>(text: &'t str, node: &Node<'_>) -> List<'t> {
    let range = node.span.range();
    let members = node.members().iter().map(|member| member.span().range());
    let children = members.chain(node.items().iter().map(|item| item.span.range())).collect();
    List { text, inner: range.start + 1..range.end - 1, children, comments: Comments::Slashes }
}

/// The child at exactly these bytes. Children stand in order, so each step is a binary search.
fn find<'d, 'a>(root: &'d Node<'a>, doc: Doc<'_>, place: &Place) -> Result<Child<'d, 'a>, Unfaithful> {
    let range = doc.range(place)?;
    let name = place.key_path.rsplit('/').next().map(crate::node::unescape).unwrap_or_default();
    let mut parent = root;
    loop {
        let (members, items) = (parent.members(), parent.items());
        let before = members.partition_point(|member| member.key_span.start as usize <= range.start)
            + items.partition_point(|item| item.span.start as usize <= range.start);
        let child = before.checked_sub(1).ok_or(Unfaithful::Gone)?;
        let (value, span, key) = match members.get(child) {
            Some(member) => (&member.value, member.span().range(), member.key.to_string()),
            None => (&items[child], items[child].span.range(), child.to_string()),
        };
        if span == range && key == *name {
            return Ok(Child { parent, child, value });
        }
        if span.end < range.end {
            return Err(Unfaithful::Gone);
        }
        parent = value;
    }
}

/// Every node at a path, all duplicates included.
fn all_at<'d, 'a>(root: &'d Node<'a>, path: &[String]) -> Vec<&'d Node<'a>> {
    path.iter().fold(vec![root], |nodes, key| {
        let below = |node: &'d Node<'a>| -> Vec<&'d Node<'a>> {
            let members =
                node.members().iter().filter(|member| member.key == *key).map(|member| &member.value);
            members.chain(key.parse().ok().and_then(|at: usize| node.items().get(at))).collect()
        };
        nodes.into_iter().flat_map(below).collect()
    })
}

/// The node at a path, the last of duplicates at each step, as far as there is one; and the keys that are missing.
fn reach<'d, 'a>(root: &'d Node<'a>, path: &[String]) -> (&'d Node<'a>, Vec<String>) {
    let mut node = root;
    for (at, key) in path.iter().enumerate() {
        let item = key.parse().ok().and_then(|at: usize| node.items().get(at));
        match node.get(key).or(item) {
            Some(below) => node = below,
            None => return (node, path[at..].to_vec()),
        }
    }
    (node, Vec::new())
}

/// A JSON string.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' || c == '\u{7f}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

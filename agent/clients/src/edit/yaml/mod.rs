//! Changes of YAML.
//!
//! Collections in brackets are lists between commas; block collections are lines. An anchor that others use is not
//! touched: what it changes elsewhere cannot be seen at the entry.

mod block;
mod raw;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use self::block::Block;
use self::raw::{Child, Layout, ODD, Raw};
pub(super) use self::text::kept;
use super::commas::Added;
use super::fresh::{self, Fresh, Made, Text};
use super::splice::Plan;
use super::style::{self, Style};
use super::{Change, Doc, Piece, Place, Unfaithful, tokens};

/// Plans all changes.
pub(super) fn plan(doc: Doc<'_>, changes: &[Change]) -> Result<Plan, Unfaithful> {
    let raw = Raw::read(doc.text)?;
    let places: Vec<&Place> = changes.iter().filter_map(Change::place).collect();
    let mut found = raw.find(doc, &places)?.into_iter();
    let mut planner = Planner::new(&raw, changes.len());
    for (at, change) in changes.iter().enumerate() {
        let child = change.place().and_then(|_| found.next());
        planner.change(at, change, child)?;
    }
    planner.remove_items(changes)?;
    planner.finish()
}

/// What [`Change::Remove`] would take out of each place.
pub(super) fn texts(doc: Doc<'_>, places: &[Place]) -> Result<Vec<Vec<Range<usize>>>, Unfaithful> {
    let raw = Raw::read(doc.text)?;
    let found = raw.find(doc, &places.iter().collect::<Vec<_>>())?;
    let newline = Style::of(doc.text).newline;
    let mut lists = BTreeMap::new();
    let mut out = Vec::with_capacity(found.len());
    for child in found {
        let range = match raw.layout(child.parent)? {
            Layout::Flow { open } => {
                lists.entry(open).or_insert_with(|| raw.list(child.parent, open)).cut(child.at)
            }
            Layout::Block { column } => {
                Block { raw: &raw, collection: child.parent, column, newline }.lines(child)?
            }
        };
        out.push(vec![range]);
    }
    Ok(out)
}

/// What is to happen in one collection.
#[derive(Default)]
struct Open {
    removed: BTreeMap<usize, usize>,
    /// Texts at column 0 in a block, between commas in brackets.
    added: Vec<String>,
    made: Vec<Made>,
}

struct Planner<'r, 't> {
    raw: &'r Raw<'t>,
    style: Style,
    open: BTreeMap<usize, Open>,
    /// Items that are removed, and items in which something changes.
    removed: Vec<Range<usize>>,
    touched: Vec<usize>,
    /// Entries for tables that are not there or hold nothing, by the item and the keys that are missing below it.
    anew: BTreeMap<(usize, Vec<String>), Vec<String>>,
    plan: Plan,
}

const MISPLACED: Unfaithful = Unfaithful::NotExpressible("something else stands where it would go");

impl<'r, 't> Planner<'r, 't> {
    fn new(raw: &'r Raw<'t>, changes: usize) -> Self {
        let plan = Plan::new(changes);
        let style = Style::of(raw.text);
        let (open, anew) = (BTreeMap::new(), BTreeMap::new());
        Self { raw, style, open, removed: Vec::new(), touched: Vec::new(), anew, plan }
    }

    fn change(&mut self, at: usize, change: &Change, child: Option<Child>) -> Result<(), Unfaithful> {
        match (change, child) {
            (Change::Remove(_), Some(child)) => self.remove(self.raw.with_item_of_its_own(child), at),
            (Change::Replace { pieces, .. }, Some(child)) => self.replace(at, child, pieces)?,
            (Change::SetText { pointer, text, .. }, Some(child)) => {
                let (item, missing) = self.reach(Some(self.raw.value(child)), &tokens(pointer))?;
                if !missing.is_empty() || self.raw.string(item).is_none() {
                    return Err(Unfaithful::Gone);
                }
                let span = self.raw.span(item);
                self.write(at, item, text::like(text, &self.raw.text[span]));
            }
            (Change::SetFlag { pointer, value, .. }, Some(child)) => {
                let (item, missing) = self.reach(Some(self.raw.value(child)), &tokens(pointer))?;
                if missing.is_empty() && self.raw.is_scalar(item) && !self.raw.span(item).is_empty() {
                    self.write(at, item, value.to_string());
                } else {
                    self.make(item, &missing, Text::Of(Fresh::Flag(*value)))?;
                }
            }
            (Change::AddItem { list, value }, _) => self.add_item(list, value)?,
            (Change::RemoveMember { pointer }, _) => {
                let mut path = tokens(pointer);
                let name = path.pop().ok_or(Unfaithful::Gone)?;
                for parent in self.all_at(&path)? {
                    if self.raw.is_map(parent) {
                        self.raw.named(parent, &name).into_iter().for_each(|child| self.remove(child, at));
                    }
                }
            }
            (Change::Insert { table, name, pieces }, _) => self.insert(table, name, pieces)?,
            (Change::RemoveItem { .. }, _) => {}
            (_, None) => return Err(Unfaithful::Gone),
        }
        Ok(())
    }

    fn remove(&mut self, child: Child, change: usize) {
        self.removed.push(self.raw.items_of(child));
        self.open.entry(child.parent).or_default().removed.entry(child.at).or_insert(change);
    }

    fn remove_items(&mut self, changes: &[Change]) -> Result<(), Unfaithful> {
        for (list, values) in super::items_to_remove(changes) {
            for list in self.all_at(&tokens(list))?.into_iter().filter(|item| self.raw.is_list(*item)) {
                for at in 0..self.raw.count(list) {
                    let child = Child { parent: list, at };
                    let change = self.raw.string(self.raw.value(child)).and_then(|text| values.get(text));
                    if let Some(change) = change {
                        self.remove(child, *change);
                    }
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, change: usize, item: usize, text: String) {
        let range = self.raw.span(item);
        self.touched.push(item);
        self.plan.removed[change].push(range.clone());
        self.plan.put(range, text);
    }

    fn replace(&mut self, change: usize, child: Child, pieces: &[Piece]) -> Result<(), Unfaithful> {
        let kept = kept(pieces)?;
        if kept.key.as_deref() != self.raw.key(child) {
            return Err(Unfaithful::NotExpressible("the kept text is that of another entry"));
        }
        self.removed.push(self.raw.items_of(child));
        let (range, text) = match self.raw.layout(child.parent)? {
            Layout::Flow { open } if !kept.is_block || !kept.text.contains(['\n', '\r']) => {
                let list = self.raw.list(child.parent, open);
                let range = list.children.get(child.at).cloned().ok_or(Unfaithful::Gone)?;
                (range, kept.text)
            }
            Layout::Flow { .. } => return Err(ODD),
            Layout::Block { column } => {
                let block =
                    Block { raw: self.raw, collection: child.parent, column, newline: self.style.newline };
                let range = block.lines(child)?;
                let ends = self.raw.text[range.clone()].ends_with(['\n', '\r']);
                let newline = if ends { self.style.newline } else { "" };
                let indent = " ".repeat(column);
                let first = if style::starts_line(self.raw.text, range.start) { indent.as_str() } else { "" };
                (range, format!("{first}{}{newline}", style::reindent(&kept.text, "", &indent)))
            }
        };
        self.plan.removed[change].push(range.clone());
        self.plan.put(range, text);
        Ok(())
    }

    fn add_item(&mut self, list: &str, value: &str) -> Result<(), Unfaithful> {
        let (item, missing) = self.reach(self.raw.root, &tokens(list))?;
        if !missing.is_empty() {
            return self.make(item, &missing, Text::Of(Fresh::List(vec![value.to_owned()])));
        }
        if !self.raw.is_list(item) {
            return Err(MISPLACED);
        }
        let mut items = (0..self.raw.count(item)).map(|at| self.raw.value(Child { parent: item, at }));
        if items.any(|item| self.raw.string(item) == Some(value)) {
            return Ok(());
        }
        let text = match self.raw.layout(item)? {
            Layout::Flow { .. } => text::string(value),
            Layout::Block { .. } => format!("- {}", text::string(value)),
        };
        let open = self.open.entry(item).or_default();
        if !open.added.contains(&text) {
            open.added.push(text);
        }
        Ok(())
    }

    fn insert(&mut self, table: &str, name: &str, pieces: &[Piece]) -> Result<(), Unfaithful> {
        let kept = kept(pieces)?;
        if kept.key.as_deref().is_some_and(|key| key != name) {
            return Err(Unfaithful::NotExpressible("the kept text is that of another entry"));
        }
        let path = self.table_of(tokens(table), name, &kept);
        let (item, missing) = self.reach(self.raw.root, &path)?;
        let items = if missing.is_empty() && self.raw.is_list(item) { self.raw.count(item) } else { 0 };
        let held = |at| self.raw.only_entry(self.raw.value(Child { parent: item, at }));
        if kept.inner.as_deref() == Some(name) && (0..items).any(|at| held(at) == kept.inner) {
            return Err(Unfaithful::Taken);
        }
        if !missing.is_empty() || self.raw.is_null(item) || self.is_empty_in_a_block(item) {
            let is_bare_item = !kept.is_block && kept.key.is_none();
            let text = if is_bare_item { format!("- {}", kept.text) } else { kept.text };
            self.anew.entry((item, missing)).or_default().push(text);
            return Ok(());
        }
        let fits = if kept.key.is_some() { self.raw.is_map(item) } else { self.raw.is_list(item) };
        if !fits {
            return Err(MISPLACED);
        }
        if kept.key.is_some() && !self.raw.named(item, name).is_empty() {
            return Err(Unfaithful::Taken);
        }
        let text = match self.raw.layout(item)? {
            Layout::Flow { .. } if kept.is_block && kept.text.contains(['\n', '\r']) => return Err(ODD),
            Layout::Block { .. } if !kept.is_block && kept.key.is_none() => format!("- {}", kept.text),
            _ => kept.text,
        };
        self.open.entry(item).or_default().added.push(text);
        Ok(())
    }

    /// The list of an entry that went with its item: of a table `/list/1`, `/list`.
    fn table_of(&self, mut path: Vec<String>, name: &str, kept: &text::Kept) -> Vec<String> {
        let is_list = |path: &[String]| {
            let reached = self.reach(self.raw.root, path);
            reached.is_ok_and(|(item, missing)| missing.is_empty() && self.raw.is_list(item))
        };
        if kept.inner.as_deref() == Some(name) && is_number(path.last()) && !is_list(&path) {
            path.pop();
        }
        path
    }

    /// `{}` and `[]` as the value of a line.
    fn is_empty_in_a_block(&self, item: usize) -> bool {
        let in_block = self
            .raw
            .parent(item)
            .is_some_and(|child| matches!(self.raw.layout(child.parent), Ok(Layout::Block { .. })));
        !self.raw.is_scalar(item) && !self.raw.is_alias(item) && self.raw.count(item) == 0 && in_block
    }

    /// Entries in a table that is not there, or is and holds nothing.
    fn insert_into_new(
        &mut self,
        item: usize,
        missing: &[String],
        entries: &[String],
    ) -> Result<(), Unfaithful> {
        let newline = self.style.newline;
        let unit = &self.style.unit;
        let unit = if unit.trim().is_empty() && !unit.contains('\t') { unit.as_str() } else { "  " };
        // From the inside out, each level at column 0.
        let mut text = entries.join(newline);
        for key in missing.iter().rev() {
            text = format!("{}:{newline}{unit}{}", text::string(key), style::reindent(&text, "", unit));
        }
        if !missing.is_empty() && self.raw.is_map(item) && self.raw.count(item) > 0 {
            if let Layout::Flow { .. } = self.raw.layout(item)? {
                return Err(ODD);
            }
            self.open.entry(item).or_default().added.push(text);
            return Ok(());
        }
        let child = self.raw.parent(item).ok_or(ODD)?;
        let Layout::Block { column } = self.raw.layout(child.parent)? else { return Err(ODD) };
        let indent = format!("{}{unit}", " ".repeat(column));
        let text = format!("{newline}{indent}{}", style::reindent(&text, "", &indent));
        let span = self.raw.span(item);
        let start = self.raw.value_start(child, column)?;
        self.touched.push(item);
        if !span.is_empty() {
            self.plan.put(start..span.end, "");
        }
        let line = style::line_end(self.raw.text, span.end.max(start));
        self.plan.put(line..line, text);
        Ok(())
    }

    fn make(&mut self, item: usize, missing: &[String], value: Text) -> Result<(), Unfaithful> {
        if missing.is_empty() || !self.raw.is_map(item) {
            return Err(MISPLACED);
        }
        fresh::add(&mut self.open.entry(item).or_default().made, missing, value)
    }

    /// The item at a path, the last of duplicates at each step, as far as there is one; and the keys that are missing.
    fn reach(&self, root: Option<usize>, path: &[String]) -> Result<(usize, Vec<String>), Unfaithful> {
        let mut item = root.ok_or(ODD)?;
        for (at, token) in path.iter().enumerate() {
            if self.raw.is_alias(item) {
                return Err(Unfaithful::SharedAnchor);
            }
            match self.raw.named(item, token).last() {
                Some(child) => item = self.raw.value(*child),
                None => return Ok((item, path[at..].to_vec())),
            }
        }
        if self.raw.is_alias(item) { Err(Unfaithful::SharedAnchor) } else { Ok((item, Vec::new())) }
    }

    fn all_at(&self, path: &[String]) -> Result<Vec<usize>, Unfaithful> {
        let mut items: Vec<usize> = self.raw.root.into_iter().collect();
        for token in path {
            let below = items.iter().flat_map(|item| self.raw.named(*item, token));
            items = below.map(|child| self.raw.value(child)).collect();
        }
        if items.iter().any(|item| self.raw.is_alias(*item)) {
            Err(Unfaithful::SharedAnchor)
        } else {
            Ok(items)
        }
    }

    fn finish(mut self) -> Result<Plan, Unfaithful> {
        for ((item, missing), entries) in std::mem::take(&mut self.anew) {
            self.insert_into_new(item, &missing, &entries)?;
        }
        let removed = Ranges::new(std::mem::take(&mut self.removed));
        self.check_anchors(&removed)?;
        for (collection, open) in std::mem::take(&mut self.open) {
            // What goes as a whole needs nothing inside of it.
            if !removed.holds(collection) {
                self.collection(collection, open)?;
            } else if !open.added.is_empty() || !open.made.is_empty() {
                return Err(Unfaithful::Overlap);
            }
        }
        Ok(self.plan)
    }

    fn collection(&mut self, collection: usize, open: Open) -> Result<(), Unfaithful> {
        let mut added = open.added;
        match self.raw.layout(collection)? {
            Layout::Flow { open: bracket } => {
                let list = self.raw.list(collection, bracket);
                let is_json =
                    list.children.first().is_some_and(|key| self.raw.text[key.start..].starts_with('"'));
                for made in &open.made {
                    added.push(text::member(made, is_json)?);
                }
                let added: Vec<Added> =
                    added.into_iter().map(|text| Added { text, behind: String::new() }).collect();
                let style = Style { lines: false, ..self.style.clone() };
                list.plan(&open.removed, &added, &style, &mut self.plan);
                Ok(())
            }
            Layout::Block { column } => {
                for made in &open.made {
                    added.push(text::member(made, false)?);
                }
                let newline = self.style.newline;
                Block { raw: self.raw, collection, column, newline }.plan(
                    &open.removed,
                    &added,
                    &mut self.plan,
                )
            }
        }
    }

    /// Refuses if an alias that stays stands for something that goes, or in which something changes.
    fn check_anchors(&self, removed: &Ranges) -> Result<(), Unfaithful> {
        let touched: BTreeSet<usize> = self.touched.iter().chain(self.open.keys()).copied().collect();
        for (alias, target) in self.raw.aliases() {
            let subtree = self.raw.subtree(target);
            let goes = || removed.holds(target) || removed.starts_in(&subtree);
            if !removed.holds(alias) && (goes() || touched.range(subtree).next().is_some()) {
                return Err(Unfaithful::SharedAnchor);
            }
        }
        Ok(())
    }
}

fn is_number(token: Option<&String>) -> bool {
    token.is_some_and(|token| token.parse::<usize>().is_ok())
}

/// Ranges of items, perhaps in each other; sorted, so that each look-up is a search.
struct Ranges(Vec<Range<usize>>);

impl Ranges {
    fn new(mut ranges: Vec<Range<usize>>) -> Self {
        ranges.sort_by_key(|range| range.start);
        let mut furthest = 0;
        for range in &mut ranges {
            furthest = furthest.max(range.end);
            range.end = furthest;
        }
        Self(ranges)
    }

    /// Ranges that are apart or in each other, so the furthest end up to an item tells whether any holds it.
    fn holds(&self, item: usize) -> bool {
        let before = self.0.partition_point(|range| range.start <= item);
        before.checked_sub(1).is_some_and(|at| self.0[at].end > item)
    }

    fn starts_in(&self, items: &Range<usize>) -> bool {
        let before = self.0.partition_point(|range| range.start < items.start);
        self.0.get(before).is_some_and(|range| range.start < items.end)
    }
}

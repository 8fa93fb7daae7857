//! Changes of TOML.
//!
//! A file is a row of statements. An entry is every statement whose path begins with its own, wherever it stands; if
//! there is none, it lies inside of a value and is a child between commas.

mod cut;
mod inline;
mod put;
mod statements;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

use toml_edit::{Document, Value};

use self::inline::{Inline, Inlines, Spot};
use self::statements::{Lines, Statement, is_below, with_parents};
pub(super) use self::text::{Form, Kept, kept};
use super::commas::Added;
use super::json::quoted;
use super::splice::Plan;
use super::style::Style;
use super::{Change, Doc, Piece, Place, Unfaithful, tokens};
use crate::codec::toml;

/// Plans all changes.
pub(super) fn plan(doc: Doc<'_>, changes: &[Change]) -> Result<Plan, Unfaithful> {
    let document = document(doc)?;
    let mut planner = Planner::new(doc, &document, changes.len());
    for (at, change) in changes.iter().enumerate() {
        planner.change(at, change)?;
    }
    planner.remove_items(changes);
    planner.finish()
}

/// What [`Change::Remove`] would take out of each place.
pub(super) fn texts(doc: Doc<'_>, places: &[Place]) -> Result<Vec<Vec<Range<usize>>>, Unfaithful> {
    let document = document(doc)?;
    let mut planner = Planner::new(doc, &document, places.len());
    let mut out = vec![Vec::new(); places.len()];
    for (at, place) in places.iter().enumerate() {
        if let Some(spot) = planner.remove(at, &place.key_path)? {
            let list = spot.list.list(doc.text);
            out[at] = spot.children.iter().map(|child| list.cut(*child)).collect();
        }
    }
    planner.cut_statements();
    for (own, ranges) in out.iter_mut().zip(planner.plan.removed) {
        own.extend(ranges);
    }
    Ok(out)
}

fn document(doc: Doc<'_>) -> Result<Document<&str>, Unfaithful> {
    // The codec refuses what would take the parser hours.
    toml::parse(doc.text).map_err(|_| Unfaithful::Unparseable)?;
    Document::parse(doc.text).map_err(|_| Unfaithful::Unparseable)
}

/// What is to happen between one pair of brackets.
struct Open<'d> {
    list: Rc<Inline<'d>>,
    removed: BTreeMap<usize, usize>,
    added: Vec<Added>,
}

struct Planner<'d, 't> {
    doc: Doc<'t>,
    lines: Lines<'t>,
    style: Style,
    statements: Vec<Statement<'d>>,
    /// Statements by pointer.
    by_pointer: BTreeMap<String, usize>,
    inlines: Inlines<'d>,
    /// Pointers of what goes, with the change.
    gone: BTreeMap<String, usize>,
    /// Changes that put other text where they take some out.
    replacing: BTreeSet<usize>,
    lists: BTreeMap<usize, Open<'d>>,
    plan: Plan,
}

const MISPLACED: Unfaithful = Unfaithful::NotExpressible("something else stands where it would go");

impl<'d, 't> Planner<'d, 't> {
    fn new(doc: Doc<'t>, document: &'d Document<&str>, changes: usize) -> Self {
        let statements = statements::of(doc.text, document);
        let by_pointer = statements.iter().enumerate().map(|(at, s)| (s.pointer.clone(), at)).collect();
        Self {
            doc,
            lines: Lines { text: doc.text },
            style: Style::of(doc.text),
            inlines: Inlines::default(),
            replacing: BTreeSet::new(),
            statements,
            by_pointer,
            gone: BTreeMap::new(),
            lists: BTreeMap::new(),
            plan: Plan::new(changes),
        }
    }

    fn change(&mut self, at: usize, change: &Change) -> Result<(), Unfaithful> {
        match change {
            Change::Remove(place) => {
                self.remove(at, &place.key_path)?;
            }
            Change::Replace { at: place, pieces } => self.replace(at, &place.key_path, pieces)?,
            Change::SetText { at: place, pointer, text } => {
                let value = self.value(&format!("{}{pointer}", place.key_path)).ok_or(Unfaithful::Gone)?;
                let range = value.as_str().and_then(|_| value.span()).ok_or(Unfaithful::Gone)?;
                let text = text::string(text, &self.doc.text[range.clone()]);
                self.write(at, range, text);
            }
            Change::SetFlag { at: place, pointer, value } => {
                match self.value(&format!("{}{pointer}", place.key_path)) {
                    Some(Value::Array(_) | Value::InlineTable(_)) => return Err(MISPLACED),
                    Some(old) => self.write(at, old.span().ok_or(Unfaithful::Gone)?, value.to_string()),
                    None => self.add_pair(&place.key_path, &tokens(pointer), &value.to_string())?,
                }
            }
            Change::RemoveItem { .. } => {}
            Change::AddItem { list, value } => self.add_item(list, value)?,
            Change::RemoveMember { pointer } => match self.remove(at, pointer) {
                Err(Unfaithful::Gone) => {}
                other => drop(other?),
            },
            Change::Insert { table, name, pieces } => {
                let kept = kept(pieces, table, name)?;
                self.insert(table, &kept)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, change: usize, range: Range<usize>, text: String) {
        self.plan.removed[change].push(range.clone());
        self.plan.put(range, text);
    }

    /// Takes strings out of lists, each list read once.
    fn remove_items(&mut self, changes: &[Change]) {
        for (list, values) in super::items_to_remove(changes) {
            let Some(list) = self.value(list).and_then(|value| self.inlines.of(value)) else { continue };
            for (child, text) in list.strings() {
                if let Some(change) = values.get(text) {
                    self.open(&list).removed.entry(child).or_insert(*change);
                }
            }
        }
    }

    /// The value at a pointer, whether a pair of its own or inside of one.
    fn value(&mut self, pointer: &str) -> Option<&'d Value> {
        match self.by_pointer.get(pointer) {
            Some(at) => self.statements[*at].value,
            None => self.inside(pointer)?.value,
        }
    }

    /// What a pointer leads to inside of a pair's value.
    fn inside(&mut self, pointer: &str) -> Option<Spot<'d>> {
        let pair = with_parents(pointer).find_map(|upper| self.by_pointer.get(upper))?;
        let pair = &self.statements[*pair];
        let rest = pointer.strip_prefix(pair.pointer.as_str()).filter(|rest| !rest.is_empty())?;
        self.inlines.at(pair.value?, rest)
    }

    /// The changes between some brackets.
    fn open(&mut self, list: &Rc<Inline<'d>>) -> &mut Open<'d> {
        self.lists.entry(list.open()).or_insert_with(|| Open {
            list: Rc::clone(list),
            removed: BTreeMap::new(),
            added: Vec::new(),
        })
    }

    /// Whether statements make what a pointer leads to.
    fn is_stated(&self, pointer: &str) -> bool {
        let below = format!("{pointer}/");
        let next = self.by_pointer.range(below.clone()..).next();
        self.by_pointer.contains_key(pointer) || next.is_some_and(|(found, _)| found.starts_with(&below))
    }

    /// Marks what a pointer leads to for removal; tells where, if that is inside of a value.
    fn remove(&mut self, change: usize, pointer: &str) -> Result<Option<Spot<'d>>, Unfaithful> {
        if self.is_stated(pointer) {
            self.gone.entry(pointer.to_owned()).or_insert(change);
            return Ok(None);
        }
        let spot = self.inside(pointer).filter(|spot| !spot.children.is_empty()).ok_or(Unfaithful::Gone)?;
        let open = self.open(&spot.list);
        for child in &spot.children {
            open.removed.entry(*child).or_insert(change);
        }
        Ok(Some(spot))
    }

    fn replace(&mut self, change: usize, pointer: &str, pieces: &[Piece]) -> Result<(), Unfaithful> {
        let (table, name) = pointer.rsplit_once('/').ok_or(Unfaithful::Gone)?;
        let kept = kept(pieces, table, &crate::node::unescape(name))?;
        let present = self.value(pointer).and_then(Value::span);
        if let (Some(range), Some(text)) = (present, kept.value(&crate::node::unescape(name))) {
            self.write(change, range, text);
            return Ok(());
        }
        let first = self.statements.iter().position(|s| is_below(&s.pointer, pointer));
        self.remove(change, pointer)?;
        match (first.map(|first| &self.statements[first]), &kept.form) {
            // A section may be written where one begins.
            (Some(first), Form::Absolute { header: true }) if first.is_header() => {
                self.replacing.insert(change);
                let at = self.lead_of(first);
                let last = self.statements.last().is_some_and(|last| is_below(&last.pointer, pointer));
                let ends = self.doc.text.ends_with('\n') || !last;
                self.plan.put(at..at, format!("{}{}", kept.text, if ends { self.style.newline } else { "" }));
                Ok(())
            }
            _ => self.insert(table, &kept),
        }
    }

    fn add_item(&mut self, list: &str, value: &str) -> Result<(), Unfaithful> {
        match self.value(list) {
            Some(there @ Value::Array(_)) => {
                let Some(list) = self.inlines.of(there) else { return Err(MISPLACED) };
                let text = quoted(value);
                let is_there = list.strings().any(|(_, item)| item == value);
                let open = self.open(&list);
                if !is_there && open.added.iter().all(|added| added.text != text) {
                    open.added.push(Added { text, behind: String::new() });
                }
                Ok(())
            }
            Some(_) => Err(MISPLACED),
            None => {
                let mut path = tokens(list);
                let name = path.pop().ok_or(MISPLACED)?;
                let parent: String =
                    path.iter().flat_map(|key| ["/".into(), crate::node::escape(key)]).collect();
                self.add_pair(&parent, &[name], &format!("[{}]", quoted(value)))
            }
        }
    }

    fn finish(mut self) -> Result<Plan, Unfaithful> {
        for open in std::mem::take(&mut self.lists).into_values() {
            // An inline table stands in one line until TOML 1.1.
            let style = Style { lines: self.style.lines && !open.list.is_table(), ..self.style.clone() };
            open.list.list(self.doc.text).plan(&open.removed, &open.added, &style, &mut self.plan);
        }
        self.cut_statements();
        self.keep_something()?;
        Ok(self.plan)
    }
}

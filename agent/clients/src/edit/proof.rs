//! The proof of an edit: the tree of the result is the tree of the original with the changes made on it.
//!
//! Nothing here looks at the layout of a text, and nothing here is shared with the splicers but the reading of kept
//! pieces. Order and duplicates count, and numbers as they are spelled; in TOML the order of a table's members does
//! not, for it follows from that of the statements, which are copied.

mod model;

use std::collections::BTreeMap;

use super::toml::{self, Form};
use super::{
    Change, Doc, Piece, Place, Syntax, Unfaithful, dialect, items_to_remove, pieces, syntax, tokens,
};
use super::{xml, yaml};
use crate::codec::{self, Dialect, Format, Leniencies, Parsed, decode, front_matter};
use crate::node::{Span, escape, unescape};
use model::{Child, Model, Value};

/// Where a node is: the child to take at each step.
type Path = Vec<usize>;

/// Proves that `after` is `before` with the changes made and nothing else.
///
/// # Errors
/// What differs, or why a change cannot be made on `before`.
pub fn prove(
    format: Format,
    path: &str,
    before: &[u8],
    after: &[u8],
    changes: &[Change],
) -> Result<(), Unfaithful> {
    let syntax = syntax(format, path)?;
    let text = |bytes| decode::decode(bytes).map_err(|_| Unfaithful::Unparseable);
    let decoded = (text(before)?, text(after)?);
    let (old, new) = (Doc::whole(&decoded.0, before)?, Doc::whole(&decoded.1, after)?);
    if old.skipped != new.skipped {
        return Err(Unfaithful::Proof("the byte order mark changed"));
    }
    if format == Format::FrontMatter && front_matter::body(old.text) != front_matter::body(new.text) {
        return Err(Unfaithful::Proof("the front matter ends elsewhere"));
    }
    let parsed = parse(format, path, old.text).ok_or(Unfaithful::Unparseable)?;
    let lent = lent(dialect(format), changes);
    let needed = Leniencies {
        comments: parsed.leniencies.comments || lent.comments,
        trailing_commas: parsed.leniencies.trailing_commas || lent.trailing_commas,
        ..parsed.leniencies
    };
    let mut model = Model::of(parsed.root, old.text);
    make(&mut model, syntax, old, changes)?;
    let result = parse(format, path, new.text).ok_or(Unfaithful::Proof("the result cannot be parsed"))?;
    if needs_more(result.leniencies, needed) {
        return Err(Unfaithful::Proof("the result needs more tolerance than the original"));
    }
    if model.is(&Model::of(result.root, new.text), syntax) {
        Ok(())
    } else {
        Err(Unfaithful::Proof("more or less than the named entries changed"))
    }
}

/// The tree as the clients see it, if the text is undamaged.
fn parse<'t>(format: Format, path: &str, text: &'t str) -> Option<Parsed<'t>> {
    codec::parse(format, path, text).ok().filter(|parsed| parsed.damage.is_none())
}

/// Whether a client that read the original might refuse the result.
fn needs_more(after: Leniencies, before: Leniencies) -> bool {
    (after.comments && !before.comments)
        || (after.trailing_commas && !before.trailing_commas)
        || (after.lone_surrogates && !before.lone_surrogates)
}

/// What kept texts bring with them that the clients of the file read: an entry may have been the only one with a comment
/// or with a comma at its end.
fn lent(dialect: Dialect, changes: &[Change]) -> Leniencies {
    let mut lent = Leniencies::default();
    for change in changes {
        let (Change::Replace { pieces, .. } | Change::Insert { pieces, .. }) = change else { continue };
        let Ok(alone) = pieces::alone_in_json(pieces) else { continue };
        let inside = codec::json::parse(&alone.value, false).map(|parsed| parsed.leniencies);
        let inside = inside.unwrap_or_default();
        let around = !alone.above.trim().is_empty() || !alone.behind.is_empty();
        lent.comments |= dialect.comments && (inside.comments || around);
        lent.trailing_commas |= dialect.trailing_commas && inside.trailing_commas;
    }
    lent
}

/// Makes the changes on the tree. Places are looked up before anything moves.
fn make(model: &mut Model<'_>, syntax: Syntax, doc: Doc<'_>, changes: &[Change]) -> Result<(), Unfaithful> {
    let paths = places(model, doc, changes)?;
    for (list, values) in items_to_remove(changes) {
        model.each(&tokens(list), &mut |node| {
            if let Value::List(items) = &mut node.value {
                for item in items {
                    item.gone |= matches!(&item.value, Value::String(text) if values.contains_key(&**text));
                }
            }
        });
    }
    for (change, path) in changes.iter().zip(&paths) {
        match change {
            Change::Remove(_) => model.at(path).ok_or(Unfaithful::Gone)?.gone = true,
            Change::Replace { at, pieces } => {
                let (table, name) = at.key_path.rsplit_once('/').ok_or(Unfaithful::Gone)?;
                let (_, value) = kept(syntax, pieces, table, &unescape(name))?;
                model.at(path).ok_or(Unfaithful::Gone)?.value = value;
            }
            Change::SetText { pointer, text, .. } => {
                let entry = model.at(path).ok_or(Unfaithful::Gone)?;
                let node = entry.reach(&tokens(pointer)).ok_or(Unfaithful::Gone)?;
                if !matches!(node.value, Value::String(_)) {
                    return Err(Unfaithful::Gone);
                }
                node.value = Value::String(text.clone().into());
            }
            Change::SetFlag { pointer, value, .. } => {
                let entry = model.at(path).ok_or(Unfaithful::Gone)?;
                let node = entry.reach_or_make(&tokens(pointer), Value::Null).ok_or(MISPLACED)?;
                if matches!(node.value, Value::List(_) | Value::Map(_)) {
                    return Err(MISPLACED);
                }
                node.value = Value::Bool(*value);
            }
            Change::RemoveItem { .. } => {}
            Change::AddItem { list, value } => add_item(model, list, value)?,
            Change::RemoveMember { pointer } => {
                let path = tokens(pointer);
                let (name, parent) = path.split_last().ok_or(Unfaithful::Gone)?;
                model.each(parent, &mut |node| {
                    if let Value::Map(members) = &mut node.value {
                        members.iter_mut().filter(|m| m.key == *name).for_each(|m| m.gone = true);
                    }
                });
            }
            Change::Insert { table, name, pieces } => {
                let (key, value) = kept(syntax, pieces, table, name)?;
                let table = table_of(model, tokens(table), name, (syntax, &key, &value));
                insert(model, &table, name, key.as_deref(), value)?;
            }
        }
    }
    if syntax == Syntax::Yaml {
        let removed = changes.iter().zip(&paths).filter(|(change, _)| matches!(change, Change::Remove(_)));
        removed.for_each(|(_, path)| take_item_along(model, path));
    }
    Ok(())
}

/// An entry that was all of an item of a YAML list takes the item along: `- name: entry` leaves no `- {}`.
fn take_item_along(model: &mut Model<'_>, path: &[usize]) {
    let [list @ .., at, _] = path else { return };
    let Some(Value::List(items)) = model.at(list).map(|node| &mut node.value) else { return };
    if let Some(item) = items.get_mut(*at)
        && let Value::Map(members) = &item.value
        && let [member] = &members[..]
        && member.gone
        && matches!(member.value, Value::Map(_))
    {
        item.gone = true;
    }
}

/// The list into which an entry goes back that went with its item.
fn table_of(
    model: &mut Model<'_>,
    mut table: Vec<String>,
    name: &str,
    (syntax, key, value): (Syntax, &Option<String>, &Value<'_>),
) -> Vec<String> {
    let is_entry = |members: &[Child<'_>]| matches!(members, [member] if member.key == name && matches!(member.value, Value::Map(_)));
    let is_item =
        syntax == Syntax::Yaml && key.is_none() && matches!(value, Value::Map(members) if is_entry(members));
    let is_numbered = table.last().is_some_and(|token| token.parse::<usize>().is_ok());
    let is_list = matches!(model.reach(&table).map(|node| &node.value), Some(Value::List(_)));
    if is_item && is_numbered && !is_list {
        table.pop();
    }
    table
}

const MISPLACED: Unfaithful = Unfaithful::NotExpressible("something else stands where it would go");

fn add_item(model: &mut Model<'_>, list: &str, value: &str) -> Result<(), Unfaithful> {
    let node = model.reach_or_make(&tokens(list), Value::List(Vec::new())).ok_or(MISPLACED)?;
    let Value::List(items) = &mut node.value else { return Err(MISPLACED) };
    let is_it = |item: &Child<'_>| matches!(&item.value, Value::String(text) if text == value);
    // The splicer looks at the items of the original: what is taken out in the same go stays out.
    if !items.iter().any(is_it) {
        items.push(Child::fresh("", Value::String(value.to_owned().into())));
    }
    Ok(())
}

fn insert<'a>(
    model: &mut Model<'a>,
    table: &[String],
    name: &str,
    key: Option<&str>,
    value: Value<'a>,
) -> Result<(), Unfaithful> {
    let empty = if key.is_some() { Value::Map(Vec::new()) } else { Value::List(Vec::new()) };
    let node = model.reach_or_make(table, empty.clone()).ok_or(MISPLACED)?;
    if matches!(node.value, Value::Null) {
        node.value = empty;
    }
    match (&mut node.value, key) {
        (Value::Map(members), Some(key)) if key == name => {
            if members.iter().any(|member| member.key == name && !member.gone) {
                return Err(Unfaithful::Taken);
            }
            members.push(Child::fresh(name, value));
            Ok(())
        }
        (Value::List(items), None) => {
            items.push(Child::fresh("", value));
            Ok(())
        }
        _ => Err(MISPLACED),
    }
}

/// Key and value of the kept text of the entry `name` of `table`.
fn kept(
    syntax: Syntax,
    kept: &[Piece],
    table: &str,
    name: &str,
) -> Result<(Option<String>, Value<'static>), Unfaithful> {
    let unclear = Unfaithful::NotExpressible("the kept text is not one entry by itself");
    match syntax {
        Syntax::Json => {
            let alone = pieces::alone_in_json(kept)?;
            let parsed = codec::json::parse(&alone.value, false).map_err(|_| unclear)?;
            Ok((alone.key, Model::of(parsed.root, &alone.value).value.owned()))
        }
        Syntax::Toml => {
            let mut kept = toml::kept(kept, table, name)?;
            let path: Vec<String> = match kept.form {
                Form::Absolute { .. } => tokens(table),
                Form::Relative => Vec::new(),
                Form::Item => {
                    kept.text = format!("item = [{}\n]", kept.text);
                    vec!["item".to_owned()]
                }
            };
            let parsed = codec::toml::parse(&kept.text).map_err(|_| unclear)?;
            let mut model = Model::of(parsed.root, &kept.text);
            let parent = model.reach(&path).ok_or(unclear)?;
            match std::mem::replace(&mut parent.value, Value::Null) {
                Value::List(mut items) if items.len() == 1 => {
                    Ok((None, items.pop().ok_or(unclear)?.value.owned()))
                }
                Value::Map(mut members) if members.len() == 1 && members[0].key == *name => {
                    Ok((Some(name.to_owned()), members.pop().ok_or(unclear)?.value.owned()))
                }
                _ => Err(unclear),
            }
        }
        Syntax::Yaml => {
            let kept = yaml::kept(kept)?;
            let parsed = codec::yaml::parse(&kept.document).map_err(|_| unclear)?;
            let model = Model::of(parsed.root, &kept.document);
            match model.value {
                Value::List(mut items) if items.len() == 1 => {
                    Ok((None, items.pop().ok_or(unclear)?.value.owned()))
                }
                Value::Map(mut members) if members.len() == 1 => {
                    let member = members.pop().ok_or(unclear)?;
                    Ok((Some(member.key.into_owned()), member.value.owned()))
                }
                _ => Err(unclear),
            }
        }
        Syntax::Xml => {
            let kept = xml::kept(kept)?;
            let parsed = codec::xml::parse(&kept).map_err(|_| unclear)?;
            Ok((None, Model::of(parsed.root, &kept).value.owned()))
        }
    }
}

/// The paths of the places of all changes, empty where a change has none. One walk for all of them.
fn places(model: &Model<'_>, doc: Doc<'_>, changes: &[Change]) -> Result<Vec<Path>, Unfaithful> {
    let mut wanted: BTreeMap<(u32, u32), Vec<(&Place, usize)>> = BTreeMap::new();
    for (at, change) in changes.iter().enumerate() {
        let Some(place) = change.place() else { continue };
        let range = doc.range(place)?;
        let span = Span::new(range.start, range.end);
        wanted.entry((span.start, span.end)).or_default().push((place, at));
    }
    let missing: usize = wanted.values().map(Vec::len).sum();
    let mut walk = Walk { wanted, found: vec![None; changes.len()], path: Vec::new(), keys: Vec::new() };
    if missing > 0 {
        walk.below(model);
    }
    if walk.found.iter().filter(|found| found.is_some()).count() < missing {
        return Err(Unfaithful::Gone);
    }
    Ok(walk.found.into_iter().map(Option::unwrap_or_default).collect())
}

struct Walk<'c> {
    wanted: BTreeMap<(u32, u32), Vec<(&'c Place, usize)>>,
    found: Vec<Option<Path>>,
    path: Path,
    keys: Vec<String>,
}

impl Walk<'_> {
    fn below(&mut self, node: &Model<'_>) {
        let (children, is_list) = match &node.value {
            Value::List(items) => (items, true),
            Value::Map(members) => (members, false),
            _ => return,
        };
        for (at, child) in children.iter().enumerate() {
            self.path.push(at);
            self.keys.push(if is_list { at.to_string() } else { escape(&child.key).into_owned() });
            self.meet(child.span);
            self.below(child);
            self.keys.pop();
            self.path.pop();
        }
    }

    fn meet(&mut self, span: Span) {
        let Some(places) = self.wanted.get(&(span.start, span.end)) else { return };
        let key_path: String = self.keys.iter().flat_map(|key| ["/", key]).collect();
        for (place, change) in places {
            if place.key_path == key_path {
                self.found[*change].get_or_insert_with(|| self.path.clone());
            }
        }
    }
}

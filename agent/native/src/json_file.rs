//! Our members in a JSON file that others write too: put in, told apart and taken out again, with every other byte kept.
//!
//! Members of ours go behind the last one of their object, each with the comma before it, so that taking them out gives
//! back the very bytes of before.

use std::ops::Range;

use mcpolicy_clients::codec::{self, Dialect, json};
use mcpolicy_clients::node::{Node, Value as NodeValue, escape};
use serde_json::Value;

use crate::output::{Before, Conflict, ConflictKind, Drift, KeyPath, OurKey, Ours, State};
use crate::target::{Format, Target};

/// How what an administrator has at a key of ours stands to it: the first is his, the second ours.
pub(crate) type Against = fn(&Value, &Value) -> ConflictKind;

/// A member that is to stand in a file.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) path: KeyPath,
    pub(crate) value: Value,
    /// One item of the list at `path`, beside those of others.
    pub(crate) item: bool,
    pub(crate) against: Against,
}

impl Setting {
    /// A member of ours alone.
    pub(crate) fn own(path: &[&str], value: impl Into<Value>, against: Against) -> Self {
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        Self { path, value: value.into(), item: false, against }
    }

    /// An item of a list.
    pub(crate) fn item(path: &[&str], value: impl Into<Value>) -> Self {
        Self { item: true, ..Self::own(path, value, widens) }
    }
}

/// Whatever is not ours opens something: for locks.
pub(crate) fn widens(_: &Value, _: &Value) -> ConflictKind {
    ConflictKind::Widened
}

/// For lists of what is allowed: one that holds nothing but what ours holds only refuses more.
pub(crate) fn allow_list(theirs: &Value, ours: &Value) -> ConflictKind {
    match (theirs.as_array(), ours.as_array()) {
        (Some(theirs), Some(ours)) if theirs.iter().all(|item| ours.contains(item)) => ConflictKind::Narrowed,
        _ => ConflictKind::Widened,
    }
}

/// Why a file is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// It is no text.
    #[error("the file is not UTF-8")]
    NotText,
    /// Its client does not read it, or not as we do.
    #[error("{0}")]
    Refused(String),
    /// A key stands twice in one object, and readers differ in which one counts.
    #[error("a key stands twice in the file")]
    Twice,
    /// The top is no object, or something on the way to a key of ours has another shape.
    #[error("{0} has another shape than its client expects")]
    Shape(String),
}

/// A file with our members in it.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) ours: Option<Ours>,
    pub(crate) conflicts: Vec<Conflict>,
}

/// The members of a path as a JSON Pointer.
pub(crate) fn pointer(path: &[String]) -> String {
    path.iter().map(|part| format!("/{}", escape(part))).collect()
}

const BOM: &str = "\u{feff}";

/// A text and what its client takes.
struct File {
    text: String,
    dialect: Dialect,
}

impl File {
    fn new(bytes: &[u8], format: Format) -> Result<Self, MergeError> {
        let text = std::str::from_utf8(bytes).map_err(|_| MergeError::NotText)?;
        let dialect = if format == Format::Jsonc { Dialect::JSONC } else { Dialect::STRICT };
        Ok(Self { text: text.to_owned(), dialect })
    }

    /// Bytes before the JSON itself.
    fn skip(&self) -> usize {
        if self.text.starts_with(BOM) { BOM.len() } else { 0 }
    }

    fn root(&self) -> Result<Node<'_>, MergeError> {
        let parsed = json::parse(&self.text[self.skip()..], false)
            .map_err(|error| MergeError::Refused(error.to_string()))?;
        if let Some(why) = self.dialect.refusal(parsed.leniencies) {
            return Err(MergeError::Refused(why.to_owned()));
        }
        if !parsed.duplicates.is_empty() {
            return Err(MergeError::Twice);
        }
        if !parsed.root.is_object() {
            return Err(MergeError::Shape("the file".to_owned()));
        }
        Ok(parsed.root)
    }

    fn is_blank(&self) -> bool {
        self.text[self.skip()..].trim().is_empty()
    }

    fn newline(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }

    fn cut(&mut self, range: Range<usize>) {
        let skip = self.skip();
        self.text.replace_range(range.start + skip..range.end + skip, "");
    }

    /// Puts something behind the last child of the object or list at `parent`.
    fn append(&mut self, parent: &[String], key: Option<&str>, value: &Value) -> Result<(), MergeError> {
        let skip = self.skip();
        let (at, indent, is_first) = {
            let root = self.root()?;
            let node = find(&root, parent).ok_or_else(|| MergeError::Shape(pointer(parent)))?;
            let starts: Vec<usize> = children(node).iter().map(|child| child.start).collect();
            let last = children(node).last().map(|child| child.end);
            let indent = starts.last().and_then(|start| self.indent(start + skip));
            let indent = indent.unwrap_or_else(|| "  ".repeat(parent.len() + 1));
            (last.unwrap_or(node.span.range().start + 1), indent, last.is_none())
        };
        let newline = self.newline();
        let pretty = serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string());
        let pretty = pretty.replace('\n', &format!("{newline}{indent}"));
        let name = key.map(|key| format!("{}: ", Value::from(key))).unwrap_or_default();
        let comma = if is_first { "" } else { "," };
        self.text.insert_str(at + skip, &format!("{comma}{newline}{indent}{name}{pretty}"));
        Ok(())
    }

    /// The blanks before a child that begins its line.
    fn indent(&self, start: usize) -> Option<String> {
        let line = self.text[..start].rfind('\n').map(|at| at + 1)?;
        let before = &self.text[line..start];
        before.chars().all(|c| c == ' ' || c == '\t').then(|| before.to_owned())
    }

    /// Takes a child of the object or list at `parent` out.
    fn take_out(&mut self, parent: &[String], index: usize) -> Result<(), MergeError> {
        let cuts = {
            let root = self.root()?;
            let Some(node) = find(&root, parent) else { return Ok(()) };
            let text = &self.text[self.skip()..];
            let all = children(node);
            let child = all[index].clone();
            match (index.checked_sub(1).map(|before| all[before].end), all.get(index + 1)) {
                (Some(before), _) if text[before..child.start].contains('/') => {
                    // somebody's comment stands between the comma and the child
                    vec![child, before..before + usize::from(text[before..].starts_with(','))]
                }
                (Some(before), _) => vec![before..child.end; 1],
                (None, Some(next)) => vec![child.start..next.start; 1],
                (None, None) => {
                    let after = &text[child.end..];
                    let comma = after.len() - after.trim_start().len();
                    let comma = if after[comma..].starts_with(',') { comma + 1 } else { 0 };
                    vec![node.span.range().start + 1..child.end + comma; 1]
                }
            }
        };
        for range in cuts {
            self.cut(range);
        }
        Ok(())
    }

    fn take_key(&mut self, path: &[String]) -> Result<(), MergeError> {
        let Some((key, parent)) = path.split_last() else { return Ok(()) };
        let index = {
            let root = self.root()?;
            find(&root, parent).and_then(|node| node.members().iter().position(|m| m.key == *key))
        };
        index.map_or(Ok(()), |index| self.take_out(parent, index))
    }

    fn take_item(&mut self, path: &[String], value: &Value) -> Result<(), MergeError> {
        let index = {
            let root = self.root()?;
            find(&root, path).and_then(|node| node.items().iter().rposition(|i| to_value(i) == *value))
        };
        index.map_or(Ok(()), |index| self.take_out(path, index))
    }

    fn is_empty_at(&self, path: &[String]) -> Result<bool, MergeError> {
        let root = self.root()?;
        Ok(find(&root, path).is_some_and(|node| {
            matches!(&node.value, NodeValue::Object(members) if members.is_empty())
                || matches!(&node.value, NodeValue::Array(items) if items.is_empty())
        }))
    }
}

fn find<'n, 'a>(root: &'n Node<'a>, path: &[String]) -> Option<&'n Node<'a>> {
    path.iter().try_fold(root, |node, part| node.get(part))
}

/// The places of the members of an object or the items of a list.
fn children(node: &Node<'_>) -> Vec<Range<usize>> {
    match &node.value {
        NodeValue::Object(members) => members.iter().map(|member| member.span().range()).collect(),
        NodeValue::Array(items) => items.iter().map(|item| item.span.range()).collect(),
        _ => Vec::new(),
    }
}

/// A parsed value as `serde_json` has it. Numbers that it cannot hold become null: none of ours is such a number.
pub(crate) fn to_value(node: &Node<'_>) -> Value {
    match &node.value {
        NodeValue::Null | NodeValue::Deep => Value::Null,
        NodeValue::Bool(value) => Value::Bool(*value),
        NodeValue::Number(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        NodeValue::String(text) => Value::String(text.to_string()),
        NodeValue::Array(items) => Value::Array(items.iter().map(to_value).collect()),
        NodeValue::Object(members) => {
            members.iter().map(|member| (member.key.to_string(), to_value(&member.value))).collect()
        }
    }
}

/// A file of others as a value, as its client reads it.
pub(crate) fn read(bytes: &[u8], format: Format) -> Result<Value, MergeError> {
    if format == Format::Toml {
        let text = std::str::from_utf8(bytes).map_err(|_| MergeError::NotText)?;
        let parsed = codec::toml::parse(text).map_err(|error| MergeError::Refused(error.to_string()))?;
        return Ok(to_value(&parsed.root));
    }
    Ok(to_value(&File::new(bytes, format)?.root()?))
}

/// Takes what is ours out of a file; `None`: nothing is left, and the file was not there before.
///
/// # Errors
/// The file can no longer be read as its client reads it.
pub(crate) fn remove(format: Format, bytes: &[u8], ours: &Ours) -> Result<Option<Vec<u8>>, MergeError> {
    let mut file = File::new(bytes, format)?;
    if !file.is_blank() {
        for key in ours.keys.iter().rev() {
            if key.item { file.take_item(&key.path, &key.value)? } else { file.take_key(&key.path)? }
        }
        for path in ours.made.iter().rev() {
            if file.is_empty_at(path)? {
                file.take_key(path)?;
            }
        }
    }
    match &ours.before {
        Some(Before::Absent) if file.is_blank() || file.is_empty_at(&[])? => Ok(None),
        Some(Before::Blank(blank)) if file.is_blank() || file.is_empty_at(&[])? => {
            Ok(Some(blank.clone().into_bytes()))
        }
        _ => Ok(Some(file.text.into_bytes())),
    }
}

/// Puts our members into what stands at a target, in place of those that we put there before.
///
/// # Errors
/// The file cannot be read as its client reads it, and is to be left alone.
pub(crate) fn merge(target: &Target, state: &State, settings: &[Setting]) -> Result<Merged, MergeError> {
    let base = base(target, state)?;
    let mut file = File::new(base.as_deref().unwrap_or_default(), target.format)?;
    let mut ours = Ours::default();
    if file.is_blank() {
        let blank = std::mem::replace(&mut file.text, "{\n}\n".to_owned());
        ours.before = Some(if base.is_some() { Before::Blank(blank) } else { Before::Absent });
    }
    let mut conflicts = Vec::new();
    for setting in settings {
        match put(&mut file, setting, &mut ours) {
            Ok(()) => {}
            Err(Stopped::Theirs(kind)) => conflicts.push(Conflict {
                place: target.id(),
                key: pointer(&setting.path),
                kind,
                what: theirs(kind).to_owned(),
            }),
            Err(Stopped::Merge(error)) => conflicts.push(Conflict {
                place: target.id(),
                key: pointer(&setting.path),
                kind: ConflictKind::Unreadable,
                what: error.to_string(),
            }),
        }
    }
    if ours.keys.is_empty() {
        return Ok(Merged { bytes: base, ours: None, conflicts });
    }
    Ok(Merged { bytes: Some(file.text.into_bytes()), ours: Some(ours), conflicts })
}

fn theirs(kind: ConflictKind) -> &'static str {
    match kind {
        ConflictKind::Widened => {
            "an administrator set this otherwise, and it admits more than the policy does"
        }
        ConflictKind::Narrowed => {
            "an administrator set this otherwise, and it refuses something that the policy allows"
        }
        ConflictKind::Unreadable => "it cannot be read",
    }
}

/// What others have at the target.
pub(crate) fn base(target: &Target, state: &State) -> Result<Option<Vec<u8>>, MergeError> {
    match (&state.bytes, &state.ours) {
        (None, _) => Ok(None),
        (Some(bytes), None) => Ok(Some(bytes.clone())),
        (Some(bytes), Some(ours)) => match remove(target.format, bytes, ours) {
            // nobody else writes it, so what is damaged in it was ours
            Err(_) if target.own => Ok(None),
            other => other,
        },
    }
}

enum Stopped {
    Theirs(ConflictKind),
    Merge(MergeError),
}

impl From<MergeError> for Stopped {
    fn from(error: MergeError) -> Self {
        Self::Merge(error)
    }
}

fn put(file: &mut File, setting: &Setting, ours: &mut Ours) -> Result<(), Stopped> {
    let path = &setting.path;
    let depth = {
        let root = file.root()?;
        let there = (0..=path.len()).rev().find(|depth| find(&root, &path[..*depth]).is_some()).unwrap_or(0);
        if let Some(node) = find(&root, &path[..there]) {
            let fits = match (there == path.len(), setting.item) {
                (true, true) => matches!(node.value, NodeValue::Array(_)),
                (true, false) => {
                    let value = to_value(node);
                    return match value == setting.value {
                        true => Ok(()),
                        false => Err(Stopped::Theirs((setting.against)(&value, &setting.value))),
                    };
                }
                (false, _) => node.is_object(),
            };
            if !fits {
                return Err(MergeError::Shape(pointer(&path[..there])).into());
            }
            if there == path.len() && node.items().iter().any(|item| to_value(item) == setting.value) {
                return Ok(());
            }
        }
        there
    };
    let key = OurKey { path: path.clone(), value: setting.value.clone(), item: setting.item };
    if depth == path.len() {
        file.append(path, None, &setting.value)?;
    } else {
        let innermost =
            if setting.item { Value::Array(vec![setting.value.clone()]) } else { setting.value.clone() };
        let wrap = |inner: Value, name: &String| Value::Object([(name.clone(), inner)].into_iter().collect());
        let value = path[depth + 1..].iter().rev().fold(innermost, wrap);
        file.append(&path[..depth], Some(&path[depth]), &value)?;
        let last = if setting.item { path.len() } else { path.len() - 1 };
        ours.made.extend((depth + 1..=last).map(|end| path[..end].to_vec()));
    }
    ours.keys.push(key);
    Ok(())
}

/// Our members alone, as a file of nothing else has them.
pub(crate) fn fresh(settings: &[Setting]) -> Value {
    let mut root = Value::Object(serde_json::Map::new());
    for setting in settings {
        let mut at = &mut root;
        for part in &setting.path {
            if !at.is_object() {
                *at = Value::Object(serde_json::Map::new());
            }
            at = &mut at[part];
        }
        match (setting.item, at.as_array_mut()) {
            (true, Some(list)) => list.push(setting.value.clone()),
            (true, None) => *at = Value::Array(vec![setting.value.clone()]),
            (false, _) => *at = setting.value.clone(),
        }
    }
    root
}

/// What of ours is no longer there, or no longer as it was.
pub(crate) fn verify(format: Format, bytes: Option<&[u8]>, ours: &Ours) -> Result<Vec<Drift>, MergeError> {
    let value = match bytes {
        Some(bytes) if !File::new(bytes, format)?.is_blank() => read(bytes, format)?,
        _ => Value::Null,
    };
    let at = |path: &[String]| path.iter().try_fold(&value, |value, part| value.get(part));
    let drift = |key: &OurKey| {
        let there = at(&key.path);
        let holds = match (key.item, there) {
            (false, Some(there)) => *there == key.value,
            (true, Some(there)) => there.as_array().is_some_and(|list| list.contains(&key.value)),
            (_, None) => false,
        };
        (!holds).then(|| Drift { key: pointer(&key.path), gone: there.is_none() || key.item })
    };
    Ok(ours.keys.iter().filter_map(drift).collect())
}

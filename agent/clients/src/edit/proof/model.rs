//! A tree on which changes are made without looking at any text.

use std::borrow::Cow;

use crate::edit::Syntax;
use crate::node::{self, Node, Span};

/// A value, with its key if it is a member.
#[derive(Debug, Clone)]
pub(super) struct Model<'a> {
    /// Empty for an item.
    pub(super) key: Cow<'a, str>,
    pub(super) value: Value<'a>,
    /// Of the whole member.
    pub(super) span: Span,
    /// Taken out. It keeps its place, so that those of the others stay right.
    pub(super) gone: bool,
    /// Added, at whatever place in its map.
    fresh: bool,
}

/// A member or an item.
pub(super) type Child<'a> = Model<'a>;

#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Number(Cow<'a, str>),
    String(Cow<'a, str>),
    List(Vec<Child<'a>>),
    Map(Vec<Child<'a>>),
    /// Too deep to be kept as a tree: the text.
    Deep(Cow<'a, str>),
}

impl<'a> Model<'a> {
    pub(super) fn of(root: Node<'a>, text: &'a str) -> Self {
        let span = root.span;
        Self::new(Cow::Borrowed(""), root, span, text)
    }

    fn new(key: Cow<'a, str>, node: Node<'a>, span: Span, text: &'a str) -> Self {
        let value = match node.value {
            node::Value::Null => Value::Null,
            node::Value::Bool(value) => Value::Bool(value),
            node::Value::Number(text) => Value::Number(text),
            node::Value::String(text) => Value::String(text),
            node::Value::Deep => Value::Deep(Cow::Borrowed(text.get(node.span.range()).unwrap_or_default())),
            node::Value::Array(items) => {
                let items = items.into_iter().map(|item| {
                    let span = item.span;
                    Self::new(Cow::Borrowed(""), item, span, text)
                });
                Value::List(items.collect())
            }
            node::Value::Object(members) => {
                let members = members.into_iter().map(|member| {
                    let span = member.span();
                    Self::new(member.key, member.value, span, text)
                });
                Value::Map(members.collect())
            }
        };
        Self { key, value, span, gone: false, fresh: false }
    }

    /// Something that is not in the file.
    pub(super) fn fresh(key: &str, value: Value<'a>) -> Self {
        Self { key: Cow::Owned(key.to_owned()), value, span: Span::default(), gone: false, fresh: true }
    }

    fn children(&mut self) -> Option<&mut Vec<Self>> {
        match &mut self.value {
            Value::List(children) | Value::Map(children) => Some(children),
            _ => None,
        }
    }

    /// The node at a path of children.
    pub(super) fn at(&mut self, path: &[usize]) -> Option<&mut Self> {
        path.iter().try_fold(self, |node, at| node.children()?.get_mut(*at))
    }

    /// The index of the child that a token of a JSON Pointer names, the last of duplicates.
    fn child(&self, token: &str) -> Option<usize> {
        match &self.value {
            Value::Map(members) => members.iter().rposition(|member| member.key == token && !member.gone),
            Value::List(items) => token.parse().ok().filter(|at| *at < items.len()),
            _ => None,
        }
    }

    pub(super) fn reach(&mut self, path: &[String]) -> Option<&mut Self> {
        path.iter().try_fold(self, |node, token| {
            let at = node.child(token)?;
            node.children()?.get_mut(at)
        })
    }

    /// The node at a path, made as `value` if it is not there, with maps on the way to it.
    pub(super) fn reach_or_make(&mut self, path: &[String], value: Value<'a>) -> Option<&mut Self> {
        let Some((token, rest)) = path.split_first() else { return Some(self) };
        let at = match (self.child(token), &mut self.value) {
            (Some(at), _) => at,
            (None, Value::Map(members)) => {
                let below = if rest.is_empty() { value.clone() } else { Value::Map(Vec::new()) };
                members.push(Self::fresh(token, below));
                members.len() - 1
            }
            (None, _) => return None,
        };
        self.children()?.get_mut(at)?.reach_or_make(rest, value)
    }

    /// Calls `visit` with every node at a path, all duplicates included.
    pub(super) fn each(&mut self, path: &[String], visit: &mut dyn FnMut(&mut Self)) {
        let Some((token, rest)) = path.split_first() else { return visit(self) };
        match &mut self.value {
            Value::Map(members) => {
                members.iter_mut().filter(|m| m.key == *token).for_each(|m| m.each(rest, visit));
            }
            Value::List(items) => {
                let item = token.parse().ok().and_then(|at: usize| items.get_mut(at));
                item.into_iter().for_each(|item| item.each(rest, visit));
            }
            _ => {}
        }
    }

    /// Whether a tree as it was parsed is this one.
    pub(super) fn is(&self, other: &Self, syntax: Syntax) -> bool {
        self.value.is(&other.value, syntax)
    }
}

impl<'a> Value<'a> {
    fn is(&self, other: &Value<'_>, syntax: Syntax) -> bool {
        match (self, other) {
            (Self::Null, Value::Null) => true,
            (Self::Bool(a), Value::Bool(b)) => a == b,
            (Self::Number(a), Value::Number(b)) | (Self::String(a), Value::String(b)) => a == b,
            // A table of TOML may be made by statements far from each other, so its text proves nothing.
            (Self::Deep(a), Value::Deep(b)) => a == b && syntax != Syntax::Toml,
            (Self::List(a), Value::List(b)) => {
                let kept: Vec<&Model<'_>> = a.iter().filter(|item| !item.gone).collect();
                kept.len() == b.len() && kept.iter().zip(b).all(|(a, b)| a.is(b, syntax))
            }
            (Self::Map(a), Value::Map(b)) => same_members(a, b, syntax),
            _ => false,
        }
    }

    /// Whether nothing is left of what was there: such a table or list of TOML goes with its last header, and so does
    /// the `#children` of an XML element.
    fn is_emptied(&self) -> bool {
        match self {
            Self::List(children) | Self::Map(children) => {
                !children.is_empty() && children.iter().all(|child| child.gone || child.value.is_emptied())
            }
            _ => false,
        }
    }

    /// The same with nothing borrowed.
    pub(super) fn owned(self) -> Value<'static> {
        let text = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let children = |children: Vec<Child<'_>>| children.into_iter().map(Model::owned).collect();
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Number(value) => Value::Number(text(value)),
            Self::String(value) => Value::String(text(value)),
            Self::Deep(value) => Value::Deep(text(value)),
            Self::List(items) => Value::List(children(items)),
            Self::Map(members) => Value::Map(children(members)),
        }
    }
}

impl Model<'_> {
    fn owned(self) -> Model<'static> {
        let key = Cow::Owned(self.key.into_owned());
        Model { key, value: self.value.owned(), span: self.span, gone: self.gone, fresh: self.fresh }
    }
}

fn same_members(expected: &[Model<'_>], found: &[Model<'_>], syntax: Syntax) -> bool {
    let mut expected: Vec<&Model<'_>> = expected.iter().filter(|member| !member.gone).collect();
    let mut found: Vec<&Model<'_>> = found.iter().collect();
    if syntax == Syntax::Toml {
        // No key stands twice in a table.
        expected.sort_by(|a, b| a.key.cmp(&b.key));
        found.sort_by(|a, b| a.key.cmp(&b.key));
    }
    let mut kept = expected.iter().filter(|m| !m.fresh || syntax == Syntax::Toml).peekable();
    let mut fresh = expected.iter().filter(|m| m.fresh && syntax != Syntax::Toml).peekable();
    let may_vanish = matches!(syntax, Syntax::Toml | Syntax::Xml);
    let is_it = |a: &Model<'_>, b: &Model<'_>| a.key == b.key && a.is(b, syntax);
    for member in found {
        while kept.next_if(|k| may_vanish && k.key != member.key && k.value.is_emptied()).is_some() {}
        if kept.next_if(|k| is_it(k, member)).is_none() && fresh.next_if(|f| is_it(f, member)).is_none() {
            return false;
        }
    }
    kept.all(|k| may_vanish && k.value.is_emptied()) && fresh.next().is_none()
}

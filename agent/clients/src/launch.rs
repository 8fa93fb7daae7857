//! What an entry says of one thing under all names that any client has for it, and where it contradicts itself.
//!
//! Which of two contradicting members a client takes is not guessed: versions differ, and one file feeds many clients.

use mcpolicy_schema::contradiction as why;
use mcpolicy_schema::evaluate::is_judged_but_for_case;

use crate::codec::Format;
use crate::node::{Member, Node, Value};
use crate::reads::Reads;

/// Names that are no alias of another.
const SINGLE: &[&str] = &["args", "cwd"];
/// Members of the object that older versions of Zed keep a command in.
const COMMAND_OBJECT: &[&str] = &["path", "args", "env"];

/// How references begin in clients that fill them in before they parse (opencode, Continue).
const FILLED_IN: &[&str] = &["{env:", "{file:", "${{"];

/// The first contradiction that was found.
#[derive(Debug, Default)]
pub(crate) struct Doubt(pub(crate) Option<&'static str>);

impl Doubt {
    pub(crate) fn note(&mut self, what: &'static str) {
        self.0.get_or_insert(what);
    }
}

/// What an entry says of one thing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'n, 'd> {
    /// Under which name.
    pub(crate) name: &'static str,
    /// The value; never `null`.
    pub(crate) node: &'n Node<'d>,
    /// Whether a reader of the file is known to read the name.
    pub(crate) own: bool,
}

/// The places of an entry where launch members stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layers<'n, 'd> {
    /// The entry.
    pub(crate) outer: &'n Node<'d>,
    /// Its `transport`, where that is an object.
    pub(crate) nested: Option<&'n Node<'d>>,
    readers: &'n [&'static Reads],
}

impl<'n, 'd> Layers<'n, 'd> {
    pub(crate) fn new(outer: &'n Node<'d>, readers: &'n [&'static Reads]) -> Self {
        let nested = outer.get("transport").filter(|t| t.is_object());
        Self { outer, nested, readers }
    }

    /// Whether some reader keeps everything in `transport`.
    pub(crate) fn reads_nested(&self) -> bool {
        self.readers.iter().any(|reads| reads.nested)
    }

    /// Everything that is said of one thing, what the readers take first. `fits` is the shape that it must have where
    /// no reader is known to read the name: elsewhere `environment` may be a word.
    pub(crate) fn said(
        &self,
        names: fn(&Reads) -> &'static [&'static str],
        fits: fn(&Node<'d>) -> bool,
        doubt: &mut Doubt,
    ) -> Vec<Said<'n, 'd>> {
        let own: Vec<&'static str> = self.readers.iter().flat_map(|reads| names(reads)).copied().collect();
        let every = names(&Reads::ANY).iter().filter(|name| !own.contains(name));
        let every: Vec<(&'static str, bool)> =
            own.iter().map(|name| (*name, true)).chain(every.map(|name| (*name, false))).collect();
        let within = |layer: &'n Node<'d>| -> Vec<Said<'n, 'd>> {
            let one = |(name, own): &(&'static str, bool)| {
                let node = layer.get(name).filter(|node| !matches!(node.value, Value::Null))?;
                let is_layer = *name == "transport" && node.is_object();
                (!is_layer && (*own || fits(node))).then_some(Said { name, node, own: *own })
            };
            every.iter().filter_map(one).collect()
        };
        let (outer, nested) = (within(self.outer), self.nested.map(within).unwrap_or_default());
        if self.nested.is_some() && nested.is_empty() && !outer.is_empty() {
            doubt.note(why::BESIDE_NESTED);
        }
        if self.reads_nested() { [nested, outer].concat() } else { [outer, nested].concat() }
    }

    /// A member with one name only.
    pub(crate) fn single(&self, name: &'static str, doubt: &mut Doubt) -> Option<&'n Node<'d>> {
        debug_assert!(SINGLE.contains(&name), "{name} is not looked for in other cases");
        let here = |layer: &'n Node<'d>| layer.get(name).filter(|node| !matches!(node.value, Value::Null));
        let (outer, nested) = (here(self.outer), self.nested.and_then(here));
        match (self.nested, outer, nested) {
            (Some(_), Some(outer), Some(nested)) if !same(outer, nested) => doubt.note(why::BESIDE_NESTED),
            (Some(_), Some(_), None) => doubt.note(why::BESIDE_NESTED),
            _ => {}
        }
        if self.reads_nested() { nested.or(outer) } else { outer.or(nested) }
    }

    /// What does not depend on which thing is asked for.
    pub(crate) fn look_over(&self, format: Format, doubt: &mut Doubt) {
        if self.nested.is_some() && !self.reads_nested() {
            doubt.note(why::NESTED);
        }
        of_structure(self.outer, doubt);
        let in_yaml = matches!(format, Format::Yaml | Format::YamlOrJson | Format::FrontMatter);
        for layer in [Some(self.outer), self.nested].into_iter().flatten() {
            let commands = Reads::ANY.command.iter().filter_map(|name| layer.get(name));
            let objects = commands.filter(|c| c.is_object()).map(|object| (object, COMMAND_OBJECT));
            for (object, own) in objects.chain([(layer, &[][..])]) {
                if object.members().iter().any(|m| is_other_case(&m.key, own)) {
                    doubt.note(why::CASE);
                }
                if in_yaml && is_merged(object) {
                    doubt.note(why::MERGED);
                }
            }
        }
    }
}

/// Notes where the things said of one thing differ.
pub(crate) fn agree(said: &[Said<'_, '_>], doubt: &mut Doubt) {
    if said.windows(2).any(|pair| !same(pair[0].node, pair[1].node)) {
        doubt.note(why::ALIASES);
    }
}

/// Whether two values mean the same: order and duplicates of members count.
pub(crate) fn same(one: &Node<'_>, other: &Node<'_>) -> bool {
    match (&one.value, &other.value) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Number(a), Value::Number(b)) | (Value::String(a), Value::String(b)) => a == b,
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.key == b.key && same(&a.value, &b.value))
        }
        _ => false,
    }
}

/// Whether a name is read under another case only.
fn is_other_case(name: &str, own: &[&str]) -> bool {
    let any = Reads::ANY.lists();
    let known = || any.iter().copied().flatten().chain(SINGLE).chain(own);
    !known().any(|known| *known == name)
        && (known().any(|known| why::same_fold(known, name)) || is_judged_but_for_case(name))
}

/// Duplicates that differ, and values that were not kept.
fn of_structure(entry: &Node<'_>, doubt: &mut Doubt) {
    let mut nodes = vec![entry];
    while let Some(node) = nodes.pop() {
        match &node.value {
            Value::Deep => doubt.note(why::DEEP),
            Value::Array(items) => nodes.extend(items),
            Value::Object(members) => {
                if members.iter().any(|m| FILLED_IN.iter().any(|mark| m.key.contains(mark))) {
                    doubt.note(why::FILLED_IN);
                }
                if stands_twice(members) {
                    doubt.note(why::TWICE);
                }
                nodes.extend(members.iter().map(|m| &m.value));
            }
            _ => {}
        }
    }
}

fn stands_twice(members: &[Member<'_>]) -> bool {
    let mut sorted: Vec<&Member<'_>> = members.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    sorted.windows(2).any(|pair| pair[0].key == pair[1].key && !same(&pair[0].value, &pair[1].value))
}

/// Whether some members stand outside the object that has them, as those of a merge key do; of an alias all do.
fn is_merged(object: &Node<'_>) -> bool {
    let is_inside =
        |m: &Member<'_>| object.span.start <= m.key_span.start && m.key_span.end <= object.span.end;
    let members = object.members();
    members.iter().any(is_inside) && !members.iter().all(is_inside)
}

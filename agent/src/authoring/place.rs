//! From a JSON Pointer to the bytes of a TOML text that it names.

use std::ops::Range;

use toml_edit::{Array, ArrayOfTables, Document, Item, TableLike, Value};

/// Which part of a member is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Its value.
    Value,
    /// Its name.
    Name,
}

/// A node of the document on the way.
enum Node<'d> {
    Table(&'d dyn TableLike),
    Tables(&'d ArrayOfTables),
    Array(&'d Array),
    Leaf,
}

impl<'d> Node<'d> {
    fn of_item(item: &'d Item) -> Self {
        match item {
            Item::Table(table) => Self::Table(table),
            Item::ArrayOfTables(tables) => Self::Tables(tables),
            Item::Value(value) => Self::of_value(value),
            Item::None => Self::Leaf,
        }
    }

    fn of_value(value: &'d Value) -> Self {
        match value {
            Value::InlineTable(table) => Self::Table(table),
            Value::Array(array) => Self::Array(array),
            _ => Self::Leaf,
        }
    }

    /// What one part of a pointer leads to, and its bytes.
    fn step(&self, part: &str, wanted: Part) -> Option<(Self, Option<Range<usize>>)> {
        match self {
            Self::Table(table) => {
                let (key, item) = table.get_key_value(part)?;
                let span = match item {
                    _ if wanted == Part::Name => key.span(),
                    // A table spans its header or braces; the key says more where there is neither.
                    Item::Value(value) => value.span().or_else(|| key.span()),
                    _ => key.span().or_else(|| item.span()),
                };
                Some((Self::of_item(item), span))
            }
            Self::Tables(tables) => {
                let table = tables.get(part.parse().ok()?)?;
                Some((Self::Table(table), table.span()))
            }
            Self::Array(array) => {
                let value = array.get(part.parse().ok()?)?;
                Some((Self::of_value(value), value.span()))
            }
            Self::Leaf => None,
        }
    }
}

/// Bytes of what a pointer names, or of the nearest thing around it that is written: a missing member is shown at the
/// table that should have it.
pub(super) fn span(text: &str, pointer: &str, wanted: Part) -> Option<Range<usize>> {
    let document = Document::parse(text).ok()?;
    let mut node = Node::of_item(document.as_item());
    let mut best: Option<Range<usize>> = None;
    let mut parts = pointer.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let part = part.replace("~1", "/").replace("~0", "~");
        let wanted = if parts.peek().is_none() { wanted } else { Part::Value };
        let Some((next, span)) = node.step(&part, wanted) else { break };
        best = span.or(best);
        node = next;
    }
    best.filter(|span| span.end <= text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[policy]\nname = \"x\"\n\n[[rule]]\nid = \"a\"\n\n[[rule]]\nid = \"b\"\nidentity.npm = { package = \"p\", versions = \"^1\" }\nargs.optional = [\"-v\", \"-q\"]\n";

    fn at(pointer: &str) -> &str {
        &TEXT[span(TEXT, pointer, Part::Value).unwrap()]
    }

    #[test]
    fn a_pointer_leads_into_tables_lists_and_inline_tables() {
        assert_eq!(at("/policy/name"), "\"x\"");
        assert_eq!(at("/rule/1/id"), "\"b\"");
        assert_eq!(at("/rule/1/identity/npm/versions"), "\"^1\"");
        assert_eq!(at("/rule/1/args/optional/1"), "\"-q\"");
        assert_eq!(&TEXT[span(TEXT, "/rule/1/id", Part::Name).unwrap()], "id");
    }

    #[test]
    fn what_is_missing_is_shown_at_the_table_that_should_have_it() {
        assert!(at("/rule/0/owner").starts_with("[[rule]]"));
        assert!(at("/rule/1/identity/npm/pin").starts_with("{ package"));
        assert_eq!(span(TEXT, "", Part::Value), None);
        assert_eq!(span("not = = toml", "/policy", Part::Value), None);
    }
}

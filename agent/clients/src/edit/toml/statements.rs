//! A TOML file as its statements: headers and pairs, with the lines and comments that belong to each.

use std::ops::Range;

use toml_edit::{Document, Item, Table, Value};

use crate::edit::lines::{comments_above, is_comment};
use crate::edit::style::{after_newline, line_end, line_start, skip_blanks};
use crate::node::escape;

/// A header or a pair.
#[derive(Debug)]
pub(super) struct Statement<'d> {
    /// JSON Pointer of what it makes, tables of arrays by their number.
    pub(super) pointer: String,
    /// From the first byte to the last, without comment.
    pub(super) range: Range<usize>,
    /// Of a pair.
    pub(super) value: Option<&'d Value>,
}

impl Statement<'_> {
    pub(super) fn is_header(&self) -> bool {
        self.value.is_none()
    }
}

/// All statements in order of the text.
pub(super) fn of<'d>(text: &str, document: &'d Document<&str>) -> Vec<Statement<'d>> {
    let mut out = Vec::new();
    collect(text, document.as_table(), "", &mut out);
    out.sort_by_key(|statement| statement.range.start);
    out
}

/// Depth is limited by the parser.
fn collect<'d>(text: &str, table: &'d Table, pointer: &str, out: &mut Vec<Statement<'d>>) {
    for (name, item) in table.iter() {
        let Some(key) = table.key(name) else { continue };
        let pointer = format!("{pointer}/{}", escape(key.get()));
        match item {
            Item::None => {}
            Item::Value(value) => {
                // Of a dotted key only the last part has a place; all parts stand in one line.
                let key = key.span().unwrap_or_default();
                let start = skip_blanks(text, line_start(text, key.start));
                let range = start..value.span().map_or(key.end, |value| value.end);
                out.push(Statement { pointer, range, value: Some(value) });
            }
            Item::Table(table) => {
                header(table, &pointer, out);
                collect(text, table, &pointer, out);
            }
            Item::ArrayOfTables(tables) => {
                for (at, table) in tables.iter().enumerate() {
                    let pointer = format!("{pointer}/{at}");
                    header(table, &pointer, out);
                    collect(text, table, &pointer, out);
                }
            }
        }
    }
}

fn header<'d>(table: &'d Table, pointer: &str, out: &mut Vec<Statement<'d>>) {
    if let Some(range) = table.span().filter(|_| !table.is_implicit() && !table.is_dotted()) {
        out.push(Statement { pointer: pointer.to_owned(), range, value: None });
    }
}

/// Whether a pointer is another or lies below it.
pub(super) fn is_below(pointer: &str, upper: &str) -> bool {
    pointer.strip_prefix(upper).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The pointer itself and all above it but the root, the longest first.
pub(super) fn with_parents(pointer: &str) -> impl Iterator<Item = &str> {
    let ends = pointer.rmatch_indices('/').map(|(at, _)| at).filter(|at| *at > 0);
    std::iter::once(pointer.len()).chain(ends).map(|end| &pointer[..end])
}

/// The lines of a file around statements.
pub(super) struct Lines<'t> {
    pub(super) text: &'t str,
}

impl Lines<'_> {
    /// The start of a statement's first line.
    pub(super) fn start(&self, statement: &Statement<'_>) -> usize {
        line_start(self.text, statement.range.start)
    }

    /// The byte after a statement's last line.
    pub(super) fn end(&self, statement: &Statement<'_>) -> usize {
        after_newline(self.text, line_end(self.text, statement.range.end))
    }

    /// Where the comment lines directly above a statement begin.
    pub(super) fn lead(&self, statement: &Statement<'_>, floor: usize) -> usize {
        comments_above(self.text, self.start(statement), floor, |_| true)
    }

    /// The end of the comment lines directly below a place, up to `ceiling` and to what looks like a table that was
    /// commented out.
    pub(super) fn comments_below(&self, mut at: usize, ceiling: usize) -> usize {
        while at < ceiling && is_comment(self.text, at) {
            let line = self.text[at..line_end(self.text, at)].trim_start().trim_start_matches('#');
            if line.trim_start().starts_with('[') {
                break;
            }
            at = after_newline(self.text, line_end(self.text, at));
        }
        at.min(ceiling)
    }
}

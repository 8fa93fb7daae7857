//! Block collections: taking out and adding lines.

use std::collections::BTreeMap;
use std::ops::Range;

use super::raw::{Child, ODD, Raw};
use crate::edit::Unfaithful;
use crate::edit::lines::{Cut, comments_above, is_comment};
use crate::edit::splice::Plan;
use crate::edit::style::{after_newline, line_end, line_start, reindent, skip_blanks, starts_line};

/// A block collection and the column of its children.
pub(super) struct Block<'r, 't> {
    pub(super) raw: &'r Raw<'t>,
    pub(super) collection: usize,
    pub(super) column: usize,
    pub(super) newline: &'static str,
}

impl Block<'_, '_> {
    /// Takes children out and adds others at the end. `added`: texts at column 0.
    pub(super) fn plan(
        &self,
        removed: &BTreeMap<usize, usize>,
        added: &[String],
        out: &mut Plan,
    ) -> Result<(), Unfaithful> {
        let kept = (0..self.raw.count(self.collection)).rev().find(|at| !removed.contains_key(at));
        if !removed.is_empty() {
            self.remove(removed, kept.is_none() && added.is_empty(), out)?;
        }
        match (kept, removed.keys().next()) {
            _ if added.is_empty() => {}
            (Some(kept), _) => {
                let at = self.lines(self.child(kept))?.end;
                let text = self.added(added);
                if self.raw.text[..at].ends_with(['\n', '\r']) {
                    out.put(at..at, text);
                } else {
                    let text = text.trim_end_matches(['\n', '\r']);
                    out.put(at..at, format!("{}{text}", self.newline));
                }
            }
            (None, Some(first)) => {
                let at = self.lines(self.child(*first))?.start;
                if !starts_line(self.raw.text, at) {
                    return Err(ODD);
                }
                out.put(at..at, self.added(added));
            }
            (None, None) => return Err(ODD),
        }
        Ok(())
    }

    fn child(&self, at: usize) -> Child {
        Child { parent: self.collection, at }
    }

    fn added(&self, added: &[String]) -> String {
        let indent = " ".repeat(self.column);
        let newline = self.newline;
        added.iter().map(|text| format!("{indent}{}{newline}", reindent(text, "", &indent))).collect()
    }

    fn remove(
        &self,
        removed: &BTreeMap<usize, usize>,
        is_emptied: bool,
        out: &mut Plan,
    ) -> Result<(), Unfaithful> {
        let mut before: Option<Cut> = None;
        let mut skip = 0;
        for (number, change) in removed {
            if *number < skip {
                continue;
            }
            let lines = self.lines(self.child(*number))?;
            if !starts_line(self.raw.text, lines.start) {
                skip = self.remove_beside_a_dash(removed, *change, is_emptied, out)?;
                continue;
            }
            let floor = match number.checked_sub(1) {
                Some(earlier) => self.raw.end(self.child(earlier)),
                None => lines.start,
            };
            let is_root = self.raw.parent(self.collection).is_none();
            let cut = if is_emptied && is_root {
                Cut::only(lines)
            } else {
                Cut::closing_up(self.raw.text, lines, Some(floor), before.as_ref())
            };
            out.cut(*change, cut.range.clone());
            out.drop(cut.above.clone());
            before = Some(cut);
        }
        if is_emptied {
            self.write_empty(removed, out)?;
        }
        Ok(())
    }

    /// The first children, where the first stands behind a dash: the next one kept moves up to it. Gives its number.
    fn remove_beside_a_dash(
        &self,
        removed: &BTreeMap<usize, usize>,
        change: usize,
        is_emptied: bool,
        out: &mut Plan,
    ) -> Result<usize, Unfaithful> {
        let text = self.raw.text;
        let head = self.raw.head(self.child(0), self.column)?;
        if is_emptied {
            let parent = self.raw.parent(self.collection).ok_or(ODD)?;
            let start = self.raw.value_start(parent, self.parent_column(parent)?)?;
            let end = self.raw.tail(self.child(0));
            out.cut(
                change,
                start..line_end(text, head).max(crate::edit::style::back_over_newline(text, end)),
            );
            return Ok(1);
        }
        let next = (0..self.raw.count(self.collection)).find(|at| !removed.contains_key(at)).ok_or(ODD)?;
        // the first child stays where places were not told apart
        let last = next.checked_sub(1).ok_or(ODD)?;
        let start = self.raw.head(self.child(next), self.column)?;
        if !text[self.raw.tail(self.child(last))..start].trim().is_empty() {
            return Err(ODD);
        }
        out.cut(change, head..start);
        Ok(next)
    }

    /// `{}` or `[]` in place of the children.
    fn write_empty(&self, removed: &BTreeMap<usize, usize>, out: &mut Plan) -> Result<(), Unfaithful> {
        let brackets = if self.raw.is_map(self.collection) { "{}" } else { "[]" };
        match self.raw.parent(self.collection) {
            Some(parent) => {
                let at = self.raw.value_start(parent, self.parent_column(parent)?)?;
                out.put(at..at, format!(" {brackets}"));
            }
            None => {
                let first = removed.keys().next().copied().unwrap_or_default();
                let at = self.lines(self.child(first))?.start;
                let newline = if self.raw.text.ends_with(['\n', '\r']) { self.newline } else { "" };
                out.put(at..at, format!("{brackets}{newline}"));
            }
        }
        Ok(())
    }

    fn parent_column(&self, parent: Child) -> Result<usize, Unfaithful> {
        match self.raw.layout(parent.parent)? {
            super::raw::Layout::Block { column } => Ok(column),
            super::raw::Layout::Flow { .. } => Err(ODD),
        }
    }

    /// The lines of a child with the comments that belong to it.
    pub(super) fn lines(&self, child: Child) -> Result<Range<usize>, Unfaithful> {
        let text = self.raw.text;
        let head = self.raw.head(child, self.column)?;
        let mut end = self.raw.tail(child);
        while end < text.len() && is_comment(text, end) && skip_blanks(text, end) > end + self.column {
            end = after_newline(text, line_end(text, end));
        }
        if !starts_line(text, head) {
            return Ok(head..end);
        }
        // What looks like a comment may be text of the scalar above.
        let floor = match child.at.checked_sub(1) {
            Some(earlier) => self.raw.tail(self.child(earlier)),
            None => 0,
        };
        let belongs = |line: usize| skip_blanks(text, line) == line + self.column;
        Ok(comments_above(text, line_start(text, head), floor, belongs)..end)
    }
}

//! Adding statements.

use std::ops::Range;

use super::statements::is_below;
use super::text::dotted;
use super::{Form, Kept, MISPLACED, Planner, Unfaithful};
use crate::edit::commas::Added;
use crate::edit::lines::{is_blank, line_before};
use crate::edit::style::indent;
use crate::edit::tokens;

impl Planner<'_, '_> {
    /// Adds `keys = value` to a table, in whatever way the table is written.
    pub(super) fn add_pair(&mut self, table: &str, keys: &[String], value: &str) -> Result<(), Unfaithful> {
        if keys.is_empty() {
            return Err(MISPLACED);
        }
        let pair = |keys: &[String]| format!("{} = {value}", dotted(keys));
        if let Some(section) = self.section(table) {
            self.add_line(section, &pair(keys));
            return Ok(());
        }
        if let Some(there) = self.value(table) {
            let list = self.inlines.of(there).filter(|list| list.is_table()).ok_or(MISPLACED)?;
            self.open(&list).added.push(Added { text: pair(keys), behind: String::new() });
            return Ok(());
        }
        let first = self.statements.iter().position(|s| is_below(&s.pointer, table));
        match first.map(|first| (first, self.statements[first].is_header())) {
            // Only tables below it have headers: its own goes before the first of them.
            Some((first, true)) => {
                let at = self.lead_of(&self.statements[first]);
                let newline = self.style.newline;
                let header = dotted(&tokens(table));
                self.plan.put(at..at, format!("[{header}]{newline}{}{newline}{newline}", pair(keys)));
            }
            // Dotted keys: one more of them behind the last.
            Some((first, false)) => {
                let last = self.statements.iter().rposition(|s| is_below(&s.pointer, table)).unwrap_or(first);
                let header = self.statements[..first].iter().rev().find(|s| s.is_header());
                let above = header.map_or(0, |header| tokens(&header.pointer).len());
                let path: Vec<String> =
                    tokens(table).into_iter().skip(above).chain(keys.iter().cloned()).collect();
                self.add_line(Some(last), &pair(&path));
            }
            None if tokens(table).is_empty() => self.add_line(None, &pair(keys)),
            None => {
                let header = dotted(&tokens(table));
                self.add_section(table, &format!("[{header}]{}{}", self.style.newline, pair(keys)));
            }
        }
        Ok(())
    }

    /// Puts the kept text of an entry into its table.
    pub(super) fn insert(&mut self, table: &str, kept: &Kept) -> Result<(), Unfaithful> {
        match kept.form {
            Form::Absolute { header: true } => self.add_section(table, &kept.text),
            Form::Absolute { header: false } => {
                // what an edit left of entries with dotted keys: they cannot stand beside the header
                if let Some(header) = self.only_header(table) {
                    self.plan.drop(header);
                }
                let root = self.section("").unwrap_or_default();
                self.add_line(root, &kept.text);
            }
            Form::Relative => match (self.section(table), self.value(table)) {
                (Some(section), _) => self.add_line(section, &kept.text),
                (None, Some(there)) => {
                    let list = self.inlines.of(there).filter(|list| list.is_table()).ok_or(MISPLACED)?;
                    self.open(&list).added.push(Added { text: kept.text.clone(), behind: String::new() });
                }
                (None, None) => {
                    let header = dotted(&tokens(table));
                    self.add_section(table, &format!("[{header}]{}{}", self.style.newline, kept.text));
                }
            },
            Form::Item => {
                let there = self.value(table).filter(|value| value.is_array()).ok_or(MISPLACED)?;
                let list = self.inlines.of(there).ok_or(MISPLACED)?;
                self.open(&list).added.push(Added { text: kept.text.clone(), behind: String::new() });
            }
        }
        Ok(())
    }

    /// The line of a table's header, if the table holds nothing and neither does it say what anything below it is.
    fn only_header(&self, table: &str) -> Option<Range<usize>> {
        let at = *self.by_pointer.get(table).filter(|at| self.statements[**at].is_header())?;
        let is_alone = self.statements.iter().filter(|s| is_below(&s.pointer, table)).count() == 1;
        let header = &self.statements[at];
        is_alone.then(|| self.lines.start(header)..self.lines.end(header))
    }

    /// The last statement of the section that a table's header begins, `None` of it for a root without pairs; nothing
    /// if the table has no header.
    fn section(&self, table: &str) -> Option<Option<usize>> {
        let pairs_from =
            |first: usize| self.statements[first..].iter().take_while(|s| !s.is_header()).count();
        if table.is_empty() {
            return Some(pairs_from(0).checked_sub(1));
        }
        let header = *self.by_pointer.get(table).filter(|at| self.statements[**at].is_header())?;
        Some(Some(header + pairs_from(header + 1)))
    }

    /// A line behind a statement's, or before all of them.
    fn add_line(&mut self, behind: Option<usize>, text: &str) {
        let newline = self.style.newline;
        match behind.map(|at| &self.statements[at]) {
            Some(statement) => {
                let at = self.lines.end(statement);
                let indent =
                    if statement.is_header() { "" } else { indent(self.doc.text, statement.range.start) };
                let text = if self.doc.text[..at].ends_with('\n') {
                    format!("{indent}{text}{newline}")
                } else {
                    format!("{newline}{indent}{text}")
                };
                self.plan.put(at..at, text);
            }
            None => {
                let first = self.statements.first().map(|first| self.lines.lead(first, 0));
                let at = first.unwrap_or(self.doc.text.len());
                let before = if self.doc.text[..at].is_empty() || self.doc.text[..at].ends_with('\n') {
                    ""
                } else {
                    newline
                };
                let blank = if first.is_some() { newline } else { "" };
                self.plan.put(at..at, format!("{before}{text}{newline}{blank}"));
            }
        }
    }

    /// A section behind the last one of a table, at the end of the file if it has none.
    fn add_section(&mut self, table: &str, text: &str) {
        let newline = self.style.newline;
        let last = self.statements.iter().rposition(|s| is_below(&s.pointer, table));
        let next = last.and_then(|last| self.statements[last + 1..].iter().find(|s| s.is_header()));
        match next {
            Some(next) => {
                let at = self.lead_of(next);
                let blank = is_blank(self.doc.text, line_before(self.doc.text, at));
                let before = if blank { "" } else { newline };
                self.plan.put(at..at, format!("{before}{text}{newline}{newline}"));
            }
            None => {
                let (at, whole) = (self.doc.text.len(), self.doc.text.ends_with('\n'));
                let before = if whole { newline.to_owned() } else { newline.repeat(2) };
                self.plan.put(at..at, format!("{before}{text}{}", if whole { newline } else { "" }));
            }
        }
    }
}

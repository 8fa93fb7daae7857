//! Taking statements out.

use std::ops::Range;

use super::statements::{Statement, with_parents};
use super::{Planner, Unfaithful};
use crate::edit::lines::Cut;
use crate::edit::tokens;

impl Planner<'_, '_> {
    /// Cuts every statement that is or lies below something that goes.
    pub(super) fn cut_statements(&mut self) {
        if self.gone.is_empty() {
            return;
        }
        let change_of =
            |s: &Statement<'_>| with_parents(&s.pointer).find_map(|upper| self.gone.get(upper)).copied();
        let removed: Vec<Option<usize>> = self.statements.iter().map(change_of).collect();
        let mut at = 0;
        let mut before: Option<Cut> = None;
        while at < removed.len() {
            let Some(change) = removed[at] else {
                at += 1;
                continue;
            };
            let run = removed[at..].iter().take_while(|other| **other == Some(change)).count();
            let cut = self.cut(at, at + run - 1, self.replacing.contains(&change), before.as_ref());
            self.plan.cut(change, cut.range.clone());
            self.plan.drop(cut.above.clone());
            before = Some(cut);
            at += run;
        }
    }

    /// The lines of a run of statements of one change.
    fn cut(&self, first: usize, last: usize, is_replaced: bool, before: Option<&Cut>) -> Cut {
        let (lines, text) = (&self.lines, self.doc.text);
        let start = self.lead_of(&self.statements[first]);
        let mut end = lines.end(&self.statements[last]);
        let ceiling = self.statements.get(last + 1).map_or(text.len(), |next| lines.lead(next, end));
        if self.statements[first..=last].iter().any(Statement::is_header) {
            end = lines.comments_below(end, ceiling);
        }
        if is_replaced { Cut::only(start..end) } else { Cut::closing_up(text, start..end, None, before) }
    }

    /// The start of a statement with the comments above it.
    pub(super) fn lead_of(&self, statement: &Statement<'_>) -> usize {
        let at = self.statements.partition_point(|other| other.range.start < statement.range.start);
        let floor = at.checked_sub(1).map_or(0, |before| self.lines.end(&self.statements[before]));
        self.lines.lead(statement, floor)
    }

    /// A file must not become empty: that reads as damage. What held the entries stays as an empty table or list.
    pub(super) fn keep_something(&mut self) -> Result<(), Unfaithful> {
        let Some(pointer) = self.gone.keys().next() else { return Ok(()) };
        if self.plan.splices.iter().any(|splice| !splice.text.is_empty()) {
            return Ok(());
        }
        let mut cuts: Vec<Range<usize>> =
            self.plan.splices.iter().map(|splice| splice.range.clone()).collect();
        cuts.sort_by_key(|cut| cut.start);
        let mut at = 0;
        let mut blank = |until: usize, next: usize| {
            let kept = self.doc.text.get(at..until).unwrap_or_default();
            at = at.max(next);
            kept.trim().is_empty()
        };
        if !cuts.iter().all(|cut| blank(cut.start, cut.end)) || !blank(self.doc.text.len(), 0) {
            return Ok(());
        }
        let mut path = tokens(pointer);
        let of_list = self.by_pointer.get(pointer).is_some_and(|at| {
            let start = self.statements[*at].range.start;
            self.doc.text[start..].starts_with("[[")
        });
        path.pop();
        if path.is_empty() {
            return Err(Unfaithful::NotExpressible("nothing would be left of the file"));
        }
        let name = super::text::dotted(&path);
        let text = if of_list { format!("{name} = []") } else { format!("[{name}]") };
        let end = self.doc.text.len();
        let newline = if self.doc.text.ends_with('\n') { self.style.newline } else { "" };
        self.plan.put(end..end, format!("{text}{newline}"));
        Ok(())
    }
}

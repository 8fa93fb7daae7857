//! What the policy says: which one it is, what it does not allow and why, and what to do.

use std::io::{self, Write};

use mcpolicy_schema::finding::Severity;
use mcpolicy_schema::report::v1::{Entry, Finding, Judged};

use super::super::text::visible;
use super::super::view;
use super::table::{self, Cell, Column, Row, Table, painted};
use super::{Page, plural};

/// Rules tried that are told of one entry; JSON has them all.
const MAX_TRIED: usize = 5;

impl Page<'_> {
    /// The policy that judged, before everything else.
    pub(super) fn policy(&self, out: &mut dyn Write) -> io::Result<()> {
        let Some(policy) = &self.report.policy else { return Ok(()) };
        self.notices(out)?;
        table::heading(&format!("Policy {}", visible(&view::policy_line(policy))), self.color, out)?;
        writeln!(out)
    }

    /// What must not be overlooked: at the top and again at the end, where a terminal stands still.
    pub(super) fn notices(&self, out: &mut dyn Write) -> io::Result<()> {
        for notice in self.report.policy.iter().flat_map(|policy| &policy.notices) {
            let line = format!("*** {} ***", visible(notice));
            writeln!(out, "{}", painted(&line, Severity::Critical, self.color))?;
        }
        Ok(())
    }

    /// Entries and running servers that the policy does not allow.
    pub(super) fn refused(&self, out: &mut dyn Write) -> io::Result<()> {
        let entries = self.report.entries.iter();
        let of_entries = entries.filter_map(|e| Some((e, view::refused(e.judged.as_ref())?)));
        let processes = self.findings.loose.iter();
        let of_processes = processes.filter_map(|f| Some((*f, view::refused(f.judged.as_ref())?)));
        let mut rows: Vec<Row> =
            of_entries.map(|(entry, judged)| self.refused_entry(entry, judged)).collect();
        rows.extend(of_processes.map(|(finding, judged)| self.refused_process(finding, judged)));
        if rows.is_empty() {
            return Ok(());
        }
        let title = format!("Not allowed ({})", plural(rows.len() as u64, "server"));
        table::heading(&title, self.color, out)?;
        let columns = vec![
            Column::new("NAME", 8, 28),
            Column::new("VERDICT", 7, 7),
            Column::new("BY", 8, 32),
            Column::new("WHY", 16, 120),
        ];
        Table { columns, rows, color: self.color, width: self.width }.write(out)?;
        writeln!(out)
    }

    fn refused_entry(&self, entry: &Entry, judged: &Judged) -> Row {
        let told = self.findings.of(entry).iter().find(|finding| finding.verdict.is_some());
        let mut below = vec![Cell::path(&self.file(entry))];
        below.extend(told.map(|finding| Cell::plain(&format!("do: {}", finding.remedy))));
        below.extend(tried(judged));
        Row { cells: self.cells(&entry.name, judged), below }
    }

    fn refused_process(&self, finding: &Finding, judged: &Judged) -> Row {
        let mut below = vec![Cell::plain(&finding.message)];
        below.extend(judged.contact.iter().map(|contact| Cell::plain(&format!("ask: {contact}"))));
        below.extend(tried(judged));
        Row { cells: self.cells("(runs undeclared)", judged), below }
    }

    fn cells(&self, name: &str, judged: &Judged) -> Vec<Cell> {
        let mut why = Cell::default();
        let code = judged.reason.as_deref().unwrap_or_default();
        why.push(self.titles.of(code), None);
        if let Some(detail) = judged.detail.as_deref().filter(|detail| !detail.is_empty()) {
            why.push(&format!(": {detail}"), None);
        }
        vec![Cell::plain(name), verdict(Some(judged)), Cell::plain(view::decider(judged)), why]
    }

    /// Counts of verdicts, in the last lines.
    pub(super) fn verdicts(&self, out: &mut dyn Write) -> io::Result<()> {
        let Some(counts) = &self.report.summary.verdicts else { return Ok(()) };
        let denied = format!("{} denied", counts.deny);
        let denied = painted(&denied, Severity::High, self.color && counts.deny > 0);
        writeln!(out, "Verdicts: {} allowed, {denied}, {} could not be judged.", counts.allow, counts.unknown)
    }
}

/// A line for each rule that was asked and did not admit the entry.
fn tried(judged: &Judged) -> Vec<Cell> {
    let line = |rule: &str, reason: &str, detail: &str| format!("rule {rule}: {reason}: {detail}");
    let shown = judged.trace.iter().take(MAX_TRIED);
    let mut cells: Vec<Cell> =
        shown.map(|tried| Cell::plain(&line(&tried.rule, &tried.reason, &tried.detail))).collect();
    let left = judged.trace.len().saturating_sub(MAX_TRIED);
    if left > 0 {
        cells.push(Cell::plain(&format!("and {left} more rules")));
    }
    cells
}

/// The verdict in its colour.
pub(super) fn verdict(judged: Option<&Judged>) -> Cell {
    let Some((word, weight)) = judged.map(view::verdict) else { return Cell::plain("-") };
    let mut cell = Cell::default();
    cell.push(word, weight);
    cell
}

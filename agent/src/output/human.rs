//! Tables for people: entries by user, then what is worth telling about files, then what was not seen, then a line of
//! counts.
//!
//! At 120 columns and more an entry is one row. Below, its place and its findings follow on lines of their own:
//! six columns in 80 would break every word.

pub(crate) mod answers;
mod refused;
mod table;

use std::borrow::Cow;
use std::io::{self, Write};

use mcpolicy_schema::finding::Severity;
use mcpolicy_schema::report::v1::{Entry, Finding, Report};

use self::table::{Cell, Column, Table};
use super::Style;
use super::text::visible;
use super::view::{self, Findings, Titles};

/// Columns from which an entry is one row.
const WIDE: usize = 120;

pub(super) fn write(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let page = Page {
        report,
        findings: Findings::new(report),
        titles: Titles::new(),
        color: style.color,
        width: style.width.clamp(60, 400),
    };
    page.policy(out)?;
    page.entries(out)?;
    page.refused(out)?;
    page.loose(out)?;
    page.gaps(out)?;
    page.summary(out)?;
    page.notices(out)
}

struct Page<'a> {
    report: &'a Report,
    findings: Findings<'a>,
    titles: Titles,
    color: bool,
    width: usize,
}

impl Page<'_> {
    fn entries(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.report.entries.is_empty() {
            return writeln!(out, "No MCP server is declared in what was scanned.\n");
        }
        let mut depends = false;
        for group in self.report.entries.chunk_by(|a, b| a.user == b.user) {
            self.group(group, out)?;
            depends |= group.iter().any(|e| e.readers.iter().any(|r| r.setting.is_some()));
        }
        if depends {
            writeln!(out, "* only if a setting of that client says so\n")?;
        }
        Ok(())
    }

    fn group(&self, entries: &[Entry], out: &mut dyn Write) -> io::Result<()> {
        let user = entries[0].user.as_deref();
        let who = user.unwrap_or(if self.report.scan.mode == "project" { "project" } else { "all users" });
        let title = format!("{} ({})", visible(who), plural(entries.len() as u64, "server"));
        table::heading(&title, self.color, out)?;
        let wide = self.width >= WIDE;
        let mut columns = vec![Column::new("NAME", 8, 28)];
        if self.report.policy.is_some() {
            columns.push(Column::new("VERDICT", 7, 7));
        }
        columns.extend([
            Column::new("IDENTITY", 16, 60),
            Column::new("CLIENTS", 10, 30),
            Column::new("SCOPE", 7, 16),
        ]);
        if wide {
            columns.extend([Column::new("FILE", 16, 60), Column::new("FINDINGS", 24, 60)]);
        }
        let rows = entries.iter().map(|entry| self.row(entry, wide)).collect();
        Table { columns, rows, color: self.color, width: self.width }.write(out)?;
        writeln!(out)
    }

    fn row(&self, entry: &Entry, wide: bool) -> table::Row {
        let scope = match view::state(entry) {
            Some(state) => format!("{}, {state}", entry.scope.as_str()),
            None => entry.scope.as_str().to_owned(),
        };
        let file = self.file(entry);
        let mut cells = vec![Cell::plain(&entry.name)];
        if self.report.policy.is_some() {
            cells.push(refused::verdict(entry.judged.as_ref()));
        }
        cells.extend([
            Cell::plain(&view::identity(entry)),
            Cell::plain(&view::readers(entry)),
            Cell::plain(&scope),
        ]);
        let findings = self.titles_cell(self.findings.of(entry));
        if wide {
            cells.extend([Cell::path(&file), findings]);
            return table::Row { cells, below: Vec::new() };
        }
        table::Row { cells, below: vec![Cell::path(&file), findings] }
    }

    fn file(&self, entry: &Entry) -> String {
        let path = view::short_path(&entry.source.path, entry.user.as_deref());
        view::place(&path, entry.source.line)
    }

    /// `critical: a, b; high: c ×2`.
    fn titles_cell(&self, findings: &[&Finding]) -> Cell {
        let mut cell = Cell::default();
        let mut last = None;
        for (severity, title, count) in view::titles(findings, &self.titles) {
            let times = if count > 1 { format!(" ×{count}") } else { String::new() };
            if last == Some(severity) {
                cell.push(&format!(", {title}{times}"), Some(severity));
            } else {
                let next = if last.is_some() { "; " } else { "" };
                cell.push(&format!("{next}{}: {title}{times}", severity.as_str()), Some(severity));
            }
            last = Some(severity);
        }
        cell
    }

    /// Findings about files, settings and processes.
    fn loose(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.findings.loose.is_empty() {
            return Ok(());
        }
        table::heading("Files, settings and processes", self.color, out)?;
        let columns = vec![
            Column::new("SEVERITY", 8, 8),
            Column::new("FINDING", 14, 40),
            Column::new("USER", 6, 16),
            Column::new("WHERE", 16, 70),
            Column::new("SEEN", 16, 90),
        ];
        let rows = self.findings.loose.iter().map(|finding| self.loose_row(finding)).collect();
        Table { columns, rows, color: self.color, width: self.width }.write(out)?;
        writeln!(out)
    }

    fn loose_row(&self, finding: &Finding) -> table::Row {
        let mut severity = Cell::default();
        severity.push(finding.severity.as_str(), Some(finding.severity));
        let user = finding.user.as_deref();
        let place = finding.source.as_ref().map_or_else(
            || "-".to_owned(),
            |source| view::place(&view::short_path(&source.path, user), source.line),
        );
        let cells = vec![
            severity,
            Cell::plain(self.titles.of(&finding.code)),
            Cell::plain(user.unwrap_or("-")),
            Cell::path(&place),
            Cell::plain(&finding.message),
        ];
        table::Row { cells, below: Vec::new() }
    }

    fn gaps(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.report.coverage.is_empty() {
            return Ok(());
        }
        table::heading("Not covered", self.color, out)?;
        let columns = vec![
            Column::new("KIND", 8, 28),
            Column::new("COUNT", 5, 9),
            Column::new("USER", 6, 16),
            Column::new("WHERE", 14, 70),
            Column::new("WHY", 20, 90),
        ];
        let row = |gap: &mcpolicy_schema::report::v1::Gap| {
            let path =
                gap.path.as_deref().map_or(Cow::Borrowed("-"), |p| view::short_path(p, gap.user.as_deref()));
            let cells = vec![
                Cell::plain(&gap.kind),
                Cell::plain(&gap.count.to_string()),
                Cell::plain(gap.user.as_deref().unwrap_or("-")),
                Cell::path(&path),
                Cell::plain(&gap.reason),
            ];
            table::Row { cells, below: Vec::new() }
        };
        let rows = self.report.coverage.iter().map(row).collect();
        Table { columns, rows, color: self.color, width: self.width }.write(out)?;
        writeln!(out)
    }

    fn summary(&self, out: &mut dyn Write) -> io::Result<()> {
        let summary = &self.report.summary;
        write!(
            out,
            "{}: {} live, {} that no client loads, {} running; {} of {}; ",
            plural(summary.entries, "server"),
            summary.live,
            summary.inert,
            summary.running,
            plural(summary.sources, "file"),
            plural(self.report.scan.users.len() as u64, "user"),
        )?;
        let mut any = false;
        for severity in Severity::ALL {
            let count = view::count(&summary.findings, severity);
            if count > 0 {
                let text = format!("{count} {}", severity.as_str());
                write!(
                    out,
                    "{}{}",
                    if any { ", " } else { "" },
                    table::painted(&text, severity, self.color)
                )?;
                any = true;
            }
        }
        let none = if any { "" } else { "no findings" };
        writeln!(out, "{none}; {}.", plural(summary.gaps, "coverage gap"))?;
        self.verdicts(out)
    }
}

fn plural(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

//! A simulation as text: for a terminal, and as one comment on a change. Names and identities come from whoever could
//! write a configuration file on any machine of the fleet.

use std::io::{self, Write};

use super::{Counts, Pinned, Row, Simulation};
use crate::authoring::markdown::code;
use crate::output::text::{cut_middle, visible, width};

/// Columns of an identity on a terminal.
const IDENTITY: usize = 56;

/// How much is shown.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// What is above its limit.
    pub alarms: &'a [String],
    /// Rows of each table.
    pub top: usize,
    /// Inputs that were no reports.
    pub problems: usize,
}

/// Writes it for people at a terminal.
pub fn human(simulation: &Simulation, shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    let s = simulation;
    writeln!(out, "{} machines, {} users, {} entries", s.fleet.machines, s.fleet.users, s.fleet.entries)?;
    writeln!(out, "{}", totals(s))?;
    for line in notes(s) {
        writeln!(out, "{line}")?;
    }
    for alarm in shown.alarms {
        writeln!(out, "\n!!! {alarm}")?;
    }
    if s.change.machines_perhaps_newly_blocked > 0 {
        writeln!(
            out,
            "\n{} more machines may lose a server: the reports do not say enough to tell",
            s.change.machines_perhaps_newly_blocked
        )?;
    }
    for (title, rows) in tables(s) {
        table(title, rows, shown.top, out)?;
    }
    pins(&s.pins, shown.top, out)
}

fn totals(s: &Simulation) -> String {
    format!(
        "allowed {}, pinned {}, blocked {}, unknown {}; not loaded by any client {}",
        s.allowed, s.pinned, s.blocked, s.unknown, s.inert
    )
}

/// What the mode makes of it, and what was left out.
fn notes(s: &Simulation) -> Vec<String> {
    let mut notes = Vec::new();
    if s.modes.keys().any(|mode| *mode != "enforce") {
        let modes: Vec<String> =
            s.modes.iter().map(|(mode, n)| format!("{mode} on {}", machines(*n))).collect();
        notes.push(format!(
            "mode {}: {} would lose a server now, {} once it is enforced; \"blocked\" below is what enforcing would do",
            modes.join(", "),
            machines(s.change.machines_losing_now),
            s.change.machines_newly_blocked
        ));
    }
    if s.change.machines_of_unknown_ring > 0 {
        notes.push(format!(
            "the ring of {} is not known, since the reports have no device id; the policy's own mode counts there",
            machines(s.change.machines_of_unknown_ring)
        ));
    }
    if s.superseded > 0 {
        notes.push(crate::authoring::fleet::superseded(s.superseded));
    }
    notes
}

fn machines(n: u64) -> String {
    format!("{n} {}", if n == 1 { "machine" } else { "machines" })
}

/// The tables in the order in which they matter. Without a comparison everything blocked is newly so.
fn tables(s: &Simulation) -> Vec<(&'static str, &[Row])> {
    let mut tables = vec![("Newly blocked", s.newly_blocked.as_slice())];
    if s.compared {
        tables.push(("Newly allowed", &s.newly_allowed));
        tables.push(("Blocked", &s.blocked_servers));
    } else {
        tables[0].0 = "Blocked";
    }
    tables.push(("Unknown: the reports do not say enough", &s.unknown_servers));
    tables
}

fn table(title: &str, rows: &[Row], top: usize, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}{}", more(rows.len(), top))?;
    writeln!(
        out,
        "{:>9} {:>7} {:>8}  {:<IDENTITY$}  reason; nearest rule",
        "machines", "users", "entries", "server"
    )?;
    for row in rows.iter().take(top) {
        let why = if row.reason.is_empty() { "allowed" } else { &row.reason };
        let rule = if row.nearest_rule.is_empty() { "none".into() } else { visible(&row.nearest_rule) };
        writeln!(out, "{}  {why}; {rule}", line(row.counts, &row.identity))?;
        if !row.detail.is_empty() {
            writeln!(out, "{:28}{}", "", visible(&row.detail))?;
        }
    }
    Ok(())
}

fn pins(rows: &[Pinned], top: usize, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nPinned{}", more(rows.len(), top))?;
    for row in rows.iter().take(top) {
        writeln!(
            out,
            "{}  to {} by {}",
            line(row.counts, &row.identity),
            visible(&row.version),
            visible(&row.rule)
        )?;
    }
    Ok(())
}

fn line(counts: Counts, identity: &str) -> String {
    let shown = visible(identity);
    let shown = cut_middle(&shown, IDENTITY);
    let padding = IDENTITY.saturating_sub(width(&shown));
    format!("{:>9} {:>7} {:>8}  {shown}{:padding$}", counts.machines, counts.users, counts.entries, "")
}

fn more(rows: usize, top: usize) -> String {
    if rows > top { format!(" (first {top} of {rows})") } else { String::new() }
}

/// The mark by which a job in CI finds its earlier comment.
pub const MARK: &str = "<!-- mcpolicy-simulate -->";

/// Writes it as one comment.
pub fn markdown(simulation: &Simulation, shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    let s = simulation;
    writeln!(out, "{MARK}\n### What this policy would do\n")?;
    for alarm in shown.alarms {
        writeln!(out, "> **Above the threshold:** {alarm}\n")?;
    }
    writeln!(
        out,
        "{} machines, {} users, {} entries: {}.",
        s.fleet.machines,
        s.fleet.users,
        s.fleet.entries,
        totals(s)
    )?;
    for line in notes(s) {
        writeln!(out, "\n{line}.")?;
    }
    if shown.problems > 0 {
        writeln!(out, "\n{} inputs were no reports and are not counted.", shown.problems)?;
    }
    if s.change.machines_perhaps_newly_blocked > 0 {
        writeln!(
            out,
            "\n{} more machines may lose a server: the reports do not say enough to tell.",
            s.change.machines_perhaps_newly_blocked
        )?;
    }
    for (title, rows) in tables(s) {
        markdown_table(title, rows, shown.top, out)?;
    }
    if !s.pins.is_empty() {
        writeln!(out, "\n#### Pinned{}\n", more(s.pins.len(), shown.top))?;
        writeln!(
            out,
            "| server | to version | rule | machines | users | entries |\n|---|---|---|--:|--:|--:|"
        )?;
    }
    for row in s.pins.iter().take(shown.top) {
        let (version, rule) = (code(&row.version), code(&row.rule));
        writeln!(out, "| {} | {version} | {rule} | {} |", code(&row.identity), numbers(row.counts))?;
    }
    Ok(())
}

fn markdown_table(title: &str, rows: &[Row], top: usize, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n#### {title}{}\n", more(rows.len(), top))?;
    writeln!(
        out,
        "| server | machines | users | entries | reason | nearest rule |\n|---|--:|--:|--:|---|---|"
    )?;
    for row in rows.iter().take(top) {
        let (reason, rule) = (code(&row.reason), code(&row.nearest_rule));
        writeln!(out, "| {} | {} | {reason} | {rule} |", code(&row.identity), numbers(row.counts))?;
    }
    Ok(())
}

fn numbers(counts: Counts) -> String {
    format!("{} | {} | {}", counts.machines, counts.users, counts.entries)
}

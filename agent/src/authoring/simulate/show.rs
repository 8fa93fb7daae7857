//! A simulation as text: for a terminal, and as one comment on a change. Names and identities come from whoever could
//! write a configuration file on any machine of the fleet.

use std::io::{self, Write};

use super::{Counts, Pinned, Row, Simulation};
use crate::authoring::markdown::code;
use crate::authoring::words::counted;
use crate::output::text::{cut_middle, folded, visible, width};

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
    /// Columns of the terminal.
    pub columns: usize,
}

/// Columns of the numbers before an identity.
const NUMBERS: usize = 28;
/// Columns of a table whose rows have the reason beside the identity.
const WIDE: usize = NUMBERS + IDENTITY + 34;

/// Writes it for people at a terminal.
pub fn human(simulation: &Simulation, shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    let s = simulation;
    let mut text = format!("{}\n{}\n", fleet(s), totals(s));
    for line in notes(s) {
        text.push_str(&format!("{line}\n"));
    }
    for alarm in shown.alarms {
        text.push_str(&format!("\n!!! {alarm}\n"));
    }
    if let Some(line) = perhaps(s) {
        text.push_str(&format!("\n{line}\n"));
    }
    out.write_all(folded(&text, shown.columns).as_bytes())?;
    for (title, rows) in tables(s) {
        table(title, rows, shown, out)?;
    }
    pins(&s.pins, shown, out)
}

fn fleet(s: &Simulation) -> String {
    format!(
        "{}, {}, {}",
        machines(s.fleet.machines),
        counted(s.fleet.users, "user", "users"),
        counted(s.fleet.entries, "entry", "entries")
    )
}

fn perhaps(s: &Simulation) -> Option<String> {
    let n = s.change.machines_perhaps_newly_blocked;
    (n > 0).then(|| {
        format!(
            "{n} more {} may lose a server: the reports do not say enough to tell",
            if n == 1 { "machine" } else { "machines" }
        )
    })
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
            "the ring of {} is not known, since the reports have no groups, or no device id; the policy's own mode counts there, and \
             a ring that enforces may take what is told as blocked",
            machines(s.change.machines_of_unknown_ring)
        ));
    }
    if s.superseded > 0 {
        notes.push(crate::authoring::fleet::superseded(s.superseded));
    }
    notes
}

fn machines(n: u64) -> String {
    counted(n, "machine", "machines")
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

fn table(title: &str, rows: &[Row], shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    head(title, rows.len(), "reason; nearest rule", shown, out)?;
    for row in rows.iter().take(shown.top) {
        let why = if row.reason.is_empty() { "allowed" } else { &row.reason };
        let rule = if row.nearest_rule.is_empty() { "none".into() } else { visible(&row.nearest_rule) };
        line(row.counts, &row.identity, &format!("{why}; {rule}"), shown, out)?;
        if !row.detail.is_empty() {
            below(&visible(&row.detail), shown, out)?;
        }
    }
    Ok(())
}

fn pins(rows: &[Pinned], shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    head("Pinned", rows.len(), "to the version; rule", shown, out)?;
    for row in rows.iter().take(shown.top) {
        let why = format!("to {} by {}", visible(&row.version), visible(&row.rule));
        line(row.counts, &row.identity, &why, shown, out)?;
    }
    Ok(())
}

fn head(title: &str, rows: usize, last: &str, shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{title}{}", more(rows, shown.top))?;
    let numbers = format!("{:>9} {:>7} {:>8}  ", "machines", "users", "entries");
    if shown.columns < WIDE {
        writeln!(out, "{numbers}server: {last}")
    } else {
        writeln!(out, "{numbers}{:<IDENTITY$}  {last}", "server")
    }
}

/// A server with its numbers, and why beside it, or below where there is no room.
fn line(counts: Counts, identity: &str, why: &str, shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    let identity = visible(identity);
    let name = cut_middle(&identity, IDENTITY.min(shown.columns.saturating_sub(NUMBERS)));
    write!(out, "{:>9} {:>7} {:>8}  {name}", counts.machines, counts.users, counts.entries)?;
    if shown.columns < WIDE {
        writeln!(out)?;
        return below(why, shown, out);
    }
    writeln!(out, "{:padding$}  {why}", "", padding = IDENTITY.saturating_sub(width(&name)))
}

fn below(text: &str, shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", folded(&format!("{:NUMBERS$}{text}", ""), shown.columns))
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
    writeln!(out, "{}: {}.", fleet(s), totals(s))?;
    for line in notes(s) {
        writeln!(out, "\n{line}.")?;
    }
    if shown.problems > 0 {
        let inputs = counted(shown.problems, "input was no report", "inputs were no reports");
        writeln!(out, "\n{inputs} and not counted.")?;
    }
    if let Some(line) = perhaps(s) {
        writeln!(out, "\n{line}.")?;
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

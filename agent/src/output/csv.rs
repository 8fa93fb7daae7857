//! One row per entry, for spreadsheets. The header is stable: columns are added at the end only.

use std::borrow::Cow;
use std::io::{self, Write};

use ::csv::{Terminator, Writer, WriterBuilder};
use mcpolicy_schema::report::v1::{Entry, Finding, Reader, Report};

use super::text::visible;
use super::view::{self, Findings};

const HEADER: [&str; 36] = [
    "id",
    "user",
    "name",
    "client",
    "readers",
    "scope",
    "transport",
    "identity_kind",
    "identity",
    "version",
    "pinned",
    "command",
    "args",
    "url",
    "env_keys",
    "header_keys",
    "path",
    "line",
    "column",
    "key_path",
    "disabled",
    "running",
    "inert",
    "project",
    "fingerprint",
    "worst_severity",
    "findings",
    "verdict",
    "decided_by",
    "rule",
    "reason",
    "detail",
    "pin",
    "alternatives",
    "contact",
    "policy",
];

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let findings = Findings::new(report);
    let policy = policy(report);
    let mut rows = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out);
    rows.write_record(HEADER)?;
    for entry in &report.entries {
        row(entry, findings.of(entry), &policy, &mut rows)?;
    }
    rows.flush()
}

/// In every row: a row goes into another sheet without its neighbours.
fn policy(report: &Report) -> String {
    let Some(policy) = &report.policy else { return String::new() };
    let unsigned = if policy.signed { "" } else { "UNSIGNED " };
    format!("{unsigned}{}", view::policy_name(policy))
}

fn row(
    entry: &Entry,
    findings: &[&Finding],
    policy: &str,
    rows: &mut Writer<&mut dyn Write>,
) -> io::Result<()> {
    let number = |n: Option<u32>| n.map(|n| n.to_string()).unwrap_or_default();
    // As in the table for people: a star marks who reads it only if a setting says so.
    let star = |r: &Reader| if r.setting.is_some() { "*" } else { "" };
    let readers: Vec<String> = entry.readers.iter().map(|r| format!("{}{}", r.client, star(r))).collect();
    let args: Vec<Cow<'_, str>> = entry.args.iter().map(|arg| quoted(arg)).collect();
    let found: Vec<String> = findings.iter().map(|f| format!("{}:{}", f.severity.as_str(), f.code)).collect();
    let judged = entry.judged.as_ref();
    let cells: [Cow<'_, str>; HEADER.len()] = [
        (&entry.id).into(),
        entry.user.as_deref().unwrap_or_default().into(),
        (&entry.name).into(),
        (&entry.client).into(),
        readers.join(" | ").into(),
        entry.scope.as_str().into(),
        entry.transport.as_str().into(),
        (&entry.identity.kind).into(),
        (&entry.identity.name).into(),
        entry.identity.version.as_deref().unwrap_or_default().into(),
        entry.identity.pinned.to_string().into(),
        entry.command.as_deref().unwrap_or_default().into(),
        args.join(" ").into(),
        entry.url.as_deref().unwrap_or_default().into(),
        entry.env_keys.join(" | ").into(),
        entry.header_keys.join(" | ").into(),
        (&entry.source.path).into(),
        number(entry.source.line).into(),
        number(entry.source.column).into(),
        (&entry.key_path).into(),
        entry.disabled.to_string().into(),
        entry.running.map(|r| r.to_string()).unwrap_or_default().into(),
        entry.inert.map(|i| i.as_str()).unwrap_or_default().into(),
        entry.project.as_deref().unwrap_or_default().into(),
        (&entry.fingerprint).into(),
        findings.first().map(|f| f.severity.as_str()).unwrap_or_default().into(),
        found.join(" | ").into(),
        judged.map(|j| j.verdict.as_str()).unwrap_or_default().into(),
        judged.map(|j| j.decided_by.as_str()).unwrap_or_default().into(),
        judged.and_then(|j| j.rule.as_deref()).unwrap_or_default().into(),
        judged.and_then(|j| j.reason.as_deref()).unwrap_or_default().into(),
        judged.and_then(|j| j.detail.as_deref()).unwrap_or_default().into(),
        judged.and_then(|j| j.pin.as_deref()).unwrap_or_default().into(),
        judged.map(|j| j.alternatives.join(" | ")).unwrap_or_default().into(),
        judged.and_then(|j| j.contact.as_deref()).unwrap_or_default().into(),
        policy.into(),
    ];
    for cell in &cells {
        rows.write_field(guarded(&visible(cell)).as_bytes())?;
    }
    rows.write_record(None::<&[u8]>)?;
    Ok(())
}

/// An argument, quoted where a space would make two of it.
fn quoted(arg: &str) -> Cow<'_, str> {
    if !arg.is_empty() && !arg.contains([' ', '"', '\'', '\\']) {
        return Cow::Borrowed(arg);
    }
    Cow::Owned(format!("'{}'", arg.replace('\'', "'\\''")))
}

/// Spreadsheets run cells that begin like a formula, full-width forms included, and take an apostrophe before them as
/// "this is text". Tab and carriage return, which they skip, are written out by [`visible`] before.
fn guarded(cell: &str) -> Cow<'_, str> {
    let formula = cell.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if formula { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_text() {
        for start in ["=", "+", "-", "@", " =", "＝"] {
            let cell = format!("{start}HYPERLINK(1)");
            assert_eq!(guarded(&cell), format!("'{cell}"));
        }
        assert_eq!(guarded("npx"), "npx");
    }

    #[test]
    fn arguments_with_spaces_stay_one() {
        assert_eq!(quoted("-y"), "-y");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}

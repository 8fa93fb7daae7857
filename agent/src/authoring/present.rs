//! A policy as people read it.

use std::fmt::Write as _;

use mcpolicy_schema::document::{Default, PolicyDocument, Rule, Settings};
use mcpolicy_schema::revocations::Revoked;

use super::words;
use crate::output::text::{folded, visible, width};

/// A policy in a table a list, settings first. A table that is wider than the columns is shown row by row.
pub fn policy(document: &PolicyDocument, columns: usize) -> String {
    let mut out = settings(&document.policy);
    let rules = document.rule.iter().map(|r| {
        let review = r.review_by.map_or_else(|| "-".to_owned(), |day| day.to_string());
        let owner = r.owner.clone().unwrap_or_else(|| "-".to_owned());
        vec![r.id.clone(), words::identity(&r.identity), may(r), holds(r), owner, review]
    });
    table(
        &mut out,
        columns,
        "allowed",
        &["rule", "identity", "may have", "holds for", "owner", "review by"],
        rules.collect(),
    );
    let denied =
        document.deny.iter().map(|d| vec![d.id.clone(), words::identity(&d.identity), d.reason.clone()]);
    table(&mut out, columns, "denied", &["deny", "identity", "reason"], denied.collect());
    let exceptions = document.exception.iter().map(|e| {
        let what = e.description.clone().unwrap_or_else(|| e.fingerprint.chars().take(19).collect());
        vec![e.id.clone(), what, e.expires.to_string(), e.owner.clone(), e.ticket.clone()]
    });
    table(
        &mut out,
        columns,
        "exceptions",
        &["exception", "what", "ends", "owner", "ticket"],
        exceptions.collect(),
    );
    let rings = document.ring.iter().map(|r| {
        let mode = words::mode(r.mode.unwrap_or(document.policy.mode)).to_owned();
        let named = r.devices.len() + r.users.len() + r.groups.len();
        vec![r.name.clone(), format!("{} %", r.percent), format!("{named} by name"), mode]
    });
    table(&mut out, columns, "rings", &["ring", "share", "members", "mode"], rings.collect());
    out
}

fn settings(settings: &Settings) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", visible(&settings.name));
    let _ = writeln!(out, "  ask:     {}", visible(&settings.contact));
    let _ = write!(out, "  mode:    {}", words::mode(settings.mode));
    if let Some(day) = settings.grace_until {
        let _ = write!(out, ", grace until {day}");
    }
    let default = if settings.default == Default::Allow { "allow" } else { "deny" };
    let _ = writeln!(out, "\n  default: {default}");
    let loose = [
        (settings.default == Default::Allow, "what no rule names is allowed"),
        (settings.ignore_denylist, "the denylist is ignored"),
        (settings.ignore_revocations, "revocations are ignored"),
    ];
    for (_, what) in loose.iter().filter(|(on, _)| *on) {
        let _ = writeln!(out, "  LOOSE:   {what}");
    }
    out
}

/// What a line of the emergency list denies.
pub fn revoked(revoked: &Revoked) -> String {
    match revoked {
        Revoked::Rule(id) => format!("rule {id}"),
        Revoked::Identity(identity) => words::identity(identity),
        Revoked::Sha256(digest) => format!("sha256 {digest}"),
        Revoked::Fingerprint(fingerprint) => format!("fingerprint {fingerprint}"),
        Revoked::Device(device) => format!("device {device}"),
        Revoked::User(user) => format!("user {user}"),
        Revoked::Group(group) => format!("group {group}"),
    }
}

/// What an entry may have besides its identity.
fn may(rule: &Rule) -> String {
    let mut parts = Vec::new();
    let args = &rule.args;
    let all: Vec<String> =
        [&args.positional, &args.required, &args.optional].into_iter().flatten().cloned().collect();
    if !all.is_empty() {
        parts.push(format!("args {}", all.join(" ")));
    }
    let names = |title: &str, names: Vec<&String>, parts: &mut Vec<String>| {
        if !names.is_empty() {
            parts.push(format!("{title} {}", words::list(&names, "")));
        }
    };
    names("env", rule.env.keys().collect(), &mut parts);
    names("headers", rule.headers.keys().collect(), &mut parts);
    names("wrappers", rule.wrappers.iter().collect(), &mut parts);
    names("with", rule.with.iter().collect(), &mut parts);
    names("members", rule.members.iter().collect(), &mut parts);
    if parts.is_empty() { "-".to_owned() } else { parts.join("; ") }
}

/// Where a rule holds.
fn holds(rule: &Rule) -> String {
    let mut parts: Vec<String> = rule.clients.clone();
    parts.extend(rule.scopes.iter().map(|s| s.as_str().to_owned()));
    parts.extend(rule.users.iter().chain(&rule.groups).chain(&rule.devices).chain(&rule.rings).cloned());
    words::list(&parts, "all")
}

fn table(out: &mut String, most: usize, title: &str, head: &[&str], rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title} ({})", rows.len());
    let head: Vec<String> = head.iter().map(|h| (*h).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head)
        .chain(rows)
        .map(|row| row.iter().map(|cell| visible(cell).into_owned()).collect())
        .collect();
    let columns = rows[0].len();
    let widths: Vec<usize> =
        (0..columns).map(|c| rows.iter().map(|row| width(&row[c])).max().unwrap_or(0)).collect();
    if 2 * columns + widths.iter().sum::<usize>() > most {
        one_by_one(out, most, &rows[0], &rows[1..]);
        return;
    }
    for row in rows {
        let mut line = String::new();
        for (cell, wide) in row.iter().zip(&widths) {
            let pad = wide - width(cell);
            let _ = write!(line, "  {cell}{}", " ".repeat(pad));
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

/// Rows below each other, a line a cell; nothing of a policy is cut away.
fn one_by_one(out: &mut String, most: usize, head: &[String], rows: &[Vec<String>]) {
    let named = head.iter().map(|name| width(name)).max().unwrap_or(0);
    for row in rows {
        for (at, (name, cell)) in head.iter().zip(row).enumerate() {
            let line = match at {
                0 => format!("  {cell}"),
                _ if cell == "-" => continue,
                _ => format!("    {name}{}  {cell}", " ".repeat(named - width(name))),
            };
            let _ = writeln!(out, "{}", folded(&line, most));
        }
    }
}

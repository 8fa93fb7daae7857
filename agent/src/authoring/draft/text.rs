//! The proposal as a commented policy.toml.

use std::fmt::Write as _;

use super::variant::Variant;
use super::{Blocked, Group, Left, Ruled, Wish};
use crate::authoring::toml::{comment, inline};
use serde_json::json;

/// A policy without rules.
pub(super) const HEAD: &str = "schema = \"mcpolicy/policy/v1\"\n\n[policy]\nname = \"draft\"\n\
    contact = \"TODO: whom developers ask\"\n";

/// Places of package runners that users usually have.
const ROOTS: &[&str] = &[
    "/opt/homebrew/bin",
    "/home/linuxbrew/.linuxbrew/bin",
    "~/.nvm/versions/node/*/bin",
    "~/.volta/bin",
    "~/.local/share/fnm/**",
    "~/.asdf/shims",
    "~/.local/share/mise/**",
    "~/.pyenv/shims",
    "~/.local/bin",
    "~/.cargo/bin",
    "~/.bun/bin",
    "~/.deno/bin",
];

/// The whole policy.
pub(super) fn policy(wish: &Wish<'_>, machines: usize, groups: &[Group], left: &[Left]) -> String {
    let mut out = String::new();
    match wish.existing {
        Some((_, text)) => {
            out.push_str(text.trim_end());
            let _ = writeln!(out, "\n\n# Proposed from the inventory of {}.\n", count(machines, "machine"));
        }
        None => head(machines, groups, &mut out),
    }
    for group in groups {
        for proposal in &group.proposals {
            out.push_str(&proposal.text());
            out.push('\n');
        }
    }
    if !left.is_empty() {
        let _ =
            writeln!(out, "# No rule is proposed for these; each stays denied until somebody writes one.");
    }
    for left in left {
        let _ = writeln!(
            out,
            "# - {} on {}, {}: {}",
            comment(&left.identity),
            count(left.used.machines, "machine"),
            count(left.used.users, "user"),
            comment(&left.why)
        );
    }
    out
}

fn head(machines: usize, groups: &[Group], out: &mut String) {
    let _ = writeln!(
        out,
        "# Proposed from the inventory of {}. Read every rule before you sign it: a rule is a promise that\n\
         # somebody looked at the server. `mcpolicy policy check` complains until owners and review dates are filled in.\n\
         {HEAD}\
         # mode = \"observe\"       # first change nothing and only report; needs two signatures\n\
         # on_version = \"pin\"     # rewrite unpinned entries to the version of their rule instead of removing them",
        count(machines, "machine")
    );
    let roots = roots(groups);
    if roots.is_empty() {
        let _ = writeln!(out);
    } else {
        let _ = writeln!(out, "runner_roots = {}\n", inline(&json!(roots)));
    }
}

/// Of the usual places of runners those from which somebody starts one.
fn roots(groups: &[Group]) -> Vec<&'static str> {
    let variants = || groups.iter().flat_map(|group| &group.members).map(|(variant, _)| variant);
    let starts = |root: &&&str| {
        let fixed = root.split('*').next().unwrap_or_default().trim_end_matches('/').to_owned();
        variants().any(|variant: &std::sync::Arc<Variant>| {
            let home = variant.home.as_deref().unwrap_or("~");
            let program = &variant.stored.identity.program;
            let place = format!("{}/", fixed.replacen('~', home, 1));
            variant.stored.identity.runner.is_some() && program.starts_with(&place)
        })
    };
    ROOTS.iter().filter(starts).copied().collect()
}

/// Writes above a group's rules who uses it and what is still blocked, and below them what is to be filled in.
pub(super) fn annotate(group: &mut Group, ruled: &Ruled) {
    let used = ruled.used;
    let mut notes = vec![format!(
        "{} on {}, {}, in {} entries; allowed: {}",
        ruled.identity,
        count(used.machines, "machine"),
        count(used.users, "user"),
        used.entries,
        ruled.allowed
    )];
    notes.extend(ruled.blocked.iter().map(|blocked| block(blocked, used.entries)));
    let floating = group.members.iter().all(|(variant, _)| !variant.stored.identity.pinned);
    for proposal in &mut group.proposals {
        if floating && has_version(&proposal.text()) {
            proposal.open.push(
                "TODO: nobody names an exact version; name the one that was reviewed, and set `pin`"
                    .to_owned(),
            );
        }
        if needs_digest(&proposal.text()) {
            proposal.open.push(
                "TODO: name the SHA-256 of the file that was reviewed; now it is whatever lies there"
                    .to_owned(),
            );
        }
        proposal.open.push("owner = \"\"              # TODO: who answers for it".to_owned());
        proposal.open.push("review_by = \"\"          # TODO: day of the next review".to_owned());
    }
    if let Some(first) = group.proposals.first_mut() {
        first.notes = notes;
    }
}

/// `1 machine`, `2 machines`.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn has_version(rule: &str) -> bool {
    ["versions = \"*\"", "commits = [\"*\"]", "tags = ["].iter().any(|floating| rule.contains(floating))
}

fn needs_digest(rule: &str) -> bool {
    ["identity.executable", "identity.script"].iter().any(|kind| rule.contains(kind))
        && rule.contains("sha256 = []")
}

fn block(blocked: &Blocked, all: u64) -> String {
    let Blocked { verdict, reason, detail, entries } = blocked;
    let verb = match verdict {
        mcpolicy_schema::verdict::Verdict::Unknown => "cannot be told from the reports",
        _ => "still blocked",
    };
    let hint = if reason == "version-not-allowed" {
        "; add on_version = \"pin\" to have them rewritten"
    } else {
        ""
    };
    format!("{verb}: {entries} of {all} entries ({reason}): {detail}{hint}")
}

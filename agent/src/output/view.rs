//! What several formats need to know of a report: the findings of each entry, and words for its members.

use std::borrow::Cow;
use std::collections::BTreeMap;

use mcpolicy_schema::finding::{FindingCode, Severity};
use mcpolicy_schema::report::v1::{Entry, Finding, Judged, PolicyInForce, Report, SeverityCounts};
use mcpolicy_schema::verdict::Verdict;

/// Findings by the id of their entry, each list the gravest first.
pub(super) struct Findings<'a> {
    by_entry: BTreeMap<&'a str, Vec<&'a Finding>>,
    /// Findings about files, settings or processes: without an entry of this report.
    pub(super) loose: Vec<&'a Finding>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(report: &'a Report) -> Self {
        let mut by_entry: BTreeMap<&str, Vec<&Finding>> =
            report.entries.iter().map(|e| (e.id.as_str(), Vec::new())).collect();
        let mut loose = Vec::new();
        for finding in &report.findings {
            match finding.entry.as_deref().and_then(|id| by_entry.get_mut(id)) {
                Some(list) => list.push(finding),
                None => loose.push(finding),
            }
        }
        for list in by_entry.values_mut() {
            list.sort_by_key(|f| std::cmp::Reverse(f.severity));
        }
        loose.sort_by_key(|f| std::cmp::Reverse(f.severity));
        Self { by_entry, loose }
    }

    pub(super) fn of(&self, entry: &Entry) -> &[&'a Finding] {
        self.by_entry.get(entry.id.as_str()).map_or(&[], Vec::as_slice)
    }
}

/// The titles of some findings with the number of each, the gravest first.
pub(super) fn titles<'a>(findings: &[&'a Finding], titles: &Titles) -> Vec<(Severity, &'a str, usize)> {
    let mut out: Vec<(Severity, &str, usize)> = Vec::new();
    for finding in findings {
        let title = titles.of(&finding.code);
        match out.iter_mut().find(|(severity, known, _)| *severity == finding.severity && *known == title) {
            Some((_, _, count)) => *count += 1,
            None => out.push((finding.severity, title, 1)),
        }
    }
    out
}

/// Finding codes by their text. A report of a later version may hold codes that this one does not know.
pub(super) struct Titles(BTreeMap<&'static str, FindingCode>);

impl Titles {
    pub(super) fn new() -> Self {
        Self(FindingCode::ALL.iter().map(|code| (code.as_str(), *code)).collect())
    }

    /// The title of a code, or the code itself.
    pub(super) fn of<'a>(&self, code: &'a str) -> &'a str {
        self.0.get(code).map_or(code, |known| known.title())
    }

    /// What to do about a code, where it is known: a finding's own remedy may speak of one server only.
    pub(super) fn remedy(&self, code: &str) -> Option<&'static str> {
        self.0.get(code).map(|known| known.remedy())
    }

    /// What a code means, where it is known.
    pub(super) fn description(&self, code: &str) -> Option<&'static str> {
        self.0.get(code).map(|known| known.description())
    }
}

/// The number of findings of one severity.
pub(super) fn count(counts: &SeverityCounts, severity: Severity) -> u64 {
    match severity {
        Severity::Critical => counts.critical,
        Severity::High => counts.high,
        Severity::Medium => counts.medium,
        Severity::Low => counts.low,
        Severity::Info => counts.info,
    }
}

/// The verdict on an entry, with the weight in which it is shown.
pub(super) fn verdict(judged: &Judged) -> (&'static str, Option<Severity>) {
    let weight = match judged.verdict {
        Verdict::Allow => None,
        Verdict::Unknown => Some(Severity::Medium),
        Verdict::Deny => Some(Severity::High),
    };
    (judged.verdict.as_str(), weight)
}

/// What the policy says of an entry, if it does not allow it.
pub(super) fn refused(judged: Option<&Judged>) -> Option<&Judged> {
    judged.filter(|judged| judged.verdict != Verdict::Allow)
}

/// The rule or list that decided.
pub(super) fn decider(judged: &Judged) -> &str {
    judged.rule.as_deref().unwrap_or(judged.decided_by.as_str())
}

/// Name and sequence of a policy; a draft has none.
pub(super) fn policy_name(policy: &PolicyInForce) -> String {
    match policy.sequence.filter(|_| policy.signed) {
        Some(sequence) => format!("{}@{sequence}", policy.name),
        None => format!("{}@draft", policy.name),
    }
}

/// All that is said of a policy, in a line.
pub(super) fn policy_line(policy: &PolicyInForce) -> String {
    let mut parts = vec![policy_name(policy), format!("mode {}", policy.mode)];
    parts.extend(policy.ring.iter().map(|ring| format!("ring {ring}")));
    parts.extend(policy.revocations.iter().map(|sequence| format!("revocations {sequence}")));
    parts.extend(policy.staleness.clone());
    parts.push(format!("sha256 {}", policy.sha256.get(..16).unwrap_or(&policy.sha256)));
    parts.join(", ")
}

/// Package, image or address, with the version as its ecosystem writes it.
pub(super) fn identity(entry: &Entry) -> Cow<'_, str> {
    match &entry.identity.version {
        None => Cow::Borrowed(&entry.identity.name),
        Some(tag) if entry.identity.kind == "oci" && !tag.starts_with("sha256:") => {
            Cow::Owned(format!("{}:{tag}", entry.identity.name))
        }
        Some(version) => Cow::Owned(format!("{}@{version}", entry.identity.name)),
    }
}

/// Who loads an entry; a star marks the readers that depend on a setting. Says why where nobody does.
pub(super) fn readers(entry: &Entry) -> String {
    if let Some(inert) = entry.inert {
        return format!("none: {}", inert.as_str());
    }
    let names: Vec<String> = entry
        .readers
        .iter()
        .map(|reader| format!("{}{}", reader.client, if reader.setting.is_some() { "*" } else { "" }))
        .collect();
    names.join(", ")
}

/// What is to be said of an entry besides: switched off, running now.
pub(super) fn state(entry: &Entry) -> Option<&'static str> {
    match (entry.disabled, entry.running == Some(true)) {
        (true, true) => Some("off, but running"),
        (true, false) => Some("off"),
        (false, true) => Some("running"),
        (false, false) => None,
    }
}

/// The path with the user's home as `~`, where the path itself shows that it is that user's home.
pub(super) fn short_path<'a>(path: &'a str, user: Option<&str>) -> Cow<'a, str> {
    let rest = user.and_then(|user| home_rest(path, user));
    rest.map_or(Cow::Borrowed(path), |rest| Cow::Owned(format!("~{rest}")))
}

fn home_rest<'a>(path: &'a str, user: &str) -> Option<&'a str> {
    let rest = if user == "root" && path.starts_with("/root") {
        path.strip_prefix("/root")
    } else if let Some(below) = path.strip_prefix("/home/").or_else(|| path.strip_prefix("/Users/")) {
        below.strip_prefix(user)
    } else {
        path.get(2..)?.strip_prefix("\\Users\\").and_then(|below| below.strip_prefix(user))
    };
    rest.filter(|rest| rest.starts_with(['/', '\\']))
}

/// Path and line, as editors take them.
pub(super) fn place(path: &str, line: Option<u32>) -> String {
    line.map_or_else(|| path.to_owned(), |line| format!("{path}:{line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_users_own_home_becomes_a_tilde() {
        assert_eq!(short_path("/home/alice/.cursor/mcp.json", Some("alice")), "~/.cursor/mcp.json");
        assert_eq!(short_path("C:\\Users\\bob\\a.json", Some("bob")), "~\\a.json");
        assert_eq!(short_path("/root/a", Some("root")), "~/a");
        assert_eq!(short_path("/home/alice2/a", Some("alice")), "/home/alice2/a");
        assert_eq!(short_path("/srv/home/alice/a", Some("alice")), "/srv/home/alice/a");
        assert_eq!(short_path("é", Some("alice")), "é");
    }
}

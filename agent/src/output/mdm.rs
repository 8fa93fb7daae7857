//! One ASCII line for the inventory field of a management console, which holds 255 characters.
//!
//! Consoles match on `word=value`, so no hostile name may bring a space, an equals sign or a comma: whatever is not a
//! letter, a digit or one of `-_.` becomes `_`.

use std::collections::BTreeSet;
use std::io::{self, Write};

use mcpolicy_schema::finding::Severity;
use mcpolicy_schema::report::v1::{Finding, Report};

use super::view::count;

/// What Jamf, Intune and Kandji fields hold at least.
const MAX: usize = 255;
/// Keeps the counts within the line whatever they are.
const MAX_COUNT: u64 = 999_999;
const MAX_WORD: usize = 40;
/// Characters of a policy's name.
const MAX_POLICY: usize = 20;

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", line(report))
}

fn line(report: &Report) -> String {
    let summary = &report.summary;
    let partial = report.coverage.iter().filter(|gap| gap.partial).count() as u64;
    let mut fields =
        vec![("servers", summary.entries), ("live", summary.live), ("users", report.scan.users.len() as u64)];
    fields.extend(Severity::ALL.map(|severity| (severity.as_str(), count(&summary.findings, severity))));
    fields.extend([("gaps", summary.gaps), ("partial", partial)]);
    let mut line = "mcpolicy/1".to_owned();
    for (name, value) in fields {
        line.push_str(&format!(" {name}={}", value.min(MAX_COUNT)));
    }
    line.push_str(" worst=");
    let verdicts = verdicts(report);
    line.push_str(&worst(report, MAX - line.len() - verdicts.len()));
    line + &verdicts
}

/// What the policy says, behind everything that was there before there were policies. Words and numbers are cut, so
/// that these fields are at most 95 characters and always whole.
fn verdicts(report: &Report) -> String {
    let (Some(policy), Some(counts)) = (&report.policy, &report.summary.verdicts) else {
        return String::new();
    };
    let number = |count: u64| count.min(MAX_COUNT);
    let sequence =
        policy.sequence.map_or_else(|| "draft".to_owned(), |sequence| number(sequence).to_string());
    format!(
        " verdicts=allow:{},deny:{},unknown:{} policy={}@{sequence} unsigned={}",
        number(counts.allow),
        number(counts.deny),
        number(counts.unknown),
        word(&policy.name.chars().take(MAX_POLICY).collect::<String>()),
        u8::from(!policy.signed)
    )
}

/// As many of the gravest findings as fit, whole, then how many are left: `literal-secret:cursor/github,+3`.
fn worst(report: &Report, room: usize) -> String {
    let items = items(report);
    if items.is_empty() {
        return "none".to_owned();
    }
    let mut out = String::new();
    for (at, item) in items.iter().enumerate() {
        let comma = usize::from(at > 0);
        let left = items.len() - at - 1;
        let after = if left > 0 { rest(left).len() } else { 0 };
        if out.len() + comma + item.len() + after > room {
            out.push_str(&rest(left + 1)[usize::from(at == 0)..]);
            break;
        }
        if at > 0 {
            out.push(',');
        }
        out.push_str(item);
    }
    out
}

fn rest(left: usize) -> String {
    format!(",+{}", (left as u64).min(MAX_COUNT))
}

/// The findings that are at least medium, the gravest first, each once.
fn items(report: &Report) -> Vec<String> {
    let clients: std::collections::BTreeMap<&str, &str> =
        report.entries.iter().map(|e| (e.id.as_str(), e.client.as_str())).collect();
    let mut grave: Vec<&Finding> =
        report.findings.iter().filter(|f| f.severity >= Severity::Medium).collect();
    grave.sort_by_key(|f| std::cmp::Reverse(f.severity));
    let mut seen = BTreeSet::new();
    let item = |finding: &Finding| {
        let client = finding.entry.as_deref().and_then(|id| clients.get(id));
        match (client, &finding.name) {
            (Some(client), Some(name)) => format!("{}:{}/{}", word(&finding.code), word(client), word(name)),
            _ => word(&finding.code),
        }
    };
    grave.into_iter().map(item).filter(|item| seen.insert(item.clone())).collect()
}

fn word(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    text.chars().take(MAX_WORD).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{judged_report, many, sample_report};
    use super::*;

    #[test]
    fn the_line_fits_whatever_the_names_and_counts_are() {
        let mut report = sample_report();
        report.summary.entries = u64::MAX;
        report.summary.findings.critical = u64::MAX;
        for report in [report, many(3000)] {
            let line = line(&report);
            assert!(line.len() <= MAX && line.bytes().all(|b| (0x20..0x7f).contains(&b)), "{line}");
            assert_eq!(line.split(' ').filter(|f| f.split('=').count() == 2).count(), 11, "{line}");
        }
    }

    #[test]
    fn verdicts_follow_everything_else_and_are_never_cut() {
        let mut report = judged_report();
        let plain = line(&report);
        assert!(
            plain.ends_with(" verdicts=allow:1,deny:9,unknown:1 policy=fleet___7m@draft unsigned=1"),
            "{plain}"
        );
        report.summary.verdicts = Some(mcpolicy_schema::report::v1::VerdictCounts {
            allow: u64::MAX,
            deny: u64::MAX,
            unknown: u64::MAX,
        });
        report.summary.entries = u64::MAX;
        report.summary.live = u64::MAX;
        report.summary.gaps = u64::MAX;
        for severity in ["critical", "high", "medium", "low", "info"] {
            let counts = &mut report.summary.findings;
            *match severity {
                "critical" => &mut counts.critical,
                "high" => &mut counts.high,
                "medium" => &mut counts.medium,
                "low" => &mut counts.low,
                _ => &mut counts.info,
            } = u64::MAX;
        }
        if let Some(policy) = &mut report.policy {
            policy.name = "n".repeat(500);
            policy.sequence = Some(u64::MAX);
            policy.signed = true;
        }
        let full = line(&report);
        assert!(full.len() <= MAX && full.ends_with("nnnn@999999 unsigned=0"), "{} {full}", full.len());
        assert!(full.contains(" worst="), "{full}");
    }

    #[test]
    fn a_name_cannot_add_a_field() {
        assert_eq!(word("x critical=0,y\n"), "x_critical_0_y_");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let line = line(&many(3000));
        assert!(line.rsplit_once(",+").is_some_and(|(_, n)| n.parse::<u32>().is_ok()), "{line}");
    }

    #[test]
    fn no_findings_is_said_in_a_word() {
        let mut report = sample_report();
        report.findings.clear();
        assert!(line(&report).ends_with(" worst=none"));
    }
}

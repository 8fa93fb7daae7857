//! Everything that is known of the machine's servers, as records of a report.

use std::collections::BTreeSet;

use mcpolicy_schema::finding::Severity;
use mcpolicy_schema::report::v1::{self, Body};
use mcpolicy_schema::verdict::Verdict;
use sha2::{Digest as _, Sha256};

use crate::board::{Board, Found};

/// The records of an inventory: its head, and one for each entry and each finding.
pub(super) fn bodies(board: &Board, snapshot: &str, cause: &str) -> Vec<Body> {
    let found: Vec<&Found> = board.found(None).collect();
    let policy = board.settled.as_ref().map(|settled| settled.in_force.about(settled.ring.as_deref()));
    let mut each = Vec::new();
    for (number, found) in found.iter().enumerate() {
        // every look counts its entries anew: of a machine each has a number of its own
        let id = format!("e-{:04}", number + 1);
        each.push(entry(found, &id, snapshot));
        each.extend(found.findings.iter().map(|finding| finding_of(finding, &id, snapshot)));
    }
    let head = v1::Inventory {
        snapshot: snapshot.to_owned(),
        cause: cause.to_owned(),
        policy,
        summary: summary(&found),
        records: each.len() as u64,
    };
    std::iter::once(Body::Inventory(head)).chain(each).collect()
}

/// What an inventory is about, in short: equal where another would say nothing new.
pub(super) fn digest(board: &Board) -> [u8; 32] {
    let mut digest = Sha256::new();
    let policy = board.settled.as_ref().map(|settled| &*settled.in_force.sha256);
    digest.update(policy.unwrap_or_default());
    for found in board.found(None) {
        let entry = &found.entry;
        let verdict = entry.judged.as_ref().map(|judged| (judged.verdict, &judged.rule, &judged.reason));
        let user = entry.user.as_deref().unwrap_or_default();
        // each with its length: no two lists of texts look the same
        for text in [&*entry.name, &*entry.fingerprint, &*entry.source.path, user, &*format!("{verdict:?}")] {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
        digest.update([u8::from(entry.disabled), u8::from(entry.inert.is_some())]);
        for finding in &found.findings {
            digest.update(&finding.code);
        }
    }
    digest.finalize().into()
}

fn entry(found: &Found, id: &str, snapshot: &str) -> Body {
    let mut entry = v1::Entry { id: id.to_owned(), ..found.entry.clone() };
    // what was tried is for who asks on the machine, and is half of the bytes
    if let Some(judged) = &mut entry.judged {
        judged.trace.clear();
    }
    Body::Entry { snapshot: snapshot.to_owned(), entry: Box::new(entry) }
}

fn finding_of(finding: &v1::Finding, id: &str, snapshot: &str) -> Body {
    let finding = v1::Finding { entry: Some(id.to_owned()), judged: None, ..finding.clone() };
    Body::Finding { snapshot: snapshot.to_owned(), finding: Box::new(finding) }
}

fn summary(found: &[&Found]) -> v1::Summary {
    let count =
        |is: &dyn Fn(&v1::Entry) -> bool| found.iter().filter(|found| is(&found.entry)).count() as u64;
    let verdict = |wanted: Verdict| {
        count(&|entry| entry.judged.as_ref().is_some_and(|judged| judged.verdict == wanted))
    };
    let fingerprints: BTreeSet<&str> = found.iter().map(|found| &*found.entry.fingerprint).collect();
    let source = |found: &&Found| (found.entry.source.path.clone(), found.entry.user.clone());
    let sources: BTreeSet<(String, Option<String>)> = found.iter().map(source).collect();
    let inert = count(&|entry| entry.inert.is_some());
    let mut severities = v1::SeverityCounts::default();
    for finding in found.iter().flat_map(|found| &found.findings) {
        *match finding.severity {
            Severity::Critical => &mut severities.critical,
            Severity::High => &mut severities.high,
            Severity::Medium => &mut severities.medium,
            Severity::Low => &mut severities.low,
            Severity::Info => &mut severities.info,
        } += 1;
    }
    v1::Summary {
        entries: found.len() as u64,
        live: found.len() as u64 - inert,
        inert,
        running: count(&|entry| entry.running == Some(true)),
        distinct: fingerprints.len() as u64,
        sources: sources.len() as u64,
        findings: severities,
        gaps: 0,
        verdicts: Some(v1::VerdictCounts {
            allow: verdict(Verdict::Allow),
            deny: verdict(Verdict::Deny),
            unknown: verdict(Verdict::Unknown),
        }),
    }
}

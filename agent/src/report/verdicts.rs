//! What the policy says, in the words of the report.

use mcpolicy_schema::entry::Inert;
use mcpolicy_schema::finding::Finding;
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::v1;
use mcpolicy_schema::verdict::{Judgement, Verdict};

use crate::assess::Assessed;

/// A judgement as a member of an entry or a process. Details are made of names, but names are chosen by whoever wrote
/// the configuration, so they pass the redactor like everything else.
pub(super) fn judged(judgement: &Judgement, redactor: &Redactor) -> v1::Judged {
    let tried = judgement.trace.iter().map(|tried| v1::TriedRule {
        rule: tried.rule.clone(),
        reason: tried.reason.code.as_str().to_owned(),
        detail: redactor.text(&tried.reason.detail),
    });
    v1::Judged {
        verdict: judgement.verdict,
        decided_by: judgement.decided_by,
        rule: judgement.rule.clone(),
        reason: judgement.reason.as_ref().map(|reason| reason.code.as_str().to_owned()),
        detail: judgement.reason.as_ref().map(|reason| redactor.text(&reason.detail)),
        pin: judgement.pin.clone(),
        alternatives: judgement.alternatives.clone(),
        trace: tried.collect(),
        contact: Some(judgement.contact.clone()).filter(|c| !judgement.is_allowed() && !c.is_empty()),
        until: judgement.until.filter(|_| judgement.is_allowed()).map(|until| until.to_string()),
        ticket: judgement.ticket.clone().filter(|_| judgement.is_allowed()),
    }
}

/// The finding about an entry that the policy does not allow.
pub(super) fn of_entry(item: &Assessed, signed: bool, redactor: &Redactor) -> Option<v1::Finding> {
    of_judgement(item.judgement.as_ref()?, state(item), signed, redactor)
}

/// The finding about an undeclared server that the policy does not allow.
pub(super) fn of_process(
    judgement: &Judgement,
    seen: &Finding,
    signed: bool,
    redactor: &Redactor,
) -> Option<v1::Finding> {
    let finding = of_judgement(judgement, "", signed, redactor)?;
    let message = format!("{}: {}", seen.message, finding.message);
    Some(v1::Finding { message, ..finding })
}

fn of_judgement(
    judgement: &Judgement,
    state: &str,
    signed: bool,
    redactor: &Redactor,
) -> Option<v1::Finding> {
    let reason = judgement.reason.as_ref().filter(|_| !judgement.is_allowed())?;
    let says = match judgement.verdict {
        Verdict::Unknown => "could not be judged",
        Verdict::Allow | Verdict::Deny => "not allowed",
    };
    let draft = if signed { "" } else { "by the UNSIGNED draft, " };
    Some(v1::Finding {
        code: reason.code.as_str().to_owned(),
        severity: reason.code.severity(),
        message: format!("{draft}{says}: {}{state}", redactor.text(&reason.detail)),
        remedy: remedy(judgement, reason.code.remedy()),
        entry: None,
        name: None,
        user: None,
        source: None,
        verdict: Some(judgement.verdict),
        judged: None,
    })
}

/// Such entries are judged as if they were live, and the reader is told that they are not.
fn state(item: &Assessed) -> &'static str {
    match (item.entry.inert, item.entry.disabled) {
        (Some(Inert::Overridden), _) => {
            "; a later duplicate of its key stands in its place, judged as if it were live"
        }
        (Some(_), _) => "; no client loads it as written, judged as if it were live",
        (None, true) => "; it is switched off, judged as if it were on",
        (None, false) => "",
    }
}

fn remedy(judgement: &Judgement, general: &str) -> String {
    let mut remedy = general.to_owned();
    if let Some(version) = &judgement.pin {
        remedy.push_str(&format!(" The policy names the version {version}."));
    }
    if !judgement.alternatives.is_empty() {
        remedy.push_str(&format!(" Allowed instead: {}.", judgement.alternatives.join(", ")));
    }
    if !judgement.contact.is_empty() {
        remedy.push_str(&format!(" Ask {}.", judgement.contact));
    }
    remedy
}

/// Entries per verdict.
pub(super) fn count(entries: &[v1::Entry]) -> v1::VerdictCounts {
    let mut counts = v1::VerdictCounts::default();
    for judged in entries.iter().filter_map(|entry| entry.judged.as_ref()) {
        match judged.verdict {
            Verdict::Allow => counts.allow += 1,
            Verdict::Unknown => counts.unknown += 1,
            Verdict::Deny => counts.deny += 1,
        }
    }
    counts
}

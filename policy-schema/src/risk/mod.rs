//! What is worth telling about one entry, from its text alone.
//!
//! A message is made of fixed words, names and redacted text: a finding travels further than the report it stands in.

mod container;
pub(crate) mod environment;
mod launch;
mod package;
mod remote;
mod secrets;
mod settings;
#[cfg(test)]
mod tests;

use crate::entry::Entry;
use crate::finding::{Finding, Severity};
use crate::identity::Identity;
use crate::redact::Redactor;

pub use environment::{is_harmless_of_client, is_powerful, of_client};
pub use remote::{is_clear_text, loopback_port};

/// What is known besides the entry.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The home of the user concerned.
    pub home: Option<&'a str>,
    /// Whether the file lies in a repository.
    pub in_repository: bool,
    /// Makes texts fit for messages.
    pub redactor: &'a Redactor,
}

/// Judges one entry. The findings of a disabled or inert entry weigh one step less.
pub fn assess(entry: &Entry, identity: &Identity, context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    package::assess(identity, context, &mut findings);
    remote::assess(entry, identity, context, &mut findings);
    secrets::assess(entry, context, &mut findings);
    environment::assess(entry, identity, context, &mut findings);
    launch::assess(entry, identity, context, &mut findings);
    container::assess(identity, context, &mut findings);
    settings::assess(entry, context, &mut findings);
    if entry.disabled || entry.inert.is_some() {
        for finding in &mut findings {
            finding.severity = lowered(finding.severity);
        }
    }
    // The same thing seen twice (a token in the URL that is also an argument) is told once.
    let mut kept: Vec<Finding> = Vec::with_capacity(findings.len());
    for finding in findings {
        if !kept.contains(&finding) {
            kept.push(finding);
        }
    }
    kept.sort_by(|a, b| {
        b.severity.cmp(&a.severity).then(a.code.cmp(&b.code)).then(a.message.cmp(&b.message))
    });
    kept
}

fn lowered(severity: Severity) -> Severity {
    match severity {
        Severity::Critical => Severity::High,
        Severity::High => Severity::Medium,
        Severity::Medium => Severity::Low,
        Severity::Low | Severity::Info => Severity::Info,
    }
}

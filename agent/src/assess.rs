//! Entry to identity, fingerprint and findings.

use mcpolicy_clients::edit::Piece;
use mcpolicy_schema::entry::{Entry, Inert};
use mcpolicy_schema::evaluate::Facts;
use mcpolicy_schema::finding::{Finding, FindingCode};
use mcpolicy_schema::identity::{self, Identity};
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::verdict::Judgement;
use mcpolicy_schema::{fingerprint, risk};

/// An entry with everything that is known of it.
#[derive(Debug, Clone)]
pub struct Assessed {
    /// The declaration.
    pub entry: Entry,
    /// What it would run or contact.
    pub identity: Identity,
    /// Equal on all machines.
    pub fingerprint: String,
    /// What is worth telling.
    pub findings: Vec<Finding>,
    /// Index of the source.
    pub source: usize,
    /// Whether a process of it runs, where processes were looked at.
    pub running: Option<bool>,
    /// What the policy says of it, where there is one.
    pub judgement: Option<Judgement>,
    /// What the machine knew of the files that it names, where it looked.
    pub facts: Option<Facts>,
    /// Its text, where the scan keeps texts and the entry has one that could be put back. It may hold secrets.
    pub text: Vec<Piece>,
}

/// Assesses one entry. `home` is the user's home, for paths that differ between machines only in it.
pub fn assess(entry: Entry, source: usize, home: Option<&str>, redactor: &Redactor) -> Assessed {
    let identity = identity::identify(&entry);
    let fingerprint = fingerprint::of(&entry, &identity, home);
    let in_repository = entry.scope == mcpolicy_schema::entry::Scope::Project;
    let context = risk::Context { home, in_repository, redactor };
    let mut findings = risk::assess(&entry, &identity, &context);
    if let Some(inert) = entry.inert {
        findings.push(Finding::new(FindingCode::InertEntry, why_inert(inert)));
    }
    if entry.client == mcpolicy_schema::entry::UNKNOWN_CLIENT {
        let message = "a file of an unknown client declares this server";
        findings.push(Finding::new(FindingCode::UnknownClient, message));
    }
    Assessed {
        entry,
        identity,
        fingerprint,
        findings,
        source,
        running: None,
        judgement: None,
        facts: None,
        text: Vec::new(),
    }
}

fn why_inert(inert: Inert) -> &'static str {
    match inert {
        Inert::KeyNotRead => "it stands under a key that no client of this file reads",
        Inert::EntryRefused => "its client skips entries of this form",
        Inert::FileRefused => "its client refuses the whole file",
        Inert::Overridden => "a later duplicate of the same key takes its place",
    }
}

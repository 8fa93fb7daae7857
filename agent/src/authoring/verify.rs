//! A published folder as a machine would judge it, with the result of every rule.

use jiff::Timestamp;
use mcpolicy_schema::trust::{Demands, DocumentName, Documents, Refusal, Staleness, Trust};
use serde::Serialize;

/// What became of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Result {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// A rule before it failed.
    NotReached,
}

/// One rule for one document.
#[derive(Debug, Clone, Serialize)]
pub struct Checked {
    /// Its stable name.
    pub rule: &'static str,
    /// What became of it.
    pub result: Result,
}

/// One document.
#[derive(Debug, Clone, Serialize)]
pub struct Judged {
    /// Which.
    pub document: String,
    /// Every rule, in the order in which they are asked.
    pub rules: Vec<Checked>,
    /// Why it is refused, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

/// A folder.
#[derive(Debug)]
pub struct Verified {
    /// Document by document.
    pub documents: Vec<Judged>,
    /// What a machine would believe now.
    pub trust: Trust,
    /// How old it would count.
    pub staleness: Option<Staleness>,
}

impl Verified {
    /// Whether a machine takes everything, and there is a policy.
    pub fn is_good(&self) -> bool {
        self.trust.policy().is_some() && self.documents.iter().all(|d| d.refusal.is_none())
    }
}

/// Rules for every envelope and payload, in the order in which they are asked.
const ENVELOPE: &[&str] = &["envelope-too-large", "envelope-form", "too-many-signatures", "payload-type"];
const PAYLOAD: &[&str] = &[
    "payload-too-large",
    "duplicate-member",
    "payload-form",
    "schema",
    "crit",
    "sequence",
    "lifetime",
    "payload-value",
];

fn rules_of(document: DocumentName) -> Vec<&'static str> {
    let after: &[&str] = match document {
        DocumentName::PinnedRoot => &["threshold"],
        DocumentName::Root(_) => &[
            "threshold",
            "root-skipped",
            "too-many-roots",
            "root-number",
            "root-not-vouched",
            "issued-in-the-future",
            "root-expired",
        ],
        DocumentName::Head => &[
            "wrong-channel",
            "rollback",
            "same-sequence-other-content",
            "issued-in-the-future",
            "expired",
            "head-lifetime",
            "revocations-withdrawn",
        ],
        DocumentName::Policy => &[
            "missing",
            "revocations-withheld",
            "rollback",
            "same-sequence-other-content",
            "below-floor",
            "issued-in-the-future",
            "expired",
            "no-head",
            "mix-and-match",
            "loosening-threshold",
        ],
        DocumentName::PolicyElsewhere => &[
            "missing",
            "below-floor",
            "issued-in-the-future",
            "expired",
            "mix-and-match",
            "loosening-threshold",
        ],
        DocumentName::Revocations => &[
            "missing",
            "rollback",
            "same-sequence-other-content",
            "below-floor",
            "issued-in-the-future",
            "expired",
            "no-head",
            "mix-and-match",
        ],
        DocumentName::PolicyBody | DocumentName::PolicyElsewhereBody | DocumentName::RevocationsBody => {
            return vec!["body-missing", "body-length", "body-digest", "body-invalid"];
        }
        DocumentName::Grant | DocumentName::Breakglass => &["issued-in-the-future", "expired"],
    };
    let threshold: &[&str] = if matches!(document, DocumentName::PinnedRoot | DocumentName::Root(_)) {
        &[]
    } else {
        &["threshold"]
    };
    [ENVELOPE, threshold, PAYLOAD, after].concat()
}

/// Verifies a folder against a pinned root.
///
/// # Errors
/// The pinned root is none.
pub fn verify(
    pinned: &[u8],
    documents: &Documents,
    demands: Demands,
    now: Timestamp,
) -> std::result::Result<Verified, Refusal> {
    let mut trust = Trust::pinned(pinned, Timestamp::UNIX_EPOCH)?.demanding(demands);
    let first = trust.root().sequence;
    let mut offered = documents.clone();
    let update = trust.update(&offered, now);
    let mut names = vec![DocumentName::PinnedRoot];
    names.extend(offered.roots.split_off(&(first + 1)).into_keys().map(DocumentName::Root));
    names.extend([DocumentName::Head, DocumentName::Policy, DocumentName::PolicyBody]);
    if trust.head().is_some_and(|head| head.elsewhere.is_some()) {
        names.extend([DocumentName::PolicyElsewhere, DocumentName::PolicyElsewhereBody]);
    }
    if documents.revocations_statement.is_some()
        || trust.head().is_some_and(|head| head.revocations.is_some())
    {
        names.extend([DocumentName::Revocations, DocumentName::RevocationsBody]);
    }
    // A root that has ended is told of by its number, also where it is the pinned one.
    let mut judged: Vec<Judged> = Vec::new();
    for name in names {
        let of_this = |r: &&Refusal| {
            r.document == name
                || (name == DocumentName::PinnedRoot && r.document == DocumentName::Root(first))
        };
        judged.push(one(
            name,
            update.refusals.iter().find(of_this),
            reached(name, &trust, documents, &update.refusals),
        ));
    }
    let staleness = trust.staleness(now);
    Ok(Verified { documents: judged, trust, staleness })
}

/// Whether the rules of a document were asked at all.
fn reached(name: DocumentName, trust: &Trust, documents: &Documents, refusals: &[Refusal]) -> bool {
    let root_failed = refusals.iter().any(|r| r.violation.rule() == "root-expired");
    match name {
        DocumentName::PinnedRoot => true,
        DocumentName::Root(number) => number <= trust.root().sequence,
        DocumentName::Head => !root_failed && documents.head.is_some(),
        DocumentName::Policy | DocumentName::PolicyBody => trust.policy().is_some(),
        DocumentName::PolicyElsewhere | DocumentName::PolicyElsewhereBody => trust.elsewhere().is_some(),
        DocumentName::Revocations | DocumentName::RevocationsBody => trust.revocations().is_some(),
        DocumentName::Grant | DocumentName::Breakglass => false,
    }
}

fn one(name: DocumentName, refusal: Option<&Refusal>, reached: bool) -> Judged {
    let mut rules = rules_of(name);
    let failed = refusal.map(|refusal| refusal.violation.rule());
    if let Some(rule) = failed
        && !rules.contains(&rule)
    {
        rules.push(rule);
    }
    let at = failed.and_then(|rule| rules.iter().position(|r| *r == rule));
    let result = |n: usize| match at {
        Some(at) if n < at => Result::Passed,
        Some(at) if n == at => Result::Failed,
        Some(_) => Result::NotReached,
        None if reached => Result::Passed,
        None => Result::NotReached,
    };
    let rules = rules.iter().enumerate().map(|(n, rule)| Checked { rule, result: result(n) }).collect();
    Judged { document: name.to_string(), rules, refusal: refusal.map(ToString::to_string) }
}

//! Policy, entry, context to verdict: total, pure, deterministic.

mod context;

pub use context::{Context, Device, Facts, FileFacts, Subject, System};

use crate::policy::Policy;
use crate::verdict::{DecidedBy, Judgement, Verdict};

/// Judges one entry. Never fails: what cannot be judged is [`Verdict::Unknown`].
pub fn evaluate(policy: &Policy, _subject: &Subject<'_>, _context: &Context<'_>) -> Judgement {
    Judgement {
        verdict: Verdict::Deny,
        decided_by: DecidedBy::Default,
        rule: None,
        reason: None,
        trace: Vec::new(),
        pin: None,
        alternatives: Vec::new(),
        contact: policy.document().policy.contact.clone(),
    }
}

//! Whether a judgement of a stored entry holds on its machine too.

use mcpolicy_schema::document::Rule;
use mcpolicy_schema::evaluate::Context;
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::verdict::{DecidedBy, Judgement, Verdict};

use super::{Hidden, Stored};

/// Whether nothing that the report hides could change the verdict.
pub(super) fn is_certain(
    judgement: &Judgement,
    stored: &Stored,
    policy: &Policy,
    context: &Context<'_>,
) -> bool {
    let hidden = &stored.hidden;
    if judgement.verdict == Verdict::Unknown {
        return true;
    }
    if hidden.identity {
        return false;
    }
    match (judgement.verdict, judgement.decided_by) {
        // These ask for identity and fingerprint only.
        (_, DecidedBy::Revocation | DecidedBy::Denylist | DecidedBy::Exception) => true,
        (Verdict::Allow, DecidedBy::Default) => true,
        (Verdict::Allow, _) => is_allowed_whatever_is_hidden(judgement, hidden, policy),
        _ => is_denied_whatever_is_hidden(judgement, stored, policy, context),
    }
}

/// Hidden plain words and values are admitted only by wildcards, so whatever they are is admitted; anything else that is
/// hidden may be something that no wildcard takes.
fn is_allowed_whatever_is_hidden(judgement: &Judgement, hidden: &Hidden, policy: &Policy) -> bool {
    let rule = policy.document().rule.iter().find(|rule| Some(&rule.id) == judgement.rule.as_ref());
    let Some(rule) = rule else { return false };
    !hidden.argument
        && !hidden.query
        && !hidden.cwd
        && hidden.unclear_values.is_empty()
        && !(hidden.client && !rule.clients.is_empty())
        && hidden.values.iter().all(|name| admits_every_value(rule, policy, name))
}

/// Whether every pattern that a value of this name may be held against is one for any text.
fn admits_every_value(rule: &Rule, policy: &Policy, name: &str) -> bool {
    let patterns = rule.env.iter().chain(&rule.headers).chain(&policy.document().policy.env);
    patterns
        .filter(|(key, _)| key.eq_ignore_ascii_case(name) || key.contains('*'))
        .all(|(_, pattern)| matches!(pattern.as_str(), "*" | "**"))
}

/// No rule was asked, or nothing is hidden.
fn is_denied_whatever_is_hidden(
    judgement: &Judgement,
    stored: &Stored,
    policy: &Policy,
    context: &Context<'_>,
) -> bool {
    let names_groups = policy.document().rule.iter().any(|rule| !rule.groups.is_empty())
        || policy.document().ring.iter().any(|ring| !ring.groups.is_empty());
    judgement.trace.is_empty()
        || (stored.hidden == Hidden::default() && context.home.is_some() && !names_groups)
}

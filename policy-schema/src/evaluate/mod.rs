//! Policy, entry, context to verdict: total, pure, deterministic.
//!
//! Order of decision: revocation, denylist, exception, allowlist, default. A rule admits an entry only if every word
//! of it has its place in the rule; nothing is allowed because it was not understood.

mod case;
mod context;
mod denial;
mod files;
mod members;
mod place;
mod rule;
mod values;

pub use context::{Context, Device, Facts, FileFacts, Subject, System};
pub use members::{is_judged, is_judged_but_for_case};

use crate::document::{Default, Mode, Runners};
use crate::finding::FindingCode;
use crate::identity::Kind;
use crate::policy::Policy;
use crate::policy::index::plain_name;
use crate::policy::rule::Meant;
use crate::remote::Reach;
use crate::verdict::{DecidedBy, Judgement, Reason, Tried, Verdict};
use case::Case;
use rule::Outcome;

/// A reason with words made only if it is needed.
fn reason(code: FindingCode, detail: impl Into<String>) -> Reason {
    Reason { code, detail: detail.into() }
}

/// Judges one entry. Never fails: what cannot be judged is [`Verdict::Unknown`].
pub fn evaluate(policy: &Policy, subject: &Subject<'_>, context: &Context<'_>) -> Judgement {
    let case = Case::new(policy, subject, context);
    let revoked = context.revocations.filter(|_| !policy.document().policy.ignore_revocations);
    if let Some(judgement) = revoked.and_then(|list| denial::revoked(&case, list)) {
        return judgement;
    }
    if !policy.document().policy.ignore_denylist
        && let Some(judgement) = denial::denied(&case)
    {
        return judgement;
    }
    if let Some(judgement) = exception(&case) {
        return judgement;
    }
    if let Some(what) = subject.entry.malformed.filter(|_| subject.entry.contradicts()) {
        // It is more than one server, so no list is about it, nor may a default that allows let it pass the denylist.
        return case.denied(DecidedBy::Default, Some(reason(FindingCode::AmbiguousEntry, what)), None);
    }
    let judgement = allowlist(&case).unwrap_or_else(|trace| by_default(&case, trace));
    match context.expired {
        Some(known) if judgement.is_allowed() && !known.contains(subject.fingerprint) => Judgement {
            verdict: Verdict::Deny,
            reason: Some(reason(
                FindingCode::PolicyExpired,
                "it was not allowed here before the policy expired",
            )),
            ..judgement
        },
        _ => judgement,
    }
}

/// What is worth a finding though it changes no verdict: unknown members, runners that the user can write.
pub fn notices(subject: &Subject<'_>, context: &Context<'_>) -> Vec<Reason> {
    let mut notices: Vec<Reason> = members::unknown(subject.entry)
        .map(|_| reason(FindingCode::UnknownMember, "a member of the entry is not known of its client"))
        .take(1)
        .collect();
    let writable = context.facts.program.as_ref().is_some_and(|file| file.user_writable);
    if writable && subject.identity.runner.is_some() {
        notices
            .push(reason(FindingCode::RunnerUserWritable, "the runner lies where the user can replace it"));
    }
    notices
}

/// Exceptions, grants, and what hold mode leaves: the very entry, by its fingerprint.
fn exception(case: &Case<'_>) -> Option<Judgement> {
    let (policy, context) = (case.policy, case.context);
    let is_revoked = |id: &str| case.revoked_rules.is_some_and(|list| list.revokes_rule(id));
    let found = policy.by_fingerprint.get(case.subject.fingerprint).into_iter().flatten();
    let mut found = found.map(|at| &policy.document().exception[*at]).filter(|e| {
        context.now < e.expires
            && (e.users.is_empty() || e.users.iter().any(|u| u == context.device.user))
            && (e.devices.is_empty() || e.devices.iter().any(|d| d == context.device.id))
            && !is_revoked(&e.id)
    });
    if let Some(exception) = found.next() {
        return Some(case.allowed(DecidedBy::Exception, Some(&exception.id)));
    }
    let grant = context.grants.iter().find(|grant| {
        // A grant that names nobody counts for nobody.
        !grant.device.is_empty()
            && !grant.user.is_empty()
            && grant.fingerprint == case.subject.fingerprint
            && grant.device == context.device.id
            && grant.user == context.device.user
            && grant.issued <= context.now
            && context.now < grant.expires
            && !is_revoked(&grant.id)
    });
    if let Some(grant) = grant {
        return Some(case.allowed(DecidedBy::Exception, Some(&grant.id)));
    }
    let held = policy.mode(context.device.ring) == Mode::Hold
        && policy.document().policy.grace_until.is_some_and(|day| case.today() <= day)
        && context.grandfathered.contains(case.subject.fingerprint);
    held.then(|| case.allowed(DecidedBy::Exception, None))
}

/// Asks the rules about this identity. The rules that did not admit the entry, if none does.
fn allowlist(case: &Case<'_>) -> Result<Judgement, Vec<(u8, Option<usize>, Tried)>> {
    let rules = &case.policy.document().rule;
    let mut trace: Vec<(u8, Option<usize>, Tried)> = Vec::new();
    let mut unknown = None;
    let mut pin = None;
    for at in case.policy.allow_index.find(&case.keys) {
        let tried = |reason| Tried { rule: rules[at].id.clone(), reason };
        if case.revoked_rules.is_some_and(|list| list.revokes_rule(&rules[at].id)) {
            trace.push((u8::MAX, Some(at), tried(reason(FindingCode::Revoked, "the rule has been revoked"))));
            continue;
        }
        match rule::admit(case, at) {
            Outcome::Allow => {
                let mut judgement = case.allowed(DecidedBy::Allowlist, Some(&rules[at].id));
                judgement.trace = trace.into_iter().map(|(_, _, tried)| tried).collect();
                return Ok(judgement);
            }
            Outcome::NotAbout => {}
            Outcome::Unknown(reason) => {
                unknown.get_or_insert(at);
                trace.push((rule::DEPTH_FACTS, Some(at), tried(reason)));
            }
            Outcome::Version(reason) => {
                if pin.is_none() {
                    pin = case.policy.pin(at);
                }
                trace.push((rule::DEPTH_VERSION, Some(at), tried(reason)));
            }
            Outcome::Refused(depth, reason) => trace.push((depth, Some(at), tried(reason))),
        }
    }
    let Some(at) = unknown else {
        return if pin.is_some() { Ok(wrong_version(case, trace, pin)) } else { Err(trace) };
    };
    let why = trace.iter().find(|(_, rule, _)| *rule == Some(at)).map(|(_, _, tried)| tried.reason.clone());
    let mut judgement = case.denied(DecidedBy::Allowlist, why, Some(at));
    judgement.verdict = Verdict::Unknown;
    judgement.rule = Some(rules[at].id.clone());
    judgement.trace = trace.into_iter().map(|(_, _, tried)| tried).collect();
    Ok(judgement)
}

/// Nothing but the version is wrong, and the rule names one to put in its place.
fn wrong_version(case: &Case<'_>, trace: Vec<(u8, Option<usize>, Tried)>, pin: Option<String>) -> Judgement {
    let mut judgement = by_default(case, trace);
    judgement.pin = pin;
    judgement
}

/// No rule admits it: the default, with the reason of the rule that came nearest.
fn by_default(case: &Case<'_>, trace: Vec<(u8, Option<usize>, Tried)>) -> Judgement {
    let reach = case.remote.as_ref().map_or(Reach::Public, |remote| remote.reach);
    let nearest =
        trace.iter().max_by_key(|(depth, ..)| *depth).map(|(_, at, tried)| (*at, tried.reason.clone()));
    let named = impersonated(case);
    let (rule, why) = match (&case.fault, nearest, named) {
        // An address that is never allowed, or an entry that has no one meaning, is told first.
        (Some(fault), _, _) if fault.code != FindingCode::UnresolvableIdentity => (None, fault.clone()),
        (_, Some((rule, why)), _) => (rule, why),
        (_, None, Some(at)) => (Some(at), impersonation(case, at)),
        (Some(fault), None, None) => (None, fault.clone()),
        (None, None, None) => (None, unlisted(reach)),
    };
    let allows = case.policy.document().policy.default == Default::Allow
        && reach == Reach::Public
        && why.code != FindingCode::Revoked
        && why.code != FindingCode::LinkLocalUrl;
    let mut judgement = if allows {
        case.allowed(DecidedBy::Default, None)
    } else {
        let by = if why.code == FindingCode::Revoked { DecidedBy::Revocation } else { DecidedBy::Default };
        case.denied(by, Some(why), rule)
    };
    judgement.trace = trace.into_iter().map(|(_, _, tried)| tried).collect();
    judgement
}

/// The approved server whose usual name the entry bears, if the entry is something that could be taken for it: not
/// where nothing is run or contacted, nor where it leads to the same host by another path.
fn impersonated(case: &Case<'_>) -> Option<usize> {
    let rules = case.policy.by_name.get(&plain_name(&case.subject.entry.name))?;
    let identity = case.identity();
    if identity.kind == Kind::Builtin || (identity.kind == Kind::Opaque && identity.name.is_empty()) {
        return None;
    }
    let origin = case.remote.as_ref().map(|remote| remote.origin.as_str());
    let is_same_host = |at: &&usize| match &case.policy.rules[**at].meant {
        Meant::Url(target) => origin == Some(target.remote.origin.as_str()),
        _ => false,
    };
    if rules.iter().any(|at| is_same_host(&at)) { None } else { rules.first().copied() }
}

fn impersonation(case: &Case<'_>, at: usize) -> Reason {
    let id = &case.policy.document().rule[at].id;
    let what = case.identity().kind.as_str();
    reason(
        FindingCode::Impersonation,
        format!("its name is that of the approved server `{id}`, but it is something else (kind {what})"),
    )
}

fn unlisted(reach: Reach) -> Reason {
    match reach {
        Reach::Loopback => reason(
            FindingCode::LoopbackUnbound,
            "a URL of this machine is allowed only together with the program that listens",
        ),
        Reach::Private => {
            reason(FindingCode::PrivateAddress, "no rule names this address of a private network")
        }
        Reach::LinkLocal => {
            reason(FindingCode::LinkLocalUrl, "link-local and metadata addresses are always denied")
        }
        Reach::Public => reason(FindingCode::NotAllowed, "no rule is about it"),
    }
}

/// Whether a runner that the user can write is refused.
fn only_system_runners(case: &Case<'_>) -> bool {
    case.policy.document().policy.runners == Runners::System
}

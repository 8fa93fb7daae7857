//! Policy, entry, context to verdict: total, pure, deterministic.
//!
//! Order of decision: revocation, denylist, exception, allowlist, default. A rule admits an entry only if every word
//! of it has its place in the rule; nothing is allowed because it was not understood.

mod anchor;
mod case;
mod context;
mod denial;
mod files;
mod filled;
mod members;
mod place;
mod rule;
mod served;
pub(crate) mod spelling;
mod values;

pub use anchor::{depends_on_directory, finds_in_directory, held_as, is_tied, isolates};
pub use context::{ClientVariable, Context, Device, Facts, FileFacts, Subject, System};
pub(crate) use members::is_harmless as is_harmless_member;
pub use members::{is_judged, is_judged_but_for_case};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::document::{Default, Mode, Runners};
use crate::finding::FindingCode;
use crate::identity::Kind;
use crate::policy::Policy;
use crate::policy::index::plain_name;
use crate::policy::key::{Key, Sort};
use crate::policy::rule::Meant;
use crate::remote::{Reach, Remote};
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
    if let Some(judgement) = case.revocations.and_then(|list| denial::revoked(&case, list)) {
        return judgement;
    }
    if !policy.document().policy.ignore_denylist
        && let Some(judgement) = denial::denied(&case)
    {
        return judgement;
    }
    // Not even an exception opens the services of the link. Nor is an entry the one that was excepted where its project
    // changes what every program runs.
    if case.reach != Reach::LinkLocal
        && context.client_env.is_empty()
        && let Some(judgement) = exception(&case)
    {
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

/// Exceptions, grants, and what hold mode leaves: the very entry, by its fingerprint and, where it is another server in
/// another directory, by that.
fn exception(case: &Case<'_>) -> Option<Judgement> {
    let (policy, context) = (case.policy, case.context);
    // an empty name is none: a machine without id is not the device `""`
    let concerns = |list: &[String], name: &str| {
        list.is_empty() || (!name.is_empty() && list.iter().any(|listed| listed == name))
    };
    let found = policy.by_fingerprint.get(case.subject.fingerprint).into_iter().flatten();
    let mut found = found.map(|at| &policy.document().exception[*at]).filter(|e| {
        context.now < e.expires
            && concerns(&e.users, context.device.user)
            && concerns(&e.devices, context.device.id)
            && !case.is_revoked(&e.id)
            && anchor::is_meant(case, e)
    });
    if let Some(exception) = found.next() {
        return Some(Judgement {
            until: Some(exception.expires),
            ticket: Some(exception.ticket.clone()),
            ..case.allowed(DecidedBy::Exception, Some(&exception.id))
        });
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
            && !case.is_revoked(&grant.id)
            && anchor::is_same_everywhere(case)
    });
    if let Some(grant) = grant {
        return Some(Judgement {
            until: Some(grant.expires),
            ticket: grant.ticket.clone(),
            ..case.allowed(DecidedBy::Exception, Some(&grant.id))
        });
    }
    let grace = policy.document().policy.grace_until.filter(|day| case.today() <= *day)?;
    let is_held = policy.mode(context.device.ring) == Mode::Hold && is_remembered(case);
    is_held.then(|| Judgement { until: end_of(grace), ..case.allowed(DecidedBy::Exception, None) })
}

/// The first moment after a day that still counts.
fn end_of(day: Date) -> Option<Timestamp> {
    Some(day.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Whether the entry was there when hold mode began.
fn is_remembered(case: &Case<'_>) -> bool {
    let Subject { entry, identity, fingerprint } = case.subject;
    held_as(entry, identity, fingerprint, case.context.directory)
        .is_some_and(|name| case.context.grandfathered.contains(&*name))
}

/// A rule that was asked and did not admit the entry.
struct Attempt {
    /// How near it came: the greater, the nearer.
    depth: u8,
    /// Which it is in the policy.
    rule: usize,
    why: Reason,
}

/// The rules that were asked, as they are told.
fn told(case: &Case<'_>, attempts: Vec<Attempt>) -> Vec<Tried> {
    let rules = &case.policy.document().rule;
    let tried = |attempt: Attempt| Tried { rule: rules[attempt.rule].id.clone(), reason: attempt.why };
    attempts.into_iter().map(tried).collect()
}

/// Asks the rules about this identity. The rules that did not admit the entry, if none does.
fn allowlist(case: &Case<'_>) -> Result<Judgement, Vec<Attempt>> {
    let rules = &case.policy.document().rule;
    let index = &case.policy.allow_index;
    let mut attempts: Vec<Attempt> = Vec::new();
    let mut unknown = None;
    let mut pin = None;
    for at in index.find(case.keys(index).iter().flatten()) {
        let outcome = if case.is_revoked(&rules[at].id) {
            Outcome::Refused(u8::MAX, reason(FindingCode::Revoked, "the rule has been revoked"))
        } else {
            rule::admit(case, at)
        };
        let (depth, why) = match outcome {
            Outcome::Allow => {
                let mut judgement = case.allowed(DecidedBy::Allowlist, Some(&rules[at].id));
                judgement.trace = told(case, attempts);
                judgement.ticket = rules[at].ticket.clone();
                let condition = rules[at].remediation.as_ref().filter(|condition| !condition.done);
                judgement.until = condition.and_then(|condition| end_of(condition.deadline));
                return Ok(judgement);
            }
            Outcome::NotAbout => continue,
            Outcome::Unknown(why) => {
                unknown.get_or_insert_with(|| (at, why.clone()));
                (rule::DEPTH_FACTS, why)
            }
            Outcome::Version(why) => {
                pin = pin.or_else(|| case.policy.pin(at));
                (rule::DEPTH_VERSION, why)
            }
            Outcome::Refused(depth, why) => (depth, why),
        };
        attempts.push(Attempt { depth, rule: at, why });
    }
    let Some((at, why)) = unknown else {
        return if pin.is_some() { Ok(wrong_version(case, attempts, pin)) } else { Err(attempts) };
    };
    let mut judgement = case.denied(DecidedBy::Allowlist, Some(why), Some(at));
    judgement.verdict = Verdict::Unknown;
    judgement.rule = Some(rules[at].id.clone());
    judgement.trace = told(case, attempts);
    Ok(judgement)
}

/// Nothing but the version is wrong, and the rule names one to put in its place.
fn wrong_version(case: &Case<'_>, attempts: Vec<Attempt>, pin: Option<String>) -> Judgement {
    let mut judgement = by_default(case, attempts);
    judgement.pin = pin;
    judgement
}

/// No rule admits it: the default, with the reason of the rule that came nearest.
fn by_default(case: &Case<'_>, attempts: Vec<Attempt>) -> Judgement {
    let reach = case.reach;
    let nearest = attempts.iter().max_by_key(|attempt| attempt.depth);
    let (rule, why) = match (&case.fault, nearest) {
        // An address that is never allowed, or an entry that has no one meaning, is told first.
        (Some(fault), _) if fault.code != FindingCode::UnresolvableIdentity => (None, fault.clone()),
        (_, Some(nearest)) => (Some(nearest.rule), nearest.why.clone()),
        (fault, None) => match (impersonated(case), fault) {
            (Some(at), _) => (Some(at), impersonation(case, at)),
            (None, Some(fault)) => (None, fault.clone()),
            (None, None) => (None, unlisted(reach)),
        },
    };
    let allows = case.policy.document().policy.default == Default::Allow
        && reach == Reach::Public
        && why.code != FindingCode::Revoked;
    let doubt = if allows { doubt(case) } else { None };
    let mut judgement = if allows && doubt.is_none() {
        case.allowed(DecidedBy::Default, None)
    } else {
        // What a rule says that is about the entry comes first.
        let why = doubt.filter(|_| why.code == FindingCode::NotAllowed).unwrap_or(why);
        let by = if why.code == FindingCode::Revoked { DecidedBy::Revocation } else { DecidedBy::Default };
        case.denied(by, Some(why), rule)
    };
    judgement.trace = told(case, attempts);
    judgement
}

/// Why nobody can tell what the entry is, while something is denied: it may be just that. A list is held against what
/// is understood and against every word, and that is enough only where there is one meaning.
fn doubt(case: &Case<'_>) -> Option<Reason> {
    let is_doubt =
        |why: &&Reason| matches!(why.code, FindingCode::AmbiguousEntry | FindingCode::UnresolvableIdentity);
    let lists = !case.policy.document().policy.ignore_denylist && !case.policy.deny_index.is_empty();
    let revokes = case.revocations.is_some_and(|list| !list.index.is_empty());
    if !lists && !revokes {
        return None;
    }
    let fault = case.fault.as_ref().filter(is_doubt).cloned();
    fault.or_else(|| {
        denial::is_beyond(case).then(|| {
            reason(FindingCode::AmbiguousEntry, "its braces stand for more alternatives than are looked at")
        })
    })
}

/// The approved server whose usual name the entry bears, if the entry is something that could be taken for it: not
/// where nothing is run or contacted, nor where it leads to the same host by another path.
fn impersonated(case: &Case<'_>) -> Option<usize> {
    let name = Key::new(Sort::Name, plain_name(&case.subject.entry.name));
    let mut rules = case.policy.by_name.at(&name).peekable();
    let first = *rules.peek()?;
    let identity = case.identity();
    if identity.kind == Kind::Builtin || (identity.kind == Kind::Opaque && identity.name.is_empty()) {
        return None;
    }
    let origin = case.remote.as_ref().map(Remote::origin);
    let is_same_host = |at: usize| match &case.policy.rules[at].meant {
        Meant::Url(target) => origin == Some(target.remote.origin()),
        _ => false,
    };
    if rules.any(is_same_host) { None } else { Some(first) }
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
        Reach::LinkLocal => case::link_local(),
        Reach::Unknown => reason(FindingCode::NonCanonicalUrl, "where the URL leads cannot be told"),
        Reach::Public => reason(FindingCode::NotAllowed, "no rule is about it"),
    }
}

/// Whether a runner that the user can write is refused.
fn only_system_runners(case: &Case<'_>) -> bool {
    case.policy.document().policy.runners == Runners::System
}

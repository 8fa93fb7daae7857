//! From inventory to a proposed allowlist: one rule an identity, ranked by use, each with what it would still block.
//!
//! The proposal is compiled and every server of the reports is judged by it before anything is shown, so that the
//! comments say what the policy does and not what was meant.

mod about;
mod arguments;
mod rule;
mod text;
mod variant;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use mcpolicy_schema::document::PolicyDocument;
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::verdict::Verdict;
use serde::Serialize;

use super::reports::Problem;
pub(crate) use about::Base;
pub(crate) use about::{base, refusal};
pub(crate) use rule::{Proposal, Seen};
use variant::Spread;
pub use variant::Use;
pub(crate) use variant::Variant;

/// What is asked for.
#[derive(Debug)]
pub struct Wish<'p> {
    /// Identities on fewer machines are only mentioned.
    pub min_machines: usize,
    /// A policy that is there already, with its text; the proposal is what it lacks.
    pub existing: Option<(&'p Policy, &'p str)>,
    /// The time at which rules are tried.
    pub now: Timestamp,
}

/// A proposed allowlist.
#[derive(Debug, Serialize)]
pub struct Draft {
    /// Machines in the reports.
    pub machines: usize,
    /// Reports that count as older ones of a machine of which there is a newer one.
    pub superseded: u64,
    /// Entries that the existing policy allows already.
    pub covered: u64,
    /// Rules, the most used first.
    pub rules: Vec<Ruled>,
    /// Servers for which no rule is proposed.
    pub left: Vec<Left>,
    /// The whole policy.
    pub policy: String,
}

/// A proposed rule with what it does.
#[derive(Debug, Serialize)]
pub struct Ruled {
    /// Ids of its rules.
    pub ids: Vec<String>,
    /// Kind and name.
    pub identity: String,
    /// How widespread the identity is.
    pub used: Use,
    /// Entries of it that are allowed.
    pub allowed: u64,
    /// Entries of it that are not, by reason.
    pub blocked: Vec<Blocked>,
}

/// Entries that a proposed rule does not allow.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Blocked {
    /// `deny` or `unknown`.
    pub verdict: Verdict,
    /// Finding code.
    pub reason: String,
    /// The same in words.
    pub detail: String,
    /// How many.
    pub entries: u64,
}

/// A server for which no rule is proposed.
#[derive(Debug, Serialize)]
pub struct Left {
    /// Kind and name.
    pub identity: String,
    /// How widespread it is.
    pub used: Use,
    /// Why.
    pub why: String,
}

/// All servers of one identity.
struct Group {
    base: Base,
    members: Vec<(Arc<Variant>, Spread)>,
    spread: Spread,
    proposals: Vec<Proposal>,
}

/// Drafts a policy.
///
/// # Errors
/// The proposal does not compile together with the existing policy.
pub fn draft(
    wish: &Wish<'_>,
    inputs: &[PathBuf],
    done: &(dyn Fn(u64, u64) + Sync),
) -> anyhow::Result<(Draft, Vec<Problem>)> {
    let fleet = variant::read(inputs, wish.existing.map(|(policy, _)| policy), wish.now, done);
    anyhow::ensure!(
        fleet.machines > 0,
        "no report could be read, so nothing can be proposed{}",
        first(&fleet.problems)
    );
    let mut covered = 0;
    let mut open = Vec::new();
    for (variant, spread) in fleet.variants {
        let known = wish.existing.map(|(policy, _)| variant.judge(policy, wish.now).verdict);
        if known == Some(Verdict::Allow) {
            covered += spread.entries;
        } else {
            open.push((variant, spread));
        }
    }
    let (mut groups, mut left) = grouped(wish, open);
    propose(wish, &mut groups, &mut left);
    let without_comments = text::policy(wish, fleet.machines, &groups, &[]);
    let policy = compile(&without_comments)?;
    let rules = judged(wish, &policy, &mut groups);
    rank(&mut left);
    let policy = text::policy(wish, fleet.machines, &groups, &left);
    compile(&policy)?;
    Ok((
        Draft { machines: fleet.machines, superseded: fleet.superseded, covered, rules, left, policy },
        fleet.problems,
    ))
}

pub(crate) fn first(problems: &[Problem]) -> String {
    problems.first().map(|problem| format!(": {}: {}", problem.place, problem.what)).unwrap_or_default()
}

fn compile(text: &str) -> anyhow::Result<Policy> {
    let document: PolicyDocument = ::toml::from_str(text).map_err(|error| {
        anyhow::anyhow!("the proposal does not fit the policy given with --policy: {error}")
    })?;
    Policy::compile(document).map_err(|faults| {
        let all: Vec<String> = faults.iter().map(|f| format!("{}: {}", f.place, f.message)).collect();
        anyhow::anyhow!("the proposal does not compile: {}", all.join("; "))
    })
}

/// Servers by identity, and those of no identity that a rule could be about.
fn grouped(wish: &Wish<'_>, variants: Vec<(Arc<Variant>, Spread)>) -> (Vec<Group>, Vec<Left>) {
    let mut groups: BTreeMap<Base, Group> = BTreeMap::new();
    let mut left: BTreeMap<(String, String), Spread> = BTreeMap::new();
    for (variant, spread) in variants {
        // With a hidden identity there is nothing to group by.
        let hidden = variant.stored.hidden.identity;
        match about::base(&variant) {
            Ok(base) if !hidden => {
                let group = groups.entry(base.clone()).or_insert_with(|| Group {
                    base,
                    members: Vec::new(),
                    spread: Spread::default(),
                    proposals: Vec::new(),
                });
                group.spread.merge(&spread);
                group.members.push((variant, spread));
            }
            other => {
                let why = about::refusal(&variant).or(other.err()).unwrap_or_default();
                let identity = format!("{}:{}", variant.entry.identity.kind, variant.entry.identity.name);
                left.entry((identity, why)).or_default().merge(&spread);
            }
        }
    }
    let mut left: Vec<Left> = left
        .into_iter()
        .map(|((identity, why), spread)| Left { identity, used: spread.count(), why })
        .collect();
    let mut kept = Vec::new();
    for group in groups.into_values() {
        let used = group.spread.count();
        if used.machines < wish.min_machines {
            let why = format!("on fewer than {} machines", wish.min_machines);
            left.push(Left { identity: group.base.title(), used, why });
        } else {
            kept.push(group);
        }
    }
    kept.sort_by_key(|group| std::cmp::Reverse(group.spread.count()));
    (kept, left)
}

fn rank(left: &mut [Left]) {
    left.sort_by(|a, b| b.used.cmp(&a.used).then_with(|| (&a.identity, &a.why).cmp(&(&b.identity, &b.why))));
}

/// Makes the rules of each group; a group of which nothing may be proposed is left.
fn propose(wish: &Wish<'_>, groups: &mut Vec<Group>, left: &mut Vec<Left>) {
    let names = own_names(groups);
    let mut ids: BTreeSet<String> =
        wish.existing.map(|(policy, _)| ids_of(policy.document())).unwrap_or_default();
    for group in groups.iter_mut() {
        let good = group.members.iter().map(|(v, _)| v.as_ref()).filter(|v| about::refusal(v).is_none());
        let variants: Vec<&Variant> = good.collect();
        if variants.is_empty() {
            continue;
        }
        let own = names.get(&group.base).cloned().unwrap_or_default();
        let seen = Seen { base: &group.base, variants, names: own };
        let proposals = Proposal::all(&seen, &mut ids);
        group.proposals = proposals.into_iter().filter(stands_alone).collect();
    }
    groups.retain(|group| {
        let keep = group.proposals.iter().any(|proposal| admits_some(wish, group, proposal));
        if !keep {
            left.push(Left {
                identity: group.base.title(),
                used: group.spread.count(),
                why: why_none(wish, group),
            });
        }
        keep
    });
}

fn ids_of(document: &PolicyDocument) -> BTreeSet<String> {
    let rules = document.rule.iter().map(|rule| &rule.id);
    let denied = document.deny.iter().map(|deny| &deny.id);
    rules.chain(denied).chain(document.exception.iter().map(|exception| &exception.id)).cloned().collect()
}

/// Names that only entries of one identity have: another identity under such a name is an impersonation.
fn own_names(groups: &[Group]) -> BTreeMap<Base, Vec<String>> {
    let mut bases: BTreeMap<String, BTreeSet<&Base>> = BTreeMap::new();
    for group in groups {
        for (variant, _) in &group.members {
            let plain = variant.entry.name.to_lowercase();
            bases.entry(plain).or_default().insert(&group.base);
        }
    }
    let mut own: BTreeMap<Base, Vec<String>> = BTreeMap::new();
    for (name, bases) in bases {
        if let (Some(base), 1) = (bases.first(), bases.len()) {
            own.entry((*base).clone()).or_default().push(name);
        }
    }
    own
}

/// The policy of one rule.
fn alone(proposal: &Proposal) -> Option<Policy> {
    let document: PolicyDocument = ::toml::from_str(&format!("{}{}", text::HEAD, proposal.text())).ok()?;
    Policy::compile(document).ok()
}

fn stands_alone(proposal: &Proposal) -> bool {
    alone(proposal).is_some()
}

/// Whether a rule would allow something, or would with what a machine knows.
fn admits_some(wish: &Wish<'_>, group: &Group, proposal: &Proposal) -> bool {
    let Some(policy) = alone(proposal) else { return false };
    group.members.iter().any(|(variant, _)| {
        let judgement = variant.judge(&policy, wish.now);
        judgement.verdict != Verdict::Deny || judgement.pin.is_some()
    })
}

/// Why nothing is proposed for a group.
fn why_none(wish: &Wish<'_>, group: &Group) -> String {
    let refused: BTreeSet<String> =
        group.members.iter().filter_map(|(variant, _)| about::refusal(variant)).collect();
    if refused.is_empty() {
        let said = group.proposals.first().and_then(alone).and_then(|policy| {
            let judged = group.members.iter().map(|(variant, _)| variant.judge(&policy, wish.now));
            judged.filter_map(|judgement| judgement.reason).next()
        });
        return said.map_or("no rule can be written for it".to_owned(), |r| {
            format!("{}: {}", r.code.as_str(), r.detail)
        });
    }
    refused.into_iter().collect::<Vec<_>>().join("; ")
}

/// What the proposed policy says of each group; written above its first rule.
fn judged(wish: &Wish<'_>, policy: &Policy, groups: &mut [Group]) -> Vec<Ruled> {
    let mut all = Vec::new();
    for group in groups {
        let mut allowed = 0;
        let mut blocked: BTreeMap<(Verdict, &'static str, String), u64> = BTreeMap::new();
        for (variant, spread) in &group.members {
            let judgement = variant.judge(policy, wish.now);
            if judgement.is_allowed() {
                allowed += spread.entries;
                continue;
            }
            let (code, detail) =
                judgement.reason.map_or(("", String::new()), |r| (r.code.as_str(), r.detail));
            *blocked.entry((judgement.verdict, code, detail)).or_default() += spread.entries;
        }
        let mut blocked: Vec<Blocked> = blocked
            .into_iter()
            .map(|((verdict, code, detail), entries)| Blocked {
                verdict,
                reason: code.to_owned(),
                detail,
                entries,
            })
            .collect();
        blocked.sort_by_key(|blocked| std::cmp::Reverse(blocked.entries));
        let ruled = Ruled {
            ids: group.proposals.iter().map(|proposal| proposal.rule.id.clone()).collect(),
            identity: group.base.title(),
            used: group.spread.count(),
            allowed,
            blocked,
        };
        text::annotate(group, &ruled);
        all.push(ruled);
    }
    all
}

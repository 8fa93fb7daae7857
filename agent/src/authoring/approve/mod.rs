//! A developer's request as a change of the policy: a rule, a test row, and what to say of it. Files and Git are the
//! caller's: nothing here writes anything.

mod edit;
mod row;

use std::collections::BTreeSet;

use anyhow::{bail, ensure};
use jiff::Timestamp;
use jiff::civil::Date;
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::verdict::Verdict;

use super::check::risks::unseen;
use super::draft::{Proposal, Seen, Variant, base, refusal};
use super::requests::Made;
use super::source::{self, Source};
use crate::output::text::visible;

/// Who stands for the rule.
#[derive(Debug)]
pub struct Approval<'a> {
    /// Change ticket.
    pub ticket: &'a str,
    /// Who answers for the rule.
    pub owner: &'a str,
    /// Day of the next review.
    pub review_by: Option<Date>,
    /// The time at which rules are tried.
    pub now: Timestamp,
}

/// What to write and to say.
#[derive(Debug)]
pub struct Change {
    /// The new policy.toml; `None` where the policy allows the entry already.
    pub policy: Option<String>,
    /// The new tests.toml; `None` where it has the row already.
    pub tests: Option<String>,
    /// The rule that allows the entry.
    pub rule: String,
    /// A message for the commit.
    pub message: String,
}

/// The request meant by an id.
///
/// # Errors
/// There is none, or several laptops use the id for different servers, or the request contradicts itself.
pub fn find<'m>(made: &'m [Made], id: &str) -> anyhow::Result<&'m Made> {
    let found: Vec<&Made> = made.iter().filter(|made| made.request.id == id).collect();
    let Some(first) = found.first() else {
        bail!("no report has a request {}; `mcpolicy policy requests` lists them", visible(id));
    };
    let servers: BTreeSet<&str> = found.iter().map(|made| made.request.entry.fingerprint.as_str()).collect();
    ensure!(
        servers.len() == 1,
        "requests for {} different servers have the id {}; ask who made them, and give only the report that is meant",
        servers.len(),
        visible(id)
    );
    if let Some(what) = found.iter().find_map(|made| made.contradiction()) {
        bail!("the request {} cannot be trusted: {what}; look at the laptop that made it", visible(id));
    }
    Ok(first)
}

/// Turns a request into a change.
///
/// # Errors
/// No rule may be written for such a server, or the policy would still not allow it.
pub fn approve(
    made: &Made,
    approval: &Approval<'_>,
    policy_source: &Source,
    tests_source: Option<&Source>,
) -> anyhow::Result<Change> {
    let policy = source::compile(policy_source)?;
    let variant = made.variant(approval.now);
    let before = variant.judge(&policy, approval.now);
    let (text, policy, rule) = if before.is_allowed() {
        let rule = before.rule.unwrap_or_default();
        (None, policy, rule)
    } else {
        let (text, policy, rule) = with_rule(&variant, approval, policy_source, &policy)?;
        (Some(text), policy, rule)
    };
    let tests = row::add(made, &variant, &policy, &rule, tests_source, approval.now)?;
    let mut message = message(made, approval, &rule);
    let new = policy.document().rule.iter().find(|new| new.id == rule).filter(|_| text.is_some());
    if let Some((_, what)) = new.and_then(unseen) {
        message.push_str(&format!("The rule admits {what}: name the versions that were reviewed.\n"));
    }
    let text = text.map(|text| edit::lines_as_in(&policy_source.text, text));
    let tests = tests.map(|text| match tests_source {
        Some(before) => edit::lines_as_in(&before.text, text),
        None => text,
    });
    Ok(Change { policy: text, tests, rule, message })
}

/// The policy with a rule for the server.
fn with_rule(
    variant: &Variant,
    approval: &Approval<'_>,
    source: &Source,
    policy: &Policy,
) -> anyhow::Result<(String, Policy, String)> {
    let by_hand = "write a rule by hand, or give the developer a grant";
    if let Some(why) = refusal(variant) {
        bail!("no rule is made for this server: {why}; {by_hand}");
    }
    let base =
        base(variant).map_err(|why| anyhow::anyhow!("no rule is made for this server: {why}; {by_hand}"))?;
    let mut ids = ids_of(policy);
    let seen = Seen { base: &base, variants: vec![variant], names: vec![variant.entry.name.clone()] };
    let Some(mut proposal) = Proposal::all(&seen, &mut ids).into_iter().next() else {
        bail!("no rule can be written for this server; {by_hand}");
    };
    proposal.rule.owner = Some(approval.owner.to_owned());
    proposal.rule.ticket = Some(approval.ticket.to_owned());
    proposal.rule.review_by = approval.review_by;
    let text = edit::with_rule(&source.text, &proposal.text())?;
    let edited = Source { path: source.path.clone(), text };
    let new = source::compile(&edited)?;
    ensure!(
        edit::is_only_addition(policy.document(), new.document()),
        "the rule cannot be added to {} without changing another; add it by hand:\n{}",
        source.path.display(),
        proposal.text()
    );
    let after = variant.judge(&new, approval.now);
    if after.verdict == Verdict::Deny {
        let why = after.reason.map(|r| format!("{} ({})", r.detail, r.code.as_str())).unwrap_or_default();
        bail!("a rule for this server would not allow the entry: {why}; {by_hand}");
    }
    Ok((edited.text, new, proposal.rule.id))
}

fn ids_of(policy: &Policy) -> BTreeSet<String> {
    let document = policy.document();
    let rules = document.rule.iter().map(|rule| &rule.id);
    let denied = document.deny.iter().map(|deny| &deny.id);
    rules.chain(denied).chain(document.exception.iter().map(|exception| &exception.id)).cloned().collect()
}

/// What to say of the change. Words of developers stand in it as what they are: somebody's words.
fn message(made: &Made, approval: &Approval<'_>, rule: &str) -> String {
    let request = &made.request;
    let device =
        request.device.as_deref().map(|device| format!(" on {}", visible(device))).unwrap_or_default();
    let mut message = format!(
        "Allow {}\n\nRule {rule}, asked for by {}{device} ({}) in {}.\n",
        visible(&made.identity()),
        visible(&request.user),
        visible(&request.time),
        visible(&request.id),
    );
    if !request.reason.trim().is_empty() {
        message.push_str(&format!("Their reason: {}\n", visible(request.reason.trim())));
    }
    message.push_str(&format!("Owner: {}\nTicket: {}\n", approval.owner, approval.ticket));
    message
}

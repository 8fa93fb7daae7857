//! Lines of the emergency list that name a rule by its id: they deny what that very rule admits, and no more. A rule of
//! another id that admits the same is not denied, so an ordinary change must not bring one unseen.

use mcpolicy_schema::document::{PolicyDocument, Rule};
use mcpolicy_schema::revocations::{Revocation, Revoked};

use crate::authoring::covers;

/// A rule that admits what a revoked one admits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// Id of the line of the list.
    pub line: String,
    /// Id of the rule or exception that it names.
    pub revoked: String,
    /// Id of the rule or exception that admits the same.
    pub by: String,
}

/// Rules and exceptions of a policy that admit what a rule of the policy before admitted, which is revoked by its id.
/// Those that stood in the policy before as they are were told of when it was revoked.
pub fn admitted_again(before: &PolicyDocument, after: &PolicyDocument, list: &[Revocation]) -> Vec<Other> {
    let is_new = |rule: &&Rule| {
        !before.rule.iter().any(|known| known.id == rule.id && known.identity == rule.identity)
    };
    let mut out = Vec::new();
    for line in list {
        let Revoked::Rule(id) = &line.revoked else { continue };
        let rules = others(before, after, list, id).filter(is_new).map(|rule| rule.id.clone());
        let exceptions = exceptions(before, after, id)
            .filter(|new| !before.exception.iter().any(|known| known.id == **new));
        out.extend(rules.chain(exceptions.cloned()).map(|by| Other {
            line: line.id.clone(),
            revoked: id.clone(),
            by,
        }));
    }
    out
}

/// Ids of rules of a policy that admit what one of its rules admits, which is to be revoked by its id.
pub fn admitted_still(policy: &PolicyDocument, list: &[Revocation], id: &str) -> Vec<String> {
    let rules = others(policy, policy, list, id).map(|rule| rule.id.clone());
    rules.chain(exceptions(policy, policy, id).cloned()).collect()
}

/// Rules that admit all or some of what a rule of the policy before admitted, and that nothing of the list or the policy
/// denies.
fn others<'a>(
    before: &'a PolicyDocument,
    after: &'a PolicyDocument,
    list: &'a [Revocation],
    id: &'a str,
) -> impl Iterator<Item = &'a Rule> {
    let revoked = before.rule.iter().filter(move |rule| rule.id == id);
    let is_denied = move |rule: &Rule| {
        let by_list = list.iter().any(|line| match &line.revoked {
            Revoked::Rule(id) => *id == rule.id,
            Revoked::Identity(denied) => covers::denial(denied, &rule.identity),
            _ => false,
        });
        by_list || after.deny.iter().any(|deny| covers::denial(&deny.identity, &rule.identity))
    };
    revoked.flat_map(move |revoked| {
        after.rule.iter().filter(move |rule| {
            let (one, other) = (&rule.identity, &revoked.identity);
            rule.id != id
                && (covers::identity(one, other) || covers::identity(other, one))
                && !is_denied(rule)
        })
    })
}

/// Exceptions for the very entry of a revoked one.
fn exceptions<'a>(
    before: &'a PolicyDocument,
    after: &'a PolicyDocument,
    id: &'a str,
) -> impl Iterator<Item = &'a String> {
    let revoked = before.exception.iter().filter(move |exception| exception.id == id);
    revoked.flat_map(move |revoked| {
        let same = after.exception.iter().filter(move |e| e.id != id && e.fingerprint == revoked.fingerprint);
        same.map(|exception| &exception.id)
    })
}

//! Lines of the emergency list that name a rule by its id: they deny what that very rule admits, and no more. A rule of
//! another id that admits the same is not denied, so an ordinary change must not bring one unseen.

use mcpolicy_schema::document::{IdentityMatcher, PolicyDocument, Rule};
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

/// Rules and exceptions of a policy about the server of a rule that is revoked by its id, as some policy before had it.
/// Those that the last policy had as they are were told of when that rule was revoked. `before` begins with the last
/// policy.
pub fn admitted_again(before: &[PolicyDocument], after: &PolicyDocument, list: &[Revocation]) -> Vec<Other> {
    let last = before.first();
    let is_new = |rule: &&Rule| {
        let known = |known: &Rule| known.id == rule.id && known.identity == rule.identity;
        !last.is_some_and(|last| last.rule.iter().any(known))
    };
    let mut out = Vec::new();
    for line in list {
        let Revoked::Rule(id) = &line.revoked else { continue };
        let rules = others(before, after, list, id).into_iter().filter(is_new).map(|rule| &rule.id);
        let known = |new: &&String| last.is_some_and(|last| last.exception.iter().any(|e| e.id == **new));
        let exceptions = exceptions(before, after, id).into_iter().filter(|new| !known(new));
        out.extend(rules.chain(exceptions).map(|by| Other {
            line: line.id.clone(),
            revoked: id.clone(),
            by: by.clone(),
        }));
    }
    out
}

/// Ids of rules of a policy about the same server as a rule that is to be revoked by its id.
pub fn admitted_still(
    known: &[PolicyDocument],
    policy: &PolicyDocument,
    list: &[Revocation],
    id: &str,
) -> Vec<String> {
    let rules = others(known, policy, list, id).into_iter().map(|rule| &rule.id);
    rules.chain(exceptions(known, policy, id)).cloned().collect()
}

/// Rules about the server of a revoked rule that nothing of the list or the policy denies.
fn others<'a>(
    known: &[PolicyDocument],
    after: &'a PolicyDocument,
    list: &[Revocation],
    id: &str,
) -> Vec<&'a Rule> {
    let Some(revoked) = known.iter().find_map(|policy| policy.rule.iter().find(|rule| rule.id == id)) else {
        return Vec::new();
    };
    let is_denied = |rule: &Rule| {
        let by_list = list.iter().any(|line| match &line.revoked {
            Revoked::Rule(id) => *id == rule.id,
            Revoked::Identity(denied) => covers::denial(denied, &rule.identity),
            _ => false,
        });
        by_list || after.deny.iter().any(|deny| covers::denial(&deny.identity, &rule.identity))
    };
    let is_meant =
        |rule: &&Rule| rule.id != id && may_be_same(&rule.identity, &revoked.identity) && !is_denied(rule);
    after.rule.iter().filter(is_meant).collect()
}

/// Exceptions for the very entry of a revoked one.
fn exceptions<'a>(known: &[PolicyDocument], after: &'a PolicyDocument, id: &str) -> Vec<&'a String> {
    let Some(revoked) = known.iter().find_map(|policy| policy.exception.iter().find(|e| e.id == id)) else {
        return Vec::new();
    };
    let same = after.exception.iter().filter(|e| e.id != id && e.fingerprint == revoked.fingerprint);
    same.map(|exception| &exception.id).collect()
}

/// Whether two rules may admit one and the same: they are about one package, image, host or file, whatever the versions.
/// Only of two single versions it is certain that they are not.
fn may_be_same(one: &IdentityMatcher, other: &IdentityMatcher) -> bool {
    use IdentityMatcher as M;
    // a rule has them in canonical form, without a user
    let host = |text: &str| {
        let behind = text.split_once("://").map_or(text, |(_, behind)| behind);
        behind.split(['/', '?', '#', ':']).next().unwrap_or_default().to_ascii_lowercase()
    };
    let packages = |one: (&str, &str), other: (&str, &str)| {
        let is_single = |versions: &str| {
            versions.starts_with(|c: char| c.is_ascii_digit() || c == 'v')
                && versions.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'))
                && versions.split('.').count() >= 3
                && !versions.contains(['x', 'X'])
        };
        // PyPI takes `Good_Py` for `good-py`; elsewhere such a pair is only asked about once too often
        let plain = |name: &str| name.to_ascii_lowercase().replace(['_', '.'], "-");
        plain(one.0) == plain(other.0) && (one.1 == other.1 || !is_single(one.1) || !is_single(other.1))
    };
    match (one, other) {
        (M::Any {}, _) | (_, M::Any {}) => true,
        (M::Npm(a), M::Npm(b))
        | (M::Pypi(a), M::Pypi(b))
        | (M::Dotnet(a), M::Dotnet(b))
        | (M::Go(a), M::Go(b))
        | (M::Deno(a), M::Deno(b)) => packages((&a.package, &a.versions), (&b.package, &b.versions)),
        (M::Bridge(a), M::Bridge(b)) => a.package == b.package,
        (M::Oci(a), M::Oci(b)) => a.image == b.image,
        (M::Git(a), M::Git(b)) => a.repository == b.repository,
        (M::Url(a), M::Url(b)) => host(&a.url) == host(&b.url),
        (M::Executable(a), M::Executable(b)) => {
            a.path == b.path || a.sha256.iter().any(|d| b.sha256.contains(d))
        }
        (M::Script(a), M::Script(b)) => a.path == b.path || a.sha256.iter().any(|d| b.sha256.contains(d)),
        _ => covers::identity(one, other) || covers::identity(other, one),
    }
}

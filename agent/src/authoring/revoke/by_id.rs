//! Lines of the emergency list that name a rule by its id: they deny what that very rule admits, and no more. A rule of
//! another id that admits the same is not denied, so an ordinary change must not bring one unseen.

use mcpolicy_schema::document::{self, IdentityMatcher, PolicyDocument, Rule};
use mcpolicy_schema::policy::is_about_same;
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
        let other = |by: &String| Other { line: line.id.clone(), revoked: id.clone(), by: by.clone() };
        out.extend(rules.chain(exceptions).map(other));
        // what nothing names any more is not denied by the line, and allowed then
        let allows = |policy: &PolicyDocument| policy.policy.default == document::Default::Allow;
        let is_gone = !after.rule.iter().any(|rule| rule.id == *id);
        if is_gone && allows(after) && !last.is_some_and(allows) {
            out.push(other(&"default = \"allow\"".to_owned()));
        }
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

/// What a command line would have to name to run or contact what a rule is about.
fn named_by(matcher: &IdentityMatcher) -> Option<String> {
    use IdentityMatcher as M;
    Some(match matcher {
        M::Npm(m) => m.package.clone(),
        M::Pypi(m) => m.package.clone(),
        M::Dotnet(m) => m.package.clone(),
        M::Go(m) => m.package.clone(),
        M::Deno(m) => m.package.clone(),
        M::Bridge(m) => m.package.clone(),
        M::Oci(m) => m.image.rsplit('/').next()?.to_owned(),
        M::Git(m) => m.repository.rsplit('/').next()?.trim_end_matches(".git").to_owned(),
        M::Url(m) => m.url.split_once("://")?.1.split(['/', ':']).next()?.to_owned(),
        M::Executable(m) => m.path.clone(),
        M::Script(m) => m.path.clone(),
        M::Builtin(_) | M::Opaque(_) | M::Any {} => return None,
    })
}

/// Whether two rules may admit one and the same: they are about one package, image, host or file, whatever the versions.
/// Only of two single versions it is certain that they are not.
fn may_be_same(one: &IdentityMatcher, other: &IdentityMatcher) -> bool {
    use IdentityMatcher as M;
    // PyPI takes `Good_Py` for `good-py`; elsewhere such a pair is only asked about once too often
    let plain = |name: &str| name.to_ascii_lowercase().replace(['_', '.'], "-");
    // a rule has them in canonical form, without a user
    let host = |text: &str| {
        let behind = text.split_once("://").map_or(text, |(_, behind)| behind);
        behind.split(['/', '?', '#', ':']).next().unwrap_or_default().to_ascii_lowercase()
    };
    let packages = |one: (&str, &str), other: (&str, &str)| {
        // `v1.0.0`, `1.0.0+build` and PyPI's `1.0.0.0` are `1.0.0` to some resolver
        let single = |versions: &str| {
            let plain = versions.split('+').next().unwrap_or_default().trim_start_matches('v');
            let is_single = plain.starts_with(|c: char| c.is_ascii_digit())
                && plain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
                && plain.split('.').count() >= 3
                && !plain.contains(['x', 'X']);
            is_single.then(|| plain.trim_end_matches(".0").to_owned())
        };
        let are_other = || single(one.1).zip(single(other.1)).is_some_and(|(one, other)| one != other);
        plain(one.0) == plain(other.0) && !are_other()
    };
    match (one, other) {
        (M::Any {}, _) | (_, M::Any {}) => true,
        (M::Npm(a), M::Npm(b))
        | (M::Pypi(a), M::Pypi(b))
        | (M::Dotnet(a), M::Dotnet(b))
        | (M::Go(a), M::Go(b))
        | (M::Deno(a), M::Deno(b)) => packages((&a.package, &a.versions), (&b.package, &b.versions)),
        (M::Bridge(a), M::Bridge(b)) => a.package == b.package,
        (M::Oci(_), M::Oci(_)) | (M::Git(_), M::Git(_)) => is_about_same(one, other),
        (M::Url(a), M::Url(b)) => host(&a.url) == host(&b.url),
        (M::Bridge(bridge), M::Url(url)) | (M::Url(url), M::Bridge(bridge)) => {
            bridge.targets.iter().any(|target| host(target) == host(&url.url))
        }
        // whatever a command line names it may run
        (M::Opaque(opaque), named) | (named, M::Opaque(opaque)) if !matches!(named, M::Opaque(_)) => {
            named_by(named)
                .is_some_and(|name| opaque.argv.iter().any(|word| plain(word).contains(&plain(&name))))
        }
        (M::Executable(a), M::Executable(b)) => {
            a.path == b.path || a.sha256.iter().any(|d| b.sha256.contains(d))
        }
        (M::Script(a), M::Script(b)) => a.path == b.path || a.sha256.iter().any(|d| b.sha256.contains(d)),
        _ => covers::identity(one, other) || covers::identity(other, one),
    }
}

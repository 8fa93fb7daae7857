//! Revocations and the denylist. A denial is read widely, as an allowance is read narrowly: no wrapper, argument,
//! variable or other spelling makes the denied thing another.

use super::case::Case;
use super::{files, reason};
use crate::document::IdentityMatcher;
use crate::finding::FindingCode;
use crate::identity::{self, Kind};
use crate::policy::index::Index;
use crate::policy::rule::Meant;
use crate::policy::{key, versions};
use crate::remote::{self, Remote};
use crate::requirement::Admits;
use crate::revocations::{Revocation, Revocations};
use crate::verdict::{DecidedBy, Judgement};

/// Holds an entry against the emergency list.
pub(super) fn revoked(case: &Case<'_>, list: &Revocations) -> Option<Judgement> {
    let found = by_text(case, list).or_else(|| {
        let at = named(case, &list.index, |at| (matcher_of(list, at), &list.identities[at].1))?;
        list.document().revocation.get(list.identities[at].0)
    })?;
    let why = reason(FindingCode::Revoked, found.reason.clone());
    let mut judgement = case.denied(DecidedBy::Revocation, Some(why), None);
    judgement.rule = Some(found.id.clone());
    Some(judgement)
}

fn matcher_of(list: &Revocations, at: usize) -> &IdentityMatcher {
    static ANY: IdentityMatcher = IdentityMatcher::Any {};
    match &list.document().revocation[list.identities[at].0].revoked {
        crate::revocations::Revoked::Identity(matcher) => matcher,
        _ => &ANY,
    }
}

fn by_text<'l>(case: &Case<'_>, list: &'l Revocations) -> Option<&'l Revocation> {
    let device = &case.context.device;
    let facts = case.context.facts;
    let files = [&facts.program, &facts.script, &facts.listener];
    let digests = files.into_iter().flatten().filter_map(|file| file.sha256.as_deref());
    let image = case.identity().version.as_deref().and_then(|v| v.strip_prefix("sha256:"));
    let some = |text: &str| !text.is_empty();
    None.or_else(|| list.find("fingerprint", case.subject.fingerprint))
        .or_else(|| some(device.id).then(|| list.find("device", device.id)).flatten())
        .or_else(|| some(device.user).then(|| list.find("user", device.user)).flatten())
        .or_else(|| device.groups.iter().find_map(|group| list.find("group", group)))
        .or_else(|| digests.chain(image).find_map(|digest| list.find("sha256", digest)))
}

/// Holds an entry against the denylist.
pub(super) fn denied(case: &Case<'_>) -> Option<Judgement> {
    let list = &case.policy.document().deny;
    let at = named(case, &case.policy.deny_index, |at| (&list[at].identity, &case.policy.denied[at]))?;
    let deny = &list[at];
    let mut judgement =
        case.denied(DecidedBy::Denylist, Some(reason(FindingCode::Denylisted, deny.reason.clone())), None);
    judgement.rule = Some(deny.id.clone());
    judgement.alternatives.clone_from(&deny.alternatives);
    if let Some(contact) = &deny.contact {
        judgement.contact.clone_from(contact);
    }
    Some(judgement)
}

/// The first denial that names what the entry runs, loads or contacts.
fn named<'p>(
    case: &Case<'_>,
    index: &Index,
    denial: impl Fn(usize) -> (&'p IdentityMatcher, &'p Meant),
) -> Option<usize> {
    if index.is_empty() {
        return None;
    }
    let mut found = index.any().to_vec();
    for (key, version) in mentions(case) {
        for at in index.at(&key) {
            let (matcher, meant) = denial(*at);
            if means(case, matcher, meant, version.as_deref()) {
                found.push(*at);
            }
        }
    }
    found.into_iter().min()
}

/// Whether a denial whose key is met means this very version, path or URL.
fn means(case: &Case<'_>, matcher: &IdentityMatcher, meant: &Meant, version: Option<&str>) -> bool {
    if let Some(versions) = versions(meant) {
        return versions.admits(version) != Admits::None;
    }
    match (matcher, meant) {
        (IdentityMatcher::Oci(image), _) if !image.digests.is_empty() => {
            // A tag may be any of the denied digests.
            version.is_none_or(|v| !v.starts_with("sha256:") || image.digests.iter().any(|d| d == v))
        }
        (IdentityMatcher::Git(git), _) if !git.commits.is_empty() => version.is_none_or(|v| {
            !crate::identity::spec::is_commit(v) || git.commits.iter().any(|c| c == v || c == "*")
        }),
        (IdentityMatcher::Executable(m), _) => {
            is_file(case, version, case.context.facts.program.as_ref(), &m.path, &m.sha256)
        }
        (IdentityMatcher::Script(m), _) => {
            is_file(case, version, case.context.facts.script.as_ref(), &m.path, &m.sha256)
        }
        // The key of a rule with sub-paths is only the origin.
        (_, Meant::Url(target)) if !target.subpaths.is_empty() => {
            case.remote.as_ref().is_none_or(|remote| target.names(remote))
        }
        _ => true,
    }
}

/// Whether a file may be the denied one: by its path as written or found, unless its digest says otherwise.
fn is_file(
    case: &Case<'_>,
    word: Option<&str>,
    facts: Option<&super::FileFacts>,
    path: &str,
    sha256: &[String],
) -> bool {
    if let Some(digest) = facts.and_then(|f| f.sha256.as_ref()).filter(|_| !sha256.is_empty()) {
        return sha256.contains(digest);
    }
    let written = word.unwrap_or(&case.identity().name);
    let found = facts.map(|f| [f.path.as_str(), f.real_path.as_str()]).into_iter().flatten();
    let is_bare = !written.starts_with(['/', '\\']) && facts.is_none();
    is_bare || files::is_at(case, written, path) || found.into_iter().any(|p| files::is_at(case, p, path))
}

/// Keys of everything that the entry names, each with the version asked for: its identity, what is loaded beside it,
/// what a bridge leads to, and every word of a command that could not be understood.
fn mentions(case: &Case<'_>) -> Vec<(String, Option<String>)> {
    let identity = case.identity();
    let mut found: Vec<(String, Option<String>)> =
        case.keys.iter().map(|key| (key.clone(), identity.version.clone())).collect();
    // A bridge is its package as well.
    if let (Kind::Bridge, Some(ecosystem)) = (identity.kind, identity.ecosystem) {
        let name = key::package(ecosystem, &identity.name);
        let key = name.map(|name| format!("{}:{name}", key::ecosystem(ecosystem)));
        found.extend(key.map(|key| (key, identity.version.clone())));
    }
    let entry = case.subject.entry;
    let texts = entry.command.iter().chain(&entry.args).chain(&entry.url);
    for text in texts {
        word_keys(text.expose(), &mut found);
    }
    for package in &identity.extra_packages {
        word_keys(package, &mut found);
    }
    found
}

/// The keys that the words of a text may stand for, in any ecosystem.
fn word_keys(text: &str, found: &mut Vec<(String, Option<String>)>) {
    let is_break = |c: char| {
        c.is_whitespace() || matches!(c, ';' | '&' | '|' | '"' | '\'' | '(' | ')' | '`' | '<' | '>' | ',')
    };
    for word in text.split(is_break).flat_map(readings).filter(|w| w.len() > 1) {
        if let Some(canonical) = remote::canonical(word).filter(|_| word.contains("://")) {
            if let Ok(remote) = Remote::read(&canonical) {
                url_keys(&remote, found);
            }
            found.extend(identity::git_key(word).map(|key| (format!("git:{key}"), None)));
            continue;
        }
        for spec in [identity::spec::npm(word), identity::spec::pypi(word), identity::image::image(word)] {
            let mut keys = Vec::new();
            key::of_identity(&spec, None, &mut keys);
            found.extend(keys.into_iter().map(|key| (key, spec.version.clone())));
        }
        if word.contains('/') {
            found.push((key::of_path(word), Some(word.to_owned())));
        }
    }
}

/// A word and what stands behind the first and the last `=` in it, of which only the reader knows which one parts them:
/// `--package=NAME`, `--with=NAME==1.0`, `--url=https://HOST/?a=b`, `NAME=value`. A flag itself names nothing.
fn readings(word: &str) -> impl Iterator<Item = &str> {
    let behind = [word.split_once('='), word.rsplit_once('=')].into_iter().flatten();
    let behind = behind.filter(|(before, _)| !before.contains('/')).map(|(_, value)| value);
    std::iter::once(word).chain(behind).filter(|w| !w.starts_with('-'))
}

/// A URL and every path above it: what is denied is denied with all below.
fn url_keys(remote: &Remote, found: &mut Vec<(String, Option<String>)>) {
    found.push((format!("origin:{}", remote.origin), None));
    let below = remote.path.match_indices('/').map(|(at, _)| &remote.path[..at]);
    let paths = below.chain([remote.path.as_str()]);
    found.extend(paths.map(|path| (format!("url:{}{path}", remote.origin), None)));
}

//! Whether one rule admits all that another admits. Says so only where it is certain: a rule that is wrongly called
//! shadowed would be deleted, and its server denied.

use std::collections::BTreeMap;

use mcpolicy_schema::document::{
    Args, BridgeMatcher, Ecosystem, ExecutableMatcher, IdentityMatcher, ImageMatcher, PackageMatcher, Rule,
    UrlMatcher,
};
use mcpolicy_schema::requirement::{Admits, Requirement};

/// Whether `wide` admits everything that `narrow` admits.
pub(super) fn rule(wide: &Rule, narrow: &Rule) -> bool {
    identity(&wide.identity, &narrow.identity) && conditions(wide, narrow) && restrictions(wide, narrow)
}

/// What an entry may have: the wide rule must allow at least as much.
fn conditions(wide: &Rule, narrow: &Rule) -> bool {
    let usual =
        |wide: &[String], narrow: &[String]| wide.is_empty() || (!narrow.is_empty() && has_all(wide, narrow));
    usual(&wide.runners, &narrow.runners)
        && wide.bins == narrow.bins
        && has_all(&wide.runner_args, &narrow.runner_args)
        && has_all(&wide.with, &narrow.with)
        && has_all(&wide.wrappers, &narrow.wrappers)
        && has_all(&wide.references, &narrow.references)
        && has_all(&wide.members, &narrow.members)
        && has_all(&wide.cwd, &narrow.cwd)
        && args(&wide.args, &narrow.args)
        && patterns(&wide.env, &narrow.env)
        && patterns(&wide.headers, &narrow.headers)
}

/// Where the rule holds: the wide rule must hold at least there.
fn restrictions(wide: &Rule, narrow: &Rule) -> bool {
    fn only<T: PartialEq>(wide: &[T], narrow: &[T]) -> bool {
        wide.is_empty() || (!narrow.is_empty() && has_all(wide, narrow))
    }
    let anybody =
        |r: &Rule| r.users.is_empty() && r.groups.is_empty() && r.devices.is_empty() && r.rings.is_empty();
    // One of the four lists is enough, so the narrow one's must each be in the wide one's.
    let people = anybody(wide)
        || (!anybody(narrow)
            && has_all(&wide.users, &narrow.users)
            && has_all(&wide.groups, &narrow.groups)
            && has_all(&wide.devices, &narrow.devices)
            && has_all(&wide.rings, &narrow.rings));
    let lasts = wide.remediation.as_ref().is_none_or(|r| r.done) || wide.remediation == narrow.remediation;
    people
        && lasts
        && only(&wide.clients, &narrow.clients)
        && only(&wide.scopes, &narrow.scopes)
        && only(&wide.transports, &narrow.transports)
}

fn has_all<T: PartialEq>(wide: &[T], narrow: &[T]) -> bool {
    narrow.iter().all(|item| wide.contains(item))
}

fn args(wide: &Args, narrow: &Args) -> bool {
    let positional =
        wide.positional == narrow.positional || (wide.positional.len() == 1 && wide.positional[0] == "...");
    let may = |arg: &String| wide.optional.contains(arg) || wide.required.contains(arg);
    positional
        && has_all(&narrow.required, &wide.required)
        && narrow.required.iter().all(may)
        && has_all(&wide.optional, &narrow.optional)
}

fn patterns(wide: &BTreeMap<String, String>, narrow: &BTreeMap<String, String>) -> bool {
    let holds = |(name, value): (&String, &String)| wide.get(name).is_some_and(|w| w == "**" || w == value);
    narrow.iter().all(holds)
}

/// Whether every identity that `narrow` means is one that `wide` means.
pub(super) fn identity(wide: &IdentityMatcher, narrow: &IdentityMatcher) -> bool {
    use IdentityMatcher as M;
    match (wide, narrow) {
        (M::Any {}, _) => true,
        (M::Npm(w), M::Npm(n)) => package(Ecosystem::Npm, w, n),
        (M::Pypi(w), M::Pypi(n)) => package(Ecosystem::Pypi, w, n),
        (M::Dotnet(w), M::Dotnet(n)) => package(Ecosystem::Dotnet, w, n),
        (M::Go(w), M::Go(n)) => package(Ecosystem::Go, w, n),
        (M::Deno(w), M::Deno(n)) => package(Ecosystem::Deno, w, n),
        (M::Oci(w), M::Oci(n)) => image(w, n),
        (M::Git(w), M::Git(n)) => {
            w.repository == n.repository && (any(&w.commits) || has_all(&w.commits, &n.commits))
        }
        (M::Url(w), M::Url(n)) => url(w, n),
        (M::Bridge(w), M::Bridge(n)) => bridge(w, n),
        (M::Executable(w), M::Executable(n)) => executable(w, n),
        (M::Script(w), M::Script(n)) => {
            w.interpreter == n.interpreter && w.path == n.path && digests(&w.sha256, &n.sha256)
        }
        _ => wide == narrow,
    }
}

/// Whether a denial of `wide` denies everything that one of `narrow` denies. A list that is absent allows nothing in a
/// rule, but in a denial it leaves nothing out.
pub(super) fn denial(wide: &IdentityMatcher, narrow: &IdentityMatcher) -> bool {
    use IdentityMatcher as M;
    match (wide, narrow) {
        // Tags can be moved, so a denial does not ask for them.
        (M::Oci(w), M::Oci(n)) => w.image == n.image && limited(&w.digests, &n.digests),
        (M::Git(w), M::Git(n)) => {
            let all = |commits: &[String]| commits.is_empty() || any(commits);
            let listed = || !all(&n.commits) && has_all(&w.commits, &n.commits);
            w.repository == n.repository && (all(&w.commits) || listed())
        }
        // Whatever the query, and with all paths below. Sub-paths mean all below as well; to be sure they count.
        (M::Url(w), M::Url(n)) => w.url == n.url && limited(&w.subpaths, &n.subpaths),
        // Wherever it leads.
        (M::Bridge(w), M::Bridge(n)) => {
            w.ecosystem == n.ecosystem
                && w.package == n.package
                && versions(w.ecosystem, &w.versions, &n.versions)
        }
        _ => identity(wide, narrow),
    }
}

/// Lists that restrict a denial, where an empty one restricts nothing.
fn limited(wide: &[String], narrow: &[String]) -> bool {
    wide.is_empty() || (!narrow.is_empty() && has_all(wide, narrow))
}

fn any(list: &[String]) -> bool {
    list.iter().any(|item| item == "*")
}

/// An empty list of digests means whatever lies there.
fn digests(wide: &[String], narrow: &[String]) -> bool {
    wide.is_empty() || (!narrow.is_empty() && has_all(wide, narrow))
}

fn package(ecosystem: Ecosystem, wide: &PackageMatcher, narrow: &PackageMatcher) -> bool {
    wide.package == narrow.package && versions(ecosystem, &wide.versions, &narrow.versions)
}

/// Whether one requirement certainly means all versions of another.
pub(super) fn versions(ecosystem: Ecosystem, wide: &str, narrow: &str) -> bool {
    if wide == "*" || wide == narrow {
        return true;
    }
    let (Ok(wide), Ok(narrow)) = (Requirement::parse(ecosystem, wide), Requirement::parse(ecosystem, narrow))
    else {
        return false;
    };
    narrow.exact().is_some_and(|version| wide.admits(Some(version)) == Admits::All)
}

fn image(wide: &ImageMatcher, narrow: &ImageMatcher) -> bool {
    let tags = any(&wide.tags) || has_all(&wide.tags, &narrow.tags);
    let all = any(&wide.tags) && wide.digests.is_empty();
    wide.image == narrow.image && tags && (all || has_all(&wide.digests, &narrow.digests))
}

fn url(wide: &UrlMatcher, narrow: &UrlMatcher) -> bool {
    let listener = match (&wide.listener, &narrow.listener) {
        (None, None) => true,
        (Some(wide), Some(narrow)) => executable(wide, narrow),
        // A loopback URL without a listener matches nothing.
        (None, Some(_)) | (Some(_), None) => false,
    };
    wide.url == narrow.url
        && listener
        && has_all(&wide.subpaths, &narrow.subpaths)
        && patterns(&wide.query, &narrow.query)
        && has_all(&narrow.required, &wide.required)
}

fn bridge(wide: &BridgeMatcher, narrow: &BridgeMatcher) -> bool {
    wide.ecosystem == narrow.ecosystem
        && wide.package == narrow.package
        && versions(wide.ecosystem, &wide.versions, &narrow.versions)
        && has_all(&wide.targets, &narrow.targets)
        && (wide.approved_targets || !narrow.approved_targets)
}

fn executable(wide: &ExecutableMatcher, narrow: &ExecutableMatcher) -> bool {
    wide.path == narrow.path && digests(&wide.sha256, &narrow.sha256)
}

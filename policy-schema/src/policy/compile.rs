//! Reading a document into its compiled form, with everything that is wrong in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::index::{Index, plain_name};
use super::key::{Key, Sort};
use super::known::Known;
use super::rule::{Compiled, Compiler, Meant};
use super::{Fault, Policy, key, runner, versions};
use crate::document::{ExecutableMatcher, IdentityMatcher, ImageMatcher, Mode, PolicyDocument, Rule, SCHEMA};
use crate::requirement::Admits;

/// Longest pattern, path or name in a policy, in bytes.
const MAX_TEXT: usize = 4096;

struct Faults(Vec<Fault>);

impl Faults {
    /// Notes a fault. A place is put into words only here: nearly all of them are never told.
    fn add(&mut self, place: impl Display, message: impl Into<String>) {
        self.0.push(Fault::at(place.to_string(), message));
    }

    /// Notes a fault in the name of a member.
    fn add_name(&mut self, table: impl Display, name: &str, message: impl Into<String>) {
        let name = name.replace('~', "~0").replace('/', "~1");
        self.0.push(Fault { of_name: true, ..Fault::at(format!("{table}/{name}"), message) });
    }
}

pub(super) fn compile(document: PolicyDocument) -> Result<Policy, Vec<Fault>> {
    let mut faults = Faults(Vec::new());
    settings(&document, &mut faults);
    ids(&document, &mut faults);
    let mut compiler = Compiler::new(&document.policy);
    let rules: Vec<Compiled> = document
        .rule
        .iter()
        .enumerate()
        .filter_map(|(at, r)| rule(&mut compiler, at, r, &mut faults))
        .collect();
    let denied: Vec<Meant> = document
        .deny
        .iter()
        .enumerate()
        .filter_map(|(at, deny)| {
            let place = format_args!("/deny/{at}");
            identity(place, &deny.identity, true, &mut faults);
            meant(place, &deny.identity, &mut compiler, &mut faults)
        })
        .collect();
    lists(&document, &mut faults);
    if !faults.0.is_empty() {
        return Err(faults.0);
    }
    let mut by_fingerprint: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, exception) in document.exception.iter().enumerate() {
        by_fingerprint.entry(exception.fingerprint.clone()).or_default().push(at);
    }
    Ok(Policy {
        allow_index: Index::new(
            rules.iter().zip(&document.rule).map(|(c, r)| key::of_compiled(&r.identity, &c.meant)),
        ),
        deny_index: Index::new(
            denied.iter().zip(&document.deny).map(|(m, d)| key::of_compiled(&d.identity, m)),
        ),
        roots: runner::Roots::new(&document.policy.runner_roots),
        pinned: pinned(&document),
        rules,
        denied,
        by_name: Index::of(usual_names(&document).into_iter()),
        by_fingerprint,
        document,
    })
}

/// The usual names of entries with their rules.
fn usual_names(document: &PolicyDocument) -> Vec<(Key<'static>, usize)> {
    let mut keys = Vec::with_capacity(document.rule.len());
    for (at, rule) in document.rule.iter().enumerate() {
        let first = keys.len();
        for name in &rule.names {
            let key = (Key::new(Sort::Name, plain_name(name)), at);
            if !keys[first..].contains(&key) {
                keys.push(key);
            }
        }
    }
    keys
}

/// File names of programs and scripts that some rule names by digest.
fn pinned(document: &PolicyDocument) -> BTreeSet<String> {
    let base = |path: &str| path.rsplit(['/', '\\']).next().unwrap_or(path).to_ascii_lowercase();
    let all = document.rule.iter().map(|r| &r.identity).chain(document.deny.iter().map(|d| &d.identity));
    all.filter_map(|matcher| match matcher {
        IdentityMatcher::Executable(m) => (!m.sha256.is_empty()).then(|| base(&m.path)),
        IdentityMatcher::Script(m) => (!m.sha256.is_empty()).then(|| base(&m.path)),
        IdentityMatcher::Url(m) => m.listener.as_ref().map(|l| base(&l.path)),
        _ => None,
    })
    .collect()
}

fn settings(document: &PolicyDocument, faults: &mut Faults) {
    let policy = &document.policy;
    if document.schema != SCHEMA {
        faults.add("/schema", format!("write `{SCHEMA}`"));
    }
    for (place, text) in [("/policy/name", &policy.name), ("/policy/contact", &policy.contact)] {
        if text.trim().is_empty() {
            faults.add(place, "say something: it is what developers are shown");
        }
    }
    if policy.mode == Mode::Hold && policy.grace_until.is_none() {
        faults.add("/policy/mode", "hold mode needs `grace_until`, the last day of the grace");
    }
    if policy.max_new_removals.percent > 100 {
        faults.add("/policy/max_new_removals/percent", "a share lies between 0 and 100");
    }
    let staleness = &policy.staleness;
    if u64::from(staleness.stale_after_hours) > u64::from(staleness.expired_after_days) * 24 {
        faults.add("/policy/staleness", "a policy cannot expire before it is stale");
    }
    for system in policy.search_path.keys() {
        if !matches!(system.as_str(), "linux" | "macos" | "windows") {
            faults.add_name("/policy/search_path", system, "systems are linux, macos and windows");
        }
    }
    for (at, root) in policy.runner_roots.iter().enumerate() {
        if !is_absolute(root) {
            faults.add(format_args!("/policy/runner_roots/{at}"), ABSOLUTE);
        }
    }
    for (system, folders) in &policy.search_path {
        for (at, _) in folders.iter().enumerate().filter(|(_, folder)| !is_absolute(folder)) {
            faults.add(format_args!("/policy/search_path/{system}/{at}"), ABSOLUTE);
        }
    }
    names("/policy/env", policy.env.keys(), faults);
}

fn ids(document: &PolicyDocument, faults: &mut Faults) {
    let rules = document.rule.iter().map(|r| r.id.as_str()).enumerate().map(|(at, id)| ("rule", at, id));
    let denies = document.deny.iter().map(|d| d.id.as_str()).enumerate().map(|(at, id)| ("deny", at, id));
    let exceptions = document.exception.iter().map(|e| e.id.as_str()).enumerate();
    let exceptions = exceptions.map(|(at, id)| ("exception", at, id));
    let mut seen = Known::default();
    for (list, at, id) in rules.chain(denies).chain(exceptions) {
        let well_made = !id.is_empty()
            && id.len() <= 100
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !well_made {
            faults.add(
                format_args!("/{list}/{at}/id"),
                "an id has letters, digits, `-`, `_` and `.` only, at most 100",
            );
        }
        if seen.insert(id, ()).is_some() {
            faults.add(
                format_args!("/{list}/{at}/id"),
                format!("the id `{id}` is taken; ids are unique among rules, denials and exceptions"),
            );
        }
    }
    alternatives(document, faults);
}

fn alternatives(document: &PolicyDocument, faults: &mut Faults) {
    let rules =
        document.rule.iter().map(|r| &r.alternatives).enumerate().map(|(at, list)| ("rule", at, list));
    let denies =
        document.deny.iter().map(|d| &d.alternatives).enumerate().map(|(at, list)| ("deny", at, list));
    let mut offers = rules.chain(denies).filter(|(_, _, list)| !list.is_empty()).peekable();
    if offers.peek().is_none() {
        return;
    }
    let known: BTreeSet<&String> = document.rule.iter().map(|r| &r.id).collect();
    for (list, rule, ids) in offers {
        for (at, id) in ids.iter().enumerate().filter(|(_, id)| !known.contains(id)) {
            faults.add(
                format_args!("/{list}/{rule}/alternatives/{at}"),
                format!("there is no rule `{id}` to offer"),
            );
        }
    }
}

fn rule<'d>(compiler: &mut Compiler<'d>, at: usize, rule: &'d Rule, faults: &mut Faults) -> Option<Compiled> {
    let place = format_args!("/rule/{at}");
    identity(place, &rule.identity, false, faults);
    names(format_args!("{place}/env"), rule.env.keys(), faults);
    names(format_args!("{place}/headers"), rule.headers.keys(), faults);
    let texts = rule.args.positional.iter().chain(&rule.args.optional).chain(&rule.args.required);
    if texts.chain(&rule.runner_args).any(|t| t.len() > MAX_TEXT || t.is_empty()) {
        faults.add(format_args!("{place}/args"), format!("an argument has 1 to {MAX_TEXT} bytes"));
    }
    if rule.args.positional.iter().rev().skip(1).any(|p| p == super::words::REST) {
        faults.add(format_args!("{place}/args/positional"), "`...` can only stand last");
    }
    match compiler.rule(rule) {
        Ok(compiled) => {
            pin(place, rule, &compiled, faults);
            Some(compiled)
        }
        Err((member, message)) => {
            faults.add(format_args!("{place}/identity/{}/{member}", rule.identity.kind()), message);
            None
        }
    }
}

fn pin(place: impl Display, rule: &Rule, compiled: &Compiled, faults: &mut Faults) {
    let Some(pin) = &rule.pin else { return };
    let fits = match (&rule.identity, versions(&compiled.meant)) {
        (IdentityMatcher::Oci(image), _) => image.digests.contains(pin),
        (IdentityMatcher::Git(git), _) => git.commits.contains(pin),
        (_, Some(versions)) => versions.admits(Some(pin)) == Admits::All,
        _ => false,
    };
    if !fits {
        faults.add(
            format_args!("{place}/pin"),
            "the rule does not allow this very version, so nothing could be pinned to it",
        );
    }
}

fn meant<'d>(
    place: impl Display,
    matcher: &'d IdentityMatcher,
    compiler: &mut Compiler<'d>,
    faults: &mut Faults,
) -> Option<Meant> {
    match compiler.meant(matcher) {
        Ok(meant) => Some(meant),
        Err((member, message)) => {
            faults.add(format_args!("{place}/identity/{}/{member}", matcher.kind()), message);
            None
        }
    }
}

/// What is wrong with the identity of a rule apart from versions and URLs. A denial may be wide, an allowance not.
fn identity(place: impl Display, matcher: &IdentityMatcher, denies: bool, faults: &mut Faults) {
    let place = format_args!("{place}/identity/{}", matcher.kind());
    match matcher {
        IdentityMatcher::Npm(m)
        | IdentityMatcher::Pypi(m)
        | IdentityMatcher::Dotnet(m)
        | IdentityMatcher::Go(m)
        | IdentityMatcher::Deno(m) => {
            if key::of_matcher(matcher).is_none() || m.package.len() > MAX_TEXT {
                faults.add(
                    format_args!("{place}/package"),
                    "write the package's name as its registry has it, without `npm:` or `jsr:` and without a version",
                );
            }
        }
        IdentityMatcher::Oci(m) => image(place, m, denies, faults),
        IdentityMatcher::Git(m) => {
            if key::of_matcher(matcher).is_none() {
                faults.add(format_args!("{place}/repository"), "write `https://host/owner/repository`");
            }
            for (at, commit) in m.commits.iter().enumerate() {
                if commit != "*" && !crate::identity::spec::is_commit(commit) {
                    faults.add(format_args!("{place}/commits/{at}"), "write the full commit hash, or `*`");
                }
            }
            if m.commits.is_empty() && !denies {
                faults.add(
                    format_args!("{place}/commits"),
                    "name the commits that were reviewed, or `*` for any",
                );
            }
        }
        IdentityMatcher::Bridge(m) => {
            if m.package.is_empty() {
                faults.add(
                    format_args!("{place}/package"),
                    "write the package's name, or the path of the program",
                );
            }
            if m.targets.is_empty() && !m.approved_targets && !denies {
                faults.add(
                    place,
                    "a bridge needs `targets` or `approved_targets = true`: it is what it leads to",
                );
            }
        }
        IdentityMatcher::Executable(m) => executable(place, m, faults),
        IdentityMatcher::Script(m) => {
            if !is_absolute(&m.path) && !m.path.starts_with("-m ") {
                faults.add(
                    format_args!("{place}/path"),
                    "write an absolute path of this machine, one below `~`, or `-m module`",
                );
            }
            digests(format_args!("{place}/sha256"), &m.sha256, faults);
            if m.path.starts_with("-m ") && !m.sha256.is_empty() {
                faults.add(
                    format_args!("{place}/sha256"),
                    "the interpreter finds a module by itself, so no digest can be held against it; leave `sha256` out, \
                     or name the path of the script",
                );
            }
        }
        IdentityMatcher::Url(m) => {
            if let Some(listener) = &m.listener {
                executable(format_args!("{place}/listener"), listener, faults);
            }
        }
        IdentityMatcher::Opaque(m) => {
            if m.argv.is_empty() {
                faults.add(format_args!("{place}/argv"), "write the command, word by word");
            }
        }
        IdentityMatcher::Builtin(_) | IdentityMatcher::Any {} => {}
    }
}

fn image(place: impl Display, image: &ImageMatcher, denies: bool, faults: &mut Faults) {
    if crate::identity::image_key(&image.image).is_none() {
        faults.add(format_args!("{place}/image"), "write registry and repository, without tag or digest");
    }
    for (at, digest) in image.digests.iter().enumerate() {
        if !digest.strip_prefix("sha256:").is_some_and(is_sha256) {
            faults.add(
                format_args!("{place}/digests/{at}"),
                "a digest is `sha256:` and 64 hex digits, in lower case",
            );
        }
    }
    if image.digests.is_empty() && image.tags.is_empty() && !denies {
        faults.add(place, "name `digests` that were reviewed (or `tags`, which their owner can move)");
    }
}

fn executable(place: impl Display, executable: &ExecutableMatcher, faults: &mut Faults) {
    if !is_absolute(&executable.path) {
        faults.add(format_args!("{place}/path"), ABSOLUTE);
    }
    digests(format_args!("{place}/sha256"), &executable.sha256, faults);
}

fn digests(place: impl Display, digests: &[String], faults: &mut Faults) {
    for (at, _) in digests.iter().enumerate().filter(|(_, d)| !is_sha256(d)) {
        faults.add(format_args!("{place}/{at}"), "a SHA-256 has 64 hex digits, in lower case");
    }
}

/// 64 hex digits in lower case: one spelling only, since they are compared as text.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

const ABSOLUTE: &str = "write an absolute path of this machine, or one below `~` (`{home}` is for arguments)";

/// A path of this machine. One of another (`\\server\share`, `//server/share`) or of a device (`\\.\pipe`) would make every
/// agent log on there as the system: whoever writes policies must not be able to ask for that (CVE-2024-1243).
fn is_absolute(path: &str) -> bool {
    let drive = path.as_bytes().get(1..3).is_some_and(|b| matches!(b, b":\\" | b":/"));
    let elsewhere = path.starts_with("//") || path.starts_with("/\\") || path.starts_with('\\');
    let absolute = (path.starts_with('/') && !elsewhere) || path.starts_with("~/") || drive;
    absolute && !crate::pattern::has_parent_component(path) && path.len() <= MAX_TEXT
}

fn names<'a>(place: impl Display, names: impl Iterator<Item = &'a String>, faults: &mut Faults) {
    for name in names {
        if name.is_empty() || name.bytes().any(|b| matches!(b, b'=' | b'\0' | b' ' | b':' | b'*' | b'?')) {
            faults.add_name(&place, name, "a name stands for itself; wildcards are for values");
        }
    }
}

fn lists(document: &PolicyDocument, faults: &mut Faults) {
    for (at, exception) in document.exception.iter().enumerate() {
        if !exception.fingerprint.strip_prefix("sha256:").is_some_and(is_sha256) {
            faults.add(
                format_args!("/exception/{at}/fingerprint"),
                "write the fingerprint that reports show, `sha256:` and 64 hex digits",
            );
        }
        for (member, text) in [("owner", &exception.owner), ("ticket", &exception.ticket)] {
            if text.trim().is_empty() {
                faults
                    .add(format_args!("/exception/{at}/{member}"), "an exception has an owner and a ticket");
            }
        }
    }
    let mut names = BTreeSet::new();
    let mut share = 0u32;
    for (at, ring) in document.ring.iter().enumerate() {
        share += u32::from(ring.percent);
        if ring.name.is_empty() || !names.insert(&ring.name) {
            faults.add(format_args!("/ring/{at}/name"), "each ring has a name of its own");
        }
        if share > 100 {
            faults.add(format_args!("/ring/{at}/percent"), "the shares of all rings add up to more than 100");
        }
        if ring.mode == Some(Mode::Hold) && document.policy.grace_until.is_none() {
            faults.add(format_args!("/ring/{at}/mode"), "hold mode needs the policy's `grace_until`");
        }
    }
    for (at, rule) in document.rule.iter().enumerate() {
        for (n, ring) in rule.rings.iter().enumerate().filter(|(_, ring)| !names.contains(ring)) {
            faults.add(format_args!("/rule/{at}/rings/{n}"), format!("there is no ring `{ring}`"));
        }
    }
}

//! Rules that admit more than they seem to.

use std::collections::BTreeMap;

use mcpolicy_schema::document::{Ecosystem, IdentityMatcher, PolicyDocument, Rule};
use mcpolicy_schema::evaluate::finds_in_directory;
use mcpolicy_schema::identity::path_of;
use mcpolicy_schema::requirement::Requirement;
use mcpolicy_schema::{risk, secret};

use crate::authoring::problem::{Problem, Weight};

pub(super) fn check(document: &PolicyDocument, problems: &mut Vec<Problem>) {
    powerful(&document.policy.env, "/policy/env", problems);
    overlapping_names(&document.policy.env, "/policy/env", problems);
    for (at, rule) in document.rule.iter().enumerate() {
        floating(rule, at, problems);
        in_project(rule, at, problems);
        beside(rule, at, problems);
        in_clear(rule, at, problems);
        let place = format!("/rule/{at}/env");
        powerful(&rule.env, &place, problems);
        overlapping_names(&rule.env, &place, problems);
        for (name, value) in &rule.env {
            let common = document.policy.env.iter().find(|(other, _)| holds_for(other, name));
            if let Some((other, pattern)) = common
                && pattern != value
            {
                let message = format!(
                    "{name} = \"{value}\" stands beside {other} = \"{pattern}\" of the policy: the wider one counts"
                );
                problems.push(
                    Problem::new(Weight::Error, "env-overlap", pointer(&place, name), message)
                        .help("keep one of the two"),
                );
            }
        }
    }
}

/// A module by name: Python looks for it in the working directory first.
fn in_project(rule: &Rule, at: usize, problems: &mut Vec<Problem>) {
    let IdentityMatcher::Script(script) = &rule.identity else { return };
    let words = rule.runner_args.iter().map(String::as_str);
    if finds_in_directory(&script.interpreter, &script.path, words) {
        let message = format!(
            "the rule {}: `{} {}` takes a module of that name from the working directory first, which may be a project",
            rule.id, script.interpreter, script.path
        );
        problems.push(
            Problem::new(
                Weight::Warning,
                "working-directory",
                format!("/rule/{at}/identity/script/path"),
                message,
            )
            .help("name the script by path and digest, or demand `-I` or `-P` with runner_args"),
        );
    }
}

/// Something loaded beside the server that is a directory: of whatever project it is started in, if the path is relative.
fn beside(rule: &Rule, at: usize, problems: &mut Vec<Problem>) {
    let python = match &rule.identity {
        IdentityMatcher::Npm(_) => false,
        IdentityMatcher::Bridge(bridge) => bridge.ecosystem == Ecosystem::Pypi,
        _ => true,
    };
    for (number, with) in rule.with.iter().enumerate() {
        let Some(path) = path_of(python, with) else { continue };
        let message = format!(
            "the rule {}: `{with}` is no version of a registry but the path {path}, and whoever can write there decides what is loaded",
            rule.id
        );
        problems.push(
            Problem::new(Weight::Warning, "working-directory", format!("/rule/{at}/with/{number}"), message)
                .help("name a version: `name==1.0.0` for Python, `name@1.0.0` for npm"),
        );
    }
}

/// A credential that goes over the network as clear text.
fn in_clear(rule: &Rule, at: usize, problems: &mut Vec<Problem>) {
    let IdentityMatcher::Url(matcher) = &rule.identity else { return };
    let carried = rule.headers.keys().find(|name| secret::is_secret_name(name));
    if let Some(header) = carried
        && risk::is_clear_text(&matcher.url)
    {
        let message = format!(
            "the rule {}: {header} is sent to {} without encryption, for everybody on the way to read",
            rule.id, matcher.url
        );
        problems.push(
            Problem::new(Weight::Warning, "clear-text", format!("/rule/{at}/identity/url/url"), message)
                .help("write the https:// address, or take the header away"),
        );
    }
}

fn powerful(env: &BTreeMap<String, String>, place: &str, problems: &mut Vec<Problem>) {
    let open =
        env.iter().filter(|(name, value)| risk::is_powerful(name) && matches!(value.as_str(), "*" | "**"));
    for (name, _) in open {
        let message =
            format!("{name} decides what runs or where traffic goes, and any value of it is admitted");
        problems.push(
            Problem::new(Weight::Error, "powerful-variable", pointer(place, name), message)
                .help("write the value that is meant"),
        );
    }
}

/// Two patterns of one table for one variable: Windows compares names without case, and `*` in a name takes others in.
fn overlapping_names(env: &BTreeMap<String, String>, place: &str, problems: &mut Vec<Problem>) {
    let names: Vec<&String> = env.keys().collect();
    for (at, name) in names.iter().enumerate() {
        let others = names[..at].iter().chain(&names[at + 1..]);
        let other = others.copied().find(|other| {
            (holds_for(other, name) && !holds_for(name, other)) || (same(other, name) && other < name)
        });
        if let Some(other) = other
            && env.get(*name) != env.get(other)
        {
            let message = format!("{name} and {other} hold for one variable, with different values");
            problems.push(
                Problem::new(Weight::Error, "env-overlap", pointer(place, name), message)
                    .help("keep one of the two: the wider one counts"),
            );
        }
    }
}

fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// Whether a name, perhaps with `*`, holds for another name.
fn holds_for(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => same(pattern, name),
        Some((before, after)) => {
            let (name, before, after) =
                (name.to_ascii_lowercase(), before.to_ascii_lowercase(), after.to_ascii_lowercase());
            name.len() >= before.len() + after.len() && name.starts_with(&before) && name.ends_with(&after)
        }
    }
}

fn floating(rule: &Rule, at: usize, problems: &mut Vec<Problem>) {
    let Some((member, what)) = unseen(rule) else { return };
    let text = format!("the rule {} admits {what}: versions that nobody has reviewed", rule.id);
    problems.push(
        Problem::new(Weight::Warning, "floating-version", format!("/rule/{at}/identity/{member}"), text)
            .help("name exact versions, commits or digests; on_version = \"pin\" rewrites entries to them"),
    );
}

/// What a rule admits that may come after its review, with the member that says so.
pub(crate) fn unseen(rule: &Rule) -> Option<(&'static str, String)> {
    let (member, what) = match &rule.identity {
        IdentityMatcher::Npm(p) => ("npm/versions", versions(Ecosystem::Npm, &p.versions)),
        IdentityMatcher::Pypi(p) => ("pypi/versions", versions(Ecosystem::Pypi, &p.versions)),
        IdentityMatcher::Dotnet(p) => ("dotnet/versions", versions(Ecosystem::Dotnet, &p.versions)),
        IdentityMatcher::Go(p) => ("go/versions", versions(Ecosystem::Go, &p.versions)),
        IdentityMatcher::Deno(p) => ("deno/versions", versions(Ecosystem::Deno, &p.versions)),
        IdentityMatcher::Bridge(b) => ("bridge/versions", versions(b.ecosystem, &b.versions)),
        IdentityMatcher::Oci(image) => {
            ("oci/tags", image.tags.first().map(|tag| format!("the tag {tag}, which can be moved")))
        }
        IdentityMatcher::Git(git) => {
            ("git/commits", git.commits.iter().any(|c| c == "*").then(|| "any commit".to_owned()))
        }
        _ => return None,
    };
    what.map(|what| (member, what))
}

/// What is admitted, where it is more than one version.
fn versions(ecosystem: Ecosystem, text: &str) -> Option<String> {
    if ecosystem == Ecosystem::Executable {
        return None;
    }
    if text.trim() == "*" {
        return Some("any version".to_owned());
    }
    let requirement = Requirement::parse(ecosystem, text).ok()?;
    (requirement.exact().is_none() && !requirement.is_empty()).then(|| format!("every version in {text}"))
}

/// A pointer to a member whose name may hold slashes.
fn pointer(place: &str, name: &str) -> String {
    format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"))
}

//! A proposed rule: the document's own type, and the same as commented text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use mcpolicy_schema::document::{Args, Rule};
use mcpolicy_schema::entry::NamedValue;
use mcpolicy_schema::evaluate::isolates;
use serde_json::{Value, json};

use super::about::Base;
use super::arguments;
use super::variant::Variant;
use crate::authoring::toml::{comment, inline, is_writable, key, texts};

/// Names of entries that a rule takes as usual ones.
const NAMES: usize = 5;

/// A rule with what people are told of it.
#[derive(Debug, Clone)]
pub(crate) struct Proposal {
    pub(crate) rule: Rule,
    /// The identity as written in the text.
    identity: Value,
    /// Lines above the rule.
    pub(crate) notes: Vec<String>,
    /// Lines at the end of it, for people to fill in.
    pub(crate) open: Vec<String>,
}

/// What a rule is made from.
pub(crate) struct Seen<'v> {
    pub(crate) base: &'v Base,
    /// Servers that it should admit.
    pub(crate) variants: Vec<&'v Variant>,
    /// Names that only entries of this identity have.
    pub(crate) names: Vec<String>,
}

impl Proposal {
    /// The rules for one identity; several where one cannot name all versions.
    pub(crate) fn all(seen: &Seen<'_>, ids: &mut BTreeSet<String>) -> Vec<Self> {
        let matchers = seen.base.matchers(&seen.variants);
        matchers.into_iter().filter_map(|identity| Self::new(seen, identity, ids)).collect()
    }

    fn new(seen: &Seen<'_>, identity: Value, ids: &mut BTreeSet<String>) -> Option<Self> {
        let entries = || seen.variants.iter().map(|variant| &variant.stored);
        let env = names(entries().flat_map(|s| s.entry.env.iter().chain(&s.identity.argument_env)));
        let mut headers =
            names(entries().flat_map(|s| s.entry.headers.iter().chain(&s.identity.argument_headers)));
        // Codex sends the variable that this member names in that header.
        if entries().any(|s| s.entry.member("bearer_token_env_var").is_some()) {
            headers.insert("Authorization".to_owned());
        }
        let home = |variant: &Variant| variant.home.clone();
        let cwd: BTreeSet<String> = seen
            .variants
            .iter()
            .filter_map(|v| arguments::pattern(v.stored.entry.cwd.as_ref()?.expose(), home(v).as_deref()))
            .collect();
        let bins: BTreeSet<String> =
            entries().filter_map(|s| s.identity.bin.clone()).filter(|bin| is_writable(bin)).collect();
        let isolated = isolated(seen);
        let id = unused(&slug(&seen.base.title()), ids);
        let any = |names: &BTreeSet<String>| -> BTreeMap<String, String> {
            names.iter().map(|name| (name.clone(), "*".to_owned())).collect()
        };
        let rule = json!({
            "id": id,
            "identity": identity,
            "args": arguments::of(&seen.variants),
            "env": any(&env),
            "headers": any(&headers),
            "references": references(&seen.variants),
            "cwd": cwd,
            "bins": bins,
            "runner_args": isolated,
            "names": seen.names.iter().filter(|name| is_writable(name)).take(NAMES).collect::<Vec<_>>(),
        });
        let rule: Rule = serde_json::from_value(rule).ok()?;
        Some(Self { rule, identity, notes: Vec::new(), open: Vec::new() })
    }

    /// The rule as text.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        for note in &self.notes {
            let _ = writeln!(out, "# {}", comment(note));
        }
        let rule = &self.rule;
        let _ = writeln!(out, "[[rule]]\nid = {}", inline(&json!(rule.id)));
        if let Some((kind, matcher)) = self.identity.as_object().and_then(|members| members.iter().next()) {
            let _ = writeln!(out, "identity.{} = {}", key(kind), inline(matcher));
        }
        let Args { positional, optional, required } = &rule.args;
        let lists = [
            ("args.positional", positional),
            ("args.required", required),
            ("args.optional", optional),
            ("cwd", &rule.cwd),
            ("references", &rule.references),
            ("bins", &rule.bins),
            ("runner_args", &rule.runner_args),
            ("names", &rule.names),
        ];
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            let _ = writeln!(out, "{name} = {}", texts(list));
        }
        for (name, map) in [("env", &rule.env), ("headers", &rule.headers)] {
            if !map.is_empty() {
                let _ = writeln!(out, "{name} = {}", inline(&json!(map)));
            }
        }
        for (name, value) in [("owner", &rule.owner), ("ticket", &rule.ticket)] {
            if let Some(value) = value {
                let _ = writeln!(out, "{name} = {}", inline(&json!(value)));
            }
        }
        if let Some(day) = rule.review_by {
            // A date of TOML would be read by no version of the schema: it is a text there.
            let _ = writeln!(out, "review_by = \"{day}\"");
        }
        for line in &self.open {
            let _ = writeln!(out, "# {}", comment(line));
        }
        out
    }
}

/// The flags that keep modules from being looked for in the project, if all entries have one: then the rule demands it.
fn isolated(seen: &Seen<'_>) -> BTreeSet<String> {
    let of = |variant: &&Variant| -> BTreeSet<String> {
        let identity = &variant.stored.identity;
        let words = identity.runner_args.iter().map(mcpolicy_schema::sensitive::Sensitive::expose);
        let is_module = identity.name.starts_with("-m ") && identity.runner.as_deref() != Some("java");
        words.filter(|word| is_module && isolates(word)).map(str::to_owned).collect()
    };
    let all: Vec<BTreeSet<String>> = seen.variants.iter().map(of).collect();
    if all.iter().any(BTreeSet::is_empty) { BTreeSet::new() } else { all.into_iter().flatten().collect() }
}

/// Names of variables or headers that may stand in a policy.
fn names<'v>(values: impl Iterator<Item = &'v NamedValue>) -> BTreeSet<String> {
    let is_name = |name: &String| {
        !name.is_empty() && !name.contains(['=', '\0', ' ', ':', '*', '?']) && is_writable(name)
    };
    values.map(|value| value.name.clone()).filter(is_name).collect()
}

/// What values refer to besides the variable of the same name, as rules write it.
fn references(variants: &[&Variant]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for value in variants.iter().flat_map(|variant| &variant.entry.values) {
        for reference in value.references.iter().flatten() {
            let name = bare(reference);
            let is_prompt = ["input:", "inputs.", "secret:", "promptString:", "user_config."]
                .iter()
                .any(|prompt| name.starts_with(prompt));
            let is_word = value.r#in == "member"
                && !reference.bytes().all(|b| b.is_ascii_uppercase() || b == b'_' || b.is_ascii_digit());
            if name != value.name && !is_prompt && !is_word && is_writable(name) {
                found.insert(name.to_owned());
            }
        }
    }
    found
}

/// `NAME` of `${env:NAME}`, `file:~/.token` of `{file:~/.token}`.
fn bare(reference: &str) -> &str {
    let inner = reference.trim_matches(['$', '{', '}', '%', ' ']);
    let sources = ["env:", "env.", "secrets."];
    sources.iter().find_map(|source| inner.strip_prefix(source)).unwrap_or(inner).trim()
}

/// An id made of letters, digits and dashes.
fn slug(title: &str) -> String {
    let mut slug = String::new();
    for c in title.chars().take(200) {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    slug.truncate(60);
    slug.trim_end_matches('-').to_owned()
}

fn unused(wanted: &str, ids: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|n| format!("{wanted}-{n}"));
    let id =
        std::iter::once(wanted.to_owned()).chain(numbered).find(|id| !ids.contains(id)).unwrap_or_default();
    ids.insert(id.clone());
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain_and_unique() {
        let mut ids = BTreeSet::new();
        let id = slug("npm:@scope/Näme_x");
        assert_eq!(id, "npm-scope-n-me-x");
        assert_eq!(unused(&id, &mut ids), "npm-scope-n-me-x");
        assert_eq!(unused(&id, &mut ids), "npm-scope-n-me-x-2");
    }

    #[test]
    fn a_reference_is_written_as_rules_name_it() {
        for (written, named) in [
            ("${GITHUB_TOKEN}", "GITHUB_TOKEN"),
            ("${env:X}", "X"),
            ("$X", "X"),
            ("%X%", "X"),
            ("{file:~/.token}", "file:~/.token"),
            ("${{ env.X }}", "X"),
            ("${{ secrets.X }}", "X"),
        ] {
            assert_eq!(bare(written), named);
        }
    }
}

//! Environment, headers and what values refer to.

use super::case::Case;
use super::context::System;
use super::{filled, reason};
use crate::document::Rule;
use crate::entry::NamedValue;
use crate::finding::FindingCode;
use crate::policy::rule::Compiled;
use crate::reference::{self, Reference};
use crate::verdict::Reason;

/// Judges the environment that the entry, its arguments and the project's settings of its client set.
pub(super) fn environment(case: &Case<'_>, rule: &Rule, compiled: &Compiled) -> Option<Reason> {
    let own = case.subject.entry.env.iter().chain(&case.identity().argument_env).map(|own| (own, None));
    let given = case.context.client_env.iter().map(|given| (&given.variable, Some(&*given.file)));
    for (variable, file) in own.chain(given) {
        // settings of another file than the entry's: nobody looks for them where the entry stands
        let by = file.map(|file| format!(", which {file} sets")).unwrap_or_default();
        let pattern =
            compiled.env.iter().find(|(name, _)| same_name(name, &variable.name, case)).map(|(_, p)| p);
        let Some(pattern) = pattern else {
            return Some(reason(
                FindingCode::EnvironmentNotAllowed,
                format!("the rule names no variable {}{by}", shown(&variable.name)),
            ));
        };
        if !pattern.admits_value(variable.value.expose(), case.context.home) {
            return Some(reason(
                FindingCode::EnvironmentNotAllowed,
                format!("the rule admits another value of {}{by}", shown(&variable.name)),
            ));
        }
        if let Some(why) = foreign(rule, variable, case) {
            return Some(why);
        }
    }
    None
}

/// Judges the headers that the entry sends.
pub(super) fn headers(case: &Case<'_>, rule: &Rule, compiled: &Compiled) -> Option<Reason> {
    for header in case.subject.entry.headers.iter().chain(&case.identity().argument_headers) {
        let pattern = compiled.headers.get(&header.name.to_ascii_lowercase());
        let code = FindingCode::HeaderNotAllowed;
        let Some(pattern) = pattern else {
            return Some(reason(code, format!("the rule names no header {}", shown(&header.name))));
        };
        // A line break would start another header.
        if header.value.expose().contains(['\r', '\n', '\0'])
            || !pattern.admits_value(header.value.expose(), case.context.home)
        {
            return Some(reason(code, format!("the rule admits another value of {}", shown(&header.name))));
        }
        if let Some(why) = foreign(rule, header, case) {
            return Some(why);
        }
    }
    None
}

/// A reference of a value to something that is neither its own variable nor named by the rule.
fn foreign(rule: &Rule, value: &NamedValue, case: &Case<'_>) -> Option<Reason> {
    let own = |name: &str| name.eq_ignore_ascii_case(&value.name);
    let found = reference::of(value.value.expose());
    // a denial would not be found in it
    let is_too_deep = filled::has_more(value.value.expose());
    let is_foreign = |reference: &Reference<'_>| match reference {
        Reference::Prompt | Reference::Place => false,
        Reference::Variable(name) => !own(name) && !is_listed(rule, name, case),
        Reference::Other(what) => !is_listed(rule, what, case),
    };
    let is_bare = |name: &str| !own(name) && !is_listed(rule, name, case);
    (is_too_deep || found.iter().any(is_foreign) || has_bare(value.value.expose(), case, is_bare)).then(
        || {
            reason(
                FindingCode::ReferenceNotAllowed,
                format!("the value of {} takes in something that the rule does not name", shown(&value.name)),
            )
        },
    )
}

/// A reference in free text (an argument that a wildcard admits) to something that the rule does not name.
pub(super) fn foreign_in_text(rule: &Rule, text: &str, case: &Case<'_>) -> bool {
    let is_bare = |name: &str| !is_listed(rule, name, case);
    filled::has_more(text)
        || has_bare(text, case, is_bare)
        || reference::of(text).iter().any(|reference| match reference {
            Reference::Prompt | Reference::Place => false,
            Reference::Variable(what) | Reference::Other(what) => !is_listed(rule, what, case),
        })
}

/// Clients that put in the variable for `$name` in small letters too; for the others `pa$sword` is a password.
const BARE_READERS: &[&str] = &["gemini-cli", "qwen-code", "crush", "copilot-cli", "goose"];

/// Whether such a client reads the entry, and a name in the text is foreign.
fn has_bare(text: &str, case: &Case<'_>, is_foreign: impl Fn(&str) -> bool) -> bool {
    let entry = case.subject.entry;
    text.contains('$')
        && (BARE_READERS.contains(&entry.client)
            || entry.readers.iter().any(|reader| BARE_READERS.contains(&reader.client)))
        && reference::bare_names(text).any(is_foreign)
}

/// Whether a rule lets values refer to a variable or file.
pub(super) fn is_listed(rule: &Rule, what: &str, case: &Case<'_>) -> bool {
    rule.references.iter().any(|listed| same_name(listed, what, case))
}

/// Windows compares names of variables without case.
fn same_name(a: &str, b: &str, case: &Case<'_>) -> bool {
    if case.context.system == System::Windows { a.eq_ignore_ascii_case(b) } else { a == b }
}

/// A name fit for a message: it came from whoever wrote the entry, who may have put a value in its place.
pub(super) fn shown(name: &str) -> String {
    let plain = !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if plain && !crate::secret::looks_secret(name) { format!("`{name}`") } else { "of that name".to_owned() }
}

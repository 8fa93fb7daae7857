//! Whether an entry of a report has the fingerprint that the report gives it.
//!
//! A report comes from the laptop that asks. The fingerprint is what counts on machines and the entry is what people
//! read, so that a forged pair would have them sign for one server while they look at another. The digest has no key:
//! it is computed again from what the report holds. What a report hides is tried as what a fingerprint leaves out (the
//! value of a secret); where a hidden value took part in it, nothing can be proven.

use std::collections::BTreeMap;

use mcpolicy_schema::entry::NamedValue;
use mcpolicy_schema::fingerprint;
use mcpolicy_schema::identity;
use mcpolicy_schema::report::v1;
use mcpolicy_schema::sensitive::Sensitive;

use super::{Stored, placeholder};

/// A text that every reader takes for the value of a secret, so that a fingerprint leaves it out where it may. It is no
/// key of anything.
const SECRET: &str = "ghp_0000000000000000000000000000000000aA";

/// What may stand before a hidden value.
const SCHEMES: &[&str] = &["", "Bearer ", "bearer ", "token ", "Basic "];

/// Most readings of one entry that are tried: each costs a digest.
const MOST: usize = 1024;

/// What a fingerprint is to the entry beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// That of the entry.
    Proven,
    /// Something that took part in it is not in the report.
    Hidden,
    /// Nothing is hidden, and it is that of another entry.
    Other,
}

/// Computes the fingerprint of an entry again.
pub(crate) fn of(stored: &v1::Entry, homes: &BTreeMap<&str, &str>) -> Proof {
    with(stored, homes, &BTreeMap::new())
}

/// The same, with values of variables and headers that somebody has told beside the report. A wrong one proves nothing:
/// the fingerprint is then another.
pub(crate) fn with(
    stored: &v1::Entry,
    homes: &BTreeMap<&str, &str>,
    known: &BTreeMap<String, String>,
) -> Proof {
    let mut entry = Stored::new(stored).entry;
    let text = |text: &String| Sensitive::new(revealed(text));
    entry.command = stored.command.as_ref().map(text);
    entry.args = stored.args.iter().map(text).collect();
    entry.url = stored.url.as_ref().map(text);
    entry.cwd = stored.cwd.as_ref().map(text);
    let home = home_of(stored, homes);
    let env = readings(&entry.env, "env", stored, known);
    let headers = readings(&entry.headers, "header", stored, known);
    let count =
        env.iter().chain(&headers).fold(1, |count: usize, of| count.saturating_mul(of.len()).min(MOST));
    let is_proven = (0..count).any(|mut choice| {
        choose(&mut entry.env, &env, &mut choice);
        choose(&mut entry.headers, &headers, &mut choice);
        let identity = identity::identify(&entry);
        let same = |home| fingerprint::of(&entry, &identity, home) == stored.fingerprint;
        same(home) || (home.is_some() && same(None))
    });
    match (is_proven, is_whole(stored)) {
        (true, _) => Proof::Proven,
        (false, false) => Proof::Hidden,
        (false, true) => Proof::Other,
    }
}

/// The home of the entry's user, which a fingerprint leaves out. One that is no folder could stand for any word of an
/// entry.
pub(crate) fn home_of<'h>(stored: &v1::Entry, homes: &BTreeMap<&str, &'h str>) -> Option<&'h str> {
    let is_folder = |home: &&str| {
        let drive =
            home.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) && home[1..].starts_with(":\\");
        home.starts_with(['/', '\\']) || drive
    };
    homes.get(stored.user.as_deref().unwrap_or_default()).copied().filter(is_folder)
}

/// A text with the value of some secret in each hidden place.
fn revealed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("<secret:") {
        out.push_str(&rest[..at]);
        rest = match placeholder(&rest[at..]) {
            Some(length) => {
                out.push_str(SECRET);
                &rest[at + length..]
            }
            None => {
                out.push('<');
                &rest[at + 1..]
            }
        };
    }
    out.push_str(rest);
    out
}

/// What each value may have been. The rebuilt ones stand in the order of the report, those it tells nothing of last.
fn readings(
    values: &[NamedValue],
    place: &str,
    stored: &v1::Entry,
    known: &BTreeMap<String, String>,
) -> Vec<Vec<String>> {
    let mut told = stored.values.iter().filter(|value| value.r#in == place);
    values
        .iter()
        .map(|value| {
            let told = told.next();
            if let Some(known) = known.get(&value.name).filter(|_| !told.is_some_and(is_told)) {
                return vec![known.clone()];
            }
            let bare = match told {
                Some(value) if is_told(value) => value.references.clone().unwrap_or_default().concat(),
                _ => SECRET.to_owned(),
            };
            // Nothing stands before nothing.
            let schemes = if bare.is_empty() { &SCHEMES[..1] } else { SCHEMES };
            schemes.iter().map(|scheme| format!("{scheme}{bare}")).collect()
        })
        .collect()
}

/// Variables and headers whose values a report hides.
pub(crate) fn hidden_names(stored: &v1::Entry) -> Vec<&str> {
    let hidden = stored.values.iter().filter(|value| matches!(value.r#in.as_str(), "env" | "header"));
    hidden.filter(|value| !is_told(value)).map(|value| value.name.as_str()).collect()
}

/// Takes one reading of each value, by the digits of a number.
fn choose(values: &mut [NamedValue], readings: &[Vec<String>], choice: &mut usize) {
    for (value, readings) in values.iter_mut().zip(readings) {
        value.value = Sensitive::new(readings[*choice % readings.len()].clone());
        *choice /= readings.len();
    }
}

/// Whether a report has a value in full.
fn is_told(value: &v1::RedactedValue) -> bool {
    matches!(value.kind.as_str(), "reference" | "empty" | "word")
}

/// Whether a report hides nothing of an entry that takes part in a fingerprint.
fn is_whole(stored: &v1::Entry) -> bool {
    let texts = [&stored.command, &stored.url, &stored.cwd, &stored.declared_type];
    let names = stored.env_keys.iter().chain(&stored.header_keys).chain(&stored.members);
    let mut all = texts.into_iter().flatten().chain(&stored.args).chain(names);
    let told = |place: &str, name: &String| {
        stored.values.iter().any(|value| value.r#in == place && value.name == *name && is_told(value))
    };
    all.all(|text| !text.contains("<secret:"))
        && stored.env_keys.iter().all(|name| told("env", name))
        && stored.header_keys.iter().all(|name| told("header", name))
        && stored.members.iter().all(|name| told("member", name))
        && stored.values.iter().all(is_told)
}

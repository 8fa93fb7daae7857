//! Arguments that were seen, as the patterns of a rule. Nothing becomes a wildcard but the user's home.

use std::collections::BTreeMap;

use mcpolicy_schema::document::Args;

use super::variant::Variant;
use crate::authoring::toml::is_writable;

/// Most different arguments that one rule names; beyond them a person should decide.
const MOST: usize = 40;

/// A list of arguments as patterns, `None` where one cannot be written without meaning more than it says.
fn patterns(variant: &Variant) -> Option<Vec<String>> {
    let args = &variant.stored.identity.server_args;
    let patterns: Option<Vec<String>> =
        args.iter().map(|argument| pattern(argument.expose(), variant.home.as_deref())).collect();
    patterns.filter(|patterns| patterns.last().is_none_or(|last| last != "..."))
}

/// One text as a pattern that admits nothing else.
pub(crate) fn pattern(text: &str, home: Option<&str>) -> Option<String> {
    let acts = text.is_empty() || text.contains('*') || text.contains("{home}");
    if acts || text.contains('\u{a66e}') || !is_writable(text) {
        return None;
    }
    Some(below_home(text, home))
}

/// The text with the user's home as `{home}`.
fn below_home(text: &str, home: Option<&str>) -> String {
    let home = home.map(|home| home.trim_end_matches(['/', '\\'])).filter(|home| home.len() > 1);
    let Some(home) = home else { return text.to_owned() };
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(home) {
        let (before, after) = (&rest[..at], &rest[at + home.len()..]);
        out.push_str(before);
        let starts = before.chars().next_back().is_none_or(|c| matches!(c, '=' | ':' | ','));
        let ends = after.is_empty() || after.starts_with(['/', '\\', ':', ',']);
        out.push_str(if starts && ends { "{home}" } else { home });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The arguments of all these servers. One list becomes positional; of several, what all have is required and the
/// rest optional, in any order.
pub(crate) fn of(variants: &[&Variant]) -> Args {
    let mut different: Vec<Vec<String>> = variants.iter().filter_map(|variant| patterns(variant)).collect();
    different.sort();
    different.dedup();
    if let [only] = different.as_slice() {
        return Args { positional: only.clone(), ..Args::default() };
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for list in &different {
        let mut units = units(list);
        units.sort();
        units.dedup();
        units.into_iter().for_each(|unit| *seen.entry(unit).or_default() += 1);
    }
    let (required, mut optional): (Vec<_>, Vec<_>) =
        seen.into_iter().partition(|(_, count)| *count == different.len());
    // A flag with its value is looked for before the flag alone; then what most have.
    optional.sort_by_key(|(unit, count)| (!unit.contains(' '), std::cmp::Reverse(*count)));
    optional.truncate(MOST);
    let texts = |units: Vec<(String, usize)>| units.into_iter().map(|(unit, _)| unit).collect();
    Args { positional: Vec::new(), required: texts(required), optional: texts(optional) }
}

/// Arguments as words, a flag together with the value behind it. A rule reads words apart at blanks.
fn units(list: &[String]) -> Vec<String> {
    let mut units = Vec::new();
    let mut at = 0;
    while let Some(word) = list.get(at) {
        let value = list.get(at + 1).filter(|value| {
            word.starts_with('-') && !word.contains('=') && !value.starts_with('-') && !value.contains(' ')
        });
        match value {
            _ if word.contains(char::is_whitespace) => {}
            Some(value) => units.push(format!("{word} {value}")),
            None => units.push(word.clone()),
        }
        at += 1 + usize::from(value.is_some());
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_becomes_a_pattern_and_nothing_else_does() {
        let home = Some("/home/jane");
        for (text, wanted) in [
            ("/home/jane/work", Some("{home}/work")),
            ("--root=/home/jane", Some("--root={home}")),
            ("/home/janet", Some("/home/janet")),
            ("/backup/home/jane/x", Some("/backup/home/jane/x")),
            ("*", None),
            ("/data/**", None),
            ("{home}", None),
            ("", None),
            ("ghp_SECRETMARK0000000000000000000000000001", None),
        ] {
            assert_eq!(pattern(text, home).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn a_flag_keeps_its_value() {
        let words = |list: &[&str]| units(&list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
        assert_eq!(words(&["--port", "80", "-v", "--x=1", "dir"]), ["--port 80", "-v", "--x=1", "dir"]);
        assert_eq!(words(&["a b", "--flag"]), ["--flag"]);
    }
}

//! Everything that does not fit the schema in a TOML text, not only the first: what is wrong is told, taken out, and the
//! rest is read again.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

use super::words;
use crate::authoring::problem::{Problem, Weight};

/// Most faults that are told at once; who has more begins with these.
const MOST: usize = 20;

/// A text as a value.
///
/// # Errors
/// What is wrong with it, in the order of the text.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Vec<Problem>> {
    match toml::from_str(text) {
        Ok(value) => Ok(value),
        Err(first) => Err(all::<T>(text, &first)),
    }
}

fn all<T: DeserializeOwned>(text: &str, first: &Error) -> Vec<Problem> {
    let (mut document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return errors.iter().take(MOST).map(|error| problem(error, &[])).collect();
    }
    let written = document.clone();
    let mut problems = Vec::new();
    let mut taken: BTreeSet<(usize, String)> = BTreeSet::new();
    while problems.len() < MOST {
        let Err(error) = T::deserialize(Deserializer::from(document.clone())) else { break };
        let Some(span) = error.span() else { break };
        let path = path_to(&document, &span);
        // Items behind one that was taken out have moved up; people are told where they stand in the file.
        let place = path_to(&written, &span);
        // What was taken out is missed, and what held nothing else is empty now; that is no fault of the author.
        let is_missed = words::missing(error.message())
            .is_some_and(|name| taken.contains(&(span.start, name.to_owned())));
        let inner = pointer(&place) + "/";
        let is_emptied = words::is_of_number(error.message())
            && problems.iter().any(|told: &Problem| told.place.starts_with(&inner));
        if !is_missed && !is_emptied {
            problems.push(problem(&error, &place));
        }
        let Some(from) = take_out(&mut document, &path) else { break };
        if let Some(Step::Member(name)) = path.last() {
            taken.insert((from, name.clone()));
        }
    }
    if problems.is_empty() {
        problems.push(problem(first, &[]));
    }
    problems.sort_by_key(|problem| problem.span.as_ref().map(|span| span.start));
    problems
}

fn problem(error: &Error, path: &[Step]) -> Problem {
    let members: Vec<&str> = path.iter().filter_map(Step::name).collect();
    let (message, help) = words::plain(error.message().trim(), &members);
    let mut problem = Problem::new(Weight::Error, "syntax", pointer(path), message);
    problem.help = help;
    match error.span() {
        Some(span) => problem.at(span),
        None => problem,
    }
}

/// One part of a way into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    Item(usize),
}

impl Step {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Member(name) => Some(name),
            Self::Item(_) => None,
        }
    }
}

fn pointer(path: &[Step]) -> String {
    path.iter()
        .map(|step| match step {
            Step::Member(name) => format!("/{}", name.replace('~', "~0").replace('/', "~1")),
            Step::Item(at) => format!("/{at}"),
        })
        .collect()
}

/// The way to the smallest thing whose name or value holds these bytes.
fn path_to(document: &Spanned<DeTable<'_>>, wanted: &Range<usize>) -> Vec<Step> {
    let mut best: Option<(usize, Vec<Step>)> = None;
    let mut at = Vec::new();
    search_table(document.get_ref(), wanted, &mut at, &mut best);
    best.map(|(_, path)| path).unwrap_or_default()
}

type Best = Option<(usize, Vec<Step>)>;

fn note(span: &Range<usize>, wanted: &Range<usize>, at: &[Step], best: &mut Best) {
    let length = span.end - span.start;
    let holds = span.start <= wanted.start && wanted.end <= span.end;
    // Of things of one extent the inner one is meant.
    if holds && best.as_ref().is_none_or(|(least, _)| length <= *least) {
        *best = Some((length, at.to_vec()));
    }
}

fn search_table(table: &DeTable<'_>, wanted: &Range<usize>, at: &mut Vec<Step>, best: &mut Best) {
    for (name, value) in table {
        at.push(Step::Member(name.get_ref().to_string()));
        note(&name.span(), wanted, at, best);
        search(value, wanted, at, best);
        at.pop();
    }
}

fn search(value: &Spanned<DeValue<'_>>, wanted: &Range<usize>, at: &mut Vec<Step>, best: &mut Best) {
    note(&value.span(), wanted, at, best);
    match value.get_ref() {
        DeValue::Table(table) => search_table(table, wanted, at, best),
        DeValue::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                at.push(Step::Item(n));
                search(item, wanted, at, best);
                at.pop();
            }
        }
        _ => {}
    }
}

/// Takes a thing out of the document. Gives where the table that it was in begins, `None` if nothing was there.
fn take_out(document: &mut Spanned<DeTable<'_>>, path: &[Step]) -> Option<usize> {
    let (last, way) = path.split_last()?;
    let mut from = document.span().start;
    let Some((first, rest)) = way.split_first() else {
        let Step::Member(name) = last else { return None };
        return remove(document.get_mut(), name).then_some(from);
    };
    let Step::Member(first) = first else { return None };
    let mut value = member(document.get_mut(), first)?;
    for step in rest {
        value = match (step, value.get_mut()) {
            (Step::Member(name), DeValue::Table(table)) => member(table, name)?,
            (Step::Item(at), DeValue::Array(items)) => items.get_mut(*at)?,
            _ => return None,
        };
    }
    from = from.max(value.span().start);
    let taken = match (last, value.get_mut()) {
        (Step::Member(name), DeValue::Table(table)) => remove(table, name),
        (Step::Item(at), DeValue::Array(items)) if *at < items.len() => {
            let kept = items.iter().enumerate().filter(|(n, _)| n != at).map(|(_, item)| item.clone());
            *items = kept.collect();
            true
        }
        _ => false,
    };
    taken.then_some(from)
}

fn member<'t, 'i>(table: &'t mut DeTable<'i>, name: &str) -> Option<&'t mut Spanned<DeValue<'i>>> {
    table.iter_mut().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value)
}

fn remove(table: &mut DeTable<'_>, name: &str) -> bool {
    table.remove(name).is_some()
}

#[cfg(test)]
mod tests {
    use mcpolicy_schema::document::PolicyDocument;

    use super::*;

    fn told(rest: &str) -> Vec<(String, String, String)> {
        let text =
            format!("schema = \"mcpolicy/policy/v1\"\n[policy]\nname = \"x\"\ncontact = \"c\"\n{rest}");
        let problems = read::<PolicyDocument>(&text).unwrap_err();
        problems.into_iter().map(|p| (p.place, p.message, p.help.unwrap_or_default())).collect()
    }

    #[test]
    fn every_fault_of_a_file_is_told_in_the_order_of_the_text() {
        let told = told(
            "mode = \"enforced\"\n\n[[rule]]\nid = \"a\"\nidentity.npm = { package = \"a\", versions = 1 }\nfoo = 1\n\n\
             [[rule]]\nid = \"b\"\nidentity.any = true\nreview_by = 2029-01-01\n\n[[rule]]\nowner = \"o\"\n\
             identity.any = {}\n",
        );
        let places: Vec<&str> = told.iter().map(|(place, _, _)| place.as_str()).collect();
        assert_eq!(
            places,
            [
                "/policy/mode",
                "/rule/0/identity/npm/versions",
                "/rule/0/foo",
                "/rule/1/identity/any",
                "/rule/1/review_by",
                "/rule/2"
            ],
            "{told:?}"
        );
    }

    #[test]
    fn a_fault_says_in_plain_words_what_is_wrong_and_what_to_write() {
        let rule = "[[rule]]\nid = \"a\"\n";
        let npm = format!("{rule}identity.npm = {{ package = \"a\" }}\n");
        let exception = "[[exception]]\nid = \"e\"\nfingerprint = \"f\"\nowner = \"o\"\nticket = \"t\"\n";
        for (text, message, help) in [
            (format!("{rule}identity.any = true"), "takes no value", "identity.any = {}"),
            (
                format!("{rule}identity = {{ npm = {{ package = \"a\" }}, pypi = {{ package = \"b\" }} }}"),
                "exactly one identity",
                "a rule of its own",
            ),
            (format!("{rule}identity.npm = \"a\""), "must be a table", "package = "),
            (format!("{npm}token = {{ lifetime_hours = 99999999999 }}"), "whole number", "4294967295"),
            (format!("{npm}token = {{ lifetime_hours = -1 }}"), "whole number", "from 0"),
            (format!("{npm}auth = \"oauth\""), "must be a table", "kind = \"oauth\""),
            (format!("{npm}review_by = 2029-01-01"), "day", "\"2030-01-31\""),
            (format!("{npm}review_by = \"2029-1-1\""), "day", "\"2030-01-31\""),
            (format!("{npm}review_by = \"2029-13-01\""), "day", "\"2030-01-31\""),
            (format!("{exception}expires = \"2030-01-01\""), "time", "\"2030-01-31T00:00:00Z\""),
            (format!("{exception}expires = 2030-01-01"), "time", "in quotes"),
            (format!("{npm}onwer = \"o\""), "no member `onwer`", "`owner`"),
            (format!("{npm}class = \"bought\""), "`bought`", "`vendor`"),
            (format!("{npm}users = \"ann\""), "must be a list", "brackets"),
            (format!("{npm}owner = 7"), "must be a text", "quotes"),
            (format!("{npm}args = [\"a\"]"), "must be a table", "args.positional"),
            ("[[rule]]\nidentity.any = {}".to_owned(), "`id` is missing", "add"),
        ] {
            let told = told(&text);
            assert_eq!(told.len(), 1, "{text}: {told:?}");
            assert!(told[0].1.contains(message) && told[0].2.contains(help), "{text}: {told:?}");
            let all = format!("{told:?}");
            for inner in ["struct", "variant", "i128", "u32", "element", "component", "map"] {
                assert!(!all.contains(inner), "{text}: {all}");
            }
        }
    }

    #[test]
    fn several_breaks_of_the_syntax_are_told_together() {
        let problems = told("a = = 1\nb = \"x\nc = 1\n");
        assert!(problems.len() >= 2, "{problems:?}");
    }
}

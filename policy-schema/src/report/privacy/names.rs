//! Names of people and machines inside of a text: known ones wherever they stand, and whoever's home a path is of.
//!
//! A name of three characters or more is replaced wherever its letters stand, also inside of another word: `-ualice` and
//! `alice2` name Alice. The price is a text that is hard to read where somebody is called `node`; what is hidden too much
//! costs a reader a word.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use aho_corasick::AhoCorasick;
use unicode_normalization::UnicodeNormalization as _;

use super::token::{self, Kind};
use super::{homes, shape};
use crate::redact::Redactor;

/// A user of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Name of the account, as records have it; `DOMAIN\name` and `name@domain` stand for `name` too.
    pub user: String,
    /// Path of the home; empty where there is none.
    pub home: String,
}

/// Where a name counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    /// Wherever its letters stand.
    Anywhere,
    /// As a word of its own: a name of two letters is part of too many words.
    AsWord,
    /// Where the path goes on below it, or ends.
    AsPath,
}

/// Names that are known.
pub(super) struct Names {
    /// Finds them; `None` where it could not be made, and then no text is shown.
    finder: Option<AhoCorasick>,
    /// What each pattern of the finder is, and its token.
    patterns: Vec<(Where, String)>,
    /// Tokens of users and of their homes, by the spellings of their names.
    tokens: BTreeMap<String, (String, String)>,
}

impl Names {
    pub(super) fn of_people(people: &[Person], redactor: &Redactor) -> Self {
        let mut all = BTreeMap::new();
        let mut tokens = BTreeMap::new();
        for person in people.iter().filter(|person| !person.user.is_empty()) {
            let user = token::make(Kind::User, &person.user, redactor);
            let home = token::make(Kind::Home, &person.user, redactor);
            for alias in aliases(&person.user) {
                tokens.entry(alias.to_lowercase()).or_insert_with(|| (user.clone(), home.clone()));
                put(&mut all, alias, &user);
            }
            for path in homes::spellings(&person.home) {
                for path in variants(&path) {
                    all.entry(path).or_insert_with(|| (Where::AsPath, home.clone()));
                }
            }
        }
        Self::new(all, tokens)
    }

    /// Of a machine: its whole name and the first part of it.
    pub(super) fn of_host(name: &str, redactor: &Redactor) -> Self {
        let mut all = BTreeMap::new();
        // Every machine calls itself so.
        if !token::is_whole(name) && !name.to_ascii_lowercase().starts_with("localhost") {
            let host = token::make(Kind::Host, name, redactor);
            put(&mut all, name, &host);
            put(&mut all, name.split('.').next().unwrap_or_default(), &host);
        }
        Self::new(all, BTreeMap::new())
    }

    fn new(all: BTreeMap<String, (Where, String)>, tokens: BTreeMap<String, (String, String)>) -> Self {
        let finder = AhoCorasick::builder().ascii_case_insensitive(true).build(all.keys()).ok();
        Self { finder, patterns: all.into_values().collect(), tokens }
    }

    /// The token of a user that is known by this name.
    pub(super) fn token(&self, user: &str) -> Option<&str> {
        self.tokens.get(&user.to_lowercase()).map(|(user, _)| user.as_str())
    }
}

/// Adds a name, in all its spellings, unless it is too short to tell anybody.
fn put(all: &mut BTreeMap<String, (Where, String)>, name: &str, token: &str) {
    let place = match name.chars().count() {
        0 | 1 => return,
        2 => Where::AsWord,
        _ => Where::Anywhere,
    };
    for spelling in variants(name) {
        all.entry(spelling).or_insert_with(|| (place, token.to_owned()));
    }
}

/// An account's name, and without its domain.
fn aliases(user: &str) -> Vec<&str> {
    let bare = user.rsplit('\\').next().unwrap_or(user);
    let bare = bare.split_once('@').map_or(bare, |(name, _)| name);
    if bare.is_empty() || bare == user { vec![user] } else { vec![user, bare] }
}

/// How a name is written in files, URLs and JSON; ASCII in either case is the finder's matter.
fn variants(name: &str) -> Vec<String> {
    let cased = [name.to_owned(), name.to_lowercase(), name.to_uppercase()];
    let mut all: Vec<String> = Vec::new();
    for cased in cased {
        // macOS takes letters and their accents apart.
        for composed in [cased.nfc().collect(), cased.nfd().collect(), cased] {
            all.extend([percent_encoded(&composed), escaped(&composed), composed]);
        }
    }
    all.sort();
    all.dedup();
    all
}

fn percent_encoded(name: &str) -> String {
    name.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' | b':' | b'@' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

/// As in JSON that is written in ASCII.
fn escaped(name: &str) -> String {
    name.chars().fold(String::new(), |mut out, c| {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
        out
    })
}

/// Something to replace.
struct Hit {
    range: Range<usize>,
    token: String,
    /// Names that are known go before what is only a path's.
    is_guess: bool,
}

/// The text without names. Whatever overlaps is replaced as one, by what begins first and is longest.
pub(super) fn clean(text: &str, names: &[&Names], redactor: &Redactor) -> String {
    let mut hits = Vec::new();
    let kept = token::spans(text);
    for names in names {
        let Some(finder) = &names.finder else { return token::make(Kind::Text, text, redactor) };
        for found in finder.find_overlapping_iter(text) {
            let (place, token) = &names.patterns[found.pattern().as_usize()];
            if counts(*place, text, found.range(), &kept) {
                hits.push(Hit { range: found.range(), token: token.clone(), is_guess: false });
            }
        }
    }
    hits.extend(homes::find(text).into_iter().map(|(range, name)| {
        let known = names.iter().find_map(|names| names.tokens.get(&text[name.clone()].to_lowercase()));
        let token = known.map(|(_, home)| home.clone());
        let token = token.unwrap_or_else(|| token::make(Kind::Home, &text[name], redactor));
        Hit { range, token, is_guess: true }
    }));
    hits.retain(|hit| !kept.iter().any(|kept| kept.start < hit.range.end && hit.range.start < kept.end));
    hits.sort_by_key(|hit| (hit.range.start, Reverse(hit.range.end), hit.is_guess));
    replaced(text, hits)
}

fn replaced(text: &str, hits: Vec<Hit>) -> String {
    let mut merged: Vec<Hit> = Vec::new();
    for hit in hits {
        match merged.last_mut() {
            Some(last) if hit.range.start < last.range.end => {
                last.range.end = last.range.end.max(hit.range.end);
            }
            _ => merged.push(hit),
        }
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for hit in merged {
        out.push_str(&text[done..hit.range.start]);
        out.push_str(&format!("<{}>", hit.token));
        done = hit.range.end;
    }
    out.push_str(&text[done..]);
    out
}

fn counts(place: Where, text: &str, range: Range<usize>, kept: &[Range<usize>]) -> bool {
    // What was replaced already was part of a word, so its edges end none: otherwise a second time would find more.
    let ends = |at: usize| kept.iter().any(|kept| kept.start == at);
    let begins = |at: usize| kept.iter().any(|kept| kept.end == at);
    let is_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let mut after = text[range.end..].chars();
    let next = after.next();
    match place {
        Where::Anywhere => !shape::is_inside_digest(text, &range),
        Where::AsWord => {
            let before = text[..range.start].chars().next_back();
            !is_name(before) && !is_name(next) && !begins(range.start) && !ends(range.end)
        }
        Where::AsPath => {
            let goes_on = is_name(next) || next == Some('-') || (next == Some('.') && is_name(after.next()));
            !goes_on && !ends(range.end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(user: &str, home: &str) -> Person {
        Person { user: user.to_owned(), home: home.to_owned() }
    }

    /// The text with every hash as `#` and the letter of the person in alphabetical order of hashes hidden.
    fn cleaned(text: &str, people: &[Person]) -> String {
        let redactor = Redactor::new(b"key");
        let names = Names::of_people(people, &redactor);
        let once = clean(text, &[&names], &redactor);
        assert_eq!(clean(&once, &[&names], &redactor), once, "{text}");
        let mut out = once.clone();
        for span in token::spans(&once).into_iter().rev() {
            out.replace_range(span.start + 6..span.end - 1, "#");
        }
        out
    }

    #[test]
    fn a_name_is_replaced_wherever_it_stands() {
        let people =
            [person("alice", "/home/alice"), person("CORP\\bob", "C:\\Users\\bob"), person("jo", "/jo")];
        for (text, wanted) in [
            ("alice", "<user:#>"),
            ("-ualice --as=ALICE2", "-u<user:#> --as=<user:#>2"),
            ("mail bob@corp.example.com", "mail <user:#>@corp.example.com"),
            ("CORP\\Bob asks", "<user:#> asks"),
            ("jo and joe", "<user:#> and joe"),
            ("/home/alice/.cursor/mcp.json", "<home:#>/.cursor/mcp.json"),
            ("/projects/~1home~1alice~1work/x", "/projects/<home:#>~1work/x"),
            ("file:///c%3A/Users/bob/x", "file:///c%3A<home:#>/x"),
            ("c:/users\\BOB\\x", "<home:#>\\x"),
            ("~/.claude/projects/-home-alice-work/a", "~/.claude/projects/<home:#>/a"),
        ] {
            assert_eq!(cleaned(text, &people), wanted, "{text}");
        }
    }

    #[test]
    fn a_name_is_found_in_every_spelling() {
        let people = [person("Élise", "/Users/Élise")];
        for text in ["élise", "ÉLISE", "E\u{301}lise", "%C3%89lise", "%c3%a9lise", "\\u00c9lise"] {
            assert_eq!(cleaned(text, &people), "<user:#>", "{text}");
        }
    }

    #[test]
    fn a_home_that_only_begins_like_a_known_one_is_another() {
        let people = [person("al", "/data/al")];
        assert_eq!(
            cleaned("/data/alex/x /data/al/x /data/al.", &people),
            "/data/alex/x <home:#>/x <home:#>."
        );
        assert_eq!(cleaned("/", &[person("x", "/")]), "/");
    }

    #[test]
    fn digits_of_a_digest_are_nobodys_name() {
        let people = [person("ada", "/home/ada")];
        let image = "oci:x@sha256:00112233445566778899adadadad";
        assert_eq!(cleaned(image, &people), image);
        assert_eq!(cleaned("adadadx", &people), "<user:#>dx");
    }

    #[test]
    fn a_home_and_its_user_have_the_same_hash_whether_known_or_not() {
        let redactor = Redactor::new(b"key");
        let known = Names::of_people(&[person("alice", "/home/alice")], &redactor);
        let nobody = Names::of_people(&[], &redactor);
        let path = "/home/Alice/x";
        assert_eq!(clean(path, &[&known], &redactor), clean(path, &[&nobody], &redactor));
        let user = token::make(Kind::User, "alice", &redactor);
        assert_eq!(clean(path, &[&nobody], &redactor)[6..22], user[5..21]);
    }
}

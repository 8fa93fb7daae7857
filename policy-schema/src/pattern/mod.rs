//! Patterns of a policy: literal text, `*` for any text without `/`, `**` for any text, `{home}` for the user's home.
//! In the value of a variable or header a wildcard takes no blanks: many programs split such a value at them, and
//! `--max-old-space-size=*` must not let `1 --require=x.js` in.
//!
//! What a client or shell would put in the place of a reference is not known here, so no wildcard but `*` alone takes
//! one; a directory that the client knows may stand at the start.

mod hosts;

use crate::reference;

/// Longest text that a wildcard other than `*` alone is held against.
const MAX_TEXT: usize = 16 * 1024;

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
    place: Place,
}

/// What a pattern is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// An argument or path.
    Argument,
    /// The value of a variable.
    Variable,
    /// The value of a header, in which `/` parts nothing.
    Header,
    /// The path of a URL.
    Url,
    /// A parameter of a URL's query.
    Query,
}

impl Place {
    /// Whether a wildcard takes a character.
    fn takes(self, part: &Part, c: char) -> bool {
        match part {
            Part::Host => return c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'),
            Part::Port => return c.is_ascii_digit(),
            Part::Scheme => return c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'),
            Part::Without { not, .. } if not.contains(c) => return false,
            _ => {}
        }
        let separator =
            matches!(part, Part::Segment | Part::Without { whole: false, .. }) && matches!(c, '/' | '\\');
        match self {
            Self::Argument => !separator,
            Self::Variable => !separator && !c.is_whitespace(),
            Self::Header => !c.is_whitespace(),
            // Servers decode what is escaped and cut at `;` before they walk a path: `%2e%2e%2f`, `..;/`.
            Self::Url => !separator && (c.is_ascii_alphanumeric() || "/._~-@:+,=!".contains(c)),
            // Some servers part parameters at `;` too.
            Self::Query => !separator && !matches!(c, ';' | '&' | '#'),
        }
    }

    /// Whether a wildcard must not take a reference. What a header refers to is judged by itself.
    fn is_fixed(self) -> bool {
        self != Self::Header
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Home,
    /// Any text without a path separator.
    Segment,
    /// Part of the scheme of a URL: `http*://acme.example/**`.
    Scheme,
    /// Part of the host of a URL: `https://*.acme.example/**`.
    Host,
    /// The port of a URL, or a part of it: `http://localhost:*/mcp`.
    Port,
    /// No text at all: the host of a URL ends here, and a port, a path, a query or nothing follows.
    HostEnd,
    /// Text without some characters; where it is not whole, without a path separator, too.
    Without {
        /// The characters.
        not: &'static str,
        /// Whether it takes path separators.
        whole: bool,
    },
    /// Any text.
    Anything,
}

/// The text that stands for the user's home.
const HOME: &str = "{home}";

impl Pattern {
    /// Compiles a pattern for arguments. Every text is one: there is no way to write it wrong.
    pub(crate) fn new(text: &str) -> Self {
        Self::of(text, Place::Argument)
    }

    /// Compiles a pattern for the values of a variable.
    pub(crate) fn variable(text: &str) -> Self {
        Self::of(text, Place::Variable)
    }

    /// Compiles a pattern for the values of a header.
    pub(crate) fn header(text: &str) -> Self {
        Self::of(text, Place::Header)
    }

    /// Compiles a pattern for paths of URLs.
    pub(crate) fn url(text: &str) -> Self {
        Self::of(text, Place::Url)
    }

    /// Compiles a pattern for parameters of URLs.
    pub(crate) fn query(text: &str) -> Self {
        Self::of(text, Place::Query)
    }

    fn of(text: &str, place: Place) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let (part, length) = match () {
                () if rest.starts_with(HOME) => (Part::Home, HOME.len()),
                () if rest.starts_with("**") => (Part::Anything, 2),
                () if first == '*' => (Part::Segment, 1),
                () => {
                    let behind = first.len_utf8();
                    let next = rest[behind..].bytes().position(|b| matches!(b, b'*' | b'{'));
                    let (plain, more) = rest.split_at(next.map_or(rest.len(), |at| behind + at));
                    literal.push_str(plain);
                    rest = more;
                    continue;
                }
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(part);
            rest = &rest[length..];
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        if !matches!(place, Place::Url | Place::Query) {
            parts = hosts::mark(&parts);
        }
        Self { parts, place }
    }

    /// Whether it is `*` or `**` alone: any text at all.
    pub(crate) fn is_any(&self) -> bool {
        matches!(self.parts.as_slice(), [Part::Segment | Part::Anything])
    }

    /// Whether any part of it is free.
    pub(crate) fn has_wildcard(&self) -> bool {
        self.parts.iter().any(|p| !matches!(p, Part::Literal(_) | Part::Home))
    }

    /// The text that it begins with.
    pub(crate) fn beginning(&self) -> &str {
        match self.parts.first() {
            Some(Part::Literal(literal)) => literal,
            _ => "",
        }
    }

    /// Whether it may stand for a flag: its first part is literal and starts with a dash.
    fn is_flag(&self) -> bool {
        self.beginning().starts_with('-')
    }

    /// Whether a text is meant, as a value: of a variable, a header, a query parameter. What `*` alone takes may refer to
    /// anything, and is judged apart.
    pub(crate) fn admits_value(&self, text: &str, home: Option<&str>) -> bool {
        if self.is_any() {
            return self.place != Place::Query || text.chars().all(|c| self.place.takes(&Part::Anything, c));
        }
        if !self.has_wildcard() {
            return self.matches(text, home);
        }
        // A wildcard below a directory must not be walked out of.
        text.len() <= MAX_TEXT
            && !has_parent_component(text)
            && !(self.place.is_fixed() && self.refers(text))
            && self.matches(text, home)
    }

    /// Whether a text is meant, as an argument. A wildcard never stands for a flag that the pattern does not name:
    /// the server would read it as one. Nor for a reference, which may become one.
    pub(crate) fn admits_argument(&self, text: &str, home: Option<&str>) -> bool {
        // Every argument is held against every flag that may be given, and this tells most of them apart.
        if !text.starts_with(self.beginning()) {
            return false;
        }
        let has_break = || text.bytes().any(|b| matches!(b, b'\0' | b'\n' | b'\r'));
        let smuggled = self.has_wildcard() && !self.is_flag() && text.starts_with('-') && text != "-";
        let refers = self.is_any() && self.refers(text);
        !smuggled && !refers && !has_break() && self.admits_value(text, home)
    }

    /// Whether a wildcard would stand for a reference other than a place at its start.
    fn refers(&self, text: &str) -> bool {
        let (literal, is_start) = match self.parts.first() {
            Some(Part::Literal(literal)) => (literal.as_str(), literal.ends_with('=')),
            _ => ("", true),
        };
        // A text that does not begin with the literal does not match anyway.
        let Some(free) = text.strip_prefix(literal) else { return true };
        reference::is_in(if is_start { reference::behind_place(free) } else { free })
    }

    /// Whether the parts make up the text. Keeps the set of places that the parts so far may reach, so no pattern takes
    /// more than one pass of the text for each of its parts.
    fn matches(&self, text: &str, home: Option<&str>) -> bool {
        if let [Part::Literal(literal)] = self.parts.as_slice() {
            return text == literal;
        }
        let home = home.map(|h| h.trim_end_matches(['/', '\\'])).filter(|h| !h.is_empty());
        let mut reached = vec![0];
        for part in &self.parts {
            let fixed = |after: fn(&str) -> bool, start: &str| -> Vec<usize> {
                let next = |at: &usize| {
                    text[*at..].strip_prefix(start).filter(|rest| after(rest)).map(|_| at + start.len())
                };
                reached.iter().filter_map(next).collect()
            };
            reached = match (part, home) {
                (Part::Literal(literal), _) => fixed(|_| true, literal),
                (Part::Home, Some(home)) => {
                    fixed(|rest| rest.is_empty() || rest.starts_with(['/', '\\', ':', ',']), home)
                }
                (Part::Home, None) => Vec::new(),
                (Part::HostEnd, _) => {
                    reached.into_iter().filter(|at| hosts::is_behind(&text[*at..])).collect()
                }
                _ => spread(&reached, text, |c| self.place.takes(part, c)),
            };
            if reached.is_empty() {
                return false;
            }
        }
        reached.last() == Some(&text.len())
    }
}

/// All places that can be reached from some place over characters that are taken.
fn spread(from: &[usize], text: &str, takes: impl Fn(char) -> bool) -> Vec<usize> {
    let mut from = from.iter().peekable();
    let mut reached = Vec::new();
    let mut is_open = false;
    for (at, c) in text.char_indices() {
        is_open |= from.next_if(|start| **start == at).is_some();
        if is_open {
            reached.push(at);
            is_open = takes(c);
        }
    }
    if is_open || from.next().is_some() {
        reached.push(text.len());
    }
    reached
}

/// Whether a path in the text goes up: `..` between separators.
pub(crate) fn has_parent_component(text: &str) -> bool {
    text.contains("..") && text.split(['/', '\\', ':', '=', ',']).any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).admits_value(text, Some("/home/jane"))
    }

    #[test]
    fn a_pattern_without_wildcards_is_the_text() {
        assert!(value("/workspace", "/workspace"));
        assert!(!value("/workspace", "/workspace/"));
        assert!(!value("/workspace", "/Workspace"));
    }

    #[test]
    fn one_star_stays_in_its_segment_and_two_do_not() {
        assert!(value("/a/*", "/a/b"));
        assert!(!value("/a/*", "/a/b/c"));
        assert!(value("/a/**", "/a/b/c"));
        assert!(value("--max-old-space-size=*", "--max-old-space-size=4096"));
    }

    #[test]
    fn a_wildcard_cannot_be_walked_out_of() {
        assert!(!value("/a/**", "/a/../etc"));
        assert!(!value("{home}/**", "/home/jane/.."));
        assert!(!value("--root=/a/**", "--root=/a/../b"));
    }

    #[test]
    fn a_wildcard_in_a_value_takes_no_second_option() {
        let options = Pattern::variable("--max-old-space-size=*");
        assert!(options.admits_value("--max-old-space-size=4096", None));
        assert!(!options.admits_value("--max-old-space-size=1 --require=x.js", None));
        assert!(!Pattern::variable("**=1").admits_value("a b=1", None));
        assert!(Pattern::header("Bearer *").admits_value("Bearer a/b+c=", None));
        assert!(!Pattern::header("Bearer *").admits_value("Bearer a b", None));
        assert!(Pattern::variable("*").admits_value("any text / at all", None));
    }

    #[test]
    fn a_wildcard_in_a_host_leads_to_no_other_host() {
        for (pattern, good) in [
            ("https://*.acme.example/**", "https://a.b-1.acme.example/x/y?z"),
            ("--url=https://**.acme.example/*", "--url=https://a.acme.example/x"),
            ("https://api.*.acme.*.example/mcp", "https://api.a.acme.b.example/mcp"),
            ("*.acme.example", "a.acme.example"),
            ("--host=*.acme.example", "--host=a.acme.example"),
        ] {
            let patterns = [Pattern::new(pattern), Pattern::variable(pattern), Pattern::header(pattern)];
            assert!(patterns.iter().all(|p| p.admits_value(good, None)), "{pattern} {good}");
            for evil in
                ["evil.example?", "evil.example#", "u@evil.example#", "evil.example:80#", "evil.example\\"]
            {
                let evil = good.replacen("a.", &format!("{evil}a."), 1);
                assert!(patterns.iter().all(|p| !p.admits_value(&evil, None)), "{pattern} {evil}");
            }
        }
        for (pattern, good) in [
            ("https://**", "https://u@any.example/x?y#z"),
            ("https://acme.example:*", "https://acme.example:80"),
            ("http://localhost:*/mcp", "http://localhost:3000/mcp"),
            ("http://localhost:**", "http://localhost:3000/mcp?x@y"),
            ("http://localhost*", "http://localhost:3000"),
            ("http://[::1]:*/mcp", "http://[::1]:3000/mcp"),
            ("https://acme.example**", "https://acme.example/a?b#c@d"),
            ("https://acme.example*/mcp", "https://acme.example:8443/mcp"),
            ("http://10.0.0.*/mcp", "http://10.0.0.17/mcp"),
            ("http://*:8080/mcp", "http://any.example:8080/mcp"),
            ("postgres://*@db.acme.example/*", "postgres://u:p%40!w@db.acme.example/x"),
            ("postgres://*:*@db.acme.example:5432/*", "postgres://u:p:w!@db.acme.example:5432/x"),
            ("mongodb+srv://**@*.db.example/*", "mongodb+srv://u:w@c1.db.example/x"),
            (
                "mongodb://*.acme.example:27017,*.acme.example:27017/x",
                "mongodb://a.acme.example:27017,b.acme.example:27017/x",
            ),
            (
                "jdbc:sqlserver://db.acme.example:1433;user=*;password=*",
                "jdbc:sqlserver://db.acme.example:1433;user=u;password=p:w@1!",
            ),
            ("http*://api.acme.example/**", "https://api.acme.example/x?y"),
            ("--url=*://api.acme.example/x", "--url=wss://api.acme.example/x"),
            ("postgres://*@db.acme.example**", "postgres://u:p@db.acme.example:5432/x/y"),
            ("postgres://*@db.acme.example/*?sslmode=*", "postgres://u:p@db.acme.example/x?sslmode=require"),
            (
                "https://acme.example/x?next=https://*.acme.example/**",
                "https://acme.example/x?next=https://a.acme.example/y",
            ),
            ("https://acme.example/*.json", "https://acme.example/a?b@c.json"),
            ("/data/*.json", "/data/a@b #1.json"),
            ("*.json", "a b.json"),
        ] {
            assert!(value(pattern, good), "{pattern} {good}");
        }
    }

    #[test]
    fn a_wildcard_for_a_port_or_a_login_and_two_in_a_host_lead_to_no_other_host() {
        for (pattern, evil) in [
            ("http://localhost:*/mcp", "http://localhost:x@evil.example/mcp"),
            ("https://api.acme.example;v=*", "https://api.acme.example;v=1@evil.example"),
            ("http://localhost:**", "http://localhost:80@evil.example/mcp"),
            ("http://localhost*", "http://localhost.evil.example"),
            ("http://localhost**", "http://localhost:1@evil.example"),
            ("https://api.acme.example:*/**", "https://api.acme.example:1#@evil.example/x"),
            ("https://*.*.acme.example/x", "https://evil.example#.b.acme.example/x"),
            ("https://*-*.acme.example/x", "https://evil.example?a-b.acme.example/x"),
            ("https://*eu*.acme.example/x", "https://evil.example#eu.acme.example/x"),
            ("http://10.0.0.*/mcp", "http://10.0.0.1@evil.example/mcp"),
            ("postgres://*:*@db.acme.example:5432/*", "postgres://evil.example#:y@db.acme.example:5432/x"),
            ("postgres://*@*.acme.example/*", "postgres://evil.example/@db.acme.example/x"),
            ("postgres://*@db.acme.example/*", "postgres://u@evil.example@db.acme.example/x"),
            ("http*://*.acme.example/x", "https:evil.example?u=https://api.acme.example/x"),
            ("*://api.acme.example/**", "https:evil.example#://api.acme.example/x"),
            ("postgres://*@db.acme.example/*", "postgres://u:p@db.acme.example/x?host=evil.example"),
            ("postgres://*@db.acme.example/**", "postgres://u:p@db.acme.example/x?host=evil.example"),
            (
                "postgres://*@db.acme.example/x?ssl=*",
                "postgres://u@db.acme.example/x?ssl=1&host=evil.example",
            ),
            (
                "mongodb://*.acme.example:1,b.acme.example/x",
                "mongodb://evil.example,a.acme.example:1,b.acme.example/x",
            ),
            (
                "jdbc:sqlserver://db.acme.example:1433;user=*",
                "jdbc:sqlserver://db.acme.example:1433;user=u;serverName=evil.example",
            ),
            ("postgres://*@db.acme.example**", "postgres://u:p@db.acme.example?host=evil.example"),
            ("postgres://*@db.acme.example*", "postgres://u:p@db.acme.example?host=evil.example"),
            (
                "postgres://*@db.acme.example:5432**",
                "postgres://u:p@db.acme.example:5432/x?host=evil.example",
            ),
            (
                "jdbc:sqlserver://db.acme.example:1433;**",
                "jdbc:sqlserver://db.acme.example:1433;serverName=evil.example",
            ),
            ("*.acme.example", "evil.example,a.acme.example"),
            ("Server=*.db.example;X=1", "Server=evil.example;a.db.example;X=1"),
        ] {
            for pattern in [Pattern::new(pattern), Pattern::variable(pattern), Pattern::header(pattern)] {
                assert!(!pattern.admits_value(evil, None), "{pattern:?} {evil}");
            }
        }
    }

    #[test]
    fn home_is_a_whole_directory_name() {
        assert!(value("{home}/x", "/home/jane/x"));
        assert!(!value("{home}*", "/home/janet"));
        assert!(!Pattern::new("{home}/x").admits_value("/x", None));
    }

    #[test]
    fn a_wildcard_argument_is_no_flag() {
        let any = Pattern::new("*");
        assert!(any.admits_argument("/repo", None));
        assert!(!any.admits_argument("--upload-pack=sh", None));
        assert!(Pattern::new("--port=*").admits_argument("--port=1", None));
        assert!(!Pattern::new("*").admits_argument("a\nb", None));
    }

    #[test]
    fn a_wildcard_takes_no_reference_but_a_place_at_its_start() {
        let argument =
            |pattern: &str, text: &str| Pattern::new(pattern).admits_argument(text, Some("/home/jane"));
        for (pattern, text) in [
            ("*", "${workspaceFolder}"),
            ("*", "${workspaceFolder}/src"),
            ("--root=**", "--root=${userHome}/work"),
            ("${workspaceFolder}/**", "${workspaceFolder}/src"),
            ("--name=${workspaceFolderBasename}", "--name=${workspaceFolderBasename}"),
            ("*", "100%"),
            ("*", "^a$"),
            ("*", "a%20b"),
        ] {
            assert!(argument(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("{home}/projects/**", "/home/jane/projects/${workspaceFolder:-..}/${workspaceFolder:-..}/x"),
            ("{home}/projects/**", "/home/jane/projects/..${/}..${/}x"),
            ("{home}/projects/**", "/home/jane/projects/..${pathSeparator}.."),
            ("{home}/**", "/home/jane/$dots/x"),
            ("*", "${cwd:---registry=x}"),
            ("*", "${workspaceFolder:-x}"),
            ("*", "${workspaceFolder}${x}"),
            ("*", "${workspaceFolder}-x"),
            ("*", "${input:x}"),
            ("*", "${X}"),
            ("*", "$x"),
            ("*", "%x%"),
            ("*", "{env:x}"),
            ("*", "`id`"),
            ("*", "$(id)"),
            ("--a=*", "--a=${X}"),
            ("a*", "a${workspaceFolder}"),
        ] {
            assert!(!argument(pattern, text), "{pattern} {text}");
        }
        assert!(!Pattern::variable("{home}/**").admits_value("/home/jane/${X:-../..}", Some("/home/jane")));
        assert!(Pattern::header("Bearer *").admits_value("Bearer ${X}", None), "judged apart");
        assert!(Pattern::variable("*").admits_value("${X}", None), "judged apart");
    }

    #[test]
    fn a_wildcard_in_a_url_takes_nothing_that_a_server_would_decode() {
        assert!(Pattern::url("/mcp/*").admits_value("/mcp/a-b.c", None));
        for text in
            ["/mcp/..%2f..%2fevil", "/mcp/%2e%2e%2fevil", "/mcp/$x", "/mcp/..;x", "/mcp/a/b", "/mcp/a%41"]
        {
            assert!(!Pattern::url("/mcp/*").admits_value(text, None), "{text}");
        }
        assert!(Pattern::query("*").admits_value("a%20b,c/d", None));
        assert!(!Pattern::query("*").admits_value("a;read_only=false", None));
    }

    #[test]
    fn many_wildcards_take_no_longer_than_one_pass_each() {
        let pattern = Pattern::new("{home}/**/src/**/src/**/src/**/main.js");
        let text = format!("/home/jane{}", "/a/src/".repeat(2000));
        assert!(!pattern.admits_argument(&text, Some("/home/jane")));
        assert!(pattern.admits_argument(&format!("{text}/main.js"), Some("/home/jane")));
        let long = format!("/home/jane{}/main.js", "/a/src/".repeat(100_000));
        assert!(!pattern.admits_argument(&long, Some("/home/jane")), "no path is that long");
    }

    /// The plain meaning of a pattern, by trying everything.
    fn tried(place: Place, parts: &[Part], text: &str) -> bool {
        let Some((part, rest)) = parts.split_first() else { return text.is_empty() };
        match part {
            Part::Literal(l) => text.strip_prefix(l.as_str()).is_some_and(|after| tried(place, rest, after)),
            Part::Home => text.strip_prefix("/h").is_some_and(|after| {
                (after.is_empty() || after.starts_with(['/', '\\', ':', ','])) && tried(place, rest, after)
            }),
            Part::HostEnd => hosts::is_behind(text) && tried(place, rest, text),
            _ => {
                let end = text.find(|c| !place.takes(part, c)).unwrap_or(text.len());
                (0..=end).any(|at| tried(place, rest, &text[at..]))
            }
        }
    }

    /// Patterns of URLs whose host is named, and the end of that host.
    const NAMED_HOSTS: &[(&str, &str)] = &[
        ("https://*.acme.example/**", ".acme.example"),
        ("https://acme.example*", "acme.example"),
        ("https://acme.example**", "acme.example"),
        ("https://acme.example:*/*", "acme.example"),
        ("https://*:*@acme.example:*/**", "acme.example"),
        ("https://a*b*.acme.example**", ".acme.example"),
        ("https://**@*.acme.example/?x=*", ".acme.example"),
    ];

    proptest! {
        #[test]
        fn no_text_that_a_url_pattern_takes_leads_to_another_host(
            (pattern, end) in prop::sample::select(NAMED_HOSTS),
            fill in prop::collection::vec("([0-9]|a|b|@|:|/|\\?|#|\\\\|\\.|%|\\[|\\]|evil\\.example){0,5}", 8),
        ) {
            let mut text = String::new();
            for (at, literal) in pattern.replace("**", "*").split('*').enumerate() {
                text += if at == 0 { "" } else { &fill[at - 1] };
                text += literal;
            }
            let is_taken = Pattern::variable(pattern).admits_value(&text, None);
            if is_taken && let Ok(url) = url::Url::parse(&text) {
                prop_assert!(url.host_str().is_some_and(|host| host.ends_with(end)), "{} {}", pattern, text);
            }
        }

        #[test]
        fn sets_of_places_mean_the_same_as_trying_everything(
            pattern in "(\\*|\\*\\*|a|/|b|\\{home\\}){0,6}", text in "(a|b|/|/h| ){0,10}",
        ) {
            for pattern in [Pattern::new(&pattern), Pattern::variable(&pattern), Pattern::url(&pattern)] {
                prop_assert_eq!(pattern.matches(&text, Some("/h")), tried(pattern.place, &pattern.parts, &text));
            }
        }

        #[test]
        fn every_literal_admits_itself_and_nothing_else(a in "[a-z/.=-]{0,12}", b in "[a-z/.=-]{0,12}") {
            prop_assert!(Pattern::new(&a).admits_value(&a, None));
            prop_assert_eq!(Pattern::new(&a).admits_value(&b, None), a == b);
        }
    }
}

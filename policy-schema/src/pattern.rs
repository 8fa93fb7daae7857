//! Patterns of a policy: literal text, `*` for any text without `/`, `**` for any text, `{home}` for the user's home.
//! In the value of a variable or header a wildcard takes no blanks: many programs split such a value at them, and
//! `--max-old-space-size=*` must not let `1 --require=x.js` in.

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
    place: Place,
}

/// What a pattern is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// An argument, path or query parameter.
    Argument,
    /// The value of a variable.
    Variable,
    /// The value of a header, in which `/` parts nothing.
    Header,
}

impl Place {
    /// Whether a wildcard takes a character.
    fn takes(self, part: &Part, c: char) -> bool {
        let separator = *part == Part::Segment && matches!(c, '/' | '\\');
        match self {
            Self::Argument => !separator,
            Self::Variable => !separator && !c.is_whitespace(),
            Self::Header => !c.is_whitespace(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Home,
    /// Any text without a path separator.
    Segment,
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
                    literal.push(first);
                    rest = &rest[first.len_utf8()..];
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
        Self { parts, place }
    }

    /// Whether it is `*` or `**` alone: any text at all.
    pub(crate) fn is_any(&self) -> bool {
        matches!(self.parts.as_slice(), [Part::Segment | Part::Anything])
    }

    /// Whether any part of it is free.
    pub(crate) fn has_wildcard(&self) -> bool {
        self.parts.iter().any(|p| matches!(p, Part::Segment | Part::Anything))
    }

    /// Whether it may stand for a flag: its first part is literal and starts with a dash.
    fn is_flag(&self) -> bool {
        matches!(self.parts.first(), Some(Part::Literal(text)) if text.starts_with('-'))
    }

    /// Whether a text is meant, as a value: of a variable, a header, a query parameter.
    pub(crate) fn admits_value(&self, text: &str, home: Option<&str>) -> bool {
        if self.is_any() {
            return true;
        }
        // A wildcard below a directory must not be walked out of.
        self.matches(text, home) && !(self.has_wildcard() && has_parent_component(text))
    }

    /// Whether a text is meant, as an argument. A wildcard never stands for a flag that the pattern does not name:
    /// the server would read it as one.
    pub(crate) fn admits_argument(&self, text: &str, home: Option<&str>) -> bool {
        let smuggled = self.has_wildcard() && !self.is_flag() && text.starts_with('-') && text != "-";
        !smuggled && self.admits_value(text, home) && !text.contains(['\0', '\n', '\r'])
    }

    fn matches(&self, text: &str, home: Option<&str>) -> bool {
        matches_parts(self.place, &self.parts, text, home.map(|h| h.trim_end_matches(['/', '\\'])))
    }
}

fn matches_parts(place: Place, parts: &[Part], text: &str, home: Option<&str>) -> bool {
    let Some((part, rest)) = parts.split_first() else { return text.is_empty() };
    match part {
        Part::Literal(literal) => {
            text.strip_prefix(literal.as_str()).is_some_and(|after| matches_parts(place, rest, after, home))
        }
        Part::Home => home
            .filter(|home| !home.is_empty())
            .and_then(|home| text.strip_prefix(home))
            .filter(|after| after.is_empty() || after.starts_with(['/', '\\', ':', ',']))
            .is_some_and(|after| matches_parts(place, rest, after, home)),
        Part::Segment | Part::Anything => {
            // Where the next literal begins; a pattern has a handful of parts, so trying each place is cheap.
            let end = text.find(|c| !place.takes(part, c)).unwrap_or(text.len());
            if rest.is_empty() {
                return end == text.len();
            }
            let mut at = 0;
            loop {
                if matches_parts(place, rest, &text[at..], home) {
                    return true;
                }
                match text[at..end].chars().next() {
                    Some(c) => at += c.len_utf8(),
                    None => return false,
                }
            }
        }
    }
}

/// Whether a path in the text goes up: `..` between separators.
pub(crate) fn has_parent_component(text: &str) -> bool {
    text.split(['/', '\\', ':', '=', ',']).any(|part| part == "..")
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

    proptest! {
        #[test]
        fn every_literal_admits_itself_and_nothing_else(a in "[a-z/.=-]{0,12}", b in "[a-z/.=-]{0,12}") {
            prop_assert!(Pattern::new(&a).admits_value(&a, None));
            prop_assert_eq!(Pattern::new(&a).admits_value(&b, None), a == b);
        }
    }
}

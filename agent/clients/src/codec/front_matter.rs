//! The front matter of a Markdown file: YAML between two lines of `---` at its start. The rest is text for people and
//! models, and is not looked at.
//!
//! The matter is a beginning of the file, so places in it are places of the file.

use std::ops::Range;

use super::{ParseError, Parsed};
use super::{breaks, yaml};
use crate::node::{Node, Span, Value};

const FENCE: &str = "---";

/// The text with its front matter, up to the closing line; empty if there is none. Without a closing line it is the
/// whole text: some parsers take it so.
pub(crate) fn matter(text: &str) -> &str {
    let Some(first) = text.trim_ascii_start().split_inclusive('\n').next().filter(|l| l.starts_with(FENCE))
    else {
        return "";
    };
    let start = text.len() - text.trim_ascii_start().len() + first.len();
    let mut at = start;
    for line in text[start..].split_inclusive('\n') {
        if line.starts_with(FENCE) {
            return &text[..at];
        }
        at += line.len();
    }
    text
}

/// What stands behind the front matter.
pub(crate) fn body(text: &str) -> &str {
    &text[matter(text).len()..]
}

/// Parses the front matter of a text. Without any, the tree is an empty map.
///
/// # Errors
/// Those of YAML; an opening line that names another language; a value in which the matter may end for a parser that
/// looks for `---` anywhere.
pub fn parse(text: &str) -> Result<Parsed<'_>, ParseError> {
    let matter = matter(text);
    let start = matter.len() - matter.trim_ascii_start().len();
    let Some(opening) = matter.trim_ascii_start().lines().next() else {
        return Ok(Parsed::plain(Node { value: Value::Object(Vec::new()), span: Span::new(0, 0) }));
    };
    if opening.trim_end() != FENCE {
        return Err(ParseError::new("the front matter is in another language than YAML", start));
    }
    let parsed = yaml::parse(matter).or_else(|error| {
        let quoted = without_loose_texts(matter).ok_or_else(|| error.clone())?;
        // What is blanked out may hold a break that ends it.
        let breaks = breaks::within(matter, 0..matter.len(), breaks::Of::Yaml);
        let breaks = breaks::with_returns(breaks, matter, true);
        yaml::parse(&quoted).map(|parsed| Parsed { breaks, ..parsed.into_owned() }).map_err(|_| error)
    })?;
    let inner = start + opening.len()..matter.len();
    match fence_within(matter, inner, &parsed.root) {
        Some(at) => Err(ParseError::new("the front matter may end in the middle of a value", at)),
        None => Ok(parsed),
    }
}

/// `---` in the middle of a line, inside of a map or list: where the first one stands, a parser that does not ask for a
/// line of its own ends the matter, and reads another value.
fn fence_within(text: &str, inner: Range<usize>, root: &Node<'_>) -> Option<usize> {
    let at = inner.start + text[inner].find(FENCE)?;
    let cuts = |span: Span| span.range().contains(&at);
    let collections =
        root.members().iter().filter(|m| !m.value.members().is_empty() || !m.value.items().is_empty());
    collections.into_iter().any(|m| cuts(m.span())).then_some(at)
}

/// The text with blanks in place of unquoted values that are no YAML as they stand (`description: Use: this`). Claude
/// Code quotes such values of the top and reads on; what they say is of no interest here. `None` if there are none.
fn without_loose_texts(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match loose(line) {
            Some(value) => {
                out.push_str(&line[..value.start]);
                out.extend(std::iter::repeat_n(' ', value.len()));
                out.push_str(&line[value.end..]);
            }
            None => out.push_str(line),
        }
    }
    (out != text).then_some(out)
}

/// The value of a line `key: value` at the margin, if it is not quoted and has a sign that means something in YAML. That
/// of a key that may name servers is never one: Claude Code (2.1.197, 2.1.329) leaves `mcpServers: [{…}]` as it is where it
/// quotes others, so that blanking it out would hide them. What is not read then is an error, and told.
fn loose(line: &str) -> Option<Range<usize>> {
    let content = line.trim_end_matches(['\n', '\r']);
    let (key, rest) = content.split_once(':')?;
    let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'-'));
    let value = rest.trim_start();
    if !is_key || key.to_ascii_lowercase().contains("mcp") || value.is_empty() || value.len() == rest.len() {
        return None;
    }
    let quoted = |mark: char| value.len() > 1 && value.starts_with(mark) && value.ends_with(mark);
    let special = value.contains(['{', '}', '[', ']', '*', '&', '#', '!', '|', '>', '%', '@', '`']);
    let loose = !quoted('"') && !quoted('\'') && (special || value.contains(": "));
    loose.then(|| content.len() - value.len()..content.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<String> {
        parse(text).unwrap().root.members().iter().map(|m| m.key.to_string()).collect()
    }

    #[test]
    fn only_what_stands_between_two_lines_at_the_start_is_read() {
        assert_eq!(keys("---\nname: a\ntools: [x]\n---\nbody: b\n---\nc: d\n"), ["name", "tools"]);
        assert_eq!(keys("\n---  \r\nname: a\r\n---\r\n# T\r\n"), ["name"]);
        for none in ["# Title\n---\nname: a\n---\n", "text", "--\nname: a\n--\n"] {
            assert_eq!(keys(none), Vec::<String>::new(), "{none}");
        }
        assert_eq!(body("---\na: b\n---\nrest\n"), "---\nrest\n");
    }

    #[test]
    fn places_in_the_matter_are_places_of_the_file() {
        let text = "---\nname: ä\nmcpServers:\n  a:\n    command: x\n---\nmcpServers\n";
        let parsed = parse(text).unwrap();
        let node = parsed.root.pointer("/mcpServers/a/command").unwrap();
        assert_eq!(&text[node.span.range()], "x");
    }

    #[test]
    fn a_description_that_is_no_yaml_does_not_hide_what_stands_beside_it() {
        let text =
            "---\nname: a\ndescription: Use when: asked <b>\nmcpServers:\n  - s:\n      command: x\n---\n";
        let parsed = parse(text).unwrap();
        let servers = parsed.root.get("mcpServers").unwrap();
        let node = servers.items()[0].pointer("/s/command").unwrap();
        assert_eq!(&text[node.span.range()], "x");
        assert!(parse("---\nname: a\ndescription: b\n\n  c: d: e\n---\n").is_err());
    }

    #[test]
    fn servers_in_one_line_beside_a_description_that_is_no_yaml_are_seen_or_told() {
        for loose in ["Use it: always", "@d", "a & b: c"] {
            let text = format!(
                "---\nname: q\ndescription: {loose}\nmcpServers: [{{a: {{command: x}}}}]\n---\nbody\n"
            );
            let parsed = parse(&text).unwrap();
            let node = parsed.root.get("mcpServers").unwrap().items()[0].pointer("/a/command").unwrap();
            assert_eq!(&text[node.span.range()], "x");
        }
        for hidden in
            ["mcpServers:\t[{a: {command: x}]", "mcpServers: [{a: {command: x}}", "McpServers: {a: b: c}"]
        {
            assert!(parse(&format!("---\ndescription: a: b\n{hidden}\n---\n")).is_err(), "{hidden}");
        }
    }

    #[test]
    fn a_matter_that_may_end_inside_of_a_value_or_is_no_yaml_is_an_error() {
        let cut = "---\nmcpServers:\n  - s:\n      command: npx\n      args: [\"good\", \"a---b\"]\n---\n";
        assert!(parse(cut).is_err());
        assert!(parse("---json\n{\"mcpServers\":{}}\n---\n").is_err());
        assert_eq!(keys("---\ndescription: a --- b\nmcpServers: [x]\n---\n"), ["description", "mcpServers"]);
    }
}

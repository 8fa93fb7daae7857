//! What holds for every text, however hostile. Shared by the property tests and the fuzz targets.
#![allow(unreachable_pub, reason = "the fuzz crate includes this file too")]
#![allow(clippy::expect_used, reason = "a failed expectation is a finding")]

use mcpolicy_clients::codec::{Format, ParseError, Parsed, decode, front_matter, json, toml, xml, yaml};
use mcpolicy_clients::edit::{Change, Place, apply};
use mcpolicy_clients::node::{LineIndex, Member, Node, Span, Value};
use mcpolicy_clients::servers;

/// Which invariants a codec keeps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rules {
    /// Members in order, inside of their parents, keys quoted.
    Json,
    /// JSON read through prototypes: members of one object may change places.
    Recovered,
    /// Values inside of their parents. A table may cover others, and its key may stand anywhere.
    Toml,
    /// Values inside of their parents unless there are aliases.
    Yaml,
    /// Elements inside of their parents; keys that start with `#` do not stand in the text.
    Xml,
}

/// Bytes to text never panics, and the text is what is left of the file.
pub fn check_decode(bytes: &[u8]) {
    match decode::decode(bytes) {
        Ok(text) => {
            assert!(!text.text.contains('\0') && !text.text.trim().is_empty());
            let (read, left) = (text.text.as_bytes(), &bytes[text.skipped..]);
            if text.not_utf8.is_some() {
                // one DEL for each byte that is no UTF-8, and every other in its place
                assert_eq!(read.len(), left.len());
                assert!(read.iter().zip(left).all(|(read, is)| read == is || *read == 0x7f));
            } else if !text.leniencies.utf16 {
                assert_eq!(read, left);
            }
        }
        // Places in UTF-16 are those of its UTF-8 form, which has up to three bytes for two.
        Err(error) => assert!(error.offset <= bytes.len() + bytes.len() / 2),
    }
}

/// Strict JSON, and the same tree from serde_json where both read it.
pub fn check_json(text: &str) {
    let parsed = json::parse(text, false);
    check(text, &parsed, Rules::Json);
    let other = serde_json::from_str::<serde_json::Value>(text);
    match (&parsed, other) {
        (Ok(parsed), Ok(other)) if parsed.deep.is_none() => assert_same(&parsed.root, &other),
        (Ok(parsed), Err(error)) => {
            let leniencies = parsed.leniencies;
            let lenient = leniencies.comments || leniencies.trailing_commas || leniencies.lone_surrogates;
            // Numbers out of range and 128 levels are limits of serde_json, not of JSON.
            let message = error.to_string();
            let limit = message.contains("out of range") || message.contains("recursion limit");
            assert!(lenient || limit || parsed.deep.is_some(), "only read here: {message}");
        }
        (Err(error), Ok(_)) => panic!("valid JSON is refused: {error}"),
        _ => {}
    }
}

/// JSON with error recovery: whatever the strict reader takes, it takes too.
pub fn check_json_recover(text: &str) {
    let parsed = json::parse(text, true);
    check(text, &parsed, Rules::Recovered);
    if json::parse(text, false).is_ok() {
        assert!(parsed.is_ok_and(|parsed| parsed.damage.is_none()));
    }
}

/// TOML.
pub fn check_toml(text: &str) {
    check(text, &toml::parse(text), Rules::Toml);
}

/// YAML.
pub fn check_yaml(text: &str) {
    check(text, &yaml::parse(text), Rules::Yaml);
}

/// The front matter of Markdown: what stands behind it says nothing, and a server that is taken out of it is gone while
/// the text behind it stays.
pub fn check_front_matter(text: &str) {
    let parsed = front_matter::parse(text);
    check(text, &parsed, Rules::Yaml);
    let behind = end_of_matter(text);
    let told = |parsed: &Result<Parsed<'_>, ParseError>| {
        parsed.as_ref().map_or(usize::MAX, |parsed| servers::of_agent(&parsed.root, &["/mcpServers"]).len())
    };
    if behind.is_some() {
        let more = format!("{text}\nmcpServers: {{zz: {{command: zz}}}}\n---\n");
        assert_eq!(told(&front_matter::parse(&more)), told(&parsed), "the text behind the matter is read");
    }
    // A mark of the byte order would be taken away once more.
    if let Ok(parsed) = &parsed
        && !text.starts_with('\u{feff}')
    {
        let count = told(&Ok(parsed.clone()));
        for found in servers::of_agent(&parsed.root, &["/mcpServers"]).into_iter().take(4) {
            let place = Place { key_path: found.key_path, span: found.span.range() };
            let edited = apply(Format::FrontMatter, "", text.as_bytes(), &[Change::Remove(place)]);
            let Ok(edited) = edited else { continue };
            let after = std::str::from_utf8(&edited.bytes).expect("an edit made no text");
            assert!(told(&front_matter::parse(after)) < count, "a removed server is still there");
            let body = behind.map_or("", |at| &text[at..]);
            assert!(after.ends_with(body), "an edit of the matter changed what stands behind it");
        }
    }
}

/// Where the line that closes the front matter begins, looked for line by line.
fn end_of_matter(text: &str) -> Option<usize> {
    let start = text.len() - text.trim_ascii_start().len();
    let mut lines = text[start..].split_inclusive('\n');
    let mut at = start + lines.next().filter(|line| line.starts_with("---"))?.len();
    for line in lines {
        if line.starts_with("---") {
            return Some(at);
        }
        at += line.len();
    }
    None
}

/// XML.
pub fn check_xml(text: &str) {
    check(text, &xml::parse(text), Rules::Xml);
}

/// The same tree, the last of duplicate keys counting.
pub fn assert_same(node: &Node<'_>, other: &serde_json::Value) {
    match (&node.value, other) {
        (Value::Null, serde_json::Value::Null) => {}
        (Value::Bool(a), serde_json::Value::Bool(b)) => assert_eq!(a, b),
        (Value::Number(a), serde_json::Value::Number(b)) => {
            // serde_json reads fast and may be off by the last digit.
            let (a, b) = (a.parse::<f64>().expect("not a number"), b.as_f64().expect("not a number"));
            assert!(a == b || (a - b).abs() <= a.abs() * 1e-14, "{a} {b}");
        }
        (Value::String(a), serde_json::Value::String(b)) => assert_eq!(a, b),
        (Value::Array(a), serde_json::Value::Array(b)) => {
            assert_eq!(a.len(), b.len());
            a.iter().zip(b).for_each(|(a, b)| assert_same(a, b));
        }
        (Value::Object(members), serde_json::Value::Object(b)) => {
            assert!(members.iter().all(|member| b.contains_key(member.key.as_ref())));
            b.iter().for_each(|(key, b)| assert_same(node.get(key).expect("a key is missing"), b));
        }
        _ => panic!("different kinds of values"),
    }
}

fn check(text: &str, parsed: &Result<Parsed<'_>, ParseError>, rules: Rules) {
    match parsed {
        Ok(parsed) => {
            let mut deep = false;
            check_node(text, &parsed.root, rules, &mut deep);
            assert_eq!(deep, parsed.deep.is_some());
            let lines = LineIndex::new(text);
            for duplicate in &parsed.duplicates {
                check_span(text, duplicate.span);
                assert!(lines.position(duplicate.span.start as usize).line > 0);
            }
            assert!(parsed.deep.is_none_or(|at| text.is_char_boundary(at)));
            assert!(parsed.damage.as_ref().is_none_or(|damage| text.is_char_boundary(damage.offset)));
        }
        Err(error) => {
            assert!(text.is_char_boundary(error.offset), "{} at {}", error.message, error.offset);
            assert!(!error.message.is_empty() && !error.message.contains('\n'));
        }
    }
}

fn check_span(text: &str, span: Span) {
    assert!(text.get(span.range()).is_some(), "{span:?} of {} bytes", text.len());
}

fn check_node(text: &str, node: &Node<'_>, rules: Rules, deep: &mut bool) {
    check_span(text, node.span);
    let contained = rules != Rules::Yaml || !text.contains('*');
    let mut last = node.span.start;
    let mut inside = |span: Span| {
        if contained {
            assert!(
                node.span.start <= span.start && span.end <= node.span.end,
                "{span:?} in {:?}",
                node.span
            );
        }
        if rules == Rules::Json {
            assert!(last <= span.start, "{span:?} overlaps what is before it");
            last = span.end;
        }
    };
    match &node.value {
        Value::Deep => *deep = true,
        Value::Array(items) => {
            for item in items {
                inside(item.span);
                check_node(text, item, rules, deep);
            }
        }
        Value::Object(members) => {
            for member in members {
                check_key(text, member, rules);
                inside(member.key_span);
                inside(member.value.span);
                check_node(text, &member.value, rules, deep);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The key is found where it is said to stand, unless it is written with escapes or folded.
fn check_key(text: &str, member: &Member<'_>, rules: Rules) {
    check_span(text, member.key_span);
    let written = &text[member.key_span.range()];
    let key = member.key.as_ref();
    match rules {
        Rules::Xml if key.starts_with('#') => {}
        Rules::Xml => assert_eq!(Some(written), key.strip_prefix('@')),
        Rules::Json | Rules::Recovered => {
            let open = written.strip_prefix('"').expect("a key without quote");
            assert!(open.contains('\\') || open.strip_suffix('"').unwrap_or(open) == key, "{written}");
        }
        Rules::Toml => {
            let special = written.contains(['\\', '"', '\'']);
            assert!(
                special && (written.contains('\\') || written.contains(key)) || written == key,
                "{written}"
            );
        }
        Rules::Yaml => {
            let quoted = written.starts_with(['"', '\'', '|', '>', '*']);
            let folded = written.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
            assert!(
                quoted || folded || written == key || key == "null" || is_bool(key, written),
                "{written} {key}"
            );
        }
    }
}

fn is_bool(key: &str, written: &str) -> bool {
    matches!(key, "true" | "false") && written.eq_ignore_ascii_case(key)
}

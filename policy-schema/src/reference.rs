//! What a client would put into a value: variables, files, answers to prompts. The union of the clients' dialects, so
//! that no reading is missed.

/// Something that a value refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference<'a> {
    /// A variable of the environment.
    Variable(&'a str),
    /// A question to the user, or the client's secret store under the user's control.
    Prompt,
    /// A directory or name that the client itself knows; no secret and not the author's choice.
    Place,
    /// A file, command or anything else that is read: `file:~/.token`, `command:…`.
    Other(&'a str),
}

/// Variables that name places.
const PLACES: &[&str] = &[
    "workspaceFolder",
    "workspaceRoot",
    "workspaceFolderBasename",
    "userHome",
    "pathSeparator",
    "/",
    "cwd",
    "HOME",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "USER",
    "USERNAME",
    "PWD",
    "TMPDIR",
    "CLAUDE_PLUGIN_ROOT",
    "CLAUDE_PROJECT_DIR",
    "CLAUDE_PLUGIN_DATA",
    "extensionPath",
    "__dirname",
];

/// Places that are directories of their own, which may stand in front of a path.
const DIRECTORIES: &[&str] =
    &["workspaceFolder", "workspaceRoot", "userHome", "cwd", "CLAUDE_PROJECT_DIR", "CLAUDE_PLUGIN_ROOT"];

/// The text behind a directory of the client at its start; all of it where there is none.
pub(crate) fn behind_place(text: &str) -> &str {
    let behind = text.strip_prefix("${").and_then(|rest| rest.split_once('}')).filter(|(name, rest)| {
        DIRECTORIES.contains(name) && (rest.is_empty() || rest.starts_with(['/', '\\', ':', ',']))
    });
    behind.map_or(text, |(_, rest)| rest)
}

/// Whether some client or shell may put something else in the place of a part of the text. Wider than [`of`]: where a
/// wildcard of a policy would stand for it, a name in small letters is one too (Gemini CLI, Crush).
pub(crate) fn is_in(text: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '{' | '(');
    let is_one = |(at, mark): (usize, &str)| {
        let rest = &text[at + 1..];
        match mark {
            "$" => rest.starts_with(begins),
            "%" => {
                let end = variable_length(rest);
                rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                    && rest[end..].starts_with('%')
            }
            "{" => rest.starts_with('{') || rest.split_once(':').is_some_and(|(word, _)| is_word(word)),
            _ => true,
        }
    };
    has_mark(text) && text.match_indices(['$', '%', '{', '`']).any(is_one)
}

/// Whether a character stands in the text without which no reference of any dialect is written.
pub(crate) fn has_mark(text: &str) -> bool {
    text.bytes().any(|b| matches!(b, b'$' | b'{' | b'%' | b'`'))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphabetic())
}

/// The one reference without default that a text is as a whole: `${NAME}`, `${env:NAME}`, `${input:name}`.
pub(crate) fn whole(text: &str) -> Option<Reference<'_>> {
    let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'))?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b':' | b'.');
    (inner.bytes().all(plain) && !inner.contains(":-") && !inner.contains(":+")).then(|| named(inner))
}

/// Names that a client which reads `$name` in small letters too would put in.
pub(crate) fn bare_names(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('$')
        .map(|(at, _)| &text[at + 1..])
        .map(|rest| &rest[..variable_length(rest)])
        .filter(|n| !n.is_empty())
}

/// Everything that a value refers to, in order.
pub(crate) fn of(text: &str) -> Vec<Reference<'_>> {
    let mut found = Vec::new();
    if !has_mark(text) {
        return found;
    }
    let mut rest = text;
    while let Some(at) = rest.find(['$', '{', '%', '`']) {
        let here = &rest[at..];
        let (reference, length) = one(here);
        found.extend(reference);
        rest = &here[length..];
    }
    found
}

/// The reference at the start of a text that starts with `$`, `{`, `%` or a backtick, and how much of it is used.
fn one(text: &str) -> (Option<Reference<'_>>, usize) {
    if let Some(inner) = text.strip_prefix("${") {
        let inner = inner.trim_start_matches('{');
        let start = text.len() - inner.len();
        let end = inner.find('}').unwrap_or(inner.len());
        // A default may refer to more: `${A:-${B}}`.
        let used = inner[..end].find(":-").unwrap_or(end);
        return (Some(named(&inner[..end])), start + used);
    }
    if let Some(inner) = text.strip_prefix("$(") {
        let end = inner.find(')').unwrap_or(inner.len());
        return (Some(Reference::Other("a command")), 2 + end);
    }
    if text.starts_with('`') {
        return (Some(Reference::Other("a command")), 1);
    }
    if let Some(inner) = text.strip_prefix('$') {
        let inner = inner.strip_prefix("env:").unwrap_or(inner);
        let start = text.len() - inner.len();
        let end = variable_length(inner);
        return (is_variable(&inner[..end]).then(|| variable(&inner[..end])), start + end);
    }
    if let Some(inner) = text.strip_prefix('%') {
        let end = variable_length(inner);
        let closed = inner[end..].starts_with('%') && is_variable(&inner[..end]);
        return (closed.then(|| variable(&inner[..end])), 1 + end + usize::from(closed));
    }
    // opencode: `{env:NAME}`, `{file:PATH}`.
    let inner = &text[1..];
    for prefix in ["env:", "file:"] {
        if inner.starts_with(prefix) {
            let end = inner.find('}').unwrap_or(inner.len());
            return (Some(named(&inner[..end])), 1 + end);
        }
    }
    (None, 1)
}

/// What stands between braces: `NAME`, `NAME:-default`, `env:NAME`, `input:id`, `secrets.NAME`, `file:PATH`.
fn named(inner: &str) -> Reference<'_> {
    let inner = inner.trim();
    let inner = inner.strip_prefix("env:").or_else(|| inner.strip_prefix("env.")).unwrap_or(inner);
    if ["input:", "promptString:", "secret:", "inputs.", "user_config."].iter().any(|p| inner.starts_with(p))
    {
        return Reference::Prompt;
    }
    // Continue and Copilot take a stored secret of this name: it is given without a question, whosever it is.
    if let Some(name) = inner.strip_prefix("secrets.") {
        return Reference::Variable(name);
    }
    if ["file:", "command:", "config:", "cmd:", "keychain:"].iter().any(|p| inner.starts_with(p)) {
        return Reference::Other(inner);
    }
    let name = inner.split(":-").next().unwrap_or(inner);
    // `workspaceFolder:name`; with a default it is what the author of the entry wrote.
    let base = name.split(':').next().unwrap_or(name);
    if PLACES.contains(&base) && name.len() == inner.len() {
        Reference::Place
    } else {
        Reference::Variable(name)
    }
}

fn variable(name: &str) -> Reference<'_> {
    if PLACES.contains(&name) { Reference::Place } else { Reference::Variable(name) }
}

fn variable_length(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Without braces only names in capitals count: `pa$sword` is a password.
fn is_variable(name: &str) -> bool {
    name.len() > 1
        && !name.as_bytes()[0].is_ascii_digit()
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_is_seen() {
        let variable = |text| assert_eq!(of(text), [Reference::Variable("API_KEY")], "{text}");
        for text in [
            "${API_KEY}",
            "Bearer ${API_KEY}",
            "${env:API_KEY}",
            "${API_KEY:-x}",
            "$API_KEY",
            "%API_KEY%",
            "{env:API_KEY}",
            "$env:API_KEY",
        ] {
            variable(text);
        }
        assert_eq!(of("${input:key}"), [Reference::Prompt]);
        assert_eq!(of("${{ secrets.KEY }}"), [Reference::Variable("KEY")]);
        assert_eq!(of("${{ inputs.KEY }}"), [Reference::Prompt]);
        assert_eq!(of("${workspaceFolder}/x"), [Reference::Place]);
        assert_eq!(
            of("${workspaceFolder:-x}"),
            [Reference::Variable("workspaceFolder")],
            "the default is the author's"
        );
        assert_eq!(of("{file:~/.token}"), [Reference::Other("file:~/.token")]);
        assert_eq!(of("$(cat ~/.token)"), [Reference::Other("a command")]);
        assert_eq!(of("${A:-${B}}"), [Reference::Variable("A"), Reference::Variable("B")]);
        assert_eq!(of("${A} ${B}"), [Reference::Variable("A"), Reference::Variable("B")]);
    }

    #[test]
    fn text_that_only_looks_like_a_reference_is_none() {
        for text in ["pa$sword", "100%", "a%20b", "{}", "{\"a\":1}", "$", "%%", "$5"] {
            assert!(of(text).is_empty(), "{text}");
        }
    }
}

//! What makes an entry two servers at once: programs that read it differently would launch different things.
//!
//! Other faults of shape make some clients pass over an entry. None of these does, so such an entry is live, and
//! nothing but its very fingerprint allows it.

/// Of a duplicate, parsers take the first or the last.
pub const TWICE: &str = "a member stands twice with different values";
/// Parsers of Go and .NET take a member in any case, others do not.
pub const CASE: &str = "a member differs from one that is read only in the case of its letters";
/// `url` and `httpUrl`, `env` and `environment`.
pub const ALIASES: &str = "two members that mean the same thing differ";
/// Only one client reads the object.
pub const NESTED: &str = "it is written in a `transport` object, which its client does not read";
/// What stands beside the object may be read or not.
pub const BESIDE_NESTED: &str = "members beside the `transport` object say something else than it";
/// Clients that take the whole command line from a list do not read `args`.
pub const LIST_AND_ARGS: &str = "`args` stands beside a command that is a list";
/// The object has arguments and environment of its own.
pub const BESIDE_COMMAND: &str = "members beside the `command` object say something else than it";
/// The client runs code of its own, or of the entry, and not what the entry names.
pub const OWN_CODE: &str = "its type means code of the client, yet a command or URL stands beside it";
/// Zed takes the command from an extension then.
pub const OF_EXTENSION: &str = "its source is an extension, yet a command or URL stands beside it";
/// What a client makes of it is not known.
pub const TRANSPORT: &str = "its transport is a word that is not known";
/// Some YAML parsers follow merge keys and some do not.
pub const MERGED: &str = "some of its members come from a YAML merge key, which not every parser follows";
/// Some clients fill references in before they parse the file.
pub const FILLED_IN: &str = "the name of a member holds a reference that may be filled in";
/// What lies deeper was not read.
pub const DEEP: &str = "it is nested too deep to be read";
/// Some readers end a line at U+0085, U+2028 or U+2029, others do not, and here that makes another file of it.
pub const LINE_BREAKS: &str =
    "its file holds characters that end a line for some readers, and says something else to those";
/// JavaScript makes one text of a list, and clients have taken it.
pub const NOT_TEXT: &str = "a URL, directory, variable or header is not text";
/// Half a million servers in one table: what is in it is not looked at one by one.
pub const CROWDED: &str = "there are more servers in the file than can be told apart";

const ALL: &[&str] = &[
    TWICE,
    CASE,
    ALIASES,
    NESTED,
    BESIDE_NESTED,
    LIST_AND_ARGS,
    BESIDE_COMMAND,
    OWN_CODE,
    OF_EXTENSION,
    TRANSPORT,
    MERGED,
    FILLED_IN,
    DEEP,
    NOT_TEXT,
    LINE_BREAKS,
    CROWDED,
];

/// The contradiction that a text of a report tells.
pub fn named(text: &str) -> Option<&'static str> {
    ALL.iter().copied().find(|known| *known == text)
}

/// Whether two names are one where letters count in any case: the fold of Unicode's simple mappings, so that `ſ` is
/// `s` and the Kelvin sign is `k`, and both Turkish letters are `i` as some runtimes have it.
pub fn same_fold(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        return one.eq_ignore_ascii_case(other);
    }
    folded(one).eq(folded(other))
}

fn folded(name: &str) -> impl Iterator<Item = char> + '_ {
    // The dot that is left of `İ` in small letters.
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).filter(|c| *c != '\u{307}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_any_case_and_their_look_alikes_by_case_are_one() {
        for (one, other) in [
            ("command", "Command"),
            ("args", "arg\u{17f}"),
            ("network", "networ\u{212a}"),
            ("uri", "UR\u{130}"),
            ("uri", "ur\u{131}"),
            ("envFile", "ENVFILE"),
        ] {
            assert!(same_fold(one, other), "{one} {other}");
        }
        assert!(!same_fold("env_file", "envFile") && !same_fold("env", "envs") && !same_fold("a", ""));
    }

    #[test]
    fn a_contradiction_is_known_again_by_its_words() {
        assert_eq!(named("two members that mean the same thing differ"), Some(ALIASES));
        assert_eq!(named("args is not a list"), None);
    }
}

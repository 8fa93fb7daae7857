//! What stands in the place of a name: `user:` and 16 hex digits where it is the whole of a member, `<user:…>` inside of
//! a text. A name has no `<` in it, so what was replaced already is never read as anybody's name.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization as _;

use crate::redact::Redactor;

/// Hex digits of a hash.
const DIGITS: usize = 16;

/// What was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    Home,
    Host,
    Text,
}

impl Kind {
    const ALL: [Self; 4] = [Self::User, Self::Home, Self::Host, Self::Text];

    fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Home => "home",
            Self::Host => "host",
            Self::Text => "text",
        }
    }
}

/// The token of a name. That of a home is made of its user's name, so the two can be told to belong together.
pub(super) fn make(kind: Kind, name: &str, redactor: &Redactor) -> String {
    let domain = if kind == Kind::Home { Kind::User } else { kind };
    // Case and composition of a name differ between a directory service, a path and a process list.
    let name: String = match kind {
        Kind::Text => name.to_owned(),
        _ => name.nfc().collect::<String>().to_lowercase(),
    };
    let hash = redactor.fingerprint(&format!("mcpolicy privacy\0{}\0{name}", domain.word()));
    format!("{}:{hash}", kind.word())
}

/// Whether a text is a token and nothing else.
pub(super) fn is_whole(text: &str) -> bool {
    let bare = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(text);
    Kind::ALL.iter().any(|kind| {
        let digits = bare.strip_prefix(kind.word()).and_then(|rest| rest.strip_prefix(':'));
        digits.is_some_and(|digits| digits.len() == DIGITS && digits.bytes().all(is_digit))
    })
}

/// Where tokens stand in a text, in order.
pub(super) fn spans(text: &str) -> Vec<Range<usize>> {
    // `<`, a word of four letters, `:`, the digits, `>`
    let length = DIGITS + 7;
    let starts = text.match_indices('<').map(|(start, _)| start..start + length);
    starts.filter(|range| text.get(range.clone()).is_some_and(is_whole)).collect()
}

fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

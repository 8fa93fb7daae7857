//! How secrets look: by their own shape, and by the name of the place where they stand.
//!
//! Hiding too much costs a reader a word; hiding too little costs a credential. Where the two conflict, the text is
//! taken for a secret.

mod names;
pub(crate) mod random;
mod shapes;

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

pub(crate) use names::words;
pub use names::{is_placeholder, is_reference, is_secret_name};

/// One kind of secret.
#[derive(Debug, PartialEq, Eq)]
pub struct SecretKind {
    /// Stable code, as it appears in reports.
    pub code: &'static str,
    /// In words.
    pub title: &'static str,
    /// Whether credentials of this kind usually live until somebody revokes them.
    pub long_lived: bool,
}

/// Longest text that is searched; longer ones are hidden as a whole.
pub(crate) const MAX_TEXT: usize = 8 * 1024;

/// Most URLs that are looked at in one text; each is parsed to the end of its word, so many would take quadratic time.
const MAX_URLS: usize = 24;

/// Most marks (quotes, `=`, `:`, `@`, backslashes) and words in one text.
const MAX_MARKS: usize = 300;

/// Whether a text holds more places to look at than any real argument: such a text is hidden as a whole, since judging
/// each place up to the end of the text would take quadratic time.
pub(crate) fn is_dense(text: &str) -> bool {
    let is_mark = |b: &u8| matches!(b, b'"' | b'\'' | b'`' | b'=' | b':' | b'@' | b'\\' | b'%' | b'$' | b'{');
    text.len() > MAX_TEXT
        || text.bytes().filter(is_mark).count() > MAX_MARKS
        || text.matches("://").count() > MAX_URLS
        || text.matches(" -").count() > MAX_MARKS / 2
}

/// The text behind `Bearer ` and the like.
pub(crate) fn without_scheme(text: &str) -> &str {
    let text = text.trim();
    for scheme in ["bearer ", "token ", "basic ", "apikey ", "api-key ", "key "] {
        if text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)) {
            return text[scheme.len()..].trim_start();
        }
    }
    text
}

/// The kind of a text that is (or is `Bearer ` or `token ` and) a secret, by its shape.
pub fn classify(text: &str) -> Option<&'static SecretKind> {
    if text.len() > MAX_TEXT {
        return find_all(cut(text)).first().map(|(_, kind)| *kind);
    }
    let bare = without_scheme(text);
    let is_basic = text.trim_start().get(..6).is_some_and(|s| s.eq_ignore_ascii_case("basic "));
    if let Some((_, kind)) = find_all(bare).into_iter().next() {
        return Some(kind);
    }
    if (is_basic && bare.len() >= 4 && !is_reference(bare)) || is_encoded_login(bare) {
        return Some(&shapes::BASIC);
    }
    let is_bearer = text.trim_start().get(..7).is_some_and(|s| s.eq_ignore_ascii_case("bearer "));
    if is_bearer && !bare.is_empty() && !bare.contains(' ') && !is_reference(bare) {
        return Some(&shapes::BEARER);
    }
    if is_path(bare) || bare.contains("://") {
        return None;
    }
    random::find(bare, 16).first().map(|_| &shapes::HIGH_ENTROPY)
}

/// The kind that only a name can tell: AWS secret keys are forty characters without any mark.
pub(crate) fn kind_by_name(name: &str) -> Option<&'static SecretKind> {
    name.to_ascii_lowercase().replace(['-', '.'], "_").contains("aws_secret").then_some(&shapes::AWS_SECRET)
}

/// The kind with this code.
pub(crate) fn by_code(code: &str) -> Option<&'static SecretKind> {
    let others = [
        &shapes::JWT,
        &shapes::PRIVATE_KEY,
        &shapes::AZURE,
        &shapes::AZURE_STORAGE,
        &shapes::TELEGRAM,
        &shapes::BASIC_AUTH_URL,
        &shapes::CONNECTION_STRING,
        &shapes::BASIC,
        &shapes::BEARER,
    ];
    shapes::SHAPES.iter().map(|shape| &shape.kind).chain(others).find(|kind| kind.code == code)
}

/// Kind of a random-looking token.
pub(crate) fn high_entropy() -> &'static SecretKind {
    &shapes::HIGH_ENTROPY
}

/// Kind of a secret behind an encoding.
pub(crate) fn encoded() -> &'static SecretKind {
    &shapes::ENCODED
}

/// All prefixes of all shapes for one pass over a text, with the shape of each. An automaton of a few dozen fixed
/// short words is far below the size at which building one fails.
static PREFIXES: LazyLock<(AhoCorasick, Vec<&'static shapes::Shape>)> = LazyLock::new(|| {
    let all =
        shapes::SHAPES.iter().flat_map(|shape| shape.prefixes.iter().map(move |prefix| (*prefix, shape)));
    let (words, shape_of): (Vec<&str>, Vec<_>) = all.unzip();
    (AhoCorasick::new(words).unwrap_or_else(|_| unreachable!("short fixed words")), shape_of)
});

/// Whether any part of a text looks like a secret.
pub(crate) fn looks_secret(text: &str) -> bool {
    !find_all(text).is_empty()
}

/// Secrets of a known shape inside free text, in order and without overlap. Only the first 8 KiB are searched.
pub fn find_all(text: &str) -> Vec<(Range<usize>, &'static SecretKind)> {
    let text = cut(text);
    let mut found = Vec::new();
    let (searcher, shape_of) = &*PREFIXES;
    let mut prefixes: Vec<_> = searcher.find_overlapping_iter(text).collect();
    prefixes.sort_by_key(|m| m.pattern());
    for prefix in prefixes {
        let shape = shape_of[prefix.pattern().as_usize()];
        // Of a prefix repeated inside one token the first tells all.
        let inside = found.last().is_some_and(|(last, kind): &(Range<usize>, _)| {
            *kind == &shape.kind && last.contains(&prefix.start())
        });
        if inside {
            continue;
        }
        if let Some(end) = tail(text, prefix.start(), prefix.end(), shape) {
            found.push((prefix.start()..end, &shape.kind));
        }
    }
    jwts(text, &mut found);
    private_keys(text, &mut found);
    colon_and_tilde(text, &mut found);
    logins(text, &mut found);
    // The earliest, and of those at one place the first of the table.
    found.sort_by_key(|(range, _)| range.start);
    let mut kept: Vec<(Range<usize>, &'static SecretKind)> = Vec::with_capacity(found.len());
    for (range, kind) in found {
        match kept.last_mut() {
            Some((last, _)) if range.start < last.end => last.end = last.end.max(range.end),
            _ => kept.push((range, kind)),
        }
    }
    kept
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn is_path(text: &str) -> bool {
    text.starts_with(['/', '~', '.']) || text.as_bytes().get(1..3).is_some_and(|b| b == b":\\" || b == b":/")
}

/// Where a token ends whose prefix stands at `start..from`.
fn tail(text: &str, start: usize, from: usize, shape: &shapes::Shape) -> Option<usize> {
    let bytes = text.as_bytes();
    if shape.weak && start > 0 && bytes[start - 1].is_ascii_alphanumeric() {
        return None;
    }
    let mut end = from;
    while end < bytes.len() {
        let continues = bytes[end].is_ascii_alphanumeric()
            || matches!(bytes[end], b'_' | b'-' | b'+' | b'=' | b'~')
            || (matches!(bytes[end], b'.' | b'/' | b'%')
                && bytes.get(end + 1).is_some_and(u8::is_ascii_alphanumeric));
        if !continues {
            break;
        }
        end += 1;
    }
    let tail = &text[from..end];
    let length = tail.bytes().take_while(|b| *b != b'/').count();
    if length < shape.min {
        return None;
    }
    let machine_made = tail.bytes().any(|b| b.is_ascii_digit())
        && tail.split(['-', '_', '.', '/', '%', '+', '=', '~']).any(|run| run.len() >= 8.min(shape.min));
    (!shape.weak || machine_made).then_some(end)
}

fn jwts(text: &str, found: &mut Vec<(Range<usize>, &'static SecretKind)>) {
    let mut taken = 0;
    for (start, _) in text.match_indices("eyJ") {
        if start < taken {
            continue;
        }
        let rest = &text.as_bytes()[start..];
        let length = rest
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'=' | b'+' | b'/'))
            .count();
        taken = start + length;
        if length >= 20 {
            found.push((start..start + length, &shapes::JWT));
        }
    }
}

fn private_keys(text: &str, found: &mut Vec<(Range<usize>, &'static SecretKind)>) {
    for (start, _) in text.match_indices("-----BEGIN") {
        if !text[start..].contains("PRIVATE KEY") {
            continue;
        }
        let end = text[start..].find("-----END").map_or(text.len(), |end| {
            let after = start + end + "-----END".len();
            text[after..].find("-----").map_or(text.len(), |close| after + close + 5)
        });
        found.push((start..end, &shapes::PRIVATE_KEY));
    }
}

/// Telegram's `123456789:…`, Azure's `…8Q~…` and `AccountKey=…`.
fn colon_and_tilde(text: &str, found: &mut Vec<(Range<usize>, &'static SecretKind)>) {
    let bytes = text.as_bytes();
    let word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    for (colon, _) in text.match_indices(':') {
        let digits = bytes[..colon].iter().rev().take_while(|b| b.is_ascii_digit()).count();
        let tail = bytes[colon + 1..].iter().take_while(|b| word(b)).count();
        if (8..=12).contains(&digits) && tail >= 20 {
            found.push((colon - digits..colon + 1 + tail, &shapes::TELEGRAM));
        }
    }
    let mut taken = 0;
    for (mark, _) in text.match_indices("Q~") {
        if mark < taken {
            continue;
        }
        let azure = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'~' | b'.');
        let before = bytes[..mark].iter().rev().take_while(|b| azure(b)).count();
        let tail = bytes[mark + 2..].iter().take_while(|b| azure(b)).count();
        if before >= 3 && tail >= 16 {
            taken = mark + 2 + tail;
            found.push((mark - before..taken, &shapes::AZURE));
        }
    }
    for name in ["AccountKey=", "SharedAccessKey=", "SharedAccessSignature="] {
        for (start, _) in text.match_indices(name) {
            let from = start + name.len();
            let end = text[from..].find([';', '"', '\'', ' ']).map_or(text.len(), |end| from + end);
            if end > from {
                found.push((from..end, &shapes::AZURE_STORAGE));
            }
        }
    }
}

/// Passwords in `scheme://user:password@host` and in `Password=…;`.
fn logins(text: &str, found: &mut Vec<(Range<usize>, &'static SecretKind)>) {
    for (mark, _) in text.match_indices("://").take(MAX_URLS) {
        let from = mark + 3;
        let rest = &text[from..];
        let rest = &rest
            [..rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`')).unwrap_or(rest.len())];
        let Some(userinfo) = userinfo_len(rest) else { continue };
        let Some((_, password)) = rest[..userinfo].split_once(':') else { continue };
        if password.is_empty() || is_reference(password) {
            continue;
        }
        let scheme = text[..mark].rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let kind = match scheme {
            "http" | "https" | "ws" | "wss" => &shapes::BASIC_AUTH_URL,
            _ => &shapes::CONNECTION_STRING,
        };
        found.push((from..from + userinfo, kind));
    }
    let lower = text.to_ascii_lowercase();
    let mut taken = 0;
    for name in ["password=", "pwd="] {
        for (start, _) in lower.match_indices(name) {
            let from = start + name.len();
            // Only a connection string has other `name=value` parts around it.
            if from < taken || !text.contains(';') {
                continue;
            }
            let rest = &text[from..];
            let end = match rest.chars().next() {
                Some(quote @ ('"' | '\'')) => rest[1..].find(quote).map_or(rest.len(), |end| end + 2),
                _ => rest.find(';').unwrap_or(rest.len()),
            };
            if end > 0 && !is_reference(&rest[..end]) {
                taken = from + end;
                found.push((from..taken, &shapes::CONNECTION_STRING));
            }
        }
    }
}

/// Bytes of the user information before the `@` of an authority, at whose start `rest` stands. A password may hold
/// `/`, `?` or `#` unescaped: then what stands before the first of them is no host and port.
pub(crate) fn userinfo_len(rest: &str) -> Option<usize> {
    let authority = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    if let Some(at) = rest[..authority].rfind('@') {
        return Some(at);
    }
    let at = rest.rfind('@')?;
    let (_, port) = rest[..authority].split_once(':')?;
    let is_host =
        rest.starts_with('[') || port.bytes().all(|b| b.is_ascii_digit()) || port.contains(['$', '{']);
    (!is_host).then_some(at)
}

/// Whether a text is base64 of `user:password`.
pub(crate) fn is_encoded_login(text: &str) -> bool {
    text.len() >= 8
        && decode_base64(text).is_some_and(|plain| {
            plain.iter().all(|b| matches!(b, b' '..=b'~')) && plain.contains(&b':') && plain.len() >= 5
        })
}

/// Standard or URL-safe base64, padding optional.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in text.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            plain.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(plain)
}

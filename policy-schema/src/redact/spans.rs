//! Which parts of a text are hidden. A span is a byte range and the kind to show in its place.

use std::ops::Range;

use super::context;
use crate::secret::{self, is_reference, is_secret_name};

/// A range to hide and what to call it.
pub(super) type Span = (Range<usize>, &'static str);

/// Kind of a secret that only its place betrays.
pub(super) const LITERAL: &str = "literal";

/// Kind of a variable's value whose name does not say that it is a secret: hidden, as all values of variables are, but
/// not worth a finding.
const ENV_VALUE: &str = "env-value";

/// What to call a value: by its shape, as a placeholder, or by its name.
pub(super) fn kind_of(value: &str, by_name: &'static str) -> &'static str {
    match secret::classify(value) {
        Some(kind) => kind.code,
        None if secret::is_placeholder(value) => "placeholder",
        None => by_name,
    }
}

/// Everything to hide in free text, a shell line or JSON text; ordered, without overlap.
pub(super) fn of_text(text: &str) -> Vec<Span> {
    let mut spans = of_plain(text);
    assignments(text, &mut spans);
    schemes(text, &mut spans);
    flags(text, &mut spans);
    context::of_text(text, &mut spans);
    let spans = merged(spans);
    merged(disguised(text, spans))
}

/// What shape alone tells: known secrets, URLs, random-looking tokens, encoded logins.
fn of_plain(text: &str) -> Vec<Span> {
    let mut spans: Vec<Span> =
        secret::find_all(text).into_iter().map(|(range, kind)| (range, kind.code)).collect();
    for (mark, _) in text.match_indices("://") {
        let start = text[..mark]
            .rfind(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '.' | '-'))
            .map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8));
        let end = text[mark..]
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>'))
            .map_or(text.len(), |end| mark + end);
        spans.extend(
            super::url::spans(&text[start..end])
                .into_iter()
                .map(|(r, k)| (r.start + start..r.end + start, k)),
        );
    }
    spans
        .extend(secret::random::find(text, 16).into_iter().map(|range| (range, secret::high_entropy().code)));
    for range in words(text, |b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'_' | b'-')) {
        if secret::is_encoded_login(&text[range.clone()]) {
            spans.push((range, "basic-auth"));
        }
    }
    spans
}

/// Runs of bytes for which `inside` holds.
fn words(text: &str, inside: impl Fn(u8) -> bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, byte) in text.bytes().enumerate() {
        match (inside(byte), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                found.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    found.extend(start.map(|from| from..text.len()));
    found
}

/// Sorts spans and joins those that overlap; a telling kind wins over [`LITERAL`].
pub(super) fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|(range, _)| range.start < range.end);
    spans.sort_by_key(|(range, _)| (range.start, range.end));
    let mut kept: Vec<Span> = Vec::with_capacity(spans.len());
    for (range, kind) in spans {
        match kept.last_mut() {
            Some((last, name)) if range.start < last.end => {
                last.end = last.end.max(range.end);
                if matches!(*name, LITERAL | ENV_VALUE | "high-entropy" | "url-query") {
                    *name = kind;
                }
            }
            _ => kept.push((range, kind)),
        }
    }
    kept
}

/// Values behind secret names (`NAME=value`, `name: value`, `"name": "value"`) and behind variable names in capitals.
fn assignments(text: &str, spans: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut taken = 0;
    for (at, byte) in text.bytes().enumerate() {
        // What stands inside a hidden value is hidden with it.
        if at < taken || !matches!(byte, b'=' | b':') || (byte == b':' && text[at..].starts_with("://")) {
            continue;
        }
        let before = text[..at].trim_end_matches([' ', '\t']);
        let bare = before.trim_end_matches(['"', '\'', '\\', '`', ']']);
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let start = bare.len() - bare.bytes().rev().take_while(|b| is_name(char::from(*b))).count();
        let name = bare[start..].strip_prefix("-D").unwrap_or(&bare[start..]);
        if name.is_empty() || !(is_secret_name(name) || (byte == b'=' && is_variable(name))) {
            continue;
        }
        let rest = &text[at + 1..];
        let from = at + 1 + (rest.len() - rest.trim_start_matches([' ', '\t', '\\', '=', ':', '>']).len());
        let quoted = matches!(bytes.get(from), Some(b'"' | b'\'' | b'`'));
        // `volume:/path` is a mount, not a secret.
        if byte == b':' && !quoted && bytes.get(at + 1) == Some(&b'/') {
            continue;
        }
        let end =
            if byte == b':' && !quoted { line_end(text, start, from) } else { word_end(text, start, from) };
        if push_value(text, from..end, if is_secret_name(name) { LITERAL } else { ENV_VALUE }, spans) {
            taken = end.saturating_sub(1);
        }
    }
}

/// Hides a value unless it is a reference; quotes around it stay.
pub(super) fn push_value(
    text: &str,
    range: Range<usize>,
    by_name: &'static str,
    spans: &mut Vec<Span>,
) -> bool {
    let value = &text[range.clone()];
    let trimmed = value.trim_matches(['"', '\'', '`', '\\']);
    if trimmed.is_empty() || is_reference(trimmed) {
        return false;
    }
    let from = range.start + (value.len() - value.trim_start_matches(['"', '\'', '`', '\\']).len());
    let kind = kind_of(trimmed, by_name);
    spans.push((from..from + trimmed.len(), kind));
    true
}

/// Whether a name is written as variables are: `env LOG_LEVEL=debug` sets one, and values of variables are hidden.
pub(super) fn is_variable(name: &str) -> bool {
    name.len() >= 2
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        && name.as_bytes()[0].is_ascii_uppercase()
}

/// End of a shell word from `from`, where the name before it started at `start`: quotes may open and close inside it.
pub(super) fn word_end(text: &str, start: usize, from: usize) -> usize {
    let bytes = text.as_bytes();
    let mut quote = start.checked_sub(1).map(|at| bytes[at]).filter(|b| matches!(b, b'"' | b'\'' | b'`'));
    // In `"name": "value"` the quote before the name was closed before the value.
    let json = matches!(bytes.get(from), Some(b'"' | b'\'' | b'`')) && quote.is_some();
    if json {
        quote = None;
    }
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b @ (b'"' | b'\'' | b'`') => match quote {
                Some(open) if open == b => {
                    quote = None;
                    if json {
                        return at + 1;
                    }
                }
                None => quote = Some(b),
                Some(_) => {}
            },
            b if b.is_ascii_whitespace() && quote.is_none() => break,
            // A no-break space parts words for the eye as well.
            128..
                if quote.is_none() && text.get(at..).is_some_and(|t| t.starts_with(char::is_whitespace)) =>
            {
                break;
            }
            _ => {}
        }
        at += 1;
    }
    at.min(bytes.len())
}

/// End of a header-like value: the quote that was open at its name, else the end of the line.
fn line_end(text: &str, start: usize, from: usize) -> usize {
    let mut open = None;
    for byte in text[..start].bytes() {
        match open {
            Some(quote) if quote == byte => open = None,
            None if matches!(byte, b'"' | b'\'' | b'`') => open = Some(byte),
            _ => {}
        }
    }
    let is_end = |c: char| matches!(c, '\n' | '\r') || open.is_some_and(|quote| c == char::from(quote));
    text[from..].find(is_end).map_or(text.len(), |end| from + end)
}

/// Whether a text ends with a variable that a container gets by its name alone: `docker run … -e TOKEN`.
fn is_passed_on(text: &str) -> bool {
    let mut words = text.rsplit(' ').filter(|word| !word.is_empty());
    words.next().is_some_and(is_variable)
        && matches!(words.next(), Some("-e" | "--env"))
        && words.any(|word| matches!(word, "run" | "create" | "exec"))
}

/// What stands behind `Bearer`, `Basic` and `token`.
fn schemes(text: &str, spans: &mut Vec<Span>) {
    let lower = text.to_ascii_lowercase();
    for (scheme, always) in [("bearer", true), ("basic", false), ("token", false), ("apikey", false)] {
        for (at, _) in lower.match_indices(scheme) {
            let after = &text[at + scheme.len()..];
            if after.starts_with(' ') && is_passed_on(&text[..at + scheme.len()]) {
                continue;
            }
            let value = after.trim_start_matches([' ', '\t', '+', '%', '2', '0']);
            if value.len() == after.len() {
                continue;
            }
            let from = text.len() - value.len();
            let end = from
                + value
                    .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`'))
                    .unwrap_or(value.len());
            let value = &text[from..end];
            let made = value.len() >= 6 && value.bytes().any(|b| b.is_ascii_digit() || b == b'=');
            if always || made {
                push_value(text, from..end, LITERAL, spans);
            }
        }
    }
}

/// What a flag says about the value behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// Nothing.
    Plain,
    /// It is a secret.
    Secret,
    /// It is a header, `Name: value`.
    Header,
    /// It is a variable, `NAME=value`.
    Variable,
    /// It is `user:password`.
    Login,
    /// It may be a password (`-p`), a port or a package.
    Maybe,
}

/// What the flag `flag` (with its dashes, without a value) says about its value.
pub(super) fn follow(flag: &str) -> Follow {
    match flag {
        "-H" | "--header" | "--headers" | "--oauth2Bearer" | "--add-header" => Follow::Header,
        "-e" | "--env" | "-E" | "--build-arg" | "--setenv" | "--environment" => Follow::Variable,
        "-u" | "--user" | "--proxy-user" => Follow::Login,
        "-k" => Follow::Secret,
        "-p" => Follow::Maybe,
        // `docker run -ie NAME=value`
        "-ie" | "-te" | "-de" | "-ite" | "-tie" | "-die" | "-dite" | "-itde" => Follow::Variable,
        _ if flag.len() > 2 && flag.starts_with('-') && is_secret_name(flag) => Follow::Secret,
        _ => Follow::Plain,
    }
}

/// What the value of a flag is called where its shape says nothing.
pub(super) fn by_place(follow: Follow, value: &str) -> &'static str {
    match follow {
        Follow::Variable if !value.split('=').next().is_some_and(is_secret_name) => ENV_VALUE,
        _ => LITERAL,
    }
}

/// The part of a flag's value that is hidden.
pub(super) fn followed(follow: Follow, value: &str) -> Option<Range<usize>> {
    let from = match follow {
        Follow::Plain => return None,
        Follow::Secret => 0,
        Follow::Maybe => {
            if !context::is_password_like(value) {
                return None;
            }
            0
        }
        Follow::Header => value.find([':', '=']).map_or(0, |at| at + 1),
        Follow::Variable => {
            let equals = value.find('=')?;
            // `node -e 'a=b'` is code; a variable's name is one word.
            let name = &value[..equals];
            if !name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'"' | b'\''))
            {
                return None;
            }
            equals + 1
        }
        Follow::Login => {
            let colon = value.find(':')?;
            // `docker run -u 1000:1000`
            if value.bytes().all(|b| b.is_ascii_digit() || b == b':') {
                return None;
            }
            colon + 1
        }
    };
    let rest = &value[from..];
    let from = from + (rest.len() - rest.trim_start().len());
    let end = value.trim_end().len();
    (from < end && !is_reference(&value[from..end])).then_some(from..end)
}

/// Flags and the words behind them in one line of text.
fn flags(text: &str, spans: &mut Vec<Span>) {
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let start = at + (rest.len() - rest.trim_start().len());
        let end = word_end(text, 0, start).max(start);
        if start >= text.len() {
            return;
        }
        let word = text[start..end].trim_matches(['"', '\'', '`', ',', '[', ']']);
        at = end.max(start + 1);
        while !text.is_char_boundary(at) {
            at += 1;
        }
        if !word.starts_with('-') {
            continue;
        }
        let (flag, inline) = word.split_once('=').map_or((word, None), |(flag, value)| (flag, Some(value)));
        let follow = follow(flag);
        let value_at = match inline {
            Some(value) => end - (text[start..end].len() - text[start..end].rfind(value).unwrap_or(0)),
            None => at + (text[at..].len() - text[at..].trim_start().len()),
        };
        if follow == Follow::Plain || value_at >= text.len() {
            continue;
        }
        let value_end = if inline.is_some() { end } else { word_end(text, 0, value_at) };
        let value = &text[value_at..value_end];
        if inline.is_none() && value.starts_with("--") {
            continue;
        }
        let bare = value.trim_matches(['"', '\'', '`']);
        let shift = value_at + value.find(bare).unwrap_or(0);
        if let Some(range) = followed(follow, bare) {
            let by_name = by_place(follow, bare);
            let kind = kind_of(&bare[range.clone()], by_name);
            spans.push((range.start + shift..range.end + shift, kind));
        }
    }
}

/// Words that show a secret only after percent-decoding, or without the quotes, backslashes and invisible characters
/// that split it.
fn disguised(text: &str, mut spans: Vec<Span>) -> Vec<Span> {
    let mut extra = Vec::new();
    for range in words(text, |b| !b.is_ascii_whitespace()) {
        let word = &text[range.clone()];
        let decoded = percent_decoded(word);
        let unquoted: String = decoded.chars().filter(|c| !is_splitter(*c)).collect();
        if unquoted == word && word.len() < 12 {
            continue;
        }
        // Backslashes may split a token, but they also part the names of a Windows path, which are not one long word:
        // without them only known shapes count.
        let joined = unquoted.replace(['\\', '^'], "");
        // `%3F` inside a URL's path begins no query; in an encoded URL it does.
        let is_url = word.contains("://");
        let plain = merged(of_plain(&unquoted));
        let plain =
            plain.iter().filter(|(_, k)| !is_url || !matches!(*k, "url-query" | "url-fragment" | "url-path"));
        // `%74oken=…`
        let mut named = Vec::new();
        if decoded != word && !is_url {
            assignments(&unquoted, &mut named);
        }
        let found = (plain.count() + named.len()).max(secret::find_all(&joined).len())
            + usize::from(hides_base64(&joined));
        let known = spans.iter().filter(|(s, _)| s.start < range.end && range.start < s.end).count();
        if found > known {
            extra.push((range, secret::encoded().code));
        }
    }
    spans.extend(extra);
    spans
}

/// Quotes and invisible characters that can stand inside a token without changing it for the eye or the shell.
fn is_splitter(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}')
}

/// Whether a part of a word is base64 of text that holds a secret.
fn hides_base64(word: &str) -> bool {
    words(word, |b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'_' | b'-'))
        .into_iter()
        .any(|range| {
            range.len() >= 12
                && secret::decode_base64(&word[range])
                    .and_then(|plain| String::from_utf8(plain).ok())
                    .is_some_and(|plain| !secret::find_all(&plain).is_empty())
        })
}

/// Percent-decoding; what is not UTF-8 then stays as it was.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|d| std::str::from_utf8(d).ok());
        match digits.and_then(|d| u8::from_str_radix(d, 16).ok()).filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(plain).unwrap_or_else(|_| text.to_owned())
}

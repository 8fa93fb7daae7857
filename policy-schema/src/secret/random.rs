//! Text that looks made by a machine: what is hidden where neither name nor prefix says "secret".

use std::ops::Range;

/// Whether a run of letters and digits looks random. `min` is the fewest characters that are judged.
fn is_random_run(run: &str, min: usize) -> bool {
    let bytes = run.as_bytes();
    if bytes.len() < min {
        return false;
    }
    let count = |test: fn(&u8) -> bool| bytes.iter().filter(|b| test(b)).count();
    let (digits, upper, lower) =
        (count(u8::is_ascii_digit), count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase));
    let changes = |class: fn(&u8) -> u8| bytes.windows(2).filter(|w| class(&w[0]) != class(&w[1])).count();
    let digit_changes = changes(|b| u8::from(b.is_ascii_digit()));
    if digits == 0 {
        // camelCase has hardly two capitals in a row; random letters have many.
        let pairs = |test: fn(&u8) -> bool| bytes.windows(2).filter(|w| test(&w[0]) && test(&w[1])).count();
        return bytes.len() >= 20
            && upper >= 3
            && lower >= 3
            && pairs(u8::is_ascii_uppercase) >= 2
            && changes(|b| u8::from(b.is_ascii_uppercase())) >= 6;
    }
    if upper + lower == 0 {
        return false;
    }
    if upper > 0 && lower > 0 {
        return digit_changes >= 3 || bytes.len() >= 24;
    }
    bytes.len() >= min.max(18) && digit_changes >= 4 || bytes.len() >= 28
}

/// Characters that continue a token around a random run (base64, base64url, percent signs).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'_' | b'-' | b'+' | b'=' | b'~' | b'.' | b'%' | b'!' | b'$')
}

/// Random-looking tokens of a text, grown to the whole token. Commit hashes after `@` and digests after `sha256:` are
/// not secrets and identify what runs.
pub(crate) fn find(text: &str, min: usize) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_alphanumeric() {
            at += 1;
            continue;
        }
        let mut end = at;
        while end < bytes.len() && bytes[end].is_ascii_alphanumeric() {
            end += 1;
        }
        let uuid = uuid_at(bytes, at);
        if uuid || (is_random_run(&text[at..end], min) && !is_hash(text, at, end)) {
            let mut start = at;
            while start > 0 && is_token_byte(bytes[start - 1]) {
                start -= 1;
            }
            if uuid {
                end = at + 36;
            }
            while end < bytes.len() && is_token_byte(bytes[end]) {
                end += 1;
            }
            // NAME=token: the name is not part of the token.
            if let Some(equals) = text[start..at].rfind('=') {
                start += equals + 1;
            }
            found.push(start..end);
        }
        at = end.max(at + 1);
    }
    found
}

fn uuid_at(bytes: &[u8], at: usize) -> bool {
    let Some(part) = bytes.get(at..at + 36) else { return false };
    part.iter().enumerate().all(|(i, b)| match i {
        8 | 13 | 18 | 23 => *b == b'-',
        _ => b.is_ascii_hexdigit(),
    })
}

/// A commit after `@` or `#`, or a digest after its algorithm.
fn is_hash(text: &str, start: usize, end: usize) -> bool {
    let run = &text[start..end];
    if !run.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f')) {
        return false;
    }
    let before = &text[..start];
    match run.len() {
        64 => before.ends_with("sha256:") || before.ends_with("@"),
        128 => before.ends_with("sha512:"),
        40 => before.ends_with('@') || before.ends_with('#'),
        _ => false,
    }
}

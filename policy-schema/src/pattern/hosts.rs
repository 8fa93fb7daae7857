//! Which wildcards of a pattern stand for a part of what a URL is addressed to: its login, host and port.

use super::Part;

/// Whether a text is what may follow the host of a URL.
pub(super) fn is_behind(text: &str) -> bool {
    let behind =
        text.strip_prefix(':').map_or(text, |port| port.trim_start_matches(|c: char| c.is_ascii_digit()));
    behind.is_empty() || behind.starts_with(['/', '?', '#'])
}

/// Marks the wildcards that stand for a part of what a URL is addressed to, or of a host without a scheme.
///
/// Attack: `https://evil.example?.acme.example/x`, and the same with `#` and `@`, for `https://*.acme.example/**`;
/// `http://localhost:x@evil.example/` for `http://localhost:*/**`: a server is told of another host, and brings the token
/// that it was approved with there.
pub(super) fn mark(parts: &[Part]) -> Vec<Part> {
    let mut marked: Vec<Part> = Vec::with_capacity(parts.len());
    for (at, part) in parts.iter().enumerate() {
        let is_free = matches!(part, Part::Segment | Part::Anything);
        match before_in_url(&parts[..at]).filter(|_| is_free) {
            Some(before) => marked.extend(in_url(&before, part, &parts[at + 1..])),
            None if is_domain(parts, at) => marked.push(Part::Domain),
            None => marked.push(part.clone()),
        }
    }
    marked
}

/// What stands between `://` and the end of these parts, a wildcard as `*`; `None` if no URL is open there, or its address
/// has ended.
fn before_in_url(parts: &[Part]) -> Option<String> {
    let text = shown(parts);
    let (_, before) = text.rsplit_once("://")?;
    (!before.contains(ADDRESS_ENDS)).then(|| before.to_owned())
}

/// What ends the address in a URL: to parsers of the web `\` as well.
const ADDRESS_ENDS: [char; 4] = ['/', '\\', '?', '#'];

/// What a wildcard in the address of a URL stands for, by what is written before and behind it.
fn in_url(before: &str, wildcard: &Part, behind: &[Part]) -> Vec<Part> {
    let behind = shown(behind);
    let behind = behind.split(ADDRESS_ENDS).next().unwrap_or_default();
    if behind.contains('@') {
        return vec![Part::Login];
    }
    let is_anything = *wildcard == Part::Anything;
    let host = before.rsplit('@').next().unwrap_or(before);
    // an address in brackets holds colons, too
    let unbracketed =
        host.strip_prefix('[').map_or(host, |inner| inner.split_once(']').map_or("", |(_, rest)| rest));
    if unbracketed.contains(':') {
        return if is_anything { vec![Part::Port, Part::HostEnd, Part::Anything] } else { vec![Part::Port] };
    }
    let is_named = |text: &str| text.contains(|c: char| c.is_ascii_alphanumeric());
    if is_named(behind.split(':').next().unwrap_or(behind)) {
        return vec![Part::Host];
    }
    if !is_named(host) {
        // any host is meant
        return vec![wildcard.clone()];
    }
    match (host.ends_with(|c: char| c.is_ascii_alphanumeric() || c == ']'), is_anything) {
        (true, _) => vec![Part::HostEnd, wildcard.clone()],
        (false, false) => vec![Part::Host],
        // `https://eu.**`: a beginning of hosts with whatever follows, which nothing here can hold to one host
        (false, true) => vec![Part::Anything],
    }
}

/// Whether the wildcard at this place is the first part of a host without a scheme: `*.acme.example`, `--host=*.acme.example`.
fn is_domain(parts: &[Part], at: usize) -> bool {
    let begins = match at.checked_sub(1).map(|before| &parts[before]) {
        None => true,
        Some(Part::Literal(before)) => before.ends_with(['=', ' ', ',']),
        Some(_) => false,
    };
    let behind = match parts.get(at + 1) {
        Some(Part::Literal(next)) => next.split('/').next().unwrap_or_default(),
        _ => "",
    };
    parts[at] == Part::Segment && begins && behind.starts_with('.') && names_end(behind)
}

/// Whether a label of a host is named behind a dot.
fn names_end(host: &str) -> bool {
    host.split('.').skip(1).any(|label| label.starts_with(|c: char| c.is_ascii_alphanumeric()))
}

/// Parts as text, each that is free as `*`.
fn shown(parts: &[Part]) -> String {
    let text = |part: &Part| match part {
        Part::Literal(text) => text.clone(),
        Part::Home => "/".to_owned(),
        _ => "*".to_owned(),
    };
    parts.iter().map(text).collect()
}

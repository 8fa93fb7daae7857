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
        if !matches!(part, Part::Segment | Part::Anything) {
            marked.push(part.clone());
            continue;
        }
        let text = shown(&parts[..at]);
        match text.rsplit_once("://") {
            Some((scheme, address)) if !address.contains(ADDRESS_ENDS) => {
                marked.extend(in_url((is_web(scheme), address), part, &parts[at + 1..]));
            }
            Some((scheme, behind)) if !is_web(scheme) => marked.push(of_connection(behind, part)),
            None if is_scheme(&parts[at + 1..]) => marked.push(Part::Scheme),
            None if is_domain(parts, at) => {
                marked.push(Part::Without { not: "/\\?#@:,;|", whole: false });
            }
            _ => marked.push(part.clone()),
        }
    }
    marked
}

/// What ends the address in a URL: to parsers of the web `\` as well.
const ADDRESS_ENDS: [char; 4] = ['/', '\\', '?', '#'];

/// Whether what follows a wildcard makes it a part of a scheme.
///
/// Attack: `https:evil.example#://acme.example/` for `http*://acme.example/**`.
fn is_scheme(behind: &[Part]) -> bool {
    let behind = shown(behind);
    let rest = behind.split_once("://").map(|(rest, _)| rest);
    rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_alphanumeric() || "+-.*".contains(c)))
}

/// Whether a text ends with a scheme that has no parameters which name another host: of the web, of files and of Git.
fn is_web(text: &str) -> bool {
    let scheme = text.rsplit(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '*')));
    let scheme = scheme.map(str::to_ascii_lowercase).next().unwrap_or_default();
    matches!(
        scheme.strip_prefix("git+").unwrap_or(&scheme),
        "http"
            | "https"
            | "http*"
            | "ws"
            | "wss"
            | "ws*"
            | "file"
            | "s3"
            | "gs"
            | "ssh"
            | "git"
            | "sftp"
            | "ftp"
    )
}

/// A wildcard behind the address of a connection string. Its parameters may name another host: `?host=`, `&hostaddr=`.
fn of_connection(behind: &str, wildcard: &Part) -> Part {
    let not = if behind.contains('?') { "&;#" } else { "?&;#" };
    Part::Without { not, whole: *wildcard == Part::Anything }
}

/// What a wildcard in the address of a URL stands for, by what is written before and behind it.
fn in_url((is_web, before): (bool, &str), wildcard: &Part, behind: &[Part]) -> Vec<Part> {
    let behind = shown(behind);
    let behind = behind.split(ADDRESS_ENDS).next().unwrap_or_default();
    if behind.contains('@') {
        return vec![Part::Without { not: "/\\?#@", whole: true }];
    }
    let is_anything = *wildcard == Part::Anything;
    let host = before.rsplit('@').next().unwrap_or(before);
    // `mongodb://h1:27017,h2:27017/x`, `jdbc:sqlserver://h:1433;user=x`
    let host = host.rsplit([',', ';']).next().unwrap_or(host);
    let behind = behind.split([',', ';']).next().unwrap_or(behind);
    let rest = if is_web { wildcard.clone() } else { of_connection("", wildcard) };
    if host.contains('=') {
        return vec![Part::Without { not: if is_web { ";&@/\\?#" } else { ";&" }, whole: is_anything }];
    }
    if host.is_empty() && before.ends_with(';') {
        // parameters of any name: one of them would name another host
        return vec![Part::Without { not: ";&=", whole: is_anything }];
    }
    // an address in brackets holds colons, too
    let unbracketed =
        host.strip_prefix('[').map_or(host, |inner| inner.split_once(']').map_or("", |(_, rest)| rest));
    if unbracketed.contains(':') {
        return if is_anything { vec![Part::Port, Part::HostEnd, rest] } else { vec![Part::Port] };
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
        (true, _) => vec![Part::HostEnd, rest],
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

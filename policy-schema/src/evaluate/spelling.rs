//! Other spellings of what a denial names. Only denials read so widely: a rule that allows means what it says.

use std::borrow::Cow;

use crate::document::Ecosystem;
use crate::identity::spec;

/// Expansions of braces that are looked at in one text.
const MAX_EXPANSIONS: usize = 64;

/// Whether a client may take a word for a URL: the parsers of the web want neither two slashes nor small letters, and
/// drop tabs, line ends and what stands before it and cannot be seen.
pub(super) fn may_be_url(word: &str) -> bool {
    // every word of an entry comes by here
    if spec::place_of(word, b':').is_none() {
        return false;
    }
    let start = word.trim_start().split(':').next().unwrap_or_default();
    let letters = || start.bytes().filter(|b| !b.is_ascii_control()).map(|b| b.to_ascii_lowercase());
    spec::is_url(word) || ["https", "http", "wss", "ws"].iter().any(|scheme| letters().eq(scheme.bytes()))
}

/// A text as a shell hands it on: without quotes and escapes, and for each alternative of its braces.
pub(super) fn unquoted(text: &str) -> Vec<String> {
    let escapes = ['\\', '^', '`', '"', '\''];
    if !text.contains(escapes) && !text.contains('{') {
        return Vec::new();
    }
    // A shell takes a line that an escape ends and the next for one, and two more kinds of quotes for quotes.
    let joined = |text: String, escape: &str| {
        text.replace(&format!("{escape}\r\n"), "").replace(&format!("{escape}\n"), "")
    };
    let whole = ["\\", "^", "`"].into_iter().fold(text.to_owned(), joined);
    let texts = expanded(&whole.replace("$'", "'").replace("$\"", "\""));
    texts.iter().map(|text| text.replace(escapes, "")).filter(|plain| plain != text).collect()
}

/// Whether the braces of a text stand for more alternatives than are looked at.
pub(super) fn has_more(text: &str) -> bool {
    text.contains('{') && expanded(text).iter().any(|text| braces(text).is_some())
}

/// A text with each alternative of its braces in their place. What is too much keeps its braces.
fn expanded(text: &str) -> Vec<String> {
    let mut texts = vec![text.to_owned()];
    let mut done = Vec::new();
    while let Some(text) = texts.pop() {
        match braces(&text) {
            Some(alternatives) if texts.len() + done.len() < MAX_EXPANSIONS => texts.extend(alternatives),
            _ => done.push(text),
        }
    }
    done
}

/// A text with each alternative of its first innermost `{a,b}` in its place.
fn braces(text: &str) -> Option<Vec<String>> {
    let mut open = None;
    for (at, c) in text.char_indices() {
        match (c, open) {
            ('{', _) => open = Some(at),
            ('}', Some(start)) => {
                let inner: &str = &text[start + 1..at];
                if inner.contains(',') {
                    let with = |part: &str| format!("{}{part}{}", &text[..start], &text[at + 1..]);
                    return Some(inner.split(',').map(with).collect());
                }
                open = None;
            }
            _ => {}
        }
    }
    None
}

/// The packages that a URL of an archive may be, with the version that its name tells: `NAME/-/NAME-1.0.0.tgz` of npm,
/// the wheels and source archives of Python.
pub(super) fn archived(url: &str) -> Vec<(Ecosystem, String, Option<String>)> {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let path = percent_decoded(path);
    let Some((folder, file)) = path.rsplit_once('/') else { return Vec::new() };
    let mut found = Vec::new();
    if let Some(stem) = file.strip_suffix(".tgz").or_else(|| file.strip_suffix(".tar.gz")) {
        let (name, version) = name_and_version(stem);
        let mut parts = folder.strip_suffix("/-").unwrap_or_default().rsplit('/');
        let (last, before) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let scoped = before.starts_with('@').then(|| format!("{before}/{last}"));
        let of_folder = Some(last.to_owned()).filter(|last| !last.is_empty());
        for name in scoped.into_iter().chain(of_folder).chain([name.to_owned()]) {
            found.push((Ecosystem::Npm, name, version.map(str::to_owned)));
        }
    }
    let source = [".tar.gz", ".zip", ".tar.bz2", ".tgz"].iter().find_map(|end| file.strip_suffix(end));
    if let Some(stem) = source {
        let (name, version) = name_and_version(stem);
        found.push((Ecosystem::Pypi, name.to_owned(), version.map(str::to_owned)));
    }
    if let Some(stem) = file.strip_suffix(".whl") {
        let mut parts = stem.split('-');
        let name = parts.next().unwrap_or_default().to_owned();
        found.push((Ecosystem::Pypi, name, parts.next().map(str::to_owned)));
    }
    found
}

/// `name-1.0.0` parted before the first number that a dash precedes.
fn name_and_version(stem: &str) -> (&str, Option<&str>) {
    let at = stem.match_indices('-').map(|(at, _)| at);
    let mut at = at.filter(|at| stem[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
    at.next().map_or((stem, None), |at| (&stem[..at], Some(&stem[at + 1..])))
}

/// A text with `%41` as `A`: what needs no escape may have one. Other escapes stay.
pub(crate) fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        let from = text.len() - rest.len() + at;
        let byte = bytes.get(from + 1..from + 3).and_then(|hex| {
            let hex = std::str::from_utf8(hex).ok()?;
            u8::from_str_radix(hex, 16).ok().filter(u8::is_ascii_graphic)
        });
        let taken = match byte {
            Some(byte) if !matches!(byte, b'%' | b'?' | b'#') => {
                plain.push(char::from(byte));
                3
            }
            _ => {
                plain.push('%');
                1
            }
        };
        rest = &rest[at + taken..];
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// An image of Docker Hub under another name of that registry.
pub(super) fn hub_image(word: &str) -> Option<String> {
    const ALIASES: [&str; 4] =
        ["registry-1.docker.io", "registry.hub.docker.com", "hub.docker.com", "registry.docker.io"];
    let bare = word.strip_prefix("docker://").unwrap_or(word);
    let (host, rest) = bare.split_once('/')?;
    let host = host.strip_suffix(":443").unwrap_or(host);
    ALIASES.iter().any(|alias| host.eq_ignore_ascii_case(alias)).then(|| format!("docker.io/{rest}"))
}

/// A path with `//`, `.` and `..` taken away as far as its text says, for Windows with either slash.
pub(super) fn plain_path(path: &str, is_windows: bool) -> String {
    let slashed = if is_windows { path.replace('\\', "/") } else { path.to_owned() };
    let mut parts: Vec<&str> = Vec::new();
    for part in slashed.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let root = if slashed.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// The package behind `npm:` or `jsr:` (with that scheme before it), without a program or file of it behind it:
/// `npm:/@a/b@1.0.0/bin`.
pub(super) fn specifier<'w>(word: &'w str, scheme: &str) -> Option<&'w str> {
    let start = word.get(..scheme.len())?;
    if !start.eq_ignore_ascii_case(scheme) {
        return None;
    }
    let package = word[scheme.len()..].trim_start_matches('/');
    let skip = usize::from(package.starts_with('@'));
    let end = package.match_indices('/').nth(skip).map_or(package.len(), |(at, _)| at);
    (end > 0).then(|| &package[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_expanded_and_not_without_end() {
        let mut texts = unquoted("npx evil-{pkg,x}");
        texts.sort();
        assert_eq!(texts, ["npx evil-pkg", "npx evil-x"]);
        assert_eq!(unquoted(r"npx evil\-p'k'g"), ["npx evil-pkg"]);
        assert!(unquoted("npx plain").is_empty());
        assert_eq!(unquoted("npx ev\\\nil^\r\n-p`\nkg"), ["npx evil-pkg"]);
        assert_eq!(unquoted("npx $'evil'$\"-pkg\""), ["npx evil-pkg"]);
        assert!(unquoted(&"{a,b}".repeat(12)).len() <= MAX_EXPANSIONS + 1);
        assert!(!has_more("{a}}{") && !has_more(&"{a,b}".repeat(6)) && has_more(&"{a,b}".repeat(7)));
    }

    #[test]
    fn an_archive_tells_whose_it_is() {
        let told = |url: &str| {
            let shown = |(_, name, version): (_, String, Option<String>)| {
                format!("{name}@{}", version.unwrap_or_default())
            };
            archived(url).into_iter().map(shown).collect::<Vec<_>>()
        };
        assert!(
            told("https://r.example/evil-pkg/-/evil-pkg-1.0.0.tgz").contains(&"evil-pkg@1.0.0".to_owned())
        );
        assert!(told("https://r.example/@a%2fb/-/b-1.0.0.tgz").contains(&"@a/b@1.0.0".to_owned()));
        assert!(
            told("https://f.example/x/evil_pkg-2.0-py3-none-any.whl#sha256=0")
                .contains(&"evil_pkg@2.0".to_owned())
        );
        assert!(told("https://f.example/x/evil-pkg-2.0.tar.gz").contains(&"evil-pkg@2.0".to_owned()));
        assert!(told("https://f.example/mcp").is_empty());
    }

    #[test]
    fn paths_are_compared_without_detours() {
        assert_eq!(plain_path("/opt//evil/./x/../bin", false), "/opt/evil/bin");
        assert_eq!(plain_path("C:\\a\\..\\b", true), "C:/b");
        assert_eq!(plain_path("/../a", false), "/a");
    }

    #[test]
    fn only_what_needs_no_escape_is_decoded() {
        assert_eq!(percent_decoded("/%6dcp/%2F%3f%zz%4"), "/mcp//%3f%zz%4");
        assert_eq!(percent_decoded("/ä%c3"), "/ä%c3");
    }
}

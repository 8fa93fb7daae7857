//! What is hidden in a URL. Written by hand and not with the `url` crate: a URL that does not parse, or that holds
//! `${…}`, can leak as well as any other.

use super::spans::Span;
use crate::secret::{self, is_reference, is_secret_name};

/// Everything to hide in a text that is one URL (the scheme may be missing).
pub(super) fn spans(url: &str) -> Vec<Span> {
    let mut spans: Vec<Span> =
        secret::find_all(url).into_iter().map(|(range, kind)| (range, kind.code)).collect();
    let mut at = url.find("://").map_or_else(|| if url.starts_with("//") { 2 } else { 0 }, |mark| mark + 3);
    if let Some(length) = secret::userinfo_len(&url[at..]) {
        let userinfo = &url[at..at + length];
        // `git@` is the login of every Git host, not a credential.
        if !userinfo.is_empty() && userinfo != "git" && !is_reference(userinfo) {
            spans.push((at..at + length, "url-credentials"));
        }
        at += length;
    }
    let fragment = url[at..].find('#').map_or(url.len(), |mark| at + mark);
    let query = url[at..fragment].find('?').map_or(fragment, |mark| at + mark);
    if let Some(from) = webhook(&url[at..query]) {
        spans.push((at + from..query, "url-path"));
    } else {
        path(url, at, query, &mut spans);
    }
    pairs(url, query + 1, fragment, false, &mut spans);
    pairs(url, fragment + 1, url.len(), true, &mut spans);
    spans
}

/// Where the path of a webhook begins (Slack, Discord, Teams): whoever knows it may post.
fn webhook(address: &str) -> Option<usize> {
    let lower = address.to_ascii_lowercase();
    let (host, path) = lower.split_once('/')?;
    let is_hook = host.starts_with("hooks.")
        || host.contains("webhook")
        || ["webhook/", "webhooks/", "hooks/"]
            .iter()
            .any(|part| path.find(part).is_some_and(|at| at == 0 || path.as_bytes()[at - 1] == b'/'));
    (is_hook && !path.is_empty()).then_some(host.len() + 1)
}

/// Labels of the host and segments of the path that look like secrets, or that stand behind a word such as `token`.
fn path(url: &str, from: usize, to: usize, spans: &mut Vec<Span>) {
    let mut at = from;
    let mut last = "";
    let mut first = true;
    for segment in url[from..to].split(['/', '\\']) {
        let random = secret::random::find(segment, if first { 16 } else { 12 });
        let expands = segment.contains(['{', '$', '<']);
        if !expands
            && !first
            && is_secret_name(last)
            && segment.len() >= 8
            && segment.bytes().any(|b| b.is_ascii_digit())
        {
            spans.push((at..at + segment.len(), "url-path"));
        } else {
            spans.extend(random.into_iter().map(|range| (range.start + at..range.end + at, "url-path")));
        }
        at += segment.len() + 1;
        last = segment;
        first = false;
    }
}

/// The values of `name=value&…`. In a fragment only what pip and npm write there is shown.
fn pairs(url: &str, from: usize, to: usize, fragment: bool, spans: &mut Vec<Span>) {
    if from >= to {
        return;
    }
    let kind = if fragment { "url-fragment" } else { "url-query" };
    let mut at = from;
    for pair in url[from..to].split(['&', ';']) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let shown = fragment && matches!(name, "subdirectory" | "egg" | "semver" | "branch");
        let is_random = !secret::random::find(value, 16).is_empty() || !secret::find_all(value).is_empty();
        let is_name = name.len() <= 40
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'[' | b']'))
            && secret::random::find(name, 16).is_empty();
        if !pair.contains('=') || !is_name {
            // Without a name nothing says that the text is not the secret itself.
            let commit = fragment && pair.len() == 40 && pair.bytes().all(|b| b.is_ascii_hexdigit());
            if !pair.is_empty() && !is_reference(pair) && !commit {
                spans.push((at..at + pair.len(), kind));
            }
        } else if !value.is_empty() && !is_reference(value) && (!shown || is_random) {
            let start = at + name.len() + 1;
            spans.push((start..start + value.len(), kind));
        }
        at += pair.len() + 1;
    }
}

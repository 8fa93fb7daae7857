//! Package specifications: what the text after `npx` or `uvx` asks for.

use super::{Identity, Kind};

/// Whether a version is one version and no range or tag.
pub(crate) fn is_exact(version: &str) -> bool {
    let version = version.strip_prefix('=').unwrap_or(version).trim();
    let version = version.strip_prefix('v').unwrap_or(version);
    let release = version.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<&str> = release.split('.').collect();
    numbers.len() >= 3
        && numbers.iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        && version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'))
}

/// Whether a Python version is one version (PEP 440; two numbers are enough).
fn is_exact_python(version: &str) -> bool {
    version.as_bytes().first().is_some_and(u8::is_ascii_digit)
        && version.contains('.')
        && version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'!' | b'-'))
}

/// Whether a Git reference is a full commit hash.
pub(crate) fn is_commit(reference: &str) -> bool {
    matches!(reference.len(), 40 | 64) && reference.bytes().all(|b| b.is_ascii_hexdigit())
}

fn with_version(kind: Kind, name: &str, version: Option<&str>, pinned: bool) -> Identity {
    let version = version.filter(|v| !v.is_empty()).map(str::to_owned);
    Identity { pinned: pinned && version.is_some(), version, ..Identity::new(kind, name) }
}

fn is_local(spec: &str) -> bool {
    ["file:", "./", "../", "/", "~/", ".\\", "..\\", "link:"].iter().any(|start| spec.starts_with(start))
        || spec == "."
        || spec.as_bytes().get(1..3).is_some_and(|b| matches!(b, b":\\" | b":/"))
}

/// What an npm specification asks for: registry name, alias, Git source, URL or path.
pub(crate) fn npm(spec: &str) -> Identity {
    // `name@npm:other@1.0.0`: the left side is only a local name.
    if let Some((_, real)) = spec.split_once("@npm:") {
        return npm(real);
    }
    if let Some(real) = spec.strip_prefix("npm:") {
        return npm(real);
    }
    // `name@git+https://…`, `name@https://…`, `name@file:…`: likewise.
    let at = spec.char_indices().skip(1).find(|(_, c)| *c == '@').map(|(at, _)| at);
    if let Some((local, source)) = at.map(|at| (&spec[..at], &spec[at + 1..]))
        && !local.contains(':')
        && (is_local(source)
            || source.contains("://")
            || ["git+", "github:", "gitlab:", "bitbucket:"].iter().any(|start| source.starts_with(start)))
    {
        return npm(source);
    }
    if is_local(spec) {
        return Identity::new(Kind::Script, spec);
    }
    let hosted = ["github:", "gitlab:", "bitbucket:", "gist:", "git+", "git://", "git@", "ssh://"];
    let is_git_url =
        spec.starts_with("https://github.com/") && !spec.contains("/tarball/") && !spec.contains("/archive/");
    let is_shorthand = !spec.starts_with('@')
        && !spec.contains(':')
        && spec.split('#').next().is_some_and(|s| s.matches('/').count() == 1);
    if hosted.iter().any(|start| spec.starts_with(start))
        || is_git_url
        || is_shorthand
        || spec.split('#').next().is_some_and(|s| s.ends_with(".git"))
    {
        let (source, reference) = spec.split_once('#').map_or((spec, None), |(s, r)| (s, Some(r)));
        let name = if is_shorthand { format!("github:{source}") } else { source.to_owned() };
        return with_version(Kind::Git, &name, reference, reference.is_some_and(is_commit));
    }
    if spec.contains("://") {
        return Identity::new(Kind::Url, spec);
    }
    let at = spec.rfind('@').filter(|at| *at > 0);
    let (name, version) = at.map_or((spec, None), |at| (&spec[..at], Some(&spec[at + 1..])));
    with_version(Kind::Npm, name, version, version.is_some_and(is_exact))
}

/// What a Python requirement asks for: a distribution (name normalised by PEP 503), a Git source, a URL or a path.
pub(crate) fn pypi(spec: &str) -> Identity {
    let spec = spec.trim();
    // `name @ URL` (PEP 508), also without spaces.
    if let Some((_, source)) = spec.split_once('@')
        && !spec.starts_with("git+")
        && (source.contains("://") || is_local(source.trim()))
        && !spec[..spec.find('@').unwrap_or(0)].contains(['/', ':'])
    {
        return pypi(source);
    }
    if let Some(source) = spec.strip_prefix("git+") {
        let source = source.split('#').next().unwrap_or(source);
        // The reference stands after the last `@` of the path, not after the user's.
        let path = source.find("://").map_or(0, |mark| mark + 3);
        let path = source[path..].find('/').map_or(source.len(), |slash| path + slash);
        let (name, reference) = source[path..]
            .rfind('@')
            .map_or((source, None), |at| (&source[..path + at], Some(&source[path + at + 1..])));
        return with_version(Kind::Git, name, reference, reference.is_some_and(is_commit));
    }
    if is_local(spec) {
        return Identity::new(Kind::Script, spec);
    }
    if spec.contains("://") {
        return Identity::new(Kind::Url, spec);
    }
    let end = spec.find(['=', '<', '>', '!', '~', '@', ';', ' ']).unwrap_or(spec.len());
    let name = spec[..end].split('[').next().unwrap_or_default();
    let asked = spec[end..].split(';').next().unwrap_or_default().trim();
    let version = ["===", "==", "@"].iter().find_map(|sign| asked.strip_prefix(sign)).map(str::trim);
    let pinned = version.is_some_and(is_exact_python);
    with_version(Kind::Pypi, &normalised(name), version.or((!asked.is_empty()).then_some(asked)), pinned)
}

/// A distribution name as the index compares it.
pub(crate) fn normalised(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if text.ends_with('-') => {}
            '-' | '_' | '.' => text.push('-'),
            c => text.push(c.to_ascii_lowercase()),
        }
    }
    text
}

/// What an image reference asks for. A port of the registry is no tag.
pub(crate) fn image(reference: &str) -> Identity {
    let reference = reference.strip_prefix("docker://").unwrap_or(reference);
    let (tagged, digest) = reference.split_once('@').map_or((reference, None), |(name, d)| (name, Some(d)));
    let last = tagged.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = tagged[last..]
        .find(':')
        .map_or((tagged, None), |colon| (&tagged[..last + colon], Some(&tagged[last + colon + 1..])));
    let pinned = digest.is_some_and(|d| {
        d.strip_prefix("sha256:")
            .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
    });
    with_version(Kind::Oci, name, digest.or(tag), pinned)
}

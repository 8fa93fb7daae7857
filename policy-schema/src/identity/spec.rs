//! Package specifications: what the text after `npx` or `uvx` asks for.

use super::{Identity, Kind, git};

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

pub(super) fn with_version(kind: Kind, name: &str, version: Option<&str>, pinned: bool) -> Identity {
    let version = version.filter(|v| !v.is_empty()).map(str::to_owned);
    Identity { pinned: pinned && version.is_some(), version, ..Identity::new(kind, name) }
}

fn doubtful(mut identity: Identity, why: &'static str) -> Identity {
    identity.ambiguous.get_or_insert(why);
    identity
}

fn is_local(spec: &str) -> bool {
    ["file:", "./", "../", "/", "~/", ".\\", "..\\", "\\\\", "link:", "portal:", "workspace:"]
        .iter()
        .any(|start| spec.starts_with(start))
        || spec == "."
        || spec == ".."
        || spec.as_bytes().get(1..3).is_some_and(|b| matches!(b, b":\\" | b":/"))
}

/// npm takes a name that ends like an archive for a file in the working directory.
fn is_archive(spec: &str) -> bool {
    let lower = spec.to_ascii_lowercase();
    [".tgz", ".tar.gz", ".tar"].iter().any(|end| lower.ends_with(end))
}

/// Whether the registry would take a name as it stands. Any other equals no name of a rule, so it is kept as written.
fn is_npm_name(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '_', '-'])
            && part.bytes().all(|b| {
                b.is_ascii_alphanumeric()
                    || matches!(b, b'.' | b'_' | b'-' | b'~' | b'!' | b'\'' | b'(' | b')' | b'*')
            })
    };
    match name.strip_prefix('@') {
        Some(scoped) => scoped
            .split_once('/')
            .is_some_and(|(scope, name)| part(scope) && part(name) && !name.contains('/')),
        None => part(name),
    }
}

/// What an npm specification asks for: registry name, alias, Git source, URL or path.
pub(crate) fn npm(spec: &str) -> Identity {
    npm_inside(spec, false)
}

fn npm_inside(spec: &str, in_alias: bool) -> Identity {
    // `name@npm:other@1.0.0`: the left side is only a local name.
    let alias = spec.strip_prefix("npm:").or_else(|| spec.split_once("@npm:").map(|(_, real)| real));
    if let Some(real) = alias {
        let identity = npm_inside(real, true);
        return if in_alias { doubtful(identity, "an alias of an alias") } else { identity };
    }
    // `name@git+https://…`, `name@https://…`, `name@file:…`, `name@owner/repository`: likewise.
    let at = spec.char_indices().skip(1).find(|(_, c)| *c == '@').map(|(at, _)| at);
    if let Some((local, source)) = at.map(|at| (&spec[..at], &spec[at + 1..]))
        && !local.contains([':', '\\'])
        && (!local.contains('/') || local.starts_with('@'))
        && (is_local(source) || source.contains(['/', ':', '\\']) || is_archive(source))
        && !source.starts_with('@')
    {
        return npm_inside(source, in_alias);
    }
    if is_local(spec) {
        return Identity::new(Kind::Script, spec);
    }
    if let Some((name, reference)) = npm_git(spec) {
        let pinned = reference.is_some_and(is_commit);
        let identity = with_version(Kind::Git, &name, reference, pinned);
        return if spec.contains("::path:") || spec.contains("#path:") {
            doubtful(identity, "only a directory of the repository is meant")
        } else {
            identity
        };
    }
    if spec.contains("://") {
        return Identity::new(Kind::Url, spec);
    }
    let at = spec.rfind('@').filter(|at| *at > 0);
    let (name, version) = at.map_or((spec, None), |at| (&spec[..at], Some(&spec[at + 1..])));
    let mut identity = with_version(Kind::Npm, name, version, version.is_some_and(is_exact));
    if is_archive(spec) {
        identity = doubtful(identity, "npm takes it for an archive in the working directory");
    } else if !is_npm_name(name) {
        identity = doubtful(identity, "no name of the npm registry");
    }
    identity
}

/// A Git source as npm knows them, with what stands behind `#`.
fn npm_git(spec: &str) -> Option<(String, Option<&str>)> {
    let (source, reference) = spec.split_once('#').map_or((spec, None), |(s, r)| (s, Some(r)));
    let hosted = ["github:", "gitlab:", "bitbucket:", "gist:", "git+", "git://", "git@", "ssh://"];
    // What these hosts serve as an archive is a download; everything else at them is a repository.
    let at_known_host = ["https://github.com/", "https://gitlab.com/", "https://bitbucket.org/"]
        .iter()
        .any(|host| source.starts_with(host))
        && !["/tarball/", "/archive/", "/-/", "/releases/", "/get/"].iter().any(|part| source.contains(part));
    if !spec.starts_with('@') && !source.contains([':', '@']) && source.matches('/').count() == 1 {
        return Some((format!("github:{source}"), reference));
    }
    let is_git =
        hosted.iter().any(|start| spec.starts_with(start)) || at_known_host || source.ends_with(".git");
    is_git.then(|| (source.to_owned(), reference))
}

/// What a Python requirement asks for: a distribution (name normalised by PEP 503), a Git source, a URL or a path.
pub(crate) fn pypi(spec: &str) -> Identity {
    let spec = spec.trim();
    // `name @ URL` (PEP 508), also without spaces.
    if let Some((name, source)) = spec.split_once('@')
        && !spec.starts_with("git+")
        && (source.contains("://") || is_local(source.trim()))
        && !name.contains(['/', ':'])
    {
        let (source, marker) = source.split_once(" ;").map_or((source, false), |(source, _)| (source, true));
        let mut identity = pypi(source);
        identity.extras = extras(name);
        return if marker { doubtful(identity, MARKER) } else { identity };
    }
    if let Some(source) = spec.strip_prefix("git+") {
        return pypi_git(source);
    }
    if is_local(spec) {
        return Identity::new(Kind::Script, spec);
    }
    if spec.contains("://") {
        return Identity::new(Kind::Url, spec);
    }
    let end = spec.find(['=', '<', '>', '!', '~', '@', ';', ' ', '(']).unwrap_or(spec.len());
    let name = spec[..end].split('[').next().unwrap_or_default();
    let asked = spec[end..].split(';').next().unwrap_or_default().trim();
    let asked = asked.strip_prefix('(').and_then(|a| a.strip_suffix(')')).unwrap_or(asked);
    let version = ["===", "==", "@"].iter().find_map(|sign| asked.strip_prefix(sign)).map(str::trim);
    let pinned = version.is_some_and(is_exact_python);
    let mut identity =
        with_version(Kind::Pypi, &normalised(name), version.or((!asked.is_empty()).then_some(asked)), pinned);
    identity.extras = extras(&spec[..end]);
    if spec.contains(';') {
        return doubtful(identity, MARKER);
    }
    let bracket = spec[..end].find('[');
    let closed = bracket.is_none_or(|at| spec[at..end].find(']') == Some(end - at - 1));
    if !closed || asked.starts_with("@=") {
        return doubtful(identity, "no requirement that every tool reads the same");
    }
    let archive = [".whl", ".zip", ".tar.gz", ".tar.bz2", ".py"].iter().any(|e| spec.ends_with(e));
    if archive || name.contains(['/', '\\']) {
        return doubtful(identity, "it may be a file in the working directory");
    }
    if !is_pypi_name(name) {
        // It must not be taken for the distribution whose name it resembles (`mcp_server_git_`).
        return doubtful(identity, "no name of a Python distribution");
    }
    identity
}

const MARKER: &str = "an environment marker decides whether it is meant";

/// `git+URL@reference#fragment`, without the `git+`.
fn pypi_git(source: &str) -> Identity {
    let (source, fragment) = source.split_once('#').map_or((source, ""), |(s, f)| (s, f));
    // The reference stands after the last `@` of the path, not after the user's.
    let path = source.find("://").map_or(0, |mark| mark + 3);
    let path = source[path..].find('/').map_or(source.len(), |slash| path + slash);
    let (name, reference) = source[path..]
        .rfind('@')
        .map_or((source, None), |at| (&source[..path + at], Some(&source[path + at + 1..])));
    let mut identity = with_version(Kind::Git, name, reference, reference.is_some_and(is_commit));
    for part in fragment.split('&').filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some(("egg", egg)) => identity.extras.extend(extras(egg)),
            Some(("subdirectory", "")) => {}
            Some(("subdirectory", _)) => {
                identity = doubtful(identity, "only a directory of the repository is meant");
            }
            _ => identity = doubtful(identity, "a fragment that is not known"),
        }
    }
    identity
}

/// `name[one,two]`.
fn extras(name: &str) -> Vec<String> {
    let list = name.split_once('[').map_or("", |(_, list)| list.split(']').next().unwrap_or_default());
    list.split(',').map(str::trim).filter(|extra| !extra.is_empty()).map(normalised).collect()
}

/// A name by PEP 508: letters and digits at both ends.
pub(crate) fn is_pypi_name(name: &str) -> bool {
    let end = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    end(name.as_bytes().first())
        && end(name.as_bytes().last())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
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

/// A package name in the form in which its registry compares names; `None` if the registry would refuse it. Rules
/// and entries are compared in this form.
pub fn package_key(kind: Kind, name: &str) -> Option<String> {
    match kind {
        Kind::Npm | Kind::Deno => is_npm_name(name).then(|| name.to_owned()),
        Kind::Pypi => is_pypi_name(name).then(|| normalised(name)),
        Kind::Dotnet => {
            let is_name = !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
            is_name.then(|| name.to_ascii_lowercase())
        }
        Kind::Oci => super::image_key(name),
        Kind::Git => git::git_key(name),
        _ => (!name.is_empty()).then(|| name.to_owned()),
    }
}

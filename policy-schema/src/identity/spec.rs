//! Package specifications: what the text after `npx` or `uvx` asks for.

use std::borrow::Cow;

use super::{Identity, Kind, git};
use crate::requirement;

/// What a text asks for, read without the checks that make an [`Identity`] of it: every word of an entry is read so,
/// whatever it may be, to hold it against denials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked<'a> {
    /// What sort of thing.
    pub(crate) kind: Kind,
    /// See [`Identity::name`].
    pub(crate) name: Cow<'a, str>,
    /// See [`Identity::version`].
    pub(crate) version: Option<&'a str>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(kind: Kind, name: impl Into<Cow<'a, str>>, version: Option<&'a str>) -> Self {
        Self { kind, name: name.into(), version: version.filter(|v| !v.is_empty()) }
    }

    /// The identity, `pinned` if its version can only mean one thing.
    fn identity(self, pinned: bool) -> Identity {
        let version = self.version.map(str::to_owned);
        Identity { pinned: pinned && version.is_some(), version, ..Identity::new(self.kind, self.name) }
    }
}

/// Where a letter of ASCII stands first: for texts as short as words are sooner told than by `find`.
pub(crate) fn place_of(text: &str, letter: u8) -> Option<usize> {
    text.bytes().position(|b| b == letter)
}

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
    Asked::new(kind, name, version).identity(pinned)
}

fn doubtful(mut identity: Identity, why: &'static str) -> Identity {
    identity.ambiguous.get_or_insert(why);
    identity
}

fn is_local(spec: &str) -> bool {
    let bytes = spec.as_bytes();
    let starts = |starts: &[&str]| starts.iter().any(|start| spec.starts_with(start));
    // every word of an entry comes by here, so the first letter decides
    let by_start = match bytes.first() {
        Some(b'/') => true,
        // npm takes `.evil` for a directory of the project like `./evil`, and no registry has such a name
        Some(b'.') => true,
        Some(b'~') => spec.starts_with("~/"),
        Some(b'\\') => spec.starts_with("\\\\"),
        Some(b'f' | b'l' | b'p' | b'w') => starts(&["file:", "link:", "portal:", "workspace:"]),
        _ => false,
    };
    by_start || bytes.get(1..3).is_some_and(|b| matches!(b, b":\\" | b":/"))
}

/// Whether a scheme and two slashes stand in a text. Most have no colon, and that is soon told.
pub(crate) fn is_url(spec: &str) -> bool {
    place_of(spec, b':').is_some() && spec.contains("://")
}

/// npm takes a name that ends like an archive for a file in the working directory; before version 11 any character
/// did for the second dot of `.tar.gz`.
fn is_archive(spec: &str) -> bool {
    let last = |n: usize| spec.len().checked_sub(n).map(|at| &spec.as_bytes()[at..]);
    let ends = |end: &str| {
        let same = |(is, end): (&u8, &u8)| *end == b'?' || is.eq_ignore_ascii_case(end);
        last(end.len()).is_some_and(|last| last.iter().zip(end.as_bytes()).all(same))
    };
    [".tgz", ".tar?gz", ".tar"].into_iter().any(ends)
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
        None => part(name) && !matches!(name, "node_modules" | "favicon.ico"),
    }
}

/// What an npm specification asks for: registry name, alias, Git source, URL or path.
pub(crate) fn npm(spec: &str) -> Identity {
    let (source, aliases) = npm_source(spec);
    let asked = npm_at(source);
    let name = matches!(asked.kind, Kind::Npm).then(|| asked.name.clone());
    let pinned = match asked.kind {
        Kind::Git => asked.version.is_some_and(is_commit),
        _ => asked.version.is_some_and(is_exact),
    };
    let is_git = asked.kind == Kind::Git;
    // A variable is told as such where the entry is judged.
    let is_request =
        asked.version.is_none_or(|v| requirement::is_npm_request(v) || crate::remote::has_variable(v));
    let identity = asked.identity(pinned);
    match name {
        _ if is_git && (source.contains("::path:") || source.contains("#path:")) => {
            doubtful(identity, "only a directory of the repository is meant")
        }
        Some(_) if is_archive(source) => {
            doubtful(identity, "npm takes it for an archive in the working directory")
        }
        Some(name) if !is_npm_name(&name) => doubtful(identity, "no name of the npm registry"),
        Some(_) if !is_request => doubtful(identity, "no version, range or tag of npm"),
        _ if aliases > 1 => doubtful(identity, "an alias of an alias"),
        _ => identity,
    }
}

/// See [`npm`] and [`Asked`].
pub(crate) fn npm_asked(spec: &str) -> Asked<'_> {
    npm_at(npm_source(spec).0)
}

/// The path that one of several package specifications between commas stands for, as a runner reads it that is a
/// Python one or not: `./dir`, `name@dir` of uv, `name@./dir`.
pub fn path_of(python: bool, specs: &str) -> Option<String> {
    let paths = specs.split(',').map(|spec| if python { pypi(spec) } else { npm(spec) });
    paths.into_iter().find(|identity| identity.kind == Kind::Script).map(|identity| identity.name)
}

/// What stands behind local names, and behind how many aliases.
fn npm_source(mut spec: &str) -> (&str, usize) {
    let mut aliases = 0;
    loop {
        // `name@npm:other@1.0.0`: the left side is only a local name.
        let alias = Some(spec).filter(|spec| place_of(spec, b':').is_some()).and_then(behind_alias);
        if let Some(real) = alias {
            (spec, aliases) = (real, aliases + 1);
            continue;
        }
        // `name@git+https://…`, `name@https://…`, `name@file:…`, `name@owner/repository`: likewise.
        let first = spec.chars().next().map_or(0, char::len_utf8);
        let at = place_of(&spec[first..], b'@').map(|at| first + at);
        match at.map(|at| (&spec[..at], &spec[at + 1..])) {
            Some((local, source))
                if !local.contains([':', '\\'])
                    && (!local.contains('/') || local.starts_with('@'))
                    && (is_local(source) || source.contains(['/', ':', '\\']) || is_archive(source))
                    && !source.starts_with('@') =>
            {
                spec = source;
            }
            _ => return (spec, aliases),
        }
    }
}

/// What stands behind `npm:` or `name@npm:`, which npm reads in any case of letters.
fn behind_alias(spec: &str) -> Option<&str> {
    let is_mark = |at: usize| at == 0 || spec.as_bytes()[at - 1] == b'@';
    let colons = spec.match_indices(':').map(|(colon, _)| colon);
    let starts = colons.filter_map(|colon| colon.checked_sub(3));
    let found = starts.filter(|at| spec.as_bytes()[*at..*at + 3].eq_ignore_ascii_case(b"npm"));
    found.filter(|at| is_mark(*at)).map(|at| &spec[at + 4..]).next()
}

/// What an npm specification without a local name asks for.
fn npm_at(spec: &str) -> Asked<'_> {
    if is_local(spec) {
        return Asked::new(Kind::Script, spec, None);
    }
    if let Some((name, reference)) = npm_git(spec) {
        return Asked::new(Kind::Git, name, reference);
    }
    if is_url(spec) {
        return Asked::new(Kind::Url, spec, None);
    }
    let at = spec.bytes().rposition(|b| b == b'@').filter(|at| *at > 0);
    let (name, version) = at.map_or((spec, None), |at| (&spec[..at], Some(&spec[at + 1..])));
    Asked::new(Kind::Npm, name, version)
}

/// A Git source as npm knows them, with what stands behind `#`.
fn npm_git(spec: &str) -> Option<(Cow<'_, str>, Option<&str>)> {
    // a scope
    if spec.starts_with('@') {
        return None;
    }
    let (source, reference) = spec.split_once('#').map_or((spec, None), |(s, r)| (s, Some(r)));
    let has_source = source.contains([':', '@']);
    if !has_source && source.matches('/').count() == 1 {
        return Some((format!("github:{source}").into(), reference));
    }
    // whatever follows has a scheme, host or user
    if !spec.contains([':', '@']) && !spec.starts_with("git+") {
        return None;
    }
    let hosted = ["github:", "gitlab:", "bitbucket:", "gist:", "git+", "git://", "git@", "ssh://"];
    // What these hosts serve as an archive is a download; everything else at them is a repository.
    let bare = source.strip_prefix("https://").map(|rest| {
        let authority = rest.find('/').unwrap_or(rest.len());
        rest[..authority].rfind('@').map_or(rest, |at| &rest[at + 1..])
    });
    let at_known_host = bare.is_some_and(|rest| {
        ["github.com/", "gitlab.com/", "bitbucket.org/"].iter().any(|host| rest.starts_with(host))
    }) && !["/tarball/", "/archive/", "/-/", "/releases/", "/get/"]
        .iter()
        .any(|part| source.contains(part));
    // `https://elsewhere/o/r.git` is a download to npm, whatever it ends with.
    let is_git = hosted.iter().any(|start| spec.starts_with(start)) || at_known_host;
    is_git.then_some((source.into(), reference))
}

/// What a Python requirement asks for: a distribution (name normalised by PEP 503), a Git source, a URL or a path.
pub(crate) fn pypi(spec: &str) -> Identity {
    let written = spec;
    let spec = spec.trim();
    if let Some((name, source, marker)) = pypi_source(spec) {
        let mut identity = pypi(source);
        identity.extras = extras(name);
        return if marker { doubtful(identity, MARKER) } else { identity };
    }
    let asked = pypi_at(spec);
    match asked.kind {
        Kind::Git => return pypi_git(asked, spec),
        Kind::Pypi => {}
        _ => return asked.identity(false),
    }
    let Requirement { name, end, asked: request, version } = requirement(spec);
    let mut identity = asked.identity(version.is_some_and(is_exact_python));
    identity.extras = extras(&spec[..end]);
    if spec.contains(';') {
        return doubtful(identity, MARKER);
    }
    let bracket = spec[..end].find('[');
    let closed = bracket.is_none_or(|at| spec[at..end].find(']') == Some(end - at - 1));
    if !closed || request.starts_with("@=") {
        return doubtful(identity, "no requirement that every tool reads the same");
    }
    // uv reads `name@version` only where nothing but the name and its extras stands before the `@`: a blank anywhere
    // (`name @1.0`, `name@latest `) makes it the `name @ path` of PEP 508, and the "version" a directory.
    let is_version = |asked| is_uv_version(asked) && spec[end..].starts_with('@');
    let is_blank = |c: char| c.is_whitespace() || c.is_control();
    if request.strip_prefix('@').is_some_and(|asked| !is_version(asked) || written.contains(is_blank)) {
        // Whatever uv cannot read as a version is to it a path as in `name @ ./path`, with or without a dot.
        let path = Identity { extras: identity.extras, ..Identity::new(Kind::Script, request[1..].trim()) };
        return doubtful(path, "uv takes what follows the name for a directory of the project");
    }
    if !is_python_request(request) {
        return doubtful(identity, "no version specifier of Python");
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

/// See [`pypi`] and [`Asked`].
pub(crate) fn pypi_asked(spec: &str) -> Asked<'_> {
    let mut spec = spec.trim();
    while let Some((_, source, _)) = pypi_source(spec) {
        spec = source.trim();
    }
    pypi_at(spec)
}

/// `name @ URL` (PEP 508), also without spaces: the name, the source, and whether a marker follows.
fn pypi_source(spec: &str) -> Option<(&str, &str, bool)> {
    let (name, source) = spec.split_once('@').filter(|_| !spec.starts_with("git+"))?;
    let is_source = (is_url(source) || is_local(source.trim())) && !name.contains(['/', ':']);
    let (source, marker) = source.split_once(" ;").map_or((source, false), |(source, _)| (source, true));
    is_source.then_some((name, source, marker))
}

/// What a Python requirement without a source of its own asks for.
fn pypi_at(spec: &str) -> Asked<'_> {
    if let Some(source) = spec.strip_prefix("git+") {
        let (name, reference) = git_reference(source.split('#').next().unwrap_or(source));
        return Asked::new(Kind::Git, name, reference);
    }
    if is_local(spec) {
        return Asked::new(Kind::Script, spec, None);
    }
    if is_url(spec) {
        return Asked::new(Kind::Url, spec, None);
    }
    let Requirement { name, asked, version, .. } = requirement(spec);
    Asked::new(Kind::Pypi, normalised_name(name), version.or((!asked.is_empty()).then_some(asked)))
}

/// The parts of a requirement.
struct Requirement<'a> {
    name: &'a str,
    /// Where name and extras end.
    end: usize,
    /// What stands behind them, without marker.
    asked: &'a str,
    /// The one version that is asked for.
    version: Option<&'a str>,
}

fn requirement(spec: &str) -> Requirement<'_> {
    let ends = |b| matches!(b, b'=' | b'<' | b'>' | b'!' | b'~' | b'@' | b';' | b' ' | b'(');
    let end = spec.bytes().position(ends).unwrap_or(spec.len());
    let before = |text: &'_ str, letter| place_of(text, letter).unwrap_or(text.len());
    let name = &spec[..before(&spec[..end], b'[')];
    let asked = &spec[end..];
    let asked = asked[..before(asked, b';')].trim();
    let asked = asked.strip_prefix('(').and_then(|a| a.strip_suffix(')')).unwrap_or(asked);
    let version = ["===", "==", "@"].iter().find_map(|sign| asked.strip_prefix(sign)).map(str::trim);
    Requirement { name, end, asked, version }
}

const MARKER: &str = "an environment marker decides whether it is meant";

/// What may stand behind a name: nothing, specifiers of PEP 440, or uv's `@version` and `@latest`.
fn is_python_request(asked: &str) -> bool {
    asked.is_empty()
        || asked.parse::<pep440_rs::VersionSpecifiers>().is_ok()
        || asked.strip_prefix('@').is_some_and(is_uv_version)
}

/// What uv takes for a version where it stands behind `name@`.
fn is_uv_version(asked: &str) -> bool {
    asked == "latest" || (asked.trim() == asked && requirement::is_python_version(asked))
}

/// URL and reference of `URL@reference`. The reference stands after the last `@` of the path, not after the user's.
fn git_reference(source: &str) -> (&str, Option<&str>) {
    let path = source.find("://").map_or(0, |mark| mark + 3);
    let path = source[path..].find('/').map_or(source.len(), |slash| path + slash);
    source[path..]
        .rfind('@')
        .map_or((source, None), |at| (&source[..path + at], Some(&source[path + at + 1..])))
}

/// The repository of `git+URL@reference#fragment`, with what its fragment says.
fn pypi_git(asked: Asked<'_>, spec: &str) -> Identity {
    let fragment = spec.split_once('#').map_or("", |(_, fragment)| fragment);
    let pinned = asked.version.is_some_and(is_commit);
    let mut identity = asked.identity(pinned);
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
    normalised_name(name).into_owned()
}

pub(crate) fn normalised_name(name: &str) -> Cow<'_, str> {
    let is_plain = |b: u8| !b.is_ascii_uppercase() && !matches!(b, b'_' | b'.');
    if name.bytes().all(is_plain) && name.as_bytes().windows(2).all(|pair| pair != b"--") {
        return Cow::Borrowed(name);
    }
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if text.ends_with('-') => {}
            '-' | '_' | '.' => text.push('-'),
            c => text.push(c.to_ascii_lowercase()),
        }
    }
    Cow::Owned(text)
}

/// A package name in the form in which its registry compares names; `None` if the registry would refuse it. Rules
/// and entries are compared in this form.
pub fn package_key(kind: Kind, name: &str) -> Option<String> {
    compared_name(kind, name).map(Cow::into_owned)
}

/// See [`package_key`].
pub(crate) fn compared_name(kind: Kind, name: &str) -> Option<Cow<'_, str>> {
    match kind {
        Kind::Npm | Kind::Deno => is_npm_name(name).then_some(Cow::Borrowed(name)),
        Kind::Pypi => is_pypi_name(name).then(|| normalised_name(name)),
        Kind::Dotnet => {
            let is_name = !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
            is_name.then(|| Cow::Owned(name.to_ascii_lowercase()))
        }
        Kind::Oci => super::image_key(name).map(Cow::Owned),
        Kind::Git => git::git_key(name).map(Cow::Owned),
        _ => (!name.is_empty()).then_some(Cow::Borrowed(name)),
    }
}

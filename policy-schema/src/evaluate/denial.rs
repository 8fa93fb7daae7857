//! Revocations and the denylist. A denial is read widely, as an allowance is read narrowly: no wrapper, argument,
//! variable or other spelling makes the denied thing another.

use super::case::Case;
use super::{files, filled, members, reason, served, spelling};
use crate::document::{Ecosystem, IdentityMatcher};
use crate::entry::Entry;
use crate::finding::FindingCode;
use crate::identity::spec::{self, Asked};
use crate::identity::{self, Kind};
use crate::policy::index::Index;
use crate::policy::key::{self, Key, Sort};
use crate::policy::rule::Meant;
use crate::policy::versions;
use crate::remote::{Address, Remote};
use crate::requirement::Admits;
use crate::revocations::{Revocation, Revocations};
use crate::sensitive::Sensitive;
use crate::verdict::{DecidedBy, Judgement};

/// Holds an entry against the emergency list.
pub(super) fn revoked(case: &Case<'_>, list: &Revocations) -> Option<Judgement> {
    let found = by_text(case, list).or_else(|| {
        let identities = &list.identities;
        let at = named(case, &list.index, |at| (&identities[at].matcher, &identities[at].meant))?;
        list.document().revocation.get(identities[at].at)
    })?;
    let why = reason(FindingCode::Revoked, found.reason.clone());
    let mut judgement = case.denied(DecidedBy::Revocation, Some(why), None);
    judgement.rule = Some(found.id.clone());
    Some(judgement)
}

fn by_text<'l>(case: &Case<'_>, list: &'l Revocations) -> Option<&'l Revocation> {
    let device = &case.context.device;
    let facts = case.context.facts;
    let files = [&facts.program, &facts.script, &facts.listener];
    let digests = files.into_iter().flatten().filter_map(|file| file.sha256.as_deref());
    let image = case.identity().version.as_deref().and_then(|v| v.strip_prefix("sha256:"));
    let some = |text: &str| !text.is_empty();
    None.or_else(|| list.find("fingerprint", case.subject.fingerprint))
        .or_else(|| some(device.id).then(|| list.find("device", device.id)).flatten())
        .or_else(|| some(device.user).then(|| list.find("user", device.user)).flatten())
        .or_else(|| device.groups.iter().find_map(|group| list.find("group", group)))
        .or_else(|| digests.chain(image).find_map(|digest| list.find("sha256", digest)))
}

/// Holds an entry against the denylist.
pub(super) fn denied(case: &Case<'_>) -> Option<Judgement> {
    let list = &case.policy.document().deny;
    let at = named(case, &case.policy.deny_index, |at| (&list[at].identity, &case.policy.denied[at]))?;
    let deny = &list[at];
    let mut judgement =
        case.denied(DecidedBy::Denylist, Some(reason(FindingCode::Denylisted, deny.reason.clone())), None);
    judgement.rule = Some(deny.id.clone());
    judgement.alternatives.clone_from(&deny.alternatives);
    if let Some(contact) = &deny.contact {
        judgement.contact.clone_from(contact);
    }
    Some(judgement)
}

/// Something that an entry names.
struct Mention<'m> {
    key: Key<'m>,
    version: Option<&'m str>,
    /// The address of the remote server, if it is one.
    remote: Option<&'m str>,
}

/// The first denial that names what the entry runs, loads or contacts.
fn named<'p>(
    case: &Case<'_>,
    index: &Index,
    denial: impl Fn(usize) -> (&'p IdentityMatcher, &'p Meant),
) -> Option<usize> {
    if index.is_empty() {
        return None;
    }
    let mut first = index.any().iter().min().copied();
    mentions(case, index, &mut |mention| {
        for at in index.at(&mention.key) {
            let (matcher, meant) = denial(at);
            if first.is_none_or(|first| at < first) && means(case, matcher, meant, mention) {
                first = Some(at);
            }
        }
    });
    first
}

/// Whether a denial whose key is met means this very version, path or URL.
fn means(case: &Case<'_>, matcher: &IdentityMatcher, meant: &Meant, mention: &Mention<'_>) -> bool {
    let version = mention.version;
    if let Some(versions) = versions(meant) {
        return versions.admits(version) != Admits::None;
    }
    match (matcher, meant) {
        (IdentityMatcher::Oci(image), _) if !image.digests.is_empty() => {
            // A tag may be any of the denied digests.
            version.is_none_or(|v| !v.starts_with("sha256:") || image.digests.iter().any(|d| d == v))
        }
        (IdentityMatcher::Git(git), _) if !git.commits.is_empty() => version.is_none_or(|v| {
            !crate::identity::spec::is_commit(v) || git.commits.iter().any(|c| c == v || c == "*")
        }),
        (IdentityMatcher::Executable(m), _) => {
            is_file(case, version, case.context.facts.program.as_ref(), &m.path, &m.sha256)
        }
        (IdentityMatcher::Script(m), _) => {
            is_file(case, version, case.context.facts.script.as_ref(), &m.path, &m.sha256)
        }
        // The key of a rule with sub-paths is only the origin, which the others are above of when they are met. Where it
        // is not certain what is contacted, the key is enough.
        (_, Meant::Url(target)) => {
            case.remote.is_none() || mention.remote.is_none_or(|remote| target.is_above(remote))
        }
        _ => true,
    }
}

/// Whether a file may be the denied one: by its path as written or found, unless its digest says otherwise.
fn is_file(
    case: &Case<'_>,
    word: Option<&str>,
    facts: Option<&super::FileFacts>,
    path: &str,
    sha256: &[String],
) -> bool {
    if let Some(digest) = facts.and_then(|f| f.sha256.as_ref()).filter(|_| !sha256.is_empty()) {
        return sha256.contains(digest);
    }
    let written = word.unwrap_or(&case.identity().name);
    let found = facts.map(|f| [f.path.as_str(), f.real_path.as_str()]).into_iter().flatten();
    let is_bare = !written.starts_with(['/', '\\']) && facts.is_none();
    is_bare || files::is_at(case, written, path) || found.into_iter().any(|p| files::is_at(case, p, path))
}

/// Everything that the entry names: its identity, what is loaded beside it, what a bridge leads to, and every word of a
/// command that could not be understood. What no denial of the index could be about is left out.
fn mentions(case: &Case<'_>, index: &Index, found: &mut dyn FnMut(&Mention<'_>)) {
    let identity = case.identity();
    let version = identity.version.as_deref();
    // A bridge is its package as well.
    let bridge = identity.ecosystem.filter(|_| identity.kind == Kind::Bridge);
    let package = bridge.and_then(|ecosystem| Key::package(ecosystem, &identity.name));
    for key in case.keys(index).into_iter().flatten().chain(package) {
        found(&Mention { key, version, remote: case.remote.as_ref().map(Remote::key) });
    }
    let entry = case.subject.entry;
    for text in entry.command.iter().chain(&entry.args).chain(&entry.url) {
        words_as_filled(text.expose(), index, found);
    }
    for package in &identity.extra_packages {
        words(package, index, found);
    }
    if index.has(Sort::Argv) {
        // a command line that is denied as a whole, with the defaults of its references
        let words: Vec<String> = entry.command.iter().chain(&entry.args).map(filled::or_as_written).collect();
        found(&Mention { key: Key::argv(words.iter().map(String::as_str)), version: None, remote: None });
    }
    values(entry, index, found);
}

/// The words of a text, and of what a client makes of its references.
fn words_as_filled(text: &str, index: &Index, found: &mut dyn FnMut(&Mention<'_>)) {
    words(text, index, found);
    for plain in filled::filled(text) {
        words(&plain, index, found);
        // a client fills in what a shell then fills in: `${A:-$}{B:-@evil/x}`
        filled::filled(&plain).for_each(|again| words(&again, index, found));
    }
}

/// What variables, headers and other members name: the package that a runner takes from a variable
/// (`npm_config_package`, `UV_WITH`) or a client from a member that is a command (`headersHelper`), and whatever a server is
/// told to contact. A word that only looks like a package's name is none where nobody runs it (`MODE=filesystem`).
fn values(entry: &Entry, index: &Index, found: &mut dyn FnMut(&Mention<'_>)) {
    let given = entry.env.iter().chain(&entry.headers).map(|given| (given, false));
    let others = entry.members.iter().map(|member| (member, true));
    for (variable, is_member) in given.chain(others) {
        let value = variable.value.expose();
        if matches!(value, "" | "true" | "false") {
            continue;
        }
        let is_run =
            if is_member { members::may_run(variable) } else { crate::risk::is_powerful(&variable.name) };
        if is_run {
            words_as_filled(value, index, found);
        } else {
            addresses(value, index, found);
            for plain in filled::filled(value) {
                addresses(&plain, index, found);
                filled::filled(&plain).for_each(|again| addresses(&again, index, found));
            }
        }
    }
}

/// The URLs in a value.
fn addresses(value: &str, index: &Index, found: &mut dyn FnMut(&Mention<'_>)) {
    if !value.contains(':') {
        return;
    }
    let parts = std::iter::once(value).chain(value.split(is_break)).flat_map(values_in);
    for part in parts.filter(|part| spelling::may_be_url(part)) {
        url(part, index, found);
    }
}

/// Whether a command that could not be understood says more than is held against denials.
pub(super) fn is_beyond(case: &Case<'_>) -> bool {
    let entry = case.subject.entry;
    let texts = || entry.command.iter().chain(&entry.args).map(Sensitive::expose);
    let given =
        entry.env.iter().chain(&entry.headers).chain(&entry.members).map(|given| given.value.expose());
    (case.identity().kind == Kind::Opaque && texts().any(spelling::has_more))
        || texts().chain(entry.url.iter().map(Sensitive::expose)).chain(given).any(filled::has_more)
}

/// What the words of a text may stand for, also after a shell has taken its quotes, escapes and braces away.
fn words(text: &str, index: &Index, found: &mut dyn FnMut(&Mention<'_>)) {
    let marks = marks(text);
    if marks & (BREAK | SIGN) == 0 {
        if text.len() > 1 && !text.starts_with('-') {
            word(text, index, found);
        }
    } else {
        plain_words(text, index, found);
    }
    // A blank in a URL is none to whoever contacts it, and a comma or semicolon belongs to its path.
    if marks & BREAK != 0 && text.contains(is_break) && spelling::may_be_url(text) {
        url(text, index, found);
    }
    if marks & QUOTE != 0 {
        for text in spelling::unquoted(text) {
            plain_words(&text, index, found);
        }
    }
}

/// Something at which a word may end.
const BREAK: u8 = 1;
/// Something that a shell may take away.
const QUOTE: u8 = 2;
/// An `=`.
const SIGN: u8 = 4;

/// What may stand in a text, told in one pass: most words have none of it, and every word of an entry comes by here.
fn marks(text: &str) -> u8 {
    const MARKS: [u8; 256] = {
        let mut marks = [0; 256];
        let mut at = 0;
        while at < marks.len() {
            marks[at] = match at as u8 {
                b'`' | b'"' | b'\'' => BREAK | QUOTE,
                b'\\' | b'^' | b'{' => QUOTE,
                b'=' => SIGN,
                // the blanks beyond ASCII are among the last
                b'\t'..=b'\r' | b' ' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' | b',' | 0x80.. => {
                    BREAK
                }
                _ => 0,
            };
            at += 1;
        }
        marks
    };
    text.bytes().fold(0, |marks, byte| marks | MARKS[usize::from(byte)])
}

/// Whether a shell, or a runner that takes a list, ends a word here.
fn is_break(c: char) -> bool {
    c.is_whitespace() || matches!(c, ';' | '&' | '|' | '"' | '\'' | '(' | ')' | '`' | '<' | '>' | ',')
}

fn plain_words(text: &str, index: &Index, found: &mut dyn FnMut(&Mention<'_>)) {
    text.split(is_break).flat_map(readings).filter(|w| w.len() > 1).for_each(|text| word(text, index, found));
}

fn word(word: &str, index: &Index, found: &mut dyn FnMut(&Mention<'_>)) {
    if !(spelling::may_be_url(word) && url(word, index, found)) {
        package(word, index, found);
    }
    if index.has(Sort::Git) && word.contains(['/', '\\', '%']) {
        for (key, commit) in served::repositories(word) {
            let version = commit.as_deref();
            found(&Mention { key: Key::new(Sort::Git, key), version, remote: None });
        }
    }
    // `name@URL`
    let behind = spec::place_of(word, b'@').map(|at| &word[at + 1..]);
    if let Some(behind) = behind.filter(|behind| spelling::may_be_url(behind)) {
        url(behind, index, found);
    }
}

/// A URL in every spelling that leads to the same place. `false` if it is none.
fn url(word: &str, index: &Index, found: &mut dyn FnMut(&Mention<'_>)) -> bool {
    let Some(meant) = Address::meant(word) else { return false };
    if index.has(Sort::Git)
        && let Some(key) = identity::git_key(word)
    {
        found(&Mention { key: Key::new(Sort::Git, key), version: None, remote: None });
    }
    if let Ok(meant) = &meant
        && (index.has(Sort::Origin) || index.has(Sort::Url))
    {
        address(meant, index, found);
        meant.spellings(&mut |other| address(other, index, found));
    }
    archive(word, index, found);
    true
}

/// A URL of an archive is the package whose archive it is, from whatever registry it comes; likewise what a network
/// serves of a package.
fn archive(word: &str, index: &Index, found: &mut dyn FnMut(&Mention<'_>)) {
    for (ecosystem, name, version) in spelling::archived(word).into_iter().chain(served::packages(word)) {
        if index.has(Sort::Package(ecosystem))
            && let Some(key) = Key::package(ecosystem, &name)
        {
            found(&Mention { key, version: version.as_deref(), remote: None });
        }
    }
}

/// A word and what stands behind the first and the last `=` in it, of which only the reader knows which one parts them:
/// `--package=NAME`, `--with=NAME==1.0`, `--url=https://HOST/?a=b`, `NAME=value`. A flag itself names nothing.
fn readings(word: &str) -> impl Iterator<Item = &str> {
    // Most words have none, and every word of an entry comes by here.
    let is_sign = |b: &u8| *b == b'=';
    let first = word.as_bytes().iter().position(is_sign);
    let last = first.and_then(|_| word.as_bytes().iter().rposition(is_sign));
    let behind = [first, last].into_iter().flatten().map(|at| (&word[..at], &word[at + 1..]));
    let behind = behind.filter(|(before, _)| !before.contains('/')).map(|(_, value)| value);
    std::iter::once(word).chain(behind).filter(|w| !w.as_bytes().starts_with(b"-"))
}

/// A word and what stands behind its `=`, a flag's too: a variable may hold a whole command line.
fn values_in(word: &str) -> impl Iterator<Item = &str> {
    let ends = word.match_indices('=').take(8).chain(word.rmatch_indices('=').take(8));
    std::iter::once(word).chain(ends.map(|(at, _)| &word[at + 1..]))
}

/// A remote server.
fn address(address: &Address<'_>, index: &Index, found: &mut dyn FnMut(&Mention<'_>)) {
    let mut mention = |sort, text| {
        found(&Mention { key: Key::new(sort, text), version: None, remote: Some(address.key()) });
    };
    let origin = address.origin();
    mention(Sort::Origin, origin);
    // Every path above it as well: what is denied is denied with all below.
    for text in
        paths_above(address.key(), index.longest(Sort::Url)).take_while(|text| text.len() >= origin.len())
    {
        mention(Sort::Url, text);
    }
}

/// A path and all above it, from the longest on that may be in the index.
fn paths_above(path: &str, longest: usize) -> impl Iterator<Item = &str> {
    // the end of the first that is short enough; what is shorter than all is looked for as it stands
    let first = match path.len() <= longest {
        true => Some(path),
        false => above(&path[..path.floor_char_boundary(longest + 1)]),
    };
    std::iter::successors(first, |path| above(path))
}

fn above(path: &str) -> Option<&str> {
    path.rfind('/').map(|slash| &path[..slash])
}

/// A word that is no URL: a package or image of any ecosystem, a file.
fn package(word: &str, index: &Index, found: &mut dyn FnMut(&Mention<'_>)) {
    let has = |sorts: &[Sort]| sorts.iter().any(|sort| index.has(*sort));
    let mut asked = |asked: &Asked<'_>| {
        for key in key::of_identity(asked.kind, &asked.name, None, None).into_iter().flatten() {
            found(&Mention { key, version: asked.version, remote: None });
        }
    };
    if has(&[Sort::Package(Ecosystem::Npm), Sort::Git, Sort::Script]) {
        asked(&spec::npm_asked(word));
    }
    if has(&[Sort::Package(Ecosystem::Pypi), Sort::Git, Sort::Script]) {
        asked(&spec::pypi_asked(word));
    }
    if let Some(package) = spelling::specifier(word, "npm:") {
        asked(&spec::npm_asked(package));
    }
    if index.has(Sort::Oci) {
        asked(&identity::image::asked(word));
        if let Some(repository) = spelling::hub_image(word) {
            asked(&identity::image::asked(&repository));
        }
    }
    of_runners(word, index, found);
    if index.has(Sort::Package(Ecosystem::Executable)) && word.contains(['/', '\\']) {
        found(&Mention { key: Key::of_path(word), version: Some(word), remote: None });
    }
}

/// A package of Deno, .NET or Go by its name, which a shell may hand to their runners.
fn of_runners(word: &str, index: &Index, found: &mut dyn FnMut(&Mention<'_>)) {
    let parted = |package: &'_ str| {
        let at = package.char_indices().skip(1).find(|(_, c)| *c == '@').map(|(at, _)| at);
        at.map_or((package.len(), None), |at| (at, Some(at + 1)))
    };
    let mut tell = |ecosystem, package: &str, whole: bool| {
        if !index.has(Sort::Package(ecosystem)) {
            return;
        }
        let (end, version) = parted(package);
        let version = version.map(|at| &package[at..]);
        // a denied module is denied with the packages in it
        let longest = if whole { usize::MAX } else { index.longest(Sort::Package(ecosystem)) };
        let names = paths_above(&package[..end], longest);
        for name in names.take(if whole { 1 } else { usize::MAX }) {
            if let Some(key) = Key::package(ecosystem, name) {
                found(&Mention { key, version, remote: None });
            }
        }
    };
    tell(Ecosystem::Dotnet, word, true);
    tell(Ecosystem::Go, word, false);
    if let Some(package) = spelling::specifier(word, "jsr:") {
        tell(Ecosystem::Deno, package, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_text_without_a_mark_has_nothing_to_be_parted_at_or_taken_away(
            text in "[a-z/:@%-]{0,4}([ \t\r\n\u{b}\u{c};&|\"'()`<>,^{=\\\\]|\u{85}|\u{a0}|\u{3000}|\u{1c}|)[a-z]{0,3}"
        ) {
            let marks = marks(&text);
            prop_assert!(marks & BREAK != 0 || !text.contains(is_break));
            prop_assert!(marks & QUOTE != 0 || spelling::unquoted(&text).is_empty());
            prop_assert_eq!(marks & SIGN != 0, text.contains('='));
        }
    }
}

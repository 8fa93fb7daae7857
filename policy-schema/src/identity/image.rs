//! Container images: the reference grammar of the registries.

use super::spec::{Asked, place_of, with_version};
use super::{Identity, Kind};

/// An image reference in its parts.
struct Reference<'a> {
    name: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

/// Parts a reference. A port of the registry is no tag.
fn parts(reference: &str) -> Reference<'_> {
    let (tagged, digest) = place_of(reference, b'@')
        .map_or((reference, None), |at| (&reference[..at], Some(&reference[at + 1..])));
    let last = tagged.bytes().rposition(|b| b == b'/').map_or(0, |slash| slash + 1);
    let (name, tag) = place_of(&tagged[last..], b':')
        .map_or((tagged, None), |colon| (&tagged[..last + colon], Some(&tagged[last + colon + 1..])));
    Reference { name, tag, digest }
}

/// What an image reference asks for.
pub(crate) fn image(reference: &str) -> Identity {
    let bare = reference.strip_prefix("docker://").unwrap_or(reference);
    let Reference { name, tag, digest } = parts(bare);
    let pinned = digest.is_some_and(is_digest);
    let mut identity = with_version(Kind::Oci, name, digest.or(tag), pinned);
    let is_valid = image_key(name).is_some()
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest)
        && bare.len() == reference.len();
    if !is_valid {
        identity.ambiguous = Some("no image reference that every engine reads the same");
    }
    identity
}

/// The same without the check: what a word would ask for if it were an image.
pub(crate) fn asked(reference: &str) -> Asked<'_> {
    let Reference { name, tag, digest } = parts(reference.strip_prefix("docker://").unwrap_or(reference));
    Asked::new(Kind::Oci, name, digest.or(tag))
}

/// `registry/repository` of an image as the engines complete it (`mcp/fetch` is `docker.io/mcp/fetch`, `alpine` is
/// `docker.io/library/alpine`), with or without tag and digest. `None` if it is no valid reference.
pub fn image_key(reference: &str) -> Option<String> {
    let Reference { name, tag, digest } = parts(reference);
    if !tag.is_none_or(is_tag) || !digest.is_none_or(is_digest) {
        return None;
    }
    // The engine takes 64 hex digits for the id of an image that it already has.
    if name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let (registry, repository) = match place_of(name, b'/') {
        Some(slash) if is_registry(&name[..slash]) => (&name[..slash], &name[slash + 1..]),
        _ => ("docker.io", name),
    };
    if !is_host(registry)
        || repository.len() > 255
        || !repository.as_bytes().split(|b| *b == b'/').all(is_component)
    {
        return None;
    }
    let mut key = String::with_capacity("docker.io/library/".len() + name.len());
    key.push_str(if registry == "index.docker.io" { "docker.io" } else { registry });
    // A host name has no case; the engines only need it to be written in one way to find it again.
    key.make_ascii_lowercase();
    let official = key == "docker.io" && place_of(repository, b'/').is_none();
    key.push_str(if official { "/library/" } else { "/" });
    key.push_str(repository);
    Some(key)
}

/// Whether an image's name begins with its registry.
pub(crate) fn has_registry(name: &str) -> bool {
    name.split_once('/').is_some_and(|(host, _)| is_registry(host))
}

/// Whether the part before the first slash is a registry and no owner.
pub(super) fn is_registry(host: &str) -> bool {
    host.contains(['.', ':']) || host == "localhost" || host.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_host(host: &str) -> bool {
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    name.split('.').all(label) && port.is_none_or(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
}

/// Lower-case letters and digits, between them one dot, one or two underscores, or any number of dashes.
fn is_component(bytes: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if !bytes.first().is_some_and(plain) || !bytes.last().is_some_and(plain) {
        return false;
    }
    bytes
        .split(plain)
        .filter(|between| !between.is_empty())
        .all(|between| matches!(between, b"." | b"_" | b"__") || between.iter().all(|b| *b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&tag.len())
        && word(tag.as_bytes()[0])
        && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

/// Whether a digest names one image: `sha256:` and 64 lower-case hex digits.
fn is_digest(digest: &str) -> bool {
    digest
        .strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

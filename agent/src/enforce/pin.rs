//! The text that names another version of the same package, image or repository. What comes out is only a proposal:
//! it counts if the entry with it in place is allowed.

use mcpolicy_schema::entry::Entry;
use mcpolicy_schema::identity::{Identity, Kind};

/// Another text for one string of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// JSON Pointers at which the string may stand below the entry, the likeliest first.
    pub pointers: Vec<String>,
    /// The text that stands there.
    pub old: String,
    /// The text to take its place.
    pub new: String,
}

/// Proposals for naming `version`, the likeliest first.
pub fn proposals(entry: &Entry, identity: &Identity, version: &str) -> Vec<Proposal> {
    let kind = if identity.kind == Kind::Bridge { bridge_kind(identity) } else { Some(identity.kind) };
    let Some(kind) = kind else { return Vec::new() };
    let mut proposals = Vec::new();
    for (at, arg) in entry.args.iter().enumerate() {
        let old = arg.expose();
        let Some(new) = pinned(old, kind, &identity.name, version).filter(|new| new != old) else { continue };
        // `args` beside `command`, or one list that begins with the command
        let pointers =
            vec![format!("/args/{at}"), format!("/command/{}", at + 1), format!("/cmd/{}", at + 1)];
        proposals.push(Proposal { pointers, old: old.to_owned(), new });
    }
    proposals
}

/// The word with the version in it, if the word names what is run.
fn pinned(word: &str, kind: Kind, name: &str, version: &str) -> Option<String> {
    let at = find_name(word, name)?;
    let end = at + name.len();
    let (head, tail) = (&word[..at], &word[end..]);
    // `--package=NAME`, `--from NAME`; never in the middle of another word
    if !(head.is_empty() || head.ends_with('=')) {
        return None;
    }
    // as it is spelled here, not as its registry compares it
    let name = &word[at..end];
    match kind {
        Kind::Npm | Kind::Dotnet | Kind::Go | Kind::Deno => {
            (tail.is_empty() || tail.starts_with('@')).then(|| format!("{head}{name}@{version}"))
        }
        Kind::Pypi => {
            let extras = tail.starts_with('[').then(|| tail.find(']').map(|end| &tail[..=end])).flatten();
            let extras = extras.unwrap_or_default();
            let rest = &tail[extras.len()..];
            let is_request = rest.is_empty() || rest.trim_start().starts_with(['@', '=', '<', '>', '~', '!']);
            is_request.then(|| format!("{head}{name}{extras}=={version}"))
        }
        Kind::Oci => {
            (tail.is_empty() || tail.starts_with([':', '@'])).then(|| format!("{head}{name}@{version}"))
        }
        _ => None,
    }
}

/// Where the name stands; Python's registry takes `-`, `_`, `.` and case as the same.
fn find_name(word: &str, name: &str) -> Option<usize> {
    if name.is_empty() {
        return None;
    }
    let plain = |text: &str| text.to_ascii_lowercase().replace(['_', '.'], "-");
    word.find(name).or_else(|| plain(word).find(&plain(name)))
}

fn bridge_kind(identity: &Identity) -> Option<Kind> {
    use mcpolicy_schema::document::Ecosystem;
    match identity.ecosystem? {
        Ecosystem::Npm => Some(Kind::Npm),
        Ecosystem::Pypi => Some(Kind::Pypi),
        Ecosystem::Dotnet => Some(Kind::Dotnet),
        Ecosystem::Go => Some(Kind::Go),
        Ecosystem::Deno => Some(Kind::Deno),
        Ecosystem::Cargo | Ecosystem::Executable => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_takes_the_place_of_none_of_a_tag_and_of_a_range() {
        let cases = [
            ("@example/server", Kind::Npm, "@example/server", "@example/server@1.2.3"),
            ("@example/server@latest", Kind::Npm, "@example/server", "@example/server@1.2.3"),
            ("--package=server@^1", Kind::Npm, "server", "--package=server@1.2.3"),
            ("mcp-server", Kind::Pypi, "mcp-server", "mcp-server==1.2.3"),
            ("mcp_server[http]>=1,<2", Kind::Pypi, "mcp-server", "mcp_server[http]==1.2.3"),
            ("mcp-server@latest", Kind::Pypi, "mcp-server", "mcp-server==1.2.3"),
            (
                "registry.example.com/a/b:1.0",
                Kind::Oci,
                "registry.example.com/a/b",
                "registry.example.com/a/b@1.2.3",
            ),
        ];
        for (word, kind, name, expected) in cases {
            assert_eq!(pinned(word, kind, name, "1.2.3").as_deref(), Some(expected), "{word}");
        }
    }

    #[test]
    fn a_word_that_only_contains_the_name_is_left_alone() {
        for word in ["--repository=/work/server-data", "server-extra", "/opt/server", "my-server", "x@server"]
        {
            assert_eq!(pinned(word, Kind::Npm, "server", "1.2.3"), None, "{word}");
        }
        assert_eq!(pinned("mcp-server-extra", Kind::Pypi, "mcp-server", "1"), None);
    }
}

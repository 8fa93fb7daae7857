//! Files of unknown origin that declare servers: which ones are worth a look, and whether their shape is launchable.
//!
//! The bar is set so that documentation, examples and backups are not called servers: the name must speak of MCP or
//! the file must lie in a dot folder, and the entries must have a command or URL that could be started.

use std::path::{Component, Path};

use mcpolicy_clients::adapter::{About, ClientAdapter, Found};
use mcpolicy_clients::codec::{Dialect, Format, Parsed};
use mcpolicy_clients::location::Location;
use mcpolicy_clients::node::{Member, Node};
use mcpolicy_clients::servers;
use mcpolicy_schema::entry::UNKNOWN_CLIENT;

/// Largest file of unknown origin that is looked into, in bytes.
pub const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// How deep below the home a dot folder is taken as some program's own, in components.
const MAX_DEPTH: usize = 4;

const KEYS: &[&str] =
    &["/mcpServers", "/servers", "/mcp", "/mcp_servers", "/mcp/servers", "/context_servers"];

/// Words in a file's name by which people mark what is not in use.
const NOT_IN_USE: &[&str] = &[
    "example", "sample", "template", "backup", "bak", "orig", "old", "dist", "schema", "manifest",
    "disabled", "copy",
];

/// Files that hold anything and are no configuration of a client.
const NEVER: &[&str] =
    &["package.json", "package-lock.json", "tsconfig.json", "composer.json", "deno.json", "openapi.json"];

/// Folders whose files show or test, by their names.
pub(super) const SHOWN: &[&str] =
    &["docs", "doc", "examples", "example", "fixtures", "testdata", "test", "tests", "__tests__", "samples"];

/// Whether a file of the walk is worth opening.
pub fn is_candidate(path: &Path, home: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|n| n.to_str()) else { return false };
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    if !matches!(extension, "json" | "jsonc" | "json5" | "toml" | "yaml" | "yml") {
        return false;
    }
    let lower = stem.to_ascii_lowercase();
    let in_dot_folder = is_in_dot_folder(path, home);
    if !(in_dot_folder || lower.contains("mcp")) || NEVER.contains(&name) {
        return false;
    }
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric());
    if words.into_iter().any(|word| NOT_IN_USE.contains(&word)) {
        return false;
    }
    let below = path.strip_prefix(home).unwrap_or(path);
    in_dot_folder || !below.components().any(|c| c.as_os_str().to_str().is_some_and(|c| SHOWN.contains(&c)))
}

/// The file lies directly in a dot folder, or not deep below a dot folder of the home.
fn is_in_dot_folder(path: &Path, home: &Path) -> bool {
    let is_dot =
        |c: &Component<'_>| c.as_os_str().to_str().is_some_and(|c| c.starts_with('.') && c.len() > 1);
    let Ok(below) = path.strip_prefix(home) else { return false };
    let components: Vec<_> = below.components().collect();
    let Some((_, folders)) = components.split_last() else { return false };
    folders.last().is_some_and(is_dot)
        || (components.len() <= MAX_DEPTH && folders.first().is_some_and(is_dot))
}

/// A cheap look at the bytes before parsing: the words of a server map are there.
pub fn may_declare_servers(bytes: &[u8]) -> bool {
    let has = |word: &[u8]| bytes.windows(word.len()).any(|w| w == word);
    (has(b"mcpServers")
        || has(b"mcp_servers")
        || has(b"\"servers\"")
        || has(b"\"mcp\"")
        || has(b"mcp:")
        || has(b"[mcp"))
        && (has(b"command") || has(b"url") || has(b"Url"))
}

/// The stand-in for the client that nobody knows.
pub struct UnknownClient;

const fn location(format: Format) -> Location {
    Location::user("*").format(format).keys(KEYS)
}

const JSON: Location = location(Format::Json(Dialect::UNKNOWN));
const TOML: Location = location(Format::Toml);
const YAML: Location = location(Format::Yaml);

/// How a file of unknown origin is read, by its extension.
pub fn location_for(path: &Path) -> &'static Location {
    match path.extension().and_then(|e| e.to_str()) {
        Some("toml") => &TOML,
        Some("yaml" | "yml") => &YAML,
        _ => &JSON,
    }
}

const ABOUT: About = About { id: UNKNOWN_CLIENT, name: "unknown client", rank: 255, ..About::NONE };

impl ClientAdapter for UnknownClient {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    /// Only maps in which at least one member could be launched; of those only what could.
    fn servers<'d>(&self, at: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
        let tables = at
            .keys
            .iter()
            .flat_map(|key| servers::tables_at(&doc.root, key).into_iter().map(move |t| (*key, t)));
        let maps = tables.filter(|(_, table)| is_server_map(table));
        maps.flat_map(|(key, table)| servers::of_table(table, key))
            .filter(|found| servers::is_launchable(found.node))
            .collect()
    }
}

fn is_server_map(table: &Node<'_>) -> bool {
    let members = table.members();
    // A comment or a version beside the servers is no reason to overlook them; a list or nothing launchable is.
    let fits = |m: &Member<'_>| m.value.is_object() || m.value.scalar_text().is_some();
    members.iter().any(|m| servers::is_launchable(&m.value)) && members.iter().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoys_are_not_opened() {
        let home = Path::new("/home/dev");
        for decoy in [
            "src/p/package.json",
            "src/p/mcp.example.json",
            "src/p/.mcp.json.bak",
            "src/p/mcp.json.example",
            "src/p/docs/mcp.json",
            "src/p/settings.json",
            "src/p/README.md",
        ] {
            assert!(!is_candidate(&home.join(decoy), home), "{decoy}");
        }
        for candidate in
            ["src/p/mcp.json", ".newclient/config.json", ".config/new/settings.toml", "src/p/.tool/x.yaml"]
        {
            assert!(is_candidate(&home.join(candidate), home), "{candidate}");
        }
    }
}

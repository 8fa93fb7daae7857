//! Claude Desktop. Documentation and public sources read, not run.

use mcpolicy_schema::entry::Entry;

use crate::adapter::{About, ClientAdapter, Found, Load};
use crate::codec::{Dialect, Parsed};
use crate::location::{LINUX, Location, MACOS, WINDOWS};
use crate::node::{Node, Span};
use crate::servers;
use crate::writes::Writes;

/// Claude Desktop.
pub(super) struct Adapter;

/// An extension's manifest describes one server.
const MANIFEST: &[&str] = &["/server/mcp_config"];
/// The instance for inference by third parties may be given servers by its administrator.
const LIBRARY: &[&str] = &["/managedMcpServers"];

const fn config(path: &'static str) -> Location {
    Location::user(path).json(Dialect::STRICT)
}

const fn manifest(path: &'static str) -> Location {
    Location::plugin(path).json(Dialect::STRICT).keys(MANIFEST)
}

const fn library(path: &'static str) -> Location {
    Location::user(path).json(Dialect::STRICT).keys(LIBRARY).or_list()
}

const ABOUT: About = About {
    id: "claude-desktop",
    name: "Claude Desktop",
    rank: 4,
    locations: &[
        config("$XDG_CONFIG_HOME/Claude/claude_desktop_config.json").on(LINUX),
        config("~/Library/Application Support/Claude/claude_desktop_config.json").on(MACOS),
        config("%APPDATA%/Claude/claude_desktop_config.json").on(WINDOWS),
        // The Store's build lives in a package of its own.
        config("%LOCALAPPDATA%/Packages/Claude_*/LocalCache/Roaming/Claude/claude_desktop_config.json")
            .on(WINDOWS),
        manifest("$XDG_CONFIG_HOME/Claude/Claude Extensions/*/manifest.json").on(LINUX),
        manifest("~/Library/Application Support/Claude/Claude Extensions/*/manifest.json").on(MACOS),
        manifest("%APPDATA%/Claude/Claude Extensions/*/manifest.json").on(WINDOWS),
        manifest(
            "%LOCALAPPDATA%/Packages/Claude_*/LocalCache/Roaming/Claude/Claude Extensions/*/manifest.json",
        )
        .on(WINDOWS),
        // The second instance, for inference by third parties.
        config("$XDG_CONFIG_HOME/Claude-3p/claude_desktop_config.json").on(LINUX),
        config("~/Library/Application Support/Claude-3p/claude_desktop_config.json").on(MACOS),
        config("%APPDATA%/Claude-3p/claude_desktop_config.json").on(WINDOWS),
        library("$XDG_CONFIG_HOME/Claude-3p/configLibrary/*.json").on(LINUX),
        library("~/Library/Application Support/Claude-3p/configLibrary/*.json").on(MACOS),
        library("%APPDATA%/Claude-3p/configLibrary/*.json").on(WINDOWS),
    ],
    processes: &["claude", "claude helper", "claude helper (plugin)"],
    writes: Some(&Writes::PLAIN),
    evidence: "docs claude.com and support.claude.com; public sources for extensions and the packaged build",
    notes: "Remote servers are connectors of the account and are in no file. Whether an extension is enabled stands in `Claude Extensions Settings/<id>.json`, so a manifest may be of one that is off. Its policy is in the macOS domain `com.anthropic.claudefordesktop` and the Windows registry (`SOFTWARE/Policies/Claude`).",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn servers<'d>(&self, at: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
        if at.keys == MANIFEST {
            of_manifest(&doc.root).into_iter().collect()
        } else {
            servers::under_keys(&doc.root, at.keys)
        }
    }

    fn loads(&self, entry: &Entry, at: &Location) -> Load {
        // Documented: "will not connect to remote servers that are configured directly" in this file.
        if at.path.ends_with("claude_desktop_config.json") && entry.command.is_none() {
            Load::No("Claude Desktop takes only servers with a command from this file")
        } else {
            Load::Yes
        }
    }
}

/// `server.mcp_config` under the extension's own name.
fn of_manifest<'d>(root: &'d Node<'d>) -> Option<Found<'d>> {
    let server = root.get("server")?;
    let member = server.members().iter().rev().find(|m| m.key == "mcp_config")?;
    let name = root.get("name").and_then(Node::as_str).unwrap_or("extension without name");
    let span = Span { start: member.key_span.start, end: member.value.span.end };
    Some(Found {
        name: name.to_owned(),
        key_path: "/server/mcp_config".to_owned(),
        node: &member.value,
        span,
        scope: None,
        project: None,
    })
}

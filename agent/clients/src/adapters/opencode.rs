//! opencode. Tested 1.18.33.

use crate::adapter::{About, ClientAdapter, Found, Lead, Variable};
use crate::codec::{Dialect, Parsed};
use crate::location::{LINUX, Location, MACOS, UNIX, WINDOWS};
use crate::reads::Reads;
use crate::servers;

/// opencode.
pub(super) struct Adapter;

const KEYS: &[&str] = &["/mcp", "/mcp/servers"];

const fn user(path: &'static str) -> Location {
    Location::user(path).json(Dialect::JSONC).keys(KEYS)
}

const fn project(path: &'static str) -> Location {
    Location::project(path).json(Dialect::JSONC).keys(KEYS)
}

const fn managed(path: &'static str) -> Location {
    Location::managed(path).json(Dialect::JSONC).keys(KEYS)
}

const ABOUT: About = About {
    id: "opencode",
    name: "opencode",
    rank: 14,
    locations: &[
        // All three are read and merged.
        user("$XDG_CONFIG_HOME/opencode/opencode.jsonc").on(UNIX),
        user("$XDG_CONFIG_HOME/opencode/opencode.json").on(UNIX),
        user("$XDG_CONFIG_HOME/opencode/config.json").on(UNIX),
        user("%USERPROFILE%/.config/opencode/opencode.jsonc").on(WINDOWS),
        user("%USERPROFILE%/.config/opencode/opencode.json").on(WINDOWS),
        user("%USERPROFILE%/.config/opencode/config.json").on(WINDOWS),
        user("$OPENCODE_CONFIG_DIR?/opencode.json"),
        user("$OPENCODE_CONFIG_DIR?/opencode.jsonc"),
        project("<project>/opencode.json"),
        project("<project>/opencode.jsonc"),
        project("<project>/.opencode/opencode.json"),
        project("<project>/.opencode/opencode.jsonc"),
        managed("/etc/opencode/opencode.json").on(LINUX),
        managed("/etc/opencode/opencode.jsonc").on(LINUX),
        managed("/Library/Application Support/opencode/opencode.json").on(MACOS),
        managed("%PROGRAMDATA%/opencode/opencode.json").on(WINDOWS),
    ],
    variables: &[Variable { name: "OPENCODE_CONFIG_DIR", default: "" }],
    processes: &["opencode"],
    reads: &Reads::OPENCODE,
    evidence: "tested 1.18.33 on Linux; binary read; source add-mcp 2.4.0 for Windows",
    notes: "There is no trust question: `opencode mcp list` alone starts the servers of a project. Configuration also comes from `OPENCODE_CONFIG`, `OPENCODE_CONFIG_CONTENT`, the organisation of the account, the macOS domain `ai.opencode.managed` and JavaScript plugins. The managed files switch known names off; they cannot forbid unknown ones.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn servers<'d>(&self, _: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
        mixed(doc)
    }

    fn leads(&self, _: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
        plugins(doc)
    }
}

/// Servers stand under `mcp`, or since version 2 under `mcp.servers`; tested: a file with both starts both.
pub(super) fn mixed<'d>(doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
    servers::tables_at(&doc.root, "/mcp")
        .into_iter()
        .flat_map(|t| servers::of_mixed_table(t, "/mcp"))
        .collect()
}

/// Plugins are JavaScript that may alter the configuration.
pub(super) fn plugins(doc: &Parsed<'_>) -> Vec<Lead> {
    let count = doc.root.get("plugin").map_or(0, |node| node.items().len());
    let what = format!("JavaScript plugins that may add servers: {count}");
    if count == 0 { Vec::new() } else { vec![Lead::Elsewhere { kind: "extension-servers", what }] }
}

//! Windsurf, the editor with Cascade, and its JetBrains plugin. Documentation read, not run.

use crate::adapter::{About, ClientAdapter, Lead};
use crate::codec::Parsed;
use crate::editor;
use crate::location::{LINUX, Location, MACOS, WINDOWS};
use crate::reads::Reads;
use crate::writes::{Refers, Writes};

/// Windsurf.
pub(super) struct Adapter;

const ABOUT: About = About {
    id: "windsurf",
    name: "Windsurf (Cascade)",
    rank: 11,
    locations: &[
        Location::user("~/.codeium/windsurf/mcp_config.json"),
        // The other channels.
        Location::user("~/.codeium/windsurf-next/mcp_config.json"),
        Location::user("~/.codeium/windsurf-insiders/mcp_config.json"),
        // The JetBrains plugin.
        Location::user("~/.codeium/mcp_config.json"),
        editor::workspaces("$XDG_CONFIG_HOME/Windsurf/User/workspaceStorage/*/workspace.json", LINUX),
        editor::workspaces(
            "~/Library/Application Support/Windsurf/User/workspaceStorage/*/workspace.json",
            MACOS,
        ),
        editor::workspaces("%APPDATA%/Windsurf/User/workspaceStorage/*/workspace.json", WINDOWS),
    ],
    processes: &["windsurf", "windsurf helper (plugin)"],
    reads: &Reads { url: &["serverUrl", "url"], ..Reads::USUAL },
    writes: Some(&Writes { refers: Refers::Env, ..Writes::PLAIN }),
    evidence: "docs docs.devin.ai desktop/cascade/mcp and plugins/cascade/mcp; source stacklok/toolhive",
    notes: "Renamed Devin Desktop in June 2026; the files stayed. Its allowlist is on the vendor's side.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn leads(&self, at: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
        editor::leads(at, doc)
    }
}

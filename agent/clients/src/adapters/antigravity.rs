//! Google Antigravity, editor and `agy` CLI. Sources of other tools read, not run.

use crate::adapter::{About, ClientAdapter, Lead};
use crate::codec::Parsed;
use crate::editor;
use crate::location::{LINUX, Location, MACOS, WINDOWS};

/// Antigravity.
pub(super) struct Adapter;

const ABOUT: About = About {
    id: "antigravity",
    name: "Google Antigravity (IDE and agy CLI)",
    rank: 13,
    locations: &[
        Location::user("~/.gemini/config/mcp_config.json"),
        // Where it was before.
        Location::user("~/.gemini/antigravity/mcp_config.json"),
        Location::project("<project>/.agents/mcp_config.json"),
        editor::workspaces("$XDG_CONFIG_HOME/Antigravity/User/workspaceStorage/*/workspace.json", LINUX),
        editor::workspaces(
            "~/Library/Application Support/Antigravity/User/workspaceStorage/*/workspace.json",
            MACOS,
        ),
        editor::workspaces("%APPDATA%/Antigravity/User/workspaceStorage/*/workspace.json", WINDOWS),
    ],
    processes: &["antigravity", "agy"],
    evidence: "source add-mcp 2.4.0, stacklok/toolhive and snyk/agent-scan",
    notes: "Shares `~/.gemini` with the Gemini CLI but does not read its settings. Its allowlist is on the vendor's side.",
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

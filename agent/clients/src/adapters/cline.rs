//! Cline, the extension of VS Code and its relatives. Sources of other tools read, not run.

use crate::adapter::{About, ClientAdapter, EntrySwitch, Holds};
use crate::location::{LINUX, Location, MACOS, WINDOWS};
use crate::reads::Reads;

/// Cline.
pub(super) struct Adapter;

const ABOUT: About = About {
    id: "cline",
    name: "Cline (VS Code extension)",
    rank: 18,
    // The extension runs in every editor built on VS Code, each with its own directory: hence `*` for `Code`.
    locations: &[
        Location::user(
            "$XDG_CONFIG_HOME/*/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
        )
        .on(LINUX),
        Location::user(
            "~/.vscode-server/data/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
        )
        .on(LINUX),
        Location::user(
            "~/Library/Application Support/*/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
        )
        .on(MACOS),
        Location::user(
            "%APPDATA%/*/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
        )
        .on(WINDOWS),
    ],
    reads: &Reads::USUAL,
    switch: Some(EntrySwitch {
        member: "disabled",
        off: true,
        holds: Holds::NotAlways(
            "versions of 2025 start the server all the same and only withhold its tools",
        ),
        evidence: "source cline/cline (src/services/mcp/McpHub.ts)",
    }),
    evidence: "source stacklok/toolhive and add-mcp 2.4.0",
    notes: "Runs inside an editor, whose processes count for that editor. Its allowlist is on the vendor's side.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}

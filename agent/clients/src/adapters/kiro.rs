//! Kiro, editor and CLI. Documentation read, not run.

use crate::adapter::{About, ClientAdapter, EntrySwitch, Found, Holds, Lead, Variable};
use crate::codec::Parsed;
use crate::editor;
use crate::location::{LINUX, Location, MACOS, WINDOWS};
use crate::reads::Reads;
use crate::servers;

/// Kiro.
pub(super) struct Adapter;

const ABOUT: About = About {
    id: "kiro",
    name: "Kiro (IDE and CLI)",
    rank: 21,
    locations: &[
        Location::user("$KIRO_HOME/settings/mcp.json"),
        Location::user("$KIRO_HOME/agents/*.json"),
        Location::user("$KIRO_HOME/agents/**/*.md").agents(),
        Location::project("<project>/.kiro/settings/mcp.json"),
        Location::project("<project>/.kiro/agents/*.json"),
        Location::project("<project>/.kiro/agents/**/*.md").agents(),
        editor::workspaces("$XDG_CONFIG_HOME/Kiro/User/workspaceStorage/*/workspace.json", LINUX),
        editor::workspaces(
            "~/Library/Application Support/Kiro/User/workspaceStorage/*/workspace.json",
            MACOS,
        ),
        editor::workspaces("%APPDATA%/Kiro/User/workspaceStorage/*/workspace.json", WINDOWS),
    ],
    variables: &[Variable { name: "KIRO_HOME", default: "~/.kiro" }],
    processes: &["kiro", "kiro-cli"],
    bypass_flags: &["--trust-all-tools"],
    reads: &Reads::USUAL,
    switch: Some(EntrySwitch {
        member: "disabled",
        off: true,
        holds: Holds::In("IDE and CLI, as documented"),
        evidence: "docs kiro.dev mcp/configuration and cli/mcp/configuration",
    }),
    evidence: "docs kiro.dev mcp/configuration and custom-agents; source stacklok/toolhive",
    notes: "The project file wins over the user's. A registry of the organisation may rule instead; it is not in a file.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn servers<'d>(&self, at: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
        servers::in_file(at, doc)
    }

    fn leads(&self, at: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
        editor::leads(at, doc)
    }
}

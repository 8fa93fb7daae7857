//! Roo Code, archived in May 2026; its files stay on disk. Source of another tool read, not run.

use crate::adapter::{About, ClientAdapter, EntrySwitch, Holds};
use crate::location::{LINUX, Location, MACOS, WINDOWS};
use crate::reads::Reads;

/// Roo Code.
pub(super) struct Adapter;

const ABOUT: About = About {
    id: "roo-code",
    name: "Roo Code (archived 2026-05-15)",
    rank: 20,
    // As for Cline: `*` is the editor.
    locations: &[
        Location::user(
            "$XDG_CONFIG_HOME/*/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
        )
        .on(LINUX),
        Location::user(
            "~/.vscode-server/data/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
        )
        .on(LINUX),
        Location::user(
            "~/Library/Application Support/*/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
        )
        .on(MACOS),
        Location::user(
            "%APPDATA%/*/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
        )
        .on(WINDOWS),
        Location::project("<project>/.roo/mcp.json"),
    ],
    reads: &Reads::USUAL,
    switch: Some(EntrySwitch {
        member: "disabled",
        off: true,
        holds: Holds::NotAlways(
            "made from a Cline that starts the server all the same; since when it does not is not established",
        ),
        evidence: "docs docs.roocode.com using-mcp-in-roo",
    }),
    evidence: "source stacklok/toolhive; docs kilo.ai roo-migration",
    notes: "Runs inside an editor, whose processes count for that editor.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}

//! Trae. Sources of other tools read, not run.

use crate::adapter::{About, ClientAdapter, Lead};
use crate::codec::Parsed;
use crate::editor;
use crate::location::{LINUX, Location, MACOS, WINDOWS};

/// Trae.
pub(super) struct Adapter;

const ABOUT: About = About {
    id: "trae",
    name: "Trae",
    rank: 33,
    locations: &[
        Location::user("$XDG_CONFIG_HOME/Trae/User/mcp.json").on(LINUX),
        Location::user("~/Library/Application Support/Trae/User/mcp.json").on(MACOS),
        Location::user("%APPDATA%/Trae/User/mcp.json").on(WINDOWS),
        Location::project("<project>/.trae/mcp.json"),
        editor::workspaces("$XDG_CONFIG_HOME/Trae/User/workspaceStorage/*/workspace.json", LINUX),
        editor::workspaces(
            "~/Library/Application Support/Trae/User/workspaceStorage/*/workspace.json",
            MACOS,
        ),
        editor::workspaces("%APPDATA%/Trae/User/workspaceStorage/*/workspace.json", WINDOWS),
    ],
    processes: &["trae"],
    evidence: "source stacklok/toolhive; issue pathintegral-institute/mcpm.sh#92; docs volcengine.com",
    notes: "The project file counts only where the user has opted in. One source leaves `User/` out of the path.",
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

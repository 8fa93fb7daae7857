//! Warp. Documentation source read, not run.

use crate::adapter::{About, ClientAdapter, Variable};
use crate::codec::{Dialect, Format};
use crate::location::Location;

/// Warp.
pub(super) struct Adapter;

/// The toggle in its settings; the documentation does not name a key.
const TOGGLE: &str = "the toggle for servers of other agents";

const ABOUT: About = About {
    id: "warp",
    name: "Warp",
    rank: 31,
    locations: &[
        Location::user("~/.warp/.mcp.json"),
        // Project servers need a manual start.
        Location::project("<project>/.warp/.mcp.json"),
        Location::project("<project>/.agents/.mcp.json"),
        Location::user("~/.agents/.mcp.json").shared_if(TOGGLE),
        Location::user("~/.claude.json").json(Dialect::STRICT).shared_if(TOGGLE),
        Location::user("$CODEX_HOME/config.toml")
            .format(Format::Toml)
            .keys(&["/mcp_servers"])
            .shared_if(TOGGLE),
    ],
    variables: &[Variable { name: "CODEX_HOME", default: "~/.codex" }],
    processes: &["warp", "warp-terminal"],
    evidence: "source warpdotdev/docs (agent-platform/capabilities/mcp)",
    notes: "Servers added in its settings window are stored in a place that was not established.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}

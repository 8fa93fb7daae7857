//! Kimi Code CLI. Not run; the layout is the one that an installer writes.

use crate::adapter::{About, ClientAdapter};
use crate::location::Location;

/// Kimi Code CLI.
pub(super) struct Adapter;

const ABOUT: About = About {
    id: "kimi-code",
    name: "Kimi Code CLI",
    rank: 36,
    locations: &[Location::user("~/.kimi-code/mcp.json"), Location::project("<project>/.kimi-code/mcp.json")],
    processes: &["kimi"],
    evidence: "source add-mcp 2.4.0",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}

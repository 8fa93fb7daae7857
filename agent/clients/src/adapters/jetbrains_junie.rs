//! JetBrains Junie. Not run; parser tolerance not established.

use crate::adapter::{About, ClientAdapter};
use crate::location::Location;

/// JetBrains Junie.
pub(super) struct Adapter;

const ABOUT: About = About {
    id: "jetbrains-junie",
    name: "JetBrains Junie",
    rank: 16,
    locations: &[Location::user("~/.junie/mcp/mcp.json"), Location::project("<project>/.junie/mcp/mcp.json")],
    processes: &["junie"],
    evidence: "several public sources; source laravel/boost",
    notes: "Runs inside JetBrains IDEs too, whose processes count for jetbrains-ai-assistant.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}

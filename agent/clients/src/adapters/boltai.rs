//! BoltAI. Not run; a macOS application that knows stdio servers only.

use crate::adapter::{About, ClientAdapter};
use crate::location::{Location, MACOS};

/// BoltAI.
pub(super) struct Adapter;

const ABOUT: About = About {
    id: "boltai",
    name: "BoltAI",
    rank: 34,
    locations: &[Location::user("~/.boltai/mcp.json").on(MACOS)],
    processes: &["boltai"],
    evidence: "docs docs.boltai.com, by way of several installers",
    notes: "Knows stdio servers only.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}

//! MCPorter. Not run.

use crate::adapter::{About, ClientAdapter};
use crate::codec::Dialect;
use crate::location::Location;

/// MCPorter.
pub(super) struct Adapter;

const ABOUT: About = About {
    id: "mcporter",
    name: "MCPorter",
    rank: 39,
    locations: &[
        Location::user("~/.mcporter/mcporter.json").json(Dialect::JSONC),
        Location::project("<project>/config/mcporter.json").json(Dialect::JSONC),
    ],
    processes: &["mcporter"],
    evidence: "source add-mcp 2.4.0",
    notes: "Its documentation says that it can import other clients' servers; which files those are was not established.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}

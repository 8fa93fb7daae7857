//! MCPorter. Not run.

use crate::adapter::{About, ClientAdapter, Variable};
use crate::codec::Dialect;
use crate::location::Location;
use crate::reads::Reads;

/// MCPorter.
pub(super) struct Adapter;

const ABOUT: About = About {
    id: "mcporter",
    name: "MCPorter",
    rank: 39,
    locations: &[
        Location::user("~/.mcporter/mcporter.json").json(Dialect::JSONC),
        // The file itself.
        Location::user("$MCPORTER_CONFIG?").json(Dialect::JSONC),
        Location::project("<project>/config/mcporter.json").json(Dialect::JSONC),
    ],
    variables: &[Variable { name: "MCPORTER_CONFIG", default: "" }],
    processes: &["mcporter"],
    reads: &Reads {
        command: &["command", "executable"],
        url: &["baseUrl", "base_url", "url", "serverUrl", "server_url"],
        transport: &[],
        ..Reads::USUAL
    },
    evidence: "source add-mcp 2.4.0; source steipete/mcporter (config-normalize.ts and the search for the file) for the members and the variable",
    notes: "Its documentation says that it can import other clients' servers; which files those are was not established.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}

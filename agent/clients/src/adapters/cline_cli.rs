//! Cline CLI 3.x. Tested 3.0.65: entries are nested in a `transport` object, where other tools write the flat form.

use crate::adapter::{About, ClientAdapter, Variable};
use crate::location::Location;
use crate::reads::Reads;

/// Cline CLI 3.x.
pub(super) struct Adapter;

const ABOUT: About = About {
    id: "cline-cli",
    name: "Cline CLI 3.x",
    rank: 19,
    locations: &[
        Location::user("$CLINE_DATA_DIR/settings/cline_mcp_settings.json"),
        Location::user("$CLINE_DIR?/data/settings/cline_mcp_settings.json"),
        // The file itself.
        Location::user("$CLINE_MCP_SETTINGS_PATH?"),
    ],
    variables: &[
        Variable { name: "CLINE_DATA_DIR", default: "~/.cline/data" },
        Variable { name: "CLINE_DIR", default: "" },
        Variable { name: "CLINE_MCP_SETTINGS_PATH", default: "" },
    ],
    processes: &["cline"],
    reads: &Reads { nested: true, ..Reads::USUAL },
    evidence: "tested 3.0.65",
    notes: "The flags `--config` and `--data-dir` move the file too. A URL given without a transport becomes a stdio server whose command is the URL.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}

//! Grok Build. Not run; the layout is the one that an installer writes.

use crate::adapter::{About, ClientAdapter, Variable};
use crate::codec::Format;
use crate::location::Location;

const KEYS: &[&str] = &["/mcp_servers"];

/// Grok Build.
pub(super) struct Adapter;

const ABOUT: About = About {
    id: "grok-build",
    name: "Grok Build",
    rank: 35,
    locations: &[
        Location::user("$GROK_HOME/config.toml").format(Format::Toml).keys(KEYS),
        Location::project("<project>/.grok/config.toml").format(Format::Toml).keys(KEYS),
    ],
    variables: &[Variable { name: "GROK_HOME", default: "~/.grok" }],
    processes: &["grok"],
    evidence: "source add-mcp 2.4.0; public descriptions for the variable",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}

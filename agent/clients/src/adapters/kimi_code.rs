//! Kimi Code CLI. Tested 2.1.0 on Linux.

use crate::adapter::{About, ClientAdapter, Variable};
use crate::location::Location;

/// Kimi Code CLI.
pub(super) struct Adapter;

const ABOUT: About = About {
    id: "kimi-code",
    name: "Kimi Code CLI",
    rank: 36,
    locations: &[
        Location::user("$KIMI_CODE_HOME/mcp.json"),
        Location::project("<project>/.kimi-code/mcp.json"),
        Location::project("<project>/.mcp.json").shared(),
    ],
    variables: &[Variable { name: "KIMI_CODE_HOME", default: "~/.kimi-code" }],
    processes: &["kimi"],
    evidence: "tested 2.1.0 on Linux; public descriptions for the variable",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}

//! LM Studio. Not run.

use crate::adapter::{About, ClientAdapter};
use crate::location::{Location, MACOS};

/// LM Studio.
pub(super) struct Adapter;

const ABOUT: About = About {
    id: "lm-studio",
    name: "LM Studio",
    rank: 32,
    locations: &[
        Location::user("~/.lmstudio/mcp.json"),
        // Older installations.
        Location::user("~/.cache/lm-studio/mcp.json").on(MACOS),
    ],
    processes: &["lm studio", "lm-studio"],
    evidence: "docs lmstudio.ai; source stacklok/toolhive; issue lmstudio-bug-tracker#1371",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}

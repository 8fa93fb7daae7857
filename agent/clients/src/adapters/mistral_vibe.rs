//! Mistral Vibe. Source of another tool read, not run.

use crate::adapter::{About, ClientAdapter, Variable};
use crate::codec::Format;
use crate::environment::{EnvironmentFile, Form, Marks, Taken};
use crate::location::Location;

/// Mistral Vibe.
pub(super) struct Adapter;

const ABOUT: About = About {
    id: "mistral-vibe",
    name: "Mistral Vibe",
    rank: 37,
    // An array of tables with a `name` each.
    locations: &[
        Location::user("$VIBE_HOME/config.toml").format(Format::Toml).keys(&["/mcp_servers"]).or_list(),
        Location::project("<project>/.vibe/config.toml")
            .format(Format::Toml)
            .keys(&["/mcp_servers"])
            .or_list(),
    ],
    variables: &[Variable { name: "VIBE_HOME", default: "~/.vibe" }],
    // Read in its source: the folder is asked for anew at each use.
    environments: &[EnvironmentFile::new(
        "$VIBE_HOME/.env",
        Form::Dotenv(Marks { tilde: true, variables: true }),
        &[Taken::own("VIBE_HOME")],
    )],
    processes: &["vibe"],
    evidence: "source stacklok/toolhive; the client's own README for the project file",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}

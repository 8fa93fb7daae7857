//! Visual Studio 2022 and 2026. Documentation read, not run.

use crate::adapter::{About, ClientAdapter};
use crate::location::{Location, WINDOWS};
use crate::reads::Reads;

/// Visual Studio.
pub(super) struct Adapter;

const KEYS: &[&str] = &["/servers"];

const ABOUT: About = About {
    id: "visual-studio",
    name: "Visual Studio 2022 17.14+ / 2026",
    rank: 10,
    // In the order in which they are read.
    locations: &[
        // In a home that is opened as a project this is Claude Code's file as well, under another key.
        Location::user("%USERPROFILE%/.mcp.json").on(WINDOWS).keys(KEYS),
        Location::project("<project>/.vs/mcp.json").on(WINDOWS).keys(KEYS),
        Location::project("<project>/.mcp.json").on(WINDOWS).keys(KEYS).shared(),
        Location::project("<project>/.vscode/mcp.json").on(WINDOWS).keys(KEYS).shared(),
        // The documentation names the path; the key is Cursor's.
        Location::project("<project>/.cursor/mcp.json").on(WINDOWS).shared(),
    ],
    processes: &["devenv"],
    reads: &Reads::USUAL,
    evidence: "source MicrosoftDocs/visualstudio-docs (docs/ide/mcp-servers.md)",
    notes: "Changing a file restarts the server at once. Its policies are on GitHub's side; the Copilot managed settings do not list it.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}

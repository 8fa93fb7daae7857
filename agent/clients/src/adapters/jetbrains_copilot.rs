//! GitHub Copilot for JetBrains. Public sources read, not run.

use crate::adapter::{About, ClientAdapter};
use crate::codec::Dialect;
use crate::location::{LINUX, Location, MACOS, UNIX, WINDOWS};
use crate::reads::Reads;

/// GitHub Copilot for JetBrains.
pub(super) struct Adapter;

const KEYS: &[&str] = &["/servers"];

const ABOUT: About = About {
    id: "jetbrains-copilot",
    name: "GitHub Copilot for JetBrains",
    rank: 9,
    locations: &[
        Location::user("~/.config/github-copilot/intellij/mcp.json").on(UNIX).keys(KEYS),
        // One source puts the file here on macOS.
        Location::user("~/Library/Application Support/github-copilot/intellij/mcp.json").on(MACOS).keys(KEYS),
        Location::user("%LOCALAPPDATA%/github-copilot/intellij/mcp.json").on(WINDOWS).keys(KEYS),
        Location::managed("/etc/github-copilot/managed-settings.json")
            .json(Dialect::STRICT)
            .on(LINUX)
            .no_servers(),
        Location::managed("/Library/Application Support/GitHubCopilot/managed-settings.json")
            .on(MACOS)
            .no_servers(),
        Location::managed("%PROGRAMFILES%/GitHubCopilot/managed-settings.json").on(WINDOWS).no_servers(),
    ],
    reads: &Reads::USUAL,
    evidence: "several public sources; docs docs.github.com enterprise-managed-settings",
    notes: "Runs inside JetBrains IDEs, whose processes count for jetbrains-ai-assistant.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}

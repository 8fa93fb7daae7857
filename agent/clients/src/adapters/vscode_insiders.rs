//! Visual Studio Code Insiders: Visual Studio Code with directories of its own.

use super::vscode;
use crate::adapter::{About, ClientAdapter, Lead, SettingFinding, Variable};
use crate::codec::{Dialect, Parsed};
use crate::editor;
use crate::location::{LINUX, Location, MACOS, WINDOWS};
use crate::reads::Reads;

/// Visual Studio Code Insiders.
pub(super) struct Adapter;

const SERVERS: &[&str] = &["/servers"];
const DISCOVERY: &str = "chat.mcp.discovery.enabled";

const fn user(path: &'static str) -> Location {
    Location::user(path).json(Dialect::RECOVERING).keys(SERVERS)
}

const ABOUT: About = About {
    id: "vscode-insiders",
    name: "Visual Studio Code Insiders",
    rank: 15,
    locations: &[
        user("$XDG_CONFIG_HOME/Code - Insiders/User/mcp.json").on(LINUX),
        user("~/Library/Application Support/Code - Insiders/User/mcp.json").on(MACOS),
        user("%APPDATA%/Code - Insiders/User/mcp.json").on(WINDOWS),
        user("$XDG_CONFIG_HOME/Code - Insiders/User/profiles/*/mcp.json").on(LINUX),
        user("~/Library/Application Support/Code - Insiders/User/profiles/*/mcp.json").on(MACOS),
        user("%APPDATA%/Code - Insiders/User/profiles/*/mcp.json").on(WINDOWS),
        editor::settings("$XDG_CONFIG_HOME/Code - Insiders/User/settings.json", LINUX),
        editor::settings("~/Library/Application Support/Code - Insiders/User/settings.json", MACOS),
        editor::settings("%APPDATA%/Code - Insiders/User/settings.json", WINDOWS),
        user("~/.vscode-server-insiders/data/User/mcp.json").on(LINUX),
        Location::project("<project>/.vscode/mcp.json").json(Dialect::RECOVERING).keys(SERVERS),
        Location::project("<project>/.vscode/settings.json")
            .json(Dialect::RECOVERING)
            .keys(editor::SETTINGS_KEYS),
        Location::project("<project>/*.code-workspace")
            .json(Dialect::RECOVERING)
            .keys(editor::WORKSPACE_KEYS),
        Location::project("<project>/.devcontainer/devcontainer.json")
            .json(Dialect::RECOVERING)
            .keys(editor::DEVCONTAINER_KEYS),
        Location::project("<project>/.devcontainer.json")
            .json(Dialect::RECOVERING)
            .keys(editor::DEVCONTAINER_KEYS),
        Location::project("<project>/.mcp.json").shared(),
        Location::user("$COPILOT_HOME/mcp-config.json").json(Dialect::JSONC).shared(),
        Location::user("$XDG_CONFIG_HOME/Claude/claude_desktop_config.json").on(LINUX).shared_if(DISCOVERY),
        Location::user("~/Library/Application Support/Claude/claude_desktop_config.json")
            .on(MACOS)
            .shared_if(DISCOVERY),
        Location::user("%APPDATA%/Claude/claude_desktop_config.json").on(WINDOWS).shared_if(DISCOVERY),
        Location::user("~/.codeium/windsurf/mcp_config.json").shared_if(DISCOVERY),
        Location::user("~/.cursor/mcp.json").shared_if(DISCOVERY),
        Location::project("<project>/.cursor/mcp.json").shared_if(DISCOVERY),
        editor::workspaces("$XDG_CONFIG_HOME/Code - Insiders/User/workspaceStorage/*/workspace.json", LINUX),
        editor::workspaces(
            "~/Library/Application Support/Code - Insiders/User/workspaceStorage/*/workspace.json",
            MACOS,
        ),
        editor::workspaces("%APPDATA%/Code - Insiders/User/workspaceStorage/*/workspace.json", WINDOWS),
    ],
    variables: &[Variable { name: "COPILOT_HOME", default: "~/.copilot" }],
    processes: &[
        "code-insiders",
        "code - insiders",
        "code - insiders helper",
        "code - insiders helper (plugin)",
    ],
    reads: &Reads::USUAL,
    evidence: "source stacklok/toolhive; docs code.visualstudio.com",
    notes: "As Visual Studio Code.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn leads(&self, at: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
        editor::leads(at, doc)
    }

    fn settings(&self, at: &Location, doc: &Parsed<'_>) -> Vec<SettingFinding> {
        vscode::switches(at, doc)
    }
}

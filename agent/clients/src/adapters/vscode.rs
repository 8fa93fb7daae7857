//! Visual Studio Code with GitHub Copilot. Source and documentation read, not run.

use mcpolicy_schema::finding::{FindingCode, Severity};

use crate::adapter::{About, ClientAdapter, Lead, SettingFinding, Variable};
use crate::codec::{Dialect, Parsed};
use crate::editor;
use crate::location::{LINUX, Location, MACOS, WINDOWS};
use crate::reads::Reads;
use crate::setting;
use crate::writes::{Refers, Writes};

/// Visual Studio Code.
pub(super) struct Adapter;

const SERVERS: &[&str] = &["/servers"];
const DISCOVERY: &str = "chat.mcp.discovery.enabled";

const fn user(path: &'static str) -> Location {
    Location::user(path).json(Dialect::RECOVERING).keys(SERVERS)
}

const ABOUT: About = About {
    id: "vscode",
    name: "Visual Studio Code (with GitHub Copilot)",
    rank: 5,
    locations: &[
        user("$XDG_CONFIG_HOME/Code/User/mcp.json").on(LINUX),
        user("~/Library/Application Support/Code/User/mcp.json").on(MACOS),
        user("%APPDATA%/Code/User/mcp.json").on(WINDOWS),
        user("$XDG_CONFIG_HOME/Code/User/profiles/*/mcp.json").on(LINUX),
        user("~/Library/Application Support/Code/User/profiles/*/mcp.json").on(MACOS),
        user("%APPDATA%/Code/User/profiles/*/mcp.json").on(WINDOWS),
        // The layout before mcp.json.
        editor::settings("$XDG_CONFIG_HOME/Code/User/settings.json", LINUX),
        editor::settings("~/Library/Application Support/Code/User/settings.json", MACOS),
        editor::settings("%APPDATA%/Code/User/settings.json", WINDOWS),
        editor::settings("$XDG_CONFIG_HOME/Code/User/profiles/*/settings.json", LINUX),
        editor::settings("~/Library/Application Support/Code/User/profiles/*/settings.json", MACOS),
        editor::settings("%APPDATA%/Code/User/profiles/*/settings.json", WINDOWS),
        // This machine as the far end of a remote session.
        user("~/.vscode-server/data/User/mcp.json").on(LINUX),
        editor::settings("~/.vscode-server/data/Machine/settings.json", LINUX),
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
        // Sessions with the Copilot harness read the portable files.
        Location::project("<project>/.mcp.json").shared(),
        Location::user("$COPILOT_HOME/mcp-config.json").json(Dialect::JSONC).shared(),
        // Discovery of other clients' servers.
        Location::user("$XDG_CONFIG_HOME/Claude/claude_desktop_config.json").on(LINUX).shared_if(DISCOVERY),
        Location::user("~/Library/Application Support/Claude/claude_desktop_config.json")
            .on(MACOS)
            .shared_if(DISCOVERY),
        Location::user("%APPDATA%/Claude/claude_desktop_config.json").on(WINDOWS).shared_if(DISCOVERY),
        Location::user("~/.codeium/windsurf/mcp_config.json").shared_if(DISCOVERY),
        Location::user("~/.cursor/mcp.json").shared_if(DISCOVERY),
        Location::project("<project>/.cursor/mcp.json").shared_if(DISCOVERY),
        editor::workspaces("$XDG_CONFIG_HOME/Code/User/workspaceStorage/*/workspace.json", LINUX),
        editor::workspaces(
            "~/Library/Application Support/Code/User/workspaceStorage/*/workspace.json",
            MACOS,
        ),
        editor::workspaces("%APPDATA%/Code/User/workspaceStorage/*/workspace.json", WINDOWS),
        Location::managed("/etc/vscode/policy.json").on(LINUX).no_servers(),
        Location::managed("/etc/github-copilot/managed-settings.json")
            .json(Dialect::STRICT)
            .on(LINUX)
            .no_servers(),
        Location::managed("/Library/Application Support/GitHubCopilot/managed-settings.json")
            .on(MACOS)
            .no_servers(),
        Location::managed("%PROGRAMFILES%/GitHubCopilot/managed-settings.json").on(WINDOWS).no_servers(),
    ],
    variables: &[Variable { name: "COPILOT_HOME", default: "~/.copilot" }],
    processes: &["code", "code helper", "code helper (plugin)"],
    reads: &Reads::USUAL,
    writes: Some(&Writes {
        stdio: Some("stdio"),
        http: Some("http"),
        sse: Some("sse"),
        refers: Refers::Env,
        ..Writes::PLAIN
    }),
    evidence: "docs code.visualstudio.com; source microsoft/vscode, stacklok/toolhive, add-mcp 2.4.0",
    notes: "Extensions register servers through an API, and no file shows them. The policy also comes from the macOS domain `com.microsoft.VSCode` and the Windows registry (`SOFTWARE/Policies/Microsoft/VSCode`). Whether discovery is on by default was not established.",
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
        switches(at, doc)
    }
}

/// Switches of a `settings.json` that approve every tool call.
pub(super) fn switches(at: &Location, doc: &Parsed<'_>) -> Vec<SettingFinding> {
    if !at.path.ends_with("/settings.json") {
        return Vec::new();
    }
    // The editor's documentation says of it that it disables critical security protections; the second name is the
    // older one.
    let names = ["chat.tools.global.autoApprove", "chat.tools.autoApprove"];
    let on = names.into_iter().filter_map(|name| setting::is_on(&doc.root, name).map(|node| (name, node)));
    on.map(|(name, node)| {
        let message = format!("{name} approves every tool call of every server");
        setting::weighing(FindingCode::AutoApproval, Severity::High, &message, node)
    })
    .collect()
}

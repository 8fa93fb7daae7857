//! Devin, the agent and its CLI (Windsurf before). Documentation read, not run.

use super::opencode;
use crate::adapter::{About, ClientAdapter, Found};
use crate::codec::{Dialect, Parsed};
use crate::location::{LINUX, Location, MACOS, UNIX, WINDOWS};
use crate::servers;

/// Devin.
pub(super) struct Adapter;

const SERVERS: &[&str] = &["/servers"];
const OPENCODE: &[&str] = &["/mcp", "/mcp/servers"];
const ZED: &[&str] = &["/context_servers"];

const ABOUT: About = About {
    id: "devin",
    name: "Devin Desktop / Devin CLI (was Windsurf)",
    rank: 12,
    locations: &[
        Location::user("~/.config/devin/mcp_config.json").json(Dialect::JSONC).on(UNIX),
        Location::user("%APPDATA%/devin/mcp_config.json").json(Dialect::JSONC).on(WINDOWS),
        Location::project("<project>/.devin/mcp_config.json").json(Dialect::JSONC),
        Location::project("<project>/.devin/mcp_config.local.json").json(Dialect::JSONC),
        // It imports other clients' servers by itself (docs: cli/reference/configuration/read-config-from). Some of
        // these files their own client reads no servers from.
        Location::user("~/.cursor/mcp.json").shared(),
        Location::project("<project>/.cursor/mcp.json").shared(),
        Location::user("~/.codeium/windsurf/mcp_config.json").shared(),
        Location::user("~/.codeium/windsurf-next/mcp_config.json").shared(),
        Location::user("~/.codeium/windsurf-insiders/mcp_config.json").shared(),
        Location::user("~/.claude.json").shared(),
        Location::user("~/.claude/settings.json").shared(),
        Location::user("~/.claude/settings.local.json").shared(),
        Location::user("~/.claude/mcp_servers.json").shared(),
        Location::project("<project>/.mcp.json").shared(),
        Location::project("<project>/.claude/settings.json").shared(),
        Location::project("<project>/.claude/settings.local.json").shared(),
        Location::user("$XDG_CONFIG_HOME/opencode/opencode.json").on(UNIX).keys(OPENCODE).shared(),
        Location::project("<project>/opencode.json").keys(OPENCODE).shared(),
        Location::user("$XDG_CONFIG_HOME/Code/User/mcp.json").on(LINUX).keys(SERVERS).shared(),
        Location::user("~/Library/Application Support/Code/User/mcp.json").on(MACOS).keys(SERVERS).shared(),
        Location::user("%APPDATA%/Code/User/mcp.json").on(WINDOWS).keys(SERVERS).shared(),
        Location::project("<project>/.vscode/mcp.json").keys(SERVERS).shared(),
        Location::user("$XDG_CONFIG_HOME/zed/settings.json").on(LINUX).keys(ZED).shared(),
        Location::user("~/.config/zed/settings.json").on(MACOS).keys(ZED).shared(),
        Location::user("%APPDATA%/Zed/settings.json").on(WINDOWS).keys(ZED).shared(),
        Location::project("<project>/.zed/settings.json").keys(ZED).shared(),
    ],
    processes: &["devin"],
    evidence: "docs docs.devin.ai; several public sources for the file names",
    notes: "Imports the servers of Cursor, Windsurf, Claude Code, opencode, VS Code and Zed unless told otherwise. Its allowlist is on the vendor's side.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn servers<'d>(&self, at: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
        if at.keys == OPENCODE { opencode::mixed(doc) } else { servers::under_keys(&doc.root, at.keys) }
    }
}

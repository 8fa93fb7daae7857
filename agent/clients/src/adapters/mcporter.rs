//! MCPorter. Tested 0.12.3 on Linux; its code was read for the other systems.

use mcpolicy_schema::entry::Scope;

use crate::adapter::{About, ClientAdapter, Found, Variable};
use crate::codec::{Dialect, Format, Parsed};
use crate::location::{LINUX, Location, MACOS, UNIX, WINDOWS};
use crate::reads::Reads;
use crate::servers;

/// MCPorter.
pub(super) struct Adapter;

const IMPORT: &str = "its imports, which are on unless its own file says otherwise";
const ANY_KEY: &[&str] = &["/mcpServers", "/servers", "/mcp"];
const STATE: &str = "~/.claude.json";

const fn of_scope(path: &'static str, scope: Scope) -> Location {
    let at = if let Scope::Project = scope { Location::project(path) } else { Location::user(path) };
    at.json(Dialect::JSONC).shared_if(IMPORT)
}

const fn import(path: &'static str, scope: Scope) -> Location {
    of_scope(path, scope).keys(ANY_KEY)
}

const fn opencode(path: &'static str, scope: Scope) -> Location {
    of_scope(path, scope).keys(&["/mcp"])
}

const fn codex(path: &'static str, scope: Scope) -> Location {
    of_scope(path, scope).format(Format::Toml).keys(&["/mcp_servers"])
}

const ABOUT: About = About {
    id: "mcporter",
    name: "MCPorter",
    rank: 39,
    locations: &[
        Location::user("~/.mcporter/mcporter.json").json(Dialect::JSONC),
        Location::user("~/.mcporter/mcporter.jsonc").json(Dialect::JSONC),
        Location::user("$XDG_CONFIG_HOME/mcporter/mcporter.json").json(Dialect::JSONC).on(UNIX),
        Location::user("$XDG_CONFIG_HOME/mcporter/mcporter.jsonc").json(Dialect::JSONC).on(UNIX),
        // The file itself.
        Location::user("$MCPORTER_CONFIG?").json(Dialect::JSONC),
        Location::project("<project>/config/mcporter.json").json(Dialect::JSONC),
        // Other clients' files, all of them unless its own file says otherwise. Whatever file it is, it reads each of the
        // keys; some of these files their own client reads no servers from.
        import("<project>/.cursor/mcp.json", Scope::Project),
        import("~/.cursor/mcp.json", Scope::User),
        import("$XDG_CONFIG_HOME/Cursor/User/mcp.json", Scope::User).on(UNIX),
        import("~/AppData/Roaming/Cursor/User/mcp.json", Scope::User),
        import("~/Library/Application Support/Cursor/User/mcp.json", Scope::User),
        import("<project>/.claude/settings.local.json", Scope::Project),
        import("<project>/.claude/settings.json", Scope::Project),
        import("<project>/.claude/mcp.json", Scope::Project),
        import("~/.claude/settings.local.json", Scope::User),
        import("~/.claude/settings.json", Scope::User),
        import("~/.claude/mcp.json", Scope::User),
        import(STATE, Scope::User),
        import("~/.config/Claude/settings.json", Scope::User).on(LINUX),
        import("~/Library/Application Support/Claude/settings.json", Scope::User).on(MACOS),
        import("~/AppData/Roaming/Claude/settings.json", Scope::User).on(WINDOWS),
        codex("<project>/.codex/config.toml", Scope::Project),
        codex("~/.codex/config.toml", Scope::User),
        import("~/.codeium/windsurf/mcp_config.json", Scope::User),
        import("~/.codeium/windsurf-next/mcp_config.json", Scope::User),
        import("~/.windsurf/mcp_config.json", Scope::User),
        import("~/.config/.codeium/windsurf/mcp_config.json", Scope::User),
        import("%APPDATA%/Codeium/windsurf/mcp_config.json", Scope::User).on(WINDOWS),
        opencode("<project>/opencode.jsonc", Scope::Project),
        opencode("<project>/opencode.json", Scope::Project),
        opencode("<project>/.openai/config.json", Scope::Project),
        opencode("$XDG_CONFIG_HOME/openai/config.json", Scope::User).on(UNIX),
        opencode("$XDG_CONFIG_HOME/opencode/opencode.jsonc", Scope::User).on(UNIX),
        opencode("$XDG_CONFIG_HOME/opencode/opencode.json", Scope::User).on(UNIX),
        opencode("%USERPROFILE%/.config/openai/config.json", Scope::User).on(WINDOWS),
        opencode("%APPDATA%/opencode/opencode.jsonc", Scope::User).on(WINDOWS),
        opencode("%APPDATA%/opencode/opencode.json", Scope::User).on(WINDOWS),
        import("<project>/.vscode/mcp.json", Scope::Project),
        import("~/.config/Code/User/mcp.json", Scope::User).on(LINUX),
        import("~/.config/Code - Insiders/User/mcp.json", Scope::User).on(LINUX),
        import("~/Library/Application Support/Code/User/mcp.json", Scope::User).on(MACOS),
        import("~/Library/Application Support/Code - Insiders/User/mcp.json", Scope::User).on(MACOS),
        import("%APPDATA%/Code/User/mcp.json", Scope::User).on(WINDOWS),
        import("%APPDATA%/Code - Insiders/User/mcp.json", Scope::User).on(WINDOWS),
    ],
    variables: &[Variable { name: "MCPORTER_CONFIG", default: "" }],
    processes: &["mcporter"],
    reads: &Reads {
        command: &["command", "executable"],
        url: &["baseUrl", "base_url", "url", "serverUrl", "server_url"],
        transport: &[],
        ..Reads::USUAL
    },
    evidence: "tested 0.12.3 on Linux; its code read for the members, the variable and the other systems",
    notes: "`mcporter list` alone starts the servers of other clients. The bare map, which it takes from some of their files, is told as one that nobody reads.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn servers<'d>(&self, at: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
        let mut found = servers::under_keys(&doc.root, at.keys);
        // of opencode's table, and of settings under that name, only what looks like one is an entry
        found.retain(|found| !found.key_path.starts_with("/mcp/") || servers::looks_like_entry(found.node));
        if at.path == STATE {
            found.extend(super::claude_code::local_servers(&doc.root));
        }
        found
    }
}

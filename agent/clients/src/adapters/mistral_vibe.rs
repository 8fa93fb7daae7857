//! Mistral Vibe. Its source 3.0.2 was read; of what it starts only the files of its own were run.

use mcpolicy_schema::entry::Scope;

use crate::adapter::{About, ClientAdapter, Found, Lead, Variable};
use crate::codec::{Format, Parsed};
use crate::environment::{EnvironmentFile, Form, Marks, Taken};
use crate::location::{Location, NAMED};
use crate::manifest::{self, Bundles, EITHER};
use crate::servers;

/// Mistral Vibe.
pub(super) struct Adapter;

const OPENCODE: &[&str] = &["/mcp"];

const fn agent(path: &'static str, scope: Scope) -> Location {
    let at = if let Scope::Project = scope { Location::project(path) } else { Location::user(path) };
    at.format(Format::Toml).keys(&["/mcp_servers"]).or_list().aside()
}

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
        // An agent's file may have any of the settings.
        agent("$VIBE_HOME/agents/*.toml", Scope::User),
        agent("<project>/.vibe/agents/*.toml", Scope::Project),
        // Plugins of its own form, and those of other clients.
        Location::plugin("$VIBE_HOME/plugins/*/mcp.json"),
        Location::plugin("$VIBE_HOME/plugins/*/.mcp.json").keys(EITHER),
        Location::plugin("$VIBE_HOME/plugins/*/.claude-plugin/plugin.json"),
        Location::plugin("$VIBE_HOME/plugins/*/.codex-plugin/plugin.json"),
        Location::plugin("$VIBE_HOME/plugins/*/kimi.plugin.json"),
        Location::plugin("$VIBE_HOME/plugins/*/.kimi-plugin/plugin.json"),
        Location::plugin("$VIBE_HOME/plugins/*/opencode.json").keys(OPENCODE),
        Location::plugin("$VIBE_HOME/plugins/*/opencode.jsonc").keys(OPENCODE),
        Location::plugin("$VIBE_HOME/plugins/*/.opencode/opencode.json").keys(OPENCODE),
        Location::plugin("$VIBE_HOME/plugins/*/.opencode/opencode.jsonc").keys(OPENCODE),
        Location::plugin("<project>/.vibe/plugins/*/mcp.json"),
        Location::plugin("<project>/.vibe/plugins/*/.mcp.json").keys(EITHER),
        Location::plugin("<project>/.vibe/plugins/*/.claude-plugin/plugin.json"),
        Location::plugin("<project>/.vibe/plugins/*/.codex-plugin/plugin.json"),
        Location::plugin("<project>/.vibe/plugins/*/kimi.plugin.json"),
        Location::plugin("<project>/.vibe/plugins/*/.kimi-plugin/plugin.json"),
        Location::plugin("<project>/.vibe/plugins/*/opencode.json").keys(OPENCODE),
        Location::plugin("<project>/.vibe/plugins/*/opencode.jsonc").keys(OPENCODE),
        Location::plugin("<project>/.vibe/plugins/*/.opencode/opencode.json").keys(OPENCODE),
        Location::plugin("<project>/.vibe/plugins/*/.opencode/opencode.jsonc").keys(OPENCODE),
        Location::plugin(NAMED).keys(EITHER),
    ],
    variables: &[Variable { name: "VIBE_HOME", default: "~/.vibe" }],
    // Read in its source: the folder is asked for anew at each use.
    environments: &[EnvironmentFile::new(
        "$VIBE_HOME/.env",
        Form::Dotenv(Marks { tilde: true, variables: true }),
        &[Taken::own("VIBE_HOME")],
    )],
    processes: &["vibe"],
    evidence: "source of 3.0.2 read",
    notes: "Plugins of Claude Code, Codex, Kimi Code and opencode are taken, too, where they lie in its own folders; their code is not run. What a project has counts only where the folder is trusted.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn servers<'d>(&self, at: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
        manifest::of_plugins(at, &doc.root).unwrap_or_else(|| servers::under_keys(&doc.root, at.keys))
    }

    fn leads(&self, at: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
        if manifest::is_manifest(at) { manifest::leads(at, &doc.root, Bundles::Files) } else { Vec::new() }
    }
}

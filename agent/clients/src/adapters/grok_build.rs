//! Grok Build. Tested 1.0.41 on Linux: each place here was run, but for what is said to be documented.

use crate::adapter::{About, ClientAdapter, Found, Lead, Variable};
use crate::codec::{Format, Parsed};
use crate::location::{Location, NAMED, UNIX};
use crate::manifest::{self, Bundles};
use crate::node::Node;
use crate::servers;

const KEYS: &[&str] = &["/mcp_servers"];
/// The list of what was installed.
const REGISTRY: &str = "$GROK_HOME/installed-plugins/registry.json";
const STATE: &str = "~/.claude.json";

/// Grok Build.
pub(super) struct Adapter;

const fn toml(at: Location) -> Location {
    at.format(Format::Toml).keys(KEYS)
}

const ABOUT: About = About {
    id: "grok-build",
    name: "Grok Build",
    rank: 35,
    locations: &[
        toml(Location::user("$GROK_HOME/config.toml")),
        // A copy that the client keeps of its organisation's settings, and the user may write.
        toml(Location::user("$GROK_HOME/managed_config.toml")),
        toml(Location::user("$GROK_HOME/requirements.toml")),
        toml(Location::project("<project>/.grok/config.toml")),
        toml(Location::managed("/etc/grok/managed_config.toml")).on(UNIX),
        toml(Location::managed("/etc/grok/requirements.toml")).on(UNIX),
        Location::user("$GROK_HOME/agents/**/*.md").agents(),
        // As documented.
        Location::project("<project>/.grok/agents/**/*.md").agents(),
        // On unless `[compat]` says otherwise.
        Location::user(STATE).shared(),
        Location::user("~/.cursor/mcp.json").shared(),
        Location::project("<project>/.cursor/mcp.json").shared(),
        Location::project("<project>/.mcp.json").shared(),
        // Folders of plugins, those in Claude Code's folder, too, which say nothing of whether this client is used; what was
        // installed; and those that `[plugins]` names.
        Location::plugin("$GROK_HOME/plugins/*/.mcp.json"),
        Location::plugin("$GROK_HOME/plugins/*/plugin.json"),
        Location::plugin("$GROK_HOME/plugins/*/.grok-plugin/plugin.json"),
        Location::plugin("$GROK_HOME/plugins/*/.claude-plugin/plugin.json"),
        Location::plugin("~/.claude/plugins/*/.mcp.json").shared(),
        Location::plugin("~/.claude/plugins/*/plugin.json").shared(),
        Location::plugin("~/.claude/plugins/*/.grok-plugin/plugin.json").shared(),
        Location::plugin("~/.claude/plugins/*/.claude-plugin/plugin.json").shared(),
        Location::plugin("$GROK_HOME/installed-plugins/*/.mcp.json"),
        Location::plugin("$GROK_HOME/installed-plugins/*/plugin.json"),
        Location::plugin("$GROK_HOME/installed-plugins/*/.grok-plugin/plugin.json"),
        Location::plugin("$GROK_HOME/installed-plugins/*/.claude-plugin/plugin.json"),
        Location::plugin(REGISTRY).no_servers(),
        Location::plugin("<project>/.grok/plugins/*/.mcp.json"),
        Location::plugin("<project>/.grok/plugins/*/plugin.json"),
        Location::plugin("<project>/.grok/plugins/*/.grok-plugin/plugin.json"),
        Location::plugin("<project>/.grok/plugins/*/.claude-plugin/plugin.json"),
        Location::plugin("<project>/.claude/plugins/*/.mcp.json").shared(),
        Location::plugin("<project>/.claude/plugins/*/plugin.json").shared(),
        Location::plugin("<project>/.claude/plugins/*/.grok-plugin/plugin.json").shared(),
        Location::plugin("<project>/.claude/plugins/*/.claude-plugin/plugin.json").shared(),
        Location::plugin("<plugin>/.mcp.json"),
        Location::plugin("<plugin>/plugin.json"),
        Location::plugin("<plugin>/.grok-plugin/plugin.json"),
        Location::plugin("<plugin>/.claude-plugin/plugin.json"),
        Location::plugin(NAMED),
    ],
    variables: &[Variable { name: "GROK_HOME", default: "~/.grok" }],
    processes: &["grok"],
    evidence: "tested 1.0.41 on Linux; the client's own guide",
    notes: "What a project has counts only where the folder is trusted. A plugin counts only if it is switched on, and one of a project only if it is trusted; all of them are looked at. Its servers stand in its `.mcp.json`, in its manifest or in a file that this names. Servers of agents start with the agent. Others come from the account, from `--plugin-dir`, and on macOS from the managed domain `ai.x.grok`.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn servers<'d>(&self, at: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
        if at.aside {
            return servers::of_agent(&doc.root, at.keys);
        }
        if manifest::is_manifest(at) {
            return manifest::servers(&doc.root);
        }
        let mut found = servers::under_keys(&doc.root, at.keys);
        if at.path == STATE {
            found.extend(super::claude_code::local_servers(&doc.root));
        }
        found
    }

    fn leads(&self, at: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
        if at.path == REGISTRY {
            return installed(&doc.root);
        }
        if manifest::is_manifest(at) {
            return manifest::leads(at, &doc.root, Bundles::Files);
        }
        if at.keys == KEYS { named_folders(&doc.root) } else { Vec::new() }
    }
}

/// Where the list says that something was installed to.
fn installed(root: &Node<'_>) -> Vec<Lead> {
    let all = root.get("repos").map_or(&[][..], Node::members).iter();
    let mut leads =
        all.filter_map(|one| Some(Lead::Plugin(one.value.get("path")?.as_str()?.to_owned()))).collect();
    manifest::cap(&mut leads);
    leads
}

/// `[plugins] paths`: each is a plugin.
fn named_folders(root: &Node<'_>) -> Vec<Lead> {
    let paths = root.pointer("/plugins/paths").map_or(&[][..], Node::items).iter().filter_map(Node::as_str);
    let mut leads = paths.flat_map(manifest::installed_at).collect();
    manifest::cap(&mut leads);
    leads
}

//! GitHub Copilot CLI. Tested 1.0.102.

use mcpolicy_schema::entry::Scope;

use crate::adapter::{About, ClientAdapter, Found, Lead, Variable};
use crate::codec::{Dialect, Parsed};
use crate::edit::Change;
use crate::elsewhere::{self, Declared, Evidence, Keeps, OffSwitch};
use crate::location::{LINUX, Location, MACOS, NAMED, WINDOWS};
use crate::manifest::{self, Bundles, EITHER};
use crate::node::Node;
use crate::reads::Reads;
use crate::servers;
use crate::writes::{Refers, Writes};

/// GitHub Copilot CLI.
pub(super) struct Adapter;

/// In the front matter of agents.
const OF_AGENTS: &[&str] = &["/mcp-servers", "/mcpServers"];

const SETTINGS: &str = "$COPILOT_HOME/settings.json";

const ABOUT: About = About {
    id: "copilot-cli",
    name: "GitHub Copilot CLI",
    rank: 6,
    locations: &[
        Location::user("$COPILOT_HOME/mcp-config.json").json(Dialect::JSONC),
        Location::user("$COPILOT_HOME/config.json").json(Dialect::JSONC).no_servers(),
        // The file is Claude Code's and many others' too; `.mcp.json` won where both were there.
        // Tested: a bare map starts, which Claude Code refuses.
        Location::project("<project>/.mcp.json").keys(EITHER).shared(),
        Location::project("<project>/.github/mcp.json").keys(EITHER),
        Location::user("$COPILOT_HOME/agents/**/*.md").agents().keys(OF_AGENTS),
        Location::project("<project>/.github/agents/**/*.md").agents().keys(OF_AGENTS),
        // Tested: `mcp-servers` of an agent of Claude Code starts, which that client does not know.
        Location::project("<project>/.claude/agents/**/*.md").agents().keys(OF_AGENTS).shared(),
        // Tested: each leads to a catalogue in a folder, whose plugins are loaded from there.
        Location::user(SETTINGS).json(Dialect::JSONC).no_servers(),
        Location::project("<project>/.github/copilot/settings.json").no_servers(),
        Location::project("<project>/.github/copilot/settings.local.json").no_servers(),
        Location::project("<project>/.claude/settings.json").no_servers().shared(),
        Location::project("<project>/.claude/settings.local.json").no_servers().shared(),
        Location::plugin("<plugin>/.claude-plugin/marketplace.json").keys(manifest::ITEMS),
        Location::plugin("<plugin>/.github/plugin/marketplace.json").keys(manifest::ITEMS),
        Location::plugin("<plugin>/.plugin/marketplace.json").keys(manifest::ITEMS),
        Location::plugin("<plugin>/marketplace.json").keys(manifest::ITEMS),
        // <marketplace>/<plugin>, or _direct/<plugin>: taken whether or not `config.json` knows them.
        Location::plugin("$COPILOT_HOME/installed-plugins/*/*/.mcp.json").keys(EITHER),
        Location::plugin("$COPILOT_HOME/installed-plugins/*/*/.github/mcp.json").keys(EITHER),
        Location::plugin("$COPILOT_HOME/installed-plugins/*/*/mcp.json"),
        Location::plugin("$COPILOT_HOME/installed-plugins/*/*/.plugin/plugin.json"),
        Location::plugin("$COPILOT_HOME/installed-plugins/*/*/plugin.json"),
        Location::plugin("$COPILOT_HOME/installed-plugins/*/*/.github/plugin/plugin.json"),
        Location::plugin("$COPILOT_HOME/installed-plugins/*/*/.claude-plugin/plugin.json"),
        // The same where `config.json` has the plugin installed.
        Location::plugin("<plugin>/.mcp.json").keys(EITHER),
        Location::plugin("<plugin>/.github/mcp.json").keys(EITHER),
        Location::plugin("<plugin>/mcp.json"),
        Location::plugin("<plugin>/.plugin/plugin.json"),
        Location::plugin("<plugin>/plugin.json"),
        Location::plugin("<plugin>/.github/plugin/plugin.json"),
        Location::plugin("<plugin>/.claude-plugin/plugin.json"),
        Location::plugin(NAMED).keys(EITHER),
        // Tested: agents of a plugin start their servers, too.
        Location::plugin("$COPILOT_HOME/installed-plugins/*/*/agents/**/*.md").agents().keys(OF_AGENTS),
        Location::plugin("<plugin>/agents/**/*.md").agents().keys(OF_AGENTS),
        Location::plugin("<agents>/**/*.md").agents().keys(OF_AGENTS),
        // Tested: a comment or trailing comma in it and nothing starts.
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
    processes: &["copilot"],
    bypass_flags: &["--allow-all-tools", "--allow-all", "--yolo"],
    reads: &Reads::USUAL,
    writes: Some(&Writes {
        stdio: Some("local"),
        http: Some("http"),
        sse: Some("sse"),
        list: Some(("tools", "*")),
        refers: Refers::Braces,
        ..Writes::PLAIN
    }),
    evidence: "tested 1.0.102 on Linux; docs docs.github.com, also for agent files, which were not tried",
    notes: "Project servers start in trusted folders only. Disabling a server writes its name into `settings.json`, not into the entry. The flags `--additional-mcp-config` and `--plugin-dir` bring others. A plugin's servers stand in its `.mcp.json` or `.github/mcp.json`, in its manifest (the first of `.plugin/plugin.json`, `plugin.json`, `.github/plugin/plugin.json` and `.claude-plugin/plugin.json`), in the file that this names, or in `mcp.json` beside a `plugin.json` of agent-plugins.org. Of a catalogue in a folder, which the user's settings, a repository's or those for Claude Code name, all plugins are looked at. The managed settings may also come from the macOS domain `com.github.copilot` and the Windows registry.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn servers<'d>(&self, at: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
        manifest::of_plugins(at, &doc.root).unwrap_or_else(|| servers::in_file(at, doc))
    }

    /// `config.json` lists the folders that the user trusts and the plugins that are installed, each in either spelling.
    fn leads(&self, at: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
        if manifest::is_manifest(at) {
            let mut leads = manifest::leads(at, &doc.root, Bundles::Files);
            leads.extend(agents_of(at, &doc.root));
            return leads;
        }
        if at.keys == manifest::ITEMS {
            return manifest::folders_of_catalogue(at, &doc.root, Bundles::Files);
        }
        if let Some(folder) = at.path.strip_prefix("<project>/").filter(|path| path.contains("/settings.")) {
            return manifest::catalogues_of_settings(&doc.root, &"../".repeat(folder.matches('/').count()));
        }
        if at.path == SETTINGS {
            return manifest::catalogues_of_settings(&doc.root, "");
        }
        if !at.path.ends_with("/config.json") {
            return Vec::new();
        }
        let lists = ["trusted_folders", "trustedFolders"].into_iter().filter_map(|key| doc.root.get(key));
        let folders = lists.flat_map(Node::items).filter_map(Node::as_str);
        let mut leads: Vec<Lead> = folders.map(|folder| Lead::Project(folder.to_owned())).collect();
        leads.extend(installed(&doc.root));
        leads
    }

    /// Tested for servers of the user; for those of a project nobody has looked.
    fn off_switches(&self, declared: &Declared<'_>) -> Vec<OffSwitch> {
        let evidence = match declared.scope {
            Scope::User => Evidence::Tested,
            Scope::Project | Scope::Plugin => Evidence::Inferred,
            Scope::Local | Scope::Managed => return Vec::new(),
        };
        let keeps = Keeps::json(SETTINGS, Dialect::JSONC);
        vec![OffSwitch { client: ABOUT.id, keeps, empty: Some("{}\n"), takes_blank: false, evidence }]
    }

    fn switch_off(&self, declared: &Declared<'_>, _keeps: &Keeps, _doc: &Parsed<'_>) -> Vec<Change> {
        elsewhere::add("/disabledMcpServers", declared.name)
    }

    fn switch_on(&self, declared: &Declared<'_>, _keeps: &Keeps, doc: &Parsed<'_>) -> Vec<Change> {
        elsewhere::take(&doc.root, "/disabledMcpServers", declared.name)
    }

    fn is_off(&self, declared: &Declared<'_>, _keeps: &Keeps, root: &Node<'_>) -> bool {
        elsewhere::holds(root, "/disabledMcpServers", declared.name)
    }
}

/// The folders of agents that a manifest names.
fn agents_of(at: &Location, root: &Node<'_>) -> Vec<Lead> {
    let Some(named) = root.get("agents") else { return Vec::new() };
    let names = std::iter::once(named).chain(named.items()).filter_map(Node::as_str);
    let folder = manifest::to_plugin(at);
    let mut leads = names.map(|name| manifest::named("<agents>", format!("{folder}{name}"))).collect();
    manifest::cap(&mut leads);
    leads
}

/// `installedPlugins[].cache_path`. Tested: a plugin is loaded from wherever that leads.
fn installed(root: &Node<'_>) -> Vec<Lead> {
    let lists = ["installedPlugins", "installed_plugins"].into_iter().filter_map(|key| root.get(key));
    let paths = lists.flat_map(Node::items).filter_map(|plugin| plugin.get("cache_path")?.as_str());
    let mut leads = paths.flat_map(manifest::installed_at).collect();
    manifest::cap(&mut leads);
    leads
}

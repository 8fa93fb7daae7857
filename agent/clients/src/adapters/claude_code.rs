//! Claude Code. Facts tested on 2.1.329 and 2.1.197, Linux.

mod taken;

use std::collections::{BTreeMap, BTreeSet};

use mcpolicy_schema::entry::{Entry, NamedValue, Scope, Transport};
use mcpolicy_schema::finding::{FindingCode, Severity};

use crate::adapter::{About, ClientAdapter, Found, Instead, Lead, Load, SettingFinding, Variable};
use crate::codec::{Dialect, Parsed};
use crate::edit::Change;
use crate::elsewhere::{self, Declared, Evidence, Keeps, OffSwitch};
use crate::environment::{EnvironmentFile, Form, Taken};
use crate::location::{LINUX, Location, MACOS, NAMED, WINDOWS};
use crate::manifest::{self, EITHER};
use crate::node::{Node, escape};
use crate::reads::Reads;
use crate::servers;
use crate::setting;
use crate::writes::{Refers, Writes};

mod plugins;

/// Claude Code.
pub(super) struct Adapter;

const PROJECT: &str = "<project>/.mcp.json";
const USER: &str = "~/.claude.json";

const ABOUT: About = About {
    id: "claude-code",
    name: "Claude Code",
    rank: 1,
    locations: &[
        Location::user(USER).json(Dialect::STRICT).state(),
        // If it exists it is the configuration and ~/.claude.json is ignored.
        Location::user("~/.claude/.config.json").json(Dialect::STRICT).state(),
        Location::user("~/.claude-custom-oauth.json").json(Dialect::STRICT).state(),
        // Inside the directory, not beside it.
        Location::user("$CLAUDE_CONFIG_DIR?/.claude.json").json(Dialect::STRICT).state(),
        Location::user("$CLAUDE_CONFIG_DIR?/.config.json").json(Dialect::STRICT).state(),
        Location::user("$CLAUDE_CONFIG_DIR?/.claude-custom-oauth.json").json(Dialect::STRICT).state(),
        Location::user("$CLAUDE_CONFIG_DIR/settings.json").json(Dialect::STRICT).no_servers(),
        Location::user("$CLAUDE_CONFIG_DIR/settings.local.json").json(Dialect::STRICT).no_servers(),
        Location::user(COWORK_SETTINGS).json(Dialect::STRICT).no_servers(),
        // The client's copy of its organisation's settings, which the user may write (2.1.197).
        Location::user(REMOTE_SETTINGS).json(Dialect::STRICT).no_servers(),
        Location::project(PROJECT).json(Dialect::STRICT),
        Location::project("<project>/.claude/settings.json").json(Dialect::STRICT).no_servers(),
        Location::project("<project>/.claude/settings.local.json").json(Dialect::STRICT).no_servers(),
        Location::user("$CLAUDE_CONFIG_DIR/agents/**/*.md").agents(),
        Location::project("<project>/.claude/agents/**/*.md").agents(),
        Location::plugin("$CLAUDE_CODE_PLUGIN_CACHE_DIR/installed_plugins.json")
            .json(Dialect::STRICT)
            .no_servers(),
        // Takes the place of the index at a start, and its servers run from the next on (2.1.332 was run).
        Location::plugin("$CLAUDE_CODE_PLUGIN_CACHE_DIR/installed_plugins_v2.json")
            .json(Dialect::STRICT)
            .no_servers(),
        Location::plugin("$CLAUDE_CODE_PLUGIN_CACHE_DIR/known_marketplaces.json")
            .json(Dialect::STRICT)
            .no_servers(),
        Location::plugin("<plugin>/.mcp.json").json(Dialect::STRICT).keys(EITHER),
        Location::plugin("<plugin>/.claude-plugin/plugin.json").json(Dialect::STRICT),
        // A directory marketplace: its plugins stand in folders of the source.
        Location::plugin("<plugin>/plugins/*/.mcp.json").json(Dialect::STRICT).keys(EITHER),
        Location::plugin("<plugin>/plugins/*/.claude-plugin/plugin.json").json(Dialect::STRICT),
        Location::plugin("<plugin>/.claude-plugin/marketplace.json")
            .json(Dialect::STRICT)
            .keys(manifest::ITEMS),
        Location::plugin(plugins::CATALOGUE).json(Dialect::STRICT).keys(manifest::ITEMS),
        Location::plugin(plugins::COPY).json(Dialect::STRICT).keys(manifest::ITEMS),
        Location::plugin(NAMED).json(Dialect::STRICT).keys(EITHER),
        // Taken without being installed, switched on or named anywhere.
        Location::plugin("$CLAUDE_CONFIG_DIR/skills/*/.mcp.json").json(Dialect::STRICT).keys(EITHER),
        Location::plugin("$CLAUDE_CONFIG_DIR/skills/*/.claude-plugin/plugin.json").json(Dialect::STRICT),
        Location::plugin("<project>/.claude/skills/*/.mcp.json").json(Dialect::STRICT).keys(EITHER),
        Location::plugin("<project>/.claude/skills/*/.claude-plugin/plugin.json").json(Dialect::STRICT),
        // Each folder is a plugin or has some.
        Location::plugin("$CLAUDE_CODE_PLUGIN_DIRS?/.mcp.json").json(Dialect::STRICT).keys(EITHER),
        Location::plugin("$CLAUDE_CODE_PLUGIN_DIRS?/.claude-plugin/plugin.json").json(Dialect::STRICT),
        Location::plugin("$CLAUDE_CODE_PLUGIN_DIRS?/*/.mcp.json").json(Dialect::STRICT).keys(EITHER),
        Location::plugin("$CLAUDE_CODE_PLUGIN_DIRS?/*/.claude-plugin/plugin.json").json(Dialect::STRICT),
        Location::plugin("$CLAUDE_CODE_PLUGIN_SEED_DIR?/known_marketplaces.json")
            .json(Dialect::STRICT)
            .no_servers(),
        Location::plugin("$CLAUDE_CODE_PLUGIN_SEED_DIR?/cache/*/*/*/.mcp.json")
            .json(Dialect::STRICT)
            .keys(EITHER),
        Location::plugin("$CLAUDE_CODE_PLUGIN_SEED_DIR?/cache/*/*/*/.claude-plugin/plugin.json")
            .json(Dialect::STRICT),
        Location::managed("/etc/claude-code/.claude/agents/**/*.md").on(LINUX).agents(),
        Location::managed("/Library/Application Support/ClaudeCode/.claude/agents/**/*.md")
            .on(MACOS)
            .agents(),
        Location::managed("%PROGRAMFILES%/ClaudeCode/.claude/agents/**/*.md").on(WINDOWS).agents(),
        Location::managed("/etc/claude-code/managed-mcp.json").json(Dialect::STRICT).on(LINUX),
        Location::managed("/etc/claude-code/managed-settings.json")
            .json(Dialect::STRICT)
            .on(LINUX)
            .keys(MANAGED),
        Location::managed("/etc/claude-code/managed-settings.d/*.json")
            .json(Dialect::STRICT)
            .on(LINUX)
            .keys(MANAGED),
        Location::managed("/Library/Application Support/ClaudeCode/managed-mcp.json")
            .json(Dialect::STRICT)
            .on(MACOS),
        Location::managed("/Library/Application Support/ClaudeCode/managed-settings.json")
            .json(Dialect::STRICT)
            .on(MACOS)
            .keys(MANAGED),
        Location::managed("/Library/Application Support/ClaudeCode/managed-settings.d/*.json")
            .json(Dialect::STRICT)
            .on(MACOS)
            .keys(MANAGED),
        Location::managed("%PROGRAMFILES%/ClaudeCode/managed-mcp.json").json(Dialect::STRICT).on(WINDOWS),
        Location::managed("%PROGRAMFILES%/ClaudeCode/managed-settings.json")
            .json(Dialect::STRICT)
            .on(WINDOWS)
            .keys(MANAGED),
        Location::managed("%PROGRAMFILES%/ClaudeCode/managed-settings.d/*.json")
            .json(Dialect::STRICT)
            .on(WINDOWS)
            .keys(MANAGED),
    ],
    variables: &[
        Variable { name: "CLAUDE_CONFIG_DIR", default: "~/.claude" },
        Variable { name: "CLAUDE_CODE_PLUGIN_CACHE_DIR", default: "$CLAUDE_CONFIG_DIR/plugins" },
        Variable { name: "CLAUDE_CODE_PLUGIN_DIRS", default: "" },
        Variable { name: "CLAUDE_CODE_PLUGIN_SEED_DIR", default: "" },
    ],
    environments: &[
        settings_file("$CLAUDE_CONFIG_DIR/settings.json"),
        settings_file(COWORK_SETTINGS),
        settings_file(REMOTE_SETTINGS),
        // Run, too: the state's `env` counts as that of the settings does.
        settings_file(USER),
        settings_file("~/.claude/.config.json"),
        settings_file("~/.claude-custom-oauth.json"),
        settings_file("$CLAUDE_CONFIG_DIR?/.claude.json"),
        settings_file("$CLAUDE_CONFIG_DIR?/.config.json"),
        settings_file("$CLAUDE_CONFIG_DIR?/.claude-custom-oauth.json"),
        settings_file("/etc/claude-code/managed-settings.json").on(LINUX),
        settings_file("/etc/claude-code/managed-settings.d/*.json").on(LINUX),
        settings_file("/Library/Application Support/ClaudeCode/managed-settings.json").on(MACOS),
        settings_file("/Library/Application Support/ClaudeCode/managed-settings.d/*.json").on(MACOS),
        settings_file("%PROGRAMFILES%/ClaudeCode/managed-settings.json").on(WINDOWS),
        settings_file("%PROGRAMFILES%/ClaudeCode/managed-settings.d/*.json").on(WINDOWS),
    ],
    processes: &["claude"],
    bypass_flags: &["--dangerously-skip-permissions", "--permission-mode=bypassPermissions"],
    untyped_url: Transport::Unknown,
    content: &[],
    reads: &Reads::USUAL,
    writes: Some(&Writes {
        stdio: Some("stdio"),
        http: Some("http"),
        sse: Some("sse"),
        refers: Refers::Braces,
        ..Writes::PLAIN
    }),
    switch: None,
    evidence: "tested 2.1.329 and 2.1.197 on Linux; docs code.claude.com for agent files",
    notes: "`.mcp.json` counts in the working directory and in every parent; `claude -p` starts it unasked. An agent file names its servers in its front matter, as a list; what that list only names is in another file. A server also comes from `--mcp-config` and `--agents`, from connectors of the account, and on macOS and Windows from the managed domain `com.anthropic.claudecode` and the registry. A plugin's servers stand in its `.mcp.json`, in its manifest or in an item of a catalogue, or in a file that these name; a bundle (MCPB) is told as a gap. Plugins in folders of skills start unasked, and those of a repository once its folder is trusted. Of a catalogue in a folder all plugins are looked at; of the client's copy of one from elsewhere, those that are installed or that the user's settings switch on. `--plugin-dir` is in no file. Backups below `~/.claude/backups` keep removed servers.",
};

/// Run on 2.1.197: the folder that the member names is where plugins, skills and settings are looked for. The same member
/// in a project's settings, or in `settings.local.json` of the home, does nothing.
const fn settings_file(path: &'static str) -> EnvironmentFile {
    EnvironmentFile::new(path, Form::Settings, const { &[Taken::own("CLAUDE_CONFIG_DIR")] })
}

const MANAGED: &[&str] = &["/managedMcpServers"];

/// Files of its user in place of `~/.claude.json`.
const INSTEAD: &[Instead] = &[
    Instead { template: "$CLAUDE_CONFIG_DIR?/.config.json", by_variable: false },
    Instead { template: "$CLAUDE_CONFIG_DIR?/.claude.json", by_variable: true },
    Instead { template: "~/.claude/.config.json", by_variable: false },
];

/// Names that the client keeps for itself; entries of that name are skipped.
const RESERVED: &[&str] = &["workspace", "claude-in-chrome", "computer-use", "__proto__"];

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn servers<'d>(&self, at: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
        if at.aside {
            return servers::of_agent(&doc.root, at.keys);
        }
        if at.keys == manifest::ITEMS {
            return manifest::of_catalogue(&doc.root, "");
        }
        if manifest::is_manifest(at) {
            return manifest::servers(&doc.root);
        }
        if at.keys.is_empty() && at.path.contains("/settings.") {
            return plugins::of_settings(&doc.root);
        }
        // A plugin's .mcp.json may be the bare map of servers.
        if at.keys.contains(&"") {
            return servers::wrapped_or_bare(&doc.root);
        }
        // A project's may not, but a flat file is one wrapping away from being live.
        if at.path == PROJECT {
            return servers::wrapped_or_bare(&doc.root);
        }
        let mut found = servers::under_keys(&doc.root, at.keys);
        if at.scope == Scope::User && !at.keys.is_empty() {
            found.extend(local_servers(&doc.root));
        }
        found
    }

    fn loads(&self, entry: &Entry, at: &Location) -> Load {
        if entry.malformed.is_some() && !entry.contradicts() {
            // Tested: a bad entry is skipped, the others are loaded.
            Load::No("the entry has not the shape that the client takes")
        } else if entry.url.is_none() && entry.command.is_none() {
            Load::No("the entry has neither a command nor a URL")
        } else if entry.declared_type.is_none() && entry.command.is_none() {
            Load::No("an entry with a URL needs a type")
        } else if at.path == PROJECT && !entry.key_path.starts_with("/mcpServers/") {
            // Tested: a flat map is an error in a project file.
            Load::No("a project file needs mcpServers")
        } else if RESERVED.contains(&entry.name.as_str()) {
            Load::No("the name is reserved by the client")
        } else if at.keys == MANAGED && entry.transport == Transport::Stdio {
            Load::No("managedMcpServers takes http and sse only")
        } else {
            Load::Yes
        }
    }

    fn instead(&self) -> &'static [Instead] {
        INSTEAD
    }

    fn leads(&self, at: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
        let mut leads = plugins::leads(at, &doc.root);
        let projects = doc.root.get("projects").map_or(&[][..], Node::members);
        leads.extend(projects.iter().map(|m| Lead::Project(m.key.to_string())));
        leads
    }

    fn environment(&self, at: &Location, doc: &Parsed<'_>) -> Vec<(NamedValue, usize)> {
        // The `env` of its settings becomes the environment of the client, and servers inherit that.
        if at.scope == Scope::Plugin || !at.keys.is_empty() {
            return Vec::new();
        }
        setting::variables(&doc.root, "env")
    }

    fn settings(&self, at: &Location, doc: &Parsed<'_>) -> Vec<SettingFinding> {
        let mut out = Vec::new();
        if at.scope == Scope::Managed || at.scope == Scope::Plugin {
            return out;
        }
        out.extend(setting::client_environment(&self.environment(at, doc), at.scope));
        out.extend(approving(&doc.root));
        if at.path.starts_with("<project>/") {
            out.extend(plugins_of_repository(&doc.root));
        }
        // Tested: in the user's state they count below each project.
        let projects = doc.root.get("projects").map_or(&[][..], Node::members);
        out.extend(projects.iter().flat_map(|project| approving(&project.value)));
        let allowed = doc.root.pointer("/permissions/allow").map_or(&[][..], Node::items);
        for node in allowed.iter().filter(|rule| rule.as_str().is_some_and(is_wide)) {
            let message = "a permission rule approves every tool of a server";
            out.push(setting::weighing(FindingCode::AutoApproval, Severity::Medium, message, node));
        }
        if let Some(node) = setting::is_word(&doc.root, "permissions.defaultMode", "bypassPermissions") {
            let message = "permissions.defaultMode bypassPermissions switches all permission questions off";
            out.push(setting::weighing(FindingCode::PermissionBypass, Severity::High, message, node));
        }
        out
    }

    fn approval_files(&self, declared: &Declared<'_>) -> Vec<Keeps> {
        if declared.scope != Scope::Project {
            return Vec::new();
        }
        let states = STATES.iter().map(|(path, _)| *path);
        states.chain(SETTINGS.iter().copied()).map(|path| Keeps::json(path, Dialect::STRICT)).collect()
    }

    /// `enableAllProjectMcpServers` approves whatever a repository brings next, so it goes with the first server that a
    /// project must not have. Tested: it counts in the user's state, too, below the project.
    fn approvals(&self, declared: &[Declared<'_>], root: &Node<'_>) -> Vec<(usize, Change)> {
        let all: Vec<usize> = (0..declared.len()).collect();
        let mut out = approvals_below(declared, &all, root, "");
        // those of one file are of one project
        let mut by_place: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (at, one) in declared.iter().enumerate() {
            by_place.entry((one.project, one.repository)).or_default().push(at);
        }
        for some in by_place.values() {
            for key in some.first().map(|at| own_keys(&declared[*at], root)).unwrap_or_default() {
                out.extend(approvals_below(declared, some, root, &format!("/projects/{}", escape(&key))));
            }
        }
        out
    }

    /// Two lists, run on 2.1.197 and 2.1.329. That of the user's settings wins over every approval, in `mcp list`,
    /// `mcp get` and `claude -p`, trusted folder or not; `--setting-sources` or a value of a wrong type in that file leaves
    /// it out. That of the state, which `/mcp` writes, is looked at wherever a session connects, but on 2.1.197 not by
    /// `mcp list` and `mcp get`, which start the server. It goes by the main work tree; outside of Git by the working
    /// directory, so that no entry of it holds for the folders below. Neither is moved at a start.
    fn off_switches(&self, declared: &Declared<'_>) -> Vec<OffSwitch> {
        if declared.scope != Scope::Project || declared.repository.is_none() {
            return Vec::new();
        }
        let switch = |(path, empty): &(&str, Option<&'static str>)| OffSwitch {
            client: ABOUT.id,
            keeps: Keeps::json(*path, Dialect::STRICT),
            empty: *empty,
            // tested on 2.1.197 of the settings; a state without a text is a damaged one, of which it has backups
            takes_blank: path.ends_with("settings.json"),
            evidence: Evidence::Tested,
        };
        // that of cowork is made, too: the variable that has it read may stand in a start file or any of the states
        let settings = [(USER_SETTINGS, Some("{}\n")), (COWORK_SETTINGS, Some("{}\n"))];
        STATES.iter().chain(&settings).map(switch).collect()
    }

    /// Tested: each start moves `disabledMcpjsonServers` of the state into `settings.local.json`, 2.1.197 into that of the
    /// folder that it is started in, 2.1.329 into that of the main work tree. So that key is none of the switches.
    fn moved_switches(&self, declared: &Declared<'_>) -> Vec<Keeps> {
        let is_switched = declared.scope == Scope::Project && declared.repository.is_some();
        let files = SETTINGS.iter().filter(|path| is_switched && path.starts_with("<project>/"));
        files.map(|path| Keeps::json(*path, Dialect::STRICT)).collect()
    }

    fn switch_off(&self, declared: &Declared<'_>, keeps: &Keeps, doc: &Parsed<'_>) -> Vec<Change> {
        let lists = switched_by(declared, keeps, &doc.root);
        lists.iter().flat_map(|list| elsewhere::add(list, declared.name)).collect()
    }

    fn switch_on(&self, declared: &Declared<'_>, keeps: &Keeps, doc: &Parsed<'_>) -> Vec<Change> {
        let lists = switched_by(declared, keeps, &doc.root);
        lists.iter().flat_map(|list| elsewhere::take(&doc.root, list, declared.name)).collect()
    }

    fn is_off(&self, declared: &Declared<'_>, keeps: &Keeps, root: &Node<'_>) -> bool {
        if is_settings(keeps) {
            // tested: the settings compare names of project servers as they compare approvals
            let items = root.get(REJECTED).map_or(&[][..], Node::items).iter().filter_map(Node::as_str);
            let name = as_tools_name(declared.name);
            let is_listed = items.map(as_tools_name).any(|item| item == name);
            return declared.scope == Scope::Project && is_listed && taken::is_taken(root);
        }
        if declared.scope != Scope::Project {
            // a server of the user is off in each project whose list names it
            let projects = root.get("projects").map_or(&[][..], Node::members).iter();
            return projects
                .filter_map(|project| project.value.get(DISABLED))
                .any(|list| list.items().iter().any(|item| item.as_str() == Some(declared.name)));
        }
        let lists = switched_by(declared, keeps, root);
        !lists.is_empty()
            && taken::keeps_settings(root)
            && lists.iter().all(|list| elsewhere::holds(root, list, declared.name))
    }
}

/// The list in a project's part of the state, for servers of all scopes.
const DISABLED: &str = "disabledMcpServers";
/// The list in settings, for servers of `.mcp.json` in all projects.
const REJECTED: &str = "disabledMcpjsonServers";

/// Settings of one object that approve servers of projects.
fn approving(object: &Node<'_>) -> Vec<SettingFinding> {
    let mut out = Vec::new();
    if let Some(node) = setting::is_on(object, "enableAllProjectMcpServers") {
        let message = "enableAllProjectMcpServers approves every server that a repository brings";
        out.push(setting::found(FindingCode::AutoApproval, message, node));
    }
    if let Some(node) = object.get("enabledMcpjsonServers").filter(|n| !n.items().is_empty()) {
        // Named one by one, and in an untrusted folder a repository's own list was not obeyed.
        let message = "enabledMcpjsonServers approves project servers by name";
        out.push(setting::weighing(FindingCode::AutoApproval, Severity::Info, message, node));
    }
    out
}

/// Catalogues of plugins that settings name (2.1.329 was run: the servers of one in the repository itself start at the first
/// run in a trusted folder).
fn catalogues<'d>(object: &'d Node<'d>) -> Option<&'d Node<'d>> {
    object.get("extraKnownMarketplaces").filter(|all| !all.members().is_empty())
}

/// What a repository does about plugins. Those of a catalogue that the user has are read where they are installed.
fn plugins_of_repository(object: &Node<'_>) -> Option<SettingFinding> {
    if let Some(node) = catalogues(object) {
        let message = "a repository brings a catalogue of plugins: their servers start with it once its folder is trusted";
        return Some(setting::weighing(FindingCode::AutoApproval, Severity::High, message, node));
    }
    let is_on = |all: &&Node<'_>| all.members().iter().any(|plugin| plugin.value.as_bool() != Some(false));
    let node = object.get("enabledPlugins").filter(is_on)?;
    let message = "a repository switches plugins on";
    Some(setting::weighing(FindingCode::AutoApproval, Severity::Low, message, node))
}

/// Files with the state of the client, and what a new one begins with where the client would look there next.
const STATES: &[(&str, Option<&str>)] = &[
    (USER, Some("{}\n")),
    ("~/.claude/.config.json", None),
    ("~/.claude-custom-oauth.json", None),
    ("$CLAUDE_CONFIG_DIR?/.claude.json", Some("{}\n")),
    ("$CLAUDE_CONFIG_DIR?/.config.json", None),
    ("$CLAUDE_CONFIG_DIR?/.claude-custom-oauth.json", None),
];

const USER_SETTINGS: &str = "$CLAUDE_CONFIG_DIR/settings.json";

/// Read in the place of the former where `CLAUDE_CODE_USE_COWORK_PLUGINS` is set, with plugins in a folder of its own
/// (run with 2.1.197).
const COWORK_SETTINGS: &str = "$CLAUDE_CONFIG_DIR/cowork_settings.json";

const REMOTE_SETTINGS: &str = "$CLAUDE_CONFIG_DIR/remote-settings.json";

const SETTINGS: &[&str] = &[
    USER_SETTINGS,
    COWORK_SETTINGS,
    REMOTE_SETTINGS,
    "$CLAUDE_CONFIG_DIR/settings.local.json",
    "<project>/.claude/settings.json",
    "<project>/.claude/settings.local.json",
];

/// The approvals of project servers in one object.
fn approvals_below(
    declared: &[Declared<'_>],
    some: &[usize],
    root: &Node<'_>,
    below: &str,
) -> Vec<(usize, Change)> {
    let Some(first) = some.first() else { return Vec::new() };
    let names: BTreeMap<String, usize> =
        some.iter().map(|at| (as_tools_name(declared[*at].name), *at)).collect();
    let whose = |item: &str| names.get(&as_tools_name(item)).copied();
    let mut out = elsewhere::items_of(root, &format!("{below}/enabledMcpjsonServers"), whose);
    let all = format!("{below}/enableAllProjectMcpServers");
    if root.pointer(&all).is_some_and(|node| node.as_bool() != Some(false)) {
        out.extend(elsewhere::member(root, &all).into_iter().map(|change| (*first, change)));
    }
    out
}

/// A name as the client compares approvals (tested: `my server` approves `my_server`).
fn as_tools_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' }).collect()
}

/// Keys below `projects` under which the client reads a project's file: that of the main work tree, and those of
/// repositories and folders below the project, for the file counts there too.
fn own_keys(declared: &Declared<'_>, root: &Node<'_>) -> Vec<String> {
    let Some(project) = declared.project else { return Vec::new() };
    let is_own = |key: &str| {
        Some(key) == declared.repository
            || key.strip_prefix(project).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '\\']))
    };
    let keys = root.get("projects").map_or(&[][..], Node::members).iter().map(|m| &*m.key);
    let keys: BTreeSet<&str> = keys.filter(|key| is_own(key)).collect();
    keys.into_iter().map(str::to_owned).collect()
}

fn is_settings(keeps: &Keeps) -> bool {
    SETTINGS.contains(&&*keeps.path)
}

/// The lists of a file that must all hold a name for the server to be off.
fn switched_by(declared: &Declared<'_>, keeps: &Keeps, root: &Node<'_>) -> BTreeSet<String> {
    if is_settings(keeps) {
        return BTreeSet::from([format!("/{REJECTED}")]);
    }
    let mut keys = own_keys(declared, root);
    keys.extend(declared.repository.map(str::to_owned));
    keys.iter().map(|key| elsewhere::below_project(key, DISABLED)).collect()
}

/// `plugins.<name>[].installPath` of the index.
pub(super) fn installed_plugins(doc: &Parsed<'_>) -> Vec<Lead> {
    let plugins = doc.root.get("plugins").map_or(&[][..], Node::members).iter();
    let paths = plugins.flat_map(|p| p.value.items()).filter_map(|i| i.get("installPath")?.as_str());
    paths.map(|p| Lead::Plugin(p.to_owned())).collect()
}

/// Whether a permission rule covers every tool of a server, or of all servers.
fn is_wide(rule: &str) -> bool {
    rule.strip_prefix("mcp__").is_some_and(|rest| rest.contains('*') || !rest.contains("__"))
}

/// `projects.<path>.mcpServers`: servers of the user for one project.
pub(super) fn local_servers<'d>(root: &'d Node<'d>) -> Vec<Found<'d>> {
    let mut out = Vec::new();
    for project in root.get("projects").map_or(&[][..], Node::members) {
        let key_path = format!("/projects/{}/mcpServers", escape(&project.key));
        for table in servers::tables_at(&project.value, "/mcpServers") {
            out.extend(servers::of_table(table, &key_path).into_iter().map(|found| Found {
                scope: Some(Scope::Local),
                project: Some(project.key.to_string()),
                ..found
            }));
        }
    }
    out
}

//! Codex: CLI, editor extension and desktop share one configuration. Tested codex-cli 0.169.0.

use mcpolicy_schema::entry::{Entry, Scope};
use mcpolicy_schema::finding::{FindingCode, Severity};

use crate::adapter::{About, ClientAdapter, EntrySwitch, Found, Holds, Lead, Load, SettingFinding, Variable};
use crate::codec::{Format, Parsed};
use crate::environment::{EnvironmentFile, Form, Marks, Taken};
use crate::location::{Location, NAMED, UNIX, WINDOWS};
use crate::manifest::{self, Bundles, EITHER};
use crate::node::{Node, escape};
use crate::reads::Reads;
use crate::servers;
use crate::setting;
use crate::writes::{Refers, Writes};

/// Codex.
pub(super) struct Adapter;

const KEYS: &[&str] = &["/mcp_servers"];
const fn user(path: &'static str) -> Location {
    Location::user(path).format(Format::Toml).keys(KEYS)
}

const fn managed(path: &'static str) -> Location {
    Location::managed(path).format(Format::Toml).keys(KEYS)
}

const ABOUT: About = About {
    id: "codex",
    name: "Codex (CLI, IDE extension, desktop)",
    rank: 2,
    locations: &[
        user("$CODEX_HOME/config.toml"),
        // Profiles, chosen by --profile.
        user("$CODEX_HOME/*.config.toml"),
        Location::project("<project>/.codex/config.toml").format(Format::Toml).keys(KEYS),
        // A role of an agent is a whole configuration: source openai/codex (agent_roles.rs), searched in each layer.
        user("$CODEX_HOME/agents/**/*.toml").aside(),
        Location::project("<project>/.codex/agents/**/*.toml").format(Format::Toml).keys(KEYS).aside(),
        managed("/etc/codex/agents/**/*.toml").on(UNIX).aside(),
        // The same where `[agents.<name>] config_file` names it.
        user("<agent>").aside(),
        managed("/etc/codex/config.toml").on(UNIX),
        managed("%PROGRAMDATA%/OpenAI/Codex/config.toml").on(WINDOWS),
        // Managed defaults: they add servers and switch others off.
        managed("/etc/codex/managed_config.toml").on(UNIX),
        user("$CODEX_HOME/managed_config.toml").on(WINDOWS),
        // Its mcp_servers are identities that are allowed, not servers.
        Location::managed("/etc/codex/requirements.toml").format(Format::Toml).on(UNIX).no_servers(),
        Location::managed("%PROGRAMDATA%/OpenAI/Codex/requirements.toml")
            .format(Format::Toml)
            .on(WINDOWS)
            .no_servers(),
        // <marketplace>/<plugin>/<version>.
        Location::plugin("$CODEX_HOME/plugins/cache/*/*/*/.mcp.json").keys(EITHER),
        // The first of these that is there is the manifest.
        Location::plugin("$CODEX_HOME/plugins/cache/*/*/*/.codex-plugin/plugin.json"),
        Location::plugin("$CODEX_HOME/plugins/cache/*/*/*/.claude-plugin/plugin.json"),
        Location::plugin("$CODEX_HOME/plugins/cache/*/*/*/.cursor-plugin/plugin.json"),
        // Of a plugin in the form of agent-plugins.org: servers beside its manifest, never in it.
        Location::plugin("$CODEX_HOME/plugins/cache/*/*/*/mcp.json"),
        Location::plugin(NAMED).keys(EITHER),
        // What is enabled of a catalogue on this machine is copied into the cache as soon as the plugins are listed.
        Location::plugin("<marketplace>/.agents/plugins/marketplace.json").no_servers(),
        Location::plugin("<marketplace>/.claude-plugin/marketplace.json").no_servers(),
        Location::plugin("<marketplace>/.cursor-plugin/marketplace.json").no_servers(),
        Location::plugin("<plugin>/.mcp.json").keys(EITHER),
        Location::plugin("<plugin>/.codex-plugin/plugin.json"),
        Location::plugin("<plugin>/.claude-plugin/plugin.json"),
        Location::plugin("<plugin>/.cursor-plugin/plugin.json"),
        Location::plugin("<plugin>/mcp.json"),
    ],
    variables: &[Variable { name: "CODEX_HOME", default: "~/.codex" }],
    environments: &[EnvironmentFile::new(
        "$CODEX_HOME/.env",
        Form::Dotenv(Marks { tilde: false, variables: true }),
        HOME,
    )],
    processes: &["codex"],
    bypass_flags: &["--dangerously-bypass-approvals-and-sandbox", "--yolo"],
    reads: &Reads { headers: &["http_headers"], transport: &[], ..Reads::USUAL },
    writes: Some(&Writes {
        refers: Refers::Handed { list: "env_vars", bearer: Some("bearer_token_env_var") },
        ..Writes::PLAIN
    }),
    switch: Some(EntrySwitch {
        member: "enabled",
        off: false,
        holds: Holds::NotAlways(
            "a project's file is merged over the user's, member by member, so that another entry of the name may lift it or use the rest",
        ),
        evidence: "tested codex-cli 0.169.0; source openai/codex (config/src/mcp_types.rs)",
    }),
    evidence: "tested codex-cli 0.169.0 on Linux; source openai/codex and docs for macOS and Windows",
    notes: "A project's file counts only where the project is trusted. One invalid entry stops the whole client. A plugin counts only if `[plugins]` enables it, in the user's file or a trusted project's. Its servers stand in its `.mcp.json`, in its manifest (`.codex-plugin`, `.claude-plugin` or `.cursor-plugin`), in the one file that this names, or in `mcp.json` beside a `plugin.json` of agent-plugins.org. Of a catalogue on this machine (`.agents/plugins`, `.claude-plugin` or `.cursor-plugin` below the home, the project or a folder of `[marketplaces]`) what is enabled is copied into the cache as soon as plugins are listed; all plugins of such a catalogue are looked at where the file enables any. Servers also come from `-c`, from the macOS domain `com.openai.codex` and from the organisation's cloud layers.",
    ..About::NONE
};

/// Run on 0.169.0: what the file sets wins over the environment. No variable is taken whose name begins with `CODEX_`, but
/// the home is, and its folder is then looked for there.
const HOME: &[Taken] = &[Taken { name: "HOME", sets: "CODEX_HOME", below: ".codex" }];

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn servers<'d>(&self, at: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
        if let Some(found) = manifest::of_plugins(at, &doc.root) {
            return found;
        }
        let mut found = servers::under_keys(&doc.root, at.keys);
        if at.keys == KEYS {
            found.extend(of_profiles(&doc.root));
        }
        found
    }

    fn loads(&self, entry: &Entry, at: &Location) -> Load {
        if at.scope == Scope::Plugin {
            // one of a catalogue is copied into the cache as soon as plugins are listed
            Load::Yes
        } else if entry.command.is_none() && entry.url.is_none() {
            Load::No("Codex does not start with an entry that has neither a command nor a URL")
        } else if entry.member("bearer_token").is_some() {
            Load::No("Codex does not start with a bearer token written into an entry")
        } else if entry.key_path.starts_with("/profiles/") {
            Load::IfSetting("a version that takes profiles in this file")
        } else {
            Load::Yes
        }
    }

    /// `[projects."<path>"]`: the directories whose trust was asked for. `[agents.<name>] config_file`: a role that
    /// stands elsewhere.
    fn leads(&self, at: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
        if manifest::is_manifest(at) {
            return manifest::leads(at, &doc.root, Bundles::Files);
        }
        if at.scope == Scope::Plugin {
            return if at.keys.is_empty() { catalogued(at, &doc.root) } else { Vec::new() };
        }
        let projects = doc.root.get("projects").map_or(&[][..], Node::members);
        let projects = projects.iter().map(|project| Lead::Project(project.key.to_string()));
        let catalogues = catalogues(at, &doc.root).into_iter();
        projects.chain(roles_elsewhere(&doc.root)).chain(catalogues).collect()
    }

    fn settings(&self, at: &Location, doc: &Parsed<'_>) -> Vec<SettingFinding> {
        if at.keys != KEYS || at.scope == Scope::Managed {
            return Vec::new();
        }
        let unasked = setting::is_word(&doc.root, "approval_policy", "never");
        let open = setting::is_word(&doc.root, "sandbox_mode", "danger-full-access");
        let message = "approval_policy never with sandbox_mode danger-full-access: nothing is asked and nothing confined";
        let both = unasked.filter(|_| open.is_some()).into_iter();
        both.map(|node| setting::weighing(FindingCode::PermissionBypass, Severity::High, message, node))
            .collect()
    }
}

/// Folders with a catalogue, where a plugin is enabled: the home or the project of the file, and `[marketplaces]`. Tested:
/// a project's file enables a plugin, and its own catalogue is where that comes from.
fn catalogues(at: &Location, root: &Node<'_>) -> Vec<Lead> {
    let mut plugins = root.get("plugins").map_or(&[][..], Node::members).iter();
    if !plugins.any(|plugin| plugin.value.get("enabled").and_then(Node::as_bool) != Some(false)) {
        return Vec::new();
    }
    let folder = |path: &str| manifest::named("<marketplace>", path.to_owned());
    let mut leads = vec![folder(if at.path.starts_with("<project>/") { ".." } else { "~" })];
    let known = root.get("marketplaces").map_or(&[][..], Node::members).iter();
    let local = known.filter(|one| one.value.get("source_type").and_then(Node::as_str) == Some("local"));
    leads.extend(local.filter_map(|one| Some(folder(one.value.get("source")?.as_str()?))));
    manifest::cap(&mut leads);
    leads
}

/// The folders of a catalogue's plugins: `source` is one, or has it as `path`. They are meant from the folder of the
/// catalogue. What comes from elsewhere is no plugin of this machine until it is in the cache.
fn catalogued(at: &Location, root: &Node<'_>) -> Vec<Lead> {
    let items = root.get("plugins").map_or(&[][..], Node::items).iter();
    let is_local = |source: &&Node<'_>| source.get("source").and_then(Node::as_str) == Some("local");
    let path = |source: &Node<'_>| Some(format!("{}{}", manifest::to_plugin(at), source.as_str()?));
    let folders = items.filter_map(|item| {
        let source = item.get("source")?;
        path(Some(source).filter(is_local).and_then(|source| source.get("path")).unwrap_or(source))
    });
    let mut leads = folders.map(Lead::Plugin).collect();
    manifest::cap(&mut leads);
    leads
}

/// Roles whose file is named, and not among those that are searched for.
fn roles_elsewhere<'d>(root: &'d Node<'d>) -> impl Iterator<Item = Lead> {
    let roles = root.get("agents").map_or(&[][..], Node::members).iter();
    let files = roles.filter_map(|role| role.value.get("config_file")?.as_str());
    let is_elsewhere = |path: &&str| {
        let path = path.strip_prefix("./").unwrap_or(path);
        !path.starts_with("agents/")
            || !path.ends_with(".toml")
            || path.split(['/', '\\']).any(|part| part == "..")
    };
    files.filter(is_elsewhere).map(|path| Lead::Named { template: "<agent>", path: path.to_owned() })
}

/// `[profiles.<name>.mcp_servers]`. The version tested takes profiles from files of their own and does not start with
/// these; of older ones it was not looked up.
fn of_profiles<'d>(root: &'d Node<'d>) -> Vec<Found<'d>> {
    let profiles = root.get("profiles").map_or(&[][..], Node::members).iter();
    let found = profiles.map(|profile| {
        servers::below(&profile.value, &format!("/profiles/{}", escape(&profile.key)), "mcp_servers")
    });
    found.flatten().collect()
}

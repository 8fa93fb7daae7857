//! Codex: CLI, editor extension and desktop share one configuration. Tested codex-cli 0.169.0.

use mcpolicy_schema::entry::{Entry, Scope};
use mcpolicy_schema::finding::{FindingCode, Severity};

use crate::adapter::{About, ClientAdapter, EntrySwitch, Found, Holds, Lead, Load, SettingFinding, Variable};
use crate::codec::{Format, Parsed};
use crate::environment::{EnvironmentFile, Form, Marks, Taken};
use crate::location::{Location, UNIX, WINDOWS};
use crate::node::{Node, escape};
use crate::reads::Reads;
use crate::servers;
use crate::setting;

/// Codex.
pub(super) struct Adapter;

const KEYS: &[&str] = &["/mcp_servers"];
/// A plugin's file is wrapped in `mcpServers` or is the bare map.
const EITHER: &[&str] = &["/mcpServers", ""];

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
    switch: Some(EntrySwitch {
        member: "enabled",
        off: false,
        holds: Holds::NotAlways(
            "a project's file is merged over the user's, member by member, so that another entry of the name may lift it or use the rest",
        ),
        evidence: "tested codex-cli 0.169.0; source openai/codex (config/src/mcp_types.rs)",
    }),
    evidence: "tested codex-cli 0.169.0 on Linux; source openai/codex and docs for macOS and Windows",
    notes: "A project's file counts only where the project is trusted. One invalid entry stops the whole client. A plugin counts only if `[plugins]` enables it. Servers also come from `-c`, from the macOS domain `com.openai.codex` and from the organisation's cloud layers.",
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
        if at.keys == EITHER {
            servers::wrapped_or_bare(&doc.root)
        } else {
            let mut found = servers::under_keys(&doc.root, at.keys);
            if at.keys == KEYS {
                found.extend(of_profiles(&doc.root));
            }
            found
        }
    }

    fn loads(&self, entry: &Entry, at: &Location) -> Load {
        if at.scope == Scope::Plugin {
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
    fn leads(&self, _: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
        let projects = doc.root.get("projects").map_or(&[][..], Node::members);
        let projects = projects.iter().map(|project| Lead::Project(project.key.to_string()));
        projects.chain(roles_elsewhere(&doc.root)).collect()
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

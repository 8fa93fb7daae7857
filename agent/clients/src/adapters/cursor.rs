//! Cursor. Read in the shipped code of @cursor/sdk 1.0.32; the editor itself was not run.

use std::collections::{BTreeMap, BTreeSet};

use mcpolicy_schema::entry::Scope;
use mcpolicy_schema::finding::{FindingCode, Severity};

use crate::adapter::{About, ClientAdapter, Found, Lead, SettingFinding, Variable};
use crate::codec::{Dialect, Parsed};
use crate::edit::Change;
use crate::editor;
use crate::elsewhere::{self, Declared, Evidence, Keeps, OffSwitch};
use crate::location::{LINUX, Location, MACOS, NAMED, Role, WINDOWS};
use crate::manifest::{self, Bundles, EITHER};
use crate::node::Node;
use crate::reads::Reads;
use crate::servers;
use crate::setting;
use crate::writes::{Refers, Writes};

/// Cursor.
pub(super) struct Adapter;

const IMPORT: &str = "import of Claude plugins";

const fn plugin(path: &'static str) -> Location {
    Location::plugin(path).json(Dialect::RECOVERING)
}

const ABOUT: About = About {
    id: "cursor",
    name: "Cursor",
    rank: 3,
    locations: &[
        Location::user("~/.cursor/mcp.json").json(Dialect::RECOVERING),
        Location::project("<project>/.cursor/mcp.json").json(Dialect::RECOVERING),
        // Linked in by hand, or fetched as <marketplace>/<plugin>/<commit>. A catalogue in the folder of a plugin may name
        // files for its servers, too.
        plugin("~/.cursor/plugins/local/*/.mcp.json").keys(EITHER),
        plugin("~/.cursor/plugins/local/*/mcp.json").keys(EITHER),
        plugin("~/.cursor/plugins/local/*/.cursor-plugin/plugin.json"),
        plugin("~/.cursor/plugins/local/*/.claude-plugin/plugin.json"),
        plugin("~/.cursor/plugins/local/*/plugin.json"),
        plugin("~/.cursor/plugins/local/*/.cursor-plugin/marketplace.json").keys(manifest::ITEMS),
        plugin("~/.cursor/plugins/local/*/.claude-plugin/marketplace.json").keys(manifest::ITEMS),
        plugin("~/.cursor/plugins/cache/*/*/*/.mcp.json").keys(EITHER),
        plugin("~/.cursor/plugins/cache/*/*/*/mcp.json").keys(EITHER),
        plugin("~/.cursor/plugins/cache/*/*/*/.cursor-plugin/plugin.json"),
        plugin("~/.cursor/plugins/cache/*/*/*/.claude-plugin/plugin.json"),
        plugin("~/.cursor/plugins/cache/*/*/*/plugin.json"),
        plugin("~/.cursor/plugins/cache/*/*/*/.cursor-plugin/marketplace.json").keys(manifest::ITEMS),
        plugin("~/.cursor/plugins/cache/*/*/*/.claude-plugin/marketplace.json").keys(manifest::ITEMS),
        plugin(NAMED).keys(EITHER),
        plugin("~/.claude/plugins/installed_plugins.json").no_servers().shared_if(IMPORT),
        plugin("<plugin>/.mcp.json").keys(EITHER).shared_if(IMPORT),
        plugin("<plugin>/.claude-plugin/plugin.json").shared_if(IMPORT),
        Location::user("~/.cursor/permissions.json").json(Dialect::RECOVERING).no_servers(),
        Location::user("~/.cursor/cli-config.json").json(Dialect::RECOVERING).no_servers(),
        Location::project("<project>/.cursor/permissions.json").json(Dialect::RECOVERING).no_servers(),
        Location::project("<project>/.cursor/cli.json").json(Dialect::RECOVERING).no_servers(),
        editor::workspaces("$XDG_CONFIG_HOME/Cursor/User/workspaceStorage/*/workspace.json", LINUX),
        editor::workspaces(
            "~/Library/Application Support/Cursor/User/workspaceStorage/*/workspace.json",
            MACOS,
        ),
        editor::workspaces("%APPDATA%/Cursor/User/workspaceStorage/*/workspace.json", WINDOWS),
    ],
    variables: &[Variable { name: "CURSOR_DATA_DIR", default: "~/.cursor" }],
    processes: &["cursor", "cursor-agent", "cursor helper (plugin)"],
    bypass_flags: &["--force", "--approve-mcps"],
    reads: &Reads::USUAL,
    writes: Some(&Writes { sse: Some("sse"), refers: Refers::Env, ..Writes::PLAIN }),
    evidence: "code of @cursor/sdk 1.0.32; docs and public sources for plugins and permissions",
    notes: "Extensions register servers by `vscode.cursor.mcp.registerServer()`, without a file. In the code read, one entry that its schema refuses makes the whole file count for nothing. Without `args` the command is split as a shell would. A plugin's servers stand in its `.mcp.json` or `mcp.json`, in its manifest (`.cursor-plugin`, `.claude-plugin` or `plugin.json`) or in files that this, or a catalogue beside it, names. Team servers and cloud agents leave no file.",
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
        if at.path.ends_with("/installed_plugins.json") {
            super::claude_code::installed_plugins(doc)
        } else if at.role != Role::Own {
            // what plugins of Claude Code name, its own adapter follows
            Vec::new()
        } else if manifest::is_manifest(at) {
            manifest::leads(at, &doc.root, Bundles::Files)
        } else if at.keys == manifest::ITEMS {
            manifest::leads_of_catalogue(at, &doc.root, Bundles::Files)
        } else {
            editor::leads(at, doc)
        }
    }

    fn settings(&self, at: &Location, doc: &Parsed<'_>) -> Vec<SettingFinding> {
        let list = if at.path.ends_with("/permissions.json") {
            doc.root.get("mcpAllowlist")
        } else if at.path.ends_with("/cli-config.json") || at.path.ends_with("/cli.json") {
            doc.root.pointer("/permissions/allow")
        } else {
            None
        };
        // `server:tool` in one file, `Mcp(server:tool)` in the other; `*` stands for any server or tool.
        let wide = |node: &&Node<'_>| {
            let rule = node.as_str().unwrap_or("");
            let rule = rule.strip_prefix("Mcp(").and_then(|r| r.strip_suffix(')')).unwrap_or(rule);
            rule.starts_with("*:") || rule == "*" || (rule.ends_with(":*") && !rule.contains('('))
        };
        let message = "a permission rule approves every tool of a server";
        let wide = list.map_or(&[][..], Node::items).iter().filter(wide);
        wide.map(|node| setting::weighing(FindingCode::AutoApproval, Severity::Medium, message, node))
            .collect()
    }

    /// A list of `<name>-<16 hex digits>`, the digits over project and entry. Servers of the user and of plugins are
    /// approved in each project.
    fn approval_files(&self, declared: &Declared<'_>) -> Vec<Keeps> {
        let slug = match declared.scope {
            Scope::Project => declared.project_root().map(slug),
            Scope::User | Scope::Plugin => Some("*".to_owned()),
            Scope::Local | Scope::Managed => None,
        };
        let path = |slug| format!("$CURSOR_DATA_DIR/projects/{slug}/mcp-approvals.json");
        slug.map(|slug| Keeps::json(path(slug), Dialect::STRICT)).into_iter().collect()
    }

    fn approvals(&self, declared: &[Declared<'_>], root: &Node<'_>) -> Vec<(usize, Change)> {
        let names: BTreeMap<&str, usize> =
            declared.iter().enumerate().map(|(at, one)| (one.name, at)).collect();
        let whose = |item: &str| {
            let (name, digits) = item.rsplit_once('-')?;
            let is_digest = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            names.get(name).copied().filter(|_| is_digest)
        };
        elsewhere::items_of(root, "", whose)
    }

    /// Read in the code of the SDK: a list of names that is looked at before a server of the project or of the user is
    /// started. The folder is named after the Git root of the working directory, or after that directory itself, so
    /// that outside of Git no list holds for the folders below. A project below the root may be opened by itself.
    fn off_switches(&self, declared: &Declared<'_>) -> Vec<OffSwitch> {
        let (Some(root), Some(project), Scope::Project) =
            (declared.checkout, declared.project, declared.scope)
        else {
            return Vec::new();
        };
        let switch = |slug| {
            let path = format!("$CURSOR_DATA_DIR/projects/{slug}/mcp-disabled.json");
            let keeps = Keeps::json(path, Dialect { bom: false, ..Dialect::STRICT });
            OffSwitch {
                client: ABOUT.id,
                keeps,
                empty: Some("[]\n"),
                takes_blank: false,
                evidence: Evidence::Read,
            }
        };
        BTreeSet::from([slug(root), slug(project)]).into_iter().map(switch).collect()
    }

    fn switch_off(&self, declared: &Declared<'_>, _keeps: &Keeps, _doc: &Parsed<'_>) -> Vec<Change> {
        elsewhere::add("", declared.name)
    }

    fn switch_on(&self, declared: &Declared<'_>, _keeps: &Keeps, doc: &Parsed<'_>) -> Vec<Change> {
        elsewhere::take(&doc.root, "", declared.name)
    }

    fn is_off(&self, declared: &Declared<'_>, _keeps: &Keeps, root: &Node<'_>) -> bool {
        elsewhere::holds(root, "", declared.name)
    }
}

/// The name of a project's folder: every run of other characters than letters and digits becomes one `-`, none at the
/// ends.
fn slug(project: &str) -> String {
    let words = project.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

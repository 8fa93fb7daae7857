//! Amp. Tested 0.0.1790142911 as far as files go; its managed settings need an account.

use mcpolicy_schema::entry::Scope;
use mcpolicy_schema::finding::{FindingCode, Severity};

use crate::adapter::{About, ClientAdapter, Found, Lead, SettingFinding, Variable};
use crate::codec::{Dialect, Format, Parsed};
use crate::location::{LINUX, Location, MACOS, UNIX, WINDOWS};
use crate::node::Node;
use crate::reads::Reads;
use crate::servers;
use crate::setting;

/// Amp.
pub(super) struct Adapter;

/// One literal key with a dot in it.
const KEYS: &[&str] = &["/amp.mcpServers"];

/// The map of servers is the file itself; whether it may be wrapped as elsewhere was not found out.
const SKILL: &[&str] = &["/mcpServers", ""];

const fn code(path: &'static str) -> Location {
    Location::plugin(path).format(Format::Shell).no_servers()
}

const ABOUT: About = About {
    id: "amp",
    name: "Amp",
    rank: 28,
    locations: &[
        Location::user("~/.config/amp/settings.json").json(Dialect::JSONC).on(UNIX).keys(KEYS),
        Location::user("~/.config/amp/settings.jsonc").json(Dialect::JSONC).on(UNIX).keys(KEYS),
        Location::user("%APPDATA%/amp/settings.json").json(Dialect::JSONC).on(WINDOWS).keys(KEYS),
        // The file itself.
        Location::user("$AMP_SETTINGS_FILE?").json(Dialect::JSONC).keys(KEYS),
        Location::project("<project>/.amp/settings.json").json(Dialect::JSONC).keys(KEYS),
        Location::project("<project>/.amp/settings.jsonc").json(Dialect::JSONC).keys(KEYS),
        // Code that the client runs by itself (0.0.1790142911 was run).
        code("~/.config/amp/plugins/*.js").on(UNIX),
        code("~/.config/amp/plugins/*.ts").on(UNIX),
        code("%APPDATA%/amp/plugins/*.js").on(WINDOWS),
        code("%APPDATA%/amp/plugins/*.ts").on(WINDOWS),
        code("<project>/.amp/plugins/*.js"),
        code("<project>/.amp/plugins/*.ts"),
        code("<project>/.amp/plugins/*/index.js"),
        code("<project>/.amp/plugins/*/index.ts"),
        // A skill brings servers of its own, which start when it is used.
        Location::user("~/.config/agents/skills/*/mcp.json").keys(SKILL).on(UNIX),
        Location::user("~/.config/amp/skills/*/mcp.json").keys(SKILL).on(UNIX),
        Location::user("%APPDATA%/agents/skills/*/mcp.json").keys(SKILL).on(WINDOWS),
        Location::user("%APPDATA%/amp/skills/*/mcp.json").keys(SKILL).on(WINDOWS),
        Location::user("~/.claude/skills/*/mcp.json").keys(SKILL).shared(),
        // Tested: skills are searched for in there, however deep.
        Location::user("~/.claude/plugins/cache/**/mcp.json").keys(SKILL).shared(),
        // Where its settings name folders of skills.
        Location::user("<skills>/*/mcp.json").keys(SKILL),
        Location::project("<project>/.agents/skills/*/mcp.json").keys(SKILL),
        Location::project("<project>/.claude/skills/*/mcp.json").keys(SKILL).shared(),
        // Tested: settings like any others, with servers.
        Location::managed("/etc/ampcode/managed-settings.json").on(LINUX).keys(KEYS),
        Location::managed("/Library/Application Support/ampcode/managed-settings.json").on(MACOS).keys(KEYS),
        Location::managed("%PROGRAMDATA%/ampcode/managed-settings.json").on(WINDOWS).keys(KEYS),
    ],
    variables: &[Variable { name: "AMP_SETTINGS_FILE", default: "" }],
    processes: &["amp"],
    bypass_flags: &["--dangerously-allow-all"],
    reads: &Reads::USUAL,
    evidence: "tested 0.0.1790142911 (files only); docs ampcode.com/news/enterprise-managed-settings and ampcode.com/news/lazy-load-mcp-with-skills",
    notes: "The `mcp.json` of a skill starts its servers when the skill is used; places of skills are those of published descriptions, and of those that `amp.skills.path` names. JavaScript and TypeScript in its folders of plugins is run at a start and not read. Project servers need `amp mcp approve`. The flags `--mcp-config` and `--settings-file` bring others; servers may also be kept on the vendor's site.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn servers<'d>(&self, at: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
        if at.keys == SKILL {
            return servers::wrapped_or_bare(&doc.root);
        }
        servers::under_keys(&doc.root, at.keys)
    }

    /// Folders of skills that its settings name.
    fn leads(&self, at: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
        let path = setting::dotted(&doc.root, "amp.skills.path").filter(|_| at.keys == KEYS);
        let named = path.and_then(Node::as_str).unwrap_or_default();
        // as in a search path; a drive of Windows has a colon of its own
        let parts = if named.get(1..2) == Some(":") { &[';'][..] } else { &[':', ';'] };
        let folders = named.split(parts).filter(|folder| !folder.is_empty());
        folders
            .map(|folder| match folder.starts_with(['/', '~']) || folder.get(1..2) == Some(":") {
                true => Lead::Named { template: "<skills>", path: folder.to_owned() },
                false => {
                    let what = "a folder of skills that its settings name by a relative path".to_owned();
                    Lead::Elsewhere { kind: "agent-file", what }
                }
            })
            .collect()
    }

    fn settings(&self, at: &Location, doc: &Parsed<'_>) -> Vec<SettingFinding> {
        if at.keys != KEYS {
            return Vec::new();
        }
        // Rules are tried in order and what none matches is allowed, so a rule of the user may let a server in.
        let rules = setting::dotted(&doc.root, "amp.mcpPermissions").filter(|_| at.scope != Scope::Managed);
        let rules = rules.map(|node| {
            let message = "amp.mcpPermissions outside the managed settings decides which servers may start";
            setting::weighing(FindingCode::ManagedPolicyWeakened, Severity::Medium, message, node)
        });
        let all = setting::is_on(&doc.root, "amp.dangerouslyAllowAll").map(|node| {
            let message = "amp.dangerouslyAllowAll switches all permission questions off";
            setting::weighing(FindingCode::PermissionBypass, Severity::High, message, node)
        });
        rules.into_iter().chain(all).collect()
    }
}

//! Zed. Source read, not run.

use mcpolicy_schema::entry::{Entry, Scope};
use mcpolicy_schema::finding::{FindingCode, Severity};

use crate::adapter::{About, ClientAdapter, Found, Lead, Load, SettingFinding};
use crate::codec::{Dialect, Format, Parsed};
use crate::location::{LINUX, Location, MACOS, Os, WINDOWS};
use crate::node::{Node, escape};
use crate::reads::Reads;
use crate::servers;
use crate::setting;
use crate::writes::Writes;

/// Zed.
pub(super) struct Adapter;

const KEYS: &[&str] = &["/context_servers"];

/// Settings that another program writes for the user; laid below his own.
const fn global(path: &'static str) -> Location {
    Location::user(path).json(Dialect::JSONC).keys(KEYS)
}

/// Members of the user's settings that hold settings again, for one release channel or system.
const CHANNELS: &[&str] = &["dev", "nightly", "preview", "stable"];
const SYSTEMS: &[Os] = &[Os::Linux, Os::Macos, Os::Windows];

const fn extension(path: &'static str) -> Location {
    Location::plugin(path).format(Format::Toml).no_servers()
}

const ABOUT: About = About {
    id: "zed",
    name: "Zed",
    rank: 23,
    locations: &[
        Location::user("$XDG_CONFIG_HOME/zed/settings.json").json(Dialect::JSONC).on(LINUX).keys(KEYS),
        global("$XDG_CONFIG_HOME/zed/global_settings.json").on(LINUX),
        global("~/.config/zed/global_settings.json").on(MACOS),
        global("%APPDATA%/Zed/global_settings.json").on(WINDOWS),
        // Not below Library, as some tools have it.
        Location::user("~/.config/zed/settings.json").json(Dialect::JSONC).on(MACOS).keys(KEYS),
        Location::user("%APPDATA%/Zed/settings.json").json(Dialect::JSONC).on(WINDOWS).keys(KEYS),
        Location::project("<project>/.zed/settings.json").json(Dialect::JSONC).keys(KEYS),
        extension("$XDG_DATA_HOME/zed/extensions/installed/*/extension.toml").on(LINUX),
        extension("~/Library/Application Support/Zed/extensions/installed/*/extension.toml").on(MACOS),
        extension("%LOCALAPPDATA%/Zed/extensions/installed/*/extension.toml").on(WINDOWS),
    ],
    processes: &["zed", "zed-editor"],
    reads: &Reads { transport: &[], ..Reads::USUAL },
    writes: Some(&Writes::PLAIN),
    evidence: "source zed-industries/zed (crates/paths, settings_content); source add-mcp 2.4.0 for the project's key",
    notes: "The user's settings hold settings again for release channels, systems and profiles, each with servers of its own. An extension's manifest names its servers, but its code says how they start: such servers are reported as a gap. Projects that Zed remembers are in a database that is not read.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn servers<'d>(&self, at: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
        let mut found = found(at, &doc.root);
        found.retain(|f| !is_of_extension(f.node));
        found
    }

    fn loads(&self, entry: &Entry, at: &Location) -> Load {
        let mut path = entry.key_path.split('/').skip(1);
        match path.next() {
            Some("profiles") => Load::IfSetting("a profile of the settings"),
            Some(channel) if CHANNELS.contains(&channel) => Load::IfSetting("a release channel"),
            Some(word) => {
                let system = SYSTEMS.iter().find(|os| os.as_str() == word);
                if system.is_none_or(|os| at.os.contains(os)) {
                    Load::Yes
                } else {
                    Load::No("the settings are for another system")
                }
            }
            None => Load::Yes,
        }
    }

    fn leads(&self, at: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
        if at.format != Format::Toml {
            let found = found(at, &doc.root).into_iter();
            let what = |f: Found<'_>| format!("server {} of an extension", f.name);
            let gaps = found.filter(|f| is_of_extension(f.node)).map(what);
            return gaps.map(|what| Lead::Elsewhere { kind: "extension-servers", what }).collect();
        }
        let servers = doc.root.get("context_servers").map_or(&[][..], Node::members);
        let extension = doc.root.get("id").and_then(Node::as_str).unwrap_or("without id");
        let gap = |name: &str| Lead::Elsewhere {
            kind: "extension-servers",
            what: format!("server {name} of the extension {extension}"),
        };
        servers.iter().map(|server| gap(&server.key)).collect()
    }

    fn settings(&self, at: &Location, doc: &Parsed<'_>) -> Vec<SettingFinding> {
        if at.keys.is_empty() {
            return Vec::new();
        }
        // The second is what the first was migrated to in 2026.
        let older = setting::is_on(&doc.root, "agent.always_allow_tool_actions");
        let newer = setting::is_word(&doc.root, "agent.tool_permissions.default", "allow");
        let message = "the agent's settings approve every tool call";
        let on = older.or(newer).into_iter();
        on.map(|node| setting::weighing(FindingCode::AutoApproval, Severity::High, message, node)).collect()
    }
}

/// The entries of a file. Only the user's settings have parts for channels, systems and profiles; a profile's settings
/// stood in it directly before they got a member of their own. Of duplicates every one is read.
fn found<'d>(at: &Location, root: &'d Node<'d>) -> Vec<Found<'d>> {
    let mut found = servers::under_keys(root, at.keys);
    if at.scope != Scope::User {
        return found;
    }
    for member in root.members() {
        let name = &*member.key;
        let pointer = format!("/{}", escape(name));
        if name == "profiles" {
            for profile in member.value.members() {
                let pointer = format!("{pointer}/{}", escape(&profile.key));
                found.extend(servers::below(&profile.value, &pointer, "context_servers"));
                for settings in servers::tables_at(&profile.value, "/settings") {
                    found.extend(servers::below(settings, &format!("{pointer}/settings"), "context_servers"));
                }
            }
        } else if CHANNELS.contains(&name) || SYSTEMS.iter().any(|os| os.as_str() == name) {
            found.extend(servers::below(&member.value, &pointer, "context_servers"));
        }
    }
    found
}

/// An entry that only keeps the settings of a server whose command an extension's code gives.
fn is_of_extension(entry: &Node<'_>) -> bool {
    entry.get("source").and_then(Node::as_str) == Some("extension") && !servers::looks_like_entry(entry)
}

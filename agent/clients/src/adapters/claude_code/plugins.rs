//! Where Claude Code takes plugins from, and how these name their servers. Code of 2.1.329 was read, the shapes were run.
//!
//! A manifest (`plugin.json`), and an item of a catalogue for a plugin without one, has under `mcpServers` a map of
//! servers, the name of a file, or a list of both. Each file, and `.mcp.json` beside the manifest unasked, has the map
//! under `mcpServers` or bare.

use mcpolicy_schema::entry::Scope;

use crate::adapter::{Found, Lead};
use crate::environment::before_nul;
use crate::location::Location;
use crate::manifest::{self, Bundles, ITEMS, files_of, is_relative, named, unread};
use crate::node::{Node, escape};

/// A catalogue given as a file.
pub(super) const CATALOGUE: &str = "<catalogue>";
/// The client's own copy of a catalogue that is elsewhere: its plugins count as installed, wherever they were.
pub(super) const COPY: &str = "<catalogue-copy>";

/// The variable that moves the folder of what is installed.
const STORE: &str = "$CLAUDE_CODE_PLUGIN_CACHE_DIR";
/// The variable with folders of plugins, or of folders of such.
const FOLDERS: &str = "$CLAUDE_CODE_PLUGIN_DIRS?";
/// The variable with folders that hold what a new machine has installed.
const SEEDS: &str = "$CLAUDE_CODE_PLUGIN_SEED_DIR?";

/// Servers of catalogues that stand in settings as a whole.
pub(super) fn of_settings<'d>(root: &'d Node<'d>) -> Vec<Found<'d>> {
    let mut found = Vec::new();
    for key in MARKETPLACES {
        for (name, source) in sources(root, key) {
            let items = manifest::of_catalogue(source, &format!("/{key}/{}/source", escape(name)));
            // no switch for servers of projects holds for them
            found.extend(items.into_iter().map(|item| Found { scope: Some(Scope::Plugin), ..item }));
        }
    }
    found
}

/// Other places that a file of plugins, or settings, name.
pub(super) fn leads(at: &Location, root: &Node<'_>) -> Vec<Lead> {
    let mut leads = if manifest::is_manifest(at) {
        manifest::leads(at, root, Bundles::Unpacked)
    } else if at.keys == ITEMS {
        of_catalogues_items(at, root)
    } else if at.path.ends_with("/installed_plugins.json") || at.path.ends_with("/installed_plugins_v2.json")
    {
        installed(root)
    } else if at.path.ends_with("known_marketplaces.json") {
        root.members().iter().flat_map(|known| of_source(known.value.get("source"), None)).collect()
    } else if at.path.starts_with("<project>/") {
        // a relative one is meant from the project, one above the folder of the settings
        of_settings_catalogues(root, Some("../"))
    } else if at.scope == Scope::User {
        let mut leads = of_settings_catalogues(root, None);
        let is_cowork = at.path == super::COWORK_SETTINGS;
        leads.extend(enabled(root, if is_cowork { "cowork_plugins/" } else { "plugins/" }));
        // a variable makes the client look there, whoever sets it
        if is_cowork || at.path == super::USER_SETTINGS {
            leads.push(named(STORE, "./cowork_plugins".to_owned()));
        }
        leads.extend(of_environment(root));
        leads
    } else {
        Vec::new()
    };
    manifest::cap(&mut leads);
    leads
}

/// The folders of a catalogue's plugins, and the files that its items name. They are meant from the folder above
/// `.claude-plugin`; from that of the file where the catalogue is given as a file.
fn of_catalogues_items(at: &Location, root: &Node<'_>) -> Vec<Lead> {
    let base = root.pointer("/metadata/pluginRoot").and_then(Node::as_str);
    let above: &[&str] = if at.path == CATALOGUE { &["../", "./"] } else { &["../"] };
    let mut leads = Vec::new();
    for item in root.get("plugins").map_or(&[][..], Node::items) {
        let Some(source) = item.get("source").and_then(Node::as_str) else {
            // a plugin from elsewhere, whose files come with it
            if at.path != COPY
                && files_of(item, "", Bundles::Unpacked).iter().any(|lead| matches!(lead, Lead::Named { .. }))
            {
                leads.push(unread("an item of a catalogue names other files of a plugin for its servers"));
            }
            continue;
        };
        let source = match base.filter(|_| !source.starts_with('.')) {
            Some(base) => format!("{base}/{source}"),
            None => source.to_owned(),
        };
        for above in above {
            leads.extend(files_of(item, &format!("{above}{source}/"), Bundles::Unpacked));
            if at.path != COPY {
                leads.push(Lead::Plugin(format!("{above}{source}")));
            }
        }
    }
    leads
}

/// `plugins.<name>@<catalogue>[].installPath` of the index, and what the client copies there again where it is gone.
fn installed(root: &Node<'_>) -> Vec<Lead> {
    let plugins = root.get("plugins").map_or(&[][..], Node::members).iter();
    let mut leads = Vec::new();
    for plugin in plugins {
        let paths = plugin.value.items().iter().filter_map(|item| item.get("installPath")?.as_str());
        leads.extend(paths.flat_map(manifest::installed_at));
        leads.extend(copied(&plugin.key, ""));
    }
    leads
}

/// Plugins that settings switch on; the client has them in this folder.
fn enabled(root: &Node<'_>, store: &str) -> Vec<Lead> {
    let plugins = root.get("enabledPlugins").map_or(&[][..], Node::members).iter();
    let on = plugins.filter(|plugin| plugin.value.as_bool() != Some(false));
    on.flat_map(|plugin| copied(&plugin.key, store)).collect()
}

/// Where a plugin stands in the client's copy of its catalogue: it is copied from there at the start of a session.
fn copied(id: &str, store: &str) -> Vec<Lead> {
    let Some((name, catalogue)) = id.rsplit_once('@') else { return Vec::new() };
    let is_name = |text: &str| !text.is_empty() && !text.contains(['/', '\\']) && !matches!(text, "." | "..");
    if !is_name(name) || !is_name(catalogue) {
        return Vec::new();
    }
    let copy = format!("{store}marketplaces/{catalogue}");
    let folders = ["plugins/", "external_plugins/", ""];
    let mut leads: Vec<Lead> =
        folders.iter().map(|folder| Lead::Plugin(format!("{copy}/{folder}{name}"))).collect();
    leads.push(named(COPY, format!("{copy}/.claude-plugin/marketplace.json")));
    leads.push(named(COPY, format!("{copy}.json")));
    leads
}

/// The member of settings with catalogues, and its other name.
const MARKETPLACES: &[&str] = &["extraKnownMarketplaces", "additionalMarketplaces"];

fn sources<'d>(root: &'d Node<'d>, key: &str) -> impl Iterator<Item = (&'d str, &'d Node<'d>)> {
    let all = root.get(key).map_or(&[][..], Node::members).iter();
    all.filter_map(|one| Some((&*one.key, one.value.get("source")?)))
}

fn of_settings_catalogues(root: &Node<'_>, above: Option<&str>) -> Vec<Lead> {
    let all = MARKETPLACES.iter().flat_map(|key| sources(root, key));
    all.flat_map(|(_, source)| of_source(Some(source), above)).collect()
}

/// What of a catalogue stands on this machine. One from elsewhere (`github`, `git`, `npm`, `url`) is not in the folder of
/// these settings; what is installed from it, an index has.
fn of_source(source: Option<&Node<'_>>, above: Option<&str>) -> Vec<Lead> {
    let text = |key| source.and_then(|source| source.get(key)?.as_str());
    let Some(path) = text("path") else { return Vec::new() };
    let kind = text("source").filter(|kind| matches!(*kind, "directory" | "file"));
    let path = match above {
        Some(above) if is_relative(path) => format!("{above}{path}"),
        None if kind.is_some() && is_relative(path) => {
            return vec![unread("a catalogue of plugins is meant from wherever its client is started")];
        }
        _ => path.to_owned(),
    };
    match kind {
        Some("directory") => vec![Lead::Plugin(path)],
        Some(_) => vec![named(CATALOGUE, path)],
        None => Vec::new(),
    }
}

/// Variables of the user's own settings that bring plugins; the client does not take them from a repository's.
fn of_environment(root: &Node<'_>) -> Vec<Lead> {
    let mut leads = Vec::new();
    for variable in root.get("env").map_or(&[][..], Node::members) {
        let value = variable.value.to_js_text();
        // both end at a NUL in the environment, and Node cuts them off without a word
        let (name, value) = (before_nul(&variable.key), before_nul(&value));
        if value.trim().is_empty() {
            continue;
        }
        match &*name.to_ascii_uppercase() {
            "CLAUDE_CODE_PLUGIN_DIRS" => {
                leads.extend(split(value).map(|path| named(FOLDERS, path.to_owned())));
            }
            "CLAUDE_CODE_PLUGIN_CACHE_DIR" => leads.push(named(STORE, value.to_owned())),
            "CLAUDE_CODE_PLUGIN_SEED_DIR" => {
                leads.extend(split(value).map(|path| named(SEEDS, path.to_owned())));
            }
            "CLAUDE_CODE_PLUGIN_MCPB_DIR" => {
                leads.push(unread("a variable moves the bundles (MCPB) of plugins, which are not read"));
            }
            _ => {}
        }
    }
    leads
}

/// A list of paths, as the system separates them: not at the colon of a drive.
fn split(list: &str) -> impl Iterator<Item = &str> {
    let is_windows = list.contains(';') || list.as_bytes().get(1) == Some(&b':');
    let paths = list.split(if is_windows { ';' } else { ':' });
    paths.map(str::trim).filter(|path| !path.is_empty())
}

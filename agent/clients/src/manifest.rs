//! Manifests of plugins (`plugin.json`): several clients take servers from them in the same shapes.
//!
//! Under `mcpServers` stands a map of servers, the name of a file with one, or a list of both. Which of these a client
//! takes differs and changes from version to version; all are read for each, since who writes the file chooses.

use crate::adapter::{Found, Lead};
use crate::location::{Location, NAMED};
use crate::node::{Node, Value, escape};
use crate::servers;

/// Most places of one file that are followed: whoever writes it decides how many it names.
const MAX_LEADS: usize = 1000;

/// What a client does with the name of a bundle (MCPB) in the place of a file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bundles {
    /// It unpacks it and starts the server in there, which is not read.
    Unpacked,
    /// To it this is a file like any other (tested: JSON of that name is taken).
    Files,
}

/// Whether a location is that of manifests.
pub fn is_manifest(at: &Location) -> bool {
    at.path.ends_with("plugin.json")
}

/// Where servers stand in a file that is wrapped in `mcpServers` or is the bare map.
pub const EITHER: &[&str] = &["/mcpServers", ""];

/// The servers of a file of plugins: of a manifest, a catalogue, or a file in either form. `None` for any other file.
pub fn of_plugins<'d>(at: &Location, root: &'d Node<'d>) -> Option<Vec<Found<'d>>> {
    match at.keys {
        EITHER => Some(servers::wrapped_or_bare(root)),
        ITEMS => Some(of_catalogue(root, "")),
        _ => is_manifest(at).then(|| servers(root)),
    }
}

/// The servers of a manifest.
pub fn servers<'d>(root: &'d Node<'d>) -> Vec<Found<'d>> {
    declared_in(root, "")
}

/// Where servers stand in a catalogue of plugins (`marketplace.json`).
pub const ITEMS: &[&str] = &["/plugins/*/mcpServers"];

/// The servers of a catalogue that stands at this pointer.
pub fn of_catalogue<'d>(catalogue: &'d Node<'d>, above: &str) -> Vec<Found<'d>> {
    let items = catalogue.get("plugins").map_or(&[][..], Node::items).iter().enumerate();
    items.flat_map(|(at, item)| declared_in(item, &format!("{above}/plugins/{at}"))).collect()
}

/// The servers that stand in a manifest, or in what is written like one, at this pointer.
pub fn declared_in<'d>(owner: &'d Node<'d>, above: &str) -> Vec<Found<'d>> {
    let key_path = format!("{above}/mcpServers");
    let mut found = Vec::new();
    for table in servers::tables_at(owner, "/mcpServers") {
        if let Value::Array(items) = &table.value {
            let items = items.iter().enumerate().filter(|(_, item)| item.is_object());
            found.extend(items.flat_map(|(at, item)| of_map(item, &format!("{key_path}/{at}"))));
        } else {
            found.extend(of_map(table, &key_path));
        }
    }
    found
}

/// The entries of a map, which may have `mcpServers` around it once more (tested: Codex takes that).
fn of_map<'d>(map: &'d Node<'d>, key_path: &str) -> Vec<Found<'d>> {
    let mut found = Vec::new();
    for entry in servers::of_table(map, key_path) {
        let is_wrapper = entry.name == "mcpServers" && !servers::looks_like_entry(entry.node);
        if is_wrapper && entry.node.is_object() {
            found.extend(servers::of_table(entry.node, &format!("{key_path}/{}", escape(&entry.name))));
        } else {
            found.push(entry);
        }
    }
    found
}

/// The files that a manifest names for its servers.
pub fn leads(at: &Location, root: &Node<'_>, bundles: Bundles) -> Vec<Lead> {
    let mut leads = files_of(root, &to_plugin(at), bundles);
    cap(&mut leads);
    leads
}

/// The files that the items of a catalogue in the folder of a plugin name for its servers.
pub fn leads_of_catalogue(at: &Location, root: &Node<'_>, bundles: Bundles) -> Vec<Lead> {
    let items = root.get("plugins").map_or(&[][..], Node::items).iter();
    let mut leads = items.flat_map(|item| files_of(item, &to_plugin(at), bundles)).collect();
    cap(&mut leads);
    leads
}

/// The way from the folder of a manifest to that of its plugin, from which it names files: up from what stands below the
/// last part of the template that is not a name.
pub fn to_plugin(at: &Location) -> String {
    let parts = at.path.split('/').rev().skip(1);
    "../".repeat(parts.take_while(|part| !part.starts_with(['*', '<', '$', '~'])).count())
}

/// Whether a path is meant from somewhere: none of the root, the home or a drive.
pub fn is_relative(path: &str) -> bool {
    !path.starts_with(['/', '\\', '~']) && path.as_bytes().get(1) != Some(&b':')
}

/// The folder of an installed plugin. Tested with Claude Code and Copilot CLI: a relative one is meant from wherever the
/// client is started, and a tilde is the name of a folder there.
pub fn installed_at(path: &str) -> Vec<Lead> {
    let mut leads = vec![Lead::Plugin(path.to_owned())];
    if is_relative(path) || path.starts_with('~') {
        leads.push(unread("the folder of an installed plugin is meant from wherever its client is started"));
    }
    leads
}

/// The folders of a catalogue's plugins that stand beside it, and the files that its items name.
pub fn folders_of_catalogue(at: &Location, root: &Node<'_>, bundles: Bundles) -> Vec<Lead> {
    let base = root.pointer("/metadata/pluginRoot").and_then(Node::as_str);
    let mut leads = Vec::new();
    for item in root.get("plugins").map_or(&[][..], Node::items) {
        let Some(source) = item.get("source").and_then(Node::as_str) else { continue };
        let source = match base.filter(|_| !source.starts_with('.')) {
            Some(base) => format!("{}{base}/{source}", to_plugin(at)),
            None => format!("{}{source}", to_plugin(at)),
        };
        leads.extend(files_of(item, &format!("{source}/"), bundles));
        leads.push(Lead::Plugin(source));
    }
    cap(&mut leads);
    leads
}

/// The folders of catalogues that settings name (`extraKnownMarketplaces`); a relative one is meant from `above`.
pub fn catalogues_of_settings(root: &Node<'_>, above: &str) -> Vec<Lead> {
    let all = root.get("extraKnownMarketplaces").map_or(&[][..], Node::members).iter();
    let sources = all.filter_map(|one| one.value.get("source"));
    let lead = |source: &Node<'_>| {
        let text = |key| source.get(key).and_then(Node::as_str);
        let path = text("path").filter(|_| matches!(text("source"), Some("directory" | "local")))?;
        Some(Lead::Plugin(if is_relative(path) { format!("{above}{path}") } else { path.to_owned() }))
    };
    let mut leads = sources.filter_map(lead).collect();
    cap(&mut leads);
    leads
}

/// The files that a manifest, or an item written like one, names for its servers, from a folder.
pub fn files_of(owner: &Node<'_>, folder: &str, bundles: Bundles) -> Vec<Lead> {
    let tables = servers::tables_at(owner, "/mcpServers");
    let names = tables.into_iter().flat_map(|table| std::iter::once(table).chain(table.items()));
    let lead = |name: &str| {
        let is_bundle = [".mcpb", ".dxt"].iter().any(|end| name.to_ascii_lowercase().ends_with(end));
        if (is_bundle && bundles == Bundles::Unpacked) || name.contains("://") {
            return unread("a plugin takes a server from a bundle (MCPB), which is not read");
        }
        named(NAMED, format!("{folder}{name}"))
    };
    names.filter_map(Node::as_str).map(lead).collect()
}

/// Keeps what is followed of one file within bounds, and tells what is left.
pub fn cap(leads: &mut Vec<Lead>) {
    if leads.len() > MAX_LEADS {
        leads.truncate(MAX_LEADS);
        leads.push(unread(format!(
            "a file names more than {MAX_LEADS} places of plugins; the others are not read"
        )));
    }
}

/// A lead to what is not followed though a client starts servers of it.
pub fn unread(what: impl Into<String>) -> Lead {
    Lead::Elsewhere { kind: "plugin-file", what: what.into() }
}

/// A lead to a place that this template stands for.
pub fn named(template: &'static str, path: String) -> Lead {
    Lead::Named { template, path }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;

    #[test]
    fn servers_are_found_in_a_map_a_list_and_one_more_wrapper() {
        let paths = |text: &str| {
            let parsed = json::parse(text, false).unwrap();
            servers(&parsed.root).into_iter().map(|f| f.key_path).collect::<Vec<_>>()
        };
        assert_eq!(paths(r#"{"mcpServers":{"a":{"command":"x"}}}"#), ["/mcpServers/a"]);
        assert_eq!(paths(r#"{"mcpServers":["./f.json",{"a":{}}]}"#), ["/mcpServers/1/a"]);
        assert_eq!(paths(r#"{"mcpServers":{"mcpServers":{"a":{}}}}"#), ["/mcpServers/mcpServers/a"]);
        // a server may be called that
        assert_eq!(paths(r#"{"mcpServers":{"mcpServers":{"command":"x"}}}"#), ["/mcpServers/mcpServers"]);
    }

    #[test]
    fn files_are_meant_from_the_folder_of_the_plugin() {
        let ways = [
            ("<plugin>/plugin.json", ""),
            ("<plugin>/.x-plugin/plugin.json", "../"),
            ("~/.x/plugins/*/.github/plugin/plugin.json", "../../"),
            ("$X?/plugin.json", ""),
        ];
        for (template, way) in ways {
            assert_eq!(to_plugin(&Location::plugin(template)), way, "{template}");
        }
    }

    #[test]
    fn the_name_of_a_bundle_is_that_of_a_file_to_some() {
        let parsed = json::parse(r#"{"mcpServers":"./x.mcpb"}"#, false).unwrap();
        let at = Location::plugin("<plugin>/plugin.json");
        assert_eq!(leads(&at, &parsed.root, Bundles::Files), [named(NAMED, "./x.mcpb".to_owned())]);
        assert!(matches!(leads(&at, &parsed.root, Bundles::Unpacked)[..], [Lead::Elsewhere { .. }]));
    }
}

//! JetBrains AI Assistant. Public sources read that cite the plugin's own classes; not run.

use crate::adapter::{About, ClientAdapter, Found, Lead};
use crate::codec::{Format, Parsed};
use crate::element;
use crate::location::{LINUX, Location, MACOS, WINDOWS};
use crate::node::Node;
use crate::servers;

/// JetBrains AI Assistant.
pub(super) struct Adapter;

/// The file is wrapped in `mcpServers` or is the bare map.
const EITHER: &[&str] = &["/mcpServers", ""];
/// Names of XML components, written as the pointers they would be.
const COMPONENTS: &[&str] = &["/McpApplicationServerCommands", "/McpProjectServerCommands"];

const fn xml(location: Location) -> Location {
    location.format(Format::Xml).keys(COMPONENTS)
}

const fn recent(path: &'static str) -> Location {
    Location::user(path).format(Format::Xml).no_servers()
}

const ABOUT: About = About {
    id: "jetbrains-ai-assistant",
    name: "JetBrains AI Assistant",
    rank: 8,
    locations: &[
        // Since 2025.3.
        Location::user("~/.ai/mcp/mcp.json").keys(EITHER),
        Location::project("<project>/.ai/mcp/mcp.json").keys(EITHER),
        // Before; one for each installed IDE and version.
        xml(Location::user("$XDG_CONFIG_HOME/JetBrains/*/options/llm.mcpServers.xml")).on(LINUX),
        xml(Location::user("~/Library/Application Support/JetBrains/*/options/llm.mcpServers.xml")).on(MACOS),
        xml(Location::user("%APPDATA%/JetBrains/*/options/llm.mcpServers.xml")).on(WINDOWS),
        xml(Location::project("<project>/.idea/workspace.xml")).state(),
        // Rider nests one level more.
        xml(Location::project("<project>/.idea/.idea.*/.idea/workspace.xml")).state(),
        recent("$XDG_CONFIG_HOME/JetBrains/*/options/recentProjects.xml").on(LINUX),
        recent("~/Library/Application Support/JetBrains/*/options/recentProjects.xml").on(MACOS),
        recent("%APPDATA%/JetBrains/*/options/recentProjects.xml").on(WINDOWS),
        recent("$XDG_CONFIG_HOME/JetBrains/*/options/recentSolutions.xml").on(LINUX),
        recent("~/Library/Application Support/JetBrains/*/options/recentSolutions.xml").on(MACOS),
        recent("%APPDATA%/JetBrains/*/options/recentSolutions.xml").on(WINDOWS),
    ],
    processes: &[
        "idea",
        "idea64",
        "pycharm",
        "pycharm64",
        "webstorm",
        "webstorm64",
        "phpstorm",
        "phpstorm64",
        "goland",
        "goland64",
        "rider",
        "rider64",
        "clion",
        "clion64",
        "rubymine",
        "rubymine64",
        "datagrip",
        "datagrip64",
        "rustrover",
        "rustrover64",
    ],
    evidence: "public sources citing YouTrack LLM-16145, LLM-22682, LLM-26654 and the plugin's classes",
    notes: "The IDE rewrites its XML from memory on exit. Since 2025.3 the XML holds names and switches only, and the definitions are JSON. A registry value in `ide.general.xml` can move the JSON file; it is not followed.",
    ..About::NONE
};

impl ClientAdapter for Adapter {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn servers<'d>(&self, at: &Location, doc: &'d Parsed<'d>) -> Vec<Found<'d>> {
        match at.format {
            Format::Xml if !at.keys.is_empty() => of_components(&doc.root),
            Format::Xml => Vec::new(),
            _ => servers::wrapped_or_bare(&doc.root),
        }
    }

    fn leads(&self, at: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
        if at.format == Format::Xml && at.keys.is_empty() { recent_projects(&doc.root) } else { Vec::new() }
    }
}

/// Servers of the components, which came in two layouts: as children, or below `commands` and `urls`.
fn of_components<'d>(root: &'d Node<'d>) -> Vec<Found<'d>> {
    let mut out = Vec::new();
    for (path, component) in numbered(root, "") {
        let name = element::attribute(component, "name");
        if !COMPONENTS.iter().any(|known| known.strip_prefix('/') == name) {
            continue;
        }
        for (path, child) in numbered(component, &path) {
            if matches!(element::tag(child), Some("commands" | "urls")) {
                out.extend(numbered(child, &path).filter_map(|(path, server)| of_element(path, server)));
            } else {
                out.extend(of_element(path, child));
            }
        }
    }
    out
}

/// The elements below an element, with their JSON Pointers.
fn numbered<'d>(parent: &'d Node<'d>, path: &str) -> impl Iterator<Item = (String, &'d Node<'d>)> {
    let path = path.to_owned();
    let children = element::children(parent).iter().enumerate();
    children.map(move |(at, child)| (format!("{path}/#children/{at}"), child))
}

/// A server, unless the element only keeps the switches of one that stands in the JSON file.
fn of_element<'d>(key_path: String, node: &'d Node<'d>) -> Option<Found<'d>> {
    let filled = |name| element::option(node, name).is_some_and(|value| !value.is_empty());
    if !["programPath", "command", "url"].into_iter().any(filled) {
        return None;
    }
    let name = element::option(node, "name").unwrap_or("").to_owned();
    Some(Found { name, key_path, node, span: node.span, scope: None, project: None })
}

/// Keys of the `entry` elements of the components that remember projects; of a solution file, its directory.
fn recent_projects(root: &Node<'_>) -> Vec<Lead> {
    let components = element::children(root).iter();
    let components = components.filter(|c| {
        element::attribute(c, "name").is_some_and(|n| n.contains("Recent") && n.contains("Manager"))
    });
    let paths = components.flat_map(entries_below).filter_map(|entry| element::attribute(entry, "key"));
    paths.filter_map(project_of).map(Lead::Project).collect()
}

fn entries_below<'d, 'a>(element: &'d Node<'a>) -> Vec<&'d Node<'a>> {
    let own = |child: &'d Node<'a>| (element::tag(child) == Some("entry")).then_some(child);
    element::children(element)
        .iter()
        .flat_map(|child| own(child).into_iter().chain(entries_below(child)))
        .collect()
}

fn project_of(key: &str) -> Option<String> {
    let path = key.strip_prefix("$USER_HOME$").map_or_else(|| key.to_owned(), |rest| format!("~{rest}"));
    let (parent, last) = path.rsplit_once('/')?;
    let is_file = last.ends_with(".sln") || last.ends_with(".slnx");
    Some(if is_file { parent.to_owned() } else { path })
}

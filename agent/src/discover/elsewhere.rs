//! Signs in a home of servers that no file of a client declares: they are named as gaps, never passed over.

use std::path::Path;

use mcpolicy_platform::machine::{Machine, Owner};

use mcpolicy_schema::entry::Entry;
use mcpolicy_schema::sensitive::Sensitive;

use super::HomeContext;
use crate::gap::Gap;

/// Path below the home, kind of the gap, what it means.
const SIGNS: &[(&str, &str, &str)] = &[
    (".docker/mcp", "docker-gateway", "the Docker MCP Toolkit keeps its servers in profiles of its own"),
    (".toolhive", "server-manager", "ToolHive runs servers of its own, which clients reach by URL"),
    (".config/toolhive", "server-manager", "ToolHive runs servers of its own, which clients reach by URL"),
    (
        ".vscode-server",
        "remote-host",
        "this home is worked on from another machine, whose editor has servers of its own",
    ),
    (
        ".cursor-server",
        "remote-host",
        "this home is worked on from another machine, whose editor has servers of its own",
    ),
];

/// Where editors of the VS Code family keep their extensions, below the home.
const EXTENSION_FOLDERS: &[&str] = &[
    ".vscode/extensions",
    ".vscode-insiders/extensions",
    ".vscode-oss/extensions",
    ".vscode-server/extensions",
    ".cursor/extensions",
    ".cursor-server/extensions",
    ".windsurf/extensions",
    ".kiro/extensions",
    ".antigravity/extensions",
    ".trae/extensions",
];

/// The contribution point by which an extension says that it registers servers by code.
const PROVIDERS: &[u8] = b"mcpServerDefinitionProviders";

/// Largest manifest of an extension that is looked into, in bytes.
const MAX_MANIFEST: u64 = 1024 * 1024;

/// The gaps of one home.
pub fn gaps(machine: &Machine, home: &HomeContext, at: usize) -> Vec<Gap> {
    let place = &home.layout.home;
    let present = SIGNS.iter().filter(|(path, _, _)| machine.kind(&place.join(path)).is_some());
    let mut gaps: Vec<Gap> =
        present.map(|(path, kind, why)| Gap::beyond(kind, *why, Some(&place.join(path)))).collect();
    let owner = Owner { uid: home.uid, home: place.clone() };
    for folder in EXTENSION_FOLDERS.iter().map(|f| place.join(f)) {
        let extensions = machine.list(&folder).unwrap_or_default();
        let registering =
            extensions.iter().map(|e| folder.join(&e.name)).filter(|path| registers(machine, path, &owner));
        let why = "an editor extension registers servers by code; which ones is not known";
        gaps.extend(registering.map(|path| Gap::beyond("extension-servers", why, Some(&path))));
    }
    gaps.into_iter().map(|gap| gap.of_home(Some(at))).collect()
}

/// The gap that an entry is by itself: its command goes on to another machine, container or list of servers, where
/// this scan cannot see what starts.
pub fn of_entry(entry: &Entry, file: &Path) -> Option<Gap> {
    let command = entry.command.as_ref()?.expose();
    let words: Vec<&str> =
        command.split_whitespace().chain(entry.args.iter().map(Sensitive::expose)).collect();
    let program = words.first()?.rsplit(['/', '\\']).next()?.trim_end_matches(".exe");
    let next = words.iter().skip(1).copied().find(|word| !word.starts_with('-'));
    let (kind, why) = match (program, next) {
        ("docker" | "podman" | "nerdctl", Some("mcp")) => {
            ("docker-gateway", "an entry starts a gateway whose servers stand in profiles of its own")
        }
        ("docker" | "podman" | "nerdctl" | "kubectl", Some("exec")) => {
            ("container", "an entry runs its server in a container")
        }
        ("ssh", Some(_)) => ("remote-host", "an entry runs its server on another machine"),
        ("wsl", _) => ("wsl", "an entry runs its server inside a WSL distribution"),
        _ => return None,
    };
    Some(Gap::beyond(kind, why, Some(file)))
}

fn registers(machine: &Machine, extension: &Path, owner: &Owner) -> bool {
    let manifest = machine.read(&extension.join("package.json"), Some(owner), MAX_MANIFEST);
    manifest.is_ok_and(|m| m.bytes.windows(PROVIDERS.len()).any(|w| w == PROVIDERS))
}

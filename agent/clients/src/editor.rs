//! What the editors built on VS Code have in common: the folders they remember, dotted settings, dev containers.

use crate::adapter::Lead;
use crate::codec::{Dialect, Parsed};
use crate::location::{Location, Os};
use crate::node::Node;

/// Keys of servers in a `settings.json`: dots in a setting's name may be nesting or part of the key.
pub const SETTINGS_KEYS: &[&str] = &["/mcp/servers", "/mcp.servers"];

/// Keys of servers in a `.code-workspace` file.
pub const WORKSPACE_KEYS: &[&str] = &["/settings/mcp/servers", "/settings/mcp.servers", "/mcp/servers"];

/// Keys of servers in a `devcontainer.json`.
pub const DEVCONTAINER_KEYS: &[&str] = &[
    "/customizations/vscode/mcp/servers",
    "/customizations/vscode/settings/mcp/servers",
    "/customizations/vscode/settings/mcp.servers",
];

/// The index of folders that an editor remembers: one small file for each.
pub const fn workspaces(path: &'static str, os: &'static [Os]) -> Location {
    Location::user(path).json(Dialect::RECOVERING).on(os).no_servers()
}

/// A `settings.json` of the user that may hold servers.
pub const fn settings(path: &'static str, os: &'static [Os]) -> Location {
    Location::user(path).json(Dialect::RECOVERING).on(os).keys(SETTINGS_KEYS)
}

/// The leads of any file of these editors.
pub fn leads(at: &Location, doc: &Parsed<'_>) -> Vec<Lead> {
    if at.path.ends_with("/workspace.json") {
        workspace_leads(&doc.root)
    } else if at.path.ends_with("devcontainer.json") {
        let what = "the project may be opened in a dev container, where other servers may run".to_owned();
        vec![Lead::Elsewhere { kind: "devcontainer", what }]
    } else {
        Vec::new()
    }
}

/// `workspaceStorage/<hash>/workspace.json`: `{"folder": URI}` or `{"workspace": URI of a .code-workspace}`.
fn workspace_leads(root: &Node<'_>) -> Vec<Lead> {
    let folder = root.get("folder").and_then(Node::as_str).and_then(|uri| lead_of_uri(uri, false));
    let file = root.get("workspace").and_then(Node::as_str).and_then(|uri| lead_of_uri(uri, true));
    folder.into_iter().chain(file).collect()
}

/// What a folder's URI leads to. Of a workspace file the directory counts.
fn lead_of_uri(uri: &str, of_file: bool) -> Option<Lead> {
    if let Some(rest) = uri.strip_prefix("file://") {
        let decoded = percent_decoded(rest);
        // file:///c%3A/x is c:/x; file://host/share/x is //host/share/x.
        let path = match decoded.strip_prefix('/') {
            Some(rest) if rest.as_bytes().get(1) == Some(&b':') => rest.to_owned(),
            Some(_) => decoded,
            None => format!("//{decoded}"),
        };
        let path = if of_file { path.rsplit_once('/')?.0.to_owned() } else { path };
        return Some(Lead::Project(path));
    }
    let authority = percent_decoded(uri.strip_prefix("vscode-remote://")?.split('/').next()?);
    let (kind, name) = authority.split_once('+').unwrap_or((&authority, ""));
    // The name of a container is an encoded description of it, of no use to people.
    let (kind, what) = match kind {
        "ssh-remote" | "tunnel" => ("remote-host", format!("a folder on the host {name}")),
        "wsl" => ("wsl", format!("a folder in the WSL distribution {name}")),
        "dev-container" => ("devcontainer", "a folder in a dev container".to_owned()),
        "attached-container" => ("container", "a folder in a container".to_owned()),
        _ => ("remote-host", "a folder on another machine".to_owned()),
    };
    Some(Lead::Elsewhere { kind, what })
}

/// Undoes `%XX`; what is not valid is kept as it is.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok());
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()).filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(uri: &str, of_file: bool) -> Lead {
        lead_of_uri(uri, of_file).unwrap()
    }

    #[test]
    fn file_uris_are_paths_of_their_system() {
        assert_eq!(lead("file:///home/d%C3%A9v/a%20b", false), Lead::Project("/home/dév/a b".to_owned()));
        assert_eq!(lead("file:///c%3A/Users/d/p", false), Lead::Project("c:/Users/d/p".to_owned()));
        assert_eq!(lead("file://nas/share/p", false), Lead::Project("//nas/share/p".to_owned()));
        assert_eq!(lead("file:///srv/p/x.code-workspace", true), Lead::Project("/srv/p".to_owned()));
    }

    #[test]
    fn folders_on_other_machines_are_gaps_of_their_kind() {
        let kind = |uri| match lead(uri, false) {
            Lead::Elsewhere { kind, what } => (kind, what),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            kind("vscode-remote://ssh-remote%2Bbuild.example/srv"),
            ("remote-host", "a folder on the host build.example".to_owned())
        );
        assert_eq!(kind("vscode-remote://wsl+Ubuntu/home/d").0, "wsl");
        assert_eq!(kind("vscode-remote://dev-container+7b22/work").0, "devcontainer");
        assert_eq!(kind("vscode-remote://attached-container+7b22/work").0, "container");
        assert!(lead_of_uri("untitled:x", false).is_none());
    }

    #[test]
    fn a_broken_escape_is_kept() {
        assert_eq!(percent_decoded("100%/%2"), "100%/%2");
        assert_eq!(percent_decoded("%é"), "%é");
    }
}

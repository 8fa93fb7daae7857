//! What is known of the server of a call, and where it is known from.

use std::collections::BTreeSet;
use std::path::Path;

use mcpolicy_schema::entry::Scope;
use mcpolicy_schema::report::v1;

use super::{Call, names};
use crate::board::Found;

/// Entries that a client may mean by a call, with what the tool is called then: those of the folders where it works before
/// all others of that name.
///
/// A client starts a server where its session begins, and may work elsewhere later: where no folder fits, each entry of the
/// name counts. Of several the worst verdict does.
pub(super) fn meant<'f>(
    call: &Call,
    found: impl Iterator<Item = &'f Found>,
    folders: &[String],
) -> Vec<(&'f Found, String)> {
    let all: Vec<(&Found, String)> = found
        .filter(|found| reads(found, call.client.id()) && found.entry.inert.is_none())
        .filter_map(|found| {
            Some((found, tool_by(call, &found.entry.name, found.entry.scope == Scope::Plugin)?))
        })
        .collect();
    let here: Vec<_> =
        all.iter().filter(|(found, _)| is_of_folders(&found.entry, folders)).cloned().collect();
    if here.is_empty() { all } else { here }
}

/// Whether a client reads the file of an entry.
fn reads(found: &Found, client: &str) -> bool {
    found.entry.client == client || found.entry.readers.iter().any(|reader| reader.client == client)
}

/// The tool, if a call may be one of a server of this name.
pub(super) fn tool_by(call: &Call, name: &str, is_plugins: bool) -> Option<String> {
    match &call.server {
        Some(said) => names::is_called(said, name, is_plugins).then(|| tool_behind(call, said)),
        // Cursor names tools alone; it is the command or URL that tells
        None if call.command.is_some() || call.url.is_some() => Some(call.tool.clone()),
        None => names::tool_of(&call.tool, name).map(str::to_owned),
    }
}

/// The tool's own name, where the client says which server it is of.
pub(super) fn tool_behind(call: &Call, server: &str) -> String {
    names::tool_of(&call.tool, server).unwrap_or(&call.tool).to_owned()
}

/// Whether an entry counts in one of these folders: one of a project does in it and below.
fn is_of_folders(entry: &v1::Entry, folders: &[String]) -> bool {
    let root = match (&entry.project, entry.scope) {
        (Some(project), _) => Path::new(project),
        (None, Scope::Project) => root_of(Path::new(&entry.source.path)),
        (None, _) => return true,
    };
    folders.iter().any(|folder| Path::new(folder).starts_with(root))
}

/// The project of a file: the folder it is in, or the one above where that is a client's own (`.cursor/mcp.json`).
fn root_of(file: &Path) -> &Path {
    let mut folders = file.ancestors().skip(1);
    let is_clients =
        |folder: &&Path| folder.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    folders.find(|folder| !is_clients(folder)).unwrap_or(file)
}

/// Whether Cursor means this entry by a command or URL: the words of it, with one space between them. What is filled in when
/// it is started, or hidden here, is not compared, but all around it is.
///
/// Attack: an extension registers a server under the name of an approved entry, and nothing of it stands in a file.
pub(super) fn is_launched_so(entry: &v1::Entry, command: Option<&str>, url: Option<&str>) -> bool {
    match (command, url) {
        (_, Some(url)) => entry.url.as_deref().is_some_and(|own| is_filled_in(own, url)),
        (Some(command), None) => {
            let words = entry.command.as_deref().into_iter().chain(entry.args.iter().map(String::as_str));
            is_filled_in(&words.collect::<Vec<_>>().join(" "), command)
        }
        (None, None) => true,
    }
}

/// Whether a text may come of one with references and hidden secrets.
fn is_filled_in(own: &str, text: &str) -> bool {
    let begins = ["${", "<secret:"].into_iter().filter_map(|mark| own.find(mark)).min();
    let Some(from) = begins else { return own == text };
    let to = own.rfind(['}', '>']).map_or(own.len(), |last| last + 1);
    let (head, tail) = (&own[..from], &own[to.max(from)..]);
    text.len() >= head.len() + tail.len() && text.starts_with(head) && text.ends_with(tail)
}

/// Fingerprints of entries.
pub(super) fn fingerprints(meant: &[(&Found, String)]) -> BTreeSet<String> {
    meant.iter().map(|(found, _)| found.entry.fingerprint.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_or_hidden_may_be_anything_and_what_stands_around_it_may_not() {
        assert!(is_filled_in("npx -y good", "npx -y good") && !is_filled_in("npx -y good", "npx -y good x"));
        let own = "npx -y good --token ${env:T} --all";
        assert!(is_filled_in(own, "npx -y good --token abc --all"));
        assert!(
            !is_filled_in(own, "npx -y evil --token abc --all")
                && !is_filled_in(own, "npx -y good --token abc")
        );
        assert!(
            is_filled_in("x <secret:a:0> y <secret:b:1>", "x 1 y 2")
                && !is_filled_in("x <secret:a:0>", "y 1")
        );
    }

    #[test]
    fn a_file_in_a_folder_of_a_client_is_its_projects() {
        assert_eq!(root_of(Path::new("/p/.mcp.json")), Path::new("/p"));
        assert_eq!(root_of(Path::new("/p/.cursor/mcp.json")), Path::new("/p"));
        assert_eq!(root_of(Path::new("/p/.codex/config.toml")), Path::new("/p"));
    }
}

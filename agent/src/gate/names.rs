//! Which files matter, by their names alone: asked at each open in a folder that is held, so it takes no memory and looks at
//! nothing.
//!
//! A pattern of a client (`~/.claude/agents/**/*.md`) counts in and below folders of that name only: in a project that is held
//! every text would wait otherwise.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::sync::LazyLock;

use mcpolicy_clients::adapters;

/// Longest name of a file or folder.
const LONGEST: usize = 255;

/// Endings that make no file a client's by themselves: in a project that is held every text would wait.
const TOO_COMMON: [&str; 8] = ["", ".md", ".js", ".ts", ".json", ".toml", ".yaml", ".yml"];

/// Names of clients' files, of all clients and systems, in lower case.
pub struct Names {
    exact: Vec<Box<[u8]>>,
    wild: Vec<Wild>,
}

/// A folder that has to be above, if any has, and what comes before and after the `*`.
type Wild = (Option<Box<[u8]>>, Box<[u8]>, Box<[u8]>);

static KNOWN: LazyLock<Names> = LazyLock::new(Names::of_all_clients);

/// Whether a file of this name matters wherever it is.
pub(super) fn is_known(name: &OsStr) -> bool {
    KNOWN.matter(name.as_encoded_bytes())
}

impl Names {
    /// Of everything that any client reads.
    pub fn of_all_clients() -> Self {
        let (mut exact, mut wild) = (BTreeSet::new(), BTreeSet::new());
        for location in adapters::ALL.iter().flat_map(|adapter| adapter.about().locations) {
            let path = location.path.to_ascii_lowercase();
            let mut words = path.rsplit('/');
            let Some(name) = words.next() else { continue };
            match name.split_once('*') {
                None => drop(exact.insert(bytes(name))),
                Some((before, after)) => {
                    let is_fixed =
                        |folder: &&str| !folder.contains(['*', '<', '~', '{', '$']) && !folder.is_empty();
                    let folder = words.find(is_fixed);
                    // of two stars the second is taken for anything as well: more matters then
                    let after = after.rsplit('*').next().unwrap_or_default();
                    // agents in a folder that a plugin's manifest names: those that are known matter by their names
                    if folder.is_none() && before.is_empty() && TOO_COMMON.contains(&after) {
                        continue;
                    }
                    wild.insert((folder.map(bytes), bytes(before), bytes(after)));
                }
            }
        }
        Self { exact: exact.into_iter().collect(), wild: wild.into_iter().collect() }
    }

    /// Whether the file at this path does.
    pub fn matter(&self, path: &[u8]) -> bool {
        let mut folders = path.rsplit(|byte| *byte == b'/');
        let mut name = [0; LONGEST];
        let Some(name) = lower(folders.next(), &mut name) else { return false };
        if self.exact.binary_search_by(|known| known.as_ref().cmp(name)).is_ok() {
            return true;
        }
        self.wild.iter().any(|(of, before, after)| {
            name.len() >= before.len() + after.len()
                && name.starts_with(before)
                && name.ends_with(after)
                && of
                    .as_deref()
                    .is_none_or(|of| folders.clone().any(|folder| folder.eq_ignore_ascii_case(of)))
        })
    }
}

fn bytes(text: &str) -> Box<[u8]> {
    text.as_bytes().into()
}

/// A name in lower case; none for what is no name.
fn lower<'r>(name: Option<&[u8]>, room: &'r mut [u8; LONGEST]) -> Option<&'r [u8]> {
    let name = name.filter(|name| !name.is_empty())?;
    let room = room.get_mut(..name.len())?;
    room.copy_from_slice(name);
    room.make_ascii_lowercase();
    Some(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_any_client_reads_matters_in_any_case_and_what_none_does_not() {
        let names = Names::of_all_clients();
        for path in [
            "/home/ann/.claude.json",
            "/home/ann/.cursor/MCP.json",
            "/home/ann/src/x/.mcp.json",
            "/home/ann/.claude/agents/helper.md",
            "/home/ann/.Claude/Agents/below/helper.md",
            "mcp.json",
        ] {
            assert!(names.matter(path.as_bytes()), "{path}");
        }
        for path in
            ["/home/ann/notes.txt", "/home/ann/src/x/README.md", "/home/ann/src/x/package.json", "/", ""]
        {
            assert!(!names.matter(path.as_bytes()), "{path}");
        }
        let long = vec![b'x'; 4000];
        assert!(!names.matter(&long));
    }

    #[test]
    fn no_pattern_matters_in_every_folder_for_every_name() {
        let names = Names::of_all_clients();
        let everywhere =
            names.wild.iter().filter(|(folder, before, _)| folder.is_none() && before.is_empty());
        let endings: Vec<_> = everywhere.map(|(_, _, after)| String::from_utf8_lossy(after)).collect();
        assert!(!endings.iter().any(|known| TOO_COMMON.contains(&known.as_ref())), "{endings:?}");
        assert!(!endings.is_empty(), "as `*.code-workspace` does");
    }
}

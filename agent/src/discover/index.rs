//! Which files of a walk are project files of which clients, by one look-up of the file's name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mcpolicy_clients::adapters;
use mcpolicy_clients::location::Os;
use mcpolicy_clients::template::{ANY_FOLDERS, component_matches};

use super::source::Reading;

/// A project location cut into components.
struct ProjectPattern {
    reading: Reading,
    /// Components above the file's name, outermost first.
    above: Vec<&'static str>,
    /// The file's name, perhaps with `*`.
    name: &'static str,
}

/// All project locations of one system.
pub struct ProjectIndex {
    by_name: BTreeMap<String, Vec<ProjectPattern>>,
    with_wildcard: Vec<ProjectPattern>,
    /// File systems of macOS and Windows usually ignore case, and so do the clients there.
    ignore_case: bool,
}

impl ProjectIndex {
    /// The index for homes of this layout.
    pub fn new(os: Os) -> Self {
        let ignore_case = os != Os::Linux;
        let mut index = Self { by_name: BTreeMap::new(), with_wildcard: Vec::new(), ignore_case };
        for adapter in adapters::ALL.iter().copied() {
            for location in adapter.about().locations.iter().filter(|l| l.os.contains(&os)) {
                let Some(rest) = location.path.strip_prefix("<project>/") else { continue };
                let mut above: Vec<&'static str> = rest.split('/').collect();
                let Some(name) = above.pop() else { continue };
                let pattern = ProjectPattern { reading: Reading { adapter, location }, above, name };
                if name.contains('*') {
                    index.with_wildcard.push(pattern);
                } else {
                    index.by_name.entry(index.folded(name)).or_default().push(pattern);
                }
            }
        }
        index
    }

    fn folded(&self, name: &str) -> String {
        if self.ignore_case { name.to_ascii_lowercase() } else { name.to_owned() }
    }

    fn same(&self, a: &str, b: &str) -> bool {
        a == b || (self.ignore_case && a.eq_ignore_ascii_case(b))
    }

    /// The readers of a file as a project file, each with the project's directory; empty for nearly every file.
    pub fn readings(&self, path: &Path) -> Vec<(Reading, PathBuf)> {
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { return Vec::new() };
        let named = if self.ignore_case {
            self.by_name.get(&name.to_ascii_lowercase())
        } else {
            self.by_name.get(name)
        };
        let named = named.map_or(&[][..], Vec::as_slice).iter();
        let wild = self.with_wildcard.iter().filter(|p| component_matches(p.name, name));
        named.chain(wild).filter_map(|p| self.project_of(path, p).map(|dir| (p.reading, dir))).collect()
    }

    /// The directory above the pattern's components, if they are the path's.
    fn project_of(&self, path: &Path, pattern: &ProjectPattern) -> Option<PathBuf> {
        let directory = path.parent()?;
        match pattern.above.split_last() {
            Some((last, above)) if *last == ANY_FOLDERS => {
                directory.ancestors().find_map(|folder| self.above(folder, above))
            }
            _ => self.above(directory, &pattern.above),
        }
    }

    /// The directory above these components, if the path ends with them.
    fn above(&self, mut directory: &Path, components: &[&str]) -> Option<PathBuf> {
        for component in components.iter().rev() {
            let name = directory.file_name()?.to_str()?;
            let is_any = component.contains('*') && component_matches(component, name);
            if !is_any && !self.same(name, component) {
                return None;
            }
            directory = directory.parent()?;
        }
        Some(directory.to_owned())
    }

    /// Every project file that a project could have: first component, and the whole path below the project.
    pub fn below_project(&self) -> impl Iterator<Item = (Reading, &'static str)> + '_ {
        let all = self.by_name.values().flatten().chain(&self.with_wildcard);
        all.filter_map(|p| Some((p.reading, p.reading.location.path.strip_prefix("<project>/")?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(os: Os, path: &str) -> Vec<&'static str> {
        let found = ProjectIndex::new(os).readings(Path::new(path));
        found.iter().map(|(reading, _)| reading.adapter.about().id).collect()
    }

    #[test]
    fn a_file_is_known_by_its_name_and_the_folders_above_it() {
        assert!(owners(Os::Linux, "/home/dev/x/.mcp.json").contains(&"claude-code"));
        assert!(owners(Os::Linux, "/home/dev/x/.cursor/mcp.json").contains(&"cursor"));
        assert!(owners(Os::Linux, "/home/dev/x/cursor/mcp.json").is_empty());
        assert!(owners(Os::Linux, "/home/dev/x/.mcp.json.bak").is_empty());
    }

    #[test]
    fn an_agents_file_may_lie_in_any_folder_below_the_clients() {
        for path in ["/p/.claude/agents/a.md", "/p/.claude/agents/x/y/a.md"] {
            assert!(owners(Os::Linux, path).contains(&"claude-code"), "{path}");
        }
        for path in ["/p/.claude/a.md", "/p/agents/a.md", "/p/.claude/x/agents/a.md"] {
            assert!(owners(Os::Linux, path).is_empty(), "{path}");
        }
    }

    #[test]
    fn a_skills_file_lies_in_one_folder_of_any_name() {
        assert_eq!(owners(Os::Linux, "/p/.agents/skills/a/mcp.json"), ["amp"]);
        for path in ["/p/.agents/skills/mcp.json", "/p/.agents/skills/a/b/mcp.json", "/p/.agents/a/mcp.json"]
        {
            assert!(owners(Os::Linux, path).is_empty(), "{path}");
        }
    }

    #[test]
    fn case_counts_on_linux_only() {
        assert!(owners(Os::Linux, "/p/.Cursor/MCP.json").is_empty());
        assert!(owners(Os::Macos, "/p/.Cursor/MCP.json").contains(&"cursor"));
    }
}

//! What is looked at when something happened to some paths: those files, and what they lead to that is not known yet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use mcpolicy_clients::adapters;
use mcpolicy_clients::template::component_matches;
use mcpolicy_platform::machine::FileKind;

use super::source::Source;
use super::{Discovery, prune};

/// How many folders above a file the project may be that it is of: the deepest that any client reads of a project
/// (`.claude/plugins/*/.claude-plugin/plugin.json`). More would look at folders that no change of such a file is about.
/// What lies deeper, in the `**` of a template, is found by the pass.
pub const PROJECT_ABOVE: usize = 5;

/// Paths at which something happened.
#[derive(Debug, Clone, Default)]
pub struct Changed {
    /// Files and directories.
    pub paths: BTreeSet<PathBuf>,
}

/// What is known from the looks before at the same homes.
#[derive(Default)]
pub struct Known {
    /// Files, with their readers.
    pub files: BTreeMap<PathBuf, Source>,
    /// Projects of the home whose folder has been looked into: what comes into one is told by its watch, found by a poll, or
    /// by the rescan, which takes none for known.
    ///
    /// A client that writes its state every few seconds remembers hundreds of projects in it.
    pub projects: BTreeSet<Project>,
}

/// The folder of a project, and the home for which it was looked into.
pub type Project = (Option<usize>, PathBuf);

impl Known {
    /// Forgets the projects in which something happened, or on the way to which.
    pub fn forget_projects(&mut self, changed: &Changed) {
        let on_way = |folder: &Path, path: &Path| folder.starts_with(path) || path.starts_with(folder);
        self.projects.retain(|(_, folder)| !changed.paths.iter().any(|path| on_way(folder, path)));
    }
}

/// Names that clients' files have, of all clients and systems.
#[derive(Default)]
struct Names {
    exact: BTreeSet<String>,
    /// With a `*`.
    wild: BTreeSet<String>,
    /// Folders in which a file of any name is a client's (`mcpServers/*`).
    folders: BTreeSet<String>,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let mut names = Names::default();
    for location in adapters::ALL.iter().flat_map(|adapter| adapter.about().locations) {
        let mut words = location.path.rsplit('/').map(str::to_lowercase);
        match (words.next(), words.next()) {
            // by its own name it would be every file of every watched folder
            (Some(name), Some(folder)) if name == "*" => names.folders.insert(folder),
            (Some(name), _) if name.contains('*') => names.wild.insert(name),
            (Some(name), _) => names.exact.insert(name),
            (None, _) => false,
        };
    }
    names
});

/// Whether a path may be a client's file, by its name and that of its folder alone: a change of any other file in a watched
/// folder is no news.
pub fn may_be_source(path: &Path) -> bool {
    let lower = |name: &std::ffi::OsStr| name.to_string_lossy().to_lowercase();
    let Some(name) = path.file_name().map(lower) else { return false };
    let folder = path.parent().and_then(Path::file_name).map(lower);
    NAMES.exact.contains(&name)
        || folder.is_some_and(|folder| NAMES.folders.contains(&folder))
        || NAMES.wild.iter().any(|pattern| component_matches(pattern, &name))
}

impl<'m> Discovery<'m> {
    /// Adds the sources among changed paths. What is known already counts as read but for these.
    pub fn add_changed(&mut self, changed: &Changed, known: &'m Known) {
        self.visited.clone_from(&known.projects);
        let known = &known.files;
        self.known = Some(known);
        let is_new = |path: &&Path| !known.contains_key(*path);
        let new: Vec<&Path> = changed.paths.iter().map(PathBuf::as_path).filter(is_new).collect();
        if !new.is_empty() {
            self.add_new(&new);
        }
        for source in changed.paths.iter().filter_map(|path| known.get(path)) {
            // what new files lead to may have given it more readers
            let source = self.taken.remove(&source.path).unwrap_or_else(|| source.clone());
            self.again.remove(&source.path);
            self.anew.insert(source.path.clone());
            self.add(source);
        }
    }

    /// Adds what of paths that were not known is a client's file, in one of its own places or in a project, and the
    /// projects that new directories are.
    fn add_new(&mut self, paths: &[&Path]) {
        let os = self.homes.first().map_or(mcpolicy_clients::location::Os::Linux, |home| home.layout.os);
        self.add_fixed(os);
        for path in paths {
            let Some(home) = self.homes.iter().position(|home| path.starts_with(&home.layout.home)) else {
                continue;
            };
            let top = &self.homes[home].layout.home;
            let is_inside = |folder: &&Path| folder.starts_with(top) && !prune::is_pruned(folder, top);
            let above: Vec<PathBuf> =
                path.ancestors().take(PROJECT_ABOVE + 1).take_while(is_inside).map(Path::to_owned).collect();
            above.iter().for_each(|folder| self.add_project(folder, Some(home)));
            // what came into a folder before it was watched was told to nobody
            for name in self.machine.list(path).unwrap_or_default() {
                let child = path.join(name.name);
                let is_project = self.machine.kind(&child) == Some(FileKind::Directory);
                if is_project && !prune::is_pruned(&child, top) {
                    self.add_project(&child, Some(home));
                }
            }
        }
        let is_changed = |found: &Path| paths.iter().any(|path| found.starts_with(path));
        self.waiting.retain(|path, _| is_changed(path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_as_far_above_as_the_deepest_file_that_a_client_reads_of_one() {
        let locations = adapters::ALL.iter().flat_map(|adapter| adapter.about().locations);
        let below = locations.filter_map(|location| location.path.strip_prefix("<project>/"));
        assert_eq!(below.map(|path| path.split('/').count()).max(), Some(PROJECT_ABOVE));
    }

    #[test]
    fn a_project_is_looked_into_again_when_something_happens_in_it_or_on_the_way_to_it_and_no_other() {
        let left = |changed: &str| {
            let all = ["/h/ann/a", "/h/ann/a/sub", "/h/ann/ab"].map(|path| (Some(0), PathBuf::from(path)));
            let mut known = Known { projects: all.into(), ..Known::default() };
            known.forget_projects(&Changed { paths: [PathBuf::from(changed)].into() });
            known.projects.into_iter().map(|(_, path)| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(left("/h/ann/a/.cursor"), ["/h/ann/a/sub", "/h/ann/ab"]);
        assert_eq!(left("/h/ann/a"), ["/h/ann/ab"]);
        assert_eq!(left("/h/ann"), [""; 0]);
        assert_eq!(left("/h/ann/.claude.json").len(), 3, "the state of a client is no news of its projects");
    }

    #[test]
    fn a_clients_file_is_known_by_its_name_and_what_lies_beside_it_is_no_news() {
        let may_be = |path: &str| may_be_source(Path::new(path));
        for path in ["/h/.claude.json", "/h/.codex/config.toml", "/h/p/.MCP.json", "/h/p/team.code-workspace"]
        {
            assert!(may_be(path), "{path}");
        }
        assert!(may_be("/h/.continue/mcpServers/mine.yaml") && may_be("/h/p/.goose/recipes/one"));
        for path in ["/h/.tmpZa67EN", "/h/.claude.json.lock", "/h/p/main.rs", "/h/mcpServers", "/"] {
            assert!(!may_be(path), "{path}");
        }
    }
}

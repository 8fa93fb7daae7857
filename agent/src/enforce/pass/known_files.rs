//! The files of a home that are known, and which of them count for each other.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};

use crate::discover::changed::PROJECT_ABOVE;
use crate::discover::source::Source;
use crate::resolve;

/// The known files of a home.
#[derive(Debug, Default)]
pub(super) struct KnownFiles {
    /// The projects of each file: it may be known in several ways.
    files: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    of_projects: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    /// Files that links lead to, and the known files that these are: a change is told of the file itself, and many keep what
    /// their programs read in a repository of their own and put links in its place.
    linked: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    /// Where the links of known files lead.
    real: BTreeMap<PathBuf, PathBuf>,
}

impl KnownFiles {
    /// Takes a file in. `real` is where it is, links resolved, if that is known.
    pub(super) fn add(&mut self, source: &Source, real: Option<PathBuf>) {
        if let Some(real) = real {
            self.led_to(&source.path, real);
        }
        let project = resolve::project_of(source);
        if let Some(project) = &project {
            self.of_projects.entry(project.clone()).or_default().insert(source.path.clone());
        }
        self.files.entry(source.path.clone()).or_default().extend(project);
    }

    fn led_to(&mut self, path: &Path, real: PathBuf) {
        if let Some(known) = self.real.remove(path).and_then(|before| self.linked.get_mut(&before)) {
            known.remove(path);
        }
        if real != path {
            self.linked.entry(real.clone()).or_default().insert(path.to_owned());
            self.real.insert(path.to_owned(), real);
        }
    }

    pub(super) fn remove(&mut self, path: &Path) {
        // what a link led to may be gone for a moment only, and comes back under its own name: that is remembered
        for project in self.files.remove(path).unwrap_or_default() {
            if let Some(files) = self.of_projects.get_mut(&project) {
                files.remove(path);
                if files.is_empty() {
                    self.of_projects.remove(&project);
                }
            }
        }
    }

    pub(super) fn contains(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }

    /// The known files that a file is by links.
    pub(super) fn known_as(&self, real: &Path) -> impl Iterator<Item = &PathBuf> {
        self.linked.get(real).into_iter().flatten()
    }

    /// The folders of files that links lead to.
    pub(super) fn linked_folders(&self) -> impl Iterator<Item = &Path> {
        self.linked.keys().filter_map(|real| real.parent())
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.keys()
    }

    /// Paths, what is known to lie in those that are folders (they are watched since a moment ago, and what was changed before
    /// was told to nobody), and the other files of their projects: what settings of a project set for all servers of a client
    /// counts for each of them.
    pub(super) fn with_neighbours(&self, paths: &BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
        let mut near = paths.clone();
        near.extend(paths.iter().flat_map(|folder| self.in_folder(folder)).cloned());
        let of_touched = near.iter().filter_map(|path| self.files.get(path)).flatten();
        // a file that is new is of a project that may be known
        let above = paths.iter().flat_map(|path| path.ancestors().skip(1).take(PROJECT_ABOVE));
        let projects: BTreeSet<&Path> = of_touched.map(PathBuf::as_path).chain(above).collect();
        let files = projects.into_iter().filter_map(|project| self.of_projects.get(project)).flatten();
        let files: Vec<PathBuf> = files.cloned().collect();
        near.extend(files);
        near
    }

    fn in_folder<'k>(&'k self, folder: &'k Path) -> impl Iterator<Item = &'k PathBuf> {
        let below = self.files.range::<Path, _>((Bound::Excluded(folder), Bound::Unbounded));
        let below = below.map(|(path, _)| path).take_while(move |path| path.starts_with(folder));
        below.filter(move |path| path.parent() == Some(folder))
    }
}

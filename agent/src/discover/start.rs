//! Start files of shells, and the `.envrc` of projects, with what they read in turn: which variables they set that move
//! clients' files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use mcpolicy_clients::template::component_matches;
use mcpolicy_platform::machine::{Machine, Owner, ReadError};
use mcpolicy_schema::entry::{ClientId, Position};
use mcpolicy_schema::finding::{Finding, FindingCode};

use super::shares::{self, sharer_of};
use super::sourced::{Around, Known, Sourced, sourced};
use super::variables::{self, Names, Place, START_FILES, START_FOLDERS, Unresolved, Values};
use crate::gap::Gap;
use crate::inventory::FileFinding;

/// Largest start file that is read, in bytes.
pub(super) const MAX_BYTES: u64 = 1024 * 1024;

/// How many files one start file may lead through, and most files that are read in all: whoever writes them decides.
pub(super) const MAX_DEPTH: usize = 8;
const MAX_FILES: usize = 1000;

/// Most places to which the files of one repository (elsewhere of one folder of the home) may lead the clients that take
/// their variables, one variable, and all together: every client is looked for in each of them.
const MAX_PLACES_OF_SHARER: usize = 100;
const MAX_PLACES_OF_VARIABLE: usize = 400;
const MAX_PLACES: usize = 10_000;
/// Most bytes of such files that are read of a repository; real ones have some hundred each.
const MAX_BYTES_OF_SHARER: u64 = 8 << 20;
/// Most settings of one file that are told with their lines.
const MAX_TOLD_OF_FILE: usize = 100;

/// The kind of every gap here but of files that cannot be read.
pub(super) const KIND: &str = "config-dir-unresolved";

/// What is read of one home.
pub struct Start<'m> {
    pub(super) machine: &'m Machine,
    pub(super) owner: Owner,
    names: Names,
    known: Known,
    read: BTreeSet<PathBuf>,
    /// Files from which variables were taken, and the client that does.
    pub(super) taken: BTreeSet<(PathBuf, ClientId)>,
    bytes: shares::Bytes,
    /// How many values are of the files of a repository.
    shares: BTreeMap<PathBuf, usize>,
    /// Values of variables.
    pub values: Values,
    /// What could not be told.
    pub gaps: Vec<Gap>,
    /// The same, with the places in the files.
    pub findings: Vec<(PathBuf, FileFinding)>,
}

/// A file that is to be read.
struct Waiting {
    path: PathBuf,
    /// How many files led to it.
    depth: usize,
    /// The folder of the `.envrc` that it belongs to.
    project: Option<PathBuf>,
}

impl<'m> Start<'m> {
    /// Of a home. Nothing is read yet.
    pub fn new(machine: &'m Machine, uid: Option<u32>, home: &Path) -> Self {
        Self {
            machine,
            owner: Owner { uid, home: home.to_owned() },
            names: Names::of_clients(),
            known: Known::default(),
            read: BTreeSet::new(),
            taken: BTreeSet::new(),
            bytes: shares::Bytes::each(MAX_BYTES_OF_SHARER),
            shares: BTreeMap::new(),
            values: Values::new(),
            gaps: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Reads the start files of the home's user.
    pub fn files_of_shells(&mut self) {
        let home = self.owner.home.clone();
        let mut files: Vec<PathBuf> = START_FILES.iter().map(|name| home.join(name)).collect();
        for folder in START_FOLDERS.iter().map(|name| home.join(name)) {
            let entries = self.machine.list(&folder).unwrap_or_default();
            files.extend(entries.iter().map(|e| folder.join(&e.name)));
        }
        let waiting = files.into_iter().map(|path| Waiting { path, depth: 0, project: None });
        self.read_all(waiting.collect());
    }

    /// Reads the `.envrc` of projects: direnv loads it for whoever enters the folder.
    pub fn files_of_projects(&mut self, files: impl IntoIterator<Item = PathBuf>) {
        let waiting = files.into_iter().map(|path| {
            let project = path.parent().map(Path::to_owned);
            Waiting { path, depth: 0, project }
        });
        self.read_all(waiting.collect());
    }

    fn read_all(&mut self, mut waiting: Vec<Waiting>) {
        // the last is taken first, so that what a file reads comes before the next file
        waiting.reverse();
        while let Some(next) = waiting.pop() {
            let Some(path) = self.place_of(&next) else { continue };
            if !self.read.insert(path) {
                continue;
            }
            if self.read.len() > MAX_FILES {
                let reason =
                    format!("start files read more than {MAX_FILES} files; the others were not looked into");
                self.gaps.push(Gap::at(KIND, reason, &self.owner.home));
                return;
            }
            let found = self.read_one(&next);
            if next.depth == MAX_DEPTH && !found.is_empty() {
                let reason = "start files read each other more deeply than is followed";
                self.gaps.push(Gap::at(KIND, reason, &next.path));
                continue;
            }
            let below = found.into_iter().map(|path| Waiting {
                path,
                depth: next.depth + 1,
                project: next.project.clone(),
            });
            waiting.extend(below);
        }
    }

    /// Where a file lies. What another one reads counts below the home only: elsewhere nobody but an administrator or
    /// another user writes.
    fn place_of(&self, file: &Waiting) -> Option<PathBuf> {
        if file.depth == 0 {
            return Some(file.path.clone());
        }
        let home = self.machine.resolve(&self.owner.home).ok()?.path;
        let real = self.machine.resolve(&file.path).ok()?.path;
        real.starts_with(home).then_some(real)
    }

    /// Reads one file; the files that it reads.
    fn read_one(&mut self, file: &Waiting) -> Vec<PathBuf> {
        let path = &file.path;
        if self.is_too_much(path) {
            return Vec::new();
        }
        let text = match self.machine.read(path, Some(&self.owner), MAX_BYTES) {
            Ok(snapshot) => {
                self.note_read(path, snapshot.bytes.len());
                String::from_utf8_lossy(&snapshot.bytes).into_owned()
            }
            Err(error) if error.is_absent() => return Vec::new(),
            // a folder among the words of a line is none of the files that it reads
            Err(ReadError::NotRegular(_)) if file.depth > 0 => return Vec::new(),
            Err(error) => {
                let reason = format!("a start file of a shell was not read: {error}");
                self.gaps.push(Gap::at("unreadable", reason, path));
                return Vec::new();
            }
        };
        // attack: a NUL in a name or a value. bash and dash read on as if it were not there, others end the value at it
        let read = text.contains('\0').then(|| text.replace('\0', ""));
        let mut found = Sourced::default();
        for text in read.iter().chain([&text]) {
            self.take_variables(file, text);
            let around =
                Around { home: &self.owner.home, here: file.project.as_deref().unwrap_or(&self.owner.home) };
            let more = sourced(text, around, &mut self.known);
            found.files.extend(more.files);
            found.computed |= more.computed;
        }
        if found.computed {
            // nearly every start file has one, the completions of some program: no scan could close it
            let reason = "a start file reads another one whose name a shell would have to compute";
            self.gaps.push(Gap::beyond(KIND, reason, Some(path)));
        }
        found.files.into_iter().flat_map(|path| self.fitting(path)).collect()
    }

    /// Whether the share of a file's repository is used up, which is told.
    pub(super) fn is_too_much(&mut self, path: &Path) -> bool {
        let Err(told) = self.bytes.ask(path, &self.owner.home, self.machine) else { return false };
        self.gaps.extend(told);
        true
    }

    pub(super) fn note_read(&mut self, path: &Path, bytes: usize) {
        self.bytes.add(path, &self.owner.home, self.machine, bytes as u64);
    }

    fn take_variables(&mut self, file: &Waiting, text: &str) {
        let place = Place { home: &self.owner.home, project: file.project.as_deref() };
        let mut values = Values::new();
        let unresolved = variables::of_start_file(text, &self.names, place, &mut values);
        self.tell_all(&file.path, &unresolved);
        self.add_values(&file.path, values);
        self.resolve_values();
    }

    /// Adds the values that a file gives to variables.
    ///
    /// Attack: 50,000 lines of a clone's files that each set one, until the time of the home's worker is over, or so many
    /// that those of other files count no more.
    pub(super) fn add_values(&mut self, path: &Path, values: Values) {
        let known: usize = self.values.values().map(BTreeSet::len).sum();
        let is_repository = |folder: &Path| self.machine.kind(&folder.join(".git")).is_some();
        let sharer = sharer_of(path.parent().unwrap_or(path), Some(&self.owner.home), is_repository);
        let used = self.shares.entry(sharer).or_default();
        let share = MAX_PLACES_OF_SHARER.saturating_sub(*used).min(MAX_PLACES.saturating_sub(known));
        let mut left = share;
        let mut is_too_much = false;
        for (name, places) in values {
            for place in places {
                let known = self.values.entry(name.clone()).or_default();
                if known.contains(&place) {
                    continue;
                }
                if left == 0 || known.len() >= MAX_PLACES_OF_VARIABLE {
                    is_too_much = true;
                    break;
                }
                known.insert(place);
                left -= 1;
            }
        }
        *used += share - left;
        if is_too_much {
            let reason =
                "variables of clients have more values, in this repository or the home, than are followed";
            self.gaps.push(Gap::at(KIND, reason, path));
        }
    }

    /// Tells of settings of which it is not known where they lead: each once at least, and not thousands of times.
    pub(super) fn tell_all(&mut self, path: &Path, all: &[Unresolved]) {
        let mut known = BTreeSet::new();
        for (at, unresolved) in all.iter().enumerate() {
            if known.insert((&unresolved.name, unresolved.why)) || at < MAX_TOLD_OF_FILE {
                self.tell(path, unresolved);
            }
        }
    }

    /// Tells of a setting of which it is not known where it leads.
    fn tell(&mut self, path: &Path, unresolved: &Unresolved) {
        let message = unresolved.said();
        let finding = Finding::new(FindingCode::ConfigDirUnresolved, message.clone());
        let position = Position { line: unresolved.line, column: 1 };
        self.findings.push((path.to_owned(), FileFinding { finding, position }));
        self.gaps.push(Gap::at(KIND, message, path));
    }

    /// Puts the places that it leads to for a value with `..` in it, which no path here may have.
    pub(super) fn resolve_values(&mut self) {
        for places in self.values.values_mut() {
            let leads_up = |place: &PathBuf| place.components().any(|part| part == Component::ParentDir);
            let odd: Vec<PathBuf> = places.iter().filter(|place| leads_up(place)).cloned().collect();
            for place in odd {
                places.remove(&place);
                let leads_to = variables::without_steps_up(self.machine, &place);
                places.extend(leads_to.into_iter().filter(|place| variables::is_place(place)));
            }
        }
    }

    /// The files that a path with a `*` in its last part stands for.
    pub(super) fn fitting(&self, path: PathBuf) -> Vec<PathBuf> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
        else {
            return Vec::new();
        };
        if !name.contains('*') {
            return vec![path];
        }
        let names = self.machine.list(folder).unwrap_or_default();
        let fitting = names.iter().filter(|entry| component_matches(name, &entry.name.to_string_lossy()));
        fitting.map(|entry| folder.join(&entry.name)).collect()
    }
}

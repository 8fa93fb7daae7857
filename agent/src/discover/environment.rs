//! Variables that clients take by themselves from files of their own, and from files of projects.

use std::path::{Path, PathBuf};

use mcpolicy_clients::adapters;
use mcpolicy_clients::environment::{self, EnvironmentFile, Form, Marks, Setting};
use mcpolicy_clients::location::Os;
use mcpolicy_clients::template::{self, Layout};
use mcpolicy_platform::machine::{FileKind, ReadError};
use mcpolicy_schema::entry::ClientId;

use super::prune;
use super::start::{KIND, MAX_BYTES, MAX_DEPTH, Start};
use super::variables::{self, Unresolved, Values, Why};
use crate::gap::Gap;

/// Most files of projects that are read: whoever writes a repository decides how many there are.
const MAX_FILES: usize = 10_000;

/// Largest file of settings, as large as any file is read, in bytes.
const MAX_SETTINGS: u64 = 16 * 1024 * 1024;

/// The names of such files in a project; each file of a home is asked for its name.
const NAMES: &[&str] = &[".env", ".env.local", ".env.development", ".env.production", "settings.json"];

/// Whether clients take variables from a file as that of a project.
pub(super) fn is_of_project(path: &Path) -> bool {
    let is_named = path.file_name().is_some_and(|name| NAMES.iter().any(|known| name == *known));
    is_named && [Os::Linux, Os::Macos, Os::Windows].iter().any(|os| in_projects(*os, path).next().is_some())
}

/// What clients take from a file of a project, with that project.
fn in_projects(os: Os, path: &Path) -> impl Iterator<Item = (&'static EnvironmentFile, &Path)> {
    files(os).filter_map(move |(_, file)| {
        let below = file.in_project().filter(|below| path.ends_with(below))?;
        Some((file, path.ancestors().nth(Path::new(below).components().count())?))
    })
}

/// The files of clients outside of projects, on a system.
fn files(
    os: Os,
) -> impl Iterator<Item = (&'static mcpolicy_clients::adapter::About, &'static EnvironmentFile)> {
    let all = adapters::ALL.iter().map(|adapter| adapter.about());
    let all = all.flat_map(|about| about.environments.iter().map(move |file| (about, file)));
    all.filter(move |(_, file)| file.os.contains(&os))
}

impl Start<'_> {
    /// Reads the files from which clients take variables, and those in the folders that these name. `known` are values from
    /// elsewhere.
    pub fn files_of_clients(&mut self, os: Os, known: &Values) {
        for _ in 0..MAX_DEPTH {
            let mut variables = known.clone();
            variables::join(&mut variables, self.values.clone());
            let mut read_any = false;
            for (path, client, file) in self.places_of_clients(os, variables) {
                // several clients take theirs from one file
                if self.taken.insert((path.clone(), client)) {
                    self.read_environment(&path, file);
                    read_any = true;
                }
            }
            self.resolve_values();
            if !read_any {
                return;
            }
        }
        let reason = "files of clients lead to each other more deeply than is followed";
        self.gaps.push(Gap::at(KIND, reason, &self.owner.home));
    }

    /// Leaves out the files that were read with these values before.
    pub fn without_files_of_clients(&mut self, os: Os, known: &Values) {
        let places = self.places_of_clients(os, known.clone());
        self.taken.extend(places.into_iter().map(|(path, client, _)| (path, client)));
    }

    /// Where clients take variables from, but for projects.
    fn places_of_clients(
        &self,
        os: Os,
        variables: Values,
    ) -> Vec<(PathBuf, ClientId, &'static EnvironmentFile)> {
        let layout = Layout { os, home: self.owner.home.clone(), variables };
        let mut out = Vec::new();
        for (about, file) in files(os).filter(|(_, file)| file.in_project().is_none()) {
            for pattern in template::expand(about, file.path, &layout) {
                let path = pattern.rest.iter().fold(pattern.base, |path, part| path.join(part));
                out.extend(self.fitting(path).into_iter().map(|path| (path, about.id, file)));
            }
        }
        out
    }

    /// Reads files of projects from which a client that is started there takes variables.
    pub fn files_of_clients_in_projects(&mut self, os: Os, paths: impl IntoIterator<Item = PathBuf>) {
        for (count, path) in paths.into_iter().enumerate() {
            if count == MAX_FILES {
                let reason = format!(
                    "clients take variables from more than {MAX_FILES} files of projects; the others were not looked into"
                );
                self.gaps.push(Gap::at(KIND, reason, &self.owner.home));
                break;
            }
            // those of the home are read as such
            let is_project = |project: &Path| project != self.owner.home;
            let takes: Vec<_> = in_projects(os, &path).filter(|(_, project)| is_project(project)).collect();
            let Some((first, _)) = takes.first() else { continue };
            let Some(text) = self.text_of(&path, first.form, true) else { continue };
            for (file, project) in takes {
                self.take_settings(&path, &text, file, Some(project));
            }
        }
        self.resolve_values();
    }

    fn read_environment(&mut self, path: &Path, file: &EnvironmentFile) {
        if let Some(text) = self.text_of(path, file.form, false) {
            self.take_settings(path, &text, file, None);
        }
    }

    fn text_of(&mut self, path: &Path, form: Form, is_of_project: bool) -> Option<String> {
        // the state of a client is one of its settings, and large
        let most = if form == Form::Settings { MAX_SETTINGS } else { MAX_BYTES };
        if is_of_project && self.is_too_much(path) {
            return None;
        }
        match self.machine.read(path, Some(&self.owner), most) {
            Ok(snapshot) => {
                if is_of_project {
                    self.note_read(path, snapshot.bytes.len());
                }
                Some(String::from_utf8_lossy(&snapshot.bytes).into_owned())
            }
            // a folder of that name is one of Python
            Err(ReadError::NotFound | ReadError::Dangling) => None,
            // who may not read it has no client that does, but where only a worker must not look
            Err(ReadError::Denied) if !self.leads_where_no_worker_looks(path) => None,
            Err(ReadError::NotRegular(FileKind::Directory)) => None,
            // settings are read, and told, as what they are
            Err(_) if form == Form::Settings => None,
            Err(error) => {
                let reason = format!("a file from which clients take variables was not read: {error}");
                // a pipe in a project, or a link to `/run`, is how managers of secrets hand them out
                let is_usual = matches!(error, ReadError::NotRegular(FileKind::Fifo) | ReadError::Denied);
                let gap = Gap::at("unreadable", reason, path);
                self.gaps.push(Gap { partial: !(is_of_project && is_usual), ..gap });
                None
            }
        }
    }

    fn leads_where_no_worker_looks(&self, path: &Path) -> bool {
        let real = self.machine.resolve(path).map(|found| found.path);
        real.is_ok_and(|real| prune::NOT_READ.iter().any(|top| real.starts_with(Path::new("/").join(top))))
    }

    fn take_settings(&mut self, path: &Path, text: &str, file: &EnvironmentFile, project: Option<&Path>) {
        let (mut values, mut unknown) = (Values::new(), Vec::new());
        for setting in environment::settings(file, text) {
            if let Some(why) = self.take_setting(&setting, file.form, project, &mut values) {
                let unresolved = Unresolved { name: setting.taken.name.to_owned(), line: setting.line, why };
                // programs of a project have use for such variables (`XDG_CONFIG_HOME=./config`), others are the client's own
                if project.is_some() && setting.taken.name.starts_with("XDG_") {
                    self.gaps.push(Gap::beyond(KIND, unresolved.said(), Some(path)));
                } else {
                    unknown.push(unresolved);
                }
            }
        }
        self.tell_all(path, &unknown);
        self.add_values(path, values);
    }

    /// Takes a value as its client does; why it is not known where that leads.
    fn take_setting(
        &self,
        setting: &Setting,
        form: Form,
        project: Option<&Path>,
        values: &mut Values,
    ) -> Option<Why> {
        let home = self.owner.home.clone();
        let marks = match form {
            Form::Dotenv(marks) => marks,
            Form::Settings => Marks::NONE,
        };
        let value = match expanded(environment::before_nul(&setting.value), marks, &home) {
            Some(value) if !setting.is_odd => value,
            _ => return Some(Why::Computed),
        };
        let mut add = |value: &str| {
            let value = if setting.taken.below.is_empty() {
                value.to_owned()
            } else {
                Path::new(value).join(setting.taken.below).to_string_lossy().into_owned()
            };
            variables::take(values, setting.taken.sets, &value, &home);
        };
        if !value.starts_with('~') && !variables::is_relative(&value) {
            add(&value);
            return None;
        }
        // the client may be started in a folder of the project, too
        if let Some(project) = project {
            add(&project.join(&value).to_string_lossy());
        }
        Some(Why::Relative)
    }
}

/// A value with what its client puts for a mark; `None` if that is not known.
fn expanded(value: &str, marks: Marks, home: &Path) -> Option<String> {
    let home = home.to_str()?;
    if let Some(rest) =
        value.strip_prefix('~').filter(|rest| marks.tilde && (rest.is_empty() || rest.starts_with('/')))
    {
        return Some(format!("{home}{rest}"));
    }
    let value = value.to_owned();
    if !marks.variables {
        return Some(value);
    }
    let begun = ["${HOME}", "$HOME"].iter().find_map(|mark| value.strip_prefix(mark));
    let value = match begun.filter(|rest| rest.is_empty() || rest.starts_with('/')) {
        Some(rest) => format!("{home}{rest}"),
        None => value,
    };
    (!value.contains('$')).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_of_projects_is_known_by_its_name() {
        for os in [Os::Linux, Os::Macos, Os::Windows] {
            for below in files(os).filter_map(|(_, file)| file.in_project()) {
                assert!(is_of_project(&Path::new("/home/dev/p").join(below)), "{below}");
            }
        }
        let path = Path::new("/home/dev/p/settings.json");
        assert!(!is_of_project(path), "not in the client's folder");
    }

    #[test]
    fn marks_count_where_the_client_knows_them() {
        let home = Path::new("/home/dev");
        let all = Marks { tilde: true, variables: true };
        let of = |value, marks| expanded(value, marks, home);
        assert_eq!(of("~/q", all).as_deref(), Some("/home/dev/q"));
        assert_eq!(of("~/q", Marks::NONE).as_deref(), Some("~/q"));
        assert_eq!(of("${HOME}/q", all).as_deref(), Some("/home/dev/q"));
        assert_eq!(of("$HOME", all).as_deref(), Some("/home/dev"));
        assert_eq!(of("$HOMES/q", all), None);
        assert_eq!(of("$HOME/q", Marks::NONE).as_deref(), Some("$HOME/q"));
    }
}

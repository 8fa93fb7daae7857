//! Variables that clients take from files of their own, and from the `.env` of projects.

use std::path::{Path, PathBuf};

use mcpolicy_clients::adapters;
use mcpolicy_clients::environment::{self, EnvironmentFile, Form, Marks, Setting};
use mcpolicy_clients::location::Os;
use mcpolicy_clients::template::{self, Layout};
use mcpolicy_platform::machine::{FileKind, ReadError};

use super::start::{KIND, MAX_BYTES, MAX_DEPTH, Start};
use super::variables::{self, Unresolved, Values, Why};
use crate::gap::Gap;

/// Most `.env` of projects that are read: whoever writes a repository decides how many there are.
const MAX_DOTENVS: usize = 10_000;

/// The name of the file that clients look for in a project.
pub(super) const DOTENV: &str = ".env";

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
            for (path, file) in self.places_of_clients(os, variables) {
                // several clients take theirs from one file
                if self.taken.insert((path.clone(), file.path)) {
                    self.read_environment(&path, file, None);
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
        self.taken.extend(places.into_iter().map(|(path, file)| (path, file.path)));
    }

    /// Where clients take variables from, but for projects.
    fn places_of_clients(&self, os: Os, variables: Values) -> Vec<(PathBuf, &'static EnvironmentFile)> {
        let layout = Layout { os, home: self.owner.home.clone(), variables };
        let mut out = Vec::new();
        for (about, file) in files(os).filter(|(_, file)| file.in_project().is_none()) {
            for pattern in template::expand(about, file.path, &layout) {
                let path = pattern.rest.iter().fold(pattern.base, |path, part| path.join(part));
                out.extend(self.fitting(path).into_iter().map(|path| (path, file)));
            }
        }
        out
    }

    /// Reads the `.env` of projects, as far as a client that is started there does.
    pub fn dotenvs_of_projects(&mut self, os: Os, paths: impl IntoIterator<Item = PathBuf>) {
        for (count, path) in paths.into_iter().enumerate() {
            if count == MAX_DOTENVS {
                let reason = format!(
                    "more than {MAX_DOTENVS} files are named {DOTENV}; the others were not looked into"
                );
                self.gaps.push(Gap::at(KIND, reason, &self.owner.home));
                break;
            }
            for (_, file) in files(os) {
                let Some(below) = file.in_project().filter(|below| path.ends_with(below)) else { continue };
                let project = path.ancestors().nth(Path::new(below).components().count());
                if let Some(project) = project.filter(|project| **project != self.owner.home) {
                    let project = project.to_owned();
                    self.read_environment(&path, file, Some(&project));
                }
            }
        }
        self.resolve_values();
    }

    fn read_environment(&mut self, path: &Path, file: &EnvironmentFile, project: Option<&Path>) {
        let text = match self.machine.read(path, Some(&self.owner), MAX_BYTES) {
            Ok(snapshot) => String::from_utf8_lossy(&snapshot.bytes).into_owned(),
            // who may not read it has no client that does; a folder of that name is one of Python
            Err(ReadError::NotFound | ReadError::Dangling | ReadError::Denied) => return,
            Err(ReadError::NotRegular(FileKind::Directory)) => return,
            // settings are read, and told, as what they are
            Err(_) if file.form == Form::Settings => return,
            Err(error) => {
                let reason = format!("a file from which clients take variables was not read: {error}");
                return self.gaps.push(Gap::at("unreadable", reason, path));
            }
        };
        for setting in environment::settings(file, &text) {
            if let Some(why) = self.take_setting(&setting, file.form, project) {
                self.tell(path, &Unresolved { name: setting.taken.name.to_owned(), line: setting.line, why });
            }
        }
    }

    /// Takes a value as its client does; why it is not known where that leads.
    fn take_setting(&mut self, setting: &Setting, form: Form, project: Option<&Path>) -> Option<Why> {
        let home = self.owner.home.clone();
        let marks = match form {
            Form::Dotenv(marks) => marks,
            Form::Settings => Marks::NONE,
        };
        let value = match expanded(&setting.value, marks, &home) {
            Some(value) if !setting.is_odd => value,
            _ => return Some(Why::Computed),
        };
        let mut add = |value: &str| {
            let value = if setting.taken.below.is_empty() {
                value.to_owned()
            } else {
                Path::new(value).join(setting.taken.below).to_string_lossy().into_owned()
            };
            variables::take(&mut self.values, setting.taken.sets, &value, &home);
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

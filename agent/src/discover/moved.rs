//! What the walk, or a file, tells of places that are a client's own and stand in no template with a known value.

use std::path::{Path, PathBuf};

use mcpolicy_clients::template::{self, Layout};
use mcpolicy_platform::machine::Owner;
use mcpolicy_schema::entry::Scope;

use super::start::Start;
use super::variables::{self, Values};
use super::walk::Walked;
use super::{Discovery, named, readings};
use crate::gap::Gap;
use crate::inventory::FileFinding;

/// Most folders of a home that count for a client's own by a file in them. Each of them is looked at for every switch.
const MAX_NAMED: usize = 200;

/// The state of Claude Code.
const STATE: &str = ".claude.json";

/// What its state and settings say once it was used in a project or approves something, in whatever spelling.
const SIGNS: &[&[u8]] =
    &[b"\"projects\"", b"McpjsonServers", b"ProjectMcpServers", b"ypassPermissions", b"angerousMode", b"\\u"];

/// Of more than this is not asked what it says: it was used.
const MAX_STATE: u64 = 1024 * 1024;

/// What is known of variables once a home was walked.
#[derive(Default)]
pub struct Moved {
    /// Values beyond those of the start files.
    pub values: Values,
    /// Settings of which it is not known where they lead.
    pub findings: Vec<(PathBuf, FileFinding)>,
}

impl Discovery<'_> {
    /// Reads the `.envrc` and the clients' files of variables that a walk saw, and takes the folders of files that are a client's own by their names for values
    /// of its variable: whoever types it has the client read them. Adds what stands there.
    pub fn add_moved(&mut self, walked: &Walked, at: usize) -> Moved {
        let home = &self.homes[at];
        let layout = &home.layout;
        let mut start = Start::new(self.machine, home.uid, &layout.home);
        start.files_of_projects(walked.environments.iter().map(|path| self.machine.machine_path(path)));
        let of_clients = walked.of_clients.iter().map(|path| self.machine.machine_path(path));
        let of_clients: Vec<PathBuf> = of_clients.filter(|path| !self.is_anothers(path)).collect();
        start.files_of_clients_in_projects(layout.os, of_clients);
        let mut values = std::mem::take(&mut start.values);
        let (mut folders, mut places) = (0, Values::new());
        for host_path in &walked.named {
            let path = self.machine.machine_path(host_path);
            if let Some((variable, folder)) = named::moved_by(&path, &layout.home, layout.os)
                && !self.is_anothers(&path)
                && !self.is_usual_file(&path, at)
                && !named::is_shown(&path, &layout.home, |folder| {
                    self.machine.kind(&folder.join(".git")).is_some()
                })
            {
                folders += 1;
                if folders > MAX_NAMED {
                    let reason =
                        format!("more than {MAX_NAMED} folders are a client's own by a file in them");
                    self.gaps.push(Gap::at("walk-budget", reason, &path).of_home(Some(at)));
                    break;
                }
                places.entry(variable.to_owned()).or_default().insert(folder.clone());
                // its client's switches and approvals are looked at there, too
                if self.is_used(&path, at) {
                    values.entry(variable.to_owned()).or_default().insert(folder);
                }
            }
        }
        // a client that is led there takes variables from the files there
        let mut known = layout.variables.clone();
        variables::join(&mut known, values.clone());
        variables::join(&mut known, places.clone());
        start.without_files_of_clients(layout.os, &layout.variables);
        start.files_of_clients(layout.os, &known);
        let Start { values: led, gaps, findings, .. } = start;
        variables::join(&mut values, led);
        self.gaps.extend(gaps.into_iter().map(|gap| gap.of_home(Some(at))));
        for (variable, folders) in &values {
            places.entry(variable.clone()).or_default().extend(folders.iter().cloned());
        }
        self.add_places(&places, at);
        Moved { values, findings }
    }

    /// Whether a client may have approved or started something by what lies beside this file. One that nobody has used
    /// starts no more than a folder that is made when the client is started; and a switch set there would be in
    /// anybody's folder: whoever clones a repository with such a file in it would have no switch that holds, since none
    /// may be set in a work tree.
    fn is_used(&self, path: &Path, at: usize) -> bool {
        if path.file_name().is_none_or(|name| name != STATE) {
            return true;
        }
        let home = &self.homes[at];
        let owner = Owner { uid: home.uid, home: home.layout.home.clone() };
        let says = |path: &Path| match self.machine.read(path, Some(&owner), MAX_STATE) {
            Ok(file) => SIGNS.iter().any(|sign| file.bytes.windows(sign.len()).any(|part| part == *sign)),
            Err(error) => !error.is_absent(),
        };
        says(path)
            || ["settings.json", "settings.local.json"].iter().any(|name| says(&path.with_file_name(name)))
    }

    /// The file in the usual place is a link to this one, as in a folder of dotfiles.
    fn is_usual_file(&self, path: &Path, at: usize) -> bool {
        let Some(name) = path.file_name() else { return false };
        let usual = self.machine.resolve(&self.homes[at].layout.home.join(name));
        usual.is_ok_and(|usual| self.machine.resolve(path).is_ok_and(|real| real.path == usual.path))
    }

    /// Adds what clients of a home read with these values.
    fn add_places(&mut self, values: &Values, at: usize) {
        let layout = Layout { variables: values.clone(), ..self.homes[at].layout.clone() };
        for reading in readings(layout.os, |scope| scope != Scope::Managed) {
            let (about, path) = (reading.adapter.about(), reading.location.path);
            let moves = path.strip_prefix('$').is_some_and(|path| {
                let name = path.split(['/', '?']).next().unwrap_or_default();
                // the default of one may lie below another one
                let default = about.variables.iter().find(|variable| variable.name == name);
                let below =
                    default.and_then(|variable| variable.default.strip_prefix('$')?.split('/').next());
                values.contains_key(name) || below.is_some_and(|name| values.contains_key(name))
            });
            for pattern in template::expand(about, path, &layout).into_iter().filter(|_| moves) {
                self.add_pattern(&pattern, Some(at), reading);
            }
        }
    }
}

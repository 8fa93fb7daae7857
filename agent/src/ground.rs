//! What a scan stands on: which machine, whose homes, which variables move clients' files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mcpolicy_clients::adapter::About;
use mcpolicy_clients::adapters;
use mcpolicy_clients::location::Os;
use mcpolicy_clients::template::{self, Layout};
use mcpolicy_platform::environment::Environment;
use mcpolicy_platform::machine::Machine;
use mcpolicy_platform::processes::{self, Process};
use mcpolicy_platform::users::{self, Home, HomeLayout};

use crate::discover::source::Source;
use crate::discover::start::Start;
use crate::discover::variables::{self, Values};
use crate::discover::{HomeContext, Reach};
use crate::gap::Gap;
use crate::pipeline::{Ground, Plan, has_location, reading_for};
use crate::running;

/// What the user asked to scan.
#[derive(Debug, Clone)]
pub enum Target {
    /// Every user of this machine if privileged, else the caller's home.
    Live,
    /// These homes and nothing else.
    Homes(Vec<PathBuf>),
    /// A folder taken as the root of a machine.
    Root(PathBuf),
    /// One file as one client reads it, perhaps as if it lay elsewhere.
    File {
        /// The file.
        path: PathBuf,
        /// Id of the client.
        client: String,
        /// The path by which its location is chosen.
        as_path: Option<PathBuf>,
    },
    /// A checkout.
    Project(PathBuf),
}

/// Why there is nothing to stand on. Each is a mistake of the caller.
#[derive(Debug, thiserror::Error)]
pub enum GroundError {
    /// A directory that was named is not there.
    #[error("{0} is not a directory; name an existing one")]
    NotADirectory(PathBuf),
    /// A file that was named is not there.
    #[error("{0} is not there; name an existing file")]
    NoFile(PathBuf),
    /// The client id is unknown.
    #[error("no client has the id {0:?}; docs/clients.md lists the ids")]
    UnknownClient(String),
    /// The path given by `--as` is none at which the client looks.
    #[error("{client} has no location that ends like {path}; docs/clients.md lists them")]
    NoLocation {
        /// Id of the client.
        client: String,
        /// The path that was given.
        path: PathBuf,
    },
    /// The caller has no home.
    #[error("the home of the caller is not known; set HOME, or name a home with --home")]
    NoHome,
}

/// Lays the ground for a target. `os` says whose paths to look for in homes and roots given by hand.
///
/// # Errors
/// A target that is not there.
pub fn lay(target: &Target, os: Option<Os>, environment: &Environment) -> Result<Ground, GroundError> {
    match target {
        Target::Live => live(environment, true),
        Target::Homes(paths) => given_homes(paths, os.unwrap_or_else(host_os)),
        Target::Root(root) => root_of(root, os, true),
        Target::File { path, client, as_path } => file(path, client, as_path.as_deref(), os),
        Target::Project(directory) => project(directory, os.unwrap_or_else(host_os)),
    }
}

/// Lays the ground for answers to whoever asks: the own home, for root, too. What belongs to others is none of an answer.
///
/// # Errors
/// The caller has no home.
pub fn lay_own(environment: &Environment) -> Result<Ground, GroundError> {
    if !users::is_privileged() {
        return live(environment, true);
    }
    let home = users::own_home(environment).ok_or(GroundError::NoHome)?;
    given_homes(&[home.path], host_os())
}

/// Lays the ground for a pass over this machine, or over the folder that is taken for one. No file of a home is opened:
/// what shells say of variables is read by each home's worker, on a ground of its own ([`of_home`]).
///
/// # Errors
/// As [`lay`].
pub fn lay_bare(root: Option<&Path>, environment: &Environment) -> Result<Ground, GroundError> {
    match root {
        Some(root) => root_of(root, None, false),
        None => live(environment, false),
    }
}

/// The ground of one home of a pass. `others` are the homes that are not looked into.
pub fn of_home(machine: Machine, home: HomeContext, others: Vec<PathBuf>) -> Ground {
    let mut ground = empty("home", machine, Reach::Users, home.layout.os, Plan::Homes);
    ground.others = others;
    let HomeContext { user, uid, mut layout } = home;
    ground.read_start_files(uid, &mut layout, 0);
    ground.homes.push(HomeContext { user, uid, layout });
    ground
}

/// The same, where it is known already where the home's clients keep their files.
pub fn of_home_again(machine: Machine, home: HomeContext, others: Vec<PathBuf>) -> Ground {
    let mut ground = empty("home", machine, Reach::Users, home.layout.os, Plan::Homes);
    ground.others = others;
    ground.homes.push(home);
    ground
}

/// The ground of what is machine-wide. With `only_roots` nothing is read that a user wrote.
pub fn of_machine(whole: &Ground, only_roots: bool) -> Ground {
    let machine = whole.machine.clone();
    let machine = if only_roots { machine.only_roots() } else { machine };
    let mut ground = empty(whole.mode, machine, whole.reach, whole.os, Plan::Homes);
    // what a managed file leads to may lie in a home: that is the worker's to read
    ground.others = whole.homes.iter().map(|home| home.layout.home.clone()).collect();
    ground
}

/// The system that this program runs on.
pub fn host_os() -> Os {
    match std::env::consts::OS {
        "macos" => Os::Macos,
        "windows" => Os::Windows,
        _ => Os::Linux,
    }
}

/// Folders of a home that must not be touched without full disk access; none but on a live macOS.
pub fn protected(host_home: &Path, os: Os) -> Vec<PathBuf> {
    if os != Os::Macos || host_os() != Os::Macos || mcpolicy_platform::protected::has_full_disk_access() {
        return Vec::new();
    }
    mcpolicy_platform::protected::protected_folders(host_home, HomeLayout::Macos)
}

fn empty(mode: &'static str, machine: Machine, reach: Reach, os: Os, plan: Plan) -> Ground {
    Ground {
        mode,
        machine,
        homes: Vec::new(),
        reach,
        os,
        plan,
        gaps: Vec::new(),
        findings: Vec::new(),
        processes: None,
        others: Vec::new(),
    }
}

fn live(environment: &Environment, reads: bool) -> Result<Ground, GroundError> {
    let machine = Machine::live();
    let privileged = users::is_privileged();
    let homes = if privileged {
        users::all_homes(&machine)
    } else {
        vec![users::own_home(environment).ok_or(GroundError::NoHome)?]
    };
    let mode = if privileged { "machine" } else { "own-home" };
    let mut ground = empty(mode, machine, Reach::Machine, host_os(), Plan::Homes);
    let processes = processes::processes();
    for home in &homes {
        let mut values =
            if privileged { of_clients(&processes, home) } else { of_caller(environment, &home.path) };
        ground.add_home(home, &mut values, reads);
        for container in processes::containers_mounting(&home.path) {
            let gap = Gap::beyond(
                "container",
                format!("a container sees this home: {container}"),
                Some(&home.path),
            );
            ground.gaps.push(gap.of_home(Some(ground.homes.len() - 1)));
        }
    }
    if privileged {
        ground.tell_uncovered();
    }
    if ground.os != Os::Linux {
        let reason = "policies in managed preferences or the registry are not read by a scan";
        ground.gaps.push(Gap::beyond("managed-preferences", reason, None));
    }
    ground.processes = Some(processes);
    Ok(ground)
}

fn given_homes(paths: &[PathBuf], os: Os) -> Result<Ground, GroundError> {
    let mut homes = paths.iter().map(|p| directory(p)).collect::<Result<Vec<_>, _>>()?;
    homes.sort();
    homes.dedup();
    let machine = Machine::live().within(homes.clone());
    let mut ground = empty("home", machine, Reach::Homes, os, Plan::Homes);
    for path in homes {
        let user = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let home = Home { user, uid: owner_of(&path), path, layout: layout_of(os), within_wsl: None };
        ground.add_home(&home, &mut Values::new(), true);
    }
    Ok(ground)
}

/// The user that a directory belongs to: who could read what lies in it.
fn owner_of(path: &Path) -> Option<u32> {
    let place = path.to_string_lossy().into_owned();
    let names = ["HOME", "USERPROFILE"].map(|name| (name.to_owned(), place.clone()));
    users::own_home(&Environment::from_iter(names)).and_then(|home| home.uid)
}

fn root_of(root: &Path, os: Option<Os>, reads: bool) -> Result<Ground, GroundError> {
    let root = directory(root)?;
    let machine = Machine::at_root(&root);
    let homes = users::all_homes(&machine);
    let os = os.unwrap_or(Os::Linux);
    let mut ground = empty("root", machine, Reach::Machine, os, Plan::Homes);
    for home in &homes {
        ground.add_home(home, &mut Values::new(), reads);
    }
    ground.tell_uncovered();
    Ok(ground)
}

fn project(path: &Path, os: Os) -> Result<Ground, GroundError> {
    let path = directory(path)?;
    let machine = Machine::live().within(vec![path.clone()]);
    let mut ground = empty("project", machine, Reach::Homes, os, Plan::Project(path.clone()));
    let layout = Layout { os, home: path, variables: BTreeMap::new() };
    ground.homes.push(HomeContext { user: String::new(), uid: owner_of(&layout.home), layout });
    Ok(ground)
}

fn file(path: &Path, client: &str, as_path: Option<&Path>, os: Option<Os>) -> Result<Ground, GroundError> {
    let path = std::path::absolute(path).map_err(|_| GroundError::NoFile(path.to_owned()))?;
    let machine = Machine::live();
    if machine.kind(&path).is_none() {
        return Err(GroundError::NoFile(path));
    }
    let reading = reading_for(client, as_path.unwrap_or(&path));
    let reading = reading.ok_or_else(|| GroundError::UnknownClient(client.to_owned()))?;
    if let Some(given) = as_path.filter(|p| !has_location(client, p)) {
        return Err(GroundError::NoLocation { client: client.to_owned(), path: given.to_owned() });
    }
    let source = Source::new(path, None, reading);
    Ok(empty("file", machine, Reach::Homes, os.unwrap_or_else(host_os), Plan::File(Box::new(source))))
}

fn directory(path: &Path) -> Result<PathBuf, GroundError> {
    let absolute = std::fs::canonicalize(path).map_err(|_| GroundError::NotADirectory(path.to_owned()))?;
    if absolute.is_dir() { Ok(absolute) } else { Err(GroundError::NotADirectory(path.to_owned())) }
}

fn layout_of(os: Os) -> HomeLayout {
    match os {
        Os::Linux => HomeLayout::Linux,
        Os::Macos => HomeLayout::Macos,
        Os::Windows => HomeLayout::Windows,
    }
}

fn abouts() -> impl Iterator<Item = &'static About> {
    adapters::ALL.iter().map(|a| a.about())
}

/// The caller's environment, for a scan of the caller's own home.
fn of_caller(environment: &Environment, home: &Path) -> Values {
    let mut values = Values::new();
    for name in template::variable_names(abouts()) {
        if let Some(value) = environment.get(name) {
            variables::take(&mut values, name, value, home);
        }
    }
    values
}

/// The environment of the user's running clients; only the variables that move files are looked at.
fn of_clients(all: &[Process], home: &Home) -> Values {
    let names = template::variable_names(abouts());
    let mut values = Values::new();
    for client in running::clients(all).iter().filter(|c| home.uid.is_some() && c.process.uid == home.uid) {
        for (name, value) in processes::environment_of(client.process.pid, &names) {
            variables::take(&mut values, &name, &value, &home.path);
        }
    }
    values
}

impl Ground {
    /// Accounts that could run clients, and whose homes are not looked into.
    fn tell_uncovered(&mut self) {
        for home in users::uncovered_homes(&self.machine) {
            let reason = format!(
                "the account {} has a shell and a home that is not its own: nothing is looked for there",
                home.user
            );
            self.gaps.push(Gap::beyond("system-account", reason, Some(&home.path)));
        }
    }

    /// Adds a home, with the values that its start files give if it is read.
    fn add_home(&mut self, home: &Home, values: &mut Values, reads: bool) {
        let os = match home.layout {
            HomeLayout::Linux => Os::Linux,
            HomeLayout::Macos => Os::Macos,
            HomeLayout::Windows => Os::Windows,
        };
        let mut layout = Layout { os, home: home.path.clone(), variables: std::mem::take(values) };
        if reads {
            self.read_start_files(home.uid, &mut layout, self.homes.len());
        }
        self.homes.push(HomeContext { user: home.user.clone(), uid: home.uid, layout });
    }

    fn read_start_files(&mut self, uid: Option<u32>, layout: &mut Layout, at: usize) {
        let mut start = Start::new(&self.machine, uid, &layout.home);
        start.files_of_shells();
        start.files_of_clients(layout.os, &layout.variables);
        let Start { values: set, gaps, findings, .. } = start;
        variables::join(&mut layout.variables, set);
        self.gaps.extend(gaps.into_iter().map(|gap| gap.of_home(Some(at))));
        self.findings.extend(findings.into_iter().map(|(path, finding)| (path, Some(at), finding)));
    }
}

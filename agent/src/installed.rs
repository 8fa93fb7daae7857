//! Which clients are installed, and in which version, by what lies on the disk: no client is ever run for it.
//!
//! A program is found by its name where programs lie. Its version stands in the `package.json` that it came with, in its
//! bundle, or in its path; where it stands in none of them it is not known.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mcpolicy_clients::adapter::About;
use mcpolicy_clients::adapters;
use mcpolicy_clients::location::Os;
use mcpolicy_clients::template::Layout;
use mcpolicy_platform::machine::Machine;
use serde::{Deserialize, Serialize};

use crate::running::stem;

/// Largest `package.json` or `Info.plist` that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// How many folders above a program its package may begin (`node_modules/@scope/name/dist/bin/program.js`).
const ABOVE: usize = 5;
/// Most names of one folder that are looked at.
const MOST_NAMES: usize = 1000;

/// Where programs lie.
const OF_UNIX: &[&str] =
    &["/usr/local/bin", "/usr/bin", "/opt/homebrew/bin", "/home/linuxbrew/.linuxbrew/bin", "/snap/bin"];
/// The same below a home; `*` is one component.
const OF_HOMES: &[&str] = &[
    ".local/bin",
    "bin",
    ".claude/local",
    ".npm-global/bin",
    ".bun/bin",
    ".volta/bin",
    ".cargo/bin",
    ".opencode/bin",
    ".local/share/pnpm",
    "Library/pnpm",
    ".nvm/versions/node/*/bin",
    ".local/share/mise/installs/node/*/bin",
    ".asdf/installs/nodejs/*/bin",
    "AppData/Roaming/npm",
];
/// Folders of Windows with a folder for each program, below a home.
const OF_WINDOWS: &[&str] = &["AppData/Local/Programs/*", "AppData/Local/*/app-*"];
/// The same of the machine.
const OF_ALL_OF_WINDOWS: &str = "C:/Program Files/*";
/// Folders in which editors keep extensions, below a home.
const EXTENSIONS: &[&str] = &[
    ".vscode/extensions",
    ".vscode-insiders/extensions",
    ".vscode-server/extensions",
    ".vscode-oss/extensions",
    ".cursor/extensions",
    ".cursor-server/extensions",
    ".windsurf/extensions",
    ".kiro/extensions",
    ".trae/extensions",
    ".antigravity/extensions",
];

/// Whether what this program knows of a client was seen on that very version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tested {
    /// It was.
    ThisVersion,
    /// On other versions.
    OtherVersions,
    /// On none that was run: what is known is from documentation or code.
    None,
    /// The version is not known.
    Unknown,
}

/// A client that is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// Id of the client.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its version, where that can be read without running it.
    pub version: Option<String>,
    /// Where it was found.
    pub path: PathBuf,
    /// Whether its behaviour was tested.
    pub tested: Tested,
    /// The versions on which it was (docs/clients.md).
    pub tested_versions: Vec<&'static str>,
}

/// The clients that are installed on a machine for the users of these homes. `search` are more folders of programs.
pub fn find(machine: &Machine, homes: &[&Layout], os: Os, search: &[PathBuf]) -> Vec<Installed> {
    let mut found = Found { machine, all: BTreeMap::new() };
    let system = OF_UNIX.iter().filter(|_| os != Os::Windows).map(PathBuf::from);
    let below = |places: &'static [&'static str]| {
        let place = move |layout: &&Layout| -> Vec<PathBuf> {
            places.iter().map(|place| layout.home.join(place)).collect()
        };
        homes.iter().flat_map(place).collect::<Vec<_>>()
    };
    for folder in search.iter().cloned().chain(system).chain(below(OF_HOMES)) {
        for folder in found.matching(&folder) {
            found.programs_in(&folder);
        }
    }
    if os == Os::Macos {
        let own = homes.iter().map(|layout| layout.home.join("Applications"));
        for folder in [PathBuf::from("/Applications")].into_iter().chain(own) {
            found.bundles_in(&folder);
        }
    }
    if os == Os::Windows {
        for folder in [PathBuf::from(OF_ALL_OF_WINDOWS)].into_iter().chain(below(OF_WINDOWS)) {
            for folder in found.matching(&folder) {
                found.programs_of_windows_in(&folder);
            }
        }
    }
    for folder in below(EXTENSIONS) {
        found.extensions_in(&folder);
    }
    let mut all: Vec<Installed> = found.all.into_values().collect();
    let abouts = adapters::ALL.iter().map(|adapter| adapter.about());
    let ranks: BTreeMap<&str, _> = abouts.map(|about| (about.id, about.rank)).collect();
    let rank = |id: &str| ranks.get(id).copied();
    all.sort_by(|a, b| (rank(a.id), &a.path).cmp(&(rank(b.id), &b.path)));
    all
}

/// What was found so far, each file once.
struct Found<'m> {
    machine: &'m Machine,
    all: BTreeMap<(&'static str, PathBuf), Installed>,
}

impl Found<'_> {
    fn programs_in(&mut self, folder: &Path) {
        let names = self.names(folder);
        for name in names {
            let Some(about) = client_of(&stem(Path::new(&name)), false) else { continue };
            let path = folder.join(&name);
            let Ok(program) = self.machine.program(&path) else { continue };
            if program.executable {
                let version = self
                    .of_packages_above(&program.real_path, about)
                    .or_else(|| of_path(&program.real_path, about))
                    .or_else(|| self.of_package_beside(folder, about));
                self.add(about, path, program.real_path, version);
            }
        }
    }

    fn programs_of_windows_in(&mut self, folder: &Path) {
        for name in self.names(folder).into_iter().filter(|name| name.to_lowercase().ends_with(".exe")) {
            let Some(about) = client_of(&stem(Path::new(&name)), true) else { continue };
            let path = folder.join(&name);
            let of_folder = || {
                let name = folder.file_name()?.to_str()?;
                name.strip_prefix("app-").filter(|version| is_version(version)).map(str::to_owned)
            };
            let version =
                self.of_package(&folder.join("resources/app/package.json"), None).or_else(of_folder);
            self.add(about, path.clone(), path, version);
        }
    }

    fn bundles_in(&mut self, folder: &Path) {
        for name in self.names(folder) {
            let Some(title) = name.strip_suffix(".app") else { continue };
            let contents = folder.join(&name).join("Contents");
            let names = [title.to_owned()].into_iter().chain(self.names(&contents.join("MacOS")));
            let mut abouts = names.filter_map(|name| client_of(&name.to_lowercase(), true));
            let Some(about) = abouts.next() else { continue };
            let version = self
                .text(&contents.join("Info.plist"))
                .and_then(|text| of_plist(&text))
                .or_else(|| self.of_package(&contents.join("Resources/app/package.json"), None));
            self.add(about, folder.join(&name), folder.join(&name), version);
        }
    }

    /// Folders of extensions are called `publisher.name-version`, with the system behind it where there are several.
    fn extensions_in(&mut self, folder: &Path) {
        let abouts: Vec<&'static About> = adapters::ALL.iter().map(|adapter| adapter.about()).collect();
        for name in self.names(folder) {
            let lower = name.to_lowercase();
            for about in &abouts {
                let version = extensions_of(about).find_map(|id| lower.strip_prefix(id)?.strip_prefix('-'));
                if let Some(version) = version.and_then(|rest| rest.split('-').next()) {
                    let version = Some(version.to_owned()).filter(|version| is_version(version));
                    self.add(about, folder.join(&name), folder.join(&name), version);
                }
            }
        }
    }

    /// The version of the package in which a program lies.
    fn of_packages_above(&self, real: &Path, about: &About) -> Option<String> {
        real.ancestors().skip(1).take(ABOVE).find_map(|folder| {
            self.of_package(&folder.join("package.json"), Some(about))
                // what is below it is the editor's own
                .or_else(|| self.of_package(&folder.join("resources/app/package.json"), None))
        })
    }

    /// npm on Windows, and some installers, put a script beside the folder of packages.
    fn of_package_beside(&self, folder: &Path, about: &About) -> Option<String> {
        let packages = folder.join("node_modules");
        let version = |at: &Path| self.of_package(&at.join("package.json"), Some(about));
        self.names(&packages).into_iter().find_map(|name| {
            let at = packages.join(&name);
            match name.starts_with('@') {
                true => self.names(&at).into_iter().find_map(|inner| version(&at.join(inner))),
                false => version(&at),
            }
        })
    }

    /// The version of a `package.json`, if it is that of a client.
    fn of_package(&self, path: &Path, about: Option<&About>) -> Option<String> {
        #[derive(Deserialize)]
        struct Package {
            #[serde(default)]
            name: String,
            version: String,
            #[serde(default)]
            bin: serde_json::Value,
        }
        let package: Package = serde_json::from_str(&self.text(path)?).ok()?;
        let is_its = |about: &About| {
            let last = package.name.rsplit('/').next().unwrap_or_default();
            about.processes.iter().any(|process| match &package.bin {
                serde_json::Value::Object(programs) => programs.contains_key(*process),
                // one program of the package's own name
                _ => last.eq_ignore_ascii_case(process),
            })
        };
        (about.is_none_or(is_its) && is_version(&package.version)).then_some(package.version)
    }

    fn add(&mut self, about: &'static About, path: PathBuf, real: PathBuf, version: Option<String>) {
        let tested_versions = about.tested();
        let tested = match &version {
            None => Tested::Unknown,
            Some(_) if tested_versions.is_empty() => Tested::None,
            Some(version) if tested_versions.contains(&version.trim_start_matches('v')) => {
                Tested::ThisVersion
            }
            Some(_) => Tested::OtherVersions,
        };
        let one = Installed { id: about.id, name: about.name, version, path, tested, tested_versions };
        self.all.entry((about.id, real)).or_insert(one);
    }

    /// The folders that a path with `*` in it leads to.
    fn matching(&self, path: &Path) -> Vec<PathBuf> {
        let mut found = vec![PathBuf::new()];
        for component in path.components() {
            let word = component.as_os_str().to_string_lossy().into_owned();
            let Some((before, after)) = word.split_once('*') else {
                found.iter_mut().for_each(|folder| folder.push(component));
                continue;
            };
            let fits = |name: &String| name.starts_with(before) && name.ends_with(after);
            let below = |folder: &PathBuf| {
                self.names(folder).into_iter().filter(fits).map(|name| folder.join(name)).collect::<Vec<_>>()
            };
            found = found.iter().flat_map(below).collect();
        }
        found
    }

    fn names(&self, folder: &Path) -> Vec<String> {
        let names = self.machine.list(folder).unwrap_or_default().into_iter();
        names.take(MOST_NAMES).filter_map(|entry| entry.name.into_string().ok()).collect()
    }

    fn text(&self, path: &Path) -> Option<String> {
        String::from_utf8(self.machine.read(path, None, MAX_BYTES).ok()?.bytes).ok()
    }
}

/// The client with a program of this name. Of two (`claude`) the one with windows has helpers, and is installed as a bundle.
fn client_of(name: &str, is_bundle: bool) -> Option<&'static About> {
    let abouts = adapters::ALL.iter().map(|adapter| adapter.about());
    let named: Vec<&'static About> = abouts.filter(|about| about.processes.contains(&name)).collect();
    let has_helper = |about: &&&'static About| {
        about
            .processes
            .iter()
            .any(|process| process.strip_prefix(name).is_some_and(|rest| rest.starts_with(" helper")))
    };
    let of_kind = named.iter().find(|about| has_helper(about) == is_bundle);
    of_kind.or(named.first()).copied()
}

/// Ids of the extensions that a client is, by the folders in which editors keep what is theirs.
fn extensions_of(about: &'static About) -> impl Iterator<Item = &'static str> {
    let below = about.locations.iter().filter_map(|location| location.path.split_once("globalStorage/"));
    below.filter_map(|(_, rest)| rest.split('/').next()).filter(|id| id.contains('.'))
}

/// The version in a path, where a folder before it has the client's name: `claude/versions/2.1.329`,
/// `Cellar/gemini-cli/0.61.0/bin/gemini`. That of a Node that it runs on is none.
fn of_path(real: &Path, about: &About) -> Option<String> {
    let words: Vec<String> = real.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let is_its = |word: &String| {
        let word = word.to_lowercase();
        word == about.id || about.processes.contains(&word.as_str())
    };
    let version = |at: &usize| {
        let before = words.get(at.saturating_sub(2)..*at).unwrap_or_default();
        words.get(*at).is_some_and(|word| is_version(word)) && before.iter().any(is_its)
    };
    (0..words.len()).rev().find(version).map(|at| words[at].clone())
}

/// The version in an `Info.plist` that is text; one in Apple's binary form is not read.
fn of_plist(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("<key>CFBundleShortVersionString</key>")?;
    let (version, _) = rest.trim_start().strip_prefix("<string>")?.split_once("</string>")?;
    Some(version.trim().to_owned()).filter(|version| is_version(version))
}

/// Whether a text is a version and nothing else: it is shown.
fn is_version(text: &str) -> bool {
    let digits = text.strip_prefix('v').unwrap_or(text);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+' | b'_');
    text.len() <= 40
        && digits.starts_with(|first: char| first.is_ascii_digit())
        && digits.contains('.')
        && digits.bytes().all(is_plain)
}

#[cfg(test)]
#[path = "installed_tests.rs"]
mod tests;

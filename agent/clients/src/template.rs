//! Path templates to path patterns of one home. Pure: which of them exist is the caller's business.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::adapter::About;
use crate::location::Os;

/// What is known of one home (or of the machine) when templates are expanded.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Whose paths.
    pub os: Os,
    /// The home directory.
    pub home: PathBuf,
    /// Values seen for variables of clients, absolute paths. A variable may have several: one a shell, one a client.
    pub variables: BTreeMap<String, BTreeSet<PathBuf>>,
}

/// A path, and components below it of which any may be `*` or have a `*` in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    /// The part without wildcards.
    pub base: PathBuf,
    /// The rest, component by component; empty if the whole path is literal.
    pub rest: Vec<String>,
}

impl Pattern {
    /// Whether a path is one that it stands for.
    pub fn fits(&self, path: &Path) -> bool {
        let Ok(below) = path.strip_prefix(&self.base) else { return false };
        let names: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        fits(&self.rest, &names)
    }
}

fn fits(wanted: &[String], names: &[std::borrow::Cow<'_, str>]) -> bool {
    match wanted.split_first() {
        None => names.is_empty(),
        Some((first, rest)) if first == ANY_FOLDERS => {
            (0..=names.len()).any(|skip| fits(rest, &names[skip..]))
        }
        Some((first, rest)) => {
            names.split_first().is_some_and(|(name, left)| component_matches(first, name) && fits(rest, left))
        }
    }
}

/// Variables that any template may use: name, and the default for each system.
const COMMON: &[(&str, &str, &str, &str)] = &[
    ("XDG_CONFIG_HOME", "~/.config", "~/.config", "~/.config"),
    ("XDG_DATA_HOME", "~/.local/share", "~/.local/share", "~/.local/share"),
    ("APPDATA", "", "", "~/AppData/Roaming"),
    ("LOCALAPPDATA", "", "", "~/AppData/Local"),
    ("USERPROFILE", "", "", "~"),
    ("PROGRAMDATA", "", "", "C:/ProgramData"),
    ("PROGRAMFILES", "", "", "C:/Program Files"),
];

/// Names of all variables that may move files of these clients.
pub fn variable_names<'a>(clients: impl IntoIterator<Item = &'a About>) -> BTreeSet<&'static str> {
    let own = clients.into_iter().flat_map(|c| c.variables.iter().map(|v| v.name));
    own.chain(["XDG_CONFIG_HOME", "XDG_DATA_HOME"]).collect()
}

/// Names of all variables that bring servers of these clients in a way that is not followed.
pub fn content_names<'a>(clients: impl IntoIterator<Item = &'a About>) -> BTreeSet<&'static str> {
    clients.into_iter().flat_map(|c| c.content.iter().copied()).collect()
}

/// Expands a template of a client for a home. Templates of projects and plugins give nothing here: see [`below`].
pub fn expand(about: &About, template: &str, layout: &Layout) -> Vec<Pattern> {
    roots(about, template, layout).into_iter().map(|(root, rest)| pattern(&root, rest)).collect()
}

/// Expands the part of a `<project>/…` or `<plugin>/…` template below its directory; `None` for other templates.
pub fn below(template: &str, prefix: &str, directory: &Path) -> Option<Pattern> {
    template.strip_prefix(prefix)?.strip_prefix('/').map(|rest| pattern(directory, rest))
}

/// The directories that the first component stands for, with what follows.
fn roots<'t>(about: &About, template: &'t str, layout: &Layout) -> Vec<(PathBuf, &'t str)> {
    let (first, rest) = template.split_once('/').unwrap_or((template, ""));
    let variable =
        first.strip_prefix('$').or_else(|| first.strip_prefix('%').and_then(|f| f.strip_suffix('%')));
    if first == "~" {
        return vec![(layout.home.clone(), rest)];
    }
    if first.starts_with('<') {
        return Vec::new();
    }
    let Some(variable) = variable else {
        return vec![(
            PathBuf::from(if first.is_empty() { "/".to_owned() } else { format!("{first}/") }),
            rest,
        )];
    };
    let (name, only_if_set) = variable.strip_suffix('?').map_or((variable, false), |name| (name, true));
    let mut places: BTreeSet<PathBuf> = layout.variables.get(name).cloned().unwrap_or_default();
    if !only_if_set {
        places.extend(default_of(about, name, layout));
    }
    places.into_iter().map(|place| (place, rest)).collect()
}

fn default_of(about: &About, name: &str, layout: &Layout) -> Vec<PathBuf> {
    let own = about.variables.iter().find(|v| v.name == name).map(|v| v.default);
    let common = COMMON.iter().find(|v| v.0 == name).map(|v| match layout.os {
        Os::Linux => v.1,
        Os::Macos => v.2,
        Os::Windows => v.3,
    });
    let default = own.or(common).unwrap_or("");
    if default.is_empty() || default.strip_prefix('$').is_some_and(|d| d.starts_with(name)) {
        return Vec::new();
    }
    roots(about, default, layout).into_iter().map(|(root, rest)| join(&root, rest)).collect()
}

fn join(root: &Path, rest: &str) -> PathBuf {
    rest.split('/').filter(|part| !part.is_empty()).fold(root.to_owned(), |path, part| path.join(part))
}

fn pattern(root: &Path, rest: &str) -> Pattern {
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    let literal = parts.iter().position(|part| part.contains('*')).unwrap_or(parts.len());
    let base = parts[..literal].iter().fold(root.to_owned(), |path, part| path.join(part));
    Pattern { base, rest: parts[literal..].iter().map(|part| (*part).to_owned()).collect() }
}

/// The component that stands for any folders, or none.
pub const ANY_FOLDERS: &str = "**";

/// Whether a file name fits a component of a pattern; `*` stands for any run of characters but a leading dot alone.
pub fn component_matches(component: &str, name: &str) -> bool {
    match component.split_once('*') {
        None => component == name,
        Some((head, tail)) => {
            name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Variable;

    const ABOUT: About =
        About { variables: &[Variable { name: "CODEX_HOME", default: "~/.codex" }], ..About::NONE };

    fn layout(os: Os, variables: &[(&str, &str)]) -> Layout {
        let mut map: BTreeMap<String, BTreeSet<PathBuf>> = BTreeMap::new();
        for (name, value) in variables {
            map.entry((*name).to_owned()).or_default().insert(PathBuf::from(value));
        }
        Layout { os, home: PathBuf::from("/home/dev"), variables: map }
    }

    fn paths(template: &str, layout: &Layout) -> Vec<String> {
        let patterns = expand(&ABOUT, template, layout);
        patterns.iter().map(|p| format!("{} {}", p.base.display(), p.rest.join("/"))).collect()
    }

    #[test]
    fn a_set_variable_adds_a_place_and_keeps_the_default() {
        let set = layout(Os::Linux, &[("CODEX_HOME", "/opt/codex")]);
        assert_eq!(
            paths("$CODEX_HOME/config.toml", &set),
            ["/home/dev/.codex/config.toml ", "/opt/codex/config.toml "]
        );
        assert_eq!(paths("$CODEX_HOME?/x", &set), ["/opt/codex/x "]);
        assert_eq!(paths("$CODEX_HOME?/x", &layout(Os::Linux, &[])), Vec::<String>::new());
    }

    #[test]
    fn wildcards_split_the_path_where_they_begin() {
        assert_eq!(
            paths("~/.kiro/agents/*.json", &layout(Os::Linux, &[])),
            ["/home/dev/.kiro/agents *.json"]
        );
        assert!(component_matches("*.json", "a.json") && !component_matches("*.json", "a.yaml"));
    }

    #[test]
    fn machine_paths_and_windows_folders_are_expanded() {
        assert_eq!(paths("/etc/codex/config.toml", &layout(Os::Linux, &[])), ["/etc/codex/config.toml "]);
        assert_eq!(
            paths("%APPDATA%/Zed/settings.json", &layout(Os::Windows, &[])),
            ["/home/dev/AppData/Roaming/Zed/settings.json "]
        );
    }
}

//! What could not be read or judged. A gap is counted and told; nothing is passed over in silence.

use std::path::{Path, PathBuf};

/// Every kind that there is.
pub const KINDS: &[&str] = &[
    "agent-file",
    "config-dir-unresolved",
    "container",
    "deep-nesting",
    "devcontainer",
    "docker-gateway",
    "extension-servers",
    "foreign-file",
    "hub-blocks",
    "linked-directory",
    "managed-preferences",
    "network-file-system",
    "not-a-regular-file",
    "not-evaluable",
    "not-hashed",
    "other-file-system",
    "outside-scope",
    "plugin-file",
    "protected-folder",
    "remote-host",
    "server-manager",
    "system-account",
    "too-large",
    "unparseable",
    "unreadable",
    "walk-budget",
    "worker-failed",
    "wsl",
];

/// The kind that a word names.
pub fn kind_named(word: &str) -> Option<&'static str> {
    KINDS.iter().copied().find(|kind| *kind == word)
}

/// One gap in coverage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// Stable kind; docs/report-format.md lists them.
    pub kind: &'static str,
    /// What was passed over and why, without any value of a configuration.
    pub reason: String,
    /// Where, as a path of the machine.
    pub path: Option<PathBuf>,
    /// How many things.
    pub count: u64,
    /// Index of the home concerned.
    pub home: Option<usize>,
    /// Servers of this machine may have been missed that this scan should have seen.
    pub partial: bool,
}

impl Gap {
    /// A gap at one place that makes the scan partial.
    pub fn at(kind: &'static str, reason: impl Into<String>, path: &Path) -> Self {
        Self { kind, reason: reason.into(), path: Some(path.to_owned()), count: 1, home: None, partial: true }
    }

    /// A gap that no scan of this machine could close (another machine, a cloud account, a program).
    pub fn beyond(kind: &'static str, reason: impl Into<String>, path: Option<&Path>) -> Self {
        let path = path.map(Path::to_owned);
        Self { kind, reason: reason.into(), path, count: 1, home: None, partial: false }
    }

    /// The same gap, of something that this scan should have seen.
    #[must_use]
    pub fn partial(mut self) -> Self {
        self.partial = true;
        self
    }

    /// The same gap for so many things.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.count = count;
        self
    }

    /// The same gap of a home.
    #[must_use]
    pub fn of_home(mut self, home: Option<usize>) -> Self {
        self.home = home;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_gap_is_in_the_documentation() {
        let text = include_str!("../../docs/report-format.md");
        let (_, table) = text.split_once("## Kinds of coverage gaps").unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| `"));
        let first = rows.filter_map(|row| row.split('|').nth(1));
        let told: std::collections::BTreeSet<&str> =
            first.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        assert_eq!(told.into_iter().collect::<Vec<_>>(), KINDS);
    }
}

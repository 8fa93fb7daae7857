//! Other sources of a client that are on a machine and may win over what is written for it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mcpolicy_native::{self as native, Client, Over, Sign};

use crate::judge::system_of;
use crate::pipeline::{Ground, Outcome};
use crate::worker::homes::Homes;

/// Where one was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file or variable; empty for what stands on no machine.
    pub place: String,
    /// Whether it is there; nothing can say so of what stands on no machine.
    pub is_there: Option<bool>,
    /// It is certain that it wins.
    pub is_certain: bool,
    /// What it is, and what follows.
    pub what: &'static str,
}

impl Source {
    /// Whether what is written for the client does not count.
    pub fn wins(&self) -> bool {
        self.is_certain && self.is_there == Some(true)
    }
}

/// Looks for the other sources of a client. `outcome` is what a scan of the machine found.
pub fn sources(client: Client, ground: &Ground, homes: &Homes<'_>, outcome: &Outcome) -> Vec<Source> {
    let found = |over: Over| {
        let of = |place: String, is_there| Source {
            place,
            is_there,
            is_certain: over.is_certain,
            what: over.what,
        };
        match &over.sign {
            Sign::None => vec![of(String::new(), None)],
            Sign::File(path) => {
                let is_there = ground.machine.kind(Path::new(path)).is_some();
                vec![of(path.clone(), Some(is_there))]
            }
            Sign::Template(template) => {
                let files = of_template(outcome, template);
                files.into_iter().map(|path| of(path.display().to_string(), Some(true))).collect()
            }
            Sign::Variable(name) => {
                let values = of_variable(name, ground, homes, outcome);
                values.into_iter().map(|path| of(format!("{name}={}", path.display()), Some(true))).collect()
            }
        }
    };
    native::over(client, system_of(ground.os)).into_iter().flat_map(found).collect()
}

fn of_template(outcome: &Outcome, template: &str) -> BTreeSet<PathBuf> {
    let sources = outcome.sources.iter().map(|result| &result.source);
    sources
        .filter(|source| source.readings.iter().any(|reading| reading.location.path.starts_with(template)))
        .map(|source| source.path.clone())
        .collect()
}

/// Where a variable leads clients of any home: by the environment of those that run, start files, and files of projects.
fn of_variable(name: &str, ground: &Ground, homes: &Homes<'_>, outcome: &Outcome) -> BTreeSet<PathBuf> {
    let said = ground.homes.iter().filter_map(|home| home.layout.variables.get(name));
    let mut all: BTreeSet<PathBuf> = said.chain(outcome.moved.get(name)).flatten().cloned().collect();
    all.extend(homes.moved_by(name));
    // of what a worker has read in its user's files, the files that are there
    all.extend(of_template(outcome, &format!("${name}")));
    all
}

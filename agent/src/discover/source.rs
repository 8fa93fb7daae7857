//! A source: a location resolved for one user or project, with everybody who reads it.

use std::path::PathBuf;

use mcpolicy_clients::adapter::ClientAdapter;
use mcpolicy_clients::location::{Location, Role};
use mcpolicy_schema::entry::Scope;

/// One client reading one file by one of its locations.
#[derive(Clone, Copy)]
pub struct Reading {
    /// The client.
    pub adapter: &'static dyn ClientAdapter,
    /// The location by which it found the file.
    pub location: &'static Location,
}

impl Reading {
    /// Order of ownership: own files first, then the scope that is nearer to the user, then the more common client.
    fn precedence(&self) -> (bool, bool, u8) {
        let project = self.location.scope == Scope::Project;
        (self.location.role != Role::Own, project, self.adapter.about().rank)
    }

    fn same_as(&self, other: &Self) -> bool {
        self.adapter.about().id == other.adapter.about().id && self.location.path == other.location.path
    }
}

/// A file to be read.
#[derive(Clone)]
pub struct Source {
    /// Path on the machine (inside the root that is taken for it), as found: links are not resolved.
    pub path: PathBuf,
    /// Index of the home it belongs to, `None` for machine-wide files and checkouts.
    pub home: Option<usize>,
    /// Who reads it, the owner first. Never empty.
    pub readings: Vec<Reading>,
}

impl Source {
    /// A source with its first reader.
    pub fn new(path: PathBuf, home: Option<usize>, reading: Reading) -> Self {
        Self { path, home, readings: vec![reading] }
    }

    /// Whose location it is.
    pub fn owner(&self) -> &Reading {
        &self.readings[0]
    }

    /// Adds readers of the same file and keeps the owner first. Whether there are more now.
    pub fn join(&mut self, readings: &[Reading]) -> bool {
        let before = self.readings.len();
        for reading in readings {
            if !self.readings.iter().any(|r| r.same_as(reading)) {
                self.readings.push(*reading);
            }
        }
        self.readings.sort_by_key(Reading::precedence);
        self.readings.len() > before
    }
}

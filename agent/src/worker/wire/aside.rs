//! What stands around files, and what clients keep about entries of other files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::answer::{Claims, absolute};
use super::entry::client;
use super::{Failure, WirePath};
use crate::enforce::owned::{Owner, service_known};
use crate::worker::aside::{Around, Aside, Declaration, Keeping, KeptFile};

/// More files than a template can stand for.
const MAX_KEPT: usize = 10_000;
/// More clients than there are.
const MAX_CLIENTS: usize = 1000;

#[derive(Serialize, Deserialize)]
pub(super) struct WireAside {
    client: String,
    keeping: Keeping,
    template: String,
    declared: Vec<Declaration>,
    others: Vec<Declaration>,
}

impl WireAside {
    pub(super) fn of(aside: Aside) -> Self {
        let Aside { client, keeping, template, declared, others } = aside;
        Self { client: client.to_owned(), keeping, template, declared, others }
    }

    pub(super) fn aside(self) -> Result<Aside, Failure> {
        let Self { client: id, keeping, template, declared, others } = self;
        Ok(Aside { client: client(&id)?, keeping, template, declared, others })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct WireKeptFile {
    path: WirePath,
    there: bool,
    free: bool,
    settled: bool,
}

impl WireKeptFile {
    pub(super) fn of(file: &KeptFile) -> Self {
        let KeptFile { path, there, free, settled } = file;
        Self { path: WirePath::of(path), there: *there, free: *free, settled: *settled }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct WireAround {
    real: WirePath,
    owner: Option<(WirePath, Option<String>)>,
    project: Option<WirePath>,
    checkout: Option<WirePath>,
    repository: Option<WirePath>,
    unchanged_ms: u64,
    clients: Vec<String>,
}

impl WireAround {
    pub(super) fn of(around: &Around) -> Self {
        let path = |path: &Option<PathBuf>| path.as_deref().map(WirePath::of);
        Self {
            real: WirePath::of(&around.real),
            owner: around.owner.as_ref().map(|owner| match owner {
                Owner::Git { root } => (WirePath::of(root), None),
                Owner::Sync { root, service } => (WirePath::of(root), Some((*service).to_owned())),
            }),
            project: path(&around.project),
            checkout: path(&around.checkout),
            repository: path(&around.repository),
            unchanged_ms: u64::try_from(around.unchanged.as_millis()).unwrap_or(u64::MAX),
            clients: around.clients.iter().map(|client| (*client).to_owned()).collect(),
        }
    }
}

impl Claims<'_> {
    pub(super) fn kept(&self, wired: Vec<WireKeptFile>) -> Result<Vec<KeptFile>, Failure> {
        if wired.len() > MAX_KEPT {
            return Err(Failure::Flood);
        }
        let file = |WireKeptFile { path, there, free, settled }| {
            Ok(KeptFile { path: absolute(path)?, there, free, settled })
        };
        wired.into_iter().map(file).collect()
    }

    pub(super) fn around(&self, wired: WireAround) -> Result<Around, Failure> {
        if wired.clients.len() > MAX_CLIENTS {
            return Err(Failure::Flood);
        }
        let path = |path: Option<WirePath>| path.map(absolute).transpose();
        let real = absolute(wired.real)?;
        let owner = wired.owner.map(|(root, service)| {
            let root = above(absolute(root)?, &real)?;
            Ok(match service {
                None => Owner::Git { root },
                Some(name) => {
                    let service =
                        service_known(&name).ok_or(Failure::Nonsense("a service that is not known"))?;
                    Owner::Sync { root, service }
                }
            })
        });
        Ok(Around {
            owner: owner.transpose()?,
            real,
            project: path(wired.project)?,
            checkout: path(wired.checkout)?,
            repository: path(wired.repository)?,
            unchanged: Duration::from_millis(wired.unchanged_ms),
            clients: wired.clients.iter().map(|id| client(id)).collect::<Result<_, _>>()?,
        })
    }
}

/// A tree that the file lies in.
fn above(root: PathBuf, file: &Path) -> Result<PathBuf, Failure> {
    if file.starts_with(&root) {
        Ok(root)
    } else {
        Err(Failure::Nonsense("a file that lies outside of its tree"))
    }
}

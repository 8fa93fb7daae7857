//! Facts of one file, each path looked at once and hashed at most once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mcpolicy_platform::machine::{Account, Machine, ReadError};
use mcpolicy_schema::evaluate::FileFacts;
use sha2::{Digest, Sha256};

use crate::gap::Gap;

/// Largest file that is hashed, in bytes. The largest programs of MCP servers have about 120 MiB.
const MAX_HASHED: u64 = 256 << 20;
/// Most bytes that one scan hashes: entries that name thousands of large files must not keep it busy for hours.
const MAX_HASHED_IN_ALL: u64 = 4 << 30;

pub(super) struct Files<'a> {
    machine: &'a Machine,
    known: BTreeMap<(PathBuf, Option<u32>), Option<FileFacts>>,
    digests: BTreeMap<PathBuf, Option<String>>,
    hashed: u64,
    max_hashed: u64,
    gaps: Vec<Gap>,
}

impl<'a> Files<'a> {
    pub(super) fn new(machine: &'a Machine) -> Self {
        Self {
            machine,
            known: BTreeMap::new(),
            digests: BTreeMap::new(),
            hashed: 0,
            max_hashed: MAX_HASHED,
            gaps: Vec::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn hashing_at_most(machine: &'a Machine, max_hashed: u64) -> Self {
        Self { max_hashed, ..Self::new(machine) }
    }

    /// What is known of the regular file at an absolute path.
    pub(super) fn facts(
        &mut self,
        path: &Path,
        account: &Account,
        wants_digest: &dyn Fn(&str) -> bool,
    ) -> Option<FileFacts> {
        let key = (path.to_owned(), account.uid);
        if !self.known.contains_key(&key) {
            let facts = self.look(path, account);
            self.known.insert(key.clone(), facts);
        }
        let mut facts = self.known.get(&key)?.clone()?;
        if wants_digest(&facts.path) || wants_digest(&facts.real_path) {
            facts.sha256 = self.digest(Path::new(&facts.real_path));
        }
        Some(facts)
    }

    pub(super) fn take_gaps(&mut self) -> Vec<Gap> {
        std::mem::take(&mut self.gaps)
    }

    fn look(&self, path: &Path, account: &Account) -> Option<FileFacts> {
        let program = self.machine.program(path).ok()?;
        Some(FileFacts {
            path: path.to_str()?.to_owned(),
            real_path: program.real_path.to_str()?.to_owned(),
            sha256: None,
            user_writable: self.machine.is_writable_by(path, account),
        })
    }

    fn digest(&mut self, path: &Path) -> Option<String> {
        if let Some(known) = self.digests.get(path) {
            return known.clone();
        }
        let digest = self.hash(path);
        self.digests.insert(path.to_owned(), digest.clone());
        digest
    }

    fn hash(&mut self, path: &Path) -> Option<String> {
        if self.hashed >= MAX_HASHED_IN_ALL {
            let reason = "this scan has hashed 4 GiB; the digest of this file is not known";
            self.gaps.push(Gap::beyond("not-hashed", reason, Some(path)));
            return None;
        }
        let mut hash = Sha256::new();
        let mut read = 0_u64;
        let done = self.machine.stream(path, self.max_hashed, &mut |piece| {
            hash.update(piece);
            read += piece.len() as u64;
        });
        self.hashed += read;
        match done {
            Ok(()) => Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            Err(error) => {
                let reason = match error {
                    ReadError::TooLarge { .. } => "larger than 256 MiB; the digest is not known".to_owned(),
                    error => format!("the digest is not known: the file {error}"),
                };
                self.gaps.push(Gap::beyond("not-hashed", reason, Some(path)));
                None
            }
        }
    }
}

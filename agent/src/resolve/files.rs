//! Facts of one file, each path looked at once and hashed at most once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mcpolicy_platform::machine::Account;
use mcpolicy_schema::evaluate::FileFacts;

use super::{Look, Unhashed};
use crate::gap::Gap;
use crate::worker::Seen;

/// Largest file that is hashed, in bytes. The largest programs of MCP servers have about 120 MiB.
const MAX_HASHED: u64 = 256 << 20;
/// Most bytes that one scan hashes for one home: entries that name thousands of large files must not keep it busy for
/// hours, nor use up what the files of others need.
const MAX_HASHED_IN_ALL: u64 = 4 << 30;

/// What a file that could not be hashed counts.
const CHARGE: u64 = 1 << 20;

pub(super) struct Files<'a> {
    look: &'a dyn Look,
    known: BTreeMap<(PathBuf, Option<usize>, Option<u32>), Option<FileFacts>>,
    digests: BTreeMap<(PathBuf, Option<usize>), Option<String>>,
    hashed: BTreeMap<Option<usize>, u64>,
    max_hashed: u64,
    gaps: Vec<Gap>,
}

impl<'a> Files<'a> {
    pub(super) fn new(look: &'a dyn Look) -> Self {
        Self {
            look,
            known: BTreeMap::new(),
            digests: BTreeMap::new(),
            hashed: BTreeMap::new(),
            max_hashed: MAX_HASHED,
            gaps: Vec::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn hashing_at_most(look: &'a dyn Look, max_hashed: u64) -> Self {
        Self { max_hashed, ..Self::new(look) }
    }

    /// What is known of the regular file at an absolute path. `home` is whose entry names it.
    pub(super) fn facts(
        &mut self,
        path: &Path,
        home: Option<usize>,
        account: &Account,
        wants_digest: &dyn Fn(&str) -> bool,
    ) -> Option<FileFacts> {
        let key = (path.to_owned(), home, account.uid);
        if !self.known.contains_key(&key) {
            let facts = self.look(path, home, account);
            if self.look.gives_none(home) {
                return None;
            }
            self.known.insert(key.clone(), facts);
        }
        let mut facts = self.known.get(&key)?.clone()?;
        if wants_digest(&facts.path) || wants_digest(&facts.real_path) {
            facts.sha256 = self.digest(Path::new(&facts.real_path), home);
        }
        Some(facts)
    }

    pub(super) fn take_gaps(&mut self) -> Vec<Gap> {
        std::mem::take(&mut self.gaps)
    }

    fn look(&self, path: &Path, home: Option<usize>, account: &Account) -> Option<FileFacts> {
        let Seen::Program(program) = self.look.program(home, path) else { return None };
        Some(FileFacts {
            path: path.to_str()?.to_owned(),
            real_path: program.real_path.to_str()?.to_owned(),
            sha256: None,
            user_writable: self.look.user_writable(home, path, account),
        })
    }

    fn digest(&mut self, path: &Path, home: Option<usize>) -> Option<String> {
        let key = (path.to_owned(), home);
        if let Some(known) = self.digests.get(&key) {
            return known.clone();
        }
        let digest = self.hash(path, home);
        if self.look.gives_none(home) {
            return digest;
        }
        self.digests.insert(key, digest.clone());
        digest
    }

    fn hash(&mut self, path: &Path, home: Option<usize>) -> Option<String> {
        let hashed = self.hashed.entry(home).or_default();
        if *hashed >= MAX_HASHED_IN_ALL {
            let reason = "this scan has hashed 4 GiB; the digest of this file is not known";
            self.gaps.push(Gap::beyond("not-hashed", reason, Some(path)).of_home(home));
            return None;
        }
        match self.look.hash(home, path, self.max_hashed) {
            Ok((digest, length)) => {
                *hashed = hashed.saturating_add(length);
                Some(digest)
            }
            Err(Unhashed(why)) => {
                // as much as may have been read
                *hashed = hashed.saturating_add(CHARGE);
                let reason = format!("the digest is not known: the file {why}");
                self.gaps.push(Gap::beyond("not-hashed", reason, Some(path)).of_home(home));
                None
            }
        }
    }
}

//! Verdicts that were reached before: a fleet has few different servers.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use mcpolicy_schema::report::v1;
use sha2::{Digest, Sha256};

use super::key::{self, Asked};
use super::Answer;
use crate::authoring::stored::Site;

/// Parts with a lock each, so that threads seldom wait for each other.
const SHARDS: usize = 32;

type Shard = RwLock<BTreeMap<[u8; 32], Arc<Answer>>>;

/// Answers by the digest of everything that they depend on.
#[derive(Debug)]
pub(crate) struct Cache {
    asked: Asked,
    shards: Vec<Shard>,
}

impl Cache {
    pub(super) fn new(asked: Asked) -> Self {
        Self { asked, shards: (0..SHARDS).map(|_| Shard::default()).collect() }
    }

    /// The answer for an entry, made anew only if there is none yet.
    pub(super) fn answer(
        &self,
        entry: &v1::Entry,
        site: &Site<'_>,
        make: impl FnOnce() -> Answer,
    ) -> Arc<Answer> {
        let digest: [u8; 32] = Sha256::digest(key::of(entry, site, self.asked)).into();
        let shard = &self.shards[usize::from(digest[0]) % SHARDS];
        // A panic elsewhere leaves the map whole: it is only ever inserted into.
        if let Some(known) = shard.read().unwrap_or_else(PoisonError::into_inner).get(&digest) {
            return Arc::clone(known);
        }
        let made = Arc::new(make());
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(shard.entry(digest).or_insert(made))
    }
}

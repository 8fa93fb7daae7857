//! What was made of an entry before: a fleet has few different servers.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use mcpolicy_schema::report::v1;

use super::key::{self, Asked};
use crate::authoring::stored::Site;

/// Parts with a lock each, so that threads seldom wait for each other.
const SHARDS: usize = 32;

type Shard<T> = RwLock<BTreeMap<[u8; 32], Arc<T>>>;

/// What was made of entries, by the digest of everything that they depend on.
#[derive(Debug)]
pub(crate) struct Cache<T> {
    asked: Asked,
    shards: Vec<Shard<T>>,
}

impl<T> Cache<T> {
    pub(crate) fn new(asked: Asked) -> Self {
        Self { asked, shards: (0..SHARDS).map(|_| Shard::<T>::default()).collect() }
    }

    /// What is made of an entry, anew only if there is none yet.
    pub(crate) fn get(&self, entry: &v1::Entry, site: &Site<'_>, make: impl FnOnce() -> T) -> Arc<T> {
        let digest = key::of(entry, site, self.asked);
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

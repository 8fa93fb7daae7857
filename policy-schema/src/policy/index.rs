//! Rules by identity and by usual name, so that judging an entry does not read all of them.

use std::collections::BTreeMap;

use super::key;
use crate::document::IdentityMatcher;

/// Indices of rules by key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    by_key: BTreeMap<String, Vec<usize>>,
    /// Rules that mean everything.
    any: Vec<usize>,
}

impl Index {
    pub(crate) fn new<'a>(matchers: impl Iterator<Item = &'a IdentityMatcher>) -> Self {
        let mut index = Self::default();
        for (at, matcher) in matchers.enumerate() {
            match key::of_matcher(matcher) {
                Some(key) => index.by_key.entry(key).or_default().push(at),
                None => index.any.push(at),
            }
        }
        index
    }

    /// Rules under any of these keys, in the policy's order.
    pub(crate) fn find(&self, keys: &[String]) -> Vec<usize> {
        let mut found: Vec<usize> =
            keys.iter().filter_map(|key| self.by_key.get(key)).flatten().chain(&self.any).copied().collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Rules under one key.
    pub(crate) fn at(&self, key: &str) -> &[usize] {
        self.by_key.get(key).map_or(&[], Vec::as_slice)
    }

    /// Whether there is no rule at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_key.is_empty() && self.any.is_empty()
    }

    /// Rules that mean everything.
    pub(crate) fn any(&self) -> &[usize] {
        &self.any
    }
}

/// An entry's name as people tell names apart: without case and punctuation.
pub(crate) fn plain_name(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

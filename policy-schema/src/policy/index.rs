//! Rules by identity and by usual name, so that judging an entry does not read all of them.

use unicode_normalization::UnicodeNormalization as _;
use unicode_security::confusable_detection::skeleton;

use super::key::{self, Key};
use crate::document::IdentityMatcher;

/// Numbers of rules by key.
///
/// The hash only shortens the search: the texts are compared as well, and rules come from whoever signs policies, so
/// nobody who writes an entry can choose two that collide.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    /// Sorted by hash, then by rule.
    slots: Vec<Slot>,
    /// For each beginning of a hash (its first bits, as many as `bits`) where its slots begin, and at last their end.
    starts: Vec<u32>,
    bits: u32,
    /// The sorts of key that stand here, a bit each.
    sorts: u32,
    /// Rules that mean everything.
    any: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Slot {
    hash: u64,
    rule: usize,
    key: Key<'static>,
}

impl Index {
    /// An index of rules by what they mean.
    pub(crate) fn new<'a>(matchers: impl Iterator<Item = &'a IdentityMatcher>) -> Self {
        let (mut keys, mut any) = (Vec::new(), Vec::new());
        for (at, matcher) in matchers.enumerate() {
            match key::of_matcher(matcher) {
                Some(key) => keys.push((key.into_owned(), at)),
                None => any.push(at),
            }
        }
        Self { any, ..Self::of(keys.into_iter()) }
    }

    /// An index of rules under given keys.
    pub(crate) fn of(keys: impl Iterator<Item = (Key<'static>, usize)>) -> Self {
        let mut slots: Vec<Slot> = keys.map(|(key, rule)| Slot { hash: hash(&key), rule, key }).collect();
        slots.sort_unstable_by_key(|slot| (slot.hash, slot.rule));
        let bits = slots.len().next_power_of_two().trailing_zeros() + 1;
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        for (at, slot) in (0u32..).zip(&slots) {
            starts.resize(starts.len().max(beginning(slot.hash, bits) + 1), at);
        }
        starts.resize((1 << bits) + 1, u32::try_from(slots.len()).unwrap_or(u32::MAX));
        let sorts = slots.iter().fold(0, |sorts, slot| sorts | 1 << slot.key.sort.number());
        Self { slots, starts, bits, sorts, any: Vec::new() }
    }

    /// Rules under any of these keys, in the policy's order.
    pub(crate) fn find<'k>(&self, keys: impl Iterator<Item = &'k Key<'k>>) -> Vec<usize> {
        let mut found: Vec<usize> =
            keys.flat_map(|key| self.at(key)).chain(self.any.iter().copied()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Rules under one key, in the policy's order.
    pub(crate) fn at<'i, 'k>(&'i self, key: &'k Key<'k>) -> impl Iterator<Item = usize> + use<'i, 'k> {
        let bucket = if self.has(key.sort) { self.bucket(hash(key)) } else { &[] };
        bucket.iter().filter(|slot| slot.key == *key).map(|slot| slot.rule)
    }

    fn bucket(&self, hash: u64) -> &[Slot] {
        let at = beginning(hash, self.bits);
        match self.starts.get(at..at + 2) {
            Some(&[from, to]) => self.slots.get(from as usize..to as usize).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Whether a key of this sort stands here at all.
    pub(crate) fn has(&self, sort: key::Sort) -> bool {
        self.sorts & 1 << sort.number() != 0
    }

    /// Whether there is no rule at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.any.is_empty()
    }

    /// Rules that mean everything.
    pub(crate) fn any(&self) -> &[usize] {
        &self.any
    }
}

/// The first bits of a hash.
fn beginning(hash: u64, bits: u32) -> usize {
    usize::try_from(hash >> (64 - bits)).unwrap_or_default()
}

/// FNV-1a, its bits mixed so that the first ones depend on all of the text.
fn hash(key: &Key<'_>) -> u64 {
    const PRIME: u64 = 0x0100_0000_01b3;
    let start = (0xcbf2_9ce4_8422_2325 ^ u64::from(key.sort.number())).wrapping_mul(PRIME);
    let hash = key.text.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// An entry's name as people tell names apart: without case and punctuation, letters that look alike being one
/// (Cyrillic for Latin, full-width forms, ligatures, digits for letters).
pub(crate) fn plain_name(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    if name.is_ascii() {
        name.chars().for_each(|c| fold(c, &mut plain));
        return plain;
    }
    let compatible: String = name.nfkc().collect();
    skeleton(&compatible).flat_map(char::to_lowercase).for_each(|c| fold(c, &mut plain));
    plain
}

/// What letters of ASCII are taken for each other, as UTS #39 has it for letters without case.
fn fold(c: char, plain: &mut String) {
    match c.to_ascii_lowercase() {
        '0' => plain.push('o'),
        '1' | 'i' => plain.push('l'),
        'm' => plain.push_str("rn"),
        c if c.is_alphanumeric() => plain.push(c),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::key::Sort;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn name(text: &str) -> Key<'static> {
        Key::new(Sort::Name, text.to_owned())
    }

    #[test]
    fn an_empty_index_finds_nothing() {
        for index in [Index::default(), Index::of(std::iter::empty())] {
            assert!(index.is_empty());
            assert_eq!(index.at(&name("a")).count(), 0);
        }
    }

    #[test]
    fn the_same_text_of_another_sort_is_another_key() {
        let index = Index::of(std::iter::once((name("a"), 7)));
        assert_eq!(index.at(&name("a")).collect::<Vec<_>>(), [7]);
        assert_eq!(index.at(&Key::new(Sort::Script, "a")).count(), 0);
        assert!(index.has(Sort::Name) && !index.has(Sort::Script));
    }

    #[test]
    fn names_that_look_alike_are_one() {
        for (name, other) in [
            ("github", "GitHub"),
            ("github", "git-hub"),
            ("github", "g\u{456}thub"),
            ("github", "g1thub"),
            ("github", "\u{ff47}\u{ff49}\u{ff54}\u{ff48}\u{ff55}\u{ff42}"),
            ("filesystem", "\u{fb01}lesystem"),
            ("linear", "1inear"),
            ("notion", "n0tion"),
            ("notion", "n\u{43e}ti\u{43e}n"),
            ("memory", "mernory"),
            ("BIG", "\u{412}IG"),
        ] {
            assert_eq!(plain_name(name), plain_name(other), "{name} {other}");
        }
        assert_ne!(plain_name("github"), plain_name("gitlab"));
        assert_ne!(plain_name("\u{4e2d}\u{6587}"), plain_name("\u{65e5}\u{672c}"));
    }

    proptest! {
        #[test]
        fn an_index_finds_what_a_map_finds(keys in proptest::collection::vec("[a-c]{0,3}", 0..200)) {
            let index = Index::of(keys.iter().enumerate().map(|(at, key)| (name(key), at)));
            let mut map: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            for (at, key) in keys.iter().enumerate() {
                map.entry(key).or_default().push(at);
            }
            for text in ["", "a", "ab", "abc", "ccc", "d"].into_iter().chain(keys.iter().map(String::as_str)) {
                let found: Vec<usize> = index.at(&name(text)).collect();
                prop_assert_eq!(found, map.get(text).cloned().unwrap_or_default());
            }
        }

        #[test]
        fn a_letter_of_another_script_does_not_change_how_the_others_are_read(text in "[A-Za-z0-9_. -]{0,12}") {
            // A Cyrillic letter that looks like `a`.
            prop_assert_eq!(plain_name(&format!("{text}\u{430}")), plain_name(&format!("{text}a")));
        }
    }
}

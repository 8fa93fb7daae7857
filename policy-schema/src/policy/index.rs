//! Rules by identity and by usual name, so that judging an entry does not read all of them.

use std::hash::BuildHasher as _;
use std::ops::Range;

use foldhash::fast::FixedState;
use unicode_normalization::UnicodeNormalization as _;
use unicode_security::confusable_detection::skeleton;

use super::key::{self, Key, Sort};

/// Numbers of rules by key.
///
/// The hash only shortens the search: the texts are compared as well, and rules come from whoever signs policies, so
/// nobody who writes an entry can choose two that collide.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    /// Sorted by the beginnings of their hashes; those with one beginning in the order in which they were given.
    slots: Vec<Slot>,
    /// The texts of all keys, one behind the other: 10,000 of their own would be as many pieces of memory.
    texts: String,
    /// For each beginning of a hash (its first bits, as many as `bits`) where its slots begin, and at last their end.
    starts: Vec<usize>,
    bits: u32,
    /// The sorts of key that stand here, a bit each.
    sorts: u32,
    /// The length of the longest text of each sort, by its number.
    longest: [usize; 32],
    /// Rules that mean everything.
    any: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Slot {
    hash: u64,
    rule: usize,
    sort: Sort,
    /// Where its text lies.
    text: Range<usize>,
}

impl Index {
    /// An index of rules by their keys; one without means everything.
    pub(crate) fn new<'a>(rules: impl Iterator<Item = Option<Key<'a>>>) -> Self {
        let mut any = Vec::new();
        let keys = rules.enumerate().filter_map(|(at, key)| {
            if key.is_none() {
                any.push(at);
            }
            Some((key?, at))
        });
        let index = Self::of(keys);
        Self { any, ..index }
    }

    /// An index of rules under given keys, those of one key in the policy's order.
    pub(crate) fn of<'a>(keys: impl Iterator<Item = (Key<'a>, usize)>) -> Self {
        let (mut texts, mut sorts, mut longest) = (String::new(), 0, [0; 32]);
        let slots: Vec<Slot> = keys
            .map(|(key, rule)| {
                let from = texts.len();
                texts.push_str(&key.text);
                sorts |= 1 << key.sort.number();
                let most: &mut usize = &mut longest[usize::from(key.sort.number())];
                *most = key.text.len().max(*most);
                Slot { hash: hash(&key), rule, sort: key.sort, text: from..texts.len() }
            })
            .collect();
        let bits = slots.len().next_power_of_two().trailing_zeros() + 1;
        // how many have a beginning below each, which is where its own begin
        let mut starts = vec![0; (1 << bits) + 1];
        for slot in &slots {
            starts[beginning(slot.hash, bits) + 1] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        let mut order = vec![0; slots.len()];
        for (at, slot) in slots.iter().enumerate() {
            let place = &mut next[beginning(slot.hash, bits)];
            order[*place] = at;
            *place += 1;
        }
        let slots = order.into_iter().map(|at| slots[at].clone()).collect();
        Self { slots, texts, starts, bits, sorts, longest, any: Vec::new() }
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
        let (hash, bucket) = if self.has(key.sort) {
            let hash = hash(key);
            (hash, self.bucket(hash))
        } else {
            (0, [].as_slice())
        };
        let is_it = move |slot: &&Slot| {
            slot.hash == hash && slot.sort == key.sort && self.texts[slot.text.clone()] == *key.text
        };
        bucket.iter().filter(is_it).map(|slot| slot.rule)
    }

    fn bucket(&self, hash: u64) -> &[Slot] {
        let at = beginning(hash, self.bits);
        match self.starts.get(at..at + 2) {
            Some(&[from, to]) => self.slots.get(from..to).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Whether a key of this sort stands here at all.
    pub(crate) fn has(&self, sort: key::Sort) -> bool {
        self.sorts & 1 << sort.number() != 0
    }

    /// The length of the longest text of this sort: nothing that is longer is found. Attack: a URL of a hundred thousand
    /// parts, of which each beginning is looked for.
    pub(crate) fn longest(&self, sort: key::Sort) -> usize {
        self.longest[usize::from(sort.number())]
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

/// The same on every machine and in every run; its bits are mixed so that the first ones depend on all of the text.
fn hash(key: &Key<'_>) -> u64 {
    const STATE: FixedState = FixedState::with_seed(0);
    let hash = STATE.hash_one((key.sort.number(), &*key.text));
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

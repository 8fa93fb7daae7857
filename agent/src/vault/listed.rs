//! What the vault holds, read once: a pass over thousands of items must not read them all for each that goes.
//!
//! Attack: a user has a few thousand files edited, and each later pass of the whole machine takes minutes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::Item;

/// The descriptions, as they are on the disk, but for the entries as reports show them: these stay there. An agent that runs
/// for months would else have thousands of them in its memory.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// By id.
    items: BTreeMap<String, Item>,
    /// Files that cannot be read.
    damaged: Vec<PathBuf>,
    /// How many items need an object.
    named: BTreeMap<String, usize>,
}

impl Listed {
    pub(super) fn of(items: Vec<Item>, damaged: Vec<PathBuf>) -> Self {
        let mut listed = Self { damaged, ..Self::default() };
        for item in items {
            listed.put(item);
        }
        listed
    }

    /// All, oldest first.
    pub(super) fn items(&self) -> Vec<Item> {
        let mut items: Vec<Item> = self.items.values().cloned().collect();
        items.sort_by(|a, b| (a.taken, a.turn, &a.id).cmp(&(b.taken, b.turn, &b.id)));
        items
    }

    /// The turn of an item that is taken now: after all that were taken at the same time.
    pub(super) fn next_turn(&self, now: Timestamp) -> u64 {
        let same = self.items.values().filter(|item| item.taken == now);
        same.map(|item| item.turn + 1).max().unwrap_or(0)
    }

    pub(super) fn damaged(&self) -> &[PathBuf] {
        &self.damaged
    }

    /// Whether an item needs an object, or may: nobody knows what a damaged one needs.
    pub(super) fn needs(&self, object: &str) -> bool {
        !self.damaged.is_empty() || self.named.contains_key(object)
    }

    /// An item has become this.
    pub(super) fn put(&mut self, mut item: Item) {
        self.remove(&item.id);
        for taken in &mut item.entries {
            taken.told = None;
        }
        for object in item.objects() {
            *self.named.entry(object.to_owned()).or_default() += 1;
        }
        self.items.insert(item.id.clone(), item);
    }

    /// An item is gone.
    pub(super) fn remove(&mut self, id: &str) {
        let Some(item) = self.items.remove(id) else { return };
        for object in item.objects() {
            if let Some(count) = self.named.get_mut(object) {
                *count -= 1;
                if *count == 0 {
                    self.named.remove(object);
                }
            }
        }
    }
}

//! What the vault holds, read once: a pass over thousands of items must not read them all for each that goes.
//!
//! Attack: a user has a few thousand files edited, and each later pass of the whole machine takes minutes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::Item;

/// What is kept of a description: its JSON, which a description of many texts is a third of. A machine may have thousands for
/// months.
#[derive(Debug)]
struct Packed {
    taken: Timestamp,
    turn: u64,
    json: Box<[u8]>,
}

impl Packed {
    fn of(item: &Item) -> Option<Self> {
        let json = serde_json::to_vec(item).ok()?;
        Some(Self { taken: item.taken, turn: item.turn, json: json.into_boxed_slice() })
    }

    fn item(&self) -> Option<Item> {
        serde_json::from_slice(&self.json).ok()
    }
}

/// The descriptions, as they are on the disk, but for the entries as reports show them: these stay there. An agent that runs
/// for months would else have thousands of them in its memory.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// By id.
    items: BTreeMap<String, Packed>,
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
        let mut order: Vec<(&String, &Packed)> = self.items.iter().collect();
        order.sort_by_key(|(id, packed)| (packed.taken, packed.turn, *id));
        order.into_iter().filter_map(|(_, packed)| packed.item()).collect()
    }

    /// The turn of an item that is taken now: after all that were taken at the same time.
    pub(super) fn next_turn(&self, now: Timestamp) -> u64 {
        let same = self.items.values().filter(|packed| packed.taken == now);
        same.map(|packed| packed.turn + 1).max().unwrap_or(0)
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
        let Some(packed) = Packed::of(&item) else {
            // cannot be; should it, no object goes
            self.damaged.push(PathBuf::from(item.id));
            return;
        };
        for object in item.objects() {
            *self.named.entry(object.to_owned()).or_default() += 1;
        }
        self.items.insert(item.id, packed);
    }

    /// An item is gone.
    pub(super) fn remove(&mut self, id: &str) {
        let Some(item) = self.items.remove(id).and_then(|packed| packed.item()) else { return };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn item(number: usize) -> Item {
        let digest = "0123456789abcdef".repeat(4);
        let entry = |name: &str| {
            serde_json::json!({
                "name": name, "key_path": format!("/mcpServers/{name}"), "fingerprint": digest, "identity": "npm:@acme/evil",
                "action": "quarantine", "code": "not-allowed", "pieces": [{ "start": 20, "end": 120 }],
                "detail": "no rule of the policy allows this server",
            })
        };
        let item = serde_json::json!({
            "id": format!("q-{number:010}"), "taken": "2026-11-21T10:00:00Z", "user": "ann", "uid": 2001, "home": "/home/ann",
            "path": "/home/ann/src/work/.mcp.json", "found_as": "/home/ann/src/work/.mcp.json", "client": "claude-code",
            "original": digest, "edited": digest, "entries": [entry("one"), entry("two")], "state": "quarantined",
            "changed": [{ "start": 20, "end": 120, "put": 0 }], "turn": number,
        });
        serde_json::from_value(item).unwrap()
    }

    #[test]
    fn items_come_back_as_they_were_put_in_the_order_in_which_they_were_taken() {
        let items: Vec<Item> = [11, 9, 10].map(item).into();
        let mut listed = Listed::of(items, Vec::new());
        assert_eq!(listed.items(), [9, 10, 11].map(item));
        assert_eq!(listed.next_turn(item(0).taken), 12);
        let object = item(9).original;
        for id in ["q-0000000009", "q-0000000010", "q-0000000011"] {
            assert!(listed.needs(&object));
            listed.remove(id);
        }
        assert!(!listed.needs(&object) && listed.items().is_empty());
    }

    #[test]
    fn an_item_takes_less_than_two_kilobytes_of_an_agents_memory() {
        let listed = Listed::of((0..100).map(item).collect(), Vec::new());
        let bytes: usize =
            listed.items.iter().map(|(id, packed)| id.len() + size_of_val(packed) + packed.json.len()).sum();
        assert!(bytes / 100 < 2048, "{}", bytes / 100);
    }
}

//! How long originals stay: whole for a day, their pieces for the vault's time, and never more than its size.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use jiff::{SignedDuration, Timestamp};
use mcpolicy_platform::machine::Machine;

use super::disk::{self, UNFINISHED, failed};
use super::{Item, State, Vault, VaultError};

/// Time after which a whole original shrinks to the pieces that were taken out, where the change was proved.
const WHOLE_FOR: SignedDuration = SignedDuration::from_hours(24);

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Items taken before this go.
    pub keep_after: Timestamp,
    /// Most bytes of all objects together.
    pub most_bytes: u64,
}

impl Vault {
    /// Shrinks proved originals that are a day old to their pieces. How many.
    ///
    /// # Errors
    /// The system refuses.
    pub fn shrink(&self, now: Timestamp) -> Result<u64, VaultError> {
        let mut shrunk = 0;
        for mut item in self.items()?.0 {
            let is_due = item.shrunk.is_none()
                && item.state != State::Pending
                && now.duration_since(item.taken) >= WHOLE_FOR;
            // a file that was taken away as a whole is its own piece
            if !is_due || item.entries.iter().any(|entry| entry.action == "quarantine-file") {
                continue;
            }
            // one that is damaged stays as it is, and keeps no other from its turn
            let Ok(pieces) = self.pieces(&item) else { continue };
            let left: Vec<u8> = pieces.into_iter().flatten().flat_map(|(_, bytes)| bytes).collect();
            item.shrunk = Some(self.put(&left)?);
            self.update(&item)?;
            shrunk += 1;
        }
        if shrunk > 0 {
            self.sweep()?;
        }
        Ok(shrunk)
    }

    /// Lets go what is older or more than the limits: pending items never, of the rest the oldest first. What went.
    ///
    /// # Errors
    /// The system refuses.
    pub fn prune(&self, limits: Limits) -> Result<Vec<Item>, VaultError> {
        let items = self.items()?.0;
        let sizes: BTreeMap<String, u64> = self.objects()?.into_iter().collect();
        let mut users: BTreeMap<&str, usize> = BTreeMap::new();
        for digest in items.iter().flat_map(Item::objects) {
            *users.entry(digest).or_default() += 1;
        }
        let size = |digest: &str| sizes.get(digest).copied().unwrap_or(0);
        let mut bytes: u64 = users.keys().map(|digest| size(digest)).sum();
        let mut gone = Vec::new();
        for item in items.iter().filter(|item| item.state != State::Pending) {
            if item.taken >= limits.keep_after && bytes <= limits.most_bytes {
                continue;
            }
            self.remove_item(item)?;
            for digest in item.objects() {
                let left = users.get_mut(digest).map_or(0, |count| {
                    *count -= 1;
                    *count
                });
                // several changes of equal files have one object
                bytes -= if left == 0 { size(digest) } else { 0 };
            }
            gone.push(item.clone());
        }
        if !gone.is_empty() {
            self.sweep()?;
        }
        Ok(gone)
    }

    /// Removes an item, and what only it needed.
    ///
    /// # Errors
    /// The system refuses.
    pub fn forget(&self, item: &Item) -> Result<(), VaultError> {
        self.remove_item(item)?;
        self.sweep()
    }

    fn remove_item(&self, item: &Item) -> Result<(), VaultError> {
        disk::remove(&self.item_path(&item.id))?;
        disk::sync_names(&self.folder.join("items"))
    }

    /// Removes what a crash left half written, and bytes that were there before their item.
    pub(super) fn clear_unfinished(&self) -> Result<(), VaultError> {
        for part in [self.folder.clone(), self.folder.join("items")] {
            let entries = Machine::live().list(&part);
            let entries = entries.map_err(|e| failed("list", &part)(io::Error::other(e.to_string())))?;
            for entry in entries {
                let path = part.join(&entry.name);
                if path.extension().is_some_and(|ending| ending == UNFINISHED) {
                    disk::remove(&path)?;
                }
            }
        }
        self.sweep()
    }

    /// Removes objects that no item names. If an item is damaged nothing is removed: it may be the one that names them.
    fn sweep(&self) -> Result<(), VaultError> {
        let (items, damaged) = self.items()?;
        if !damaged.is_empty() {
            return Ok(());
        }
        let needed: BTreeSet<&str> = items.iter().flat_map(Item::objects).collect();
        for (name, _) in self.objects()? {
            if !needed.contains(name.as_str()) {
                disk::remove(&self.object_path(&name))?;
            }
        }
        Ok(())
    }

    fn objects(&self) -> Result<Vec<(String, u64)>, VaultError> {
        let folder = self.folder.join("objects");
        let entries = Machine::live().list(&folder);
        let entries = entries.map_err(|e| failed("list", &folder)(io::Error::other(e.to_string())))?;
        let mut objects = Vec::new();
        for name in entries.iter().filter_map(|entry| entry.name.to_str()) {
            let path = folder.join(name);
            let bytes = std::fs::symlink_metadata(&path).map_err(failed("look at", &path))?.len();
            objects.push((name.to_owned(), bytes));
        }
        Ok(objects)
    }
}

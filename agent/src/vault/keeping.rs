//! How long originals stay: whole for a day, their pieces for the vault's time, and never more than its size.

use std::collections::BTreeSet;
use std::io;

use jiff::{SignedDuration, Timestamp};
use mcpolicy_platform::durable;
use mcpolicy_platform::machine::Machine;

use super::{Item, State, Vault, VaultError, disk};

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
            let left: Vec<u8> =
                self.pieces(&item)?.into_iter().flatten().flat_map(|(_, bytes)| bytes).collect();
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
        let mut gone = Vec::new();
        let mut bytes = self.bytes()?;
        for item in items.into_iter().filter(|item| item.state != State::Pending) {
            if item.taken >= limits.keep_after && bytes <= limits.most_bytes {
                continue;
            }
            self.forget(&item)?;
            bytes = self.bytes()?;
            gone.push(item);
        }
        Ok(gone)
    }

    /// Removes an item, and what only it needed.
    ///
    /// # Errors
    /// The system refuses.
    pub fn forget(&self, item: &Item) -> Result<(), VaultError> {
        let path = self.item_path(&item.id);
        std::fs::remove_file(&path).map_err(disk("remove", &path))?;
        durable::sync_directory(&self.folder.join("items")).map_err(disk("sync", &path))?;
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
                let path = self.object_path(&name);
                std::fs::remove_file(&path).map_err(disk("remove", &path))?;
            }
        }
        Ok(())
    }

    fn objects(&self) -> Result<Vec<(String, u64)>, VaultError> {
        let folder = self.folder.join("objects");
        let entries = Machine::live().list(&folder);
        let entries = entries.map_err(|e| disk("list", &folder)(io::Error::other(e.to_string())))?;
        let mut objects = Vec::new();
        for name in entries.iter().filter_map(|entry| entry.name.to_str()) {
            let path = folder.join(name);
            let bytes = std::fs::symlink_metadata(&path).map_err(disk("look at", &path))?.len();
            objects.push((name.to_owned(), bytes));
        }
        Ok(objects)
    }

    fn bytes(&self) -> Result<u64, VaultError> {
        Ok(self.objects()?.iter().map(|(_, bytes)| bytes).sum())
    }
}

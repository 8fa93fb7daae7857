//! How long originals stay: whole for a day, their pieces for the vault's time, and never more than its size.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use mcpolicy_platform::machine::Machine;

use super::disk::{self, UNFINISHED, failed};
use super::{Item, State, Vault, VaultError};
use crate::disk_advice::of_read;

/// Time after which a whole original shrinks to the pieces that were taken out, where the change was proved.
const WHOLE_FOR: SignedDuration = SignedDuration::from_hours(24);
/// How long originals are shrunk in one go: the next pass goes on with the rest.
const SHRINK_TIME: Duration = Duration::from_secs(20);

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
        let (mut shrunk, start) = (0, Instant::now());
        for mut item in self.items()?.0 {
            if start.elapsed() > SHRINK_TIME {
                break;
            }
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

    /// Bytes that were written since it was last pruned.
    pub fn grown(&self) -> u64 {
        self.grown.get()
    }

    /// Lets go what is older or more than the limits; pending items never. Of what is too much the user who has most
    /// gives up the oldest first.
    ///
    /// Attack: a user who has original after original kept would else drive those of all others out.
    ///
    /// # Errors
    /// The system refuses.
    pub fn prune(&self, limits: Limits) -> Result<Pruned, VaultError> {
        let (items, damaged) = self.items()?;
        let mut stock = Stock::of(&items, self.sizes()?);
        let mut pruned = Pruned::default();
        let may_go: Vec<&Item> = items.iter().filter(|item| item.state != State::Pending).collect();
        let (old, mut young): (Vec<_>, Vec<_>) =
            may_go.into_iter().partition(|item| item.taken < limits.keep_after);
        for item in old {
            stock.remove(item);
            pruned.items.push(item.clone());
        }
        // what is damaged is no use, and keeps objects that may be its own from going
        let too_much = stock.bytes() > limits.most_bytes;
        for path in damaged {
            if too_much || is_older(&path, limits.keep_after) {
                let gone = disk::remove(&path);
                // what was read before has it among the damaged
                *self.listed.borrow_mut() = None;
                gone?;
                pruned.damaged.push(path);
            }
        }
        if !pruned.damaged.is_empty() {
            stock.forget_unnamed();
        }
        while stock.bytes() > limits.most_bytes {
            let Some(at) = stock.most_of(&young) else { break };
            let item = young.remove(at);
            stock.remove(item);
            pruned.items.push(item.clone());
        }
        for item in &pruned.items {
            self.remove_item(item)?;
        }
        if !pruned.items.is_empty() {
            disk::sync_names(&self.folder.join("items"))?;
        }
        if !pruned.items.is_empty() || !pruned.damaged.is_empty() {
            self.sweep()?;
        }
        self.grown.set(0);
        Ok(pruned)
    }

    /// Bytes of each object and of each description, by their names.
    fn sizes(&self) -> Result<BTreeMap<String, u64>, VaultError> {
        let mut sizes: BTreeMap<String, u64> = self.files("objects")?.into_iter().collect();
        let descriptions = self.files("items")?.into_iter();
        sizes.extend(descriptions.map(|(name, bytes)| (name.trim_end_matches(".json").to_owned(), bytes)));
        Ok(sizes)
    }

    /// Removes an item, and what only it needed.
    ///
    /// # Errors
    /// The system refuses.
    pub fn forget(&self, item: &Item) -> Result<(), VaultError> {
        self.remove_item(item)?;
        disk::sync_names(&self.folder.join("items"))?;
        for object in item.objects() {
            if !self.with_listed(|listed| listed.needs(object))? {
                disk::remove(&self.object_path(object))?;
            }
        }
        Ok(())
    }

    fn remove_item(&self, item: &Item) -> Result<(), VaultError> {
        let gone = disk::remove(&self.item_path(&item.id));
        self.has_changed(&gone, |listed| listed.remove(&item.id));
        gone
    }

    /// Removes what a crash left half written, and bytes that were there before their item.
    pub(super) fn clear_unfinished(&self) -> Result<(), VaultError> {
        for part in [self.folder.clone(), self.folder.join("items")] {
            let entries = Machine::live().list(&part);
            let entries = entries.map_err(|e| failed("list", &part)(of_read(&e)))?;
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
        let objects = self.files("objects")?.into_iter().map(|(name, _)| name);
        let unneeded =
            self.with_listed(|listed| objects.filter(|name| !listed.needs(name)).collect::<Vec<_>>())?;
        for name in unneeded {
            disk::remove(&self.object_path(&name))?;
        }
        Ok(())
    }

    /// The files of one part, with their sizes.
    pub(super) fn files(&self, part: &str) -> Result<Vec<(String, u64)>, VaultError> {
        let folder = self.folder.join(part);
        let entries = Machine::live().list(&folder);
        let entries = entries.map_err(|e| failed("list", &folder)(of_read(&e)))?;
        let mut files = Vec::new();
        for name in entries.iter().filter_map(|entry| entry.name.to_str()) {
            let path = folder.join(name);
            let bytes = std::fs::symlink_metadata(&path).map_err(failed("look at", &path))?.len();
            files.push((name.to_owned(), bytes));
        }
        Ok(files)
    }
}

/// What went.
#[derive(Debug, Default)]
pub struct Pruned {
    /// Items.
    pub items: Vec<Item>,
    /// Descriptions that could not be read.
    pub damaged: Vec<PathBuf>,
}

/// What a vault holds, in bytes: several changes of equal files have one object.
struct Stock {
    sizes: BTreeMap<String, u64>,
    /// How many items name an object.
    named: BTreeMap<String, usize>,
    total: u64,
    of_users: BTreeMap<String, u64>,
}

impl Stock {
    fn of(items: &[Item], sizes: BTreeMap<String, u64>) -> Self {
        let total = sizes.values().sum();
        let mut stock = Self { sizes, named: BTreeMap::new(), total, of_users: BTreeMap::new() };
        for item in items {
            *stock.of_users.entry(item.user.clone()).or_default() += stock.size_of(item);
            for digest in item.objects() {
                *stock.named.entry(digest.to_owned()).or_default() += 1;
            }
        }
        stock
    }

    fn bytes(&self) -> u64 {
        self.total
    }

    fn size(&self, name: &str) -> u64 {
        self.sizes.get(name).copied().unwrap_or(0)
    }

    /// What a user has for an item, though others may share its object.
    fn size_of(&self, item: &Item) -> u64 {
        self.size(&item.id) + item.objects().map(|digest| self.size(digest)).sum::<u64>()
    }

    fn remove(&mut self, item: &Item) {
        let size = self.size_of(item);
        if let Some(left) = self.of_users.get_mut(&item.user) {
            *left = left.saturating_sub(size);
        }
        let mut freed = self.size(&item.id);
        for digest in item.objects() {
            let left = self.named.get_mut(digest).map_or(0, |count| {
                *count = count.saturating_sub(1);
                *count
            });
            freed += if left == 0 { self.size(digest) } else { 0 };
        }
        self.total = self.total.saturating_sub(freed);
    }

    /// Objects that no item names will go with the next sweep.
    fn forget_unnamed(&mut self) {
        let unnamed = self.sizes.iter().filter(|(name, _)| {
            let is_object = name.len() == DIGEST_LENGTH;
            is_object && !self.named.contains_key(*name)
        });
        self.total = self.total.saturating_sub(unnamed.map(|(_, bytes)| bytes).sum());
    }

    /// The oldest item, of these, of the user who has most.
    fn most_of(&self, items: &[&Item]) -> Option<usize> {
        let most = items.iter().map(|item| self.of_users.get(&item.user)).max()?;
        items.iter().position(|item| self.of_users.get(&item.user) == most)
    }
}

/// Length of the name of an object.
const DIGEST_LENGTH: usize = 64;

fn is_older(path: &Path, than: Timestamp) -> bool {
    let modified = std::fs::symlink_metadata(path).and_then(|found| found.modified());
    modified.is_ok_and(|at| Timestamp::try_from(at).is_ok_and(|at| at < than))
}

//! How long originals stay: whole for a day, what was taken out of them for the vault's time, and never more than its size.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use mcpolicy_platform::machine::Machine;

use super::changed::{self, Changed};
use super::disk::{self, UNFINISHED, failed};
use super::{Item, State, Vault, VaultError, digest_of};
use crate::disk_advice::of_read;

/// Time after which a whole original shrinks to the ranges that were changed, where these were proved to be all.
const WHOLE_FOR: SignedDuration = SignedDuration::from_hours(24);
/// How long originals are shrunk in one go: the next pass goes on with the rest.
const SHRINK_TIME: Duration = Duration::from_secs(20);

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Items taken before this go.
    pub keep_after: Timestamp,
    /// Items taken at this time or later stay: a pass has just told that they are kept.
    pub taken_now: Timestamp,
    /// Most bytes of all objects together.
    pub most_bytes: u64,
    /// Most items of one user.
    pub most_of_user: usize,
}

/// Why an original shrinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// A day has gone by.
    Time,
    /// The vault is full: what was taken out is better than nothing.
    Room,
}

impl Vault {
    /// Shrinks originals that are a day old to what was taken out, if with it the very bytes can be made again. How many.
    ///
    /// # Errors
    /// The system refuses.
    pub fn shrink(&self, now: Timestamp) -> Result<u64, VaultError> {
        let (mut shrunk, start) = (0, Instant::now());
        for mut item in self.items()?.0 {
            if start.elapsed() > SHRINK_TIME {
                break;
            }
            if can_shrink(&item) && now.duration_since(item.taken) >= WHOLE_FOR {
                shrunk += u64::from(self.shrink_item(&mut item, Need::Time)?.is_some());
            }
        }
        if shrunk > 0 {
            self.sweep()?;
        }
        Ok(shrunk)
    }

    /// Leaves of an original what was taken out. How many bytes that has; nothing was done with one that is damaged, which
    /// keeps no other from its turn, nor for its age alone with one that could not be made again from what the edit left.
    fn shrink_item(&self, item: &mut Item, need: Need) -> Result<Option<u64>, VaultError> {
        let (Ok(pieces), Ok(Some(original))) = (self.pieces(item), self.original(item)) else {
            return Ok(None);
        };
        let ranges = item.ranges();
        if item.changed.is_empty() {
            item.changed = as_pieces(item, &original);
        }
        // text that belongs to two entries comes back with neither of them alone
        let is_proved = !item.changed.is_empty() && changed::are_apart(&ranges);
        if need == Need::Time && !is_proved {
            return Ok(None);
        }
        let beside = changed::beside(&item.changed, &ranges);
        let more: u64 = beside.iter().map(|range| range.end - range.start).sum();
        if need == Need::Room && more > original.len() as u64 / 2 {
            // what makes the very bytes again is no less than these: then each entry by itself
            item.changed.clear();
        }
        let mut left: Vec<u8> = pieces.into_iter().flatten().flat_map(|(_, bytes)| bytes).collect();
        for range in beside.into_iter().filter(|_| !item.changed.is_empty()) {
            let kept = original.get(range.start as usize..range.end as usize);
            let Some(kept) = kept else { return Ok(None) };
            left.extend_from_slice(kept);
        }
        item.shrunk = Some(self.put(&left)?);
        self.update(item)?;
        Ok(Some(left.len() as u64))
    }

    /// Bytes that were written since it was last pruned.
    pub fn grown(&self) -> u64 {
        self.grown.get()
    }

    /// Lets go what is older or more than the limits; pending items never, nor what was taken just now. Where it is too
    /// much, originals shrink first, and then the user who has most gives up the oldest first.
    ///
    /// Attack: a user who has original after original kept would else drive those of all others out.
    ///
    /// # Errors
    /// The system refuses.
    pub fn prune(&self, limits: Limits) -> Result<Pruned, VaultError> {
        let mut pruned = Pruned::default();
        self.prune_old(limits, &mut pruned)?;
        self.prune_many(limits, &mut pruned)?;
        if self.sizes()?.values().sum::<u64>() > limits.most_bytes {
            self.make_room(limits, &mut pruned)?;
        }
        let has_gone = !pruned.items.is_empty() || !pruned.too_many.is_empty();
        if has_gone {
            disk::sync_names(&self.folder.join("items"))?;
        }
        if has_gone || !pruned.damaged.is_empty() {
            self.sweep()?;
        }
        self.grown.set(0);
        Ok(pruned)
    }

    /// Lets go what is older than the limit. What is damaged is no use, and keeps objects that may be its own from going:
    /// it goes where it is old or anything is too much.
    fn prune_old(&self, limits: Limits, pruned: &mut Pruned) -> Result<(), VaultError> {
        let (items, damaged) = self.items()?;
        for item in items.into_iter().filter(|item| may_go(item, limits) && item.taken < limits.keep_after) {
            self.remove_item(&item)?;
            pruned.items.push(item);
        }
        let items = self.items()?.0;
        let too_much = Stock::of(&items, self.sizes()?).bytes() > limits.most_bytes;
        for path in damaged {
            if too_much || is_older(&path, limits.keep_after) {
                let gone = disk::remove(&path);
                // what was read before has it among the damaged
                *self.listed.borrow_mut() = None;
                gone?;
                pruned.damaged.push(path);
            }
        }
        if !pruned.items.is_empty() || !pruned.damaged.is_empty() {
            self.sweep()?;
        }
        Ok(())
    }

    /// Lets go of what is more than a user may have: what was put back first, and then the oldest.
    ///
    /// Attack: tens of thousands of small items, which each pass of the machine reads and each new policy considers.
    fn prune_many(&self, limits: Limits, pruned: &mut Pruned) -> Result<(), VaultError> {
        let mut of_users: BTreeMap<String, Vec<Item>> = BTreeMap::new();
        for item in self.items()?.0 {
            of_users.entry(item.user.clone()).or_default().push(item);
        }
        for (user, mut items) in of_users {
            let too_many = items.len().saturating_sub(limits.most_of_user);
            items.retain(|item| may_go(item, limits));
            items.sort_by_key(Item::is_open);
            let gone = items.get(..too_many.min(items.len())).unwrap_or_default();
            for item in gone {
                self.remove_item(item)?;
            }
            if !gone.is_empty() {
                pruned.too_many.push((user, gone.len() as u64));
            }
        }
        Ok(())
    }

    /// Makes that no more than the limit is kept. The user who has most gives way: originals shrink before their time, the
    /// oldest first, since what was taken out of them can still be put back; then whole items go.
    fn make_room(&self, limits: Limits, pruned: &mut Pruned) -> Result<(), VaultError> {
        let items = self.items()?.0;
        let mut stock = Stock::of(&items, self.sizes()?);
        let mut left: Vec<Item> =
            items.into_iter().filter(|item| can_shrink(item) || may_go(item, limits)).collect();
        while stock.bytes() > limits.most_bytes
            && let Some(at) = stock.most_of(&left)
        {
            let item = left.remove(at);
            stock.remove(&item);
            let mut smaller = item.clone();
            let shrunk = if can_shrink(&item) { self.shrink_item(&mut smaller, Need::Room)? } else { None };
            if let Some(bytes) = shrunk {
                stock.add(&smaller, bytes);
                if may_go(&smaller, limits) {
                    left.insert(at, smaller);
                }
            } else if may_go(&item, limits) {
                self.remove_item(&item)?;
                pruned.items.push(item);
            }
        }
        // what shrank left its whole original behind
        self.sweep()
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
    /// How many of which users had more than they may.
    pub too_many: Vec<(String, u64)>,
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

    /// An item that has shrunk to so many bytes.
    fn add(&mut self, item: &Item, bytes: u64) {
        for digest in item.objects() {
            self.sizes.insert(digest.to_owned(), bytes);
            *self.named.entry(digest.to_owned()).or_default() += 1;
        }
        self.total += bytes + self.size(&item.id);
        *self.of_users.entry(item.user.clone()).or_default() += self.size_of(item);
    }

    /// Of these items of the user who has most the oldest that can shrink, or else the oldest.
    fn most_of(&self, items: &[Item]) -> Option<usize> {
        let most = items.iter().map(|item| self.of_users.get(&item.user)).max()?;
        let is_of_most = |item: &&Item| self.of_users.get(&item.user) == most;
        let can_shrink = items.iter().position(|item| is_of_most(&item) && can_shrink(item));
        can_shrink.or_else(|| items.iter().position(|item| is_of_most(&item)))
    }
}

/// How an item of an earlier version differs from its original, which kept no word of it: by its pieces, if taking them out
/// gives the very bytes that the edit left.
fn as_pieces(item: &Item, original: &[u8]) -> Vec<Changed> {
    let mut out = item.taken_out();
    out.sort_by_key(|range| range.start);
    let (mut edited, mut at) = (Vec::new(), 0);
    for range in &out {
        let Some(between) = original.get(at..range.start as usize) else { return Vec::new() };
        edited.extend_from_slice(between);
        at = range.end as usize;
    }
    let Some(last) = original.get(at..) else { return Vec::new() };
    edited.extend_from_slice(last);
    if digest_of(&edited) == item.edited { changed::between(original, &edited, &out) } else { Vec::new() }
}

/// Whether less than the whole original is enough: it was changed in parts, and the change was proved. A file that was
/// taken away as a whole is its own piece.
fn can_shrink(item: &Item) -> bool {
    let is_whole = item.entries.iter().any(|entry| entry.action == "quarantine-file");
    item.shrunk.is_none() && item.state != State::Pending && !is_whole
}

/// Whether an item may be let go of at all.
fn may_go(item: &Item, limits: Limits) -> bool {
    item.state != State::Pending && item.taken < limits.taken_now
}

fn is_older(path: &Path, than: Timestamp) -> bool {
    let modified = std::fs::symlink_metadata(path).and_then(|found| found.modified());
    modified.is_ok_and(|at| Timestamp::try_from(at).is_ok_and(|at| at < than))
}

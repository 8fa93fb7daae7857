//! Originals of every file that we change, kept before the change is made. Holds secrets by nature: nobody but the
//! agent's own user can read it, and programs that make backups are asked to leave it out.
//!
//! `objects/<sha256>` holds bytes under their digest, `items/<id>.json` what they are. An object is on the disk before
//! an item names it; an item is removed before its objects are. So a crash leaves a whole item or none, and at the most
//! bytes that no item names, which go when the vault is opened again.

mod changed;
#[cfg(test)]
mod crash_tests;
mod disk;
mod item;
mod keeping;
mod listed;
#[cfg(test)]
mod shrink_tests;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use mcpolicy_platform::durable;
use mcpolicy_platform::machine::{Machine, ReadError};
use sha2::{Digest, Sha256};

use crate::disk_advice::{advice, of_read};
use crate::kept_path::KeptPath;
use crate::worker::FileRights;
use disk::failed;
use listed::Listed;

pub use changed::Changed;
pub use item::{Beside, Item, Leftover, State, Taken, other_names};
pub use keeping::{Limits, Pruned};

/// Largest object, in bytes: no file that is edited is larger.
const MAX_OBJECT_BYTES: u64 = 64 * 1024 * 1024;
/// Largest description, in bytes.
const MAX_ITEM_BYTES: u64 = 32 * 1024 * 1024;
/// What programs that make backups look for (the Cache Directory Tagging Specification).
const BACKUP_TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # Originals of changed configuration files, with secrets: not to be copied into backups.\n";

/// Bytes and the range of the original that they had.
pub type Kept = (std::ops::Range<u64>, Vec<u8>);

/// Why the vault cannot be used. Without it nothing is changed.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// A step on the disk failed.
    #[error("the vault cannot {step} {}: {cause}{}", path.display(), advice(cause))]
    Disk {
        /// What was to be done.
        step: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// A description is no JSON of ours, or an object is not what its name says.
    #[error("{} of the vault is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A description is longer than what is read again.
    #[error(
        "what is to be said of a file would have {bytes} bytes, and no more than {MAX_ITEM_BYTES} are read again"
    )]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// There is no item of this id.
    #[error("the vault has no item {0}; `mcpolicy quarantine list` shows all")]
    NoItem(String),
}

/// The vault of one machine, or of one user. One process at a time: the caller holds the state's lock.
pub struct Vault {
    folder: PathBuf,
    /// Bytes that were written since it was last pruned.
    grown: Cell<u64>,
    /// Bytes of files that were taken away as a whole since it was opened: these cannot be shrunk.
    whole: Cell<u64>,
    /// What is there, once it was read; forgotten where a change of it may have come half through.
    listed: RefCell<Option<Listed>>,
}

/// A file that is about to be changed.
pub struct Original<'a> {
    /// Name of the user whose file it is.
    pub user: &'a str,
    /// The user's id, where there are such.
    pub uid: Option<u32>,
    /// The user's home.
    pub home: &'a str,
    /// The file, links resolved.
    pub path: &'a Path,
    /// The same as discovery found it.
    pub found_as: &'a Path,
    /// The client whose location it is.
    pub client: &'a str,
    /// How many names it has.
    pub names: u64,
    /// What others may do with it, where such is known.
    pub rights: Option<FileRights>,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The bytes that are to take their place.
    pub edited: &'a [u8],
    /// What is taken out.
    pub entries: Vec<Taken>,
    /// For a file that only keeps something about entries of another.
    pub beside: Option<Beside>,
    /// Other files may hold approvals of what is taken out.
    pub approvals_due: bool,
}

impl Vault {
    /// Opens the vault in a folder, which is made if it is not there, and clears away what a crash left unfinished.
    ///
    /// # Errors
    /// The system refuses, or others have rights to the folder: it holds secrets, and what it gives back is written.
    pub fn open(folder: &Path) -> Result<Self, VaultError> {
        let vault = Self::in_folder(folder);
        let parts = [folder.join("objects"), folder.join("items")];
        for path in &parts {
            durable::make_private_directory(path).map_err(failed("make", path))?;
        }
        for path in std::iter::once(folder).chain(parts.iter().map(PathBuf::as_path)) {
            durable::check_private_directory(path).map_err(failed("use", path))?;
        }
        // new folders must outlast a loss of power as what is in them does
        for path in std::iter::once(folder).chain(folder.parent()) {
            disk::sync_names(path)?;
        }
        vault.ask_to_be_left_out_of_backups()?;
        vault.clear_unfinished()?;
        Ok(vault)
    }

    /// The vault in a folder, to be looked at while somebody else may hold it: nothing is made or cleared away. Where
    /// there is none it is empty.
    ///
    /// # Errors
    /// Others have rights to the folder.
    pub fn look(folder: &Path) -> Result<Self, VaultError> {
        match durable::check_private_directory(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("use", folder)(error)),
            _ => Ok(Self::in_folder(folder)),
        }
    }

    fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            grown: Cell::new(0),
            whole: Cell::new(0),
            listed: RefCell::new(None),
        }
    }

    fn ask_to_be_left_out_of_backups(&self) -> Result<(), VaultError> {
        durable::leave_out_of_backups(&self.folder);
        let tag = self.folder.join("CACHEDIR.TAG");
        let there = Machine::live().read(&tag, None, BACKUP_TAG.len() as u64);
        if there.is_ok_and(|there| there.bytes == BACKUP_TAG.as_bytes()) {
            return Ok(());
        }
        disk::write_whole(&tag, BACKUP_TAG.as_bytes())
    }

    /// Keeps an original. When this returns, both the bytes and what they are lie on the disk.
    ///
    /// # Errors
    /// The system refuses: the file must then not be changed.
    pub fn keep(&self, original: Original<'_>, now: Timestamp) -> Result<Item, VaultError> {
        let digest = self.put(original.bytes)?;
        if original.edited.is_empty() {
            self.whole.set(self.whole.get() + original.bytes.len() as u64);
        }
        let edited = digest_of(original.edited);
        let path = KeptPath::of(original.path);
        // two names may look alike as text
        let bytes = path.base64().unwrap_or_default();
        let seed = format!("{now}\0{}\0{path}{bytes}\0{digest}\0{edited}", original.user);
        let mut item = Item {
            id: format!("q-{}", &digest_of(seed.as_bytes())[..10]),
            taken: now,
            user: original.user.to_owned(),
            uid: original.uid,
            home: original.home.to_owned(),
            path,
            found_as: KeptPath::of(original.found_as),
            client: original.client.to_owned(),
            names: original.names,
            rights: original.rights,
            original: digest,
            edited,
            entries: original.entries,
            changed: Vec::new(),
            beside: original.beside,
            state: State::Pending,
            shrunk: None,
            turn: self.with_listed(|listed| listed.next_turn(now))?,
            leftover: None,
            approvals_due: original.approvals_due,
            considered: None,
        };
        // a file that was taken away as a whole stays so
        if !original.edited.is_empty() {
            item.changed = changed::between(original.bytes, original.edited, &item.taken_out());
        }
        self.update(&item)?;
        Ok(item)
    }

    /// Bytes of files that were taken away as a whole since it was opened.
    pub fn whole(&self) -> u64 {
        self.whole.get()
    }

    /// Writes what an item has become.
    ///
    /// # Errors
    /// The system refuses.
    pub fn update(&self, item: &Item) -> Result<(), VaultError> {
        let path = self.item_path(&item.id);
        let item = &self.recalled(item);
        let json =
            serde_json::to_vec_pretty(item).map_err(|e| failed("write", &path)(io::Error::other(e)))?;
        if json.len() as u64 > MAX_ITEM_BYTES {
            // attack: an item that cannot be read again is lost, and keeps the vault from letting go of anything
            return Err(VaultError::TooLarge { bytes: json.len() });
        }
        self.grown.set(self.grown.get() + json.len() as u64);
        let written = disk::write_whole(&path, &json);
        self.has_changed(&written, |listed| listed.put(item.clone()));
        written
    }

    /// The item with its entries as reports show them, as far as the disk has them: the list of all goes without. What was
    /// told of an entry once is never taken back.
    pub fn recalled(&self, item: &Item) -> Item {
        let mut item = item.clone();
        if item.entries.iter().all(|taken| taken.told.is_some()) {
            return item;
        }
        let Ok(there) = self.item(&item.id) else { return item };
        for (taken, there) in item.entries.iter_mut().zip(there.entries) {
            let is_same = (&taken.key_path, &taken.fingerprint) == (&there.key_path, &there.fingerprint);
            if taken.told.is_none() && is_same {
                taken.told = there.told;
            }
        }
        item
    }

    /// Takes note of a change, or of a failure after which nobody knows what is there.
    fn has_changed(&self, done: &Result<(), VaultError>, change: impl FnOnce(&mut Listed)) {
        let mut listed = self.listed.borrow_mut();
        match (done, listed.as_mut()) {
            (Ok(()), Some(listed)) => change(listed),
            _ => *listed = None,
        }
    }

    /// What is there, read at the first time.
    fn with_listed<T>(&self, look: impl FnOnce(&Listed) -> T) -> Result<T, VaultError> {
        let mut listed = self.listed.borrow_mut();
        let known = match listed.take() {
            Some(known) => known,
            None => self.list()?,
        };
        Ok(look(listed.insert(known)))
    }

    /// An item by its id.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn item(&self, id: &str) -> Result<Item, VaultError> {
        let is_id = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_id || id.is_empty() {
            return Err(VaultError::NoItem(id.to_owned()));
        }
        let path = self.item_path(id);
        let bytes = match Machine::live().read(&path, None, MAX_ITEM_BYTES) {
            Ok(snapshot) => snapshot.bytes,
            Err(ReadError::NotFound) => return Err(VaultError::NoItem(id.to_owned())),
            Err(error) => return Err(failed("read", &path)(of_read(&error))),
        };
        serde_json::from_slice(&bytes).map_err(|_| VaultError::Damaged { path })
    }

    /// All items, in the order in which they were taken, and the files that are damaged. What reports show of their entries
    /// is left on the disk.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn items(&self) -> Result<(Vec<Item>, Vec<PathBuf>), VaultError> {
        self.with_listed(|listed| (listed.items(), listed.damaged().to_vec()))
    }

    /// All items that can be read, in the order in which they were taken, with what reports show of their entries.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn items_told(&self) -> Result<Vec<Item>, VaultError> {
        let (items, _) = self.items()?;
        Ok(items.iter().map(|item| self.recalled(item)).collect())
    }

    fn list(&self) -> Result<Listed, VaultError> {
        let folder = self.folder.join("items");
        let names = match Machine::live().list(&folder) {
            Err(ReadError::NotFound) => return Ok(Listed::default()),
            names => names.map_err(|e| failed("list", &folder)(of_read(&e)))?,
        };
        let (mut items, mut damaged) = (Vec::new(), Vec::new());
        for name in names.iter().filter_map(|entry| entry.name.to_str()?.strip_suffix(".json")) {
            match self.item(name) {
                Ok(item) => items.push(item),
                Err(_) => damaged.push(self.item_path(name)),
            }
        }
        Ok(Listed::of(items, damaged))
    }

    /// The whole original of an item; `None` if only its pieces are left.
    ///
    /// # Errors
    /// It cannot be read, or is not what was put there.
    pub fn original(&self, item: &Item) -> Result<Option<Vec<u8>>, VaultError> {
        if item.shrunk.is_some() { Ok(None) } else { self.get(&item.original).map(Some) }
    }

    /// The bytes of each entry of an item, with the ranges that they had.
    ///
    /// # Errors
    /// They cannot be read, or are not what was put there.
    pub fn pieces(&self, item: &Item) -> Result<Vec<Vec<Kept>>, VaultError> {
        let damaged = || VaultError::Damaged { path: self.item_path(&item.id) };
        // the pieces of all entries, one after the other, or the whole
        let object = self.get(item.shrunk.as_deref().unwrap_or(&item.original))?;
        let mut at = 0;
        let mut all = Vec::new();
        for entry in &item.entries {
            let mut pieces = Vec::new();
            for range in &entry.pieces {
                let length = range.end.checked_sub(range.start).ok_or_else(damaged)?;
                let start = if item.shrunk.is_some() { at } else { range.start };
                let end = start.checked_add(length).ok_or_else(damaged)?;
                let bytes = object.get(start as usize..end as usize).ok_or_else(damaged)?;
                pieces.push((range.clone(), bytes.to_vec()));
                at += length;
            }
            all.push(pieces);
        }
        Ok(all)
    }

    /// The whole original of an item whose file is as it was left: where only what was taken out is kept, it is put back
    /// at its places. `None` if that does not give the very bytes.
    ///
    /// # Errors
    /// As [`pieces`](Self::pieces).
    pub fn rebuilt(&self, item: &Item, edited: &[u8]) -> Result<Option<Vec<u8>>, VaultError> {
        if let Some(original) = self.original(item)? {
            return Ok(Some(original));
        }
        let mut kept: Vec<Kept> = self.pieces(item)?.into_iter().flatten().collect();
        let mut changed = item.changed.clone();
        if changed.is_empty() {
            // as it was kept by an earlier version
            changed = kept
                .iter()
                .map(|(range, _)| Changed { start: range.start, end: range.end, put: 0 })
                .collect();
            changed.sort_by_key(|one| one.start);
        }
        kept.extend(self.kept_beside(item)?);
        kept.sort_by_key(|(range, _)| range.start);
        let whole = changed::rebuilt(&changed, |range| held(&kept, range), edited);
        Ok(whole.filter(|whole| digest_of(whole) == item.original))
    }

    /// What a shrunk item holds beside its pieces.
    fn kept_beside(&self, item: &Item) -> Result<Vec<Kept>, VaultError> {
        let Some(shrunk) = &item.shrunk else { return Ok(Vec::new()) };
        let damaged = || VaultError::Damaged { path: self.item_path(&item.id) };
        let (object, pieces) = (self.get(shrunk)?, item.ranges());
        let mut at: usize = pieces.iter().map(|range| range.end.saturating_sub(range.start) as usize).sum();
        let mut kept = Vec::new();
        for range in changed::beside(&item.changed, &pieces) {
            let end = at + (range.end - range.start) as usize;
            kept.push((range, object.get(at..end).ok_or_else(damaged)?.to_vec()));
            at = end;
        }
        Ok(kept)
    }

    fn item_path(&self, id: &str) -> PathBuf {
        self.folder.join("items").join(format!("{id}.json"))
    }

    fn object_path(&self, digest: &str) -> PathBuf {
        self.folder.join("objects").join(digest)
    }

    /// Puts bytes under their digest.
    fn put(&self, bytes: &[u8]) -> Result<String, VaultError> {
        let digest = digest_of(bytes);
        let path = self.object_path(&digest);
        if self.get(&digest).is_ok() {
            // a crash may have come before its name was on the disk
            disk::sync_names(&self.folder.join("objects"))?;
        } else {
            self.grown.set(self.grown.get() + bytes.len() as u64);
            disk::write_whole(&path, bytes)?;
        }
        Ok(digest)
    }

    fn get(&self, digest: &str) -> Result<Vec<u8>, VaultError> {
        let path = self.object_path(digest);
        // from an item, which may be damaged: it must not lead elsewhere
        if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(VaultError::Damaged { path });
        }
        let bytes = Machine::live().read(&path, None, MAX_OBJECT_BYTES);
        let bytes = bytes.map_err(|e| failed("read", &path)(of_read(&e)))?.bytes;
        if digest_of(&bytes) == digest { Ok(bytes) } else { Err(VaultError::Damaged { path }) }
    }
}

/// The bytes of a range, from pieces in order that touch each other there.
fn held(kept: &[Kept], range: std::ops::Range<u64>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut at = range.start;
    let first = kept.partition_point(|(piece, _)| piece.end <= at);
    for (piece, bytes) in &kept[first..] {
        if at >= range.end {
            break;
        }
        let skipped = at.checked_sub(piece.start)? as usize;
        let end = (range.end.min(piece.end) - piece.start) as usize;
        out.extend_from_slice(bytes.get(skipped..end)?);
        at = piece.end;
    }
    (at >= range.end).then_some(out)
}

/// SHA-256 as 64 hex digits.
pub fn digest_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

//! The last allowed text of each entry of one user: what a changed entry is put back to.
//!
//! The texts may hold secrets, so a book lies in the vault's folder: nobody but the agent's own user can read it, and
//! backups leave it out. A text is kept once under its digest, however many projects have it.

mod form;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use mcpolicy_clients::edit::Piece;
use mcpolicy_platform::durable;
use mcpolicy_platform::machine::{Machine, ReadError};
use mcpolicy_schema::entry::{Entry, Inert};

use crate::discover::source::Source;
use crate::vault::digest_of;

/// Largest book, in bytes as it is written; what is kept is bounded by [`Caps`] far below it.
const MAX_BOOK_BYTES: u64 = 64 * 1024 * 1024;
/// How old the note of a sighting may get before it is worth writing the book anew.
const SIGHTING: SignedDuration = SignedDuration::from_hours(24);

/// What a book may hold. Whoever fills a book only loses own reverts: what is not in it is quarantined instead.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// Entries.
    pub entries: usize,
    /// Bytes of all texts.
    pub bytes: usize,
    /// Bytes of one text; a longer one is not remembered.
    pub text: usize,
    /// How long an entry is remembered whose file is not seen any more.
    pub unseen: SignedDuration,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            entries: 4096,
            bytes: 8 * 1024 * 1024,
            text: 64 * 1024,
            unseen: SignedDuration::from_hours(90 * 24),
        }
    }
}

/// Where an entry stands, by what stays the same when others come and go: items of a list go by their name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// The file as discovery finds it.
    pub path: String,
    /// JSON Pointer of the table.
    pub table: String,
    /// The entry's name.
    pub name: String,
}

impl Slot {
    /// Of an entry of a source.
    pub fn of(source: &Source, entry: &Entry) -> Self {
        let table = entry.key_path.rsplit_once('/').map_or("", |(table, _)| table);
        Self {
            path: source.path.to_string_lossy().into_owned(),
            table: table.to_owned(),
            name: entry.name.clone(),
        }
    }
}

/// An entry as it stands in a file that was just read and judged.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Where.
    pub slot: Slot,
    /// Its fingerprint and text if it is allowed, `None` if it is not.
    pub allowed: Option<LastAllowed>,
}

impl Standing {
    /// Of an entry that is allowed, with its text as `edit::texts` gives it, or of one that is not. `None` for a
    /// declaration in whose place a later one counts.
    pub fn of(source: &Source, entry: &Entry, allowed: Option<LastAllowed>) -> Option<Self> {
        let counts = entry.inert != Some(Inert::Overridden);
        counts.then(|| Self { slot: Slot::of(source, entry), allowed })
    }
}

/// An allowed state of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastAllowed {
    /// Its fingerprint.
    pub fingerprint: String,
    /// Its text. It may hold secrets.
    pub pieces: Vec<Piece>,
}

/// What is kept of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    fingerprint: String,
    text: String,
    seen: Timestamp,
}

/// The book of one user.
#[derive(Debug, Clone, Default)]
pub struct Book {
    user: String,
    slots: BTreeMap<Slot, Kept>,
    texts: BTreeMap<String, Vec<Piece>>,
    changed: bool,
}

impl Book {
    /// An empty one.
    pub fn new(user: &str) -> Self {
        Self { user: user.to_owned(), ..Self::default() }
    }

    /// The book of a user in the vault's folder; an empty one if there is none.
    ///
    /// # Errors
    /// The system refuses to read it, or it is damaged or another user's: an empty one may take its place, at the cost
    /// of reverts.
    pub fn load(vault: &Path, user: &str) -> io::Result<Self> {
        match Machine::live().read(&path_of(vault, user), None, MAX_BOOK_BYTES) {
            Ok(snapshot) => form::read(&snapshot.bytes).filter(|book| book.user == user).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "the book of last allowed texts is damaged")
            }),
            Err(ReadError::NotFound) => Ok(Self::new(user)),
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    }

    /// Whose it is.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Whether there is something that was not written yet.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Writes it, if something changed.
    ///
    /// # Errors
    /// The system refuses; the book of before is still there then.
    pub fn save(&mut self, vault: &Path) -> io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        let path = path_of(vault, &self.user);
        let folder = path.parent().unwrap_or(vault);
        durable::make_private_directory(folder)?;
        durable::replace(&path, &form::write(self)?)?;
        self.changed = false;
        Ok(())
    }

    /// Takes note of a file that was read and judged under a policy in force. What is allowed is remembered as it
    /// stands; what is denied keeps what is remembered of it; what is gone is forgotten, for its user took it out, and a
    /// later entry of that name is a new one. A name that stands twice in a table is left as it was: which of the two a
    /// client would take is not for us to say.
    pub fn note(&mut self, path: &str, read: Vec<Standing>, caps: &Caps, now: Timestamp) {
        let mut by_slot: BTreeMap<Slot, Vec<Option<LastAllowed>>> = BTreeMap::new();
        for standing in read {
            by_slot.entry(standing.slot).or_default().push(standing.allowed);
        }
        let before = self.slots.len();
        self.slots.retain(|slot, _| slot.path != path || by_slot.contains_key(slot));
        self.changed |= self.slots.len() != before;
        for (slot, mut states) in by_slot {
            self.see(&slot, now);
            if let (Some(Some(allowed)), true) = (states.pop(), states.is_empty()) {
                self.remember(slot, allowed, caps, now);
            }
        }
    }

    /// The last allowed state of a slot.
    pub fn last(&self, slot: &Slot) -> Option<LastAllowed> {
        let kept = self.slots.get(slot)?;
        let pieces = self.texts.get(&kept.text)?.clone();
        Some(LastAllowed { fingerprint: kept.fingerprint.clone(), pieces })
    }

    /// Drops what was not seen for too long, then the longest unseen until the book fits.
    pub fn prune(&mut self, caps: &Caps, now: Timestamp) {
        let before = self.slots.len();
        self.slots.retain(|_, kept| now.duration_since(kept.seen) <= caps.unseen);
        self.drop_unused();
        let mut uses: BTreeMap<String, usize> = BTreeMap::new();
        for kept in self.slots.values() {
            *uses.entry(kept.text.clone()).or_default() += 1;
        }
        let mut bytes: usize = self.texts.values().map(|pieces| length(pieces)).sum();
        let mut oldest: Vec<(Timestamp, Slot)> =
            self.slots.iter().map(|(slot, kept)| (kept.seen, slot.clone())).collect();
        oldest.sort();
        for (_, slot) in oldest {
            if self.slots.len() <= caps.entries && bytes <= caps.bytes {
                break;
            }
            let Some(kept) = self.slots.remove(&slot) else { continue };
            let left = uses.entry(kept.text.clone()).or_default();
            *left -= 1;
            if *left == 0 {
                bytes -= self.texts.remove(&kept.text).map_or(0, |pieces| length(&pieces));
            }
        }
        self.changed |= self.slots.len() != before;
    }

    fn see(&mut self, slot: &Slot, now: Timestamp) {
        if let Some(kept) = self.slots.get_mut(slot)
            && now.duration_since(kept.seen) > SIGHTING
        {
            kept.seen = now;
            self.changed = true;
        }
    }

    fn remember(&mut self, slot: Slot, allowed: LastAllowed, caps: &Caps, now: Timestamp) {
        let LastAllowed { fingerprint, pieces } = allowed;
        if pieces.is_empty() || length(&pieces) > caps.text {
            // one that cannot be put back, or not for its length: an older text would take back more than what is denied
            self.changed |= self.slots.remove(&slot).is_some();
            return;
        }
        let pieces = from_its_start(pieces);
        let text = digest_of(&form::text(&pieces));
        let is_known = |kept: &Kept| kept.fingerprint == fingerprint && kept.text == text;
        if self.slots.get(&slot).is_some_and(is_known) {
            return;
        }
        self.texts.insert(text.clone(), pieces);
        self.slots.insert(slot, Kept { fingerprint, text, seen: now });
        self.changed = true;
    }

    fn drop_unused(&mut self) {
        let used: BTreeSet<&String> = self.slots.values().map(|kept| &kept.text).collect();
        self.texts.retain(|digest, _| used.contains(digest));
    }
}

/// An entry that only moves in its file, because others come and go, has the same text.
fn from_its_start(mut pieces: Vec<Piece>) -> Vec<Piece> {
    let start = pieces.iter().map(|piece| piece.range.start).min().unwrap_or_default();
    for piece in &mut pieces {
        piece.range = piece.range.start - start..piece.range.end - start;
    }
    pieces
}

fn length(pieces: &[Piece]) -> usize {
    pieces.iter().map(|piece| piece.bytes.len()).sum()
}

/// A user's name may hold anything; its digest is a file name on every system.
fn path_of(vault: &Path, user: &str) -> PathBuf {
    vault.join("last-allowed").join(format!("{}.json", &digest_of(user.as_bytes())[..32]))
}

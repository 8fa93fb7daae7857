//! What was done on this machine, when and by which rule: append-only, hash-chained, numbered.
//!
//! Constraints: an intent is on the disk before its change is; a record is never rewritten; a crash in the middle of a
//! write loses that record only, and is told; a record that is whole is never given up for what befell another.
//!
//! Format: segments `<first number, twelve digits>.ndjson`, one JSON object a line. Each line carries the SHA-256 of
//! the one before, so a record can be neither changed nor left out in the middle without it being seen, and a check of
//! itself, so that a bit that turned in the last one is seen too. Whoever owns the machine can write all of it anew or
//! cut the end off: what reports have carried away is the proof against that.

#[cfg(test)]
mod damage_tests;
mod record;
mod segments;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use mcpolicy_platform::durable;
use sha2::{Digest, Sha256};

use crate::disk_advice::advice;
pub use record::{Action, End, Event, Gap, Intent, NOTHING_BEFORE, Outcome, Record, Running, What};
use segments::Segment;

/// Code of the event that counts records which went because the journal outgrew its size.
const CUT: &str = "journal-cut";
/// Code of the event with which an agent ends that is told to stop.
pub const STOPPED: &str = "agent-stopped";
/// Code of the event that tells of a journal that was changed.
const DAMAGED: &str = "journal-damaged";
/// Bytes after which a new segment begins.
const SEGMENT_BYTES: u64 = 1024 * 1024;
/// Longest record, in bytes: a segment with one more is still read.
const MAX_RECORD_BYTES: usize = 24 << 20;

/// Why the journal cannot be used. Without it nothing is changed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A step on the disk failed.
    #[error("the journal cannot {step} {}: {cause}{}", path.display(), advice(cause))]
    Disk {
        /// What was to be done.
        step: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// A record is longer than what is read again.
    #[error(
        "a record of the journal would have {bytes} bytes, and no more than {MAX_RECORD_BYTES} are read again"
    )]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// A record cannot be written as JSON.
    #[error("a record of the journal cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// What opening the journal showed.
#[derive(Debug, Default)]
pub struct Opened {
    /// Intents of which no outcome is known, by number: a crash lies between.
    pub pending: BTreeMap<u64, Intent>,
    /// What is wrong with the journal itself; already recorded in it.
    pub damage: Vec<String>,
    /// When the last record was written, and whether an agent said with it that it stops.
    pub last: Option<(Timestamp, bool)>,
    /// Damage that earlier openings recorded.
    told: BTreeSet<String>,
}

/// The journal of one machine, open for appending. One process at a time: the caller holds the state's lock.
pub struct Journal {
    folder: PathBuf,
    /// The segment that is appended to.
    current: Option<Segment>,
    /// Number of the last record.
    seq: u64,
    /// Digest of the last line.
    last: String,
    /// Numbers of the accounts that are known.
    numbers: BTreeMap<String, u32>,
    /// What was added since it was last asked for, for the report.
    fresh: Vec<Record>,
    /// What was refused of what was offered, and when that was last told.
    refused: BTreeMap<String, Timestamp>,
}

/// A refusal without its numbers: one that names the time of now is another each time.
fn kind_of(detail: &str) -> String {
    detail.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// A refusal that was told is told again after this.
const REFUSED_AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// Refusals that are remembered.
const MOST_REFUSED: usize = 64;

/// Fresh records that are kept; with more, whoever asks reads the files.
const MOST_FRESH: usize = 1024;

impl Journal {
    /// Opens the journal in a folder, which is made if it is not there, and reads it whole.
    ///
    /// # Errors
    /// The system refuses a step.
    pub fn open(folder: &Path, now: Timestamp) -> Result<(Self, Opened), JournalError> {
        durable::make_private_directory(folder).map_err(disk("make", folder))?;
        durable::check_private_directory(folder).map_err(disk("use", folder))?;
        let mut journal = Self {
            folder: folder.to_owned(),
            current: None,
            seq: 0,
            last: NOTHING_BEFORE.to_owned(),
            numbers: BTreeMap::new(),
            fresh: Vec::new(),
            refused: BTreeMap::new(),
        };
        let mut opened = Opened::default();
        let listed = segments::list(folder)?;
        let mut torn = 0;
        for (at, segment) in listed.iter().enumerate() {
            let text = segment.read()?;
            if at == 0 && segment.first > 1 {
                // older segments were cut on purpose; the chain goes on from here
                journal.seq = segment.first - 1;
            }
            let read = segments::parse(&text);
            for (line, record) in &read.records {
                journal.follow(line, record, at == 0, &mut opened);
            }
            let is_last = at + 1 == listed.len();
            if is_last {
                torn += u64::from(read.torn > 0);
                end_well(segment, &text, &read)?;
            }
            let unreadable = read.unreadable + u64::from(read.torn > 0 && !is_last);
            if unreadable > 0 {
                let path = segment.path.display();
                opened.damage.push(format!("{unreadable} lines of {path} cannot be read"));
            }
        }
        journal.current = segments::list(folder)?.pop();
        // what was told at an earlier opening is not told again
        opened.damage.retain(|message| !opened.told.contains(message));
        for message in &opened.damage {
            journal.append(now, What::Event(Event::new(DAMAGED, message)))?;
        }
        if torn > 0 {
            let detail = "the end of the last record was not whole and was cut; if a crash broke it off, what it was \
                          about had not been done yet";
            journal.append(now, What::Event(Event::new("torn-record", detail)))?;
        }
        Ok((journal, opened))
    }

    /// Takes a record that is already there.
    fn follow(&mut self, line: &[u8], record: &Record, in_first: bool, opened: &mut Opened) {
        let follows = self.seq.checked_add(1) == Some(record.seq);
        let is_first_left = in_first && follows && self.last == NOTHING_BEFORE;
        if !follows {
            opened.damage.push(format!("record {} follows {}", record.seq, self.seq));
        } else if record.prev != self.last && !is_first_left {
            opened.damage.push(format!("record {} does not continue the one before", record.seq));
        }
        opened.last =
            Some((record.time, matches!(&record.what, What::Event(event) if event.code == STOPPED)));
        match &record.what {
            What::Intent(intent) => {
                opened.pending.insert(record.seq, intent.clone());
            }
            What::Outcome(outcome) => {
                opened.pending.remove(&outcome.intent);
            }
            What::Event(event) if event.code == DAMAGED => {
                opened.told.insert(event.detail.clone());
            }
            What::Event(_) => {}
        }
        self.note_refusal(record);
        self.seq = self.seq.max(record.seq);
        self.last = digest(line);
    }

    fn note_refusal(&mut self, record: &Record) {
        let What::Event(event) = &record.what else { return };
        match event.code.as_str() {
            // what comes after a success is new
            "policy-accepted" => self.refused.clear(),
            "policy-refused" => {
                if self.refused.len() >= MOST_REFUSED {
                    self.refused.clear();
                }
                self.refused.insert(kind_of(&event.detail), record.time);
            }
            _ => {}
        }
    }

    /// Tells that something offered is refused, once an hour.
    ///
    /// Attack, or a mirror that serves another fleet: each look at what is offered refuses it anew, and what really happens is
    /// driven out of journal and spool by that.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_refusal(&mut self, time: Timestamp, detail: &str) -> Result<(), JournalError> {
        let again =
            self.refused.get(&kind_of(detail)).map(|at| time.duration_since(*at).abs() >= REFUSED_AGAIN);
        if again.unwrap_or(true) {
            self.append(time, What::Event(Event::new("policy-refused", detail)))?;
        }
        Ok(())
    }

    /// Takes in which accounts there are, by name and number: records about them carry the number from now on.
    pub fn know(&mut self, accounts: impl Iterator<Item = (String, u32)>) {
        self.numbers = accounts.collect();
    }

    /// Number of the last record; 0 if there is none.
    pub fn sequence(&self) -> u64 {
        self.seq
    }

    /// Adds a record and waits until it is on the disk. Its number.
    ///
    /// # Errors
    /// The system refuses, or the record is too long: the caller must then not do what it is about.
    pub fn append(&mut self, time: Timestamp, what: What) -> Result<u64, JournalError> {
        let uid = self.numbers.get(what.user()).copied();
        self.append_of(time, what, uid)
    }

    /// The same of an account with this number, which may not be the one that has its name now.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_of(&mut self, time: Timestamp, what: What, uid: Option<u32>) -> Result<u64, JournalError> {
        let record = Record { seq: self.seq.saturating_add(1), prev: self.last.clone(), time, uid, what };
        let mut line = record.to_line()?;
        if line.len() > MAX_RECORD_BYTES {
            // attack: a file whose record cannot be read again would be the end of the journal, for all users
            return Err(JournalError::TooLarge { bytes: line.len() });
        }
        let last = digest(&line);
        line.push(b'\n');
        let is_full = self.current.as_ref().is_none_or(|segment| segment.bytes >= SEGMENT_BYTES);
        if is_full {
            self.current = Some(Segment::new(&self.folder, record.seq));
        }
        let Some(segment) = &mut self.current else { return Ok(self.seq) };
        let appended = durable::append(&segment.path, &line);
        if let Err(source) = appended {
            // half a line must not become the beginning of the next one
            let _ = durable::cut(&segment.path, segment.bytes);
            return Err(JournalError::Disk { step: "append to", path: segment.path.clone(), cause: source });
        }
        if is_full {
            durable::sync_directory(&self.folder).map_err(disk("sync", &self.folder))?;
        }
        segment.bytes += line.len() as u64;
        self.seq = record.seq;
        self.last = last;
        // nobody may ask for them
        if self.fresh.len() >= MOST_FRESH {
            self.fresh.clear();
        }
        self.note_refusal(&record);
        self.fresh.push(record);
        Ok(self.seq)
    }

    /// What was added since this was last asked for: the last of it at least, all of it where the numbers follow.
    pub fn take_fresh(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.fresh)
    }

    /// Drops the oldest segments: those whose last record is older than `keep_after`, and as many more as the journal
    /// is larger than `most_bytes`. The latter is a loss, and is recorded with the number of records. How many records
    /// went.
    ///
    /// # Errors
    /// The system refuses a step.
    pub fn prune(
        &mut self,
        now: Timestamp,
        keep_after: Timestamp,
        most_bytes: u64,
    ) -> Result<u64, JournalError> {
        let listed = segments::list(&self.folder)?;
        let mut total: u64 = listed.iter().map(|segment| segment.bytes).sum();
        let mut dropped = 0;
        for pair in listed.windows(2) {
            let (old, next) = (&pair[0], &pair[1]);
            let text = old.read()?;
            let read = segments::parse(&text);
            let ended = read.records.last().is_none_or(|(_, record)| record.time < keep_after);
            if !ended && total <= most_bytes {
                break;
            }
            let count = next.first.saturating_sub(old.first);
            if !ended {
                // told before it is done: a crash between must not make it a silent loss; a cut of earlier cuts has
                // their numbers, too
                let count = count + read.records.iter().map(|(_, record)| cut(record)).sum::<u64>();
                let detail = "records younger than the journal's time are cut: it has outgrown its size";
                let event = Event { count: Some(count), ..Event::new(CUT, detail) };
                self.append(now, What::Event(event))?;
            }
            std::fs::remove_file(&old.path).map_err(disk("remove", &old.path))?;
            total -= old.bytes;
            dropped += count;
        }
        Ok(dropped)
    }
}

/// How many records an earlier cut took, where a record is about one.
fn cut(record: &Record) -> u64 {
    match &record.what {
        What::Event(event) if event.code == CUT => event.count.unwrap_or(0),
        _ => 0,
    }
}

/// The records that are about users; an outcome goes with its intent.
pub fn of_users(records: &[Record], is_wanted: &dyn Fn(&str, Option<u32>) -> bool) -> Vec<Record> {
    let mut intents = std::collections::BTreeSet::new();
    let mut wanted = Vec::new();
    for record in records {
        let fits = match &record.what {
            What::Intent(intent) => {
                let fits = is_wanted(&intent.user, record.uid);
                if fits {
                    intents.insert(record.seq);
                }
                fits
            }
            What::Outcome(outcome) => intents.contains(&outcome.intent),
            What::Event(event) => is_wanted(&event.user, record.uid),
        };
        if fits {
            wanted.push(record.clone());
        }
    }
    wanted
}

/// All records of a journal, oldest first, without opening it for appending. Lines that cannot be read are left out and
/// counted.
///
/// # Errors
/// The system refuses to read.
pub fn read(folder: &Path) -> Result<(Vec<Record>, u64), JournalError> {
    let (mut records, mut unreadable) = (Vec::new(), 0);
    for segment in segments::list(folder)? {
        let text = segment.read()?;
        let read = segments::parse(&text);
        unreadable += read.unreadable + u64::from(read.torn > 0);
        records.extend(read.records.into_iter().map(|(_, record)| record));
    }
    Ok((records, unreadable))
}

/// Makes the last segment one to which a line can be added.
fn end_well(segment: &Segment, text: &[u8], read: &segments::Lines<'_>) -> Result<(), JournalError> {
    if read.torn > 0 {
        durable::cut(&segment.path, (text.len() - read.torn) as u64).map_err(disk("cut", &segment.path))?;
    }
    if read.is_unfinished {
        durable::append(&segment.path, b"\n").map_err(disk("append to", &segment.path))?;
    }
    Ok(())
}

fn digest(line: &[u8]) -> String {
    Sha256::digest(line).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn disk(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    move |cause| JournalError::Disk { step, path: path.to_owned(), cause }
}

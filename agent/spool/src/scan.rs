//! What a class has on the disk, as an opening finds it.

use mcpolicy_schema::report::v1::Class;

use crate::error::SpoolError;
use crate::files::Files;
use crate::line::{self, Note};
use crate::queue::{Held, length};
use crate::segment::{self, Item, Placed};

/// No record with its chain is shorter, in bytes: how many there were at most in a damaged end.
const SHORTEST: usize = 100;

/// What is kept of a segment, in its order.
#[derive(Debug, Clone)]
enum Kept {
    Line(usize, usize),
    Hole(u64, u64),
}

/// One segment.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) held: Held,
    /// Numbers that are missing in it and for which it has no note.
    pub(crate) holes: Vec<(u64, u64)>,
    /// All of it is marked.
    pub(crate) is_clean: bool,
    /// What was not whole at its end.
    pub(crate) is_torn: bool,
    kept: Vec<Kept>,
    /// Its bytes, where it may have to be written again.
    bytes: Vec<u8>,
}

impl Found {
    /// The segment as it should be: the lines that are kept, notes for the holes, and a mark.
    pub(crate) fn mended(&self, epoch: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        for kept in &self.kept {
            match *kept {
                Kept::Line(start, end) => {
                    bytes.extend_from_slice(self.bytes.get(start..end).unwrap_or_default());
                }
                Kept::Hole(first, last) => {
                    let note = Note::Hole { epoch: epoch.to_owned(), first, last };
                    bytes.extend(line::encode_note(self.held.time_ms, &note));
                }
            }
        }
        bytes.push(b'\n');
        bytes
    }
}

/// One class.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    /// Its epoch; nothing if there is no record of it.
    pub(crate) epoch: Option<String>,
    /// The last number that was used.
    pub(crate) seq: u64,
    /// Digest of the last record that can be read; empty if there is none.
    pub(crate) prev: String,
    pub(crate) segments: Vec<Found>,
    /// Files in which there is nothing, and nothing was promised.
    pub(crate) husks: Vec<String>,
}

/// Reads all segments of a class.
pub(crate) fn scan(files: &dyn Files, names: &[String], class: Class) -> Result<Scanned, SpoolError> {
    let firsts = segment::firsts(names, class);
    let mut scanned = Scanned { epoch: last_epoch(files, &firsts, class)?, ..Scanned::default() };
    let Some(epoch) = scanned.epoch.clone() else {
        scanned.husks = firsts.iter().map(|first| segment::name(class, *first)).collect();
        return Ok(scanned);
    };
    for (at, &first) in firsts.iter().enumerate() {
        let name = segment::name(class, first);
        let next = firsts.get(at + 1).copied();
        let walk = Walk::new(segment::read(files, &name)?, first, next, &epoch);
        let (found, prev) = walk.run();
        if found.kept.is_empty() && next.is_none() {
            scanned.husks.push(name);
            scanned.seq = first - 1;
            continue;
        }
        scanned.seq = found.held.last;
        scanned.prev = prev.unwrap_or(scanned.prev);
        scanned.segments.push(found);
    }
    Ok(scanned)
}

/// The epoch of the last record, or hole, that can be read.
fn last_epoch(files: &dyn Files, firsts: &[u64], class: Class) -> Result<Option<String>, SpoolError> {
    for &first in firsts.iter().rev() {
        let bytes = segment::read(files, &segment::name(class, first))?;
        let epochs = segment::lines(&bytes).filter_map(|placed| match placed.item {
            Item::Record { chain, .. } => Some(chain.epoch),
            Item::Note(Note::Hole { epoch, .. }) => Some(epoch),
            _ => None,
        });
        if let Some(epoch) = epochs.last() {
            return Ok(Some(epoch));
        }
    }
    Ok(None)
}

/// A group of records that tell of losses, and is taken whole or not at all while it is not marked.
struct OpenGroup {
    before: (Held, usize, u64, Option<(usize, usize)>),
    missing: usize,
}

/// Goes over the lines of a segment.
struct Walk<'a> {
    bytes: Vec<u8>,
    next: Option<u64>,
    epoch: &'a str,
    /// Bytes that cannot be torn: what was on the disk before more was written.
    marked: usize,
    expected: u64,
    held: Held,
    kept: Vec<Kept>,
    holes: Vec<(u64, u64)>,
    /// Marked bytes after the last good line that are none.
    bad: usize,
    group: Option<OpenGroup>,
    /// Where the JSON of the last record is.
    last: Option<(usize, usize)>,
    is_torn: bool,
}

impl<'a> Walk<'a> {
    fn new(bytes: Vec<u8>, first: u64, next: Option<u64>, epoch: &'a str) -> Self {
        // what is before a segment was on the disk when that began
        let marked = if next.is_some() { bytes.len() } else { segment::marked(&bytes) };
        Self {
            bytes,
            next,
            epoch,
            marked,
            expected: first,
            held: Held::new(first),
            kept: Vec::new(),
            holes: Vec::new(),
            bad: 0,
            group: None,
            last: None,
            is_torn: false,
        }
    }

    /// What was found, and the digest of the last record.
    fn run(mut self) -> (Found, Option<String>) {
        let bytes = std::mem::take(&mut self.bytes);
        for placed in segment::lines(&bytes) {
            if !self.step(&placed) {
                break;
            }
        }
        if let Some(group) = self.group.take() {
            (self.held, _, self.expected, self.last) = group.before.clone();
            self.kept.truncate(group.before.1);
            self.is_torn = true;
        }
        self.end();
        let prev = self.last.and_then(|(start, end)| bytes.get(start..end)).map(line::digest);
        self.held.last = self.expected.saturating_sub(1);
        self.held.bytes = length(&bytes);
        let is_clean = segment::marked(&bytes) == bytes.len();
        let is_needed = !is_clean || !self.holes.is_empty();
        let found = Found {
            held: self.held,
            holes: self.holes,
            is_clean,
            is_torn: self.is_torn,
            kept: self.kept,
            bytes: if is_needed { bytes } else { Vec::new() },
        };
        (found, prev)
    }

    /// Takes a line; whether the next may be looked at.
    fn step(&mut self, placed: &Placed<'_>) -> bool {
        let is_marked = placed.end <= self.marked;
        match &placed.item {
            Item::Mark => true,
            Item::Record { chain, time_ms, json } if chain.epoch == self.epoch => {
                if self.next.is_some_and(|next| chain.seq >= next) {
                    // what a failed write left: the next segment has these numbers
                    return false;
                }
                if chain.seq < self.expected {
                    return true;
                }
                if chain.seq > self.expected && !is_marked && self.bad == 0 {
                    self.is_torn = true;
                    return false;
                }
                self.miss(chain.seq);
                self.keep(placed);
                self.held.extend(chain.seq, chain.seq);
                self.held.time_ms = *time_ms;
                self.expected = chain.seq.saturating_add(1);
                // the JSON is the end of its line
                self.last = Some((placed.end - 1 - json.len(), placed.end - 1));
                self.group_goes_on();
                true
            }
            Item::Note(Note::Hole { epoch, first, last }) if epoch == self.epoch => {
                if *last >= self.expected && self.next.is_none_or(|next| *last < next) {
                    self.miss(*first);
                    self.keep(placed);
                    self.expected = last.saturating_add(1);
                }
                true
            }
            Item::Note(Note::Counted { losses }) => {
                let end = self.expected.saturating_add(u64::try_from(losses.len()).unwrap_or(u64::MAX));
                if self.next.is_some_and(|next| end > next) {
                    // its records are not here: a failed write left it
                    return false;
                }
                if !is_marked {
                    let before = (self.held.clone(), self.kept.len(), self.expected, self.last);
                    self.group = Some(OpenGroup { before, missing: losses.len() });
                }
                let numbered = (self.expected..).zip(losses.iter().cloned());
                self.held.losses.extend(numbered);
                self.keep(placed);
                true
            }
            _ if is_marked => {
                self.bad += placed.end - placed.start;
                true
            }
            _ => {
                self.is_torn = true;
                false
            }
        }
    }

    fn keep(&mut self, placed: &Placed<'_>) {
        self.kept.push(Kept::Line(placed.start, placed.end));
        self.bad = 0;
    }

    /// The numbers before one are missing.
    fn miss(&mut self, seq: u64) {
        if seq > self.expected {
            let hole = (self.expected, seq - 1);
            self.holes.push(hole);
            self.kept.push(Kept::Hole(hole.0, hole.1));
        }
    }

    fn group_goes_on(&mut self) {
        self.group = self.group.take().and_then(|group| {
            let missing = group.missing.saturating_sub(1);
            (missing > 0).then_some(OpenGroup { missing, ..group })
        });
    }

    /// Numbers that are missing at the end.
    fn end(&mut self) {
        let next = match self.next {
            Some(next) => next,
            // how many there were is not known, and none of their numbers may come again
            None if self.bad > 0 => self
                .expected
                .saturating_add(u64::try_from(self.bad / SHORTEST).unwrap_or(0))
                .saturating_add(1),
            None => return,
        };
        self.miss(next);
        self.expected = self.expected.max(next);
    }
}

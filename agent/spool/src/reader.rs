//! The reader: another process than the writer, at the same time and without a lock.

use std::io;
use std::path::Path;

use mcpolicy_schema::report::v1::{Chain, Class};

use crate::cursor::{Cursor, Positions};
use crate::delivered;
use crate::disk::Disk;
use crate::error::{SpoolError, disk};
use crate::files::Files;
use crate::segment::{self, Item};

/// Records of a batch, at most.
pub const MAX_RECORDS: usize = 500;
/// Bytes of the records of a batch, at most: with what a sink adds it is less than the megabyte that most take.
pub const MAX_BYTES: usize = 900_000;
/// How often the folder is listed until two lists are the same.
const LISTED_AT_MOST: usize = 16;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number.
    pub seq: u64,
    /// When it was written, in milliseconds since 1970.
    pub time_ms: u64,
    /// The record, as it was written.
    pub json: Vec<u8>,
}

/// Records that follow on each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The records, without a hole between them.
    pub lines: Vec<Line>,
    /// The cursor behind the last of them.
    pub next: Cursor,
    /// Numbers before the first of them that are gone; a record of class event or violation tells why.
    pub skipped: Option<(u64, u64)>,
}

/// What waits for a sink.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Numbers that wait in each class, dropped ones among them.
    pub counts: std::collections::BTreeMap<Class, u64>,
    /// When the oldest record that waits was written, in milliseconds since 1970.
    pub oldest_ms: Option<u64>,
}

/// Reads records that are on the disk: what could be lost with the next loss of power is not handed out, so that no
/// number is ever seen with two contents.
pub struct Reader {
    files: Box<dyn Files>,
}

/// Why a look at the segments has to begin anew.
enum Again {
    /// A segment went meanwhile.
    Gone,
    /// The class has another epoch than the cursor.
    OtherEpoch(String),
    Failed(SpoolError),
}

impl Reader {
    /// Reads in a folder. Nothing is looked at yet.
    pub fn open(folder: &Path) -> Self {
        Self::new(Box::new(Disk::new(folder)))
    }

    /// Reads in given files.
    pub fn new(files: Box<dyn Files>) -> Self {
        Self { files }
    }

    /// The next records of a class after a cursor: at least one if one waits, else at most as many as said. A cursor of
    /// another epoch, or of none, is before the oldest record.
    ///
    /// # Errors
    /// The system refuses to list the folder or to read a file of it.
    pub fn batch(
        &self,
        class: Class,
        cursor: &Cursor,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Batch, SpoolError> {
        let mut cursor = cursor.clone();
        for _ in 0..LISTED_AT_MOST {
            let Some(firsts) = self.segments(class)? else { break };
            let mut taker = Taker::new(&cursor, max_records, max_bytes);
            match self.take(class, &firsts, &mut taker) {
                Ok(()) => return Ok(taker.batch),
                Err(Again::Gone) => {}
                Err(Again::OtherEpoch(epoch)) => cursor = Cursor { epoch, seq: 0 },
                Err(Again::Failed(error)) => return Err(error),
            }
        }
        // the writer is quicker than this; the caller comes again
        Ok(Batch { next: cursor, ..Batch::default() })
    }

    /// How much waits after the cursors, for a status.
    ///
    /// # Errors
    /// As of `batch`.
    pub fn waiting(&self, cursors: &Positions) -> Result<Waiting, SpoolError> {
        let mut waiting = Waiting::default();
        for class in Class::ALL {
            let cursor = cursors.get(&class).cloned().unwrap_or_default();
            let next = self.batch(class, &cursor, 1, MAX_BYTES)?;
            if let (Some(first), Some(last)) = (next.lines.first(), self.last(class)?) {
                waiting.counts.insert(class, (last + 1).saturating_sub(first.seq));
                let oldest = waiting.oldest_ms.unwrap_or(first.time_ms);
                waiting.oldest_ms = Some(oldest.min(first.time_ms));
            }
        }
        Ok(waiting)
    }

    /// What the writer has been told all sinks have taken; nothing of what cannot be read.
    ///
    /// # Errors
    /// The system refuses to read it.
    pub fn delivered(&self) -> Result<Positions, SpoolError> {
        Ok(delivered::load(&*self.files)?.unwrap_or_default())
    }

    /// The number of the last record of a class.
    fn last(&self, class: Class) -> Result<Option<u64>, SpoolError> {
        let Some(firsts) = self.segments(class)? else { return Ok(None) };
        for at in (0..firsts.len()).rev() {
            let next = firsts.get(at + 1).copied();
            let bytes = match segment::read(&*self.files, &segment::name(class, firsts[at])) {
                Err(error) if is_gone(&error) => continue,
                other => other?,
            };
            let seqs = segment::lines(shown(&bytes, next)).filter_map(|placed| match placed.item {
                Item::Record { chain, .. } => Some(chain.seq),
                _ => None,
            });
            if let Some(seq) = seqs.filter(|seq| next.is_none_or(|next| *seq < next)).last() {
                return Ok(Some(seq));
            }
        }
        Ok(None)
    }

    /// The first numbers of the segments of a class. A list may lack a name that was made while it was read, though it
    /// has a later one; two that are the same, one after the other, lack none before their last.
    fn segments(&self, class: Class) -> Result<Option<Vec<u64>>, SpoolError> {
        let list = || match self.files.list() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            other => other.map(|names| segment::firsts(&names, class)).map_err(disk("list", "its files")),
        };
        let mut before = list()?;
        for _ in 0..LISTED_AT_MOST {
            let now = list()?;
            if now == before {
                return Ok(Some(now));
            }
            before = now;
        }
        Ok(None)
    }

    fn take(&self, class: Class, firsts: &[u64], taker: &mut Taker) -> Result<(), Again> {
        let after = taker.batch.next.seq;
        let start = firsts.iter().rposition(|first| *first <= after.saturating_add(1)).unwrap_or(0);
        for at in start..firsts.len() {
            if !self.take_from(class, firsts, at, taker)? {
                return Ok(());
            }
        }
        if taker.batch.lines.is_empty() && start > 0 {
            // nothing there said which epoch it is: what is before does
            self.take_from(class, firsts, start - 1, taker)?;
        }
        Ok(())
    }

    /// Takes from one segment; whether there is room for more.
    fn take_from(&self, class: Class, firsts: &[u64], at: usize, taker: &mut Taker) -> Result<bool, Again> {
        let name = segment::name(class, firsts[at]);
        let bytes = match segment::read(&*self.files, &name) {
            Ok(bytes) => bytes,
            // what is taken already is in order; the rest is for the next batch
            Err(error) if is_gone(&error) && !taker.batch.lines.is_empty() => return Ok(false),
            Err(error) if is_gone(&error) => return Err(Again::Gone),
            Err(error) => return Err(Again::Failed(error)),
        };
        let next = firsts.get(at + 1).copied();
        for placed in segment::lines(shown(&bytes, next)) {
            let Item::Record { chain, time_ms, json } = placed.item else { continue };
            if next.is_some_and(|next| chain.seq >= next) {
                break;
            }
            if !taker.offer(&chain, time_ms, json)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// What of a segment is on the disk: all of one after which another began, else what is marked.
fn shown(bytes: &[u8], next: Option<u64>) -> &[u8] {
    let through = if next.is_some() { bytes.len() } else { segment::marked(bytes) };
    bytes.get(..through).unwrap_or(bytes)
}

fn is_gone(error: &SpoolError) -> bool {
    matches!(error, SpoolError::Disk { cause, .. } if cause.kind() == io::ErrorKind::NotFound)
}

/// Puts a batch together.
struct Taker {
    max_records: usize,
    max_bytes: usize,
    bytes: usize,
    batch: Batch,
}

impl Taker {
    fn new(cursor: &Cursor, max_records: usize, max_bytes: usize) -> Self {
        let batch = Batch { next: cursor.clone(), ..Batch::default() };
        Self { max_records, max_bytes, bytes: 0, batch }
    }

    /// Takes a record if it is after the cursor; whether another may be offered.
    fn offer(&mut self, chain: &Chain, time_ms: u64, json: &[u8]) -> Result<bool, Again> {
        let (next, seq) = (&mut self.batch.next, chain.seq);
        if next.epoch != chain.epoch {
            // lines of two epochs are in one class only where somebody put them there
            return if self.batch.lines.is_empty() {
                Err(Again::OtherEpoch(chain.epoch.clone()))
            } else {
                Ok(false)
            };
        }
        if seq <= next.seq {
            return Ok(true);
        }
        let is_full = self.batch.lines.len() >= self.max_records || self.bytes + json.len() > self.max_bytes;
        let follows = next.seq.checked_add(1) == Some(seq);
        if self.batch.lines.is_empty() {
            // before the first record of a new cursor nothing is missing to it
            let is_missing = !follows && next.seq > 0;
            self.batch.skipped = is_missing.then(|| (next.seq + 1, seq - 1));
        } else if is_full || !follows {
            return Ok(false);
        }
        next.seq = seq;
        self.bytes += json.len();
        self.batch.lines.push(Line { seq, time_ms, json: json.to_vec() });
        Ok(true)
    }
}

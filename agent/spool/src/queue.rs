//! The segments of one class as the writer knows them, and the order of writes in them.

use mcpolicy_schema::report::v1::{Chain, Class, Loss};

use crate::error::{SpoolError, disk};
use crate::files::{self, Files};
use crate::segment;

/// One segment.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// The number in its name.
    pub(crate) first: u64,
    /// Its last number, holes among them; one less than the first if there is none.
    pub(crate) last: u64,
    /// The numbers that are there, first and last of each run.
    pub(crate) runs: Vec<(u64, u64)>,
    /// Losses that records of it tell of, with the number of the record.
    pub(crate) losses: Vec<(u64, Loss)>,
    /// Length; where a write failed, what it is at most.
    pub(crate) bytes: u64,
    /// When its last record was written.
    pub(crate) time_ms: u64,
    /// All of it is delivered or counted as lost: it has to go.
    pub(crate) is_going: bool,
}

impl Held {
    pub(crate) fn new(first: u64) -> Self {
        Self {
            first,
            last: first.saturating_sub(1),
            runs: Vec::new(),
            losses: Vec::new(),
            bytes: 0,
            time_ms: 0,
            is_going: false,
        }
    }

    /// Takes in the numbers of records that follow.
    pub(crate) fn extend(&mut self, first: u64, last: u64) {
        match self.runs.last_mut() {
            Some(run) if run.1.checked_add(1) == Some(first) => run.1 = last,
            _ => self.runs.push((first, last)),
        }
        self.last = last;
    }

    /// What is after a number, as a segment of its own.
    fn split_after(&mut self, seq: u64) -> Self {
        let mut next = Self { time_ms: self.time_ms, ..Self::new(seq.saturating_add(1)) };
        for (first, last) in std::mem::take(&mut self.runs) {
            if first <= seq {
                self.runs.push((first, last.min(seq)));
            }
            if last > seq {
                next.extend(first.max(seq.saturating_add(1)), last);
            }
        }
        let (kept, moved) = std::mem::take(&mut self.losses).into_iter().partition(|(of, _)| *of <= seq);
        (self.losses, next.losses) = (kept, moved);
        self.last = seq;
        next
    }

    /// Runs of numbers after the delivered ones.
    pub(crate) fn undelivered(&self, delivered: u64) -> impl Iterator<Item = (u64, u64)> {
        self.runs
            .iter()
            .filter(move |run| run.1 > delivered)
            .map(move |run| (run.0.max(delivered + 1), run.1))
    }
}

/// Records that are written in one go.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) bytes: Vec<u8>,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) time_ms: u64,
    /// Digest of the last.
    pub(crate) prev: String,
    /// Losses that they tell of.
    pub(crate) losses: Vec<(u64, Loss)>,
}

/// One class.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) class: Class,
    pub(crate) epoch: String,
    /// The last number that is taken.
    pub(crate) seq: u64,
    /// Digest of the last record.
    pub(crate) prev: String,
    /// Oldest first; the last is written.
    pub(crate) segments: Vec<Held>,
    /// The last number that is on the disk.
    pub(crate) synced: u64,
    /// What all sinks have taken, through this number.
    pub(crate) delivered: u64,
    /// The lines after the synced ones, to be written again where the file that has them cannot be trusted.
    tail: Vec<u8>,
    /// When the first of these was written.
    pub(crate) since: Option<u64>,
    /// The name of the newest segment may not be on the disk.
    is_new: bool,
    /// A write to the newest segment failed: what is in it after the synced records is not known.
    is_broken: bool,
    /// Synced records are not marked.
    is_mark_due: bool,
    /// The next record begins a segment.
    pub(crate) is_ended: bool,
}

impl Queue {
    pub(crate) fn new(class: Class, epoch: String, seq: u64, prev: String) -> Self {
        Self {
            class,
            epoch,
            seq,
            prev,
            segments: Vec::new(),
            synced: seq,
            delivered: 0,
            tail: Vec::new(),
            since: None,
            is_new: false,
            is_broken: false,
            is_mark_due: false,
            is_ended: false,
        }
    }

    /// The place of the next record.
    pub(crate) fn next(&self) -> Chain {
        Chain { epoch: self.epoch.clone(), seq: self.seq.saturating_add(1), prev: self.prev.clone() }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|held| held.bytes).sum()
    }

    /// How many of the oldest segments may go. One with a record on the disk stays: without it the next opening would
    /// not know the numbers and begin an epoch.
    pub(crate) fn removable(&self) -> usize {
        self.segments.iter().rposition(|held| held.first <= self.synced).unwrap_or(0)
    }

    fn newest(&self) -> String {
        segment::name(self.class, self.segments.last().map_or(1, |held| held.first))
    }

    /// Makes the newest segment one that can be appended to.
    fn ready(&mut self, files: &mut dyn Files, full: u64) -> Result<(), SpoolError> {
        if self.is_broken {
            self.heal(files)?;
        }
        let next = self.seq.saturating_add(1);
        let has_room = |held: &Held| held.bytes < full && !self.is_ended;
        if self.segments.last().is_some_and(|held| has_room(held) || held.first == next) {
            return Ok(());
        }
        // a segment begins when all before it is on the disk: a reader relies on that where a mark is missing
        self.sync(files)?;
        self.segments.push(Held::new(next));
        (self.is_new, self.is_ended) = (true, false);
        Ok(())
    }

    /// Begins a segment with the lines that are not on the disk. The file in which they are is not trusted any more:
    /// after a failed sync the system may take them for written, and after a failed append anything may be at its end.
    /// That is not cut off: nobody reads it, since it is not marked and a segment ends where the next begins.
    fn heal(&mut self, files: &mut dyn Files) -> Result<(), SpoolError> {
        if let Some(newest) = self.segments.last_mut()
            && newest.first <= self.synced
        {
            let next = newest.split_after(self.synced);
            self.segments.push(next);
        }
        let name = self.newest();
        files::remove(files, &name)?;
        self.is_new = true;
        if !self.tail.is_empty() {
            files.append(&name, &self.tail).map_err(disk("append to", &name))?;
        }
        if let Some(newest) = self.segments.last_mut() {
            newest.bytes = length(&self.tail);
        }
        self.is_broken = false;
        Ok(())
    }

    /// Writes records. They are on the disk when this returns if that is asked for, and else when they are synced.
    pub(crate) fn store(
        &mut self,
        files: &mut dyn Files,
        full: u64,
        group: &Group,
        is_urgent: bool,
    ) -> Result<(), SpoolError> {
        self.ready(files, full)?;
        let name = self.newest();
        if let Err(cause) = files.append(&name, &group.bytes) {
            self.give_up(length(&group.bytes));
            return Err(disk("append to", &name)(cause));
        }
        if is_urgent && let Err(error) = self.flush(files) {
            self.give_up(length(&group.bytes));
            return Err(error);
        }
        self.take(group);
        if is_urgent {
            self.settle(files);
        } else {
            self.tail.extend_from_slice(&group.bytes);
            self.since.get_or_insert(group.time_ms);
        }
        Ok(())
    }

    /// Bytes are in the newest segment that must not be there.
    fn give_up(&mut self, bytes: u64) {
        self.is_broken = true;
        if let Some(newest) = self.segments.last_mut() {
            newest.bytes += bytes;
        }
    }

    fn take(&mut self, group: &Group) {
        if let Some(newest) = self.segments.last_mut() {
            newest.extend(group.first, group.last);
            newest.bytes += length(&group.bytes);
            newest.time_ms = group.time_ms;
            newest.losses.extend(group.losses.iter().cloned());
        }
        self.seq = group.last;
        self.prev.clone_from(&group.prev);
    }

    /// Brings all records of the class to the disk.
    pub(crate) fn sync(&mut self, files: &mut dyn Files) -> Result<(), SpoolError> {
        if self.is_broken {
            self.heal(files)?;
        }
        if !self.tail.is_empty() {
            self.flush(files).inspect_err(|_| self.is_broken = true)?;
        }
        self.settle(files);
        Ok(())
    }

    /// Makes sure that what a failed write left does not come back with a crash.
    pub(crate) fn forget_failed(&mut self, files: &mut dyn Files) -> Result<(), SpoolError> {
        if !self.is_broken {
            return Ok(());
        }
        self.sync(files)?;
        // another segment after it makes what is left nobody's, though it is empty
        if self.segments.last().is_none_or(|newest| newest.first <= self.synced) {
            return Ok(());
        }
        let name = self.newest();
        let begun = files.append(&name, b"\n").map_err(disk("append to", &name));
        begun.and_then(|()| self.flush(files)).inspect_err(|_| self.is_broken = true)
    }

    /// The bytes of the newest segment, then its name.
    fn flush(&mut self, files: &mut dyn Files) -> Result<(), SpoolError> {
        let name = self.newest();
        files.sync(&name).map_err(disk("sync", &name))?;
        if self.is_new {
            files.sync_directory().map_err(disk("sync the names beside", &name))?;
            self.is_new = false;
        }
        Ok(())
    }

    /// All records are on the disk: says so to the readers.
    fn settle(&mut self, files: &mut dyn Files) {
        self.is_mark_due |= self.synced < self.seq;
        self.synced = self.seq;
        self.tail.clear();
        self.since = None;
        // one that fails is tried again at the next sync; two marks are as good as one. In a segment that has just begun
        // it stands for those before
        if self.is_mark_due && files.append(&self.newest(), b"\n").is_ok() {
            self.is_mark_due = false;
            if let Some(newest) = self.segments.last_mut() {
                newest.bytes += 1;
            }
        }
    }

    /// Whether a sync would do anything.
    pub(crate) fn is_behind(&self) -> bool {
        self.synced < self.seq || self.is_mark_due
    }
}

pub(crate) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

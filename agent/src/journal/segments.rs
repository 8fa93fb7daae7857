//! The files of a journal.

use std::path::{Path, PathBuf};

use mcpolicy_platform::machine::{Machine, ReadError};

use super::{JournalError, Record, disk};
use crate::disk_advice::of_read;

const SUFFIX: &str = ".ndjson";
/// Largest segment that is read, in bytes: one begins anew after a mebibyte, and no record is longer than 24.
const MAX_BYTES: u64 = 32 << 20;

/// One file.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// Number of its first record.
    pub(super) first: u64,
    pub(super) bytes: u64,
}

impl Segment {
    pub(super) fn new(folder: &Path, first: u64) -> Self {
        Self { path: folder.join(format!("{first:012}{SUFFIX}")), first, bytes: 0 }
    }

    pub(super) fn read(&self) -> Result<Vec<u8>, JournalError> {
        match Machine::live().read(&self.path, None, MAX_BYTES) {
            Ok(snapshot) => Ok(snapshot.bytes),
            Err(error) => Err(disk("read", &self.path)(of_read(&error))),
        }
    }
}

/// The segments of a folder in order; none if there is no folder.
pub(super) fn list(folder: &Path) -> Result<Vec<Segment>, JournalError> {
    let entries = match Machine::live().list(folder) {
        Ok(entries) => entries,
        Err(ReadError::NotFound) => return Ok(Vec::new()),
        Err(error) => return Err(disk("list", folder)(of_read(&error))),
    };
    let mut segments = Vec::new();
    for entry in entries {
        let Some(first) = entry.name.to_str().and_then(|name| name.strip_suffix(SUFFIX)?.parse().ok()) else {
            continue;
        };
        let mut segment = Segment::new(folder, first);
        // a name of the same number in other digits is none of ours
        if segment.path.file_name() != Some(entry.name.as_os_str()) {
            continue;
        }
        segment.bytes =
            std::fs::symlink_metadata(&segment.path).map_err(disk("look at", &segment.path))?.len();
        segments.push(segment);
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments)
}

/// What a segment holds.
pub(super) struct Lines<'t> {
    /// Lines, without line feed, and what they say.
    pub(super) records: Vec<(&'t [u8], Record)>,
    /// Whole lines that are no record.
    pub(super) unreadable: u64,
    /// Bytes after the last line feed: a write that a crash broke off.
    pub(super) torn: usize,
    /// The last of the records is whole and only its line feed is not there.
    pub(super) is_unfinished: bool,
}

pub(super) fn parse(text: &[u8]) -> Lines<'_> {
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut lines = Lines { records: Vec::new(), unreadable: 0, torn: 0, is_unfinished: false };
    for line in text[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match Record::from_line(line) {
            Some(record) => lines.records.push((line, record)),
            None => lines.unreadable += 1,
        }
    }
    let (line, rest) = without_line_feed(&text[whole..]);
    lines.torn = rest.len();
    if let Some(record) = Record::from_line(line) {
        lines.records.push((line, record));
        lines.is_unfinished = true;
    } else {
        lines.torn += line.len();
    }
    lines
}

/// A line whose line feed was not written, or is another byte by now; and what is more.
fn without_line_feed(tail: &[u8]) -> (&[u8], &[u8]) {
    match tail.split_last() {
        Some((_, line)) if Record::from_line(line).is_some() => tail.split_at(line.len()),
        _ => (tail, &[]),
    }
}

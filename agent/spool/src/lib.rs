//! The queue of report records on the disk: `mcpolicy run` writes it (root, no network), `mcpolicy ship` reads it (another
//! process, another user, at the same time, without a lock).
//!
//! # What is promised
//!
//! - A violation is on the disk when `append` returns; any other record when `sync` returns, a second later at the most.
//! - A record that was on the disk leaves it in three ways: it was delivered, or it was dropped for room, or the file was
//!   damaged. The last two are counted, once, in a record that tells which numbers went (`Loss`).
//! - In each class the numbers of an epoch run from 1 without holes, but for counted ones, and each record carries the
//!   digest of the one before.
//! - A number is never seen with two contents, over any crash: a reader hands out only what is on the disk.
//! - A reader with a cursor gets each record once, in order, and is told the numbers that it cannot get.
//!
//! Not promised: records of which the writer said that they failed may be there after a crash. Where a drop is counted
//! while a reader has the segment open, a record may arrive and be counted. Who is root can write the files anew: the
//! numbers and digests that were shipped before are the proof. The sender is believed that something is delivered: it
//! could as well keep it for itself, and the receiver sees that by the numbers.
//!
//! # Format
//!
//! One folder. For each class segments `CLASS-FIRST.ndjson`, named by their first number in 16 digits; a new one begins at
//! 1 MiB. A line is
//!
//! ```text
//! <crc32c of the rest, 8 hex> <time, ms since 1970> <JSON>
//! ```
//!
//! and the JSON is a record with `chain: {epoch, seq, prev}` in it, `prev` the SHA-256 of the JSON before it in its class
//! and epoch; or a note of the queue for itself:
//!
//! - `{"spool":"counted","losses":[…]}`: the next records, one for each, tell of these losses. It holds with all of them.
//! - `{"spool":"hole","epoch":…,"first":…,"last":…}`: these numbers are missing here, and are counted elsewhere.
//!
//! An **empty line is a mark**: all before it is on the disk. It is written after the sync, and needs none itself. A
//! segment after which another began needs no mark: one begins only when all before it is on the disk. It ends where the
//! next begins; lines with numbers of the next one are what a failed write left.
//!
//! Beside them: `delivered` (one such line: per class, what all sinks have taken), `reserve` (noise; see below), and
//! `NAME.new` (not whole yet; removed at the next opening).
//!
//! # Order of writes, and what a crash leaves
//!
//! | step | after a crash behind it |
//! |---|---|
//! | append: lines at the end of the newest segment | any part of them; nobody has seen one. The opening keeps whole lines that follow on the last, and drops the rest |
//! | sync the file, then the names if it is new | the lines are there and not marked: the opening keeps them |
//! | append the mark | all is well |
//! | new segment: sync all of the old one, append to the new | the new one may be missing or torn: nothing in it was promised |
//! | drop: note and records of the loss, synced | the opening finds the note, and removes what it names without counting it again |
//! | drop: remove the segment, sync the names | all is well. Before that no other segment is removed, so the note is there as long as the segment may come back |
//! | delivered: `delivered.new`, sync, rename, sync the names | the old or the new one. With the old one a delivered record may be counted when it is dropped |
//! | opening: an end that is not marked is written again, as a whole file in the place of the old | the old file or the new one |
//! | opening: missing numbers are told (`damage`), synced | the note is there, the next opening only goes on |
//! | opening: the segment is written again with a note of the hole | all is well |
//!
//! **A write or sync that fails** makes the newest file one that is not trusted: after a failed sync a system may take the
//! bytes for written, and a later sync that succeeds says nothing about them. The lines that are not on the disk are kept
//! in memory and written to a new segment at the next try. The opening, too, writes what is not marked to a file of its
//! own rather than trust a sync of the old one. Before anything is taken for delivered, what a failed write left is made
//! nobody's, and what is counted is removed: else a crash could bring back a loss of what was delivered meanwhile.
//!
//! **Numbers and chain** live in the segments alone: the newest segment of a class that holds a record on the disk never
//! goes, though all of it is delivered. A class with no record begins a new epoch, at 1: a spool that was cleared is seen
//! as a fork. Where the end of the newest segment is damaged, nobody knows how many records were there; the numbers go on
//! behind the most that there can have been, and all between count as lost.
//!
//! # Room
//!
//! All records together have 50 MB, 20 of them for violations alone. What goes first when there is no room: what is
//! delivered, oldest first (else it stays, up to a cap of its own, for the owner of the laptop to look at); then the oldest
//! segment of `state`, of `tool-call`, of `event`, and of violations last, and those only for a violation or where they
//! have more than their own. Calls of tools have a cap of their own besides, within which the oldest of them go for newer
//! ones: anybody can make any number of them. A violation is never refused for a cap. A loss that was told in a segment that goes, and has
//! not been delivered, is told again, as one with its neighbours.
//!
//! On a full disk the file `reserve` goes, and from then on only violations (and losses) are written, until there is room
//! for a reserve again.

mod caps;
mod cursor;
mod cursors;
mod delivered;
mod disk;
mod error;
mod files;
mod line;
mod open;
mod queue;
mod ranges;
mod reader;
mod reserve;
mod room;
mod scan;
mod segment;
mod spool;
#[cfg(test)]
mod tests;

pub use caps::Caps;
pub use cursor::{Cursor, Positions};
pub use cursors::{ACKS, AckError, Acks, Cursors};
pub use disk::Disk;
pub use error::SpoolError;
pub use files::Files;
pub use open::Opened;
pub use reader::{Batch, Line, MAX_BYTES, MAX_RECORDS, Reader, Waiting};
pub use spool::{GapBuilder, Spool};

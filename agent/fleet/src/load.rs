//! From bytes to rows: one thread reads and takes apart, the caller's writes.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use sha2::{Digest as _, Sha256};

use crate::FleetError;
use crate::batch::Batch;
use crate::input::{self, Problem};
use crate::lines::{MAX_DOCUMENT, Piece};
use crate::rows::{self, Refused};
use crate::store::{Fleet, Store};

/// Documents that are handed over at a time, and written in one transaction.
const BATCH: usize = 2_000;
/// Bytes of rows that are handed over at a time, whichever is reached first.
const BATCH_BYTES: usize = 4 << 20;
/// Batches that wait for the writer. With the two in hand they bound what is in memory.
const WAITING: usize = 3;
/// Problems that are told one by one; all are counted.
const MOST_PROBLEMS: usize = 1_000;

/// How to load.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where the database is kept; else it is a temporary file that SQLite deletes.
    pub database: Option<PathBuf>,
    /// Keep what [`Fleet::check`] needs: the digest of each line.
    pub prove: bool,
    /// Most bytes of the database; 0 is 64 GiB.
    pub max_bytes: u64,
    /// The moment for which is asked, in seconds since 1970: a record more than an hour after it is current for no gate, page
    /// or table. Without it every record counts.
    pub now: Option<i64>,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that were read, packed ones as they are.
    pub bytes: u64,
    /// Bytes of all files; 0 where a stream says nothing of its length.
    pub of_bytes: u64,
    /// Records and reports so far.
    pub documents: u64,
}

/// What was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Files, streams among them.
    pub files: u64,
    /// Records and reports that were taken.
    pub documents: u64,
    /// Those with an id that was there already.
    pub duplicates: u64,
    /// Lines and files that were passed over.
    pub refused: u64,
    /// Records of a kind that this version does not know; no fault of theirs.
    pub unknown_kinds: u64,
}

enum Message {
    Rows(Batch),
    Problem(Problem),
    UnknownKind,
    Read(u64),
}

/// Reads every input into a database. A line that is no record is counted and told, and the rest goes on.
///
/// # Errors
/// The database refuses.
pub fn load(
    inputs: &[PathBuf],
    stdin: &mut (dyn Read + Send),
    options: &Options,
    told: &mut dyn FnMut(Progress),
) -> Result<Fleet, FleetError> {
    let (files, problems) = input::files(inputs);
    let mut store = Store::create(options)?;
    let mut progress = Progress { of_bytes: files.iter().map(|(_, size)| size).sum(), ..Progress::default() };
    let mut counts =
        Counts { files: files.len() as u64, refused: problems.len() as u64, ..Counts::default() };
    let mut kept = problems;
    thread::scope(|scope| {
        let (sender, receiver): (SyncSender<Message>, Receiver<Message>) = sync_channel(WAITING);
        let prove = options.prove;
        scope.spawn(move || {
            for (path, _) in files {
                if one_file(&path, stdin, prove, &sender).is_err() {
                    // nobody writes any more
                    return;
                }
            }
        });
        for message in receiver {
            match message {
                Message::Rows(batch) => {
                    counts.documents += batch.len() as u64;
                    counts.duplicates += store.write(&batch)?;
                    progress.documents = counts.documents;
                    told(progress);
                }
                Message::Problem(problem) => {
                    counts.refused += 1;
                    if kept.len() < MOST_PROBLEMS {
                        kept.push(problem);
                    }
                }
                Message::UnknownKind => counts.unknown_kinds += 1,
                Message::Read(bytes) => {
                    progress.bytes += bytes;
                    told(progress);
                }
            }
        }
        Ok::<(), FleetError>(())
    })?;
    counts.documents -= counts.duplicates;
    store.finish(counts, kept)
}

/// Nobody takes what is sent.
struct Gone;

fn one_file(
    path: &Path,
    stdin: &mut (dyn Read + Send),
    prove: bool,
    sender: &SyncSender<Message>,
) -> Result<(), Gone> {
    let place = path.display().to_string();
    let mut batch = Batch::default();
    let mut gone = false;
    let mut send = |message: Message| gone |= sender.send(message).is_err();
    let mut read = 0_u64;
    let mut unsaid = |bytes: u64| {
        read += bytes;
        if read > 4 << 20 {
            // the other end counts it; it need not hear of each piece
            let _ = sender.send(Message::Read(std::mem::take(&mut read)));
        }
    };
    let ended = input::read(path, stdin, &mut unsaid, |piece| {
        let (line, refused) = match piece {
            Piece::Document(line, document) => (line, take(document, (&place, line), prove, &mut batch)),
            Piece::TooLong(line) => (line, Err(format!("it is longer than {} MiB", MAX_DOCUMENT >> 20))),
        };
        match refused {
            Ok(true) => {}
            Ok(false) => send(Message::UnknownKind),
            Err(what) => send(Message::Problem(Problem { place: format!("{place} line {line}"), what })),
        }
        if batch.len() >= BATCH || batch.bytes() >= BATCH_BYTES {
            send(Message::Rows(std::mem::take(&mut batch)));
        }
    });
    if let Err(problem) = ended {
        send(Message::Problem(problem));
    }
    send(Message::Rows(batch));
    if gone { Err(Gone) } else { Ok(()) }
}

/// Adds the rows of a document. False for a kind that is not known.
fn take(document: &[u8], (place, line): (&str, u64), prove: bool, batch: &mut Batch) -> Result<bool, String> {
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
    let digest = prove.then(|| Sha256::digest(document).into());
    // a machine that does not say which it is, is known by where its report lies
    let named = if line > 1 { format!("{place}:{line}") } else { place.to_owned() };
    match rows::add(document, &named, digest, batch) {
        Ok(()) => Ok(true),
        Err(Refused::Kind) => Ok(false),
        Err(refused) => Err(refused.to_string()),
    }
}

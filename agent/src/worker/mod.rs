//! The process boundary of a pass: everything that opens, parses or rewrites a user's bytes answers typed requests for
//! one home, either in this process or in a [worker](process) that is the home's owner.
//!
//! A run without root's rights asks the [core](core::Core) itself; root sends the same requests as length-capped
//! frames ([`wire`]) to a worker. What comes back is only that user's claim: it can say anything of its own home and
//! nothing of another's.

pub mod aside;
pub mod core;
mod git_index;
pub mod homes;
mod opened;
mod part;
pub mod process;
pub mod remote;
mod shed;
pub mod wire;

pub use part::{Part, is_state};
pub use shed::{MAX_SERVERS_OF_FILE, is_too_much};

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcpolicy_clients::edit::{Change, Piece};
use mcpolicy_platform::machine::Program;
use mcpolicy_platform::secure_fs::{Original, Rights, Stamp, TempName};
use mcpolicy_schema::entry::Entry;
use serde::{Deserialize, Serialize};

use aside::{Around, Aside, KeptFile, Settling};

use crate::assess::Assessed;
use crate::discover::changed::Changed;
use crate::discover::source::Source;
use crate::discover::variables::Values;
use crate::gap::Gap;
use crate::inventory::FileFinding;
use crate::pipeline::SourceResult;

/// What is asked about one home.
#[derive(Clone)]
pub enum Request {
    /// Discover, walk, read, parse.
    Scan {
        /// Time for the walk.
        budget: Duration,
        /// Threads of the walk.
        threads: usize,
        /// Files that are left out: an earlier worker ended over them.
        without: BTreeSet<PathBuf>,
        /// Nothing but the time calls for it: it has less claim to processor and disk.
        in_background: bool,
    },
    /// Look at what changed since the scan, and at what it leads to that was not known.
    ScanChanged {
        /// Files and directories at which something happened.
        changed: Changed,
        /// Files that are left out.
        without: BTreeSet<PathBuf>,
        /// As above.
        in_background: bool,
    },
    /// Open one file for an edit and say what it holds. The file that was open before is closed.
    Open {
        /// Which.
        source: Source,
        /// A file that is not there is taken for an empty one.
        create: bool,
        /// Which of its entries are told, where they may be too many at once.
        part: Part,
    },
    /// Make changes on what the open file is to become. Nothing is written.
    Apply(Vec<Change>),
    /// Take other bytes for what the open file is to become. Nothing is written.
    Propose(Vec<u8>),
    /// Go on from the last draft.
    Accept,
    /// Put the accepted draft in the place of the file.
    Commit {
        /// By way of this name.
        temporary: TempName,
        /// What others may do with it, where there is no file yet; without this nothing.
        rights: Option<FileRights>,
        /// Through the file itself, if that can be: somebody waits at the gate to read it.
        in_place: bool,
    },
    /// Take the open file away, by way of this temporary name.
    Remove(TempName),
    /// Close the open file and give its lock back.
    Close,
    /// What a file is now.
    DigestOf(Source),
    /// Look what became of an edit that was broken off, and clean up after it.
    Replay(Broken),
    /// Remove the temporary file of an edit that was made, which could not be removed then.
    Sweep(Broken),
    /// What stands around a file.
    Around(Source),
    /// Which files of a client keep something about entries of other files, and whether there is anything to do.
    Kept(Aside),
    /// Open one of these files. One that is not there is taken for what its client would begin it with, where it is to
    /// be made.
    OpenKept {
        /// What is kept there.
        aside: Aside,
        /// Which file.
        path: PathBuf,
    },
    /// Make a draft of what the open file is to become, for what it keeps. Nothing is written.
    Settle(Settling),
    /// What a path leads to, as a program.
    Look(PathBuf),
    /// Remove these requests, which were dealt with.
    Withdraw(Vec<String>),
    /// The digest of a file of at most so many bytes.
    Hash {
        /// Which.
        path: PathBuf,
        /// More is not hashed.
        most: u64,
    },
}

/// An edit that was broken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The file, below the home.
    pub relative: PathBuf,
    /// The name of its temporary file.
    pub temporary: String,
    /// Digest of the old bytes.
    pub before: String,
    /// Digest of the new bytes.
    pub after: String,
}

/// What is answered.
pub enum Answer {
    /// To [`Request::Scan`] and [`Request::ScanChanged`].
    Scanned(Box<Scanned>),
    /// To [`Request::Open`] and [`Request::OpenKept`].
    Opened(Box<Opened>),
    /// To [`Request::Open`]: there is no such file.
    Absent,
    /// To [`Request::Apply`], [`Request::Propose`] and [`Request::Settle`].
    Drafted(Box<Draft>),
    /// To [`Request::Accept`], [`Request::Close`], [`Request::Withdraw`] and [`Request::Sweep`].
    Done,
    /// To [`Request::Commit`] and [`Request::Remove`].
    Committed {
        /// The old file is still there, under the temporary name.
        leftover: bool,
        /// The new file has the group that was meant.
        group_kept: bool,
    },
    /// To the same: somebody wrote the file meanwhile. What he wrote is in place.
    Changed,
    /// To the same: writes of the user crossed ours more than once.
    Conflict(String),
    /// To [`Request::DigestOf`] and [`Request::Hash`].
    Digest {
        /// SHA-256, in hex.
        sha256: String,
        /// How many bytes there were.
        length: u64,
    },
    /// To [`Request::Replay`].
    Found(Standing),
    /// To [`Request::Look`].
    Seen {
        /// What stands there.
        what: Seen,
        /// The user could put something else in its place.
        user_writable: bool,
    },
    /// To [`Request::Around`].
    Around(Box<Around>),
    /// To [`Request::Kept`].
    Kept(Vec<KeptFile>),
    /// To [`Request::Settle`]: there is nothing to do.
    Settled,
    /// It cannot be done, and why, without any content.
    Refused(String),
}

/// What a scan of a home found.
#[derive(Default)]
pub struct Scanned {
    /// Files that exist.
    pub sources: Vec<SourceResult>,
    /// Their entries.
    pub entries: Vec<Assessed>,
    /// What was passed over.
    pub gaps: Vec<Gap>,
    /// Findings about the home as such.
    pub findings: Vec<(PathBuf, FileFinding)>,
    /// Values of variables that the walk told of: where its clients keep files beyond what start files say.
    pub moved: Values,
    /// Directories in which files were looked for, whether they are there or not.
    pub places: BTreeSet<PathBuf>,
    /// Ids of items of the vault that the home's user asks to have purged.
    pub purges: Vec<String>,
    /// Directories visited.
    pub directories: u64,
    /// Files opened.
    pub files_read: u64,
}

/// What one text holds.
pub struct Held {
    /// The word of [`crate::inventory::State`].
    pub state: &'static str,
    /// Its entries.
    pub entries: Vec<Entry>,
    /// Findings about the file.
    pub findings: Vec<FileFinding>,
    /// So many entries come after these, which are only a part.
    pub rest: usize,
}

/// A file that is open for an edit.
pub struct Opened {
    /// Where it really is, below the home.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What they hold.
    pub held: Held,
    /// It was there.
    pub existed: bool,
    /// How many names it has.
    pub names: u64,
    /// What others may do with it, where it is there and such is known.
    pub rights: Option<FileRights>,
    /// What it was when it was read, where it is there.
    pub stamp: Option<Stamp>,
}

/// What others than its owner may do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRights {
    /// Its permission bits.
    pub mode: u32,
    /// The number of its group.
    pub group: u32,
}

impl FileRights {
    /// Of a file that is open.
    fn of(file: &Original) -> Option<Self> {
        let rights = file.rights()?;
        Some(Self { mode: rights.mode, group: rights.group? })
    }

    /// For a new file. Bits that give whoever runs it the rights of its owner or group are no part of it.
    fn for_new(rights: Option<Self>) -> Rights {
        rights
            .map_or(Rights::PRIVATE, |Self { mode, group }| Rights { mode: mode & 0o777, group: Some(group) })
    }
}

/// Bytes that an open file may become, proved.
pub struct Draft {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What each change took out.
    pub removed: Vec<Vec<Piece>>,
    /// What the bytes hold.
    pub held: Held,
}

/// What stands where a program is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A regular file.
    Program(Program),
    /// Nothing that could be run: a search goes on.
    Nothing,
    /// It cannot be told: a search must end.
    Unknown,
}

/// What became of an edit that was broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The file is the new one.
    After,
    /// The file is the old one.
    Before,
    /// It has been written since.
    Other,
    /// The same, and another write of its user's is under the temporary name.
    Kept,
    /// It is not there.
    Gone,
    /// It cannot be looked at.
    Unknown,
}

/// Why a home got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Its worker could not be started, or could not give up its rights.
    #[error("its worker could not be started: {0}")]
    Start(String),
    /// It was killed, or fell over.
    #[error("its worker ended before it had answered: its user or a limit killed it")]
    Ended,
    /// It was stopped, or is too slow.
    #[error("its worker did not answer in time")]
    Late,
    /// The answer is longer than any honest one.
    #[error("its worker answered more than is read")]
    Flood,
    /// The answer cannot be.
    #[error("its worker answered what cannot be: {0}")]
    Nonsense(&'static str),
}

/// One home's way to get answers.
pub trait Channel {
    /// Hands a request over.
    ///
    /// # Errors
    /// The home gives no answers any more.
    fn send(&mut self, request: Request) -> Result<(), Failure>;

    /// The answer to the request that was handed over.
    ///
    /// # Errors
    /// As [`Self::send`].
    fn receive(&mut self) -> Result<Answer, Failure>;

    /// The file that it has said to be at, if it ended or hangs there.
    fn at_work(&self) -> Option<&Path> {
        None
    }
}

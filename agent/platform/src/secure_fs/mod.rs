//! The one way in which files of a user's home are read for an edit and replaced.
//!
//! The home is its owner's, who may be hostile, may rename anything at any moment, and whose programs write the same
//! files as we do. Invariants:
//!
//! - a file is opened once and judged on its handle: regular, its owner's, not too large, on the home's own mount; links
//!   are followed by us, inside the home only, and preserved;
//! - nothing is ever written through an existing file: a new one takes its place, in one step, whole; where the old one
//!   has further names, they keep it as it was (on Windows, where no owner is looked at, such a file is refused). One
//!   exception: a file that somebody waits at the gate to read ([`Original::rewrite`]);
//! - a name is changed only below a directory that we hold open, never by a path;
//! - a write of the user that lands between our reading and our replacing wins: it is seen and put back.
//!
//! # What a write in between meets
//!
//! | the user | is seen by | and so |
//! |---|---|---|
//! | renames a file over it before the exchange | the displaced file is another | exchanged back, `Changed` |
//! | writes it in place before the exchange | bytes of the displaced file | exchanged back, `Changed` |
//! | has it open for writing at the exchange | no lease is given; we wait 50 ms for the end of it, then compare again | exchanged back, `Changed` |
//! | opens it for writing just before the exchange | the lease breaks, the opener waits until we are through | exchanged back, then he writes, `Changed` |
//! | opens it after the exchange | he waits for us, until it is sure that our file stays | his write follows ours, `WrittenSince` if it comes before we are through |
//! | opens our file, and it has to go again because of another write | a lease that lets nobody in | he reads what is back in place: our file is given those bytes when it has no name any more |
//! | the same, for writing | the same lease | his write and the other are kept side by side, `Conflict` |
//! | reads a file of his that a newer one of his has replaced, as that goes back | such a lease on this one | the newer is in place, and a copy of it beside, `Conflict` |
//! | has looked it up before the exchange, and is stopped before he opens it | who holds the old name's entry, which we ourselves have let go: he is waited for, 50 ms | as if he had come in time: exchanged back, `Changed` |
//! | comes after that, within 200 ms more | the same, and bytes of that file when all is done | kept beside, `Conflict` |
//! | looks for a file that we take away, and must put back | nothing | what goes back is kept beside too, `Conflict` |
//!
//! The lease on our file matters more than it seems. A program that reads ours while a write of the user goes back
//! builds its next save on it, and takes the place of that write, which nobody would see any more. The one who opens a
//! file then waits for some microseconds, or for as long as a program that writes the old file is waited for, 100 ms at
//! the most. One who opens it without waiting (`O_NONBLOCK`) is told to try again.
//!
//! What remains:
//!
//! - a program that keeps the file open for writing through the whole edit and for 250 ms more, and writes after that,
//!   writes into a file without a name, as it does when an editor saves by renaming. The same befalls one that looked
//!   the name up before the exchange, and is stopped within that call for longer than that. Where nobody holds the file,
//!   which is nearly always so, nobody is waited for, and nothing remains;
//! - where that cannot be known (macOS, no /proc, no more `inotify` for this user, a file system that cannot exchange
//!   names), a program that was stopped within that call for longer than the edit takes loses its write;
//! - one that holds what it has read in memory and saves it later without a look takes away our edit, which the next
//!   pass makes again; after a crash in the middle of an undoing ([`Original::reinstate`]) it may have read ours;
//! - where no lease is to be had (macOS, a sandbox, another program that has the temporary file open, an edit that is
//!   stopped for more than a second in the middle), nobody is kept waiting. Then each undoing keeps a copy of the user's
//!   write beside, `Conflict`, since it cannot be known who saw ours;
//! - on macOS the bytes are compared before and after the displaced file loses its name and once more at the end; a
//!   program that opened the file before the exchange and writes after that loses its write. On Windows the file is
//!   held without sharing writes while it is replaced, so nobody has it open then.

mod failpoint;
mod fault;
mod lock;
mod names;

#[cfg(unix)]
#[path = "unix/mod.rs"]
mod os;
#[cfg(windows)]
#[path = "windows.rs"]
mod os;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

#[cfg(feature = "failpoints")]
pub use failpoint::set as set_failpoint;
pub use failpoint::{Hook, STEPS, UNDO_STEPS};
pub use fault::{Fault, ReplaceError};
pub use lock::{ClientLock, LockError};
pub use names::TempName;

/// A user's home, opened once. All paths are taken below it.
#[derive(Debug)]
pub struct HomeDir(os::Home);

/// What a file was when it was read. Equal stamps of one name mean that nobody wrote it in between, as far as the
/// system keeps times; the replacing compares bytes besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The device it is on; the volume's number on Windows.
    pub device: u64,
    /// Its number on that device.
    pub inode: u64,
    /// Its length.
    pub length: u64,
    /// Its last write: seconds and nanoseconds since 1970.
    pub modified: (i64, u32),
    /// The last change of anything about it, links and modes too: seconds and nanoseconds since 1970.
    pub changed: (i64, u32),
}

/// A file as it was read, held open, so that no other file can get its number.
pub struct Original(os::Opened);

impl fmt::Debug for Original {
    /// Shows everything but the content, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Original")
            .field("path", &self.path())
            .field("stamp", &self.stamp())
            .finish_non_exhaustive()
    }
}

/// A replaced file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// What the new file is now: a later look that finds the same found our own write.
    pub stamp: Stamp,
    /// False where the file system cannot exchange two names: a file that the user renamed over the old one in the
    /// very instant before ours would have been lost without a trace.
    pub atomic: bool,
    /// False where the disk refused to say that the names are on it: after a loss of power the old file may be back.
    pub durable: bool,
    /// The old file under its temporary name, where it could not be removed.
    pub left: Option<TempName>,
    /// False where the new file could not have the old one's group, of which its owner is no member here: then that group
    /// and everybody else have such rights to it only as both had before.
    pub group_kept: bool,
}

/// What others than its owner may do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// Permission bits; never those that give a program somebody else's rights.
    pub mode: u32,
    /// Its group; where none is said, that which the directory gives it.
    pub group: Option<u32>,
}

impl Rights {
    /// They may do nothing.
    pub const PRIVATE: Self = Self { mode: 0o600, group: None };
}

/// A temporary file that an edit left when it was broken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Its name.
    pub name: TempName,
    /// Its last write.
    pub modified: SystemTime,
    /// Its length.
    pub length: u64,
}

impl Stamp {
    /// How long nothing about the file has changed, its name included, by the present clock; nothing if that is said to
    /// be in the time to come. A user can set the time of the last write, but not that of the last change.
    #[expect(
        clippy::disallowed_methods,
        reason = "compared with what the file system's clock says, here and now"
    )]
    pub fn unchanged(&self) -> Duration {
        let (seconds, nanoseconds) = self.changed;
        let since = Duration::new(u64::try_from(seconds).unwrap_or(0), nanoseconds);
        let changed = SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH);
        SystemTime::now().duration_since(changed).unwrap_or_default()
    }
}

impl HomeDir {
    /// Opens a home: a directory that belongs to `uid` (where none is given, to whom it may), that nobody else may
    /// write, on a file system of this machine.
    ///
    /// # Errors
    /// It is none of that, or is not there.
    pub fn open(host_path: &Path, uid: Option<u32>) -> Result<Self, Fault> {
        os::Home::open(host_path, uid).map(Self)
    }

    /// The number of the home's owner; `None` on Windows.
    pub fn owner(&self) -> Option<u32> {
        self.0.owner()
    }

    /// Opens and reads one regular file of the owner's. Links inside the home are followed.
    ///
    /// # Errors
    /// It is not such a file, or a link or a mount leads elsewhere.
    pub fn open_file(&self, relative: &Path, max_bytes: u64) -> Result<Original, Fault> {
        self.0.open_file(relative, max_bytes).map(Original)
    }

    /// Makes a directory and those above it that are not there, for its owner only. Links inside the home are followed.
    ///
    /// # Errors
    /// Something else stands on the way, or the system refuses.
    pub fn make_directory(&self, relative: &Path) -> Result<(), Fault> {
        self.0.make_directory(relative)
    }

    /// Puts a new file where no name is yet: whole, on the disk, readable by its owner only unless `mode` says more
    /// (Unix). Directories on the way must be there; links to directories inside the home are followed.
    ///
    /// # Errors
    /// `Changed` where the name is taken; else the system refuses.
    pub fn create(&self, relative: &Path, bytes: &[u8], mode: u32) -> Result<Replaced, ReplaceError> {
        self.create_as(relative, bytes, Rights { mode, group: None }, &TempName::random()?)
    }

    /// As [`Self::create`], with the temporary name that the journal was told.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub fn create_as(
        &self,
        relative: &Path,
        bytes: &[u8],
        rights: Rights,
        temp: &TempName,
    ) -> Result<Replaced, ReplaceError> {
        self.0.create(relative, bytes, rights, temp)
    }

    /// Temporary files of ours in a directory (empty is the home itself), of edits that are going on as well: the
    /// caller knows which have an intent, and how old they must be.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn sweep(&self, relative_dir: &Path) -> Result<Vec<Leftover>, Fault> {
        self.0.sweep(relative_dir)
    }

    /// Removes the second name that an edit gives for a moment to the file which it has displaced, if it was broken off
    /// then. To be done before anything else with a leftover.
    ///
    /// # Errors
    /// The system refuses.
    pub fn remove_twin(&self, relative: &Path, temp: &TempName) -> Result<(), Fault> {
        self.0.remove_twin(relative, temp)
    }

    /// Removes a temporary file of ours, if it is a regular file of the owner's. It may hold a user's
    /// write that an edit had just displaced: read it first, and put it back by [`Original::reinstate`] if so.
    ///
    /// # Errors
    /// It is not such a file, or the system refuses.
    pub fn remove_leftover(&self, relative_dir: &Path, name: &TempName) -> Result<(), Fault> {
        self.0.remove_leftover(relative_dir, name)
    }
}

impl Original {
    /// Its content.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// Where it really is, below the home, without links in it.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The path of a temporary file beside it, below the home.
    pub fn beside(&self, name: &TempName) -> PathBuf {
        self.path().with_file_name(name.as_str())
    }

    /// What it was when it was read.
    pub fn stamp(&self) -> Stamp {
        self.0.stamp
    }

    /// How many names it had. More than one: an edit leaves the others with what was in it.
    pub fn names(&self) -> u64 {
        self.0.names
    }

    /// What others may do with it; nothing is known of it on Windows.
    pub fn rights(&self) -> Option<Rights> {
        self.0.rights
    }

    /// Puts a new file in its place, with its permissions and attributes, if nobody wrote it since it was read.
    ///
    /// # Errors
    /// [`ReplaceError`] says what stands there then.
    pub fn replace(&self, new: &[u8]) -> Result<Replaced, ReplaceError> {
        self.replace_as(new, &TempName::random()?)
    }

    /// As [`Self::replace`], with the temporary name that the journal was told.
    ///
    /// # Errors
    /// As for [`Self::replace`].
    pub fn replace_as(&self, new: &[u8], temp: &TempName) -> Result<Replaced, ReplaceError> {
        self.0.replace(new, temp)
    }

    /// Writes other bytes through the file itself, if nobody wrote it since it was read: only for whoever waits at the gate to
    /// read exactly this file. Whether it was done; where it is not, [`Self::replace_as`] is the way.
    ///
    /// # Errors
    /// [`ReplaceError`] says what stands there then. After a crash in the middle it may be a part of both.
    pub fn rewrite(&self, new: &[u8]) -> Result<bool, ReplaceError> {
        self.0.rewrite(new)
    }

    /// Takes the file away, if nobody wrote it since it was read. It goes by a temporary name, for the journal.
    ///
    /// # Errors
    /// [`ReplaceError`] says what stands there then.
    pub fn remove_as(&self, temp: &TempName) -> Result<(), ReplaceError> {
        self.0.remove(temp)
    }

    /// Puts back what an edit, broken off after its exchange, had displaced: the leftover takes the place of this
    /// file, which is the one that the edit wrote. Nothing is done if somebody wrote this file since it was read.
    ///
    /// # Errors
    /// [`ReplaceError`] says what stands there then.
    pub fn reinstate(&self, leftover: &TempName) -> Result<(), ReplaceError> {
        self.0.reinstate(leftover)
    }
}

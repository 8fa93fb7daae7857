//! The gate: whoever opens a file in one of a few folders waits until it is said that he may.
//!
//! Linux has it (fanotify's permission events), for root with `CAP_SYS_ADMIN`. macOS has it for programs to which Apple
//! gives an entitlement, Windows for signed drivers, which this is not: there it is not to be had.
//!
//! Three processes share the work, because the kernel lets everybody through as soon as nobody holds the group of events any
//! more, and holds everybody up for as long as somebody holds it and does not answer:
//!
//! | process | does | its death |
//! |---|---|---|
//! | the agent ([`Gate`]) | marks folders, says what is allowed; answers nobody itself | the two others answer for 5 s more, then the gate is gone |
//! | the holder | waits for the end of the answering one, answers in its place, starts it anew | the agent starts it anew; the answering one ends with it |
//! | the answering one | reads events, asks the agent about files that matter, answers within a deadline | the holder |
//!
//! Whose file matters, and whether it is in order, is the caller's to say: nothing here knows of policy.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as os;
#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
use other as os;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use crate::secure_fs::Stamp;

/// How long whoever opens a file waits for a sign of the agent; then [`Late`] decides.
pub const DEADLINE: Duration = Duration::from_millis(150);
/// How long he waits at the most for an agent that has given one: it looks at this file ([`Gate::taken_up`]), or at others
/// ([`Gate::busy`]). Rather a client that waits than one that takes its file for lost. Nothing else is held up by that.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// How long the others go on when the agent is gone: as long as another may take to start in its place.
pub const ORPHANED: Duration = Duration::from_secs(5);

/// What becomes of an open of which the agent has said nothing in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// It fails, as if the file were not the user's to read.
    Deny,
    /// It goes on, unchecked.
    Allow,
}

/// Why there is no gate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// This system has none.
    #[error("this system has no gate that a program may use")]
    System,
    /// This process has no right to one.
    #[error("this process has no right to it (CAP_SYS_ADMIN)")]
    Right,
    /// The kernel was built without it.
    #[error("this kernel was built without it (CONFIG_FANOTIFY_ACCESS_PERMISSIONS)")]
    Kernel,
    /// Something else is in the way.
    #[error("the system refuses it (error {0})")]
    Refused(i32),
}

/// Why opens in a folder are not held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmarked {
    /// There is no folder, or a link stands in its place.
    #[error("it is no folder")]
    NoFolder,
    /// It is not its user's.
    #[error("it belongs to another user")]
    Foreign,
    /// On a file system where an open may hang or where others answer for what a file holds (a network, FUSE).
    #[error("its file system is not one of this machine's disks")]
    FileSystem,
    /// The system refuses.
    #[error("the system refuses (error {0})")]
    Refused(i32),
}

/// Somebody waits for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Names it in the answer.
    pub id: u64,
    /// Who opens it; 0 where it cannot be named from here (another container).
    pub pid: u32,
    /// Which file it is, and in which state.
    pub stamp: Stamp,
    /// Where it was opened, as whoever answers sees it. A hint: in another mount name space it is anything.
    pub path: PathBuf,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The file is in order in this state. It counts only for a file that is in it when the answer comes.
    Allow(Stamp),
    /// It is not.
    Deny,
}

/// What the gate tells its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Somebody waits.
    Question(Question),
    /// Nothing was said in time, and this was answered. Without a number nobody could be asked.
    Late {
        /// The question.
        id: Option<u64>,
        /// Whether the open went on.
        allowed: bool,
    },
    /// The answering process ended and was started again; so many opens that it had before it were answered in its place.
    Restarted {
        /// How many failed, or went on as [`Late`] says.
        late: u64,
    },
    /// Both other processes ended, and were started again.
    Renewed,
}

/// How the other two processes are started.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// The program, our own.
    pub program: &'a Path,
    /// Its arguments: what makes it call [`serve`].
    pub args: &'a [&'a OsStr],
}

/// Whether this process could have a gate.
///
/// # Errors
/// Why it could not.
pub fn ability() -> Result<(), Lack> {
    os::ability()
}

/// The agent's side of a gate. Closed when it is dropped: nobody waits then.
pub struct Gate(os::Gate);

impl Gate {
    /// Opens one. Nothing is held yet. `tell` is called on a thread of the gate's own.
    ///
    /// # Errors
    /// There is none to be had, or its processes cannot be started.
    pub fn open(start: Start<'_>, late: Late, tell: impl Fn(Told) + Send + 'static) -> Result<Self, Lack> {
        os::Gate::open(start, late, Box::new(tell)).map(Self)
    }

    /// Holds opens in these folders, each its user's, and in no others. A folder that was exchanged for another is held anew.
    /// Gives those that cannot be.
    pub fn hold(&mut self, folders: &[(PathBuf, u32)]) -> Vec<(PathBuf, Unmarked)> {
        self.0.hold(folders)
    }

    /// How many folders are held.
    pub fn folders(&self) -> usize {
        self.0.folders()
    }

    /// Where a file of this state is in the folders that are held: it may have several names.
    ///
    /// Attack: in a mount name space of the user's own a file is opened by any path.
    pub fn places_of(&self, question: &Question) -> Vec<PathBuf> {
        self.0.places_of(question)
    }

    /// Answers one.
    pub fn answer(&self, id: u64, word: Word) {
        self.0.answer(id, word);
    }

    /// Says that this one is looked at now: it is given [`PATIENCE`] from its open on.
    pub fn taken_up(&self, id: u64) {
        self.0.taken_up(id);
    }

    /// What becomes from now on of what is not answered in time.
    pub fn late(&self, late: Late) {
        self.0.late(late);
    }

    /// From now on the agent answers late, or in time again.
    pub fn busy(&self, is_so: bool) {
        self.0.busy(is_so);
    }

    /// What was allowed may not be any more: everything is asked again.
    pub fn forget(&self) {
        self.0.forget();
    }

    /// Files of these names matter too.
    pub fn names(&self, names: &[&OsStr]) {
        self.0.names(names);
    }
}

/// Is holder and answering process, until the agent is gone. `matters` says by its path alone whether a file does.
///
/// # Errors
/// It was not started as a gate is.
pub fn serve(matters: &dyn Fn(&[u8]) -> bool) -> std::io::Result<()> {
    os::serve(matters)
}

/// A process of ours that is never held up, be it the user whose files it opens.
pub(crate) struct Own(#[cfg_attr(not(target_os = "linux"), allow(dead_code))] u32);

impl Own {
    /// From now on; to be called before it opens anything, by whoever has started it and not waited for its end.
    pub(crate) fn new(pid: u32) -> Self {
        os::let_through(pid);
        Self(pid)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        os::let_through_no_more(self.0);
    }
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Own").field(&self.0).finish()
    }
}

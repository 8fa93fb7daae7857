//! The lock that a client takes before it writes its file: a directory beside it, as the npm package `proper-lockfile`
//! makes it for Claude Code. Its owner touches it every few seconds; one that was not touched for long is nobody's.
//!
//! A user can hold it for ever on purpose. So it is courtesy towards the client, never a condition of an edit: where it
//! is not to be had in time, the caller goes on, and the exchange sees what the client writes meanwhile.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::fault::Fault;
use super::{HomeDir, os};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// Why there is no lock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// A program that is alive holds it, and did so until the patience was over.
    #[error("is locked by a program that is at work on it")]
    Held,
    /// The system refuses.
    #[error("its lock {0}")]
    Fault(#[from] Fault),
}

/// A held lock. Given back when it is dropped, if it is still ours.
#[derive(Debug)]
pub struct ClientLock(os::LockDir);

impl ClientLock {
    /// Takes the lock of a file: `path` is the directory, relative to the home (`.claude.json.lock`). One that was not
    /// touched for `stale_after` (10 s with Claude Code) is taken over; a live one is waited for up to `patience`.
    ///
    /// # Errors
    /// It is held, or the system refuses.
    pub fn take(
        home: &HomeDir,
        path: &Path,
        stale_after: Duration,
        patience: Duration,
    ) -> Result<Self, LockError> {
        let begin = Instant::now();
        loop {
            if let Some(lock) = home.0.make_lock(path)? {
                return Ok(Self(lock));
            }
            if home.0.lock_touched(path)?.is_some_and(|touched| is_stale(touched, stale_after)) {
                home.0.break_lock(path)?;
                continue;
            }
            if begin.elapsed() >= patience {
                return Err(LockError::Held);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Says that we are still at work: to be called at least every 5 seconds.
    ///
    /// # Errors
    /// The lock is not ours any more, or the system refuses.
    pub fn refresh(&self) -> Result<(), Fault> {
        self.0.touch()
    }

    /// Where the lock of a file is.
    pub fn path_for(file: &Path) -> PathBuf {
        let mut name = file.as_os_str().to_owned();
        name.push(".lock");
        PathBuf::from(name)
    }
}

/// A time to come is no sign of life: a clock was set back, or somebody means to hold the lock for ever.
#[expect(
    clippy::disallowed_methods,
    reason = "compared with what the file system's clock says, here and now"
)]
fn is_stale(touched: SystemTime, stale_after: Duration) -> bool {
    match SystemTime::now().duration_since(touched) {
        Ok(age) => age > stale_after,
        Err(ahead) => ahead.duration() > stale_after,
    }
}

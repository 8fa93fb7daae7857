//! One command at a time works on a folder of signed documents. Two emergencies at once that read the same list would
//! each sign their own next one, and the denial of the first would be gone.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// The file that is held. It stays when the lock is given back: who waits for it would else hold another one.
pub const FILE: &str = ".mcpolicy-lock";
/// Longest that a command waits for another; a signature by a token takes seconds.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(25);

/// A folder that this command holds until it is dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held until it is dropped")] File);

impl Lock {
    /// Takes a folder that is there, and waits for another command that holds it.
    ///
    /// # Errors
    /// It stays held, or the system refuses.
    pub fn take(folder: &Path) -> anyhow::Result<Self> {
        Self::within(folder, PATIENCE)
    }

    /// Takes a folder if it is there.
    ///
    /// # Errors
    /// As [`Lock::take`].
    pub fn of_existing(folder: &Path) -> anyhow::Result<Option<Self>> {
        if folder.is_dir() { Self::take(folder).map(Some) } else { Ok(None) }
    }

    fn within(folder: &Path, patience: Duration) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        let opened = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = opened.with_context(|| format!("cannot write {}", path.display()))?;
        let begin = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if begin.elapsed() < patience => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => bail!(
                    "another mcpolicy command is at work in {}; nothing was changed, run this again when it has ended",
                    folder.display()
                ),
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| {
                        format!(
                            "{} cannot be locked against other commands; work in a copy on a local disk",
                            folder.display()
                        )
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_by_one_command_and_the_next_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let held = Lock::take(folder.path()).unwrap();
        let refused = Lock::within(folder.path(), Duration::from_millis(60)).unwrap_err().to_string();
        assert!(
            refused.contains("another mcpolicy command") && refused.contains("run this again"),
            "{refused}"
        );
        drop(held);
        assert!(Lock::within(folder.path(), Duration::ZERO).is_ok());
        assert!(Lock::of_existing(&folder.path().join("not-there")).unwrap().is_none());
        assert!(!folder.path().join("not-there").exists());
    }
}

//! One command at a time works on a folder of signed documents. Two emergencies at once that read the same list would
//! each sign their own next one, and the denial of the first would be gone.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use same_file::Handle;

/// The file that is held. It goes with the lock, since a web server may show the folder.
pub const FILE: &str = ".mcpolicy-lock";
/// Longest that a command waits for another; a signature by a token takes seconds.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(25);

/// A folder that this command holds until it is dropped.
#[derive(Debug)]
pub struct Lock {
    /// Where the file is.
    path: PathBuf,
    #[expect(dead_code, reason = "held until it is dropped")]
    file: File,
}

impl Drop for Lock {
    /// Removes the file while it is still held. What stays, after a crash or where it cannot be removed, holds nobody up.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

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
        let begin = Instant::now();
        loop {
            // Opened anew each time: the one before may have removed what was waited for.
            let opened = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
            let file = opened.with_context(|| format!("cannot write {}", path.display()))?;
            match file.try_lock() {
                Ok(()) if is_at(&file, &path) => return Ok(Self { path, file }),
                // Taken between its removal and its end: whoever comes next would hold another file.
                Ok(()) => {}
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

/// Whether an open file is the one at a path.
fn is_at(file: &File, path: &Path) -> bool {
    let open = file.try_clone().and_then(Handle::from_file);
    open.is_ok_and(|open| Handle::from_path(path).is_ok_and(|there| there == open))
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

    #[test]
    fn many_at_once_never_hold_a_folder_together_though_each_removes_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let inside = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..40 {
                        let held = Lock::take(folder.path()).unwrap();
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        std::thread::yield_now();
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(held);
                    }
                });
            }
        });
        assert!(!folder.path().join(FILE).exists(), "a web server shows what stays");
    }
}

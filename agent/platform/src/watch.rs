//! Changes in folders, as the system tells them (inotify, FSEvents, ReadDirectoryChangesW by the crate `notify`).
//!
//! What is told is a hint: it may come twice, late, or for nothing. That hints were lost is told, too, and then everything
//! is to be looked at. Folders are watched, never trees.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RemoveKind};
use notify::{ErrorKind, RecommendedWatcher, RecursiveMode, Watcher as _};

/// What the system tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// Something happened to these paths.
    Changed(Vec<PathBuf>, Change),
    /// More happened than the system could keep: nobody knows where.
    Lost,
}

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Change {
    /// Something came to be there, went, or was moved: a folder that is watched by such a name may be another now.
    pub came_or_went: bool,
    /// It may be a folder.
    pub may_be_folder: bool,
}

impl Change {
    /// What two that happened to one path are together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            came_or_went: self.came_or_went || other.came_or_went,
            may_be_folder: self.may_be_folder || other.may_be_folder,
        }
    }
}

/// Why a folder is not watched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unwatched {
    /// There is no such folder, or it may not be entered.
    #[error("is not there")]
    Absent,
    /// The system gives out no more watches (`fs.inotify.max_user_watches`, `max_user_instances`).
    #[error("the system gives out no more watches")]
    Exhausted,
    /// Another reason of the system's.
    #[error("{0}")]
    Other(String),
}

/// The folders that are watched.
pub struct Watcher {
    inner: RecommendedWatcher,
    folders: BTreeSet<PathBuf>,
}

impl Watcher {
    /// Watches nothing yet. Hints are told on a thread of its own, as soon as they come.
    ///
    /// # Errors
    /// The system gives out no more instances.
    pub fn new(tell: impl Fn(Hint) + Send + 'static) -> Result<Self, Unwatched> {
        let inner = notify::recommended_watcher(move |told: notify::Result<notify::Event>| {
            let hint = match told {
                Ok(event) if event.need_rescan() => Some(Hint::Lost),
                Ok(event) => change(event.kind).map(|change| Hint::Changed(event.paths, change)),
                Err(_) => Some(Hint::Lost),
            };
            hint.into_iter().for_each(&tell);
        });
        Ok(Self { inner: inner.map_err(|error| unwatched(&error))?, folders: BTreeSet::new() })
    }

    /// Watches a folder, not what lies in folders below it. One that is watched stays so; one that was replaced by another
    /// of its name has to be watched anew ([`Self::forget`]).
    ///
    /// # Errors
    /// It is not watched.
    pub fn watch(&mut self, folder: &Path) -> Result<(), Unwatched> {
        if self.folders.contains(folder) {
            return Ok(());
        }
        self.inner.watch(folder, RecursiveMode::NonRecursive).map_err(|error| unwatched(&error))?;
        self.folders.insert(folder.to_owned());
        Ok(())
    }

    /// Ends the watch of a folder. Of one that is gone the system has ended it by itself.
    pub fn forget(&mut self, folder: &Path) {
        if self.folders.remove(folder) {
            let _ = self.inner.unwatch(folder);
        }
    }

    /// The folders that are watched.
    pub fn folders(&self) -> &BTreeSet<PathBuf> {
        &self.folders
    }
}

/// What the system gives out, on Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Folders that a user may watch.
    pub watches: u64,
    /// Watchers that a user may have.
    pub instances: u64,
}

/// What the system gives out to a user; `None` where it has no such limits.
#[allow(clippy::disallowed_methods, reason = "files of the kernel's own")]
pub fn limits() -> Option<Limits> {
    let number = |name: &str| {
        std::fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?.trim().parse().ok()
    };
    Some(Limits { watches: number("max_user_watches")?, instances: number("max_user_instances")? })
}

/// What an event means; nothing if it cannot mean other bytes. That a file was opened or read does not; a program that writes
/// tells by closing it, or by a name that moves.
fn change(kind: EventKind) -> Option<Change> {
    let change = |came_or_went, may_be_folder| Some(Change { came_or_went, may_be_folder });
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) | EventKind::Modify(ModifyKind::Data(_)) => {
            change(false, false)
        }
        EventKind::Access(_)
        | EventKind::Modify(ModifyKind::Metadata(notify::event::MetadataKind::AccessTime)) => None,
        EventKind::Create(CreateKind::File) | EventKind::Remove(RemoveKind::File) => change(true, false),
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => {
            change(true, true)
        }
        EventKind::Any | EventKind::Modify(_) | EventKind::Other => change(false, true),
    }
}

fn unwatched(error: &notify::Error) -> Unwatched {
    match &error.kind {
        ErrorKind::MaxFilesWatch => Unwatched::Exhausted,
        ErrorKind::PathNotFound => Unwatched::Absent,
        ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::NotFound => Unwatched::Absent,
        ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::NotADirectory => Unwatched::Absent,
        ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Unwatched::Absent,
        // EMFILE: instances of inotify are counted by user
        ErrorKind::Io(error) if error.raw_os_error() == Some(24) => Unwatched::Exhausted,
        _ => Unwatched::Other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use super::*;

    /// Waits until one of the hints names the path.
    fn is_told(hints: &mpsc::Receiver<Hint>, path: &Path) -> bool {
        let end = Instant::now() + Duration::from_secs(5);
        while let Ok(hint) = hints.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if matches!(&hint, Hint::Changed(paths, _) if paths.iter().any(|told| told == path)) {
                return true;
            }
        }
        false
    }

    #[test]
    fn what_happens_in_a_watched_folder_is_told_and_nothing_below_it() {
        let folder = tempfile::tempdir().unwrap();
        // as the system names it (macOS has links above its temporary folders)
        let at = folder.path().canonicalize().unwrap();
        fs::create_dir(at.join("sub")).unwrap();
        let (tell, hints) = mpsc::channel();
        let mut watcher = Watcher::new(move |hint| drop(tell.send(hint))).unwrap();
        watcher.watch(&at).unwrap();
        watcher.watch(&at).unwrap();
        assert_eq!(watcher.folders().len(), 1);
        fs::write(at.join("sub/x"), "1").unwrap();
        fs::write(at.join("x.tmp"), "1").unwrap();
        assert!(is_told(&hints, &at.join("x.tmp")));
        fs::rename(at.join("x.tmp"), at.join("x")).unwrap();
        assert!(is_told(&hints, &at.join("x")));
        watcher.forget(&at);
        assert!(watcher.folders().is_empty());
    }

    #[test]
    fn a_folder_that_is_not_there_is_not_watched() {
        let folder = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::new(|_| {}).unwrap();
        assert_eq!(watcher.watch(&folder.path().join("none")), Err(Unwatched::Absent));
        assert!(watcher.folders().is_empty());
    }
}

//! Where the agent finds its settings and keeps its state, unless told otherwise.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use mcpolicy_platform::environment::Environment;
use mcpolicy_platform::{durable, paths};

/// Folders of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// `agent.toml`.
    pub settings: PathBuf,
    /// Everything that it must not forget.
    pub state: PathBuf,
}

impl Places {
    /// Of the agent of a machine; of one user's, if `user_level`. `None` if the user's folders are not known.
    pub fn of(environment: &Environment, user_level: bool) -> Option<Self> {
        let folders = if user_level { paths::of_user(environment) } else { paths::of_machine(environment) };
        folders.map(|folders| Self { settings: folders.settings.join("agent.toml"), state: folders.state })
    }

    /// The same places inside a folder that is taken for the machine.
    #[must_use]
    pub fn inside(self, root: &Path) -> Self {
        let inside = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
        Self { settings: inside(&self.settings), state: inside(&self.state) }
    }
}

/// A held state folder: only one agent at a time works on it.
#[derive(Debug)]
pub struct StateLock(#[expect(dead_code, reason = "held until it is dropped")] File);

impl StateLock {
    /// Takes the folder, which is made if it is not there. `None` if another agent is at work.
    ///
    /// # Errors
    /// The system refuses.
    pub fn take(state: &Path) -> io::Result<Option<Self>> {
        durable::make_private_directory(state)?;
        let path = state.join("lock");
        let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_folder_is_held_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let held = StateLock::take(folder.path()).unwrap();
        assert!(held.is_some());
        assert!(StateLock::take(folder.path()).unwrap().is_none());
        drop(held);
        assert!(StateLock::take(folder.path()).unwrap().is_some());
    }

    #[test]
    fn places_of_an_image_are_inside_of_it() {
        let (settings, state) = ("/etc/mcpolicy/agent.toml".into(), "/var/lib/mcpolicy".into());
        let inside = Places { settings, state }.inside(Path::new("/mnt/image"));
        assert_eq!(inside.settings, Path::new("/mnt/image/etc/mcpolicy/agent.toml"));
        assert_eq!(inside.state, Path::new("/mnt/image/var/lib/mcpolicy"));
    }
}

//! Where the agent finds its settings and keeps its state, unless told otherwise.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use mcpolicy_clients::location::Os;
use mcpolicy_platform::durable;
use mcpolicy_platform::environment::Environment;

use crate::ground;

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
        let os = ground::host_os();
        if !user_level {
            let (settings, state) = match os {
                Os::Linux => ("/etc/mcpolicy", "/var/lib/mcpolicy"),
                Os::Macos => {
                    ("/Library/Application Support/mcpolicy", "/Library/Application Support/mcpolicy/state")
                }
                Os::Windows => {
                    let base = PathBuf::from(environment.get("ProgramData")?).join("mcpolicy");
                    return Some(Self { settings: base.join("agent.toml"), state: base.join("state") });
                }
            };
            return Some(Self { settings: Path::new(settings).join("agent.toml"), state: state.into() });
        }
        let absolute =
            |name: &str| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let (settings, state) = match os {
            Os::Linux => {
                let home = absolute("HOME");
                let below = |name: &str| home.as_ref().map(|home| home.join(name));
                (
                    absolute("XDG_CONFIG_HOME").or_else(|| below(".config"))?,
                    absolute("XDG_STATE_HOME").or_else(|| below(".local/state"))?,
                )
            }
            Os::Macos => {
                let base = absolute("HOME")?.join("Library/Application Support");
                (base.clone(), base)
            }
            Os::Windows => {
                let base = absolute("LOCALAPPDATA")?;
                (base.clone(), base)
            }
        };
        Some(Self { settings: settings.join("mcpolicy/agent.toml"), state: state.join("mcpolicy/state") })
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

    #[cfg(target_os = "linux")]
    #[test]
    fn an_image_has_its_own_places_and_a_user_his() {
        let empty = Environment::empty();
        let machine = Places::of(&empty, false).unwrap().inside(Path::new("/mnt/image"));
        assert_eq!(machine.settings, Path::new("/mnt/image/etc/mcpolicy/agent.toml"));
        assert_eq!(machine.state, Path::new("/mnt/image/var/lib/mcpolicy"));
        assert_eq!(Places::of(&empty, true), None);
        let user = Environment::from_iter([("HOME".to_owned(), "/home/ann".to_owned())]);
        assert_eq!(
            Places::of(&user, true).unwrap().state,
            Path::new("/home/ann/.local/state/mcpolicy/state")
        );
    }
}

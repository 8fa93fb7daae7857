//! Where the agent finds its settings and keeps its state, unless told otherwise.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Component, Path, PathBuf};

use mcpolicy_platform::environment::Environment;
use mcpolicy_platform::machine::Machine;
use mcpolicy_platform::paths::AgentFolders;
use mcpolicy_platform::{durable, paths};

/// Folders of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// `agent.toml`.
    pub settings: PathBuf,
    /// Everything that it must not forget.
    pub state: PathBuf,
    /// Spool and inbox: what goes between it and the role that uses the network.
    pub exchange: PathBuf,
    /// Where it listens for commands.
    pub socket: PathBuf,
}

impl Places {
    /// Of the agent of a machine; of one user's, if `user_level`. `None` if the user's folders are not known.
    pub fn of(environment: &Environment, user_level: bool) -> Option<Self> {
        let folders = if user_level { paths::of_user(environment) } else { paths::of_machine(environment) };
        folders.map(|of| {
            let AgentFolders { settings, state, exchange, socket } = of;
            Self { settings: settings.join("agent.toml"), state, exchange, socket }
        })
    }

    /// The same places inside a folder that is taken for the machine.
    ///
    /// # Errors
    /// As [`inside`].
    pub fn inside(self, root: &Path) -> anyhow::Result<Self> {
        let state = inside(root, &self.state)?;
        let (socket, exchange) = (paths::socket_of(&state), inside(root, &self.exchange)?);
        Ok(Self { settings: inside(root, &self.settings)?, state, exchange, socket })
    }

    /// The same with another folder of state. The socket goes with it: an agent on a state of its own must not be in the
    /// way of another.
    #[must_use]
    pub fn with_state(self, state: PathBuf) -> Self {
        let (socket, exchange) = (paths::socket_of(&state), paths::exchange_of(&state));
        Self { state, exchange, socket, ..self }
    }
}

/// A path of an image, as this host calls it. Nothing of it need be there.
///
/// Attack: `/var/lib` of an image is a link, which is right inside of it and leads to this host's own state for whoever
/// follows it here.
///
/// # Errors
/// What is there of it leads out of the image, or nowhere.
pub fn inside(root: &Path, path: &Path) -> anyhow::Result<PathBuf> {
    anyhow::ensure!(
        path.has_root() && path.components().all(|part| !matches!(part, Component::ParentDir)),
        "{} is no path of an image: it must begin at its root, and not lead up",
        path.display()
    );
    let root = std::path::absolute(root)?;
    let image = Machine::at_root(&root);
    for above in path.ancestors() {
        if let Ok(found) = image.resolve(above) {
            let rest = path.strip_prefix(above)?;
            let whole = if rest.as_os_str().is_empty() { found.path } else { found.path.join(rest) };
            return Ok(image.host_path(&whole));
        }
        anyhow::ensure!(
            image.kind(above).is_none(),
            "{} of the image {} leads out of it or nowhere; give --state and --settings",
            above.display(),
            root.display()
        );
    }
    anyhow::bail!("the image {} is not a directory that can be read", root.display())
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
        // attack: a packager's folder of mode 755, whose lock any user may hold for ever
        durable::keep_private(state)?;
        let path = state.join("lock");
        let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
        durable::keep_private(&path)?;
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
    fn a_state_folder_that_others_may_enter_is_closed_before_it_is_used() {
        let folder = mcpolicy_tests::private::private_folder();
        let state = folder.path().to_owned();
        std::fs::write(state.join("lock"), "").unwrap();
        mcpolicy_tests::private::set_mode(&state, 0o755);
        mcpolicy_tests::private::set_mode(&state.join("lock"), 0o644);
        let held = StateLock::take(&state).unwrap();
        assert!(held.is_some() && durable::is_private(&state) && durable::is_private(&state.join("lock")));
    }

    #[test]
    fn places_of_an_image_are_inside_of_it() {
        let image = tempfile::tempdir().unwrap();
        let root = image.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("var")).unwrap();
        let (settings, state) = ("/etc/mcpolicy/agent.toml".into(), "/var/lib/mcpolicy".into());
        let socket = "/run/mcpolicy/agent.sock".into();
        let exchange = "/var/lib/mcpolicy-ship".into();
        let places = Places { settings, state, exchange, socket }.inside(&root).unwrap();
        assert_eq!(places.settings, root.join("etc/mcpolicy/agent.toml"));
        assert_eq!(places.state, root.join("var/lib/mcpolicy"));
        // not the one of this machine's agent
        assert!(places.socket != Path::new("/run/mcpolicy/agent.sock") && places.socket.is_absolute());
        for path in ["/var/../../x", "var/lib"] {
            assert!(inside(&root, Path::new(path)).is_err(), "{path}");
        }
        assert!(inside(&root.join("none"), Path::new("/var")).is_err());
    }
}

//! Paths: where an agent's own folders are, and how a path travels between two processes.

use std::path::{Path, PathBuf};

use crate::environment::Environment;

/// Folders of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentFolders {
    /// Its settings.
    pub settings: PathBuf,
    /// What it must not forget.
    pub state: PathBuf,
    /// What goes between it and the role that uses the network: that role has to reach it, and must not reach the state.
    pub exchange: PathBuf,
    /// Where it listens for commands: a socket; on Windows the name of a pipe.
    pub socket: PathBuf,
}

/// The name of the socket in its folder.
const SOCKET: &str = "agent.sock";

/// Of the agent of this machine, unless told otherwise. `None` if the system's folders are not known.
pub fn of_machine(environment: &Environment) -> Option<AgentFolders> {
    let (settings, state, exchange, socket) = if cfg!(windows) {
        let base = PathBuf::from(environment.get("ProgramData")?).join("mcpolicy");
        (base.clone(), base.join("state"), base.join("ship"), r"\\.\pipe\mcpolicy".into())
    } else if cfg!(target_os = "macos") {
        let base = Path::new("/Library/Application Support/mcpolicy");
        let socket = Path::new("/var/run/mcpolicy").join(SOCKET);
        (base.to_owned(), base.join("state"), base.join("ship"), socket)
    } else {
        let socket = Path::new("/run/mcpolicy").join(SOCKET);
        ("/etc/mcpolicy".into(), "/var/lib/mcpolicy".into(), "/var/lib/mcpolicy-ship".into(), socket)
    };
    Some(AgentFolders { settings, state, exchange, socket })
}

/// Of an agent of one user. `None` if the user's folders are not known.
pub fn of_user(environment: &Environment) -> Option<AgentFolders> {
    let absolute = |name: &str| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let (settings, state) = if cfg!(windows) {
        let base = absolute("LOCALAPPDATA")?;
        (base.clone(), base)
    } else if cfg!(target_os = "macos") {
        let base = absolute("HOME")?.join("Library/Application Support");
        (base.clone(), base)
    } else {
        let home = absolute("HOME");
        let below = |name: &str| home.as_ref().map(|home| home.join(name));
        (
            absolute("XDG_CONFIG_HOME").or_else(|| below(".config"))?,
            absolute("XDG_STATE_HOME").or_else(|| below(".local/state"))?,
        )
    };
    let (settings, state) = (settings.join("mcpolicy"), state.join("mcpolicy/state"));
    // a folder in memory that goes with the user's last session; others have none
    let runtime = absolute("XDG_RUNTIME_DIR").filter(|_| cfg!(target_os = "linux"));
    let socket = runtime.map(|folder| folder.join("mcpolicy").join(SOCKET));
    let socket = socket.unwrap_or_else(|| socket_of(&state));
    let exchange = exchange_of(&state);
    Some(AgentFolders { settings, state, exchange, socket })
}

/// What goes between an agent, whose state is in a folder that somebody chose, and the role that uses the network.
pub fn exchange_of(state: &Path) -> PathBuf {
    state.join("ship")
}

/// Where an agent listens whose state is in a folder that somebody chose. On Windows pipes are in no folder: the name says
/// which.
pub fn socket_of(state: &Path) -> PathBuf {
    if cfg!(windows) {
        let path = state.to_string_lossy().to_lowercase();
        let name = path.replace(|c: char| !c.is_alphanumeric(), "-");
        return PathBuf::from(format!(r"\\.\pipe\mcpolicy-{}", name.trim_matches('-')));
    }
    state.join(SOCKET)
}

/// Where a user of a home leaves requests to the agent of the machine: a place that does not go by the user's environment,
/// which that agent does not know.
pub fn requests_in(home: &Path) -> PathBuf {
    let state = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/state" };
    home.join(state).join("mcpolicy/requests")
}

/// The same place, links resolved, where it is there and lies in the home: a link must not make files elsewhere into
/// requests, which are removed when they are answered.
pub fn requests_below(home: &Path) -> Option<PathBuf> {
    let home = home.canonicalize().ok()?;
    requests_in(&home).canonicalize().ok().filter(|folder| folder.starts_with(&home))
}

/// Whether a path belongs to another user than the one that runs this. No, where users have no numbers.
pub fn is_anothers(path: &Path) -> bool {
    let owner = crate::machine::Machine::live().owner_uid(path);
    owner.zip(crate::users::own_uid()).is_some_and(|(owner, own)| owner != own)
}

/// The bytes of a path, for another process of this program on this machine.
pub fn to_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

/// Whether a path may name a file. One with a NUL in it, which a text may well have, names none on any system.
pub fn is_one(path: &Path) -> bool {
    !to_bytes(path).contains(&0)
}

/// The path of bytes that another process sent; `None` where they are none on this system.
pub fn of_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
    #[cfg(unix)]
    let path = {
        use std::os::unix::ffi::OsStringExt as _;
        PathBuf::from(std::ffi::OsString::from_vec(bytes))
    };
    #[cfg(not(unix))]
    let path = PathBuf::from(String::from_utf8(bytes).ok()?);
    is_one(&path).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_out_as_it_went_in() {
        let path = Path::new("/home/ann/.claude.json");
        assert_eq!(of_bytes(to_bytes(path).to_vec()).as_deref(), Some(path));
        assert_eq!(of_bytes(b"/home/\0".to_vec()), None);
        assert!(is_one(path) && !is_one(Path::new("/home/\0")));
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_no_text_stays_what_it_is() {
        let bytes = b"/home/\xff\xfe/.mcp.json";
        assert_eq!(to_bytes(&of_bytes(bytes.to_vec()).expect("a path")), bytes);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_machine_and_a_user_have_their_own_places() {
        let empty = Environment::empty();
        let machine = of_machine(&empty).expect("known");
        assert_eq!(machine.state, Path::new("/var/lib/mcpolicy"));
        assert_eq!(machine.socket, Path::new("/run/mcpolicy/agent.sock"));
        assert_eq!(of_user(&empty), None);
        let user = Environment::from_iter([("HOME".to_owned(), "/home/ann".to_owned())]);
        let folders = of_user(&user).expect("known");
        assert_eq!(folders.settings, Path::new("/home/ann/.config/mcpolicy"));
        assert_eq!(folders.state, Path::new("/home/ann/.local/state/mcpolicy/state"));
        assert_eq!(folders.socket, folders.state.join("agent.sock"));
        let pairs = [("HOME", "/home/ann"), ("XDG_RUNTIME_DIR", "/run/user/1000")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let folders = of_user(&Environment::from_iter(pairs)).expect("known");
        assert_eq!(folders.socket, Path::new("/run/user/1000/mcpolicy/agent.sock"));
    }

    #[cfg(unix)]
    #[test]
    fn requests_that_a_link_leads_out_of_the_home_to_are_none() {
        let (home, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = requests_in(home.path());
        assert_eq!(requests_below(home.path()), None);
        std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), &folder).unwrap();
        assert_eq!(requests_below(home.path()), None);
        std::fs::remove_file(&folder).unwrap();
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(requests_below(home.path()), Some(folder.canonicalize().unwrap()));
        assert!(!is_anothers(&folder));
    }
}

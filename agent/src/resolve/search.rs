//! Search paths: where a command without a directory is found.

use std::path::{Path, PathBuf};

use mcpolicy_clients::location::Os;
use mcpolicy_platform::processes::{self, Process};
use mcpolicy_schema::entry::{Entry, NamedValue};
use mcpolicy_schema::identity::Identity;
use mcpolicy_schema::sensitive::Sensitive;

use super::Look;
use crate::running;
use crate::worker::Seen;

/// Endings by which Windows finds a program, in its order.
const WINDOWS_ENDINGS: [&str; 4] = ["com", "exe", "bat", "cmd"];

/// What a login without any set-up of its own has.
pub(super) fn default_path(os: Os) -> Vec<PathBuf> {
    let directories: &[&str] = match os {
        Os::Linux => &["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"],
        Os::Macos => &["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"],
        Os::Windows => &["C:\\Windows\\System32", "C:\\Windows", "C:\\Program Files\\nodejs"],
    };
    directories.iter().map(PathBuf::from).collect()
}

/// The policy's list, with `~` as the user's home.
pub(super) fn expand(list: &[String], home: Option<&Path>) -> Vec<PathBuf> {
    let expand = |text: &String| match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => Some(home.join(rest)),
        (Some(_), None) => None,
        (None, _) => Some(PathBuf::from(text)),
    };
    list.iter().filter_map(expand).collect()
}

/// The directories of a `PATH`; `None` if one of them is no absolute path as it stands, since then nobody can say
/// what would be found.
pub(super) fn split(path: &str, os: Os) -> Option<Vec<PathBuf>> {
    let mark = if os == Os::Windows { ';' } else { ':' };
    path.split(mark).map(|directory| super::literal(directory).filter(|path| path.is_absolute())).collect()
}

/// The search path that an entry sets itself.
pub(super) fn of_entry<'a>(entry: &'a Entry, identity: &'a Identity, os: Os) -> Option<&'a Sensitive> {
    let is_path = |value: &&NamedValue| match os {
        Os::Windows => value.name.eq_ignore_ascii_case("PATH"),
        Os::Linux | Os::Macos => value.name == "PATH",
    };
    let set = identity.argument_env.iter().rev().chain(entry.env.iter().rev());
    set.into_iter().find(is_path).map(|value| &value.value)
}

/// The search path of a running client of a user.
pub(super) fn of_running_client(all: &[Process], uid: u32, client: &str, os: Os) -> Option<Vec<PathBuf>> {
    let wanted = std::collections::BTreeSet::from(["PATH"]);
    let running = running::clients(all).into_iter();
    let mut own = running.filter(|c| c.process.uid == Some(uid) && c.adapter.about().id == client);
    own.find_map(|c| split(processes::environment_of(c.process.pid, &wanted).get("PATH")?, os))
}

/// The first program of a name. `None` if there is none, or if a directory before it may not be looked into, since
/// then another may come first.
pub(super) fn find(
    look: &dyn Look,
    home: Option<usize>,
    directories: &[PathBuf],
    name: &str,
    os: Os,
) -> Option<PathBuf> {
    for directory in directories {
        for candidate in candidates(directory, name, os) {
            match look.program(home, &candidate) {
                Seen::Program(program) if program.executable => return Some(candidate),
                Seen::Unknown => return None,
                Seen::Program(_) | Seen::Nothing => {}
            }
        }
    }
    None
}

pub(super) fn candidates(directory: &Path, name: &str, os: Os) -> Vec<PathBuf> {
    if os != Os::Windows {
        return vec![directory.join(name)];
    }
    let has_ending = Path::new(name)
        .extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(|ending| WINDOWS_ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)));
    if has_ending {
        return vec![directory.join(name)];
    }
    WINDOWS_ENDINGS.iter().map(|ending| directory.join(format!("{name}.{ending}"))).collect()
}

//! The program that clients start for hooks.

use std::collections::BTreeSet;
use std::path::Path;

use mcpolicy_platform::machine::{Account, Machine};

/// This program, where it is installed so that only an administrator can put another in its place: its path, absolute and without
/// links.
///
/// Attack: a hook that every user's client starts, in a folder that one of them may write. And a path that another process
/// can only follow by our rights is none for a client.
pub fn installed() -> Option<String> {
    let own = std::env::current_exe().ok()?;
    is_safe(&Machine::live(), &own).then(|| own.to_str().map(str::to_owned)).flatten()
}

/// Whether nobody but an administrator can change what a path leads to.
pub fn is_safe(machine: &Machine, path: &Path) -> bool {
    let root = Account { uid: Some(0), gids: BTreeSet::from([0]) };
    path.is_absolute() && machine.program(path).is_ok() && !machine.is_writable_by(path, &root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_a_user_could_replace_is_no_hook() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mcpolicy");
        std::fs::write(&path, "").unwrap();
        // where there are no modes, all that is outside of the system's own folders counts as anybody's
        mcpolicy_tests::private::set_mode(folder.path(), 0o777);
        assert!(!is_safe(&Machine::live(), &path));
        assert!(
            !is_safe(&Machine::live(), &folder.path().join("none"))
                && !is_safe(&Machine::live(), Path::new("mcpolicy"))
        );
    }
}

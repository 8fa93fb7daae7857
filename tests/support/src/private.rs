//! Folders of which the rights matter.

use std::path::Path;

use tempfile::TempDir;

/// A folder that nobody else may enter; in memory where there is such, since each opening of a store waits for the
/// disk.
pub fn private_folder() -> TempDir {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    set_mode(folder.path(), 0o700);
    folder
}

/// Sets the rights of a path. False where the system has no such numbers: what is to be tested is not there then.
pub fn set_mode(path: &Path, mode: u32) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("permissions");
    }
    let _ = (path, mode);
    cfg!(unix)
}

/// Puts a link to a folder at a path. False where the system has another kind of links.
pub fn link_folder(target: &Path, at: &Path) -> bool {
    #[cfg(unix)]
    std::os::unix::fs::symlink(target, at).expect("a link");
    let _ = (target, at);
    cfg!(unix)
}

//! Folders with secrets in them: nobody else's, and in no backup.

use std::io;
use std::path::Path;

/// Whether a folder is a directory of this process's own user, which nobody else may enter, and which nobody else can
/// put another in the place of. On Windows the installer gives the access list, which is inherited.
///
/// # Errors
/// It is none; the message says what to do.
#[cfg(unix)]
pub fn check_private_directory(path: &Path) -> io::Result<()> {
    check(path, 0o077, "others have rights to it: `chmod 700` it, and look at what is in it")
}

/// Whether a folder is as a private one, but that its group may enter and read it.
///
/// # Errors
/// It is none; the message says what to do.
#[cfg(unix)]
pub fn check_shared_directory(path: &Path) -> io::Result<()> {
    check(path, 0o027, "others have rights to it: `chmod 750` it, and look at what is in it")
}

#[cfg(unix)]
fn check(path: &Path, denied: u32, advice: &str) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let refused = |why: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned()));
    let own = rustix::process::geteuid().as_raw();
    let found = std::fs::symlink_metadata(path)?;
    if !found.is_dir() {
        return refused("it is no directory: remove what stands there");
    }
    if found.uid() != own {
        return refused("it belongs to another user: give it to the one that the agent runs as");
    }
    if found.mode() & denied != 0 {
        return refused(advice);
    }
    let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return Ok(()) };
    let above = std::fs::metadata(parent)?;
    let is_sticky = above.mode() & 0o1000 != 0;
    if ![0, own].contains(&above.uid()) || (above.mode() & 0o002 != 0 && !is_sticky) {
        return refused(
            "others may put another in its place: take the right to write the folder above it from them",
        );
    }
    Ok(())
}

/// Nothing to ask for.
///
/// # Errors
/// None.
#[cfg(windows)]
pub fn check_private_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Nothing to ask for.
///
/// # Errors
/// None.
#[cfg(windows)]
pub fn check_shared_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Asks programs that make backups to leave a folder out, in the system's own way: a flag of the file system on Linux
/// (new files inherit it), an attribute on macOS. On Windows it is a value in the registry, which the installer writes.
/// What cannot be asked for is left: it is a request to begin with.
pub fn leave_out_of_backups(path: &Path) {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, IFlags, Mode, OFlags};
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if let Ok(folder) = rustix::fs::openat(CWD, path, flags, Mode::empty())
            && let Ok(now) = rustix::fs::ioctl_getflags(&folder)
            && !now.contains(IFlags::NODUMP)
        {
            let _ = rustix::fs::ioctl_setflags(&folder, now | IFlags::NODUMP);
        }
    }
    #[cfg(target_os = "macos")]
    {
        // the property list that `tmutil addexclusion` writes: the text `com.apple.backupd`
        const EXCLUDED: &[u8] =
            b"bplist00\x5f\x10\x11com.apple.backupd\x08\0\0\0\0\0\0\x01\x01\0\0\0\0\0\0\0\x01\
            \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x1c";
        let name = "com.apple.metadata:com_apple_backup_excludeItem";
        let _ = rustix::fs::lsetxattr(path, name, EXCLUDED, rustix::fs::XattrFlags::empty());
    }
    #[cfg(windows)]
    let _ = path;
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_that_others_may_enter_or_replace_is_not_private() {
        let root = tempfile::tempdir().unwrap();
        let (above, folder) = (root.path().join("above"), root.path().join("above/folder"));
        super::super::make_private_directory(&folder).unwrap();
        check_private_directory(&folder).unwrap();
        for mode in [0o777, 0o770, 0o750, 0o701] {
            fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
            assert!(check_private_directory(&folder).is_err(), "{mode:o}");
            assert_eq!(check_shared_directory(&folder).is_ok(), mode == 0o750, "{mode:o}");
        }
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
        for (mode, is_private) in [(0o755, true), (0o777, false), (0o1777, true)] {
            fs::set_permissions(&above, Permissions::from_mode(mode)).unwrap();
            assert_eq!(check_private_directory(&folder).is_ok(), is_private, "{mode:o}");
        }
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(check_private_directory(&link).is_err());
        assert!(check_private_directory(&root.path().join("none")).is_err());
        if rustix::process::geteuid().is_root() {
            fs::set_permissions(&above, Permissions::from_mode(0o755)).unwrap();
            std::os::unix::fs::chown(&folder, Some(4001), None).unwrap();
            assert!(check_private_directory(&folder).is_err(), "another user's");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_is_left_out_of_dumps_where_the_file_system_can_say_so() {
        let root = tempfile::tempdir().unwrap();
        leave_out_of_backups(root.path());
        #[expect(clippy::disallowed_methods, reason = "a test reads its own files")]
        let folder = fs::File::open(root.path()).unwrap();
        if let Ok(flags) = rustix::fs::ioctl_getflags(&folder) {
            assert!(flags.contains(rustix::fs::IFlags::NODUMP));
        }
    }
}

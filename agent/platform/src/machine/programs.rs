//! What a machine says of a file that would be run: where it really lies, who could put another in its place, and its
//! bytes for a digest, never all of them in memory at once.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Attempt, FileKind, MAX_TRIES, Machine, ReadError, os};

/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;

/// Directories of Windows that only administrators may write.
const WINDOWS_SYSTEM: [&str; 3] = ["windows", "program files", "program files (x86)"];

/// The numbers under which a user's rights are judged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// The user's number, where the system has one and it is known.
    pub uid: Option<u32>,
    /// Numbers of the user's groups.
    pub gids: BTreeSet<u32>,
}

/// A file that could be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The path on the machine, without links in it.
    pub real_path: PathBuf,
    /// Somebody may run it as a program. Always true on Windows.
    pub executable: bool,
}

impl Machine {
    /// A regular file and where it really lies.
    ///
    /// # Errors
    /// Nothing is there, it is no regular file, or it lies outside of what may be read.
    pub fn program(&self, path: &Path) -> Result<Program, ReadError> {
        let found = self.walk_in_scope(path)?;
        match FileKind::of(found.metadata.file_type()) {
            FileKind::File => {
                Ok(Program { executable: os::is_executable(&found.metadata), real_path: found.path })
            }
            kind => Err(ReadError::NotRegular(kind)),
        }
    }

    /// Whether a user could change what a path leads to: the file, a directory on its way, or a link in it. Of root it
    /// is asked whether anybody else could. What cannot be looked at counts as writable. Access lists are not read; on
    /// Windows everything outside the system's own folders counts as writable.
    pub fn is_writable_by(&self, path: &Path, user: &Account) -> bool {
        if !os::HAS_MODES {
            return !is_below_windows_system(path);
        }
        let mut writable = false;
        let walked = self.walk_telling(path, &mut |at, metadata| {
            let directory = at.parent().unwrap_or(at);
            let directory = std::fs::symlink_metadata(self.host_path(directory));
            // a link's own mode means nothing
            writable |= (!metadata.is_symlink() && !metadata.is_dir() && os::may_change(metadata, user))
                || directory.map_or(true, |directory| os::may_replace(&directory, metadata, user));
        });
        writable || walked.is_err()
    }

    /// Whether two paths lead to one file. One of them may be a path that only this process can follow, such as a
    /// link of the process table.
    pub fn is_same_file(&self, path: &Path, other: &Path) -> bool {
        let Ok(found) = self.walk_in_scope(path) else { return false };
        std::fs::metadata(other).is_ok_and(|metadata| os::same_file(&found.metadata, &metadata))
    }

    /// Hands the bytes of a regular file of at most `max_bytes` to `sink`, a piece at a time.
    ///
    /// # Errors
    /// As [`Machine::read`]. `sink` may have been given a part by then.
    pub fn stream(&self, path: &Path, max_bytes: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), ReadError> {
        for _ in 0..MAX_TRIES {
            match self.open_once(self.walk_in_scope(path)?, max_bytes) {
                Ok((file, _, _)) => return pour(file, max_bytes, sink),
                Err(Attempt::Failed(error)) => return Err(error),
                Err(Attempt::Changed) => {}
            }
        }
        Err(ReadError::Io(std::io::ErrorKind::ResourceBusy))
    }
}

/// Never more than the limit: the file may grow while it is read.
fn pour(mut file: std::fs::File, max_bytes: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), ReadError> {
    let mut piece = vec![0_u8; CHUNK];
    let mut total = 0_u64;
    loop {
        let read = match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(ReadError::of(&error)),
        };
        total += read as u64;
        if total > max_bytes {
            return Err(ReadError::TooLarge { bytes: total });
        }
        sink(piece.get(..read).unwrap_or_default());
    }
}

fn is_below_windows_system(path: &Path) -> bool {
    let text = path.to_string_lossy().to_lowercase().replace('/', "\\");
    let mut parts = text.split('\\').filter(|part| !part.is_empty() && !part.ends_with(':'));
    let top = parts.next().unwrap_or_default();
    WINDOWS_SYSTEM.contains(&top) && !parts.any(|part| part == "..")
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    const NOBODY: u32 = 65_533;

    fn stranger() -> Account {
        Account { uid: Some(NOBODY), gids: BTreeSet::new() }
    }

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("ours");
    }

    fn machine() -> (tempfile::TempDir, Machine) {
        let root = tempfile::tempdir().expect("temporary directory");
        mode(root.path(), 0o755);
        std::fs::create_dir_all(root.path().join("usr/bin")).expect("directories");
        std::fs::write(root.path().join("usr/bin/server"), "#!/bin/sh\n").expect("file");
        mode(&root.path().join("usr/bin/server"), 0o755);
        let machine = Machine::at_root(root.path());
        (root, machine)
    }

    #[test]
    fn a_file_that_only_its_owner_may_write_is_writable_to_him_and_to_no_other() {
        let (root, machine) = machine();
        let path = Path::new("/usr/bin/server");
        let owner = std::fs::metadata(root.path()).expect("there").uid();
        assert!(!machine.is_writable_by(path, &stranger()));
        if owner != 0 {
            assert!(machine.is_writable_by(path, &Account { uid: Some(owner), gids: BTreeSet::new() }));
        }
        mode(&root.path().join("usr/bin/server"), 0o757);
        assert!(machine.is_writable_by(path, &stranger()));
    }

    #[test]
    fn a_directory_on_the_way_that_the_user_may_write_makes_the_program_his() {
        let (root, machine) = machine();
        let path = Path::new("/usr/bin/server");
        mode(&root.path().join("usr"), 0o777);
        assert!(machine.is_writable_by(path, &stranger()));
        // others may add names to a sticky directory, but not take away what is there
        mode(&root.path().join("usr"), 0o1777);
        assert!(!machine.is_writable_by(path, &stranger()));
    }

    #[test]
    fn a_link_in_a_directory_of_the_user_is_his_whatever_it_leads_to() {
        let (root, machine) = machine();
        std::fs::create_dir(root.path().join("shared")).expect("directory");
        symlink("/usr/bin/server", root.path().join("shared/server")).expect("link");
        let path = Path::new("/shared/server");
        assert!(!machine.is_writable_by(path, &stranger()));
        mode(&root.path().join("shared"), 0o777);
        assert!(machine.is_writable_by(path, &stranger()));
        assert_eq!(machine.program(path).expect("a program").real_path, Path::new("/usr/bin/server"));
    }

    #[test]
    fn a_group_counts_only_for_its_members() {
        let (root, machine) = machine();
        mode(&root.path().join("usr/bin/server"), 0o775);
        let gid = std::fs::metadata(root.path().join("usr/bin/server")).expect("there").gid();
        let member = Account { uid: Some(NOBODY), gids: BTreeSet::from([gid]) };
        assert!(machine.is_writable_by(Path::new("/usr/bin/server"), &member));
        assert!(!machine.is_writable_by(Path::new("/usr/bin/server"), &stranger()));
    }

    #[test]
    fn what_cannot_be_looked_at_counts_as_writable() {
        let (_root, machine) = machine();
        assert!(machine.is_writable_by(Path::new("/usr/bin/absent"), &stranger()));
    }

    #[test]
    fn a_file_is_poured_whole_or_not_at_all() {
        let (root, machine) = machine();
        let big = vec![7_u8; 3 * CHUNK + 5];
        std::fs::write(root.path().join("big"), &big).expect("file");
        let mut seen = Vec::new();
        machine
            .stream(Path::new("/big"), 1 << 20, &mut |piece| seen.extend_from_slice(piece))
            .expect("it is there");
        assert_eq!(seen, big);
        let refused = machine.stream(Path::new("/big"), 100, &mut |_| {});
        assert!(matches!(refused, Err(ReadError::TooLarge { .. })));
        assert_eq!(
            machine.stream(Path::new("/usr"), 100, &mut |_| {}),
            Err(ReadError::NotRegular(FileKind::Directory))
        );
    }

    #[test]
    fn only_folders_of_the_system_are_safe_on_windows() {
        assert!(is_below_windows_system(Path::new("C:\\Windows\\System32\\cmd.exe")));
        assert!(is_below_windows_system(Path::new("c:/program files/nodejs/npx.cmd")));
        assert!(!is_below_windows_system(Path::new("C:\\Users\\dev\\AppData\\Roaming\\npm\\npx.cmd")));
        assert!(!is_below_windows_system(Path::new("C:\\Windows\\..\\Users\\dev\\x.exe")));
    }
}

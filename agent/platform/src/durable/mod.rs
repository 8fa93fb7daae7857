//! Writing that outlasts a loss of power: bytes reach the disk before a name does, and a name before the next step.
//! And what a folder of ours must be.

mod private;
mod shared;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

pub use private::{check_private_directory, check_shared_directory, leave_out_of_backups};
pub use shared::{append_shared, make_shared_directory};

/// Writes a new file, readable by its owner only. What stands at the path is cut first: it may be the rest of a write
/// that a crash broke off. The bytes may still be on their way to the disk.
///
/// # Errors
/// The system refuses.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    private(OpenOptions::new().write(true).create(true).truncate(true)).open(path)?.write_all(bytes)
}

/// Waits until the bytes of a file are on the disk.
///
/// # Errors
/// The system refuses.
pub fn sync_file(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.sync_all()
}

/// Puts a whole file, readable by its owner only, in the place of another: whoever reads finds the old bytes or the new
/// ones, and they are on the disk when this returns. The unfinished file stands beside it with the ending `new`.
///
/// # Errors
/// The system refuses; the file of before is still there then.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    write(&unfinished, bytes)?;
    sync_file(&unfinished)?;
    std::fs::rename(&unfinished, path)?;
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or(Ok(()), sync_directory)
}

/// Adds bytes to the end of a file, made if it is not there and readable by its owner only, and waits until they are on
/// the disk.
///
/// # Errors
/// The system refuses; some of the bytes may be there.
pub fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = private(OpenOptions::new().append(true).create(true)).open(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

/// Cuts a file to a length, and waits until that is on the disk.
///
/// # Errors
/// The system refuses.
pub fn cut(path: &Path, length: u64) -> io::Result<()> {
    let file = private(OpenOptions::new().write(true)).open(path)?;
    file.set_len(length)?;
    file.sync_all()
}

/// Makes a directory that only its owner can enter, with its parents, if it is not there.
///
/// # Errors
/// The system refuses, or something else stands there.
pub fn make_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Takes from everybody but its owner what a folder or file that is ours lets them do. A link is not followed.
///
/// # Errors
/// The system refuses, or it is another user's.
pub fn keep_private(path: &Path) -> io::Result<()> {
    if is_private(path) {
        return Ok(());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let mode = file.metadata()?.permissions().mode();
        file.set_permissions(std::fs::Permissions::from_mode(mode & 0o7700))?;
    }
    Ok(())
}

/// Whether nobody but its owner may do anything with what stands at a path; a link is not followed. On Windows, where a
/// folder hands its access list down, whether it is there at all.
pub fn is_private(path: &Path) -> bool {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return false };
    #[cfg(unix)]
    return std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 == 0;
    #[cfg(not(unix))]
    return !metadata.is_symlink();
}

/// Waits until the names in a directory are on the disk. Windows has no such call; its file systems keep names in a
/// journal.
///
/// # Errors
/// The system refuses.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    #[expect(clippy::disallowed_methods, reason = "a directory of our own, of which nothing is read")]
    File::open(path)?.sync_all()
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600).custom_flags(i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0))
}

#[cfg(windows)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    // the folder's access list is inherited
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_the_one_of_before_stays_where_that_fails() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        #[expect(clippy::disallowed_methods, reason = "a file of the test itself")]
        let read = |path: &Path| std::fs::read(path).unwrap();
        assert_eq!(read(&path), b"two");
        assert!(is_private(&path) && !folder.path().join("state.new").exists());
        std::fs::create_dir(folder.path().join("state.new")).unwrap();
        assert!(replace(&path, b"three").is_err());
        assert_eq!(read(&path), b"two");
    }
}

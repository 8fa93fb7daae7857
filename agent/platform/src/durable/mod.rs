//! Writing that outlasts a loss of power: bytes reach the disk before a name does, and a name before the next step.
//! And what a folder of ours must be.

mod private;
mod shared;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

pub use private::{check_private_directory, check_shared_directory, leave_out_of_backups};
pub use shared::{
    append_shared, give, is_readable_by_all, make_public_directory, make_shared_directory, replace_public,
    share_with_group,
};

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

/// As [`append`], for a file that its group may read too: that of a forwarder. A file that is there keeps its rights.
///
/// # Errors
/// The system refuses, or a link stands there; some of the bytes may be there.
pub fn append_for_group(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    private(options.append(true).create(true));
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

/// Whether the last byte of a file of ours is this one. Of an empty file it is not.
///
/// # Errors
/// The system refuses.
pub fn ends_with(path: &Path, byte: u8) -> io::Result<bool> {
    let mut file = private(OpenOptions::new().read(true)).open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    file.seek(io::SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last[0] == byte)
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

/// Whether nobody but its owner may write what stands at a path, and nobody but its owner and the group of this process may read it
/// (root is told of no group); a link is not followed. On Windows, where a folder hands its access list down, whether it is there at all.
pub fn is_kept_from_others(path: &Path) -> bool {
    let Ok(found) = std::fs::symlink_metadata(path) else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let (group, own) = (rustix::process::getegid().as_raw(), rustix::process::geteuid());
        let is_other_group = found.mode() & 0o040 != 0 && found.gid() != group && !own.is_root();
        if found.mode() & 0o027 != 0 || is_other_group {
            return false;
        }
    }
    !found.is_symlink()
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

    #[test]
    #[cfg(unix)]
    fn a_forwarders_file_is_its_groups_to_read_and_a_link_in_its_place_is_not_followed() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.ndjson");
        append_for_group(&path, b"one\n").unwrap();
        append_for_group(&path, b"two").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o137, 0);
        assert!(!ends_with(&path, b'\n').unwrap() && ends_with(&path, b'o').unwrap());
        std::fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(append_for_group(&path, b"three").is_err());
        assert_eq!(folder.path().join("elsewhere").metadata().unwrap().len(), 7);
    }
}

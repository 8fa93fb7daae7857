//! Files and folders that a process of ours with another user may read: through the group that the folder hands down.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

/// Makes a folder that its group may enter and read; one that is there stays as it is. The installer gives it its group.
///
/// # Errors
/// The system refuses.
pub fn make_shared_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o750);
    builder.create(path)
}

/// Makes a folder that everybody may enter and only its owner may write, and those above it that are not there. What is there stays
/// as it is.
///
/// # Errors
/// The system refuses.
pub fn make_public_directory(path: &Path) -> io::Result<()> {
    let is_missing = |folder: &&Path| std::fs::symlink_metadata(folder).is_err();
    let named = path.ancestors().filter(|folder| !folder.as_os_str().is_empty());
    let missing: Vec<&Path> = named.take_while(is_missing).collect();
    for folder in missing.into_iter().rev() {
        match DirBuilder::new().create(folder) {
            // somebody else was quicker
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            made => made?,
        }
        // the mask of a service (`UMask=0077`) takes away what is asked for at the making: nobody but root could enter, and
        // nothing would leave the machine
        #[cfg(unix)]
        std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    }
    if path.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

/// As [`super::replace`], for a file that everybody reads: a client's managed configuration. Folders that are not there are made,
/// for everybody to enter; those that are there stay as they are.
///
/// # Errors
/// The system refuses; the file of before is still there then.
pub fn replace_public(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.map_or(Ok(()), make_public_directory)?;
    let unfinished = path.with_extension("new");
    super::write(&unfinished, bytes)?;
    #[cfg(unix)]
    std::fs::set_permissions(&unfinished, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    super::sync_file(&unfinished)?;
    std::fs::rename(&unfinished, path)?;
    folder.map_or(Ok(()), super::sync_directory)
}

/// Whether everybody can read a file: it, and every folder above it that is below `root`. On Windows, where access lists say that, whether it is
/// there.
pub fn is_readable_by_all(root: &Path, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let lets =
            |path: &Path, bit: u32| std::fs::metadata(path).is_ok_and(|found| found.mode() & bit == bit);
        let mut above =
            path.ancestors().skip(1).take_while(|folder| *folder != root && folder.starts_with(root));
        lets(path, 0o004) && above.all(|folder| lets(folder, 0o001))
    }
    #[cfg(not(unix))]
    {
        let _ = root;
        std::fs::metadata(path).is_ok()
    }
}

/// Gives a folder of ours, and the files in it, to a group that may enter and read them. Its owner stays. Without the bit by which
/// a folder hands its group down: a hardened service may not set it (`RestrictSUIDSGID` of systemd), so that each file gets its
/// group when it is opened ([`append_shared`]). Only for folders below ones that nobody else writes: the path is looked up. Where
/// the system has no groups, nothing is done.
///
/// # Errors
/// The system refuses.
pub fn share_with_group(path: &Path, gid: u32) -> io::Result<()> {
    own(path, None, gid, 0o750)?;
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        if std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
            give_to_group_of_folder(&append_shared(&path)?, &path)?;
        }
    }
    Ok(())
}

/// A file has the group of the folder that it is in.
#[cfg(unix)]
fn give_to_group_of_folder(file: &File, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    let gid = std::fs::metadata(folder)?.gid();
    if file.metadata()?.gid() == gid { Ok(()) } else { fchown(file, None, Some(gid)) }
}

#[cfg(not(unix))]
fn give_to_group_of_folder(_file: &File, _path: &Path) -> io::Result<()> {
    Ok(())
}

/// Gives a folder to an account, for itself alone. Only for folders below ones that nobody else writes: the path is looked up.
/// Where the system has no such numbers, nothing is done.
///
/// # Errors
/// The system refuses.
pub fn give(path: &Path, (uid, gid): (u32, u32)) -> io::Result<()> {
    own(path, Some(uid), gid, 0o700)
}

#[cfg(unix)]
fn own(path: &Path, uid: Option<u32>, gid: u32, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::DIRECTORY;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    // by what was opened: a link that stands there is refused, and what is changed is what was looked at
    let folder = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let found = folder.metadata()?;
    if uid.is_some_and(|uid| found.uid() != uid) || found.gid() != gid {
        fchown(&folder, uid, Some(gid))?;
    }
    if folder.metadata()?.mode() & 0o7777 != mode {
        folder.set_permissions(std::fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn own(_path: &Path, _uid: Option<u32>, _gid: u32, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Opens a file to add to its end, made if it is not there. Its owner writes it and its group reads it.
///
/// # Errors
/// The system refuses, or a link stands there.
pub fn append_shared(path: &Path) -> io::Result<File> {
    let file = super::private(OpenOptions::new().append(true).create(true)).open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // given to the open file: the mask of a service takes away what is asked for at its making
        if file.metadata()?.permissions().mode() & 0o777 != 0o640 {
            file.set_permissions(std::fs::Permissions::from_mode(0o640))?;
        }
    }
    give_to_group_of_folder(&file, path)?;
    Ok(file)
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_is_given_with_its_group_and_rights_and_a_link_in_its_place_is_not_followed() {
        use std::os::unix::fs::MetadataExt as _;
        let root = tempfile::tempdir().unwrap();
        let (folder, link) = (root.path().join("inbox"), root.path().join("link"));
        make_shared_directory(&folder).unwrap();
        let own = std::fs::metadata(&folder).unwrap();
        let other = if rustix::process::geteuid().is_root() { (4001, 4002) } else { (own.uid(), own.gid()) };
        share_with_group(&folder, other.1).unwrap();
        let found = std::fs::metadata(&folder).unwrap();
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (own.uid(), other.1, 0o750));
        let early = folder.join("early");
        append_shared(&early).unwrap();
        assert_eq!(std::fs::metadata(&early).unwrap().gid(), other.1);
        share_with_group(&folder, own.gid()).unwrap();
        assert_eq!(std::fs::metadata(&early).unwrap().gid(), own.gid(), "of another account's time");
        give(&folder, other).unwrap();
        let found = std::fs::metadata(&folder).unwrap();
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (other.0, other.1, 0o700));
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(give(&link, other).is_err() && share_with_group(&link, other.1).is_err());
    }

    #[test]
    fn a_public_folder_is_open_to_everybody_and_one_that_was_there_stays_as_it_is() {
        use std::os::unix::fs::MetadataExt as _;
        let root = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
        // under the mask of a service: tests/e2e/roles.rs
        make_public_directory(&root.path().join("a/ship")).unwrap();
        assert_eq!((mode(&root.path().join("a")), mode(&root.path().join("a/ship"))), (0o755, 0o755));
        let own = root.path().join("own");
        std::fs::create_dir(&own).unwrap();
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o700)).unwrap();
        make_public_directory(&own).unwrap();
        assert_eq!(mode(&own), 0o700, "a folder of somebody's own is not opened");
        std::fs::write(root.path().join("file"), "").unwrap();
        assert!(make_public_directory(&root.path().join("file")).is_err());
    }

    #[test]
    fn a_shared_file_is_read_by_its_group_whatever_the_mask_and_a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue");
        for _ in 0..2 {
            append_shared(&path).unwrap().write_all(b"a").unwrap();
        }
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!((metadata.len(), metadata.permissions().mode() & 0o777), (2, 0o640));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(append_shared(&link).is_err());
    }
}

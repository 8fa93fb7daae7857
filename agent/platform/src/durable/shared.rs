//! Files and folders that a process of ours with another user may read: through the group that the folder hands down.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Makes a folder that its group may enter and read; one that is there stays as it is. The installer gives it its group.
///
/// # Errors
/// The system refuses.
pub fn make_shared_directory(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o750);
    builder.create(path)
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
    Ok(file)
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

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

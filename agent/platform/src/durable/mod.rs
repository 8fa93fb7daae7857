//! Writing that outlasts a loss of power: bytes reach the disk before a name does, and a name before the next step.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

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

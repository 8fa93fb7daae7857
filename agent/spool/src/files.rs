//! What the queue does with files: few things, so that each can be made to fail in a test.

use std::io;

use crate::error::{SpoolError, disk};

/// The files of one folder, by their names.
///
/// Nothing is on the disk before it is synced: a loss of power may leave any part of what was appended since, and any
/// of the names that were made, removed or changed since. A call that fails may have had its effect.
pub trait Files: Send {
    /// The names.
    ///
    /// # Errors
    /// The system refuses.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Bytes from an offset on, at most `limit`; fewer where the file ends.
    ///
    /// # Errors
    /// The system refuses.
    fn read(&self, name: &str, offset: u64, limit: usize) -> io::Result<Vec<u8>>;

    /// Length in bytes.
    ///
    /// # Errors
    /// The system refuses.
    fn length(&self, name: &str) -> io::Result<u64>;

    /// Adds bytes to the end of a file, made if it is not there.
    ///
    /// # Errors
    /// The system refuses; some or all of the bytes may be there.
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Waits until the bytes of a file are on the disk. Its name need not be.
    ///
    /// # Errors
    /// The system refuses: what was not on the disk may never get there, whatever later calls say.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The system refuses.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Gives a file the name of another, which goes.
    ///
    /// # Errors
    /// The system refuses.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Waits until the names are on the disk.
    ///
    /// # Errors
    /// The system refuses.
    fn sync_directory(&mut self) -> io::Result<()>;
}

/// The ending of a file that is not whole yet.
pub(crate) const UNFINISHED: &str = ".new";

/// Puts a whole file in the place of another: whoever reads finds the old bytes or the new ones, and so does whoever
/// comes after a loss of power.
pub(crate) fn replace(files: &mut dyn Files, name: &str, bytes: &[u8]) -> Result<(), SpoolError> {
    let unfinished = format!("{name}{UNFINISHED}");
    remove(files, &unfinished)?;
    files.append(&unfinished, bytes).map_err(disk("write", &unfinished))?;
    files.sync(&unfinished).map_err(disk("sync", &unfinished))?;
    files.rename(&unfinished, name).map_err(disk("put in place", name))?;
    files.sync_directory().map_err(disk("sync the names beside", name))
}

/// Removes a file if it is there.
pub(crate) fn remove(files: &mut dyn Files, name: &str) -> Result<(), SpoolError> {
    match files.remove(name) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(disk("remove", name)(cause)),
        _ => Ok(()),
    }
}

//! The few steps on the disk that the store is made of, so that tests can stop after each of them.

use std::io;
use std::path::{Path, PathBuf};

use mcpolicy_platform::durable;
use mcpolicy_platform::machine::{Machine, ReadError};

/// A folder of files, written in steps each of which may be the last before a crash.
pub trait Disk {
    /// Writes a file; its bytes may be lost until [`Disk::sync`].
    ///
    /// # Errors
    /// The system refuses.
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Waits for the bytes of a file.
    ///
    /// # Errors
    /// The system refuses.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Gives a file another name, in place of what had it.
    ///
    /// # Errors
    /// The system refuses.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Waits for the names.
    ///
    /// # Errors
    /// The system refuses.
    fn sync_names(&mut self) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The system refuses.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Reads a file of at most some bytes; `None` if it is not there.
    ///
    /// # Errors
    /// The system refuses, or it is larger.
    fn read(&self, name: &str, most: u64) -> io::Result<Option<Vec<u8>>>;

    /// The names of all files.
    ///
    /// # Errors
    /// The system refuses.
    fn names(&self) -> io::Result<Vec<String>>;
}

/// A folder of this machine.
pub struct FolderDisk {
    folder: PathBuf,
}

impl FolderDisk {
    /// The folder, made if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let folder = std::path::absolute(folder)?;
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }
}

impl Disk for FolderDisk {
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        durable::write(&self.folder.join(name), bytes)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        durable::sync_file(&self.folder.join(name))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.folder.join(from), self.folder.join(to))
    }

    fn sync_names(&mut self) -> io::Result<()> {
        durable::sync_directory(&self.folder)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.folder.join(name))
    }

    fn read(&self, name: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        match Machine::live().read(&self.folder.join(name), None, most) {
            Ok(snapshot) => Ok(Some(snapshot.bytes)),
            Err(ReadError::NotFound) => Ok(None),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = Machine::live().list(&self.folder).map_err(io::Error::other)?;
        Ok(entries.into_iter().filter_map(|entry| entry.name.into_string().ok()).collect())
    }
}

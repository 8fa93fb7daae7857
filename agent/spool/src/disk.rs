//! The files of a folder on the disk.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use mcpolicy_platform::durable;

use crate::files::Files;

/// Files that are kept open, at most.
const MAX_OPEN: usize = 8;

/// A folder. Its files are read by the group that the folder hands down, and written by their owner.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
    /// Files that are written: an error of an earlier write is told only to who had them open.
    open: BTreeMap<String, File>,
}

impl Disk {
    /// The files of a folder, which has to be there. Who writes checks it with `durable::check_shared_directory` first.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), open: BTreeMap::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn written(&mut self, name: &str) -> io::Result<&mut File> {
        if !self.open.contains_key(name) {
            if self.open.len() >= MAX_OPEN {
                self.open.clear();
            }
            let file = durable::append_shared(&self.path(name))?;
            self.open.insert(name.to_owned(), file);
        }
        self.open.get_mut(name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Files for Disk {
    fn list(&self) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(&self.folder)?.map(|entry| Ok(entry?.file_name().into_string()));
        // a name that is no text is none of ours
        names.filter_map(|name: io::Result<Result<String, _>>| name.map(Result::ok).transpose()).collect()
    }

    fn read(&self, name: &str, offset: u64, limit: usize) -> io::Result<Vec<u8>> {
        #[expect(clippy::disallowed_methods, reason = "a file of our own in a folder that only root writes")]
        let mut file = File::open(self.path(name))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(u64::try_from(limit).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        Ok(std::fs::symlink_metadata(self.path(name))?.len())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.written(name)?.write_all(bytes)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.written(name)?.sync_data()
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.open.remove(name);
        std::fs::remove_file(self.path(name))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.open.remove(from);
        self.open.remove(to);
        std::fs::rename(self.path(from), self.path(to))
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        durable::sync_directory(&self.folder)
    }
}

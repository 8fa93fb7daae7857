//! Disks that stop: after some steps, and then forget what was not flushed.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;

use crate::policy_store::Disk;

/// What a crash does to names that were not flushed. Bytes that were not flushed are torn in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crash {
    /// Names fall back to what was flushed.
    NamesLost,
    /// Names had reached the disk by themselves.
    NamesKept,
}

#[derive(Debug, Clone, Default)]
struct Bytes {
    now: Vec<u8>,
    flushed: Option<Vec<u8>>,
}

/// A folder in memory that knows what has been flushed.
#[derive(Debug, Clone, Default)]
pub(super) struct MemoryDisk {
    files: Vec<Bytes>,
    names: BTreeMap<String, usize>,
    flushed_names: BTreeMap<String, usize>,
}

impl MemoryDisk {
    /// What is there after a loss of power.
    pub(super) fn crash(mut self, crash: Crash) -> Self {
        if crash == Crash::NamesLost {
            self.names = self.flushed_names.clone();
        }
        for file in &mut self.files {
            let torn = || file.now[..file.now.len() / 2].to_vec();
            file.now = file.flushed.clone().unwrap_or_else(torn);
            file.flushed = Some(file.now.clone());
        }
        self.flushed_names = self.names.clone();
        self
    }

    fn file(&mut self, name: &str) -> io::Result<&mut Bytes> {
        let at = *self.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(&mut self.files[at])
    }
}

impl Disk for MemoryDisk {
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if self.names.contains_key(name) {
            // the same file: what was flushed of it is cut
            *self.file(name)? = Bytes { now: bytes.to_vec(), flushed: None };
        } else {
            self.names.insert(name.to_owned(), self.files.len());
            self.files.push(Bytes { now: bytes.to_vec(), flushed: None });
        }
        Ok(())
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let file = self.file(name)?;
        file.flushed = Some(file.now.clone());
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let file = self.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        self.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.flushed_names = self.names.clone();
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.names.remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn read(&self, name: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(at) = self.names.get(name) else { return Ok(None) };
        let bytes = self.files[*at].now.clone();
        if bytes.len() as u64 > most { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(Some(bytes)) }
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.names.keys().cloned().collect())
    }
}

/// A disk that stops after some steps.
#[derive(Debug)]
pub(super) struct Stopping<D> {
    disk: D,
    most: Option<usize>,
    steps: Cell<usize>,
}

impl<D> Stopping<D> {
    pub(super) fn never(disk: D) -> Self {
        Self { disk, most: None, steps: Cell::new(0) }
    }

    pub(super) fn after(steps: usize, disk: D) -> Self {
        Self { disk, most: Some(steps), steps: Cell::new(0) }
    }

    pub(super) fn steps(&self) -> usize {
        self.steps.get()
    }

    pub(super) fn into_inner(self) -> D {
        self.disk
    }

    fn step(&mut self) -> io::Result<&mut D> {
        if self.most.is_some_and(|most| self.steps.get() >= most) {
            return Err(io::Error::other("the power is gone"));
        }
        self.steps.set(self.steps.get() + 1);
        Ok(&mut self.disk)
    }
}

impl<D: Disk> Disk for Stopping<D> {
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.step()?.write(name, bytes)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.step()?.sync(name)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.step()?.rename(from, to)
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.step()?.sync_names()
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.step()?.remove(name)
    }

    fn read(&self, name: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        self.disk.read(name, most)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.disk.names()
    }
}

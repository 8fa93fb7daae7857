//! A file system in memory that fails when it is told to, and whose power can be cut.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::files::Files;

/// What happens at a call that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The call fails, before its effect or after it; an append that fails before it may have written a part.
    Fail(When, ErrorKind),
    /// Nothing works from here on: the process is gone, or the power.
    Crash(When),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Before,
    /// With a part of the effect, where it has parts.
    Amid,
    After,
}

#[derive(Default)]
struct Inode {
    bytes: Vec<u8>,
    /// As many of them are on the disk.
    durable: usize,
    /// A sync failed: later ones say that all is well, and bring nothing to the disk.
    is_stuck: bool,
}

enum NameChange {
    Link(String, usize),
    Unlink(String),
    /// The names are of one file, whatever had the old name before it.
    Rename(String, String, usize),
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    changes: Vec<NameChange>,
    calls: u64,
    faults: BTreeMap<u64, Fault>,
    is_off: bool,
    capacity: Option<usize>,
    random: u64,
}

/// A handle of it; clones are the same file system.
#[derive(Clone, Default)]
pub(super) struct FaultFs {
    state: Arc<Mutex<State>>,
}

impl FaultFs {
    pub(super) fn new(seed: u64) -> Self {
        let fs = Self::default();
        fs.lock().random = seed | 1;
        fs
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls that changed something, or tried to.
    pub(super) fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Something happens at the call with a number from now, 0 the next.
    pub(super) fn plan(&self, from_now: u64, fault: Fault) {
        let mut state = self.lock();
        let at = state.calls + from_now;
        state.faults.insert(at, fault);
    }

    pub(super) fn no_faults(&self) {
        let mut state = self.lock();
        state.faults.clear();
        state.capacity = None;
    }

    /// There is room for so many bytes more than there are.
    pub(super) fn leave_room(&self, bytes: usize) {
        let mut state = self.lock();
        state.capacity = Some(state.used() + bytes);
    }

    pub(super) fn is_off(&self) -> bool {
        self.lock().is_off
    }

    /// The process is started anew; what the system had in memory is there.
    pub(super) fn restart(&self) {
        self.lock().is_off = false;
    }

    /// The power is cut and comes back: what was not synced is there in part.
    pub(super) fn cut_power(&self) {
        let mut state = self.lock();
        state.is_off = false;
        state.lose();
    }

    /// The bytes of a file, to be looked at or changed by a test.
    pub(super) fn with<T>(&self, name: &str, change: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let mut state = self.lock();
        let inode = state.names[name];
        let inode = &mut state.inodes[inode];
        let result = change(&mut inode.bytes);
        inode.durable = inode.bytes.len();
        result
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.lock().names.keys().cloned().collect()
    }
}

impl State {
    fn used(&self) -> usize {
        self.names.values().map(|inode| self.inodes[*inode].bytes.len()).sum()
    }

    fn below(&mut self, end: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    fn lose(&mut self) {
        for at in 0..self.inodes.len() {
            let (durable, length) = (self.inodes[at].durable, self.inodes[at].bytes.len());
            let kept = durable + self.below(length - durable + 1);
            let is_zeroed = self.below(4) == 0;
            let from = kept + self.below(length - kept + 1);
            let inode = &mut self.inodes[at];
            if is_zeroed {
                // the length reached the disk, the last pages did not
                inode.bytes.truncate(from);
                inode.bytes[kept..].fill(0);
            } else {
                inode.bytes.truncate(kept);
            }
            inode.durable = inode.bytes.len();
            inode.is_stuck = false;
        }
        let mut names = std::mem::take(&mut self.durable_names);
        for change in std::mem::take(&mut self.changes) {
            if self.below(2) == 1 {
                change.apply(&mut names);
            }
        }
        self.names = names.clone();
        self.durable_names = names;
    }

    /// Counts a call and says what happens at it.
    fn call(&mut self) -> io::Result<Option<Fault>> {
        if self.is_off {
            return Err(io::Error::other("off"));
        }
        let fault = self.faults.remove(&self.calls);
        self.calls += 1;
        Ok(fault)
    }

    /// One call: its effect takes how much of it there is to be, in hundredths.
    fn run(&mut self, effect: impl FnOnce(&mut Self, usize) -> io::Result<()>) -> io::Result<()> {
        let Some(fault) = self.call()? else { return effect(self, 100) };
        let (when, error) = match fault {
            Fault::Fail(when, kind) => (when, io::Error::from(kind)),
            Fault::Crash(when) => {
                self.is_off = true;
                (when, io::Error::other("off"))
            }
        };
        let part = match when {
            When::Before => 0,
            When::Amid => self.below(100),
            When::After => 100,
        };
        effect(self, part).and(Err(error))
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let inode = match self.names.get(name) {
            Some(inode) => *inode,
            None => {
                self.inodes.push(Inode::default());
                let inode = self.inodes.len() - 1;
                self.change(NameChange::Link(name.to_owned(), inode));
                inode
            }
        };
        let room = self.capacity.map_or(usize::MAX, |capacity| capacity.saturating_sub(self.used()));
        let fits = bytes.len().min(room);
        self.inodes[inode].bytes.extend_from_slice(&bytes[..fits]);
        if fits < bytes.len() { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn found(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Link(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Self::Unlink(name) => {
                names.remove(name);
            }
            Self::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }
}

impl Files for FaultFs {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names())
    }

    fn read(&self, name: &str, offset: u64, limit: usize) -> io::Result<Vec<u8>> {
        let state = self.lock();
        let bytes = &state.inodes[state.found(name)?].bytes;
        let from = usize::try_from(offset).unwrap().min(bytes.len());
        Ok(bytes[from..bytes.len().min(from.saturating_add(limit))].to_vec())
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        let state = self.lock();
        Ok(u64::try_from(state.inodes[state.found(name)?].bytes.len()).unwrap())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.lock().run(|state, part| match part {
            0 => Ok(()),
            part => state.append(name, &bytes[..bytes.len() * part / 100]),
        })
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.lock().run(|state, part| {
            let (inode, is_off) = (state.found(name)?, state.is_off);
            let inode = &mut state.inodes[inode];
            inode.is_stuck |= part < 100 && !is_off;
            if !inode.is_stuck && part == 100 {
                inode.durable = inode.bytes.len();
            }
            Ok(())
        })
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.lock().run(|state, part| {
            state.found(name)?;
            if part == 100 {
                state.change(NameChange::Unlink(name.to_owned()));
            }
            Ok(())
        })
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.lock().run(|state, part| {
            let inode = state.found(from)?;
            if part == 100 {
                state.change(NameChange::Rename(from.to_owned(), to.to_owned(), inode));
            }
            Ok(())
        })
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.lock().run(|state, part| {
            if part == 100 {
                state.changes.clear();
                state.durable_names = state.names.clone();
            }
            Ok(())
        })
    }
}

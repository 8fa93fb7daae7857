//! A spool on a file system that fails, its readers, and what must be true of them all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use mcpolicy_schema::report::v1::{Chain, Class, Loss};

use super::fault::FaultFs;
use crate::line;
use crate::{Caps, Cursor, GapBuilder, MAX_BYTES, Opened, Positions, Reader, Spool, SpoolError};

/// Class, epoch, number.
pub(super) type Id = (Class, String, u64);

/// Room for some fifty records of a test, some to a segment.
pub(super) fn small() -> Caps {
    Caps {
        total: 24_000,
        violations: 10_000,
        tool_calls: 6_000,
        sent: 3_000,
        segment: 2_000,
        record: 900,
        reserve: 6_000,
    }
}

/// A record with a text of its own each time it is made.
pub(super) fn record(chain: &Chain, nonce: u64, size: usize) -> Vec<u8> {
    let pad = "x".repeat(size);
    let chain = serde_json::to_string(chain).unwrap();
    format!(r#"{{"kind":"test","nonce":{nonce},"pad":"{pad}","chain":{chain}}}"#).into_bytes()
}

fn loss_of(json: &[u8]) -> Option<Loss> {
    let value: serde_json::Value = serde_json::from_slice(json).unwrap();
    value.get("loss").map(|loss| serde_json::from_value(loss.clone()).unwrap())
}

pub(super) struct World {
    pub(super) fs: FaultFs,
    pub(super) spool: Option<Spool>,
    pub(super) now: u64,
    caps: Caps,
    nonce: Arc<AtomicU64>,
    /// Every loss that the writer tried to tell; where that failed, a crash may bring it back.
    tried: Arc<Mutex<Vec<Loss>>>,
    /// Every record that a reader ever saw.
    seen: BTreeMap<Id, Vec<u8>>,
    /// What was on the disk by the word of the writer.
    promised: BTreeMap<Id, Vec<u8>>,
    /// What was taken and not synced yet.
    taken: BTreeMap<Id, Vec<u8>>,
    /// What the writer was told is delivered, and said it keeps; and what it was told.
    kept: BTreeSet<Id>,
    told: BTreeSet<Id>,
    /// A sink that reads now and then.
    sink: Positions,
    at_sink: BTreeSet<Id>,
}

impl World {
    pub(super) fn new(seed: u64, caps: Caps) -> Self {
        let mut world = Self {
            fs: FaultFs::new(seed),
            spool: None,
            now: 1_000_000,
            caps,
            nonce: Arc::default(),
            tried: Arc::default(),
            seen: BTreeMap::new(),
            promised: BTreeMap::new(),
            taken: BTreeMap::new(),
            kept: BTreeSet::new(),
            told: BTreeSet::new(),
            sink: Positions::new(),
            at_sink: BTreeSet::new(),
        };
        world.open().unwrap();
        world
    }

    pub(super) fn open(&mut self) -> Result<Opened, SpoolError> {
        let (nonce, tried) = (Arc::clone(&self.nonce), Arc::clone(&self.tried));
        let gaps: GapBuilder = Box::new(move |loss, _, chain| {
            tried.lock().unwrap().push(loss.clone());
            let (loss, chain) = (serde_json::to_string(loss).unwrap(), serde_json::to_string(chain).unwrap());
            let nonce = nonce.fetch_add(1, Ordering::Relaxed);
            format!(r#"{{"kind":"gap","nonce":{nonce},"loss":{loss},"chain":{chain}}}"#).into_bytes()
        });
        let nonce = Arc::clone(&self.nonce);
        let mut epochs = || format!("epoch-{}", nonce.fetch_add(1, Ordering::Relaxed));
        self.spool = None;
        let files = Box::new(self.fs.clone());
        let (spool, opened) = Spool::open(files, self.caps.clone(), self.now, &mut epochs, gaps)?;
        self.spool = Some(spool);
        Ok(opened)
    }

    /// After a crash: the power was cut or not, and the agent starts, now without faults.
    pub(super) fn recover(&mut self, is_power_cut: bool) -> Opened {
        self.spool = None;
        self.fs.no_faults();
        if is_power_cut {
            self.fs.cut_power();
        } else {
            self.fs.restart();
        }
        self.forget_taken();
        self.open().unwrap()
    }

    /// What was not synced may be gone.
    pub(super) fn forget_taken(&mut self) {
        self.taken.clear();
    }

    pub(super) fn append(&mut self, class: Class, count: usize, size: usize) -> Result<Cursor, SpoolError> {
        let Some(spool) = &mut self.spool else { return Err(SpoolError::Short) };
        let mut made = BTreeMap::new();
        let done = spool.append_all(class, self.now, count, &mut |_, chain| {
            let json = record(chain, self.nonce.fetch_add(1, Ordering::Relaxed), size);
            made.insert((class, chain.epoch.clone(), chain.seq), json.clone());
            json
        });
        let through = spool.position(class).seq;
        let made = made.into_iter().filter(|(id, _)| done.is_ok() || id.2 <= through);
        if class == Class::Violation {
            self.promised.extend(made);
        } else {
            self.taken.extend(made);
        }
        done
    }

    pub(super) fn sync(&mut self, class: Class) -> Result<(), SpoolError> {
        let Some(spool) = &mut self.spool else { return Err(SpoolError::Short) };
        spool.sync(class)?;
        self.promise(|of| of == class);
        Ok(())
    }

    pub(super) fn pass_time(&mut self, ms: u64) -> Result<(), SpoolError> {
        self.now += ms;
        let Some(spool) = &mut self.spool else { return Err(SpoolError::Short) };
        let is_due = spool.due().is_some_and(|due| due <= self.now);
        spool.sync_due(self.now)?;
        if is_due && spool.due().is_none() {
            self.promise(|_| true);
        }
        Ok(())
    }

    fn promise(&mut self, of: impl Fn(Class) -> bool) {
        let (promised, taken) = std::mem::take(&mut self.taken).into_iter().partition(|(id, _)| of(id.0));
        let promised: BTreeMap<_, _> = promised;
        self.promised.extend(promised);
        self.taken = taken;
    }

    /// Tells the writer that a part of what a reader can see, in hundredths, is delivered.
    pub(super) fn deliver(&mut self, class: Class, part: usize) {
        let all = self.read_all();
        // what was counted before, and could not be removed yet, may arrive too
        let counted = self.tried.lock().unwrap().clone();
        let is_counted = |id: &Id| {
            counted.iter().any(|loss| {
                (loss.of, &loss.epoch) == (id.0, &id.1) && (loss.first..=loss.last).contains(&id.2)
            })
        };
        let lines: Vec<Id> = all.into_keys().filter(|id| id.0 == class).collect();
        let Some(part) = lines.get(..lines.len() * part / 100) else { return };
        let (Some(spool), Some((_, epoch, seq))) = (&mut self.spool, part.last().cloned()) else { return };
        self.told.extend(part.iter().cloned());
        if spool.delivered(&Positions::from([(class, Cursor { epoch, seq })])).is_ok() {
            self.kept.extend(part.iter().filter(|id| !is_counted(id)).cloned());
        }
    }

    pub(super) fn reader(&self) -> Reader {
        Reader::new(Box::new(self.fs.clone()))
    }

    /// What a new reader gets.
    pub(super) fn read_all(&mut self) -> BTreeMap<Id, Vec<u8>> {
        let mut all = BTreeMap::new();
        for class in Class::ALL {
            let mut cursor = Cursor::default();
            while let Some(batch) = self.read(class, &cursor, 3) {
                all.extend(batch.1);
                cursor = batch.0;
            }
        }
        all
    }

    fn read(
        &mut self,
        class: Class,
        cursor: &Cursor,
        records: usize,
    ) -> Option<(Cursor, BTreeMap<Id, Vec<u8>>)> {
        let batch = self.reader().batch(class, cursor, records, MAX_BYTES).unwrap();
        let mut read = BTreeMap::new();
        for line in batch.lines {
            let chain = line::chain_of(&line.json).unwrap();
            assert_eq!(chain.seq, line.seq);
            let id = (class, chain.epoch, line.seq);
            let before = self.seen.insert(id.clone(), line.json.clone());
            assert!(before.is_none_or(|before| before == line.json), "{id:?} has another content");
            read.insert(id, line.json);
        }
        (!read.is_empty()).then_some((batch.next, read))
    }

    /// The sink takes a batch.
    pub(super) fn sink_reads(&mut self, class: Class) -> bool {
        let cursor = self.sink.get(&class).cloned().unwrap_or_default();
        let Some((next, read)) = self.read(class, &cursor, 4) else { return false };
        for id in read.into_keys() {
            assert!(self.at_sink.insert(id.clone()), "{id:?} came twice");
        }
        self.sink.insert(class, next);
        true
    }

    /// Numbers that are told as lost in what can be read.
    pub(super) fn counted(&mut self) -> u64 {
        self.read_all().values().filter_map(|json| loss_of(json)).map(|loss| loss.count).sum()
    }

    /// All that must be true after an opening without faults, of files that nobody changed.
    pub(super) fn check(&mut self) {
        let live = self.read_all();
        // a receiver has what is delivered, and will have what is there
        let arrives = self.seen.iter().filter(|(id, _)| self.told.contains(*id) && !live.contains_key(*id));
        let mut lost = BTreeSet::new();
        let mut once = BTreeSet::new();
        for (id, json) in arrives.chain(&live) {
            let Some(loss) = loss_of(json) else { continue };
            assert_eq!(loss.count, loss.last - loss.first + 1);
            // what the writer could not keep of what was delivered it may tell again
            let is_sure = live.contains_key(id) || self.kept.contains(id);
            for seq in loss.first..=loss.last {
                let of = (loss.of, loss.epoch.clone(), seq);
                assert!(!is_sure || once.insert(of.clone()), "{loss:?} in {id:?} counts {seq} again");
                lost.insert(of);
            }
        }
        for id in &lost {
            assert!(!live.contains_key(id), "{id:?} is there and counted as lost");
            assert!(!self.kept.contains(id), "{id:?} was delivered and is counted as lost");
        }
        for class in Class::ALL {
            let of_class = || live.iter().filter(|(id, _)| id.0 == class);
            let epochs: BTreeSet<_> = of_class().map(|(id, _)| &id.1).collect();
            assert!(epochs.len() <= 1, "{class:?} has the epochs {epochs:?}");
            let mut before: Option<(u64, String)> = None;
            for (id, json) in of_class() {
                let chain = line::chain_of(json).unwrap();
                if let Some((seq, digest)) = before.filter(|(seq, _)| seq + 1 == id.2) {
                    assert_eq!(chain.prev, digest, "{id:?} does not hang on {seq}");
                }
                before = Some((id.2, line::digest(json)));
            }
            let Some((last, epoch)) = of_class().map(|(id, _)| (id.2, id.1.clone())).next_back() else {
                continue;
            };
            for seq in 1..=last {
                let id = (class, epoch.clone(), seq);
                let is_known = live.contains_key(&id) || self.told.contains(&id) || lost.contains(&id);
                assert!(is_known, "{id:?} is missing and not counted");
            }
        }
        for (id, json) in &self.promised {
            match live.get(id) {
                Some(found) => assert!(found == json, "{id:?} is not what was promised"),
                None => {
                    assert!(self.told.contains(id) || lost.contains(id), "{id:?} was promised and is gone");
                }
            }
        }
        // everything that was promised is of the epoch that is there
        for id in self.promised.keys() {
            let is_same = live.keys().any(|other| (other.0, &other.1) == (id.0, &id.1));
            assert!(is_same, "{:?} began another epoch", id.0);
        }
    }

    /// The sink takes all that is left: it has had every record that is there and was not delivered. A delivered one may
    /// come back when its removal does not outlast the power.
    pub(super) fn drain(&mut self) {
        for class in Class::ALL {
            while self.sink_reads(class) {}
        }
        let live = self.read_all();
        for id in live.keys().filter(|id| !self.told.contains(*id)) {
            assert!(self.at_sink.contains(id), "{id:?} never came to the sink");
        }
    }
}

//! The proof that nothing is missing: every record carries its number and the digest of the one before it.
//!
//! What it cannot prove: that nothing came after the last record (a machine that is silent is a gate), and that the numbers
//! begin where the spool did, if older records were not given.

use std::collections::BTreeMap;

use rusqlite::{Row, Statement};
use serde::Serialize;

use crate::FleetError;
use crate::store::Fleet;

/// Chains with faults that are told; all are counted.
const MOST_FAULTY: usize = 10_000;
/// Faults of one chain that are told.
const MOST_FAULTS: usize = 20;

/// What is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "fault")]
pub enum Fault {
    /// Numbers that did not arrive and that no `gap` record tells of.
    Missing {
        /// The first.
        first: i64,
        /// The last.
        last: i64,
    },
    /// A record is not the one on which the next hangs: it was changed on its way, or another one took its place.
    Forged {
        /// Its number.
        seq: i64,
    },
    /// Two different records have one number.
    Twice {
        /// The number.
        seq: i64,
    },
    /// More than one epoch: the spool was lost or put aside, with whatever had not left it.
    Epochs {
        /// How many.
        count: u64,
    },
}

/// The chains of one class of one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// The machine.
    pub device: String,
    /// The class.
    pub class: String,
    /// Records that arrived.
    pub records: u64,
    /// Records that the machine itself tells it dropped.
    pub dropped: u64,
    /// The first twenty of what is wrong.
    pub faults: Vec<Fault>,
    /// How many numbers are missing.
    pub missing: u64,
}

/// What the proof found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Checked {
    /// Chains, of one class of one machine each.
    pub chains: u64,
    /// Records in them.
    pub records: u64,
    /// Records that machines tell they dropped.
    pub dropped: u64,
    /// Chains with a fault.
    pub faulty: u64,
    /// Reports of scans, which have no chain.
    pub scans: u64,
    /// The first ten thousand of those.
    pub chains_with_faults: Vec<Chain>,
}

struct Link {
    device: String,
    class: String,
    epoch: String,
    seq: i64,
    prev: String,
    digest: String,
}

impl Fleet {
    /// Proves every chain. The fleet must have been loaded with [`crate::Options::prove`].
    ///
    /// # Errors
    /// The database refuses.
    pub fn check(&self) -> Result<Checked, FleetError> {
        let scans =
            self.connection.query_row("SELECT count(*) FROM records WHERE kind = 'scan'", [], count)?;
        let mut checked = Checked { scans, ..Checked::default() };
        self.connection.execute_batch(
            "CREATE INDEX IF NOT EXISTS gaps_by_device ON gaps (device, class, epoch, first_seq)",
        )?;
        let mut told = self.connection.prepare(
            "SELECT first_seq, last_seq FROM gaps WHERE device = ?1 AND class = ?2 AND epoch = ?3 ORDER BY first_seq",
        )?;
        let mut statement = self.connection.prepare(
            "SELECT device, class, epoch, seq, prev, lower(hex(digest)) FROM links WHERE epoch <> ''
             ORDER BY device, class, epoch, seq, digest",
        )?;
        let mut rows = statement.query([])?;
        let mut open: Option<Open> = None;
        while let Some(row) = rows.next()? {
            let link = link(row)?;
            let is_same = open.as_ref().is_some_and(|open| open.is_of(&link));
            if !is_same {
                if let Some(done) = open.take() {
                    done.close(&mut told, &mut checked)?;
                }
                open = Some(Open::new(&link));
            }
            if let Some(open) = &mut open {
                open.add(link, &mut told)?;
            }
        }
        if let Some(done) = open {
            done.close(&mut told, &mut checked)?;
        }
        Ok(checked)
    }
}

fn count(row: &Row<'_>) -> rusqlite::Result<u64> {
    row.get::<_, i64>(0).map(|count| u64::try_from(count).unwrap_or(0))
}

fn link(row: &Row<'_>) -> rusqlite::Result<Link> {
    Ok(Link {
        device: row.get(0)?,
        class: row.get(1)?,
        epoch: row.get(2)?,
        seq: row.get(3)?,
        prev: row.get(4)?,
        digest: row.get(5)?,
    })
}

/// How many numbers there are from one to another. Machines say them, and may say anything.
fn length(first: i64, last: i64) -> u64 {
    u64::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or(0)
}

/// The chain that is being read.
struct Open {
    chain: Chain,
    epochs: BTreeMap<String, i64>,
    /// The one before, of the same epoch.
    last: Option<Link>,
}

impl Open {
    fn new(link: &Link) -> Self {
        let chain = Chain {
            device: link.device.clone(),
            class: link.class.clone(),
            records: 0,
            dropped: 0,
            faults: Vec::new(),
            missing: 0,
        };
        Self { chain, epochs: BTreeMap::new(), last: None }
    }

    fn is_of(&self, link: &Link) -> bool {
        (&self.chain.device, &self.chain.class) == (&link.device, &link.class)
    }

    fn add(&mut self, link: Link, told: &mut Statement<'_>) -> Result<(), FleetError> {
        let before = self.last.take().filter(|last| last.epoch == link.epoch);
        if before.is_none() {
            self.epochs.insert(link.epoch.clone(), 0);
        }
        match before {
            // sent twice, which is no fault
            Some(before) if before.seq == link.seq && before.digest == link.digest => {}
            Some(before) if before.seq == link.seq => {
                self.fault(Fault::Twice { seq: link.seq });
                self.chain.records += 1;
            }
            Some(before) if before.seq.checked_add(1) == Some(link.seq) => {
                if before.digest != link.prev {
                    self.fault(Fault::Forged { seq: before.seq });
                }
                self.chain.records += 1;
            }
            before => {
                let from = before.map_or(1, |before| before.seq.saturating_add(1));
                if link.seq == 1 && link.prev.bytes().any(|byte| byte != b'0') {
                    self.fault(Fault::Forged { seq: 1 });
                }
                self.hole(from, link.seq - 1, &link.epoch, told)?;
                self.chain.records += 1;
            }
        }
        self.last = Some(link);
        Ok(())
    }

    /// Numbers that did not arrive: what the machine tells of is no fault.
    fn hole(&mut self, from: i64, to: i64, epoch: &str, told: &mut Statement<'_>) -> Result<(), FleetError> {
        let mut next = from;
        let mut rows = told.query((&self.chain.device, &self.chain.class, epoch))?;
        let mut missing = Vec::new();
        while let Some(row) = rows.next()? {
            let (first, last): (i64, i64) = (row.get(0)?, row.get(1)?);
            if last < next || next > to {
                continue;
            }
            if first > next {
                missing.push((next, (first - 1).min(to)));
            }
            next = last.saturating_add(1);
        }
        if next <= to {
            missing.push((next, to));
        }
        for (first, last) in missing {
            self.chain.missing = self.chain.missing.saturating_add(length(first, last));
            self.fault(Fault::Missing { first, last });
        }
        Ok(())
    }

    fn fault(&mut self, fault: Fault) {
        if self.chain.faults.len() < MOST_FAULTS {
            self.chain.faults.push(fault);
        }
    }

    fn close(mut self, told: &mut Statement<'_>, checked: &mut Checked) -> Result<(), FleetError> {
        for epoch in self.epochs.keys() {
            let mut rows = told.query((&self.chain.device, &self.chain.class, epoch))?;
            while let Some(row) = rows.next()? {
                let (first, last): (i64, i64) = (row.get(0)?, row.get(1)?);
                self.chain.dropped = self.chain.dropped.saturating_add(length(first, last));
            }
        }
        if self.epochs.len() > 1 {
            self.fault(Fault::Epochs { count: self.epochs.len() as u64 });
        }
        checked.chains += 1;
        checked.records += self.chain.records;
        checked.dropped = checked.dropped.saturating_add(self.chain.dropped);
        if !self.chain.faults.is_empty() {
            checked.faulty += 1;
            if checked.chains_with_faults.len() < MOST_FAULTY {
                checked.chains_with_faults.push(self.chain);
            }
        }
        Ok(())
    }
}

//! The proof that nothing is missing: every record carries its number and the digest of the one before it.
//!
//! What it cannot prove: that nothing came after the last heartbeat of a machine but one (a machine without heartbeats is a gate, `silent-machines`), and that
//! the numbers begin where the spool did, if older records were not given.

use rusqlite::{Row, Statement};
use serde::Serialize;

use crate::FleetError;
use crate::ends;
use crate::gaps::{self, Told};
use crate::store::Fleet;

/// Chains with faults that are told; all are counted.
const MOST_FAULTY: usize = 10_000;
/// Faults of one chain that are told.
const MOST_FAULTS: usize = 20;

/// Chains of reports that `ship --once` delivered: every record of them is of class `state`, bears the id that it gives, and the
/// first is the head of a scan. Whoever could make others look like that could leave them out as well.
const ONCE: &str = "
DROP TABLE IF EXISTS temp.once;
CREATE TEMP TABLE once (device TEXT NOT NULL, class TEXT NOT NULL, epoch TEXT NOT NULL, PRIMARY KEY (device, class, epoch)) WITHOUT ROWID;
INSERT INTO temp.once
SELECT device, class, epoch FROM records
WHERE epoch <> '' AND class = 'state'
GROUP BY device, class, epoch
HAVING min(id = device || '.scan.' || epoch || '.' || seq) = 1
  AND max(seq = 1 AND id IN (SELECT id FROM inventories WHERE cause = 'scan')) = 1;";

/// What is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "fault")]
pub enum Fault {
    /// Numbers that did not arrive and that no `gap` record tells of. The last ones of a chain are known by a later heartbeat.
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
    /// A `gap` record tells of numbers that cannot have been dropped, or has no place in its own chain; it hides nothing.
    FalseGap {
        /// The first that it names.
        first: i64,
        /// The last.
        last: i64,
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

/// What one machine tells it dropped of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// The machine.
    pub device: String,
    /// The class.
    pub class: String,
    /// How many records.
    pub records: u64,
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
    /// Records of violations among them: what happened there nobody will ever know.
    pub dropped_violations: u64,
    /// The first ten thousand machines and classes of which records were dropped.
    pub drops: Vec<Dropped>,
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
    /// Else it only stands for an epoch of which nothing arrived.
    is_there: bool,
    /// It is of one report that was delivered once, without a spool: each is a chain of its own.
    is_once: bool,
}

impl Fleet {
    /// Proves every chain. The fleet must have been loaded with [`crate::Options::prove`].
    ///
    /// # Errors
    /// The database refuses.
    ///
    /// `since`: records before that time need not be there. Of each chain the first that is not older is its beginning; what
    /// came before it is neither missing nor proved.
    pub fn check(&self, since: Option<i64>) -> Result<Checked, FleetError> {
        let since = since.unwrap_or(i64::MIN);
        let scans =
            self.connection.query_row("SELECT count(*) FROM records WHERE kind = 'scan'", [], count)?;
        let mut checked = Checked { scans, ..Checked::default() };
        gaps::prepare(&self.connection)?;
        self.connection.execute_batch(ONCE)?;
        ends::prepare(&self.connection, since)?;
        let mut words =
            Words { told: self.connection.prepare(gaps::TOLD)?, ends: self.connection.prepare(ends::ENDS)? };
        // a machine may tell of an epoch, or a class, of which nothing arrived
        let mut statement = self.connection.prepare(
            "SELECT device, class, epoch, seq, prev, lower(hex(digest)) AS digest, 1, time >= ?1,
               (device, class, epoch) IN (SELECT device, class, epoch FROM temp.once)
             FROM links WHERE epoch <> ''
             UNION ALL
             SELECT DISTINCT g.device, g.class, g.epoch, 0, '', '', 0, 1, 0 FROM gaps AS g WHERE g.time >= ?1 AND NOT EXISTS (
               SELECT 1 FROM links AS l WHERE l.device = g.device AND l.class = g.class AND l.epoch = g.epoch AND l.epoch <> '')
             UNION ALL
             SELECT t.device, t.class, t.epoch, 0, '', '', 0, 1, 0 FROM temp.told_ends AS t WHERE t.least <= t.most AND NOT EXISTS (
               SELECT 1 FROM links AS l WHERE l.device = t.device AND l.class = t.class AND l.epoch = t.epoch AND l.time >= ?1)
             ORDER BY 1, 2, 3, 4, 6",
        )?;
        let mut rows = statement.query([since])?;
        let mut open: Option<Open> = None;
        // the epoch of which a record was reached that is not older: from there on every number counts, whatever its time
        let mut begun: Option<(String, String, String)> = None;
        while let Some(row) = rows.next()? {
            let link = link(row)?;
            let epoch = (link.device.clone(), link.class.clone(), link.epoch.clone());
            if begun.as_ref() != Some(&epoch) {
                if !row.get::<_, bool>(7)? {
                    continue;
                }
                // what stands for records begins nothing: those of the epoch that are there may all be older
                begun = Some(epoch).filter(|_| link.is_there);
            }
            let is_same = open.as_ref().is_some_and(|open| open.is_of(&link));
            if !is_same {
                if let Some(done) = open.take() {
                    done.close(&mut checked);
                }
                open = Some(Open::new(&link, since));
            }
            if let Some(open) = &mut open {
                open.add(link, &mut words)?;
            }
        }
        if let Some(done) = open {
            done.close(&mut checked);
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
        is_there: row.get(6)?,
        is_once: row.get(8)?,
    })
}

/// How many numbers there are from one to another. Machines say them, and may say anything.
pub(crate) fn length(first: i64, last: i64) -> u64 {
    u64::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or(0)
}

/// What machines tell of their chains.
struct Words<'c> {
    told: Statement<'c>,
    ends: Statement<'c>,
}

/// The chain that is being read.
struct Open {
    chain: Chain,
    epochs: u64,
    /// From when on records are asked for.
    since: i64,
    /// What the machine tells of the epoch that is being read.
    told: Told,
    /// Which of its numbers must be there where no record of it is, and the last that must be there.
    end: Option<(i64, i64)>,
    epoch: Option<String>,
    /// The one before, of the same epoch.
    last: Option<Link>,
}

impl Open {
    fn new(link: &Link, since: i64) -> Self {
        let chain = Chain {
            device: link.device.clone(),
            class: link.class.clone(),
            records: 0,
            dropped: 0,
            faults: Vec::new(),
            missing: 0,
        };
        Self { chain, epochs: 0, since, told: Told::default(), end: None, epoch: None, last: None }
    }

    fn is_of(&self, link: &Link) -> bool {
        (&self.chain.device, &self.chain.class) == (&link.device, &link.class)
    }

    fn add(&mut self, link: Link, words: &mut Words<'_>) -> Result<(), FleetError> {
        if self.epoch.as_ref() != Some(&link.epoch) {
            self.end();
            self.begin(&link, words)?;
        }
        if !link.is_there {
            return Ok(());
        }
        match self.last.take() {
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
            // the beginning of what is asked for
            None if self.since > i64::MIN => self.chain.records += 1,
            before => {
                let from = before.map_or(1, |before| before.seq.saturating_add(1));
                if link.seq == 1 && link.prev.bytes().any(|byte| byte != b'0') {
                    self.fault(Fault::Forged { seq: 1 });
                }
                self.hole(from, link.seq.saturating_sub(1));
                self.chain.records += 1;
            }
        }
        self.last = Some(link);
        Ok(())
    }

    fn begin(&mut self, link: &Link, words: &mut Words<'_>) -> Result<(), FleetError> {
        let of = (&*link.device, &*link.class, &*link.epoch);
        self.epoch = Some(link.epoch.clone());
        self.epochs += u64::from(link.is_there && !link.is_once);
        self.told = Told::read(&mut words.told, of, self.since)?;
        self.end = ends::read(&mut words.ends, of)?;
        self.chain.dropped = self.chain.dropped.saturating_add(self.told.records());
        for (first, last) in self.told.take_false() {
            self.fault(Fault::FalseGap { first, last });
        }
        Ok(())
    }

    /// All of an epoch that arrived was read: what heartbeats name behind it did not.
    fn end(&mut self) {
        let last = self.last.take();
        if let Some((least, most)) = self.end.take() {
            let from = last.map_or(least, |last| last.seq.saturating_add(1));
            if from <= most {
                self.hole(from, most);
            }
        }
    }

    /// Numbers that did not arrive: what the machine tells of is no fault.
    fn hole(&mut self, from: i64, to: i64) {
        for (first, last) in self.told.without(from, to) {
            self.chain.missing = self.chain.missing.saturating_add(length(first, last));
            self.fault(Fault::Missing { first, last });
        }
    }

    fn fault(&mut self, fault: Fault) {
        if self.chain.faults.len() < MOST_FAULTS {
            self.chain.faults.push(fault);
        }
    }

    fn close(mut self, checked: &mut Checked) {
        self.end();
        if self.epochs > 1 {
            self.fault(Fault::Epochs { count: self.epochs });
        }
        if self.chain.dropped > 0 {
            if self.chain.class == "violation" {
                checked.dropped_violations = checked.dropped_violations.saturating_add(self.chain.dropped);
            }
            if checked.drops.len() < MOST_FAULTY {
                let (device, class) = (self.chain.device.clone(), self.chain.class.clone());
                checked.drops.push(Dropped { device, class, records: self.chain.dropped });
            }
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
    }
}

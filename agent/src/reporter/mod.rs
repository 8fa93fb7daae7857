//! What the running agent reports: records of what its journal, its board and its requests say, in the spool. It has no
//! network; who ships them reads the spool.
//!
//! The journal is read again, not the moment: what was done and could not be reported yet (a crash between, a spool without
//! room) is reported at the next turn. Which record of the journal was the last is known from the spool itself.

mod inventory;
mod of_journal;
mod posture;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::privacy::{Person, Privacy};
use mcpolicy_schema::report::v1::{self, Body, Chain, Class, Loss, Tier};
use mcpolicy_spool::{Caps, Cursor, Disk, Opened, Reader, Spool, SpoolError};

use crate::answers::request;
use crate::board::Board;
use crate::board::status::SpoolStatus;
use crate::enforce::foreseen::Would;
use crate::journal::{self, Record};
use of_journal::OfJournal;

/// How long an inventory waits after a change: one edit is rarely alone.
const SETTLES: Duration = Duration::from_secs(5);
/// Least time between two inventories that changes call for.
const BETWEEN: Duration = Duration::from_secs(60);
/// Time after which an inventory is due whatever happened.
const DAILY: Duration = Duration::from_secs(24 * 60 * 60);
/// Entries that are remembered as told, in a mode that writes nothing; beyond, all are forgotten, and told anew.
const MOST_FORESEEN: usize = 10_000;
/// After a failure, how long nothing is tried.
const RETRY: Duration = Duration::from_secs(15);
/// Records of the spool that are looked through at a time for the last one of the journal.
const BACK: u64 = 400;

/// What a report says of the machine and the agent.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The machine.
    pub device: v1::Device,
    /// The key of names and fingerprints that may leave.
    pub key: Vec<u8>,
    /// Time between two heartbeats.
    pub heartbeat: Duration,
}

/// How much leaves, and of whom.
struct Mind {
    tier: Tier,
    people: Vec<(String, String)>,
    privacy: Privacy,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The spool refuses.
    #[error("the spool: {0}")]
    Spool(#[from] SpoolError),
    /// The journal cannot be read again.
    #[error(transparent)]
    Journal(#[from] journal::JournalError),
    /// A record cannot be written as JSON.
    #[error("a record cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// The reporting side of the running agent.
pub struct Reporter {
    spool: Spool,
    state: PathBuf,
    about: About,
    of_journal: OfJournal,
    /// Number of the last record of the journal that is in the spool.
    told: u64,
    /// All that the journal had at the start is in the spool. Until then intents of before may be missing here.
    is_caught_up: bool,
    /// After a failure: nothing is tried before.
    retry_at: Option<Timestamp>,
    /// The time of the last turn, for records of losses, which the spool makes by itself. Seconds since 1970.
    clock: Arc<AtomicI64>,
    /// By tier and people, since it costs more to make than to use.
    privacy: Option<Mind>,
    next_heartbeat: Option<Timestamp>,
    /// When the next inventory is due, and why.
    inventory: Option<(Timestamp, &'static str)>,
    last_inventory: Option<Timestamp>,
    /// What the last one said, in short: a client that writes its state every few seconds changes nothing of it.
    last_digest: Option<[u8; 32]>,
    /// Requests that are in the spool, by id.
    requests: BTreeSet<String>,
    foreseen: BTreeSet<(String, String, String, String)>,
}

impl Reporter {
    /// Opens the spool of a state folder, and finds where the report of the journal ended.
    ///
    /// # Errors
    /// The system refuses.
    pub fn open(
        state: &Path,
        about: About,
        caps: Caps,
        now: Timestamp,
        epochs: &mut dyn FnMut() -> String,
    ) -> Result<(Self, Opened), ReportError> {
        let folder = folder(state);
        let clock = Arc::new(AtomicI64::new(now.as_second()));
        let (at, of) = (Arc::clone(&clock), about.device.clone());
        let gaps = Box::new(move |loss: &Loss, class: Class, chain: &Chain| {
            let time = Timestamp::from_second(at.load(Ordering::Relaxed)).unwrap_or_default();
            // nothing in it is a user's
            let record = record(&of, class, time, chain, Body::Gap(loss.clone()));
            serde_json::to_vec(&record).unwrap_or_default()
        });
        let files = Box::new(Disk::new(&folder));
        let (spool, opened) = Spool::open(files, caps, millis(now), epochs, gaps)?;
        let told = last_told(&Reader::open(&folder), &spool)?;
        let reporter = Self {
            spool,
            state: state.to_owned(),
            about,
            of_journal: OfJournal::default(),
            told,
            is_caught_up: false,
            retry_at: None,
            clock,
            privacy: None,
            next_heartbeat: None,
            inventory: None,
            last_inventory: None,
            last_digest: None,
            requests: BTreeSet::new(),
            foreseen: BTreeSet::new(),
        };
        Ok((reporter, opened))
    }

    /// Takes other facts of the machine and the settings.
    pub fn knows(&mut self, about: About) {
        self.about = about;
    }

    /// Something about entries changed, or all was looked at: an inventory is due soon.
    pub fn changed(&mut self, cause: &'static str, now: Timestamp) {
        let settled = now.saturating_add(SETTLES).unwrap_or(now);
        let after_last = self.last_inventory.and_then(|last| last.checked_add(BETWEEN).ok());
        let due = after_last.map_or(settled, |after| after.max(settled));
        self.inventory.get_or_insert((due, cause));
    }

    /// When the next turn is due, whatever happens.
    pub fn next(&self) -> Option<Timestamp> {
        let sync = self.spool.due().and_then(|ms| Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok());
        if let Some(at) = self.retry_at {
            return Some(at);
        }
        [self.next_heartbeat, self.inventory.map(|(due, _)| due), sync].into_iter().flatten().min()
    }

    /// How the spool stands.
    pub fn status(&self) -> SpoolStatus {
        SpoolStatus {
            records: Class::ALL.into_iter().map(|class| self.spool.position(class).seq).sum(),
            bytes: self.spool.bytes(),
            short: self.spool.is_short(),
        }
    }

    /// Puts into the spool whatever there is to report. `fresh` is what was added to the journal since the last turn.
    ///
    /// # Errors
    /// The spool or the journal refuses. What was not reported is reported at the next turn.
    pub fn turn(
        &mut self,
        now: Timestamp,
        board: &Board,
        people: &[Person],
        fresh: Vec<Record>,
        redactor: &Redactor,
    ) -> Result<(), ReportError> {
        self.clock.store(now.as_second(), Ordering::Relaxed);
        if self.retry_at.is_some_and(|at| now < at) {
            self.is_caught_up &= fresh.is_empty();
            return Ok(());
        }
        self.minds(board, people);
        if self.privacy.is_none() {
            self.is_caught_up &= fresh.is_empty();
            return Ok(());
        }
        let done = self.try_turn(now, board, fresh, redactor);
        self.is_caught_up = done.is_ok();
        self.retry_at = if done.is_ok() { None } else { now.checked_add(RETRY).ok() };
        done
    }

    fn try_turn(
        &mut self,
        now: Timestamp,
        board: &Board,
        fresh: Vec<Record>,
        redactor: &Redactor,
    ) -> Result<(), ReportError> {
        self.of_fresh(fresh, now, redactor)?;
        if self.next_heartbeat.is_none_or(|at| now >= at) && board.settled.is_some() {
            self.heartbeat(now, board)?;
        }
        if self.inventory.is_some_and(|(due, _)| now >= due) && board.settled.is_some() {
            self.inventory(now, board)?;
        }
        self.spool.sync_due(millis(now))?;
        Ok(())
    }

    /// What enforcing would do, in a mode that writes nothing: told once for each entry.
    ///
    /// # Errors
    /// As of [`Self::turn`].
    pub fn foresees(
        &mut self,
        now: Timestamp,
        would: &Would,
        user: &str,
        path: &str,
        redactor: &Redactor,
    ) -> Result<(), ReportError> {
        let action = would.action.redacted(redactor);
        let key = (user.to_owned(), path.to_owned(), action.fingerprint.clone(), action.code.clone());
        if self.foreseen.len() >= MOST_FORESEEN {
            self.foreseen.clear();
        }
        if !self.foreseen.insert(key) {
            return Ok(());
        }
        let body = Body::Action(v1::Action {
            action: action.action,
            outcome: "would".to_owned(),
            server: action.server,
            client: action.client,
            user: user.to_owned(),
            path: redactor.name(path),
            fingerprint: action.fingerprint,
            code: action.code,
            rule: action.rule,
            detail: action.detail,
            block: String::new(),
            journal: 0,
        });
        self.append(Class::Violation, now, &[body])
    }

    /// Takes up how much the policy lets out, and of whom. Before it is known nothing is written: what is in the spool leaves.
    pub fn minds(&mut self, board: &Board, people: &[Person]) {
        let Some(settled) = &board.settled else { return };
        let tier = settled.in_force.policy.document().policy.privacy;
        let known: Vec<(String, String)> =
            people.iter().map(|person| (person.user.clone(), person.home.clone())).collect();
        if self.privacy.as_ref().is_none_or(|mind| (mind.tier, &mind.people) != (tier, &known)) {
            let privacy = Privacy::new(tier, &self.about.key, people);
            self.privacy = Some(Mind { tier, people: known, privacy });
        }
    }

    fn of_fresh(
        &mut self,
        fresh: Vec<Record>,
        now: Timestamp,
        redactor: &Redactor,
    ) -> Result<(), ReportError> {
        let follows = fresh.first().is_none_or(|first| first.seq <= self.told + 1);
        // a crash, a session that ended, a spool that had no room: what is between stands in the journal
        let is_known = self.is_caught_up && follows;
        let records = if is_known { fresh } else { journal::read(&self.state.join("journal"))?.0 };
        for record in &records {
            let bodies = self.of_journal.bodies(record, redactor);
            if record.seq <= self.told {
                continue;
            }
            for (class, body) in bodies {
                self.append_at(class, now, record.time, &[body])?;
            }
            self.told = record.seq;
        }
        Ok(())
    }

    fn heartbeat(&mut self, now: Timestamp, board: &Board) -> Result<(), ReportError> {
        let waiting = request::list(&self.state).map(|listed| listed.requests).unwrap_or_default();
        let posture = posture::of(board, now, waiting.len() as u64);
        self.append(Class::State, now, &[Body::Heartbeat(Box::new(posture))])?;
        self.next_heartbeat = now.checked_add(self.about.heartbeat).ok();
        for request in waiting {
            if self.requests.insert(request.id.clone()) {
                self.append(Class::Event, now, &[Body::Request { request: Box::new(request) }])?;
            }
        }
        let day = self.last_inventory.and_then(|last| last.checked_add(DAILY).ok());
        if day.is_some_and(|day| now >= day) {
            self.changed("daily", now);
        }
        Ok(())
    }

    fn inventory(&mut self, now: Timestamp, board: &Board) -> Result<(), ReportError> {
        let Some((_, cause)) = self.inventory else { return Ok(()) };
        let digest = inventory::digest(board);
        if cause != "daily" && self.last_digest == Some(digest) {
            self.inventory = None;
            return Ok(());
        }
        let place = self.spool.position(Class::State);
        // the number of its head: no other inventory of the machine has it
        let snapshot = format!("{}-{}", place.epoch, place.seq + 1);
        self.append(Class::State, now, &inventory::bodies(board, &snapshot, cause))?;
        (self.inventory, self.last_inventory, self.last_digest) = (None, Some(now), Some(digest));
        Ok(())
    }

    fn append(&mut self, class: Class, now: Timestamp, bodies: &[Body]) -> Result<(), ReportError> {
        self.append_at(class, now, now, bodies)
    }

    /// Appends records; of one that is too long for the spool its head stays away, and the next go on.
    fn append_at(
        &mut self,
        class: Class,
        now: Timestamp,
        time: Timestamp,
        bodies: &[Body],
    ) -> Result<(), ReportError> {
        let Some(Mind { privacy, .. }) = &self.privacy else { return Ok(()) };
        let device = self.about.device.clone();
        let mut failed = None;
        let spool = &mut self.spool;
        spool.append_all(class, millis(now), bodies.len(), &mut |at, chain| {
            let record = record(&device, class, time, chain, bodies[at].clone());
            let line = serde_json::to_value(&record).and_then(|mut value| {
                // before it is chained: see `privacy`
                privacy.apply(&mut value);
                serde_json::to_vec(&value)
            });
            line.unwrap_or_else(|error| {
                failed = Some(error);
                Vec::new()
            })
        })?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// The folder of the spool in a state folder.
pub fn folder(state: &Path) -> PathBuf {
    state.join("spool")
}

fn millis(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or(0)
}

fn record(device: &v1::Device, class: Class, time: Timestamp, chain: &Chain, body: Body) -> v1::Record {
    v1::Record {
        schema: v1::SCHEMA.to_owned(),
        id: format!("{}.{}.{}.{}", device.id, class.as_str(), chain.epoch, chain.seq),
        class,
        device: device.clone(),
        agent: v1::Agent { name: "mcpolicy".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        chain: chain.clone(),
        time: time.to_string(),
        privacy: Tier::Full,
        body,
    }
}

/// The number of the last record of the journal that is in the spool, looked for from its end; 0 if there is none.
fn last_told(reader: &Reader, spool: &Spool) -> Result<u64, ReportError> {
    let mut last = 0;
    for class in [Class::Event, Class::Violation] {
        let end = spool.position(class);
        let mut before = end.seq;
        while before > 0 {
            before = before.saturating_sub(BACK);
            let from = Cursor { epoch: end.epoch.clone(), seq: before };
            let batch = reader.batch(class, &from, mcpolicy_spool::MAX_RECORDS, usize::MAX)?;
            let numbers = batch.lines.iter().filter_map(|line| journal_of(&line.json));
            if let Some(found) = numbers.max() {
                last = last.max(found);
                break;
            }
        }
    }
    Ok(last)
}

fn journal_of(json: &[u8]) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Told {
        journal: Option<u64>,
    }
    serde_json::from_slice::<Told>(json).ok()?.journal
}

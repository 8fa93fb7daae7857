//! What the running agent reports: records of what its journal, its board and its requests say, in the spool. It has no
//! network; who ships them reads the spool.
//!
//! The journal is read again, not the moment: what was done and could not be reported yet (a crash between, a spool without
//! room) is reported at the next turn. Which record of the journal was the last is known from the spool itself.

mod inventory;
mod of_journal;
mod posture;
pub mod shorten;
pub mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::privacy::{Person, Privacy};
use mcpolicy_schema::report::v1::{self, Body, Chain, Class, Loss, Tier};
use mcpolicy_spool::{Caps, Cursor, Disk, Files, GapBuilder, Opened, Positions, Reader, Spool, SpoolError};

use crate::answers::request;
use crate::board::Board;
use crate::board::status::{SpoolStatus, WATCH};
use crate::calls::ledger::{Taken, Told};
use crate::enforce::foreseen::Would;
use crate::journal::{self, Record};
use crate::shipper::{self, Exchange};
use inventory::Inventory;
use of_journal::OfJournal;
use shorten::{MAX_RECORD, Written};

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
const BACK: usize = 400;

/// Requests whose ids a heartbeat names.
const MOST_WAITING: usize = 200;

/// How often it is asked what was delivered.
const ACKS_EVERY: Duration = Duration::from_secs(20);
/// Troubles of sinks that a status shows.
const MOST_TROUBLES: usize = 20;
/// Records that were shortened and are told one by one at a time; all are counted.
const MOST_SHORTENED: usize = 20;

/// What a report says of the machine and the agent.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The machine.
    pub device: v1::Device,
    /// The key of names and fingerprints that may leave.
    pub key: Vec<u8>,
    /// Time between two heartbeats.
    pub heartbeat: Duration,
    /// Names of the sinks.
    pub sinks: BTreeSet<String>,
}

/// How much leaves, and of whom.
struct Mind {
    tier: Tier,
    people: Vec<(String, String)>,
    privacy: Privacy,
}

/// What a turn takes from the board, so that nobody who asks it waits for a disk.
#[derive(Default)]
pub struct Ready {
    posture: Option<v1::Posture>,
    inventory: Option<Inventory>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The spool refuses.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The journal cannot be read again.
    #[error(transparent)]
    Journal(#[from] journal::JournalError),
    /// Requests cannot be read.
    #[error(transparent)]
    Requests(#[from] request::RequestError),
}

/// The reporting side of the running agent.
pub struct Reporter {
    spool: Spool,
    state: PathBuf,
    /// Where the role that ships says what all sinks have taken.
    shipped: PathBuf,
    acks_at: Option<Timestamp>,
    /// When that is asked again: later each time while nothing new is said, so that an outage wakes nobody up each minute.
    acks_wait: Duration,
    /// What it said last.
    taken: Positions,
    troubles: Vec<String>,
    about: About,
    of_journal: OfJournal,
    /// How much of the journal is in the spool, of each class: one may be on the disk when another is not.
    told: BTreeMap<Class, Place>,
    /// Number of the last record of the journal, if all up to it was reported.
    read: Option<u64>,
    /// After a failure: nothing is tried before.
    retry_at: Option<Timestamp>,
    /// The time of the last turn, for records of losses, which the spool makes by itself. Seconds since 1970.
    clock: Arc<AtomicI64>,
    /// Nothing until a policy is known.
    mind: Option<Mind>,
    next_heartbeat: Option<Timestamp>,
    /// When the next inventory is due.
    inventory_at: Option<Timestamp>,
    last_inventory: Option<(Timestamp, [u8; 32])>,
    /// Requests that are in the spool, by id.
    requests: BTreeSet<String>,
    foreseen: BTreeSet<(String, String, String, String)>,
    /// Records that were shortened, and that nobody was told of yet.
    shortened: Vec<v1::Event>,
}

impl Reporter {
    /// Opens the spool, and finds where the report of the journal ended.
    ///
    /// # Errors
    /// The system refuses.
    pub fn open(
        (state, exchange): (&Path, &Exchange),
        about: About,
        caps: &Caps,
        now: Timestamp,
        epochs: &mut dyn FnMut() -> String,
    ) -> Result<(Self, Opened), ReportError> {
        let files = Box::new(Disk::new(&exchange.spool));
        Self::open_in((state, exchange), files, about, caps, now, epochs)
    }

    fn open_in(
        (state, exchange): (&Path, &Exchange),
        files: Box<dyn Files>,
        about: About,
        caps: &Caps,
        now: Timestamp,
        epochs: &mut dyn FnMut() -> String,
    ) -> Result<(Self, Opened), ReportError> {
        let clock = Arc::new(AtomicI64::new(now.as_second()));
        let gaps = gap_builder(&about, Arc::clone(&clock));
        let caps = Caps { record: MAX_RECORD, ..caps.clone() };
        let (spool, opened) = Spool::open(files, caps, millis(now), epochs, gaps)?;
        let reader = Reader::open(&exchange.spool);
        let mut told = BTreeMap::new();
        for class in [Class::Event, Class::Violation] {
            told.insert(class, last_told(&reader, &spool, class)?);
        }
        let reporter = Self {
            spool,
            state: state.to_owned(),
            shipped: exchange.shipped.clone(),
            acks_at: None,
            acks_wait: ACKS_EVERY,
            taken: Positions::new(),
            troubles: Vec::new(),
            about,
            of_journal: OfJournal::default(),
            told,
            read: None,
            retry_at: None,
            clock,
            mind: None,
            next_heartbeat: None,
            inventory_at: None,
            last_inventory: None,
            requests: BTreeSet::new(),
            foreseen: BTreeSet::new(),
            shortened: Vec::new(),
        };
        Ok((reporter, opened))
    }

    /// Takes other facts of the machine and the settings.
    pub fn knows(&mut self, about: About) {
        self.about = about;
    }

    /// Entries may have changed: an inventory is due soon.
    pub fn changed(&mut self, now: Timestamp) {
        let settled = now.saturating_add(SETTLES).unwrap_or(now);
        let after_last = self.last_inventory.and_then(|(last, _)| last.checked_add(BETWEEN).ok());
        self.inventory_at.get_or_insert(after_last.map_or(settled, |after| after.max(settled)));
    }

    /// When the next turn is due, whatever happens.
    pub fn next(&self) -> Option<Timestamp> {
        if self.retry_at.is_some() {
            return self.retry_at;
        }
        let sync = self.spool.due().and_then(|ms| Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok());
        let is_waiting = Class::ALL.into_iter().any(|class| self.waiting(class) > 0);
        let acks = self.acks_due().filter(|_| is_waiting);
        [self.next_heartbeat, self.inventory_at, sync, acks].into_iter().flatten().min()
    }

    /// How the spool stands.
    pub fn status(&self) -> SpoolStatus {
        SpoolStatus {
            records: Class::ALL.into_iter().map(|class| self.spool.position(class).seq).sum(),
            troubles: self.troubles.clone(),
            waiting: Class::ALL.into_iter().map(|class| self.waiting(class)).sum(),
            bytes: self.spool.bytes(),
            short: self.spool.is_short(),
        }
    }

    /// Records of a class that not all sinks have taken, as far as is known.
    fn waiting(&self, class: Class) -> u64 {
        let place = self.spool.position(class);
        let taken = self.taken.get(&class).filter(|taken| taken.epoch == place.epoch);
        place.seq.saturating_sub(taken.map_or(0, |taken| taken.seq))
    }

    /// Takes up what the role that ships says has been taken. It is believed as far as it goes: it could as well keep
    /// records for itself, and the receiver sees that by their numbers.
    fn take_acks(&mut self, now: Timestamp) -> Result<(), ReportError> {
        // a clock that was set back must not put this off
        if self.acks_due().is_some_and(|due| now < due) && self.acks_at.is_some_and(|at| now >= at) {
            return Ok(());
        }
        self.acks_at = Some(now);
        self.acks_wait = (self.acks_wait * 2).min(self.about.heartbeat.max(ACKS_EVERY));
        let shipping = shipper::told(&self.shipped).unwrap_or_default();
        self.troubles = shipping.troubles().into_iter().take(MOST_TROUBLES).collect();
        let taken = shipper::acks(&self.shipped, &shipping, &self.about.sinks);
        if !taken.is_empty() && taken != self.taken {
            self.spool.delivered(&taken)?;
            (self.taken, self.acks_wait) = (taken, ACKS_EVERY);
        }
        Ok(())
    }

    fn acks_due(&self) -> Option<Timestamp> {
        self.acks_at.and_then(|at| at.checked_add(self.acks_wait).ok())
    }

    /// Takes up how much the policy lets out, and of whom. Before a policy is known nothing is written: what is in the spool
    /// leaves.
    pub fn minds(&mut self, board: &Board, people: &[Person]) {
        let Some(settled) = &board.settled else { return };
        let tier = settled.in_force.policy.document().policy.privacy;
        let known: Vec<(String, String)> =
            people.iter().map(|person| (person.user.clone(), person.home.clone())).collect();
        if self.mind.as_ref().is_none_or(|mind| (mind.tier, &mind.people) != (tier, &known)) {
            let privacy = Privacy::new(tier, &self.about.key, people);
            self.mind = Some(Mind { tier, people: known, privacy });
        }
    }

    /// What of the board is due.
    pub fn ready(&self, now: Timestamp, board: &Board) -> Ready {
        if board.settled.is_none() || self.retry_at.is_some_and(|at| now < at) {
            return Ready::default();
        }
        let is_heartbeat = self.next_heartbeat.is_none_or(|at| now >= at);
        let is_inventory = self.inventory_at.is_some_and(|at| now >= at) || self.is_new_day(now);
        Ready {
            posture: is_heartbeat.then(|| posture::of(board, now)),
            inventory: is_inventory.then(|| Inventory::of(board)),
        }
    }

    /// Puts into the spool whatever there is to report. `fresh` is the end of the journal, with the number of its last record:
    /// what is between the last turn and it is read from the files.
    ///
    /// # Errors
    /// The spool or the journal refuses. What was not reported is reported at a later turn.
    pub fn turn(
        &mut self,
        now: Timestamp,
        ready: Ready,
        (fresh, last): (Vec<Record>, u64),
        redactor: &Redactor,
    ) -> Result<(), ReportError> {
        self.clock.store(now.as_second(), Ordering::Relaxed);
        if self.mind.is_none() || self.retry_at.is_some_and(|at| now < at) {
            return Ok(());
        }
        // violations first: a disk that takes nothing else takes them
        let journal = self.report_journal((fresh, last), now, redactor);
        let rest = self.report_rest(now, ready).and_then(|()| self.report_shortened(now));
        let synced = self.spool.sync_due(millis(now)).map_err(ReportError::from);
        let acks = self.take_acks(now);
        let done = journal.and(rest).and(synced).and(acks);
        self.retry_at = if done.is_ok() { None } else { now.checked_add(RETRY).ok() };
        done
    }

    /// What enforcing would do, in a mode that writes nothing: told once for each entry.
    ///
    /// # Errors
    /// As of [`Self::turn`].
    pub fn foresees(
        &mut self,
        now: Timestamp,
        would: &Would,
        (user, path): (&str, &str),
        redactor: &Redactor,
    ) -> Result<(), ReportError> {
        let action = would.action.redacted(redactor);
        let key = (user.to_owned(), path.to_owned(), action.fingerprint.clone(), action.code.clone());
        if self.mind.is_none() || self.foreseen.contains(&key) {
            return Ok(());
        }
        let place = v1::Action {
            outcome: "would".to_owned(),
            layer: WATCH.to_owned(),
            user: user.to_owned(),
            path: redactor.name(path),
            ..v1::Action::default()
        };
        self.append(Class::Violation, now, now, &[Body::Action(of_journal::action(action, place))])?;
        if self.foreseen.len() >= MOST_FORESEEN {
            self.foreseen.clear();
        }
        self.foreseen.insert(key);
        Ok(())
    }

    /// Calls of tools, and counts of such as nobody kept. What could not be written is left in what is given. `is_last`: nothing
    /// more is done before the agent ends.
    ///
    /// # Errors
    /// The spool refuses.
    pub fn calls(&mut self, now: Timestamp, taken: &mut Taken, is_last: bool) -> Result<(), ReportError> {
        self.clock.store(now.as_second(), Ordering::Relaxed);
        if self.mind.is_none() || self.retry_at.is_some_and(|at| now < at) {
            return Ok(());
        }
        let mut is_refused = false;
        while let Some(Told { time, call }) = taken.calls.front() {
            is_refused |= call.decision == "deny";
            let (time, body) = (*time, Body::ToolCall(call.clone()));
            self.append(Class::ToolCall, now, time, &[body])?;
            taken.calls.pop_front();
        }
        while let Some((time, event)) = taken.events.front() {
            let (time, body) = (*time, Body::Event(event.clone()));
            self.append(Class::Event, now, time, &[body])?;
            taken.events.pop_front();
        }
        // a refusal is not to wait for others
        if is_refused || is_last {
            self.spool.sync(Class::ToolCall)?;
        }
        Ok(())
    }

    fn is_new_day(&self, now: Timestamp) -> bool {
        let day = self.last_inventory.and_then(|(last, _)| last.checked_add(DAILY).ok());
        day.is_some_and(|day| now >= day)
    }

    fn report_journal(
        &mut self,
        (fresh, last): (Vec<Record>, u64),
        now: Timestamp,
        redactor: &Redactor,
    ) -> Result<(), ReportError> {
        let is_whole = self.read.is_some_and(|read| read + fresh.len() as u64 == last);
        // a crash, a session that ended, a spool that had no room: what is missing here stands in the journal
        let records = if is_whole { fresh } else { journal::read(&self.state.join("journal"))?.0 };
        // of a class that was refused once nothing more: what came behind it would hide it
        let mut refused: BTreeMap<Class, SpoolError> = BTreeMap::new();
        for record in &records {
            for (at, (class, body)) in self.of_journal.bodies(record, redactor).into_iter().enumerate() {
                let place = Place { seq: record.seq, bodies: at + 1 };
                if refused.contains_key(&class) || self.told.get(&class).is_some_and(|told| *told >= place) {
                    continue;
                }
                match self.append(class, now, record.time, &[body]) {
                    Ok(()) => drop(self.told.insert(class, place)),
                    Err(error) => drop(refused.insert(class, error)),
                }
            }
        }
        self.read = Some(last).filter(|_| refused.is_empty());
        refused.into_values().next().map_or(Ok(()), |error| Err(error.into()))
    }

    fn report_rest(&mut self, now: Timestamp, ready: Ready) -> Result<(), ReportError> {
        if let Some(posture) = ready.posture {
            let mut waiting = Vec::new();
            for folder in request::all_folders(&self.state) {
                waiting.extend(request::list(&folder)?.requests);
            }
            let requests = waiting.len() as u64;
            let ids = waiting.iter().map(|request| request.id.clone()).take(MOST_WAITING).collect();
            self.report_requests(now, waiting)?;
            // what it names is on the disk: else a machine whose power fails would be told to have held it back
            for class in [Class::Event, Class::ToolCall] {
                self.spool.sync(class)?;
            }
            let posture = v1::Posture { requests, waiting: ids, chains: self.ends(), ..posture };
            self.append(Class::State, now, now, &[Body::Heartbeat(Box::new(posture))])?;
            self.next_heartbeat = now.checked_add(self.about.heartbeat).ok();
        }
        ready.inventory.map_or(Ok(()), |inventory| self.report_inventory(now, inventory))
    }

    /// How far the chains of the other classes are. Violations that are held back on their way are missed by it, even the last.
    fn ends(&self) -> Vec<v1::ChainEnd> {
        let others = Class::ALL.into_iter().filter(|class| *class != Class::State);
        let ends = others.map(|class| (class, self.spool.position(class))).filter(|(_, place)| place.seq > 0);
        ends.map(|(class, place)| v1::ChainEnd { class, epoch: place.epoch, seq: place.seq }).collect()
    }

    fn report_requests(&mut self, now: Timestamp, waiting: Vec<v1::Request>) -> Result<(), ReportError> {
        let ids: BTreeSet<String> = waiting.iter().map(|request| request.id.clone()).collect();
        for request in waiting {
            let id = request.id.clone();
            if !self.requests.contains(&id) {
                self.append(Class::Event, now, now, &[Body::Request { request: Box::new(request) }])?;
                self.requests.insert(id);
            }
        }
        // answered ones never come again
        self.requests.retain(|id| ids.contains(id));
        Ok(())
    }

    fn report_inventory(&mut self, now: Timestamp, inventory: Inventory) -> Result<(), ReportError> {
        let digest = inventory.digest;
        let cause = match self.last_inventory {
            None => "start",
            Some(_) if self.is_new_day(now) => "daily",
            Some((_, last)) if last == digest => {
                self.inventory_at = None;
                return Ok(());
            }
            Some(_) => "change",
        };
        let place = self.spool.position(Class::State);
        // the number of its head: no other inventory of the machine has it
        let snapshot = format!("{}-{}", place.epoch, place.seq + 1);
        self.append(Class::State, now, now, &inventory.bodies(&snapshot, cause))?;
        (self.inventory_at, self.last_inventory) = (None, Some((now, digest)));
        Ok(())
    }

    /// Tells which records are not whole.
    fn report_shortened(&mut self, now: Timestamp) -> Result<(), ReportError> {
        if self.shortened.is_empty() {
            return Ok(());
        }
        let bodies: Vec<Body> = self.shortened.iter().cloned().map(Body::Event).collect();
        self.append(Class::Event, now, now, &bodies)?;
        // of these the record itself says that it is short
        self.shortened.clear();
        Ok(())
    }

    /// Keeps what is to be told of a record that was shortened. Many are counted in the last event.
    fn note_shortened(&mut self, event: v1::Event) {
        if self.shortened.len() < MOST_SHORTENED {
            return self.shortened.push(event);
        }
        if let Some(last) = self.shortened.last_mut() {
            last.count = last.count.and_then(|count| count.checked_add(1));
        }
    }

    fn append(
        &mut self,
        class: Class,
        now: Timestamp,
        time: Timestamp,
        bodies: &[Body],
    ) -> Result<(), SpoolError> {
        let Some(Mind { privacy, .. }) = &self.mind else { return Ok(()) };
        let device = &self.about.device;
        let mut shortened = Vec::new();
        let done = self.spool.append_all(class, millis(now), bodies.len(), &mut |at, chain| {
            let write = |body: Body| shorten::written(&record(device, class, time, chain, body), privacy);
            let Written { json, left_out, bytes } = write(bodies[at].clone());
            if !json.is_empty() && left_out.is_empty() {
                return json;
            }
            // attack: one entry that is too long would keep all others away
            if json.is_empty() && bytes > MAX_RECORD {
                return write(shorten::instead(&bodies[at], bytes)).json;
            }
            shortened.push(shorten::told(&bodies[at], &Written { json: Vec::new(), left_out, bytes }));
            json
        });
        // what was not written is written anew later, and counted then
        done?;
        shortened.into_iter().for_each(|event| self.note_shortened(event));
        self.acks_wait = ACKS_EVERY;
        Ok(())
    }
}

/// How far the journal is in the spool: so many bodies of this record of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    seq: u64,
    bodies: usize,
}

/// Makes records of losses: the machine's id and numbers, whatever the policy lets out.
fn gap_builder(about: &About, clock: Arc<AtomicI64>) -> GapBuilder {
    let privacy = Privacy::new(Tier::Outcomes, &about.key, &[]);
    let device =
        v1::Device { id: about.device.id.clone(), os: about.device.os.clone(), ..v1::Device::default() };
    Box::new(move |loss: &Loss, class: Class, chain: &Chain| {
        let time = Timestamp::from_second(clock.load(Ordering::Relaxed)).unwrap_or_default();
        shorten::written(&record(&device, class, time, chain, Body::Gap(loss.clone())), &privacy).json
    })
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
        left_out: Vec::new(),
        body,
    }
}

/// How much of the journal is in the spool in a class, looked for from its end.
fn last_told(reader: &Reader, spool: &Spool, class: Class) -> Result<Place, ReportError> {
    let end = spool.position(class);
    let mut before = end.seq;
    let mut numbers: Vec<u64> = Vec::new();
    while before > 0 {
        let until = before;
        before = before.saturating_sub(BACK as u64);
        let from = Cursor { epoch: end.epoch.clone(), seq: before };
        let batch = reader.batch(class, &from, BACK, usize::MAX)?;
        let lines = batch.lines.iter().filter(|line| line.seq <= until);
        numbers.splice(0..0, lines.filter_map(|line| journal_of(&line.json)));
        // the bodies of the last one may begin before these
        if let Some(seq) = numbers.last().copied().filter(|seq| numbers.first() != Some(seq)) {
            return Ok(Place { seq, bodies: numbers.iter().filter(|number| **number == seq).count() });
        }
    }
    let seq = numbers.last().copied().unwrap_or(0);
    Ok(Place { seq, bodies: numbers.len() })
}

fn journal_of(json: &[u8]) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Told {
        journal: Option<u64>,
    }
    serde_json::from_slice::<Told>(json).ok()?.journal
}

#[cfg(test)]
mod tests;

//! Servers that run already: those of entries that are denied or were taken out, and those that no file declares.
//!
//! A look at the process table is taken every 10 s while a known client runs, and otherwise only when files are looked
//! at: idle costs nothing. What is found is judged as entries are, told, and by policy ended: it and no other process
//! (`platform/processes/exact`), and never a client.

mod declared;
mod fates;
mod given;
mod look;
mod seen;
mod sessions;
mod tell;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mcpolicy_platform::processes::{Instance, Process, Table};
use mcpolicy_schema::entry::ClientId;
use mcpolicy_schema::finding::FindingCode;
use mcpolicy_schema::report::v1;
use mcpolicy_schema::verdict::Judgement;

use crate::board::running::{GivenServer, RunningServer};
use crate::enforce::act::Acted;
use crate::enforce::pass::{On, Session, Setting};
use crate::journal::End;
use crate::pipeline::{Ground, Outcome};
use crate::running;
use declared::{Declared, Known};
pub use fates::Waits;
use fates::{Fates, Sight};
use look::Look;
pub use sessions::RestartNeeded;
use sessions::Sessions;
pub use tell::Told;

/// The least between two looks where one is not to wait: a tool may fight over its file.
const LEAST: Duration = Duration::from_secs(1);

/// So long after a tool has last put an entry back it is fought over.
const FOUGHT: Duration = Duration::from_secs(300);
/// Entries of one user that are fought over.
///
/// Attack: a user makes entries without end to be fought over.
const MOST_FOUGHT: usize = 256;

/// A denied server that runs, with what is told of it.
#[derive(Clone)]
struct Denied {
    /// When it was first seen.
    first: Instant,
    process: Process,
    /// What it is judged by once its client has ended.
    what: What,
    /// Why it may be no server, whatever else is decided of it.
    raw_doubt: Option<String>,
    sight: Sight,
    judgement: Judgement,
    /// The client below which it runs: its name and process.
    client: (ClientId, &'static str, u32),
    /// Name of its entry, or what it runs; redacted.
    name: String,
    /// What it runs.
    identity: v1::Identity,
    /// Fingerprint of its entry, or of the one that would have started it.
    fingerprint: String,
    is_undeclared: bool,
    /// Why it is only told.
    left: Option<String>,
    /// Why it is not certain that it is a server that nobody allows.
    doubt: Option<String>,
    user: String,
}

/// What a denied server is judged by.
#[derive(Clone)]
enum What {
    Declared(Box<Known>),
    Undeclared(Box<running::Undeclared>),
}

impl Denied {
    fn shown(&self, process: u32) -> RunningServer {
        let reason = self.judgement.reason.as_ref();
        RunningServer {
            server: self.name.clone(),
            client: self.client.0.to_owned(),
            user: self.user.clone(),
            process,
            undeclared: self.is_undeclared,
            code: reason.map_or(FindingCode::NotAllowed, |reason| reason.code).as_str().to_owned(),
            rule: self.judgement.rule.clone(),
            detail: reason.map_or("it is not allowed", |reason| &reason.detail).to_owned(),
            left: self.left.clone().filter(|_| self.doubt.is_none()),
            doubt: self.doubt.clone(),
        }
    }
}

/// A judgement of an undeclared server, and what it was made from: a process may run something else later.
struct Judged {
    process: Process,
    judgement: Judgement,
}

/// What the daemon knows of running servers; it outlasts policies and sessions.
pub struct Servers {
    table: Table,
    declared: Declared,
    fates: Fates,
    sessions: Sessions,
    /// Denied servers of the last look.
    denied: BTreeMap<Instance, Denied>,
    judged: BTreeMap<Instance, Judged>,
    /// What clients were given on their command lines.
    given: BTreeMap<Instance, given::Held>,
    /// Undeclared servers that the policy allows, told once.
    allowed: BTreeSet<Instance>,
    /// Entries that tools fight for, by user and fingerprint, and until when they count as such.
    fought: BTreeMap<(String, String), Instant>,
    last: Option<Instant>,
    /// Time between two looks while a known client runs, and the least before one that a look at files calls for.
    every: Duration,
    /// The ground is a folder, and what some process has started is taken for what runs there.
    is_staged: bool,
    /// The ground has processes: it is this machine, or is staged. An image has none.
    is_live: bool,
    /// A known client ran at the last look.
    is_client_there: bool,
    /// A look is wanted: files were looked at.
    is_wanted: bool,
    /// It is not to wait: something was taken away, or the policy may be another.
    is_urgent: bool,
    /// The policy or the time may have changed what the last judgements said.
    is_stale: bool,
    is_recalled: bool,
}

impl Servers {
    /// Nothing known yet. `below` is the process whose descendants are taken for what runs on a folder that is taken for a
    /// machine; without one such a folder has no processes.
    pub fn new(below: Option<Instance>) -> Self {
        let waits = if below.is_some() { Waits::SHORT } else { Waits::default() };
        Self {
            table: below.map_or_else(Table::default, Table::below),
            declared: Declared::default(),
            fates: Fates::new(waits),
            sessions: Sessions::default(),
            denied: BTreeMap::new(),
            judged: BTreeMap::new(),
            given: BTreeMap::new(),
            allowed: BTreeSet::new(),
            fought: BTreeMap::new(),
            last: None,
            every: waits.looks,
            is_staged: below.is_some(),
            is_live: false,
            is_client_there: false,
            is_wanted: false,
            is_urgent: false,
            is_stale: true,
            is_recalled: false,
        }
    }

    /// Takes in what a pass has found and done.
    pub fn passed(&mut self, ground: &Ground, outcome: Outcome, acted: &[Acted]) {
        self.is_live = ground.processes.is_some() || self.is_staged;
        if !self.is_live {
            return;
        }
        self.acted(ground, &outcome, acted);
        self.declared.all(ground, outcome);
        (self.is_stale, self.is_wanted, self.is_urgent) = (true, true, true);
    }

    /// Takes in what a look at changed files has found and done.
    pub fn looked(
        &mut self,
        ground: &Ground,
        outcome: Outcome,
        acted: &[Acted],
        changed: &BTreeMap<usize, BTreeSet<PathBuf>>,
    ) {
        if !self.is_live {
            return;
        }
        self.is_urgent |= self.acted(ground, &outcome, acted);
        self.declared.changed(ground, outcome, changed);
        self.is_wanted = true;
    }

    /// All known files are looked at anew: so are judgements, since what an exception allows ends with time.
    pub fn rescan(&mut self) {
        (self.is_stale, self.is_wanted) = (true, self.is_live);
    }

    /// A tool puts an entry back as often as it is taken out.
    pub fn fights_for(&mut self, user: &str, fingerprint: &str, now: Instant) {
        self.fought.retain(|_, until| *until > now);
        let key = (user.to_owned(), fingerprint.to_owned());
        let of_user = self.fought.keys().filter(|(of, _)| of == user).count();
        if !fingerprint.is_empty() && (of_user < MOST_FOUGHT || self.fought.contains_key(&key)) {
            self.fought.insert(key, now + FOUGHT);
        }
        (self.is_wanted, self.is_urgent) = (self.is_live, self.is_live);
    }

    fn is_fought(&self, user: &str, fingerprint: &str, now: Instant) -> bool {
        let until = self.fought.get(&(user.to_owned(), fingerprint.to_owned()));
        until.is_some_and(|until| *until > now)
    }

    /// When the next look is due; never while no known client runs and nothing else calls for one.
    pub fn next(&self) -> Option<Instant> {
        // files change in bursts: clients write their state while they run
        // what outlives its client is looked at until it ends: the status names it
        let is_anybody_there = self.is_client_there || !self.denied.is_empty();
        let wait = match (self.is_wanted, is_anybody_there) {
            (true, _) if self.is_urgent => Some(LEAST),
            (true, _) | (_, true) => Some(self.every),
            (false, false) => None,
        };
        let regular = wait.and_then(|wait| self.last.map(|last| last + wait));
        regular.into_iter().chain(self.fates.next()).min()
    }

    /// Whether a look is due.
    pub fn is_due(&self, now: Instant) -> bool {
        (self.is_wanted && self.last.is_none()) || self.next().is_some_and(|next| now >= next)
    }

    /// Clients that have to be started anew, with their processes.
    pub fn restart_needed(&self) -> impl Iterator<Item = (Instance, &RestartNeeded)> {
        self.sessions.needed()
    }

    /// What running clients were given on their command lines.
    pub fn given_now(&self) -> Vec<GivenServer> {
        self.given.values().flat_map(|held| &held.servers).cloned().collect()
    }

    /// Denied servers that ran at the last look.
    pub fn denied_now(&self) -> Vec<RunningServer> {
        let processes = self.denied.iter().map(|(server, denied)| denied.shown(server.pid));
        processes.chain(self.given.values().flat_map(|held| held.open.iter().cloned())).collect()
    }

    /// Looks at the processes of this moment, and does what is due. What there is to tell.
    ///
    /// # Errors
    /// The journal cannot be written: nothing more is ended then.
    pub fn look(
        &mut self,
        now: Instant,
        session: &mut Session,
        setting: &Setting<'_>,
        on: On<'_, '_>,
    ) -> anyhow::Result<Vec<Told>> {
        let table = self.table.look(&running::is_client);
        let looked = session.amid(setting, on, &table, |amid| {
            let mut look = Look { now, servers: self, setting, on, table: &table, amid, told: Vec::new() };
            look.run().map(|()| look.told)
        });
        (self.is_wanted, self.is_urgent, self.last) = (false, false, Some(now));
        looked
    }

    /// Whether something was taken away that a client may hold.
    fn acted(&mut self, ground: &Ground, outcome: &Outcome, acted: &[Acted]) -> bool {
        let mut is_taken = false;
        for one in acted.iter().filter(|one| one.end == End::Applied) {
            let source = &outcome.sources[one.source].source;
            let Some(home) = source.home else { continue };
            let readers = source.readings.iter().map(|reading| reading.adapter.about().id);
            is_taken |= self.sessions.acted(&ground.homes[home].user, &readers.collect(), &one.actions);
        }
        is_taken
    }
}

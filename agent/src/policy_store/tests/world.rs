//! A publisher, an attacker, a clock and a machine, moved by random steps.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use mcpolicy_schema::signed::{Head, Sha256Hex, Statement};
use mcpolicy_schema::trust::{Documents, Reading, Trust, Uptime};
use mcpolicy_tests::signing::{
    self, EMERGENCY, ROOT, at, body, current, head, payload_of, revocations_body, revocations_statement,
    role, root, signed, statement, tampered,
};

use super::crashing::{Crash, MemoryDisk, Stopping};
use super::pinned;
use crate::policy_store::Store;
use crate::policy_store::store::Origin;

/// One step of the world.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// The publisher publishes a new policy, and perhaps a new list.
    Publish { revocations: bool },
    /// The publisher replaces the online and policy keys by a new root.
    Rotate,
    /// The attacker serves an old publication.
    Replay { which: usize },
    /// The attacker changes one document of the newest publication under its signatures.
    Tamper { which: u8 },
    /// The attacker serves files of two publications.
    Mix { one: usize, other: usize },
    /// A thief of the former online and policy keys publishes.
    FormerKeys,
    /// Documents that have ended before they arrive.
    Expired,
    /// Time passes.
    Wait { hours: i64 },
    /// Somebody sets the wall clock, this far from the truth.
    SetClock { hours: i64 },
    /// The machine restarts.
    Restart,
    /// The next save is broken off after some steps.
    Crash { steps: usize, names_lost: bool },
}

/// Everything.
pub(super) struct World {
    now: Timestamp,
    skew: i64,
    clock_was_right: bool,
    boot: u64,
    up: u64,
    roots: std::collections::BTreeMap<u64, Vec<u8>>,
    keys: u8,
    sequence: u64,
    heads: u64,
    list: Option<u64>,
    published: Vec<Documents>,
    honest: BTreeSet<(u64, Sha256Hex)>,
    trust: Trust,
    disk: MemoryDisk,
    crash: Option<(usize, bool)>,
    saved: (u64, u64),
    pub(super) accepted: usize,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            now: at(1),
            skew: 0,
            clock_was_right: true,
            boot: 1,
            up: 0,
            roots: [(1, pinned())].into(),
            keys: 0,
            sequence: 0,
            heads: 0,
            list: None,
            published: Vec::new(),
            honest: BTreeSet::new(),
            trust: Trust::pinned(&pinned(), at(0)).unwrap(),
            disk: MemoryDisk::default(),
            crash: None,
            saved: (0, 0),
            accepted: 0,
        }
    }

    fn policy_key(&self) -> u8 {
        if self.keys == 0 { signing::POLICY[0] } else { 100 + self.keys }
    }

    fn online_key(&self) -> u8 {
        if self.keys == 0 { signing::ONLINE[0] } else { 150 + self.keys }
    }

    /// A publication of the next policy, signed by some keys.
    fn next(&self, policy_key: u8, online_key: u8, issued: Timestamp) -> Documents {
        let body = body(&format!("package-{}", self.sequence + 1));
        let mut head = head(self.heads + 1, issued, current(self.sequence + 1, &body));
        let mut documents = Documents {
            roots: self.roots.clone(),
            statement: Some(signed(&statement(self.sequence + 1, issued, &body), &[policy_key])),
            body: Some(body),
            ..Documents::default()
        };
        if let Some(list) = self.list {
            let body = revocations_body(&format!("package-{list}"));
            head.revocations = Some(current(list, &body));
            let issued = if issued < self.now { issued } else { self.now };
            documents.revocations_statement =
                Some(signed(&revocations_statement(list, issued, &body), &EMERGENCY));
            documents.revocations_body = Some(body);
        }
        documents.head = Some(signed(&head, &[online_key]));
        documents
    }

    fn publish(&mut self, revocations: bool) {
        // a list is signed anew with each publication, so it needs a number of its own
        if revocations || self.list.is_some() {
            self.list = Some(self.list.unwrap_or(0) + 1);
        }
        let documents = self.next(self.policy_key(), self.online_key(), self.now);
        self.sequence += 1;
        self.heads += 1;
        let statement: Statement = payload_of(documents.statement.as_deref().unwrap());
        self.honest.insert((statement.sequence, statement.body.sha256));
        self.published.push(documents.clone());
        let refused = self.offer(&documents);
        if self.clock_was_right {
            assert_eq!(refused, [] as [&str; 0], "an honest publication must be accepted");
            assert_eq!(self.trust.policy().unwrap().sequence, self.sequence);
            self.accepted += 1;
        }
    }

    fn rotate(&mut self) {
        self.keys += 1;
        let sequence = self.roots.len() as u64 + 1;
        let mut next = root(sequence, self.now);
        next.roles.online = role(&[self.online_key()], 1);
        next.roles.policy.role = role(&[self.policy_key()], 1);
        self.roots.insert(sequence, signed(&next, &ROOT[..2]));
    }

    pub(super) fn step(&mut self, step: &Step) {
        self.now += SignedDuration::from_hours(1);
        self.up += 3600;
        match step {
            Step::Publish { revocations } => self.publish(*revocations),
            Step::Rotate => self.rotate(),
            Step::Replay { which } => {
                if let Some(old) = self.pick(*which) {
                    self.offer(&old);
                }
            }
            Step::Tamper { which } => self.tamper(*which),
            Step::Mix { one, other } => {
                if let (Some(one), Some(other)) = (self.pick(*one), self.pick(*other)) {
                    self.offer(&Documents { statement: other.statement, body: other.body, ..one });
                }
            }
            Step::FormerKeys => {
                if self.keys > 0 {
                    let stolen = self.next(signing::POLICY[0], signing::ONLINE[0], self.now);
                    // the machine may not have seen the new root before, but it sees it now
                    self.offer(&stolen);
                }
            }
            Step::Expired => {
                let old = self.next(
                    self.policy_key(),
                    self.online_key(),
                    self.now - SignedDuration::from_hours(24 * 200),
                );
                if self.clock_was_right {
                    assert!(!self.offer(&old).is_empty());
                }
            }
            Step::Wait { hours } => {
                self.now += SignedDuration::from_hours(*hours);
                self.up += 3600 * u64::try_from(*hours).unwrap();
            }
            Step::SetClock { hours } => {
                self.skew = *hours;
                self.clock_was_right = false;
            }
            Step::Restart => self.restart(Crash::NamesKept),
            Step::Crash { steps, names_lost } => self.crash = Some((*steps, *names_lost)),
        }
        self.check();
    }

    fn pick(&self, which: usize) -> Option<Documents> {
        let n = self.published.len();
        if n == 0 { None } else { self.published.get(which % n).cloned() }
    }

    fn tamper(&mut self, which: u8) {
        let Some(mut documents) = self.published.last().cloned() else { return };
        match which % 4 {
            0 => documents.head = documents.head.as_deref().map(tampered),
            1 => documents.statement = documents.statement.as_deref().map(tampered),
            2 => documents.body.as_mut().unwrap()[30] ^= 1,
            _ => documents.revocations_statement = documents.revocations_statement.as_deref().map(tampered),
        }
        self.offer(&documents);
    }

    /// The machine is offered documents, stores what came of it, and perhaps crashes over it.
    fn offer(&mut self, documents: &Documents) -> Vec<&'static str> {
        let before = self.in_force();
        let time = self.trust.read_clock(Reading {
            wall: self.now + SignedDuration::from_hours(self.skew),
            uptime: Some(Uptime { boot: self.boot.to_string(), seconds: self.up }),
        });
        let update = self.trust.update(documents, time);
        let after = self.in_force();
        assert!(after.0 >= before.0 && after.1 >= before.1, "{before:?} became {after:?}");
        for refusal in &update.refusals {
            assert!(refusal.to_string().ends_with(refusal.remedy()));
        }
        self.save();
        update.refusals.iter().map(mcpolicy_schema::trust::Refusal::rule).collect()
    }

    fn save(&mut self) {
        let disk = std::mem::take(&mut self.disk);
        let Some((steps, names_lost)) = self.crash.take() else {
            let mut store = Store::new(disk);
            store.save(&self.trust).unwrap();
            self.disk = store.into_disk();
            self.saved = self.in_force();
            return;
        };
        let mut store = Store::new(Stopping::after(steps, disk));
        if store.save(&self.trust).is_ok() {
            self.saved = self.in_force();
        }
        self.disk = store.into_disk().into_inner();
        let new = self.in_force();
        self.restart(if names_lost { Crash::NamesLost } else { Crash::NamesKept });
        let loaded = self.in_force();
        assert!(loaded == new || loaded == self.saved, "{loaded:?} is neither {new:?} nor {:?}", self.saved);
        // a publication that the crash took away is offered again, as the next poll would
        self.saved = loaded;
        if let Some(newest) = self.published.last().cloned().filter(|_| self.clock_was_right) {
            self.offer(&newest);
        }
    }

    fn restart(&mut self, crash: Crash) {
        self.boot += 1;
        self.up = 0;
        self.disk = std::mem::take(&mut self.disk).crash(crash);
        let loaded = Store::new(self.disk.clone()).load(&pinned(), at(0)).unwrap();
        assert!(matches!(loaded.origin, Origin::Newest | Origin::Nothing), "{:?}", loaded.origin);
        assert_eq!(loaded.refusals, []);
        self.trust = loaded.trust;
        let loaded = self.in_force();
        assert!(loaded.0 >= self.saved.0 && loaded.1 >= self.saved.1, "{:?} became {loaded:?}", self.saved);
    }

    fn in_force(&self) -> (u64, u64) {
        let policy = self.trust.policy().map_or(0, |policy| policy.sequence);
        (policy, self.trust.revocations().map_or(0, |revocations| revocations.sequence))
    }

    /// What must hold after every step.
    fn check(&self) {
        let (policy, revocations) = self.in_force();
        assert!(policy >= self.saved.0 && revocations >= self.saved.1);
        let Some(in_force) = self.trust.policy() else {
            assert_eq!(self.saved.0, 0, "the policy in force disappeared");
            return;
        };
        let known = self.honest.contains(&(in_force.sequence, in_force.sha256));
        assert!(known, "{} is of no honest publisher", in_force.sequence);
        assert!(self.trust.staleness(self.now).is_some());
        let head: Option<&Head> = self.trust.head();
        assert!(head.is_none_or(|head| head.sequence <= self.heads));
    }
}

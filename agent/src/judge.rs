//! The stage `evaluate`: every entry, live, switched off or inert, and every server that runs undeclared, judged by
//! the policy. Decides nothing itself: it brings the facts of machine, user and time to the pure evaluation.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use mcpolicy_clients::location::Os;
use mcpolicy_platform::machine::Account;
use mcpolicy_platform::users::{self, Groups};
use mcpolicy_schema::evaluate::{Context, Device, Facts, Subject, System, evaluate, notices};
use mcpolicy_schema::finding::Finding;
use mcpolicy_schema::fingerprint;
use mcpolicy_schema::revocations::Revoked;
use mcpolicy_schema::verdict::{Judgement, Reason};

use crate::assess::Assessed;
use crate::discover::HomeContext;
use crate::discover::source::Source;
use crate::enforce::remembered::Remembered;
use crate::in_force::InForce;
use crate::pipeline::{Ground, Outcome, Plan};
use crate::resolve::{self, Asked, Dweller, Look, Resolver};
use crate::running::Undeclared;

/// Under what conditions entries are judged.
pub struct Terms<'a> {
    /// The policy.
    pub in_force: &'a InForce,
    /// The time of the scan.
    pub now: Timestamp,
    /// The machine's id; empty if it has none.
    pub device: &'a str,
    /// Groups that every user of it counts as a member of.
    pub groups: &'a [String],
    /// What the agent remembers of earlier passes; a scan remembers nothing.
    pub remembered: Option<&'a Remembered>,
}

/// A user as rules name him.
struct Person {
    name: String,
    home: Option<String>,
    groups: Vec<String>,
    dweller: Dweller,
}

/// Judges entries of one ground.
pub struct Judge<'a> {
    terms: Terms<'a>,
    ground: &'a Ground,
    /// One a home, in the same order.
    people: Vec<Person>,
    /// For what belongs to no user.
    nobody: Person,
    ring: Option<String>,
    resolver: Resolver<'a>,
    nothing: BTreeSet<String>,
}

impl<'a> Judge<'a> {
    /// Looks up users, groups and ring. `look` is who looks at files.
    pub fn new(ground: &'a Ground, look: &'a dyn Look, terms: Terms<'a>) -> Self {
        let wants_groups = names_groups(terms.in_force);
        let is_checkout = matches!(ground.plan, Plan::Project(_));
        let people: Vec<Person> = ground
            .homes
            .iter()
            .enumerate()
            .map(|(at, home)| person(ground, (at, home), is_checkout, wants_groups, terms.groups))
            .collect();
        let nobody = Person {
            name: String::new(),
            home: None,
            groups: Vec::new(),
            dweller: Dweller { at: None, home: None, os: ground.os, account: Account::default() },
        };
        let (policy, any_digest) = (&terms.in_force.policy, revokes_digests(terms.in_force));
        let resolver = Resolver::new(resolve::Ground {
            look,
            has_files: !matches!(ground.plan, Plan::File(_)),
            processes: ground.processes.as_deref(),
            search_path: &policy.document().policy.search_path,
            wants_digest: Box::new(move |path| any_digest || policy.wants_digest(path)),
        });
        let ring = ring_of(&terms, &people);
        Self { terms, ground, people, nobody, ring, resolver, nothing: BTreeSet::new() }
    }

    /// The ring that the machine is in.
    pub fn ring(&self) -> Option<&str> {
        self.ring.as_deref()
    }

    /// Gives every entry and every undeclared server its judgement.
    pub fn judge(&mut self, outcome: &mut Outcome) {
        for item in &mut outcome.entries {
            self.judge_entry(item, &outcome.sources[item.source].source);
        }
        for process in &mut outcome.processes {
            if let Some(server) = &process.undeclared {
                process.judgement = Some(self.of_process(server, process.uid));
            }
        }
        outcome.gaps.extend(self.resolver.take_gaps());
        outcome.gaps.sort();
        outcome.gaps.dedup();
    }

    /// Gives one entry of a source its judgement.
    pub fn judge_entry(&mut self, item: &mut Assessed, source: &Source) {
        let directory = resolve::directory_of(&item.entry, source);
        let subject =
            Subject { entry: &item.entry, identity: &item.identity, fingerprint: &item.fingerprint };
        let (judgement, notices, facts) = self.judgement(&subject, source.home, directory.as_deref(), None);
        let notices = notices.into_iter().map(|notice| Finding::new(notice.code, notice.detail));
        item.findings.extend(notices);
        item.judgement = Some(judgement);
        item.facts = Some(facts);
    }

    fn of_process(&mut self, server: &Undeclared, uid: Option<u32>) -> Judgement {
        let home = self.ground.homes.iter().position(|home| home.uid.is_some() && home.uid == uid);
        let place = home.and_then(|at| self.people.get(at)).and_then(|person| person.home.as_deref());
        let fingerprint = fingerprint::of(&server.entry, &server.identity, place);
        let subject = Subject { entry: &server.entry, identity: &server.identity, fingerprint: &fingerprint };
        self.judgement(&subject, home, server.directory.as_deref(), server.file.as_deref()).0
    }

    /// The judgement, what is worth telling though it changes none, and what both were made from.
    fn judgement(
        &mut self,
        subject: &Subject<'_>,
        home: Option<usize>,
        directory: Option<&Path>,
        running: Option<&Path>,
    ) -> (Judgement, Vec<Reason>, Facts) {
        let person = home.and_then(|at| self.people.get(at)).unwrap_or(&self.nobody);
        let asked = Asked {
            entry: subject.entry,
            identity: subject.identity,
            dweller: &person.dweller,
            directory,
            running,
        };
        let facts = self.resolver.facts(&asked);
        let context = self.context(person, &facts);
        let judgement = evaluate(&self.terms.in_force.policy, subject, &context);
        let notices = notices(subject, &context);
        (judgement, notices, facts)
    }

    fn context<'c>(&'c self, person: &'c Person, facts: &'c Facts) -> Context<'c> {
        let remembered = self.terms.remembered;
        Context {
            system: match person.dweller.os {
                Os::Linux => System::Linux,
                Os::Macos => System::Macos,
                Os::Windows => System::Windows,
            },
            now: self.terms.now,
            home: person.home.as_deref(),
            device: Device {
                id: self.terms.device,
                user: &person.name,
                groups: &person.groups,
                ring: self.ring.as_deref(),
            },
            facts,
            revocations: self.terms.in_force.revocations.as_ref(),
            grants: &self.terms.in_force.grants,
            grandfathered: remembered.and_then(|r| r.first_seen.get(&person.name)).unwrap_or(&self.nothing),
            expired: self
                .terms
                .in_force
                .expired
                .then_some(remembered.and_then(|r| r.allowed.get(&person.name)).unwrap_or(&self.nothing)),
        }
    }
}

fn person(
    ground: &Ground,
    (at, home): (usize, &HomeContext),
    is_checkout: bool,
    wants_groups: bool,
    of_device: &[String],
) -> Person {
    let groups = if wants_groups {
        users::groups_of(&ground.machine, &home.user, home.uid)
    } else {
        Groups::default()
    };
    // the checkout stands in the place of a home, but it is nobody's
    let place = (!is_checkout).then(|| home.layout.home.clone());
    Person {
        name: home.user.clone(),
        home: place.as_ref().and_then(|path| path.to_str()).map(str::to_owned),
        groups: groups.names.into_iter().chain(of_device.iter().cloned()).collect(),
        dweller: Dweller {
            at: Some(at),
            home: place,
            os: home.layout.os,
            account: users::account(&ground.machine, &home.user, home.uid),
        },
    }
}

/// Asking for groups may ask a directory service, so it is done only where some rule names one.
fn names_groups(in_force: &InForce) -> bool {
    let document = in_force.policy.document();
    let revoked = in_force.revocations.iter().flat_map(|list| &list.document().revocation);
    document.rule.iter().any(|rule| !rule.groups.is_empty())
        || document.ring.iter().any(|ring| !ring.groups.is_empty())
        || revoked.into_iter().any(|line| matches!(line.revoked, Revoked::Group(_)))
}

/// The ring of the machine: one that names any of its users or their groups comes before the machine's share.
fn ring_of(terms: &Terms<'_>, people: &[Person]) -> Option<String> {
    let policy = &terms.in_force.policy;
    let ring = |user: &str, groups: &[String]| {
        policy.ring_of(&Device { id: terms.device, user, groups, ring: None }).map(str::to_owned)
    };
    let by_share = ring("", &[]);
    let named: BTreeSet<String> = people
        .iter()
        .filter_map(|person| ring(&person.name, &person.groups))
        .filter(|name| Some(name) != by_share.as_ref())
        .collect();
    let first = policy.document().ring.iter().find(|ring| named.contains(&ring.name));
    first.map(|ring| ring.name.clone()).or(by_share)
}

/// Whether digests of files are revoked: then any file may be meant.
fn revokes_digests(in_force: &InForce) -> bool {
    let revoked = in_force.revocations.iter().flat_map(|list| &list.document().revocation);
    revoked.into_iter().any(|line| matches!(line.revoked, Revoked::Sha256(_)))
}

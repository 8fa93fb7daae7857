//! The stage `evaluate`: every entry, live, switched off or inert, and every server that runs undeclared, judged by
//! the policy. Decides nothing itself: it brings the facts of machine, user and time to the pure evaluation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use mcpolicy_clients::adapter::About;
use mcpolicy_clients::adapters;
use mcpolicy_clients::location::Os;
use mcpolicy_platform::machine::Account;
use mcpolicy_platform::processes::Process;
use mcpolicy_platform::users::{self, Groups};
use mcpolicy_schema::entry::{ClientId, Entry, NamedValue, Scope};
use mcpolicy_schema::evaluate::{ClientVariable, Context, Device, Facts, Subject, System, evaluate, notices};
use mcpolicy_schema::finding::{Finding, FindingCode};
use mcpolicy_schema::fingerprint;
use mcpolicy_schema::revocations::Revoked;
use mcpolicy_schema::verdict::{Judgement, Reason};

use crate::answers::Asker;
use crate::assess::Assessed;
use crate::discover::HomeContext;
use crate::discover::source::Source;
use crate::enforce::remembered::Remembered;
use crate::in_force::InForce;
use crate::pipeline::{Ground, Outcome, Plan, SourceResult};
use crate::resolve::{self, Asked, Dweller, Look, Resolver};
use crate::running::{self, Undeclared};
use crate::worker::Seen;

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

/// What a file of a project sets for all servers of a client.
fn project_env(result: &SourceResult) -> Vec<(PathBuf, ClientId, ClientVariable)> {
    if result.environment.is_empty() {
        return Vec::new();
    }
    let Some(project) = resolve::project_of(&result.source) else { return Vec::new() };
    let file = result.source.path.display().to_string();
    let given = |variable: &NamedValue| ClientVariable { variable: variable.clone(), file: file.clone() };
    result.environment.iter().map(|(client, value)| (project.clone(), *client, given(value))).collect()
}

/// Where an entry is judged.
#[derive(Clone, Copy)]
struct Places<'p> {
    /// Where its client would start it, for the files that it names.
    directory: Option<&'p Path>,
    /// See [`place_of`].
    place: Option<&'p Path>,
    /// The file that a running server was started from.
    running: Option<&'p Path>,
}

/// The directory that tells one entry of a repository or plugin from the next with the same text: the project's, or
/// that of the plugin's file.
pub fn place_of(entry: &Entry, source: &Source) -> Option<PathBuf> {
    let of_plugin = || source.path.parent().filter(|_| entry.scope == Scope::Plugin);
    resolve::directory_of(entry, source).or_else(|| of_plugin().map(Path::to_owned))
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
    look: &'a dyn Look,
    /// Clients that are in use in each home, as far as a rule asks for clients.
    clients: BTreeMap<usize, Option<BTreeSet<ClientId>>>,
    /// What settings of clients set in which project, for every server that the client starts there.
    project_env: Vec<(PathBuf, ClientId, ClientVariable)>,
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
            has_sockets: ground.processes.is_some(),
            search_path: &policy.document().policy.search_path,
            wants_digest: Box::new(move |path| any_digest || policy.wants_digest(path)),
        });
        let ring = ring_of(&terms, &people);
        Self {
            terms,
            ground,
            people,
            nobody,
            ring,
            resolver,
            look,
            clients: BTreeMap::new(),
            project_env: Vec::new(),
            nothing: BTreeSet::new(),
        }
    }

    /// Judges by this process table instead of that of the ground, which was made when the ground was laid.
    #[must_use]
    pub fn amid(mut self, processes: &'a [Process]) -> Self {
        self.resolver.amid(processes);
        self
    }

    /// The ring that the machine is in.
    pub fn ring(&self) -> Option<&str> {
        self.ring.as_deref()
    }

    /// Who asks for answers from a home, as rules name him.
    pub fn asker(&self, home: usize) -> Asker {
        let person = self.people.get(home).unwrap_or(&self.nobody);
        Asker {
            user: person.name.clone(),
            groups: person.groups.clone(),
            device: self.terms.device.to_owned(),
            ring: self.ring.clone(),
        }
    }

    /// Gives every entry and every undeclared server its judgement.
    pub fn judge(&mut self, outcome: &mut Outcome) {
        self.project_env = outcome.sources.iter().flat_map(project_env).collect();
        for item in &mut outcome.entries {
            self.judge_entry(item, &outcome.sources[item.source].source);
        }
        for process in &mut outcome.processes {
            if let Some(server) = &process.undeclared {
                process.judgement = Some(self.judge_process(server, process.uid));
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
        let place = place_of(&item.entry, source);
        let places = Places { directory: directory.as_deref(), place: place.as_deref(), running: None };
        self.look_for_clients(source);
        let (judgement, notices, facts) = self.judgement(&subject, source.home, places);
        let notices = notices.into_iter().map(|notice| Finding::new(notice.code, notice.detail));
        item.findings.extend(notices);
        if item.running == Some(true) && !judgement.is_allowed() {
            let message = "a process of it runs, and the policy does not allow it";
            item.findings.push(Finding::new(FindingCode::DeniedServerRuns, message));
        }
        item.judgement = Some(judgement);
        item.facts = Some(facts);
    }

    /// Finds out which clients are in use in the home of a file, once, and only where a rule asks for clients.
    fn look_for_clients(&mut self, source: &Source) {
        let Some(home) = source.home.filter(|home| !self.clients.contains_key(home)) else { return };
        let rules = &self.terms.in_force.policy.document().rule;
        let is_asked = rules.iter().any(|rule| !rule.clients.is_empty());
        // A single file may be from anywhere.
        let is_known = is_asked && matches!(self.ground.plan, Plan::Homes);
        let in_use = if is_known { self.clients_in_use(home, source) } else { None };
        // of one file that cannot be asked about, nothing is to be kept for the others
        if in_use.is_some() || !is_known {
            self.clients.insert(home, in_use);
        }
    }

    /// Clients of which something lies in a home, that its user runs, or that are installed where programs are looked
    /// for.
    fn clients_in_use(&self, home: usize, source: &Source) -> Option<BTreeSet<ClientId>> {
        let HomeContext { layout, uid, .. } = self.ground.homes.get(home)?;
        let mut in_use: BTreeSet<ClientId> = self.look.clients(layout, source)?.into_iter().collect();
        let running = running::clients(self.ground.processes.as_deref().unwrap_or_default());
        let of_user = running.iter().filter(|one| uid.is_none() || one.process.uid == *uid);
        in_use.extend(of_user.map(|one| one.adapter.about().id));
        let search_path = &self.terms.in_force.policy.document().policy.search_path;
        let is_installed = |about: &About| {
            let candidates = resolve::programs(search_path, layout, about.processes);
            // What cannot be looked at may be the program.
            candidates.iter().any(|path| self.look.program(Some(home), path) != Seen::Nothing)
        };
        let others = adapters::ALL.iter().map(|adapter| adapter.about()).filter(|a| !in_use.contains(a.id));
        let installed: Vec<ClientId> = others.filter(|about| is_installed(about)).map(|a| a.id).collect();
        in_use.extend(installed);
        Some(in_use)
    }

    fn home_of(&self, uid: Option<u32>) -> Option<usize> {
        self.ground.homes.iter().position(|home| home.uid.is_some() && home.uid == uid)
    }

    /// Fingerprint of the entry that would have started a server that stands in no file.
    pub fn print_of_process(&self, server: &Undeclared, uid: Option<u32>) -> String {
        let person = self.home_of(uid).and_then(|at| self.people.get(at));
        fingerprint::of(&server.entry, &server.identity, person.and_then(|person| person.home.as_deref()))
    }

    /// The judgement of a server that runs and stands in no file.
    pub fn judge_process(&mut self, server: &Undeclared, uid: Option<u32>) -> Judgement {
        let home = self.home_of(uid);
        let fingerprint = self.print_of_process(server, uid);
        let subject = Subject { entry: &server.entry, identity: &server.identity, fingerprint: &fingerprint };
        let directory = server.directory.as_deref();
        let places = Places { directory, place: directory, running: server.file.as_deref() };
        self.judgement(&subject, home, places).0
    }

    /// The judgement, what is worth telling though it changes none, and what both were made from.
    fn judgement(
        &mut self,
        subject: &Subject<'_>,
        home: Option<usize>,
        places: Places<'_>,
    ) -> (Judgement, Vec<Reason>, Facts) {
        let person = home.and_then(|at| self.people.get(at)).unwrap_or(&self.nobody);
        let asked = Asked {
            entry: subject.entry,
            identity: subject.identity,
            dweller: &person.dweller,
            directory: places.directory,
            running: places.running,
        };
        let facts = self.resolver.facts(&asked);
        let place = places.place.map(Path::to_string_lossy);
        let client_env = self.client_env(subject.entry, places.place, home);
        let clients = home.and_then(|home| self.clients.get(&home)).and_then(Option::as_ref);
        let context = Context {
            directory: place.as_deref(),
            client_env: &client_env,
            clients,
            ..self.context(person, &facts)
        };
        let judgement = evaluate(&self.terms.in_force.policy, subject, &context);
        let notices = notices(subject, &context);
        (judgement, notices, facts)
    }

    /// What the project of an entry sets for every server of a client that would start it there. A folder of the same
    /// project sets it, too, for one who works there (Claude Code 2.1.329 reads the `.mcp.json` of every folder above).
    /// No clone must take away what is approved elsewhere, though, nor the user's own settings what is approved in the
    /// home: of that there is a finding.
    fn client_env(&self, entry: &Entry, project: Option<&Path>, home: Option<usize>) -> Vec<ClientVariable> {
        let Some(project) = project else { return Vec::new() };
        let is_home = |person: &Person| person.home.as_deref().is_some_and(|home| project == Path::new(home));
        if home.and_then(|at| self.people.get(at)).is_some_and(is_home) {
            return Vec::new();
        }
        let reads = |client: ClientId| {
            entry.client == client || entry.readers.iter().any(|reader| reader.client == client)
        };
        let here = self.project_env.iter().filter(|(at, client, _)| {
            reads(*client) && at.starts_with(project) && !self.is_clone_below(project, at, home)
        });
        here.map(|(_, _, variable)| variable.clone()).collect()
    }

    /// Whether a folder belongs to another repository than the project that it lies in. The `.git` of a submodule or
    /// work tree is a file: these come with the project.
    fn is_clone_below(&self, project: &Path, folder: &Path, home: Option<usize>) -> bool {
        let between = folder.ancestors().take_while(|folder| *folder != project);
        between.map(|folder| folder.join(".git/HEAD")).any(|head| {
            let seen = self.look.program(home, &head);
            matches!(seen, Seen::Program(_))
        })
    }

    fn context<'c>(&'c self, person: &'c Person, facts: &'c Facts) -> Context<'c> {
        let remembered = self.terms.remembered;
        Context {
            system: system_of(person.dweller.os),
            now: self.terms.now,
            home: person.home.as_deref(),
            directory: None,
            client_env: &[],
            device: Device {
                id: self.terms.device,
                user: &person.name,
                groups: &person.groups,
                ring: self.ring.as_deref(),
            },
            facts,
            revocations: self.terms.in_force.revocations.as_ref(),
            grants: &self.terms.in_force.grants,
            clients: None,
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
/// The system, as policies name it.
pub fn system_of(os: Os) -> System {
    match os {
        Os::Linux => System::Linux,
        Os::Macos => System::Macos,
        Os::Windows => System::Windows,
    }
}

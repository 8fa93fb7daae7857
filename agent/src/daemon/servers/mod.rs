//! Servers that run already: those of entries that are denied or were taken out, and those that no file declares.
//!
//! A look at the process table is taken every 10 s while a known client runs, and otherwise only when files are looked
//! at: idle costs nothing. What is found is judged as entries are, told, and by policy ended: it and no other process
//! (`platform/processes/exact`), and never a client.

mod declared;
mod fates;
mod seen;
mod sessions;
mod tell;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mcpolicy_platform::processes::{self, Exact, Instance, NotHeld, Process};
use mcpolicy_schema::document::{Mode, Processes};
use mcpolicy_schema::entry::ClientId;
use mcpolicy_schema::finding::FindingCode;
use mcpolicy_schema::verdict::{DecidedBy, Judgement};

use crate::enforce::act::Acted;
use crate::enforce::pass::{Amid, On, Session, Setting};
use crate::journal::{self, End};
use crate::pipeline::{Ground, Outcome};
use crate::running::{self, RunningClient};
use declared::Declared;
pub use fates::Waits;
use fates::{Fates, Sight, Standing, Step};
use seen::{Found, Server};
pub use sessions::RestartNeeded;
use sessions::Sessions;
pub use tell::Told;

/// Time between two looks while a known client runs, and the least between any two that nothing is due for.
const EVERY: Duration = Duration::from_secs(10);

/// A denied server that runs, with what is told of it.
#[derive(Clone)]
struct Denied {
    process: Process,
    sight: Sight,
    judgement: Judgement,
    /// The client below which it runs: its name and process.
    client: (ClientId, &'static str, u32),
    /// Name of its entry, or what it runs; redacted.
    name: String,
    is_undeclared: bool,
    /// Why it is only told.
    left: Option<String>,
    user: String,
}

/// A judgement of an undeclared server, and what it was made from: a process may run something else later.
struct Judged {
    process: Process,
    judgement: Judgement,
}

/// What the daemon knows of running servers; it outlasts policies and sessions.
pub struct Servers {
    declared: Declared,
    fates: Fates,
    sessions: Sessions,
    /// Denied servers of the last look.
    denied: BTreeMap<Instance, Denied>,
    judged: BTreeMap<Instance, Judged>,
    /// Undeclared servers that the policy allows, told once.
    allowed: BTreeSet<Instance>,
    last: Option<Instant>,
    /// A known client ran at the last look.
    is_client_there: bool,
    /// A look is wanted: files were looked at.
    is_wanted: bool,
    /// The policy or the time may have changed what the last judgements said.
    is_stale: bool,
    is_recalled: bool,
}

impl Servers {
    /// Nothing known yet.
    pub fn new(waits: Waits) -> Self {
        Self {
            declared: Declared::default(),
            fates: Fates::new(waits),
            sessions: Sessions::default(),
            denied: BTreeMap::new(),
            judged: BTreeMap::new(),
            allowed: BTreeSet::new(),
            last: None,
            is_client_there: false,
            is_wanted: false,
            is_stale: true,
            is_recalled: false,
        }
    }

    /// Takes in what a pass has found and done.
    pub fn passed(&mut self, ground: &Ground, outcome: Outcome, acted: &[Acted], at: Timestamp) {
        if !is_live(ground) {
            return;
        }
        self.acted(ground, &outcome, acted, at);
        self.declared.all(ground, outcome);
        (self.is_stale, self.is_wanted, self.last) = (true, true, None);
    }

    /// Takes in what a look at changed files has found and done.
    pub fn looked(
        &mut self,
        ground: &Ground,
        outcome: Outcome,
        acted: &[Acted],
        (changed, at): (&BTreeMap<usize, BTreeSet<PathBuf>>, Timestamp),
    ) {
        if !is_live(ground) {
            return;
        }
        self.acted(ground, &outcome, acted, at);
        self.declared.changed(ground, outcome, changed);
        self.is_wanted = true;
    }

    /// All known files are looked at anew: so are judgements, since what an exception allows ends with time.
    pub fn rescan(&mut self) {
        (self.is_stale, self.is_wanted) = (true, true);
    }

    /// When the next look is due; never while no known client runs and nothing else calls for one.
    pub fn next(&self) -> Option<Instant> {
        let is_asked = self.is_client_there || self.is_wanted;
        // files change in bursts: clients write their state while they run
        let regular = self.last.map(|last| last + EVERY).filter(|_| is_asked);
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
        let table = processes::processes();
        let looked = session.amid(setting, on, &table, |amid| {
            let mut look = Look { now, servers: self, setting, on, table: &table, amid, told: Vec::new() };
            look.run().map(|()| look.told)
        });
        (self.is_wanted, self.last) = (false, Some(now));
        looked
    }

    fn acted(&mut self, ground: &Ground, outcome: &Outcome, acted: &[Acted], at: Timestamp) {
        for one in acted.iter().filter(|one| one.end == End::Applied) {
            let source = &outcome.sources[one.source].source;
            let Some(home) = source.home else { continue };
            let readers = source.readings.iter().map(|reading| reading.adapter.about().id);
            self.sessions.acted(&ground.homes[home].user, &readers.collect(), &one.actions, at);
        }
    }
}

/// Only this machine has processes; an image has none.
fn is_live(ground: &Ground) -> bool {
    ground.processes.is_some()
}

/// One look.
struct Look<'l, 'g, 'h, 's, 'a> {
    now: Instant,
    servers: &'l mut Servers,
    setting: &'l Setting<'l>,
    on: On<'g, 'h>,
    table: &'l [Process],
    amid: Amid<'s, 'a>,
    told: Vec<Told>,
}

impl Look<'_, '_, '_, '_, '_> {
    fn run(&mut self) -> anyhow::Result<()> {
        let all = running::clients(self.table);
        let is_client: BTreeSet<u32> = all.iter().map(|client| client.process.pid).collect();
        let of_homes: Vec<RunningClient<'_>> =
            all.into_iter().filter(|client| self.home_of(client.process.uid).is_some()).collect();
        self.servers.is_client_there = !of_homes.is_empty();
        if std::mem::take(&mut self.servers.is_stale) {
            self.servers.judged.clear();
            self.servers.declared.judge_gone(self.amid.judge);
        }
        self.sessions(&of_homes)?;
        let uids: BTreeSet<Option<u32>> = of_homes.iter().map(|client| client.process.uid).collect();
        self.servers.declared.forget(&|uid| match uid {
            Some(_) => uids.contains(&uid),
            None => !uids.is_empty(),
        });
        let sights = self.sights(&of_homes, &is_client)?;
        let steps = self.servers.fates.look(self.now, &sights, &Instance::is_running);
        for (server, step) in steps {
            self.take(server, &step)?;
        }
        let followed: BTreeSet<Instance> = self.servers.fates.followed().collect();
        self.servers.denied.retain(|server, _| followed.contains(server));
        Ok(())
    }

    /// The home of a process, by the number of its user. Where the system has no such numbers, all are the user's own.
    fn home_of(&self, uid: Option<u32>) -> Option<usize> {
        let homes = &self.on.ground.homes;
        match uid {
            Some(_) => homes.iter().position(|home| home.uid == uid),
            None => (homes.len() == 1).then_some(0),
        }
    }

    fn user_of(&self, uid: Option<u32>) -> &str {
        self.home_of(uid).map_or("", |at| &self.on.ground.homes[at].user)
    }

    /// Tells which clients have to be started anew.
    fn sessions(&mut self, clients: &[RunningClient<'_>]) -> anyhow::Result<()> {
        if !std::mem::replace(&mut self.servers.is_recalled, true) && !clients.is_empty() {
            let (records, _) = journal::read(&self.setting.state.join("journal"))?;
            self.servers.sessions.recall(&records);
        }
        let sessions = clients.iter().filter_map(|client| {
            Some(sessions::Session {
                process: Instance::of(client.process.pid)?,
                since: client.process.start_time,
                client: client.adapter.about().id,
                user: self.user_of(client.process.uid),
            })
        });
        let sessions: Vec<sessions::Session<'_>> = sessions.collect();
        for (process, needed) in self.servers.sessions.look(&sessions) {
            let about = clients.iter().find(|client| client.process.pid == process.pid);
            let name = about.map_or(needed.client, |client| client.adapter.about().name);
            let told = Told::restart_needed(process, name, &needed, self.setting.redactor);
            self.amid.note(told.event())?;
            self.told.push(told);
        }
        Ok(())
    }

    /// All servers, judged. Those that are denied are kept with what is told of them.
    fn sights(
        &mut self,
        clients: &[RunningClient<'_>],
        is_client: &BTreeSet<u32>,
    ) -> anyhow::Result<Vec<Sight>> {
        let declared = std::mem::take(&mut self.servers.declared);
        let found = seen::servers(self.table, clients, &declared, self.setting.redactor);
        let mut sights = Vec::new();
        let mut judged = BTreeMap::new();
        let mut leave: Option<BTreeSet<u32>> = None;
        for one in found {
            let Some(instance) = Instance::of(one.process.pid) else { continue };
            let judgement = match &one.server {
                Server::Of(known) => known.judgement().cloned(),
                Server::Undeclared(..) => Some(self.judge(instance, &one, &mut judged)),
            };
            let Some(judgement) = judgement else { continue };
            if judgement.is_allowed() {
                self.tell_allowed(instance, &one)?;
                sights.push(Sight { server: instance, parts: Vec::new(), standing: Standing::Allowed });
                continue;
            }
            // what this agent was started by is not told of as a server that could be ended, nor what is a client
            let leave = leave.get_or_insert_with(|| is_client | &processes::ourselves());
            if leave.contains(&one.process.pid) {
                continue;
            }
            let parts = seen::below(one.process, self.table, leave);
            let parts = parts.into_iter().filter_map(|part| Instance::of(part.pid)).collect();
            let denied = self.denied(&one, (instance, parts), judgement);
            sights.push(denied.sight.clone());
            self.servers.denied.insert(instance, denied);
        }
        self.servers.declared = declared;
        self.servers.judged = judged;
        self.servers.allowed.retain(|instance| sights.iter().any(|sight| sight.server == *instance));
        self.orphans(&mut sights);
        Ok(sights)
    }

    /// Denied servers whose client has ended go on being what they are. Without a client nothing else tells of them.
    fn orphans(&self, sights: &mut Vec<Sight>) {
        for server in self.servers.fates.followed() {
            let Some(denied) = self.servers.denied.get(&server) else { continue };
            let is_there = |now: &Process| {
                now.pid == server.pid && now.args == denied.process.args && now.exe == denied.process.exe
            };
            if sights.iter().all(|sight| sight.server != server)
                && self.table.iter().any(is_there)
                && server.is_running()
            {
                sights.push(denied.sight.clone());
            }
        }
    }

    /// The judgement of an undeclared server, made once for what the process runs.
    fn judge(
        &mut self,
        instance: Instance,
        one: &Found<'_, '_>,
        judged: &mut BTreeMap<Instance, Judged>,
    ) -> Judgement {
        let Server::Undeclared(server, _) = &one.server else { unreachable!("only undeclared ones are judged here") };
        let known = self.servers.judged.remove(&instance);
        let known = known.filter(|known| {
            let (was, is) = (&known.process, one.process);
            (&was.args, &was.exe, &was.cwd) == (&is.args, &is.exe, &is.cwd)
        });
        let judgement = match known {
            Some(known) => known.judgement,
            None => self.amid.judge.judge_process(server, one.process.uid),
        };
        let kept = Judged { process: one.process.clone(), judgement: judgement.clone() };
        judged.insert(instance, kept);
        judgement
    }

    fn denied(
        &self,
        one: &Found<'_, '_>,
        (server, parts): (Instance, Vec<Instance>),
        judgement: Judgement,
    ) -> Denied {
        let about = one.client.adapter.about();
        let is_revoked = judgement.reason.as_ref().is_some_and(|reason| reason.code == FindingCode::Revoked);
        let doubt = match &one.server {
            Server::Of(_) => None,
            Server::Undeclared(_, doubt) => doubt.clone(),
        };
        // what is denied by name is that, whoever started it
        let is_named = matches!(judgement.decided_by, DecidedBy::Revocation | DecidedBy::Denylist);
        let left = self.left_by_policy().or(doubt.filter(|_| !is_named));
        let standing = Standing::Denied { is_revoked, is_to_end: left.is_none() };
        Denied {
            process: one.process.clone(),
            sight: Sight { server, parts, standing },
            judgement,
            client: (about.id, about.name, one.client.process.pid),
            name: self.name(one),
            is_undeclared: match &one.server {
                Server::Of(known) => known.is_gone,
                Server::Undeclared(..) => true,
            },
            left,
            user: self.user_of(one.process.uid).to_owned(),
        }
    }

    /// Why nothing is ended at all, where that is so.
    fn left_by_policy(&self) -> Option<String> {
        let Amid { document, mode, .. } = &self.amid;
        match (document.policy.processes, *mode) {
            (Processes::Report, _) => Some("the policy has running servers told, not ended".to_owned()),
            (Processes::Stop, Mode::Observe | Mode::Warn) => Some(format!(
                "mode {} ends nothing, enforcing would end it",
                crate::in_force::word(*mode)
            )),
            (Processes::Stop, Mode::Hold | Mode::Enforce) => None,
        }
    }

    fn name(&self, one: &Found<'_, '_>) -> String {
        let redactor = self.setting.redactor;
        match &one.server {
            Server::Of(known) => redactor.name(&known.entry().name),
            Server::Undeclared(server, _) => {
                let command = server.entry.command.as_ref().map_or("", |command| command.expose());
                let words = [vec![redactor.text(command)], redactor.args(&server.entry.args)].concat();
                words.join(" ").trim_end().to_owned()
            }
        }
    }

    fn tell_allowed(&mut self, instance: Instance, one: &Found<'_, '_>) -> anyhow::Result<()> {
        let is_declared = matches!(one.server, Server::Of(_));
        if is_declared || !self.servers.allowed.insert(instance) {
            return Ok(());
        }
        let about = one.client.adapter.about();
        let client = (about.id, about.name, one.client.process.pid);
        let user = self.user_of(one.process.uid).to_owned();
        let told = Told::undeclared(instance, client, user, self.name(one));
        self.amid.note(told.event())?;
        self.told.push(told);
        Ok(())
    }

    /// Takes one step. It is in the journal before it is done.
    fn take(&mut self, server: Instance, step: &Step) -> anyhow::Result<()> {
        let Some(denied) = self.servers.denied.get(&server).cloned() else { return Ok(()) };
        let since = self.servers.fates.first_seen(server).map(|first| self.now.saturating_duration_since(first));
        let told = Told::step(server, step, &denied, since.unwrap_or_default());
        self.amid.note(told.event())?;
        self.told.push(told);
        let (all, is_kill) = match step {
            Step::AskToEnd(all) => (all, false),
            Step::Kill(all) => (all, true),
            Step::Report | Step::Warn(_) | Step::Spare | Step::Ended { .. } | Step::Survived => return Ok(()),
        };
        // all are held before the first one hears of it: what a launcher started may be nobody's child a moment later
        let held: Vec<Result<Exact, NotHeld>> = all.iter().map(|one| self.hold(*one, &denied)).collect();
        let mut refused = None;
        for exact in held {
            let done = exact.and_then(|exact| if is_kill { exact.kill() } else { exact.ask_to_end() });
            match done {
                Ok(()) | Err(NotHeld::Gone | NotHeld::Changed) => {}
                Err(error) => refused = Some(error),
            }
        }
        if let Some(error) = refused {
            self.servers.fates.give_up(server);
            let told = Told::refused(server, &denied, &error);
            self.amid.note(told.event())?;
            self.told.push(told);
        }
        Ok(())
    }

    fn hold(&self, one: Instance, denied: &Denied) -> Result<Exact, NotHeld> {
        let seen = self.table.iter().find(|process| process.pid == one.pid).ok_or(NotHeld::Gone)?;
        // Attack: a number is given to a process of another user between two looks.
        if seen.uid != denied.process.uid {
            return Err(NotHeld::Gone);
        }
        Exact::hold(seen, one)
    }
}

//! One look at the process table: what is found is judged, told and dealt with.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use mcpolicy_platform::processes::{self, Exact, Instance, NotHeld, Process};
use mcpolicy_schema::document::{Fights, Mode, Processes};
use mcpolicy_schema::entry::Entry;
use mcpolicy_schema::finding::FindingCode;
use mcpolicy_schema::identity::Identity;
use mcpolicy_schema::report::v1;
use mcpolicy_schema::verdict::{DecidedBy, Judgement};

use super::declared::{Declared, Known};
use super::fates::{Sight, Standing, Step};
use super::seen::{self, Found, Server};
use super::tell::Told;
use super::{Denied, Judged, Servers, What, sessions};
use crate::discover::HomeContext;
use crate::enforce::act::short_identity;
use crate::enforce::pass::{Amid, On, Setting};
use crate::journal;
use crate::pipeline::Ground;
use crate::report;
use crate::running::{self, RunningClient, Undeclared};

/// The home of a process, by the number of its user. Where the system has no such numbers, all are the user's own.
fn home_of(ground: &Ground, uid: Option<u32>) -> Option<&HomeContext> {
    match uid {
        Some(_) => {
            let found = ground.homes.iter().find(|home| home.uid == uid);
            // in a folder that is taken for a machine the only home may be one whose number is not believed (root's): what
            // runs there is what was let in
            found.or_else(|| {
                let only = ground.homes.first().filter(|_| ground.homes.len() == 1);
                only.filter(|home| !ground.machine.is_live() && home.uid.is_none())
            })
        }
        None => ground.homes.first().filter(|_| ground.homes.len() == 1),
    }
}

pub(super) fn user_of(ground: &Ground, uid: Option<u32>) -> &str {
    home_of(ground, uid).map_or("", |home| &home.user)
}

/// One look.
pub(super) struct Look<'l, 'g, 'h, 's, 'a> {
    pub(super) now: Instant,
    pub(super) servers: &'l mut Servers,
    pub(super) setting: &'l Setting<'l>,
    pub(super) on: On<'g, 'h>,
    pub(super) table: &'l [Process],
    pub(super) amid: Amid<'s, 'a>,
    pub(super) told: Vec<Told>,
}

impl Look<'_, '_, '_, '_, '_> {
    pub(super) fn run(&mut self) -> anyhow::Result<()> {
        let all = running::clients(self.table);
        let is_client: BTreeSet<u32> = all.iter().map(|client| client.process.pid).collect();
        let of_homes: Vec<RunningClient<'_>> =
            all.into_iter().filter(|client| home_of(self.on.ground, client.process.uid).is_some()).collect();
        self.servers.is_client_there = !of_homes.is_empty();
        let is_stale = self.servers.is_stale;
        if is_stale {
            self.servers.judged.clear();
            self.servers.declared.judge_gone(self.amid.judge);
        }
        self.sessions(&of_homes)?;
        // what cannot be told of flags is no reason to end nothing
        let given = self.given(&of_homes);
        let uids: BTreeSet<Option<u32>> = of_homes.iter().map(|client| client.process.uid).collect();
        self.servers.declared.forget(&|uid| match uid {
            Some(_) => uids.contains(&uid),
            None => !uids.is_empty(),
        });
        let declared = std::mem::take(&mut self.servers.declared);
        let sights = self.sights(&declared, &of_homes, &is_client);
        self.servers.declared = declared;
        let mut sights = sights?;
        self.orphans(&mut sights, is_stale);
        // a look that broke off before has judged nothing anew
        self.servers.is_stale = false;
        let may_end = matches!(self.amid.mode, Mode::Hold | Mode::Enforce);
        let steps = self.servers.fates.look(self.now, &sights, may_end, &Instance::is_running);
        let mut broken = None;
        for (server, step) in steps {
            // what could not be written down is not done, and begins anew at the next look
            broken = broken.or_else(|| self.take(server, &step).err());
            if broken.is_some() {
                self.servers.fates.forget(server);
            }
        }
        let followed: BTreeSet<Instance> = self.servers.fates.followed().collect();
        self.servers.denied.retain(|server, _| followed.contains(server));
        broken.map_or(given, Err)
    }

    /// Tells which clients have to be started anew.
    fn sessions(&mut self, clients: &[RunningClient<'_>]) -> anyhow::Result<()> {
        if !std::mem::replace(&mut self.servers.is_recalled, true) && !clients.is_empty() {
            let (records, _) = journal::read(&self.setting.state.join("journal"))?;
            self.servers.sessions.recall(&records);
        }
        let ground = self.on.ground;
        let sessions = clients.iter().filter_map(|client| {
            Some(sessions::Session {
                process: Instance::of(client.process.pid)?,
                since: client.process.start_time,
                client: client.adapter.about().id,
                user: user_of(ground, client.process.uid),
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
        declared: &Declared,
        clients: &[RunningClient<'_>],
        is_client: &BTreeSet<u32>,
    ) -> anyhow::Result<Vec<Sight>> {
        let given =
            self.servers.given.iter().map(|(client, held)| (client.pid, held.entries().cloned().collect()));
        let given: BTreeMap<u32, Vec<Entry>> = given.collect();
        let found = seen::servers(self.table, clients, (declared, &given), self.setting.redactor);
        let mut sights = Vec::new();
        let mut judged = BTreeMap::new();
        let mut leave: Option<BTreeSet<u32>> = None;
        for one in found {
            let Some(instance) = Instance::of(one.process.pid) else { continue };
            let judgement = match &one.server {
                Server::Of(known) => known.judgement().cloned(),
                Server::Undeclared(server, _) => {
                    let judgement = self.judge(instance, one.process, server);
                    judged.insert(
                        instance,
                        Judged { process: one.process.clone(), judgement: judgement.clone() },
                    );
                    Some(judgement)
                }
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
        self.servers.judged = judged;
        self.servers.allowed.retain(|instance| sights.iter().any(|sight| sight.server == *instance));
        Ok(sights)
    }

    /// Denied servers whose client has ended go on being what they are, by the policy and the mode of this moment. Without a
    /// client nothing else tells of them.
    fn orphans(&mut self, sights: &mut Vec<Sight>, is_stale: bool) {
        let followed: Vec<Instance> = self.servers.fates.followed().collect();
        for server in followed {
            let Some(mut denied) = self.servers.denied.get(&server).cloned() else { continue };
            let is_there = |now: &Process| {
                now.pid == server.pid && now.args == denied.process.args && now.exe == denied.process.exe
            };
            if sights.iter().any(|sight| sight.server == server)
                || !self.table.iter().any(is_there)
                || !server.is_running()
            {
                continue;
            }
            if is_stale {
                self.judge_again(&mut denied);
            }
            if denied.judgement.is_allowed() {
                sights.push(Sight { server, parts: Vec::new(), standing: Standing::Allowed });
                continue;
            }
            let is_fought = match &denied.what {
                What::Declared(known) => self.is_fought(&denied.user, known),
                What::Undeclared(_) => false,
            };
            (denied.left, denied.doubt, denied.sight.standing) =
                self.standing(&denied.judgement, denied.raw_doubt.clone(), is_fought);
            sights.push(denied.sight.clone());
            self.servers.denied.insert(server, denied);
        }
    }

    fn judge_again(&mut self, denied: &mut Denied) {
        let judge = &mut *self.amid.judge;
        match &mut denied.what {
            What::Declared(known) => {
                known.judge(self.on.ground, judge);
                denied.judgement = known.judgement().cloned().unwrap_or_else(|| denied.judgement.clone());
            }
            What::Undeclared(server) => {
                denied.judgement = judge.judge_process(server, denied.process.uid);
            }
        }
    }

    /// Why it is only told, why it is in doubt, and what the policy says of it now.
    fn standing(
        &self,
        judgement: &Judgement,
        doubt: Option<String>,
        is_fought: bool,
    ) -> (Option<String>, Option<String>, Standing) {
        let is_revoked = judgement.reason.as_ref().is_some_and(|reason| reason.code == FindingCode::Revoked);
        // what is denied by name is that, whoever started it
        let is_named = matches!(judgement.decided_by, DecidedBy::Revocation | DecidedBy::Denylist);
        let is_fought = is_fought && self.amid.document.policy.fights == Fights::StopServers;
        let doubt = doubt.filter(|_| !is_named);
        let left = doubt.clone().or_else(|| self.left_by_policy(is_fought));
        let standing = Standing::Denied { has_no_grace: is_revoked || is_fought, is_to_end: left.is_none() };
        (left, doubt, standing)
    }

    /// The judgement of an undeclared server, made once for what the process runs.
    fn judge(&mut self, instance: Instance, process: &Process, server: &Undeclared) -> Judgement {
        let known = self.servers.judged.remove(&instance).filter(|known| {
            let was = &known.process;
            (&was.args, &was.exe, &was.cwd) == (&process.args, &process.exe, &process.cwd)
        });
        match known {
            Some(known) => known.judgement,
            None => self.amid.judge.judge_process(server, process.uid),
        }
    }

    fn denied(
        &self,
        one: &Found<'_, '_>,
        (server, parts): (Instance, Vec<Instance>),
        judgement: Judgement,
    ) -> Denied {
        let about = one.client.adapter.about();
        let user = user_of(self.on.ground, one.process.uid).to_owned();
        let (what, raw_doubt, is_fought) = match &one.server {
            Server::Of(known) => {
                (What::Declared(Box::new((*known).clone())), None, self.is_fought(&user, known))
            }
            Server::Undeclared(server, doubt) => (What::Undeclared(server.clone()), doubt.clone(), false),
        };
        let (left, doubt, standing) = self.standing(&judgement, raw_doubt.clone(), is_fought);
        let known = self.servers.denied.get(&server);
        let (identity, fingerprint) = self.about(one);
        Denied {
            first: known.map_or(self.now, |known| known.first),
            process: one.process.clone(),
            what,
            raw_doubt,
            sight: Sight { server, parts, standing },
            judgement,
            client: (about.id, about.name, one.client.process.pid),
            name: self.name(one),
            identity,
            fingerprint,
            is_undeclared: match &one.server {
                Server::Of(known) => known.is_gone,
                Server::Undeclared(..) => true,
            },
            left,
            doubt,
            user,
        }
    }

    /// Whether a tool fights for its entry.
    fn is_fought(&self, user: &str, known: &Known) -> bool {
        self.servers.is_fought(user, &known.item.fingerprint, self.now)
    }

    /// Why nothing is ended at all, where that is so.
    fn left_by_policy(&self, is_fought: bool) -> Option<String> {
        let Amid { document, mode, .. } = &self.amid;
        let processes = if is_fought { Processes::Stop } else { document.policy.processes };
        match (processes, *mode) {
            (Processes::Report, _) => Some("the policy has running servers told, not ended".to_owned()),
            (Processes::Stop, Mode::Observe | Mode::Warn) => {
                Some(format!("mode {} ends nothing, enforcing would end it", crate::in_force::word(*mode)))
            }
            (Processes::Stop, Mode::Hold | Mode::Enforce) => None,
        }
    }

    /// What it runs, as reports show it, and the fingerprint of its entry.
    fn about(&self, one: &Found<'_, '_>) -> (v1::Identity, String) {
        let shown = |identity: &Identity| short_identity(report::identity(identity, self.setting.redactor));
        match &one.server {
            Server::Of(known) => (shown(&known.item.identity), known.item.fingerprint.clone()),
            Server::Undeclared(server, _) => {
                (shown(&server.identity), self.amid.judge.print_of_process(server, one.process.uid))
            }
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
        let user = user_of(self.on.ground, one.process.uid).to_owned();
        let (identity, fingerprint) = self.about(one);
        let told = Told::undeclared(instance, client, user, (self.name(one), identity, fingerprint));
        self.amid.note(told.event())?;
        self.told.push(told);
        Ok(())
    }

    /// Takes one step. It is in the journal before it is done.
    fn take(&mut self, server: Instance, step: &Step) -> anyhow::Result<()> {
        let Some(denied) = self.servers.denied.get(&server).cloned() else { return Ok(()) };
        let since = self.now.saturating_duration_since(denied.first);
        let told = Told::step(server, step, &denied, since);
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
        // it has become one since it was started: whatever it was, its user works in it
        if running::is_client(seen) {
            return Err(NotHeld::Changed);
        }
        Exact::hold(seen, one)
    }
}

//! Servers that clients were given on their command lines. What runs of them is a process and dealt with as such; a remote
//! one has none, and only its client's end ends it.

use std::collections::BTreeMap;
use std::time::Duration;

use mcpolicy_platform::processes::Instance;
use mcpolicy_schema::entry::Entry;
use mcpolicy_schema::finding::FindingCode;
use mcpolicy_schema::identity;
use mcpolicy_schema::report::v1;

use super::look::{Look, user_of};
use super::tell::Told;
use crate::board::running::{GivenServer, RunningServer};
use crate::enforce::act::short_identity;
use crate::given::{self, Given, Unread};
use crate::report;
use crate::running::{RunningClient, Undeclared};

/// What one client was given.
pub(super) struct Held {
    /// The command line that says so: a process may begin to run something else.
    args: Vec<String>,
    given: Vec<Given>,
    /// The same, judged, for calls of them.
    pub(super) servers: Vec<GivenServer>,
    /// Remote servers among it that are denied, and what of it nobody has read.
    pub(super) open: Vec<RunningServer>,
}

impl Held {
    /// The servers that it was given.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.given.iter().flat_map(|given| &given.entries)
    }
}

/// Clients of one user of which is read what they were given; with more than that the user is not compliant.
///
/// Attack: a thousand processes with the name of a client and a flag, anew at each look, each of which is read, and is a
/// record that is synced to the disk before anything else is done.
const MOST_OF_USER: usize = 64;
/// Clients of one user of which it is told in one look; of others in a later one.
const TOLD_OF_USER: usize = 4;

/// Servers of one client that are judged for calls of them; of others nothing is known.
const MOST_JUDGED: usize = 64;

/// Why none of them is ended.
const LEFT: &str = "its client holds it: end the client, and start it without";

impl Look<'_, '_, '_, '_, '_> {
    /// Judges what clients were given, and tells of it once for each client.
    ///
    /// # Errors
    /// The journal cannot be written. What was found is known all the same, and told at a later look.
    pub(super) fn given(&mut self, clients: &[RunningClient<'_>]) -> anyhow::Result<()> {
        let mut known = std::mem::take(&mut self.servers.given);
        let mut held = BTreeMap::new();
        let mut of_user: BTreeMap<Option<u32>, (usize, usize)> = BTreeMap::new();
        let mut broken = None;
        for client in clients.iter().filter(|client| given::is_given(client)) {
            let Some(instance) = Instance::of(client.process.pid) else { continue };
            let (count, told) = of_user.entry(client.process.uid).or_default();
            *count += 1;
            if *count > MOST_OF_USER {
                // it is told of one of them. None counts as read: the others may end, and this one is looked at then
                let open = (*count == MOST_OF_USER + 1).then(|| self.left_out(client)).into_iter().collect();
                held.insert(
                    instance,
                    Held { args: Vec::new(), given: Vec::new(), servers: Vec::new(), open },
                );
                continue;
            }
            let before = known.remove(&instance).filter(|held| held.args == client.process.args);
            let (given, was) = match before {
                Some(held) => (held.given, Some(held.open)),
                None => (given::of_client(client, self.setting.redactor), None),
            };
            let open = self.open(client, &given);
            let servers = self.judged(client, &given);
            // one that is not told yet is not known yet
            if was.as_ref() != Some(&open) {
                *told += 1;
                let is_told = *told <= TOLD_OF_USER && broken.is_none();
                broken = broken.or_else(|| {
                    is_told.then(|| self.tell_given(instance, client, (&given, &open)).err()).flatten()
                });
                let args = if is_told && broken.is_none() { client.process.args.clone() } else { Vec::new() };
                held.insert(instance, Held { args, given, servers, open });
                continue;
            }
            held.insert(instance, Held { args: client.process.args.clone(), given, servers, open });
        }
        self.servers.given = held;
        broken.map_or(Ok(()), Err)
    }

    /// What of it is denied and has no process of its own, and what is not read.
    fn open(&mut self, client: &RunningClient<'_>, given: &[Given]) -> Vec<RunningServer> {
        let entries = given.iter().flat_map(|given| &given.entries);
        let mut open: Vec<RunningServer> =
            entries.filter_map(|entry| self.denied_remote(client, entry)).collect();
        let unread = given.iter().filter_map(|given| Some((given, given.unread?))).take(MOST_UNREAD);
        open.extend(unread.map(|(given, why)| RunningServer {
            detail: given.said.clone(),
            doubt: (why == Unread::Form).then(|| "what stands there is not read by the agent".to_owned()),
            ..self.of_client(client, "servers of a flag".to_owned())
        }));
        // attack: as much in files before it as is told
        if !open.iter().any(|server| server.counts())
            && let Some(cut) = given.iter().find(|given| given.unread == Some(Unread::Bound))
        {
            let detail = format!("{}, which is more than is read of one client", cut.said);
            open.push(RunningServer { detail, ..self.of_client(client, "servers of a flag".to_owned()) });
        }
        open
    }

    /// What it was given, as the policy has it now, for whoever asks about a call.
    fn judged(&mut self, client: &RunningClient<'_>, given: &[Given]) -> Vec<GivenServer> {
        let entries: Vec<&Entry> = given.iter().flat_map(|given| &given.entries).take(MOST_JUDGED).collect();
        let mut judged = Vec::new();
        for entry in entries {
            let identity = identity::identify(entry);
            let directory = client.process.cwd.clone();
            let server = Undeclared { entry: entry.clone(), identity, directory, file: None };
            let judgement = self.amid.judge.judge_process(&server, client.process.uid);
            let reason = judgement.reason.as_ref();
            judged.push(GivenServer {
                user: user_of(self.on.ground, client.process.uid).to_owned(),
                client: client.adapter.about().id.to_owned(),
                name: self.setting.redactor.name(&entry.name),
                is_allowed: judgement.is_allowed(),
                code: reason.map_or("", |reason| reason.code.as_str()).to_owned(),
                detail: reason.map(|reason| reason.detail.clone()).unwrap_or_default(),
                fingerprint: self.amid.judge.print_of_process(&server, client.process.uid),
                identity: short_identity(report::identity(&server.identity, self.setting.redactor)),
                rule: judgement.rule,
            });
        }
        judged
    }

    /// Of a client that is one of too many.
    fn left_out(&self, client: &RunningClient<'_>) -> RunningServer {
        let detail = format!("its user runs more than {MOST_OF_USER} clients with servers of flags");
        RunningServer { detail, ..self.of_client(client, "servers of a flag".to_owned()) }
    }

    fn of_client(&self, client: &RunningClient<'_>, server: String) -> RunningServer {
        RunningServer {
            server,
            client: client.adapter.about().id.to_owned(),
            user: user_of(self.on.ground, client.process.uid).to_owned(),
            process: client.process.pid,
            undeclared: true,
            code: FindingCode::UndeclaredServer.as_str().to_owned(),
            rule: None,
            detail: String::new(),
            left: Some(LEFT.to_owned()),
            doubt: None,
        }
    }

    fn denied_remote(&mut self, client: &RunningClient<'_>, entry: &Entry) -> Option<RunningServer> {
        entry.url.as_ref()?;
        let identity = identity::identify(entry);
        let directory = client.process.cwd.clone();
        let server = Undeclared { entry: entry.clone(), identity, directory, file: None };
        let judgement = self.amid.judge.judge_process(&server, client.process.uid);
        if judgement.is_allowed() {
            return None;
        }
        let reason = judgement.reason.as_ref();
        let name = given::names(std::iter::once(&*entry.name), self.setting.redactor);
        Some(RunningServer {
            code: reason.map_or(FindingCode::NotAllowed, |reason| reason.code).as_str().to_owned(),
            rule: judgement.rule.clone(),
            detail: reason.map_or("it is not allowed", |reason| &reason.detail).to_owned(),
            ..self.of_client(client, name)
        })
    }

    fn about_given(&self, client: &RunningClient<'_>, entry: &Entry) -> (Option<v1::Identity>, String) {
        let identity = identity::identify(entry);
        let shown = short_identity(report::identity(&identity, self.setting.redactor));
        let directory = client.process.cwd.clone();
        let server = Undeclared { entry: entry.clone(), identity, directory, file: None };
        (Some(shown), self.amid.judge.print_of_process(&server, client.process.uid))
    }

    /// One event for all that a client was given.
    fn tell_given(
        &mut self,
        instance: Instance,
        client: &RunningClient<'_>,
        (given, open): (&[Given], &[RunningServer]),
    ) -> anyhow::Result<()> {
        let about = client.adapter.about();
        let said: Vec<&str> = given.iter().take(MOST_UNREAD).map(|given| &*given.said).collect();
        let denied: Vec<&RunningServer> = open.iter().filter(|server| server.counts()).collect();
        let denied_names: Vec<&str> = denied.iter().map(|server| &*server.server).collect();
        let mut detail = format!("{} (process {instance}) {}", about.name, said.join("; "));
        if open.iter().any(|server| !server.counts()) {
            detail.push_str("; what stands there is not read by the agent");
        }
        if let Some(first) = denied.first() {
            let names = given::names(denied_names.iter().copied(), self.setting.redactor);
            detail.push_str(&format!("; {names}: {}; not ended: {LEFT}", first.detail));
        }
        let entries: Vec<&Entry> = given.iter().flat_map(|given| &given.entries).collect();
        // of several none: what each of them is stands in the words
        let (identity, fingerprint) = match entries.as_slice() {
            [one] => self.about_given(client, one),
            _ => (None, String::new()),
        };
        let names: Vec<&str> = entries.iter().map(|entry| &*entry.name).collect();
        let told = Told {
            what: FindingCode::UndeclaredServer.as_str(),
            user: user_of(self.on.ground, client.process.uid).to_owned(),
            server: given::names(names.iter().copied(), self.setting.redactor),
            client: about.id,
            process: instance.pid,
            code: FindingCode::UndeclaredServer.as_str(),
            rule: denied.first().and_then(|server| server.rule.clone()),
            identity,
            fingerprint,
            detail,
            since: Duration::ZERO,
            is_news: false,
        };
        self.amid.note(told.event())?;
        self.told.push(told);
        Ok(())
    }
}

/// Most flags of one client that are told one by one.
const MOST_UNREAD: usize = 4;

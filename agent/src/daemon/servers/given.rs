//! Servers that clients were given on their command lines. What runs of them is a process and dealt with as such; a remote
//! one has none, and only its client's end ends it.

use std::collections::BTreeMap;
use std::time::Duration;

use mcpolicy_platform::processes::Instance;
use mcpolicy_schema::entry::Entry;
use mcpolicy_schema::finding::FindingCode;
use mcpolicy_schema::identity;

use super::look::{Look, user_of};
use super::tell::Told;
use crate::board::running::RunningServer;
use crate::given;
use crate::running::{RunningClient, Undeclared};

/// What one client was given.
pub(super) struct Held {
    /// The command line that says so: a process may begin to run something else.
    args: Vec<String>,
    /// Remote servers among it that are denied.
    pub(super) denied: Vec<RunningServer>,
}

/// Why none of them is ended.
const LEFT: &str = "its client holds it: end the client, and start it without";

impl Look<'_, '_, '_, '_, '_> {
    /// Judges what clients were given, and tells of it once for each client.
    pub(super) fn given(&mut self, clients: &[RunningClient<'_>]) -> anyhow::Result<()> {
        let mut known = std::mem::take(&mut self.servers.given);
        let mut held = BTreeMap::new();
        for client in clients {
            let given = given::of_client(client, self.setting.redactor);
            let Some(instance) = Instance::of(client.process.pid).filter(|_| !given.is_empty()) else {
                continue;
            };
            let entries = given.iter().flat_map(|given| &given.entries);
            let denied: Vec<RunningServer> =
                entries.filter_map(|entry| self.denied_remote(client, entry)).collect();
            let before = known.remove(&instance).filter(|held| held.args == client.process.args);
            if before.is_none() {
                for given in &given {
                    self.tell_given(instance, client, given)?;
                }
            }
            let was = before.map(|held| held.denied).unwrap_or_default();
            for server in denied.iter().filter(|server| !was.contains(server)) {
                self.tell_held(instance, client, server)?;
            }
            held.insert(instance, Held { args: client.process.args.clone(), denied });
        }
        self.servers.given = held;
        Ok(())
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
        Some(RunningServer {
            server: self.setting.redactor.name(&entry.name),
            client: client.adapter.about().id.to_owned(),
            user: user_of(self.on.ground, client.process.uid).to_owned(),
            process: client.process.pid,
            undeclared: true,
            code: reason.map_or(FindingCode::NotAllowed, |reason| reason.code).as_str().to_owned(),
            rule: judgement.rule.clone(),
            detail: reason.map_or("it is not allowed", |reason| &reason.detail).to_owned(),
            left: Some(LEFT.to_owned()),
            doubt: None,
        })
    }

    fn tell_given(
        &mut self,
        instance: Instance,
        client: &RunningClient<'_>,
        given: &given::Given,
    ) -> anyhow::Result<()> {
        let about = client.adapter.about();
        let unread = if given.is_unread { "; what stands there is not read by the agent" } else { "" };
        let detail = format!("{} (process {instance}) {}{unread}", about.name, given.said);
        let names = given.entries.iter().map(|entry| self.setting.redactor.name(&entry.name));
        let names: Vec<String> = names.collect();
        let told = Told {
            what: FindingCode::UndeclaredServer.as_str(),
            user: user_of(self.on.ground, client.process.uid).to_owned(),
            server: names.join(", "),
            client: about.id,
            process: instance.pid,
            code: FindingCode::UndeclaredServer.as_str(),
            rule: None,
            detail,
            since: Duration::ZERO,
            is_news: false,
        };
        self.amid.note(told.event())?;
        self.told.push(told);
        Ok(())
    }

    fn tell_held(
        &mut self,
        instance: Instance,
        client: &RunningClient<'_>,
        server: &RunningServer,
    ) -> anyhow::Result<()> {
        let about = client.adapter.about();
        let RunningServer { server: name, detail, .. } = server;
        let told = Told {
            what: "server-reported",
            user: server.user.clone(),
            server: name.clone(),
            client: about.id,
            process: instance.pid,
            code: FindingCode::UndeclaredServer.as_str(),
            rule: server.rule.clone(),
            detail: format!(
                "{} (process {instance}) was given {name}, which stands in no file: {detail}; not ended: {LEFT}",
                about.name
            ),
            since: Duration::ZERO,
            is_news: false,
        };
        self.amid.note(told.event())?;
        self.told.push(told);
        Ok(())
    }
}

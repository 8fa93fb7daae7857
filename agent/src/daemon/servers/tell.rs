//! What is told of running servers: the line of the daemon and the event of the journal. All text is redacted.

use std::time::Duration;

use mcpolicy_platform::processes::{Exact, Instance, NotHeld};
use mcpolicy_schema::entry::ClientId;
use mcpolicy_schema::finding::FindingCode;
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::v1;

use super::Denied;
use super::fates::Step;
use super::sessions::RestartNeeded;
use crate::journal::{Event, Running};

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What happened, which is the code of the event: `server-reported`, `server-warned`, `server-spared`,
    /// `server-asked`, `server-killed`, `server-ended`, `server-not-ended`, `undeclared-server`, `restart-needed`.
    pub what: &'static str,
    /// Its user; empty where none is known.
    pub user: String,
    /// The name of its entry, or what it runs.
    pub server: String,
    /// The client.
    pub client: ClientId,
    /// The process that it is about.
    pub process: u32,
    /// The code of the reason.
    pub code: &'static str,
    /// The rule that decided, where there is one.
    pub rule: Option<String>,
    /// What it runs or contacts; absent where it is about several.
    pub identity: Option<v1::Identity>,
    /// Fingerprint of its entry, or of the one that would have started it.
    pub fingerprint: String,
    /// In words.
    pub detail: String,
    /// How long after it was first seen.
    pub since: Duration,
    /// Its user is told of it on the desktop: what is about to be taken away, and what was.
    pub is_news: bool,
}

impl Told {
    /// The same for the journal.
    pub fn event(&self) -> Event {
        Event {
            user: self.user.clone(),
            server: self.server.clone(),
            running: Some(self.running()),
            ..Event::new(self.what, self.detail.clone())
        }
    }

    fn running(&self) -> Running {
        Running {
            client: self.client.to_owned(),
            reason: self.code.to_owned(),
            rule: self.rule.clone(),
            identity: self.identity.clone(),
            fingerprint: self.fingerprint.clone(),
        }
    }

    pub(super) fn step(server: Instance, step: &Step, denied: &Denied, since: Duration) -> Self {
        let (what, then) = match step {
            Step::Report => {
                let left = denied.left.as_deref().unwrap_or("it is left");
                ("server-reported", format!("not ended: {left}"))
            }
            Step::Warn(grace) if grace.is_zero() => ("server-warned", "it is ended now".to_owned()),
            Step::Warn(grace) => ("server-warned", format!("it is ended in {} s", grace.as_secs())),
            Step::Spare => {
                let why = denied.left.as_deref().unwrap_or("the policy allows it now");
                ("server-spared", format!("it is not ended any more: {why}"))
            }
            Step::AskToEnd(all) if Exact::ASKS => ("server-asked", format!("{} asked to end", count(all))),
            Step::AskToEnd(all) => ("server-killed", format!("{} ended", count(all))),
            Step::Kill(all) => {
                ("server-killed", format!("{} killed, which did not end when asked", count(all)))
            }
            Step::Ended { is_killed: false } => ("server-ended", "it has ended".to_owned()),
            Step::Ended { is_killed: true } => ("server-ended", "it was killed and has ended".to_owned()),
            Step::Survived => ("server-not-ended", "it was killed and goes on".to_owned()),
        };
        let is_news = match step {
            // told when it has ended, a moment later
            Step::Warn(grace) => !grace.is_zero(),
            Step::Ended { .. } | Step::Spare => true,
            Step::Report | Step::AskToEnd(_) | Step::Kill(_) | Step::Survived => false,
        };
        Self { since, is_news, ..Self::of(what, server, denied, &then) }
    }

    pub(super) fn refused(server: Instance, denied: &Denied, error: &NotHeld) -> Self {
        Self::of("server-not-ended", server, denied, &format!("it goes on: {error}"))
    }

    fn of(what: &'static str, server: Instance, denied: &Denied, then: &str) -> Self {
        let (client, name, client_process) = denied.client;
        let reason = denied.judgement.reason.as_ref();
        let declared = if denied.is_undeclared { ", which stands in no file" } else { "" };
        let why = reason.map_or("it is not allowed", |reason| reason.detail.as_str());
        let detail = format!(
            "{name} (process {client_process}) runs {} (process {server}){declared}: {why}; {then}",
            denied.name
        );
        Self {
            what,
            user: denied.user.clone(),
            server: denied.name.clone(),
            client,
            process: server.pid,
            code: reason.map_or(FindingCode::NotAllowed, |reason| reason.code).as_str(),
            rule: denied.judgement.rule.clone(),
            identity: Some(denied.identity.clone()),
            fingerprint: denied.fingerprint.clone(),
            detail,
            since: Duration::ZERO,
            is_news: false,
        }
    }

    /// A server that no file declares, and that the policy allows.
    pub(super) fn undeclared(
        server: Instance,
        (client, name, client_process): (ClientId, &'static str, u32),
        user: String,
        (shown, identity, fingerprint): (String, v1::Identity, String),
    ) -> Self {
        let detail = format!(
            "{name} (process {client_process}) runs {shown} (process {server}), which stands in no file; the policy allows it"
        );
        let code = FindingCode::UndeclaredServer.as_str();
        Self {
            what: code,
            user,
            server: shown,
            client,
            process: server.pid,
            code,
            rule: None,
            identity: Some(identity),
            fingerprint,
            detail,
            since: Duration::ZERO,
            is_news: false,
        }
    }

    pub(super) fn restart_needed(
        process: Instance,
        name: &str,
        needed: &RestartNeeded,
        redactor: &Redactor,
    ) -> Self {
        let servers: Vec<String> = needed.servers.iter().map(|server| redactor.name(server)).collect();
        let server = servers.join(", ");
        let detail = format!(
            "{name} (process {process}) was started before {server} was taken away and may hold it until it ends: start \
             it anew"
        );
        let code = FindingCode::RestartNeeded.as_str();
        Self {
            what: code,
            user: needed.user.clone(),
            server,
            client: needed.client,
            process: process.pid,
            code,
            rule: None,
            identity: None,
            fingerprint: String::new(),
            detail,
            since: Duration::ZERO,
            is_news: false,
        }
    }
}

fn count(all: &[Instance]) -> String {
    match all.len() {
        1 => "1 process is".to_owned(),
        many => format!("{many} processes are"),
    }
}

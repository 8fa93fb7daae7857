//! What the journal says, as records of a report. The journal is the record of this machine, on its disk before anything is
//! done; a report repeats it for those who watch a fleet.

use std::collections::BTreeMap;

use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::v1::{self, Body, Class};

use crate::board::running::is_about_server;
use crate::board::status::{GATE, NATIVE, PROCESSES, WATCH};
use crate::journal::{self, Event, Intent, Outcome, Record, What};

/// Events that tell of something that the policy does not allow, or of somebody who is at the agent itself. The codes of
/// running servers begin with `server-`.
const VIOLATIONS: [&str; 17] = [
    "undeclared-server",
    "planted-many-clients",
    "fight",
    "not-done",
    "not-looked-at",
    "journal-damaged",
    "journal-cut",
    "state-damaged",
    "remembered-damaged",
    "policy-refused",
    "policy-held",
    "policy-store-mended",
    "purge-refused",
    "clock-rollback",
    "hints-lost",
    "home-unfinished",
    "agent-gap",
];

/// Intents that wait for their outcomes, at most.
///
/// A crash leaves an intent without an outcome; it gets one at the next start, so that few ever wait.
const MOST_WAITING: usize = 4096;

/// Makes bodies of records of the journal, in their order.
#[derive(Default)]
pub(super) struct OfJournal {
    begun: BTreeMap<u64, Intent>,
}

impl OfJournal {
    /// The bodies for one record, each with its class. None for an intent: what became of it is what is told.
    pub(super) fn bodies(&mut self, record: &Record, redactor: &Redactor) -> Vec<(Class, Body)> {
        match &record.what {
            What::Intent(intent) => {
                self.begun.insert(record.seq, intent.clone());
                if self.begun.len() > MOST_WAITING {
                    self.begun.pop_first();
                }
                Vec::new()
            }
            What::Outcome(outcome) => {
                let intent = self.begun.remove(&outcome.intent);
                intent.map(|intent| actions(record.seq, &intent, outcome, redactor)).unwrap_or_default()
            }
            What::Event(event) => {
                vec![(class_of(&event.code), Body::Event(of_event(record.seq, event, redactor)))]
            }
        }
    }
}

fn class_of(code: &str) -> Class {
    if code.starts_with("server-") || VIOLATIONS.contains(&code) { Class::Violation } else { Class::Event }
}

fn actions(seq: u64, intent: &Intent, outcome: &Outcome, redactor: &Redactor) -> Vec<(Class, Body)> {
    let place = v1::Action {
        outcome: outcome.outcome.as_str().to_owned(),
        layer: if intent.layer.is_empty() { WATCH.to_owned() } else { intent.layer.clone() },
        user: intent.user.clone(),
        path: redactor.name(&intent.path),
        block: intent.vault.clone(),
        journal: Some(seq),
        ..v1::Action::default()
    };
    let of = |one: &journal::Action| {
        let mut told = action(one.redacted(redactor), place.clone());
        if !outcome.detail.is_empty() {
            told.detail = format!("{}; {}", told.detail, redactor.name(&outcome.detail));
        }
        Body::Action(told)
    };
    intent.actions.iter().map(|action| (Class::Violation, of(action))).collect()
}

/// An action, which is redacted, with where it was and what became of it.
pub(super) fn action(action: journal::Action, place: v1::Action) -> v1::Action {
    v1::Action {
        action: action.action,
        server: action.server,
        client: action.client,
        fingerprint: action.fingerprint,
        code: action.code,
        rule: action.rule,
        detail: action.detail,
        identity: action.identity,
        ..place
    }
}

fn of_event(seq: u64, event: &Event, redactor: &Redactor) -> v1::Event {
    let running = event.running.as_ref();
    let is_of_server = running.is_some() || is_about_server(&event.code);
    v1::Event {
        code: event.code.clone(),
        user: event.user.clone(),
        server: redactor.name(&event.server),
        layer: match event.code.as_str() {
            code if code.starts_with("native-") => NATIVE.to_owned(),
            code if code.starts_with("gate-") => GATE.to_owned(),
            _ if is_of_server => PROCESSES.to_owned(),
            _ => String::new(),
        },
        client: running.map(|running| running.client.clone()).unwrap_or_default(),
        identity: running.and_then(|running| running.identity.clone()),
        fingerprint: running.map(|running| running.fingerprint.clone()).unwrap_or_default(),
        reason: running.map(|running| running.reason.clone()).unwrap_or_default(),
        rule: running.and_then(|running| running.rule.clone()),
        detail: redactor.name(&event.detail),
        count: event.count,
        from: event.gap.as_ref().map(|gap| gap.from.to_string()),
        to: event.gap.as_ref().map(|gap| gap.to.to_string()),
        journal: Some(seq),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Action, End, Running};

    fn record(seq: u64, what: What) -> Record {
        Record { seq, prev: String::new(), time: jiff::Timestamp::UNIX_EPOCH, uid: None, what }
    }

    fn intent(server: &str) -> What {
        let action = Action {
            action: "quarantine".to_owned(),
            server: server.to_owned(),
            client: "cursor".to_owned(),
            fingerprint: "sha256:00".to_owned(),
            code: "not-allowed".to_owned(),
            detail: "no rule is about it".to_owned(),
            rule: None,
            identity: None,
        };
        What::Intent(Intent {
            user: "ann".to_owned(),
            path: "/home/ann/.cursor/mcp.json".to_owned(),
            path_base64: None,
            before: String::new(),
            after: String::new(),
            vault: "q-1".to_owned(),
            home: "/home/ann".to_owned(),
            temporary: String::new(),
            layer: String::new(),
            actions: vec![action],
        })
    }

    #[test]
    fn an_action_is_told_with_its_outcome_and_without_a_secret_in_its_name() {
        let (redactor, mut of) = (Redactor::new(b"key"), OfJournal::default());
        let secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
        assert_eq!(of.bodies(&record(1, intent(secret)), &redactor), []);
        let outcome = Outcome { intent: 1, outcome: End::Applied, detail: String::new() };
        let told = of.bodies(&record(2, What::Outcome(outcome.clone())), &redactor);
        let [(Class::Violation, Body::Action(action))] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((&*action.outcome, &*action.block, action.journal), ("applied", "q-1", Some(2)));
        assert!(!format!("{told:?}").contains(secret), "{told:?}");
        let again = of.bodies(&record(3, What::Outcome(outcome)), &redactor);
        assert_eq!(again, [], "an intent has one outcome");
    }

    #[test]
    fn a_running_server_is_told_with_what_it_is_and_by_which_layer() {
        let identity = v1::Identity {
            kind: "npm".to_owned(),
            name: "npm:evil".to_owned(),
            version: None,
            pinned: false,
        };
        let running = Running {
            client: "cursor".to_owned(),
            reason: "not-allowed".to_owned(),
            rule: None,
            identity: Some(identity.clone()),
            fingerprint: "sha256:00".to_owned(),
        };
        let event = Event { running: Some(running), ..Event::new("undeclared-server", "it runs") };
        let told = OfJournal::default().bodies(&record(1, What::Event(event)), &Redactor::new(b"key"));
        let [(Class::Violation, Body::Event(event))] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((&*event.layer, &*event.client, &*event.reason), ("processes", "cursor", "not-allowed"));
        assert_eq!((event.identity.as_ref(), &*event.fingerprint), (Some(&identity), "sha256:00"));
        let other = What::Event(Event::new("policy-held", "it would remove much"));
        let told = OfJournal::default().bodies(&record(2, other), &Redactor::new(b"key"));
        assert!(matches!(&told[..], [(_, Body::Event(event))] if event.layer.is_empty()), "{told:?}");
    }

    #[test]
    fn what_is_about_a_denied_server_or_the_agent_itself_is_a_violation() {
        for code in ["server-ended", "fight", "journal-damaged"] {
            assert_eq!(class_of(code), Class::Violation, "{code}");
        }
        assert_eq!(class_of("policy-activated"), Class::Event);
    }
}

//! Clients that were started before an entry of theirs was taken away. They may hold its server until they end: most read
//! their files only when they start.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use mcpolicy_platform::processes::Instance;
use mcpolicy_schema::entry::ClientId;

use crate::journal::{Action, End, Record, What};

/// A client that has to be started anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartNeeded {
    /// Which client.
    pub client: ClientId,
    /// Its user.
    pub user: String,
    /// Names of servers that it may hold.
    pub servers: BTreeSet<String>,
}

/// An entry that was taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Taken {
    user: String,
    client: String,
    server: String,
    /// When, where that was before this look: whoever runs now was there when something is done now.
    at: Option<Timestamp>,
}

/// A client that runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session<'s> {
    /// Its process.
    pub(super) process: Instance,
    /// When it started, in seconds since 1970.
    pub(super) since: u64,
    /// Which client.
    pub(super) client: ClientId,
    /// Its user.
    pub(super) user: &'s str,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    taken: Vec<Taken>,
    needed: BTreeMap<Instance, RestartNeeded>,
}

impl Sessions {
    /// What was done to entries of a user just now, of files that these clients read. Whether something was taken away.
    pub(super) fn acted(&mut self, user: &str, clients: &BTreeSet<ClientId>, actions: &[Action]) -> bool {
        let before = self.taken.len();
        self.take(user, clients, actions, None);
        self.taken.len() > before
    }

    fn take(&mut self, user: &str, clients: &BTreeSet<ClientId>, actions: &[Action], at: Option<Timestamp>) {
        for action in actions.iter().filter(|action| takes_away(action)) {
            let all = clients.iter().copied().chain([action.client.as_str()]).collect::<BTreeSet<_>>();
            self.taken.extend(all.into_iter().map(|client| Taken {
                user: user.to_owned(),
                client: client.to_owned(),
                server: action.server.clone(),
                at,
            }));
        }
    }

    /// What the journal says was done before this agent was started: a client may have been started earlier still.
    pub(super) fn recall(&mut self, records: &[Record]) {
        let mut intents = BTreeMap::new();
        for record in records {
            match &record.what {
                What::Intent(intent) => drop(intents.insert(record.seq, (record.time, intent))),
                What::Outcome(outcome) => {
                    let intent = intents.remove(&outcome.intent);
                    if let Some((at, intent)) = intent.filter(|_| outcome.outcome == End::Applied) {
                        self.take(&intent.user, &BTreeSet::new(), &intent.actions, Some(at));
                    }
                }
                What::Event(_) => {}
            }
        }
    }

    /// Takes in which clients run now. Those that need a restart since this look, or for one more server.
    pub(super) fn look(&mut self, running: &[Session<'_>]) -> Vec<(Instance, RestartNeeded)> {
        self.needed.retain(|process, _| running.iter().any(|session| session.process == *process));
        let mut new = Vec::new();
        for session in running {
            let of_it = self.taken.iter().filter(|taken| {
                // the client is older if it was started within the same second: then it may have read the file before
                let since = i64::try_from(session.since).unwrap_or(i64::MAX);
                let is_older = taken.at.is_none_or(|at| since <= at.as_second());
                is_older && taken.user == session.user && taken.client == session.client
            });
            let servers: BTreeSet<String> = of_it.map(|taken| taken.server.clone()).collect();
            let known = self.needed.get(&session.process);
            if servers.is_empty() || known.is_some_and(|known| servers.is_subset(&known.servers)) {
                continue;
            }
            let user = session.user.to_owned();
            let needed = self.needed.entry(session.process);
            let needed =
                needed.or_insert(RestartNeeded { client: session.client, user, servers: BTreeSet::new() });
            needed.servers.extend(servers);
            new.push((session.process, needed.clone()));
        }
        // whoever is started from now on reads what is there now
        self.taken.clear();
        new
    }

    /// Those that have to be started anew.
    pub(super) fn needed(&self) -> impl Iterator<Item = (Instance, &RestartNeeded)> {
        self.needed.iter().map(|(process, needed)| (*process, needed))
    }
}

/// Whether a client that has read the entry before has what it should not have any more.
fn takes_away(action: &Action) -> bool {
    let taking = ["quarantine", "revert", "pin", "disable", "switch-off", "quarantine-file"];
    taking.contains(&action.action.as_str())
}

#[cfg(test)]
mod tests {
    use mcpolicy_platform::processes::Started;

    use super::*;

    fn action(word: &str) -> Action {
        Action {
            action: word.to_owned(),
            server: "evil".to_owned(),
            client: "cursor".to_owned(),
            fingerprint: String::new(),
            code: "not-allowed".to_owned(),
            detail: String::new(),
            rule: None,
            identity: None,
        }
    }

    fn session(pid: u32, since: u64, client: ClientId, user: &'static str) -> Session<'static> {
        Session { process: Instance { pid, started: Started(since) }, since, client, user }
    }

    const NONE: [u32; 0] = [];

    fn pids(new: &[(Instance, RestartNeeded)]) -> Vec<u32> {
        new.iter().map(|(process, _)| process.pid).collect()
    }

    #[test]
    fn clients_of_the_user_that_were_started_before_an_entry_went_need_a_restart_until_they_end() {
        let mut sessions = Sessions::default();
        assert!(sessions.acted("ann", &BTreeSet::from(["claude-code"]), &[action("quarantine")]));
        let running = [
            session(1, 900, "cursor", "ann"),
            session(3, 900, "cursor", "ben"),
            session(4, 900, "codex", "ann"),
            session(5, 900, "claude-code", "ann"),
        ];
        assert_eq!(pids(&sessions.look(&running)), [1, 5]);
        let later = session(2, 1001, "cursor", "ann");
        assert_eq!(
            pids(&sessions.look(&[&running[..], &[later]].concat())),
            NONE,
            "it has read what is there now"
        );
        assert_eq!(pids(&sessions.look(&running)), NONE, "it is told once");
        assert_eq!(sessions.needed().count(), 2);
        assert_eq!(pids(&sessions.look(&running[3..])), NONE);
        assert_eq!(sessions.needed().map(|(process, _)| process.pid).collect::<Vec<_>>(), [5]);
        let again = session(5, 2000, "claude-code", "ann");
        sessions.look(&[again]);
        assert_eq!(sessions.needed().count(), 0, "the number is another process's now");
    }

    #[test]
    fn what_gives_back_or_leaves_needs_no_restart() {
        for word in ["restore", "left", "approval"] {
            let mut sessions = Sessions::default();
            assert!(!sessions.acted("ann", &BTreeSet::new(), &[action(word)]), "{word}");
            assert_eq!(pids(&sessions.look(&[session(1, 900, "cursor", "ann")])), NONE, "{word}");
        }
    }

    #[test]
    fn what_was_done_before_the_agent_was_started_is_taken_from_the_journal() {
        use crate::journal::{Intent, Outcome};
        let record = |seq, second, what| Record {
            seq,
            prev: String::new(),
            time: Timestamp::from_second(second).unwrap(),
            uid: None,
            what,
        };
        let intent = || Intent {
            user: "ann".to_owned(),
            path: String::new(),
            path_base64: None,
            before: String::new(),
            after: String::new(),
            vault: String::new(),
            home: String::new(),
            temporary: String::new(),
            layer: String::new(),
            actions: vec![action("revert")],
        };
        let outcome = |intent, outcome| What::Outcome(Outcome { intent, outcome, detail: String::new() });
        let records = [
            record(1, 500, What::Intent(intent())),
            record(2, 501, outcome(1, End::Applied)),
            record(3, 1000, What::Intent(intent())),
            record(4, 1001, outcome(3, End::Conflict)),
        ];
        let mut sessions = Sessions::default();
        sessions.recall(&records);
        let running = [session(1, 400, "cursor", "ann"), session(2, 900, "cursor", "ann")];
        assert_eq!(pids(&sessions.look(&running)), [1]);
    }
}

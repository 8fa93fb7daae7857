//! Calls that go on, and records of such as are over, until the daemon takes them.
//!
//! The threads that answer hooks write it and never wait for a disk. It is bounded of each user: whoever makes up calls by the
//! thousand loses the records of the own ones, and that is counted.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mcpolicy_schema::report::v1::{Event, ToolCall};

use super::decide::Judged;
use super::{Call, Ended};

/// Calls of one user that may go on at once; beyond, the oldest is told without its end.
const MOST_OPEN: usize = 256;
/// Records of one user in [`WINDOW`], of calls that were let through and of refused ones each: the one kind hides nothing of
/// the other.
const MOST_OF_USER: u32 = 1200;
/// See [`MOST_OF_USER`].
const WINDOW: Duration = Duration::from_secs(600);
/// Records that wait for the daemon.
const MOST_READY: usize = 4096;
/// How long the end of a call is waited for.
const OPEN_FOR: Duration = Duration::from_secs(600);
/// Servers of sessions that are remembered of one user.
const MOST_HELD: usize = 512;
/// Users of whom anything is kept. Accounts are few; that there is a bound is enough.
const MOST_USERS: usize = 1024;

/// A record, with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// When the call was made.
    pub time: Timestamp,
    /// The record.
    pub call: ToolCall,
}

/// Records that were not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Missed {
    count: u64,
    from: Timestamp,
    to: Timestamp,
}

struct Open {
    key: String,
    since: Instant,
    told: Told,
}

#[derive(Default)]
struct OfUser {
    open: VecDeque<Open>,
    /// Session and server, and the fingerprint of the entry with which they first called.
    held: VecDeque<(String, String)>,
    /// When the window began, and how many records of it were let through and refused.
    window: Option<(Instant, [u32; 2])>,
    missed: Option<Missed>,
}

/// The calls of all users.
#[derive(Default)]
pub struct Ledger {
    users: BTreeMap<String, OfUser>,
    ready: VecDeque<Told>,
    /// The daemon was woken and has not come yet.
    is_woken: bool,
}

/// What the daemon takes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Records.
    pub calls: VecDeque<Told>,
    /// Counts of what was not kept, with their time.
    pub events: VecDeque<(Timestamp, Event)>,
}

/// By what a call and its end are joined. A client without ids of calls has the same tool called with the same arguments.
fn key_of(call: &Call) -> String {
    let by_itself = [&call.tool, &call.input, call.server.as_ref().unwrap_or(&call.tool)];
    let parts = if call.call.is_empty() { by_itself.map(String::as_str) } else { [&call.call, "", ""] };
    [call.client.id(), &call.session, parts[0], parts[1], parts[2]].join("\n")
}

fn session_of(call: &Call) -> String {
    let server = call.server.clone().unwrap_or_else(|| super::names::split(&call.tool).0.to_owned());
    [call.client.id(), &call.session, &server].join("\n")
}

impl Ledger {
    /// The entry with which a session first called a server.
    pub fn held(&self, user: &str, call: &Call) -> Option<String> {
        let key = session_of(call);
        let held = &self.users.get(user)?.held;
        held.iter().find(|(of, _)| *of == key).map(|(_, fingerprint)| fingerprint.clone())
    }

    /// Takes in what was decided about a call.
    pub fn begins(&mut self, user: &str, call: &Call, judged: &Judged, told: Told, now: Instant) {
        if self.users.len() >= MOST_USERS && !self.users.contains_key(user) {
            return;
        }
        let is_let_through = told.call.decision != "deny";
        let of_user = self.users.entry(user.to_owned()).or_default();
        if is_let_through && !call.session.is_empty() && !judged.fingerprint.is_empty() {
            of_user.hold(session_of(call), judged.fingerprint.clone());
        }
        if !of_user.has_room(is_let_through, now, told.time) {
            return;
        }
        if !is_let_through {
            self.ready(told);
            return;
        }
        of_user.open.push_back(Open { key: key_of(call), since: now, told });
        if of_user.open.len() > MOST_OPEN
            && let Some(oldest) = of_user.open.pop_front()
        {
            self.ready(without_end(oldest.told));
        }
    }

    /// Takes in that a call is over. One that nobody asked about is none.
    pub fn ends(&mut self, user: &str, ended: &Ended, now: Instant) {
        let Some(of_user) = self.users.get_mut(user) else { return };
        let key = key_of(&ended.call);
        let Some(at) = of_user.open.iter().position(|open| open.key == key) else { return };
        let Some(Open { mut told, since, .. }) = of_user.open.remove(at) else { return };
        // the client's own number knows nothing of how long its user was asked, but is no more than what went by
        let went_by = u64::try_from(now.saturating_duration_since(since).as_millis()).unwrap_or(u64::MAX);
        told.call.latency_ms = Some(ended.took_ms.map_or(went_by, |took| took.min(went_by)));
        let result = ended.is_ok.map_or("unknown", |is_ok| if is_ok { "ok" } else { "error" });
        result.clone_into(&mut told.call.result);
        self.ready(told);
    }

    /// Whether the daemon is to be woken for what is ready. Said once until it has come.
    pub fn wakes(&mut self) -> bool {
        !self.ready.is_empty() && !std::mem::replace(&mut self.is_woken, true)
    }

    /// Gives out what is ready, and tells without their ends calls that go on for too long; all of them with `all`.
    pub fn take(&mut self, now: Instant, all: bool) -> Taken {
        self.is_woken = false;
        let mut taken = Taken::default();
        for (user, of_user) in &mut self.users {
            let is_late = |open: &Open| all || now.saturating_duration_since(open.since) >= OPEN_FOR;
            while of_user.open.front().is_some_and(is_late) {
                taken.calls.extend(of_user.open.pop_front().map(|open| without_end(open.told)));
            }
            let is_over =
                of_user.window.is_none_or(|(since, _)| now.saturating_duration_since(since) >= WINDOW);
            if (is_over || all)
                && let Some(missed) = of_user.missed.take()
            {
                taken.events.push_back((missed.to, unrecorded(user, &missed)));
            }
        }
        taken.calls.extend(self.ready.drain(..));
        taken.calls.make_contiguous().sort_by_key(|told| told.time);
        taken
    }

    /// Takes back what could not be written.
    pub fn again(&mut self, taken: Taken) {
        for told in taken.calls {
            self.ready(told);
        }
        for (to, event) in taken.events {
            let Some(of_user) = self.users.get_mut(&event.user) else { continue };
            let from = event.from.and_then(|from| from.parse().ok()).unwrap_or(to);
            of_user.miss(event.count.unwrap_or(1), from, to);
        }
    }

    fn ready(&mut self, told: Told) {
        self.ready.push_back(told);
        if self.ready.len() > MOST_READY
            && let Some(oldest) = self.ready.pop_front()
            && let Some(of_user) = self.users.get_mut(&oldest.call.user)
        {
            of_user.miss(1, oldest.time, oldest.time);
        }
    }
}

impl OfUser {
    /// Remembers the first entry of a session and server.
    fn hold(&mut self, key: String, fingerprint: String) {
        if self.held.iter().any(|(of, _)| *of == key) {
            return;
        }
        self.held.push_back((key, fingerprint));
        if self.held.len() > MOST_HELD {
            self.held.pop_front();
        }
    }

    /// Whether one more is recorded; one that is not is counted.
    fn has_room(&mut self, is_let_through: bool, now: Instant, time: Timestamp) -> bool {
        let is_over = |since: Instant| now.saturating_duration_since(since) >= WINDOW;
        if self.window.is_none_or(|(since, _)| is_over(since)) {
            self.window = Some((now, [0; 2]));
        }
        let counts = self.window.as_mut().map(|(_, counts)| counts);
        let Some(count) = counts.and_then(|counts| counts.get_mut(usize::from(is_let_through))) else {
            return false;
        };
        *count = count.saturating_add(1);
        if *count <= MOST_OF_USER {
            return true;
        }
        self.miss(1, time, time);
        false
    }

    fn miss(&mut self, count: u64, from: Timestamp, to: Timestamp) {
        let missed = self.missed.get_or_insert(Missed { count: 0, from, to });
        missed.count = missed.count.saturating_add(count);
        (missed.from, missed.to) = (missed.from.min(from), missed.to.max(to));
    }
}

fn without_end(mut told: Told) -> Told {
    "unknown".clone_into(&mut told.call.result);
    told
}

fn unrecorded(user: &str, missed: &Missed) -> Event {
    let minutes = WINDOW.as_secs() / 60;
    Event {
        code: "tool-calls-unrecorded".to_owned(),
        user: user.to_owned(),
        detail: format!(
            "more calls of tools than {MOST_OF_USER} in {minutes} minutes: those beyond are counted only"
        ),
        count: Some(missed.count),
        from: Some(missed.from.to_string()),
        to: Some(missed.to.to_string()),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::Caller;

    fn call(id: &str) -> Call {
        Call {
            client: Caller::ClaudeCode,
            session: "s".to_owned(),
            call: id.to_owned(),
            server: Some("corp".to_owned()),
            is_given: false,
            tool: "mcp__corp__echo".to_owned(),
            folders: Vec::new(),
            command: None,
            url: None,
            input: String::new(),
            is_unreadable: false,
        }
    }

    fn judged(fingerprint: &str) -> Judged {
        Judged {
            is_allowed: true,
            acts: true,
            reason: String::new(),
            detail: String::new(),
            rule: None,
            contact: String::new(),
            server: "corp".to_owned(),
            tool: "echo".to_owned(),
            identity: None,
            fingerprint: fingerprint.to_owned(),
        }
    }

    fn told(user: &str, decision: &str) -> Told {
        let call = ToolCall { user: user.to_owned(), decision: decision.to_owned(), ..ToolCall::default() };
        Told { time: Timestamp::UNIX_EPOCH, call }
    }

    fn begin(ledger: &mut Ledger, user: &str, id: &str, decision: &str, now: Instant) {
        ledger.begins(user, &call(id), &judged("f"), told(user, decision), now);
    }

    fn end(ledger: &mut Ledger, user: &str, id: &str, took_ms: u64, now: Instant) {
        ledger.ends(user, &Ended { call: call(id), is_ok: Some(true), took_ms: Some(took_ms) }, now);
    }

    #[test]
    fn a_call_is_told_once_with_its_end_and_a_refused_one_at_once() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        begin(&mut ledger, "ann", "1", "allow", now);
        assert!(!ledger.wakes() && ledger.take(now, false) == Taken::default());
        end(&mut ledger, "bob", "1", 5, now);
        assert!(!ledger.wakes(), "it is no call of his");
        // a client that says it took an hour is believed as far as the clock goes
        end(&mut ledger, "ann", "1", 3_600_000, now + Duration::from_millis(20));
        end(&mut ledger, "ann", "1", 5, now);
        begin(&mut ledger, "ann", "2", "deny", now);
        assert!(ledger.wakes() && !ledger.wakes(), "the daemon is woken once");
        let taken = ledger.take(now, false);
        let results: Vec<_> =
            taken.calls.iter().map(|told| (&*told.call.result, told.call.latency_ms)).collect();
        assert_eq!(results, [("ok", Some(20)), ("", None)]);
        assert_eq!(ledger.take(now, true), Taken::default());
    }

    #[test]
    fn a_call_without_an_end_is_told_after_a_while_and_when_the_agent_ends() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        begin(&mut ledger, "ann", "1", "allow", now);
        begin(&mut ledger, "ann", "2", "allow", now + OPEN_FOR / 2);
        let results =
            |taken: Taken| taken.calls.iter().map(|told| told.call.result.clone()).collect::<Vec<_>>();
        assert_eq!(results(ledger.take(now + OPEN_FOR, false)), ["unknown"]);
        assert_eq!(results(ledger.take(now + OPEN_FOR, true)), ["unknown"]);
    }

    #[test]
    fn a_hundred_thousand_calls_of_one_user_are_counted_and_hide_neither_refusals_nor_those_of_others() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        let mut told = 0;
        for number in 0..100_000_u32 {
            begin(&mut ledger, "bob", &number.to_string(), "allow", now);
            if number % 1000 == 0 {
                told += ledger.take(now, false).calls.len();
            }
        }
        begin(&mut ledger, "bob", "refused", "deny", now);
        begin(&mut ledger, "ann", "hers", "deny", now);
        let taken = ledger.take(now, true);
        let of = |user: &str, decision: &str| {
            taken.calls.iter().filter(|told| told.call.user == user && told.call.decision == decision).count()
        };
        assert_eq!((of("bob", "deny"), of("ann", "deny")), (1, 1));
        assert_eq!(told + of("bob", "allow"), MOST_OF_USER as usize);
        assert_eq!(taken.events.len(), 1);
        let (_, event) = &taken.events[0];
        assert_eq!((&*event.user, event.count), ("bob", Some(100_000 - u64::from(MOST_OF_USER))));
        assert!(ledger.users["bob"].open.len() <= MOST_OPEN && ledger.users["bob"].held.len() == 1);
    }

    #[test]
    fn what_could_not_be_written_is_kept_as_far_as_there_is_room_and_counted_beyond() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        begin(&mut ledger, "ann", "0", "deny", now);
        let mut taken = ledger.take(now, false);
        taken.calls = std::iter::repeat_n(told("ann", "deny"), MOST_READY + 5).collect();
        ledger.again(taken);
        let taken = ledger.take(now, true);
        let counts: Vec<_> = taken.events.iter().map(|(_, event)| event.count).collect();
        assert_eq!((taken.calls.len(), counts), (MOST_READY, vec![Some(5)]));
        ledger.again(taken);
        assert_eq!(ledger.take(now, true).events.len(), 1, "a count that was not written is told again");
    }

    #[test]
    fn a_session_is_held_to_the_entry_with_which_it_first_called() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        assert_eq!(ledger.held("ann", &call("1")), None);
        ledger.begins("ann", &call("1"), &judged("first"), told("ann", "allow"), now);
        ledger.begins("ann", &call("2"), &judged("second"), told("ann", "allow"), now);
        assert_eq!(ledger.held("ann", &call("3")).as_deref(), Some("first"));
        assert_eq!(ledger.held("bob", &call("3")), None);
        let other = Call { session: "other".to_owned(), ..call("4") };
        assert_eq!(ledger.held("ann", &other), None);
    }
}

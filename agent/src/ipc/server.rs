//! Who answers: a thread that takes connections, a few that speak with one peer each. What needs the daemon's own hands is
//! handed to it; everything else is read off the board.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mcpolicy_platform::ipc_channel::{ChannelError, Connection, Listener, Peer, Stopper};
use mcpolicy_platform::users;
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::v1::Request;

use super::{Answer, Ask, Leaves, PolicySent, frame};
use crate::answers::request;
use crate::board::{Board, mode_word};
use crate::calls::ledger::Ledger;
use crate::journal;
use crate::reporter::shown::{Viewer, Which};
use crate::settings::shipping::SinkSettings;
use crate::settings::{DeviceSettings, Settings};
use crate::shipper::{self, Exchange};
use crate::vault::{Item, Vault};

/// Peers that are spoken with at once.
///
/// Attack: a user opens thousands of connections, and each costs a thread of root.
const MOST: usize = 16;
/// Peers beside these, for administrators.
const KEPT: usize = 4;
/// Of one user.
const MOST_OF_USER: usize = 4;
/// Records of the journal that are told at once, the last ones.
const MOST_RECORDS: usize = 2000;
/// Questions of one user in [`WINDOW`].
///
/// Attack: a user asks without end, and each question has root read the vault.
const MOST_QUESTIONS: u32 = 40;
const WINDOW: Duration = Duration::from_secs(10);
/// The same of questions of any kind. A hook asks twice for each call of a tool, and one that is not answered refuses it.
const MOST_OF_ANY: u32 = 2000;
/// Time for one question and its answer, but for what the daemon itself has to do.
const DEADLINE: Duration = Duration::from_secs(5);
/// Time that a peer waits for what the daemon itself has to do.
const WORK: Duration = Duration::from_secs(120);

/// What is to be done by the daemon itself, and where the answer goes.
#[derive(Debug)]
pub struct Work {
    /// What.
    pub ask: Ask,
    /// Who asks.
    pub caller: Caller,
    /// Where the answer goes; nobody may be waiting any more.
    pub reply: Sender<Answer>,
}

/// Who asks, as the system names the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Number or word by which the system names the account.
    pub id: String,
    /// Name of the account, as homes name it; empty for one without a home.
    pub user: String,
    /// May ask for what is everybody's, and change what is the machine's.
    pub is_administrator: bool,
}

impl Caller {
    /// Whose entries are told: everybody's to an administrator.
    pub fn sees(&self) -> Option<&str> {
        (!self.is_administrator).then_some(self.user.as_str())
    }
}

/// What the threads share with the daemon.
pub struct Shared {
    board: Mutex<Board>,
    people: Mutex<BTreeMap<String, String>>,
    pub(super) device: Mutex<DeviceSettings>,
    pub(super) reports: Mutex<Option<Reports>>,
    state: PathBuf,
    pub(super) redactor: Redactor,
    now: fn() -> Timestamp,
    busy: AtomicUsize,
    of_user: Mutex<BTreeMap<String, usize>>,
    questions: Mutex<Questions>,
    /// Of those that cost more than a look at what is in memory.
    costly: Mutex<Questions>,
    pub(super) calls: Mutex<Ledger>,
    /// Where it is said which mode holds, for hooks that find nobody to ask.
    pub(super) mode_file: Mutex<Option<PathBuf>>,
    /// One at a time reads vault and journal.
    reading: Mutex<()>,
}

/// What is told of reports.
#[derive(Debug, Clone)]
pub struct Reports {
    /// The folders of both roles.
    pub exchange: Exchange,
    /// The key of names that may leave.
    pub key: Vec<u8>,
    /// Where records go.
    pub sinks: Vec<SinkSettings>,
}

impl Reports {
    /// Each sink in a line: where it is, and what the role that ships says of it.
    fn sinks(&self) -> Vec<String> {
        let shipping = shipper::told(&self.exchange.shipped).unwrap_or_default();
        let line = |sink: &SinkSettings| {
            let state = shipping.sinks.get(&sink.name).cloned().unwrap_or_default();
            let path = sink.path.as_ref().map(|path| path.display().to_string());
            let place = sink.url.clone().or(path).unwrap_or_default();
            let last = match (&state.last_sent, &state.receipt) {
                (Some(at), Some(receipt)) => format!("last at {at}: {receipt}"),
                _ => "nothing yet since the last start".to_owned(),
            };
            let told = shipper::short(&format!("{} ({place}): {last}", sink.name));
            state.trouble.map_or(told.clone(), |trouble| shipper::short(&format!("{told}; {trouble}")))
        };
        self.sinks.iter().map(line).collect()
    }
}

/// Most that is told of entries that were taken, in bytes: the newest first.
const MOST_TOLD: usize = 8 << 20;

/// Of the oldest items only what was done is told where there is more to tell than an answer holds.
fn recall_newest(vault: &Vault, items: &mut [Item]) {
    let mut room = MOST_TOLD;
    for item in items.iter_mut().rev() {
        let mut recalled = vault.recalled(item);
        for taken in &mut recalled.entries {
            let told = taken.told.as_ref().and_then(|told| serde_json::to_vec(told).ok());
            match room.checked_sub(told.map_or(0, |told| told.len())) {
                Some(left) => room = left,
                None => taken.told = None,
            }
        }
        *item = recalled;
    }
}

/// How many questions each user has asked in this window.
#[derive(Default)]
struct Questions {
    since: Option<Instant>,
    of: BTreeMap<String, u32>,
}

impl Questions {
    /// Whether one more of so many is answered.
    fn is_one_more(&mut self, user: &str, most: u32, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW) {
            (self.since, self.of) = (Some(now), BTreeMap::new());
        }
        let asked = self.of.entry(user.to_owned()).or_default();
        *asked = asked.saturating_add(1);
        *asked <= most
    }
}

impl Shared {
    /// With an empty board.
    pub fn new(board: Board, (state, redactor): (PathBuf, Redactor), now: fn() -> Timestamp) -> Self {
        Self {
            board: Mutex::new(board),
            people: Mutex::default(),
            device: Mutex::default(),
            reports: Mutex::default(),
            state,
            redactor,
            now,
            busy: AtomicUsize::new(0),
            of_user: Mutex::default(),
            questions: Mutex::default(),
            costly: Mutex::default(),
            calls: Mutex::default(),
            mode_file: Mutex::default(),
            reading: Mutex::default(),
        }
    }

    /// The board. A thread that panicked over it left it whole: it only reads.
    pub fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names of accounts, by the number or word by which the system names peers.
    pub fn know(&self, people: BTreeMap<String, String>) {
        *self.people.lock().unwrap_or_else(PoisonError::into_inner) = people;
    }

    /// What the settings say, which may change while it runs.
    pub fn knows_settings(&self, settings: &Settings, device: String) {
        let device = DeviceSettings { id: device, ..settings.device.clone() };
        *self.device.lock().unwrap_or_else(PoisonError::into_inner) = device;
        self.board().ceiling = settings.enforcement.mode_ceiling;
    }

    /// The time, for what is told.
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    fn caller(&self, peer: &Peer) -> Caller {
        let people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        let user = people.get(&peer.user).cloned().unwrap_or_default();
        // a user's own agent is that user's to command
        let is_owner = users::own_uid().is_some_and(|own| own.to_string() == peer.user);
        Caller { id: peer.user.clone(), user, is_administrator: peer.is_administrator || is_owner }
    }

    /// Answers what needs nobody's hands.
    fn read(&self, ask: &Ask, caller: &Caller) -> Option<Answer> {
        match ask {
            Ask::Status { cost } => {
                let board = self.board();
                let mut status = board.status(caller.sees(), self.now());
                status.cost = cost.then(|| board.cost(self.now()));
                Some(Answer::Status(Box::new(status)))
            }
            Ask::Found => {
                let board = self.board();
                Some(Answer::Found {
                    found: board.found(caller.sees()).cloned().collect(),
                    recent: board.recent.of(caller.sees()).into_iter().cloned().collect(),
                })
            }
            Ask::Policy => Some(self.policy(&self.board(), caller)),
            // these read the disk, and the daemon must not wait for the board meanwhile
            Ask::Past => Some(refused_if(self.past(caller))),
            Ask::Report { which } => Some(refused_if(self.leaves(*which, caller))),
            Ask::Request { request } => Some(refused_if(self.keep_request(request, caller))),
            Ask::Requests => Some(refused_if(self.requests(caller))),
            Ask::Call { call } => Some(self.decide(call, caller)),
            Ask::Called { ended } => Some(self.called(ended, caller)),
            Ask::Redeem { .. } | Ask::Breakglass { .. } | Ask::Pass | Ask::Restore { .. } => None,
        }
    }

    /// What leaves of the caller and of nobody.
    fn leaves(&self, which: Which, caller: &Caller) -> anyhow::Result<Answer> {
        let _one = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(reports) = reports else { return Ok(Answer::Report(Box::default())) };
        let has_others = self.people.lock().unwrap_or_else(PoisonError::into_inner).len() > 1;
        let viewer = Viewer { user: caller.sees(), has_others, key: &reports.key };
        let shown = viewer.of(&reports.exchange.spool, which)?;
        let sinks = reports.sinks();
        Ok(Answer::Report(Box::new(Leaves { has_spool: true, shown, sinks })))
    }

    /// What is told of reports; nothing where none are kept.
    pub fn knows_reports(&self, reports: Option<Reports>) {
        *self.reports.lock().unwrap_or_else(PoisonError::into_inner) = reports;
    }

    /// What was taken out of the caller's files.
    fn past(&self, caller: &Caller) -> anyhow::Result<Answer> {
        let _one = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let is_theirs = |user: &str| caller.sees().is_none_or(|own| !own.is_empty() && own == user);
        let vault = Vault::look(&self.state.join("vault"))?;
        let (mut items, _) = vault.items()?;
        // attack: an account that is made anew under an old name. Where it has a number, that is its own
        let is_number = |uid: u32| caller.is_administrator || caller.id == uid.to_string();
        let is_of = |user: &str, uid: Option<u32>| is_theirs(user) && uid.is_none_or(is_number);
        items.retain(|item| is_of(&item.user, item.uid));
        recall_newest(&vault, &mut items);
        let (records, _) = journal::read(&self.state.join("journal"))?;
        let records = journal::of_users(&records, &is_of);
        let from = records.len().saturating_sub(MOST_RECORDS);
        let records = records[from..].iter().map(|record| record.redacted(&self.redactor)).collect();
        Ok(Answer::Past { items, records })
    }

    fn requests_of(&self, caller: &Caller) -> PathBuf {
        request::of_account(&self.state, &caller.id)
    }

    fn keep_request(&self, request: &Request, caller: &Caller) -> anyhow::Result<Answer> {
        anyhow::ensure!(!caller.user.is_empty(), "no home of yours is known to this machine's agent");
        let reason = request::reason(&request.reason, &self.redactor)?;
        anyhow::ensure!(request::is_id(&request.id), "the request has no id of the form that is used here");
        let device = self.device.lock().unwrap_or_else(PoisonError::into_inner).id.clone();
        // what a peer says of itself counts for nothing
        let request = Request {
            user: caller.user.clone(),
            device: Some(device).filter(|id| !id.is_empty()),
            time: self.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            reason,
            ..request.clone()
        };
        let folder = self.requests_of(caller);
        request::keep(&folder, &request)?;
        self.requests(caller)
    }

    fn requests(&self, caller: &Caller) -> anyhow::Result<Answer> {
        Ok(Answer::Requests(request::list(&self.requests_of(caller))?))
    }

    fn policy(&self, board: &Board, caller: &Caller) -> Answer {
        let Some(settled) = &board.settled else {
            return Answer::Refused {
                why: "the first pass is not over yet; ask again in a moment".to_owned(),
            };
        };
        let in_force = &settled.in_force;
        let device = self.device.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_theirs = |user: &str| caller.sees().is_none_or(|own| own == user);
        Answer::Policy(Box::new(PolicySent {
            document: in_force.policy.document().clone(),
            revocations: in_force.revocations.as_ref().map(|list| list.document().clone()),
            grants: in_force.grants.iter().filter(|grant| is_theirs(&grant.user)).cloned().collect(),
            sequence: in_force.sequence,
            revocations_sequence: in_force.revocations_sequence,
            sha256: in_force.sha256.clone(),
            staleness: in_force.staleness.map(str::to_owned),
            expires: in_force.expires,
            mode: mode_word(settled.mode),
            ring: settled.ring.clone(),
            device: device.id,
            groups: device.groups,
        }))
    }
}

/// The answer, or why there is none.
fn refused_if(answer: anyhow::Result<Answer>) -> Answer {
    answer.unwrap_or_else(|error| Answer::Refused { why: format!("{error:#}") })
}

/// The channel is open as long as this lives.
pub struct Open(Stopper, Option<JoinHandle<()>>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.stop();
        // so that what it made at its path is gone when the daemon is
        self.1.take().map(JoinHandle::join);
    }
}

/// Takes connections until what is given is dropped. `hand` gives the daemon what only it can do.
///
/// # Errors
/// The system gives no thread.
pub fn start(
    listener: Listener,
    shared: &Arc<Shared>,
    hand: impl Fn(Work) + Send + Sync + 'static,
) -> std::io::Result<Open> {
    let stopper = listener.stopper();
    let shared = Arc::clone(shared);
    let hand: Arc<dyn Fn(Work) + Send + Sync> = Arc::new(hand);
    let accepting = move || {
        loop {
            match listener.accept() {
                Ok(Some(connection)) => take(connection, &shared, &hand),
                Ok(None) => return,
                // without its channel the agent holds the line all the same, and says that nobody can ask it
                Err(error) => return shared.board().lasting("channel", Some(no_channel(&error))),
            }
        }
    };
    let thread = std::thread::Builder::new().name("ipc".to_owned()).spawn(accepting)?;
    Ok(Open(stopper, Some(thread)))
}

fn no_channel(error: &ChannelError) -> String {
    format!("commands cannot reach the agent any more, restart it: {error}")
}

/// A peer that is spoken with, counted until it is let go.
struct Place {
    shared: Arc<Shared>,
    user: String,
}

impl Place {
    /// Attack: accounts that hold all places with silent connections. Those of administrators are kept free.
    fn take(shared: &Arc<Shared>, user: String, is_administrator: bool) -> Option<Self> {
        let most = if is_administrator { MOST + KEPT } else { MOST };
        let mut of_user = shared.of_user.lock().unwrap_or_else(PoisonError::into_inner);
        let own = of_user.entry(user.clone()).or_default();
        if *own >= MOST_OF_USER || shared.busy.load(Ordering::Relaxed) >= most {
            return None;
        }
        *own += 1;
        shared.busy.fetch_add(1, Ordering::Relaxed);
        drop(of_user);
        Some(Self { shared: Arc::clone(shared), user })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut of_user = self.shared.of_user.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = of_user.get_mut(&self.user) {
            *own -= 1;
            if *own == 0 {
                of_user.remove(&self.user);
            }
        }
        self.shared.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

fn take(connection: Connection, shared: &Arc<Shared>, hand: &Arc<dyn Fn(Work) + Send + Sync>) {
    let caller = shared.caller(connection.peer());
    let mut questions = shared.questions.lock().unwrap_or_else(PoisonError::into_inner);
    if !caller.is_administrator && !questions.is_one_more(&caller.id, MOST_OF_ANY, Instant::now()) {
        return;
    }
    drop(questions);
    let Some(place) = Place::take(shared, connection.peer().user.clone(), caller.is_administrator) else {
        return;
    };
    let (shared, hand) = (Arc::clone(shared), Arc::clone(hand));
    let speak = move || {
        let _place = place;
        // whoever goes away in the middle has nobody left to tell
        let _ = speak(connection, &shared, &*hand);
    };
    // without a thread the connection is let go
    let _ = std::thread::Builder::new().name("ipc-peer".to_owned()).spawn(speak);
}

fn speak(
    mut connection: Connection,
    shared: &Shared,
    hand: &dyn Fn(Work),
) -> Result<(), frame::MessageError> {
    connection.set_deadline(Instant::now() + DEADLINE);
    let ask: Ask = frame::read(&mut connection, frame::MAX_QUESTION)?;
    let caller = shared.caller(connection.peer());
    if !ask.is_of_a_hook() && !caller.is_administrator {
        let mut costly = shared.costly.lock().unwrap_or_else(PoisonError::into_inner);
        if !costly.is_one_more(&caller.id, MOST_QUESTIONS, Instant::now()) {
            return Ok(());
        }
    }
    let answer = answer(&ask, &caller, shared, hand);
    connection.set_deadline(Instant::now() + DEADLINE);
    frame::write(&mut connection, &answer, frame::MAX_ANSWER)
}

fn answer(ask: &Ask, caller: &Caller, shared: &Shared, hand: &dyn Fn(Work)) -> Answer {
    if ask.is_for_administrators() && !caller.is_administrator {
        return Answer::Refused { why: "only an administrator may ask this: use sudo".to_owned() };
    }
    if let Some(answer) = shared.read(ask, caller) {
        if ask.is_of_a_hook() && shared.calls().wakes() {
            // the daemon comes for the records; what it answers nobody waits for
            hand(Work { ask: ask.clone(), caller: caller.clone(), reply: channel().0 });
        }
        return answer;
    }
    let (reply, answers) = channel();
    hand(Work { ask: ask.clone(), caller: caller.clone(), reply });
    let busy = || {
        Answer::Refused {
        why: "the agent is at work and has not answered in two minutes; `mcpolicy status` tells when it is through".to_owned(),
    }
    };
    answers.recv_timeout(WORK).unwrap_or_else(|_| busy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_who_asks_without_end_is_answered_no_more_for_a_while_and_others_are() {
        let begin = Instant::now();
        let mut questions = Questions::default();
        for _ in 0..MOST_QUESTIONS {
            assert!(questions.is_one_more("1000", MOST_QUESTIONS, begin));
        }
        assert!(!questions.is_one_more("1000", MOST_QUESTIONS, begin + WINDOW / 2));
        assert!(questions.is_one_more("1001", MOST_QUESTIONS, begin + WINDOW / 2));
        assert!(questions.is_one_more("1000", MOST_QUESTIONS, begin + WINDOW));
    }
}

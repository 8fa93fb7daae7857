//! `mcpolicy/status/v1`: the posture of the agent, for people, for MDM detection and for `--json`.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use mcpolicy_schema::report::v1::VerdictCounts;
use mcpolicy_schema::verdict::Verdict;
use serde::{Deserialize, Serialize};

use super::happened::Happened;
use super::running::{self, RunningServer};
use super::{Alert, Board, Found, Stand, mode_word};

/// The layer that watches files and puts them right.
pub const WATCH: &str = "watch";
/// The layer that holds whoever opens a file until that is checked.
pub const GATE: &str = "gate";
/// The layer of clients' own managed files.
pub const NATIVE: &str = "native";
/// The layer that looks at running servers.
pub const PROCESSES: &str = "processes";

/// The value of [`Status::schema`].
pub const SCHEMA: &str = "mcpolicy/status/v1";
/// Most entries and events that a status names; the counts are of all.
pub const SHOWN: usize = 50;

/// What the agent says of itself. Members may be added; none changes or leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Always `mcpolicy/status/v1`.
    pub schema: String,
    /// The word for the exit code.
    pub state: State,
    /// Version of the agent that answered.
    pub agent: String,
    /// When it started; absent where none runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Whose entries are told of: one user's, or everybody's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The policy that acts; absent until the first pass is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyStatus>,
    /// Which of the four layers are in force.
    pub layers: Vec<Layer>,
    /// What is watched.
    pub watches: Watches,
    /// When all was looked at last: every known file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_rescan: Option<Timestamp>,
    /// When the last pass was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_pass: Option<Timestamp>,
    /// Entries by verdict, as the files are now.
    pub verdicts: VerdictCounts,
    /// Entries that are not allowed and that a client would start: all of them are counted, the first are named.
    pub open: u64,
    /// See [`Status::open`].
    pub open_entries: Vec<OpenEntry>,
    /// Servers that are not allowed and run, the first of them; see [`RunningServer`].
    #[serde(default)]
    pub running: Vec<RunningServer>,
    /// Clients that may still hold a server that is denied by now: they have to be restarted.
    #[serde(default)]
    pub restart_needed: Vec<String>,
    /// What was done last, the newest first.
    pub recent: Vec<Happened>,
    /// What happened that somebody should look into, the newest first; it was dealt with.
    #[serde(default)]
    pub alerts: Vec<Alert>,
    /// What is wrong, and what to do.
    pub problems: Vec<String>,
    /// The queue of records that are reported; absent where the settings want none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spool: Option<SpoolStatus>,
    /// What it costs, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// What MDM detection lives on. The worst wins, in the order of the exit codes' weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing is open, and everything works.
    Compliant,
    /// The policy could not be refreshed for long, or has ended.
    Stale,
    /// Something is not watched, not looked at, refused or damaged.
    Degraded,
    /// A server that is not allowed would be started.
    NonCompliant,
    /// No agent answers.
    NotRunning,
}

impl State {
    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compliant => "compliant",
            Self::Stale => "stale",
            Self::Degraded => "degraded",
            Self::NonCompliant => "non-compliant",
            Self::NotRunning => "not-running",
        }
    }

    /// The exit code of `mcpolicy status`.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Compliant => 0,
            Self::NonCompliant => 10,
            Self::Stale => 11,
            Self::Degraded => 12,
            Self::NotRunning => 13,
        }
    }
}

/// The policy that acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// Its name.
    pub name: String,
    /// Its sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Sequence of the revocations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocations: Option<u64>,
    /// SHA-256 of its body.
    pub sha256: String,
    /// The mode that holds, the ceiling considered.
    pub mode: String,
    /// The device's ceiling, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<String>,
    /// The machine's ring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<String>,
    /// `fresh`, `stale` or `expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staleness: Option<String>,
    /// When the newest head was made that says that it is current: its age counts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// Its age in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<i64>,
    /// Without news it is stale from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_at: Option<Timestamp>,
    /// Without news it allows nothing new from then on: the next expiry, be it of the policy or of what says that it is
    /// current.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_expiry: Option<Timestamp>,
    /// When the policy itself ends, whatever news there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// A newer policy is held, or a document was refused.
    pub waits: bool,
    /// Whom to ask.
    pub contact: String,
}

/// The queue of records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolStatus {
    /// Records that not all sinks have taken; all of them where there is no sink.
    #[serde(default)]
    pub waiting: u64,
    /// Why records do not arrive or no policy comes, as the role that ships says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
    /// Records that were written since it began, of all classes.
    pub records: u64,
    /// Bytes on the disk, delivered ones that are kept to be shown among them.
    pub bytes: u64,
    /// The disk was full, and only violations are taken.
    pub short: bool,
}

/// One layer of design and whether it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// `native`, `watch`, `gate` or `processes`.
    pub name: String,
    /// `in-force`, `report-only` or `off`.
    pub state: String,
    /// Why it is off though the policy wants it, or does not all that it should.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What is watched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watches {
    /// Folders.
    pub folders: u64,
    /// Why not everything is watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degraded: Option<String>,
}

/// An entry that is not allowed and would be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenEntry {
    /// Its name.
    pub name: String,
    /// Whose location it stands in.
    pub client: String,
    /// The user; absent for machine-wide files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The file.
    pub path: String,
    /// The line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Deny or unknown.
    pub verdict: Verdict,
    /// Code of the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it is left where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
}

/// What the agent costs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Seconds that it runs.
    pub seconds: u64,
    /// Milliseconds of CPU, all of its processes.
    pub cpu_ms: u64,
    /// CPU as a share of one core, in percent.
    pub cpu_percent: f64,
    /// Memory of all of its processes, in KiB: proportional (PSS) on Linux, resident elsewhere.
    pub memory_kib: u64,
    /// How often it woke.
    pub wakes: u64,
    /// Passes.
    pub passes: u64,
    /// Looks at what changed.
    pub looks: u64,
    /// Bytes of files that were read.
    pub bytes_read: u64,
    /// Half of the last looks were over within this time after the first hint, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<f64>,
    /// 99 of 100 of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
    /// Time between two looks at all known files, in seconds.
    pub rescan_seconds: u64,
}

/// What is said where the agent runs and takes no more questions of this user for the moment: no reason to start it anew.
pub fn busy(why: String) -> Status {
    Status { state: State::Degraded, ..not_running(why) }
}

/// What is said where no agent answers.
pub fn not_running(why: String) -> Status {
    Status {
        schema: SCHEMA.to_owned(),
        state: State::NotRunning,
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        since: None,
        user: None,
        policy: None,
        layers: Vec::new(),
        watches: Watches::default(),
        last_rescan: None,
        last_pass: None,
        verdicts: VerdictCounts::default(),
        open: 0,
        open_entries: Vec::new(),
        running: Vec::new(),
        restart_needed: Vec::new(),
        recent: Vec::new(),
        alerts: Vec::new(),
        problems: vec![why],
        spool: None,
        cost: None,
    }
}

impl Board {
    /// The status as it is told to one user, or to an administrator if `user` is `None`.
    pub fn status(&self, user: Option<&str>, now: Timestamp) -> Status {
        let open: Vec<&Found> = self.found(user).filter(|found| found.stand == Stand::Open).collect();
        let mut problems = self.problems(user);
        let degraded = self.degraded_of(user);
        problems.extend(degraded.iter().map(|why| format!("not everything is watched: {why}")));
        if self.settled.is_none() {
            problems.push("the first pass is not over yet".to_owned());
        }
        let policy = self.policy_status(now);
        let mut status = Status {
            schema: SCHEMA.to_owned(),
            state: State::Compliant,
            agent: env!("CARGO_PKG_VERSION").to_owned(),
            since: Some(self.started),
            user: user.map(str::to_owned),
            layers: self.layers(),
            watches: Watches { folders: self.watched as u64, degraded },
            last_rescan: self.rescanned,
            last_pass: self.settled.as_ref().map(|settled| settled.at),
            verdicts: self.verdicts(user),
            open: open.len() as u64,
            open_entries: open.iter().take(SHOWN).map(|found| open_entry(found)).collect(),
            running: self.running_of(user),
            restart_needed: self.restart_needed_of(user),
            recent: self.recent.of(user).into_iter().take(SHOWN).cloned().collect(),
            alerts: self.alerts(user).take(SHOWN).cloned().collect(),
            problems,
            spool: self.spool.clone(),
            cost: None,
            policy,
        };
        status.state = state(&status);
        status
    }

    /// What the agent costs since it started.
    pub fn cost(&self, now: Timestamp) -> Cost {
        let own = mcpolicy_platform::cost::own();
        let seconds = u64::try_from(now.duration_since(self.started).as_secs()).unwrap_or(0);
        let cpu_ms = u64::try_from(own.cpu.as_millis()).unwrap_or(u64::MAX);
        let millis = |time: std::time::Duration| time.as_secs_f64() * 1000.0;
        Cost {
            seconds,
            cpu_ms,
            cpu_percent: cpu_ms as f64 / 10.0 / seconds.max(1) as f64,
            memory_kib: own.memory_kib,
            wakes: self.work.wakes,
            passes: self.work.passes,
            looks: self.work.looks,
            bytes_read: self.work.bytes,
            p50_ms: self.work.percentile(50).map(millis),
            p99_ms: self.work.percentile(99).map(millis),
            rescan_seconds: self.rescan.as_secs(),
        }
    }

    fn policy_status(&self, now: Timestamp) -> Option<PolicyStatus> {
        let settled = self.settled.as_ref()?;
        let about = settled.in_force.about(settled.ring.as_deref());
        let has_ended = settled.in_force.expires.is_some_and(|expires| expires <= now);
        let staleness = if has_ended { Some("expired".to_owned()) } else { about.staleness };
        Some(PolicyStatus {
            name: about.name,
            sequence: about.sequence,
            revocations: about.revocations,
            sha256: about.sha256,
            mode: mode_word(settled.mode),
            ceiling: self.ceiling.map(mode_word),
            ring: about.ring,
            staleness,
            as_of: settled.in_force.as_of,
            age_seconds: settled.in_force.as_of.map(|at| now.duration_since(at).as_secs().max(0)),
            stale_at: settled.in_force.stale_at,
            next_expiry: settled.in_force.next_expiry(),
            expires: settled.in_force.expires,
            waits: settled.policy_waits,
            contact: settled.in_force.policy.document().policy.contact.clone(),
        })
    }

    /// Those that count come first: they decide the state.
    fn running_of(&self, user: Option<&str>) -> Vec<RunningServer> {
        let wanted = self.running.iter().filter(|server| user.is_none_or(|user| user == server.user));
        let mut all: Vec<RunningServer> = wanted.cloned().collect();
        all.sort_by_key(|server| !server.counts());
        all.truncate(SHOWN);
        all
    }

    fn restart_needed_of(&self, user: Option<&str>) -> Vec<String> {
        let of_user = |owner: &str| user.is_none_or(|user| user == owner);
        let needed = self.restart_needed.iter().filter(|(owner, _)| of_user(owner));
        needed
            .map(|(owner, client)| match user {
                Some(_) => client.clone(),
                None => format!("{owner}: {client}"),
            })
            .collect()
    }

    /// Why not all files are watched: of one user what is theirs, since it may name folders.
    fn degraded_of(&self, user: Option<&str>) -> Option<String> {
        let of = |(owner, why): &(Option<String>, String)| match (user, owner.as_deref()) {
            (None, _) => Some(why.clone()),
            (Some(user), Some(owner)) => (user == owner).then(|| why.clone()),
            (Some(_), None) => Some("folders outside of homes".to_owned()),
        };
        let why: BTreeSet<String> = self.degraded.iter().filter_map(of).collect();
        (!why.is_empty()).then(|| why.into_iter().collect::<Vec<_>>().join("; "))
    }

    fn layers(&self) -> Vec<Layer> {
        use mcpolicy_schema::document::{Mode, Processes};
        let layer =
            |name: &str, state: &str| Layer { name: name.to_owned(), state: state.to_owned(), why: None };
        let Some(settled) = &self.settled else { return Vec::new() };
        let acts = settled.mode >= Mode::Hold;
        let watch = if acts { "in-force" } else { "report-only" };
        let stops = settled.in_force.policy.document().policy.processes == Processes::Stop;
        let processes = if acts && stops { "in-force" } else { "report-only" };
        let native = if self.native { "in-force" } else { "off" };
        let gate = if self.gate.in_force { "in-force" } else { "off" };
        let gate = Layer { why: self.gate.why.clone(), ..layer(GATE, gate) };
        vec![layer(NATIVE, native), layer(WATCH, watch), gate, layer(PROCESSES, processes)]
    }

    fn verdicts(&self, user: Option<&str>) -> VerdictCounts {
        let mut counts = VerdictCounts::default();
        for judged in self.found(user).filter_map(|found| found.entry.judged.as_ref()) {
            match judged.verdict {
                Verdict::Allow => counts.allow += 1,
                Verdict::Deny => counts.deny += 1,
                Verdict::Unknown => counts.unknown += 1,
            }
        }
        counts
    }
}

fn open_entry(found: &Found) -> OpenEntry {
    let entry = &found.entry;
    OpenEntry {
        name: entry.name.clone(),
        client: entry.client.clone(),
        user: entry.user.clone(),
        path: entry.source.path.clone(),
        line: entry.source.line,
        verdict: entry.judged.as_ref().map_or(Verdict::Unknown, |judged| judged.verdict),
        reason: entry.judged.as_ref().and_then(|judged| judged.reason.clone()),
        left: found.left.clone(),
    }
}

/// The worst of what a status tells.
fn state(status: &Status) -> State {
    let staleness = status.policy.as_ref().and_then(|policy| policy.staleness.as_deref());
    let is_old = matches!(staleness, Some("stale" | "expired"));
    // a mirror that offers a head that has ended has no news, however young what was taken is
    let is_stale = is_old || status.problems.iter().any(|text| is_of_age(text));
    let waits = status.policy.as_ref().is_some_and(|policy| policy.waits);
    // of a policy that is only old the problems tell nothing else
    let other_problems = status.problems.iter().any(|text| !is_of_age(text));
    let mut state = State::Compliant;
    if is_stale {
        state = state.max(State::Stale);
    }
    if waits || other_problems || status.policy.is_none() {
        state = state.max(State::Degraded);
    }
    if status.open > 0 || running::open(&status.running) > 0 {
        state = state.max(State::NonCompliant);
    }
    state
}

/// Whether a problem is only that the policy is old.
pub(super) fn is_of_age(text: &str) -> bool {
    text.starts_with("STALE:") || text.starts_with("EXPIRED:")
}

/// How long something is away, in a word or two.
pub fn span(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.duration_since(from).max(SignedDuration::ZERO).as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        let mut status = not_running(String::new());
        status.problems.clear();
        status.policy = Some(PolicyStatus {
            name: "p".to_owned(),
            sequence: Some(1),
            revocations: None,
            sha256: String::new(),
            mode: "enforce".to_owned(),
            ceiling: None,
            ring: None,
            staleness: Some("fresh".to_owned()),
            as_of: None,
            age_seconds: None,
            stale_at: None,
            next_expiry: None,
            expires: None,
            waits: false,
            contact: String::new(),
        });
        status
    }

    #[test]
    fn the_worst_state_wins_in_the_order_that_detection_scripts_know() {
        let mut status = status();
        assert_eq!(state(&status).exit_code(), 0);
        status.policy.as_mut().unwrap().staleness = Some("stale".to_owned());
        status.problems.push("STALE: no head since 2026-01-01T00:00:00Z says that".to_owned());
        assert_eq!(state(&status).exit_code(), 11);
        status.problems.push("the home of ann gave no answer".to_owned());
        assert_eq!(state(&status).exit_code(), 12);
        let server = RunningServer {
            server: "rogue".to_owned(),
            client: "claude-code".to_owned(),
            user: "ann".to_owned(),
            process: 7,
            undeclared: true,
            code: "not-allowed".to_owned(),
            rule: None,
            detail: "no rule names it".to_owned(),
            left: None,
            doubt: Some("a command in a shell looks the same".to_owned()),
        };
        status.running = vec![server.clone()];
        assert_eq!(state(&status).exit_code(), 12, "what may be no server makes nobody non-compliant");
        status.running.push(RunningServer { doubt: None, ..server });
        assert_eq!(state(&status).exit_code(), 10, "a denied server that runs");
        status.running.clear();
        status.open = 1;
        assert_eq!(state(&status).exit_code(), 10);
        assert_eq!(not_running(String::new()).state.exit_code(), 13);
        let order = [State::NotRunning, State::NonCompliant, State::Degraded, State::Stale, State::Compliant];
        assert!(order.is_sorted_by(|worse, better| worse > better));
    }

    #[test]
    fn a_policy_that_waits_or_is_missing_is_degraded() {
        let mut status = status();
        status.policy.as_mut().unwrap().waits = true;
        assert_eq!(state(&status), State::Degraded);
        status.policy = None;
        assert_eq!(state(&status), State::Degraded);
    }

    #[test]
    fn spans_are_told_in_one_unit() {
        let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
        for (seconds, text) in [(5, "5 s"), (300, "5 min"), (10_000, "2 h"), (400_000, "4 days"), (-5, "0 s")]
        {
            assert_eq!(span(at(0), at(seconds)), text);
        }
    }
}

//! What the daemon knows at this moment, kept beside its work so that it can be told while the work goes on.
//!
//! Everything on it is redacted: it is shown to people and leaves by the socket.

pub mod happened;
pub mod running;
pub mod status;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use mcpolicy_schema::document::Mode;
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::v1;
use mcpolicy_schema::verdict::Verdict;
use serde::{Deserialize, Serialize};

use crate::daemon::planted;
use crate::enforce::act::Acted;
use crate::enforce::pass::{Looked, Passed};
use crate::enforce::plan::Left;
use crate::in_force::{self, InForce};
use crate::pipeline::{Ground, Outcome};
use crate::report;
use happened::{Happened, Recent};
use running::{GivenServer, RunningServer};

/// Where an entry stands with the policy, as its file is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stand {
    /// The policy allows it.
    Allowed,
    /// It is not allowed, and no client starts it: switched off, or of a form that no client loads.
    Off,
    /// It is not allowed, and a client would start it.
    Open,
}

/// An entry and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The entry as reports show it.
    #[serde(flatten)]
    pub entry: v1::Entry,
    /// Where it stands.
    pub stand: Stand,
    /// Why it is left where it is, though it is not allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
    /// What would run, as [`planted::runs`] has it.
    #[serde(skip)]
    pub runs: String,
    /// What is worth telling of it, in reports.
    #[serde(skip)]
    pub findings: Vec<v1::Finding>,
}

/// Whom a problem is told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// Everybody of the machine.
    Everybody,
    /// Administrators: it may name files of any user.
    Administrators,
    /// One user, and administrators.
    User(String),
}

/// Problems that are kept at a time.
///
/// Attack: a user makes files without end that something is to be told of.
const MOST_PROBLEMS: usize = 256;
/// Alerts that are kept of each user.
///
/// Attack: a user starts denied servers without end, and what happened to others is told no more.
const MOST_ALERTS: usize = 64;

/// Something that happened and that somebody should look into. What was to be done about it was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// `planted-many-clients`, `fight`, or what became of a running server: `server-reported`, `server-ended`,
    /// `server-not-ended`, `undeclared-server`.
    pub code: String,
    /// When.
    pub time: Timestamp,
    /// The user whose files it is about.
    pub user: String,
    /// What, redacted.
    pub detail: String,
}

impl Alert {
    /// One of now.
    pub fn new(code: &str, time: Timestamp, user: &str, detail: String) -> Self {
        Self { code: code.to_owned(), time, user: user.to_owned(), detail }
    }
}

/// A file, by the home it was found from and its path.
type FileKey = (Option<usize>, PathBuf);

/// What the last pass settled.
#[derive(Clone)]
pub struct Settled {
    /// The policy that acts.
    pub in_force: InForce,
    /// The machine's ring.
    pub ring: Option<String>,
    /// The mode that holds.
    pub mode: Mode,
    /// A newer policy is held, or a document was refused.
    pub policy_waits: bool,
    /// When the pass was, by the time that was believed.
    pub at: Timestamp,
}

/// How much was done since the start.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// Passes.
    pub passes: u64,
    /// Looks at what changed.
    pub looks: u64,
    /// How often the daemon woke.
    pub wakes: u64,
    /// Bytes of files that were read.
    pub bytes: u64,
    /// How long after its hint each of the last looks was over.
    latencies: Vec<Duration>,
    next: usize,
}

/// Looks of which the time is kept.
const LATENCIES: usize = 1024;

impl Work {
    /// A look that nothing outside called for has no latency.
    fn note(&mut self, latency: Option<Duration>) {
        self.looks += 1;
        let Some(latency) = latency else { return };
        match self.latencies.get_mut(self.next) {
            Some(place) => *place = latency,
            None => self.latencies.push(latency),
        }
        self.next = (self.next + 1) % LATENCIES;
    }

    /// The time within which this share (0 to 100) of the last looks was over.
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        sorted.get((sorted.len() * percent / 100).min(last)).copied()
    }
}

/// How the gate stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GateStands {
    /// Opens are held.
    pub in_force: bool,
    /// Why it is not, though it is wanted, or where it does not hold them.
    pub why: Option<String>,
    /// Folders in which they are.
    pub folders: usize,
}

/// The board.
pub struct Board {
    /// When the daemon started.
    pub started: Timestamp,
    /// No mode of any policy goes further than this.
    pub ceiling: Option<Mode>,
    /// What the last pass settled; `None` until the first is over.
    pub settled: Option<Settled>,
    /// When all known files were last looked at.
    pub rescanned: Option<Timestamp>,
    /// What was done last.
    pub recent: Recent,
    /// Folders that are watched.
    pub watched: usize,
    /// Whose files are not all watched, and why; of none in particular where no user is named.
    pub degraded: Vec<(Option<String>, String)>,
    /// Users, and clients of theirs that may still hold a denied server.
    pub restart_needed: Vec<(String, String)>,
    /// Denied servers that run.
    pub running: Vec<RunningServer>,
    /// Clients are told by their own managed files what to refuse.
    pub native: bool,
    /// What running clients were given on their command lines.
    pub given: Vec<GivenServer>,
    /// Time between two looks at all known files.
    pub rescan: Duration,
    /// Files that a tool fights over now, by their users.
    pub fought: Vec<(String, String)>,
    /// What goes wrong now, until a pass finds it mended.
    problems: BTreeSet<(Whose, String)>,
    /// What looks noticed about files, until the next look at them.
    noticed: BTreeMap<PathBuf, BTreeSet<String>>,
    /// What happened that somebody should look into, of each user the oldest first.
    alerts: BTreeMap<String, VecDeque<Alert>>,
    /// What goes wrong until somebody mends it, by what it is about.
    lasting: BTreeMap<&'static str, String>,
    /// How the gate stands.
    pub gate: GateStands,
    /// What was done.
    pub work: Work,
    /// The queue of records that are reported; nothing where none are.
    pub spool: Option<status::SpoolStatus>,
    files: BTreeMap<FileKey, Vec<Found>>,
    /// Findings about no entry, as they are now.
    pub beside: Vec<v1::Finding>,
    /// What the last pass could not see.
    pub coverage: Vec<v1::Gap>,
}

impl Board {
    /// An empty board.
    pub fn new(started: Timestamp, ceiling: Option<Mode>) -> Self {
        Self {
            started,
            ceiling,
            settled: None,
            rescanned: None,
            recent: Recent::default(),
            watched: 0,
            degraded: Vec::new(),
            restart_needed: Vec::new(),
            running: Vec::new(),
            native: false,
            given: Vec::new(),
            rescan: Duration::ZERO,
            fought: Vec::new(),
            problems: BTreeSet::new(),
            noticed: BTreeMap::new(),
            alerts: BTreeMap::new(),
            lasting: BTreeMap::new(),
            gate: GateStands::default(),
            work: Work::default(),
            spool: None,
            files: BTreeMap::new(),
            beside: Vec::new(),
            coverage: Vec::new(),
        }
    }

    /// Takes up what a pass found and did.
    pub fn passed(&mut self, ground: &Ground, passed: &Passed, redactor: &Redactor, now: Timestamp) {
        self.work.passes += 1;
        self.rescanned = Some(now);
        self.settled = Some(Settled {
            in_force: passed.in_force.clone(),
            ring: passed.ring.clone(),
            mode: passed.mode,
            policy_waits: passed.policy_waits,
            at: passed.at,
        });
        self.files.clear();
        self.take(ground, &passed.outcome, &passed.off, &passed.plan.left, redactor);
        (self.beside, self.coverage) = report::beside(ground, &passed.outcome, true, redactor);
        self.problems = problems_of(passed, redactor);
        self.noticed.clear();
        self.happened(ground, &passed.outcome, &passed.acted, redactor, now);
    }

    /// Takes up what a look found and did.
    pub fn looked(
        &mut self,
        ground: &Ground,
        looked: &Looked,
        (latency, now): (Option<Duration>, Timestamp),
        redactor: &Redactor,
    ) {
        self.work.note(latency);
        for (home, paths) in &looked.changed {
            for path in paths {
                self.files.remove(&(Some(*home), path.clone()));
            }
        }
        self.take(ground, &looked.outcome, &looked.off, &looked.left, redactor);
        let paths: Vec<&PathBuf> = looked.changed.values().flatten().collect();
        let told: BTreeSet<String> =
            paths.iter().map(|path| redactor.name(&path.to_string_lossy())).collect();
        self.beside.retain(|finding| finding.source.as_ref().is_none_or(|at| !told.contains(&at.path)));
        self.beside.extend(report::beside(ground, &looked.outcome, false, redactor).0);
        self.noticed(&paths, &looked.notices, redactor);
        self.happened(ground, &looked.outcome, &looked.acted, redactor, now);
    }

    /// Whom the policy names for questions; empty until the first pass is over.
    pub fn contact(&self) -> String {
        let settled = self.settled.as_ref();
        settled.map(|settled| settled.in_force.policy.document().policy.contact.clone()).unwrap_or_default()
    }

    /// The mode that holds; none until the first pass is over.
    pub fn mode(&self) -> Option<Mode> {
        self.settled.as_ref().map(|settled| settled.mode)
    }

    /// What goes wrong, until the next pass.
    pub fn problem(&mut self, whose: Whose, text: String) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.insert((whose, text));
        }
    }

    /// What a look at these paths noticed. What names one of them lasts until the next look at it: a file that is broken for a
    /// moment, while it is saved, is none at the next.
    fn noticed(&mut self, paths: &[&PathBuf], notices: &[String], redactor: &Redactor) {
        for path in paths {
            self.noticed.remove(*path);
        }
        for notice in notices {
            let about = paths.iter().filter(|path| notice.contains(&*path.to_string_lossy()));
            // of a folder and a file in it, the file
            match about.max_by_key(|path| path.as_os_str().len()) {
                Some(path) if self.noticed.len() < MOST_PROBLEMS => {
                    self.noticed.entry((*path).clone()).or_default().insert(redactor.name(notice));
                }
                Some(_) => {}
                None => self.problem(Whose::Administrators, redactor.name(notice)),
            }
        }
    }

    /// Something happened that somebody should look into.
    pub fn alert(&mut self, alert: Alert) {
        let of_user = self.alerts.entry(alert.user.clone()).or_default();
        of_user.push_back(alert);
        if of_user.len() > MOST_ALERTS {
            of_user.pop_front();
        }
    }

    /// Alerts of all users, or of one, the newest first.
    pub fn alerts(&self, user: Option<&str>) -> impl Iterator<Item = &Alert> {
        let wanted = self.alerts.iter().filter(|(owner, _)| user.is_none_or(|user| user == *owner));
        let mut all: Vec<&Alert> = wanted.flat_map(|(_, alerts)| alerts).collect();
        // of one moment the last that was told comes first
        all.reverse();
        all.sort_by_key(|alert| std::cmp::Reverse(alert.time));
        all.into_iter()
    }

    /// What goes wrong, or does not any more, whatever passes find.
    pub fn lasting(&mut self, about: &'static str, problem: Option<String>) {
        match problem {
            Some(text) => drop(self.lasting.insert(about, text)),
            None => drop(self.lasting.remove(about)),
        }
    }

    /// What goes wrong now, as a user may know it; an administrator (`None`) knows all. Of what is not told, that it is.
    pub fn problems(&self, user: Option<&str>) -> Vec<String> {
        let is_theirs = |whose: &Whose| match (user, whose) {
            (None, _) | (_, Whose::Everybody) => true,
            (Some(user), Whose::User(owner)) => user == owner,
            (Some(_), Whose::Administrators) => false,
        };
        let fought = self.fought.iter().map(|(owner, text)| (Whose::User(owner.clone()), text.clone()));
        let lasting = self.lasting.values().map(|text| (Whose::Administrators, text.clone()));
        let noticed = self.noticed.values().flatten().map(|text| (Whose::Administrators, text.clone()));
        let all = lasting.chain(self.problems.iter().cloned()).chain(noticed).chain(fought);
        let (told, hidden): (Vec<_>, Vec<_>) = all.partition(|(whose, _)| is_theirs(whose));
        // what is only another user's is no business of this one
        let hidden = hidden.iter().filter(|(whose, _)| *whose == Whose::Administrators).count();
        let hidden =
            (hidden > 0).then(|| format!("{hidden} problems of the agent that an administrator is told of"));
        told.into_iter().map(|(_, text)| text).chain(hidden).collect()
    }

    /// Whether a home has a server in a client's files, in whatever form.
    pub fn has(&self, home: usize, client: &str, runs: &str) -> bool {
        let of_home = self.files.range((Some(home), PathBuf::new())..(Some(home + 1), PathBuf::new()));
        let mut found = of_home.flat_map(|(_, found)| found);
        found.any(|found| found.entry.client == client && found.runs == runs)
    }

    /// Everything that was found, of all users, or of one and of what is machine-wide.
    pub fn found(&self, user: Option<&str>) -> impl Iterator<Item = &Found> {
        let is_wanted = move |found: &&Found| match (user, &found.entry.user) {
            (Some(user), Some(owner)) => user == owner,
            _ => true,
        };
        self.files.values().flatten().filter(is_wanted)
    }

    fn take(
        &mut self,
        ground: &Ground,
        outcome: &Outcome,
        off: &BTreeSet<usize>,
        left: &[Left],
        redactor: &Redactor,
    ) {
        self.work.bytes += outcome.sources.iter().filter_map(|source| source.bytes).sum::<u64>();
        let left: BTreeMap<usize, &str> = left.iter().map(|left| (left.entry, left.why)).collect();
        for (at, entry, findings) in report::entries(ground, outcome, true, redactor) {
            let source = &outcome.sources[outcome.entries[at].source].source;
            let stand = stand(&entry, off.contains(&at));
            let left = left.get(&at).map(|why| (*why).to_owned());
            let runs = planted::runs(&outcome.entries[at].identity);
            let found = Found { entry, stand, left, runs, findings };
            self.files.entry((source.home, source.path.clone())).or_default().push(found);
        }
    }

    fn happened(
        &mut self,
        ground: &Ground,
        outcome: &Outcome,
        acted: &[Acted],
        redactor: &Redactor,
        now: Timestamp,
    ) {
        for one in acted {
            Happened::of(ground, outcome, one, redactor, now)
                .into_iter()
                .for_each(|one| self.recent.note(one));
        }
    }
}

/// Entries that the policy does not allow and whose clients' own off switches hold.
pub fn stand(entry: &v1::Entry, is_off: bool) -> Stand {
    let is_allowed = entry.judged.as_ref().is_none_or(|judged| judged.verdict == Verdict::Allow);
    match is_allowed {
        true => Stand::Allowed,
        false if is_off || entry.disabled || entry.inert.is_some() => Stand::Off,
        false => Stand::Open,
    }
}

fn problems_of(passed: &Passed, redactor: &Redactor) -> BTreeSet<(Whose, String)> {
    let about = passed.in_force.about(passed.ring.as_deref());
    // how old the policy is concerns everybody
    let whose =
        |notice: &str| if status::is_of_age(notice) { Whose::Everybody } else { Whose::Administrators };
    let of_pass = passed.notices.iter().map(|notice| (whose(notice), redactor.name(notice)));
    let of_policy = about.notices.iter().map(|notice| (Whose::Everybody, redactor.name(notice)));
    let mut problems: BTreeSet<(Whose, String)> = of_pass.chain(of_policy).collect();
    let of_user = |user: &String, text: String| (Whose::User(user.clone()), redactor.name(&text));
    problems.extend(
        passed
            .failed
            .iter()
            .map(|(user, failure)| of_user(user, format!("the home of {user} gave no answer: {failure}"))),
    );
    problems.extend(passed.unfinished.iter().map(|user| {
        of_user(user, format!("there was more to do in the home of {user} than its time was enough for"))
    }));
    problems
}

/// The mode in words.
pub fn mode_word(mode: Mode) -> String {
    in_force::word(mode).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_look_noticed_about_a_file_is_over_with_the_next_look_at_it() {
        let mut board = Board::new(Timestamp::UNIX_EPOCH, None);
        let redactor = Redactor::new(b"");
        let paths = ["/h/.kiro".into(), "/h/.kiro/mcp.json".into(), "/h/other".into()];
        let paths: Vec<&PathBuf> = paths.iter().collect();
        let notices = ["/h/.kiro/mcp.json cannot be parsed", "the disk is full"].map(str::to_owned);
        board.noticed(&paths, &notices, &redactor);
        assert_eq!(board.problems(None).len(), 2);
        board.noticed(&paths[2..], &[], &redactor);
        assert_eq!(board.problems(None).len(), 2, "another file was looked at");
        board.noticed(&paths[1..], &[], &redactor);
        assert_eq!(board.problems(None), ["the disk is full"]);
    }

    #[test]
    fn the_time_of_the_slowest_looks_is_told_of_the_last_ones_only() {
        let mut work = Work::default();
        assert_eq!(work.percentile(99), None);
        for _ in 0..LATENCIES {
            work.note(Some(Duration::from_secs(9)));
        }
        for millis in 1..=LATENCIES as u64 {
            work.note(Some(Duration::from_millis(millis)));
        }
        // one that nothing outside called for has no time
        work.note(None);
        assert_eq!(work.looks, 2 * LATENCIES as u64 + 1);
        assert_eq!(work.percentile(50), Some(Duration::from_millis(513)));
        assert_eq!(work.percentile(100), Some(Duration::from_millis(1024)));
    }

    #[test]
    fn a_user_is_told_of_no_other_users_files_and_that_there_is_more_which_an_administrator_sees() {
        let mut board = Board::new(Timestamp::UNIX_EPOCH, None);
        board.problem(Whose::Everybody, "STALE".to_owned());
        board.problem(Whose::Administrators, "refused: /home/bob/x".to_owned());
        board.problem(Whose::User("bob".to_owned()), "the home of bob gave no answer".to_owned());
        board.fought = vec![("bob".to_owned(), "fight over /home/bob/y".to_owned())];
        for user in ["ann", "bob"] {
            let at = Timestamp::UNIX_EPOCH;
            board.alert(Alert::new("fight", at, user, user.to_owned()));
        }
        let told = board.problems(Some("ann"));
        assert_eq!(told, ["STALE", "1 problems of the agent that an administrator is told of"]);
        assert_eq!(board.problems(Some("bob")).len(), 4);
        assert_eq!(board.problems(None).len(), 4);
        assert_eq!(board.alerts(Some("ann")).map(|alert| &alert.detail[..]).collect::<Vec<_>>(), ["ann"]);
        assert_eq!(board.alerts(None).count(), 2);
        for _ in 0..2 * MOST_ALERTS {
            board.alert(Alert::new("server-ended", Timestamp::UNIX_EPOCH, "bob", "rogue".to_owned()));
        }
        assert_eq!((board.alerts(Some("ann")).count(), board.alerts(Some("bob")).count()), (1, MOST_ALERTS));
        for number in 0..2 * MOST_PROBLEMS {
            board.problem(Whose::Administrators, number.to_string());
        }
        assert!(board.problems(None).len() <= MOST_PROBLEMS + 1);
    }
}

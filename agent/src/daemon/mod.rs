//! The daemon: a pass at its start, and then a look at whatever changes, until it is told to stop.
//!
//! What the system tells of changes is a hint. The truth is the pass: it is made anew when policy or accounts change, when
//! hints were lost, and once a day; all known files are looked at every quarter of an hour.

mod around;
mod backlog;
pub mod dirty;
pub mod fights;
mod gate;
mod messages;
pub mod messenger;
mod native;
pub mod notices;
pub mod planted;
mod polled;
mod reports;
mod rescans;
mod retries;
pub mod servers;
mod storm;
mod telling;
mod times;
mod upkeep;
mod watches;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mcpolicy_platform::gate::Told as AtGate;
use mcpolicy_platform::memory;
use mcpolicy_platform::notification::Recipient;
use mcpolicy_platform::processes::Instance;
use mcpolicy_platform::watch::{Change, Hint};
use mcpolicy_schema::document::Rescans as WaitsFor;
use mcpolicy_schema::redact::Redactor;

use crate::board::Board;
use crate::discover::source::Source;
use crate::discover::{self, HomeContext};
use crate::enforce::act::Acted;
use crate::enforce::pass::{Looked, On, Passed, Session, Setting};
use crate::gate::folders::Folders;
use crate::ipc::server::{Shared, Work};
use crate::journal::{self, End, Event};
use crate::native::keeper::{self, Keeper};
use crate::pipeline::{Bounds, Ground, Outcome};
use crate::reporter::Reporter;
use crate::resolve;
use crate::worker::homes::Homes;
use around::{Around, Means};
use backlog::Backlog;
use dirty::{Dirty, QUIET};
use fights::Fights;
use messenger::Messenger;
use notices::Notices;
use planted::Planted;
use polled::Polled;
use retries::Retries;
use servers::{Servers, Told};
use storm::Storm;
use times::Times;
use upkeep::InBackground;
use watches::{Owner, Watches};

/// Time between two passes.
const PASS: Duration = Duration::from_secs(24 * 60 * 60);
/// Time between two looks whether the machine is idle, so that the pass of the day may begin.
const ASK_IDLE: Duration = Duration::from_secs(5 * 60);
/// Time between two looks where the system does not tell of changes.
const POLL: Duration = Duration::from_secs(15);
/// The same while the first policy is fetched.
const FIRST: Duration = Duration::from_secs(2);
/// Time that is let pass before a pass is made because of a change of policy or accounts: several files change at once.
const SETTLE: Duration = Duration::from_millis(300);

/// What is told where more happened than the system keeps.
const HINTS_LOST: &str = "the system lost track of changes: everything is looked at";

/// Wakes that are dealt with before the next look.
const AT_ONCE: usize = 1024;

/// How long a session lasts at least, where a change of the policy or of accounts ends it.
///
/// Attack: a user who changes the mode of the own home again and again has a pass made each time.
const LEAST_FOR_POLICY: Duration = Duration::from_secs(2);
const LEAST_FOR_ACCOUNTS: Duration = Duration::from_secs(30);
/// The same where hints were lost: whoever makes them be lost has no pass made all the time.
const LEAST_FOR_LOST: Duration = Duration::from_secs(5);

/// What wakes the daemon.
#[derive(Debug)]
pub enum Wake {
    /// The system tells of changes.
    Hint(Hint),
    /// Something was mounted or unmounted at these paths of this host.
    Mounted(Vec<PathBuf>),
    /// The clock was set, or the machine woke from sleep: what waits for a time may be due.
    Leapt,
    /// Somebody asks for what only the daemon can do.
    Ask(Work),
    /// The gate tells something, and when it did.
    Gate(Instant, AtGate),
    /// It is to stop.
    Stop,
}

/// Runs something within the bounds of a pass.
pub type Bounding = dyn Fn(&mut dyn FnMut(&Bounds<'_>));

/// What the daemon works with.
pub struct Rig<'a> {
    /// Lays the ground anew: users come and go.
    pub ground: &'a dyn Fn() -> anyhow::Result<Ground>,
    /// What a pass stands on, at this time.
    pub setting: &'a dyn Fn() -> Setting<'a>,
    /// Who answers for homes.
    pub homes: &'a dyn for<'g> Fn(&'g Ground, &'g Redactor) -> Homes<'g>,
    /// What bounds a pass.
    pub bounds: &'a Bounding,
    /// For whatever is written down.
    pub redactor: &'a Redactor,
    /// The file of the settings, on this host: when it changes, it is read anew.
    pub settings: &'a Path,
    /// Whether that file is another than the one that was read.
    pub is_other_settings: &'a dyn Fn() -> bool,
    /// Who shows notices on desktops; nobody for a folder that is taken for a machine.
    pub messenger: Option<&'a Messenger>,
    /// Whose desktop the user of a home has.
    pub recipient: &'a dyn Fn(&HomeContext) -> Option<Recipient>,
    /// What is told to whoever asks.
    pub shared: &'a Shared,
    /// Folders of this host in which a change means another pass: the published policy, the settings.
    pub own: Vec<PathBuf>,
    /// Whether the clients' own managed files are this agent's to write: those of a machine, not of one user.
    pub native: bool,
    /// A policy is fetched by another: without one there is nothing to do yet, and no reason to end.
    pub waits_for_policy: bool,
}

/// What the daemon tells.
pub enum Said<'s> {
    /// A pass was made.
    Pass(&'s Passed),
    /// A look was taken, this long after the first hint, if something outside called for it.
    Look(&'s Looked, Option<Duration>),
    /// Something about running servers and clients.
    Servers(&'s [Told]),
    /// Something that people must know.
    Notice(String),
}

/// Why the daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// Its settings have changed.
    OtherSettings,
}

/// Why a session ends.
enum Ends {
    Stop,
    Anew,
    /// Nothing but the time that has gone by calls for the next.
    OfTheDay,
    OtherSettings,
    /// A pass is asked for: its answer is what comes of it.
    Asked(Work),
}

/// What outlasts a change of the settings: a user who was told that a server will be ended is told that it will not.
pub struct Kept {
    fights: Fights,
    notices: Notices,
    servers: Servers,
    native: Keeper,
    gate: crate::gate::Keeper,
    gate_told: gate::GateTold,
    /// Who reports; nobody where nothing is to be.
    pub reporter: Option<Reporter>,
}

impl Kept {
    /// Nothing known yet. `below` is the process whose descendants are taken for what runs on a folder that is taken for a
    /// machine.
    pub fn new(below: Option<Instance>) -> Self {
        let (fights, notices) = (Fights::default(), Notices::default());
        let gate = crate::gate::Keeper::default();
        Self {
            fights,
            notices,
            servers: Servers::new(below),
            native: Keeper::default(),
            gate,
            gate_told: gate::GateTold::default(),
            reporter: None,
        }
    }
}

/// Holds the line until it is told to stop.
///
/// # Errors
/// As a pass.
pub fn run(
    rig: &Rig<'_>,
    (tell_wake, wakes): (&Sender<Wake>, &Receiver<Wake>),
    kept: &mut Kept,
    tell: &mut dyn FnMut(Said<'_>),
) -> anyhow::Result<Ended> {
    let backlog = Backlog::default();
    let mut asked = Vec::new();
    let (mut settings_at, mut in_background) = (None, false);
    let mut told = None;
    loop {
        let ground = (rig.ground)()?;
        rig.shared.know(people(&ground));
        let homes = (rig.homes)(&ground, rig.redactor);
        let on = On { ground: &ground, homes: &homes };
        let (sender, count) = (tell_wake.clone(), backlog.clone());
        let pass_on = move |hint| {
            if count.comes() {
                drop(sender.send(Wake::Hint(hint)));
            }
        };
        let of_homes = ground.homes.iter().map(|home| home.layout.home.clone()).collect();
        let watches = Watches::new(ground.machine.clone(), of_homes, pass_on);
        let mut session = Line {
            rig,
            on,
            watches,
            polled: Polled::default(),
            backlog: backlog.clone(),
            servers: &mut kept.servers,
            dirty: Dirty::default(),
            retries: Retries::default(),
            around: Around::new(rig, &ground),
            settings_at,
            store_at: None,
            in_background,
            first_hint: BTreeMap::new(),
            looked_at: BTreeMap::new(),
            moved: BTreeSet::new(),
            fights: std::mem::take(&mut kept.fights),
            planted: Planted::default(),
            notices: &mut kept.notices,
            native: &mut kept.native,
            gate: &mut kept.gate,
            gate_told: &mut kept.gate_told,
            gate_folders: Folders::default(),
            tell_wake: tell_wake.clone(),
            reporter: kept.reporter.as_mut(),
        };
        let ends = session.hold(wakes, std::mem::take(&mut asked), tell);
        kept.fights = session.fights;
        settings_at = session.settings_at;
        let held = rig.shared.board().settled.is_some();
        match ends {
            // one that has held the line goes on trying: a disk that is full is so for all, and has room again one day
            Err(error) if held || rig.waits_for_policy => {
                let error = rig.redactor.name(&format!("{error:#}"));
                rig.shared.board().lasting("pass", Some(format!("no pass can be made: {error}")));
                // while the first policy is fetched it is the same every two seconds
                if told.as_ref() != Some(&error) {
                    tell(Said::Notice(format!("no pass can be made, and it is tried again: {error}")));
                    told = Some(error);
                }
                match waits(wakes, &backlog, if held { POLL } else { FIRST }) {
                    Waited::Stopped => return Ok(Ended::Stopped),
                    Waited::Hinted if (rig.is_other_settings)() => return Ok(Ended::OtherSettings),
                    Waited::Hinted | Waited::Quiet => {}
                }
            }
            ends => match ends? {
                Ends::Stop => return Ok(Ended::Stopped),
                Ends::OtherSettings => return Ok(Ended::OtherSettings),
                Ends::Anew => in_background = false,
                Ends::OfTheDay => in_background = true,
                Ends::Asked(work) => {
                    in_background = false;
                    asked.push(work);
                }
            },
        }
    }
}

/// What came while nothing could be done.
enum Waited {
    Quiet,
    Hinted,
    Stopped,
}

/// Waits until a pass can be tried again. What changes meanwhile is seen by that, but for the settings; who asks is told that
/// there is no answer.
fn waits(wakes: &Receiver<Wake>, backlog: &Backlog, time: Duration) -> Waited {
    let end = Instant::now() + time;
    let mut waited = Waited::Quiet;
    loop {
        match wakes.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return Waited::Stopped,
            Err(RecvTimeoutError::Timeout) => return waited,
            Ok(Wake::Hint(_)) => {
                backlog.taken();
                waited = Waited::Hinted;
            }
            Ok(_) => {}
        }
    }
}

/// One session: a pass, and the looks after it.
struct Line<'r, 'a, 'g, 'h> {
    rig: &'r Rig<'a>,
    on: On<'g, 'h>,
    watches: Watches,
    polled: Polled,
    backlog: Backlog,
    servers: &'r mut Servers,
    dirty: Dirty,
    retries: Retries,
    around: Around,
    /// When the settings are to be read anew. A session that ends before hands it on: MDM pushes settings and a policy together.
    settings_at: Option<Instant>,
    /// When it is to be looked whether the stored policy is whole.
    store_at: Option<Instant>,
    /// Nothing but the time that has gone by calls for its pass.
    in_background: bool,
    /// When each dirty path was first told of.
    first_hint: BTreeMap<dirty::Place, Instant>,
    /// The files that the last look was at, with all that belong to them.
    looked_at: BTreeMap<usize, BTreeSet<PathBuf>>,
    /// Dirty paths at which folders that are watched came or went.
    moved: BTreeSet<dirty::Place>,
    fights: Fights,
    planted: Planted,
    notices: &'r mut Notices,
    native: &'r mut Keeper,
    gate: &'r mut crate::gate::Keeper,
    gate_told: &'r mut gate::GateTold,
    /// Folders in which opens are to be held.
    gate_folders: Folders,
    tell_wake: Sender<Wake>,
    reporter: Option<&'r mut Reporter>,
}

impl Line<'_, '_, '_, '_> {
    fn hold(
        &mut self,
        wakes: &Receiver<Wake>,
        asked: Vec<Work>,
        tell: &mut dyn FnMut(Said<'_>),
    ) -> anyhow::Result<Ends> {
        // before the pass, so that nothing that happens meanwhile is missed
        let both = (Instant::now(), self.rig.shared.now());
        self.watches.add(None, self.around.folders());
        self.poll_outside(self.watches.unwatched());
        self.gate.busy(true);
        let (mut session, passed) = self.pass()?;
        self.board().lasting("pass", None);
        self.settle_gate(&passed);
        self.hold_folders(&session);
        self.watch(places_of(&passed.outcome));
        self.watch(session.linked_folders());
        // what came meanwhile into a folder that is not watched differs from this list
        self.poll_outside(self.watches.unwatched());
        self.see_what_became_of(&passed.outcome, &passed.acted);
        self.try_again(&passed.outcome, &passed.acted, &[]);
        self.board().passed(self.on.ground, &passed, self.rig.redactor, self.rig.shared.now());
        self.say_mode();
        tell(Said::Pass(&passed));
        self.report_found(&passed.outcome, &passed.would);
        self.report(&mut session);
        self.note_for_users(&passed.outcome, &passed.acted, &passed.would);
        self.answer_of_pass(&passed, asked);
        let waits_for = passed.in_force.policy.document().policy.rescans;
        let next = self.until_next(&passed);
        let Passed { outcome, acted, .. } = passed;
        self.native.passed(self.on.ground, &outcome, Instant::now());
        self.servers.passed(self.on.ground, outcome, &acted);
        let begun = Instant::now();
        let mut times = Times::new(begun, both, next);
        times.leapt(begun, self.rig.shared.now());
        let mut told: BTreeSet<String> = BTreeSet::new();
        let mut storm = Storm::default();
        let mut grown = true;
        self.gate.busy(false);
        loop {
            self.tell_state(times.rescans.every(), Instant::now());
            self.report(&mut session);
            let degraded: BTreeSet<String> = self.watches.degraded.values().cloned().collect();
            for why in degraded.difference(&told) {
                let every = POLL.as_secs();
                tell(Said::Notice(format!(
                    "not everything is watched: {why}; all known files of that home are looked at every {every} s"
                )));
            }
            told = degraded;
            let now = Instant::now();
            if let Some(ends) = self.is_over(&mut times, (waits_for, now)) {
                self.mend_before_end(&mut session, tell);
                self.report(&mut session);
                return Ok(ends);
            }
            let due = self.dirty.take(now);
            if !due.is_empty() {
                grown = true;
                if !self.look_or_tell(&mut session, &due, tell) {
                    times.pass_within(POLL, now);
                }
            }
            // after what is due and not in its place: whoever changes files without end keeps no rescan from going on
            grown |= self.poll(&mut session, &mut times, now, tell);
            grown |= self.rescan(&mut session, &mut times, (waits_for, now), tell);
            self.keep_native(&mut session, &mut times, now, tell);
            self.show_notices(now);
            if self.store_at.is_some_and(|at| now >= at) {
                self.store_at = self.mend_store(&mut session, tell).then(|| now + POLL);
            }
            if self.servers.is_due(now) {
                self.look_at_servers(now, &mut session, tell);
            }
            let wait = self.until_something(&times).saturating_duration_since(Instant::now());
            if grown && wait > QUIET {
                // nothing comes at once: files that were read are let go of by now
                memory::give_back();
                grown = false;
            }
            let woken = wakes.recv_timeout(wait);
            std::thread::sleep(storm.gather(Instant::now()));
            self.board().work.wakes += 1;
            // what came while a look went on is one look, not one after the other; and a file that is written tells thrice
            let mut hinted: BTreeMap<PathBuf, Change> = BTreeMap::new();
            let mut lost = self.backlog.has_lost();
            let (mut ends, mut at_gate) = (None, Vec::new());
            for woken in std::iter::once(woken).chain(wakes.try_iter().map(Ok)).take(AT_ONCE) {
                match woken {
                    Ok(Wake::Ask(work)) => {
                        ends = self.work(&mut session, work);
                    }
                    Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => ends = Some(Ends::Stop),
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(Wake::Mounted(paths)) => {
                        if paths.iter().any(|path| self.around.may_be_home(path)) {
                            times.pass(Instant::now(), LEAST_FOR_ACCOUNTS);
                        }
                    }
                    // what follows is what each wake looks for
                    Ok(Wake::Leapt) => {}
                    Ok(Wake::Gate(at, told)) => at_gate.push((at, told)),
                    Ok(Wake::Hint(hint)) => {
                        self.backlog.taken();
                        match hint {
                            Hint::Lost => lost = true,
                            Hint::Changed(paths, change) => {
                                for path in paths {
                                    let known = hinted.entry(path).or_default();
                                    *known = change.and(*known);
                                }
                            }
                        }
                    }
                }
                // what came before it is taken in all the same: among it may be other settings
                if ends.is_some() {
                    break;
                }
            }
            let now = Instant::now();
            times.leapt(now, self.rig.shared.now());
            if !hinted.is_empty() {
                self.note_writers(&session);
            }
            storm.count(hinted.len(), now);
            for (path, change) in hinted {
                let means = self.hinted(&session, &path, change, now);
                self.take_in(means, &mut times, now);
            }
            if !at_gate.is_empty() {
                grown = true;
                self.hear_gate(&mut session, at_gate, tell);
            }
            if self.dirty.has_dropped() {
                times.pass(now, LEAST_FOR_ACCOUNTS);
            }
            if lost {
                self.store_at.get_or_insert(now);
            }
            // once for each session: whoever makes hints be lost without end fills no journal
            if lost && !times.has_lost {
                tell(Said::Notice(HINTS_LOST.to_owned()));
                self.note(&mut session, Event::new("hints-lost", HINTS_LOST), tell);
                times.lost(now);
            }
            if let Some(ends) = ends {
                self.mend_before_end(&mut session, tell);
                if matches!(ends, Ends::Stop) {
                    self.report_calls(true);
                    self.note(&mut session, Event::new(journal::STOPPED, "it was told to stop"), tell);
                }
                return Ok(ends);
            }
        }
    }

    /// Whether the session ends now, because of the time.
    fn is_over(&self, times: &mut Times, (waits_for, now): (WaitsFor, Instant)) -> Option<Ends> {
        if self.settings_at.is_some_and(|at| now >= at) {
            return Some(Ends::OtherSettings);
        }
        if !times.is_pass_due(now, waits_for) {
            return None;
        }
        // among the hints that were lost in this session may be the one at other settings
        if times.has_lost && (self.rig.is_other_settings)() {
            return Some(Ends::OtherSettings);
        }
        Some(if times.is_of_the_day() { Ends::OfTheDay } else { Ends::Anew })
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.rig.shared.board()
    }

    /// What holds at this moment, for whoever asks.
    fn tell_state(&mut self, rescan: Duration, now: Instant) {
        let fought = self.fights.going_on(now).into_iter().map(|(user, path)| {
            let path = self.rig.redactor.name(&path.to_string_lossy());
            (user, format!("fight: something keeps putting what is denied back into {path}"))
        });
        let fought: Vec<(String, String)> = fought.collect();
        let mut board = self.board();
        board.fought = fought;
        board.watched = self.watches.len();
        board.degraded = self
            .watches
            .degraded
            .iter()
            .map(|(owner, why)| {
                let user =
                    owner.and_then(|home| self.on.ground.homes.get(home)).map(|home| home.user.clone());
                (user, self.rig.redactor.name(why))
            })
            .collect();
        board.rescan = rescan;
    }

    /// Looks once more at what was changed: what is told of a file is what was read of it last. Not at what could not be: a
    /// file that nobody may write would be tried five times a second, for ever.
    fn see_what_became_of(&mut self, outcome: &Outcome, acted: &[Acted]) {
        let now = Instant::now();
        let changed = acted.iter().filter(|acted| acted.end == End::Applied);
        for source in changed.map(|acted| &outcome.sources[acted.source].source) {
            if let Some(home) = source.home {
                self.dirty.hint((home, source.path.clone()), now);
            }
        }
    }

    /// Time until the next pass, if nothing happens: a day, or when a policy counts as older, or when what it or a token gave
    /// ends.
    fn until_next(&self, passed: &Passed) -> Duration {
        let reading = (self.rig.setting)();
        let glass = passed.glass.as_ref().and_then(|glass| glass.left(reading.now, reading.uptime.as_ref()));
        let older = passed.in_force.older_at.iter().map(|at| at.duration_since(passed.at));
        let ends = glass.into_iter().chain(older).filter(|left| left.is_positive());
        // a moment later, so that it has ended then
        let ends = ends.filter_map(|left| Duration::try_from(left).ok()).map(|left| left + SETTLE);
        ends.chain([PASS]).min().unwrap_or(PASS)
    }

    fn pass(&self) -> anyhow::Result<(Session, Passed)> {
        let setting = (self.rig.setting)();
        let _background = self.in_background.then(|| InBackground::begin(self.on.homes));
        let mut begun = None;
        let starts = self.board().settled.is_none();
        (self.rig.bounds)(&mut |bounds| begun = Some(Session::begin(&setting, self.on, bounds, starts)));
        begun.context("no pass was made")?
    }

    /// Watches places, and looks again at those that are new: what came there before the watch did was told to nobody.
    fn watch(&mut self, places: BTreeMap<Owner, BTreeSet<PathBuf>>) {
        for (owner, places) in places {
            let new = self.watches.add(owner, places);
            self.look_into(new, Instant::now());
        }
    }

    /// What came into these folders before they were watched was told to nobody.
    fn look_into(&mut self, folders: BTreeSet<PathBuf>, now: Instant) {
        for folder in folders {
            if let Some(home) = self.on.homes.home_of(&folder) {
                self.dirty.hint((home, folder), now);
            }
        }
    }

    /// Takes in who wrote clients' files: as early as can be, since a program may end a moment later.
    fn note_writers(&mut self, session: &Session) {
        let machine = &self.on.ground.machine;
        self.watches.take_in_writers(Instant::now(), &|path| {
            let path = machine.machine_path(path);
            discover::changed::may_be_source(&path) || session.home_that_knows(&path).is_some()
        });
    }

    /// Takes in that something happened at a path of this host.
    fn hinted(&mut self, session: &Session, path: &Path, change: Change, now: Instant) -> Means {
        let path = self.on.ground.machine.machine_path(path);
        let is_watched = change.came_or_went && self.watches.hang_on(&path);
        let means = self.around.means(&path, change);
        let home = self.on.homes.home_of(&path);
        if is_watched && (home.is_none() || means != Means::Nothing) {
            let new = self.watches.renew(&path);
            self.look_into(new, now);
        }
        if self.around.is_at_native(&path, change) {
            // a save empties the file first, and is one change
            self.native.wake(now + keeper::SETTLE);
            // what others declare in it is looked at when it turns out that they have changed it
            if self.native.is_alone_at(&self.on.ground.machine, &path) {
                return Means::Nothing;
            }
        }
        if means != Means::Nothing {
            return means;
        }
        // a file outside of homes is looked at for whoever's client knows it, and what is new there by a pass
        let Some(home) = home.or_else(|| session.home_that_knows(&path)) else {
            let may_be = self.watches.wants(path.parent()) && discover::changed::may_be_source(&path);
            return if is_watched || may_be { Around::means_of_all(&path) } else { means };
        };
        for known in session.known_as(home, &path) {
            let place = (home, known);
            if self.dirty.hint(place.clone(), now) {
                self.first_hint.entry(place).or_insert(now);
            }
        }
        // nearly all that is told is of files that are no client's; what was written is no folder
        let may_matter = is_watched
            || session.knows(home, &path)
            || discover::changed::may_be_source(&path)
            || (change.may_be_folder && self.watches.is_folder(&path));
        if may_matter {
            let place = (home, path);
            if self.dirty.hint(place.clone(), now) {
                if is_watched {
                    self.moved.insert(place.clone());
                }
                self.first_hint.entry(place).or_insert(now);
            }
        }
        Means::Nothing
    }

    /// Looks at what runs. What cannot be written down is not done, and tried again at the next look.
    fn look_at_servers(&mut self, now: Instant, session: &mut Session, tell: &mut dyn FnMut(Said<'_>)) {
        let setting = (self.rig.setting)();
        let told = self.servers.look(now, session, &setting, self.on);
        let needed = self.servers.restart_needed().map(|(process, needed)| {
            let servers: Vec<&str> = needed.servers.iter().map(String::as_str).collect();
            let text = format!("{} (process {}), for {}", needed.client, process.pid, servers.join(", "));
            (needed.user.clone(), self.rig.redactor.name(&text))
        });
        let needed = needed.collect();
        let running = self.servers.denied_now();
        let given = self.servers.given_now();
        let mut board = self.board();
        (board.restart_needed, board.running, board.given) = (needed, running, given);
        drop(board);
        self.tell_of_servers(told.as_deref().unwrap_or_default());
        match told {
            Ok(told) if told.is_empty() => {}
            Ok(told) => tell(Said::Servers(&told)),
            Err(error) => tell(Said::Notice(format!("{error:#}"))),
        }
    }

    /// Looks at what is due, and says what came of it.
    fn look(
        &mut self,
        session: &mut Session,
        due: &[dirty::Place],
        tell: &mut dyn FnMut(Said<'_>),
    ) -> anyhow::Result<SeenNow> {
        let mut changed: BTreeMap<usize, BTreeSet<PathBuf>> = BTreeMap::new();
        let mut first: Option<Instant> = None;
        for place in due {
            if let Some(hinted) = self.first_hint.remove(place) {
                first = Some(first.map_or(hinted, |first| first.min(hinted)));
            }
            changed.entry(place.0).or_default().insert(place.1.clone());
        }
        // before the look, so that it sees what came there before the watch did
        for place in due {
            if self.moved.remove(place) {
                let mut new = self.watches.renew(&place.1);
                new.remove(&place.1);
                self.look_into(new, Instant::now());
            }
        }
        let setting = (self.rig.setting)();
        self.gate.busy(true);
        let looked = session.look(&setting, self.on, &changed);
        self.gate.busy(false);
        let looked = looked?;
        // what the look saw may have come after the last wake
        self.note_writers(session);
        let since = first.map(|first| first.elapsed());
        self.see_what_became_of(&looked.outcome, &looked.acted);
        self.try_again(&looked.outcome, &looked.acted, due);
        self.tell_planted(session, &setting, &looked, tell)?;
        self.hold_fights(session, &setting, &looked, tell)?;
        let now = self.rig.shared.now();
        self.board().looked(self.on.ground, &looked, (since, now), self.rig.redactor);
        self.report_found(&looked.outcome, &looked.would);
        self.note_for_users(&looked.outcome, &looked.acted, &looked.would);
        tell(Said::Look(&looked, since));
        self.watch(places_of(&looked.outcome));
        self.watch(session.linked_folders());
        if self.gate.is_on() && self.gate_folders.take_in(&looked.outcome) {
            self.hold_folders(session);
            // what was nobody's file may be a client's by now
            self.gate.forget();
        }
        let seen = SeenNow::of(&looked);
        let Looked { outcome, changed, acted, .. } = looked;
        self.native.looked(&outcome, &changed, Instant::now());
        self.servers.looked(self.on.ground, outcome, &acted, &changed);
        self.looked_at = changed;
        Ok(seen)
    }
}

/// What a look came to.
struct SeenNow {
    /// A home gave no answer.
    is_unanswered: bool,
    /// The files that it read.
    sources: Vec<Source>,
    /// Those of them that hold what is not allowed, and could not be changed.
    undone: BTreeSet<PathBuf>,
}

impl SeenNow {
    fn of(looked: &Looked) -> Self {
        let sources = || looked.outcome.sources.iter();
        let path = |source: usize| looked.outcome.sources[source].source.path.clone();
        let failed = looked.acted.iter().filter(|acted| matches!(acted.end, End::Failed | End::Conflict));
        let open = looked.left.iter().filter(|left| left.is_open());
        let open = open.map(|left| looked.outcome.entries[left.entry].source);
        Self {
            is_unanswered: looked.is_unanswered,
            sources: sources().map(|result| result.source.clone()).collect(),
            undone: failed.map(|acted| acted.source).chain(open).map(path).collect(),
        }
    }
}

/// Folders in which a client's file may come to be: those in which files were looked for, those of known files, their
/// projects, and where new projects come beside them.
fn places_of(outcome: &Outcome) -> BTreeMap<Owner, BTreeSet<PathBuf>> {
    let mut all: BTreeMap<Owner, BTreeSet<PathBuf>> = BTreeMap::new();
    all.entry(None).or_default().extend(outcome.places.iter().cloned());
    for (home, places) in &outcome.places_of {
        all.entry(Some(*home)).or_default().extend(places.iter().cloned());
    }
    for result in &outcome.sources {
        let places = all.entry(result.source.home).or_default();
        places.extend(result.source.path.parent().map(Path::to_owned));
        places.extend(resolve::project_of(&result.source));
    }
    for places in all.values_mut() {
        let beside: Vec<PathBuf> =
            places.iter().filter_map(|place| place.parent()).map(Path::to_owned).collect();
        places.extend(beside);
    }
    all
}

/// Names of accounts by their numbers, as the system names peers.
fn people(ground: &Ground) -> BTreeMap<String, String> {
    let named = ground.homes.iter().filter_map(|home| Some((home.uid?.to_string(), home.user.clone())));
    named.collect()
}

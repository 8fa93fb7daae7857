//! The daemon: a pass at its start, and then a look at whatever changes, until it is told to stop.
//!
//! What the system tells of changes is a hint. The truth is the pass: it is made anew when policy or accounts change, when
//! hints were lost, and once a day; all known files are looked at every quarter of an hour.

mod around;
pub mod dirty;
pub mod fights;
mod messages;
pub mod messenger;
pub mod notices;
pub mod planted;
mod polled;
pub mod servers;
mod storm;
mod telling;
mod watches;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mcpolicy_platform::memory;
use mcpolicy_platform::notification::Recipient;
use mcpolicy_platform::watch::{Change, Hint};
use mcpolicy_schema::redact::Redactor;

use crate::board::{Board, Whose};
use crate::discover::{self, HomeContext};
use crate::enforce::act::Acted;
use crate::enforce::pass::{Looked, On, Passed, STORE_MENDED, Session, Setting};
use crate::ipc::server::{Shared, Work};
use crate::journal::{self, End, Event};
use crate::pipeline::{Bounds, Ground, Outcome};
use crate::resolve;
use crate::worker::homes::Homes;
use around::{Around, Means};
use dirty::{Dirty, QUIET};
use fights::Fights;
use messenger::Messenger;
use notices::Notices;
use planted::Planted;
use polled::Polled;
use servers::{Servers, Told, Waits};
use storm::Storm;
use watches::Watches;

/// Time between two looks at all known files.
const RESCAN: Duration = Duration::from_secs(15 * 60);
/// Time between two passes.
const PASS: Duration = Duration::from_secs(24 * 60 * 60);
/// Time between two looks where the system does not tell of changes.
const POLL: Duration = Duration::from_secs(15);
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

/// What wakes the daemon.
#[derive(Debug)]
pub enum Wake {
    /// The system tells of changes.
    Hint(Hint),
    /// Something was mounted or unmounted at these paths of this host.
    Mounted(Vec<PathBuf>),
    /// Somebody asks for what only the daemon can do.
    Ask(Work),
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
    /// Who shows notices on desktops; nobody for a folder that is taken for a machine.
    pub messenger: Option<&'a Messenger>,
    /// Whose desktop the user of a home has.
    pub recipient: &'a dyn Fn(&HomeContext) -> Option<Recipient>,
    /// What is told to whoever asks.
    pub shared: &'a Shared,
    /// Folders of this host in which a change means another pass: the published policy, the settings.
    pub own: Vec<PathBuf>,
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
    OtherSettings,
    /// A pass is asked for: its answer is what comes of it.
    Asked(Work),
}

/// Holds the line until it is told to stop.
///
/// # Errors
/// As a pass.
pub fn run(
    rig: &Rig<'_>,
    (tell_wake, wakes): (&Sender<Wake>, &Receiver<Wake>),
    tell: &mut dyn FnMut(Said<'_>),
) -> anyhow::Result<Ended> {
    let mut asked = Vec::new();
    let mut settings_at = None;
    let mut fights = Fights::default();
    let mut notices = Notices::default();
    let mut servers = Servers::new(Waits::default());
    loop {
        let ground = (rig.ground)()?;
        rig.shared.know(people(&ground));
        let homes = (rig.homes)(&ground, rig.redactor);
        let on = On { ground: &ground, homes: &homes };
        let sender = tell_wake.clone();
        let watches = Watches::new(ground.machine.clone(), move |hint| drop(sender.send(Wake::Hint(hint))));
        let mut session = Line {
            rig,
            on,
            watches,
            polled: Polled::default(),
            servers: &mut servers,
            dirty: Dirty::default(),
            around: Around::new(rig, &ground),
            settings_at,
            store_at: None,
            first_hint: BTreeMap::new(),
            moved: BTreeSet::new(),
            fights: std::mem::take(&mut fights),
            planted: Planted::default(),
            notices: &mut notices,
        };
        let ends = session.hold(wakes, std::mem::take(&mut asked), tell);
        fights = session.fights;
        settings_at = session.settings_at;
        let held = rig.shared.board().settled.is_some();
        match ends {
            // one that has held the line goes on trying: a disk that is full is so for all, and has room again one day
            Err(error) if held => {
                let error = rig.redactor.name(&format!("{error:#}"));
                rig.shared.board().lasting("pass", Some(format!("no pass can be made: {error}")));
                tell(Said::Notice(format!("no pass can be made, and it is tried again: {error}")));
                if stops_within(wakes, POLL) {
                    return Ok(Ended::Stopped);
                }
            }
            ends => match ends? {
                Ends::Stop => return Ok(Ended::Stopped),
                Ends::OtherSettings => return Ok(Ended::OtherSettings),
                Ends::Anew => {}
                Ends::Asked(work) => asked.push(work),
            },
        }
    }
}

/// Whether it is to stop within a time. What changes meanwhile is seen by the pass that comes then, and who asks is told that
/// there is no answer.
fn stops_within(wakes: &Receiver<Wake>, time: Duration) -> bool {
    let end = Instant::now() + time;
    loop {
        match wakes.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return true,
            Err(RecvTimeoutError::Timeout) => return false,
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
    servers: &'r mut Servers,
    dirty: Dirty,
    around: Around,
    /// When the settings are to be read anew. A session that ends before hands it on: MDM pushes settings and a policy together.
    settings_at: Option<Instant>,
    /// When it is to be looked whether the stored policy is whole.
    store_at: Option<Instant>,
    /// When each dirty path was first told of.
    first_hint: BTreeMap<dirty::Place, Instant>,
    /// Dirty paths at which folders that are watched came or went.
    moved: BTreeSet<dirty::Place>,
    fights: Fights,
    planted: Planted,
    notices: &'r mut Notices,
}

impl Line<'_, '_, '_, '_> {
    fn hold(
        &mut self,
        wakes: &Receiver<Wake>,
        asked: Vec<Work>,
        tell: &mut dyn FnMut(Said<'_>),
    ) -> anyhow::Result<Ends> {
        // before the pass, so that nothing that happens meanwhile is missed
        self.watches.add(self.around.folders());
        self.poll(self.watches.unwatched());
        let (mut session, passed) = self.pass()?;
        self.board().lasting("pass", None);
        self.watch(places_of(&passed.outcome));
        self.watch(session.linked_folders());
        self.see_what_became_of(&passed.outcome, &passed.acted);
        self.board().passed(self.on.ground, &passed, self.rig.redactor, self.rig.shared.now());
        tell(Said::Pass(&passed));
        self.note_for_users(&passed.outcome, &passed.acted, &passed.would);
        self.answer_of_pass(&passed, asked);
        let next = self.until_next(&passed);
        let Passed { outcome, acted, .. } = passed;
        self.servers.passed(self.on.ground, outcome, &acted);
        let begun = Instant::now();
        let mut rescanned = begun;
        let mut pass_at = begun + next;
        let mut told: Option<String> = None;
        let mut storm = Storm::default();
        let mut grown = true;
        loop {
            let every = if self.watches.degraded.is_some() { POLL } else { RESCAN };
            self.tell_state(every, Instant::now());
            if self.watches.degraded != told {
                told.clone_from(&self.watches.degraded);
                if let Some(why) = &told {
                    let every = POLL.as_secs();
                    tell(Said::Notice(format!(
                        "not everything is watched: {why}; all known files are looked at every {every} s"
                    )));
                }
            }
            let rescan = if told.is_some() { POLL } else { RESCAN };
            let now = Instant::now();
            if self.settings_at.is_some_and(|at| now >= at) {
                return Ok(Ends::OtherSettings);
            }
            if now >= pass_at {
                return Ok(Ends::Anew);
            }
            if now >= rescanned + rescan {
                rescanned = now;
                self.board().rescanned = Some(self.rig.shared.now());
                session.all_known().into_iter().for_each(|place| self.dirty.hint(place, now));
                let mut new = self.watches.again();
                let unwatched = self.watches.unwatched();
                new.extend(unwatched.iter().cloned());
                self.look_into(new, now);
                let any = Change { came_or_went: true, may_be_folder: true };
                for path in self.poll(unwatched) {
                    let means = self.hinted(&session, &path, any, now);
                    pass_at = self.take_in(means, (begun, now), pass_at);
                }
                self.servers.rescan();
            }
            let due = self.dirty.take(now);
            if !due.is_empty() {
                grown = true;
                let is_done = self.look(&mut session, &due, tell).unwrap_or_else(|error| {
                    // a full disk, say
                    let error = format!("{error:#}");
                    self.board().problem(Whose::Administrators, self.rig.redactor.name(&error));
                    tell(Said::Notice(error));
                    false
                });
                if !is_done {
                    let seconds = POLL.as_secs();
                    tell(Said::Notice(format!(
                        "not all was done: everything is looked at again in {seconds} s"
                    )));
                    pass_at = pass_at.min(now + POLL);
                }
                continue;
            }
            if self.store_at.is_some_and(|at| now >= at) {
                self.store_at = self.mend_store(&mut session, tell).then(|| now + POLL);
            }
            self.show_notices(now);
            if self.servers.is_due(now) {
                self.look_at_servers(now, &mut session, tell);
                continue;
            }
            let next = [
                Some(pass_at),
                Some(rescanned + rescan),
                self.dirty.next(),
                self.settings_at,
                self.store_at,
                self.servers.next(),
                self.notices.next(now),
            ];
            let next = next.into_iter().flatten().min();
            let wait = next.unwrap_or(pass_at).saturating_duration_since(Instant::now());
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
            let mut lost = false;
            for woken in std::iter::once(woken).chain(wakes.try_iter().map(Ok)).take(AT_ONCE) {
                match woken {
                    Ok(Wake::Ask(work)) => {
                        if let Some(ends) = self.work(&mut session, work) {
                            return Ok(ends);
                        }
                    }
                    Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => {
                        self.note(&mut session, Event::new(journal::STOPPED, "it was told to stop"), tell);
                        return Ok(Ends::Stop);
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(Wake::Mounted(paths)) => {
                        if paths.iter().any(|path| self.around.may_be_home(path)) {
                            let now = Instant::now();
                            pass_at = pass_at.min((now + SETTLE).max(begun + LEAST_FOR_ACCOUNTS));
                        }
                    }
                    Ok(Wake::Hint(Hint::Lost)) => {
                        tell(Said::Notice(HINTS_LOST.to_owned()));
                        lost = true;
                    }
                    Ok(Wake::Hint(Hint::Changed(paths, change))) => {
                        for path in paths {
                            let known = hinted.entry(path).or_default();
                            *known = change.and(*known);
                        }
                    }
                }
            }
            let now = Instant::now();
            storm.count(hinted.len(), now);
            for (path, change) in hinted {
                let means = self.hinted(&session, &path, change, now);
                pass_at = self.take_in(means, (begun, now), pass_at);
            }
            if lost {
                self.note(&mut session, Event::new("hints-lost", HINTS_LOST), tell);
                return Ok(Ends::Anew);
            }
        }
    }

    /// Takes in what a change means to a session that begun then. When the next pass is due.
    fn take_in(&mut self, means: Means, (begun, now): (Instant, Instant), pass_at: Instant) -> Instant {
        match means {
            Means::Nothing => {}
            Means::OtherSettings => _ = self.settings_at.get_or_insert(now + SETTLE),
            Means::Store => _ = self.store_at.get_or_insert(now + SETTLE),
            Means::Pass(least) => return pass_at.min((now + SETTLE).max(begun + least)),
        }
        pass_at
    }

    /// What changed outside of homes in folders that are not watched.
    fn poll(&mut self, mut unwatched: BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
        unwatched.retain(|folder| self.on.homes.home_of(folder).is_none());
        self.polled.changed(&self.on.ground.machine, unwatched)
    }

    /// Writes down what happened to the agent itself. It goes on where that cannot be.
    fn note(&self, session: &mut Session, event: Event, tell: &mut dyn FnMut(Said<'_>)) {
        let setting = (self.rig.setting)();
        if let Err(error) = session.event(&setting, event) {
            tell(Said::Notice(format!("{error:#}")));
        }
    }

    /// Looks whether the stored policy is whole, and writes it again where it is not. Whether that has to be tried again.
    fn mend_store(&self, session: &mut Session, tell: &mut dyn FnMut(Said<'_>)) -> bool {
        let mended = session.mend_store(&(self.rig.setting)());
        let problem = match &mended {
            Ok(false) => None,
            Ok(true) => Some(STORE_MENDED.to_owned()),
            Err(error) => Some(format!("the stored policy cannot be written: {error:#}")),
        };
        if let Some(problem) = problem {
            self.board().problem(Whose::Administrators, self.rig.redactor.name(&problem));
            tell(Said::Notice(problem));
        }
        mended.is_err()
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
        board.degraded.clone_from(&self.watches.degraded);
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

    /// Time until the next pass, if nothing happens: a day, or when what a policy or a token gave ends.
    fn until_next(&self, passed: &Passed) -> Duration {
        let reading = (self.rig.setting)();
        let glass = passed.glass.as_ref().and_then(|glass| glass.left(reading.now, reading.uptime.as_ref()));
        let expires = passed.in_force.expires.map(|expires| expires.duration_since(passed.at));
        let ends = [glass, expires].into_iter().flatten().filter(|left| left.is_positive());
        // a moment later, so that it has ended then
        let ends = ends.filter_map(|left| Duration::try_from(left).ok()).map(|left| left + SETTLE);
        ends.chain([PASS]).min().unwrap_or(PASS)
    }

    fn pass(&self) -> anyhow::Result<(Session, Passed)> {
        let setting = (self.rig.setting)();
        let mut begun = None;
        let starts = self.board().settled.is_none();
        (self.rig.bounds)(&mut |bounds| begun = Some(Session::begin(&setting, self.on, bounds, starts)));
        begun.context("no pass was made")?
    }

    /// Watches places, and looks again at those that are new: what came there before the watch did was told to nobody.
    fn watch(&mut self, places: BTreeSet<PathBuf>) {
        let new = self.watches.add(places);
        self.look_into(new, Instant::now());
    }

    /// What came into these folders before they were watched was told to nobody.
    fn look_into(&mut self, folders: BTreeSet<PathBuf>, now: Instant) {
        for folder in folders {
            if let Some(home) = self.on.homes.home_of(&folder) {
                self.dirty.hint((home, folder), now);
            }
        }
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
            self.first_hint.entry(place.clone()).or_insert(now);
            self.dirty.hint(place, now);
        }
        // nearly all that is told is of files that are no client's; what was written is no folder
        let may_matter = is_watched
            || session.knows(home, &path)
            || discover::changed::may_be_source(&path)
            || (change.may_be_folder && self.watches.is_folder(&path));
        if may_matter {
            let place = (home, path);
            if is_watched {
                self.moved.insert(place.clone());
            }
            self.first_hint.entry(place.clone()).or_insert(now);
            self.dirty.hint(place, now);
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
        self.board().restart_needed = needed.collect();
        match told {
            Ok(told) if told.is_empty() => {}
            Ok(told) => tell(Said::Servers(&told)),
            Err(error) => tell(Said::Notice(format!("{error:#}"))),
        }
    }

    /// Looks at what is due. Whether every home answered.
    fn look(
        &mut self,
        session: &mut Session,
        due: &[dirty::Place],
        tell: &mut dyn FnMut(Said<'_>),
    ) -> anyhow::Result<bool> {
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
        let looked = session.look(&setting, self.on, &changed)?;
        let since = first.map(|first| first.elapsed());
        self.see_what_became_of(&looked.outcome, &looked.acted);
        self.tell_planted(session, &setting, &looked, tell)?;
        self.hold_fights(session, &setting, &looked, tell)?;
        let now = self.rig.shared.now();
        self.board().looked(self.on.ground, &looked, (since, now), self.rig.redactor);
        self.note_for_users(&looked.outcome, &looked.acted, &looked.would);
        tell(Said::Look(&looked, since));
        self.watch(places_of(&looked.outcome));
        self.watch(session.linked_folders());
        let Looked { outcome, changed, acted, is_unanswered, .. } = looked;
        self.servers.looked(self.on.ground, outcome, &acted, &changed);
        Ok(!is_unanswered)
    }
}

/// Folders in which a client's file may come to be: those in which files were looked for, those of known files, their
/// projects, and where new projects come beside them.
fn places_of(outcome: &Outcome) -> BTreeSet<PathBuf> {
    let mut places = outcome.places.clone();
    for result in &outcome.sources {
        places.extend(result.source.path.parent().map(Path::to_owned));
        places.extend(resolve::project_of(&result.source));
    }
    let beside: Vec<PathBuf> = places.iter().filter_map(|place| place.parent()).map(Path::to_owned).collect();
    places.extend(beside);
    places
}

/// Names of accounts by their numbers, as the system names peers.
fn people(ground: &Ground) -> BTreeMap<String, String> {
    let named = ground.homes.iter().filter_map(|home| Some((home.uid?.to_string(), home.user.clone())));
    named.collect()
}

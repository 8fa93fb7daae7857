//! The daemon: a pass at its start, and then a look at whatever changes, until it is told to stop.
//!
//! What the system tells of changes is a hint. The truth is the pass: it is made anew when policy or accounts change, when
//! hints were lost, and once a day; all known files are looked at every quarter of an hour.

pub mod dirty;
pub mod messenger;
pub mod notices;
mod watches;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mcpolicy_platform::watch::Hint;
use mcpolicy_schema::redact::Redactor;

use crate::enforce::pass::{Looked, On, Passed, Session, Setting};
use crate::pipeline::{Bounds, Ground, Outcome};
use crate::resolve;
use crate::worker::homes::Homes;
use dirty::Dirty;
use watches::Watches;

/// Time between two looks at all known files.
const RESCAN: Duration = Duration::from_secs(15 * 60);
/// Time between two passes.
const PASS: Duration = Duration::from_secs(24 * 60 * 60);
/// Time between two looks where the system does not tell of changes.
const POLL: Duration = Duration::from_secs(15);
/// Time that is let pass before a pass is made because of a change of policy or accounts: several files change at once.
const SETTLE: Duration = Duration::from_millis(300);

/// How long a session lasts at least, where a change of the policy or of accounts ends it.
const LEAST_FOR_POLICY: Duration = Duration::from_secs(2);
const LEAST_FOR_ACCOUNTS: Duration = Duration::from_secs(30);

/// What wakes the daemon.
#[derive(Debug)]
pub enum Wake {
    /// The system tells of changes.
    Hint(Hint),
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
    /// Folders of this host in which a change means another pass: the published policy, the settings.
    pub own: Vec<PathBuf>,
}

/// What the daemon tells.
pub enum Said<'s> {
    /// A pass was made.
    Pass(&'s Passed),
    /// A look was taken, this long after the first hint.
    Look(&'s Looked, Duration),
    /// Something that people must know.
    Notice(String),
}

/// Why a session ends.
enum Ends {
    Stop,
    Anew,
}

/// Holds the line until it is told to stop.
///
/// # Errors
/// As a pass; the system gives out no watcher.
pub fn run(
    rig: &Rig<'_>,
    (tell_wake, wakes): (&Sender<Wake>, &Receiver<Wake>),
    tell: &mut dyn FnMut(Said<'_>),
) -> anyhow::Result<()> {
    loop {
        let ground = (rig.ground)()?;
        let homes = (rig.homes)(&ground, rig.redactor);
        let on = On { ground: &ground, homes: &homes };
        let sender = tell_wake.clone();
        let watches = Watches::new(ground.machine.clone(), move |hint| drop(sender.send(Wake::Hint(hint))));
        let watches = watches.context("changes of files cannot be watched")?;
        let mut session = Line { rig, on, watches, dirty: Dirty::default(), first_hint: BTreeMap::new() };
        if let Ends::Stop = session.hold(wakes, tell)? {
            return Ok(());
        }
    }
}

/// One session: a pass, and the looks after it.
struct Line<'r, 'a, 'g, 'h> {
    rig: &'r Rig<'a>,
    on: On<'g, 'h>,
    watches: Watches,
    dirty: Dirty,
    /// When each dirty path was first told of.
    first_hint: BTreeMap<dirty::Place, Instant>,
}

impl Line<'_, '_, '_, '_> {
    fn hold(&mut self, wakes: &Receiver<Wake>, tell: &mut dyn FnMut(Said<'_>)) -> anyhow::Result<Ends> {
        let own = self.rig.own.iter().map(|folder| self.on.ground.machine.machine_path(folder));
        let own: Vec<PathBuf> = own.collect();
        let accounts =
            self.on.ground.homes.iter().filter_map(|home| home.layout.home.parent().map(Path::to_owned));
        let around: BTreeSet<PathBuf> = accounts.chain(own).chain([PathBuf::from("/etc")]).collect();
        // before the pass, so that nothing that happens meanwhile is missed
        self.watches.add(around);
        let (mut session, passed) = self.pass()?;
        self.watch(places_of(&passed.outcome));
        tell(Said::Pass(&passed));
        drop(passed);
        let begun = Instant::now();
        let mut rescanned = begun;
        let mut pass_at = begun + PASS;
        let mut told: Option<String> = None;
        loop {
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
            if now >= pass_at {
                return Ok(Ends::Anew);
            }
            if now >= rescanned + rescan {
                rescanned = now;
                session.all_known().into_iter().for_each(|place| self.dirty.hint(place, now));
            }
            let due = self.dirty.take(now);
            if !due.is_empty() {
                let is_done = self.look(&mut session, &due, tell).unwrap_or_else(|error| {
                    // a full disk, say
                    tell(Said::Notice(format!("{error:#}")));
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
            let next =
                [Some(pass_at), Some(rescanned + rescan), self.dirty.next()].into_iter().flatten().min();
            let wait = next.unwrap_or(pass_at).saturating_duration_since(Instant::now());
            match wakes.recv_timeout(wait) {
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(Ends::Stop),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Wake::Hint(Hint::Lost)) => {
                    tell(Said::Notice(
                        "the system lost track of changes: everything is looked at".to_owned(),
                    ));
                    return Ok(Ends::Anew);
                }
                Ok(Wake::Hint(Hint::Changed(paths))) => {
                    let now = Instant::now();
                    for path in paths {
                        let path = self.on.ground.machine.machine_path(&path);
                        if let Some(least) = self.is_of_the_machine(&path) {
                            pass_at = pass_at.min((now + SETTLE).max(begun + least));
                        } else if let Some(home) = self.home_of(&session, &path) {
                            let place = (home, path);
                            self.first_hint.entry(place.clone()).or_insert(now);
                            self.dirty.hint(place, now);
                        }
                    }
                }
            }
        }
    }

    fn pass(&self) -> anyhow::Result<(Session, Passed)> {
        let setting = (self.rig.setting)();
        let mut begun = None;
        (self.rig.bounds)(&mut |bounds| begun = Some(Session::begin(&setting, self.on, bounds)));
        begun.context("no pass was made")?
    }

    /// Watches places, and looks again at those that are new: what came there before the watch did was told to nobody.
    fn watch(&mut self, places: BTreeSet<PathBuf>) {
        let now = Instant::now();
        for folder in self.watches.add(places) {
            if let Some(home) = self.on.homes.home_of(&folder) {
                self.dirty.hint((home, folder), now);
            }
        }
    }

    /// Whether a change there may mean another policy, other settings or another account, and how long a session lasts at
    /// least before it ends over it.
    ///
    /// Attack: a user who changes the mode of the own home again and again has a pass made each time.
    fn is_of_the_machine(&self, path: &Path) -> Option<Duration> {
        let machine = &self.on.ground.machine;
        let mut own = self.rig.own.iter().map(|folder| machine.machine_path(folder));
        if own.any(|folder| path.starts_with(folder)) {
            return Some(LEAST_FOR_POLICY);
        }
        let is_account = ["/etc/passwd", "/etc/group"].iter().any(|file| path == Path::new(file));
        let homes = || self.on.ground.homes.iter().map(|home| &home.layout.home);
        let is_home = homes().any(|home| home == path);
        let is_beside = path.parent().is_some_and(|parent| homes().any(|home| home.parent() == Some(parent)));
        (is_account || is_home || is_beside).then_some(LEAST_FOR_ACCOUNTS)
    }

    /// The home of a path at which a client's file may be; nobody's for nearly all others.
    fn home_of(&self, session: &Session, path: &Path) -> Option<usize> {
        let home = self.on.homes.home_of(path)?;
        let may_matter = session.knows(home, path)
            || crate::discover::changed::may_be_source(path)
            || self.watches.is_folder(path);
        may_matter.then_some(home)
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
        let setting = (self.rig.setting)();
        let looked = session.look(&setting, self.on, &changed)?;
        let since = first.map_or(Duration::ZERO, |first| first.elapsed());
        tell(Said::Look(&looked, since));
        self.watches.again();
        self.watch(places_of(&looked.outcome));
        Ok(!looked.is_unanswered)
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

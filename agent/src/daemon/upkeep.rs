//! What a session does of its own accord: rescans, polls where the system does not tell, and care of its own state.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mcpolicy_platform::cost;
use mcpolicy_platform::priority::Background;
use mcpolicy_platform::watch::Change;
use mcpolicy_schema::document::Rescans as WaitsFor;

use super::around::Means;
use super::rescans::Rounds;
use super::times::Times;
use super::{Line, POLL, SETTLE, Said, dirty, rescans};
use crate::board::Whose;
use crate::enforce::pass::{STORE_MENDED, Session};
use crate::journal::Event;
use crate::worker::homes::Homes;

/// What came of a step of a round.
enum Step {
    /// A part of it was looked at.
    Part,
    /// It is over, and took so much of the processor's time.
    Over(Duration),
}

/// While it is there, what is asked of homes is in the background.
pub(super) struct InBackground<'g, 'h> {
    homes: &'g Homes<'h>,
    _own: Option<Background>,
}

impl<'g, 'h> InBackground<'g, 'h> {
    /// From now on.
    ///
    /// This process itself only where it answers for homes: workers that are started meanwhile would have its priority from the
    /// beginning, and could not leave it.
    pub(super) fn begin(homes: &'g Homes<'h>) -> Self {
        homes.in_background(true);
        Self { homes, _own: (!homes.is_apart()).then(Background::begin) }
    }
}

impl Drop for InBackground<'_, '_> {
    fn drop(&mut self) {
        self.homes.in_background(false);
    }
}

impl Line<'_, '_, '_, '_> {
    /// Takes the next step of a poll, if one is due or goes on: of homes that are not watched whole, all known files and the
    /// folders that are not watched, wherever they are. Whether files were looked at.
    pub(super) fn poll(
        &mut self,
        session: &mut Session,
        times: &mut Times,
        now: Instant,
        tell: &mut dyn FnMut(Said<'_>),
    ) -> bool {
        if self.watches.degraded.is_empty() {
            times.polls = None;
            return false;
        }
        let polls = times.polls.get_or_insert_with(|| Rounds::new(rescans::POLL, now));
        if polls.is_due(now, &|| true) {
            let new = self.watches.again();
            self.look_into(new, now);
            let unwatched = self.watches.unwatched();
            let mut places = session.all_known();
            places.retain(|(home, _)| self.watches.degraded.contains_key(&Some(*home)));
            // in whose home they are, or whose client knows them
            let of = |folder: &PathBuf| -> Vec<dirty::Place> {
                let homes = self.watches.owners_of(folder).flatten();
                homes.map(|home| (home, folder.clone())).collect()
            };
            places.extend(unwatched.iter().flat_map(of));
            places.sort();
            polls.begin(places, cost::own().cpu);
            let any = Change { came_or_went: true, may_be_folder: true };
            for path in self.poll_outside(unwatched) {
                let means = self.hinted(session, &path, any, now);
                self.take_in(means, times, now);
            }
        }
        self.step(session, times, |times| times.polls.as_mut(), tell).is_some()
    }

    /// Looks at the next part of a round that goes on; with none left, the round is over, and what it took is given.
    fn step(
        &mut self,
        session: &mut Session,
        times: &mut Times,
        round: impl Fn(&mut Times) -> Option<&mut Rounds>,
        tell: &mut dyn FnMut(Said<'_>),
    ) -> Option<Step> {
        let going_on = round(times).filter(|round| round.is_going_on())?;
        let Some((home, paths)) = going_on.part() else {
            return Some(Step::Over(going_on.end(cost::own().cpu, Instant::now())));
        };
        let part: Vec<dirty::Place> = paths.into_iter().map(|path| (home, path)).collect();
        let is_done = self.look_or_tell(session, &part, tell);
        let round = round(times)?;
        if is_done {
            round.looked_at(&self.looked_at);
        } else {
            // a worker that its user has stopped is not waited for once for each part
            round.leave_out(home);
            times.pass_within(POLL, Instant::now());
        }
        Some(Step::Part)
    }

    /// Takes the next step of a rescan, if one is due or goes on. Whether files were looked at.
    pub(super) fn rescan(
        &mut self,
        session: &mut Session,
        times: &mut Times,
        (waits_for, now): (WaitsFor, Instant),
        tell: &mut dyn FnMut(Said<'_>),
    ) -> bool {
        if times.rescans.is_due(now, &|| rescans::may(waits_for)) {
            times.rescans.begin(session.all_known(), cost::own().cpu);
            self.note_writers(session);
            self.watches.renew_writers();
            let new = self.watches.again();
            self.look_into(new, now);
            self.servers.rescan();
        }
        if !times.rescans.is_going_on() {
            return false;
        }
        let _background = InBackground::begin(self.on.homes);
        if let Some(Step::Over(took)) = self.step(session, times, |times| Some(&mut times.rescans), tell) {
            let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            tracing::debug!(milliseconds, "a rescan is over");
            self.board().rescanned = Some(self.rig.shared.now());
            session.note_alive(&(self.rig.setting)());
        }
        true
    }

    /// When something is to be done, whatever happens.
    pub(super) fn until_something(&self, times: &Times) -> Instant {
        let now = Instant::now();
        // what the last look wanted to have watched and the system refused is told, and polled from now on
        let degraded = (times.polls.is_none() && !self.watches.degraded.is_empty()).then_some(now);
        let next = [
            degraded,
            self.dirty.next(),
            self.settings_at,
            self.store_at,
            self.servers.next(),
            self.native.next().filter(|_| self.rig.native),
            self.notices.next(now),
            self.next_report(now),
            times.polls.as_ref().map(|polls| polls.next(now)),
            Some(times.rescans.next(now)),
        ];
        next.into_iter().flatten().fold(times.next_pass(), Instant::min)
    }

    /// Looks at what is due. Whether all was done that is to be done now; what hinders it is told.
    pub(super) fn look_or_tell(
        &mut self,
        session: &mut Session,
        due: &[dirty::Place],
        tell: &mut dyn FnMut(Said<'_>),
    ) -> bool {
        let looked = self.look(session, due, tell).map(|seen| !seen.is_unanswered);
        let is_done = looked.unwrap_or_else(|error| {
            // a full disk, say
            let error = format!("{error:#}");
            self.board().problem(Whose::Administrators, self.rig.redactor.name(&error));
            tell(Said::Notice(error));
            false
        });
        if !is_done {
            let seconds = POLL.as_secs();
            tell(Said::Notice(format!("not all was done: everything is looked at again in {seconds} s")));
        }
        is_done
    }

    /// Takes in what a change means.
    pub(super) fn take_in(&mut self, means: Means, times: &mut Times, now: Instant) {
        match means {
            Means::Nothing => {}
            Means::OtherSettings => _ = self.settings_at.get_or_insert(now + SETTLE),
            Means::Store => _ = self.store_at.get_or_insert(now + SETTLE),
            Means::Pass(least) => times.pass(now, least),
        }
    }

    /// What is missing of the stored policy is written again before another pass reads it.
    pub(super) fn mend_before_end(&mut self, session: &mut Session, tell: &mut dyn FnMut(Said<'_>)) {
        if self.store_at.take().is_some() {
            self.mend_store(session, tell);
        }
    }

    /// What changed in folders that are not watched and that no user has named.
    ///
    /// Attack: a user's client knows folders of a hundred thousand files, which root would list every 15 s.
    pub(super) fn poll_outside(&mut self, mut unwatched: BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
        unwatched.retain(|folder| self.watches.owners_of(folder).any(|owner| owner.is_none()));
        self.polled.changed(&self.on.ground.machine, unwatched)
    }

    /// Writes down what happened to the agent itself. It goes on where that cannot be.
    pub(super) fn note(&self, session: &mut Session, event: Event, tell: &mut dyn FnMut(Said<'_>)) {
        let setting = (self.rig.setting)();
        if let Err(error) = session.event(&setting, event) {
            tell(Said::Notice(format!("{error:#}")));
        }
    }

    /// Looks whether the stored policy is whole, and writes it again where it is not. Whether that has to be tried again.
    pub(super) fn mend_store(&self, session: &mut Session, tell: &mut dyn FnMut(Said<'_>)) -> bool {
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
}

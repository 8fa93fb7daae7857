//! What a session does of its own accord: rescans, polls where the system does not tell, and care of its own state.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use mcpolicy_platform::cost;
use mcpolicy_platform::priority::Background;
use mcpolicy_platform::watch::Change;
use mcpolicy_schema::document::Rescans as WaitsFor;

use super::around::Means;
use super::times::Times;
use super::{Line, POLL, SETTLE, Said, dirty, rescans};
use crate::board::Whose;
use crate::enforce::pass::{STORE_MENDED, Session};
use crate::journal::Event;
use crate::worker::homes::Homes;

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
    /// Looks at all known files of homes that are not watched whole.
    pub(super) fn poll(&mut self, session: &Session, times: &mut Times, now: Instant) {
        if self.watches.degraded.is_empty() {
            times.poll = None;
            return;
        }
        if now < *times.poll.get_or_insert(now + POLL) {
            return;
        }
        times.polled(cost::own().cpu, now);
        let of: BTreeSet<Option<usize>> = self.watches.degraded.keys().copied().collect();
        for place in session.all_known().into_iter().filter(|(home, _)| of.contains(&Some(*home))) {
            self.dirty.hint(place, now);
        }
        let mut new = self.watches.again();
        let unwatched = self.watches.unwatched();
        new.extend(unwatched.iter().cloned());
        self.look_into(new, now);
        let any = Change { came_or_went: true, may_be_folder: true };
        for path in self.poll_outside(unwatched) {
            let means = self.hinted(session, &path, any, now);
            self.take_in(means, times, now);
        }
    }

    /// Takes the next step of a rescan, if one is due or goes on. Whether files were looked at.
    pub(super) fn rescan(
        &mut self,
        session: &mut Session,
        times: &mut Times,
        (waits_for, now): (WaitsFor, Instant),
        tell: &mut dyn FnMut(Said<'_>),
    ) -> bool {
        let rescans = &mut times.rescans;
        if !rescans.is_going_on() {
            if !rescans.is_due(now, &|| rescans::may(waits_for)) {
                return false;
            }
            rescans.begin(session.all_known(), cost::own().cpu);
            let new = self.watches.again();
            self.look_into(new, now);
            self.servers.rescan();
        }
        let Some((home, paths)) = rescans.part() else {
            let took = rescans.end(cost::own().cpu, Instant::now());
            let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            tracing::debug!(milliseconds, "a rescan is over");
            self.board().rescanned = Some(self.rig.shared.now());
            session.note_alive(&(self.rig.setting)());
            return true;
        };
        let part: Vec<dirty::Place> = paths.into_iter().map(|path| (home, path)).collect();
        let background = InBackground::begin(self.on.homes);
        let is_done = self.look_or_tell(session, &part, tell);
        drop(background);
        if is_done {
            times.rescans.looked_at(&self.looked_at);
        } else {
            // a worker that its user has stopped is not waited for once for each part
            times.rescans.leave_out(home);
            times.pass_within(POLL, now);
        }
        true
    }

    /// When something is to be done, whatever happens.
    pub(super) fn until_something(&self, times: &Times) -> Instant {
        let now = Instant::now();
        // what the last look wanted to have watched and the system refused is told, and polled from now on
        let degraded = (times.poll.is_none() && !self.watches.degraded.is_empty()).then_some(now);
        let next = [
            degraded,
            self.dirty.next(),
            self.settings_at,
            self.store_at,
            self.servers.next(),
            self.notices.next(now),
            times.poll,
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
        let is_done = self.look(session, due, tell).unwrap_or_else(|error| {
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
        unwatched.retain(|folder| self.watches.owner_of(folder).is_none());
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

//! What a session reports: its journal, its board, and what enforcing would do. A report that cannot be written is told, and
//! holds up nothing.

use std::time::{Duration, Instant};

use mcpolicy_schema::report::privacy::Person;

use super::Line;
use crate::calls::ledger::Taken;
use crate::enforce::foreseen::Would;
use crate::enforce::pass::Session;
use crate::pipeline::Outcome;
use crate::reporter::{ReportError, Reporter};

/// What the board calls the problem.
const ABOUT: &str = "report";

impl Line<'_, '_, '_, '_> {
    /// Reports what there is to report.
    pub(super) fn report(&mut self, session: &mut Session) {
        let fresh = session.fresh_records();
        let (now, redactor, shared, people) =
            (self.rig.shared.now(), self.rig.redactor, self.rig.shared, self.people());
        let Some(reporter) = self.reporter.as_deref_mut() else { return };
        // whoever asks for the status is not to wait for the disk
        let ready = {
            let board = shared.board();
            reporter.minds(&board, &people);
            reporter.ready(now, &board)
        };
        let done = reporter.turn(now, ready, fresh, redactor);
        shared.board().spool = Some(reporter.status());
        self.tell_report(done);
        self.report_calls(false);
    }

    /// Reports what hooks have asked about: what is over and what was refused; `all` that goes on too, before the daemon ends.
    pub(super) fn report_calls(&mut self, all: bool) {
        let mut taken = self.rig.shared.calls().take(Instant::now(), all);
        if taken == Taken::default() {
            return;
        }
        let now = self.rig.shared.now();
        // without a report nothing is kept
        let Some(reporter) = self.reporter.as_deref_mut() else { return };
        let done = reporter.calls(now, &mut taken, all);
        self.rig.shared.calls().again(taken);
        self.tell_report(done);
    }

    /// Entries may have changed, and an inventory is due soon; in a mode that writes nothing it is reported what enforcing
    /// would do.
    pub(super) fn report_found(&mut self, outcome: &Outcome, would: &[Would]) {
        let (now, redactor, people) = (self.rig.shared.now(), self.rig.redactor, self.people());
        let Some(reporter) = self.reporter.as_deref_mut() else { return };
        reporter.minds(&self.rig.shared.board(), &people);
        reporter.changed(now);
        for one in would {
            let source = &outcome.sources[one.source].source;
            let user = source.home.map_or("", |home| &*self.on.ground.homes[home].user);
            let path = source.path.to_string_lossy();
            if let Err(error) = reporter.foresees(now, one, (user, &path), redactor) {
                return self.tell_report(Err(error));
            }
        }
    }

    /// When the report has something to do.
    pub(super) fn next_report(&self, now: Instant) -> Option<Instant> {
        let next = self.reporter.as_deref().and_then(Reporter::next)?;
        let wait = next.duration_since(self.rig.shared.now());
        Some(now + Duration::try_from(wait).unwrap_or_default())
    }

    fn tell_report(&self, done: Result<(), ReportError>) {
        let problem = done.err().map(|error| {
            let error = self.rig.redactor.name(&error.to_string());
            format!("what happens here is not reported, and it is tried again: {error}")
        });
        self.board().lasting(ABOUT, problem);
    }

    fn people(&self) -> Vec<Person> {
        let homes = self.on.ground.homes.iter().filter(|home| !home.user.is_empty());
        homes
            .map(|home| Person {
                user: home.user.clone(),
                home: home.layout.home.to_string_lossy().into_owned(),
            })
            .collect()
    }
}

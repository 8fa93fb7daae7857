//! The clients' own managed files, while a session lasts: they are written after its pass, follow what users declare, and
//! are put back when somebody changes them.

use std::time::Instant;

use super::{LEAST_FOR_POLICY, Line, Said, Times};
use crate::board::Alert;
use crate::enforce::pass::Session;
use crate::judge::system_of;
use crate::native::program;
use crate::native::work::Terms;

impl Line<'_, '_, '_, '_> {
    /// Looks after the managed files, if it is due.
    pub(super) fn keep_native(
        &mut self,
        session: &mut Session,
        times: &mut Times,
        now: Instant,
        tell: &mut dyn FnMut(Said<'_>),
    ) {
        if !self.rig.native || self.native.next().is_none_or(|due| due > now) {
            return;
        }
        let setting = (self.rig.setting)();
        let ring = self.board().settled.as_ref().and_then(|settled| settled.ring.clone());
        let (in_force, mode, since) = session.settled();
        // of a folder that is taken for a machine nobody knows where on it the program is
        let program = program::installed().filter(|_| self.on.ground.machine.is_live());
        let terms = Terms {
            in_force,
            mode,
            ring: ring.as_deref(),
            device: &setting.device,
            groups: &setting.settings.device.groups,
            now: setting.now.max(since),
            system: system_of(self.on.ground.os),
            program: program.as_deref(),
        };
        let report = self.native.keep(&terms, &self.on.ground.machine, &setting.state, now);
        let redactor = self.rig.redactor;
        let problem = report.problem.map(|problem| redactor.name(&problem));
        if let Some(problem) = &problem {
            tell(Said::Notice(problem.clone()));
        }
        let mut board = self.board();
        board.lasting("native", problem);
        board.native = self.native.is_in_force();
        for event in report.events.iter().filter(|event| ALERTS.contains(&&*event.code)) {
            board.alert(Alert::new(&event.code, terms.now, "", redactor.name(&event.detail)));
        }
        drop(board);
        for event in report.events {
            self.note(session, event, tell);
        }
        // some of them declare servers themselves, and with a folder comes what else is in it
        if !report.changed.is_empty() {
            times.pass(now, LEAST_FOR_POLICY);
        }
    }
}

/// What somebody should look into.
const ALERTS: [&str; 3] = ["native-tampered", "native-widened", "native-unreadable"];

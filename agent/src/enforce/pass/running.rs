//! What a session lends to the look at running servers: its policy and mode, who judges, and the journal.

use jiff::Timestamp;
use mcpolicy_platform::processes::Process;
use mcpolicy_schema::document::{Mode, PolicyDocument};

use super::{Judge, On, Session, Setting, terms};
use crate::journal::{Event, Journal, JournalError, What};

/// What a look at running servers works with.
pub struct Amid<'s, 'a> {
    /// Judges by the policy of the session.
    pub judge: &'s mut Judge<'a>,
    /// The policy.
    pub document: &'s PolicyDocument,
    /// The mode that holds.
    pub mode: Mode,
    /// The time that is believed.
    pub now: Timestamp,
    journal: &'s mut Journal,
}

impl Amid<'_, '_> {
    /// Writes an event down.
    ///
    /// # Errors
    /// The system refuses: what it is about must not be done then.
    pub fn note(&mut self, event: Event) -> Result<(), JournalError> {
        self.journal.append(self.now, What::Event(event)).map(drop)
    }
}

impl Session {
    /// Runs something amid the processes of this moment.
    pub fn amid<T>(
        &mut self,
        setting: &Setting<'_>,
        on: On<'_, '_>,
        processes: &[Process],
        run: impl FnOnce(Amid<'_, '_>) -> T,
    ) -> T {
        on.homes.forgets_looks();
        // a clock that is set back brings nothing to life that has ended when the pass was made
        let setting = &setting.at(setting.now.max(self.since));
        let terms = terms(setting, &self.in_force, &self.opened.remembered);
        let mut judge = Judge::new(on.ground, on.homes, terms).amid(processes);
        run(Amid {
            judge: &mut judge,
            document: self.in_force.policy.document(),
            mode: self.mode,
            now: setting.now,
            journal: &mut self.opened.journal,
        })
    }
}

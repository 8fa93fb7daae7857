//! What was not done: the journal answers for each server that stayed though it is denied, by which rule and why.
//!
//! A change that the system refused has its intent and its outcome. What ended before any intent was written has neither:
//! a file that cannot be opened, an original for which there is no room. That is what the event `not-done` is for. It is
//! written when it begins to be so, not at every pass.

use super::act::{ActError, Acted, Hands};
use super::plan::{FilePlan, Left};
use crate::discover::source::Source;
use crate::journal::{Action, End, Event, What};
use crate::pipeline::Outcome;

/// What is said of an entry that stays though it is denied.
pub(super) const LEFT: &str = "left";
/// The code of the same in the journal.
const NOT_DONE: &str = "not-done";
/// Most entries of one file of which it is said one by one.
pub(super) const MAX_NOT_DONE: usize = 20;

impl Hands<'_, '_, '_> {
    /// What was not done to a file, with the servers and rules that it was about: a file that cannot be opened says nothing
    /// of them.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn named(&mut self, acted: Acted, file: &FilePlan, outcome: &Outcome) -> Result<Acted, ActError> {
        if acted.end != End::Failed || acted.in_journal {
            return Ok(acted);
        }
        let source = &outcome.sources[file.source].source;
        if !acted.actions.is_empty() {
            return self.not_done(acted, source, 0);
        }
        let targets = file.targets.iter().take(MAX_NOT_DONE);
        let actions: Vec<Action> =
            targets.map(|target| self.action(&outcome.entries[target.entry], LEFT)).collect();
        let more = file.targets.len() - actions.len();
        self.not_done(Acted { actions, ..acted }, source, more)
    }

    /// The same for a file of which no server is known.
    ///
    /// # Errors
    /// As [`Self::named`].
    pub fn named_whole(&mut self, acted: Acted, source: &Source) -> Result<Acted, ActError> {
        if acted.end != End::Failed || acted.in_journal {
            return Ok(acted);
        }
        self.not_done(acted, source, 0)
    }

    pub(super) fn not_done(&mut self, acted: Acted, source: &Source, more: usize) -> Result<Acted, ActError> {
        let user = source.home.map_or_else(String::new, |at| self.ground.homes[at].user.clone());
        let path = if acted.path.as_os_str().is_empty() { &source.path } else { &acted.path };
        let path = self.redactor.name(&path.to_string_lossy());
        let why = self.redactor.name(&acted.detail);
        let event = |detail: String| Event { user: user.clone(), ..Event::new(NOT_DONE, detail) };
        let of_one = |action: &Action| {
            let rule = action.rule.as_deref().map_or_else(String::new, |rule| format!(", rule {rule}"));
            let said = event(format!("{path}: {}{rule}; {why}", action.code));
            Event { server: action.server.clone(), ..said }
        };
        let mut said: Vec<Event> = acted.actions.iter().take(MAX_NOT_DONE).map(of_one).collect();
        let more = more + acted.actions.len() - said.len();
        if more > 0 {
            let rest = event(format!("{path}: as many more; {why}"));
            said.push(Event { count: Some(more as u64), ..rest });
        }
        if said.is_empty() {
            said.push(event(format!("{path}: {why}")));
        }
        for event in said {
            self.tell(event)?;
        }
        Ok(acted)
    }

    /// Denied entries that a plan leaves where they are.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn left(&mut self, left: &[Left], outcome: &Outcome) -> Result<(), ActError> {
        for one in left {
            let item = &outcome.entries[one.entry];
            let source = &outcome.sources[item.source].source;
            let user = source.home.map_or_else(String::new, |at| self.ground.homes[at].user.clone());
            let action = self.action(item, LEFT);
            let rule = action.rule.map_or_else(String::new, |rule| format!(", rule {rule}"));
            let path = self.redactor.name(&source.path.to_string_lossy());
            let detail = format!("{path}: {}{rule}; {}", action.code, one.why);
            self.tell(Event { user, server: action.server, ..Event::new(NOT_DONE, detail) })?;
        }
        Ok(())
    }

    /// Writes an event into the journal, unless the last pass has done so.
    fn tell(&mut self, event: Event) -> Result<(), ActError> {
        if self.told.is_new(&event) {
            self.journal.append(self.now, What::Event(event))?;
        }
        Ok(())
    }
}

//! Whether a file that somebody waits for is in order.

use mcpolicy_platform::gate::Stamp;

use super::{Judge, Knowledge, On, Session, Setting, plan, terms};
use crate::assess::{Assessed, assess};
use crate::discover::source::Source;
use crate::pipeline::{Outcome, SourceResult};
use crate::worker::{Held, is_too_much};

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// Nothing in it is to be acted on, in this state.
    InOrder(Stamp),
    /// Something is, and is still there; names of servers.
    NotInOrder(Vec<String>),
    /// It cannot be told, and why.
    Unknown(String),
    /// It is gone.
    Gone,
}

impl Session {
    /// Opens a file as its user and judges what it holds, by the policy and mode of the last pass.
    pub fn check(&mut self, setting: &Setting<'_>, on: On<'_, '_>, source: &Source) -> Checked {
        let Some(home) = source.home else { return Checked::Unknown("it belongs to no home".to_owned()) };
        let opened = on.homes.open(source, false);
        on.homes.close(home);
        let opened = match opened {
            Ok(Some(opened)) => opened,
            Ok(None) => return Checked::Gone,
            Err(why) => return Checked::Unknown(why),
        };
        let Some(stamp) = opened.stamp else { return Checked::Gone };
        if is_too_much(opened.held.state, &opened.held.findings) || opened.held.rest > 0 {
            return Checked::Unknown("it holds more than can be checked while somebody waits".to_owned());
        }
        let denied = self.denied_in(setting, on, source, opened.held);
        if denied.is_empty() { Checked::InOrder(stamp) } else { Checked::NotInOrder(denied) }
    }

    /// What of it would be acted on.
    fn denied_in(
        &mut self,
        setting: &Setting<'_>,
        on: On<'_, '_>,
        source: &Source,
        held: Held,
    ) -> Vec<String> {
        let setting = &setting.at(setting.now.max(self.since));
        let opened = &mut self.opened;
        let document = self.in_force.policy.document();
        let layout_home = source.home.and_then(|at| on.ground.homes[at].layout.home.to_str());
        let mut judge = Judge::new(on.ground, on.homes, terms(setting, &self.in_force, &opened.remembered));
        let mut entries: Vec<Assessed> =
            held.entries.into_iter().map(|entry| assess(entry, 0, layout_home, setting.redactor)).collect();
        entries.iter_mut().for_each(|item| judge.judge_entry(item, source));
        drop(judge);
        let result = SourceResult {
            source: source.clone(),
            state: held.state,
            bytes: None,
            digest: None,
            findings: held.findings,
            environment: Vec::new(),
        };
        let outcome = Outcome { sources: vec![result], entries, ..Outcome::default() };
        let mut notices = Vec::new();
        let books = (&mut opened.books, &mut notices);
        let knowledge = Knowledge::load(&setting.state.join("vault"), on.ground, on.homes, document, books);
        let plan = knowledge.with(|known| plan::plan_knowing(&outcome, document, self.mode, known));
        opened.books = knowledge.into_books();
        let targets = plan.files.iter().flat_map(|file| file.targets.iter().map(|target| target.entry));
        let open = plan.left.iter().filter(|left| left.is_open()).map(|left| left.entry);
        let denied = targets.chain(open).map(|at| outcome.entries[at].entry.name.clone());
        denied.chain((!plan.whole.is_empty()).then(|| "the file as a whole".to_owned())).collect()
    }
}

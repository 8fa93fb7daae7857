//! Taking a file away as a whole: what no edit deals with faithfully.

use mcpolicy_schema::finding::FindingCode;

use super::act::{ActError, Acted, Hands, short};
use super::aside::Gone;
use super::plan::FilePlan;
use super::swap::{Swap, Try};
use super::whole::{Unfit, Whole, whole_file};
use crate::discover::source::Source;
use crate::inventory::State;
use crate::journal::{Action, End};
use crate::pipeline::Outcome;
use crate::vault::Taken;
use crate::worker::Opened;

/// The word of the action.
pub(super) const QUARANTINE_FILE: &str = "quarantine-file";

/// Most denied entries that are named of a file that goes as a whole.
const MAX_NAMED: usize = 1000;
/// Longest name or place of one that is kept, in bytes: the file comes back as a whole, not by them.
const MAX_TEXT: usize = 256;

impl Hands<'_, '_, '_> {
    /// Takes a file away that still cannot be parsed, if it has not changed for long enough.
    ///
    /// # Errors
    /// As [`Hands::act`].
    pub fn take_unparseable(&mut self, at: usize, source: &Source) -> Result<Acted, ActError> {
        let done = |end, detail: String| Ok(Acted { end, detail, ..Acted::nothing(at) });
        let Some(home) = source.home else { return done(End::Failed, "it belongs to no home".to_owned()) };
        let opened = match self.homes.open(source, false) {
            Ok(Some(opened)) => opened,
            Ok(None) => return done(End::Skipped, "the file is gone".to_owned()),
            Err(why) => return done(End::Failed, why),
        };
        // asked after it was opened: what was read then has stood there since
        let unchanged = self.homes.around(source).map(|around| around.unchanged).unwrap_or_default();
        let is_unparseable = opened.held.state == State::Unparseable.as_str();
        let fate = whole_file(source, Unfit::Unparseable, self.document.policy.unparseable, unchanged);
        let acted = match fate {
            _ if !is_unparseable => {
                done(End::Skipped, "it can be parsed now; the next pass looks at it".to_owned())
            }
            Whole::Take => {
                let finding = opened.held.findings.first();
                let detail =
                    finding.map(|found| self.redactor.text(&found.finding.message)).unwrap_or_default();
                let action = Action {
                    action: QUARANTINE_FILE.to_owned(),
                    server: String::new(),
                    client: source.owner().adapter.about().id.to_owned(),
                    fingerprint: String::new(),
                    code: "unparseable-config".to_owned(),
                    detail,
                    rule: None,
                    identity: None,
                };
                let taken = whole_taken("", "", &action, opened.bytes.len());
                self.take_away((home, at, source), &opened, (vec![action], vec![taken]), &[])
            }
            Whole::Wait(left) => {
                let seconds = left.as_secs() + 1;
                done(End::Skipped, format!("it changed just now; it is looked at again in {seconds} s"))
            }
            Whole::Leave(why) => done(End::Skipped, why.to_owned()),
        };
        self.homes.close(home);
        acted
    }

    /// Takes the open file away, since `why` no edit takes its denied entries out.
    pub(super) fn take_unfaithful(
        &mut self,
        (home, at, source): (usize, usize, &Source),
        opened: &Opened,
        (before, file): (&Outcome, &FilePlan),
        why: &str,
    ) -> Result<Try, ActError> {
        // what no client loads as it stands is not worth a whole file
        if file.targets.iter().all(|target| before.entries[target.entry].entry.inert.is_some()) {
            let detail = format!("{why}; no client loads what is denied in it");
            return Ok(Try::Done(Acted { detail, ..Acted::nothing(at) }));
        }
        let policy = self.document.policy.unparseable;
        if let Whole::Leave(but) = whole_file(source, Unfit::NotFaithful, policy, std::time::Duration::ZERO) {
            let detail = format!("{why}; it does not go as a whole: {but}");
            return Ok(Try::Done(Acted { end: End::Failed, detail, ..Acted::nothing(at) }));
        }
        let (mut actions, mut taken, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        for (at, target) in file.targets.iter().enumerate() {
            let item = &before.entries[target.entry];
            let action = self.action(item, QUARANTINE_FILE);
            gone.push(Gone::of(&item.entry, &action));
            if at >= MAX_NAMED {
                continue;
            }
            taken.push(Taken {
                fingerprint: item.fingerprint.clone(),
                told: self.told(source, item, at),
                ..whole_taken(
                    &short(&item.entry.name, MAX_TEXT),
                    &short(&item.entry.key_path, MAX_TEXT),
                    &action,
                    opened.bytes.len(),
                )
            });
            actions.push(action);
        }
        let acted = self.take_away((home, at, source), opened, (actions, taken), &gone)?;
        let gone = if acted.end == End::Applied { gone } else { Vec::new() };
        Ok(Try::Done(Acted { gone, ..acted }))
    }

    /// Takes the open file away, since there is too much in it for its servers to be told apart.
    pub(super) fn take_too_much(
        &mut self,
        (home, at, source): (usize, usize, &Source),
        opened: &Opened,
    ) -> Result<Acted, ActError> {
        let finding = opened.held.findings.first();
        let why = finding.map(|found| self.redactor.text(&found.finding.message)).unwrap_or_default();
        let policy = self.document.policy.unparseable;
        if let Whole::Leave(but) = whole_file(source, Unfit::NotFaithful, policy, std::time::Duration::ZERO) {
            let detail = format!("{why}; it does not go as a whole: {but}");
            return Ok(Acted { end: End::Failed, detail, ..Acted::nothing(at) });
        }
        let action = Action {
            action: QUARANTINE_FILE.to_owned(),
            server: String::new(),
            client: source.owner().adapter.about().id.to_owned(),
            fingerprint: String::new(),
            code: FindingCode::ConfigTooLarge.as_str().to_owned(),
            detail: why,
            rule: None,
            identity: None,
        };
        let taken = whole_taken("", "", &action, opened.bytes.len());
        self.take_away((home, at, source), opened, (vec![action], vec![taken]), &[])
    }

    fn take_away(
        &mut self,
        (home, at, source): (usize, usize, &Source),
        opened: &Opened,
        (actions, entries): (Vec<Action>, Vec<Taken>),
        gone: &[Gone],
    ) -> Result<Acted, ActError> {
        let swap = Swap {
            home,
            source: at,
            found_as: &source.path,
            client: source.owner().adapter.about().id,
            opened,
            after: None,
            actions,
            entries,
            beside: None,
            owner: self.knowledge.owner(source),
            approvals_due: !self.approvals_of(source, gone).is_empty(),
        };
        let read_back = |hands: &Self| match hands.homes.digest_of(source) {
            Ok(_) => "it was written again right after; it is looked at at the next pass".to_owned(),
            Err(_) => String::new(),
        };
        match self.swap(swap, |hands, _| read_back(hands))? {
            Try::Done(acted) | Try::Again(acted) => Ok(acted),
        }
    }
}

/// A file is its own piece.
fn whole_taken(name: &str, key_path: &str, action: &Action, length: usize) -> Taken {
    Taken {
        name: name.to_owned(),
        key_path: key_path.to_owned(),
        fingerprint: String::new(),
        identity: action.server.clone(),
        action: action.action.clone(),
        code: action.code.clone(),
        detail: action.detail.clone(),
        told: None,
        pieces: std::iter::once(0..length as u64).collect(),
        left: None,
        restored: false,
    }
}

//! The stage `act`: one file at a time is read anew, judged anew, edited, kept in the vault, journalled, replaced and
//! read back. What was planned from an earlier reading only says which files to look at.
//!
//! Reading, editing and replacing are the home's [worker](crate::worker)'s; judging, vault and journal are ours.

use jiff::Timestamp;
use mcpolicy_clients::edit::{self, Change, Place};
use mcpolicy_platform::secure_fs::TempName;
use mcpolicy_schema::document::{Mode, PolicyDocument};
use mcpolicy_schema::redact::Redactor;

use super::known::Knowledge;
use super::pin;
use super::plan::{Plan, Target, Wish, plan_knowing};
use crate::assess::{Assessed, assess};
use crate::discover::source::Source;
use crate::journal::Outcome as Ended;
use crate::journal::{Action, End, Intent, Journal, JournalError, What};
use crate::judge::Judge;
use crate::pipeline::{Ground, Outcome, SourceResult};
use crate::vault::{self, Item, State, Taken, Vault, VaultError};
use crate::worker::homes::{Homes, Written};
use crate::worker::{Draft, Held, Opened};

/// How often a file is read again that is changed while we edit it.
const TRIES: usize = 5;

/// Why a pass cannot go on: without vault and journal nothing is changed.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What became of one file.
#[derive(Debug, Clone)]
pub struct Acted {
    /// Index into [`Outcome::sources`] of the pass.
    pub source: usize,
    /// What was to be done to which entry.
    pub actions: Vec<Action>,
    /// How it ended.
    pub end: End,
    /// Why, or what is left to do.
    pub detail: String,
    /// The vault's item, if something was changed.
    pub item: Option<String>,
}

/// Everything that acting needs.
pub struct Hands<'a, 'g, 'h> {
    /// The machine and its homes.
    pub ground: &'g Ground,
    /// Who opens, parses and writes what is in them.
    pub homes: &'g Homes<'h>,
    /// Who judges.
    pub judge: &'a mut Judge<'g>,
    /// What administrators wrote.
    pub document: &'a PolicyDocument,
    /// The mode that holds.
    pub mode: Mode,
    /// The time.
    pub now: Timestamp,
    /// For names in the journal.
    pub redactor: &'a Redactor,
    /// What is known beyond the files.
    pub knowledge: &'a Knowledge,
    /// Where originals go.
    pub vault: &'a Vault,
    /// Where intents and outcomes go.
    pub journal: &'a mut Journal,
}

/// What one try came to.
enum Try {
    Done(Acted),
    /// Somebody wrote the file meanwhile.
    Again(Acted),
}

/// A proved edit of one reading of a file.
struct Edit {
    edited: Draft,
    targets: Vec<(usize, &'static str)>,
    entries: Vec<Assessed>,
    /// What each target became; none for what is gone.
    left: Vec<Option<String>>,
}

impl Hands<'_, '_, '_> {
    /// Acts on one file.
    ///
    /// # Errors
    /// Vault or journal cannot be written; the file was then not changed.
    pub fn act(&mut self, at: usize, source: &Source) -> Result<Acted, ActError> {
        let mut last = None;
        for _ in 0..TRIES {
            match self.attempt(at, source)? {
                Try::Done(acted) => return Ok(acted),
                Try::Again(acted) => last = Some(acted),
            }
        }
        let skipped =
            Acted { source: at, actions: Vec::new(), end: End::Skipped, detail: String::new(), item: None };
        Ok(last.map_or(skipped, |acted| Acted {
            detail: format!(
                "it was changed {TRIES} times while it was edited; it is looked at again at the next pass"
            ),
            ..acted
        }))
    }

    fn attempt(&mut self, at: usize, source: &Source) -> Result<Try, ActError> {
        let done = |end, detail: String| {
            Ok(Try::Done(Acted { source: at, actions: Vec::new(), end, detail, item: None }))
        };
        let Some(home) = source.home else { return done(End::Failed, "it belongs to no home".to_owned()) };
        let mut opened = match self.homes.open(source, false) {
            Ok(Some(opened)) => opened,
            Ok(None) => return done(End::Skipped, "the file is gone".to_owned()),
            Err(why) => return done(End::Failed, why),
        };
        let acted = match self.edit(home, source, &mut opened) {
            Ok(Some(edit)) => self.replace(at, source, &opened, &edit),
            Ok(None) => done(End::Skipped, "nothing in it is denied any more".to_owned()),
            Err(why) => done(End::Failed, why),
        };
        self.homes.close(home);
        acted
    }

    /// What a text holds, judged.
    pub(super) fn judged(&mut self, source: &Source, held: &mut Held) -> Outcome {
        let home = source.home.and_then(|at| self.ground.homes[at].layout.home.to_str());
        let mut entries: Vec<Assessed> = std::mem::take(&mut held.entries)
            .into_iter()
            .map(|entry| assess(entry, 0, home, self.redactor))
            .collect();
        for item in &mut entries {
            self.judge.judge_entry(item, source);
        }
        let result = SourceResult {
            source: source.clone(),
            state: held.state,
            bytes: None,
            digest: None,
            findings: std::mem::take(&mut held.findings),
        };
        Outcome { sources: vec![result], entries, ..Outcome::default() }
    }

    /// The edit of the open file, proved: in its text, and by judging its result. `None` if nothing is to be done.
    fn edit(&mut self, home: usize, source: &Source, opened: &mut Opened) -> Result<Option<Edit>, String> {
        let before = self.judged(source, &mut opened.held);
        let plan = self.plan(&before);
        let Some(file) = plan.files.into_iter().next() else { return Ok(None) };
        let mut changes = Vec::new();
        let mut targets = Vec::new();
        let mut whole = Vec::new();
        for target in &file.targets {
            let (change, action) = self.change(home, source, &before, target);
            changes.push(change);
            targets.push((target.entry, action));
            whole.push(self.whole_text(home, &before.entries[target.entry], action));
        }
        let mut edited = self.homes.apply(home, &changes)?;
        let after = self.judged(source, &mut edited.held);
        let left = self.plan(&after);
        if !left.files.is_empty() {
            return Err("the edited file would still hold a server that is not allowed".to_owned());
        }
        if edited.removed.len() != changes.len() {
            return Err("it is not told what the edit took out".to_owned());
        }
        self.homes.accept(home)?;
        for (removed, whole) in edited.removed.iter_mut().zip(whole) {
            *removed = whole.unwrap_or_else(|| std::mem::take(removed));
        }
        let left = targets.iter().map(|(at, action)| became(&before.entries[*at], action, &after)).collect();
        Ok(Some(Edit { edited: *edited, targets, entries: before.entries, left }))
    }

    /// What is to be done, with all that is known.
    pub(super) fn plan(&self, outcome: &Outcome) -> Plan {
        self.knowledge.with(|known| plan_knowing(outcome, self.document, self.mode, known))
    }

    /// The text of an entry that is changed, as it would be taken out: only with all of it can it be put back where others
    /// come and go.
    fn whole_text(&self, home: usize, item: &Assessed, action: &str) -> Option<Vec<edit::Piece>> {
        let change = Change::Remove(place(item));
        let removed = (action != "quarantine").then(|| self.homes.apply(home, &[change]).ok())?;
        removed.and_then(|draft| draft.removed.into_iter().next()).filter(|pieces| !pieces.is_empty())
    }

    /// The change that a target wishes for, if it can be shown to be allowed; else the entry is taken out.
    fn change(
        &mut self,
        home: usize,
        source: &Source,
        before: &Outcome,
        target: &Target,
    ) -> (Change, &'static str) {
        let item = &before.entries[target.entry];
        let change = target.wishes.iter().find_map(|wish| match wish {
            Wish::SwitchOff(_) => None,
            Wish::Pin(version) => self.pin(home, source, item, version).map(|change| (change, "pin")),
            Wish::Revert(pieces) => self.revert(home, source, item, pieces).map(|change| (change, "revert")),
            Wish::Disable => self.disable(home, source, item).map(|change| (change, "disable")),
            Wish::Quarantine => None,
        });
        change.unwrap_or_else(|| (Change::Remove(place(item)), "quarantine"))
    }

    /// The last allowed text, if the entry is allowed with it now.
    fn revert(
        &mut self,
        home: usize,
        source: &Source,
        item: &Assessed,
        pieces: &[edit::Piece],
    ) -> Option<Change> {
        let change = Change::Replace { at: place(item), pieces: pieces.to_vec() };
        let mut edited = self.homes.apply(home, std::slice::from_ref(&change)).ok()?;
        self.is_allowed(source, &mut edited.held, item).then_some(change)
    }

    /// A pin that makes the entry allowed.
    fn pin(&mut self, home: usize, source: &Source, item: &Assessed, version: &str) -> Option<Change> {
        for proposal in pin::proposals(&item.entry, &item.identity, version) {
            for pointer in &proposal.pointers {
                let change =
                    Change::SetText { at: place(item), pointer: pointer.clone(), text: proposal.new.clone() };
                if let Ok(mut edited) = self.homes.apply(home, std::slice::from_ref(&change))
                    && self.is_allowed(source, &mut edited.held, item)
                {
                    return Some(change);
                }
            }
        }
        None
    }

    fn is_allowed(&mut self, source: &Source, held: &mut Held, item: &Assessed) -> bool {
        let after = self.judged(source, held);
        let mut same = after.entries.iter().filter(|other| other.entry.key_path == item.entry.key_path);
        let allowed =
            |other: &Assessed| other.judgement.as_ref().is_some_and(|judgement| judgement.is_allowed());
        same.next().is_some_and(allowed) && same.next().is_none()
    }

    /// The client's own off switch, if setting it is seen as that by its adapter.
    fn disable(&mut self, home: usize, source: &Source, item: &Assessed) -> Option<Change> {
        for (pointer, value) in [("/disabled", true), ("/enabled", false)] {
            let change = Change::SetFlag { at: place(item), pointer: pointer.to_owned(), value };
            let Ok(mut edited) = self.homes.apply(home, std::slice::from_ref(&change)) else { continue };
            let after = self.judged(source, &mut edited.held);
            let mut same = after.entries.iter().filter(|other| other.entry.key_path == item.entry.key_path);
            if same.next().is_some_and(|other| other.entry.disabled) && same.next().is_none() {
                return Some(change);
            }
        }
        None
    }

    /// Vault, journal, exchange, proof, journal.
    fn replace(&mut self, at: usize, source: &Source, opened: &Opened, edit: &Edit) -> Result<Try, ActError> {
        let at_home = source.home.unwrap_or(usize::MAX);
        let context = self.ground.homes.get(at_home);
        let user = context.map_or("", |home| home.user.as_str());
        let home_path = context.map(|home| home.layout.home.clone()).unwrap_or_default();
        let real = home_path.join(&opened.path);
        let actions = self.actions(edit);
        let item = self.vault.keep(
            vault::Original {
                user,
                home: &home_path.to_string_lossy(),
                path: &real.to_string_lossy(),
                found_as: &source.path.to_string_lossy(),
                client: source.owner().adapter.about().id,
                bytes: &opened.bytes,
                edited: &edit.edited.bytes,
                entries: taken(edit, &actions),
            },
            self.now,
        )?;
        let mut acted = Acted { source: at, actions, end: End::Failed, detail: String::new(), item: None };
        let temporary = match TempName::random() {
            Ok(name) => name,
            Err(fault) => {
                return self.give_up(&item, None, End::Failed, fault.to_string(), acted).map(Try::Done);
            }
        };
        let intent = Intent {
            user: user.to_owned(),
            path: real.to_string_lossy().into_owned(),
            before: item.original.clone(),
            after: item.edited.clone(),
            vault: item.id.clone(),
            home: home_path.to_string_lossy().into_owned(),
            temporary: temporary.as_str().to_owned(),
            actions: acted.actions.clone(),
        };
        let intent = self.journal.append(self.now, What::Intent(intent))?;
        match self.homes.commit(at_home, &temporary) {
            Written::Done => {}
            Written::Changed => {
                let detail = "it was changed while it was edited".to_owned();
                return self.give_up(&item, Some(intent), End::Conflict, detail, acted).map(Try::Again);
            }
            Written::Conflict(detail) => {
                return self.give_up(&item, Some(intent), End::Conflict, detail, acted).map(Try::Done);
            }
            Written::Failed(detail) => {
                return self.give_up(&item, Some(intent), End::Failed, detail, acted).map(Try::Done);
            }
            // no outcome: the next pass looks which of the two files is there
            Written::Unknown(detail) => return Ok(Try::Done(Acted { detail, ..acted })),
        }
        acted.detail = self.read_back(source, &item);
        acted.end = End::Applied;
        acted.item = Some(item.id.clone());
        self.vault.update(&Item { state: State::Quarantined, ..item })?;
        self.outcome(intent, End::Applied, &acted.detail)?;
        Ok(Try::Done(acted))
    }

    /// What is to be said of the file that is in place now; nothing if it is what was written.
    fn read_back(&self, source: &Source, item: &Item) -> String {
        match self.homes.digest_of(source) {
            Ok(now) if now == item.edited => String::new(),
            Ok(_) => "it was written again right after the edit; it is looked at at the next pass".to_owned(),
            Err(why) => format!("it could not be read back: {why}"),
        }
    }

    /// Nothing was changed: the vault need not keep the original.
    fn give_up(
        &mut self,
        item: &Item,
        intent: Option<u64>,
        end: End,
        detail: String,
        acted: Acted,
    ) -> Result<Acted, ActError> {
        if let Some(intent) = intent {
            self.outcome(intent, end, &detail)?;
        }
        self.vault.forget(item)?;
        Ok(Acted { end, detail, ..acted })
    }

    fn outcome(&mut self, intent: u64, outcome: End, detail: &str) -> Result<(), ActError> {
        self.journal.append(self.now, What::Outcome(Ended { intent, outcome, detail: detail.to_owned() }))?;
        Ok(())
    }

    fn actions(&self, edit: &Edit) -> Vec<Action> {
        edit.targets.iter().map(|(at, action)| self.action(&edit.entries[*at], action)).collect()
    }

    fn action(&self, item: &Assessed, action: &str) -> Action {
        let judgement = item.judgement.as_ref();
        let reason = judgement.and_then(|judgement| judgement.reason.as_ref());
        Action {
            action: action.to_owned(),
            server: self.redactor.name(&item.entry.name),
            client: item.entry.client.to_owned(),
            fingerprint: item.fingerprint.clone(),
            code: reason.map_or("not-allowed", |reason| reason.code.as_str()).to_owned(),
            detail: reason.map_or_else(String::new, |reason| self.redactor.text(&reason.detail)),
            rule: judgement.and_then(|judgement| {
                judgement.rule.clone().or_else(|| Some(judgement.trace.first()?.rule.clone()))
            }),
        }
    }
}

pub(super) fn place(item: &Assessed) -> Place {
    Place { key_path: item.entry.key_path.clone(), span: item.entry.span.clone() }
}

/// The fingerprint of what an edit left of an entry.
fn became(item: &Assessed, action: &str, after: &Outcome) -> Option<String> {
    let mut same = after.entries.iter().filter(|other| other.entry.key_path == item.entry.key_path);
    same.next().filter(|_| action != "quarantine").map(|other| other.fingerprint.clone())
}

/// What the vault says of each entry.
fn taken(edit: &Edit, actions: &[Action]) -> Vec<Taken> {
    edit.targets
        .iter()
        .zip(actions)
        .zip(edit.edited.removed.iter().zip(&edit.left))
        .map(|(((at, _), action), (pieces, left))| {
            let item = &edit.entries[*at];
            Taken {
                name: item.entry.name.clone(),
                key_path: item.entry.key_path.clone(),
                fingerprint: item.fingerprint.clone(),
                identity: action.server.clone(),
                action: action.action.clone(),
                code: action.code.clone(),
                detail: action.detail.clone(),
                pieces: pieces.iter().map(|piece| piece.range.start as u64..piece.range.end as u64).collect(),
                left: left.clone(),
                restored: false,
            }
        })
        .collect()
}

//! The stage `act`: one file at a time is read anew, judged anew, edited, kept in the vault, journalled, replaced and
//! read back. What was planned from an earlier reading only says which files to look at.
//!
//! Reading, editing and replacing are the home's [worker](crate::worker)'s; judging, vault and journal are ours.

use std::path::PathBuf;

use jiff::Timestamp;
use mcpolicy_clients::adapter::About;
use mcpolicy_clients::edit::{self, Change, Place};
use mcpolicy_schema::document::{Mode, PolicyDocument};
use mcpolicy_schema::identity::Identity;
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::v1;

use super::aside::Gone;
use super::freed::Freed;
use super::known::Knowledge;
use super::pin;
use super::plan::{FilePlan, Plan, Target, Wish, plan_knowing};
use super::spot::{Spot, keep_apart};
use super::swap::{Swap, Try};
use super::told::Told;
use crate::assess::{Assessed, assess};
use crate::discover::source::Source;
use crate::journal::{Action, End, Journal, JournalError};
use crate::judge::Judge;
use crate::pipeline::{Ground, Outcome, SourceResult};
use crate::report;
use crate::vault::{Item, Taken, Vault, VaultError};
use crate::worker::homes::Homes;
use crate::worker::{Draft, Held, Opened, is_state, is_too_much};

/// How often a file is read again that is changed while we edit it.
pub(super) const TRIES: usize = 5;

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
    /// Index into [`Outcome::sources`] of the pass: the file whose entries it is about.
    pub source: usize,
    /// The file that was acted on, as it was found; empty if that is the source.
    pub path: PathBuf,
    /// What was to be done to which entry.
    pub actions: Vec<Action>,
    /// How it ended.
    pub end: End,
    /// Why, or what is left to do.
    pub detail: String,
    /// The vault's item, if something was changed.
    pub item: Option<String>,
    /// Entries that are out of the file now.
    pub gone: Vec<Gone>,
    /// The journal has an intent of it.
    pub in_journal: bool,
}

impl Acted {
    /// Nothing yet, for a file.
    pub(super) fn nothing(source: usize) -> Self {
        Self {
            source,
            path: PathBuf::new(),
            actions: Vec::new(),
            end: End::Skipped,
            detail: String::new(),
            item: None,
            gone: Vec::new(),
            in_journal: false,
        }
    }
}

/// What is said of a file that is in order now.
pub(super) const NOTHING_DENIED: &str = "nothing in it is denied any more";

/// A file that was changed again and again while it was edited.
pub(super) fn given_up(acted: Acted) -> Acted {
    Acted {
        detail: format!(
            "it was changed {TRIES} times while it was edited: what was written last is in place, nothing of ours \
             is, and the next pass looks at it again"
        ),
        ..acted
    }
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
    pub knowledge: &'a Knowledge<'g, 'h>,
    /// The policy, revocations and mode that hold: what is taken out by them they do not put back.
    pub under: &'a str,
    /// Most bytes that the vault may have.
    pub room: u64,
    /// Which switches nothing needs any more.
    pub freed: &'a Freed,
    /// What the journal has of what stays as it is.
    pub told: &'a mut Told,
    /// Where originals go.
    pub vault: &'a Vault,
    /// Where intents and outcomes go.
    pub journal: &'a mut Journal,
}

/// A proved edit of one reading of a file.
pub(super) struct Edit<'b> {
    edited: Draft,
    targets: Vec<(usize, &'static str)>,
    entries: &'b [Assessed],
    /// What each target became; none for what is gone.
    left: Vec<Option<String>>,
}

/// The draft, what was done to which entry, and what each became.
type Proved = (Draft, Vec<(usize, &'static str)>, Vec<Option<String>>);

impl Hands<'_, '_, '_> {
    /// Acts on one file.
    ///
    /// # Errors
    /// Vault or journal cannot be written; the file was then not changed.
    pub fn act(&mut self, at: usize, source: &Source) -> Result<Acted, ActError> {
        let mut last = None;
        for _ in 0..TRIES {
            match self.attempt(at, source)? {
                Some(Try::Done(acted)) => return Ok(acted),
                Some(Try::Again(acted)) => last = Some(acted),
                None => return self.act_in_parts(at, source),
            }
        }
        Ok(last.map_or(Acted::nothing(at), given_up))
    }

    /// One try; none if it must be done part by part.
    fn attempt(&mut self, at: usize, source: &Source) -> Result<Option<Try>, ActError> {
        let done = |end, detail: String| Ok(Some(Try::Done(Acted { end, detail, ..Acted::nothing(at) })));
        let Some(home) = source.home else { return done(End::Failed, "it belongs to no home".to_owned()) };
        let mut opened = match self.homes.open(source, false) {
            Ok(Some(opened)) => opened,
            Ok(None) => return done(End::Skipped, "the file is gone".to_owned()),
            Err(why) => return done(End::Failed, why),
        };
        if is_too_much(opened.held.state, &opened.held.findings) {
            let acted = self.take_too_much((home, at, source), &opened);
            self.homes.close(home);
            return acted.map(|acted| Some(Try::Done(acted)));
        }
        if opened.held.rest > 0 {
            self.homes.close(home);
            return Ok(None);
        }
        let before = self.judged(source, &mut opened.held);
        let acted = match self.plan(&before).files.into_iter().next() {
            None => done(End::Skipped, NOTHING_DENIED.to_owned()),
            Some(file) => {
                match self.edit(home, source, &before, &file).and_then(|edit| self.recordable(source, edit)) {
                    Ok(edit) => self.replace(at, source, &opened, &edit).map(Some),
                    Err(why) if self.homes.has_failed(home) => done(End::Failed, why),
                    // what can be taken out of it goes, even if not all can
                    Err(_) if is_state(source) && file.targets.len() > 1 => Ok(None),
                    Err(why) => {
                        self.take_unfaithful((home, at, source), &opened, (&before, &file), &why).map(Some)
                    }
                }
            }
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
            // what the scan found of it goes on counting
            environment: Vec::new(),
        };
        Outcome { sources: vec![result], entries, ..Outcome::default() }
    }

    /// The edit of the open file, proved: in its text, and by judging its result. If it cannot be made with all that is
    /// wished for, the entries are taken out.
    pub(super) fn edit<'b>(
        &mut self,
        home: usize,
        source: &Source,
        before: &'b Outcome,
        file: &FilePlan,
    ) -> Result<Edit<'b>, String> {
        let chosen: Vec<(Change, &'static str)> =
            file.targets.iter().map(|target| self.change(home, source, before, target)).collect();
        let takes_all = chosen.iter().all(|(_, action)| *action == "quarantine");
        let proved = match self.proved(home, source, before, file, chosen) {
            Err(_) if !takes_all => {
                let removal =
                    |target: &Target| (Change::Remove(place(&before.entries[target.entry])), "quarantine");
                self.proved(home, source, before, file, file.targets.iter().map(removal).collect())
            }
            proved => proved,
        };
        proved.map(|(edited, targets, left)| Edit { edited, targets, entries: &before.entries, left })
    }

    fn proved(
        &mut self,
        home: usize,
        source: &Source,
        before: &Outcome,
        file: &FilePlan,
        chosen: Vec<(Change, &'static str)>,
    ) -> Result<Proved, String> {
        let (changes, actions): (Vec<Change>, Vec<&'static str>) = chosen.into_iter().unzip();
        let targets: Vec<(usize, &'static str)> =
            file.targets.iter().map(|target| target.entry).zip(actions).collect();
        let whole: Vec<_> =
            targets.iter().map(|(at, action)| self.whole_text(home, &before.entries[*at], action)).collect();
        let mut edited = self.homes.apply(home, &changes)?;
        let after = self.judged(source, &mut edited.held);
        if !self.plan(&after).files.is_empty() {
            return Err("the edited file would still hold a server that is not allowed".to_owned());
        }
        if edited.removed.len() != changes.len() {
            return Err("it is not told what the edit took out".to_owned());
        }
        self.homes.accept(home)?;
        for (removed, whole) in edited.removed.iter_mut().zip(whole) {
            *removed = whole.unwrap_or_else(|| std::mem::take(removed));
        }
        keep_apart(&mut edited.removed);
        let left = targets.iter().map(|(at, action)| became(&before.entries[*at], action, &after)).collect();
        Ok((*edited, targets, left))
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

    /// The off switch in the entry, if every client that would load it says of itself that it obeys what is written then.
    fn disable(&mut self, home: usize, source: &Source, item: &Assessed) -> Option<Change> {
        let abouts = source.readings.iter().map(|reading| reading.adapter.about());
        let loads = |id: &str| item.entry.readers.iter().any(|reader| reader.client == id);
        let switches = abouts.filter(|about| loads(about.id)).map(About::sure_switch);
        // one without a switch starts it: nothing needs to be tried
        let switches = switches.collect::<Option<Vec<_>>>()?;
        for switch in switches {
            let pointer = format!("/{}", switch.member);
            let change = Change::SetFlag { at: place(item), pointer, value: switch.off };
            let Ok(mut edited) = self.homes.apply(home, std::slice::from_ref(&change)) else { continue };
            let after = self.judged(source, &mut edited.held);
            let mut same = after.entries.iter().filter(|other| other.entry.key_path == item.entry.key_path);
            if same.next().is_some_and(|other| other.entry.disabled) && same.next().is_none() {
                return Some(change);
            }
        }
        None
    }

    pub(super) fn replace(
        &mut self,
        at: usize,
        source: &Source,
        opened: &Opened,
        edit: &Edit<'_>,
    ) -> Result<Try, ActError> {
        let actions = self.actions(edit);
        let gone = gone(edit, &actions);
        let swap = Swap {
            home: source.home.unwrap_or(usize::MAX),
            source: at,
            found_as: &source.path,
            client: source.owner().adapter.about().id,
            opened,
            after: Some(&edit.edited.bytes),
            entries: self.taken(source, edit, &actions),
            actions,
            beside: None,
            owner: self.knowledge.owner(source),
            approvals_due: !self.approvals_of(source, &gone).is_empty(),
        };
        let tried = self.swap(swap, |hands, item| hands.read_back(source, item))?;
        Ok(match tried {
            Try::Done(acted) if acted.end == End::Applied => Try::Done(Acted { gone, ..acted }),
            tried => tried,
        })
    }

    /// What is to be said of the file that is in place now; nothing if it is what was written.
    fn read_back(&self, source: &Source, item: &Item) -> String {
        match self.homes.digest_of(source) {
            Ok(now) if now == item.edited => String::new(),
            Ok(_) => "it was written again right after the edit; it is looked at at the next pass".to_owned(),
            Err(why) => format!("it could not be read back: {why}"),
        }
    }

    /// The edit, if vault and journal can keep what is to be said of it.
    pub(super) fn recordable<'b>(&self, source: &Source, edit: Edit<'b>) -> Result<Edit<'b>, String> {
        let actions = self.actions(&edit);
        if length_of(&actions) > MAX_SAID || length_of(&self.taken(source, &edit, &actions)) > MAX_SAID {
            return Err("there is more to be said of what is denied in it than can be kept".to_owned());
        }
        Ok(edit)
    }

    /// What the vault says of each entry.
    fn taken(&self, source: &Source, edit: &Edit<'_>, actions: &[Action]) -> Vec<Taken> {
        let all = edit.targets.iter().zip(actions).zip(edit.edited.removed.iter().zip(&edit.left));
        all.enumerate()
            .map(|(n, (((at, _), action), (pieces, left)))| {
                let item = &edit.entries[*at];
                Taken {
                    name: item.entry.name.clone(),
                    key_path: item.entry.key_path.clone(),
                    fingerprint: item.fingerprint.clone(),
                    identity: short(&shown(&item.identity, self.redactor), MAX_NAME),
                    action: action.action.clone(),
                    code: action.code.clone(),
                    detail: action.detail.clone(),
                    told: self.told(source, item, n),
                    pieces: pieces
                        .iter()
                        .map(|piece| piece.range.start as u64..piece.range.end as u64)
                        .collect(),
                    left: left.clone(),
                    restored: false,
                }
            })
            .collect()
    }

    /// The entry as reports show it, of the first ones of a file and where it is no longer than an honest one.
    ///
    /// Attack: a file of so many entries that more is to be said of them than the vault keeps goes as a whole.
    pub(super) fn told(&self, source: &Source, item: &Assessed, number: usize) -> Option<Box<v1::Entry>> {
        let told = || report::one_entry(self.ground, source, item, self.redactor);
        let told = (number < MOST_TOLD).then(told)?;
        (length_of(&told) <= MAX_TOLD).then(|| Box::new(told))
    }

    fn actions(&self, edit: &Edit<'_>) -> Vec<Action> {
        edit.targets.iter().map(|(at, action)| self.action(&edit.entries[*at], action)).collect()
    }

    pub(super) fn action(&self, item: &Assessed, action: &str) -> Action {
        let judgement = item.judgement.as_ref();
        let reason = judgement.and_then(|judgement| judgement.reason.as_ref());
        Action {
            action: action.to_owned(),
            server: short(&self.redactor.name(&item.entry.name), MAX_NAME),
            client: item.entry.client.to_owned(),
            fingerprint: item.fingerprint.clone(),
            code: reason.map_or("not-allowed", |reason| reason.code.as_str()).to_owned(),
            detail: reason
                .map_or_else(String::new, |reason| short(&self.redactor.text(&reason.detail), MAX_DETAIL)),
            rule: judgement.and_then(|judgement| {
                judgement.rule.clone().or_else(|| Some(judgement.trace.first()?.rule.clone()))
            }),
            identity: Some(short_identity(report::identity(&item.identity, self.redactor))),
        }
    }
}

/// Entries of one file that are kept as reports show them.
const MOST_TOLD: usize = 64;
/// Longest of these, in bytes of JSON.
const MAX_TOLD: usize = 16 << 10;
/// Longest name of a server in the journal, in bytes.
pub(super) const MAX_NAME: usize = 256;
/// Longest reason in the journal, in bytes.
const MAX_DETAIL: usize = 1024;
/// Most that is said of the entries of one file in the vault, and in the journal, in bytes of JSON. Both take more.
const MAX_SAID: usize = 16 << 20;

/// An identity, cut where it is longer than any honest one.
pub(crate) fn short_identity(identity: v1::Identity) -> v1::Identity {
    v1::Identity {
        name: short(&identity.name, MAX_NAME),
        version: identity.version.map(|version| short(&version, MAX_NAME)),
        ..identity
    }
}

/// A text for people, cut where it is longer than any honest one.
pub(super) fn short(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let more = if end < text.len() { "…" } else { "" };
    format!("{}{more}", &text[..end])
}

fn length_of(said: &impl serde::Serialize) -> usize {
    // these forms can always be written; one that cannot is not kept either
    serde_json::to_vec(said).map_or(usize::MAX, |json| json.len())
}

pub(super) fn place(item: &Assessed) -> Place {
    Place { key_path: item.entry.key_path.clone(), span: item.entry.span.clone() }
}

/// The fingerprint of what an edit left of an entry.
fn became(item: &Assessed, action: &str, after: &Outcome) -> Option<String> {
    // in a list its number is another one, if one before it goes
    let mut same = after.entries.iter().filter(|other| Spot::of(other) == Spot::of(item));
    same.next().filter(|_| action != "quarantine").map(|other| other.fingerprint.clone())
}

/// The entries that an edit takes out.
fn gone(edit: &Edit<'_>, actions: &[Action]) -> Vec<Gone> {
    let all = edit.targets.iter().zip(actions).filter(|((_, action), _)| *action == "quarantine");
    all.map(|((at, _), action)| Gone::of(&edit.entries[*at].entry, action)).collect()
}

/// Kind and name of what an entry would run or contact.
fn shown(identity: &Identity, redactor: &Redactor) -> String {
    format!("{}:{}", identity.kind.as_str(), redactor.text(&identity.name))
}

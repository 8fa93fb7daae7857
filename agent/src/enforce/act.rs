//! The stage `act`: one file at a time is read anew, judged anew, edited, kept in the vault, journalled, replaced and
//! read back. What was planned from an earlier reading only says which files to look at.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use mcpolicy_clients::edit::{self, Change, Edited, Place};
use mcpolicy_platform::secure_fs::{ClientLock, Fault, HomeDir, Original, ReplaceError, TempName};
use mcpolicy_schema::document::{Mode, PolicyDocument};
use mcpolicy_schema::redact::Redactor;

use super::pin;
use super::plan::{self, Target, Wish};
use crate::assess::{Assessed, assess};
use crate::discover::source::Source;
use crate::inventory;
use crate::journal::Outcome as Ended;
use crate::journal::{Action, End, Intent, Journal, JournalError, What};
use crate::judge::Judge;
use crate::pipeline::{Ground, Outcome, SourceResult};
use crate::vault::{self, Item, State, Taken, Vault, VaultError, digest_of};

/// How often a file is read again that is changed while we edit it.
const TRIES: usize = 5;
/// Largest file that is edited, in bytes.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// A client's lock that was not touched for so long is nobody's (Claude Code 2.1).
const LOCK_STALE: Duration = Duration::from_secs(10);
/// How long a client's lock is waited for.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);

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
pub struct Hands<'a, 'g> {
    /// The machine and its homes.
    pub ground: &'g Ground,
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
    edited: Edited,
    targets: Vec<(usize, &'static str)>,
    entries: Vec<Assessed>,
}

impl Hands<'_, '_> {
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
        let (home, relative) = match self.home_of(source) {
            Ok(opened) => opened,
            Err(why) => return done(End::Failed, why),
        };
        let lock = lock_of(source, &relative).map(|path| {
            // courtesy: the exchange sees what a client writes meanwhile
            ClientLock::take(&home, &path, LOCK_STALE, LOCK_PATIENCE)
        });
        let original = match home.open_file(&relative, MAX_BYTES) {
            Ok(original) => original,
            Err(Fault::NotFound) => return done(End::Skipped, "the file is gone".to_owned()),
            Err(fault) => return done(End::Failed, format!("the file {fault}")),
        };
        let edit = match self.edit(source, original.bytes()) {
            Ok(Some(edit)) => edit,
            Ok(None) => return done(End::Skipped, "nothing in it is denied any more".to_owned()),
            Err(why) => return done(End::Failed, why),
        };
        let acted = self.replace(at, source, &home, &relative, &original, &edit);
        drop(lock);
        acted
    }

    /// The home of a source, opened, and the file's path below it.
    pub(super) fn home_of(&self, source: &Source) -> Result<(HomeDir, PathBuf), String> {
        let home = source.home.and_then(|at| self.ground.homes.get(at)).ok_or("it belongs to no home")?;
        let outside = "the file is outside of its user's home";
        let relative = source.path.strip_prefix(&home.layout.home).map_err(|_| outside)?;
        let host = self.ground.machine.host_path(&home.layout.home);
        let opened = HomeDir::open(&host, home.uid).map_err(|fault| format!("the home {fault}"))?;
        Ok((opened, relative.to_owned()))
    }

    /// What the bytes hold, judged.
    pub(super) fn judged(&mut self, source: &Source, bytes: &[u8]) -> Outcome {
        let taken = inventory::take(source, bytes);
        let home = source.home.and_then(|at| self.ground.homes[at].layout.home.to_str());
        let mut entries: Vec<Assessed> =
            taken.entries.into_iter().map(|entry| assess(entry, 0, home, self.redactor)).collect();
        for item in &mut entries {
            self.judge.judge_entry(item, source);
        }
        let result = SourceResult {
            source: source.clone(),
            state: taken.state.as_str(),
            bytes: None,
            digest: None,
            findings: taken.findings,
            environment: taken.environment,
        };
        Outcome { sources: vec![result], entries, ..Outcome::default() }
    }

    /// The edit of these bytes, proved: in its text, and by judging its result. `None` if nothing is to be done.
    fn edit(&mut self, source: &Source, bytes: &[u8]) -> Result<Option<Edit>, String> {
        let before = self.judged(source, bytes);
        let plan = plan::plan(&before, self.document, self.mode);
        let Some(file) = plan.files.into_iter().next() else { return Ok(None) };
        let mut changes = Vec::new();
        let mut targets = Vec::new();
        for target in &file.targets {
            let (change, action) = self.change(source, bytes, &before, target);
            changes.push(change);
            targets.push((target.entry, action));
        }
        let edited = self.apply(source, bytes, &changes)?;
        let after = self.judged(source, &edited.bytes);
        let left = plan::plan(&after, self.document, self.mode);
        if !left.files.is_empty() {
            return Err("the edited file would still hold a server that is not allowed".to_owned());
        }
        Ok(Some(Edit { edited, targets, entries: before.entries }))
    }

    pub(super) fn apply(&self, source: &Source, bytes: &[u8], changes: &[Change]) -> Result<Edited, String> {
        let format = inventory::format_of(source);
        edit::apply(format, &source.path.to_string_lossy(), bytes, changes).map_err(|error| error.to_string())
    }

    /// The change that a target wishes for, if it can be shown to be allowed; else the entry is taken out.
    fn change(
        &mut self,
        source: &Source,
        bytes: &[u8],
        before: &Outcome,
        target: &Target,
    ) -> (Change, &'static str) {
        let item = &before.entries[target.entry];
        let change = match &target.wish {
            Wish::Pin(version) => self.pin(source, bytes, item, version).map(|change| (change, "pin")),
            Wish::Disable => self.disable(source, bytes, item).map(|change| (change, "disable")),
            Wish::Quarantine => None,
        };
        change.unwrap_or_else(|| (Change::Remove(place(item)), "quarantine"))
    }

    /// A pin that makes the entry allowed.
    fn pin(&mut self, source: &Source, bytes: &[u8], item: &Assessed, version: &str) -> Option<Change> {
        for proposal in pin::proposals(&item.entry, &item.identity, version) {
            for pointer in &proposal.pointers {
                let change =
                    Change::SetText { at: place(item), pointer: pointer.clone(), text: proposal.new.clone() };
                if let Ok(edited) = self.apply(source, bytes, std::slice::from_ref(&change))
                    && self.is_allowed(source, &edited.bytes, item)
                {
                    return Some(change);
                }
            }
        }
        None
    }

    fn is_allowed(&mut self, source: &Source, bytes: &[u8], item: &Assessed) -> bool {
        let after = self.judged(source, bytes);
        let mut same = after.entries.iter().filter(|other| other.entry.key_path == item.entry.key_path);
        let allowed =
            |other: &Assessed| other.judgement.as_ref().is_some_and(|judgement| judgement.is_allowed());
        same.next().is_some_and(allowed) && same.next().is_none()
    }

    /// The client's own off switch, if setting it is seen as that by its adapter.
    fn disable(&mut self, source: &Source, bytes: &[u8], item: &Assessed) -> Option<Change> {
        for (pointer, value) in [("/disabled", true), ("/enabled", false)] {
            let change = Change::SetFlag { at: place(item), pointer: pointer.to_owned(), value };
            let Ok(edited) = self.apply(source, bytes, std::slice::from_ref(&change)) else { continue };
            let after = self.judged(source, &edited.bytes);
            let mut same = after.entries.iter().filter(|other| other.entry.key_path == item.entry.key_path);
            if same.next().is_some_and(|other| other.entry.disabled) && same.next().is_none() {
                return Some(change);
            }
        }
        None
    }

    /// Vault, journal, exchange, proof, journal.
    fn replace(
        &mut self,
        at: usize,
        source: &Source,
        home: &HomeDir,
        relative: &Path,
        original: &Original,
        edit: &Edit,
    ) -> Result<Try, ActError> {
        let context = self.ground.homes.get(source.home.unwrap_or(usize::MAX));
        let user = context.map_or("", |home| home.user.as_str());
        let home_path = context.map(|home| home.layout.home.clone()).unwrap_or_default();
        let real = home_path.join(original.path());
        let actions = self.actions(edit);
        let item = self.vault.keep(
            vault::Original {
                user,
                home: &home_path.to_string_lossy(),
                path: &real.to_string_lossy(),
                found_as: &source.path.to_string_lossy(),
                client: source.owner().adapter.about().id,
                bytes: original.bytes(),
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
        match original.replace_as(&edit.edited.bytes, &temporary) {
            Ok(_) => {}
            Err(ReplaceError::Changed) => {
                let detail = "it was changed while it was edited".to_owned();
                return self.give_up(&item, Some(intent), End::Conflict, detail, acted).map(Try::Again);
            }
            Err(error) => {
                let end =
                    if matches!(error, ReplaceError::Conflict { .. }) { End::Conflict } else { End::Failed };
                let detail = format!("the file {error}");
                return self.give_up(&item, Some(intent), end, detail, acted).map(Try::Done);
            }
        }
        acted.detail = self.read_back(home, relative, &item);
        acted.end = End::Applied;
        acted.item = Some(item.id.clone());
        self.vault.update(&Item { state: State::Quarantined, ..item })?;
        self.outcome(intent, End::Applied, &acted.detail)?;
        Ok(Try::Done(acted))
    }

    /// What is to be said of the file that is in place now; nothing if it is what was written.
    fn read_back(&self, home: &HomeDir, relative: &Path, item: &Item) -> String {
        match home.open_file(relative, MAX_BYTES) {
            Ok(now) if digest_of(now.bytes()) == item.edited => String::new(),
            Ok(_) => "it was written again right after the edit; it is looked at at the next pass".to_owned(),
            Err(fault) => format!("it could not be read back: it {fault}"),
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

fn place(item: &Assessed) -> Place {
    Place { key_path: item.entry.key_path.clone(), span: item.entry.span.clone() }
}

/// What the vault says of each entry.
fn taken(edit: &Edit, actions: &[Action]) -> Vec<Taken> {
    edit.targets
        .iter()
        .zip(actions)
        .zip(&edit.edited.removed)
        .map(|(((at, _), action), pieces)| {
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
                restored: false,
            }
        })
        .collect()
}

/// The lock directory of a file whose client takes one before it writes (Claude Code 2.1: `.claude.json.lock`).
fn lock_of(source: &Source, relative: &Path) -> Option<PathBuf> {
    let is_claude = source.readings.iter().any(|reading| reading.adapter.about().id == "claude-code");
    let is_state = relative.file_name().is_some_and(|name| name == ".claude.json");
    (is_claude && is_state).then(|| ClientLock::path_for(relative))
}

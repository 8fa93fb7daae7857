//! Putting back what was taken out: as the whole original where the file is still what the edit left, else entry by
//! entry. Nothing comes back that the policy in force does not allow.

use std::path::Path;

use mcpolicy_clients::edit::{Change, Piece};
use mcpolicy_platform::secure_fs::{Fault, ReplaceError, TempName};

use super::act::{ActError, Hands, MAX_BYTES};
use crate::discover::source::Source;
use crate::journal::Outcome as Ended;
use crate::journal::{Action, End, Intent, What};
use crate::vault::{Item, State, VaultError, digest_of};

/// What became of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// How it ended.
    pub end: End,
    /// Which entries are back, by name.
    pub entries: Vec<String>,
    /// Why not, or why not all.
    pub detail: String,
}

impl Restored {
    fn not(end: End, detail: impl Into<String>) -> Self {
        Self { end, entries: Vec::new(), detail: detail.into() }
    }
}

/// New bytes for a file, and which entries of the item they bring back.
type Proposal = (Vec<u8>, Vec<usize>);

impl Hands<'_, '_> {
    /// Puts back what of an item the policy allows now.
    ///
    /// # Errors
    /// Vault or journal cannot be written; the file was then not changed.
    pub fn restore(&mut self, item: &Item, source: &Source) -> Result<Restored, ActError> {
        if !item.is_open() {
            return Ok(Restored::not(End::Skipped, "there is nothing left to put back"));
        }
        let (home, relative) = match self.home_of(source) {
            Ok(opened) => opened,
            Err(why) => return Ok(Restored::not(End::Failed, why)),
        };
        match home.open_file(&relative, MAX_BYTES) {
            Ok(file) => {
                let proposal = self.proposal(item, source, file.bytes())?;
                let Some((bytes, entries)) = proposal else {
                    return Ok(Restored::not(
                        End::Skipped,
                        "the policy in force does not allow it, or its name is taken",
                    ));
                };
                let before = digest_of(file.bytes());
                self.put_back(item, &before, &bytes, &entries, |temporary| {
                    file.replace_as(&bytes, temporary).map(drop)
                })
            }
            // a file that was taken away as a whole, or that its user removed since
            Err(Fault::NotFound) => {
                let Some((bytes, entries)) = self.proposal(item, source, b"")? else {
                    return Ok(Restored::not(End::Skipped, "the policy in force does not allow it"));
                };
                let nothing = digest_of(b"");
                self.put_back(item, &nothing, &bytes, &entries, |temporary| {
                    home.create_as(&relative, &bytes, 0o600, temporary).map(drop)
                })
            }
            Err(fault) => Ok(Restored::not(End::Failed, format!("the file {fault}"))),
        }
    }

    /// The file with as much of the item in it as is allowed; `None` if nothing is.
    fn proposal(&mut self, item: &Item, source: &Source, now: &[u8]) -> Result<Option<Proposal>, ActError> {
        let open: Vec<usize> = (0..item.entries.len()).filter(|at| !item.entries[*at].restored).collect();
        let untouched = digest_of(now) == item.edited && open.len() == item.entries.len();
        if untouched
            && let Some(original) = self.vault.original(item)?
            && open.iter().all(|at| self.allows(source, &original, &item.entries[*at].key_path))
        {
            return Ok(Some((original, open)));
        }
        let mut bytes = now.to_vec();
        let mut entries = Vec::new();
        for at in open {
            if let Some(with) = self.with_entry(item, at, source, &bytes)? {
                bytes = with;
                entries.push(at);
            }
        }
        Ok((!entries.is_empty()).then_some((bytes, entries)))
    }

    /// The bytes with one entry put back; `None` if it is not allowed, its name is taken, or it does not fit.
    fn with_entry(
        &mut self,
        item: &Item,
        at: usize,
        source: &Source,
        bytes: &[u8],
    ) -> Result<Option<Vec<u8>>, ActError> {
        let taken = &item.entries[at];
        let Some((table, _)) = taken.key_path.rsplit_once('/') else { return Ok(None) };
        let pieces: Vec<Piece> = self
            .vault
            .pieces(item, at)?
            .into_iter()
            .map(|(range, bytes)| Piece { range: range.start as usize..range.end as usize, bytes })
            .collect();
        if taken.action != "quarantine" || pieces.is_empty() {
            return Ok(None);
        }
        let change = Change::Insert { table: table.to_owned(), name: taken.name.clone(), pieces };
        let Ok(edited) = self.apply(source, bytes, &[change]) else { return Ok(None) };
        Ok(self.allows(source, &edited.bytes, &taken.key_path).then_some(edited.bytes))
    }

    /// Whether these bytes hold an entry there, and all of its declarations are allowed.
    fn allows(&mut self, source: &Source, bytes: &[u8], key_path: &str) -> bool {
        let judged = self.judged(source, bytes);
        let mut same = judged.entries.iter().filter(|item| item.entry.key_path == key_path).peekable();
        same.peek().is_some()
            && same.all(|item| item.judgement.as_ref().is_some_and(|judgement| judgement.is_allowed()))
    }

    fn put_back(
        &mut self,
        item: &Item,
        before: &str,
        bytes: &[u8],
        entries: &[usize],
        write: impl FnOnce(&TempName) -> Result<(), ReplaceError>,
    ) -> Result<Restored, ActError> {
        let temporary = match TempName::random() {
            Ok(name) => name,
            Err(fault) => return Ok(Restored::not(End::Failed, fault.to_string())),
        };
        let action = |at: &usize| {
            let taken = &item.entries[*at];
            Action {
                action: "restore".to_owned(),
                server: self.redactor.name(&taken.name),
                client: item.client.clone(),
                fingerprint: taken.fingerprint.clone(),
                code: "allowed".to_owned(),
                detail: "the policy in force allows it".to_owned(),
                rule: None,
            }
        };
        let intent = Intent {
            user: item.user.clone(),
            path: item.path.clone(),
            before: before.to_owned(),
            after: digest_of(bytes),
            vault: item.id.clone(),
            home: item.home.clone(),
            temporary: temporary.as_str().to_owned(),
            actions: entries.iter().map(action).collect(),
        };
        let intent = self.journal.append(self.now, What::Intent(intent))?;
        let (end, detail) = match write(&temporary) {
            Ok(()) => (End::Applied, String::new()),
            Err(ReplaceError::Fault(fault)) => (End::Failed, format!("the file {fault}")),
            Err(error) => (End::Conflict, format!("the file {error}")),
        };
        self.journal
            .append(self.now, What::Outcome(Ended { intent, outcome: end, detail: detail.clone() }))?;
        let mut names = Vec::new();
        if end == End::Applied {
            let mut item = item.clone();
            for at in entries {
                item.entries[*at].restored = true;
                names.push(item.entries[*at].name.clone());
            }
            if item.entries.iter().all(|entry| entry.restored) {
                item.state = State::Restored;
            }
            self.vault.update(&item)?;
        }
        Ok(Restored { end, entries: names, detail })
    }

    /// Items of which something is out and which were not considered under this policy yet, with their sources.
    ///
    /// # Errors
    /// The vault cannot be read.
    pub fn restorable(&self, policy: &str) -> Result<Vec<Item>, VaultError> {
        let (items, _) = self.vault.items()?;
        Ok(items
            .into_iter()
            .filter(|item| item.is_open() && item.considered.as_deref() != Some(policy))
            .collect())
    }

    /// The source that an item was taken from, as discovery would find it now.
    pub fn source_of(&self, item: &Item) -> Option<Source> {
        let home = self.ground.homes.iter().position(|home| home.layout.home == Path::new(&item.home))?;
        let reading = crate::pipeline::reading_for(&item.client, Path::new(&item.found_as))?;
        Some(Source::new((&item.found_as).into(), Some(home), reading))
    }
}

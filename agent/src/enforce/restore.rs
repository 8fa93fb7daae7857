//! Putting back what was taken out: as the whole original where the file is still what the edit left, else entry by
//! entry. Nothing comes back that the policy in force does not allow.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mcpolicy_clients::edit::{Change, Piece, Place};
use mcpolicy_platform::secure_fs::TempName;
use mcpolicy_schema::contradiction;
use mcpolicy_schema::entry::Entry;

use super::act::{ActError, Hands, place, short_identity};
use super::leftovers;
use super::refused::{NOT_ALLOWED, Refused, Why};
use super::spot::{Spot, alone};
use super::swap::{intent, leftover, regrouped};
use super::whole::{UNCHANGED, Unfit, Whole, whole_file};
use super::whole_act::QUARANTINE_FILE;
use crate::assess::Assessed;
use crate::discover::source::Source;
use crate::inventory::State;
use crate::journal::Outcome as Ended;
use crate::journal::{Action, End, Event, What};
use crate::pipeline::Outcome;
use crate::vault::{Item, Kept, State as ItemState, Taken, VaultError, digest_of, other_names};
use crate::worker::aside::Keeping;
use crate::worker::homes::Written;
use crate::worker::{Draft, FileRights, MAX_SERVERS_OF_FILE, Opened, Part, is_state, is_too_much};

/// What became of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// How it ended.
    pub end: End,
    /// Which entries are back, by name.
    pub entries: Vec<String>,
    /// Why not, or why not all.
    pub detail: String,
    /// Something of it stays out for another reason than the policy or its user's newer word; where somebody asked for it,
    /// for any reason.
    pub incomplete: bool,
}

impl Restored {
    pub(super) fn not(end: End, detail: impl Into<String>) -> Self {
        Self { end, entries: Vec::new(), detail: detail.into(), incomplete: false }
    }

    /// With one more thing to say.
    pub(super) fn but(mut self, detail: &str) -> Self {
        if !self.detail.is_empty() {
            self.detail.push_str("; ");
        }
        self.detail.push_str(detail);
        self
    }
}

/// Who wants something back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Somebody who names the item.
    ByHand,
    /// A policy that allows it now: a file that its user has removed since is not made anew for it.
    ByPolicy,
}

/// Nothing is made anew by itself that its user has removed; where the file comes back, so do its entries.
pub(super) const FILE_IS_GONE: &str =
    "its user has removed the file; `mcpolicy quarantine restore` makes it anew";

/// What a file is to become.
pub(super) struct PutBack<'p> {
    /// Digest of its bytes as they were opened.
    pub before: &'p str,
    /// The accepted draft; `None` takes it away.
    pub after: Option<&'p [u8]>,
    /// Which entries of the item that brings back.
    pub entries: &'p [usize],
    /// How many names the open file has.
    pub names: u64,
    /// What others may do with it.
    pub rights: Option<FileRights>,
    /// Which others stay out, and why.
    pub stays: &'p str,
}

/// What comes after a write of the user's that crossed a restore.
const AGAIN: &str = "what its user wrote is in place, nothing was put back, and the next pass tries again";

/// New bytes for a file, and which entries of the item they bring back.
struct Proposal {
    bytes: Vec<u8>,
    entries: Vec<usize>,
    /// Which they do not, and why.
    refused: Refused,
}

impl Proposal {
    fn whole(bytes: Vec<u8>, entries: Vec<usize>) -> Self {
        Self { bytes, entries, refused: Refused::default() }
    }
}

/// Why there is none.
struct Not {
    why: String,
    is_loss: bool,
}

impl From<&str> for Not {
    fn from(why: &str) -> Self {
        Self { why: why.to_owned(), is_loss: false }
    }
}

type Proposed = Result<Proposal, Not>;

impl Hands<'_, '_, '_> {
    /// Puts back what of an item the policy allows now.
    ///
    /// # Errors
    /// Vault or journal cannot be written; the file was then not changed.
    pub fn restore(&mut self, item: &Item, asked: Asked) -> Result<Restored, ActError> {
        if !item.is_open() {
            return Ok(Restored::not(End::Skipped, "there is nothing left to put back"));
        }
        let item = &match self.of_account(item, asked)? {
            Ok(item) => item,
            Err((end, why)) => return Ok(Restored::not(end, why)),
        };
        if let Some(beside) = &item.beside {
            return self.restore_beside(item, beside);
        }
        let Some(source) = &self.source_of(item) else {
            let why = "the client that it was taken from is not known here, or does not look there";
            return Ok(Restored::not(End::Failed, why));
        };
        let Some(home) = source.home else { return Ok(Restored::not(End::Failed, "it belongs to no home")) };
        // a file that was taken away as a whole is made anew, and one that its user removed since where somebody asks for it
        let mut opened = match self.open_for(item, source) {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(Restored::not(End::Failed, "the file is gone")),
            Err(why) => return Ok(Restored::not(End::Failed, why)),
        };
        let restored = match self.proposal((home, source), item, &mut opened, asked)? {
            Ok(Proposal { bytes, entries, refused }) => {
                let before = digest_of(&opened.bytes);
                let (entries, names, rights) = (&entries[..], opened.names, opened.rights);
                let stays = if refused.is_empty() { String::new() } else { refused.by_name(item) };
                let (after, stays) = (Some(&bytes[..]), &stays[..]);
                let put_back = PutBack { before: &before, after, entries, names, rights, stays };
                let incomplete = refused.is_loss() || asked == Asked::ByHand && !refused.is_empty();
                self.put_back(home, item, put_back).map(|restored| Restored { incomplete, ..restored })
            }
            // what was made of no answer is no verdict: the next pass tries again
            Err(_) if self.homes.has_failed(home) => {
                Ok(Restored::not(End::Failed, "its worker gave no answer; the next pass tries again"))
            }
            Err(Not { why, is_loss }) => {
                if is_loss {
                    self.tell_not_restored(item, &why)?;
                }
                Ok(Restored { incomplete: is_loss, ..Restored::not(End::Skipped, why) })
            }
        };
        self.homes.close(home);
        restored
    }

    /// Says in the journal that nothing of an item comes back, though the policy may well allow it.
    fn tell_not_restored(&mut self, item: &Item, why: &str) -> Result<(), ActError> {
        let detail = self.redactor.name(&format!("{} of {}: {why}", item.id, item.path));
        let event = Event { user: item.user.clone(), ..Event::new("not-restored", detail) };
        self.journal.append_of(self.now, What::Event(event), item.uid)?;
        Ok(())
    }

    /// Opens the file of an item. Where it holds more with the item than is told at once, all that it has is told part by
    /// part, and of what it is to become only what it does not have.
    fn open_for(&self, item: &Item, source: &Source) -> Result<Option<Box<Opened>>, String> {
        let Some(first) = self.homes.open(source, true)? else { return Ok(None) };
        let most = first.held.entries.len() + first.held.rest + item.entries.len();
        if !is_state(source) || most <= MAX_SERVERS_OF_FILE {
            return Ok(Some(first));
        }
        let (mut entries, mut rest) = (first.held.entries, first.held.rest);
        while rest > 0 {
            let part = Part { from: entries.len(), most: MAX_SERVERS_OF_FILE };
            let more = self.homes.open_part(source, true, part)?.filter(|more| more.bytes == first.bytes);
            let more = more.ok_or("the file is written just now; the next pass tries again")?;
            entries.extend(more.held.entries);
            rest = more.held.rest;
        }
        let last =
            self.homes.open_part(source, true, Part::DIFFERING)?.filter(|last| last.bytes == first.bytes);
        let mut last = last.ok_or("the file is written just now; the next pass tries again")?;
        last.held.entries = entries;
        Ok(Some(last))
    }

    /// The file with as much of the item in it as is allowed.
    fn proposal(
        &mut self,
        (home, source): (usize, &Source),
        item: &Item,
        opened: &mut Opened,
        asked: Asked,
    ) -> Result<Proposed, ActError> {
        if item.entries.iter().any(|taken| taken.action == QUARANTINE_FILE) {
            return self.whole(home, item, source, opened);
        }
        if !opened.existed {
            return match asked {
                Asked::ByPolicy => Ok(Err(FILE_IS_GONE.into())),
                Asked::ByHand => self.anew(home, item, source),
            };
        }
        let open: Vec<usize> = (0..item.entries.len()).filter(|at| !item.entries[*at].restored).collect();
        let untouched = digest_of(&opened.bytes) == item.edited && open.len() == item.entries.len();
        if untouched
            && let Some(original) = self.vault.rebuilt(item, &opened.bytes)?
            && let Ok(mut draft) = self.homes.propose(home, &original)
            && !is_crowded(&draft)
            && all_allowed(&allowed(&self.judged(source, &mut draft.held)), &item.entries)
            && self.homes.accept(home).is_ok()
        {
            return Ok(Ok(Proposal::whole(original, open)));
        }
        let now = self.judged(source, &mut opened.held);
        let now = by_place(&now);
        let pieces = alone(self.vault.pieces(item)?);
        let change = |at: &usize| Some((*at, way_back(&item.entries[*at], &pieces[*at], &now)?));
        let ways: Vec<(usize, Change)> = open.iter().filter_map(change).collect();
        let mut refused = Refused::default();
        let has_way: BTreeSet<usize> = ways.iter().map(|(at, _)| *at).collect();
        for at in open.iter().filter(|at| !has_way.contains(at)) {
            let why = match now.contains_key(&Spot::of_taken(&item.entries[*at])) {
                true => Why::Taken,
                false if pieces[*at].is_empty() => Why::NotAlone,
                false => Why::NoPlace,
            };
            refused.add(why, *at);
        }
        let mut chosen = self.fitting(home, item, source, &ways, &mut refused);
        // what is allowed by itself may not be so beside the others
        while !chosen.is_empty() {
            let mut draft = match self.homes.apply(home, &changes(&chosen)) {
                Ok(draft) => draft,
                Err(_) if chosen.len() > 1 && !self.homes.has_failed(home) => {
                    // each can be put back, but not together: those that are in first make room for the others
                    let later = chosen.split_off(chosen.len() / 2);
                    later.iter().for_each(|(at, _)| refused.add(Why::Later, *at));
                    continue;
                }
                Err(why) => {
                    chosen.iter().for_each(|(at, _)| refused.add(Why::of(&why), *at));
                    break;
                }
            };
            let why = if is_crowded(&draft) { Why::TooMany } else { Why::Policy };
            let judged = self.judged(source, &mut draft.held);
            let (judged, before) = (allowed(&judged), chosen.len());
            chosen.retain(|(at, _)| {
                let is_allowed = all_allowed(&judged, std::slice::from_ref(&item.entries[*at]));
                if !is_allowed {
                    refused.add(why, *at);
                }
                is_allowed
            });
            if chosen.len() == before {
                let entries = chosen.into_iter().map(|(at, _)| at).collect();
                let accepted = self.homes.accept(home);
                let proposal = Proposal { bytes: draft.bytes, entries, refused };
                return Ok(accepted.map(|()| proposal).map_err(|why| Not { why, is_loss: true }));
            }
        }
        Ok(Err(Not { why: refused.why(item), is_loss: refused.is_loss() }))
    }

    /// A file that its user has removed since, as it was before the edit, if nothing would be done about it now.
    fn anew(&mut self, home: usize, item: &Item, source: &Source) -> Result<Proposed, ActError> {
        let Some(original) = self.vault.original(item)? else {
            let why = "its user has removed the file, and of its original only what was taken out is kept: make the file anew, \
                 with the table of its servers, and try again";
            return Ok(Err(why.into()));
        };
        let Ok(mut draft) = self.homes.propose(home, &original) else {
            return Ok(Err(NOT_ALLOWED.into()));
        };
        let judged = self.judged(source, &mut draft.held);
        if !all_allowed(&allowed(&judged), &item.entries) || !self.plan(&judged).files.is_empty() {
            let why =
                "its user has removed the file, and the policy in force does not allow all that was in it";
            return Ok(Err(why.into()));
        }
        let open = (0..item.entries.len()).filter(|at| !item.entries[*at].restored).collect();
        Ok(self.homes.accept(home).map(|()| Proposal::whole(original, open)).map_err(|_| NOT_ALLOWED.into()))
    }

    /// Those ways back that can be gone together, and lead to something allowed. Many are tried at once: each try costs a
    /// look at the whole file.
    fn fitting(
        &mut self,
        home: usize,
        item: &Item,
        source: &Source,
        ways: &[(usize, Change)],
        refused: &mut Refused,
    ) -> Vec<(usize, Change)> {
        if ways.is_empty() {
            return Vec::new();
        }
        match self.homes.apply(home, &changes(ways)) {
            Ok(mut draft) => {
                let why = if is_crowded(&draft) { Why::TooMany } else { Why::Policy };
                let judged = self.judged(source, &mut draft.held);
                let judged = allowed(&judged);
                let is_allowed =
                    |way: &(usize, Change)| all_allowed(&judged, std::slice::from_ref(&item.entries[way.0]));
                let (allowed, others): (Vec<_>, Vec<_>) = ways.iter().cloned().partition(is_allowed);
                others.iter().for_each(|(at, _)| refused.add(why, *at));
                allowed
            }
            Err(why) if ways.len() == 1 || self.homes.has_failed(home) => {
                ways.iter().for_each(|(at, _)| refused.add(Why::of(&why), *at));
                Vec::new()
            }
            Err(_) => {
                let (some, others) = ways.split_at(ways.len() / 2);
                let mut fitting = self.fitting(home, item, source, some, refused);
                fitting.extend(self.fitting(home, item, source, others, refused));
                fitting
            }
        }
    }

    /// A file that was taken away as a whole, if its name is free and nothing would be done about it now.
    fn whole(
        &mut self,
        home: usize,
        item: &Item,
        source: &Source,
        opened: &Opened,
    ) -> Result<Proposed, ActError> {
        if opened.existed {
            return Ok(Err("there is a file in its place, which stays".into()));
        }
        let original = self.vault.original(item)?;
        let Some(original) = original else {
            return Ok(Err("its original is not kept whole any longer".into()));
        };
        let Ok(mut draft) = self.homes.propose(home, &original) else {
            return Ok(Err(NOT_ALLOWED.into()));
        };
        // what was too much to be told apart would come back unseen
        if is_too_much(draft.held.state, &draft.held.findings) {
            return Ok(Err(NOT_ALLOWED.into()));
        }
        let judged = self.judged(source, &mut draft.held);
        let is_unparseable = judged.sources.iter().any(|file| file.state == State::Unparseable.as_str());
        let policy = self.document.policy.unparseable;
        let goes = is_unparseable && whole_file(source, Unfit::Unparseable, policy, UNCHANGED) == Whole::Take;
        let is_allowed = !goes && self.plan(&judged).files.is_empty() && self.homes.accept(home).is_ok();
        let all = (0..item.entries.len()).collect();
        Ok(if is_allowed {
            Ok(Proposal::whole(original, all))
        } else {
            Err("the policy in force does not allow what is in it".into())
        })
    }

    pub(super) fn put_back(
        &mut self,
        home: usize,
        item: &Item,
        PutBack { before, after, entries, names, rights, stays }: PutBack<'_>,
    ) -> Result<Restored, ActError> {
        let temporary = match TempName::random() {
            Ok(name) => name,
            Err(fault) => return Ok(Restored::not(End::Failed, fault.to_string())),
        };
        let item = &self.vault.recalled(item);
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
                identity: taken.told.as_ref().map(|entry| short_identity(entry.identity.clone())),
            }
        };
        let digest = digest_of(after.unwrap_or_default());
        let change = (before, &*digest);
        let intent = intent(item, change, &temporary, entries.iter().map(action).collect());
        let intent = self.journal.append(self.now, What::Intent(intent))?;
        let written = match after {
            Some(_) => self.homes.commit(home, &temporary, item.rights),
            None => self.homes.remove(home, &temporary),
        };
        let mut left = None;
        let (end, detail) = match written {
            Written::Done { leftover: is_left, group_kept } => {
                left = is_left.then(|| leftover(&temporary, change));
                let beside = is_left.then(|| leftovers::told(item.path.path()));
                let stays = Some(stays.to_owned()).filter(|stays| !stays.is_empty());
                let regrouped = (!group_kept).then(|| regrouped(rights.or(item.rights)));
                let said = [other_names(names), regrouped, beside, stays];
                let said: Vec<String> = said.into_iter().flatten().collect();
                (End::Applied, said.join("; "))
            }
            Written::Changed => (End::Conflict, format!("the file was changed meanwhile: {AGAIN}")),
            Written::Conflict(why) => (End::Conflict, format!("{why}: {AGAIN}")),
            Written::Failed(detail) => (End::Failed, detail),
            // no outcome: the next pass looks which of the two files is there
            Written::Unknown(why) => {
                let detail = format!("{why}; the next pass looks whether it was put back, and ends it");
                return Ok(Restored::not(End::Failed, detail));
            }
        };
        self.journal.append(
            self.now,
            What::Outcome(Ended { intent, outcome: end, detail: self.redactor.name(&detail) }),
        )?;
        let item = &Item { leftover: left, ..item.clone() };
        let names = if end == End::Applied { self.mark_restored(item, entries)? } else { Vec::new() };
        Ok(Restored { end, entries: names, detail, incomplete: false })
    }

    /// Keeps in mind which entries are back. Their names.
    pub(super) fn mark_restored(&self, item: &Item, entries: &[usize]) -> Result<Vec<String>, ActError> {
        let mut item = item.clone();
        let mut names = Vec::new();
        for at in entries {
            item.entries[*at].restored = true;
            names.push(item.entries[*at].name.clone());
        }
        if item.entries.iter().all(|entry| entry.restored) {
            item.state = ItemState::Restored;
        }
        self.vault.update(&item)?;
        Ok(names)
    }

    /// Items of which something is out and which were not considered under this policy yet, with their sources.
    ///
    /// # Errors
    /// The vault cannot be read.
    pub fn restorable(&self, policy: &str) -> Result<Vec<Item>, VaultError> {
        let (mut items, _) = self.vault.items()?;
        // an entry may be allowed by what its file holds now, with no change of the policy
        let is_switch = |item: &Item| item.beside.as_ref().is_some_and(|b| b.keeping == Keeping::Switch);
        items
            .retain(|item| item.is_open() && (is_switch(item) || item.considered.as_deref() != Some(policy)));
        // the newest first, as edits are undone: its file may still be what it left
        items.reverse();
        Ok(items)
    }

    /// The source that an item was taken from, as discovery would find it now.
    pub fn source_of(&self, item: &Item) -> Option<Source> {
        let home = self.ground.homes.iter().position(|home| home.layout.home == Path::new(&item.home))?;
        let layout = &self.ground.homes[home].layout;
        let reading = crate::pipeline::reading_in(layout, &item.client, item.found_as.path())?;
        Some(Source::new(item.found_as.path().to_owned(), Some(home), reading))
    }
}

/// How an entry comes back; `None` if its name is taken, or what the edit left there is not there any more.
fn way_back(taken: &Taken, pieces: &[Kept], now: &ByPlace<'_>) -> Option<Change> {
    let (table, _) = taken.key_path.rsplit_once('/')?;
    let piece = |(range, bytes): &Kept| Piece {
        range: range.start as usize..range.end as usize,
        bytes: bytes.clone(),
    };
    let pieces: Vec<Piece> = pieces.iter().map(piece).collect();
    match &taken.action[..] {
        _ if pieces.is_empty() => None,
        "quarantine" if now.contains_key(&Spot::of_taken(taken)) => None,
        "quarantine" => Some(Change::Insert { table: table.to_owned(), name: taken.name.clone(), pieces }),
        // only in the place of what the edit left there: anything else is its user's newer word
        "revert" | "pin" | "disable" => Some(Change::Replace { at: still_there(taken, now)?, pieces }),
        _ => None,
    }
}

/// Whether there is so much in a draft that what is in it is not told.
fn is_crowded(draft: &Draft) -> bool {
    let is_crowd = |entry: &Entry| entry.malformed == Some(contradiction::CROWDED);
    is_too_much(draft.held.state, &draft.held.findings) || draft.held.entries.iter().any(is_crowd)
}

fn changes(ways: &[(usize, Change)]) -> Vec<Change> {
    ways.iter().map(|(_, change)| change.clone()).collect()
}

/// Entries by their places, of which each may have several. Thousands come back at once: each asks for its own alone.
type ByPlace<'o> = BTreeMap<Spot<'o>, Vec<&'o Assessed>>;

fn by_place(judged: &Outcome) -> ByPlace<'_> {
    let mut all = ByPlace::new();
    for item in &judged.entries {
        all.entry(Spot::of(item)).or_default().push(item);
    }
    all
}

/// The places of a judged text of which all declarations are allowed.
fn allowed(judged: &Outcome) -> BTreeSet<Spot<'_>> {
    let is_allowed =
        |item: &&Assessed| item.judgement.as_ref().is_some_and(|judgement| judgement.is_allowed());
    let all = by_place(judged).into_iter();
    all.filter(|(_, items)| items.iter().all(is_allowed)).map(|(place, _)| place).collect()
}

/// Whether all of these entries are in their places, and allowed.
fn all_allowed(allowed: &BTreeSet<Spot<'_>>, wanted: &[Taken]) -> bool {
    wanted.iter().filter(|taken| !taken.restored).all(|taken| allowed.contains(&Spot::of_taken(taken)))
}

/// Where what an edit left in the place of an entry stands now, if nobody has changed it since.
fn still_there(taken: &Taken, now: &ByPlace<'_>) -> Option<Place> {
    match now.get(&Spot::of_taken(taken))?[..] {
        [item] if taken.left.as_ref() == Some(&item.fingerprint) => Some(place(item)),
        _ => None,
    }
}

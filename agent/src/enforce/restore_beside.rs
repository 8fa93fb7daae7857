//! Putting back what was done in other files than an entry's own: a switch is taken back, and approvals come back, once
//! the file that declares the entry holds it and the policy in force allows it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mcpolicy_clients::adapter::ClientAdapter;
use mcpolicy_clients::adapters::by_id;

use super::act::{ActError, Hands};
use super::restore::{PutBack, Restored};
use super::spot::Spot;
use crate::discover::source::Source;
use crate::journal::End;
use crate::pipeline::Outcome;
use crate::vault::{Beside, Item, Taken, digest_of};
use crate::worker::Opened;
use crate::worker::aside::{Aside, Declaration, Keeping, Settling};

const GONE: &str = "the file is gone";

/// What the open file is to become.
enum Next {
    Bytes(Vec<u8>),
    Gone,
    /// It is as it should be already.
    Nothing,
    Left(&'static str),
}

impl Hands<'_, '_, '_> {
    pub(super) fn restore_beside(&mut self, item: &Item, beside: &Beside) -> Result<Restored, ActError> {
        let Some(home) = self.homes.index_of(Path::new(&item.home)) else {
            return Ok(Restored::not(End::Failed, "the home that it was taken from is not known here"));
        };
        let ready = self.allowed_again(home, item, beside);
        let aside = Self::aside_of(item, beside, &ready).filter(|aside| !aside.declared.is_empty());
        let Some(aside) = aside else {
            return Ok(Restored::not(
                End::Skipped,
                "the policy in force does not allow it, or it is not declared now",
            ));
        };
        let opened = match self.homes.open_kept(home, &aside, item.found_as.path()) {
            Ok(Some(opened)) => opened,
            // a switch goes with its file
            Ok(None) if beside.keeping == Keeping::Switch => {
                let entries = self.mark_restored(item, &ready)?;
                let detail = GONE.to_owned();
                return Ok(Restored { end: End::Applied, entries, detail, incomplete: false });
            }
            Ok(None) => return Ok(Restored::not(End::Skipped, "its user has removed the file")),
            Err(why) => return Ok(Restored::not(End::Failed, why)),
        };
        let restored = match self.next(home, item, beside, &ready, &opened)? {
            Next::Left(why) => Ok(Restored::not(End::Skipped, why)),
            Next::Nothing => self.mark_restored(item, &ready).map(|entries| Restored {
                end: End::Applied,
                entries,
                detail: "nothing of it was set in this file any more".to_owned(),
                incomplete: false,
            }),
            next => {
                let after = if let Next::Bytes(bytes) = &next { Some(&bytes[..]) } else { None };
                let before = digest_of(&opened.bytes);
                let (entries, names, rights) = (&ready[..], opened.names, opened.rights);
                let put_back = PutBack { before: &before, after, entries, names, rights, stays: "" };
                self.put_back(home, item, put_back)
            }
        };
        self.homes.close(home);
        restored
    }

    /// Says of servers that are switched on again which files have them off still: a list of all projects by which
    /// another of that name is denied, one of the user's own, or a file of the work tree, which is not ours to edit.
    pub(super) fn tell_still_off(&self, item: &Item, mut restored: Restored) -> Restored {
        let home = self.homes.index_of(Path::new(&item.home));
        let switch = item.beside.as_ref().filter(|beside| beside.keeping == Keeping::Switch);
        let adapter = by_id(&item.client);
        let (Some(home), Some(switch), Some(adapter), End::Applied) = (home, switch, adapter, restored.end)
        else {
            return restored;
        };
        let is_back = |one: &&Declaration| restored.entries.contains(&one.name);
        for one in switch.declared.iter().filter(is_back).cloned().collect::<Vec<_>>() {
            for (keeping, path) in self.still_off(home, adapter, &one) {
                restored = restored.but(&remedy(adapter, &one, keeping, &path));
            }
        }
        restored
    }

    fn still_off(
        &self,
        home: usize,
        adapter: &dyn ClientAdapter,
        one: &Declaration,
    ) -> BTreeSet<(Keeping, PathBuf)> {
        let switches = adapter.off_switches(&one.declared()).into_iter();
        let mut places: Vec<(Keeping, Declaration, String)> =
            switches.map(|switch| (Keeping::Switch, one.clone(), switch.keeps.path)).collect();
        // the client may have been started in any of these
        for folder in [&one.project, &one.checkout, &one.repository].into_iter().flatten() {
            let there = Declaration { project: Some(folder.clone()), ..one.clone() };
            let moved = adapter.moved_switches(&there.declared()).into_iter();
            places.extend(moved.map(|keeps| (Keeping::Moved, there.clone(), keeps.path)));
        }
        let client = adapter.about().id;
        let off = |(keeping, declared, template): (Keeping, Declaration, String)| {
            let aside = Aside { client, keeping, template, declared: vec![declared], others: Vec::new() };
            let files = self.homes.kept(home, &aside).unwrap_or_default().into_iter();
            files.filter(|file| file.settled).map(|file| (keeping, file.path)).collect::<Vec<_>>()
        };
        places.into_iter().flat_map(off).collect()
    }

    /// The entries of an item that stand in the file that declares them, and are allowed.
    fn allowed_again(&mut self, home: usize, item: &Item, beside: &Beside) -> Vec<usize> {
        let path = beside.declared_in.path();
        let layout = &self.ground.homes[home].layout;
        let Some(reading) = crate::pipeline::reading_in(layout, &beside.declared_for, path) else {
            return Vec::new();
        };
        let source = Source::new(path.to_owned(), Some(home), reading);
        let now = match self.homes.open(&source, false) {
            Ok(Some(mut opened)) => {
                let now = self.judged(&source, &mut opened.held);
                self.homes.close(home);
                now
            }
            Ok(None) => Outcome::default(),
            Err(_) => return Vec::new(),
        };
        let is_switch = beside.keeping == Keeping::Switch;
        let is_allowed = |taken: &Taken| {
            let spot = Spot::of_taken(taken);
            let mut same = now.entries.iter().filter(|item| Spot::of(item) == spot).peekable();
            if same.peek().is_none() {
                return is_switch && self.freed.has(home, &item.client, &taken.name);
            }
            same.all(|item| item.judgement.as_ref().is_some_and(|judgement| judgement.is_allowed()))
        };
        let open = item.entries.iter().enumerate().filter(|(_, taken)| !taken.restored);
        open.filter(|(_, taken)| is_allowed(taken)).map(|(at, _)| at).collect()
    }

    fn next(
        &mut self,
        home: usize,
        item: &Item,
        beside: &Beside,
        ready: &[usize],
        opened: &Opened,
    ) -> Result<Next, ActError> {
        let untouched = digest_of(&opened.bytes) == item.edited && ready.len() == item.entries.len();
        if untouched && beside.created {
            return Ok(Next::Gone);
        }
        if untouched
            && let Some(original) = self.vault.rebuilt(item, &opened.bytes)?
            && self.homes.propose(home, &original).is_ok()
            && self.homes.accept(home).is_ok()
        {
            return Ok(Next::Bytes(original));
        }
        Ok(match beside.keeping {
            Keeping::Moved => Next::Left("it lies in a work tree"),
            Keeping::Approvals => Next::Left("the file was changed since; its client asks its user anew"),
            Keeping::Switch => match self.drafted(home, Settling::TakeBack) {
                Ok(Some(draft)) => Next::Bytes(draft.bytes),
                Ok(None) => Next::Nothing,
                Err(_) => Next::Left(
                    "the switch cannot be taken back in this file; its user can do so in the client",
                ),
            },
        })
    }
}

/// What is said of a file that has a server off still.
fn remedy(adapter: &dyn ClientAdapter, one: &Declaration, keeping: Keeping, path: &Path) -> String {
    let (client, name, path) = (adapter.about().name, &one.name, path.display());
    let why = match keeping {
        Keeping::Moved => {
            "a file of the work tree, which is left: its user takes the name out of the list there"
        }
        _ => "where its user or another denied server of that name has it",
    };
    format!("{client} still has {name} off by {path}, {why}")
}

//! Putting back what was done in other files than an entry's own: a switch is taken back, and approvals come back, once
//! the file that declares the entry holds it and the policy in force allows it.

use std::path::Path;

use super::act::{ActError, Hands};
use super::restore::{PutBack, Restored};
use crate::discover::source::Source;
use crate::journal::End;
use crate::vault::{Beside, Item, digest_of};
use crate::worker::Opened;
use crate::worker::aside::{Keeping, Settling};

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
            Ok(None) => return Ok(Restored::not(End::Skipped, "its user has removed the file")),
            Err(why) => return Ok(Restored::not(End::Failed, why)),
        };
        let restored = match self.next(home, item, beside, &ready, &opened)? {
            Next::Left(why) => Ok(Restored::not(End::Skipped, why)),
            Next::Nothing => self.mark_restored(item, &ready).map(|entries| Restored {
                end: End::Applied,
                entries,
                detail: "it is not set there any more: its user has taken it back, or the client keeps it elsewhere now".to_owned(),
            }),
            next => {
                let after = if let Next::Bytes(bytes) = &next { Some(&bytes[..]) } else { None };
                let before = digest_of(&opened.bytes);
                self.put_back(home, item, PutBack { before: &before, after, entries: &ready })
            }
        };
        self.homes.close(home);
        restored
    }

    /// The entries of an item that stand in the file that declares them, and are allowed.
    fn allowed_again(&mut self, home: usize, item: &Item, beside: &Beside) -> Vec<usize> {
        let path = beside.declared_in.path();
        let Some(reading) = crate::pipeline::reading_for(&beside.declared_for, path) else {
            return Vec::new();
        };
        let source = Source::new(path.to_owned(), Some(home), reading);
        let Ok(Some(mut opened)) = self.homes.open(&source, false) else { return Vec::new() };
        let now = self.judged(&source, &mut opened.held);
        self.homes.close(home);
        let is_allowed = |key_path: &str| {
            let mut same = now.entries.iter().filter(|item| item.entry.key_path == key_path).peekable();
            same.peek().is_some()
                && same.all(|item| item.judgement.as_ref().is_some_and(|judgement| judgement.is_allowed()))
        };
        let open = item.entries.iter().enumerate().filter(|(_, taken)| !taken.restored);
        open.filter(|(_, taken)| is_allowed(&taken.key_path)).map(|(at, _)| at).collect()
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
            && let Some(original) = self.vault.original(item)?
            && self.homes.propose(home, &original).is_ok()
            && self.homes.accept(home).is_ok()
        {
            return Ok(Next::Bytes(original));
        }
        Ok(match beside.keeping {
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

//! One file takes the place of another: vault, journal, exchange, proof, journal.

use std::path::Path;

use mcpolicy_platform::secure_fs::TempName;

use super::act::{ActError, Acted, Hands};
use super::owned::Owner;
use crate::journal::Outcome as Ended;
use crate::journal::{Action, End, Intent, What};
use crate::vault::{self, Beside, Item, State, Taken, VaultError};
use crate::worker::Opened;
use crate::worker::homes::Written;

/// What an open file is to become.
pub(super) struct Swap<'s> {
    /// Index of the home.
    pub home: usize,
    /// Index of the source for which it is done.
    pub source: usize,
    /// The file as it was found.
    pub found_as: &'s Path,
    /// The client whose location it is.
    pub client: &'s str,
    /// The file as it is open.
    pub opened: &'s Opened,
    /// The accepted draft; `None` takes the file away.
    pub after: Option<&'s [u8]>,
    /// What is done to which entry.
    pub actions: Vec<Action>,
    /// The same as the vault keeps it.
    pub entries: Vec<Taken>,
    /// For a file that only keeps something about entries of another.
    pub beside: Option<Beside>,
    /// Who owns the file beside its user.
    pub owner: Option<Owner>,
}

/// What one try came to.
pub(super) enum Try {
    /// The end of it.
    Done(Acted),
    /// Somebody wrote the file meanwhile.
    Again(Acted),
}

impl Hands<'_, '_, '_> {
    /// Puts the accepted draft in place. `read_back` says what is wrong with the file that is there then, nothing if it
    /// is what was written.
    pub(super) fn swap(
        &mut self,
        swap: Swap<'_>,
        read_back: impl FnOnce(&Self, &Item) -> String,
    ) -> Result<Try, ActError> {
        let context = &self.ground.homes[swap.home];
        let home = &context.layout.home;
        let real = home.join(&swap.opened.path);
        let item = self.vault.keep(
            vault::Original {
                user: &context.user,
                home: &home.to_string_lossy(),
                path: &real.to_string_lossy(),
                found_as: &swap.found_as.to_string_lossy(),
                client: swap.client,
                bytes: &swap.opened.bytes,
                edited: swap.after.unwrap_or_default(),
                entries: swap.entries,
                beside: swap.beside,
            },
            self.now,
        );
        let mut acted =
            Acted { path: swap.found_as.to_owned(), actions: swap.actions, ..Acted::nothing(swap.source) };
        let item = match item {
            Err(error @ VaultError::TooLarge { .. }) => {
                return Ok(Try::Done(Acted { end: End::Failed, detail: error.to_string(), ..acted }));
            }
            item => item?,
        };
        let temporary = match TempName::random() {
            Ok(name) => name,
            Err(fault) => {
                return self.give_up(&item, None, End::Failed, fault.to_string(), acted).map(Try::Done);
            }
        };
        let intent = Intent {
            user: context.user.clone(),
            path: item.path.clone(),
            before: item.original.clone(),
            after: item.edited.clone(),
            vault: item.id.clone(),
            home: item.home.clone(),
            temporary: temporary.as_str().to_owned(),
            actions: acted.actions.clone(),
        };
        let intent = self.journal.append(self.now, What::Intent(intent))?;
        let written = match swap.after {
            Some(_) => self.homes.commit(swap.home, &temporary),
            None => self.homes.remove(swap.home, &temporary),
        };
        match written {
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
        acted.detail = read_back(self, &item);
        if let Some(owner) = &swap.owner {
            let gap = if acted.detail.is_empty() { "" } else { "; " };
            acted.detail = format!("{}{gap}{}", owned_notice(owner, &real, &item.id), acted.detail);
        }
        acted.end = End::Applied;
        acted.item = Some(item.id.clone());
        let considered = Some(self.under.to_owned());
        self.vault.update(&Item { state: State::Quarantined, considered, ..item })?;
        self.outcome(intent, End::Applied, &acted.detail)?;
        Ok(Try::Done(acted))
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
        // it may name a folder of the user
        let detail = self.redactor.name(detail);
        self.journal.append(self.now, What::Outcome(Ended { intent, outcome, detail }))?;
        Ok(())
    }
}

/// What the user must know whose file was edited though something else owns it too.
fn owned_notice(owner: &Owner, path: &Path, item: &str) -> String {
    let back = format!("once the policy allows it, `mcpolicy quarantine restore {item}` undoes the edit");
    match owner {
        Owner::Git { root } => {
            let (root, file) = (root.display(), path.strip_prefix(root).unwrap_or(path).display());
            format!(
                "the file is in the Git work tree {root}, whose index was not touched: `git -C {root} checkout -- \
                 {file}` brings the committed file back, for the next pass to look at; {back}"
            )
        }
        Owner::Sync { root, service } => {
            format!("{service} copies {} to other machines, and this edit with it; {back}", root.display())
        }
    }
}

//! One file takes the place of another: vault, journal, exchange, proof, journal.

use std::path::Path;

use mcpolicy_platform::secure_fs::TempName;

use super::act::{ActError, Acted, Hands};
use super::leftovers;
use super::owned::Owner;
use crate::board::status::GATE;
use crate::journal::Outcome as Ended;
use crate::journal::{Action, End, Intent, What};
use crate::vault::{self, Beside, Item, Leftover, State, Taken};
use crate::worker::homes::Written;
use crate::worker::{FileRights, Opened};

/// Somebody was faster.
const CHANGED: &str = "it was changed while it was edited: what was written then is in place, nothing of ours is, and the \
    next pass looks at it again";

/// The vault is too small for what this pass takes.
const NO_ROOM: &str = "nothing was changed: the vault has no room for the whole file beside what this pass has taken; a \
    later pass goes on, or `max_mib` of the vault must be more";

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
    /// Other files may hold approvals of what is taken out.
    pub approvals_due: bool,
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
        if swap.after.is_none() && self.vault.whole() + swap.opened.bytes.len() as u64 > self.room {
            // attack: file after file that goes as a whole; what a pass tells to be kept stays, so it must have room
            let acted = Acted { path: swap.found_as.to_owned(), ..Acted::nothing(swap.source) };
            return Ok(Try::Done(Acted { end: End::Failed, detail: NO_ROOM.to_owned(), ..acted }));
        }
        let real = home.join(&swap.opened.path);
        let kept = self.vault.keep(
            vault::Original {
                user: &context.user,
                uid: context.uid,
                home: &home.to_string_lossy(),
                path: &real,
                found_as: swap.found_as,
                client: swap.client,
                names: swap.opened.names,
                rights: swap.opened.rights,
                bytes: &swap.opened.bytes,
                edited: swap.after.unwrap_or_default(),
                entries: swap.entries,
                beside: swap.beside,
                approvals_due: swap.approvals_due,
            },
            self.now,
        );
        let mut acted =
            Acted { path: swap.found_as.to_owned(), actions: swap.actions, ..Acted::nothing(swap.source) };
        let item = match kept {
            Ok(item) => item,
            // a user who fills the disk with large files must not keep those of others from being edited
            Err(error) => {
                let detail = format!("nothing was changed: {error}");
                return Ok(Try::Done(Acted { end: End::Failed, detail, ..acted }));
            }
        };
        let temporary = match TempName::random() {
            Ok(name) => name,
            Err(fault) => {
                return self.give_up(&item, None, End::Failed, fault.to_string(), acted).map(Try::Done);
            }
        };
        let mut intent = intent(&item, (&item.original, &item.edited), &temporary, acted.actions.clone());
        // late, when all else is done: who opens the file in the moment in which it was planted comes meanwhile
        let in_place = swap.after.is_some() && self.homes.is_waited_for(&real);
        if in_place {
            intent.layer = GATE.to_owned();
        }
        let intent = self.journal.append(self.now, What::Intent(intent))?;
        let written = match swap.after {
            Some(_) if in_place => self.homes.commit_in_place(swap.home, &temporary),
            Some(_) => self.homes.commit(swap.home, &temporary, None),
            None => self.homes.remove(swap.home, &temporary),
        };
        acted.in_journal = true;
        let (left_beside, group_kept) = match written {
            Written::Done { leftover, group_kept } => (leftover, group_kept),
            Written::Changed => {
                let detail = CHANGED.to_owned();
                return self.give_up(&item, Some(intent), End::Conflict, detail, acted).map(Try::Again);
            }
            Written::Conflict(why) => {
                // either may be in place by now: the original is not forgotten
                let detail = format!("{why}; its original is kept, and the next pass looks at it again");
                self.outcome(intent, End::Conflict, &detail)?;
                let id = item.id.clone();
                self.vault.update(&Item { state: State::Quarantined, ..item })?;
                return Ok(Try::Done(Acted { end: End::Conflict, detail, item: Some(id), ..acted }));
            }
            Written::Failed(detail) => {
                return self.give_up(&item, Some(intent), End::Failed, detail, acted).map(Try::Done);
            }
            // no outcome: the next pass looks which of the two files is there
            Written::Unknown(why) => {
                let detail = format!("{why}; the next pass looks whether it was changed, and ends it");
                return Ok(Try::Done(Acted { end: End::Failed, detail, ..acted }));
            }
        };
        let owned = swap.owner.as_ref().map(|owner| owned_notice(owner, &real, &item.id));
        let read = Some(read_back(self, &item)).filter(|read| !read.is_empty());
        let left = left_beside.then(|| leftovers::told(&real));
        let regrouped = (!group_kept).then(|| regrouped(swap.opened.rights));
        acted.detail = [owned, vault::other_names(item.names), regrouped, left, read]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("; ");
        acted.end = End::Applied;
        acted.item = Some(item.id.clone());
        let considered = Some(self.under.to_owned());
        let change = (&*item.original, &*item.edited);
        let leftover = left_beside.then(|| leftover(&temporary, change));
        self.vault.update(&Item { state: State::Quarantined, considered, leftover, ..item.clone() })?;
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

/// The intent to change the file of an item from the bytes of one digest to those of another.
pub(super) fn intent(
    item: &Item,
    (before, after): (&str, &str),
    temporary: &TempName,
    actions: Vec<Action>,
) -> Intent {
    Intent {
        user: item.user.clone(),
        path: item.path.to_string(),
        path_base64: item.path.base64(),
        before: before.to_owned(),
        after: after.to_owned(),
        vault: item.id.clone(),
        home: item.home.clone(),
        temporary: temporary.as_str().to_owned(),
        layer: String::new(),
        actions,
    }
}

/// What such a change left beside.
pub(super) fn leftover(temporary: &TempName, (before, after): (&str, &str)) -> Leftover {
    Leftover { temporary: temporary.as_str().to_owned(), before: before.to_owned(), after: after.to_owned() }
}

/// What is said of a file whose group its user may not give it.
pub(super) fn regrouped(before: Option<FileRights>) -> String {
    let before = before.map_or_else(String::new, |FileRights { mode, group }| {
        format!(" (it was of group {group}, mode {mode:04o}: `chgrp` and `chmod` bring that back)")
    });
    format!(
        "its group could not be kept, since its user was not in that group for this pass: what the group alone might do, \
         nobody but its owner may now{before}"
    )
}

/// What the user must know whose file was edited though something else owns it too.
fn owned_notice(owner: &Owner, path: &Path, item: &str) -> String {
    let back = format!("once the policy allows it, `mcpolicy quarantine restore {item}` undoes the edit");
    match owner {
        Owner::Git { root } => {
            let (root, file) = (root.display(), path.strip_prefix(root).unwrap_or(path).display());
            let whole = format!("{root}/{file}");
            let is_plain =
                whole.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+@".contains(&byte));
            // attack: a folder called `x;rm -rf ~` in a line that an administrator may copy
            let command = if is_plain {
                format!("`git -C {root} checkout -- {file}`")
            } else {
                "`git checkout` of it".to_owned()
            };
            format!(
                "the file is in the Git work tree {root}, whose index was not touched: {command} brings the committed \
                 file back, for the next pass to look at, and is the way where `git pull`, `checkout` or `rebase` refuses; \
                 `git commit -a` would take the edit along; {back}"
            )
        }
        Owner::Sync { root, service } => {
            format!("{service} copies {} to other machines, and this edit with it; {back}", root.display())
        }
    }
}

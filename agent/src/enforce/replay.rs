//! What a crash left half done: each intent without outcome is looked at, and told what became of it.

use std::path::Path;

use jiff::Timestamp;
use mcpolicy_platform::secure_fs::TempName;

use super::act::ActError;
use crate::journal::{End, Intent, Journal, Outcome as Ended, What};
use crate::vault::{Item, State, Taken, Vault, VaultError, digest_of};
use crate::worker::homes::Homes;
use crate::worker::{Broken, Standing};

/// Finishes or undoes one intent: afterwards the file is the old or the new one, the journal says which, and no
/// temporary file is left. How it ended.
///
/// # Errors
/// Vault or journal cannot be written.
pub fn replay(
    homes: &Homes<'_>,
    vault: &Vault,
    journal: &mut Journal,
    intent: (u64, &Intent),
    now: Timestamp,
) -> Result<End, ActError> {
    let (number, intent) = intent;
    let (end, detail) = told(standing(homes, intent), intent);
    match vault.item(&intent.vault) {
        // the original is needed as long as the file may be the new one
        Ok(item) if item.state == State::Pending && end == End::Failed => vault.forget(&item)?,
        Ok(item) if item.state == State::Pending => {
            vault.update(&Item { state: State::Quarantined, ..item })?;
        }
        // a restore: what is back is not put back once more
        Ok(item) if end == End::Applied => restored(vault, item, intent)?,
        Ok(_) | Err(VaultError::NoItem(_) | VaultError::Damaged { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    journal.append(now, What::Outcome(Ended { intent: number, outcome: end, detail: detail.to_owned() }))?;
    Ok(end)
}

/// Ends what was kept for a change whose intent never came to the journal: a crash lies between the two.
///
/// # Errors
/// The vault cannot be read or written.
pub fn end_unannounced(homes: &Homes<'_>, vault: &Vault) -> Result<(), ActError> {
    for item in vault.items()?.0.into_iter().filter(|item| item.state == State::Pending) {
        let Ok(temporary) = TempName::random() else { continue };
        let unannounced = Intent {
            user: item.user.clone(),
            path: item.path.clone(),
            before: item.original.clone(),
            after: item.edited.clone(),
            vault: item.id.clone(),
            home: item.home.clone(),
            temporary: temporary.as_str().to_owned(),
            actions: Vec::new(),
        };
        match standing(homes, &unannounced) {
            Standing::Before => vault.forget(&item)?,
            // should its intent have been lost with a part of the journal, this is the only original
            Standing::After | Standing::Other | Standing::Gone => {
                vault.update(&Item { state: State::Quarantined, ..item })?;
            }
            Standing::Unknown => {}
        }
    }
    Ok(())
}

/// Marks the entries that a broken-off restore had put back.
fn restored(vault: &Vault, mut item: Item, intent: &Intent) -> Result<(), VaultError> {
    let is_back = |taken: &Taken| {
        intent
            .actions
            .iter()
            .any(|action| action.action == "restore" && action.fingerprint == taken.fingerprint)
    };
    for taken in &mut item.entries {
        taken.restored |= is_back(taken);
    }
    if item.entries.iter().all(|taken| taken.restored) {
        item.state = State::Restored;
    }
    vault.update(&item)
}

/// What became of the file; a leftover is removed, or put back if it holds what the user wrote.
fn standing(homes: &Homes<'_>, intent: &Intent) -> Standing {
    let home = Path::new(&intent.home);
    let (Some(at), Ok(relative)) = (homes.index_of(home), Path::new(&intent.path).strip_prefix(home)) else {
        return Standing::Unknown;
    };
    let broken = Broken {
        relative: relative.to_owned(),
        temporary: intent.temporary.clone(),
        before: intent.before.clone(),
        after: intent.after.clone(),
    };
    homes.replay(at, &broken)
}

fn told(standing: Standing, intent: &Intent) -> (End, &'static str) {
    let nothing = digest_of(&[]);
    match standing {
        Standing::After => (End::Applied, "broken off after the change; it is in place"),
        Standing::Before => (End::Failed, "broken off before the change; nothing was changed"),
        Standing::Other => {
            (End::Conflict, "broken off; the file has been written since, its original is in the vault")
        }
        // what was to be taken away, or to be made
        Standing::Gone if intent.after == nothing => {
            (End::Applied, "broken off after the change; the file is away")
        }
        Standing::Gone if intent.before == nothing => {
            (End::Failed, "broken off before the change; nothing was changed")
        }
        Standing::Gone => (End::Conflict, "broken off; the file is gone since, its original is in the vault"),
        Standing::Unknown => {
            (End::Conflict, "broken off; the file cannot be looked at now, its original is in the vault")
        }
    }
}

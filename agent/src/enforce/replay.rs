//! What a crash left half done: each intent without outcome is looked at, and told what became of it.

use std::path::Path;

use jiff::Timestamp;
use mcpolicy_platform::secure_fs::TempName;

use super::act::ActError;
use crate::journal::{End, Intent, Journal, Outcome as Ended, What};
use crate::vault::{Item, State, Vault, VaultError};
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
    let (end, detail) = told(standing(homes, intent));
    let is_restore = intent.actions.iter().any(|action| action.action == "restore");
    match vault.item(&intent.vault) {
        // of a restore the vault's is the only copy until it is in place
        Ok(item) if is_restore && end == End::Applied => vault.update(&restored(item, intent))?,
        Ok(_) if is_restore => {}
        // the original is needed as long as the file may be the new one
        Ok(item) if end == End::Failed => vault.forget(&item)?,
        Ok(item) if item.state == State::Pending => {
            vault.update(&Item { state: State::Quarantined, ..item })?;
        }
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

/// The item after the restore that was broken off is seen to be in place.
fn restored(mut item: Item, intent: &Intent) -> Item {
    for entry in &mut item.entries {
        entry.restored |= intent.actions.iter().any(|action| action.fingerprint == entry.fingerprint);
    }
    if item.entries.iter().all(|entry| entry.restored) {
        item.state = State::Restored;
    }
    item
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

fn told(standing: Standing) -> (End, &'static str) {
    match standing {
        Standing::After => (End::Applied, "broken off after the change; it is in place"),
        Standing::Before => (End::Failed, "broken off before the change; nothing was changed"),
        Standing::Other => {
            (End::Conflict, "broken off; the file has been written since, its original is in the vault")
        }
        Standing::Gone => (End::Conflict, "broken off; the file is gone since, its original is in the vault"),
        Standing::Unknown => {
            (End::Conflict, "broken off; the file cannot be looked at now, its original is in the vault")
        }
    }
}

//! What a crash left half done: each intent without outcome is looked at, and told what became of it.

use std::path::Path;

use jiff::Timestamp;
use mcpolicy_platform::machine::Machine;
use mcpolicy_platform::secure_fs::{Fault, HomeDir, TempName};

use super::act::{ActError, MAX_BYTES};
use crate::journal::{End, Intent, Journal, Outcome as Ended, What};
use crate::vault::{Item, State, Vault, VaultError, digest_of};

/// Finishes or undoes one intent: afterwards the file is the old or the new one, the journal says which, and no
/// temporary file is left. How it ended.
///
/// # Errors
/// Vault or journal cannot be written.
pub fn replay(
    machine: &Machine,
    vault: &Vault,
    journal: &mut Journal,
    intent: (u64, &Intent),
    uid: Option<u32>,
    now: Timestamp,
) -> Result<End, ActError> {
    let (number, intent) = intent;
    let (end, detail) = look(machine, intent, uid);
    match vault.item(&intent.vault) {
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

/// What became of the file; a leftover is removed, or put back if it holds what the user wrote.
fn look(machine: &Machine, intent: &Intent, uid: Option<u32>) -> (End, &'static str) {
    let unknown =
        (End::Conflict, "broken off; the file cannot be looked at now, its original is in the vault");
    let home = Path::new(&intent.home);
    let Ok(relative) = Path::new(&intent.path).strip_prefix(home) else { return unknown };
    let Ok(opened) = HomeDir::open(&machine.host_path(home), uid) else { return unknown };
    clean(&opened, relative, intent);
    match opened.open_file(relative, MAX_BYTES) {
        Ok(file) => match digest_of(file.bytes()) {
            digest if digest == intent.after => (End::Applied, "broken off after the change; it is in place"),
            digest if digest == intent.before => {
                (End::Failed, "broken off before the change; nothing was changed")
            }
            _ => (End::Conflict, "broken off; the file has been written since, its original is in the vault"),
        },
        Err(Fault::NotFound) => {
            (End::Conflict, "broken off; the file is gone since, its original is in the vault")
        }
        Err(_) => unknown,
    }
}

/// A temporary file is ours to remove if it holds the new bytes, or the old ones while the new are in place. Anything
/// else is what a user wrote and an exchange displaced: it is put back.
fn clean(home: &HomeDir, relative: &Path, intent: &Intent) {
    let Ok(temporary) = intent.temporary.parse::<TempName>() else { return };
    let folder = relative.parent().unwrap_or(Path::new(""));
    let Ok(left) = home.open_file(&folder.join(temporary.as_str()), MAX_BYTES) else { return };
    let left = digest_of(left.bytes());
    if left == intent.after || left == intent.before {
        // a failure leaves a file that the next sweep finds
        let _ = home.remove_leftover(folder, &temporary);
        return;
    }
    if let Ok(file) = home.open_file(relative, MAX_BYTES)
        && digest_of(file.bytes()) == intent.after
    {
        let _ = file.reinstate(&temporary);
    } else {
        // half of the new bytes: the exchange never happened
        let _ = home.remove_leftover(folder, &temporary);
    }
}

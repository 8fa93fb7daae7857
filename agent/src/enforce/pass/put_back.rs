//! What comes back by itself, since a newer policy allows it.

use std::collections::BTreeMap;
use std::path::Path;

use mcpolicy_schema::document::Mode;

use crate::enforce::act::{ActError, Hands};
use crate::enforce::restore::{Asked, FILE_IS_GONE, Restored};
use crate::enforce::turns::{Turns, in_turn};
use crate::journal::End;
use crate::vault::Item;

/// What was taken from one file of a home, in the order in which it comes back.
struct OfFile {
    home: usize,
    items: Vec<Item>,
}

/// Puts back by itself what a newer policy allows, file by file, homes in turn.
///
/// Attack: a user has thousands of items in the vault, and what was taken from others waits behind them.
pub(super) fn restore_allowed(
    hands: &mut Hands<'_, '_, '_>,
    under: &str,
    turns: &mut Turns,
    start: usize,
) -> anyhow::Result<Vec<(Item, Restored)>> {
    let mut all = Vec::new();
    // in the modes that write nothing, nothing is written
    if hands.mode < Mode::Hold {
        return Ok(all);
    }
    let items = hands.restorable(under)?;
    let [entries, mixed, about] = in_rounds(by_file(hands, items));
    // what is about an entry that was not back yet, in a file that had entries of its own
    let mut later = Vec::new();
    for files in [entries, mixed, about] {
        for file in in_turn(&files, |file| Some(file.home), start) {
            for item in &file.items {
                let done = turns.take(Some(file.home), || restore_one(hands, item, file.home, under));
                let Some(restored) = done.transpose()? else { continue };
                if restored.end != End::Skipped || restored.incomplete {
                    all.push((item.clone(), restored));
                } else if item.beside.is_some() {
                    later.push((file.home, item.clone()));
                }
            }
        }
    }
    for (home, item) in later {
        let done = turns.take(Some(home), || restore_one(hands, &item, home, under));
        if let Some(restored) = done.transpose()?.filter(|restored| restored.end != End::Skipped) {
            all.push((item, restored));
        }
    }
    // one switch may be in several files, each of which is an item
    let told = all.into_iter().map(|(item, restored)| {
        let restored = hands.tell_still_off(&item, restored);
        (item, restored)
    });
    Ok(told.collect())
}

/// Files with entries alone, files with both, and files with nothing but what is about entries of others: an entry comes
/// before what is about it in other files, and within a file the newest first, whatever it is, as edits are undone.
fn in_rounds(files: Vec<OfFile>) -> [Vec<OfFile>; 3] {
    let mut rounds: [Vec<OfFile>; 3] = Default::default();
    for file in files {
        let about = file.items.iter().filter(|item| item.beside.is_some()).count();
        let round = match about {
            0 => 0,
            about if about < file.items.len() => 1,
            _ => 2,
        };
        rounds[round].push(file);
    }
    rounds
}

/// Items by file, in the order in which they come. Those of a home that is not here wait.
fn by_file(hands: &Hands<'_, '_, '_>, items: Vec<Item>) -> Vec<OfFile> {
    let mut files: Vec<OfFile> = Vec::new();
    let mut known = BTreeMap::new();
    for item in items {
        let Some(home) = hands.homes.index_of(Path::new(&item.home)) else { continue };
        let at = *known.entry((home, item.path.path().to_owned())).or_insert(files.len());
        if at == files.len() {
            files.push(OfFile { home, items: Vec::new() });
        }
        files[at].items.push(item);
    }
    files
}

/// Puts one item back, or keeps in mind that this policy does not allow it.
fn restore_one(
    hands: &mut Hands<'_, '_, '_>,
    item: &Item,
    home: usize,
    under: &str,
) -> Result<Restored, ActError> {
    hands.homes.goes_on(home);
    let restored = match hands.restore(item, Asked::ByPolicy) {
        // one original that cannot be read keeps nothing else from its turn
        Err(ActError::Vault(error)) => Restored::not(
            End::Failed,
            format!("{error}; `mcpolicy quarantine purge {}` gives it up", item.id),
        ),
        restored => restored?,
    };
    // what failed or was in the way this time is tried again, and a file that is gone may come back; what was made of no
    // answer is no verdict
    if restored.end == End::Skipped
        && !hands.homes.has_stumbled(home)
        && restored.detail != FILE_IS_GONE
        && item.considered.as_deref() != Some(under)
    {
        hands.vault.update(&Item { considered: Some(under.to_owned()), ..item.clone() })?;
    }
    Ok(restored)
}

//! Temporary files that an edit could not remove again: the displaced original, where the system refused. They are told
//! at once, and swept by the next pass: only by the name that the vault has noted, and only by the home's owner.

use std::path::Path;

use super::act::ActError;
use crate::vault::{Item, Leftover, Vault};
use crate::worker::Broken;
use crate::worker::homes::Homes;

/// A change of a file of a home, with the home's index, as its worker is asked about it; nothing where the home is not
/// here.
pub(super) fn broken(
    homes: &Homes<'_>,
    (home, path): (&str, &Path),
    left: &Leftover,
) -> Option<(usize, Broken)> {
    let home = Path::new(home);
    let Leftover { temporary, before, after } = left.clone();
    let relative = path.strip_prefix(home).ok()?.to_owned();
    Some((homes.index_of(home)?, Broken { relative, temporary, before, after }))
}

/// Where a temporary file is. Its name has 128 random bits, which all output hides as it does a secret.
pub(super) fn beside(file: &Path) -> String {
    let folder = file.parent().unwrap_or(file).display();
    format!("in {folder}, under a name that begins with `.mcpolicy.`")
}

/// What is said of a file that stays behind.
pub(super) fn told(file: &Path) -> String {
    format!("the old file could not be removed and is {}: the next pass removes it", beside(file))
}

/// Removes what earlier passes could not. What stays all the same is told.
///
/// # Errors
/// The vault cannot be read or written.
pub(super) fn sweep(homes: &Homes<'_>, vault: &Vault, notices: &mut Vec<String>) -> Result<(), ActError> {
    for item in vault.items()?.0 {
        let Some(left) = &item.leftover else { continue };
        let Some((at, broken)) = broken(homes, (&item.home, item.path.path()), left) else { continue };
        match homes.sweep(at, &broken) {
            Ok(()) => vault.update(&Item { leftover: None, ..item })?,
            Err(why) => {
                let (path, beside) = (&item.path, beside(item.path.path()));
                notices.push(format!("the old file of an earlier edit of {path} is {beside}: {why}"));
            }
        }
    }
    Ok(())
}

//! What was taken out of a file, read again from the text that the vault keeps, as its client would read it there.

use std::path::Path;

use mcpolicy_clients::edit::Piece;
use mcpolicy_clients::writes;

use super::spec::Spec;
use crate::discover::source::Source;
use crate::inventory;
use crate::pipeline::reading_for;
use crate::vault::{Item, Taken, Vault, VaultError};

/// The entries of a name that were taken out and are not back, the newest first.
///
/// # Errors
/// The vault cannot be read.
pub fn specs(vault: &Path, name: &str) -> Result<Vec<Spec>, VaultError> {
    if !vault.is_dir() {
        return Ok(Vec::new());
    }
    let vault = Vault::look(vault)?;
    let mut seen = std::collections::BTreeSet::new();
    let mut specs = Vec::new();
    for item in vault.items()?.0.iter().rev() {
        let is_meant = |taken: &&Taken| !taken.restored && taken.name.eq_ignore_ascii_case(name);
        if !item.entries.iter().any(|taken| is_meant(&taken)) {
            continue;
        }
        for (taken, kept) in item.entries.iter().zip(vault.pieces(item)?) {
            if is_meant(&taken) && seen.insert(taken.fingerprint.clone()) {
                specs.extend(spec(item, taken, kept));
            }
        }
    }
    Ok(specs)
}

/// One entry put into an empty file of its client.
fn spec(item: &Item, taken: &Taken, kept: Vec<crate::vault::Kept>) -> Option<Spec> {
    let path = item.found_as.path();
    let reading = reading_for(&item.client, path)?;
    let source = Source::new(path.to_owned(), None, reading);
    let format = inventory::format_of(&source);
    let (table, _) = taken.key_path.rsplit_once('/')?;
    let pieces: Vec<Piece> = kept
        .into_iter()
        .map(|(range, bytes)| Piece { range: range.start as usize..range.end as usize, bytes })
        .collect();
    let bytes = writes::alone(format, &path.to_string_lossy(), table, &taken.name, &pieces)?;
    let entries = inventory::take(&source, &bytes).entries;
    let file = path.file_name().map(std::path::PathBuf::from)?;
    let client = reading.adapter.about().id;
    (!entries.is_empty()).then_some(Spec { entries, reading, file, client: Some(client) })
}

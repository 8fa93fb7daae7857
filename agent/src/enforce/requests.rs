//! What users ask of the machine's agent: to purge originals of their own.
//!
//! The vault of a machine is root's alone, so a user leaves a file in the own home, named after the item. The home's
//! worker reports the names with its scan; root purges what was taken from that very home, and the worker removes the
//! requests. So nothing of a user's is ever opened by root, and nobody purges what is another's.

use std::path::Path;

use anyhow::Context as _;
use mcpolicy_platform::{durable, paths};

use super::pass::{On, Setting};
use crate::journal::{Event, Journal, What};
use crate::vault::{State, Vault, VaultError};

/// Most requests that are looked at in a pass, and that may wait.
pub const MAX_REQUESTS: usize = 64;
/// Longest id of an item, in bytes.
const MAX_ID: usize = 32;

/// Whether a text can be the id of an item.
pub fn is_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.starts_with("q-") && text.len() <= MAX_ID && text.bytes().all(is_plain)
}

/// Leaves a request in the own home.
///
/// # Errors
/// It is no id, too many wait, or the system refuses.
pub fn leave(home: &Path, id: &str) -> anyhow::Result<()> {
    anyhow::ensure!(is_id(id), "{id:?} is no id of an item: it looks like q-0123456789");
    let folder = paths::requests_in(home);
    durable::make_private_directory(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let waiting = waiting(&folder);
    anyhow::ensure!(
        waiting.len() < MAX_REQUESTS || waiting.iter().any(|other| other == id),
        "{MAX_REQUESTS} requests wait already; try again after the next pass"
    );
    let file = folder.join(id);
    durable::write(&file, b"purge\n").with_context(|| format!("cannot write {}", file.display()))
}

/// Ids for which requests lie in a folder, the first of them in order. Anything else there is passed over.
pub fn waiting(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    // a folder with a million names costs its user's worker no more than these
    let names = names.take(MAX_REQUESTS * 16).filter_map(|entry| entry.file_name().into_string().ok());
    let mut ids: Vec<String> = names.filter(|name| is_id(name)).collect();
    ids.sort();
    ids.truncate(MAX_REQUESTS);
    ids
}

/// Removes requests that were dealt with.
pub fn withdraw(folder: &Path, ids: &[String]) {
    for id in ids.iter().filter(|id| is_id(id)) {
        // one that cannot be removed is dealt with once more: then there is no such item
        let _ = std::fs::remove_file(folder.join(id));
    }
}

/// Purges what the user of a home asked for, as far as it was taken from that home.
pub(super) fn purge(
    setting: &Setting<'_>,
    on: On<'_, '_>,
    (vault, journal): (&Vault, &mut Journal),
    asked: &[(usize, Vec<String>)],
) -> anyhow::Result<()> {
    for (at, ids) in asked.iter().filter(|(_, ids)| !ids.is_empty()) {
        let home = &on.ground.homes[*at];
        let (mut done, mut refused) = (Vec::new(), 0_u64);
        for id in ids.iter().take(MAX_REQUESTS) {
            match vault.item(id) {
                // the change is not through yet: at the next pass
                Ok(item) if item.state == State::Pending => continue,
                Ok(item) if item.is_of(&home.user, home.uid, &home.layout.home) => {
                    let path = setting.redactor.name(&item.path);
                    let detail =
                        format!("the original of {path} ({id}) was removed for good: its user asked for it");
                    // said before it is done: what is gone must have a trace
                    let event = Event { user: home.user.clone(), ..Event::new("purged", detail) };
                    journal.append(setting.now, What::Event(event))?;
                    vault.forget(&item)?;
                }
                Ok(_) | Err(VaultError::NoItem(_) | VaultError::Damaged { .. }) => refused += 1,
                Err(error) => return Err(error.into()),
            }
            done.push(id.clone());
        }
        if refused > 0 {
            let detail = "requests to purge what is not in the vault, or was not taken from the own files";
            let event = Event {
                user: home.user.clone(),
                count: Some(refused),
                ..Event::new("purge-refused", detail)
            };
            journal.append(setting.now, What::Event(event))?;
        }
        on.homes.withdraw(*at, done);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_are_requests_and_no_more_than_so_many() {
        let home = tempfile::tempdir().unwrap();
        let folder = paths::requests_in(home.path());
        assert_eq!(waiting(&folder), Vec::<String>::new());
        for id in ["", "q-../x", "/etc/passwd", "q-A", "x-1", &format!("q-{}", "1".repeat(40))] {
            assert!(leave(home.path(), id).is_err(), "{id:?}");
        }
        leave(home.path(), "q-00").unwrap();
        std::fs::write(folder.join("notes.txt"), "mine").unwrap();
        std::fs::write(folder.join("q-ÄÖ"), "").unwrap();
        assert_eq!(waiting(&folder), ["q-00"]);
        for at in 1..MAX_REQUESTS {
            leave(home.path(), &format!("q-{at:04}")).unwrap();
        }
        assert!(leave(home.path(), "q-9999").is_err(), "too many wait");
        leave(home.path(), "q-0001").unwrap();
        std::fs::write(folder.join("q-9999"), "").unwrap();
        assert_eq!(waiting(&folder).len(), MAX_REQUESTS);
        withdraw(&folder, &["q-00".to_owned(), "../requests/q-0001".to_owned(), "notes.txt".to_owned()]);
        assert!(!folder.join("q-00").exists() && folder.join("q-0001").exists());
        assert!(folder.join("notes.txt").exists());
    }
}

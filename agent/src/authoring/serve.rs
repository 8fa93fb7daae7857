//! Whether a folder may be served to the whole world.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use mcpolicy_platform::machine::Machine;

use super::repository::Repository;
use super::source;

/// Larger files are no keys.
const MAX_KEY_BYTES: u64 = 64 * 1024;

/// Refuses a folder that a web server must not show: one with private keys, the repository or one around it.
///
/// # Errors
/// It is one of these, or cannot be listed.
pub fn fit(to: &Path, repository: &Repository) -> anyhow::Result<()> {
    if !to.is_dir() {
        return Ok(());
    }
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (to_real, own) = (real(to), real(&repository.path));
    let inside = ["trust", "signed"].map(|name| own.join(name));
    ensure!(
        !own.starts_with(&to_real) && !inside.iter().any(|place| to_real.starts_with(place)),
        "{} is the repository or holds it; publish to a folder of its own, which a web server may show",
        to.display()
    );
    ensure!(
        !to.join(source::FILE_NAME).exists(),
        "{} has a {}, so it is a repository; publish to a folder of its own, which a web server may show",
        to.display(),
        source::FILE_NAME
    );
    let key = key_in(to).with_context(|| format!("cannot list {}", to.display()))?;
    ensure!(
        key.is_none(),
        "{} is a private key; publish to a folder without keys, since a web server shows all of it",
        key.unwrap_or_default().display()
    );
    Ok(())
}

/// A file of a folder that holds a private key.
fn key_in(folder: &Path) -> std::io::Result<Option<PathBuf>> {
    let folder = std::path::absolute(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        // What cannot be read cannot be served either.
        let is_key = about.is_file()
            && about.len() <= MAX_KEY_BYTES
            && Machine::live()
                .read(&entry.path(), None, MAX_KEY_BYTES)
                .is_ok_and(|read| read.bytes.windows(KEY.len()).any(|window| window == KEY));
        if is_key {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

/// Ends the first line of every private key in PEM, whatever its kind.
const KEY: &[u8] = b"PRIVATE KEY-----";

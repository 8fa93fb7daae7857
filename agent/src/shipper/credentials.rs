//! Files of tokens and keys. Never on a command line, in the environment or in a log.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mcpolicy_platform::machine::Machine;
use mcpolicy_platform::{durable, users};
use mcpolicy_ship::Secret;

use crate::settings;

/// Longest credential; a client certificate with its chain is the longest.
const MAX_BYTES: u64 = 256 << 10;

/// Where credentials are.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// A folder of the service manager with root's files for this service, under their own names (systemd.exec(5),
    /// `LoadCredential=`): looked into first.
    pub of_service: Option<PathBuf>,
}

impl Credentials {
    /// What a file of the settings holds.
    ///
    /// # Errors
    /// It cannot be read, or others could read or write it. Nothing of it is in the message.
    pub fn read(&self, path: &Path) -> anyhow::Result<Secret> {
        let handed = self.of_service.as_ref().zip(path.file_name()).map(|(folder, name)| folder.join(name));
        let machine = Machine::live();
        if let Some(snapshot) = handed.and_then(|path| machine.read(&path, None, MAX_BYTES).ok()) {
            return text(snapshot.bytes, path);
        }
        let snapshot = machine.read(path, None, MAX_BYTES);
        let snapshot = snapshot.with_context(|| format!("cannot read the credential {}", path.display()))?;
        anyhow::ensure!(
            settings::is_only_ours(&snapshot, users::own_uid()) && durable::is_kept_from_others(path),
            "the credential {} may be read or written by others: make it root's, mode 0640, with the group of the \
             account that ships",
            path.display()
        );
        text(snapshot.bytes, path)
    }
}

fn text(bytes: Vec<u8>, path: &Path) -> anyhow::Result<Secret> {
    // its error would hold the bytes
    let text = String::from_utf8(bytes).ok();
    let text = text.with_context(|| format!("the credential {} is no text", path.display()))?;
    anyhow::ensure!(!text.trim().is_empty(), "the credential {} is empty", path.display());
    Ok(Secret::new(text))
}

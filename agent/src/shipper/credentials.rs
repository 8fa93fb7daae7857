//! Files of tokens and keys. Never on a command line, in the environment or in a log.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mcpolicy_platform::machine::{Machine, Snapshot};
use mcpolicy_platform::{durable, users};
use mcpolicy_ship::Secret;

use crate::settings::{self, Settings};

/// Longest credential; a client certificate with its chain is the longest.
const MAX_BYTES: u64 = 256 << 10;

/// Where credentials are.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// A folder of the service manager with root's files for this service, under their own names (systemd.exec(5),
    /// `LoadCredential=`): for what this account cannot read itself.
    of_service: Option<PathBuf>,
    /// File names that several settings have in different folders, with what names them: in that folder they would be one.
    shared: BTreeMap<OsString, String>,
}

impl Credentials {
    /// Of settings, with the folder of the service manager where there is one.
    pub fn of(settings: &Settings, of_service: Option<PathBuf>) -> Self {
        let mut by_name: BTreeMap<&OsStr, BTreeMap<&Path, String>> = BTreeMap::new();
        for (setting, path) in settings.credentials() {
            if let Some(name) = path.file_name() {
                by_name.entry(name).or_default().entry(path).or_insert(setting);
            }
        }
        let several = by_name.into_iter().filter(|(_, paths)| paths.len() > 1);
        let shared = several.map(|(name, paths)| {
            let named = paths.into_iter().map(|(path, setting)| format!("{setting} {}", path.display()));
            (name.to_owned(), named.collect::<Vec<_>>().join(" and "))
        });
        Self { of_service, shared: shared.collect() }
    }

    /// What a file of the settings holds.
    ///
    /// # Errors
    /// It cannot be read, others could read or write it, or it cannot be told which one the service manager handed over.
    /// Nothing of it is in the message.
    pub fn read(&self, path: &Path) -> anyhow::Result<Secret> {
        text(self.bytes(path)?, path)
    }

    fn bytes(&self, path: &Path) -> anyhow::Result<Vec<u8>> {
        let machine = Machine::live();
        let own = machine.read(path, None, MAX_BYTES);
        let is_ours = |snapshot: &Snapshot| {
            settings::is_only_ours(snapshot, users::own_uid()) && durable::is_kept_from_others(path)
        };
        // the very file that the settings name, where this account may read it: another one may have its name
        if let Some(snapshot) = own.as_ref().ok().filter(|snapshot| is_ours(snapshot)) {
            return Ok(snapshot.bytes.clone());
        }
        if let Some(snapshot) = self.handed(path)? {
            return Ok(snapshot.bytes);
        }
        own.with_context(|| format!("cannot read the credential {}", path.display()))?;
        anyhow::bail!(
            "the credential {} may be read or written by others: make it root's, mode 0640, with the group of the \
             account that ships",
            path.display()
        )
    }

    /// What the service manager hands over under the name of a file.
    ///
    /// Mistake: two sinks with `/etc/a/token` and `/etc/b/token` would share one, and the secret of one go to the other's host.
    fn handed(&self, path: &Path) -> anyhow::Result<Option<Snapshot>> {
        let Some((folder, name)) = self.of_service.as_ref().zip(path.file_name()) else { return Ok(None) };
        let Ok(snapshot) = Machine::live().read(&folder.join(name), None, MAX_BYTES) else { return Ok(None) };
        if let Some(settings) = self.shared.get(name) {
            anyhow::bail!(
                "it cannot be told whose credential {} of the service manager is: {settings} have one file name. Give the files \
                 different names, here and in LoadCredential=",
                Path::new(name).display()
            );
        }
        Ok(Some(snapshot))
    }
}

fn text(bytes: Vec<u8>, path: &Path) -> anyhow::Result<Secret> {
    // its error would hold the bytes
    let text = String::from_utf8(bytes).ok();
    let text = text.with_context(|| format!("the credential {} is no text", path.display()))?;
    anyhow::ensure!(!text.trim().is_empty(), "the credential {} is empty", path.display());
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> String {
        format!("schema = {:?}\n", settings::SCHEMA)
    }

    /// Settings with two sinks whose tokens have one name, a unit that hands over one of them, and who reads.
    fn two_of_one_name(folder: &Path) -> (Credentials, [PathBuf; 2]) {
        let handed = folder.join("handed");
        let paths = ["a", "b"].map(|name| folder.join(name).join("token"));
        for path in [&handed.join("token"), &paths[0], &paths[1]] {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        std::fs::write(handed.join("token"), "of-a").unwrap();
        let sinks = paths.each_ref().map(|path| {
            let name = path.parent().unwrap().file_name().unwrap().display();
            format!(
                "[[sink]]\nname = \"{name}\"\nkind = \"otlp\"\nurl = \"https://{name}.example.com/\"\ncredential_file = {path:?}\n"
            )
        });
        let settings = Settings::parse((schema() + &sinks.concat()).as_bytes()).unwrap();
        (Credentials::of(&settings, Some(handed)), paths)
    }

    #[test]
    fn a_token_of_one_sink_never_goes_to_another_whose_file_has_the_same_name() {
        let folder = tempfile::tempdir().unwrap();
        let (credentials, [a, b]) = two_of_one_name(folder.path());
        for path in [&a, &b] {
            let error = format!("{:#}", credentials.read(path).unwrap_err());
            let (a, b) = (a.display().to_string(), b.display().to_string());
            assert!(error.contains(&format!("[[sink]] a credential_file {a}")), "{error}");
            assert!(error.contains(&format!("[[sink]] b credential_file {b}")), "{error}");
        }
    }

    #[test]
    fn a_file_that_this_account_may_read_is_taken_before_another_one_of_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let (credentials, [_, b]) = two_of_one_name(folder.path());
        durable::replace(&b, b"of-b").unwrap();
        assert_eq!(credentials.bytes(&b).unwrap(), b"of-b");
    }

    #[test]
    fn one_file_that_several_settings_name_is_found_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "one-for-both").unwrap();
        let sink = |name: &str| {
            format!(
                "[[sink]]\nname = \"{name}\"\nkind = \"otlp\"\nurl = \"https://siem.example.com/\"\n\
                 credential_file = \"/nowhere/token\"\n"
            )
        };
        let settings = Settings::parse((schema() + &sink("a") + &sink("b")).as_bytes()).unwrap();
        let credentials = Credentials::of(&settings, Some(folder.path().to_owned()));
        assert_eq!(credentials.bytes(Path::new("/nowhere/token")).unwrap(), b"one-for-both");
    }
}

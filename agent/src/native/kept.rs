//! What of managed files is ours, kept in the agent's state: without it our keys would look like somebody else's.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use mcpolicy_native::Ours;
use mcpolicy_platform::durable;
use mcpolicy_platform::machine::{Machine, ReadError};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::enforce::places::StateLock;
use crate::journal::Event;

/// Largest file of it, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// What of one target is ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct OfTarget {
    ours: Ours,
    /// SHA-256 of the whole file as it was written; of one that is not there, of nothing.
    sha256: String,
    /// The same of before: a crash may have come before the file was in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Box<(Ours, String)>>,
}

/// What of all targets is ours.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept {
    schema: String,
    targets: BTreeMap<String, OfTarget>,
    /// Digests of what was told and is still so.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    told: BTreeSet<String>,
    #[serde(skip)]
    folder: PathBuf,
}

/// Its schema.
const SCHEMA: &str = "mcpolicy/native-state/v1";

impl Kept {
    /// What stands in the state. A file that is damaged is an error: with another one our own keys would stay for ever.
    ///
    /// # Errors
    /// It cannot be read, or is of another version.
    pub fn open(state: &Path) -> anyhow::Result<Self> {
        let folder = state.join("native");
        let none = Self {
            schema: SCHEMA.to_owned(),
            targets: BTreeMap::new(),
            told: BTreeSet::new(),
            folder: folder.clone(),
        };
        let path = folder.join("ours.json");
        let read = match Machine::live().read(&path, None, MAX_BYTES) {
            Err(ReadError::NotFound) => return Ok(none),
            read => read.map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?,
        };
        let kept: Self = serde_json::from_slice(&read.bytes)
            .map_err(|_| anyhow::anyhow!("{} is damaged; give back what it was, or remove it and what is ours of the managed files by hand", path.display()))?;
        anyhow::ensure!(kept.schema == SCHEMA, "{} is of another version of mcpolicy", path.display());
        Ok(Self { folder, ..kept })
    }

    /// What is ours of a target that holds these bytes now.
    pub fn ours(&self, id: &str, bytes: Option<&[u8]>) -> Option<Ours> {
        let of = self.targets.get(id)?;
        let before = of.before.as_deref().filter(|(_, sha256)| *sha256 == digest(bytes));
        match before {
            Some((ours, _)) if of.sha256 != digest(bytes) => Some(ours.clone()),
            _ => Some(of.ours.clone()),
        }
        .filter(|ours| !ours.keys.is_empty() || ours.before.is_some())
    }

    /// Targets of which something is ours.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.targets.keys().map(String::as_str)
    }

    /// Whether what stands at a JSON Pointer of a target is ours.
    pub fn has(&self, id: &str, pointer: &str) -> bool {
        let Some(of) = self.targets.get(id) else { return false };
        let text = |path: &Vec<String>| -> String {
            path.iter().map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect()
        };
        let covers = |path: &String| {
            pointer.strip_prefix(&**path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let of_all = std::iter::once(&of.ours).chain(of.before.as_deref().map(|(ours, _)| ours));
        of_all.into_iter().any(|ours| {
            let own = ours.keys.iter().filter(|key| !key.item);
            own.map(|key| text(&key.path)).any(|path| covers(&path))
                || ours.made.iter().any(|path| text(path) == pointer)
        })
    }

    /// Whether a target holds just what was written.
    pub fn is_as_written(&self, id: &str, bytes: Option<&[u8]>) -> bool {
        self.targets.get(id).is_some_and(|of| of.sha256 == digest(bytes))
    }

    /// Keeps what is about to be written, before it is: what stands there now may be what stands there after a crash. The
    /// first original of each file is kept beside it.
    ///
    /// # Errors
    /// The state cannot be written; nothing is to be written then.
    pub fn begin(
        &mut self,
        id: &str,
        now: Option<&[u8]>,
        then: Option<&[u8]>,
        ours: Option<&Ours>,
    ) -> io::Result<()> {
        durable::make_private_directory(&self.folder)?;
        let was = self.ours(id, now);
        if let (Some(bytes), None) = (now, &was) {
            let originals = self.folder.join("originals");
            durable::make_private_directory(&originals)?;
            durable::replace(&originals.join(digest(Some(bytes))), bytes)?;
        }
        let nothing = Ours::default();
        let of = OfTarget {
            ours: ours.cloned().unwrap_or_else(|| nothing.clone()),
            sha256: digest(then),
            before: Some(Box::new((was.unwrap_or(nothing), digest(now)))),
        };
        self.targets.insert(id.to_owned(), of);
        self.save()
    }

    /// What was begun is in place.
    ///
    /// # Errors
    /// The state cannot be written.
    pub fn end(&mut self, id: &str) -> io::Result<()> {
        if let Some(of) = self.targets.get_mut(id) {
            of.before = None;
        }
        self.targets.retain(|_, of| of.before.is_some() || !of.ours.keys.is_empty());
        self.save()
    }

    /// Of what is so now, what was not so before: an agent that starts again tells nothing twice.
    ///
    /// # Errors
    /// The state cannot be written.
    pub fn newly(&mut self, now: Vec<Event>) -> io::Result<Vec<Event>> {
        let key = |event: &Event| digest(Some(format!("{}\0{}", event.code, event.detail).as_bytes()));
        let told: BTreeSet<String> = now.iter().map(key).collect();
        let mut new = now;
        new.retain(|event| !self.told.contains(&key(event)));
        if told != self.told {
            self.told = told;
            self.save()?;
        }
        Ok(new)
    }

    fn save(&self) -> io::Result<()> {
        durable::replace(&self.folder.join("ours.json"), &serde_json::to_vec(self)?)
    }
}

/// Takes what is kept in a state folder for this process alone: before it is opened, where it is to be changed.
///
/// # Errors
/// Another is at work on it, or the state cannot be written.
pub fn lock(state: &Path) -> anyhow::Result<StateLock> {
    let folder = state.join("native");
    durable::make_private_directory(&folder)?;
    let lock = StateLock::take(&folder)?;
    lock.ok_or_else(|| {
        anyhow::anyhow!("another mcpolicy writes native policies; try again when it is through")
    })
}

fn digest(bytes: Option<&[u8]>) -> String {
    Sha256::digest(bytes.unwrap_or_default()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use mcpolicy_native::OurKey;

    use super::*;

    fn ours(name: &str) -> Ours {
        let key = OurKey { path: vec![name.to_owned()], value: serde_json::json!(true), item: false };
        Ours { keys: vec![key], ..Ours::default() }
    }

    #[test]
    fn after_a_crash_between_state_and_file_it_is_known_which_keys_are_ours() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = Kept::open(folder.path()).unwrap();
        kept.begin("/etc/a.json", Some(b"theirs"), Some(b"one"), Some(&ours("one"))).unwrap();
        kept.end("/etc/a.json").unwrap();
        kept.begin("/etc/a.json", Some(b"one"), Some(b"two"), Some(&ours("two"))).unwrap();
        let kept = Kept::open(folder.path()).unwrap();
        assert_eq!(kept.ours("/etc/a.json", Some(b"one")), Some(ours("one")), "the file was not written yet");
        assert_eq!(kept.ours("/etc/a.json", Some(b"two")), Some(ours("two")), "it was");
        let original = folder.path().join("native/originals").join(digest(Some(b"theirs")));
        assert!(original.is_file(), "the first original is kept");
    }

    #[test]
    fn what_stands_below_our_keys_is_ours_and_what_an_administrator_declares_beside_them_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = Kept::open(folder.path()).unwrap();
        let path = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        let key = |parts: &[&str], item| OurKey { path: path(parts), value: serde_json::json!(0), item };
        let keys = vec![
            key(&["mcpServers", "a/b"], false),
            key(&["mcp", "off", "enabled"], false),
            key(&["mcp", "allowed"], true),
        ];
        let ours = Ours { keys, made: vec![path(&["mcp", "off"])], before: None };
        kept.begin("/etc/a.json", None, Some(b"x"), Some(&ours)).unwrap();
        for (pointer, is_ours) in [
            ("/mcpServers/a~1b", true),
            ("/mcpServers/a~1b/env", true),
            ("/mcpServers/a~1bc", false),
            ("/mcpServers", false),
            ("/mcp/off", true),
            ("/mcp/other", false),
        ] {
            assert_eq!(kept.has("/etc/a.json", pointer), is_ours, "{pointer}");
        }
        assert!(!kept.has("/etc/b.json", "/mcp/off"));
    }

    #[test]
    fn a_damaged_state_is_told_and_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        durable::make_private_directory(&folder.path().join("native")).unwrap();
        durable::replace(&folder.path().join("native/ours.json"), b"{ broken").unwrap();
        assert!(Kept::open(folder.path()).unwrap_err().to_string().contains("damaged"));
    }

    #[test]
    fn two_at_once_do_not_forget_what_the_other_has_written() {
        let folder = mcpolicy_tests::private::private_folder();
        let one = lock(folder.path()).unwrap();
        let refused = lock(folder.path()).err().unwrap().to_string();
        assert!(refused.contains("another mcpolicy writes native policies"), "{refused}");
        drop(one);
        lock(folder.path()).unwrap();
    }
}

//! What the vault says of one file that was changed.

use std::ops::Range;

use std::path::Path;

use jiff::Timestamp;
use mcpolicy_schema::report::v1;
use serde::{Deserialize, Serialize};

use super::changed::Changed;
use crate::kept_path::KeptPath;
use crate::worker::FileRights;
use crate::worker::aside::{Declaration, Keeping};

/// How far a change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The original is safe; whether the change was made is not known yet.
    Pending,
    /// The change was made and proved: the entries are out of the file.
    Quarantined,
    /// All of its entries were put back, or the file was.
    Restored,
}

impl State {
    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Quarantined => "quarantined",
            Self::Restored => "restored",
        }
    }
}

/// One file as it was before a change. Its bytes are an object of the vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Short and unique in this vault.
    pub id: String,
    /// When the original was taken.
    pub taken: Timestamp,
    /// Name of the user whose file it is; empty for none.
    pub user: String,
    /// The user's id on systems that have such: a name may be given to another person later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The user's home, as a path of the machine.
    pub home: String,
    /// The file, as a path of the machine, links resolved.
    pub path: KeptPath,
    /// The same as discovery found it.
    pub found_as: KeptPath,
    /// The client whose location it is.
    pub client: String,
    /// How many names the file had. The others still lead to the original.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub names: u64,
    /// What others might do with it: a file that is made anew has these rights. Nothing is known of it on Windows, and of
    /// items of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rights: Option<FileRights>,
    /// Digest of the original bytes.
    pub original: String,
    /// Digest of the bytes that took their place.
    pub edited: String,
    /// What was taken out or changed.
    pub entries: Vec<Taken>,
    /// How the file differs from the original, in order and apart, where that was proved: with what these ranges held the
    /// very bytes of the original are made from those that the edit left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<Changed>,
    /// For a file that only keeps something about entries of another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
    /// How far it has come.
    pub state: State,
    /// Only what was taken out is left: the object of this digest holds the pieces of all entries one after the other, and
    /// then what else `changed` tells of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shrunk: Option<String>,
    /// Which of the items that were taken at the same time it is: those of one file are undone in the reverse order.
    #[serde(default, skip_serializing_if = "is_none")]
    pub turn: u64,
    /// A file of ours that could not be removed again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leftover: Option<Leftover>,
    /// Approvals of what was taken out, in other files, are not known to be gone yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approvals_due: bool,
    /// Digest of the policy under which a restore was last considered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub considered: Option<String>,
}

/// A temporary file that a change left beside its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftover {
    /// Its name.
    pub temporary: String,
    /// Digest of the bytes that the change displaced.
    pub before: String,
    /// Digest of the bytes that took their place.
    pub after: String,
}

/// What was changed in a file that keeps something about entries of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// What is kept there.
    pub keeping: Keeping,
    /// The file's template.
    pub template: String,
    /// The entries as this file names them, in the order of the item's.
    pub declared: Vec<Declaration>,
    /// The file that declares them, as discovery found it.
    pub declared_in: KeptPath,
    /// The client whose location that is.
    pub declared_for: String,
    /// The file was made for it.
    pub created: bool,
}

/// One entry that was taken out or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Its name as it stands in the file.
    pub name: String,
    /// JSON Pointer of the entry in its file.
    pub key_path: String,
    /// Fingerprint of what it was.
    pub fingerprint: String,
    /// Its identity, as reports show it.
    pub identity: String,
    /// `quarantine`, `revert`, `pin`, `disable`, `quarantine-file`, `switch-off` or `approval`.
    pub action: String,
    /// Code of the reason.
    pub code: String,
    /// The reason in words.
    pub detail: String,
    /// The entry as reports show it: with it its user, who cannot look into this vault, asks to have it allowed. Not known
    /// of items of older versions, of many in one file, and in the vault's list of all (`Vault::recalled`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Box<v1::Entry>>,
    /// Bytes of the original that belong to it.
    pub pieces: Vec<Range<u64>>,
    /// Fingerprint of what the change left in its place; none where it was taken out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
    /// It was put back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restored: bool,
}

/// What is to be known of the other names of a file that was replaced; nothing where it had but one.
pub fn other_names(names: u64) -> Option<String> {
    (names > 1).then(|| {
        format!(
            "the file had {names} names: this one leads to a new file now, and what is written through the others, which \
             keep what was in it, does not come here any more"
        )
    })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde hands it over")]
pub(super) fn is_none(count: &u64) -> bool {
    *count == 0
}

fn one() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde hands it over")]
fn is_one(names: &u64) -> bool {
    *names == 1
}

impl Item {
    /// Whether it was taken from the home that an account has now.
    ///
    /// Attack, or a laptop that changes hands: an account that was made anew under the name of another gets what was
    /// taken from that one, secrets and all.
    pub fn is_of(&self, user: &str, uid: Option<u32>, home: &Path) -> bool {
        let is_same_id = self.uid.zip(uid).is_none_or(|(then, now)| then == now);
        self.user == user && Path::new(&self.home) == home && is_same_id
    }

    /// The same item of an account that has another name or home by now, at the same path below the home; nothing if it
    /// lay outside of it. Paths that a client's file has as keys stay as the client wrote them.
    pub fn moved(&self, user: &str, home: &Path) -> Option<Self> {
        let then = Path::new(&self.home);
        let moved = |path: &Path| match path.strip_prefix(then) {
            Ok(below) if below.as_os_str().is_empty() => home.to_owned(),
            Ok(below) => home.join(below),
            Err(_) => path.to_owned(),
        };
        let kept = |path: &KeptPath| KeptPath::of(&moved(path.path()));
        self.path.path().strip_prefix(then).ok()?;
        let mut beside = self.beside.clone();
        if let Some(beside) = &mut beside {
            beside.declared_in = kept(&beside.declared_in);
            for one in &mut beside.declared {
                let folders = [&mut one.project, &mut one.checkout, &mut one.repository];
                for folder in folders.into_iter().flatten() {
                    *folder = moved(Path::new(folder)).to_string_lossy().into_owned();
                }
            }
        }
        Some(Self {
            user: user.to_owned(),
            home: home.to_string_lossy().into_owned(),
            path: kept(&self.path),
            found_as: kept(&self.found_as),
            beside,
            considered: None,
            ..self.clone()
        })
    }

    /// Whether something of it is still out of the file.
    pub fn is_open(&self) -> bool {
        self.state == State::Quarantined && self.entries.iter().any(|entry| !entry.restored)
    }

    /// The ranges of all pieces.
    pub(super) fn ranges(&self) -> Vec<Range<u64>> {
        self.entries.iter().flat_map(|entry| entry.pieces.iter().cloned()).collect()
    }

    /// Ranges that were taken out as a whole: of what was changed instead, the pieces are all of the entry.
    pub(super) fn taken_out(&self) -> Vec<Range<u64>> {
        let out = self.entries.iter().filter(|entry| matches!(&*entry.action, "quarantine" | "approval"));
        out.flat_map(|entry| entry.pieces.iter().cloned()).filter(|range| range.start < range.end).collect()
    }

    /// Digests of the objects that it needs.
    pub fn objects(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.shrunk.as_deref().unwrap_or(&self.original))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(path: &str) -> Item {
        let item = serde_json::json!({
            "id": "q-1", "taken": "2026-11-21T10:00:00Z", "user": "ann", "uid": 2001, "home": "/home/ann",
            "path": path, "found_as": "/srv/link/.claude.json", "client": "claude-code", "original": "a", "edited": "b",
            "entries": [], "state": "quarantined", "considered": "c",
            "beside": {
                "keeping": "switch", "template": "~/.claude.json", "declared_in": "/home/ann/w/.mcp.json",
                "declared_for": "claude-code", "created": false,
                "declared": [
                    {"name": "evil", "scope": "project", "key_path": "/mcpServers/evil", "project": "/home/ann",
                     "checkout": "/home/ann/w", "repository": "/home/anne/w"}
                ],
            },
        });
        serde_json::from_value(item).unwrap()
    }

    #[test]
    fn an_item_follows_its_home_with_all_paths_below_it_and_no_others() {
        let moved = item("/home/ann/.claude.json").moved("anna", Path::new("/data/anna")).unwrap();
        assert_eq!((&*moved.user, moved.uid, &*moved.home), ("anna", Some(2001), "/data/anna"));
        assert_eq!(moved.path.path(), Path::new("/data/anna/.claude.json"));
        assert_eq!(moved.found_as.path(), Path::new("/srv/link/.claude.json"));
        assert_eq!(moved.considered, None, "what the policy allows is asked again");
        let beside = moved.beside.unwrap();
        assert_eq!(beside.declared_in.path(), Path::new("/data/anna/w/.mcp.json"));
        let Declaration { project, checkout, repository, .. } = beside.declared[0].clone();
        let folders = [project, checkout, repository].map(Option::unwrap);
        assert_eq!(folders, ["/data/anna", "/data/anna/w", "/home/anne/w"]);
        assert_eq!(item("/home/anne/.claude.json").moved("anna", Path::new("/data/anna")), None);
    }
}

//! The compiled form of a policy document: rules by identity, patterns read, every word checked.

mod compile;
pub(crate) mod index;
pub(crate) mod key;
mod known;
pub(crate) mod rule;
pub(crate) mod runner;
mod sought;
pub(crate) mod words;

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::document::{IdentityMatcher, Mode, PolicyDocument};
use crate::evaluate::Device;
use crate::requirement::Requirement;
pub(crate) use compile::is_sha256;
use index::Index;
use rule::{Compiled, Meant};
pub use sought::Sought;

/// Something wrong in a policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, as a JSON Pointer (`/rule/3/identity/npm/versions`).
    pub place: String,
    /// What, and what to do.
    pub message: String,
    /// The name of the member is wrong, not its value.
    pub of_name: bool,
}

impl Fault {
    /// A fault of what stands at a place.
    pub fn at(place: String, message: impl Into<String>) -> Self {
        Self { place, message: message.into(), of_name: false }
    }
}

/// A compiled policy.
#[derive(Debug, Clone)]
pub struct Policy {
    document: PolicyDocument,
    pub(crate) rules: Vec<Compiled>,
    pub(crate) denied: Vec<Meant>,
    pub(crate) allow_index: Index,
    pub(crate) deny_index: Index,
    /// Rules by the usual names of their entries.
    pub(crate) by_name: Index,
    /// Exceptions by fingerprint.
    pub(crate) by_fingerprint: BTreeMap<String, Vec<usize>>,
    pub(crate) roots: runner::Roots,
    /// File names of programs of which a digest is wanted.
    pinned: BTreeSet<String>,
}

impl Policy {
    /// Compiles a document.
    ///
    /// # Errors
    /// Everything that is wrong in it, in the order of the document.
    pub fn compile(document: PolicyDocument) -> Result<Self, Vec<Fault>> {
        compile::compile(document)
    }

    /// Reads and compiles a signed body.
    ///
    /// # Errors
    /// As [`Policy::compile`]; a body that is not JSON of the schema, or has a member twice, has one fault.
    pub fn from_body(bytes: &[u8]) -> Result<Self, Vec<Fault>> {
        let document = crate::json::from_slice(bytes)
            .map_err(|e| vec![Fault::at(String::new(), format!("the body {e}"))])?;
        Self::compile(document)
    }

    /// The document that was compiled.
    pub fn document(&self) -> &PolicyDocument {
        &self.document
    }

    /// The ring that a machine is in: the first that names it, else the first whose share its stable hash falls into.
    pub fn ring_of(&self, device: &Device<'_>) -> Option<&str> {
        let rings = &self.document.ring;
        let named = rings.iter().find(|ring| {
            (!device.id.is_empty() && ring.devices.iter().any(|d| d == device.id))
                || (!device.user.is_empty() && ring.users.iter().any(|u| u == device.user))
                || ring.groups.iter().any(|g| device.groups.contains(g))
        });
        if let Some(ring) = named {
            return Some(&ring.name);
        }
        if device.id.is_empty() {
            return None;
        }
        let bucket = bucket(device.id);
        let mut share = 0;
        rings
            .iter()
            .find(|ring| {
                share += u32::from(ring.percent);
                bucket < share
            })
            .map(|ring| ring.name.as_str())
    }

    /// The mode of a ring.
    pub fn mode(&self, ring: Option<&str>) -> Mode {
        let own = ring.and_then(|name| self.document.ring.iter().find(|r| r.name == name)?.mode);
        own.unwrap_or(self.document.policy.mode)
    }

    /// Whether some rule wants the digest of a file of this path's name.
    pub fn wants_digest(&self, path: &str) -> bool {
        let base = path.rsplit(['/', '\\']).next().unwrap_or(path).to_ascii_lowercase();
        self.pinned.contains(&base)
    }

    /// The version to which a rule's unpinned entries are rewritten.
    pub fn pin_of(&self, rule: &str) -> Option<String> {
        let at = self.document.rule.iter().position(|r| r.id == rule)?;
        self.pin(at)
    }

    pub(crate) fn pin(&self, at: usize) -> Option<String> {
        use crate::document::IdentityMatcher as M;
        let rule = &self.document.rule[at];
        if let Some(pin) = &rule.pin {
            return Some(pin.clone());
        }
        let one = |list: &[String]| match list {
            [only] if only != "*" => Some(only.clone()),
            _ => None,
        };
        match (&self.rules[at].meant, &rule.identity) {
            (Meant::Package(versions) | Meant::Bridge(versions, _), _) => versions.exact().map(str::to_owned),
            (_, M::Oci(image)) => one(&image.digests),
            (_, M::Git(git)) => one(&git.commits),
            _ => None,
        }
    }
}

/// Where a device falls among hundred, the same on every machine and for every policy.
fn bucket(device: &str) -> u32 {
    let mut hash = Sha256::new();
    hash.update("mcpolicy ring v1\0");
    hash.update(device);
    let digest = hash.finalize();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) % 100
}

/// The versions of a rule, where its identity has any.
pub(crate) fn versions(meant: &Meant) -> Option<&Requirement> {
    match meant {
        Meant::Package(versions) | Meant::Bridge(versions, _) => Some(versions),
        Meant::Url(_) | Meant::AsWritten => None,
    }
}

/// Whether two identities are found by one key: one package, image, repository or file, however each is spelt. Versions,
/// digests and the like are not compared.
pub fn is_about_same(one: &IdentityMatcher, other: &IdentityMatcher) -> bool {
    key::of_matcher(one).zip(key::of_matcher(other)).is_some_and(|(one, other)| one == other)
}

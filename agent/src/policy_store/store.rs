//! The last known good, kept so that a crash after any step leaves either what was in force before or what is now.
//!
//! Documents lie in files named by their digests (`<sha256>.doc`), which are never rewritten. `state.json` says which
//! of them are in force and is replaced as a whole; `previous.json` is the state before it. The order is: documents,
//! then the previous state, then the state, then the removal of documents that neither names.

use std::collections::BTreeSet;
use std::io;

use jiff::Timestamp;
use mcpolicy_schema::limits::MAX_POLICY_BODY_BYTES;
use mcpolicy_schema::signed::Sha256Hex;
use mcpolicy_schema::trust::{Kept, Refusal, State, Trust};
use serde::{Deserialize, Serialize};

use super::Disk;
use crate::disk_advice::advice;

const STATE: &str = "state.json";
const PREVIOUS: &str = "previous.json";
/// Largest state that is read, in bytes: a chain of a thousand roots has 70 KB.
const MAX_STATE_BYTES: u64 = 1024 * 1024;

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A step on the disk failed.
    #[error("the policy store cannot {step} {name}: {cause}{}", advice(cause))]
    Disk {
        /// What was to be done.
        step: &'static str,
        /// With which file.
        name: String,
        /// What the system says.
        cause: io::Error,
    },
    /// Neither the pinned root nor a stored one can be used.
    #[error(transparent)]
    Root(#[from] Refusal),
    /// The state cannot be written as JSON.
    #[error("the state of the policy store cannot be written: {0}")]
    State(serde_json::Error),
}

/// What one generation names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Generation {
    state: State,
    files: Files,
}

/// The roots, and the digests of the other documents, as they lie there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Files {
    /// Small, and without them nothing else can be verified: so they stand in both states.
    roots: Vec<String>,
    head: Option<Sha256Hex>,
    statement: Option<Sha256Hex>,
    body: Option<Sha256Hex>,
    revocations_statement: Option<Sha256Hex>,
    revocations_body: Option<Sha256Hex>,
}

impl Files {
    fn of(kept: &Kept) -> Self {
        let digest = |bytes: &Option<Vec<u8>>| bytes.as_deref().map(Sha256Hex::of);
        Self {
            roots: kept.roots.iter().map(|root| String::from_utf8_lossy(root).into_owned()).collect(),
            head: digest(&kept.head),
            statement: digest(&kept.statement),
            body: digest(&kept.body),
            revocations_statement: digest(&kept.revocations_statement),
            revocations_body: digest(&kept.revocations_body),
        }
    }

    /// Whether both name the same policy and revocations.
    fn enforce_as(&self, other: &Self) -> bool {
        let enforced =
            |files: &Self| [files.statement, files.body, files.revocations_statement, files.revocations_body];
        enforced(self) == enforced(other)
    }

    fn all(&self) -> impl Iterator<Item = Sha256Hex> {
        let single =
            [self.head, self.statement, self.body, self.revocations_statement, self.revocations_body];
        single.into_iter().flatten()
    }
}

fn name_of(digest: Sha256Hex) -> String {
    format!("{digest}.doc")
}

/// How what was loaded came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Nothing was ever stored.
    Nothing,
    /// The newest state, whole.
    Newest,
    /// The newest state is damaged; the one before stands in for what is lost.
    Previous,
    /// Something was stored, and policy or revocations of it are lost: to be told loudly.
    Lost,
}

/// What was loaded.
#[derive(Debug)]
pub struct Loaded {
    /// What the machine believes.
    pub trust: Trust,
    /// Stored documents that are damaged.
    pub refusals: Vec<Refusal>,
    /// How it came to be.
    pub origin: Origin,
}

/// What is to be kept of what a machine believes.
#[derive(Debug, Clone)]
pub struct Stored {
    generation: Generation,
    kept: Kept,
}

impl Stored {
    /// Everything that a machine believes.
    pub fn of(trust: &Trust) -> Self {
        let kept = trust.kept();
        Self { generation: Generation { state: trust.state(), files: Files::of(&kept) }, kept }
    }
}

/// The store.
pub struct Store<D> {
    disk: D,
}

impl<D: Disk> Store<D> {
    /// A store on a disk.
    pub fn new(disk: D) -> Self {
        Self { disk }
    }

    /// Gives the disk back.
    pub fn into_disk(self) -> D {
        self.disk
    }

    /// Loads what was in force, verified again; without anything stored, trust in the pinned root alone.
    ///
    /// # Errors
    /// Neither the pinned root nor a stored one can be used.
    pub fn load(&self, pinned_root: &[u8], passed: Timestamp) -> Result<Loaded, StoreError> {
        let stored = self.holds(STATE) || self.holds(PREVIOUS);
        let resume = |generation: &Generation| {
            Trust::resume(pinned_root, &generation.state, &self.kept(&generation.files))
        };
        let (newest, before) = (self.generation(STATE), self.generation(PREVIOUS));
        let (mut trust, mut refusals) = match (&newest, &before) {
            (Some(newest), _) => resume(newest)?,
            (None, Some(before)) => resume(before)?,
            (None, None) => (Trust::pinned(pinned_root, passed)?, Vec::new()),
        };
        let wanted = newest.as_ref().or(before.as_ref()).map(|generation| &generation.state);
        let lost = |trust: &Trust| {
            wanted.is_some_and(|state| {
                (state.policy.is_some() && trust.policy().is_none())
                    || (state.revocations.is_some() && trust.revocations().is_none())
            })
        };
        let mut origin = match (&newest, stored) {
            (Some(_), _) => Origin::Newest,
            (None, true) => Origin::Previous,
            (None, false) => Origin::Nothing,
        };
        if lost(&trust)
            && let (Some(_), Some(before)) = (&newest, &before)
        {
            origin = Origin::Previous;
            // floors and clock of the newest state still count
            let (older, more) = resume(before)?;
            trust.stand_in(older);
            refusals.extend(more);
        }
        if lost(&trust) || (stored && wanted.is_none()) {
            origin = Origin::Lost;
        }
        Ok(Loaded { trust, refusals, origin })
    }

    /// Keeps what is in force now. When it returns, a loss of power changes nothing any more.
    ///
    /// # Errors
    /// A step on the disk failed; what was kept before is still there.
    pub fn save(&mut self, trust: &Trust) -> Result<(), StoreError> {
        let Stored { generation, kept } = Stored::of(trust);
        let before = self.generation(STATE);
        if before.as_ref() == Some(&generation) {
            return Ok(());
        }
        self.write_documents(&kept)?;
        let mut named: BTreeSet<Sha256Hex> = generation.files.all().collect();
        // a state with only another head or time must not push the last other policy out
        if let Some(before) = before.filter(|before| !before.files.enforce_as(&generation.files)) {
            self.replace(PREVIOUS, &bytes_of(&before)?)?;
        }
        named.extend(self.generation(PREVIOUS).iter().flat_map(|previous| previous.files.all()));
        self.replace(STATE, &bytes_of(&generation)?)?;
        self.sweep(&named);
        Ok(())
    }

    /// Writes again what is missing of what is in force: whoever removes it is not to have an older policy taken at the next
    /// start, for want of the numbers that stand in it. Whether anything was.
    ///
    /// # Errors
    /// A step on the disk failed.
    pub fn mend(&mut self, stored: &Stored) -> Result<bool, StoreError> {
        // the trusted time goes on between two savings
        let is_named = self.generation(STATE).is_some_and(|there| there.files == stored.generation.files);
        if is_named && stored.generation.files.all().all(|digest| self.document(digest).is_some()) {
            return Ok(false);
        }
        self.write_documents(&stored.kept)?;
        self.replace(STATE, &bytes_of(&stored.generation)?)?;
        Ok(true)
    }

    fn write_documents(&mut self, kept: &Kept) -> Result<(), StoreError> {
        let single =
            [&kept.head, &kept.statement, &kept.body, &kept.revocations_statement, &kept.revocations_body];
        let mut written = false;
        for bytes in single.into_iter().flatten() {
            let digest = Sha256Hex::of(bytes);
            if self.document(digest).is_none() {
                self.put(&name_of(digest), bytes)?;
                written = true;
            }
        }
        if written { self.sync_names() } else { Ok(()) }
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.put(name, bytes)?;
        self.sync_names()
    }

    /// Whole under its name or not there at all.
    fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let temporary = format!("{name}.new");
        self.disk.write(&temporary, bytes).map_err(failed("write", &temporary))?;
        self.disk.sync(&temporary).map_err(failed("flush", &temporary))?;
        self.disk.rename(&temporary, name).map_err(failed("rename to", name))
    }

    fn sync_names(&mut self) -> Result<(), StoreError> {
        self.disk.sync_names().map_err(failed("flush", "its folder"))
    }

    /// Removes what no generation names. A failure leaves rubbish and no harm.
    fn sweep(&mut self, named: &BTreeSet<Sha256Hex>) {
        let keep: BTreeSet<String> = named.iter().map(|digest| name_of(*digest)).collect();
        for name in self.disk.names().unwrap_or_default() {
            let ours = name.ends_with(".doc") || name.ends_with(".new");
            if ours && !keep.contains(&name) {
                let _ = self.disk.remove(&name);
            }
        }
    }

    fn holds(&self, name: &str) -> bool {
        !matches!(self.disk.read(name, MAX_STATE_BYTES), Ok(None))
    }

    fn generation(&self, name: &str) -> Option<Generation> {
        let bytes = self.disk.read(name, MAX_STATE_BYTES).ok()??;
        serde_json::from_slice(&bytes).ok()
    }

    fn kept(&self, files: &Files) -> Kept {
        let file = |digest: Option<Sha256Hex>| digest.and_then(|digest| self.document(digest));
        Kept {
            roots: files.roots.iter().map(|root| root.clone().into_bytes()).collect(),
            head: file(files.head),
            statement: file(files.statement),
            body: file(files.body),
            revocations_statement: file(files.revocations_statement),
            revocations_body: file(files.revocations_body),
        }
    }

    /// A document, if its bytes are still those of its name.
    fn document(&self, digest: Sha256Hex) -> Option<Vec<u8>> {
        let bytes = self.disk.read(&name_of(digest), MAX_POLICY_BODY_BYTES as u64).ok()??;
        (Sha256Hex::of(&bytes) == digest).then_some(bytes)
    }
}

fn bytes_of(generation: &Generation) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec_pretty(generation).map_err(StoreError::State)
}

fn failed(step: &'static str, name: &str) -> impl FnOnce(io::Error) -> StoreError {
    let name = name.to_owned();
    move |cause| StoreError::Disk { step, name, cause }
}

//! A published folder: `head.json`, `root.N.json`, `policy.N.json`, `policy.N.body`, `revocations.N.json`,
//! `revocations.N.body`. Read, not believed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, bail};
use mcpolicy_platform::machine::{Machine, ReadError};
use mcpolicy_schema::envelope::Envelope;
use mcpolicy_schema::limits::{
    MAX_ENVELOPE_BYTES, MAX_POLICY_BODY_BYTES, MAX_REVOCATIONS_BODY_BYTES, MAX_ROOT_UPDATES,
};
use mcpolicy_schema::signed::{self, Head};
use mcpolicy_schema::trust::Documents;

/// Name of the head.
pub const HEAD: &str = "head.json";

/// The sequences that a folder has files for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sequences {
    /// Of roots.
    pub roots: BTreeSet<u64>,
    /// Of policies.
    pub policies: BTreeSet<u64>,
    /// Of revocations.
    pub revocations: BTreeSet<u64>,
}

/// Lists the numbers in a folder's names.
///
/// # Errors
/// The folder cannot be listed.
pub fn sequences(folder: &Path) -> anyhow::Result<Sequences> {
    let names = names(folder)?;
    let of = |kind: &str| names.iter().filter_map(|name| number_in(name, kind)).collect();
    Ok(Sequences { roots: of("root"), policies: of("policy"), revocations: of("revocations") })
}

/// The numbers of the documents of one kind (`root.N.json`), in order.
///
/// # Errors
/// The folder cannot be listed.
pub fn numbers(folder: &Path, kind: &str) -> anyhow::Result<Vec<u64>> {
    let names = names(folder)?;
    let numbers: BTreeSet<u64> = names.iter().filter_map(|name| number_in(name, kind)).collect();
    Ok(numbers.into_iter().collect())
}

fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    let full = std::path::absolute(folder)?;
    let entries = Machine::live().list(&full);
    let entries = entries.with_context(|| format!("cannot list the folder {}", folder.display()))?;
    Ok(entries.into_iter().filter_map(|entry| entry.name.to_str().map(str::to_owned)).collect())
}

/// The number in `KIND.N.json`; `root.01.json` has none, so that a number has one name.
fn number_in(name: &str, kind: &str) -> Option<u64> {
    let digits = name.strip_prefix(kind)?.strip_prefix('.')?.strip_suffix(".json")?;
    let canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    digits.parse().ok().filter(|_| canonical)
}

/// Reads a published folder: all its roots, its head, and the policy and revocations that the head names; without a
/// head that can be read, those with the highest numbers. No file is read beyond its limit.
///
/// # Errors
/// The folder or a file in it cannot be read, or is too large. An absent file is no error here.
pub fn read(folder: &Path) -> anyhow::Result<Documents> {
    let sequences = sequences(folder)?;
    if sequences.roots.len() > MAX_ROOT_UPDATES {
        bail!(
            "{} has more than {MAX_ROOT_UPDATES} roots; pin a newer one and leave out the old",
            folder.display()
        );
    }
    let file = |name: String, most: usize| read_file(&folder.join(name), most);
    let head = file(HEAD.to_owned(), MAX_ENVELOPE_BYTES)?;
    let named = head.as_deref().and_then(peek);
    let policy = match &named {
        Some(head) => Some(head.policy.sequence),
        None => sequences.policies.last().copied(),
    };
    let revocations = match &named {
        Some(head) => head.revocations.map(|named| named.sequence),
        None => sequences.revocations.last().copied(),
    };
    let mut documents = Documents { head, ..Documents::default() };
    documents.roots = roots(folder, sequences.roots)?;
    if let Some(n) = policy {
        (documents.statement, documents.body) = policy_files(folder, n)?;
    }
    if let Some(elsewhere) = named.as_ref().and_then(|head| head.elsewhere) {
        (documents.elsewhere_statement, documents.elsewhere_body) = policy_files(folder, elsewhere.sequence)?;
    }
    if let Some(n) = revocations {
        documents.revocations_statement = file(format!("revocations.{n}.json"), MAX_ENVELOPE_BYTES)?;
        documents.revocations_body = file(format!("revocations.{n}.body"), MAX_REVOCATIONS_BODY_BYTES)?;
    }
    Ok(documents)
}

/// Statement and body of a policy, as far as they are there.
pub type PolicyFiles = (Option<Vec<u8>>, Option<Vec<u8>>);

/// The files of a policy by its number.
///
/// # Errors
/// One cannot be read, or is too large.
pub fn policy_files(folder: &Path, n: u64) -> anyhow::Result<PolicyFiles> {
    let file = |name: String, most: usize| read_file(&folder.join(name), most);
    let statement = file(format!("policy.{n}.json"), MAX_ENVELOPE_BYTES)?;
    Ok((statement, file(format!("policy.{n}.body"), MAX_POLICY_BODY_BYTES)?))
}

/// The roots with these numbers; one that is gone since they were listed is left out.
///
/// # Errors
/// One cannot be read, or is too large.
pub fn roots(
    folder: &Path,
    numbers: impl IntoIterator<Item = u64>,
) -> anyhow::Result<BTreeMap<u64, Vec<u8>>> {
    let mut roots = BTreeMap::new();
    for n in numbers {
        let bytes = read_file(&folder.join(format!("root.{n}.json")), MAX_ENVELOPE_BYTES)?;
        roots.extend(bytes.map(|bytes| (n, bytes)));
    }
    Ok(roots)
}

/// What an unverified head says. It only chooses which files are looked at; they are verified all the same.
fn peek(bytes: &[u8]) -> Option<Head> {
    signed::decode(Envelope::parse(bytes).ok()?.payload()).ok()
}

/// The bytes of a file, `None` if it is not there.
///
/// # Errors
/// It is there and cannot be read, or is too large.
pub fn read_file(path: &Path, most: usize) -> anyhow::Result<Option<Vec<u8>>> {
    let full = std::path::absolute(path)?;
    match Machine::live().read(&full, None, most as u64) {
        Ok(snapshot) => Ok(Some(snapshot.bytes)),
        Err(ReadError::NotFound) => Ok(None),
        Err(error @ ReadError::TooLarge { .. }) => {
            bail!("{} {error}; at most {most} bytes are read", path.display())
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

//! A folder of signed documents that an author works in: the published one, and those of the repository. Files are replaced
//! whole, and read as machines read them.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use mcpolicy_platform::machine::Machine;
use mcpolicy_schema::envelope::{Envelope, PublicKey};
use mcpolicy_schema::signed::{self, Digest, Payload, Role, Root};

use super::signer::{self, Signer};
use super::words::counted;
use crate::policy_store::published;
pub use crate::policy_store::published::HEAD;

/// A folder with documents in it. Nothing that is read here has been verified.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at a path; it need not be there yet.
    ///
    /// # Errors
    /// The path is none.
    pub fn at(path: &Path) -> anyhow::Result<Self> {
        let path = std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))?;
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of a file, `None` if it is not there.
    ///
    /// # Errors
    /// It is there and cannot be read, or is too large.
    pub fn read(&self, name: &str, most: usize) -> anyhow::Result<Option<Vec<u8>>> {
        published::read_file(&self.path.join(name), most)
    }

    /// Numbers of the documents of a kind (`root.N.json`), in order.
    ///
    /// # Errors
    /// The folder is there and cannot be listed.
    pub fn numbers(&self, kind: &str) -> anyhow::Result<Vec<u64>> {
        if Machine::live().kind(&self.path).is_none() {
            return Ok(Vec::new());
        }
        published::numbers(&self.path, kind)
    }

    /// All roots.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn roots(&self) -> anyhow::Result<BTreeMap<u64, Vec<u8>>> {
        published::roots(&self.path, self.numbers("root")?)
    }

    /// The newest root, as its own keys have signed it.
    ///
    /// # Errors
    /// There is none, or it does not verify.
    pub fn newest_root(&self) -> anyhow::Result<Root> {
        let roots = self.roots()?;
        let Some((number, bytes)) = roots.last_key_value() else {
            bail!(
                "{} has no root: name the repository, or the folder that `mcpolicy policy publish` wrote; `mcpolicy policy init` \
                 makes a new repository",
                self.path.display()
            );
        };
        root(bytes).with_context(|| {
            format!(
                "root.{number}.json in {} is not good; restore it as it was committed",
                self.path.display()
            )
        })
    }

    /// Writes files in the given order, each whole or not at all.
    ///
    /// # Errors
    /// One cannot be written; those before it are.
    pub fn write(&self, files: &[(String, Vec<u8>)]) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.path)
            .with_context(|| format!("cannot make the folder {}", self.path.display()))?;
        for (name, bytes) in files {
            let path = self.path.join(name);
            replace(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// Removes a file that need not be there.
    ///
    /// # Errors
    /// It is there and stays.
    pub fn remove(&self, name: &str) -> anyhow::Result<()> {
        let path = self.path.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }
}

/// Puts a whole file in the place of another. Made beside it with the usual mode, so that a web server can read it.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy().into_owned();
    let beside = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = write_new(&beside, bytes).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Writes a file that must not be there yet.
///
/// # Errors
/// It is there, or cannot be written.
pub fn create(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    write_new(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a root that its own keys have signed.
///
/// # Errors
/// It is no root, or too few of its keys have signed it.
pub fn root(bytes: &[u8]) -> anyhow::Result<Root> {
    let envelope = Envelope::parse(bytes)?;
    envelope.must_be(Root::PAYLOAD_TYPE)?;
    let root: Root = signed::decode(envelope.payload())?;
    verified::<Root>(bytes, &root.roles.root)
}

/// What a document says, after its signatures were verified. Its time plays no part: an author works on from documents
/// that have expired.
///
/// # Errors
/// It does not verify.
pub fn verified<T: Payload>(bytes: &[u8], role: &Role) -> anyhow::Result<T> {
    let envelope = Envelope::parse(bytes)?;
    envelope.verify(T::PAYLOAD_TYPE, &role.key_set(), role.threshold)?;
    Ok(signed::decode(envelope.payload())?)
}

/// Whether a body is the one that was signed.
///
/// # Errors
/// It is not.
pub fn is_body(bytes: &[u8], stated: &Digest) -> anyhow::Result<()> {
    anyhow::ensure!(Digest::of(bytes) == *stated, "the body is not the one that was signed; restore it");
    Ok(())
}

/// A payload in an envelope without signatures.
///
/// # Errors
/// A reader would refuse it.
pub fn unsigned<T: Payload>(payload: &T) -> anyhow::Result<Envelope> {
    Ok(Envelope::new(T::PAYLOAD_TYPE, signed::encode(payload)?))
}

/// Signs a document for a role. `what` is its name in a sentence, with that of one and of several of the role's keys.
///
/// # Errors
/// A signer fails, or too few of the role's keys are among the signers.
pub fn signed_for<T: Payload>(
    payload: &T,
    role: &Role,
    signers: &[Box<dyn Signer>],
    (what, one, several): (&str, &str, &str),
) -> anyhow::Result<Envelope> {
    let (envelope, valid) = sign(unsigned(payload)?, &role.keys, signers)?;
    ensure!(
        valid >= role.threshold as usize,
        "{what} needs {}, {valid} signed; give them with --key or --signer",
        counted(role.threshold, one, several)
    );
    Ok(envelope)
}

/// Signs with those of the signers whose keys are among the ones named. Gives the envelope and who has signed it so far.
///
/// # Errors
/// A signer fails.
pub fn sign(
    mut envelope: Envelope,
    keys: &[PublicKey],
    signers: &[Box<dyn Signer>],
) -> anyhow::Result<(Envelope, usize)> {
    let wanted = keys.iter().copied().collect();
    for signer in signers {
        if keys.contains(&signer.public_key()) && !envelope.signers(&wanted).contains(&signer.public_key()) {
            envelope = signer::sign_envelope(envelope, signer.as_ref())?;
        }
    }
    let count = envelope.signers(&wanted).len();
    Ok((envelope, count))
}

//! Private keys in files: PKCS#8 as openssl writes it, plain or with a passphrase (PBES2).

use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use ed25519_dalek::{Signer as _, SigningKey};
use mcpolicy_platform::machine::Machine;
use mcpolicy_schema::envelope::{PublicKey, SIGNATURE_BYTES};
use pkcs8::PrivateKeyInfoRef;
use zeroize::Zeroizing;

use super::{PassphraseSource, Signer};
use crate::authoring::source::unread;

/// Largest key file that is read, in bytes.
const MAX_BYTES: u64 = 16 * 1024;

/// Signs with a private key that was read from a file.
pub struct FileSigner {
    key: SigningKey,
    public: PublicKey,
}

impl FileSigner {
    /// Reads a PKCS#8 file; the passphrase is asked for only if the key has one.
    ///
    /// # Errors
    /// The file cannot be read, is no Ed25519 key, or the passphrase is wrong.
    pub fn load(path: &Path, passphrase: &PassphraseSource) -> anyhow::Result<Self> {
        let shown = path.display().to_string();
        let full = std::path::absolute(path)?;
        let snapshot = Machine::live().read(&full, None, MAX_BYTES);
        let snapshot =
            snapshot.map_err(|error| unread(&error, path, MAX_BYTES).context("no key to sign with"))?;
        let bytes = Zeroizing::new(snapshot.bytes);
        // parsers may quote what they read: their errors stay here
        let Ok(pem) = std::str::from_utf8(&bytes) else {
            bail!("{shown} is not PEM; `openssl genpkey -algorithm ed25519` writes a key");
        };
        if pem.contains("BEGIN PUBLIC KEY") {
            bail!("{shown} is a public key; signing needs the private half");
        }
        let key = if pem.contains("BEGIN ENCRYPTED PRIVATE KEY") {
            let passphrase = passphrase.get(&shown)?;
            let Ok(key) = SigningKey::from_pkcs8_encrypted_pem(pem, passphrase.as_bytes()) else {
                bail!("{shown} does not open: the passphrase is wrong, or it is no Ed25519 key");
            };
            key
        } else {
            let Ok(key) = SigningKey::from_pkcs8_pem(pem) else {
                bail!(
                    "{shown} is not an Ed25519 private key in PKCS#8; `openssl genpkey -algorithm ed25519` writes one"
                );
            };
            key
        };
        Self::of(key)
    }

    /// Writes the key anew with another passphrase, in the place of its file. The old file stays until the new one is whole.
    ///
    /// # Errors
    /// The file cannot be written; it is as it was then.
    pub fn seal_anew(&self, path: &Path, passphrase: &str) -> anyhow::Result<()> {
        let pem = encrypted(&KeypairBytes { secret_key: self.key.to_bytes(), public_key: None }, passphrase)?;
        let opened = SigningKey::from_pkcs8_encrypted_pem(&pem, passphrase.as_bytes());
        ensure!(opened.is_ok_and(|key| key == self.key), "the new file would not open; nothing was written");
        let cannot = || format!("cannot write the key {}; it is as it was", path.display());
        // The very file, should the path be a link to it.
        let target = path.canonicalize().with_context(cannot)?;
        let file = written(&target, pem.as_bytes()).with_context(cannot)?;
        file.persist(&target).map_err(|error| error.error).with_context(cannot)?;
        Ok(())
    }

    fn of(key: SigningKey) -> anyhow::Result<Self> {
        let public = PublicKey::new(key.verifying_key().to_bytes())?;
        Ok(Self { key, public })
    }
}

impl Signer for FileSigner {
    fn public_key(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, pae: &[u8]) -> anyhow::Result<[u8; SIGNATURE_BYTES]> {
        Ok(self.key.sign(pae).to_bytes())
    }
}

/// Makes a new key and writes it, readable by its owner only; an existing file is left alone. Without a passphrase it
/// is plain, which is for tests and machines whose disk nobody else reads.
///
/// # Errors
/// The file exists or cannot be written; the system gives no random bytes.
pub fn generate(path: &Path, passphrase: Option<&str>) -> anyhow::Result<PublicKey> {
    Ok(generate_signer(path, passphrase)?.public)
}

/// As [`generate`], and gives the signer, so that a passphrase need not be asked for again.
///
/// # Errors
/// As [`generate`].
pub fn generate_signer(path: &Path, passphrase: Option<&str>) -> anyhow::Result<FileSigner> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    let signer = FileSigner::of(SigningKey::from_bytes(&secret))?;
    // without the public half, which openssl 3.0 does not read
    let pair = KeypairBytes { secret_key: *secret, public_key: None };
    let pem = match passphrase {
        None => pair.to_pkcs8_pem(LineEnding::LF).ok().context("the key cannot be encoded")?,
        Some(passphrase) => encrypted(&pair, passphrase)?,
    };
    write_new(path, pem.as_bytes())?;
    Ok(signer)
}

/// PBES2 with PBKDF2: openssl refuses scrypt above 32 MB.
fn encrypted(pair: &KeypairBytes, passphrase: &str) -> anyhow::Result<Zeroizing<String>> {
    let plain = pair.to_pkcs8_der().ok().context("the key cannot be encoded")?;
    let info = PrivateKeyInfoRef::try_from(plain.as_bytes()).ok().context("the key cannot be encoded")?;
    let parameters = pkcs8::pkcs5::pbes2::Parameters::generate_pbkdf2(&mut getrandom::SysRng);
    let parameters = parameters.map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    let sealed = info.encrypt_with_params(parameters, passphrase);
    let sealed = sealed.ok().context("the key cannot be encrypted")?;
    sealed.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).ok().context("the key cannot be encoded")
}

/// Puts a key in place only if nothing is there.
fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let full = std::path::absolute(path)?;
    let folder = full.parent().with_context(|| format!("{} is no file", path.display()))?;
    ensure!(
        folder.is_dir(),
        "cannot write the key {}: the folder {} is not there; make it first, for you alone",
        path.display(),
        folder.display()
    );
    let cannot = || format!("cannot write the key {}", path.display());
    let file = written(&full, bytes).with_context(cannot)?;
    match file.persist_noclobber(&full) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => bail!(
            "{} is there already, and a key is never replaced; name another file or folder, or move it away",
            path.display()
        ),
        Err(error) => Err(error.error).with_context(cannot),
    }
}

/// A file beside a path with what it shall hold, on the disk. A temporary file has mode 0600 from its first byte on.
fn written(path: &Path, bytes: &[u8]) -> std::io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|e| std::io::Error::from(e.kind()))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

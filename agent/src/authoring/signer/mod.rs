//! Who signs: a private key in a file, or a program that holds one (a token, a KMS, a vault).
//!
//! A private key or passphrase is never in an argument, an error or a log, and leaves memory when it is dropped.

mod command;
mod file;
mod passphrase;

use std::path::Path;

use anyhow::{Context as _, bail};
use ed25519_dalek::pkcs8::DecodePublicKey as _;
use mcpolicy_platform::durable;
use mcpolicy_schema::envelope::{Envelope, PublicKey, SIGNATURE_BYTES};

pub use command::CommandSigner;
pub use file::{FileSigner, generate, generate_signer};
pub use passphrase::{Passphrase, PassphraseSource};

/// Something that signs with one Ed25519 key.
pub trait Signer {
    /// The public half of its key.
    fn public_key(&self) -> PublicKey;

    /// Signs the pre-authentication encoding of a document, as it is: no hash is taken first.
    ///
    /// # Errors
    /// It cannot sign, or what it gave is no signature of its key.
    fn sign(&self, pae: &[u8]) -> anyhow::Result<[u8; SIGNATURE_BYTES]>;
}

/// What to say of a file with a secret to which others have rights. Nothing of pipes and descriptors, which have no others.
pub fn exposed(path: &Path, what: &str) -> Option<String> {
    let real = path.canonicalize().ok().filter(|real| real.is_file())?;
    (!durable::is_private(&real)).then(|| {
        format!(
            "warning: others have rights to {what} {shown}; take them away (chmod 600 {shown}), and if they may have read \
             it, replace the key with `mcpolicy policy rotate`",
            shown = path.display()
        )
    })
}

/// A signer from the words of a user: `file:PATH` (a PKCS#8 key), or `command:PROGRAM ARGS` with the public key whose
/// private half the program holds. The words of a command are split at spaces; no shell reads them.
///
/// # Errors
/// The words are no signer, or the key cannot be read.
pub fn signer_from(
    spec: &str,
    public_key: Option<&PublicKey>,
    passphrase: &PassphraseSource,
) -> anyhow::Result<Box<dyn Signer>> {
    if let Some(path) = spec.strip_prefix("file:") {
        let signer = FileSigner::load(path.as_ref(), passphrase)?;
        if let Some(expected) = public_key
            && *expected != signer.public_key()
        {
            bail!("{path} holds the key {}, not {}", signer.public_key().key_id(), expected.key_id());
        }
        return Ok(Box::new(signer));
    }
    if let Some(command) = spec.strip_prefix("command:") {
        let Some(public_key) = public_key else {
            bail!("a signer command needs the public key that it signs for; give it beside the command");
        };
        return Ok(Box::new(CommandSigner::new(command, *public_key)?));
    }
    bail!("a signer is `file:PATH` or `command:PROGRAM ARGS`, not {spec:?}")
}

/// A public key from what people have: PEM (`openssl pkey -pubout`) or base64 of the 32 raw bytes.
///
/// # Errors
/// It is neither, or another kind of key.
pub fn public_key_from(text: &str) -> anyhow::Result<PublicKey> {
    let text = text.trim();
    if !text.starts_with("-----BEGIN") {
        return Ok(PublicKey::from_base64(text)?);
    }
    if text.contains("PRIVATE KEY") {
        bail!("this is a private key; give the public half, as `openssl pkey -pubout` writes it");
    }
    let key = ed25519_dalek::VerifyingKey::from_public_key_pem(text);
    let key = key.ok().context("not the PEM of an Ed25519 public key; `openssl pkey -pubout` writes one")?;
    Ok(PublicKey::new(key.to_bytes())?)
}

/// Adds a signature to an envelope, after checking that it is one.
///
/// # Errors
/// The signer fails, or gives something else than a signature of its key.
pub fn sign_envelope(envelope: Envelope, signer: &dyn Signer) -> anyhow::Result<Envelope> {
    let pae = envelope.pae();
    let signature = signer.sign(&pae)?;
    let key = signer.public_key();
    if !key.verifies(&pae, &signature) {
        bail!("the signer gave a signature that its key {} did not make; nothing was signed", key.key_id());
    }
    Ok(envelope.sign_with(&key.key_id(), signature))
}

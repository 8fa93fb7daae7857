//! Ed25519 public keys and signatures.

use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::base64;

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// An Ed25519 public key that is a point of the curve and not of small order. Written as base64 of its 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// Why something is not a public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not base64.
    #[error("a public key is not base64; write the 32 raw bytes in base64")]
    Base64,
    /// Not 32 bytes.
    #[error("a public key has {0} bytes instead of 32; only raw Ed25519 keys are taken")]
    Length(usize),
    /// No point of the curve.
    #[error("a public key is no point of the curve; it is damaged, export it again")]
    NotAPoint,
    /// Of small order: signatures under it prove nothing.
    #[error("a public key is of small order, so that anybody can sign under it; make another key")]
    Weak,
}

impl PublicKey {
    /// Takes 32 raw bytes.
    ///
    /// # Errors
    /// They are no point, or one of small order.
    pub fn new(bytes: [u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::NotAPoint)?;
        if key.is_weak() { Err(KeyError::Weak) } else { Ok(Self(bytes)) }
    }

    /// Reads base64, standard or URL-safe.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        let bytes = base64::decode(text).ok_or(KeyError::Base64)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|b: Vec<u8>| KeyError::Length(b.len()))?;
        Self::new(bytes)
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Base64 of the raw bytes.
    pub fn to_base64(&self) -> String {
        base64::encode(&self.0)
    }

    /// A short name for people and for `keyid`: the first 16 hex digits of the SHA-256 of the raw bytes. It proves
    /// nothing.
    pub fn key_id(&self) -> String {
        let digest = Sha256::digest(self.0);
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether a signature over the bytes is this key's. Strict: one signature has one encoding, and no other verifier
    /// may see it otherwise.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(&self.0) else { return false };
        key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.to_base64())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_base64())
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_base64(&text).map_err(serde::de::Error::custom)
    }
}

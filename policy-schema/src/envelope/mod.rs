//! DSSE envelopes: payload bytes, their type, and signatures over both.
//!
//! What is signed is the pre-authentication encoding, so a signature for one type is none for another. Whoever can sign
//! bytes with Ed25519 (openssl, a KMS, a token) can sign a document; nothing of ours is needed.

mod base64;
mod key;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use key::{KeyError, PublicKey, SIGNATURE_BYTES};

use crate::json::{self, JsonError};
use crate::limits::{MAX_ENVELOPE_BYTES, MAX_SIGNATURES};

/// Why bytes are no envelope, or an envelope does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Larger than any honest one. Nothing of it was parsed.
    #[error("the envelope has {bytes} bytes, more than the {MAX_ENVELOPE_BYTES} that are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not an envelope.
    #[error("the envelope {0}")]
    Json(JsonError),
    /// Payload or signature is not base64.
    #[error("the envelope's {0} is not base64")]
    Base64(&'static str),
    /// No payload type.
    #[error("the envelope has an empty payload type")]
    NoType,
    /// More signatures than are looked at.
    #[error("the envelope has {0} signatures, more than the {MAX_SIGNATURES} that are looked at")]
    TooManySignatures(usize),
    /// Signed for another purpose.
    #[error("the envelope is of type {found}, not {expected}")]
    WrongType {
        /// The type that was to be verified.
        expected: String,
        /// The type that it has.
        found: String,
    },
    /// Too few of the trusted keys have signed.
    #[error(
        "{valid} of the {trusted} trusted keys have signed, but {needed} must ({signatures} signatures are there)"
    )]
    Threshold {
        /// How many different trusted keys have signed.
        valid: u32,
        /// How many must.
        needed: u32,
        /// How many are trusted for it.
        trusted: u32,
        /// How many signatures the envelope has, good or bad.
        signatures: u32,
    },
    /// A threshold of nought would let everything pass.
    #[error("a threshold of 0 would let everything pass")]
    NoThreshold,
}

// Not as its source: the message has it already, and who shows the whole chain would say it twice.
impl From<JsonError> for EnvelopeError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

/// The bytes that are signed for a payload of a type.
pub fn pae(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len()).into_bytes();
    out.extend_from_slice(body);
    out
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeSignature {
    /// A hint at the key; empty if there is none. It proves nothing.
    pub key_id: String,
    /// The raw signature, of any length: a signature of another algorithm is left alone.
    pub signature: Vec<u8>,
}

/// Payload bytes with their type and signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<EnvelopeSignature>,
}

/// An envelope as DSSE writes it. Unknown members are ignored, as DSSE demands: nothing outside the payload counts.
#[derive(Serialize, Deserialize)]
struct Wire {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<WireSignature>,
}

#[derive(Serialize, Deserialize)]
struct WireSignature {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
    sig: String,
}

impl Envelope {
    /// An envelope without signatures.
    pub fn new(payload_type: &str, body: Vec<u8>) -> Self {
        Self { payload_type: payload_type.to_owned(), payload: body, signatures: Vec::new() }
    }

    /// Reads an envelope.
    ///
    /// # Errors
    /// The bytes are too many or no envelope. Signatures are not looked at here.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > MAX_ENVELOPE_BYTES {
            return Err(EnvelopeError::TooLarge { bytes: bytes.len() });
        }
        let wire: Wire = json::from_slice(bytes)?;
        if wire.payload_type.is_empty() {
            return Err(EnvelopeError::NoType);
        }
        if wire.signatures.len() > MAX_SIGNATURES {
            return Err(EnvelopeError::TooManySignatures(wire.signatures.len()));
        }
        let payload = base64::decode(&wire.payload).ok_or(EnvelopeError::Base64("payload"))?;
        let signatures = wire.signatures.into_iter().map(|wire| {
            let signature = base64::decode(&wire.sig).ok_or(EnvelopeError::Base64("signature"))?;
            Ok(EnvelopeSignature { key_id: wire.keyid.unwrap_or_default(), signature })
        });
        let signatures = signatures.collect::<Result<_, EnvelopeError>>()?;
        Ok(Self { payload_type: wire.payload_type, payload, signatures })
    }

    /// The envelope as one line of JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        let signatures = self.signatures.iter().map(|signature| WireSignature {
            keyid: Some(signature.key_id.clone()).filter(|id| !id.is_empty()),
            sig: base64::encode(&signature.signature),
        });
        let wire = Wire {
            payload: base64::encode(&self.payload),
            payload_type: self.payload_type.clone(),
            signatures: signatures.collect(),
        };
        // strings and lists only: cannot fail
        let mut bytes = serde_json::to_vec(&wire).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// The type of the payload.
    pub fn payload_type(&self) -> &str {
        &self.payload_type
    }

    /// The payload, unverified. Only what stands in an envelope that verified may be believed.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The signatures, unverified.
    pub fn signatures(&self) -> &[EnvelopeSignature] {
        &self.signatures
    }

    /// The bytes that a signer signs.
    pub fn pae(&self) -> Vec<u8> {
        pae(&self.payload_type, &self.payload)
    }

    /// Adds a signature over [`Envelope::pae`], made by whatever holds the key. The same one is not added twice.
    #[must_use]
    pub fn sign_with(mut self, key_id: &str, signature: [u8; SIGNATURE_BYTES]) -> Self {
        let signature = EnvelopeSignature { key_id: key_id.to_owned(), signature: signature.to_vec() };
        if !self.signatures.contains(&signature) {
            self.signatures.push(signature);
        }
        self
    }

    /// Verifies the envelope: the type is the expected one, and at least as many *different* trusted keys have signed
    /// as the threshold says. Neither a second signature by one key nor a key id counts. Gives the keys that have
    /// signed; only now [`Envelope::payload`] may be believed.
    ///
    /// # Errors
    /// [`EnvelopeError::WrongType`], [`EnvelopeError::Threshold`] or [`EnvelopeError::NoThreshold`].
    pub fn verify(
        &self,
        expected_type: &str,
        keys: &BTreeSet<PublicKey>,
        threshold: u32,
    ) -> Result<BTreeSet<PublicKey>, EnvelopeError> {
        self.must_be(expected_type)?;
        if threshold == 0 {
            return Err(EnvelopeError::NoThreshold);
        }
        let signers = self.signers(keys);
        let valid = count(signers.len());
        if valid < threshold {
            return Err(EnvelopeError::Threshold {
                valid,
                needed: threshold,
                trusted: count(keys.len()),
                signatures: count(self.signatures.len()),
            });
        }
        Ok(signers)
    }

    /// Checks the type alone.
    ///
    /// # Errors
    /// [`EnvelopeError::WrongType`].
    pub fn must_be(&self, expected_type: &str) -> Result<(), EnvelopeError> {
        if self.payload_type == expected_type {
            return Ok(());
        }
        let (expected, found) = (expected_type.to_owned(), self.payload_type.clone());
        Err(EnvelopeError::WrongType { expected, found })
    }

    /// Those of the keys that have signed, whatever the type.
    pub fn signers(&self, keys: &BTreeSet<PublicKey>) -> BTreeSet<PublicKey> {
        let signed = self.pae();
        let mut valid = BTreeSet::new();
        for signature in &self.signatures {
            let Ok(bytes) = <&[u8; SIGNATURE_BYTES]>::try_from(signature.signature.as_slice()) else {
                continue;
            };
            // the hint saves time and nothing else: a wrong one must not hide a good signature
            let (hinted, others): (Vec<&PublicKey>, Vec<&PublicKey>) =
                keys.difference(&valid).partition(|key| key.key_id() == signature.key_id);
            let signer = hinted.into_iter().chain(others).find(|key| key.verifies(&signed, bytes)).copied();
            valid.extend(signer);
        }
        valid
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

//! The payloads of signed documents. Each has its own payload type, so that none can be taken for another.
//!
//! A reader ignores members that it does not know, so that a newer writer does no harm; what it must not ignore, the
//! writer names in `crit`, and a reader that does not know it refuses the document.

mod breakglass;
mod digest;
mod grant;
mod head;
mod request;
mod root;
mod statement;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use breakglass::{Breakglass, MAX_SECONDS as MAX_BREAKGLASS_SECONDS};
pub use digest::{Digest, Sha256Hex};
pub use grant::Grant;
pub use head::{Current, Head};
pub use request::Request;
pub use root::{PolicyRole, Reset, Role, Roles, Root};
pub use statement::{RevocationsStatement, Statement};

use crate::json::{self, JsonError};
use crate::limits::{MAX_PAYLOAD_BYTES, MAX_SEQUENCE};

/// The members that every signed payload has.
#[derive(Debug, Clone, Copy)]
pub struct Common<'a> {
    /// `mcpolicy/<document>/v1`.
    pub schema: &'a str,
    /// The document's number, where it has one.
    pub sequence: Option<u64>,
    /// When it was signed.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// Members that a reader must understand.
    pub crit: &'a [String],
}

/// A payload of its own type.
pub trait Payload: Serialize + DeserializeOwned {
    /// What people call it: `root`, `policy` …
    const DOCUMENT: &'static str;
    /// The type in the envelope.
    const PAYLOAD_TYPE: &'static str;
    /// The value of its member `schema`.
    const SCHEMA: &'static str;
    /// Every member that this version understands at the top.
    const MEMBERS: &'static [&'static str];

    /// The members that all have.
    fn common(&self) -> Common<'_>;

    /// What the form does not say.
    ///
    /// # Errors
    /// What is wrong.
    fn check(&self) -> Result<(), String>;
}

/// [`Payload`] for a document that has a number, an end and `crit`. The names of its members are checked against the type,
/// so that `crit` can name neither too few nor too many.
macro_rules! numbered_payload {
    ($type:ident, $document:literal, $name:literal, [$($member:ident),*], $check:expr) => {
        impl crate::signed::Payload for $type {
            const DOCUMENT: &'static str = $document;
            const PAYLOAD_TYPE: &'static str = concat!("application/vnd.mcpolicy.", $name, ".v1+json");
            const SCHEMA: &'static str = concat!("mcpolicy/", $name, "/v1");
            const MEMBERS: &'static [&'static str] = &[$(stringify!($member)),*];

            fn common(&self) -> crate::signed::Common<'_> {
                let Self { $($member: _),* } = self;
                crate::signed::Common {
                    schema: &self.schema,
                    sequence: Some(self.sequence),
                    issued: self.issued,
                    expires: Some(self.expires),
                    crit: &self.crit,
                }
            }

            fn check(&self) -> Result<(), String> {
                $check(self)
            }
        }
    };
}
use numbered_payload;

/// Why a payload cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Larger than a signer could sign.
    #[error("the payload has {bytes} bytes, more than the {MAX_PAYLOAD_BYTES} that a document may have")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not JSON of the form.
    #[error("the payload {0}")]
    Json(JsonError),
    /// Of another schema.
    #[error("the payload says schema {found}, not {expected}")]
    Schema {
        /// What this reader knows.
        expected: &'static str,
        /// What it says.
        found: String,
    },
    /// It has a member that must be understood and is not.
    #[error("the payload demands in `crit` that `{0}` be understood, which this version does not")]
    Critical(String),
    /// Number nought: every floor would admit it.
    #[error("the payload has the sequence 0; the first is 1")]
    Sequence,
    /// A number after which there is no room for a next one.
    #[error("the payload has the sequence {0}, above {MAX_SEQUENCE}, the greatest that counts")]
    SequenceTooHigh(u64),
    /// It ends before it begins.
    #[error("the payload expires at {expires}, which is not after its issue at {issued}")]
    Lifetime {
        /// When it was signed.
        issued: Timestamp,
        /// When it ends.
        expires: Timestamp,
    },
    /// A member's value makes no sense.
    #[error("the payload makes no sense: {0}")]
    Value(String),
}

// Not as its source: the message has it already, and who shows the whole chain would say it twice.
impl From<JsonError> for PayloadError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

/// Reads a payload out of bytes that have been verified.
///
/// # Errors
/// See [`PayloadError`].
pub fn decode<T: Payload>(verified: &[u8]) -> Result<T, PayloadError> {
    if verified.len() > MAX_PAYLOAD_BYTES {
        return Err(PayloadError::TooLarge { bytes: verified.len() });
    }
    let payload: T = json::from_slice(verified)?;
    validate(&payload)?;
    Ok(payload)
}

/// Writes a payload as it is signed, after the checks that a reader makes.
///
/// # Errors
/// It would be refused.
pub fn encode<T: Payload>(payload: &T) -> Result<Vec<u8>, PayloadError> {
    validate(payload)?;
    let form = |error: serde_json::Error| JsonError::Form(error.to_string());
    let bytes = serde_json::to_vec(payload).map_err(form)?;
    if bytes.len() > MAX_PAYLOAD_BYTES {
        return Err(PayloadError::TooLarge { bytes: bytes.len() });
    }
    Ok(bytes)
}

fn validate<T: Payload>(payload: &T) -> Result<(), PayloadError> {
    let common = payload.common();
    if common.schema != T::SCHEMA {
        return Err(PayloadError::Schema { expected: T::SCHEMA, found: common.schema.to_owned() });
    }
    if let Some(unknown) = common.crit.iter().find(|name| !T::MEMBERS.contains(&name.as_str())) {
        return Err(PayloadError::Critical(unknown.clone()));
    }
    if common.sequence == Some(0) {
        return Err(PayloadError::Sequence);
    }
    if let Some(sequence) = common.sequence.filter(|sequence| *sequence > MAX_SEQUENCE) {
        return Err(PayloadError::SequenceTooHigh(sequence));
    }
    if let Some(expires) = common.expires
        && expires <= common.issued
    {
        return Err(PayloadError::Lifetime { issued: common.issued, expires });
    }
    payload.check().map_err(PayloadError::Value)
}

fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

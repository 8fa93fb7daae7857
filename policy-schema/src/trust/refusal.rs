//! Why a document is refused. Each rule of the verifier is its own variant; a refusal names document, rule and remedy.

use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::envelope::EnvelopeError;
use crate::limits::{MAX_HEAD_HOURS, MAX_ROOT_UPDATES};
use crate::loosens::Loosening;
use crate::signed::PayloadError;

/// Which document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DocumentName {
    /// The root that is trusted from the start.
    PinnedRoot,
    /// A root by its number.
    Root(u64),
    /// The head.
    Head,
    /// The policy's statement.
    Policy,
    /// The policy's body.
    PolicyBody,
    /// The statement of the policy for machines outside of the head's ring.
    PolicyElsewhere,
    /// The body of that policy.
    PolicyElsewhereBody,
    /// The revocations' statement.
    Revocations,
    /// The revocations' body.
    RevocationsBody,
    /// A grant.
    Grant,
    /// A break-glass token.
    Breakglass,
}

impl fmt::Display for DocumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PinnedRoot => f.write_str("pinned root"),
            Self::Root(sequence) => write!(f, "root.{sequence}"),
            Self::Head => f.write_str("head"),
            Self::Policy => f.write_str("policy statement"),
            Self::PolicyBody => f.write_str("policy body"),
            Self::PolicyElsewhere => f.write_str("policy statement for machines outside of the ring"),
            Self::PolicyElsewhereBody => f.write_str("policy body for machines outside of the ring"),
            Self::Revocations => f.write_str("revocations statement"),
            Self::RevocationsBody => f.write_str("revocations body"),
            Self::Grant => f.write_str("grant"),
            Self::Breakglass => f.write_str("break-glass token"),
        }
    }
}

impl Serialize for DocumentName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The rule that a document breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Envelope: size, form, type, signatures.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// Payload: size, form, schema, `crit`, sense.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// Too few keys of the root before have signed.
    #[error("the root before does not vouch for it: {0}")]
    RootNotVouched(EnvelopeError),
    /// A number is missing in the chain of roots.
    #[error("root.{missing} is missing, so that the chain from the trusted root is broken")]
    RootSkipped {
        /// The one that is missing.
        missing: u64,
    },
    /// A file carries the number of another.
    #[error("it carries the sequence {found} instead of {expected}")]
    RootNumber {
        /// By the file's name.
        expected: u64,
        /// What the payload says.
        found: u64,
    },
    /// More roots than are followed at once.
    #[error("more than {MAX_ROOT_UPDATES} new roots are offered")]
    TooManyRoots,
    /// The newest root has expired: nothing new is taken on its word.
    #[error("the root expired at {0}, so nothing new is taken on its word")]
    RootExpired(Timestamp),
    /// It has expired.
    #[error("it expired at {0}")]
    Expired(Timestamp),
    /// A head for longer than one may be.
    #[error("it is for {issued} to {expires}, longer than the {} days for which a head may be", MAX_HEAD_HOURS / 24)]
    HeadLifetime {
        /// When it was signed.
        issued: Timestamp,
        /// When it ends.
        expires: Timestamp,
    },
    /// It says that it was signed in the future.
    #[error("it says that it was issued at {issued}, more than a day after now ({now})")]
    IssuedInTheFuture {
        /// What it says.
        issued: Timestamp,
        /// The trusted time.
        now: Timestamp,
    },
    /// Older than what was accepted before.
    #[error("its sequence {offered} is lower than {floor}, which was accepted before")]
    Rollback {
        /// Its number.
        offered: u64,
        /// The stored floor.
        floor: u64,
    },
    /// A head that names what is older than what was accepted before.
    #[error("it names sequence {offered} as current, although {floor} was accepted before")]
    NamesOlder {
        /// What it names.
        offered: u64,
        /// The stored floor.
        floor: u64,
    },
    /// Older than the administrators' floor.
    #[error("its sequence {offered} is lower than the floor {floor} that the device settings demand")]
    BelowFloor {
        /// Its number.
        offered: u64,
        /// The floor of MDM.
        floor: u64,
    },
    /// The same number on other content.
    #[error("sequence {0} was accepted before with other content")]
    SameSequenceOtherContent(u64),
    /// There is no head, so nobody says what is current.
    #[error("there is no head, so nothing says which policy is current")]
    NoHead,
    /// For another fleet.
    #[error("it is for the channel {found:?}, this machine is on {expected:?}")]
    WrongChannel {
        /// The setting.
        expected: String,
        /// What it says.
        found: String,
    },
    /// Not the one that the head names.
    #[error("it has the sequence {found}, the head names {expected}")]
    NotTheOneOfHead {
        /// What the head names.
        expected: u64,
        /// What it says.
        found: u64,
    },
    /// The head names none of its kind.
    #[error("the head names none")]
    NotNamedByHead,
    /// The statement speaks of another body than the head.
    #[error("it speaks of another body than the head")]
    OtherBodyThanHead,
    /// The head names a document that is not there.
    #[error("the head names sequence {0}, which is not there")]
    Missing(u64),
    /// The head names no revocations any more.
    #[error(
        "it names no revocations, although sequence {0} is in force: only the emergency key may take them back"
    )]
    RevocationsWithdrawn(u64),
    /// A machine that had neither policy nor list is not given the list that the head names.
    #[error(
        "the head names revocations {0}, which this machine does not have: without them it would allow what they deny"
    )]
    RevocationsWithheld(u64),
    /// The statement is there, the body not.
    #[error("it is not there")]
    BodyMissing,
    /// The body has another length.
    #[error("it has {found} bytes, the statement says {expected}")]
    BodyLength {
        /// By the statement.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// The body has another digest.
    #[error("its SHA-256 is not the one in the statement")]
    BodyDigest,
    /// The body cannot be read or makes no sense.
    #[error("it cannot be used: {place}: {message}{}", more(.others))]
    BodyInvalid {
        /// Where, as a JSON Pointer.
        place: String,
        /// What.
        message: String,
        /// How many further faults there are.
        others: usize,
    },
    /// It takes protection away, and too few have signed.
    #[error("it takes protection away ({}), which {needed} policy keys must sign; {valid} did", list(.loosening))]
    Loosens {
        /// What it takes away.
        loosening: Vec<Loosening>,
        /// How many must sign.
        needed: u32,
        /// How many did.
        valid: u32,
    },
    /// What the store has is not what was accepted.
    #[error("the stored copy is not what was accepted: it was changed or damaged")]
    StoredCopyChanged,
}

impl Violation {
    /// The rule's stable name.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Envelope(error) => envelope_rule(error),
            Self::Payload(error) => payload_rule(error),
            Self::RootNotVouched(_) => "root-not-vouched",
            Self::RootSkipped { .. } => "root-skipped",
            Self::RootNumber { .. } => "root-number",
            Self::TooManyRoots => "too-many-roots",
            Self::RootExpired(_) => "root-expired",
            Self::Expired(_) => "expired",
            Self::HeadLifetime { .. } => "head-lifetime",
            Self::IssuedInTheFuture { .. } => "issued-in-the-future",
            Self::Rollback { .. } | Self::NamesOlder { .. } => "rollback",
            Self::BelowFloor { .. } => "below-floor",
            Self::SameSequenceOtherContent(_) => "same-sequence-other-content",
            Self::NoHead => "no-head",
            Self::WrongChannel { .. } => "wrong-channel",
            Self::NotTheOneOfHead { .. } | Self::NotNamedByHead | Self::OtherBodyThanHead => "mix-and-match",
            Self::Missing(_) => "missing",
            Self::RevocationsWithdrawn(_) => "revocations-withdrawn",
            Self::RevocationsWithheld(_) => "revocations-withheld",
            Self::BodyMissing => "body-missing",
            Self::BodyLength { .. } => "body-length",
            Self::BodyDigest => "body-digest",
            Self::BodyInvalid { .. } => "body-invalid",
            Self::Loosens { .. } => "loosening-threshold",
            Self::StoredCopyChanged => "stored-copy-changed",
        }
    }

    /// What to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Envelope(error) => envelope_remedy(error),
            Self::Payload(PayloadError::Critical(_)) => "update the agent",
            Self::Payload(PayloadError::TooLarge { .. }) => "publish it with fewer keys or shorter texts",
            Self::Payload(PayloadError::SequenceTooHigh(_)) => {
                "publish it with the number after the last good one; if nobody signed this one, the key is stolen: \
                 replace it with `mcpolicy policy rotate --reset`"
            }
            Self::Payload(_) => "publish it again with `mcpolicy policy publish`",
            Self::RootNotVouched(_) => {
                "have the new root signed by the threshold of the keys of the root before; if those are lost, pin the \
                 new root by MDM"
            }
            Self::RootSkipped { .. } => "publish every root since the pinned one",
            Self::RootNumber { .. } => "name the file after the sequence in it",
            Self::TooManyRoots => "pin a newer root by MDM",
            Self::RootExpired(_) => "sign and publish the next root with `mcpolicy policy rotate`",
            Self::Expired(_) => "publish a newer one; if there is one, something keeps it from this machine",
            Self::HeadLifetime { .. } => {
                "publish a shorter one with `mcpolicy policy publish --refresh`; if nobody published this one, look for \
                 misuse of the online key"
            }
            Self::IssuedInTheFuture { .. } => {
                "set this machine's clock; if it is right, look for misuse of the signing key"
            }
            Self::Rollback { .. } | Self::NamesOlder { .. } => {
                "publish with a higher sequence, after `rotate --reset` with one above what it reset to; if nobody published this \
                 one, something replays old documents"
            }
            Self::BelowFloor { .. } => "publish a newer one, or lower the floor in the device settings",
            Self::SameSequenceOtherContent(_) => {
                "publish the change under the next sequence; if nobody made it, look for misuse of the signing key"
            }
            Self::NoHead => "publish the whole folder with `mcpolicy policy publish`",
            Self::WrongChannel { .. } => "fetch from the folder of this machine's channel",
            Self::NotTheOneOfHead { .. }
            | Self::NotNamedByHead
            | Self::OtherBodyThanHead
            | Self::Missing(_)
            | Self::BodyMissing => {
                "publish the folder as a whole; a cache may hold files of two publications"
            }
            Self::RevocationsWithheld(_) => {
                "fetch the folder as a whole; if the list has ended, sign it again with `mcpolicy policy revoke --renew`"
            }
            Self::RevocationsWithdrawn(_) => {
                "publish an empty list, signed by the emergency key, with a higher sequence"
            }
            Self::BodyLength { .. } | Self::BodyDigest => {
                "publish the folder as a whole; if it is whole, something changed the body on its way"
            }
            Self::BodyInvalid { .. } => {
                "check it with `mcpolicy policy check`; an old agent may need an update"
            }
            Self::Loosens { .. } => "have further holders of policy keys sign it with `mcpolicy policy sign`",
            Self::StoredCopyChanged => "fetch the documents again; find out who writes in the agent's folder",
        }
    }
}

fn envelope_rule(error: &EnvelopeError) -> &'static str {
    match error {
        EnvelopeError::TooLarge { .. } => "envelope-too-large",
        EnvelopeError::Json(_) | EnvelopeError::Base64(_) | EnvelopeError::NoType => "envelope-form",
        EnvelopeError::TooManySignatures(_) => "too-many-signatures",
        EnvelopeError::WrongType { .. } => "payload-type",
        EnvelopeError::Threshold { .. } | EnvelopeError::NoThreshold => "threshold",
    }
}

fn envelope_remedy(error: &EnvelopeError) -> &'static str {
    match error {
        EnvelopeError::Threshold { .. } | EnvelopeError::NoThreshold => {
            "have it signed by enough of the keys that the root names for it"
        }
        EnvelopeError::WrongType { .. } => "put each document under its own name",
        EnvelopeError::TooManySignatures(_) => "leave out signatures of former keys",
        EnvelopeError::TooLarge { .. }
        | EnvelopeError::Json(_)
        | EnvelopeError::Base64(_)
        | EnvelopeError::NoType => "fetch it again; if it stays so, publish it again",
    }
}

fn payload_rule(error: &PayloadError) -> &'static str {
    match error {
        PayloadError::TooLarge { .. } => "payload-too-large",
        PayloadError::Json(crate::json::JsonError::Duplicate(_)) => "duplicate-member",
        PayloadError::Json(_) => "payload-form",
        PayloadError::Schema { .. } => "schema",
        PayloadError::Critical(_) => "crit",
        PayloadError::Sequence | PayloadError::SequenceTooHigh(_) => "sequence",
        PayloadError::Lifetime { .. } => "lifetime",
        PayloadError::Value(_) => "payload-value",
    }
}

fn more(others: &usize) -> String {
    if *others == 0 { String::new() } else { format!(" (and {others} more)") }
}

fn list(loosening: &[Loosening]) -> String {
    let texts: Vec<String> = loosening.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// A document that was refused. What was in force stays in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{document}: {violation}; {}", remedy(*.document, .violation))]
pub struct Refusal {
    /// Which.
    pub document: DocumentName,
    /// The rule that it breaks.
    pub violation: Violation,
}

impl Refusal {
    /// The refusal of a document.
    pub fn new(document: DocumentName, violation: impl Into<Violation>) -> Self {
        Self { document, violation: violation.into() }
    }

    /// The rule's stable name.
    pub fn rule(&self) -> &'static str {
        self.violation.rule()
    }

    /// What to do.
    pub fn remedy(&self) -> &'static str {
        remedy(self.document, &self.violation)
    }
}

/// The pinned root is a file that somebody gave, so publishing anew does not help.
fn remedy(document: DocumentName, violation: &Violation) -> &'static str {
    match violation.rule() {
        "envelope-form" | "envelope-too-large" if document == DocumentName::PinnedRoot => {
            "give the whole root to which machines are pinned, as it lies in trust/ of the policy repository"
        }
        _ => violation.remedy(),
    }
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut out = serializer.serialize_struct("Refusal", 4)?;
        out.serialize_field("document", &self.document)?;
        out.serialize_field("rule", self.rule())?;
        out.serialize_field("message", &self.violation.to_string())?;
        out.serialize_field("remedy", self.remedy())?;
        out.end()
    }
}

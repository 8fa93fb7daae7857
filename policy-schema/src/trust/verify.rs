//! The rules for one document at a time. The bytes verified are the bytes parsed, here and nowhere else.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::Time;
use super::refusal::Violation;
use super::state::Floor;
use crate::envelope::{Envelope, PublicKey};
use crate::json;
use crate::limits::MAX_HEAD_HOURS;
use crate::policy::{Fault, Policy};
use crate::revocations::{Revocations, RevocationsDocument};
use crate::signed::{self, Common, Digest, Head, Payload, Role, Root, Sha256Hex};

/// A document whose signatures were good, with the bytes it came in.
#[derive(Debug, Clone)]
pub(super) struct Verified<T> {
    /// What it says.
    pub(super) payload: T,
    /// Digest of the signed bytes.
    pub(super) digest: Sha256Hex,
    /// The envelope as it came.
    pub(super) bytes: Vec<u8>,
    /// Who has signed, of the keys that were asked for.
    pub(super) signers: BTreeSet<PublicKey>,
}

/// Verifies one document against a role. Time plays no part.
pub(super) fn document<T: Payload>(bytes: &[u8], role: &Role) -> Result<Verified<T>, Violation> {
    let envelope = Envelope::parse(bytes)?;
    let signers = envelope.verify(T::PAYLOAD_TYPE, &role.key_set(), role.threshold)?;
    let payload = signed::decode::<T>(envelope.payload())?;
    Ok(Verified { payload, digest: Sha256Hex::of(envelope.payload()), bytes: bytes.to_vec(), signers })
}

/// Verifies a root by its own keys: a root that its own holders have not signed could never be followed by another.
pub(super) fn root(bytes: &[u8]) -> Result<Verified<Root>, Violation> {
    let envelope = Envelope::parse(bytes)?;
    envelope.must_be(Root::PAYLOAD_TYPE)?;
    // read before it is verified, and thrown away unless its own keys vouch for these very bytes
    let claimed: Root = signed::decode(envelope.payload())?;
    document(bytes, &claimed.roles.root)
}

/// Whether the threshold of the root before has signed a root.
pub(super) fn vouched(before: &Root, next: &Verified<Root>) -> Result<(), Violation> {
    let role = &before.roles.root;
    let verified = Envelope::parse(&next.bytes)?.verify(Root::PAYLOAD_TYPE, &role.key_set(), role.threshold);
    verified.map(drop).map_err(Violation::RootNotVouched)
}

/// A document that is offered as new must be in its lifetime.
pub(super) fn in_its_time(common: &Common<'_>, time: Time) -> Result<(), Violation> {
    if !time.may_have_issued(common.issued) {
        return Err(Violation::IssuedInTheFuture { issued: common.issued, now: time.wall });
    }
    match common.expires {
        Some(expires) if expires <= time.verifying => Err(Violation::Expired(expires)),
        _ => Ok(()),
    }
}

/// A head must end soon: until then an older folder is believed, and the online key, which lies on a server, would decide
/// for how long.
pub(super) fn short_lived(head: &Head) -> Result<(), Violation> {
    let life = head.expires.duration_since(head.issued);
    if life <= SignedDuration::from_hours(MAX_HEAD_HOURS) {
        return Ok(());
    }
    Err(Violation::HeadLifetime { issued: head.issued, expires: head.expires })
}

/// A document that is offered as new must not be below what was accepted before, nor another of the same number.
pub(super) fn above(floor: &Floor, sequence: u64, payload: Sha256Hex) -> Result<(), Violation> {
    if sequence < floor.sequence {
        return Err(Violation::Rollback { offered: sequence, floor: floor.sequence });
    }
    match floor.payload {
        Some(known) if sequence == floor.sequence && known != payload => {
            Err(Violation::SameSequenceOtherContent(sequence))
        }
        _ => Ok(()),
    }
}

/// The bytes must be those of the statement.
pub(super) fn is_body(bytes: &[u8], stated: &Digest) -> Result<(), Violation> {
    let found = bytes.len() as u64;
    if found != stated.len {
        return Err(Violation::BodyLength { expected: stated.len, found });
    }
    if Sha256Hex::of(bytes) == stated.sha256 { Ok(()) } else { Err(Violation::BodyDigest) }
}

/// Reads a verified policy body. It is no larger than its statement says, which says nothing larger than is read.
pub(super) fn policy(bytes: &[u8]) -> Result<Policy, Violation> {
    Policy::from_body(bytes).map_err(|faults| invalid(&faults))
}

/// Reads a verified revocations body.
pub(super) fn revocations(bytes: &[u8]) -> Result<Revocations, Violation> {
    let document: RevocationsDocument = json::from_slice(bytes).map_err(|error| form(&error))?;
    Revocations::compile(document).map_err(|faults| invalid(&faults))
}

fn form(error: &json::JsonError) -> Violation {
    Violation::BodyInvalid { place: "/".to_owned(), message: format!("it {error}"), others: 0 }
}

fn invalid(faults: &[Fault]) -> Violation {
    let first = faults.first();
    let place = first.map_or("", |fault| fault.place.as_str());
    Violation::BodyInvalid {
        place: if place.is_empty() { "/" } else { place }.to_owned(),
        message: first.map(|fault| fault.message.clone()).unwrap_or_default(),
        others: faults.len().saturating_sub(1),
    }
}

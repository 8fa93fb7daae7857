//! Signed documents: what an attacker can write into a published folder.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::{Mutex, OnceLock};

use mcpolicy_schema::document::PolicyDocument;
use mcpolicy_schema::envelope::Envelope;
use mcpolicy_schema::json;
use mcpolicy_schema::limits::{MAX_ENVELOPE_BYTES, MAX_PAYLOAD_BYTES};
use mcpolicy_schema::loosens::loosening;
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::revocations::{Revocations, RevocationsDocument};
use mcpolicy_schema::signed::{self, Grant, Head, Payload, Request, RevocationsStatement, Root, Statement};
use mcpolicy_schema::trust::{Documents, Trust};
use mcpolicy_tests::signing::{ROOT, at, public, publication_with_revocations, root, signed as sign};

/// An envelope that is read comes back as it was written, and a stranger's key has signed nothing.
pub fn envelope(bytes: &[u8]) {
    let Ok(envelope) = Envelope::parse(bytes) else { return };
    assert!(bytes.len() <= MAX_ENVELOPE_BYTES);
    assert!(json::check(bytes).is_ok());
    // what is written has padding and key ids, so it may be longer than what was read
    if let Ok(again) = Envelope::parse(&envelope.to_bytes()) {
        assert_eq!(again, envelope);
    }
    let strangers: BTreeSet<_> = [public(201), public(202)].into();
    assert!(envelope.signers(&strangers).is_empty());
    assert!(envelope.verify(envelope.payload_type(), &strangers, 1).is_err());
    assert!(envelope.verify(envelope.payload_type(), &strangers, 0).is_err());
}

/// A payload that is taken is written again as something that is taken and the same.
pub fn payload(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 6 {
        0 => comes_back::<Root>(bytes),
        1 => comes_back::<Statement>(bytes),
        2 => comes_back::<RevocationsStatement>(bytes),
        3 => comes_back::<Head>(bytes),
        4 => comes_back::<Grant>(bytes),
        _ => comes_back::<Request>(bytes),
    }
}

fn comes_back<T: Payload + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(payload) = signed::decode::<T>(bytes) else { return };
    assert!(bytes.len() <= MAX_PAYLOAD_BYTES && json::check(bytes).is_ok());
    let common = payload.common();
    assert!(common.schema == T::SCHEMA && common.sequence != Some(0));
    assert!(common.expires.is_none_or(|expires| expires > common.issued));
    assert!(common.crit.iter().all(|name| T::MEMBERS.contains(&name.as_str())));
    match signed::encode(&payload) {
        Ok(written) => assert_eq!(signed::decode::<T>(&written).as_ref(), Ok(&payload)),
        Err(error) => assert!(matches!(error, signed::PayloadError::TooLarge { .. }), "{error}"),
    }
}

/// A body that passes is JSON to everybody, and says the same when it is written again.
pub fn body(bytes: &[u8]) {
    if json::check(bytes).is_err() {
        return;
    }
    assert!(serde_json::from_slice::<serde_json::Value>(bytes).is_ok());
    if let Ok(document) = json::from_slice::<PolicyDocument>(bytes) {
        let written = serde_json::to_vec(&document).expect("a document can be written");
        let again: PolicyDocument = json::from_slice(&written).expect("what was written can be read");
        assert_eq!(again, document);
        assert_eq!(loosening(&again), loosening(&document));
        let _ = Policy::compile(document);
    }
    if let Ok(document) = json::from_slice::<RevocationsDocument>(bytes) {
        let _ = Revocations::compile(document);
    }
}

/// The pinned root, an honest publication and trust in nothing but the root: made once, since signing is slow.
static START: OnceLock<(Vec<u8>, Documents, Trust)> = OnceLock::new();

/// Hashes of what was resumed.
static RESUMED: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());

/// Whatever stands in the place of one document of an honest publication: nothing but the honest policy comes into
/// force.
pub fn update(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let bytes = bytes.to_vec();
    let (pinned, honest, nothing_yet) = START.get_or_init(|| {
        let pinned = sign(&root(1, at(0)), &ROOT[..2]);
        let trust = Trust::pinned(&pinned, at(0)).expect("an honest root");
        (pinned, publication_with_revocations(6, 4, at(36)), trust)
    });
    let honest = honest.clone();
    let offered = match which % 6 {
        0 => Documents { head: Some(bytes), ..honest },
        1 => Documents { statement: Some(bytes), ..honest },
        2 => Documents { body: Some(bytes), ..honest },
        3 => Documents { revocations_statement: Some(bytes), ..honest },
        4 => Documents { revocations_body: Some(bytes), ..honest },
        _ => Documents { roots: [(2, bytes)].into(), ..honest },
    };
    let mut trust = nothing_yet.clone();
    let update = trust.update(&offered, at(37));
    for refusal in &update.refusals {
        assert!(!refusal.to_string().is_empty() && !refusal.rule().is_empty());
    }
    assert!(trust.policy().is_none_or(|policy| policy.sequence == 6));
    assert!(trust.revocations().is_none_or(|revocations| revocations.sequence == 4));
    assert_eq!(trust.root().sequence, 1);
    let (state, kept) = (trust.state(), trust.kept());
    // Resuming verifies everything once more, and mostly the same is kept.
    let mut before = RESUMED.lock().expect("no run before this one failed");
    if before.insert(BuildHasherDefault::<DefaultHasher>::default().hash_one(format!("{state:?} {kept:?}"))) {
        let (resumed, refusals) = Trust::resume(pinned, &state, &kept).expect("what was kept can be resumed");
        assert_eq!((resumed.state(), refusals), (state, vec![]));
    }
}

//! Signed documents for tests: made of fixed seeds and times, so that they are the same each time.

use std::collections::BTreeMap;

use ed25519_dalek::{Signer as _, SigningKey};
use jiff::{SignedDuration, Timestamp};
use mcpolicy_schema::envelope::{Envelope, PublicKey};
use mcpolicy_schema::signed::{
    self, Current, Digest, Head, Payload, PolicyRole, RevocationsStatement, Role, Roles, Root, Statement,
};
use mcpolicy_schema::trust::Documents;
use serde_json::{Value, json};

/// The key of a seed.
pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// The public half of the key of a seed.
pub fn public(seed: u8) -> PublicKey {
    PublicKey::new(key(seed).verifying_key().to_bytes()).expect("an honest key")
}

/// 2026-11-01 and some hours.
pub fn at(hours: i64) -> Timestamp {
    "2026-11-01T00:00:00Z".parse::<Timestamp>().expect("a time") + SignedDuration::from_hours(hours)
}

/// Payload bytes in an envelope of a type, signed by the keys of some seeds.
pub fn envelope(payload_type: &str, payload: &[u8], seeds: &[u8]) -> Vec<u8> {
    sign(Envelope::new(payload_type, payload.to_vec()), seeds).to_bytes()
}

/// Adds signatures.
pub fn sign(mut envelope: Envelope, seeds: &[u8]) -> Envelope {
    for seed in seeds {
        let signature = key(*seed).sign(&envelope.pae()).to_bytes();
        envelope = envelope.sign_with(&public(*seed).key_id(), signature);
    }
    envelope
}

/// A payload, signed; it need not make sense.
pub fn signed<T: Payload>(payload: &T, seeds: &[u8]) -> Vec<u8> {
    envelope(T::PAYLOAD_TYPE, &serde_json::to_vec(payload).expect("JSON"), seeds)
}

/// The same with another member or value in the payload.
pub fn signed_with<T: Payload>(payload: &T, change: impl FnOnce(&mut Value), seeds: &[u8]) -> Vec<u8> {
    let mut value = serde_json::to_value(payload).expect("JSON");
    change(&mut value);
    envelope(T::PAYLOAD_TYPE, &serde_json::to_vec(&value).expect("JSON"), seeds)
}

/// Seeds of the keys of each role.
pub const ROOT: [u8; 3] = [1, 2, 3];
/// See [`ROOT`].
pub const POLICY: [u8; 3] = [11, 12, 13];
/// See [`ROOT`].
pub const EMERGENCY: [u8; 1] = [21];
/// See [`ROOT`].
pub const ONLINE: [u8; 2] = [31, 32];

/// A role of the keys of some seeds.
pub fn role(seeds: &[u8], threshold: u32) -> Role {
    Role { keys: seeds.iter().map(|seed| public(*seed)).collect(), threshold }
}

/// A root with 2 of 3 root keys, 1 of 3 policy keys (2 to loosen), an emergency and two online keys.
pub fn root(sequence: u64, issued: Timestamp) -> Root {
    Root {
        schema: Root::SCHEMA.to_owned(),
        sequence,
        issued,
        expires: issued + SignedDuration::from_hours(24 * 400),
        roles: Roles {
            root: role(&ROOT, 2),
            policy: PolicyRole { role: role(&POLICY, 1), loosening_threshold: 2 },
            emergency: role(&EMERGENCY, 1),
            online: role(&ONLINE, 1),
        },
        reset: None,
        crit: Vec::new(),
    }
}

/// A policy body that allows one package.
pub fn body(package: &str) -> Vec<u8> {
    body_with(package, |_| {})
}

/// The same, changed.
pub fn body_with(package: &str, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut body = json!({
        "schema": "mcpolicy/policy/v1",
        "policy": {"name": "fleet", "contact": "#mcp-help"},
        "rule": [{"id": package, "identity": {"npm": {"package": package, "versions": "1.0.0"}}}],
    });
    change(&mut body);
    serde_json::to_vec(&body).expect("JSON")
}

/// A revocations body that takes one rule back.
pub fn revocations_body(rule: &str) -> Vec<u8> {
    let body = json!({
        "schema": "mcpolicy/revocations/v1",
        "revocation": [{"id": "r1", "revoked": {"rule": rule}, "reason": "found malicious"}],
    });
    serde_json::to_vec(&body).expect("JSON")
}

/// A statement about a policy body; it lives half a year.
pub fn statement(sequence: u64, issued: Timestamp, body: &[u8]) -> Statement {
    Statement {
        schema: Statement::SCHEMA.to_owned(),
        sequence,
        issued,
        expires: issued + SignedDuration::from_hours(24 * 180),
        name: "fleet".to_owned(),
        ticket: None,
        body: Digest::of(body),
        loosens: false,
        crit: Vec::new(),
    }
}

/// A statement about a revocations body; it lives a week.
pub fn revocations_statement(sequence: u64, issued: Timestamp, body: &[u8]) -> RevocationsStatement {
    RevocationsStatement {
        schema: RevocationsStatement::SCHEMA.to_owned(),
        sequence,
        issued,
        expires: issued + SignedDuration::from_hours(24 * 7),
        ticket: None,
        body: Digest::of(body),
        crit: Vec::new(),
    }
}

/// What a head says of a document.
pub fn current(sequence: u64, body: &[u8]) -> Current {
    let Digest { len, sha256 } = Digest::of(body);
    Current { sequence, len, sha256 }
}

/// A head that names a policy and no revocations; it lives three days.
pub fn head(sequence: u64, issued: Timestamp, policy: Current) -> Head {
    Head {
        schema: Head::SCHEMA.to_owned(),
        sequence,
        issued,
        expires: issued + SignedDuration::from_hours(72),
        channel: "default".to_owned(),
        policy,
        revocations: None,
        min_agent: None,
        ring: None,
        elsewhere: None,
        poll_interval_s: Some(120),
        crit: Vec::new(),
    }
}

/// The payload of an envelope, decoded without a look at the signatures.
pub fn payload_of<T: Payload>(envelope: &[u8]) -> T {
    let envelope = Envelope::parse(envelope).expect("an envelope");
    signed::decode(envelope.payload()).expect("a payload")
}

/// An honest publication: root 1, a policy and a head over it, all signed as they should be.
pub fn publication(sequence: u64, issued: Timestamp) -> Documents {
    let body = body(&format!("package-{sequence}"));
    Documents {
        roots: BTreeMap::from([(1, signed(&root(1, at(0)), &ROOT[..2]))]),
        head: Some(signed(&head(sequence, issued, current(sequence, &body)), &ONLINE[..1])),
        statement: Some(signed(&statement(sequence, issued, &body), &POLICY[..1])),
        body: Some(body),
        elsewhere_statement: None,
        elsewhere_body: None,
        revocations_statement: None,
        revocations_body: None,
    }
}

/// The same with revocations.
pub fn publication_with_revocations(sequence: u64, revocations: u64, issued: Timestamp) -> Documents {
    let documents = publication(sequence, issued);
    let list = revocations_body(&format!("package-{revocations}"));
    let mut head: Head = payload_of(documents.head.as_deref().expect("a head"));
    head.revocations = Some(current(revocations, &list));
    Documents {
        head: Some(signed(&head, &ONLINE[..1])),
        revocations_statement: Some(signed(&revocations_statement(revocations, issued, &list), &EMERGENCY)),
        revocations_body: Some(list),
        ..documents
    }
}

/// The bytes with the payload changed and the old signatures kept.
pub fn tampered(envelope: &[u8]) -> Vec<u8> {
    let mut wire: Value = serde_json::from_slice(envelope).expect("JSON");
    let honest = Envelope::parse(envelope).expect("an envelope");
    let mut payload = honest.payload().to_vec();
    let last = payload.iter().rposition(u8::is_ascii_digit).expect("a digit");
    payload[last] = if payload[last] == b'9' { b'8' } else { payload[last] + 1 };
    let changed = Envelope::new(honest.payload_type(), payload).to_bytes();
    let changed: Value = serde_json::from_slice(&changed).expect("JSON");
    wire["payload"] = changed["payload"].clone();
    serde_json::to_vec(&wire).expect("JSON")
}

/// Writes an honest publication of a policy body into a folder, as `policy publish` would: root 1, the policy signed by
/// two keys so that it may loosen, and a head over it. What an earlier call wrote stays.
pub fn publish(
    folder: &std::path::Path,
    sequence: u64,
    issued: Timestamp,
    body: &Value,
    revocations: Option<&Value>,
) {
    publish_as(folder, sequence, issued, body, revocations, &|_| {});
}

/// The same with another head.
///
/// # Panics
/// As [`publish`].
pub fn publish_as(
    folder: &std::path::Path,
    sequence: u64,
    issued: Timestamp,
    body: &Value,
    revocations: Option<&Value>,
    change: &dyn Fn(&mut Head),
) {
    std::fs::create_dir_all(folder).expect("a folder");
    let body = serde_json::to_vec(body).expect("JSON");
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).expect("a document");
    put("root.1.json", &signed(&root(1, at(0)), &ROOT[..2]));
    put(&format!("policy.{sequence}.json"), &signed(&statement(sequence, issued, &body), &POLICY[..2]));
    put(&format!("policy.{sequence}.body"), &body);
    let mut head = head(sequence, issued, current(sequence, &body));
    if let Some(revocations) = revocations {
        let list = serde_json::to_vec(revocations).expect("JSON");
        put(
            &format!("revocations.{sequence}.json"),
            &signed(&revocations_statement(sequence, issued, &list), &EMERGENCY),
        );
        put(&format!("revocations.{sequence}.body"), &list);
        head.revocations = Some(current(sequence, &list));
    }

    change(&mut head);
    put("head.json", &signed(&head, &ONLINE[..1]));
}

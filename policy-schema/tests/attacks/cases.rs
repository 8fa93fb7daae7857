//! The attacks. Each starts from an honest publication and changes what the attacker can change.

use jiff::{SignedDuration, Timestamp};
use mcpolicy_schema::envelope::Envelope;
use mcpolicy_schema::signed::{Digest, Head, Payload as _, RevocationsStatement, Root, Statement};
use mcpolicy_schema::trust::Documents;
use mcpolicy_tests::signing::{
    EMERGENCY, ONLINE, POLICY, ROOT, at, body, body_with, current, envelope, key, payload_of, public,
    publication_with_revocations, root, sign, signed, signed_with, statement, tampered,
};
use serde_json::{Value, json};

use super::{Case, Expected, root_cases};

/// When the attacks are made: an hour after the honest publication of `honest(6)`.
pub(super) const NOW: &str = "2026-11-02T13:00:00Z";
/// A key that nobody trusts.
pub(super) const STRANGER: u8 = 99;

pub(super) fn start() -> Timestamp {
    at(0)
}

pub(super) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

pub(super) fn pinned() -> Vec<u8> {
    signed(&root(1, at(0)), &ROOT[..2])
}

/// An honest publication: policy and revocations with this number; one every six hours.
pub(super) fn honest(sequence: u64) -> Documents {
    publication_with_revocations(sequence, sequence, at(i64::try_from(sequence).unwrap() * 6))
}

pub(super) fn head_of(documents: &Documents) -> Head {
    payload_of(documents.head.as_deref().unwrap())
}

pub(super) fn statement_of(documents: &Documents) -> Statement {
    payload_of(documents.statement.as_deref().unwrap())
}

pub(super) fn revocations_of(documents: &Documents) -> RevocationsStatement {
    payload_of(documents.revocations_statement.as_deref().unwrap())
}

/// The next honest publication, number 6, changed.
pub(super) fn changed(change: impl FnOnce(&mut Documents)) -> Documents {
    let mut documents = honest(6);
    change(&mut documents);
    documents
}

/// The same with another head, signed by an online key.
pub(super) fn with_head(documents: Documents, change: impl FnOnce(&mut Head)) -> Documents {
    let mut head = head_of(&documents);
    change(&mut head);
    Documents { head: Some(signed(&head, &ONLINE[..1])), ..documents }
}

/// The same with another policy body, signed by policy keys and named by the head.
pub(super) fn with_body(documents: Documents, body: Vec<u8>, seeds: &[u8]) -> Documents {
    let mut statement = statement_of(&documents);
    statement.body = Digest::of(&body);
    let named = current(statement.sequence, &body);
    let documents = Documents { statement: Some(signed(&statement, seeds)), body: Some(body), ..documents };
    with_head(documents, |head| head.policy = named)
}

/// The next root, changed.
pub(super) fn next_root(change: impl FnOnce(&mut Root)) -> Root {
    let mut next = root(2, at(30));
    change(&mut next);
    next
}

/// Publication 6 with a root 2.
pub(super) fn with_root(bytes: Vec<u8>) -> Documents {
    changed(|documents| drop(documents.roots.insert(2, bytes)))
}

pub(super) struct Attack {
    pub(super) name: &'static str,
    pub(super) attack: &'static str,
    pub(super) offered: Documents,
    pub(super) refusals: &'static [(&'static str, &'static str)],
}

/// Policy 5 and revocations 5 were in force, and both stay so.
pub(super) fn nothing_changes(attack: Attack) -> Case {
    let Attack { name, attack, offered, refusals } = attack;
    let refusals = refusals.iter().map(|(document, rule)| ((*document).to_owned(), (*rule).to_owned()));
    Case {
        name,
        pinned: pinned(),
        before: vec![honest(5)],
        offered,
        expected: Expected {
            attack: attack.to_owned(),
            now: now(),
            min_policy: 0,
            refusals: refusals.collect(),
            policy: Some(5),
            revocations: Some(5),
            staleness: Some("fresh".to_owned()),
        },
    }
}

/// The same, but the revocations of publication 6 are taken up.
pub(super) fn only_revocations(attack: Attack) -> Case {
    let case = nothing_changes(attack);
    Case { expected: Expected { revocations: Some(6), ..case.expected }, ..case }
}

pub(super) fn all() -> Vec<Case> {
    [
        forged(),
        replayed(),
        withheld(),
        mixed(),
        oversized(),
        misused(),
        root_cases::roots(),
        root_cases::recovered(),
        malformed(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// By somebody who has no key.
fn forged() -> Vec<Case> {
    let attack =
        |name, attack, offered, refusals| only_revocations(Attack { name, attack, offered, refusals });
    vec![
        attack(
            "arbitrary-installation",
            "a stranger signs a policy of his own, beside an honest head that names it by accident of a stolen folder",
            changed(|d| d.statement = Some(signed(&statement_of(d), &[STRANGER]))),
            &[("policy statement", "threshold")],
        ),
        attack(
            "unsigned-policy",
            "the signatures are left out",
            changed(|d| d.statement = Some(signed(&statement_of(d), &[]))),
            &[("policy statement", "threshold")],
        ),
        attack(
            "tampered-statement",
            "a digit of the payload is changed under good signatures",
            changed(|d| d.statement = Some(tampered(d.statement.as_deref().unwrap()))),
            &[("policy statement", "threshold")],
        ),
        attack(
            "tampered-body",
            "a byte of the body is changed, its length kept",
            changed(|d| d.body.as_mut().unwrap()[20] ^= 1),
            &[("policy body", "body-digest")],
        ),
        attack(
            "malleable-signature",
            "the order of the group is added to S, which a lenient verifier would accept as another signature",
            changed(|d| d.statement = Some(malleated(d.statement.as_deref().unwrap()))),
            &[("policy statement", "threshold")],
        ),
        nothing_changes(Attack {
            name: "tampered-head",
            attack: "a digit of the head is changed under a good signature",
            offered: changed(|d| d.head = Some(tampered(d.head.as_deref().unwrap()))),
            refusals: &[("head", "threshold")],
        }),
    ]
}

/// By somebody who has the fleet's own old files.
fn replayed() -> Vec<Case> {
    let old_policy_new_head = with_head(honest(4), |head| {
        head.sequence = 6;
        head.issued = at(36);
        head.expires = at(36 + 72);
        head.revocations = head_of(&honest(5)).revocations;
    });
    let old_policy_new_head = Documents {
        revocations_statement: honest(5).revocations_statement,
        revocations_body: honest(5).revocations_body,
        ..old_policy_new_head
    };
    let attack =
        |name, attack, offered, refusals| nothing_changes(Attack { name, attack, offered, refusals });
    let below = attack(
        "rollback-below-the-floor-of-mdm",
        "a machine that was set up anew is given an old publication; MDM demands policy 6",
        honest(5),
        &[("policy statement", "below-floor")],
    );
    vec![
        attack(
            "rollback",
            "a stolen online key names policy 4 as current",
            old_policy_new_head,
            &[("head", "rollback"), ("policy statement", "rollback")],
        ),
        attack(
            "rollback-of-everything",
            "the whole folder of last week is served again",
            honest(4),
            &[("head", "rollback"), ("policy statement", "rollback"), ("revocations statement", "rollback")],
        ),
        Case {
            before: vec![],
            expected: Expected { min_policy: 6, policy: None, staleness: None, ..below.expected.clone() },
            ..below
        },
        attack(
            "same-sequence-other-content",
            "a stolen policy key signs other content under the number in force, and a stolen online key names it",
            with_head(with_body(honest(5), body("evil"), &POLICY[..1]), |head| {
                head.sequence = 6;
                head.revocations = head_of(&honest(5)).revocations;
            }),
            &[("policy statement", "same-sequence-other-content")],
        ),
        attack(
            "same-head-sequence-other-content",
            "a stolen online key signs a second head under the number of the first",
            with_head(honest(5), |head| head.poll_interval_s = Some(604_800)),
            &[("head", "same-sequence-other-content")],
        ),
    ]
}

/// By somebody who stands between the machine and the folder.
fn withheld() -> Vec<Case> {
    let frozen = |name, attack, hours: i64, staleness: &str, refusals| {
        let case = nothing_changes(Attack { name, attack, offered: honest(5), refusals });
        let expected = Expected {
            now: at(30) + SignedDuration::from_hours(hours),
            staleness: Some(staleness.to_owned()),
            ..case.expected
        };
        Case { expected, ..case }
    };
    let attack =
        |name, attack, offered, refusals| nothing_changes(Attack { name, attack, offered, refusals });
    vec![
        frozen("freeze", "the same folder is served for four days", 96, "stale", &[("head", "expired")]),
        frozen(
            "indefinite-freeze",
            "the same folder is served for a month: nothing new is allowed any more, and nothing falls open",
            24 * 31,
            "expired",
            &[("head", "expired"), ("revocations statement", "expired")],
        ),
        frozen(
            "freeze-beyond-the-end-of-the-policy",
            "the same folder is served for half a year",
            24 * 181,
            "expired",
            &[("head", "expired"), ("policy statement", "expired"), ("revocations statement", "expired")],
        ),
        attack(
            "head-for-ever",
            "a stolen online key signs a head for seventy years, so that the folder of today is believed for as long",
            with_head(honest(5), |head| {
                head.sequence = 6;
                head.expires = "2099-01-01T00:00:00Z".parse().unwrap();
            }),
            &[("head", "head-lifetime")],
        ),
        only_revocations(Attack {
            name: "withheld-body",
            attack: "heads come through, the new policy's body does not",
            offered: changed(|d| d.body = None),
            refusals: &[("policy body", "body-missing")],
        }),
        only_revocations(Attack {
            name: "withheld-statement",
            attack: "heads come through, the new policy does not",
            offered: changed(|d| (d.statement, d.body) = (None, None)),
            refusals: &[("policy statement", "missing")],
        }),
        {
            let case = attack(
                "withheld-revocations",
                "everything comes through but the list that takes a server back",
                changed(|d| (d.revocations_statement, d.revocations_body) = (None, None)),
                &[("revocations statement", "missing")],
            );
            Case { expected: Expected { policy: Some(6), ..case.expected }, ..case }
        },
        {
            let offered = changed(|d| d.head = None);
            let case = attack(
                "no-head",
                "a machine that was set up anew is given a policy without a head",
                offered,
                &[("policy statement", "no-head"), ("revocations statement", "no-head")],
            );
            let expected = Expected { policy: None, revocations: None, staleness: None, ..case.expected };
            Case { before: vec![], expected, ..case }
        },
    ]
}

/// Files of different publications.
fn mixed() -> Vec<Case> {
    let attack =
        |name, attack, offered, refusals| only_revocations(Attack { name, attack, offered, refusals });
    let seven = honest(7);
    vec![
        attack(
            "mix-and-match",
            "the head of one publication with the policy of another",
            changed(|d| (d.statement, d.body) = (seven.statement, seven.body)),
            &[("policy statement", "mix-and-match")],
        ),
        attack(
            "mix-and-match-number",
            "the same body under another number, so that a later policy looks like a rollback",
            changed(|d| {
                let mut statement = statement_of(d);
                statement.sequence = 900;
                d.statement = Some(signed(&statement, &POLICY[..1]));
            }),
            &[("policy statement", "mix-and-match")],
        ),
        attack(
            "mix-and-match-body",
            "two statements of one number are signed; the head names the other body",
            changed(|d| {
                let body = body("other");
                let mut statement = statement_of(d);
                statement.body = Digest::of(&body);
                d.statement = Some(signed(&statement, &POLICY[..1]));
                d.body = Some(body);
            }),
            &[("policy statement", "mix-and-match")],
        ),
        nothing_changes(Attack {
            name: "wrong-software",
            attack: "the publication of another channel, signed by the same keys",
            offered: with_head(honest(6), |head| head.channel = "pilot".to_owned()),
            refusals: &[("head", "wrong-channel")],
        }),
    ]
}

/// More than is read.
fn oversized() -> Vec<Case> {
    let attack =
        |name, attack, offered, refusals| only_revocations(Attack { name, attack, offered, refusals });
    vec![
        nothing_changes(Attack {
            name: "endless-data",
            attack: "a head that does not end",
            offered: changed(|d| d.head.as_mut().unwrap().extend(vec![b' '; 64 * 1024])),
            refusals: &[("head", "envelope-too-large")],
        }),
        attack(
            "endless-data-in-the-body",
            "more bytes than the statement says",
            changed(|d| d.body.as_mut().unwrap().push(b' ')),
            &[("policy body", "body-length")],
        ),
        attack(
            "endless-signatures",
            "a thousandfold work for the verifier",
            changed(|d| {
                let mut wire: Value = serde_json::from_slice(d.statement.as_deref().unwrap()).unwrap();
                let signature = wire["signatures"][0].clone();
                wire["signatures"].as_array_mut().unwrap().extend(vec![signature; 32]);
                d.statement = Some(serde_json::to_vec(&wire).unwrap());
            }),
            &[("policy statement", "too-many-signatures")],
        ),
        attack(
            "oversized-payload",
            "a payload that no KMS signs, so that it cannot have come from one",
            changed(|d| {
                let long = |value: &mut Value| value["ticket"] = json!("x".repeat(3600));
                d.statement = Some(signed_with(&statement_of(d), long, &POLICY[..1]));
            }),
            &[("policy statement", "payload-too-large")],
        ),
        attack(
            "oversized-body-stated",
            "a statement that makes every machine fetch gigabytes",
            changed(|d| {
                let huge = |value: &mut Value| value["body"]["len"] = json!(1u64 << 40);
                d.statement = Some(signed_with(&statement_of(d), huge, &POLICY[..1]));
            }),
            &[("policy statement", "payload-value")],
        ),
    ]
}

/// By somebody who has some key.
fn misused() -> Vec<Case> {
    let attack =
        |name, attack, offered, refusals| only_revocations(Attack { name, attack, offered, refusals });
    let policy_by = |seeds: &'static [u8]| changed(|d| d.statement = Some(signed(&statement_of(d), seeds)));
    let revocations_by =
        |seeds: &'static [u8]| changed(|d| d.revocations_statement = Some(signed(&revocations_of(d), seeds)));
    let loosened = |seeds: &'static [u8]| {
        with_body(honest(6), body_with("package-6", |b| b["policy"]["mode"] = json!("observe")), seeds)
    };
    let mut two_ids = sign(Envelope::new(Statement::PAYLOAD_TYPE, with_loose_payload()), &POLICY[..1]);
    let first: [u8; 64] = two_ids.signatures()[0].signature.clone().try_into().unwrap();
    two_ids = two_ids.sign_with(&public(POLICY[1]).key_id(), first);
    let only_policy = |case: Case| Case {
        expected: Expected { policy: Some(6), revocations: Some(5), ..case.expected },
        ..case
    };
    vec![
        attack(
            "key-compromise-below-threshold",
            "one stolen policy key signs a policy that switches enforcement off, and says that it does not",
            loosened(&[POLICY[0]]),
            &[("policy statement", "loosening-threshold")],
        ),
        attack(
            "threshold-by-one-key-signing-twice",
            "one stolen policy key signs the loosening policy twice",
            loosened(&[POLICY[0], POLICY[0]]),
            &[("policy statement", "loosening-threshold")],
        ),
        attack(
            "same-key-with-two-keyids",
            "the signature of one policy key stands twice, the second time under the id of another",
            Documents { statement: Some(two_ids.to_bytes()), ..loosened(&[POLICY[0]]) },
            &[("policy statement", "loosening-threshold")],
        ),
        attack(
            "loosening-by-a-key-of-another-role",
            "a stolen policy key and the emergency key sign the loosening policy",
            loosened(&[POLICY[0], EMERGENCY[0]]),
            &[("policy statement", "loosening-threshold")],
        ),
        attack(
            "policy-by-the-emergency-key",
            "the emergency key may only deny",
            policy_by(&EMERGENCY),
            &[("policy statement", "threshold")],
        ),
        attack(
            "policy-by-the-online-key",
            "the online key stands on a server",
            policy_by(&ONLINE),
            &[("policy statement", "threshold")],
        ),
        only_policy(attack(
            "revocations-by-a-policy-key",
            "a stolen policy key takes revocations back",
            revocations_by(&POLICY),
            &[("revocations statement", "threshold")],
        )),
        nothing_changes(Attack {
            name: "head-by-a-policy-key",
            attack: "a policy key names what is current",
            offered: changed(|d| d.head = Some(signed(&head_of(d), &POLICY))),
            refusals: &[("head", "threshold")],
        }),
        nothing_changes(Attack {
            name: "revocations-withdrawn",
            attack: "a stolen online key signs a head that names no revocations",
            offered: with_head(
                changed(|d| (d.revocations_statement, d.revocations_body) = (None, None)),
                |head| {
                    head.revocations = None;
                },
            ),
            refusals: &[("head", "revocations-withdrawn")],
        }),
        nothing_changes(Attack {
            name: "issued-in-the-future",
            attack: "a stolen online key pushes the fleet's clock ahead, so that all else expires",
            offered: with_head(honest(6), |head| {
                head.issued = at(24 * 365 * 70);
                head.expires = at(24 * 365 * 71);
            }),
            refusals: &[("head", "issued-in-the-future")],
        }),
        {
            let key_says_statement = envelope(
                Head::PAYLOAD_TYPE,
                Envelope::parse(honest(6).statement.as_deref().unwrap()).unwrap().payload(),
                &POLICY[..1],
            );
            attack(
                "payload-type-confusion",
                "a policy key is made to sign the bytes of a statement as something else",
                changed(|d| d.statement = Some(key_says_statement)),
                &[("policy statement", "payload-type")],
            )
        },
        {
            let retyped =
                retyped(honest(6).statement.as_deref().unwrap(), "application/json", Statement::PAYLOAD_TYPE);
            attack(
                "payload-type-rewritten",
                "what was signed as plain JSON is given the type of a statement",
                changed(|d| d.statement = Some(retyped)),
                &[("policy statement", "threshold")],
            )
        },
    ]
}

/// The payload of `policy 6` in observe mode.
fn with_loose_payload() -> Vec<u8> {
    let body = body_with("package-6", |b| b["policy"]["mode"] = json!("observe"));
    serde_json::to_vec(&statement(6, at(36), &body)).unwrap()
}

/// What two readers could read differently, or this one not at all.
fn malformed() -> Vec<Case> {
    let attack =
        |name, attack, offered, refusals| only_revocations(Attack { name, attack, offered, refusals });
    let payload = |change: fn(&str) -> String| {
        changed(|d| {
            let text = serde_json::to_string(&statement_of(d)).unwrap();
            d.statement = Some(envelope(Statement::PAYLOAD_TYPE, change(&text).as_bytes(), &POLICY[..1]));
        })
    };
    let member = |change: fn(&mut Value)| {
        changed(|d| d.statement = Some(signed_with(&statement_of(d), change, &POLICY[..1])))
    };
    let nested = String::from_utf8(body("package-6")).unwrap();
    let nested = nested.replacen("\"npm\":{", "\"npm\":{\"package\":\"evil\",", 1).into_bytes();
    let env = body_with("package-6", |b| b["rule"][0]["env"] = json!({"A": "1"}));
    let env = String::from_utf8(env).unwrap().replacen("{\"A\":\"1\"}", "{\"A\":\"1\",\"A\":\"*\"}", 1);
    let include = body_with("package-6", |b| b["include"] = json!(["https://evil.example/policy.toml"]));
    vec![
        attack(
            "duplicate-keys-in-payload",
            "a reviewer's tool shows the first, ours might take the last",
            payload(|text| text.replacen("{\"schema\"", "{\"sequence\":6,\"schema\"", 1)),
            &[("policy statement", "duplicate-member")],
        ),
        attack(
            "duplicate-unknown-keys-in-payload",
            "the same with a member that only later versions know",
            payload(|text| text.replacen('{', "{\"x\":{\"a\":1,\"\\u0061\":2},", 1)),
            &[("policy statement", "duplicate-member")],
        ),
        attack(
            "duplicate-keys-in-envelope",
            "two payloads in one envelope",
            changed(|d| {
                let text = String::from_utf8(d.statement.clone().unwrap()).unwrap();
                d.statement = Some(text.replacen('{', "{\"payload\":\"e30=\",", 1).into_bytes());
            }),
            &[("policy statement", "envelope-form")],
        ),
        attack(
            "duplicate-keys-in-body",
            "a rule that allows one package to the reviewer and another to us",
            with_body(honest(6), nested, &POLICY[..1]),
            &[("policy body", "body-invalid")],
        ),
        attack(
            "duplicate-keys-in-a-map-of-the-body",
            "a variable with two patterns, of which serde would silently take the last",
            with_body(honest(6), env.into_bytes(), &POLICY[..1]),
            &[("policy body", "body-invalid")],
        ),
        attack(
            "crit-unknown",
            "an honest newer writer: ignoring the member would enforce another policy than was signed",
            member(|value| {
                value["only_on_tuesdays"] = json!(true);
                value["crit"] = json!(["only_on_tuesdays"]);
            }),
            &[("policy statement", "crit")],
        ),
        attack(
            "extraneous-dependencies",
            "a policy that wants to bring another one with it: nothing in a body leads anywhere",
            with_body(honest(6), include, &POLICY[..1]),
            &[("policy body", "body-invalid")],
        ),
        attack(
            "other-schema",
            "a payload of a later version under the type of this one",
            member(|value| value["schema"] = json!("mcpolicy/policy-statement/v2")),
            &[("policy statement", "schema")],
        ),
        attack(
            "ends-before-it-begins",
            "a lifetime that no comparison understands",
            member(|value| value["expires"] = json!("2026-01-01T00:00:00Z")),
            &[("policy statement", "lifetime")],
        ),
        attack(
            "sequence-nought",
            "a number below every floor",
            member(|value| value["sequence"] = json!(0)),
            &[("policy statement", "sequence")],
        ),
        attack(
            "sequence-above-the-greatest",
            "a number after which nothing could follow",
            member(|value| value["sequence"] = json!(1_u64 << 53)),
            &[("policy statement", "sequence")],
        ),
        attack(
            "sequence-as-a-float",
            "numbers that readers round differently",
            payload(|text| text.replacen("\"sequence\":6", "\"sequence\":6.0", 1)),
            &[("policy statement", "payload-form")],
        ),
        {
            let mut case = attack(
                "expired-policy",
                "a policy that nobody has read for half a year",
                with_head(honest(6), |head| {
                    head.issued = at(24 * 181);
                    head.expires = at(24 * 184);
                }),
                &[("policy statement", "expired"), ("revocations statement", "expired")],
            );
            case.expected.now = at(24 * 182);
            case.expected.revocations = Some(5);
            case.expected.staleness = Some("expired".to_owned());
            case
        },
    ]
}

/// The first signature with the order of the group added to S.
fn malleated(bytes: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let honest = Envelope::parse(bytes).unwrap();
    let mut signature: [u8; 64] = honest.signatures()[0].signature.clone().try_into().unwrap();
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    let bare = Envelope::new(honest.payload_type(), honest.payload().to_vec());
    bare.sign_with(&public(POLICY[0]).key_id(), signature).to_bytes()
}

/// Signed as one type, shown as another.
fn retyped(bytes: &[u8], signed_as: &str, shown_as: &str) -> Vec<u8> {
    use ed25519_dalek::Signer as _;
    let payload = Envelope::parse(bytes).unwrap().payload().to_vec();
    let pae = mcpolicy_schema::envelope::pae(signed_as, &payload);
    let signature = key(POLICY[0]).sign(&pae).to_bytes();
    Envelope::new(shown_as, payload).sign_with("", signature).to_bytes()
}

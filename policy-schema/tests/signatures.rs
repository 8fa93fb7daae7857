//! Envelopes and signatures against the vectors of others: Wycheproof, ed25519-speccheck, RFC 8032, DSSE.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "this crate is a test")]
#![allow(clippy::disallowed_methods, reason = "the repository's own files")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer as _, SigningKey};
use mcpolicy_schema::envelope::{Envelope, EnvelopeError, KeyError, PublicKey, pae};
use mcpolicy_tests::signing::{envelope, key, public};
use mcpolicy_tests::{shared, skip};
use serde_json::Value;

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vectors").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Whether we take a signature; a key or signature of another length is taken never.
fn accepts(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (<[u8; 32]>::try_from(key), <[u8; 64]>::try_from(signature)) else {
        return false;
    };
    PublicKey::new(key).is_ok_and(|key| key.verifies(message, &signature))
}

#[test]
fn wycheproof_agrees_with_us_on_all_151_cases() {
    let table = fixture("wycheproof-ed25519.tsv");
    let (mut valid, mut invalid) = (0, 0);
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let [case, result, key, message, signature] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let expected = result == "valid";
        assert_eq!(accepts(&hex(key), &hex(message), &hex(signature)), expected, "case {case}");
        if expected { valid += 1 } else { invalid += 1 }
    }
    assert_eq!((valid, invalid), (88, 63));
}

/// The same from the file as it is published, where it is at hand: our table must not have lost a case.
#[test]
fn wycheproofs_own_file_agrees_too() {
    let folder = std::env::var_os("MCPOLICY_VECTORS").map(PathBuf::from).or_else(|| shared("vectors"));
    let Some(text) = folder.and_then(|f| std::fs::read_to_string(f.join("wycheproof_ed25519.json")).ok())
    else {
        skip("set MCPOLICY_VECTORS to a folder with wycheproof_ed25519.json");
        return;
    };
    let suite: Value = serde_json::from_str(&text).unwrap();
    let mut cases = 0;
    for group in suite["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            let part = |value: &Value| hex(value.as_str().unwrap());
            let accepted =
                accepts(&part(&group["publicKey"]["pk"]), &part(&test["msg"]), &part(&test["sig"]));
            assert_eq!(accepted, test["result"] == "valid", "case {}", test["tcId"]);
            cases += 1;
        }
    }
    assert_eq!(cases, suite["numberOfTests"]);
}

/// Small orders, unreduced scalars and encodings: cases over which verifiers differ. Number 3 mixes orders without
/// being ambiguous.
#[test]
fn of_the_twelve_cases_over_which_verifiers_differ_only_number_3_is_taken() {
    let cases: Vec<Value> = serde_json::from_str(&fixture("speccheck-ed25519.json")).unwrap();
    let part = |value: &Value| hex(value.as_str().unwrap());
    let taken =
        cases.iter().map(|c| accepts(&part(&c["pub_key"]), &part(&c["message"]), &part(&c["signature"])));
    let taken: Vec<usize> = taken.enumerate().filter(|(_, taken)| *taken).map(|(n, _)| n).collect();
    assert_eq!((cases.len(), taken), (12, vec![3]));
}

/// Tests 1, 2, 3 and SHA(abc) of section 7.1; the long test 1024 is among Wycheproof's.
const RFC_8032: [[&str; 4]; 4] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
    [
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ],
];

#[test]
fn the_vectors_of_rfc_8032_are_signed_and_verified() {
    for [secret, public, message, signature] in RFC_8032 {
        let key = SigningKey::from_bytes(&hex(secret).try_into().unwrap());
        assert_eq!(key.verifying_key().to_bytes().to_vec(), hex(public));
        assert_eq!(key.sign(&hex(message)).to_bytes().to_vec(), hex(signature));
        assert!(accepts(&hex(public), &hex(message), &hex(signature)));
        assert!(!accepts(&hex(public), &[&hex(message)[..], b"x"].concat(), &hex(signature)));
    }
}

#[test]
fn the_pre_authentication_encoding_is_that_of_dsse() {
    let encoded = pae("http://example.com/HelloWorld", b"hello world");
    assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
    // lengths are of bytes, so that no two pairs have one encoding
    assert_eq!(pae("ä", "ö ".as_bytes()), "DSSEv1 2 ä 3 ö ".as_bytes());
    assert_ne!(pae("a 1 b", b""), pae("a", b"b 0 "));
}

const TYPE: &str = "application/vnd.example+json";

fn keys(seeds: &[u8]) -> BTreeSet<PublicKey> {
    seeds.iter().map(|seed| public(*seed)).collect()
}

fn valid(bytes: &[u8], trusted: &[u8], threshold: u32) -> Result<usize, EnvelopeError> {
    Envelope::parse(bytes)?.verify(TYPE, &keys(trusted), threshold).map(|signers| signers.len())
}

#[test]
fn unknown_members_are_ignored_and_a_missing_key_id_is_none() {
    let mut wire: Value = serde_json::from_slice(&envelope(TYPE, b"{}", &[1])).unwrap();
    wire["comment"] = "x".into();
    wire["signatures"][0].as_object_mut().unwrap().remove("keyid");
    wire["signatures"][0]["cert"] = "y".into();
    assert_eq!(valid(&serde_json::to_vec(&wire).unwrap(), &[1], 1), Ok(1));
    wire["signatures"][0]["keyid"] = Value::Null;
    assert_eq!(valid(&serde_json::to_vec(&wire).unwrap(), &[1], 1), Ok(1));
}

#[test]
fn a_key_id_is_a_hint_and_neither_helps_nor_hinders() {
    let mut wire: Value = serde_json::from_slice(&envelope(TYPE, b"{}", &[1, 9])).unwrap();
    // each signature under the id of another key
    let ids = [public(2).key_id(), public(1).key_id()];
    for (n, id) in ids.iter().enumerate() {
        wire["signatures"][n]["keyid"] = id.as_str().into();
    }
    let bytes = serde_json::to_vec(&wire).unwrap();
    assert_eq!(valid(&bytes, &[1, 2], 1), Ok(1));
    assert!(matches!(valid(&bytes, &[1, 2], 2), Err(EnvelopeError::Threshold { valid: 1, needed: 2, .. })));
}

#[test]
fn signatures_of_other_keys_and_algorithms_are_left_alone() {
    let mut wire: Value = serde_json::from_slice(&envelope(TYPE, b"{}", &[9, 1, 2])).unwrap();
    // as an ECDSA signer would add
    let other = serde_json::json!({"keyid": "ecdsa", "sig": "MEUCIQDx"});
    wire["signatures"].as_array_mut().unwrap().insert(0, other);
    assert_eq!(valid(&serde_json::to_vec(&wire).unwrap(), &[1, 2, 3], 2), Ok(2));
}

#[test]
fn url_safe_base64_is_read_as_well() {
    let payload = b"{\"a\":\"\xc3\xbf\xc3\xbf~~??>>\"}";
    let text = String::from_utf8(envelope(TYPE, payload, &[1, 2])).unwrap();
    let url_safe: String = text.replace('+', "-").replace("application/", "application\u{0}");
    let url_safe = url_safe.replace('/', "_").replace('\u{0}', "/").replace('=', "");
    let url_safe = url_safe.replace("example-json", "example+json");
    assert_ne!(text, url_safe);
    assert_eq!(valid(url_safe.as_bytes(), &[1, 2], 2), Ok(2));
}

#[test]
fn an_envelope_comes_back_as_it_was_written() {
    let bytes = envelope(TYPE, b"{\"a\":1}", &[1, 2]);
    let parsed = Envelope::parse(&bytes).unwrap();
    assert_eq!(parsed.to_bytes(), bytes);
    assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert_eq!((parsed.payload_type(), parsed.payload()), (TYPE, &b"{\"a\":1}"[..]));
    // the same signature is not added twice
    let again = key(1).sign(&parsed.pae()).to_bytes();
    assert_eq!(parsed.clone().sign_with(&public(1).key_id(), again), parsed);
}

#[test]
fn what_is_no_envelope_is_refused_with_its_reason() {
    let cases: [(&[u8], &str); 8] = [
        (b"", "is not JSON"),
        (b"[]", "another form"),
        (b"{\"payload\":\"\",\"payloadType\":\"t\"}", "another form"),
        (b"{\"payload\":\"!\",\"payloadType\":\"t\",\"signatures\":[]}", "payload is not base64"),
        (b"{\"payload\":\"\",\"payloadType\":\"\",\"signatures\":[]}", "empty payload type"),
        (
            b"{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[{\"sig\":\"*\"}]}",
            "signature is not base64",
        ),
        (b"{\"payload\":\"\",\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[]}", "payload twice"),
        (b"{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[]} x", "is not JSON"),
    ];
    for (bytes, words) in cases {
        let error = Envelope::parse(bytes).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let unsigned = b"{\"payload\":\"\",\"payloadType\":\"application/vnd.example+json\",\"signatures\":[]}";
    assert!(matches!(valid(unsigned, &[1], 1), Err(EnvelopeError::Threshold { signatures: 0, .. })));
    assert_eq!(valid(unsigned, &[1], 0), Err(EnvelopeError::NoThreshold));
    let too_large = vec![b' '; 64 * 1024 + 1];
    assert_eq!(Envelope::parse(&too_large), Err(EnvelopeError::TooLarge { bytes: 64 * 1024 + 1 }));
}

#[test]
fn public_keys_that_prove_nothing_are_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    assert_eq!(PublicKey::new(identity), Err(KeyError::Weak));
    assert_eq!(PublicKey::new([0; 32]), Err(KeyError::Weak));
    assert_eq!(PublicKey::new([2; 32]), Err(KeyError::NotAPoint));
    assert_eq!(PublicKey::from_base64("AAAA"), Err(KeyError::Length(3)));
    assert_eq!(PublicKey::from_base64("é"), Err(KeyError::Base64));
    let honest = public(1);
    assert_eq!(PublicKey::from_base64(&honest.to_base64()), Ok(honest));
    assert_eq!(honest.key_id().len(), 16);
    assert_eq!(honest.as_bytes(), &key(1).verifying_key().to_bytes());
    assert_eq!(honest.to_string(), honest.to_base64());
}

#[test]
fn an_envelope_may_be_as_large_and_have_as_many_signatures_as_the_limits_say() {
    let mut bytes = envelope(TYPE, b"{}", &[1]);
    bytes.resize(64 * 1024, b' ');
    assert_eq!(valid(&bytes, &[1], 1), Ok(1));
    let signed_by = |count: u8| envelope(TYPE, b"{}", &(1..=count).collect::<Vec<u8>>());
    assert_eq!(valid(&signed_by(32), &[1], 1), Ok(1));
    assert_eq!(valid(&signed_by(33), &[1], 1), Err(EnvelopeError::TooManySignatures(33)));
}

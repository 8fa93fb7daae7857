//! Members that no adapter knows.

use super::*;

#[test]
fn unknown_members_are_told_and_denied_only_if_the_policy_says_so() {
    let mut entry = ab();
    entry.members.push(named("somethingNew", "x"));
    let identity = identity::identify(&entry);
    let subject = Subject { entry: &entry, identity: &identity, fingerprint: "" };
    let codes: Vec<&str> = notices(&subject, &now()).iter().map(|n| n.code.as_str()).collect();
    assert_eq!(codes, ["unknown-member"]);
    let rules = json!({ "rule": [{ "id": "ab", "identity": { "npm": { "package": "@a/b" } } }] });
    assert_eq!(code(&policy(rules.clone()), &entry), "allow");
    assert_eq!(code(&policy_with(json!({ "unknown_members": "deny" }), rules), &entry), "member-not-allowed");
}

#[test]
fn an_unknown_member_whose_name_speaks_of_code_or_credentials_is_denied() {
    let rules = json!({ "rule": [{ "id": "ab", "identity": { "npm": { "package": "@a/b" } } }] });
    let with = |name: &str| {
        let mut entry = ab();
        entry.members.push(named(name, "{\"args\":[\"-y\",\"evil\"]}"));
        entry
    };
    for name in [
        "oauthCommand",
        "oauth_command",
        "apiKey",
        "loginCommand",
        "pre-exec",
        "startupScript",
        "credentialHelper",
        "extraEnv",
        "AUTH_HELPER",
        "httpHeaders",
    ] {
        assert_eq!(code(&policy(rules.clone()), &with(name)), "member-not-allowed", "{name}");
    }
    for name in [
        "capabilities",
        "requiredEnv",
        "markets",
        "endpoints",
        "description2",
        "author",
        "running",
        "environment",
    ] {
        assert_eq!(code(&policy(rules.clone()), &with(name)), "allow", "{name}");
    }
    let named = json!({ "rule": [{
        "id": "ab", "identity": { "npm": { "package": "@a/b" } }, "members": ["loginCommand"],
    }] });
    assert_eq!(code(&policy(named), &with("loginCommand")), "allow");
}

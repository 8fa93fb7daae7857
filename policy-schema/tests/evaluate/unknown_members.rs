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

#[test]
fn a_judged_member_is_judged_in_any_case_of_its_letters() {
    let plain = rule(json!({}));
    let with = |name: &str| {
        let mut entry = ab();
        entry.members.push(named(name, "x"));
        code(&plain, &entry)
    };
    // None of these words tells by itself.
    for name in ["proxy", "Proxy", "INSECURE", "Docker", "\u{212a}ey", "noSandbox", "NOSANDBOX", "Sandbox"] {
        assert_eq!(with(name), "member-not-allowed", "{name}");
    }
    for name in ["Title", "prox", "dockers"] {
        assert_eq!(with(name), "allow", "{name}");
    }
}

#[test]
fn a_name_is_another_case_of_a_judged_one_only_if_it_is_not_known_itself() {
    use mcpolicy_schema::evaluate::is_judged_but_for_case;
    for name in ["Proxy", "ENVFILE", "Sandbox", "Bearer_Token_Env_Var"] {
        assert!(is_judged_but_for_case(name), "{name}");
    }
    for name in ["proxy", "envFile", "sandbox", "bearer_token_env_var", "title", "Title", "prox"] {
        assert!(!is_judged_but_for_case(name), "{name}");
    }
}

#[test]
fn a_source_is_judged_by_its_word() {
    let rules = json!({ "rule": [{ "id": "ab", "identity": { "npm": { "package": "@a/b" } } }] });
    let strict = policy_with(json!({ "unknown_members": "deny" }), rules.clone());
    let lax = policy(rules);
    let with = |name: &str, value: &str| {
        let mut entry = ab();
        entry.members.push(named(name, value));
        (code(&lax, &entry), code(&strict, &entry))
    };
    let refused = "member-not-allowed";
    assert_eq!(with("source", "extension"), (refused, refused), "an extension says what is run");
    assert_eq!(with("source", "custom"), ("allow", "allow"));
    assert_eq!(with("source", "elsewhere"), ("allow", refused));
    assert_eq!(with("kind", "extension"), ("allow", refused));
    let told = |value: &str| {
        let mut entry = ab();
        entry.members.push(named("source", value));
        let identity = identity::identify(&entry);
        notices(&Subject { entry: &entry, identity: &identity, fingerprint: "" }, &now()).len()
    };
    assert_eq!((told("custom"), told("elsewhere")), (0, 1), "what is not known is told");
}

//! Environment, headers, members, and for whom a rule is.

use super::*;

#[test]
fn a_header_has_one_line() {
    let policy = rule(json!({ "headers": { "X-A": "*" } }));
    let with = |value: &str| code(&policy, &Entry { headers: vec![named("x-a", value)], ..ab() });
    assert_eq!(with("one line"), "allow");
    for value in ["a\r\nX-B: c", "a\nb", "a\rb", "a\0b"] {
        assert_eq!(with(value), "header-not-allowed", "{value:?}");
    }
    let fixed = rule(json!({ "headers": { "X-A": "b" } }));
    assert_eq!(code(&fixed, &Entry { headers: vec![named("X-A", "c")], ..ab() }), "header-not-allowed");
}

#[test]
fn a_name_is_shown_only_if_it_can_be_no_value() {
    let policy = rule(json!({}));
    let shown = |name: &str| {
        let entry = Entry { env: vec![named(name, "x")], ..ab() };
        judge(&policy, &entry, &now()).reason.unwrap().detail
    };
    let long = "A".repeat(64);
    for name in ["A", "GITHUB_TOKEN", "x-y.z", long.as_str()] {
        assert_eq!(shown(name), format!("the rule names no variable `{name}`"));
    }
    let secret = ["ghp", "_0123456789abcdefghijABCDEFGHIJ012345"].concat();
    for name in ["", "a b", "a=b", "ä", &"A".repeat(65), &secret] {
        assert_eq!(shown(name), "the rule names no variable of that name", "{name}");
    }
}

#[test]
fn names_of_variables_and_references_differ_by_case_but_on_windows() {
    let policy = rule(json!({ "env": { "Token": "*", "B": "*" }, "references": ["Listed"] }));
    let check = |system, name: &str, value: &str| {
        code_in(&policy, &Entry { env: vec![named(name, value)], ..ab() }, &Context { system, ..now() })
    };
    assert_eq!(check(System::Linux, "Token", "x"), "allow");
    assert_eq!(check(System::Linux, "TOKEN", "x"), "environment-not-allowed");
    assert_eq!(check(System::Windows, "TOKEN", "x"), "allow");
    assert_eq!(check(System::Windows, "OTHER", "x"), "environment-not-allowed");
    assert_eq!(check(System::Linux, "B", "${Listed}"), "allow");
    assert_eq!(check(System::Linux, "B", "${LISTED}"), "reference-not-allowed");
    assert_eq!(check(System::Windows, "B", "${LISTED}"), "allow");
    assert_eq!(check(System::Windows, "B", "${OTHER}"), "reference-not-allowed");
}

#[test]
fn a_reference_to_a_file_counts_if_the_rule_names_it() {
    let policy = rule(json!({ "env": { "A": "*" }, "references": ["file:~/.token"] }));
    let with = |value: &str| code(&policy, &Entry { env: vec![named("A", value)], ..ab() });
    assert_eq!(with("{file:~/.other}"), "reference-not-allowed");
    assert_eq!(with("{file:~/.token}"), "allow");
}

#[test]
fn each_member_is_harmless_judged_or_unknown() {
    let open = rule(json!({}));
    let strict = policy_with(
        json!({ "unknown_members": "deny" }),
        json!({ "rule": [{ "id": "ab", "identity": { "npm": { "package": "@a/b" } } }] }),
    );
    let check = |name: &str, value: &str| {
        let entry = Entry { members: vec![named(name, value)], ..ab() };
        let identity = identity::identify(&entry);
        let subject = Subject { entry: &entry, identity: &identity, fingerprint: "" };
        (code(&open, &entry), code(&strict, &entry), notices(&subject, &now()).len())
    };
    let allow = ("allow", "allow", 0);
    let judged = ("member-not-allowed", "member-not-allowed", 0);
    assert_eq!(check("description_of_later", "x"), ("allow", "member-not-allowed", 1));
    for name in ["timeout_ms", "autoApprove", "title"] {
        assert_eq!(check(name, "x"), allow, "{name}");
    }
    for name in ["envFile", "headersHelper", "dev", "disableSandbox"] {
        assert_eq!(check(name, "x"), judged, "{name}");
    }
    for (value, expected) in [
        ("true", allow),
        (" on ", allow),
        ("read-only", allow),
        ("workspace-write", allow),
        ("false", judged),
    ] {
        for name in ["sandbox", "sandboxEnabled", "sandbox_enabled", "sandbox_mode"] {
            assert_eq!(check(name, value), expected, "{name} {value}");
        }
    }
    let bearer = ("reference-not-allowed", "reference-not-allowed", 0);
    assert_eq!(check("bearer_token_env_var", "TOKEN"), bearer);
}

#[test]
fn one_finding_tells_of_all_unknown_members() {
    let entry = Entry { members: vec![named("one", ""), named("two", ""), named("timeout_ms", "")], ..ab() };
    let identity = identity::identify(&entry);
    let subject = Subject { entry: &entry, identity: &identity, fingerprint: "" };
    let notices = notices(&subject, &now());
    assert_eq!(notices.iter().map(|n| n.code.as_str()).collect::<Vec<_>>(), ["unknown-member"]);
    assert!(!notices[0].detail.is_empty());
}

#[test]
fn a_token_variable_is_named_by_the_rule_and_sent_in_an_admitted_header() {
    let with = |members: Value| {
        code(&rule(members), &Entry { members: vec![named("bearer_token_env_var", "TOKEN")], ..ab() })
    };
    let header = json!({ "Authorization": "*" });
    assert_eq!(with(json!({ "headers": header, "references": ["TOKEN"] })), "allow");
    assert_eq!(with(json!({ "headers": header, "references": ["OTHER"] })), "reference-not-allowed");
    assert_eq!(with(json!({ "references": ["TOKEN"] })), "reference-not-allowed");
    assert_eq!(with(json!({ "members": ["bearer_token_env_var"] })), "allow");
}

#[test]
fn each_list_of_people_and_machines_counts_alone_and_an_empty_name_is_nobody() {
    let groups = ["staff".to_owned()];
    let rings = json!([{ "name": "early", "percent": 10 }]);
    let check = |members: Value, device: Device<'_>| {
        let mut rule = json!({ "id": "ab", "identity": { "npm": { "package": "@a/b" } } });
        rule.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        code_in(&policy(json!({ "rule": [rule], "ring": rings })), &ab(), &Context { device, ..now() })
    };
    let device = || Device { id: "d1", user: "jane", groups: &groups, ring: Some("early") };
    for members in [
        json!({ "users": ["jane"] }),
        json!({ "groups": ["staff"] }),
        json!({ "devices": ["d1"] }),
        json!({ "rings": ["early"] }),
    ] {
        assert_eq!(check(members.clone(), device()), "allow", "{members}");
        assert_eq!(check(members.clone(), Device::default()), "outside-rule", "{members}");
    }
    assert_eq!(check(json!({ "groups": ["other"] }), device()), "outside-rule");
    assert_eq!(check(json!({ "transports": ["stdio", "http"] }), device()), "allow");
    assert_eq!(
        check(json!({ "users": ["eve"], "devices": ["d1"] }), device()),
        "allow",
        "one of them is enough"
    );
}

#[test]
fn a_stored_secret_of_another_name_is_another_services() {
    let policy = rule(
        json!({ "env": { "TOKEN": "*" }, "headers": { "Authorization": "*" }, "references": ["LISTED"] }),
    );
    let env = |value: &str| code(&policy, &Entry { env: vec![named("TOKEN", value)], ..ab() });
    assert_eq!(env("${{ secrets.TOKEN }}"), "allow");
    assert_eq!(env("${{ secrets.LISTED }}"), "allow");
    assert_eq!(env("${{ inputs.anything }}"), "allow", "that is asked for, or written in the file");
    assert_eq!(env("${{ secrets.OTHER }}"), "reference-not-allowed");
    assert_eq!(env("${{secrets.OTHER}}"), "reference-not-allowed");
    let header = |value: &str| code(&policy, &Entry { headers: vec![named("Authorization", value)], ..ab() });
    assert_eq!(header("Bearer ${{ secrets.OTHER }}"), "reference-not-allowed");
}

#[test]
fn small_names_behind_a_dollar_are_references_to_goose() {
    let policy = rule(
        json!({ "env": { "TOKEN": "*" }, "headers": { "Authorization": "*" }, "references": ["listed"] }),
    );
    let by = |client, value: &str| {
        let headers = vec![named("Authorization", value)];
        code(&policy, &Entry { client, readers: vec![], headers, ..ab() })
    };
    for value in ["Bearer $othersecret", "Bearer ${othersecret}", "Bearer ${ othersecret }"] {
        assert_eq!(by("goose", value), "reference-not-allowed", "{value}");
    }
    assert_eq!(by("goose", "Bearer $listed"), "allow");
    assert_eq!(by("cursor", "pa$sword"), "allow", "a password of a client that puts nothing in");
}

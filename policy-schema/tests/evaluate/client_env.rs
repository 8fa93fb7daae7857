//! What a project's settings of a client set for every server that it starts.

use super::*;

const WITH_OPTIONS: &str = "--require ./evil.js";

fn given() -> ClientVariable {
    let file = "/home/jane/p/.claude/settings.json".to_owned();
    ClientVariable { variable: named("NODE_OPTIONS", WITH_OPTIONS), file }
}

#[test]
fn a_variable_of_the_projects_settings_is_judged_as_the_entrys_own() {
    let variables = [given()];
    let context = Context { client_env: &variables, ..now() };
    assert_eq!(code(&rule(json!({})), &ab()), "allow");
    assert_eq!(code_in(&rule(json!({})), &ab(), &context), "environment-not-allowed");
    let judged = judge(&rule(json!({})), &ab(), &context);
    assert!(
        judged.reason.unwrap().detail.contains("/home/jane/p/.claude/settings.json"),
        "nobody would find it"
    );
    let named = rule(json!({ "env": { "NODE_OPTIONS": "--max-old-space-size=*" } }));
    assert_eq!(code_in(&named, &ab(), &context), "environment-not-allowed");
    let named = rule(json!({ "env": { "NODE_OPTIONS": WITH_OPTIONS } }));
    assert_eq!(code_in(&named, &ab(), &context), "allow");
}

#[test]
fn an_exception_counts_nowhere_that_a_project_sets_what_every_server_runs() {
    let entry = entry("npx", &["-y", "other@1.0.0"]);
    let fingerprint = fingerprint::of(&entry, &identity::identify(&entry), Some("/home/jane"));
    let policy = policy(json!({ "exception": [{
        "id": "ex", "fingerprint": fingerprint, "owner": "o", "ticket": "T-1", "expires": "2026-12-01T00:00:00Z",
    }] }));
    assert_eq!(code(&policy, &entry), "allow");
    let variables = [given()];
    assert_ne!(code_in(&policy, &entry, &Context { client_env: &variables, ..now() }), "allow");
}

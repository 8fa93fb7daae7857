//! The published JSON Schemas of the policy and of the revocations list are those that the types make. An editor checks
//! `policy.toml` with the first while it is written, so it must refuse what the agent refuses.

#![allow(clippy::unwrap_used, reason = "this file is a test")]

use mcpolicy_schema::document::PolicyDocument;
use mcpolicy_schema::revocations::RevocationsDocument;

#[expect(clippy::disallowed_methods, reason = "a test's own switch and the repository's own file")]
fn assert_current(name: &str, schema: &schemars::Schema) {
    let path = format!("{}/schema/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = serde_json::to_string_pretty(schema).unwrap() + "\n";
    if std::env::var_os("MCPOLICY_REGENERATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert!(
        written == text,
        "schema/{name} is not current: MCPOLICY_REGENERATE=1 cargo test -p mcpolicy-schema --all-features"
    );
}

#[test]
fn the_schema_of_the_policy_is_the_generated_one() {
    assert_current("policy-v1.schema.json", &schemars::schema_for!(PolicyDocument));
}

#[test]
fn the_schema_of_the_revocations_is_the_generated_one() {
    assert_current("revocations-v1.schema.json", &schemars::schema_for!(RevocationsDocument));
}

#[test]
fn the_schema_refuses_a_misspelt_condition() {
    let schema = serde_json::to_value(schemars::schema_for!(PolicyDocument)).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    for part in ["Rule", "Settings", "Deny", "Exception", "Ring", "Args", "PackageMatcher", "UrlMatcher"] {
        assert_eq!(schema["$defs"][part]["additionalProperties"], false, "{part}");
    }
}

//! The published JSON Schemas of `report/v1`, of a whole scan and of the records of a running agent, are those that the
//! types make.

#![allow(clippy::unwrap_used, reason = "this file is a test")]

use mcpolicy_schema::report::v1::{Record, Report};

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
fn the_schema_of_a_scan_is_the_generated_one() {
    assert_current("report-v1.schema.json", &schemars::schema_for!(Report));
}

#[test]
fn the_schema_of_a_record_is_the_generated_one() {
    assert_current("record-v1.json", &schemars::schema_for!(Record));
}

//! The published JSON Schema of `report/v1` is the one that the types make.

use mcpolicy_schema::report::v1::Report;

#[test]
#[expect(clippy::disallowed_methods, reason = "a test's own switch and the repository's own file")]
fn the_schema_in_the_repository_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/report-v1.schema.json");
    let schema = schemars::schema_for!(Report);
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("MCPOLICY_REGENERATE").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default().replace("\r\n", "\n");
    assert!(
        written == text,
        "schema/report-v1.schema.json is not current: MCPOLICY_REGENERATE=1 cargo test -p mcpolicy-schema --all-features"
    );
}

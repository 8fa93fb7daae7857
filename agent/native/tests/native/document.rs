//! docs/native.md is what the compilers say.

use std::path::Path;

use mcpolicy_native::markdown;

#[test]
fn docs_native_md_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/native.md");
    if std::env::var_os("MCPOLICY_REGENERATE").is_some() {
        std::fs::write(&path, markdown()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == markdown(),
        "docs/native.md is not current: MCPOLICY_REGENERATE=1 cargo test -p mcpolicy-native --test native"
    );
}

#[test]
fn every_client_cannot_be_told_something_and_the_page_says_what() {
    let page = markdown();
    let table = page.split("## What a client cannot be told").nth(1).unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.contains('•')).collect();
    assert!(rows.len() > 10, "{rows:?}");
    for at in 0..12 {
        let has = rows.iter().any(|row| row.split('|').nth(at + 2).unwrap().contains('•'));
        assert!(has, "column {at} has no dot: {rows:?}");
    }
}

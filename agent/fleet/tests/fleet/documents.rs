//! What docs/siem promises is there.

use std::path::{Path, PathBuf};

use mcpolicy_fleet::definitions;

#[expect(clippy::disallowed_methods, reason = "documents of our own")]
fn text(name: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/siem").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_gate_has_a_runbook_that_is_there_and_says_something() {
    for gate in definitions().unwrap() {
        let (file, anchor) = gate.runbook.split_once('#').unwrap();
        let document = text(file);
        let (_, section) =
            document.split_once(&format!("\n## {anchor}\n")).unwrap_or_else(|| panic!("{anchor}"));
        let section = section.split("\n## ").next().unwrap();
        assert!(section.len() > 80, "{anchor}: {section}");
    }
}

#[test]
fn every_engine_has_a_query_for_every_gate() {
    for page in ["splunk.md", "elastic.md", "sentinel.md"] {
        let document = text(page);
        for gate in definitions().unwrap() {
            assert!(document.contains(&format!("\n### {}\n\n```", gate.id)), "{page} has no {}", gate.id);
        }
    }
}

#[test]
fn both_schemas_have_the_same_tables_and_columns() {
    let columns = |name: &str| -> Vec<(String, Vec<String>)> {
        let schema: String =
            text(name).lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
        let tables = schema.split("CREATE TABLE ").skip(1);
        let table = |part: &str| {
            let (name, rest) = part.split_once(" (").unwrap();
            let body = rest.split("\n)").next().unwrap().split(");").next().unwrap();
            let body = body.split(") ENGINE").next().unwrap();
            let columns =
                body.split(',').map(|column| column.split_whitespace().next().unwrap_or("").to_owned());
            (name.to_owned(), columns.collect())
        };
        tables.map(table).filter(|(name, _)| name != "incoming").collect()
    };
    let ours = columns("schema/sqlite.sql");
    assert!(ours.len() > 15, "{ours:?}");
    assert_eq!(ours, columns("schema/clickhouse.sql"));
}

//! The table against the types: a member that somebody adds to a record has a decision, and no decision is about nothing.

use std::collections::BTreeSet;

use mcpolicy_schema::report::privacy::{Holds, rows};
use mcpolicy_schema::report::v1::Record;
use serde_json::Value;

use crate::samples;

/// Kind and path of each member; the kind is empty for those of all records.
type Paths = BTreeSet<(String, String)>;

/// Follows `$ref`.
fn resolved<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    match schema["$ref"].as_str().and_then(|at| at.strip_prefix('#')) {
        Some(at) => resolved(root, root.pointer(at).unwrap()),
        None => schema,
    }
}

/// The members that a schema has itself, also in the parts that it is put together of; not those of `oneOf`.
fn collect(root: &Value, schema: &Value, kind: &str, place: &str, paths: &mut Paths) {
    let schema = resolved(root, schema);
    for choice in schema["anyOf"].as_array().into_iter().flatten() {
        collect(root, choice, kind, place, paths);
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let path = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
        let is_list = member["type"].as_str() == Some("array") || member["type"][0].as_str() == Some("array");
        let (path, member) = if is_list { (format!("{path}[]"), &member["items"]) } else { (path, member) };
        collect(root, member, kind, &path, paths);
        paths.insert((kind.to_owned(), path));
    }
}

fn of_the_schema() -> Paths {
    let root = serde_json::to_value(schemars::schema_for!(Record)).unwrap();
    let mut paths = Paths::new();
    collect(&root, &root, "", "", &mut paths);
    for body in root["oneOf"].as_array().unwrap() {
        let kind = body["properties"]["kind"]["const"].as_str().unwrap();
        collect(&root, body, kind, "", &mut paths);
        // The newtype variants say `$ref` beside the tag.
        if let Some(at) = body["$ref"].as_str().and_then(|at| at.strip_prefix('#')) {
            let tagged = &body["properties"];
            for name in tagged.as_object().unwrap().keys() {
                paths.insert((kind.to_owned(), name.clone()));
            }
            collect(&root, root.pointer(at).unwrap(), kind, "", &mut paths);
        }
        paths.remove(&(kind.to_owned(), "kind".to_owned()));
    }
    paths.insert((String::new(), "kind".to_owned()));
    paths
}

fn of_the_table() -> Paths {
    rows().into_iter().map(|row| (row.kind.to_owned(), row.path)).collect()
}

#[test]
fn every_member_of_a_record_has_a_decision_and_every_decision_a_member() {
    let (schema, table) = (of_the_schema(), of_the_table());
    let undecided: Vec<_> = schema.difference(&table).collect();
    assert!(
        undecided.is_empty(),
        "say in policy-schema/src/report/privacy/table.rs what becomes of {undecided:?}"
    );
    let stale: Vec<_> = table.difference(&schema).collect();
    assert!(stale.is_empty(), "no record has {stale:?}");
    assert!(table.len() > 200, "{}", table.len());
}

#[test]
fn no_member_is_decided_twice() {
    assert_eq!(rows().len(), of_the_table().len());
}

#[test]
fn the_samples_have_every_member_of_the_table() {
    let mut held = Paths::new();
    for mut sample in samples::all() {
        let kind = sample["kind"].as_str().unwrap().to_owned();
        samples::leaves(&mut sample, "", &mut |path, _| {
            let mut path = path.to_owned();
            loop {
                held.extend([(kind.clone(), path.clone()), (String::new(), path.clone())]);
                let Some((above, _)) = path.rsplit_once('.') else { break };
                path = above.to_owned();
            }
        });
    }
    let missing: Vec<_> = of_the_table().difference(&held).cloned().collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_purpose_is_one_short_sentence_and_texts_are_kept_for_the_shortest_time() {
    for row in rows() {
        let purpose = row.field.purpose;
        assert!((8..90).contains(&purpose.len()) && !purpose.ends_with('.'), "{}: {purpose}", row.path);
        let is_words = matches!(row.field.holds, Holds::Text | Holds::User | Holds::Named | Holds::Host);
        assert!(!is_words || row.retention.days() <= 90, "{}", row.path);
    }
}

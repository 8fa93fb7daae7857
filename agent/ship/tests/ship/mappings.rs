//! Records in the words of ECS and OCSF, held against the published schemas (tests/schemas).

use std::collections::BTreeMap;

use mcpolicy_schema::report::v1::Record;
use mcpolicy_ship::Line;
use mcpolicy_ship::formats::{Format, ecs, ocsf};
use serde_json::{Map, Value, json};

use crate::NOW_MS;

/// A record of each kind, read by the types of `report/v1`, so that none is made up.
fn records() -> Vec<Map<String, Value>> {
    let identity = json!({"kind": "npm", "name": "npm:@example/server", "version": "1.2.3", "pinned": true});
    let entry = json!({
        "id": "e1", "name": "files", "client": "cursor", "readers": [{"client": "cursor"}], "scope": "user", "user": "ada",
        "source": {"path": "/home/ada/.cursor/mcp.json", "line": 3}, "key_path": "/mcpServers/files", "transport": "stdio",
        "identity": identity, "command": "npx", "args": ["@example/server@1.2.3"], "url": null, "env_keys": [],
        "header_keys": [], "disabled": false, "running": true, "fingerprint": "f".repeat(64),
        "judged": {"verdict": "deny", "decided_by": "default", "reason": "not-listed", "detail": "no rule allows it"},
    });
    let remote = json!({
        "id": "e2", "name": "docs", "client": "vscode", "readers": [], "scope": "project",
        "source": {"path": "C:\\src\\.vscode\\mcp.json"}, "key_path": "/servers/docs", "transport": "http",
        "identity": {"kind": "url", "name": "https://mcp.example.com/", "pinned": false}, "command": null, "args": [],
        "url": "https://mcp.example.com/", "env_keys": [], "header_keys": [], "disabled": false, "running": null,
        "fingerprint": "a".repeat(64),
        "judged": {"verdict": "allow", "decided_by": "allowlist", "rule": "docs"},
    });
    let posture = json!({
        "kind": "heartbeat", "state": "compliant", "mode": "enforce", "ceiling": "enforce", "layers": [], "open": 0,
        "verdicts": {"allow": 1, "deny": 0, "unknown": 0},
        "running": 0, "restart_needed": 0, "watches": 3, "requests": 0,
        "policy": {"name": "example", "sequence": 4, "signed": true, "sha256": "0".repeat(64), "mode": "enforce"},
    });
    let summary = json!({
        "entries": 2, "live": 2, "inert": 0, "running": 1, "distinct": 2, "sources": 2,
        "findings": {"critical": 0, "high": 1, "medium": 0, "low": 0, "info": 0}, "gaps": 0,
    });
    let finding = |severity: &str, verdict: Option<&str>| {
        let mut finding = json!({
            "code": "not-listed", "severity": severity, "message": "no rule allows it", "remedy": "ask for it",
            "entry": "e1", "name": "files", "user": "ada", "source": {"path": "/home/ada/.cursor/mcp.json"},
        });
        if let Some(verdict) = verdict {
            finding["verdict"] = json!(verdict);
        }
        json!({"kind": "finding", "snapshot": "s1", "finding": finding})
    };
    let action = |action: &str, outcome: &str| {
        json!({"kind": "action", "action": action, "outcome": outcome, "server": "files", "client": "cursor", "user": "ada",
            "path": "/home/ada/.cursor/mcp.json", "fingerprint": "f".repeat(64), "code": "not-listed", "rule": "files-1",
            "detail": "it was taken out", "block": "b1", "journal": 12, "layer": "watch",
            "identity": entry["identity"]})
    };
    let call = |decision: &str, result: &str| {
        let mut call = json!({"kind": "tool-call", "user": "ada", "client": "cursor", "session": "s1", "call": "c1",
            "server": "files", "tool": "read", "fingerprint": "f".repeat(64), "input": "0011223344556677",
            "decision": decision, "rule": "files-1", "identity": entry["identity"]});
        match decision {
            "allow" => drop(call.as_object_mut().unwrap().insert("result".to_owned(), json!(result))),
            _ => drop(call.as_object_mut().unwrap().insert("reason".to_owned(), json!("not-listed"))),
        }
        call["latency_ms"] = json!(12);
        call
    };
    let request = json!({"id": "r1", "time": "2023-11-14T22:13:20Z", "user": "ada", "fingerprint": "f".repeat(64),
        "identity": entry["identity"], "name": "files", "client": "cursor", "reason": "I need it", "entry": entry});
    let mut bodies = vec![
        ("state", posture),
        (
            "state",
            json!({"kind": "inventory", "snapshot": "s1", "cause": "start", "summary": summary, "records": 2}),
        ),
        ("state", json!({"kind": "entry", "snapshot": "s1", "entry": entry})),
        ("state", json!({"kind": "entry", "snapshot": "s1", "entry": remote})),
        (
            "state",
            json!({"kind": "coverage", "snapshot": "s1", "gap": {"kind": "unreadable", "reason": "no right",
            "path": "/home/bob", "count": 1, "user": "bob", "partial": true}}),
        ),
        ("event", finding("high", None)),
        ("event", json!({"kind": "request", "request": request})),
        ("tool-call", call("deny", "")),
        ("tool-call", call("allow", "ok")),
        ("tool-call", call("would", "error")),
        ("event", json!({"kind": "event", "code": "agent-start", "detail": "it was started"})),
        (
            "violation",
            json!({"kind": "event", "code": "tamper", "detail": "the settings were changed", "count": 2}),
        ),
        (
            "violation",
            json!({"kind": "event", "code": "undeclared-server", "user": "ada", "server": "x", "detail": ""}),
        ),
    ];
    for severity in ["info", "low", "medium", "high", "critical"] {
        bodies.push(("violation", finding(severity, Some("deny"))));
    }
    bodies.push(("violation", finding("medium", Some("unknown"))));
    for outcome in ["applied", "skipped", "conflict", "failed"] {
        for name in ["quarantine", "revert", "pin", "disable", "restore", "another"] {
            bodies.push(("violation", action(name, outcome)));
        }
    }
    let mut records = Vec::new();
    for (seq, (class, body)) in bodies.into_iter().enumerate() {
        for (os, groups) in
            [("linux", json!(["dev", "eu"])), ("macos", json!([])), ("windows", json!(["dev"]))]
        {
            let mut record = json!({
                "schema": "mcpolicy/report/v1", "id": format!("dev-1/{class}/e/{seq}"), "class": class,
                "device": {"id": "dev-1", "hostname": "lap-1", "os": os, "os_version": "13", "arch": "x86_64", "groups": groups},
                "agent": {"name": "mcpolicy", "version": "1.2.3"},
                "chain": {"epoch": "e", "seq": seq + 1, "prev": "0".repeat(64)},
                "time": "2023-11-14T22:13:20Z", "privacy": "full",
            });
            record.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            serde_json::from_value::<Record>(record.clone())
                .unwrap_or_else(|error| panic!("{record}: {error}"));
            records.push(record.as_object().unwrap().clone());
        }
    }
    records
}

/// The leaves of a document by their dotted names.
fn leaves(prefix: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                leaves(&name, value, into);
            }
        }
        other => {
            into.insert(prefix.to_owned(), other.clone());
        }
    }
}

#[test]
fn every_field_outside_our_own_is_one_of_ecs_with_its_type_and_allowed_values() {
    let schema: Value = serde_json::from_str(include_str!("../schemas/ecs.json")).unwrap();
    assert_eq!(schema["version"], ecs::VERSION);
    for record in records() {
        let mut document = ecs::document(&record, NOW_MS);
        let own = document.as_object_mut().unwrap().remove("mcpolicy").unwrap();
        assert_eq!(own["kind"], record["kind"]);
        let mut fields = BTreeMap::new();
        leaves("", &document, &mut fields);
        for needed in
            ["@timestamp", "ecs.version", "event.kind", "event.category", "event.type", "event.id", "message"]
        {
            assert!(fields.contains_key(needed), "{needed}: {document}");
        }
        for (name, value) in &fields {
            let field = schema["fields"].get(name).unwrap_or_else(|| panic!("{name} is no field of ECS"));
            let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            assert_eq!(value.is_array(), field["array"] == true, "{name} = {value}");
            for value in values {
                let fits = match field["type"].as_str().unwrap() {
                    "long" | "float" => value.is_number(),
                    "boolean" => value.is_boolean(),
                    _ => value.is_string(),
                };
                assert!(fits, "{name} = {value}");
                let allowed = field["allowed"].as_object();
                assert!(
                    allowed.is_none_or(|allowed| allowed.contains_key(value.as_str().unwrap())),
                    "{name} = {value}"
                );
            }
        }
        // types are those that the schema expects of one of the categories
        let expected = &schema["fields"]["event.category"]["allowed"];
        for kind in fields["event.type"].as_array().unwrap() {
            let categories = fields["event.category"].as_array().unwrap();
            let fits = categories
                .iter()
                .any(|category| expected[category.as_str().unwrap()].as_array().unwrap().contains(kind));
            assert!(fits, "{kind} in {categories:?}");
        }
    }
}

#[test]
fn every_event_is_valid_by_the_schema_of_its_ocsf_class_in_the_version_that_it_names_and_in_a_later_one() {
    let versions: Value = serde_json::from_str(include_str!("../schemas/ocsf.json")).unwrap();
    assert!(versions.get(ocsf::VERSION).is_some() && versions.as_object().unwrap().len() == 2);
    let mut seen = BTreeMap::new();
    for (version, schemas) in versions.as_object().unwrap() {
        let validators: BTreeMap<&String, jsonschema::Validator> = schemas["classes"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(class, schema)| {
                let mut schema = schema.clone();
                schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
                schema["$defs"] = schemas["$defs"].clone();
                (class, jsonschema::validator_for(&schema).unwrap())
            })
            .collect();
        for record in records() {
            let event = ocsf::event(&record, NOW_MS);
            let class = event["class_uid"].to_string();
            *seen.entry(class.clone()).or_insert(0) += 1;
            let errors: Vec<String> = validators[&class]
                .iter_errors(&event)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert_eq!(errors, [""; 0], "{version}: {event}");
            assert_eq!(event["metadata"]["uid"], record["id"]);
            assert_eq!(event["unmapped"]["kind"], record["kind"]);
        }
    }
    let classes: Vec<&str> = seen.keys().map(String::as_str).collect();
    assert_eq!(classes, ["0", "2003", "2004", "5001", "5020"]);
}

#[test]
fn a_denied_server_is_a_matter_of_compliance_and_its_removal_a_detection() {
    let all: Vec<Value> = records().iter().map(|record| ocsf::event(record, NOW_MS)).collect();
    let denied = all.iter().find(|event| event["class_uid"] == 2003).unwrap();
    assert_eq!(denied["compliance"]["status"], "Fail");
    assert_eq!(denied["resources"][0]["name"], "files");
    let removed = all.iter().find(|event| event["disposition"] == "Quarantined").unwrap();
    assert_eq!((removed["class_uid"].clone(), removed["action"].clone()), (json!(2004), json!("Denied")));
    assert_eq!(removed["evidences"][0]["file"]["name"], "mcp.json");
    assert_eq!(removed["finding_info"]["analytic"]["uid"], "files-1");
    assert_eq!(removed["resources"][0]["version"], "1.2.3");
    assert_eq!(removed["unmapped"]["layer"], "watch");
}

#[test]
fn nothing_of_a_record_is_lost_in_other_words() {
    let every = ["schema", "id", "device", "agent", "time"];
    for record in records() {
        for (format, own) in [(Format::Ecs, "mcpolicy"), (Format::Ocsf, "unmapped")] {
            let json = serde_json::to_vec(&record).unwrap();
            let line = Line { id: String::new(), class: String::new(), seq: 0, time_ms: NOW_MS, json };
            let written: Value = serde_json::from_slice(&format.of(&line)).unwrap();
            for (name, value) in record.iter().filter(|(name, _)| !every.contains(&name.as_str())) {
                assert_eq!(&written[own][name], value, "{name}");
            }
        }
    }
}

#[test]
fn a_record_of_a_later_version_and_what_is_none_go_out_all_the_same() {
    for text in [
        r#"{"kind":"not-yet-known","device":7,"chain":"x","entry":[1],"class":{}}"#,
        "{}",
        "[]",
        "rubbish",
        "",
    ] {
        for format in [Format::Native, Format::Ecs, Format::Ocsf] {
            let json = text.as_bytes().to_vec();
            let line = Line { id: String::new(), class: String::new(), seq: 0, time_ms: u64::MAX, json };
            let written = format.of(&line);
            assert!(!text.starts_with('{') || serde_json::from_slice::<Value>(&written).unwrap().is_object());
        }
    }
    assert_eq!(
        ["native", "ecs", "ocsf", "cef"].map(|word| Format::of_word(word).is_some()),
        [true, true, true, false]
    );
}

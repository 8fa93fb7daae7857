//! One record of each kind with every member there is.

use mcpolicy_schema::report::v1::Record;
use serde_json::{Value, json};

const DIGEST: &str = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const TIME: &str = "2026-11-30T10:00:00Z";

fn record(kind: &str, body: &Value) -> Value {
    let mut record = json!({
        "schema": "mcpolicy/report/v1",
        "id": "device-17.event.00112233.5",
        "class": "event",
        "device": {
            "id": "device-17", "hostname": "wombat.corp.example.com", "os": "linux", "os_version": "Ubuntu 24.04",
            "arch": "x86_64", "groups": ["payments"],
        },
        "agent": { "name": "mcpolicy", "version": "0.1.0" },
        "chain": { "epoch": "00112233445566778899", "seq": 5, "prev": &DIGEST[7..] },
        "time": TIME,
        "privacy": "full",
        "left_out": ["members"],
        "kind": kind,
    });
    for (name, value) in body.as_object().unwrap() {
        record[name] = value.clone();
    }
    record
}

fn policy() -> Value {
    json!({
        "name": "fleet", "sequence": 7, "signed": true, "sha256": &DIGEST[7..], "mode": "enforce", "ring": "pilot",
        "revocations": 2, "staleness": "fresh", "notices": ["a notice"],
        "ticket": "CHG-17", "expires": TIME, "stale_at": TIME, "root_expires": TIME,
    })
}

fn verdicts() -> Value {
    json!({ "allow": 3, "deny": 2, "unknown": 1 })
}

fn identity() -> Value {
    json!({ "kind": "npm", "name": "npm:@playwright/mcp", "version": "1.2.3", "pinned": true })
}

fn location() -> Value {
    json!({ "path": "/home/alice/.cursor/mcp.json", "line": 3, "column": 5, "start": 20, "end": 90 })
}

fn judged() -> Value {
    json!({
        "verdict": "deny", "decided_by": "default", "rule": "deny-all", "reason": "not-allowed", "detail": "no rule names it",
        "pin": "1.2.3", "alternatives": ["playwright"], "contact": "it@example.com",
        "until": TIME, "ticket": "CHG-17",
        "trace": [{ "rule": "playwright", "reason": "version-mismatch", "detail": "asks for 1.2.4" }],
    })
}

fn readers() -> Value {
    json!([{ "client": "cursor", "setting": "a setting" }])
}

fn entry() -> Value {
    let file = json!({ "path": "/usr/bin/npx", "real_path": "/opt/npx", "sha256": &DIGEST[7..], "user_writable": true });
    json!({
        "id": "e17", "name": "browser", "client": "cursor", "readers": readers(), "scope": "user", "user": "alice",
        "source": location(), "key_path": "/mcpServers/browser", "transport": "stdio", "identity": identity(),
        "command": "npx", "args": ["-y", "@playwright/mcp@1.2.3"], "plain_args": [1], "url": "https://mcp.example.com",
        "plain_url": true, "env_keys": ["TOKEN"], "header_keys": ["Authorization"],
        "values": [{
            "in": "env", "name": "TOKEN", "kind": "literal", "fingerprint": "0011223344556677", "references": ["${TOKEN}"],
        }],
        "cwd": "/home/alice/work", "members": ["envFile"], "disabled": true, "running": true, "inert": "key-not-read",
        "fingerprint": DIGEST, "judged": judged(), "project": "/home/alice/work", "declared_type": "stdio",
        "malformed": "args are no list", "facts": { "program": file, "script": file, "listener": file },
    })
}

/// All of them.
pub(crate) fn all() -> Vec<Value> {
    let summary = json!({
        "entries": 6, "live": 5, "inert": 1, "running": 2, "distinct": 6, "sources": 2, "gaps": 1, "verdicts": verdicts(),
        "findings": { "critical": 1, "high": 2, "medium": 3, "low": 4, "info": 5 },
    });
    vec![
        record(
            "heartbeat",
            &json!({
                "state": "degraded", "mode": "enforce", "ceiling": "enforce", "policy": policy(),
                "layers": [{ "name": "watch", "state": "in-force" }], "verdicts": verdicts(), "open": 1, "running": 1,
                "restart_needed": 1, "watches": 90, "degraded": "too many folders", "problems": ["the disk is full"],
                "last_rescan": TIME, "requests": 1, "waiting": ["r-0011223344556677"],
                "chains": [{ "class": "violation", "epoch": "0011223344556677", "seq": 12 }],
            }),
        ),
        record(
            "inventory",
            &json!({ "snapshot": "s-17", "cause": "daily", "policy": policy(), "summary": summary, "records": 9 }),
        ),
        record("entry", &json!({ "snapshot": "s-17", "entry": entry() })),
        record(
            "coverage",
            &json!({ "snapshot": "s-17", "gap": {
                "kind": "unreadable", "reason": "permission denied", "path": "/home/alice/x", "count": 1, "user": "alice",
                "partial": true,
            } }),
        ),
        record(
            "finding",
            &json!({ "snapshot": "s-17", "finding": {
                "code": "literal-secret", "severity": "high", "message": "a token in env", "remedy": "use a reference",
                "entry": "e17", "name": "browser", "user": "alice", "source": location(), "verdict": "deny",
                "judged": judged(),
            } }),
        ),
        record(
            "action",
            &json!({
                "action": "quarantine", "outcome": "applied", "server": "browser", "client": "cursor", "user": "alice",
                "path": "/home/alice/.cursor/mcp.json", "fingerprint": DIGEST, "code": "not-allowed", "rule": "deny-all",
                "detail": "no rule names it", "block": "b-17", "journal": 4, "layer": "watch", "identity": identity(),
            }),
        ),
        record(
            "request",
            &json!({ "request": {
                "id": "r-0011223344556677", "time": TIME, "user": "alice", "device": "device-17", "fingerprint": DIGEST,
                "identity": identity(), "name": "browser", "client": "cursor", "reason": "to test our pages",
                "entry": entry(),
            } }),
        ),
        record(
            "event",
            &json!({
                "code": "agent-gap", "user": "alice", "server": "browser", "detail": "it was killed", "count": 1,
                "from": TIME, "to": TIME, "journal": 4, "layer": "processes", "client": "cursor", "reason": "not-allowed",
                "rule": "deny-all", "identity": identity(), "fingerprint": DIGEST,
            }),
        ),
        record(
            "tool-call",
            &json!({
                "user": "alice", "client": "cursor", "session": "9d4d0aee-78b3-446a-a153-154f0807f3cb", "call": "toolu_01",
                "server": "browser", "identity": identity(), "fingerprint": DIGEST, "tool": "navigate",
                "input": "0011223344556677", "decision": "deny", "reason": "not-allowed", "rule": "deny-all", "result": "ok",
                "latency_ms": 22,
            }),
        ),
        record(
            "gap",
            &json!({ "of": "state", "epoch": "00112233445566778899", "first": 1, "last": 2, "count": 2, "reason": "room" }),
        ),
    ]
}

/// Whether a value is read as a record.
pub(crate) fn is_record(value: &Value) -> bool {
    serde_json::from_value::<Record>(value.clone()).is_ok()
}

/// Calls `visit` with the path (`[]` for lists) of each value that is in no other way a list or object.
pub(crate) fn leaves(value: &mut Value, path: &str, visit: &mut dyn FnMut(&str, &mut Value)) {
    match value {
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(value, &path, visit);
            }
        }
        Value::Array(items) => {
            for item in items {
                leaves(item, &format!("{path}[]"), visit);
            }
        }
        leaf => visit(path, leaf),
    }
}

/// Paths of texts in which any text may stand: all but the words of which the reader knows each.
pub(crate) fn free_texts(sample: &Value) -> Vec<String> {
    let mut texts = Vec::new();
    leaves(&mut sample.clone(), "", &mut |path, leaf| {
        if leaf.is_string() {
            texts.push(path.to_owned());
        }
    });
    texts.retain(|text| text != "kind" && is_record(&planted(sample, std::slice::from_ref(text), "a text")));
    texts.dedup();
    texts
}

/// The sample with another text at these paths.
pub(crate) fn planted(sample: &Value, paths: &[String], text: &str) -> Value {
    let mut sample = sample.clone();
    leaves(&mut sample, "", &mut |path, leaf| {
        if paths.iter().any(|wanted| wanted == path) {
            *leaf = Value::from(text);
        }
    });
    sample
}

#[test]
fn samples_are_records_and_nothing_of_them_is_ignored() {
    for sample in all() {
        assert!(is_record(&sample), "{sample}");
        let record: Record = serde_json::from_value(sample.clone()).unwrap();
        assert_eq!(serde_json::to_value(&record).unwrap(), sample);
    }
}

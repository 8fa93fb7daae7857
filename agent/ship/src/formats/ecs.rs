//! Elastic Common Schema.

use serde_json::{Map, Value, json};

use super::subject::Subject;
use super::{body, put, put_text, text};
use crate::clock::rfc3339;

/// The version of the schema whose fields are used.
pub const VERSION: &str = "9.4.0";

/// Of a millisecond.
const NANOSECONDS: u64 = 1_000_000;

/// A record as a document of the schema; what the schema has no field for stands in `mcpolicy`.
pub fn document(record: &Map<String, Value>, time_ms: u64) -> Value {
    let subject = Subject::of(record);
    let mut document = Map::new();
    document.insert("@timestamp".to_owned(), json!(rfc3339(time_ms)));
    put(&mut document, "ecs.version", json!(VERSION));
    put(&mut document, "message", json!(subject.message.map_or_else(|| subject.title(), str::to_owned)));
    event(record, &subject, &mut document);
    machine(record, &mut document);
    about(&subject, &mut document);
    let mut own = body(record);
    for name in ["class", "chain", "kind", "privacy"] {
        put(&mut own, name, record.get(name).cloned());
    }
    document.insert("mcpolicy".to_owned(), Value::Object(own));
    Value::Object(document)
}

fn event(record: &Map<String, Value>, subject: &Subject<'_>, document: &mut Map<String, Value>) {
    let (kind, categories, types) = kind_of(subject);
    put(document, "event.kind", json!(kind));
    put(document, "event.category", json!(categories));
    put(document, "event.type", json!(types));
    put(document, "event.module", json!("mcpolicy"));
    put(document, "event.dataset", json!(format!("mcpolicy.{}", subject.kind)));
    put(document, "event.severity", json!(severity(subject.severity)));
    put_text(document, "event.id", text(record, "id"));
    put_text(document, "event.code", subject.code);
    put_text(document, "event.action", subject.action.or(subject.code).or(Some(subject.kind)));
    put_text(document, "event.reason", subject.message);
    put(document, "event.outcome", subject.outcome.map(|outcome| json!(outcome_of(outcome))));
    let took = record.get("latency_ms").and_then(Value::as_u64);
    put(document, "event.duration", took.map(|took| json!(took.saturating_mul(NANOSECONDS))));
    put(document, "event.sequence", record.get("chain").and_then(|chain| chain.get("seq")).cloned());
}

/// `event.kind`, `event.category` and `event.type`, of those that the schema lets stand together.
fn kind_of(subject: &Subject<'_>) -> (&'static str, &'static [&'static str], &'static [&'static str]) {
    match subject.kind {
        "finding" if subject.is_denied() => ("alert", &["intrusion_detection"], &["denied"]),
        "finding" => ("alert", &["configuration"], &["info"]),
        "action" if subject.outcome == Some("applied") => ("event", &["configuration"], &["change"]),
        "action" => ("event", &["configuration"], &["info"]),
        "tool-call" if subject.action == Some("deny") => ("event", &["api"], &["access", "denied"]),
        "tool-call" => ("event", &["api"], &["access", "allowed"]),
        "entry" => ("state", &["package", "configuration"], &["info"]),
        "inventory" | "coverage" => ("state", &["configuration"], &["info"]),
        "heartbeat" => ("state", &["host"], &["info"]),
        "gap" => ("pipeline_error", &["host"], &["info"]),
        _ if subject.is_violation => ("alert", &["host"], &["info"]),
        _ => ("event", &["host"], &["info"]),
    }
}

fn machine(record: &Map<String, Value>, document: &mut Map<String, Value>) {
    put_text(document, "host.id", text(record, "device/id"));
    put_text(document, "host.hostname", text(record, "device/hostname"));
    put_text(document, "host.name", text(record, "device/hostname"));
    put_text(document, "host.architecture", text(record, "device/arch"));
    put_text(document, "host.os.type", text(record, "device/os"));
    put_text(document, "host.os.platform", text(record, "device/os"));
    put_text(document, "host.os.version", text(record, "device/os_version"));
    put(document, "agent.type", json!("mcpolicy"));
    put_text(document, "agent.version", text(record, "agent/version"));
    put_text(document, "agent.id", text(record, "device/id"));
    // groups of a machine have no field of their own
    let groups = record.get("device").and_then(|device| device.get("groups"));
    put(document, "tags", groups.filter(|groups| groups.is_array()).cloned());
}

fn about(subject: &Subject<'_>, document: &mut Map<String, Value>) {
    put_text(document, "user.name", subject.user);
    put(document, "related.user", subject.user.map(|user| json!([user])));
    put_text(document, "file.path", subject.path);
    put_text(document, "rule.id", subject.rule);
    put_text(document, "rule.ruleset", subject.policy);
    put_text(document, "service.name", subject.server);
    put(document, "service.type", subject.server.map(|_| json!("mcp")));
    let identity = &subject.identity;
    match identity.kind {
        Some("url" | "bridge") => put_text(document, "url.original", identity.name),
        Some("executable" | "script") => put_text(document, "process.executable", identity.name),
        _ => {
            put_text(document, "package.name", identity.name);
            put_text(document, "package.type", identity.kind);
            put_text(document, "package.version", identity.version);
        }
    }
}

/// A number for a word, as the schema asks: comparable within one source only. They are syslog's times ten, turned around.
fn severity(word: &str) -> u8 {
    match word {
        "critical" => 90,
        "high" => 70,
        "medium" => 50,
        "low" => 30,
        _ => 10,
    }
}

fn outcome_of(word: &str) -> &'static str {
    match word {
        "applied" | "ok" => "success",
        "failed" | "conflict" | "error" => "failure",
        _ => "unknown",
    }
}

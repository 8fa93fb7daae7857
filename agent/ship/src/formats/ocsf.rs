//! Open Cybersecurity Schema Framework.

use serde_json::{Map, Value, json};

use super::subject::Subject;
use super::{body, put, put_text, text};

/// The version of the schema that events name. What is used of it is the same in 1.8.
pub const VERSION: &str = "1.4.0";

/// A class of events: its number and name, and those of its category.
struct Class {
    uid: u32,
    name: &'static str,
    category: u32,
    category_name: &'static str,
    activity: u32,
    activity_name: &'static str,
}

const COMPLIANCE: Class = finding(2003, "Compliance Finding");
const DETECTION: Class = finding(2004, "Detection Finding");
const SOFTWARE: Class = discovery(5020, "Software Inventory Info");
const DEVICE: Class = discovery(5001, "Device Inventory Info");
const BASE: Class = Class {
    uid: 0,
    name: "Base Event",
    category: 0,
    category_name: "Uncategorized",
    activity: 99,
    activity_name: "Other",
};

const fn finding(uid: u32, name: &'static str) -> Class {
    Class { uid, name, category: 2, category_name: "Findings", activity: 1, activity_name: "Create" }
}

const fn discovery(uid: u32, name: &'static str) -> Class {
    Class { uid, name, category: 5, category_name: "Discovery", activity: 2, activity_name: "Collect" }
}

/// A record as an event of the schema; what the schema has no attribute for stands in `unmapped`.
pub fn event(record: &Map<String, Value>, time_ms: u64) -> Value {
    let subject = Subject::of(record);
    let class = class_of(&subject);
    let mut event = Map::new();
    header(record, &subject, &class, time_ms, &mut event);
    put(&mut event, "device", device(record));
    match class.uid {
        2003 => {
            found(record, &subject, &mut event);
            put(&mut event, "compliance", compliance(&subject));
        }
        2004 => {
            found(record, &subject, &mut event);
            detected(&subject, &mut event);
        }
        5020 => software(&subject, &mut event),
        _ => {}
    }
    let mut own = body(record);
    for name in ["class", "chain", "kind", "privacy"] {
        put(&mut own, name, record.get(name).cloned());
    }
    event.insert("unmapped".to_owned(), Value::Object(own));
    Value::Object(event)
}

fn class_of(subject: &Subject<'_>) -> Class {
    match subject.kind {
        // what the policy says of an entry is a matter of compliance, what is wrong whatever it says a detection
        "finding" if subject.is_denied() => COMPLIANCE,
        "finding" | "action" => DETECTION,
        "entry" => SOFTWARE,
        "heartbeat" | "inventory" | "coverage" => DEVICE,
        _ if subject.is_violation => DETECTION,
        _ => BASE,
    }
}

fn header(
    record: &Map<String, Value>,
    subject: &Subject<'_>,
    class: &Class,
    time_ms: u64,
    event: &mut Map<String, Value>,
) {
    let (severity_id, severity) = severity(subject.severity);
    let is_acted = class.uid == 2004 && subject.action.is_some();
    let profiles: &[&str] = if is_acted { &["host", "security_control"] } else { &["host"] };
    let mut metadata = Map::new();
    put(&mut metadata, "version", json!(VERSION));
    put(&mut metadata, "profiles", json!(profiles));
    put(&mut metadata, "product.name", json!("mcpolicy"));
    put_text(&mut metadata, "product.version", text(record, "agent/version"));
    put_text(&mut metadata, "uid", text(record, "id"));
    put_text(&mut metadata, "event_code", subject.code);
    put_text(&mut metadata, "log_name", text(record, "class"));
    put(&mut metadata, "sequence", record.get("chain").and_then(|chain| chain.get("seq")).cloned());
    let members = json!({
        "metadata": metadata,
        "time": time_ms,
        "class_uid": class.uid,
        "class_name": class.name,
        "category_uid": class.category,
        "category_name": class.category_name,
        "activity_id": class.activity,
        "activity_name": class.activity_name,
        "type_uid": class.uid * 100 + class.activity,
        "type_name": format!("{}: {}", class.name, class.activity_name),
        "severity_id": severity_id,
        "severity": severity,
        "message": subject.message.map_or_else(|| subject.title(), str::to_owned),
    });
    if let Value::Object(members) = members {
        event.extend(members);
    }
}

fn device(record: &Map<String, Value>) -> Value {
    let mut device = Map::new();
    // whether it is a laptop is not known
    put(&mut device, "type_id", json!(0));
    put_text(&mut device, "uid", text(record, "device/id"));
    put_text(&mut device, "hostname", text(record, "device/hostname"));
    let os = match text(record, "device/os") {
        Some("linux") => Some(("Linux", 200)),
        Some("macos") => Some(("macOS", 300)),
        Some("windows") => Some(("Windows", 100)),
        _ => None,
    };
    if let Some((name, type_id)) = os {
        put(&mut device, "os.name", json!(name));
        put(&mut device, "os.type", json!(name));
        put(&mut device, "os.type_id", json!(type_id));
        put_text(&mut device, "os.version", text(record, "device/os_version"));
    }
    let groups = record.get("device").and_then(|device| device.get("groups")).and_then(Value::as_array);
    let groups = groups.map(|names| names.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>());
    put(&mut device, "groups", groups.filter(|groups| !groups.is_empty()).map(Value::Array));
    // the schema wants to know at least one name of a machine
    if device.len() == 1 {
        put(&mut device, "uid", json!("unknown"));
    }
    Value::Object(device)
}

/// What both classes of findings have.
fn found(record: &Map<String, Value>, subject: &Subject<'_>, event: &mut Map<String, Value>) {
    let mut info = Map::new();
    put(&mut info, "uid", json!(text(record, "id").unwrap_or("unknown")));
    put(&mut info, "title", json!(subject.title()));
    put_text(&mut info, "desc", subject.message);
    put(&mut info, "types", subject.code.map(|code| json!([code])));
    put(&mut info, "analytic", subject.rule.map(|rule| json!({ "type_id": 1, "type": "Rule", "uid": rule })));
    put(event, "finding_info", Value::Object(info));
    put(event, "status_id", json!(1));
    put(event, "status", json!("New"));
    put(event, "remediation", subject.remedy.map(|remedy| json!({ "desc": remedy })));
    let mut resource = Map::new();
    put_text(&mut resource, "name", subject.server);
    put_text(&mut resource, "uid", subject.fingerprint);
    if !resource.is_empty() {
        put(&mut resource, "type", json!("MCP server"));
        put(&mut resource, "owner", subject.user.map(|user| json!({ "name": user })));
        put_text(&mut resource, "version", subject.identity.version);
        put(event, "resources", json!([resource]));
    }
}

fn compliance(subject: &Subject<'_>) -> Value {
    let mut compliance = Map::new();
    put(
        &mut compliance,
        "standards",
        json!([format!("mcpolicy policy {}", subject.policy.unwrap_or("in force"))]),
    );
    put_text(&mut compliance, "control", subject.rule.or(subject.code));
    let is_unknown = subject.verdict == Some("unknown");
    put(&mut compliance, "status_id", json!(if is_unknown { 2 } else { 3 }));
    put(&mut compliance, "status", json!(if is_unknown { "Warning" } else { "Fail" }));
    put_text(&mut compliance, "status_detail", subject.message);
    Value::Object(compliance)
}

fn detected(subject: &Subject<'_>, event: &mut Map<String, Value>) {
    let mut evidence = Map::new();
    if let Some(path) = subject.path {
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
        put(&mut evidence, "file", json!({ "name": name, "path": path, "type_id": 1 }));
    }
    put(&mut evidence, "user", subject.user.map(|user| json!({ "name": user })));
    if !evidence.is_empty() {
        put(event, "evidences", json!([evidence]));
    }
    put(event, "is_alert", json!(["medium", "high", "critical"].contains(&subject.severity)));
    if let Some(action) = subject.action {
        let (action_id, named, disposition_id, disposition) = disposition(action, subject.outcome);
        put(event, "action_id", json!(action_id));
        put(event, "action", json!(named));
        put(event, "disposition_id", json!(disposition_id));
        put(event, "disposition", json!(disposition));
    }
}

fn disposition(action: &str, outcome: Option<&str>) -> (u32, &'static str, u32, &'static str) {
    match (action, outcome) {
        ("quarantine", Some("applied")) => (2, "Denied", 3, "Quarantined"),
        ("revert" | "pin", Some("applied")) => (4, "Modified", 11, "Corrected"),
        ("disable", Some("applied")) => (2, "Denied", 2, "Blocked"),
        ("restore", Some("applied")) => (4, "Modified", 9, "Restored"),
        (_, Some("applied")) => (99, "Other", 99, "Other"),
        (_, Some("failed" | "conflict")) => (3, "Observed", 13, "Uncorrected"),
        _ => (3, "Observed", 16, "No Action"),
    }
}

fn software(subject: &Subject<'_>, event: &mut Map<String, Value>) {
    let identity = &subject.identity;
    let name = identity.name.or(subject.server).unwrap_or("unknown");
    // a package without a version is none to the schema, but most entries ask for none
    let mut package = Map::new();
    put(&mut package, "name", json!(name));
    put(&mut package, "version", json!(identity.version.unwrap_or("any")));
    put_text(&mut package, "type", identity.kind);
    put(event, "package", Value::Object(package));
    put(event, "actor", subject.user.map(|user| json!({ "user": { "name": user } })));
}

fn severity(word: &str) -> (u32, &'static str) {
    match word {
        "critical" => (5, "Critical"),
        "high" => (4, "High"),
        "medium" => (3, "Medium"),
        "low" => (2, "Low"),
        _ => (1, "Informational"),
    }
}

//! The approved entries of an evasion file as one of our policies.

use std::collections::BTreeMap;

use mcpolicy_schema::document::PolicyDocument;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// An approved entry, in the words of the evasion file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Approved {
    pub(crate) kind: String,
    pub(crate) package: String,
    pub(crate) versions: Option<String>,
    pub(crate) runners: Vec<String>,
    pub(crate) args_after: Vec<String>,
    pub(crate) args: Vec<String>,
    pub(crate) env_allowed: Vec<String>,
    pub(crate) headers_allowed: Vec<String>,
    pub(crate) image: String,
    pub(crate) digest: String,
    pub(crate) docker_flags: Vec<String>,
    pub(crate) url: String,
    pub(crate) target: String,
    pub(crate) path: String,
    pub(crate) sha256: String,
    /// Only in the project's own cases: further members of the rule, in the words of a policy.
    pub(crate) rule: Map<String, Value>,
    /// Only in the project's own cases: the program that must listen behind a loopback URL.
    pub(crate) listener: Option<String>,
}

/// One policy with a rule for each approved entry.
pub(crate) fn of_approved(approved: &BTreeMap<String, Approved>) -> PolicyDocument {
    let rules: Vec<Value> = approved.iter().map(|(id, entry)| rule(id, entry)).collect();
    let document = json!({
        "schema": "mcpolicy/policy/v1",
        "policy": { "name": "evasions", "contact": "security@example.com" },
        "rule": rules,
    });
    serde_json::from_value(document).unwrap()
}

fn rule(id: &str, entry: &Approved) -> Value {
    let versions = entry.versions.clone().unwrap_or_else(|| "*".to_owned());
    let identity = match entry.kind.as_str() {
        "npm" => json!({ "npm": { "package": entry.package, "versions": versions } }),
        "pypi" => json!({ "pypi": { "package": entry.package, "versions": versions } }),
        "oci" => json!({ "oci": { "image": entry.image, "digests": [entry.digest] } }),
        "remote" => match &entry.listener {
            Some(path) => json!({ "url": { "url": entry.url, "listener": { "path": path } } }),
            None => json!({ "url": { "url": entry.url } }),
        },
        "npm-bridge" => json!({ "bridge": {
            "ecosystem": "npm", "package": entry.package, "versions": versions, "targets": [entry.target],
        } }),
        "builtin" => json!({ "builtin": entry.package }),
        "local" => json!({ "executable": { "path": entry.path, "sha256": [entry.sha256] } }),
        other => panic!("{id}: unknown kind {other}"),
    };
    let any = |names: &[String]| -> Map<String, Value> {
        names.iter().map(|name| (name.clone(), Value::from("*"))).collect()
    };
    let positional = if entry.kind == "local" { &entry.args } else { &entry.args_after };
    let mut rule = json!({
        "id": id,
        "identity": identity,
        "runners": entry.runners,
        "runner_args": entry.docker_flags,
        "args": { "positional": positional },
        "env": any(&entry.env_allowed),
        "headers": any(&entry.headers_allowed),
    });
    rule.as_object_mut().unwrap().extend(entry.rule.clone());
    rule
}

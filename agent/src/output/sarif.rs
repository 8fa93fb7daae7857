//! SARIF 2.1.0, for code scanning of checkouts in CI.
//!
//! Results must be the same thing in the next run although lines moved and keys of secrets changed, so a result's
//! fingerprint is made of code, file and key path only, never of the message.

mod uri;

use std::collections::BTreeMap;
use std::io::{self, Write};

use mcpolicy_schema::finding::{FindingCode, Severity};
use mcpolicy_schema::report::v1::{Entry, Finding, Location, Report};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use self::uri::Base;
use super::json::write_value;
use super::text::visible;
use super::view::Titles;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// Under which name results carry their fingerprint; the number changes if its making does.
const FINGERPRINT: &str = "mcpolicyFinding/v1";

/// The parts of the standard that are written, in the order of their names.
#[derive(Serialize)]
struct Log<'r> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    runs: [Run<'r>; 1],
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'r> {
    column_kind: &'static str,
    invocations: [Value; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    original_uri_base_ids: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<Value>,
    results: Results<'r>,
    tool: Value,
}

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let base = Base::of(&report.scan);
    let root = || json!({ uri::BASE_ID: { "description": { "text": "the root of the checkout that was scanned" } } });
    let run = Run {
        column_kind: "unicodeCodePoints",
        invocations: [invocation(report, &base)],
        original_uri_base_ids: base.is_relative().then(root),
        properties: report.policy.as_ref().map(|policy| json!({ "policy": policy })),
        results: Results { report, base: &base },
        tool: json!({ "driver": {
            "name": report.agent.name,
            "semanticVersion": report.agent.version,
            "rules": FindingCode::ALL.iter().map(|code| rule(*code)).collect::<Vec<_>>(),
        }}),
    };
    write_value(&Log { schema: SCHEMA, runs: [run], version: "2.1.0" }, out)
}

fn rule(code: FindingCode) -> Value {
    let (description, remedy) = (code.description(), code.remedy());
    json!({
        "id": code.as_str(),
        "name": camel(code.as_str()),
        "shortDescription": { "text": code.title() },
        "fullDescription": { "text": description },
        "help": { "text": format!("{description} {remedy}"), "markdown": format!("{description}\n\n**What to do:** {remedy}") },
        "defaultConfiguration": { "level": level(code.severity()) },
        "properties": {
            "security-severity": score(code.severity()),
            "precision": "high",
            "tags": ["security", "mcp"],
        },
    })
}

/// `plain-http` as `PlainHttp`, which viewers show beside the id.
fn camel(code: &str) -> String {
    let word = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    code.split('-').map(word).collect()
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// Code scanning sorts into critical, high, medium and low by this number: from 9.0, 7.0, 4.0 and 0.1.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.5",
        Severity::Info => "0.0",
    }
}

/// One result for each finding, made while it is written: those of a large home are ten times the report together.
struct Results<'r> {
    report: &'r Report,
    base: &'r Base,
}

impl Serialize for Results<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { report, base } = self;
        let titles = Titles::new();
        let indices: BTreeMap<&str, usize> =
            FindingCode::ALL.iter().enumerate().map(|(at, code)| (code.as_str(), at)).collect();
        let entries: BTreeMap<&str, &Entry> = report.entries.iter().map(|e| (e.id.as_str(), e)).collect();
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        serializer.collect_seq(report.findings.iter().map(|finding| {
            let entry = finding.entry.as_deref().and_then(|id| entries.get(id)).copied();
            let mut result = Map::new();
            result.insert("ruleId".to_owned(), json!(finding.code));
            if let Some(index) = indices.get(finding.code.as_str()) {
                result.insert("ruleIndex".to_owned(), json!(index));
            }
            result.insert("level".to_owned(), json!(level(finding.severity)));
            let title = titles.of(&finding.code);
            result.insert("message".to_owned(), json!({ "text": message(finding, title) }));
            let place = finding.source.as_ref().or(entry.map(|e| &e.source));
            if let Some(place) = place {
                result.insert("locations".to_owned(), json!([location(place, entry, base)]));
            }
            let identity = fingerprint(finding, place, entry, base, &mut seen);
            result.insert("partialFingerprints".to_owned(), json!({ FINGERPRINT: identity }));
            result.insert("properties".to_owned(), properties(report, finding, entry));
            Value::Object(result)
        }))
    }
}

fn properties(report: &Report, finding: &Finding, entry: Option<&Entry>) -> Value {
    let mut properties = json!({ "severity": finding.severity.as_str() });
    if let Some(verdict) = finding.verdict {
        properties["verdict"] = json!(verdict.as_str());
        properties["signedPolicy"] = json!(report.policy.as_ref().is_some_and(|policy| policy.signed));
        properties["rule"] = json!(entry.and_then(|e| e.judged.as_ref()?.rule.as_deref()));
    }
    properties
}

fn message(finding: &Finding, title: &str) -> String {
    let name = finding.name.as_deref().map(|name| format!(" in server {name}")).unwrap_or_default();
    plain(&format!("{title}{name}: {}. {}", finding.message, finding.remedy))
}

/// Viewers make links of `[text](target)` in messages; a server name must not become one.
fn plain(text: &str) -> String {
    visible(text).replace("](", "] (")
}

fn location(place: &Location, entry: Option<&Entry>, base: &Base) -> Value {
    let mut physical = json!({ "artifactLocation": base.artifact(&place.path) });
    if let Some(line) = place.line.filter(|line| *line > 0) {
        physical["region"] = match place.column.filter(|column| *column > 0) {
            Some(column) => json!({ "startLine": line, "startColumn": column }),
            None => json!({ "startLine": line }),
        };
    }
    let mut location = json!({ "physicalLocation": physical });
    if let Some(entry) = entry {
        let path = visible(&entry.key_path);
        location["logicalLocations"] =
            json!([{ "name": visible(&entry.name), "fullyQualifiedName": path, "kind": "object" }]);
    }
    location
}

/// The second literal secret of an entry is another result than the first, so equal ones are numbered.
fn fingerprint(
    finding: &Finding,
    place: Option<&Location>,
    entry: Option<&Entry>,
    base: &Base,
    seen: &mut BTreeMap<String, u64>,
) -> String {
    let path = place.map(|place| base.uri(&place.path)).unwrap_or_default();
    let key = entry.map(|e| e.key_path.as_str()).unwrap_or_default();
    let key = format!("{}\0{path}\0{key}", finding.code);
    let number = seen.entry(key.clone()).and_modify(|n| *n += 1).or_insert(1);
    let digest = Sha256::digest(format!("{key}\0{number}").as_bytes());
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn invocation(report: &Report, base: &Base) -> Value {
    let notice = |notice: &String| json!({ "descriptor": { "id": "policy-notice" }, "level": "warning", "message": { "text": plain(notice) } });
    let notices = report.policy.iter().flat_map(|policy| &policy.notices).map(notice);
    let gaps = report.coverage.iter().map(|gap| {
        let mut notification = json!({
            "descriptor": { "id": gap.kind },
            "level": if gap.partial { "warning" } else { "note" },
            "message": { "text": plain(&format!("{} ({})", gap.reason, gap.count)) },
        });
        if let Some(path) = &gap.path {
            notification["locations"] =
                json!([{ "physicalLocation": { "artifactLocation": base.artifact(path) } }]);
        }
        notification
    });
    let notifications: Vec<Value> = notices.chain(gaps).collect();
    json!({
        "executionSuccessful": true,
        "startTimeUtc": report.scan.started_at,
        "toolExecutionNotifications": notifications,
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{judged_report, project_report, sample_report};
    use super::*;

    fn rendered(report: &Report) -> Value {
        let mut out = Vec::new();
        write(report, &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn the_output_is_valid_by_the_schema_of_the_standard() {
        // The standard's pattern of a language tag has a bracket too many and is no regular expression.
        let schema =
            include_str!("testdata/sarif-2.1.0.schema.json").replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}$");
        let schema: Value = serde_json::from_str(&schema).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for report in [sample_report(), judged_report(), project_report()] {
            let log = rendered(&report);
            let errors: Vec<String> =
                validator.iter_errors(&log).map(|e| format!("{}: {e}", e.instance_path())).collect();
            assert!(errors.is_empty(), "{errors:#?}");
        }
        assert!(!validator.is_valid(&json!({ "version": "2.1.0", "runs": [{ "results": [] }] })));
    }

    #[test]
    fn files_of_a_checkout_are_relative_to_its_root() {
        let log = rendered(&project_report());
        let artifact = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"];
        assert_eq!(artifact, &json!({ "uri": ".cursor/mcp.json", "uriBaseId": "SRCROOT" }));
    }

    #[test]
    fn fingerprints_survive_moved_lines_and_new_keys_of_secrets() {
        let before = rendered(&sample_report());
        let mut report = sample_report();
        for finding in &mut report.findings {
            finding.message.push_str(" <secret:x:h1:0000>");
            if let Some(source) = &mut finding.source {
                source.line = source.line.map(|line| line + 10);
            }
        }
        let prints = |log: &Value| -> Vec<Value> {
            let results = log["runs"][0]["results"].as_array().unwrap();
            results.iter().map(|r| r["partialFingerprints"][FINGERPRINT].clone()).collect()
        };
        let before = prints(&before);
        assert_eq!(before, prints(&rendered(&report)));
        let mut distinct = before.clone();
        distinct.sort_by_key(Value::to_string);
        distinct.dedup();
        assert_eq!(distinct.len(), before.len());
    }

    #[test]
    fn a_server_name_does_not_become_a_link() {
        assert_eq!(plain("[click](https://x)\u{1b}"), "[click] (https://x)\\u{1b}");
    }
}

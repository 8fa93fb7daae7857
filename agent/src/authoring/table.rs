//! `tests.toml`: entries with the verdicts that they must get, kept beside the policy. Whoever changes a rule sees what
//! it lets in or shuts out before anybody's laptop does.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use mcpolicy_clients::adapters;
use mcpolicy_clients::codec::json;
use mcpolicy_clients::location::Os;
use mcpolicy_schema::entry::{Entry, Reader, Scope};
use mcpolicy_schema::evaluate::{self, Context, Device, Facts, FileFacts, Subject, System};
use mcpolicy_schema::finding::FindingCode;
use mcpolicy_schema::fingerprint;
use mcpolicy_schema::identity;
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::verdict::{Judgement, Verdict};
use serde::{Deserialize, Serialize};

use super::as_client::{self, AsClientError, Written};
use super::problem::{Problem, Weight};
use super::source::Source;

/// Name of the table beside the policy.
pub const FILE_NAME: &str = "tests.toml";

/// The table as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its rows.
    #[serde(default)]
    pub test: Vec<Row>,
}

/// The entry as the client writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum EntryText {
    /// The very text: JSON, or the client's own format.
    Text(String),
    /// Its members.
    Members(toml::Table),
}

/// One row.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What the row shows, for people.
    pub name: String,
    /// Id of the client.
    pub client: String,
    /// The entry as the client writes it, without its name.
    pub entry: EntryText,
    /// The name under which the client lists it; `test` where it does not matter.
    #[serde(default = "usual_name")]
    pub server: String,
    /// The text is broken on purpose: some clients read on behind an error.
    #[serde(default)]
    pub broken: bool,
    /// Scope of the file; absent: the user's.
    pub scope: Option<Scope>,
    /// Other clients that are in use on the machine and read this file too.
    #[serde(default)]
    pub readers: Vec<String>,
    /// Whose paths and programs; absent: Linux.
    #[serde(default)]
    pub os: System,
    /// The user; absent: `dev`.
    #[serde(default = "usual_user")]
    pub user: String,
    /// The user's home; absent: the usual one of the system.
    pub home: Option<String>,
    /// Groups of user and machine.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Device id.
    #[serde(default)]
    pub device: String,
    /// The ring; absent: the one that the policy puts the device in.
    pub ring: Option<String>,
    /// The time of judgement; absent: now.
    pub at: Option<Timestamp>,
    /// What the machine is taken to know of the files that the entry names.
    #[serde(default)]
    pub facts: RowFacts,
    /// The verdict that it must get.
    pub expect: Verdict,
    /// Id of the rule that must decide.
    pub rule: Option<String>,
    /// Code of the reason that must be given.
    pub reason: Option<String>,
}

/// Facts of a row.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowFacts {
    program: Option<RowFile>,
    script: Option<RowFile>,
    listener: Option<RowFile>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RowFile {
    path: String,
    real_path: Option<String>,
    sha256: Option<String>,
    #[serde(default)]
    user_writable: bool,
}

impl From<&RowFile> for FileFacts {
    fn from(file: &RowFile) -> Self {
        Self {
            path: file.path.clone(),
            real_path: file.real_path.clone().unwrap_or_else(|| file.path.clone()),
            sha256: file.sha256.clone(),
            user_writable: file.user_writable,
        }
    }
}

fn usual_name() -> String {
    "test".to_owned()
}

fn usual_user() -> String {
    "dev".to_owned()
}

/// What became of a row.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Name of the row.
    pub name: String,
    /// Whether everything that it asks for holds.
    pub passed: bool,
    /// What it asks for.
    pub expected: Said,
    /// What the policy says; absent where the entry cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got: Option<Said>,
    /// What differs, or why the entry cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The client does not load the entry as it is written; it is judged as if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inert: Option<&'static str>,
}

/// A verdict with what decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// The verdict.
    pub verdict: Verdict,
    /// The rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Code of the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The reason in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Reads a table: the file given, or the one beside the policy.
///
/// # Errors
/// It is not there.
pub fn source(policy: &Path, given: Option<&Path>) -> anyhow::Result<Source> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => policy.parent().unwrap_or(policy).join(FILE_NAME),
    };
    Source::read(&path)
        .map_err(|error| error.context("there is no test table; write one, or name one with --tests"))
}

/// The rows of a table.
///
/// # Errors
/// What is wrong in it, with its place.
pub fn rows(source: &Source) -> Result<Vec<Row>, Vec<Problem>> {
    let table: Table = source.toml()?;
    let mut names = BTreeSet::new();
    let mut problems = Vec::new();
    for (at, row) in table.test.iter().enumerate() {
        if !names.insert(row.name.as_str()) {
            let message = format!("two rows have the name {}", row.name);
            problems.push(Problem::new(Weight::Error, "same-name", format!("/test/{at}/name"), message));
        }
        if let Some(code) = row.reason.as_deref().filter(|code| !is_code(code)) {
            let message = format!("there is no finding code {code}; docs/findings.md lists them");
            problems.push(Problem::new(Weight::Error, "unknown-code", format!("/test/{at}/reason"), message));
        }
    }
    if problems.is_empty() { Ok(table.test) } else { Err(problems) }
}

fn is_code(text: &str) -> bool {
    FindingCode::ALL.iter().any(|code| code.as_str() == text)
}

/// Judges every row.
pub fn run(policy: &Policy, rows: &[Row], now: Timestamp) -> Vec<Outcome> {
    rows.iter().map(|row| outcome(policy, row, now)).collect()
}

fn outcome(policy: &Policy, row: &Row, now: Timestamp) -> Outcome {
    let expected =
        Said { verdict: row.expect, rule: row.rule.clone(), reason: row.reason.clone(), detail: None };
    let mut outcome =
        Outcome { name: row.name.clone(), passed: false, expected, got: None, message: None, inert: None };
    let entries = match entries(row) {
        Ok(entries) => entries,
        Err(why) => {
            outcome.message = Some(why);
            return outcome;
        }
    };
    outcome.inert = entries.iter().find_map(|e| e.inert).map(|inert| inert.as_str());
    let judged = entries.iter().map(|entry| judge(policy, row, entry, now)).reduce(Judgement::worst);
    let Some(judged) = judged else { return outcome };
    outcome.message = difference(row, &judged);
    outcome.passed = outcome.message.is_none();
    outcome.got = Some(Said {
        verdict: judged.verdict,
        rule: judged.rule,
        reason: judged.reason.as_ref().map(|r| r.code.as_str().to_owned()),
        detail: judged.reason.map(|r| r.detail),
    });
    outcome
}

fn entries(row: &Row) -> Result<Vec<Entry>, String> {
    let text = match &row.entry {
        EntryText::Text(text) => text.clone(),
        EntryText::Members(members) => serde_json::to_string(members).map_err(|e| e.to_string())?,
    };
    // A slip of the pen would be denied as whatever is left of it, and the row would show nothing.
    if text.trim_start().starts_with('{')
        && !row.broken
        && let Err(error) = json::parse(&text, false)
    {
        return Err(format!(
            "the entry is no JSON ({error}); mend it, or add broken = true if the row is about how a client reads it"
        ));
    }
    let written =
        Written { client: &row.client, os: os_of(row.os), scope: row.scope, name: &row.server, text: &text };
    let mut entries = as_client::read(&written).map_err(|error| error.to_string())?;
    for id in &row.readers {
        let Some(adapter) = adapters::by_id(id) else {
            return Err(AsClientError::UnknownClient(id.clone()).to_string());
        };
        let reader = Reader { client: adapter.about().id, setting: None };
        // What nobody loads as it is written, no other client loads.
        entries.iter_mut().filter(|e| e.inert.is_none()).for_each(|entry| entry.readers.push(reader.clone()));
    }
    Ok(entries)
}

fn os_of(system: System) -> Os {
    match system {
        System::Linux => Os::Linux,
        System::Macos => Os::Macos,
        System::Windows => Os::Windows,
    }
}

fn judge(policy: &Policy, row: &Row, entry: &Entry, now: Timestamp) -> Judgement {
    let home = row.home.clone().unwrap_or_else(|| match row.os {
        System::Linux => format!("/home/{}", row.user),
        System::Macos => format!("/Users/{}", row.user),
        System::Windows => format!("C:\\Users\\{}", row.user),
    });
    let facts = Facts {
        program: row.facts.program.as_ref().map(FileFacts::from),
        script: row.facts.script.as_ref().map(FileFacts::from),
        listener: row.facts.listener.as_ref().map(FileFacts::from),
    };
    let mut device = Device { id: &row.device, user: &row.user, groups: &row.groups, ring: None };
    device.ring = row.ring.as_deref().or_else(|| policy.ring_of(&device));
    let identity = identity::identify(entry);
    let fingerprint = fingerprint::of(entry, &identity, Some(&home));
    let subject = Subject { entry, identity: &identity, fingerprint: &fingerprint };
    let context = Context {
        system: row.os,
        home: Some(&home),
        device,
        facts: &facts,
        ..Context::bare(row.at.unwrap_or(now))
    };
    evaluate::evaluate(policy, &subject, &context)
}

/// What differs from what the row asks for, in words.
fn difference(row: &Row, judged: &Judgement) -> Option<String> {
    let mut differs = Vec::new();
    if judged.verdict != row.expect {
        differs.push(format!("expected {}, got {}", row.expect.as_str(), judged.verdict.as_str()));
    }
    let nobody = "no rule";
    if let Some(rule) = &row.rule
        && judged.rule.as_ref() != Some(rule)
    {
        let got = judged.rule.as_deref().unwrap_or(nobody);
        differs.push(format!("expected the rule {rule} to decide, got {got}"));
    }
    let code = judged.reason.as_ref().map(|r| r.code.as_str());
    if let Some(reason) = &row.reason
        && code != Some(reason)
    {
        differs.push(format!("expected the reason {reason}, got {}", code.unwrap_or("none")));
    }
    if differs.is_empty() {
        return None;
    }
    let mut text = differs.join("; ");
    if let Some(reason) = &judged.reason {
        text.push_str(&format!(" ({}: {})", reason.code.as_str(), reason.detail));
    } else if let Some(rule) = judged.rule.as_deref() {
        text.push_str(&format!(" (decided by {rule})"));
    }
    Some(text)
}

//! One case: an entry or a whole file, and what must become of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use mcpolicy::discover::source::Source;
use mcpolicy::inventory::{self, FileInventory};
use mcpolicy::pipeline::reading_for;
use mcpolicy_schema::entry::Entry;
use mcpolicy_schema::evaluate::{Context, Facts, FileFacts, Subject, System, evaluate};
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::verdict::Judgement;
use mcpolicy_schema::{fingerprint, identity};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::policy::Approved;

/// A file of cases.
#[derive(Debug, Deserialize)]
pub(crate) struct Set {
    pub(crate) approved: BTreeMap<String, Approved>,
    pub(crate) cases: Vec<Case>,
}

/// One case.
#[derive(Debug, Deserialize)]
pub(crate) struct Case {
    id: String,
    category: String,
    client: String,
    server_name: String,
    servers_key: String,
    entry: Option<Value>,
    raw: Option<String>,
    raw_encoding: Option<String>,
    path: Option<String>,
    os: Option<String>,
    precondition: Option<String>,
    approved: String,
    expected: String,
    why: String,
    /// Only in the project's own cases: the code of the verdict's reason. The verdict itself must deny then.
    #[serde(default)]
    reason: Option<String>,
}

const HOME: &str = "/home/jane";
const OTHER_DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl Case {
    /// `evasion::EV_001_identity_approved_name_different_command`.
    pub(crate) fn test_name(&self) -> String {
        let words: String =
            self.why.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
        let words: Vec<&str> = words.split_ascii_whitespace().take(8).collect();
        let id = self.id.replace('-', "_");
        format!("evasion::{}_{}_{}", id, self.category, words.join("_").to_ascii_lowercase())
    }

    /// Judges the case; an error says what was expected and what came.
    pub(crate) fn judge(&self, policy: &Policy, approved: &BTreeMap<String, Approved>) -> Result<(), String> {
        let inventory = self.inventory();
        let approved = approved.get(&self.approved).ok_or("the approved entry is not in the file")?;
        let judged: Vec<Judgement> =
            inventory.entries.iter().map(|entry| self.judgement(policy, entry, approved)).collect();
        // What no client reads as it is written may be read by another; what is enforced on the file counts as well.
        let denied = judged.iter().any(|j| !j.is_allowed());
        let enforced = inventory.findings.iter().any(|f| f.finding.code.is_enforced());
        let is_raw = self.entry.is_none();
        let ok = match (self.expected.as_str(), is_raw) {
            ("deny", _) if self.reason.is_some() => judged.iter().any(|j| {
                let code = j.reason.as_ref().map(|r| r.code.as_str());
                !j.is_allowed() && code == self.reason.as_deref()
            }),
            ("deny", false) => !judged.is_empty() && denied,
            ("deny", true) => denied || enforced,
            ("allow", false) => judged.len() == 1 && !denied && !enforced,
            ("allow", true) => !denied && !enforced,
            (other, _) => return Err(format!("unknown expectation {other}")),
        };
        if ok {
            return Ok(());
        }
        let findings: Vec<&str> = inventory.findings.iter().map(|f| f.finding.code.as_str()).collect();
        Err(format!(
            "{}: expected {} ({}), got {judged:#?}, file findings {findings:?}",
            self.id, self.expected, self.why
        ))
    }

    fn inventory(&self) -> FileInventory {
        let client = match self.client.as_str() {
            "copilot" => "copilot-cli",
            "gemini" => "gemini-cli",
            other => other,
        };
        let path = self.path.as_deref().map_or_else(|| usual_path(client, &self.servers_key), str::to_owned);
        let path = PathBuf::from(HOME).join(path);
        let reading = reading_for(client, &path).unwrap_or_else(|| panic!("no client {client}"));
        inventory::take(&Source::new(path.clone(), None, reading), &self.bytes(&path))
    }

    /// The file as its client would find it.
    fn bytes(&self, path: &Path) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return encoded(raw, self.raw_encoding.as_deref().unwrap_or("utf-8"));
        }
        let entry = self.entry.clone().expect("entry or raw");
        let list = self.client == "continue";
        let servers = if list {
            let mut item = json!({ "name": self.server_name });
            item.as_object_mut().unwrap().extend(entry.as_object().unwrap().clone());
            json!([item])
        } else {
            json!({ &self.server_name: entry })
        };
        let file = json!({ &self.servers_key: servers });
        if path.extension().is_some_and(|e| e == "toml") {
            return toml::to_string(&file).unwrap().into_bytes();
        }
        // JSON is YAML as well.
        serde_json::to_vec_pretty(&file).unwrap()
    }

    fn judgement(&self, policy: &Policy, entry: &Entry, approved: &Approved) -> Judgement {
        let identity = identity::identify(entry);
        let fingerprint = fingerprint::of(entry, &identity, Some(HOME));
        let facts = self.facts(entry, approved);
        let subject = Subject { entry, identity: &identity, fingerprint: &fingerprint };
        let system = match self.os.as_deref() {
            Some("windows") => System::Windows,
            Some("macos") => System::Macos,
            _ => System::Linux,
        };
        let now: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        evaluate(policy, &subject, &Context { system, home: Some(HOME), facts: &facts, ..Context::bare(now) })
    }

    /// The machine as the case describes it: the approved program lies at its path unless a precondition says that
    /// something else does.
    fn facts(&self, entry: &Entry, approved: &Approved) -> Facts {
        let Some(command) = entry.command.as_ref().map(|c| c.expose().to_owned()) else {
            let listener = approved.listener.as_ref().map(|path| {
                let path = self.precondition.as_deref().and_then(listens).unwrap_or(path);
                FileFacts {
                    path: path.to_owned(),
                    real_path: path.to_owned(),
                    sha256: None,
                    user_writable: false,
                }
            });
            return Facts { listener, ..Facts::default() };
        };
        if !command.starts_with('/') {
            return Facts::default();
        }
        let as_approved = command == approved.path && self.precondition.is_none();
        let elsewhere = self.precondition.as_deref().and_then(|p| p.split(" symlink to ").nth(1));
        let sha256 = if as_approved { approved.sha256.clone() } else { OTHER_DIGEST.to_owned() };
        let real_path = elsewhere.map_or_else(|| command.clone(), |to| to.trim().to_owned());
        let program =
            FileFacts { path: command, real_path, sha256: Some(sha256), user_writable: !as_approved };
        Facts { program: Some(program), ..Facts::default() }
    }
}

/// `PATH listens there`.
fn listens(precondition: &str) -> Option<&str> {
    precondition.strip_suffix(" listens there")
}

/// Where a client keeps its own servers.
fn usual_path(client: &str, servers_key: &str) -> String {
    let path = match client {
        "claude-code" => ".claude.json",
        "claude-desktop" => ".config/Claude/claude_desktop_config.json",
        "cursor" => ".cursor/mcp.json",
        "vscode" => ".config/Code/User/mcp.json",
        "codex" => ".codex/config.toml",
        "zed" => ".config/zed/settings.json",
        "opencode" => ".config/opencode/opencode.json",
        "continue" => ".continue/config.yaml",
        "windsurf" => ".codeium/windsurf/mcp_config.json",
        "gemini-cli" => ".gemini/settings.json",
        "copilot-cli" => ".copilot/mcp-config.json",
        _ if servers_key == "mcp_servers" => "config.toml",
        _ => "mcp.json",
    };
    path.to_owned()
}

fn encoded(text: &str, encoding: &str) -> Vec<u8> {
    let wide = |unit: fn(u16) -> [u8; 2]| -> Vec<u8> { text.encode_utf16().flat_map(unit).collect() };
    match encoding {
        "utf-8" => text.as_bytes().to_vec(),
        "utf-8+bom" => [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        "utf-16-le" => wide(u16::to_le_bytes),
        "utf-16-le+bom" => [vec![0xff, 0xfe], wide(u16::to_le_bytes)].concat(),
        "utf-16-be+bom" => [vec![0xfe, 0xff], wide(u16::to_be_bytes)].concat(),
        "latin-1" => text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect(),
        "base64" => panic!("no case of this kind is known"),
        other => panic!("unknown encoding {other}"),
    }
}

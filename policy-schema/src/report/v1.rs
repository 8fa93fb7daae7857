//! `report/v1`: the contract with whoever reads our reports. Members may be added; none changes or leaves.
//!
//! Every text in here is redacted: values of environment variables and headers, URL user information and queries,
//! and arguments that look like secrets appear as `<secret:KIND:FINGERPRINT>`.

mod record;
mod request;
mod tool_call;

use serde::{Deserialize, Serialize};

pub use record::{
    Action, Body, Chain, ChainEnd, Class, Device, Event, Inventory, Layer, Loss, Posture, Record, Tier,
};
pub use request::Request;
pub use tool_call::ToolCall;

use crate::entry::{Inert, Scope, Transport};
use crate::finding::Severity;
use crate::verdict::{DecidedBy, Verdict};

/// The value of [`Report::schema`].
pub const SCHEMA: &str = "mcpolicy/report/v1";

/// What one scan found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Report {
    /// Always `mcpolicy/report/v1`.
    pub schema: String,
    /// Who wrote it.
    pub agent: Agent,
    /// Which machine, as far as the scan may say.
    pub host: Host,
    /// What was scanned and how.
    pub scan: Scan,
    /// The policy by which the entries were judged; absent in a plain inventory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyInForce>,
    /// Counts.
    pub summary: Summary,
    /// One per declaration, ordered by user, path and position.
    pub entries: Vec<Entry>,
    /// Every configuration file that was looked at and exists.
    pub sources: Vec<Source>,
    /// What is worth telling, the gravest first.
    pub findings: Vec<Finding>,
    /// What could not be read or judged, and why.
    pub coverage: Vec<Gap>,
    /// What developers of this machine ask to have allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Request>,
}

/// The program that made a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Agent {
    /// Always `mcpolicy`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Facts of the machine. A scan of a given home or root says nothing of the live machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Host {
    /// Host name; absent with `--home` and `--file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// `linux`, `macos` or `windows`: whose paths were looked for.
    pub os: String,
    /// Device id, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// Version of the operating system, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Processor architecture of a live scan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// Groups of the settings of its agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// What was scanned and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Scan {
    /// `machine`, `own-home`, `home`, `root`, `file` or `project`.
    pub mode: String,
    /// Directory of the checkout, with `project` only; code scanning needs paths relative to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Start, RFC 3339 in UTC.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Users whose homes were read.
    pub users: Vec<String>,
    /// Their homes: rules say `{home}` and `~`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub homes: Vec<Home>,
    /// Directories visited by the walk.
    pub directories_walked: u64,
    /// Files opened.
    pub files_read: u64,
    /// Which key made the fingerprints of secrets: `file` (given) or `ephemeral` (of this run only).
    pub fingerprint_key: String,
}

/// The home of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Home {
    /// The user.
    pub user: String,
    /// Path of the home, redacted.
    pub path: String,
}

/// Counts of a report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Summary {
    /// All entries.
    pub entries: u64,
    /// Entries that at least one client would load.
    pub live: u64,
    /// Entries that no client loads as written.
    pub inert: u64,
    /// Entries that are running now.
    pub running: u64,
    /// Different fingerprints.
    pub distinct: u64,
    /// Files with at least one entry.
    pub sources: u64,
    /// Findings per severity.
    pub findings: SeverityCounts,
    /// Coverage gaps.
    pub gaps: u64,
    /// Entries per verdict; absent in a plain inventory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdicts: Option<VerdictCounts>,
}

/// The policy by which entries were judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct PolicyInForce {
    /// Its name.
    pub name: String,
    /// Its sequence; absent for an unsigned draft.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Whether its signatures were verified against the trust root. A draft is not signed.
    pub signed: bool,
    /// SHA-256 of its body, 64 hex digits.
    pub sha256: String,
    /// Its mode on this machine.
    pub mode: String,
    /// The machine's ring, where it is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<String>,
    /// Sequence of the revocations that were applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocations: Option<u64>,
    /// `fresh`, `stale` or `expired`; absent for a draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staleness: Option<String>,
    /// Change ticket under which it was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// When it ends, RFC 3339 in UTC; absent for a draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// When it counts as stale if no newer head arrives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_at: Option<String>,
    /// When the trust root by which it was verified ends: until then another has to be signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_expires: Option<String>,
    /// What a reader of the verdicts must know: that the policy is UNSIGNED, stale or expired.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
}

/// Entries per verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct VerdictCounts {
    /// Number of allowed entries.
    pub allow: u64,
    /// Number of denied entries.
    pub deny: u64,
    /// Number of entries that could not be judged.
    pub unknown: u64,
}

/// What the policy says of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Judged {
    /// Allow, deny or unknown.
    pub verdict: Verdict,
    /// Which list decided.
    pub decided_by: DecidedBy,
    /// Id of the rule, exception, grant or revocation that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Finding code of the reason, where it is not allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The reason in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Version to which an unpinned entry would be rewritten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// Rules that are offered instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<String>,
    /// Rules that were asked and did not admit it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<TriedRule>,
    /// Whom to ask, where it is not allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// When what allows it ends, RFC 3339 in UTC: an exception, a grant, hold mode's grace, a condition of the rule
    /// that is not met yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Change ticket of what allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

/// A rule that was asked and did not admit an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct TriedRule {
    /// Its id.
    pub rule: String,
    /// Finding code of the first condition that failed.
    pub reason: String,
    /// The same in words.
    pub detail: String,
}

/// Findings per severity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct SeverityCounts {
    /// Number of critical findings.
    pub critical: u64,
    /// Number of high findings.
    pub high: u64,
    /// Number of medium findings.
    pub medium: u64,
    /// Number of low findings.
    pub low: u64,
    /// Number of informational findings.
    pub info: u64,
}

/// One server declaration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Entry {
    /// Stable within this report; findings refer to it.
    pub id: String,
    /// The name under which the client lists it.
    pub name: String,
    /// Whose location the file is.
    pub client: String,
    /// Who would load it as written.
    pub readers: Vec<Reader>,
    /// Scope of the declaration.
    pub scope: Scope,
    /// The user whose home it is in; absent for machine-wide files and checkouts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where it is declared.
    pub source: Location,
    /// JSON Pointer of the entry in its file.
    pub key_path: String,
    /// How the client talks to it.
    pub transport: Transport,
    /// What it would run or contact.
    pub identity: Identity,
    /// What is run, redacted.
    pub command: Option<String>,
    /// With what arguments, redacted.
    pub args: Vec<String>,
    /// Arguments (from 0) of which something is hidden that is one plain word: without `/`, `\`, space, variable or
    /// `..`. A pattern `*` admits it whatever it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plain_args: Vec<u32>,
    /// What is contacted, redacted.
    pub url: Option<String>,
    /// What is hidden in the URL are values of its query, and it is written plainly. A pattern `*` admits them whatever
    /// they are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain_url: bool,
    /// Names of environment variables, sorted.
    pub env_keys: Vec<String>,
    /// Names of HTTP headers, sorted.
    pub header_keys: Vec<String>,
    /// Values of environment variables and headers, as kind and fingerprint only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<RedactedValue>,
    /// Working directory, redacted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Names of other members that change what runs or what is allowed, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// Each client that would load it obeys an off switch that is set in it.
    pub disabled: bool,
    /// A process of this entry runs now; absent where processes were not looked at.
    pub running: Option<bool>,
    /// Why no reader loads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inert: Option<Inert>,
    /// Unkeyed SHA-256 over the non-secret parts and names; equal on all machines.
    pub fingerprint: String,
    /// What the policy says of it; absent in a plain inventory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
    /// The project directory that a local-scope entry belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The word by which the entry itself says how it is talked to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_type: Option<String>,
    /// What is wrong with its shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub malformed: Option<String>,
    /// What the machine knew of the files that the entry names, where it looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Facts>,
}

/// What a machine knew of the files that an entry names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Facts {
    /// The program in front.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<FileFacts>,
    /// The script of an interpreter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<FileFacts>,
    /// The executable that owns the listening socket of a loopback URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<FileFacts>,
}

/// A file as a machine had it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct FileFacts {
    /// Absolute path at which it was found, redacted.
    pub path: String,
    /// The same with every symbolic link resolved, redacted.
    pub real_path: String,
    /// SHA-256 of its bytes, 64 hex digits, where it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The user can change or replace it.
    pub user_writable: bool,
}

/// A client that would load an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Reader {
    /// Id of the client.
    pub client: String,
    /// The setting on which it depends, absent if it always reads the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Location {
    /// Path of the file. Bytes that are not UTF-8 appear as U+FFFD.
    pub path: String,
    /// Line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in Unicode scalar values, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// First byte of the entry in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<u64>,
    /// The byte after its last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<u64>,
}

/// What an entry would run or contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Identity {
    /// `npm`, `pypi`, `oci`, `git`, `url`, `bridge`, `executable`, `script`, `opaque`, `builtin` or another ecosystem.
    pub kind: String,
    /// Package, image, URL or path, redacted, for example `npm:@playwright/mcp`.
    pub name: String,
    /// Version, tag or digest as asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether the version is exact.
    pub pinned: bool,
}

/// A value that must not be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct RedactedValue {
    /// `env` or `header`; `member` for another member of which a fixed word or the name of a variable can be told.
    pub r#in: String,
    /// Name of the variable, header or member.
    pub name: String,
    /// Kind of the value, for example `github-token-classic`, `reference`, `literal`.
    pub kind: String,
    /// Keyed fingerprint of the value; absent for references and empty values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The references in the value as written (`${GITHUB_TOKEN}`, `{file:~/.token}`), never other text; absent where
    /// it cannot be told where they end. Of a member its fixed word or the name of the variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<Vec<String>>,
}

/// A configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Source {
    /// Path of the file.
    pub path: String,
    /// Whose location it is.
    pub client: String,
    /// Which clients read it.
    pub readers: Vec<Reader>,
    /// Scope of the file.
    pub scope: Scope,
    /// The user whose home it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `read`, `unparseable`, `refused` or `unreadable`.
    pub state: String,
    /// Size in bytes, where it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// SHA-256 of the bytes, keyed like the fingerprints of secrets, since a file can be guessed from a plain digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Number of entries.
    pub entries: u64,
}

/// Something worth telling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Finding {
    /// Stable code; docs/findings.md says what it means and what to do.
    pub code: String,
    /// Its weight.
    pub severity: Severity,
    /// What was seen.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// Id of the entry, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// Name of the entry, for reading without a join.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The user concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where it was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
    /// The verdict that it tells; absent where it does not come from the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// What the policy says of a process that no entry declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
}

/// Something that could not be read or judged: counted, never silent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Gap {
    /// Stable kind, for example `unreadable`, `walk-budget`, `remote-host`.
    pub kind: String,
    /// What was passed over and why.
    pub reason: String,
    /// Where, if it is one place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How many things were passed over.
    pub count: u64,
    /// The user concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether servers may have been missed that a scan on this machine should see (`--strict-coverage` counts these).
    pub partial: bool,
}

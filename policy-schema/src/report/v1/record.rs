//! Records: the lines in which a running agent reports. Each is whole by itself, carries who and where it is from, and hangs
//! on the one before it.
//!
//! Each class has numbers and a chain of its own, since they are dropped in another order when a disk is short: inventories and
//! heartbeats first, of which the newest replaces all before, violations last. A receiver proves a loss by the numbers: every
//! number from 1 is there once, or stands in a `gap` record.

use serde::{Deserialize, Serialize};

use super::{Agent, Entry, Finding, Gap, Identity, PolicyInForce, Request, Summary, ToolCall, VerdictCounts};

/// How soon a record leaves, how it is kept, and what goes last when room is short. Each has numbers and a chain of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Inventories and heartbeats.
    State,
    /// One call of a tool, as a client's hook told it.
    ToolCall,
    /// Anything else that happened.
    Event,
    /// Something that the policy does not allow, and what was done about it: on the disk before it counts as done.
    Violation,
}

impl Class {
    /// All, in the order in which they are dropped.
    pub const ALL: [Self; 4] = [Self::State, Self::ToolCall, Self::Event, Self::Violation];

    /// The word of it in records and file names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::ToolCall => "tool-call",
            Self::Event => "event",
            Self::Violation => "violation",
        }
    }
}

/// How much of a machine's users leaves it; the policy says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Everything that a record holds; secrets are in none.
    #[default]
    Full,
    /// Names of users, homes and machines as keyed hashes.
    Pseudonymous,
    /// What was decided and done, as counts and hashes.
    Outcomes,
}

impl Tier {
    /// The word of it in policies and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Pseudonymous => "pseudonymous",
            Self::Outcomes => "outcomes",
        }
    }
}

/// One line of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Record {
    /// Always `mcpolicy/report/v1`.
    pub schema: String,
    /// The same whenever this record is sent: device, class, epoch and number. A receiver drops a second one.
    pub id: String,
    /// How it is kept.
    pub class: Class,
    /// Which machine.
    pub device: Device,
    /// Who wrote it.
    pub agent: Agent,
    /// Its place among the others of its class.
    pub chain: Chain,
    /// When it was written, RFC 3339 in UTC, by the trusted clock.
    pub time: String,
    /// How much of its users leaves this machine.
    pub privacy: Tier,
    /// Members of which something was left out, since the record would have been too long: lists end early, texts in `…`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// What it says.
    #[serde(flatten)]
    pub body: Body,
}

/// The machine of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Device {
    /// `device.id` of the settings, which MDM gives; else made from the system's own id, and stable.
    pub id: String,
    /// Host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// `linux`, `macos` or `windows`.
    pub os: String,
    /// Version of the operating system, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Processor architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// Groups of the settings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// The place of a record among those of its class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Chain {
    /// Random, drawn when a class begins with nothing on the disk: two of them on one device are a spool that was lost.
    pub epoch: String,
    /// From 1, without holes.
    pub seq: u64,
    /// SHA-256 of the line before in this epoch, 64 hex digits; zeros before the first.
    pub prev: String,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Body {
    /// How the machine stands, every now and then.
    Heartbeat(Box<Posture>),
    /// An inventory begins: as many `entry`, `finding` and `coverage` records of this snapshot follow as it says.
    Inventory(Inventory),
    /// One entry of an inventory.
    Entry {
        /// The inventory that it is of.
        snapshot: String,
        /// The entry.
        entry: Box<Entry>,
    },
    /// Something that an inventory could not see.
    Coverage {
        /// The inventory that it is of.
        snapshot: String,
        /// What and why.
        gap: Gap,
    },
    /// Something worth telling of an inventory.
    Finding {
        /// The inventory that it is of.
        snapshot: String,
        /// What.
        finding: Box<Finding>,
    },
    /// A change of a file, or why there is none.
    Action(Action),
    /// A developer asks to have something allowed.
    Request {
        /// What.
        request: Box<Request>,
    },
    /// Anything else that happened: a server was ended, a policy was refused, the agent was started, state was changed.
    Event(Event),
    /// A call of a tool of a server.
    ToolCall(ToolCall),
    /// Records that were dropped on this machine.
    Gap(Loss),
}

/// An inventory, by its numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Inventory {
    /// Its id; records of it carry it.
    pub snapshot: String,
    /// `start`, `change` or `daily`.
    pub cause: String,
    /// The policy by which entries were judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyInForce>,
    /// Counts.
    pub summary: Summary,
    /// How many records of it follow.
    pub records: u64,
}

/// How a machine stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Posture {
    /// `compliant`, `stale`, `degraded` or `non-compliant`.
    pub state: String,
    /// Mode in force; absent without a policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Highest mode that this machine's settings let a policy have, where they say one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<String>,
    /// The policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyInForce>,
    /// Name and state of each layer.
    pub layers: Vec<Layer>,
    /// Entries by verdict.
    pub verdicts: VerdictCounts,
    /// Entries that the policy does not allow and that a client would start.
    pub open: u64,
    /// Denied servers that run.
    pub running: u64,
    /// Clients that have to be started anew.
    pub restart_needed: u64,
    /// Watched folders.
    pub watches: u64,
    /// Why not everything is watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degraded: Option<String>,
    /// What is wrong with the agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// When all was looked at last, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_rescan: Option<String>,
    /// Requests that wait.
    pub requests: u64,
    /// Their ids, the first ones. One that was there and is not any more was answered or withdrawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<String>,
    /// How far the chains of the other classes are. Records up to there that did not arrive were held back or lost, even where
    /// none came after them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chains: Vec<ChainEnd>,
}

/// How far a chain of a machine is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct ChainEnd {
    /// Of which class.
    pub class: Class,
    /// Its epoch.
    pub epoch: String,
    /// Number of its last record.
    pub seq: u64,
}

/// A layer of enforcement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// `in-force`, `report-only` or `off`.
    pub state: String,
}

/// A change of one entry, or why there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Action {
    /// `quarantine`, `revert`, `pin`, `disable`, `restore` and the like.
    pub action: String,
    /// `applied`, `skipped`, `conflict` or `failed`; `would` in a mode that writes nothing.
    pub outcome: String,
    /// The layer of enforcement that did it, by its name in a heartbeat: `watch`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub layer: String,
    /// Name of the entry.
    pub server: String,
    /// The client whose file it is.
    pub client: String,
    /// Its user; empty for what is machine-wide.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The file.
    pub path: String,
    /// Fingerprint of the entry.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// What it would run or contact; absent for a whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Code of the reason.
    pub code: String,
    /// The rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The reason in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Id with which the original is found in the vault.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub block: String,
    /// Number of its record in the machine's journal; absent for what enforcing would do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<u64>,
}

/// Something that happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Event {
    /// What, as in docs/report-format.md.
    pub code: String,
    /// Its user; empty for nobody's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The server that it is about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub server: String,
    /// The layer of enforcement that saw or did it, by its name in a heartbeat: `processes` for running servers.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub layer: String,
    /// The client that runs the server.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub client: String,
    /// What the server runs or contacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Fingerprint of its entry, or of the entry that would have started it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// Code of the reason why the server is not allowed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The rule that decided of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// In words.
    pub detail: String,
    /// How many, where it counts something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// From when no agent ran, with `agent-gap`; from when calls were not recorded, with `tool-calls-unrecorded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Number of its record in the machine's journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<u64>,
}

/// Records that were dropped before they left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Loss {
    /// Of which class. Not `class`, which is that of the record that tells it.
    pub of: Class,
    /// Its epoch.
    pub epoch: String,
    /// The first number that is missing.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// How many.
    pub count: u64,
    /// Why: `room` or `damage`.
    pub reason: String,
}

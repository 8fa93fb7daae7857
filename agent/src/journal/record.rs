//! What one line of the journal says. A frozen format: members may be added, none changes or leaves.

use jiff::Timestamp;
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::v1::Identity;
use serde::{Deserialize, Serialize};

use super::digest;

/// Between what a line says and the check of it.
const CHECK: &[u8] = b",\"check\":\"";
/// Hex digits of the check.
const CHECK_DIGITS: usize = 16;

/// The digest before the first record.
pub const NOTHING_BEFORE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Number of the record, from 1, without holes.
    pub seq: u64,
    /// SHA-256 of the line before, without its line feed; zeros before the first.
    pub prev: String,
    /// When it was written, by the trusted clock.
    pub time: Timestamp,
    /// The number of the account that it is about, where that has one: another may come to have its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

impl Record {
    /// The line of it, without line feed. Its last member, `check`, is the beginning of the SHA-256 of all that stands
    /// before it: the chain proves a record only once another follows.
    pub(super) fn to_line(&self) -> serde_json::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.pop();
        let check = check_of(&line);
        line.extend_from_slice(CHECK);
        line.extend_from_slice(check.as_bytes());
        line.extend_from_slice(b"\"}");
        Ok(line)
    }

    /// The same for people: names, paths and reasons without what is a secret by its shape. Not the record that the
    /// chain proves.
    #[must_use]
    pub fn redacted(&self, redactor: &Redactor) -> Self {
        let hidden = |text: &str| redactor.name(text);
        let what = match &self.what {
            What::Intent(intent) => What::Intent(Intent {
                path: hidden(&intent.path),
                home: hidden(&intent.home),
                actions: intent.actions.iter().map(|action| action.redacted(redactor)).collect(),
                ..intent.clone()
            }),
            What::Outcome(outcome) => {
                What::Outcome(Outcome { detail: hidden(&outcome.detail), ..outcome.clone() })
            }
            What::Event(event) => What::Event(Event {
                detail: hidden(&event.detail),
                server: hidden(&event.server),
                ..event.clone()
            }),
        };
        Self { what, ..self.clone() }
    }

    /// What a line says; nothing if it is not, byte for byte, what was written.
    pub(super) fn from_line(line: &[u8]) -> Option<Self> {
        let (said, check) = line.strip_suffix(b"\"}")?.split_last_chunk::<CHECK_DIGITS>()?;
        let said = said.strip_suffix(CHECK)?;
        (check_of(said).as_bytes() == check).then(|| serde_json::from_slice(line).ok()).flatten()
    }
}

fn check_of(said: &[u8]) -> String {
    let mut digest = digest(said);
    digest.truncate(CHECK_DIGITS);
    digest
}

impl What {
    /// The name of the user whom it is about; empty for nobody.
    pub(super) fn user(&self) -> &str {
        match self {
            Self::Intent(intent) => &intent.user,
            Self::Event(event) => &event.user,
            Self::Outcome(_) => "",
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum What {
    /// A change that is about to be made: on disk before the change is.
    Intent(Intent),
    /// What became of an intent.
    Outcome(Outcome),
    /// Anything else worth keeping: a policy accepted or held, records cut, a restore, a purge.
    Event(Event),
}

/// A change of one file that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// User whose file it is; empty for none.
    pub user: String,
    /// The file, as a path of its machine, links resolved.
    pub path: String,
    /// Its bytes in base64, where it is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_base64: Option<String>,
    /// SHA-256 of the bytes that were judged.
    pub before: String,
    /// SHA-256 of the bytes that are to take their place.
    pub after: String,
    /// The vault's item with the original.
    pub vault: String,
    /// The user's home, as a path of the machine.
    pub home: String,
    /// The temporary file beside it, which a crash may leave.
    pub temporary: String,
    /// The layer that does it; empty for the one that watches.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub layer: String,
    /// What is done to which entry, and why.
    pub actions: Vec<Action>,
}

/// What is done to one entry, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// `quarantine`, `revert`, `pin`, `disable`, `quarantine-file`, `switch-off`, `approval`, `restore`;
    /// `left` where nothing could be done.
    pub action: String,
    /// Name of the entry as reports show it; empty for a whole file.
    pub server: String,
    /// The client in whose location it stands.
    pub client: String,
    /// Fingerprint of the entry; empty for a whole file.
    pub fingerprint: String,
    /// Code of the reason.
    pub code: String,
    /// The reason in words.
    pub detail: String,
    /// The rule that decided or came nearest, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What the entry would run or contact, as reports show it; absent for a whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

impl Action {
    /// The same for people.
    #[must_use]
    pub fn redacted(&self, redactor: &Redactor) -> Self {
        Self { server: redactor.name(&self.server), detail: redactor.name(&self.detail), ..self.clone() }
    }
}

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The new bytes are in place and were read back.
    Applied,
    /// Not needed any more, or not to be done now.
    Skipped,
    /// The file was changed under us again and again; nothing was written.
    Conflict,
    /// The system refused; nothing was written.
    Failed,
}

impl End {
    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Skipped => "skipped",
            Self::Conflict => "conflict",
            Self::Failed => "failed",
        }
    }
}

/// What became of an intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Number of the intent.
    pub intent: u64,
    /// How it ended.
    pub outcome: End,
    /// Why, or what is left to do; empty if there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// Anything else worth keeping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Stable code: `policy-accepted`, `policy-activated`, `policy-held`, `policy-refused`, `not-done`, `not-looked-at`, `worker-failed`,
    /// `vault-pruned`, `not-restored`, `purged`, `purge-refused`, `account-renamed`, `torn-record`, `journal-damaged`,
    /// `journal-cut`; of running servers `server-reported`, `server-warned`, `server-spared`, `server-asked`, `server-killed`,
    /// `server-ended`, `server-not-ended`, `undeclared-server`, `restart-needed`; of the running agent `agent-stopped`,
    /// `agent-gap`, `hints-lost`, `policy-store-mended`.
    pub code: String,
    /// In words.
    pub detail: String,
    /// User concerned; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Server concerned; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub server: String,
    /// How many things it stands for, where it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Of a running server: what is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Running>,
    /// Of `agent-gap`: for how long no agent ran, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
}

/// What is known of a server that an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The client that runs it.
    pub client: String,
    /// Code of the reason why it is not allowed; empty where it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What it runs or contacts, as reports show it; absent where the event is about several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Fingerprint of its entry, or of the one that would have started it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
}

/// A time in which no agent of the machine ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The last sign of life: the record before.
    pub from: Timestamp,
    /// The start that ended it.
    pub to: Timestamp,
    /// `stopped`: it was told to; `broken-off`: it was killed or crashed, or the machine went off.
    pub reason: String,
}

impl Event {
    /// An event that concerns nobody in particular.
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            detail: detail.into(),
            user: String::new(),
            server: String::new(),
            count: None,
            running: None,
            gap: None,
        }
    }
}

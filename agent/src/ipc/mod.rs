//! How commands and the daemon of one machine talk: one question, one answer, over a local channel.
//!
//! Users ask for what is their own; what changes anything of the machine is for administrators, as the system names the
//! peer, never by what it says of itself.

pub mod client;
pub mod frame;
pub mod hooks;
pub mod server;

use jiff::Timestamp;
use mcpolicy_schema::document::PolicyDocument;
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::v1::Request;
use mcpolicy_schema::revocations::{Revocations, RevocationsDocument};
use mcpolicy_schema::signed::Grant;
use serde::{Deserialize, Serialize};

use crate::answers::request::Listed;
use crate::board::Found;
use crate::board::happened::Happened;
use crate::board::status::Status;
use crate::calls::{Call, Decision, Ended};
use crate::enforce::restore::Restored;
use crate::in_force::InForce;
use crate::journal::{End, Record};
use crate::reporter::shown::{Shown, Which};
use crate::vault::Item;

/// A question. Each names who may ask it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// Everybody: the posture, with the own entries.
    Status {
        /// With what the agent costs.
        #[serde(default)]
        cost: bool,
    },
    /// Everybody: the own entries, and what was done about them.
    Found,
    /// Everybody: the policy that acts.
    Policy,
    /// Everybody: what was taken out of the own files, and the own records of the journal.
    Past,
    /// Everybody: records that leave or have left, as they are: the own, and those that are about nobody.
    Report {
        /// Which.
        which: Which,
    },
    /// Everybody: keep a request of the own.
    Request {
        /// The request; who asks is taken from the peer.
        request: Box<Request>,
    },
    /// Everybody: the own requests that wait.
    Requests,
    /// Everybody: take a grant for the own account; administrators for any.
    Redeem {
        /// The line that `policy grant` signed.
        token: String,
    },
    /// Everybody: whether a call of the own client is let through now.
    Call {
        /// The call.
        call: Box<Call>,
    },
    /// Everybody: a call of the own client is over.
    Called {
        /// Which, and how it went.
        ended: Box<Ended>,
    },
    /// Administrators: only watch for the time that a token gives.
    Breakglass {
        /// The line that `policy breakglass` signed.
        token: String,
    },
    /// Administrators: a pass, now.
    Pass,
    /// Administrators: put an item of the vault back, as far as the policy allows it.
    Restore {
        /// Its id.
        id: String,
    },
}

impl Ask {
    /// Whether only an administrator may ask it.
    pub fn is_for_administrators(&self) -> bool {
        match self {
            Self::Status { .. }
            | Self::Found
            | Self::Policy
            | Self::Past
            | Self::Report { .. }
            | Self::Request { .. }
            | Self::Requests
            | Self::Redeem { .. }
            | Self::Call { .. }
            | Self::Called { .. } => false,
            Self::Breakglass { .. } | Self::Pass | Self::Restore { .. } => true,
        }
    }

    /// Whether nothing but memory is looked at for it, so that a client may ask it at each call of a tool.
    pub fn is_of_a_hook(&self) -> bool {
        matches!(self, Self::Call { .. } | Self::Called { .. })
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Ask::Status`].
    Status(Box<Status>),
    /// To [`Ask::Found`].
    Found {
        /// Entries as their files are now.
        found: Vec<Found>,
        /// What was done last, the newest first.
        recent: Vec<Happened>,
    },
    /// To [`Ask::Policy`].
    Policy(Box<PolicySent>),
    /// To [`Ask::Past`].
    Past {
        /// Items of the vault, without anything of their content.
        items: Vec<Item>,
        /// Records, the oldest first.
        records: Vec<Record>,
    },
    /// To [`Ask::Report`].
    Report(Box<Leaves>),
    /// To [`Ask::Request`] and [`Ask::Requests`].
    Requests(Listed),
    /// To [`Ask::Pass`].
    Passed {
        /// Entries that were looked at.
        servers: u64,
        /// Files that were acted on, and how it ended.
        acted: Vec<Happened>,
        /// What people must know.
        notices: Vec<String>,
    },
    /// To [`Ask::Restore`].
    Restored(PutBack),
    /// To [`Ask::Redeem`] and [`Ask::Breakglass`]: it counts from now on.
    Taken {
        /// Its id.
        id: String,
        /// What it is about, for people.
        what: String,
        /// When it ends, at the latest.
        until: Timestamp,
    },
    /// To [`Ask::Call`].
    Decided(Decision),
    /// To [`Ask::Call`] before the first pass is over: ask again in a moment.
    NotYet,
    /// To [`Ask::Called`].
    Noted,
    /// Nothing was done.
    Refused {
        /// Why, and what to do.
        why: String,
    },
}

/// What leaves a machine, and where to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaves {
    /// Whether anything is kept to leave.
    pub has_spool: bool,
    /// The records.
    pub shown: Shown,
    /// Name, kind and place of each sink, and what the role that ships says of it.
    pub sinks: Vec<String>,
}

/// What became of an item of the vault that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutBack {
    /// How it ended.
    pub outcome: End,
    /// Names of the entries that are back.
    pub entries: Vec<String>,
    /// Why not, or what is left to do.
    pub detail: String,
    /// Not all of the item is back.
    pub incomplete: bool,
    /// What people must know.
    pub notices: Vec<String>,
}

impl Answer {
    /// To [`Ask::Restore`], for people: names are text of users.
    pub fn restored(restored: &Restored, notices: &[String], redactor: &Redactor) -> Self {
        let shown = |texts: &[String]| texts.iter().map(|text| redactor.name(text)).collect();
        Self::Restored(PutBack {
            outcome: restored.end,
            entries: shown(&restored.entries),
            detail: redactor.name(&restored.detail),
            incomplete: restored.incomplete,
            notices: shown(notices),
        })
    }
}

/// The policy that acts, as commands of users need it to answer by themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicySent {
    /// What administrators wrote.
    pub document: PolicyDocument,
    /// The emergency list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocations: Option<RevocationsDocument>,
    /// Grants of whoever asks.
    #[serde(default)]
    pub grants: Vec<Grant>,
    /// Its sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Sequence of the revocations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocations_sequence: Option<u64>,
    /// SHA-256 of its body.
    pub sha256: String,
    /// `fresh`, `stale` or `expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staleness: Option<String>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// The mode that holds.
    pub mode: String,
    /// The machine's ring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<String>,
    /// The machine's id.
    pub device: String,
    /// Groups of all of its users.
    #[serde(default)]
    pub groups: Vec<String>,
}

impl PolicySent {
    /// The policy, to judge by.
    ///
    /// # Errors
    /// It is not one that this version understands.
    pub fn in_force(self) -> anyhow::Result<InForce> {
        let other = |faults: Vec<_>| {
            anyhow::anyhow!(
                "the agent's policy is not understood here ({} faults): is it of another version?",
                faults.len()
            )
        };
        let staleness = self
            .staleness
            .as_deref()
            .and_then(|word| ["fresh", "stale", "expired"].into_iter().find(|known| *known == word));
        Ok(InForce {
            policy: Policy::compile(self.document).map_err(other)?,
            revocations: self.revocations.map(Revocations::compile).transpose().map_err(other)?,
            grants: self.grants,
            sequence: self.sequence,
            sha256: self.sha256,
            ticket: None,
            root_expires: None,
            revocations_sequence: self.revocations_sequence,
            staleness,
            expired: staleness == Some("expired"),
            expires: self.expires,
            as_of: None,
            stale_at: None,
            expired_at: None,
            older_at: self.expires.into_iter().collect(),
            notices: Vec::new(),
            for_ring: None,
            elsewhere: None,
        })
    }
}

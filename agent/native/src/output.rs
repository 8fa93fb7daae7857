//! What shall stand where, what is ours of it, and what stands in the way.

use mcpolicy_schema::document::{Expressible, NativeOwner};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::inexpressible::Inexpressible;
use crate::target::{Client, Target};

/// The way from the top of a file to a member.
pub type KeyPath = Vec<String>;

/// One thing of ours in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OurKey {
    /// Where it stands.
    pub path: KeyPath,
    /// What stands there: the member's value, or the item of the list.
    pub value: Value,
    /// It is one item of the list at `path`, beside those of others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub item: bool,
}

/// What of a file is ours. The installer keeps it (in the agent's own state, root's) and hands it back in [`State`];
/// without it our keys would look like somebody else's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ours {
    /// Our keys and items, in the order in which they were put there.
    pub keys: Vec<OurKey>,
    /// Objects and lists that were made for them, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<KeyPath>,
    /// What the file was before, where it held nothing: `None` if it had content of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
}

/// A file that held nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Before {
    /// It was not there.
    Absent,
    /// It was blank, with these blanks.
    Blank(String),
}

/// What stands at a target now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Its bytes; `None` if it is not there. Registry values and preferences: see [`crate::target::Format::Values`].
    pub bytes: Option<Vec<u8>>,
    /// What of it is ours.
    pub ours: Option<Ours>,
}

/// What shall stand at a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Where.
    pub target: Target,
    /// All of it; `None`: it shall not be there.
    pub bytes: Option<Vec<u8>>,
    /// What of it is ours, to be kept until the next time; `None`: nothing.
    pub ours: Option<Ours>,
}

/// How something of an administrator stands to what is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictKind {
    /// It admits more than the policy: the finding `native-widened`.
    Widened,
    /// It refuses something that the policy allows.
    Narrowed,
    /// The file cannot be read as its client reads it, or has another shape than expected; it is left as it is.
    Unreadable,
}

/// Something of an administrator that stands in the way. It is never overwritten.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// Where: [`Target::id`], or the file beside it.
    pub place: String,
    /// Which member, as a JSON Pointer; empty for the whole file.
    pub key: String,
    /// How it stands to ours.
    pub kind: ConflictKind,
    /// What it is and what follows, in words for people. No value of the file is in it.
    pub what: String,
}

/// A hook that was compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The command, as its client runs it.
    pub command: String,
    /// What the client does when the program is missing, ends otherwise than it should, or answers too late.
    pub fails_open: bool,
    /// The same in words for people.
    pub what: &'static str,
}

/// All that is compiled for one client.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// Which.
    pub client: Client,
    /// Who writes it: with `mdm` outputs are only compared, with `off` they hold nothing of ours.
    pub owner: NativeOwner,
    /// What is done about rules that it cannot express.
    pub inexpressible_mode: Expressible,
    /// What shall stand where. A target that must not be touched (see `conflicts`) is not among them.
    pub outputs: Vec<Output>,
    /// What the client cannot express, by rule.
    pub inexpressible: Vec<Inexpressible>,
    /// What stands in the way.
    pub conflicts: Vec<Conflict>,
    /// The hook, where one was compiled.
    pub hook: Option<Hook>,
}

/// A difference between what stands at a target and what was put there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// Which member, as a JSON Pointer.
    pub key: String,
    /// It is gone, or has another value.
    pub gone: bool,
}

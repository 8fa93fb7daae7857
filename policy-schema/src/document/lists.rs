//! `[[deny]]`, `[[exception]]` and `[[ring]]`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::matcher::IdentityMatcher;
use super::settings::Mode;

/// Something that is denied whatever a rule allows. Conditions other than the identity play no part: no argument,
/// wrapper or variable makes it another thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Deny {
    /// Unique among all rules.
    pub id: String,
    /// What is denied. A request that may resolve to a denied version is denied.
    pub identity: IdentityMatcher,
    /// Why; shown to developers.
    pub reason: String,
    /// Change ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Rules to offer instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<String>,
    /// Whom to ask; absent: the policy's contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
}

/// An entry that is allowed for a time, exactly as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Exception {
    /// Unique among all rules.
    pub id: String,
    /// Fingerprint of the entry (`sha256:…`), as reports show it.
    pub fingerprint: String,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// Change ticket.
    pub ticket: String,
    /// When it ends (RFC 3339).
    #[cfg_attr(feature = "json-schema", schemars(with = "String"))]
    pub expires: Timestamp,
    /// Only in this directory: the project's, or that of the file of a plugin; `~` is the user's home. An entry that runs
    /// what lies in its project (`node ./server.js`) is another server in each, so without this no exception counts for
    /// one that a project or plugin declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Only for these users and devices: each list that is given must have the one concerned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// See `users`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
}

/// A share of the fleet. A machine is in the first ring that names it, else in the first whose share it falls into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Ring {
    /// Its name.
    pub name: String,
    /// Share of all machines, 0 to 100, chosen by a stable hash of the device id.
    #[serde(default)]
    pub percent: u8,
    /// Devices that are in it whatever the hash says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// Users whose machines are in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Groups whose machines are in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The mode of this ring; absent: the policy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
}

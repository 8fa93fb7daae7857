//! The emergency list: what is denied now, whatever the policy allows.

use serde::{Deserialize, Serialize};

use crate::document::IdentityMatcher;

/// The value of [`RevocationsDocument::schema`].
pub const SCHEMA: &str = "mcpolicy/revocations/v1";

/// What one revocation takes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Revoked {
    /// A rule, exception or grant by its id.
    Rule(String),
    /// An identity.
    Identity(IdentityMatcher),
    /// A digest of a file or image (64 hex digits).
    Sha256(String),
    /// An entry by its fingerprint.
    Fingerprint(String),
    /// Every server on a device.
    Device(String),
    /// Every server of a user.
    User(String),
    /// Every server of a group.
    Group(String),
}

/// One line of the emergency list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Revocation {
    /// Unique in the list.
    pub id: String,
    /// What is taken back.
    pub revoked: Revoked,
    /// Why; shown to developers.
    pub reason: String,
    /// Change ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

/// The body of a revocations document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct RevocationsDocument {
    /// Always `mcpolicy/revocations/v1`.
    pub schema: String,
    /// The list.
    #[serde(default)]
    pub revocation: Vec<Revocation>,
}

/// The compiled list.
#[derive(Debug, Clone)]
pub struct Revocations {
    document: RevocationsDocument,
}

impl Revocations {
    /// Compiles a list.
    ///
    /// # Errors
    /// Everything that is wrong in it.
    pub fn compile(document: RevocationsDocument) -> Result<Self, Vec<crate::policy::Fault>> {
        Ok(Self { document })
    }

    /// The list that was compiled.
    pub fn document(&self) -> &RevocationsDocument {
        &self.document
    }
}

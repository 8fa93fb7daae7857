//! What administrators write: `policy.toml`. The signed body of a policy is the same document as JSON, so that what
//! was reviewed is what is enforced.
//!
//! Unknown members are refused: a misspelt condition must not become a missing one.

mod lists;
mod matcher;
mod rule;
mod settings;

use serde::{Deserialize, Serialize};

pub use lists::{Deny, Exception, Ring};
pub use matcher::{
    BridgeMatcher, Ecosystem, ExecutableMatcher, GitMatcher, IdentityMatcher, ImageMatcher, OpaqueMatcher,
    PackageMatcher, ScriptMatcher, UrlMatcher, is_placeholder,
};
pub use rule::{Args, Auth, AuthKind, Class, DataAccess, Remediation, Rule, Token, ToolClass, Tools};
pub use settings::{
    Approvals, Default, Expressible, Fights, GateLate, Lock, MaxNewRemovals, Mode, Native, NativeOwner,
    OnVersion, Processes, Registries, Rescans, Runners, Settings, Staleness, UnknownMembers, Unparseable,
};

/// The value of [`PolicyDocument::schema`].
pub const SCHEMA: &str = "mcpolicy/policy/v1";

/// A policy as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct PolicyDocument {
    /// Always `mcpolicy/policy/v1`.
    pub schema: String,
    /// What holds for all rules.
    pub policy: Settings,
    /// What is allowed, one rule a server. The order does not matter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rule: Vec<Rule>,
    /// What is denied whatever a rule allows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Deny>,
    /// What is allowed for a time, with an owner and a ticket.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exception: Vec<Exception>,
    /// Shares of the fleet that get a policy or a mode first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ring: Vec<Ring>,
}

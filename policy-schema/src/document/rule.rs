//! `[[rule]]`: one allowed server, what it may be started with, and who answers for it.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::matcher::IdentityMatcher;
use crate::entry::{Scope, Transport};

/// Arguments that may reach the server. Everything not named is denied.
///
/// Patterns: `*` stands for any text without `/`, `**` for any text, `{home}` for the user's home. An argument with a
/// `..` component matches no wildcard. A pattern of two words (`--port *`) is a flag and its value, as two arguments
/// or as one with `=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Args {
    /// Exactly these, in this order. A last `...` stands for any further arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub positional: Vec<String>,
    /// These may stand anywhere among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub optional: Vec<String>,
    /// These must stand somewhere among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<String>,
}

/// Who makes the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Class {
    /// The vendor of the service that it gives access to.
    Vendor,
    /// Our own organisation.
    Internal,
    /// Anybody else.
    Community,
}

/// How the server knows who is calling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum AuthKind {
    /// OAuth 2.1.
    Oauth,
    /// A key or token that the developer holds.
    Key,
    /// Not at all.
    None,
}

/// Authentication, as reviewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Auth {
    /// How.
    pub kind: AuthKind,
    /// With PKCE (RFC 7636).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pkce: bool,
    /// With resource indicators (RFC 8707).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resource_indicators: bool,
}

/// The credential that the server is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Token {
    /// How long one lives, in hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime_hours: Option<u32>,
    /// How often it is replaced, in days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_days: Option<u32>,
}

/// What the server can do to data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum DataAccess {
    /// None of ours.
    None,
    /// It reads only.
    ReadOnly,
    /// It sees a replica only.
    Replica,
    /// It reads and writes.
    ReadWrite,
}

/// What must be put right for the rule to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Remediation {
    /// What.
    pub what: String,
    /// Last day on which the rule allows without it; from the next day (UTC) the rule denies.
    #[cfg_attr(feature = "json-schema", schemars(with = "String"))]
    pub deadline: Date,
    /// It has been done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
}

/// What calls of a tool do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum ToolClass {
    /// They read.
    Read,
    /// They change something: the client asks first.
    #[default]
    Write,
    /// They are not allowed.
    Never,
}

/// The server's tools by what they do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Tools {
    /// Tools that only read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<String>,
    /// Tools that change something.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<String>,
    /// Tools that must not be called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub never: Vec<String>,
    /// What a tool is that is not listed; absent: the policy's `unlisted_tools`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlisted: Option<ToolClass>,
}

/// One allowed server. A list that is absent or empty and says "may" allows nothing of its kind; a list of `clients`,
/// `scopes`, `transports`, `users`, `groups`, `devices` or `rings` that is absent or empty restricts nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Rule {
    /// Unique and stable; shown to developers.
    pub id: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What the rule is about.
    pub identity: IdentityMatcher,

    /// Runners that may start it (`npx`, `pnpm dlx`, `docker run`); absent: every usual one of its ecosystem.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runners: Vec<String>,
    /// Arguments that the runner may be given besides the harmless ones, each with its value: `--network host`,
    /// `-v {home}/data:/data`. Any order; patterns as in [`Args`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runner_args: Vec<String>,
    /// Further packages that may be loaded beside it (`uvx --with`), with their versions as written; `[name]` for an
    /// extra of a Python distribution.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// Programs of the package that may be run (`npx --package P BIN`); absent: one of the package's own name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bins: Vec<String>,
    /// Wrappers that may start it (`sh -c`, `env`, `wsl -d Ubuntu`), with their arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wrappers: Vec<String>,
    /// Arguments that may reach the server.
    #[serde(default)]
    pub args: Args,
    /// Environment that it may be given: name and value pattern; `*` is any value, also a client's prompt.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Headers that it may be sent: name and value pattern.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Variables, files and commands that values may refer to besides the variable of the same name: `GITHUB_TOKEN`,
    /// `file:~/.token`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    /// Members of the entry that it may have (`envFile`, `headersHelper`, `dev`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// Working directories that it may set; patterns as in [`Args`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cwd: Vec<String>,

    /// Only in these clients.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<String>,
    /// Only in these scopes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<Scope>,
    /// Only over these transports; an entry that does not say which fits all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transports: Vec<Transport>,
    /// Only for these users, groups, devices and rings: one of them is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// See `users`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// See `users`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// See `users`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rings: Vec<String>,

    /// Names that entries of this server usually have; another identity under one of them is `impersonation`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Argument vectors from which native policies are made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub native_forms: Vec<Vec<String>>,
    /// The version to which an unpinned entry is rewritten; absent: the one version of `versions`, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,

    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Who makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// Who reads the difference between releases before the version moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_reviewer: Option<String>,
    /// Day of the next review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "json-schema", schemars(with = "Option<String>"))]
    pub review_by: Option<Date>,
    /// Change ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Revision of the MCP specification that it meets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp_spec: Option<String>,
    /// How callers are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// What its credential may do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credential_scopes: Vec<String>,
    /// How long its credential lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// What it can do to data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_access: Option<DataAccess>,
    /// What must be put right, and by when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<Remediation>,
    /// Its tools by what they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Tools>,
    /// Rules to offer to a developer whose entry this rule refuses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<String>,
    /// Whom to ask about this server; absent: the policy's contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
}

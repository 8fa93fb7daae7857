//! `[policy]`: what holds for all rules.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::rule::ToolClass;
use crate::report::v1::Tier;

/// What is done with verdicts. Verdicts do not depend on it; actions do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, std::default::Default,
)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Mode {
    /// Nothing outside our own state is written.
    Observe,
    /// As observe, and people are told.
    Warn,
    /// What was there at the first scan stays until `grace_until`; anything new or changed is enforced.
    Hold,
    /// All layers act.
    #[default]
    Enforce,
}

/// The verdict on what no rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, std::default::Default)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Default {
    /// No match is deny.
    #[default]
    Deny,
    /// No match is allow; loosens, so it needs two signatures.
    Allow,
}

/// Which files may be runners (npx, uvx, docker …).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, std::default::Default)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Runners {
    /// One that the user can write (Homebrew, a version manager) is only a finding.
    #[default]
    Any,
    /// One that the user can write is denied.
    System,
}

/// What members that no adapter knows mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, std::default::Default)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum UnknownMembers {
    /// A finding.
    #[default]
    Report,
    /// Deny, unless the rule names them.
    Deny,
}

/// What is done about an allowed package whose only fault is its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, std::default::Default)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum OnVersion {
    /// It is treated as any other denied entry.
    #[default]
    Deny,
    /// It is rewritten to the version that the rule names.
    Pin,
}

/// What is done about a file that cannot be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, std::default::Default)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Unparseable {
    /// It is reported.
    #[default]
    Report,
    /// It is taken away after 10 s unchanged; never a file that holds client state.
    QuarantineFile,
}

/// What is done about denied servers that run already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, std::default::Default)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Processes {
    /// They are reported.
    #[default]
    Report,
    /// They are stopped after a grace.
    Stop,
}

/// What is done where a tool puts what is denied back into a file as often as it is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, std::default::Default)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Fights {
    /// It is reported, and the file acted on ever more slowly.
    #[default]
    Report,
    /// Beside that, servers of the entries in question are stopped as soon as they are seen to run, without grace and
    /// whatever [`Processes`] says.
    StopServers,
}

/// What looks wait for that nothing but the time calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, std::default::Default)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Rescans {
    /// For nothing; the walk of the day waits for an idle machine.
    #[default]
    OnTime,
    /// For mains power.
    OnMains,
    /// For an idle machine.
    WhenIdle,
}

/// Who writes a client's own managed configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, std::default::Default)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum NativeOwner {
    /// The agent writes, watches and repairs it.
    #[default]
    Agent,
    /// MDM writes it; the agent only verifies.
    Mdm,
    /// Nobody. Loosens, so it needs two signatures.
    Off,
}

/// What a native policy does about rules that the client cannot express.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, std::default::Default)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Expressible {
    /// Only what can be expressed is allowed.
    #[default]
    Closed,
    /// Only denials and locks are written.
    Open,
}

/// Modes of a client in which it asks nobody before a tool is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, std::default::Default)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Approvals {
    /// They are the client's and its user's own matter.
    #[default]
    Free,
    /// They are locked off where the client has a managed key for it.
    Ask,
}

/// What a client offers beside the entries of its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, std::default::Default)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Lock {
    /// It can be used; servers that come that way are judged as any other.
    #[default]
    Open,
    /// It is locked as a whole where the client has a managed key for it.
    Locked,
}

impl Lock {
    fn is_open(&self) -> bool {
        *self == Self::Open
    }
}

/// What the gate does with a reader who has waited as long as one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, std::default::Default)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum GateLate {
    /// The open is refused.
    #[default]
    Deny,
    /// The file is read as it is; watching and reverting go on. Loosens, so it needs two signatures.
    Allow,
}

impl GateLate {
    fn is_deny(&self) -> bool {
        *self == Self::Deny
    }
}

/// The native policy of one client. What is not said is not written, so that agents which are older than a member take a
/// policy without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, std::default::Default)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Native {
    /// Who writes it.
    #[serde(default)]
    pub owner: NativeOwner,
    /// What becomes of rules that the client cannot express.
    #[serde(default)]
    pub inexpressible: Expressible,
    /// Plugins, extensions and marketplaces of others.
    #[serde(default, skip_serializing_if = "Lock::is_open")]
    pub plugins: Lock,
    /// Flags of a command line that bring servers which no file declares (`--mcp-config`, `--plugin-dir`).
    #[serde(default, skip_serializing_if = "Lock::is_open")]
    pub flags: Lock,
    /// Connectors that the vendor's cloud brings.
    #[serde(default, skip_serializing_if = "Lock::is_open")]
    pub connectors: Lock,
    /// Claude Code takes its servers from the managed file alone; all other entries vanish from it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exclusive: bool,
}

/// Package registries that count as the default ones; naming any other is an override and refused. URLs as runners
/// take them (`https://registry.example.com/`); host names for images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, std::default::Default)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Registries {
    /// For npx and its like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub npm: Vec<String>,
    /// Indexes for uvx and pipx.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pypi: Vec<String>,
    /// Sources for dotnet tools.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dotnet: Vec<String>,
}

/// How much a new policy may remove at once from one machine without [`Settings::acknowledge_breaking`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct MaxNewRemovals {
    /// At most this many entries.
    pub entries: u32,
    /// At most this share of the allowed entries, 0 to 100.
    pub percent: u8,
}

impl std::default::Default for MaxNewRemovals {
    fn default() -> Self {
        Self { entries: 5, percent: 30 }
    }
}

/// When a policy that could not be refreshed counts as old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Staleness {
    /// Hours without a verified head until it is reported as stale.
    pub stale_after_hours: u32,
    /// Days without a verified head until it is expired.
    pub expired_after_days: u32,
}

impl std::default::Default for Staleness {
    fn default() -> Self {
        Self { stale_after_hours: 72, expired_after_days: 30 }
    }
}

/// `[policy]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Settings {
    /// Name of the policy, shown to people.
    pub name: String,
    /// Whom developers ask: an address, a channel or a URL.
    pub contact: String,
    /// What is done with verdicts.
    #[serde(default)]
    pub mode: Mode,
    /// Last day on which hold mode leaves what was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "json-schema", schemars(with = "Option<String>"))]
    pub grace_until: Option<Date>,
    /// The verdict on what no rule names.
    #[serde(default)]
    pub default: Default,
    /// The denylist is ignored. Loosens, so it needs two signatures.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_denylist: bool,
    /// Revocations are ignored. Loosens, so it needs two signatures.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_revocations: bool,
    /// What members of an entry mean that no adapter knows.
    #[serde(default)]
    pub unknown_members: UnknownMembers,
    /// What an allowed package with a wrong version gets.
    #[serde(default)]
    pub on_version: OnVersion,
    /// What an unparseable file gets.
    #[serde(default)]
    pub unparseable: Unparseable,
    /// What denied servers that run already get.
    #[serde(default)]
    pub processes: Processes,
    /// What a tool gets that goes on putting denied entries back.
    #[serde(default)]
    pub fights: Fights,
    /// What rescans wait for, four hours at the most.
    #[serde(default)]
    pub rescans: Rescans,
    /// Where every client that would load an entry obeys an off switch in it, that is used instead of removing the entry.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prefer_disable: bool,
    /// Whether runners that the user can write count.
    #[serde(default)]
    pub runners: Runners,
    /// Directories besides the system's in which a runner may lie; `~` is the user's home, `*` one component,
    /// `**` any number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runner_roots: Vec<String>,
    /// The `PATH` in which a bare command is looked for when no client runs, per system (`linux`, `macos`, `windows`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub search_path: BTreeMap<String, Vec<String>>,
    /// The default package registries.
    #[serde(default)]
    pub registries: Registries,
    /// Variables that every rule allows: name and value pattern.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The class of tools that no rule lists.
    #[serde(default)]
    pub unlisted_tools: ToolClass,
    /// How much may be removed at once.
    #[serde(default)]
    pub max_new_removals: MaxNewRemovals,
    /// A word to the fleet that this policy removes much, and why; lifts `max_new_removals`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge_breaking: Option<String>,
    /// When the policy counts as old.
    #[serde(default)]
    pub staleness: Staleness,
    /// Native policies by client id; `default` for all others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub native: BTreeMap<String, Native>,
    /// Whether clients may call tools without asking anybody.
    #[serde(default, skip_serializing_if = "is_free")]
    pub approvals: Approvals,
    /// The Linux gate holds readers until a file is checked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gate: bool,
    /// What a reader gets whom the gate has kept waiting too long.
    #[serde(default, skip_serializing_if = "GateLate::is_deny")]
    pub gate_late: GateLate,
    /// How much of a machine's users leaves it in records. A policy that lets all of it leave does not say so, and so agents
    /// that are older than this member take it too.
    #[serde(default, skip_serializing_if = "is_full")]
    pub privacy: Tier,
    /// The oldest revision of the MCP specification that servers should meet, for example `2025-06-18`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp_spec: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde hands it over")]
fn is_free(approvals: &Approvals) -> bool {
    *approvals == Approvals::Free
}

fn is_full(tier: &Tier) -> bool {
    *tier == Tier::Full
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_says_no_word_that_older_agents_refuse_where_it_does_not_need_it() {
        let plain = r#"{"name":"fleet","contact":"it@example.com","native":{"cursor":{"owner":"mdm"}}}"#;
        let plain: Settings = serde_json::from_str(plain).unwrap();
        let text = serde_json::to_string(&plain).unwrap();
        for word in ["approvals", "gate_late", "plugins", "flags", "connectors", "exclusive"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
        let strict = r#"{"name":"fleet","contact":"it@example.com","approvals":"ask","gate":true,"gate_late":"allow",
            "native":{"claude-code":{"plugins":"locked","flags":"locked","connectors":"locked","exclusive":true}}}"#;
        let strict: Settings = serde_json::from_str(strict).unwrap();
        assert_eq!(
            serde_json::from_str::<Settings>(&serde_json::to_string(&strict).unwrap()).unwrap(),
            strict
        );
        assert_eq!((strict.approvals, strict.gate_late), (Approvals::Ask, GateLate::Allow));
    }

    #[test]
    fn a_policy_says_nothing_of_privacy_where_all_may_leave() {
        let policy = |text: &str| serde_json::from_str::<Settings>(text).unwrap();
        let plain = policy(r#"{"name":"fleet","contact":"it@example.com"}"#);
        assert_eq!(plain.privacy, Tier::Full);
        assert!(!serde_json::to_string(&plain).unwrap().contains("privacy"));
        let strict = policy(r#"{"name":"fleet","contact":"it@example.com","privacy":"outcomes"}"#);
        assert_eq!(strict.privacy, Tier::Outcomes);
        assert_eq!(policy(&serde_json::to_string(&strict).unwrap()), strict);
    }
}

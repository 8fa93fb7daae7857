//! Whether Claude Code takes a settings file at all.
//!
//! It drops one as a whole in which a member that it knows has a value of another kind, and with it the list of what is
//! switched off (run with 2.1.197; the members and kinds are those of that version's own settings). Its list of members
//! grows with each version. So a file is believed only if it has nothing but members of the kinds below: what stands in
//! no list here may be one that the client's next version checks.

use crate::node::{Member, Node, Value};

/// `true` or `false`.
const FLAGS: &[&str] = &[
    "allowManagedHooksOnly",
    "alwaysThinkingEnabled",
    "autoCompactEnabled",
    "autoMemoryEnabled",
    "awaySummaryEnabled",
    "disableAllHooks",
    "disableBundledSkills",
    "disableClaudeAiConnectors",
    "enableAllProjectMcpServers",
    "fastMode",
    "fastModePerSessionOptIn",
    "fileCheckpointingEnabled",
    "includeCoAuthoredBy",
    "includeGitInstructions",
    "prefersReducedMotion",
    "promptSuggestionEnabled",
    "respectGitignore",
    "showMessageTimestamps",
    "showThinkingSummaries",
    "showTurnDuration",
    "skipDangerousModePermissionPrompt",
    "skipWebFetchPreflight",
    "spinnerTipsEnabled",
    "syntaxHighlightingDisabled",
    "terminalProgressBarEnabled",
    "terminalTitleFromRename",
    "todoFeatureEnabled",
    "verbose",
    "wslInheritsWindowsSettings",
];

/// A text.
const TEXTS: &[&str] = &[
    "$schema",
    "agent",
    "apiKeyHelper",
    "awsAuthRefresh",
    "awsCredentialExport",
    "language",
    "minimumVersion",
    "model",
    "otelHeadersHelper",
    "outputStyle",
    "plansDirectory",
];

/// A list of texts.
const LISTS: &[&str] = &[
    "availableModels",
    "claudeMdExcludes",
    "companyAnnouncements",
    "disabledMcpjsonServers",
    "enabledMcpjsonServers",
    "fallbackModel",
];

/// A text of a few, where any other value is none to the client and drops nothing.
const CAUGHT: &[&str] =
    &["editorMode", "effortLevel", "preferredNotifChannel", "teammateMode", "theme", "viewMode"];

/// Variables of the client that change neither where settings are read nor which servers count.
const HARMLESS: &[&str] = &[
    "CLAUDE_AUTOCOMPACT_PCT_OVERRIDE",
    "CLAUDE_BASH_MAINTAIN_PROJECT_WORKING_DIR",
    "CLAUDE_CODE_API_KEY_HELPER_TTL_MS",
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS",
    "CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "CLAUDE_CODE_DISABLE_TERMINAL_TITLE",
    "CLAUDE_CODE_EFFORT_LEVEL",
    "CLAUDE_CODE_ENABLE_TELEMETRY",
    "CLAUDE_CODE_EXPERIMENTAL_AGENT_TEAMS",
    "CLAUDE_CODE_IDE_SKIP_AUTO_INSTALL",
    "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
    "CLAUDE_CODE_SKIP_BEDROCK_AUTH",
    "CLAUDE_CODE_SKIP_VERTEX_AUTH",
    "CLAUDE_CODE_SUBAGENT_MODEL",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_VERTEX",
    // followed: the switch is set there, too
    "CLAUDE_CONFIG_DIR",
];

const MODES: &[&str] = &["acceptEdits", "bypassPermissions", "default", "dontAsk", "plan"];

/// Whether the client takes the file, as far as that is known for sure.
pub(super) fn is_taken(root: &Node<'_>) -> bool {
    root.is_object() && all(root, &|member| is_member_taken(member))
}

fn is_member_taken(member: &Member<'_>) -> bool {
    let (name, value) = (&*member.key, &member.value);
    match name {
        _ if CAUGHT.contains(&name) => true,
        _ if FLAGS.contains(&name) => is_flag(value),
        _ if TEXTS.contains(&name) => is_text(value),
        _ if LISTS.contains(&name) => is_texts(value),
        // each value is made a text
        "env" => {
            value.is_object() && all(value, &|variable| is_scalar(&variable.value) && !moves(&variable.key))
        }
        "cleanupPeriodDays" => is_count(value),
        "permissions" => value.is_object() && all(value, &is_permission),
        "hooks" => value.is_object() && all(value, &|event| is_list(&event.value, &is_matcher)),
        "statusLine" => is_command(value),
        "enabledPlugins" => {
            value.is_object() && all(value, &|plugin| is_flag(&plugin.value) || is_texts(&plugin.value))
        }
        "extraKnownMarketplaces" => value.is_object() && all(value, &|one| is_catalogue(&one.value)),
        "modelOverrides" => value.is_object() && all(value, &|one| is_text(&one.value)),
        "attribution" => is_made_of(value, &|member| match &*member.key {
            "commit" | "pr" => is_text(&member.value),
            _ => false,
        }),
        _ => false,
    }
}

/// Whether the `env` of a state leaves the client with the settings that are known (run with 2.1.197: it counts there).
pub(super) fn keeps_settings(root: &Node<'_>) -> bool {
    root.get("env").is_none_or(|variables| all(variables, &|variable| !moves(&variable.key)))
}

/// Whether a variable may make the client read other settings than these (`CLAUDE_CODE_USE_COWORK_PLUGINS`, or what its
/// next version knows): any of its own that is not known to do something else.
fn moves(variable: &str) -> bool {
    let name = variable.to_ascii_uppercase();
    name.starts_with("CLAUDE") && !HARMLESS.contains(&name.as_str())
}

fn is_permission(member: &Member<'_>) -> bool {
    match &*member.key {
        "allow" | "deny" | "ask" | "additionalDirectories" => is_texts(&member.value),
        "defaultMode" => member.value.as_str().is_some_and(|mode| MODES.contains(&mode)),
        "disableBypassPermissionsMode" => member.value.as_str() == Some("disable"),
        _ => false,
    }
}

/// One item of an event of `hooks`.
fn is_matcher(value: &Node<'_>) -> bool {
    value.get("hooks").is_some()
        && is_made_of(value, &|member| match &*member.key {
            "matcher" => is_text(&member.value),
            "hooks" => is_list(&member.value, &is_command),
            _ => false,
        })
}

/// A command of the status line or a hook.
fn is_command(value: &Node<'_>) -> bool {
    value.get("type").and_then(Node::as_str) == Some("command")
        && value.get("command").is_some()
        && is_made_of(value, &|member| match &*member.key {
            "type" | "command" => is_text(&member.value),
            "timeout" => is_count(&member.value),
            "padding" => matches!(member.value.value, Value::Number(_)),
            _ => false,
        })
}

/// A catalogue of plugins, of the two usual kinds.
fn is_catalogue(value: &Node<'_>) -> bool {
    let Some(source) = value.get("source") else { return false };
    let needs = match source.get("source").and_then(Node::as_str) {
        Some("github") => "repo",
        Some("git") => "url",
        _ => return false,
    };
    let is_source = |member: &Member<'_>| match &*member.key {
        "source" | "ref" => is_text(&member.value),
        name => name == needs && is_text(&member.value),
    };
    source.get(needs).is_some()
        && is_made_of(source, &is_source)
        && is_made_of(value, &|member| match &*member.key {
            "source" => true,
            "autoUpdate" => is_flag(&member.value),
            _ => false,
        })
}

fn all(object: &Node<'_>, fits: &dyn Fn(&Member<'_>) -> bool) -> bool {
    object.members().iter().all(fits)
}

fn is_made_of(value: &Node<'_>, fits: &dyn Fn(&Member<'_>) -> bool) -> bool {
    value.is_object() && all(value, fits)
}

fn is_list(value: &Node<'_>, fits: &dyn Fn(&Node<'_>) -> bool) -> bool {
    matches!(value.value, Value::Array(_)) && value.items().iter().all(fits)
}

fn is_texts(value: &Node<'_>) -> bool {
    is_list(value, &is_text)
}

fn is_text(value: &Node<'_>) -> bool {
    value.as_str().is_some()
}

fn is_flag(value: &Node<'_>) -> bool {
    value.as_bool().is_some()
}

fn is_scalar(value: &Node<'_>) -> bool {
    matches!(value.value, Value::String(_) | Value::Number(_) | Value::Bool(_))
}

/// A whole number above nought.
fn is_count(value: &Node<'_>) -> bool {
    matches!(&value.value, Value::Number(text) if text.parse::<u32>().is_ok_and(|count| count > 0))
}

#[cfg(test)]
mod tests {
    use super::is_taken;
    use crate::codec::{self, Dialect, Format};

    fn taken(text: &str) -> bool {
        let parsed = codec::parse(Format::Json(Dialect::STRICT), "settings.json", text).unwrap();
        is_taken(&parsed.root)
    }

    #[test]
    fn settings_that_people_have_are_taken() {
        for text in [
            r#"{}"#,
            r#"{"$schema":"https://json.schemastore.org/claude-code-settings.json","model":"opus","disabledMcpjsonServers":["a"]}"#,
            r#"{"permissions":{"allow":["Bash(npm run *)"],"deny":[],"ask":[],"additionalDirectories":["../x"],"defaultMode":"plan"}}"#,
            r#"{"hooks":{"PreToolUse":[{"matcher":"Bash","hooks":[{"type":"command","command":"true","timeout":5}]}]}}"#,
            r#"{"statusLine":{"type":"command","command":"x","padding":0},"env":{"A":"b","B":5,"C":true,"CLAUDE_CODE_ENABLE_TELEMETRY":1}}"#,
            r#"{"enabledPlugins":{"a@b":true,"c@d":["x"]},"cleanupPeriodDays":30,"theme":5,"effortLevel":"high"}"#,
            r#"{"extraKnownMarketplaces":{"co":{"source":{"source":"github","repo":"co/plugins"},"autoUpdate":true}}}"#,
        ] {
            assert!(taken(text), "{text}");
        }
    }

    #[test]
    fn settings_that_the_client_drops_are_not_believed() {
        for text in [
            r#"[]"#,
            r#"{"env":5}"#,
            r#"{"env":{"CLAUDE_CODE_OF_TOMORROW":"/x"}}"#,
            r#"{"env":{"claude_code_use_cowork_plugins":"1"}}"#,
            r#"{"model":5}"#,
            r#"{"model":null}"#,
            r#"{"$schema":5}"#,
            r#"{"cleanupPeriodDays":"x"}"#,
            r#"{"cleanupPeriodDays":-1}"#,
            r#"{"cleanupPeriodDays":1.5}"#,
            r#"{"cleanupPeriodDays":0}"#,
            r#"{"permissions":{"defaultMode":"nonsense"}}"#,
            r#"{"permissions":{"additionalDirectories":5}}"#,
            r#"{"permissions":{"disableBypassPermissionsMode":5}}"#,
            r#"{"enabledPlugins":{"a":5}}"#,
            r#"{"enabledPlugins":[1]}"#,
            r#"{"extraKnownMarketplaces":{"a":5}}"#,
            r#"{"hooks":{"PreToolUse":[{"matcher":5}]}}"#,
            r#"{"hooks":{"PreToolUse":[{"hooks":[{"type":"other"}]}]}}"#,
            r#"{"statusLine":{"type":"other","command":"x"}}"#,
            r#"{"skipDangerousModePermissionPrompt":5}"#,
            r#"{"disabledMcpjsonServers":["a"],"disabledMcpjsonServers":5}"#,
            r#"{"sandbox":{"enabled":5}}"#,
            r#"{"aMemberOfTheNextVersion":true}"#,
        ] {
            assert!(!taken(text), "{text}");
        }
    }
}

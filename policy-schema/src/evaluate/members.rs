//! Members of an entry beyond command, URL, arguments, environment and headers.

use super::case::Case;
use super::{reason, values};
use crate::document::{Rule, UnknownMembers};
use crate::entry::{Entry, NamedValue};
use crate::finding::FindingCode;
use crate::policy::rule::Compiled;
use crate::verdict::Reason;

/// Members that change neither what runs nor what it is given: timeouts, descriptions, which tools are shown, which
/// run without a question (a finding of its own).
const HARMLESS: &[&str] = &[
    "$schema",
    "//",
    "_comment",
    "alwaysAllow",
    "alwaysApprove",
    "alwaysLoad",
    "always_allow",
    "approvalMode",
    "approval_mode",
    "autoApprove",
    "autoApproveAll",
    "auto_approve",
    "autoapprove",
    "available_tools",
    "bundled",
    "category",
    "comment",
    "connectTimeout",
    "default_tools_approval_mode",
    "defer_loading",
    "disabledTools",
    "disabled_tools",
    "displayName",
    "display_name",
    "enabledTools",
    "enabled_tools",
    "excludeTools",
    "excludedTools",
    "exclude_tools",
    "fromGalleryId",
    "gallery",
    "galleryId",
    "icon",
    "iconUrl",
    "includeTools",
    "include_tools",
    "initTimeout",
    "initializationTimeout",
    "isActive",
    "label",
    "logo",
    "maxRestarts",
    "metadata",
    "networkTimeout",
    "note",
    "notes",
    "priority",
    "provider",
    "requestTimeout",
    "required",
    "restart",
    "sampling",
    "source",
    "sse_read_timeout",
    "startup_timeout_ms",
    "startup_timeout_sec",
    "supports_parallel_tool_calls",
    "tags",
    "timeoutMs",
    "timeoutSeconds",
    "timeout_ms",
    "timeout_seconds",
    "title",
    "tool_timeout_sec",
    "tools",
    "trust",
    "version",
    "yolo",
];

/// Members that bring code, environment or another destination.
const JUDGED: &[&str] = &[
    "auth",
    "authProviderType",
    "authorizationUrl",
    "authorization_url",
    "build",
    "ca",
    "cert",
    "client_secret",
    "dev",
    "docker",
    "dotenv",
    "envFile",
    "envPassthrough",
    "env_file",
    "env_http_headers",
    "env_keys",
    "env_vars",
    "envfile",
    "experimental_environment",
    "headersHelper",
    "headers_helper",
    "hooks",
    "httpHeadersHelper",
    "http_headers_helper",
    "image",
    "inheritEnv",
    "insecure",
    "install",
    "interpreter",
    "key",
    "oauth",
    "oauthConfig",
    "oauth_resource",
    "passEnv",
    "pipe",
    "preLaunch",
    "prestart",
    "proxy",
    "requestInit",
    "requestOptions",
    "runtime",
    "scopes",
    "script",
    "setup",
    "shell",
    "socket",
    "tcp",
    "tls",
    "tokenUrl",
    "token_url",
    "verifySsl",
    "verify_ssl",
    "workdir",
    "workingDirectory",
    "working_directory",
    "wrapper",
    "dangerouslyDisableSandbox",
    "noSandbox",
    "disableSandbox",
    "no_sandbox",
];

/// Codex: the name of a variable whose value becomes the `Authorization` header.
const BEARER: &str = "bearer_token_env_var";

/// Members whose meaning is not known.
pub(super) fn unknown(entry: &Entry) -> impl Iterator<Item = &NamedValue> {
    entry.members.iter().filter(|m| {
        let name = m.name.as_str();
        !is_harmless(m) && !JUDGED.contains(&name) && name != BEARER && !is_sandbox(name)
    })
}

fn is_sandbox(name: &str) -> bool {
    matches!(name, "sandbox" | "sandboxEnabled" | "sandbox_enabled" | "sandbox_mode")
}

/// Whether a member with this value changes nothing of what runs.
pub(crate) fn is_harmless(member: &NamedValue) -> bool {
    if is_sandbox(&member.name) {
        // Switched off it takes a protection away; switched on it adds one.
        return matches!(member.value.expose().trim(), "true" | "on" | "workspace-write" | "read-only");
    }
    HARMLESS.contains(&member.name.as_str())
}

/// Judges the members of the entry.
pub(super) fn members(case: &Case<'_>, rule: &Rule, compiled: &Compiled) -> Option<Reason> {
    let unknown_denies = case.policy.document().policy.unknown_members == UnknownMembers::Deny;
    for member in &case.subject.entry.members {
        let name = member.name.as_str();
        if is_harmless(member) || rule.members.iter().any(|m| m == name) {
            continue;
        }
        if name == BEARER {
            let sends = compiled.headers.contains_key("authorization");
            if sends && values::is_listed(rule, member.value.expose(), case) {
                continue;
            }
            let detail = "the rule does not name the variable that becomes the Authorization header";
            return Some(reason(FindingCode::ReferenceNotAllowed, detail));
        }
        if JUDGED.contains(&name) || is_sandbox(name) {
            return Some(reason(FindingCode::MemberNotAllowed, format!("the rule names no member `{name}`")));
        }
        if unknown_denies {
            return Some(reason(FindingCode::MemberNotAllowed, "the entry has a member that is not known"));
        }
    }
    None
}

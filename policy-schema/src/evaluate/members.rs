//! Members of an entry beyond command, URL, arguments, environment and headers.

use super::case::Case;
use super::{reason, values};
use crate::contradiction::same_fold;
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
    // Goose knows its own extensions by it, and there it is the identity.
    "name",
    "networkTimeout",
    "note",
    "notes",
    "priority",
    "provider",
    "requestTimeout",
    "required",
    "restart",
    "sampling",
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
    // Continue sends it as the Authorization header.
    "apiKey",
    "api_key_env",
    "api_key_format",
    "api_key_header",
    "auth",
    "authProviderType",
    "authorizationUrl",
    "authorization_url",
    "bearerToken",
    "bearerTokenEnv",
    "bearer_token",
    "bearer_token_env",
    "build",
    "ca",
    "cert",
    "client_secret",
    "code",
    "dependencies",
    "dev",
    "docker",
    "dotenv",
    "envFile",
    "envPassthrough",
    "env_file",
    "env_http_headers",
    "env_keys",
    "env_vars",
    "entrypoint",
    "envfile",
    "executable",
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
    // MCPorter runs it to sign in.
    "oauthCommand",
    "oauthConfig",
    "oauthRedirectUrl",
    "oauth_command",
    "oauth_redirect_url",
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
    "useShellInterpolation",
    "uses",
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

/// Words in the name of a member that nobody knows which say that it brings code, environment or credentials. What
/// real files have of unknown members are descriptions, lists of abilities and switches.
const TELLING: &[&str] = &[
    "arguments",
    "args",
    "argv",
    "auth",
    "authorization",
    "binary",
    "cmd",
    "command",
    "commands",
    "credential",
    "credentials",
    "env",
    "environment",
    "exec",
    "executable",
    "execute",
    "header",
    "headers",
    "helper",
    "helpers",
    "hook",
    "hooks",
    "oauth",
    "plugin",
    "plugins",
    "preload",
    "program",
    "run",
    "script",
    "scripts",
    "shell",
    "spawn",
];

/// Names under which other clients read what is launched. Where they differ from what is read the entry is refused as a
/// contradiction, so here they say the same.
const LAUNCH: &[&str] = &["args", "cmd", "command", "env", "environment", "envs", "headers", "http_headers"];

/// Members that add a protection or take one away.
const SANDBOX: &[&str] = &["sandbox", "sandboxEnabled", "sandbox_enabled", "sandbox_mode"];

/// Codex: the name of a variable whose value becomes the `Authorization` header.
const BEARER: &str = "bearer_token_env_var";

/// Members whose meaning is not known.
pub(super) fn unknown(entry: &Entry) -> impl Iterator<Item = &NamedValue> {
    entry.members.iter().filter(|m| {
        let name = m.name.as_str();
        !is_harmless(m) && !is_judged_member(m) && name != BEARER
    })
}

/// Whether a member of this name brings code, environment or another destination.
pub fn is_judged(name: &str) -> bool {
    JUDGED.contains(&name) || is_sandbox(name)
}

/// Whether a name would be that of a judged member in another case. Some clients take it, some do not.
pub fn is_judged_but_for_case(name: &str) -> bool {
    let known = || JUDGED.iter().chain(SANDBOX).chain([&BEARER]);
    let is_known = known().any(|known| *known == name) || HARMLESS.contains(&name);
    !is_known && known().any(|known| same_fold(known, name))
}

/// As [`is_judged`], in any case of letters, and where the value decides.
fn is_judged_member(member: &NamedValue) -> bool {
    let name = member.name.as_str();
    is_judged(name)
        || is_judged_but_for_case(name)
        // Zed: an extension says what is run.
        || (name == "source" && member.value.expose() == "extension")
}

/// Whether the name of a member that nobody knows says that it may change what runs. The name alone: reports hold no
/// more of it.
fn is_telling(name: &str) -> bool {
    let mut spaced = String::with_capacity(name.len() + 4);
    let mut was_lower = false;
    for c in name.chars() {
        if was_lower && c.is_uppercase() {
            spaced.push(' ');
        }
        was_lower = c.is_lowercase();
        spaced.extend(c.to_lowercase());
    }
    let words = || spaced.split(|c: char| !c.is_alphanumeric());
    // `requiredEnv` of home-made registries only says what must be set.
    let describes = words().any(|word| matches!(word, "required" | "requires" | "supported"));
    !describes && !LAUNCH.contains(&name) && words().any(|word| TELLING.contains(&word))
}

/// Whether a member may be a command or name what is run: one that is judged, or whose name says so.
pub(super) fn may_run(member: &NamedValue) -> bool {
    !is_harmless(member) && (is_judged_member(member) || is_telling(&member.name))
}

fn is_sandbox(name: &str) -> bool {
    SANDBOX.contains(&name)
}

/// Whether a member with this value changes nothing of what runs.
pub(crate) fn is_harmless(member: &NamedValue) -> bool {
    if is_sandbox(&member.name) {
        // Switched off it takes a protection away; switched on it adds one.
        return matches!(member.value.expose().trim(), "true" | "on" | "workspace-write" | "read-only");
    }
    if member.name == "source" {
        return member.value.expose() == "custom";
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
        if is_judged_member(member) {
            return Some(reason(FindingCode::MemberNotAllowed, format!("the rule names no member `{name}`")));
        }
        if is_telling(name) {
            let shown = values::shown(name);
            let detail = format!("a member that is not known, {shown}, seems to bring code or credentials");
            return Some(reason(FindingCode::MemberNotAllowed, detail));
        }
        if unknown_denies {
            return Some(reason(FindingCode::MemberNotAllowed, "the entry has a member that is not known"));
        }
    }
    None
}

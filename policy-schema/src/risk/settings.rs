//! Members of the entry, its shape and where it stands.

use super::Context;
use crate::entry::{Entry, NamedValue, Scope};
use crate::finding::{Finding, FindingCode, Severity};
use crate::sensitive::Sensitive;

pub(super) fn assess(entry: &Entry, context: &Context<'_>, findings: &mut Vec<Finding>) {
    for member in &entry.members {
        if let Some(finding) = judged(member) {
            findings.push(finding);
        }
    }
    expansions(entry, findings);
    control_characters(entry, findings);
    if let Some(what) = entry.malformed {
        findings.push(Finding::new(FindingCode::MalformedEntry, what));
    }
    if entry.scope == Scope::Project || context.in_repository {
        findings.push(Finding::new(
            FindingCode::RepositoryConfig,
            "whoever can write to the project decides what this entry starts",
        ));
    }
}

fn judged(member: &NamedValue) -> Option<Finding> {
    let value = member.value.expose().trim();
    let is_off = matches!(value, "false" | "null" | "[]" | "{}" | "0");
    let (code, message) = match member.name.as_str() {
        "headersHelper" | "headers_helper" | "http_headers_helper" | "httpHeadersHelper" => {
            (FindingCode::HeaderHelper, "a command is run to make the headers of the server")
        }
        "envFile" | "env_file" | "envfile" | "dotenv" if !is_off => {
            (FindingCode::EnvFile, "the environment of the server comes from another file")
        }
        "sandbox" | "sandboxEnabled" | "sandbox_enabled" | "sandbox_mode"
            if is_off || matches!(value, "off" | "none" | "danger-full-access" | "disabled") =>
        {
            (FindingCode::SandboxOff, "the sandbox is switched off for this server")
        }
        "dangerouslyDisableSandbox" | "noSandbox" | "disableSandbox" | "no_sandbox" if !is_off => {
            (FindingCode::SandboxOff, "the sandbox is switched off for this server")
        }
        // Lists come as an empty text, so an empty text counts as a list with something in it.
        "alwaysAllow" | "autoApprove" | "auto_approve" | "autoapprove" | "trust" | "alwaysApprove"
        | "always_allow" | "autoApproveAll" | "yolo"
            if !is_off =>
        {
            (FindingCode::AutoApproval, "tools of this server run without a question")
        }
        "default_tools_approval_mode" | "approval_mode" | "approvalMode"
            if !matches!(value, "" | "prompt" | "ask" | "always_ask" | "on-request" | "manual") =>
        {
            (FindingCode::AutoApproval, "tools of this server run without a question")
        }
        "dev" => (FindingCode::OpaqueCode, "a development switch of the client starts further programs"),
        _ => return None,
    };
    Some(Finding::new(code, message))
}

/// Variables that the client itself defines, and that do not decide what runs in a way others could change.
const FIXED: &[&str] = &[
    "workspaceFolder",
    "workspaceRoot",
    "workspaceFolderBasename",
    "userHome",
    "HOME",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "USER",
    "USERNAME",
    "env:HOME",
    "env:USERPROFILE",
    "env:USER",
    "env:APPDATA",
    "pathSeparator",
    "/",
    "CLAUDE_PLUGIN_ROOT",
    "CLAUDE_PROJECT_DIR",
    "PWD",
    "__dirname",
    "extensionPath",
    "CLAUDE_PLUGIN_DATA",
    "user_config",
];

/// Variables without default in command, URL or arguments. An input that the client asks for is meant to vary.
fn expansions(entry: &Entry, findings: &mut Vec<Finding>) {
    let deciding =
        entry.command.iter().map(|c| (c, "the command")).chain(entry.url.iter().map(|u| (u, "the URL")));
    for (text, place) in deciding.chain(entry.args.iter().map(|a| (a, "an argument"))) {
        let Some(name) = first_variable(text.expose()) else { continue };
        let is_place = place != "an argument";
        let is_secret = crate::secret::is_secret_name(name);
        // `--api-key ${API_KEY}` is how it should be.
        if (is_secret && place != "the command") || (!is_place && crate::secret::is_reference(text.expose()))
        {
            continue;
        }
        let finding =
            Finding::new(FindingCode::UnresolvableExpansion, format!("a variable decides a part of {place}"));
        findings.push(if is_place { finding } else { finding.weighing(Severity::Info) });
    }
}

/// The name of the first variable of a text that is neither fixed nor has a default.
fn first_variable(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(at) = rest.find("${").or_else(|| rest.find("{env:")) {
        let inner = rest[at..].trim_start_matches(['$', '{']);
        let end = inner.find('}')?;
        let name = &inner[..end];
        if !name.contains(":-")
            && !FIXED.contains(&name.split('.').next().unwrap_or(name))
            && !FIXED.contains(&name)
        {
            return Some(name);
        }
        rest = &inner[end..];
    }
    None
}

/// Characters that change what a terminal or a reader sees, or end a C string early.
fn is_misleading(c: char) -> bool {
    (c.is_control())
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

fn control_characters(entry: &Entry, findings: &mut Vec<Finding>) {
    let command = entry.command.as_ref().map(Sensitive::expose);
    let url = entry.url.as_ref().map(Sensitive::expose);
    for (text, place) in [(Some(entry.name.as_str()), "the name"), (command, "the command"), (url, "the URL")]
    {
        if text.is_some_and(|text| text.chars().any(is_misleading)) {
            findings.push(Finding::new(
                FindingCode::ControlCharacters,
                format!("{place} holds control or invisible characters"),
            ));
        }
    }
    // An argument may have lines (`sh -c`), but not these.
    if entry
        .args
        .iter()
        .any(|a| a.expose().chars().any(|c| is_misleading(c) && !matches!(c, '\n' | '\r' | '\t')))
    {
        findings.push(Finding::new(
            FindingCode::ControlCharacters,
            "an argument holds control or invisible characters",
        ));
    }
}

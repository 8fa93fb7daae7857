//! GitHub Copilot: `managed-settings.json`, which its command line, VS Code from 1.130, JetBrains and the Copilot app read.
//!
//! Tested with Copilot CLI 1.0.102 on Linux: one malformed item, a comment, a trailing comma, a list of another type, a
//! link, mode 0666 or another owner than root, and no server starts at all, not even an allowed one. So nothing is handed out
//! that does not pass [`exact::check`]. Members that it does not know it ignores. Lists of several sources are intersected; MDM
//! comes before the server's settings and those before the file. The built-in GitHub server is under no list.

use mcpolicy_schema::evaluate::System;
use serde_json::Value;

use crate::clients::{Compiler, Content, Facts};
use crate::exact;
use crate::inexpressible::{Abilities, Compares};
use crate::json_file::{self, Setting, allow_list, widens};
use crate::over::{Over, Sign};
use crate::plan::Plan;
use crate::refused::{Refused, flag, texts};
use crate::target::{Format, Target};

pub(crate) struct Copilot;

impl Compiler for Copilot {
    fn targets(&self, os: System) -> Vec<Target> {
        let file = |path: &str| Target::file(path, Format::Json);
        match os {
            System::Linux => vec![file("/etc/github-copilot/managed-settings.json")],
            System::Macos => vec![
                file("/Library/Application Support/GitHubCopilot/managed-settings.json"),
                Target::preferences("com.github.copilot"),
            ],
            System::Windows => vec![
                file("%ProgramFiles%\\GitHubCopilot\\managed-settings.json"),
                Target { mdm: true, ..Target::registry("HKLM\\SOFTWARE\\Policies\\GitHubCopilot") },
            ],
        }
    }

    fn abilities(&self) -> Abilities {
        Abilities { compares: Compares::Exact, never_tools: false, denies: true }
    }

    fn content(&self, target: &Target, plan: &mut Plan<'_>) -> Content {
        let mut out = Vec::new();
        let allowed = exact::allowed(plan);
        if plan.is_closed {
            out.push(Setting::own(&["allowedMcpServers"], allowed, allow_list));
        }
        let denied = exact::denied(plan);
        if !denied.is_empty() {
            out.push(Setting::own(&["deniedMcpServers"], denied, widens));
        }
        if plan.locks.approvals {
            out.push(Setting::own(&["permissions", "disableBypassPermissionsMode"], "disable", widens));
        }
        if plan.locks.plugins {
            out.push(Setting::own(&["strictKnownMarketplaces"], Value::Array(Vec::new()), widens));
        }
        if target.format == Format::Values {
            let all = json_file::fresh(&out);
            let members = all.as_object().into_iter().flatten();
            out = members.map(|(name, value)| Setting::own(&[name], in_text(value), widens)).collect();
        }
        Content::Json(out)
    }

    fn validate(&self, target: &Target, bytes: &[u8]) -> Result<(), Refused> {
        let root = inner(&json_file::read(bytes, target.format)?)?;
        for key in ["/allowedMcpServers", "/deniedMcpServers"] {
            exact::check(&root, key)?;
        }
        flag(&root, "/allowManagedMcpServersOnly")?;
        texts(&root, "/permissions/deny")
    }

    fn over(&self) -> Vec<Over> {
        let what = "settings of the organisation's server come before the file; lists of several sources let through only what all do";
        vec![Over::may_be(Sign::None, what)]
    }

    fn facts(&self) -> Facts {
        Facts {
            evidence: "Copilot CLI 1.0.102, tested on Linux; VS Code, JetBrains and other systems by \
                documentation",
            compares: "whole argv or URL, after `${VAR}` is filled in",
            round_it: "settings of MDM and of the organisation's server come before the file; its built-in \
                GitHub server is under no list",
            broken: "anything wrong, a link, another owner or mode: no server starts",
        }
    }
}

/// A value as the registry and preferences hold it: a text, with JSON in it where it is more than one.
fn in_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The reverse of it: lists and maps out of their texts.
pub(crate) fn inner(root: &Value) -> Result<Value, Refused> {
    let mut out = root.clone();
    for (name, value) in out.as_object_mut().into_iter().flatten() {
        if let Value::String(text) = value
            && text.trim_start().starts_with(['[', '{'])
        {
            *value = serde_json::from_str(text)
                .map_err(|_| Refused::shape(format!("/{name}"), "JSON in a text"))?;
        }
    }
    Ok(out)
}

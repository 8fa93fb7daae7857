//! VS Code: its own policies, from 1.130 on.
//!
//! By its source and documentation: `ChatAllowedMcpServers` and `ChatDeniedMcpServers` hold what Copilot's lists hold, as JSON
//! in a text; unset is all, `[]` is none. They are not obeyed by Agent Host sessions (microsoft/vscode#328241), so Copilot's
//! managed settings are written as well. Servers that extensions register at run time are under neither.

use mcpolicy_schema::evaluate::System;
use serde_json::Value;

use crate::clients::{Compiler, Content, Facts};
use crate::copilot::inner;
use crate::exact;
use crate::inexpressible::{Abilities, Compares};
use crate::json_file::{self, Setting};
use crate::output::ConflictKind;
use crate::plan::Plan;
use crate::refused::{Refused, flag};
use crate::target::{Format, Target};

pub(crate) struct Vscode;

impl Compiler for Vscode {
    fn targets(&self, os: System) -> Vec<Target> {
        match os {
            System::Linux => vec![Target::file("/etc/vscode/policy.json", Format::Json)],
            System::Macos => vec![Target::preferences("com.microsoft.VSCode")],
            System::Windows => vec![Target::registry("HKLM\\SOFTWARE\\Policies\\Microsoft\\VSCode")],
        }
    }

    fn abilities(&self) -> Abilities {
        Abilities { compares: Compares::Exact, never_tools: false, denies: true }
    }

    fn content(&self, _: &Target, plan: &mut Plan<'_>) -> Content {
        let mut out = Vec::new();
        let allowed = exact::allowed(plan);
        if plan.is_closed {
            out.push(Setting::own(&["ChatAllowedMcpServers"], allowed.to_string(), list_in_text));
            out.push(Setting::own(&["ChatAllowManagedMcpServersOnly"], true, crate::json_file::widens));
        }
        let denied = exact::denied(plan);
        if !denied.is_empty() {
            let denied = Value::Array(denied).to_string();
            out.push(Setting::own(&["ChatDeniedMcpServers"], denied, crate::json_file::widens));
        }
        if plan.locks.approvals {
            out.push(Setting::own(&["ChatToolsAutoApprove"], false, crate::json_file::widens));
        }
        Content::Json(out)
    }

    fn validate(&self, target: &Target, bytes: &[u8]) -> Result<(), Refused> {
        let root = inner(&json_file::read(bytes, target.format)?)?;
        for key in ["/ChatAllowedMcpServers", "/ChatDeniedMcpServers"] {
            exact::check(&root, key)?;
        }
        flag(&root, "/ChatAllowManagedMcpServersOnly")?;
        flag(&root, "/ChatToolsAutoApprove")
    }

    fn facts(&self) -> Facts {
        Facts {
            evidence: "source and documentation of VS Code 1.130; not run",
            compares: "whole argv or URL",
            round_it: "Agent Host sessions do not obey it; extensions register servers that stand in no file",
            broken: "not known",
        }
    }
}

fn list_in_text(theirs: &Value, ours: &Value) -> ConflictKind {
    let list = |value: &Value| match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
        other => other.clone(),
    };
    json_file::allow_list(&list(theirs), &list(ours))
}

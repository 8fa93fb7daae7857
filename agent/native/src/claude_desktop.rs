//! Claude Desktop: managed preferences and registry values.
//!
//! It knows no list of local servers, only whether there are any at all. So the switch is set where the policy allows it
//! none; everywhere else its file is left to the other layers. Values are texts, by the documentation of the keys; nothing was
//! run. One page of that documentation says that the program takes any managed configuration for one of another inference
//! provider, and then wants no sign-in: so nothing is written here but by MDM, after a trial.

use mcpolicy_schema::evaluate::System;
use serde_json::Value;

use crate::clients::{Compiler, Content, Facts};
use crate::inexpressible::{Abilities, Compares, concerns};
use crate::json_file::{self, Setting, widens};
use crate::plan::Plan;
use crate::refused::Refused;
use crate::target::Target;

pub(crate) struct ClaudeDesktop;

const SWITCHES: [&str; 3] =
    ["isLocalDevMcpEnabled", "isDesktopExtensionEnabled", "isDesktopExtensionSignatureRequired"];

impl Compiler for ClaudeDesktop {
    fn targets(&self, os: System) -> Vec<Target> {
        match os {
            System::Linux => Vec::new(),
            System::Macos => vec![Target::preferences("com.anthropic.claudefordesktop")],
            System::Windows => {
                vec![Target { mdm: true, ..Target::registry("HKLM\\SOFTWARE\\Policies\\Claude") }]
            }
        }
    }

    fn abilities(&self) -> Abilities {
        Abilities { compares: Compares::Nothing, never_tools: false, denies: false }
    }

    fn content(&self, _: &Target, plan: &mut Plan<'_>) -> Content {
        let rules = &plan.input.policy.document().rule;
        let allows_none = plan.is_closed
            && plan.servers.is_empty()
            && !rules.iter().any(|rule| concerns(rule, plan.client));
        let mut out = Vec::new();
        if allows_none {
            out.push(Setting::own(&["isLocalDevMcpEnabled"], "false", widens));
            out.push(Setting::own(&["isDesktopExtensionEnabled"], "false", widens));
        }
        if plan.locks.plugins {
            out.push(Setting::own(&["isDesktopExtensionSignatureRequired"], "true", widens));
        }
        Content::Json(out)
    }

    fn validate(&self, target: &Target, bytes: &[u8]) -> Result<(), Refused> {
        let root = json_file::read(bytes, target.format)?;
        for name in SWITCHES {
            let is_switch = |value: &Value| matches!(value.as_str(), Some("true" | "false" | "1" | "0"));
            if root.get(name).is_some_and(|value| !is_switch(value)) {
                return Err(Refused::shape(format!("/{name}"), "the text true or false"));
            }
        }
        Ok(())
    }

    fn facts(&self) -> Facts {
        Facts {
            evidence: "documentation only; no version was run",
            compares: "nothing: local servers on or off",
            round_it: "read once, when the program starts",
            broken: "not known; try it on one machine: any managed configuration may switch it to another inference provider's mode",
        }
    }
}

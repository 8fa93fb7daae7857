//! Cursor: the enterprise `hooks.json`.
//!
//! No file of a machine says which servers Cursor may start, so the hook is its policy: it sees command or URL before each
//! call and, with `failClosed`, a missing or failing program refuses the call. Read in the code of `@cursor/sdk` 1.0.32; the
//! IDE was not run. Hooks of users and projects run too, and a denial of any of them stands.

use mcpolicy_schema::evaluate::System;
use serde_json::{Value, json};

use crate::clients::{Compiler, Content, Facts, HookFacts, hook_command};
use crate::inexpressible::{Abilities, Compares};
use crate::json_file::{self, Setting, widens};
use crate::plan::Plan;
use crate::refused::{Refused, map};
use crate::target::{Format, Target};

pub(crate) struct Cursor;

/// Seconds that Cursor waits for the hook; when they are over it refuses the call.
const HOOK_SECONDS: u32 = 10;

impl Compiler for Cursor {
    fn targets(&self, os: System) -> Vec<Target> {
        let path = match os {
            System::Linux => "/etc/cursor/hooks.json",
            System::Macos => "/Library/Application Support/Cursor/hooks.json",
            // the code names this drive, whatever `%ProgramData%` says
            System::Windows => "C:\\ProgramData\\Cursor\\hooks.json",
        };
        vec![Target::file(path, Format::Json)]
    }

    fn abilities(&self) -> Abilities {
        Abilities { compares: Compares::Call, never_tools: false, denies: true }
    }

    fn content(&self, _: &Target, plan: &mut Plan<'_>) -> Content {
        let Some(command) = hook_command(plan, "cursor") else { return Content::Json(Vec::new()) };
        let hook = json!({ "command": command, "timeout": HOOK_SECONDS, "failClosed": true });
        // what is over cannot be refused any more
        let end = json!({ "command": command, "timeout": HOOK_SECONDS });
        Content::Json(vec![
            Setting::own(&["version"], 1, widens),
            Setting::item(&["hooks", "beforeMCPExecution"], hook),
            Setting::item(&["hooks", "afterMCPExecution"], end),
        ])
    }

    fn validate(&self, target: &Target, bytes: &[u8]) -> Result<(), Refused> {
        let root = json_file::read(bytes, target.format)?;
        // no hook of a file is run that Cursor does not take, so a mistake opens everything
        if root.get("version").and_then(Value::as_u64) != Some(1) {
            return Err(Refused::shape("/version", "1"));
        }
        for (event, hooks) in map(&root, "/hooks")? {
            let is_hook = |hook: &Value| hook["command"].is_string() || hook["type"].is_string();
            if !hooks.as_array().is_some_and(|hooks| hooks.iter().all(is_hook)) {
                return Err(Refused::shape(format!("/hooks/{event}"), "a list of hooks with a command each"));
            }
        }
        Ok(())
    }

    fn hook_facts(&self) -> Option<HookFacts> {
        Some(HookFacts {
            name: "cursor",
            fails_open: false,
            what: "without the program, after any failure or a time-out the call is refused; a broken hooks.json has no hooks at \
                   all (read in the code of SDK 1.0.32)",
        })
    }

    fn facts(&self) -> Facts {
        Facts {
            evidence: "code of `@cursor/sdk` 1.0.32; the IDE was not run",
            compares: "each call, asked of mcpolicy with the server's command or URL",
            round_it: "a server does its work when it is started, before any call; background agents in the \
                cloud do not ask",
            broken: "not JSON of this shape: no hooks at all",
        }
    }
}

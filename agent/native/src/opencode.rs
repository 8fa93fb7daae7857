//! opencode and Kilo Code: the configuration of the managed folder.
//!
//! Tested with opencode 1.18.33 and Kilo 7.7.7 on Linux: it is merged over all others, so `mcp.NAME.enabled = false` holds, also
//! for a name that is defined nowhere. There is no list of what may start: a name that we do not know keeps running.

use mcpolicy_schema::evaluate::System;
use serde_json::Value;

use crate::clients::{Compiler, Content, Facts};
use crate::inexpressible::{Abilities, Compares, What};
use crate::json_file::{self, Setting, widens};
use crate::over::Over;
use crate::plan::Plan;
use crate::refused::{Refused, map};
use crate::target::{Format, Target};

/// A client of this family.
pub(crate) struct Family {
    paths: [&'static str; 3],
    preferences: Option<&'static str>,
    /// The variable that leads it to another folder.
    variable: &'static str,
    facts: fn() -> Facts,
}

pub(crate) static OPENCODE: Family = Family {
    paths: [
        "/etc/opencode/opencode.json",
        "/Library/Application Support/opencode/opencode.json",
        "%ProgramData%\\opencode\\opencode.json",
    ],
    preferences: Some("ai.opencode.managed"),
    variable: "OPENCODE_TEST_MANAGED_CONFIG_DIR",
    facts: || Facts {
        evidence: "1.18.33, tested on Linux; other systems by source",
        compares: "the name, to switch it off",
        round_it: "any name that is not known yet; `OPENCODE_TEST_MANAGED_CONFIG_DIR`; plugins are programs",
        broken: "not JSON: the client ends with an error",
    },
};

pub(crate) static KILO: Family = Family {
    paths: [
        "/etc/kilo/kilo.json",
        "/Library/Application Support/kilo/kilo.json",
        "%ProgramData%\\kilo\\kilo.json",
    ],
    preferences: None,
    variable: "KILO_TEST_MANAGED_CONFIG_DIR",
    facts: || Facts {
        evidence: "7.7.7, tested on Linux; other systems by source",
        compares: "the name, to switch it off",
        round_it: "any name that is not known yet; `KILO_TEST_MANAGED_CONFIG_DIR`; plugins are programs",
        broken: "not JSON: the client ends with an error",
    },
};

/// Names that the second layout of the same file (`mcp.servers.NAME`) takes for something else.
const RESERVED: [&str; 2] = ["servers", "timeout"];

impl Compiler for Family {
    fn targets(&self, os: System) -> Vec<Target> {
        let file = |at: usize| Target::file(self.paths[at], Format::Jsonc);
        match os {
            System::Linux => vec![file(0)],
            System::Macos => {
                let preferences = self.preferences.map(Target::preferences);
                std::iter::once(file(1)).chain(preferences).collect()
            }
            System::Windows => vec![file(2)],
        }
    }

    fn abilities(&self) -> Abilities {
        Abilities { compares: Compares::NameOff, never_tools: false, denies: true }
    }

    fn content(&self, _: &Target, plan: &mut Plan<'_>) -> Content {
        let mut out = Vec::new();
        for name in plan.denied_names(str::to_owned) {
            if RESERVED.contains(&name.as_str()) {
                plan.tell(
                    "",
                    What::Name,
                    "a denied server has a name that the client takes for a setting",
                    false,
                );
                continue;
            }
            out.push(Setting::own(&["mcp", &name, "enabled"], false, widens));
        }
        Content::Json(out)
    }

    fn validate(&self, target: &Target, bytes: &[u8]) -> Result<(), Refused> {
        let root = json_file::read(bytes, target.format)?;
        for (name, server) in map(&root, "/mcp")? {
            let enabled = server.get("enabled");
            let is_flag = enabled.is_none_or(Value::is_boolean);
            let is_server = server.is_object() && is_flag;
            if !is_server && !RESERVED.contains(&name.as_str()) {
                // `mcp: null` and the like keep the client from starting
                return Err(Refused::shape(
                    json_file::pointer(&["mcp".to_owned(), name.clone()]),
                    "a server",
                ));
            }
        }
        Ok(())
    }

    fn over(&self) -> Vec<Over> {
        vec![Over::variable(self.variable)]
    }

    fn facts(&self) -> Facts {
        (self.facts)()
    }
}

//! Gemini CLI and Qwen Code: the system's `settings.json`.
//!
//! Both let names through, not identities; but a definition of the system's file takes the place of the user's under the same
//! name (Gemini CLI 0.61.0, tested against those of user, project and extension). So what is allowed is defined there, and its
//! name is listed. To Gemini CLI an empty list means "everything": where nothing is allowed, a name is listed that is
//! excluded as well (0.61.0, tested: neither it nor any other starts). Qwen Code 0.24.4 takes an empty list as it is meant.
//!
//! A list of names in the user's or the project's own file, a flag and an environment variable still lead round it: the other
//! layers stay.

use std::collections::BTreeMap;

use mcpolicy_schema::entry::{NamedValue, Scope, Transport};
use mcpolicy_schema::evaluate::System;
use mcpolicy_schema::secret;
use serde_json::{Map, Value, json};

use crate::clients::{Compiler, Content, Facts};
use crate::inexpressible::{Abilities, Compares, What};
use crate::json_file::{self, Setting, allow_list, pointer, widens};
use crate::output::ConflictKind;
use crate::over::Over;
use crate::plan::{Plan, Server};
use crate::refused::{Refused, list, map, texts};
use crate::target::{Format, Target};

/// A client of this family.
pub(crate) struct Family {
    paths: [&'static str; 3],
    /// An empty list is everything.
    empty_is_all: bool,
    /// `*` and `?` in a name of a list stand for any text and any letter (0.24.4, `matchesServerPattern`, tested).
    names_are_patterns: bool,
    /// Whether a key locks the mode that asks nobody.
    has_floor: bool,
    /// The variable that leads it to another file.
    variable: &'static str,
    facts: fn() -> Facts,
}

pub(crate) static GEMINI: Family = Family {
    paths: [
        "/etc/gemini-cli/settings.json",
        "/Library/Application Support/GeminiCli/settings.json",
        "C:\\ProgramData\\gemini-cli\\settings.json",
    ],
    empty_is_all: true,
    names_are_patterns: false,
    has_floor: true,
    variable: "GEMINI_CLI_SYSTEM_SETTINGS_PATH",
    facts: || Facts {
        evidence: "0.61.0, tested on Linux; other systems by source",
        compares: "the name; what stands behind it is defined by our file",
        round_it: "a list of names in the settings of a user or a trusted project, `--allowed-mcp-server-names` and \
                   `GEMINI_CLI_SYSTEM_SETTINGS_PATH`",
        broken: "not JSON: the client ends with an error; a list of another type: everything starts",
    },
};

pub(crate) static QWEN: Family = Family {
    paths: [
        "/etc/qwen-code/settings.json",
        "/Library/Application Support/QwenCode/settings.json",
        "C:\\ProgramData\\qwen-code\\settings.json",
    ],
    empty_is_all: false,
    names_are_patterns: true,
    has_floor: false,
    variable: "QWEN_CODE_SYSTEM_SETTINGS_PATH",
    facts: || Facts {
        evidence: "0.24.4, tested on Linux; other systems by source",
        compares: "the name, with `*` and `?` for any text; what stands behind it is defined by our file",
        round_it: "`--allowed-mcp-server-names` and `QWEN_CODE_SYSTEM_SETTINGS_PATH`; `qwen mcp list` starts every server to see \
                   whether it answers, listed or not",
        broken: "not JSON: the client ends with an error",
    },
};

/// A name for lists that must not be empty. It is excluded in the same file, so nobody gains by taking it.
pub(crate) const NOBODY: &str = "mcpolicy-allows-none";

impl Compiler for Family {
    fn targets(&self, os: System) -> Vec<Target> {
        let at = match os {
            System::Linux => 0,
            System::Macos => 1,
            System::Windows => 2,
        };
        vec![Target::file(self.paths[at], Format::Jsonc)]
    }

    fn abilities(&self) -> Abilities {
        Abilities { compares: Compares::Definition, never_tools: true, denies: true }
    }

    fn content(&self, _: &Target, plan: &mut Plan<'_>) -> Content {
        let mut out = Vec::new();
        // attack: an allowed server that its user calls `*` lets everybody's servers through, and a denied one stops them all
        plan.drop_servers(What::Pattern, IS_PATTERN, |server| self.is_pattern(&server.name));
        if plan.is_closed {
            self.allowlist(plan, &mut out);
        }
        for name in plan.denied_names(str::to_owned) {
            if self.is_pattern(&name) {
                plan.tell("", What::Pattern, IS_PATTERN, false);
                continue;
            }
            out.push(Setting::item(&["mcp", "excluded"], name));
        }
        if plan.locks.approvals && self.has_floor {
            out.push(Setting::own(&["security", "disableYoloMode"], true, widens));
        }
        Content::Json(out)
    }

    fn validate(&self, target: &Target, bytes: &[u8]) -> Result<(), Refused> {
        let root = json_file::read(bytes, target.format)?;
        texts(&root, "/mcp/allowed")?;
        texts(&root, "/mcp/excluded")?;
        if self.empty_is_all
            && root.pointer("/mcp/allowed").is_some()
            && list(&root, "/mcp/allowed")?.is_empty()
        {
            return Err(Refused::AllowsAll { key: "/mcp/allowed".to_owned() });
        }
        let allowed = list(&root, "/mcp/allowed")?.iter().filter_map(Value::as_str);
        if allowed.into_iter().any(|name| self.is_pattern(name)) {
            return Err(Refused::AllowsAll { key: "/mcp/allowed".to_owned() });
        }
        let excluded = list(&root, "/mcp/excluded")?;
        let sentinel = Value::from(NOBODY);
        if list(&root, "/mcp/allowed")?.contains(&sentinel) && !excluded.contains(&sentinel) {
            return Err(Refused::shape("/mcp/excluded", "a list with the name that nobody may have"));
        }
        for (name, server) in map(&root, "/mcpServers")? {
            let starts =
                ["command", "url", "httpUrl", "tcp"].iter().filter(|key| server.get(**key).is_some());
            if starts.count() != 1 {
                let place = pointer(&["mcpServers".to_owned(), name.clone()]);
                return Err(Refused::shape(place, "a server with one command or URL"));
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

/// What is said of a server whose name is a pattern.
const IS_PATTERN: &str = "the client takes `*` and `?` in a name for any text";

/// As `allow_list`, where an empty list lets everything through.
fn list_that_is_not_empty(theirs: &Value, ours: &Value) -> ConflictKind {
    match theirs.as_array() {
        Some(theirs) if theirs.is_empty() => ConflictKind::Widened,
        _ => allow_list(theirs, ours),
    }
}

impl Family {
    fn is_pattern(&self, name: &str) -> bool {
        self.names_are_patterns && name.contains(['*', '?'])
    }

    fn allowlist(&self, plan: &mut Plan<'_>, out: &mut Vec<Setting>) {
        let mut named: BTreeMap<String, Value> = BTreeMap::new();
        let never: BTreeMap<String, Vec<String>> = plan
            .never_by_server()
            .into_iter()
            .map(|(server, tools)| (server.to_owned(), tools.into_iter().map(str::to_owned).collect()))
            .collect();
        for server in plan.servers.clone() {
            // what a rule would allow is not defined: the client would start it for everybody
            if !server.is_here || server.name.is_empty() {
                continue;
            }
            let Some(mut definition) = self.definition(plan, &server) else { continue };
            if let Some(tools) = never.get(&server.name) {
                definition.insert("excludeTools".to_owned(), json!(tools));
            }
            let definition = Value::Object(definition);
            if named.get(&server.name).is_some_and(|there| *there != definition) {
                plan.tell(&server.rule, What::SecondForm, "the client has one definition a name", true);
                continue;
            }
            if server.scope != Scope::User {
                plan.tell(
                    &server.rule,
                    What::Scope,
                    "a server of a project or extension is defined for the whole machine, and so \
                    starts everywhere",
                    false,
                );
            }
            named.insert(server.name, definition);
        }
        let mut names: Vec<&str> = named.keys().map(String::as_str).collect();
        if names.is_empty() && self.empty_is_all {
            names.push(NOBODY);
            out.push(Setting::item(&["mcp", "excluded"], NOBODY));
        }
        let compares = if self.empty_is_all { list_that_is_not_empty } else { allow_list };
        out.push(Setting::own(&["mcp", "allowed"], json!(names), compares));
        out.extend(
            named.iter().map(|(name, value)| Setting::own(&["mcpServers", name], value.clone(), widens)),
        );
    }

    /// A server as the system's file defines it; `None`, and told, where that would not be the server that was allowed.
    fn definition(&self, plan: &mut Plan<'_>, server: &Server) -> Option<Map<String, Value>> {
        if server.has_more {
            plan.tell(
                &server.rule,
                What::Members,
                "a definition for the whole machine would not have the entry's directory and other members",
                true,
            );
            return None;
        }
        let (Some(env), Some(headers)) = (plain(&server.env), plain(&server.headers)) else {
            plan.tell(
                &server.rule,
                What::Secret,
                "a value of the entry may be a secret and is not put into a file that everybody can \
                read: write `$NAME` in its place",
                true,
            );
            return None;
        };
        let mut out = Map::new();
        match server.launch.words() {
            Some(words) => {
                out.insert("command".to_owned(), json!(words[0]));
                out.insert("args".to_owned(), json!(words[1..]));
            }
            None => {
                // to both clients `url` is the older of the two ways over HTTP
                let name = if server.transport == Transport::Sse { "url" } else { "httpUrl" };
                out.insert(name.to_owned(), json!(server.launch.url()));
            }
        }
        for (name, values) in [("env", env), ("headers", headers)] {
            if !values.is_empty() {
                out.insert(name.to_owned(), Value::Object(values));
            }
        }
        Some(out)
    }
}

/// Values that may be read by everybody: references to variables, and what nobody would take for a secret.
fn plain(values: &[NamedValue]) -> Option<Map<String, Value>> {
    let is_plain = |one: &NamedValue| {
        let value = one.value.expose();
        secret::is_reference(value)
            || (!secret::is_secret_name(&one.name)
                && secret::classify(value).is_none()
                && !value.contains("://"))
    };
    values
        .iter()
        .map(|one| is_plain(one).then(|| (one.name.clone(), Value::from(one.value.expose()))))
        .collect()
}

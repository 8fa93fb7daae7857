//! Amp: `managed-settings.json`.
//!
//! By its documentation; nothing could be run without an account. Rules are asked in order, the first that matches counts, and
//! what none matches is allowed: so the list always ends with two rules that refuse every command and every URL. Texts are
//! patterns, and how a `*` is meant as itself is not documented, so a form with one is not written. Nor is a command without
//! arguments: a rule without `args` would take any.

use mcpolicy_schema::evaluate::System;
use serde_json::{Value, json};

use crate::clients::{Compiler, Content, Facts};
use crate::form::Launch;
use crate::inexpressible::{Abilities, Compares, What};
use crate::json_file::{self, Setting, widens};
use crate::output::ConflictKind;
use crate::over::{Over, Sign};
use crate::plan::Plan;
use crate::refused::{Refused, flag, list, texts};
use crate::target::{Format, Target};

pub(crate) struct Amp;

const RULES: &str = "amp.mcpPermissions";

impl Compiler for Amp {
    fn targets(&self, os: System) -> Vec<Target> {
        let path = match os {
            System::Linux => "/etc/ampcode/managed-settings.json",
            System::Macos => "/Library/Application Support/ampcode/managed-settings.json",
            System::Windows => "C:\\ProgramData\\ampcode\\managed-settings.json",
        };
        vec![Target::file(path, Format::Jsonc)]
    }

    fn abilities(&self) -> Abilities {
        Abilities { compares: Compares::JoinedPattern, never_tools: true, denies: true }
    }

    fn content(&self, _: &Target, plan: &mut Plan<'_>) -> Content {
        let mut out = Vec::new();
        plan.drop_servers(
            What::Pattern,
            "the client takes marks in it for a pattern, or a command without arguments for one with any",
            |server| matches(&server.launch).is_none(),
        );
        let mut rules: Vec<Value> = denied(plan);
        if plan.is_closed {
            let mut allowed: Vec<Value> = plan
                .servers
                .iter()
                .filter_map(|server| matches(&server.launch))
                .map(|matches| json!({ "matches": matches, "action": "allow" }))
                .collect();
            allowed.sort_by_key(Value::to_string);
            allowed.dedup();
            rules.extend(allowed);
            rules.extend(closing());
        }
        if !rules.is_empty() {
            out.push(Setting::own(&[RULES], rules, rules_of_others));
        }
        let tools = plan.never.iter().map(|never| format!("mcp__{}__{}", never.server, never.tool));
        let tools: Vec<String> = tools.filter(|name| !is_pattern(name)).collect();
        out.extend(tools.into_iter().map(|tool| Setting::item(&["amp.tools.disable"], tool)));
        if plan.locks.approvals {
            out.push(Setting::own(&["amp.dangerouslyAllowAll"], false, widens));
        }
        Content::Json(out)
    }

    fn validate(&self, target: &Target, bytes: &[u8]) -> Result<(), Refused> {
        let root = json_file::read(bytes, target.format)?;
        let key = format!("/{RULES}");
        let rules = list(&root, &key)?;
        for (at, rule) in rules.iter().enumerate() {
            let matches = rule["matches"].as_object().filter(|matches| !matches.is_empty());
            let is_text = |matches: &serde_json::Map<String, Value>| matches.values().all(Value::is_string);
            if !matches.is_some_and(is_text) || !matches!(rule["action"].as_str(), Some("allow" | "reject")) {
                return Err(Refused::shape(format!("{key}/{at}"), "a rule with matches and an action"));
            }
        }
        let lets_any_through = rules.iter().any(|rule| rule["action"] == "allow");
        if lets_any_through && !rules.ends_with(&closing()) {
            return Err(Refused::AllowsAll { key });
        }
        texts(&root, "/amp.tools.disable")?;
        flag(&root, "/amp.dangerouslyAllowAll")
    }

    fn over(&self) -> Vec<Over> {
        vec![Over::may_be(
            Sign::None,
            "servers may stand on ampcode.com, where no file says anything of them",
        )]
    }

    fn facts(&self) -> Facts {
        Facts {
            evidence: "documentation only; it does not run without an account",
            compares: "command, arguments joined by blanks, URL, each as a pattern",
            round_it: "servers may stand on ampcode.com; `--settings-file` and `--mcp-config` were not tried",
            broken: "not known; what no rule matches is allowed",
        }
    }
}

/// The rules that refuse what none before let through.
fn closing() -> [Value; 2] {
    [
        json!({ "matches": { "command": "*" }, "action": "reject" }),
        json!({ "matches": { "url": "*" }, "action": "reject" }),
    ]
}

/// What a rule matches that is about just this; `None` where no rule says just this.
fn matches(launch: &Launch) -> Option<Value> {
    let matches = match (launch.words(), launch.url()) {
        (Some(words), _) if words.len() > 1 => json!({ "command": words[0], "args": words[1..].join(" ") }),
        (Some(_), _) => return None,
        (None, url) => json!({ "url": url }),
    };
    let is_plain = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty() && !is_pattern(text));
    matches.as_object()?.values().all(is_plain).then_some(matches)
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', ']', '{', '}', '!', '\\'])
}

/// Rules that refuse what is known here and denied, before all others.
fn denied(plan: &mut Plan<'_>) -> Vec<Value> {
    let allowed: Vec<Value> = plan.servers.iter().filter_map(|server| matches(&server.launch)).collect();
    let launches = plan.denied_launches();
    if launches.iter().any(|launch| matches(launch).is_none()) {
        plan.tell(
            "",
            What::Pattern,
            "a denied server is not named, since its form is a pattern to the client",
            false,
        );
    }
    let mut out: Vec<Value> = launches
        .iter()
        .filter_map(matches)
        .filter(|matches| !allowed.contains(matches))
        .map(|matches| json!({ "matches": matches, "action": "reject" }))
        .collect();
    out.sort_by_key(Value::to_string);
    out.dedup();
    out
}

/// Rules of others only refuse more if all they let through is among ours and they end as ours do.
fn rules_of_others(theirs: &Value, ours: &Value) -> ConflictKind {
    let (Some(theirs), Some(ours)) = (theirs.as_array(), ours.as_array()) else {
        return ConflictKind::Widened;
    };
    let only_ours = theirs.iter().all(|rule| rule["action"] == "reject" || ours.contains(rule));
    if only_ours && theirs.ends_with(&closing()) { ConflictKind::Narrowed } else { ConflictKind::Widened }
}

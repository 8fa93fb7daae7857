//! Claude Code: a drop-in of `managed-settings.d`, and `managed-mcp.json` where the policy wants it exclusive.
//!
//! Tested with 2.1.329 and 2.1.197 on Linux: the drop-in alone, without `managed-settings.json`, is obeyed, and
//! `claude mcp add` answers "not allowed by enterprise policy" with exit code 1. Lists of all drop-ins are joined, and a
//! later file wins over a lock, so ours has the last name. The two versions differ where a file is broken: 2.1.329 does not
//! run, 2.1.197 runs without any policy. Other systems by documentation.

use mcpolicy_schema::entry::Transport;
use mcpolicy_schema::evaluate::System;
use serde_json::{Map, Value, json};

use crate::clients::{Compiler, Content, Facts, HookFacts, hook_command};
use crate::exact;
use crate::inexpressible::{Abilities, Compares, What};
use crate::json_file::{self, Setting, allow_list, widens};
use crate::output::{Conflict, ConflictKind};
use crate::over::{Over, Sign};
use crate::plan::{Plan, Server};
use crate::refused::{Refused, flag, list, map, texts};
use crate::target::{Format, Place, Target};

pub(crate) struct ClaudeCode;

/// The name of our drop-in: behind all others, which are read in the order of their names.
const DROP_IN: &str = "zz-mcpolicy.json";
/// Seconds that Claude Code waits for the hook; it answers within 20 ms, and when the time is over the call goes on.
const HOOK_SECONDS: u32 = 10;
/// Before a call, and after it however it went (known to 2.1.197 and 2.1.329).
const HOOK_EVENTS: [&str; 3] = ["PreToolUse", "PostToolUse", "PostToolUseFailure"];
/// Tools of servers, and its own tools that read from a server.
const HOOK_TOOLS: &str = "mcp__.*|ReadMcpResourceTool|ListMcpResourcesTool";

fn folder(os: System) -> &'static str {
    match os {
        System::Linux => "/etc/claude-code/",
        System::Macos => "/Library/Application Support/ClaudeCode/",
        System::Windows => "%ProgramFiles%\\ClaudeCode\\",
    }
}

fn beside(os: System) -> &'static [&'static str] {
    match os {
        System::Linux => &["/etc/claude-code/managed-settings.json", "/etc/claude-code/managed-settings.d/*"],
        System::Macos => &[
            "/Library/Application Support/ClaudeCode/managed-settings.json",
            "/Library/Application Support/ClaudeCode/managed-settings.d/*",
        ],
        System::Windows => &[
            "%ProgramFiles%\\ClaudeCode\\managed-settings.json",
            "%ProgramFiles%\\ClaudeCode\\managed-settings.d\\*",
        ],
    }
}

impl Compiler for ClaudeCode {
    fn targets(&self, os: System) -> Vec<Target> {
        let slash = if os == System::Windows { "\\" } else { "/" };
        let folder = folder(os);
        let drop_in = Target {
            own: true,
            beside: beside(os),
            ..Target::file(&format!("{folder}managed-settings.d{slash}{DROP_IN}"), Format::Json)
        };
        let exclusive = Target::file(&format!("{folder}managed-mcp.json"), Format::Json);
        let mut out = vec![drop_in, exclusive];
        match os {
            System::Linux => {}
            System::Macos => out.push(Target::preferences("com.anthropic.claudecode")),
            // one value `Settings` that holds the whole file
            System::Windows => {
                let key = Target::registry("HKLM\\SOFTWARE\\Policies\\ClaudeCode");
                out.push(Target { mdm: true, ..key });
            }
        }
        out
    }

    fn abilities(&self) -> Abilities {
        Abilities { compares: Compares::Exact, never_tools: true, denies: true }
    }

    fn content(&self, target: &Target, plan: &mut Plan<'_>) -> Content {
        Content::Json(match &target.place {
            Place::File(path) if path.ends_with("managed-mcp.json") => exclusive(plan),
            Place::Registry(_) => {
                let all = json_file::fresh(&settings(plan));
                vec![Setting::own(&["Settings"], all.to_string(), widens)]
            }
            Place::File(_) | Place::Preferences(_) => settings(plan),
        })
    }

    fn validate(&self, target: &Target, bytes: &[u8]) -> Result<(), Refused> {
        let root = json_file::read(bytes, target.format)?;
        if target.id().ends_with("managed-mcp.json") {
            return check_servers(&root);
        }
        match root.get("Settings") {
            Some(Value::String(text)) => check_settings(&json_file::read(text.as_bytes(), Format::Json)?),
            Some(_) => Err(Refused::shape("/Settings", "a text")),
            None => check_settings(&root),
        }
    }

    fn hook_facts(&self) -> Option<HookFacts> {
        Some(HookFacts {
            name: "claude",
            fails_open: true,
            what: "without the program, after an exit code other than 0 and 2, a broken answer or a time-out the call goes on \
                   (2.1.329, tested)",
        })
    }

    fn foreign(&self, target: &Target, plan: &Plan<'_>) -> Vec<Conflict> {
        if !target.own {
            return if target.mdm { Vec::new() } else { foreign_servers(target, plan) };
        }
        let ours = match plan.is_closed {
            true => exact_items(plan),
            false => Value::Null,
        };
        let mut out = Vec::new();
        for (path, bytes) in plan.input.beside.iter().filter(|(path, _)| is_beside(target, path)) {
            let conflict = |key: &str, kind, what: &str| Conflict {
                place: path.clone(),
                key: key.to_owned(),
                kind,
                what: what.to_owned(),
            };
            if bytes.is_empty() {
                continue;
            }
            let Ok(root) = json_file::read(bytes, Format::Json) else {
                let what = "the file is no strict JSON: newer versions do not run with it, older ones run \
                    without any policy";
                out.push(conflict("", ConflictKind::Unreadable, what));
                continue;
            };
            if plan.is_closed
                && let Some(theirs) = root.get("allowedMcpServers")
                && allow_list(theirs, &ours) == ConflictKind::Widened
            {
                let what =
                    "lists of all files are joined, and this one lets more servers start than the policy";
                out.push(conflict("/allowedMcpServers", ConflictKind::Widened, what));
            }
            if root.get("allowManagedMcpServersOnly").is_some_and(|lock| *lock != Value::Bool(true)) {
                let what = "with this lock off the lists of users count too";
                out.push(conflict("/allowManagedMcpServersOnly", ConflictKind::Widened, what));
            }
        }
        out
    }

    fn over(&self) -> Vec<Over> {
        let what = "settings of the organisation, from claude.ai or a gateway, are kept here: where they have any key of a policy, \
                    no managed settings file and no profile is read (`/status` of the client says which source it took); put the \
                    same policy there, or none";
        vec![Over::may_be(Sign::Template("$CLAUDE_CONFIG_DIR/remote-settings.json"), what)]
    }

    fn facts(&self) -> Facts {
        Facts {
            evidence: "2.1.329 and 2.1.197, tested on Linux; other systems by documentation",
            compares: "whole argv or URL, after `${VAR}` is filled in; user, project, local, plugin and \
                `--mcp-config`",
            round_it: "settings from the claude.ai console, an MDM profile or HKLM take the place of files without a sign (`/status`); \
                       on Linux a user namespace hides the folder where such namespaces are allowed",
            broken: "not JSON: 2.1.329 does not run, 2.1.197 runs without policy; empty or unreadable: no \
                policy",
        }
    }
}

/// The allowlist as it is written, for comparing that of others with it.
fn exact_items(plan: &Plan<'_>) -> Value {
    let launches = plan.servers.iter().map(|server| &server.launch);
    launches
        .map(|launch| match launch.words() {
            Some(words) => json!({ "serverCommand": words }),
            None => json!({ "serverUrl": launch.url() }),
        })
        .collect()
}

fn is_beside(target: &Target, path: &str) -> bool {
    let fits = |place: &&'static str| match place.strip_suffix('*') {
        Some(folder) => path.starts_with(folder) && path.ends_with(".json") && path != target.id(),
        None => path == *place,
    };
    target.beside.iter().any(fits)
}

/// Servers of others in `managed-mcp.json`, which start whatever the lists say (2.1.329).
fn foreign_servers(target: &Target, plan: &Plan<'_>) -> Vec<Conflict> {
    let theirs = json_file::base(target, &plan.input.state(target)).ok().flatten();
    let Some(bytes) = theirs else { return Vec::new() };
    let allowed: Vec<Value> = plan.servers.iter().map(definition).collect();
    let root = json_file::read(&bytes, Format::Json).unwrap_or_default();
    let servers = map(&root, "/mcpServers").unwrap_or_default();
    let is_more = |server: &Value| {
        let plain = |name: &str| server.get(name).cloned().unwrap_or(Value::Null);
        !allowed.iter().any(|ours| {
            ["command", "url"]
                .iter()
                .all(|name| ours.get(name).cloned().unwrap_or(Value::Null) == plain(name))
                && ours.get("args").cloned().unwrap_or(json!([]))
                    == server.get("args").cloned().unwrap_or(json!([]))
        })
    };
    let more = servers.into_iter().filter(|(_, server)| is_more(server));
    more.map(|(name, _)| Conflict {
        place: target.id(),
        key: json_file::pointer(&["mcpServers".to_owned(), name.clone()]),
        kind: ConflictKind::Widened,
        what: "a server that an administrator gives to everybody and that the policy does not allow so"
            .to_owned(),
    })
    .collect()
}

/// `mcp__SERVER` and `mcp__SERVER__TOOL`, as Claude Code spells names in its rules.
fn spelt(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' }).collect()
}

fn settings(plan: &mut Plan<'_>) -> Vec<Setting> {
    let mut out = Vec::new();
    let allowed = exact::allowed(plan);
    if plan.is_closed {
        out.push(Setting::own(&["allowedMcpServers"], allowed, allow_list));
        out.push(Setting::own(&["allowManagedMcpServersOnly"], true, widens));
    }
    let denied = exact::denied(plan);
    if !denied.is_empty() {
        out.push(Setting::own(&["deniedMcpServers"], denied, widens));
    }
    // hides the tools of a server that runs already from the next request on; the lists are only asked at the start
    let mut rules: Vec<String> = plan.denied_names(spelt).iter().map(|name| format!("mcp__{name}")).collect();
    rules.extend(
        plan.never.iter().map(|never| format!("mcp__{}__{}", spelt(&never.server), spelt(&never.tool))),
    );
    out.extend(rules.into_iter().map(|rule| Setting::item(&["permissions", "deny"], rule)));
    let locks = plan.locks;
    if locks.approvals {
        out.push(Setting::own(&["permissions", "disableBypassPermissionsMode"], "disable", widens));
    }
    if locks.plugins {
        out.push(Setting::own(&["strictKnownMarketplaces"], json!([]), widens));
    }
    if locks.flags {
        out.push(Setting::own(&["disableSideloadFlags"], true, widens));
    }
    if locks.connectors {
        out.push(Setting::own(&["disableClaudeAiConnectors"], true, widens));
    }
    if let Some(command) = hook_command(plan, "claude") {
        for event in HOOK_EVENTS {
            let hook = json!({
                "matcher": HOOK_TOOLS,
                "hooks": [{ "type": "command", "command": command, "timeout": HOOK_SECONDS }],
            });
            out.push(Setting::item(&["hooks", event], hook));
        }
    }
    out
}

/// The servers of exclusive mode.
fn exclusive(plan: &mut Plan<'_>) -> Vec<Setting> {
    if !plan.locks.exclusive || !plan.is_closed {
        return Vec::new();
    }
    let mut servers = Map::new();
    let mut told = Vec::new();
    let mut named: Vec<&Server> = plan.servers.iter().filter(|server| !server.name.is_empty()).collect();
    // of several forms of one name, that of an entry goes on
    named.sort_by_key(|server| !server.is_here);
    for server in named {
        if server.has_more || !server.env.is_empty() || !server.headers.is_empty() {
            told.push((
                server.rule.clone(),
                What::Environment,
                "in exclusive mode a server has no variables, headers or members of its user",
            ));
        }
        let new = definition(server);
        match servers.get(&server.name) {
            Some(there) if *there != new => {
                told.push((server.rule.clone(), What::SecondForm, "in exclusive mode a name has one form"));
            }
            Some(_) => {}
            None => {
                servers.insert(server.name.clone(), new);
            }
        }
    }
    for (rule, what, why) in told {
        plan.tell(&rule, what, why, true);
    }
    vec![Setting::own(&["mcpServers"], servers, widens)]
}

fn definition(server: &Server) -> Value {
    match server.launch.words() {
        Some(words) => json!({ "type": "stdio", "command": words[0], "args": words[1..] }),
        None => {
            let word = if server.transport == Transport::Sse { "sse" } else { "http" };
            json!({ "type": word, "url": server.launch.url() })
        }
    }
}

fn check_settings(root: &Value) -> Result<(), Refused> {
    for key in ["/allowedMcpServers", "/deniedMcpServers"] {
        exact::check(root, key)?;
    }
    for key in [
        "/allowManagedMcpServersOnly",
        "/disableSideloadFlags",
        "/disableClaudeAiConnectors",
        "/allowManagedHooksOnly",
    ] {
        flag(root, key)?;
    }
    texts(root, "/permissions/deny")?;
    list(root, "/strictKnownMarketplaces")?;
    check_hooks(root, "/hooks")
}

/// Groups of hooks, as Claude Code and Codex have them.
pub(crate) fn check_hooks(root: &Value, key: &str) -> Result<(), Refused> {
    for (event, groups) in map(root, key)? {
        let Some(groups) = groups.as_array() else { continue };
        for (at, group) in groups.iter().enumerate() {
            let place = format!("{key}/{event}/{at}");
            let hooks = group.get("hooks").and_then(Value::as_array);
            let hooks = hooks.ok_or_else(|| Refused::shape(&place, "a group with a list of hooks"))?;
            let is_hook = |hook: &Value| hook.get("type").is_some_and(Value::is_string);
            if !hooks.iter().all(is_hook) {
                return Err(Refused::shape(place, "a group of hooks with a type each"));
            }
        }
    }
    Ok(())
}

/// `managed-mcp.json`: broken or empty means no servers at all, which is not what is meant.
fn check_servers(root: &Value) -> Result<(), Refused> {
    let servers = root.get("mcpServers").ok_or_else(|| Refused::shape("/mcpServers", "a map"))?;
    let servers = servers.as_object().ok_or_else(|| Refused::shape("/mcpServers", "a map"))?;
    for (name, server) in servers {
        let is_text = |member: &str| server.get(member).is_some_and(Value::is_string);
        if !(is_text("command") ^ is_text("url")) {
            let place = json_file::pointer(&["mcpServers".to_owned(), name.clone()]);
            return Err(Refused::shape(place, "a server with a command or a URL"));
        }
    }
    Ok(())
}

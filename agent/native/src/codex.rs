//! Codex: `requirements.toml`.
//!
//! Tested with codex-cli 0.169.0 on Linux: a server that is not listed stays in `codex mcp list` as `disabled:
//! requirements`. The client wants a name and an identity; `identity.command` must be the table with `executable` and
//! `args`, since beside a text `args` is silently ignored. Anything else than valid TOML of the expected shape keeps
//! the client from starting at all; keys that it does not know it ignores. A non-empty `[mcp_servers]` does not hold back
//! plugins: for that a table `[plugins."…".mcp_servers]` must be there, for whatever plugin.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcpolicy_schema::entry::Scope;
use mcpolicy_schema::evaluate::System;
use serde_json::Value;

use crate::claude_code::check_hooks;
use crate::clients::{Compiler, Content, Facts, HookFacts, hook_command};
use crate::inexpressible::{Abilities, Compares, What};
use crate::json_file::{self, Setting, pointer, widens};
use crate::output::{Conflict, ConflictKind};
use crate::over::{Over, Sign};
use crate::plan::{Plan, Server};
use crate::refused::{Refused, flag, map};
use crate::target::{Format, Target};
use crate::toml_file::{self, Blocks, Part, bare, quoted};

pub(crate) struct Codex;

/// A plugin that nobody has: a table for it makes Codex ask about those of all others.
const NO_PLUGIN: &str = "none@mcpolicy";
/// The preference that holds the whole file.
const ENCODED: &str = "requirements_toml_base64";
/// Seconds that Codex waits for the hook; when they are over the call goes on.
const HOOK_SECONDS: u32 = 10;
/// Before a call and after it.
const HOOK_EVENTS: [&str; 2] = ["PreToolUse", "PostToolUse"];

impl Compiler for Codex {
    fn targets(&self, os: System) -> Vec<Target> {
        match os {
            System::Linux => vec![Target::file("/etc/codex/requirements.toml", Format::Toml)],
            System::Macos => vec![
                Target::file("/etc/codex/requirements.toml", Format::Toml),
                Target::preferences("com.openai.codex"),
            ],
            System::Windows => {
                vec![Target::file("%ProgramData%\\OpenAI\\Codex\\requirements.toml", Format::Toml)]
            }
        }
    }

    fn abilities(&self) -> Abilities {
        Abilities { compares: Compares::NameAndExact, never_tools: false, denies: false }
    }

    fn content(&self, target: &Target, plan: &mut Plan<'_>) -> Content {
        if target.format == Format::Values {
            let text = toml_file::fresh(&blocks(plan, &Value::Null));
            return Content::Json(vec![Setting::own(&[ENCODED], STANDARD.encode(text), widens)]);
        }
        let theirs = theirs(target, plan);
        Content::Toml(blocks(plan, &theirs))
    }

    fn validate(&self, target: &Target, bytes: &[u8]) -> Result<(), Refused> {
        if target.format == Format::Values {
            let root = json_file::read(bytes, target.format)?;
            let text = root.get(ENCODED).and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok());
            let text = text.ok_or_else(|| Refused::shape(format!("/{ENCODED}"), "TOML in base64"))?;
            return check(&json_file::read(&text, Format::Toml)?);
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(Refused::Empty);
        }
        check(&json_file::read(bytes, Format::Toml)?)
    }

    fn hook_facts(&self) -> Option<HookFacts> {
        Some(HookFacts {
            name: "codex",
            fails_open: true,
            what: "without the program, after exit code 0 or 1, a broken answer or a time-out the call \
                goes on (0.169.0, tested)",
        })
    }

    fn foreign(&self, target: &Target, plan: &Plan<'_>) -> Vec<Conflict> {
        if !plan.is_closed || target.mdm {
            return Vec::new();
        }
        let theirs = theirs(target, plan);
        let named = by_name(plan).0;
        let plain = |table: &Value, prefix: Vec<String>| {
            let members = table.as_object().cloned().unwrap_or_default();
            let named = &named;
            let differs = move |name: &String, requirement: &Value| {
                !named
                    .get(name.as_str())
                    .is_some_and(|servers| is_same(requirement, &requirement_of(servers)))
            };
            let more = members.into_iter().filter(|(name, requirement)| differs(name, requirement));
            more.map(|(name, _)| Conflict {
                place: target.id(),
                key: pointer(&[prefix.clone(), vec![name]].concat()),
                kind: ConflictKind::Widened,
                what: "an administrator lets a server start that the policy does not allow so".to_owned(),
            })
            .collect::<Vec<_>>()
        };
        let mut out = plain(&theirs["mcp_servers"], vec!["mcp_servers".to_owned()]);
        for (plugin, table) in map(&theirs, "/plugins").unwrap_or_default() {
            let at = vec!["plugins".to_owned(), plugin.clone(), "mcp_servers".to_owned()];
            out.extend(plain(&table["mcp_servers"], at));
        }
        out
    }

    fn over(&self) -> Vec<Over> {
        let what = "requirements of the organisation's account come before the file, member by member; `configRequirements/read` of \
                    the client's app server shows what is in force";
        vec![Over::may_be(Sign::None, what)]
    }

    fn facts(&self) -> Facts {
        Facts {
            evidence: "codex-cli 0.169.0, tested on Linux; other systems by documentation",
            compares: "name, and argv or URL, exactly; plugins by a table of their own",
            round_it: "requirements of the cloud and of an MDM profile come before the file; no flag was \
                found that leads round it",
            broken: "not valid: the client does not start; empty: no policy",
        }
    }
}

/// What others have in the file.
fn theirs(target: &Target, plan: &Plan<'_>) -> Value {
    let base = toml_file::base(&plan.input.state(target)).unwrap_or_default();
    base.and_then(|bytes| json_file::read(&bytes, Format::Toml).ok()).unwrap_or_default()
}

type ByName<'p> = BTreeMap<&'p str, Vec<&'p Server>>;

/// Servers by name: those of files, and those of each plugin.
fn by_name<'p>(plan: &'p Plan<'_>) -> (ByName<'p>, BTreeMap<&'p str, ByName<'p>>) {
    let (mut files, mut plugins): (ByName<'p>, BTreeMap<&str, ByName<'p>>) = Default::default();
    for server in plan.servers.iter().filter(|server| !server.name.is_empty()) {
        let table = match (&server.plugin, server.scope) {
            (Some(plugin), _) => plugins.entry(plugin).or_default(),
            (None, Scope::Plugin) => continue,
            (None, _) => &mut files,
        };
        table.entry(&server.name).or_default().push(server);
    }
    (files, plugins)
}

/// The words of an argument that one requirement admits: one, or several in one place.
type Words<'p> = Vec<&'p str>;

/// The forms that one name may have: Codex knows one requirement a name, so several must differ in one argument only.
enum Requirement<'p> {
    Command(&'p str, Vec<Words<'p>>),
    Url(&'p str),
}

/// The requirement of a name. What an entry of this machine has comes first; further forms are taken in where that lets
/// nothing else through.
fn requirement_of<'p>(servers: &[&'p Server]) -> Requirement<'p> {
    let mut ordered: Vec<&Server> = servers.to_vec();
    ordered.sort_by_key(|server| !server.is_here);
    let first = ordered[0];
    let Some(words) = first.launch.words() else {
        return Requirement::Url(first.launch.url().unwrap_or_default());
    };
    let mut args: Vec<Words<'p>> = words[1..].iter().map(|word| vec![*word]).collect();
    let mut varied: Option<usize> = None;
    for server in &ordered[1..] {
        let Some(other) = server.launch.words().filter(|w| w[0] == words[0] && w.len() == words.len()) else {
            continue;
        };
        let differ: Vec<usize> = (0..args.len()).filter(|at| !args[*at].contains(&other[at + 1])).collect();
        if let [at] = differ[..]
            && varied.is_none_or(|place| place == at)
        {
            varied = Some(at);
            args[at].push(other[at + 1]);
        }
    }
    Requirement::Command(words[0], args)
}

impl Requirement<'_> {
    fn admits(&self, server: &Server) -> bool {
        match self {
            Self::Url(url) => server.launch.url() == Some(url),
            Self::Command(command, args) => server.launch.words().is_some_and(|words| {
                words[0] == *command
                    && words.len() == args.len() + 1
                    && words[1..].iter().zip(args).all(|(word, admitted)| admitted.contains(word))
            }),
        }
    }

    fn line(&self) -> String {
        match self {
            Self::Url(url) => format!("identity = {{ url = {} }}\n", quoted(url)),
            Self::Command(command, args) => {
                let args: Vec<String> = args.iter().map(|words| matcher(words)).collect();
                format!(
                    "identity = {{ command = {{ executable = {}, args = [{}] }} }}\n",
                    quoted(command),
                    args.join(", ")
                )
            }
        }
    }
}

fn matcher(words: &[&str]) -> String {
    if let [only] = words {
        return format!("{{ match = \"exact\", value = {} }}", quoted(only));
    }
    let any: Vec<String> = words.iter().map(|word| escaped(word)).collect();
    format!("{{ match = \"regex\", expression = {} }}", quoted(&any.join("|")))
}

/// A text as a regular expression of just this text. Codex anchors expressions at both ends.
fn escaped(text: &str) -> String {
    let is_special = |c: char| r"\.+*?()|[]{}^$#&-~".contains(c);
    text.chars().flat_map(|c| is_special(c).then_some('\\').into_iter().chain([c])).collect()
}

fn is_same(theirs: &Value, ours: &Requirement<'_>) -> bool {
    let text = format!("x = {{ {} }}\n", ours.line().trim_end());
    json_file::read(text.as_bytes(), Format::Toml).is_ok_and(|value| value["x"] == *theirs)
}

fn blocks(plan: &mut Plan<'_>, theirs: &Value) -> Blocks {
    let mut out = Blocks::default();
    if plan.is_closed {
        let (tail, told) = servers(plan, theirs);
        out.tail = tail;
        for (rule, what, why, blocks) in told {
            plan.tell(&rule, what, why, blocks);
        }
    }
    if plan.locks.approvals {
        out.head.push(Part::new(
            "/allowed_approval_policies",
            "allowed_approval_policies = [\"untrusted\", \"on-request\"]\n",
        ));
        out.head.push(Part::new(
            "/allowed_sandbox_modes",
            "allowed_sandbox_modes = [\"read-only\", \"workspace-write\"]\n",
        ));
        // else a model answers in its user's place (`approvals_reviewer = "auto_review"`; 0.169.0, tested by `thread/start`)
        out.head
            .push(Part::new("/allowed_approvals_reviewers", "allowed_approvals_reviewers = [\"user\"]\n"));
    }
    if let Some(command) = hook_command(plan, "codex") {
        out.tail.extend(hook(&command, plan, theirs));
    }
    out
}

type Told = (String, What, &'static str, bool);

fn servers(plan: &Plan<'_>, theirs: &Value) -> (Vec<Part>, Vec<Told>) {
    let (files, plugins) = by_name(plan);
    let mut told: Vec<Told> = Vec::new();
    let mut out = Vec::new();
    for server in
        plan.servers.iter().filter(|server| server.plugin.is_none() && server.scope == Scope::Plugin)
    {
        told.push((
            server.rule.clone(),
            What::Name,
            "which plugin brings the server is not known",
            server.is_here,
        ));
    }
    let mut table = |header: String, at: &[&str], named: &ByName<'_>| {
        for (name, servers) in named {
            let requirement = requirement_of(servers);
            for server in servers.iter().filter(|server| !requirement.admits(server)) {
                told.push((
                    server.rule.clone(),
                    What::SecondForm,
                    "Codex knows one form a name",
                    server.is_here,
                ));
            }
            let there = at.iter().chain([name]).try_fold(theirs, |value, part| value.get(part));
            if there.is_some() {
                continue;
            }
            let key = at.iter().chain([name]).map(|part| (*part).to_owned()).collect::<Vec<_>>();
            out.push(Part::new(pointer(&key), format!("[{header}.{}]\n{}", bare(name), requirement.line())));
        }
    };
    table("mcp_servers".to_owned(), &["mcp_servers"], &files);
    for (plugin, named) in &plugins {
        let at = ["plugins", plugin, "mcp_servers"];
        table(format!("plugins.{}.mcp_servers", bare(plugin)), &at, named);
    }
    // an empty table is none; without any table all would start
    if files.is_empty() && theirs.get("mcp_servers").is_none() {
        out.insert(0, Part::new("/mcp_servers", "[mcp_servers]\n"));
    }
    if plugins.is_empty() && theirs.get("plugins").is_none() {
        out.push(Part::new("/plugins", format!("[plugins.{}.mcp_servers]\n", bare(NO_PLUGIN))));
    }
    (out, told)
}

/// The hook. `[features]` keeps users from switching hooks off.
fn hook(command: &str, plan: &Plan<'_>, theirs: &Value) -> Vec<Part> {
    let mut out = Vec::new();
    if theirs.get("features").is_none() {
        out.push(Part::new("/features/hooks", "[features]\nhooks = true\n"));
    }
    if theirs.get("hooks").is_none() {
        let program = plan.input.program.unwrap_or_default();
        let folder = program.rsplit_once(['/', '\\']).map_or(program, |(folder, _)| folder);
        let member = match plan.input.context.system {
            System::Windows => "windows_managed_dir",
            System::Linux | System::Macos => "managed_dir",
        };
        out.push(Part::new("/hooks", format!("[hooks]\n{member} = {}\n", quoted(folder))));
    }
    for event in HOOK_EVENTS {
        out.push(Part::new(
            format!("/hooks/{event}"),
            format!(
                "[[hooks.{event}]]\nmatcher = \"^mcp__\"\n[[hooks.{event}.hooks]]\ntype = \"command\"\ncommand = {}\n\
                 timeout = {HOOK_SECONDS}\n",
                quoted(command)
            ),
        ));
    }
    out
}

fn check(root: &Value) -> Result<(), Refused> {
    check_requirements(root, "/mcp_servers")?;
    for (plugin, _) in map(root, "/plugins")? {
        check_requirements(
            root,
            &pointer(&["plugins".to_owned(), plugin.clone(), "mcp_servers".to_owned()]),
        )?;
    }
    flag(root, "/allow_managed_hooks_only")?;
    check_hooks(root, "/hooks")
}

fn check_requirements(root: &Value, key: &str) -> Result<(), Refused> {
    for (name, requirement) in map(root, key)? {
        let place = format!("{key}{}", pointer(std::slice::from_ref(name)));
        if !requirement.get("identity").is_some_and(is_identity) {
            return Err(Refused::shape(place, "a requirement with an identity that Codex takes"));
        }
        let value = requirement.pointer("/identity/url/value").and_then(Value::as_str);
        let match_ = requirement.pointer("/identity/url/match").and_then(Value::as_str);
        if match_ == Some("prefix") && value.is_some_and(|value| value.matches('/').count() < 3) {
            // `https://host` is a prefix of `https://host@evil.example`
            return Err(Refused::AllowsAll { key: place });
        }
    }
    Ok(())
}

fn is_identity(identity: &Value) -> bool {
    let Some(members) = identity.as_object() else { return false };
    match (identity.get("command"), identity.get("url")) {
        (Some(Value::String(_)), None) => true,
        (Some(command @ Value::Object(inner)), None) => {
            members.len() == 1
                && inner.len() == 2
                && command["executable"].is_string()
                && command["args"].as_array().is_some_and(|args| args.iter().all(is_matcher))
        }
        (None, Some(url)) => url.is_string() || members.len() == 1 && is_matcher(url),
        _ => false,
    }
}

fn is_matcher(matcher: &Value) -> bool {
    let text = |name: &str| matcher.get(name).is_some_and(Value::is_string);
    matcher.as_object().is_some_and(|members| members.len() == 2)
        && match matcher["match"].as_str() {
            Some("exact" | "prefix") => text("value"),
            Some("regex") => text("expression"),
            _ => false,
        }
}

//! The test row of an approved server: its entry as the client writes it, which must be allowed from now on.

use jiff::Timestamp;
use mcpolicy_schema::entry::Transport;
use mcpolicy_schema::evaluate::{FileFacts, System};
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::report::v1;
use serde_json::{Map, Value, json};

use super::Variant;
use crate::authoring::requests::Made;
use crate::authoring::source::Source;
use crate::authoring::table::{self, Row};
use crate::authoring::toml::inline;

/// Stands for a value that a report does not tell.
const VALUE: &str = "x";

/// The table with a row for the server; `None` if it has one.
///
/// # Errors
/// The table cannot be read, or no form of the entry passes.
pub(super) fn add(
    made: &Made,
    variant: &Variant,
    policy: &Policy,
    rule: &str,
    tests: Option<&Source>,
    now: Timestamp,
) -> anyhow::Result<Option<String>> {
    let name = format!("{} is allowed", made.identity());
    let rows = match tests {
        Some(source) => table::rows(source).map_err(|problems| {
            let all: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
            anyhow::anyhow!("{}: {}; mend it first", source.path.display(), all.join("; "))
        })?,
        None => Vec::new(),
    };
    let numbered = (2..).map(|n| format!("{name} ({n})"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    let all = forms(variant);
    let fitting = all.iter().find(|form| passes(&text(variant, rule, &name, form), policy, now));
    let Some(form) = fitting else {
        anyhow::bail!(
            "no test row can be written for this server: {} does not read its entry back as allowed; add a row by hand",
            variant.entry.client
        );
    };
    let is_there = |row: &Row| {
        let same = |other: &Value| text_of(&row.entry).is_some_and(|text| text == form_text(other));
        row.rule.as_deref() == Some(rule) && all.iter().any(same)
    };
    if rows.iter().any(is_there) {
        return Ok(None);
    }
    let free = names.find(|name| !rows.iter().any(|row| row.name == *name)).unwrap_or(name);
    let before = tests.map(|source| source.text.trim_end()).unwrap_or_default();
    let gap = if before.is_empty() { "" } else { "\n\n" };
    Ok(Some(format!("{before}{gap}{}", text(variant, rule, &free, form))))
}

fn text_of(entry: &table::EntryText) -> Option<&str> {
    match entry {
        table::EntryText::Text(text) => Some(text),
        table::EntryText::Members(_) => None,
    }
}

/// Whether the row as written is read back and allowed, by an entry that the client would load.
fn passes(row: &str, policy: &Policy, now: Timestamp) -> bool {
    let Ok(table) = toml::from_str::<table::Table>(row) else { return false };
    table::run(policy, &table.test, now).iter().all(|outcome| outcome.passed && outcome.inert.is_none())
}

fn form_text(form: &Value) -> String {
    match form {
        // A form that is no JSON.
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn text(variant: &Variant, rule: &str, name: &str, form: &Value) -> String {
    let entry = &variant.entry;
    let mut row = format!(
        "[[test]]\nname = {}\nclient = {}\nserver = {}\nentry = {}\n",
        inline(&json!(name)),
        inline(&json!(entry.client)),
        inline(&json!(entry.name)),
        inline(&json!(form_text(form))),
    );
    let os = match variant.system {
        System::Linux => None,
        System::Macos => Some("macos"),
        System::Windows => Some("windows"),
    };
    for (member, value) in [("os", os), ("user", entry.user.as_deref()), ("home", variant.home.as_deref())] {
        if let Some(value) = value {
            row.push_str(&format!("{member} = {}\n", inline(&json!(value))));
        }
    }
    if let Some(facts) = &entry.facts {
        row.push_str(&format!("facts = {}\n", inline(&known(facts))));
    }
    row.push_str(&format!("expect = \"allow\"\nrule = {}\n", inline(&json!(rule))));
    row
}

fn known(facts: &v1::Facts) -> Value {
    let file = |facts: &v1::FileFacts| {
        let FileFacts { path, real_path, sha256, user_writable } = FileFacts {
            path: facts.path.clone(),
            real_path: facts.real_path.clone(),
            sha256: facts.sha256.clone(),
            user_writable: facts.user_writable,
        };
        json!({ "path": path, "real_path": real_path, "sha256": sha256, "user_writable": user_writable })
    };
    let all = [("program", &facts.program), ("script", &facts.script), ("listener", &facts.listener)];
    let told = all.into_iter().filter_map(|(name, facts)| Some((name.to_owned(), file(facts.as_ref()?))));
    Value::Object(told.collect())
}

/// The entry in the forms that clients use, the usual one first.
fn forms(variant: &Variant) -> Vec<Value> {
    let entry = &variant.stored.entry;
    let env = values(&variant.entry, "env", &variant.entry.env_keys);
    let headers = values(&variant.entry, "header", &variant.entry.header_keys);
    let shown = |text: &str| text.replace('\u{a66e}', VALUE).replace("qzhiddenzq", VALUE);
    let mut common = Map::new();
    if let Some(cwd) = &entry.cwd {
        common.insert("cwd".to_owned(), json!(shown(cwd.expose())));
    }
    let with = |members: Value| {
        let mut all = common.clone();
        all.extend(members.as_object().cloned().unwrap_or_default());
        all.retain(|_, value| !matches!(value, Value::Object(map) if map.is_empty()));
        Value::Object(all)
    };
    if let Some(command) = &entry.command {
        let command = shown(command.expose());
        let args: Vec<String> = entry.args.iter().map(|argument| shown(argument.expose())).collect();
        let argv: Vec<String> = std::iter::once(command.clone()).chain(args.clone()).collect();
        let plain = with(json!({ "command": command, "args": args, "env": env }));
        return vec![
            plain.clone(),
            with(json!({ "type": "stdio", "command": command, "args": args, "env": env })),
            with(json!({ "type": "local", "command": argv, "environment": env })),
            with(json!({ "command": { "path": command, "args": args, "env": env } })),
            with(
                json!({ "type": "stdio", "cmd": command, "args": args, "envs": env, "enabled": true, "name": entry.name }),
            ),
            Value::String(toml_members(&plain)),
        ];
    }
    let url = entry.url.as_ref().map(|url| shown(url.expose())).unwrap_or_default();
    let word = if entry.transport == Transport::Sse { "sse" } else { "http" };
    vec![
        with(json!({ "type": word, "url": url, "headers": headers })),
        with(json!({ "url": url, "headers": headers })),
        with(json!({ "type": "remote", "url": url, "headers": headers })),
        with(json!({ "httpUrl": url, "headers": headers })),
        with(json!({ "serverUrl": url, "headers": headers })),
        Value::String(toml_members(&with(json!({ "url": url, "http_headers": headers })))),
    ]
}

/// The same for clients that keep TOML.
fn toml_members(members: &Value) -> String {
    let members = members.as_object().into_iter().flatten();
    members.map(|(name, value)| format!("{name} = {}\n", inline(value))).collect()
}

/// Values as far as the report tells them: their references, else a word in their place.
fn values(entry: &v1::Entry, place: &str, names: &[String]) -> Map<String, Value> {
    let told = |name: &String| {
        let value = entry.values.iter().find(|value| value.r#in == place && value.name == *name);
        value.and_then(|value| value.references.as_ref()).map(|references| references.concat())
    };
    let value =
        |name: &String| told(name).filter(|text| !text.is_empty()).unwrap_or_else(|| VALUE.to_owned());
    names.iter().map(|name| (name.clone(), json!(value(name)))).collect()
}

//! Every case below `tests/fixtures/clients/<client-id>/` gives what its `case.json` says. Adding a client or a case
//! needs no code here. `MCPOLICY_REGENERATE=1 cargo test -p mcpolicy-clients --test fixtures` writes the files anew;
//! what changed is then reviewed by hand.

#![expect(clippy::disallowed_methods, reason = "a test reads its own fixtures and one variable")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(missing_docs, dead_code, reason = "a test binary; not each one uses all of the common code")]

mod common;

use std::path::Path;

use mcpolicy_clients::adapter::{ClientAdapter, Lead, Load};
use mcpolicy_clients::adapters;
use mcpolicy_schema::entry::{Entry, NamedValue};
use mcpolicy_schema::sensitive::Sensitive;
use serde_json::{Map, Value, json};

use common::{names_in, regenerates, workspace};

#[test]
fn every_fixture_gives_the_entries_that_it_says() {
    let root = workspace().join("tests/fixtures/clients");
    let mut wrong = Vec::new();
    let mut cases = 0;
    for client in names_in(&root) {
        let adapter =
            adapters::by_id(&client).unwrap_or_else(|| panic!("no adapter for fixtures of {client}"));
        for case in names_in(&root.join(&client)) {
            cases += 1;
            if let Err(difference) = check(adapter, &root.join(&client).join(&case)) {
                wrong.push(format!("{client}/{case}: {difference}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases > adapters::ALL.len(), "only {cases} cases");
}

/// Compares one case, or writes it anew.
fn check(adapter: &dyn ClientAdapter, directory: &Path) -> Result<(), String> {
    let file = directory.join("case.json");
    let expected: Value = serde_json::from_slice(&std::fs::read(&file).map_err(|e| e.to_string())?)
        .map_err(|e| format!("case.json: {e}"))?;
    let template = expected["as"].as_str().ok_or("case.json has no `as`")?;
    let input = names_in(directory).into_iter().find(|name| name.starts_with("input."));
    let input = input.ok_or("no input file")?;
    let bytes = std::fs::read(directory.join(&input)).map_err(|e| e.to_string())?;
    let actual = actual(adapter, template, &input, &bytes)?;
    if actual == expected {
        return Ok(());
    }
    let text = serde_json::to_string_pretty(&actual).unwrap() + "\n";
    if regenerates() {
        return std::fs::write(file, text).map_err(|e| e.to_string());
    }
    Err(format!("differs; it gives now\n{text}"))
}

fn actual(adapter: &dyn ClientAdapter, template: &str, input: &str, bytes: &[u8]) -> Result<Value, String> {
    let at = adapter.about().locations.iter().find(|at| at.path == template);
    let at = at.ok_or_else(|| format!("the adapter has no location {template}"))?;
    let mut out = Map::new();
    out.insert("as".to_owned(), json!(template));
    let Ok(read) = common::read(adapter, at, input, bytes) else {
        out.insert("error".to_owned(), json!(true));
        out.insert("entries".to_owned(), json!([]));
        return Ok(Value::Object(out));
    };
    out.insert("error".to_owned(), Value::Null);
    out.insert("entries".to_owned(), read.entries.iter().map(|(e, l)| entry(e, *l)).collect());
    if let Some(refused) = read.refused {
        out.insert("refused".to_owned(), json!(refused));
    }
    if !read.leads.is_empty() {
        out.insert("leads".to_owned(), read.leads.iter().map(lead).collect());
    }
    if !read.settings.is_empty() {
        out.insert("settings".to_owned(), json!(read.settings));
    }
    Ok(Value::Object(out))
}

fn entry(entry: &Entry, load: Load) -> Value {
    let text = |value: &Option<Sensitive>| value.as_ref().map(|v| v.expose().to_owned());
    let names = |values: &[NamedValue]| values.iter().map(|v| v.name.clone()).collect::<Vec<_>>();
    let mut out = json!({
        "name": entry.name,
        "key_path": entry.key_path,
        "transport": entry.transport.as_str(),
        "command": text(&entry.command),
        "args": entry.args.iter().map(Sensitive::expose).collect::<Vec<_>>(),
        "url": text(&entry.url),
        "env": names(&entry.env),
        "headers": names(&entry.headers),
        "disabled": entry.disabled,
        "scope": entry.scope.as_str(),
        "line": entry.position.line,
        "column": entry.position.column,
    });
    if let Some(malformed) = entry.malformed {
        out["malformed"] = json!(malformed);
    }
    if let Some(project) = &entry.project {
        out["project"] = json!(project);
    }
    match load {
        Load::Yes => {}
        Load::IfSetting(setting) => out["load"] = json!({ "if": setting }),
        Load::No(reason) => out["load"] = json!({ "no": reason }),
    }
    out
}

fn lead(lead: &Lead) -> Value {
    match lead {
        Lead::Project(path) => json!({ "project": path }),
        Lead::Plugin(path) => json!({ "plugin": path }),
        Lead::Named { template, path } => json!({ "named": template, "path": path }),
        Lead::Elsewhere { kind, what } => json!({ "elsewhere": kind, "what": what }),
    }
}

//! `allowedMcpServers` and `deniedMcpServers`, which Claude Code began and Copilot and VS Code took over: whole command
//! lines, and URLs with `*`.
//!
//! A name (`serverName`) is never written: whoever adds a server chooses it, and beside command entries it is ignored
//! (Copilot 1.0.102, tested).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::form::Launch;
use crate::inexpressible::What;
use crate::plan::Plan;
use crate::refused::{Refused, list};

/// The items of the allowlist.
pub(crate) fn allowed(plan: &mut Plan<'_>) -> Value {
    plan.drop_servers(What::Pattern, "the client takes `*` in a URL for any text", |server| {
        is_pattern(&server.launch)
    });
    let refers = |launch: &Launch| {
        launch.words().into_iter().flatten().chain(launch.url()).any(|word| word.contains("${"))
    };
    let with_references: Vec<String> =
        plan.servers.iter().filter(|s| refers(&s.launch)).map(|s| s.rule.clone()).collect();
    for rule in with_references {
        plan.tell(
            &rule,
            What::References,
            "the client fills variables in before it compares, and the user sets them",
            false,
        );
    }
    items(plan.servers.iter().map(|server| &server.launch))
}

/// The items of the denylist: what is known on this machine, unless an allowed server is started just so.
pub(crate) fn denied(plan: &mut Plan<'_>) -> Vec<Value> {
    let out = plan.denied_launches();
    if out.iter().any(is_pattern) {
        plan.tell(
            "",
            What::Pattern,
            "a denied server is not named, since its URL is a pattern to the client",
            false,
        );
    }
    let out = out.iter().filter(|launch| !is_pattern(launch));
    match items(out) {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

fn is_pattern(launch: &Launch) -> bool {
    launch.url().is_some_and(|url| url.contains('*'))
}

fn items<'l>(launches: impl Iterator<Item = &'l Launch>) -> Value {
    let launches: BTreeSet<&Launch> = launches.collect();
    let item = |launch: &&Launch| match (launch.words(), launch.url()) {
        (Some(words), _) => json!({ "serverCommand": words }),
        (None, url) => json!({ "serverUrl": url }),
    };
    launches.iter().map(item).collect()
}

/// Whether every item of a list is one that all three clients take. Copilot refuses everything on one that is not.
pub(crate) fn check(root: &Value, key: &str) -> Result<(), Refused> {
    let expected = "an object with one of serverCommand, serverUrl and serverName";
    for (at, item) in list(root, key)?.iter().enumerate() {
        let refused = || Refused::shape(format!("{key}/{at}"), expected);
        let members = item.as_object().filter(|members| members.len() == 1).ok_or_else(refused)?;
        let Some((name, value)) = members.iter().next() else { return Err(refused()) };
        let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        let fits = match name.as_str() {
            "serverCommand" => value.as_array().is_some_and(|words| {
                words.first().is_some_and(is_text) && words.iter().all(Value::is_string)
            }),
            "serverUrl" | "serverName" => is_text(value),
            _ => false,
        };
        if !fits {
            return Err(refused());
        }
        // a pattern of nothing but `*` is everything
        let is_all = value.as_str().is_some_and(|url| url.chars().all(|c| matches!(c, '*' | ':' | '/')));
        if is_all && key.contains("llowed") {
            return Err(Refused::AllowsAll { key: format!("{key}/{at}") });
        }
    }
    Ok(())
}

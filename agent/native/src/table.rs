//! docs/native.md, from what the compilers know: nothing in it is listed by hand but the facts of each client.

use std::collections::BTreeSet;

use mcpolicy_schema::document::Rule;
use mcpolicy_schema::evaluate::System;
use serde_json::json;

use crate::clients::{Compiler, compiler};
use crate::inexpressible::{Compares, What, of_rule};
use crate::target::{Client, Place, Target};

const HEAD: &str = "\
# Native policies

<!-- Generated from agent/native: MCPOLICY_REGENERATE=1 cargo test -p mcpolicy-native --test native -->

The first layer: one signed policy becomes the managed configuration of each client, which then refuses by itself. This page says where
that is written, what each client compares, and what it cannot be told. What a client cannot be told is not lost: files are watched and
reverted, processes are looked at, and calls are asked about ([policy.md](policy.md), [actions.md](actions.md)).

- With `inexpressible = \"closed\"` (the default) a client lets through what is known: the forms of rules (`native_forms`, the URL of a `url` rule)
  and the entries that are allowed on this machine, each word for word. With `\"open\"`, and where `default = \"allow\"`, only denials and locks are written.
- `owner = \"agent\"`: the agent writes, watches and repairs. `\"mdm\"`: it only compares. `\"off\"`: nothing of ours stands there. In the modes `observe` and
  `warn` nothing of ours stands there either.
- What an administrator has in the same file stays, byte for byte. Where it admits more than the policy, it is the finding `native-widened` and is never
  overwritten.
- A form with a secret in it is not written, since everybody on the machine can read these files: such an entry does not start in a closed client until
  the secret is in a variable or header.
- Each file passes a check of what its client takes before it takes the place of the old one.
";

/// The page.
pub fn markdown() -> String {
    let mut out = HEAD.to_owned();
    places(&mut out);
    expressible(&mut out);
    inexpressible(&mut out);
    facts(&mut out);
    out
}

fn places(out: &mut String) {
    out.push_str("\n## Where it is written\n\n| client | Linux | macOS | Windows |\n|---|---|---|---|\n");
    for client in Client::ALL {
        let cell = |os: System| {
            let targets = compiler(client).targets(os);
            let place = |place: &Place| match place {
                Place::File(path) | Place::Registry(path) => format!("`{path}`"),
                Place::Preferences(domain) => format!("preferences `{domain}`"),
            };
            let cell = |target: &Target| {
                format!("{}{}", place(&target.place), if target.mdm { " (MDM)" } else { "" })
            };
            let all: Vec<String> = targets.iter().map(cell).collect();
            if all.is_empty() { "none".to_owned() } else { all.join("<br>") }
        };
        out.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            client.id(),
            cell(System::Linux),
            cell(System::Macos),
            cell(System::Windows)
        ));
    }
    out.push_str(
        "\nFiles belong to root or Administrators and have mode 0644. What is marked MDM is made for MDM only: nobody else may write \
         it, or it takes the place of every file, an administrator's too.\n",
    );
}

fn compares(compares: Compares) -> &'static str {
    match compares {
        Compares::Exact => "yes: exact forms",
        Compares::NameAndExact => "yes: name and exact form",
        Compares::JoinedPattern => "yes: forms, arguments as one text",
        Compares::Fuzzy => "a coarse net",
        Compares::Definition => "yes: by name, defined in the file",
        Compares::NameOff => "no: only known names are switched off",
        Compares::Nothing => "no: all local servers or none",
        Compares::Call => "at each call, by the hook",
    }
}

fn expressible(out: &mut String) {
    out.push_str(
        "\n## What a client can be told\n\n| client | allowlist | compares | known denials | \
            never-tools |\n|---|---|---|---|---|\n",
    );
    for client in Client::ALL {
        let compiler = compiler(client);
        let able = compiler.abilities();
        let word = |is: bool| if is { "yes" } else { "no" };
        out.push_str(&format!(
            "| {} | {} | {} | {} | {} |\n",
            client.id(),
            compares(able.compares),
            compiler.facts().compares,
            word(able.denies),
            if able.compares == Compares::Call { "yes" } else { word(able.never_tools) },
        ));
    }
}

/// Rules that together say everything that a rule can say.
fn rules() -> Vec<Rule> {
    let all = json!([
        {
            "id": "package", "identity": { "npm": { "package": "a", "versions": ">=1" } },
            "args": { "optional": ["--port *"] }, "env": { "A": "*" }, "cwd": ["{home}/**"], "members": ["envFile"],
            "references": ["TOKEN"], "users": ["ann"], "scopes": ["user"],
            "tools": { "never": ["drop"], "write": ["set"] }
        },
        { "id": "program", "identity": { "executable": { "path": "/usr/bin/a", "sha256": ["a"] } } },
        {
            "id": "remote", "headers": { "Authorization": "*" },
            "identity": { "url": {
                "url": "https://a.example/mcp", "query": { "a": "*" }, "listener": { "path": "/usr/bin/a" }
            } }
        },
        { "id": "built-in", "identity": { "builtin": "memory" } },
        { "id": "any", "identity": { "any": {} } },
    ]);
    serde_json::from_value(all).unwrap_or_default()
}

/// What a client cannot be told, of all that a rule can say.
fn cannot(compiler: &dyn Compiler) -> BTreeSet<What> {
    let able = compiler.abilities();
    rules().iter().flat_map(|rule| of_rule(rule, able)).map(|(what, _)| what).collect()
}

fn words(what: What) -> &'static str {
    match what {
        What::Environment => "variables of a server",
        What::WorkingDirectory => "its working directory",
        What::Headers => "headers",
        What::Members => "helpers and other members that bring code",
        What::Digest => "SHA-256 of a program or script",
        What::Versions => "a range of versions (only known forms)",
        What::Arguments => "patterns of arguments (only known forms)",
        What::ArgumentBoundaries => "where an argument ends",
        What::Query => "query parameters, sub-paths (only known URLs)",
        What::Listener => "the program behind a loopback URL",
        What::People => "users, groups, devices, rings",
        What::Scope => "scopes and transports",
        What::Directory => "the directory of an entry",
        What::References => "references to variables",
        What::Identity => "the identity of a server",
        What::Name => "a name that is not known",
        What::SecondForm => "a second form of one name",
        What::Form => "a form that is not known",
        What::Pattern => "a text that is a pattern to the client",
        What::Secret => "a form with a secret in it",
        What::Builtin => "servers built into the client",
        What::Anything => "`identity.any`",
        What::NeverTools => "tools that must not be called",
        What::ToolClasses => "which tools ask first",
        What::Denial => "denials beyond known entries",
        What::Start => "that a server is not even started",
    }
}

fn inexpressible(out: &mut String) {
    let of: Vec<(Client, BTreeSet<What>)> =
        Client::ALL.into_iter().map(|client| (client, cannot(compiler(client)))).collect();
    let all: BTreeSet<What> = of.iter().flat_map(|(_, what)| what.iter().copied()).collect();
    out.push_str(
        "\n## What a client cannot be told\n\n`mcpolicy native plan` says it for each rule. A dot: it \
        cannot be told.\n\n|  |",
    );
    out.extend(of.iter().map(|(client, _)| format!(" {} |", client.id())));
    out.push_str(&format!("\n|---|{}\n", ":-:|".repeat(of.len())));
    for what in all {
        out.push_str(&format!("| {} |", words(what)));
        out.extend(of.iter().map(|(_, cannot)| if cannot.contains(&what) { " • |" } else { "  |" }));
        out.push('\n');
    }
    out.push_str(
        "\nBeside these, by what stands on a machine: a form with a secret in it, a second form under one name (Codex, Gemini CLI, Qwen Code), a \
         text that is a pattern to the client (`*` in a URL; marks of patterns for Amp), an entry that runs what lies in its directory, \
         and denials beyond the entries that are known where no allowlist is written.\n",
    );
}

fn facts(out: &mut String) {
    out.push_str(
        "\n## Evidence, and ways round\n\n| client | established with | a broken file | ways \
            round it |\n|---|---|---|---|\n",
    );
    for client in Client::ALL {
        let facts = compiler(client).facts();
        out.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            client.id(),
            facts.evidence,
            facts.broken,
            facts.round_it
        ));
    }
    out.push_str("\n## Hooks\n\n");
    out.push_str(
        "Where a client has managed hooks, mcpolicy is asked before each call to a server, and told when it is over \
            ([hook.md](hook.md)). What happens without the program:\n\n",
    );
    for client in Client::ALL {
        if let Some(hook) = compiler(client).hook_facts() {
            let word = if hook.fails_open { "fails open" } else { "fails closed" };
            out.push_str(&format!(
                "- **{}** (`mcpolicy hook {}`) {word}: {}.\n",
                client.id(),
                hook.name,
                hook.what
            ));
        }
    }
}

//! Prints what command lines would run: one JSON list of words on each line of standard input.
//! `cargo run -p mcpolicy-schema --example identify`, to try a case before it becomes a test.

use std::io::{self, BufRead as _, Write as _};

use mcpolicy_schema::entry::Entry;
use mcpolicy_schema::identity::{self, Kind};
use mcpolicy_schema::sensitive::Sensitive;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let words: Vec<String> = serde_json::from_str(&line?)?;
        let Some((command, args)) = words.split_first() else { continue };
        let found = identity::identify(&Entry::stdio(command.as_str(), args.iter().map(String::as_str)));
        let list = |args: &[Sensitive]| args.iter().map(|a| a.expose().to_owned()).collect::<Vec<_>>();
        let key = match found.kind {
            Kind::Bridge => None,
            kind => identity::package_key(kind, &found.name),
        };
        let shown = serde_json::json!({
            "kind": found.kind.as_str(), "name": found.name, "key": key, "version": found.version,
            "bin": found.bin, "extras": found.extras, "runner": found.runner, "target": found.target,
            "runner_args": list(&found.runner_args), "server_args": list(&found.server_args),
            "wrappers": found.wrappers, "extra_packages": found.extra_packages,
            "wrapper_args": found.wrapper_args.iter().map(|a| list(a)).collect::<Vec<_>>(),
            "registries": found.registries, "ambiguous": found.ambiguous,
            "argument_env": found.argument_env.iter().map(|v| &v.name).collect::<Vec<_>>(),
            "argument_headers": found.argument_headers.iter().map(|v| &v.name).collect::<Vec<_>>(),
        });
        writeln!(out, "{shown}")?;
    }
    Ok(())
}

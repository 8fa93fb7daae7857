//! `mcpolicy support-bundle`: one redacted file for whoever helps.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use mcpolicy_platform::environment::Environment;
use mcpolicy_platform::host;
use mcpolicy_platform::machine::Machine;
use mcpolicy_schema::redact::Redactor;
use serde_json::{Value, json};

use super::agent::{self, Agent, Where, Which};
use super::{doctor, exit};
use crate::ipc::{Answer, Ask};
use crate::journal;
use crate::output::json as plain;

/// Records of the journal that go with it.
const RECORDS: usize = 500;
/// Bytes of each log that go with it, the last ones.
const LOG_BYTES: usize = 256 * 1024;
/// Largest log that is read, in bytes.
const MAX_LOG: u64 = 64 << 20;

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    r#where: Where,

    #[command(flatten)]
    which: Which,

    /// Write it here, to a file that is not there yet
    #[arg(long, value_name = "FILE", default_value = "mcpolicy-support.json")]
    output: PathBuf,
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let redactor = agent::redactor()?;
    let place = &options.r#where;
    let facts = host::facts(&Machine::live());
    let (status, entries) =
        (ask(place, environment, &Ask::Status { cost: true }), ask(place, environment, &Ask::Found));
    let examined = doctor::examine((place, &options.which), environment, &redactor, false);
    let mut bundle = json!({
        "schema": "mcpolicy/support-bundle/v1",
        "made": agent::now(),
        "version": env!("CARGO_PKG_VERSION"),
        "os": facts.os,
        "os_version": facts.os_version,
        "arch": facts.arch,
        "doctor": examined.checks,
        "clients": examined.clients,
        "status": status,
        "entries": entries,
    });
    match place.agent(environment) {
        Ok(agent) => of_agent(&agent, &mut bundle),
        Err(error) => bundle["settings_error"] = Value::String(format!("{error:#}")),
    }
    // everything once more: what a part forgot to hide is hidden here
    hide(&mut bundle, &redactor);
    let mut text = Vec::new();
    plain::write_value(&bundle, &mut text)?;
    write_new(&options.output, &text)?;
    super::complain(&format!(
        "mcpolicy: wrote {}; look through it before you send it: names and paths are in it, values and secrets are not",
        options.output.display()
    ));
    Ok(exit::OK)
}

fn ask(place: &Where, environment: &Environment, ask: &Ask) -> Value {
    match place.ask(ask, environment) {
        Ok(Ok(Answer::Status(status))) => serde_json::to_value(status).unwrap_or_default(),
        Ok(Ok(Answer::Found { found, recent })) => json!({ "found": found, "recent": recent }),
        Ok(Ok(_)) => Value::String("another answer than was asked for".to_owned()),
        Ok(Err(error)) => Value::String(error.to_string()),
        Err(error) => Value::String(format!("{error:#}")),
    }
}

fn of_agent(agent: &Agent, bundle: &mut Value) {
    bundle["settings"] = serde_json::to_value(&agent.settings).unwrap_or_default();
    if agent.is_machines() {
        bundle["journal"] =
            Value::String("it is the machine's: an administrator makes the bundle as root".to_owned());
        return;
    }
    bundle["journal"] = match journal::read(&agent.state.join("journal")) {
        Ok((records, unreadable)) => {
            let last = &records[records.len().saturating_sub(RECORDS)..];
            json!({ "last": last, "records": records.len(), "unreadable": unreadable })
        }
        Err(error) => Value::String(error.to_string()),
    };
    bundle["logs"] = logs(agent);
}

/// The ends of the log's files.
fn logs(agent: &Agent) -> Value {
    let machine = Machine::live();
    let folder = agent.settings.log.dir.clone().unwrap_or_else(|| agent.state.join("log"));
    let names = machine.list(&folder).unwrap_or_default();
    let text = |path: &PathBuf| {
        let bytes = machine.read(path, None, MAX_LOG).ok()?.bytes;
        let end = &bytes[bytes.len().saturating_sub(LOG_BYTES)..];
        Some(Value::from(String::from_utf8_lossy(end).lines().map(str::to_owned).collect::<Vec<_>>()))
    };
    let files = names.iter().map(|entry| folder.join(&entry.name));
    let of_file = |path: PathBuf| Some((path.file_name()?.to_string_lossy().into_owned(), text(&path)?));
    Value::Object(files.filter_map(of_file).collect())
}

/// Hides in every text and name of a member what is a secret by its shape.
fn hide(value: &mut Value, redactor: &Redactor) {
    match value {
        Value::String(text) => *text = redactor.name(text),
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, redactor)),
        Value::Object(members) => members.values_mut().for_each(|member| hide(member, redactor)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Never over another file, and readable by nobody else.
fn write_new(path: &PathBuf, bytes: &[u8]) -> anyhow::Result<()> {
    use std::io::Write as _;
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let mut file =
        made.with_context(|| format!("cannot make {}; name another with --output", path.display()))?;
    mcpolicy_platform::durable::keep_private(path)?;
    file.write_all(bytes).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_secret_by_its_shape_is_hidden_wherever_it_stands() {
        let token = format!("ghp_{}", "a1B2c3D4e5".repeat(4).get(..36).unwrap());
        let mut bundle = json!({ "a": [{ "b": format!("token {token} in a log") }], "n": 1 });
        hide(&mut bundle, &Redactor::new(&[7; 32]));
        assert!(!bundle.to_string().contains(&token), "{bundle}");
        assert_eq!(bundle["n"], 1);
    }
}

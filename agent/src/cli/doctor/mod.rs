//! `mcpolicy doctor`: what the agent needs, and whether it has it.

mod checks;
mod network;

use std::io::{self, Write};

use clap::Args;
use mcpolicy_platform::environment::Environment;
use mcpolicy_schema::redact::Redactor;
use serde::Serialize;

use super::agent::{self, Where, Which};
use super::exit;
use crate::installed::Installed;
use crate::output::json;
use crate::output::text::visible;

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    r#where: Where,

    #[command(flatten)]
    which: Which,

    /// Go the way to each receiver and mirror of the settings, and name the hop that fails (DNS, proxy, TLS, HTTP)
    #[arg(long)]
    network: bool,

    /// Say it as JSON (`mcpolicy/doctor/v1`)
    #[arg(long)]
    json: bool,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Health {
    /// As it should be.
    Ok,
    /// It works, but less well than it could, or will end soon.
    Warning,
    /// Something does not work.
    Fault,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// What.
    pub(super) name: &'static str,
    /// How it is.
    pub(super) health: Health,
    /// What was seen.
    pub(super) seen: String,
    /// What to do about it; empty if nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) remedy: String,
}

impl Check {
    pub(super) fn ok(name: &'static str, seen: impl Into<String>) -> Self {
        Self { name, health: Health::Ok, seen: seen.into(), remedy: String::new() }
    }

    pub(super) fn warning(name: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, health: Health::Warning, seen: seen.into(), remedy: remedy.into() }
    }

    pub(super) fn fault(name: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, health: Health::Fault, seen: seen.into(), remedy: remedy.into() }
    }

    /// For people. The device's own id is told as it is: it looks like a secret and is what tokens and rings go by.
    fn redacted(self, redactor: &Redactor) -> Self {
        if self.name == checks::DEVICE {
            return self;
        }
        Self { seen: redactor.name(&self.seen), remedy: redactor.name(&self.remedy), ..self }
    }
}

/// What was found.
#[derive(Serialize)]
pub(super) struct Examined {
    /// Everything that is looked at, in the order in which it depends on each other.
    pub(super) checks: Vec<Check>,
    /// The clients that are installed.
    pub(super) clients: Vec<Installed>,
}

/// Looks at everything.
pub(super) fn examine(
    (place, which): (&Where, &Which),
    environment: &Environment,
    redactor: &Redactor,
    with_network: bool,
) -> Examined {
    let mut found = vec![checks::program()];
    match place.agent(environment) {
        Ok(mut agent) => {
            which.overrule(&mut agent.settings);
            found.push(checks::settings(&agent));
            found.push(checks::rights(&agent));
            found.push(checks::state(&agent));
            if agent.is_managed() {
                found.extend(checks::managed(place, environment));
            } else {
                found.push(checks::trust_root(&agent));
                found.push(checks::policy(&agent, which));
            }
            found.push(checks::clock(&agent, which));
            found.push(checks::device(&agent));
            found.extend(network::checks(&agent, environment, with_network));
        }
        Err(error) => found.push(Check::fault(
            "settings",
            format!("{error:#}"),
            "mend that file: nothing works without",
        )),
    }
    found.push(checks::running(place, environment));
    found.extend(checks::watches());
    found.extend(checks::gate(place, environment));
    let ground = place.agent(environment).and_then(|agent| agent.ground(environment));
    found.extend(checks::homes(ground.as_ref()));
    let mut clients = ground.map(|ground| checks::clients(&ground, environment)).unwrap_or_default();
    for client in &mut clients {
        client.path = redactor.name(&client.path.to_string_lossy()).into();
    }
    found.extend(clients.iter().map(checks::client));
    let checks = found.into_iter().map(|check| check.redacted(redactor)).collect();
    Examined { checks, clients }
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let redactor = agent::redactor()?;
    let Examined { checks, clients } =
        examine((&options.r#where, &options.which), environment, &redactor, options.network);
    let worst = checks.iter().map(|check| check.health).max().unwrap_or(Health::Ok);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = match options.json {
        true => json::write_value(
            &serde_json::json!({
                "schema": "mcpolicy/doctor/v1", "health": worst, "checks": checks, "clients": clients,
            }),
            &mut out,
        ),
        false => checks.iter().try_for_each(|check| human(check, &mut out)),
    };
    super::written(written.and_then(|()| out.flush()))?;
    Ok(if worst == Health::Fault { exit::FINDINGS } else { exit::OK })
}

fn human(check: &Check, out: &mut dyn Write) -> io::Result<()> {
    let word = match check.health {
        Health::Ok => "ok     ",
        Health::Warning => "warning",
        Health::Fault => "FAULT  ",
    };
    writeln!(out, "{word}  {:<11} {}", check.name, visible(&check.seen))?;
    match check.remedy.as_str() {
        "" => Ok(()),
        remedy => writeln!(out, "                     -> {}", visible(remedy)),
    }
}

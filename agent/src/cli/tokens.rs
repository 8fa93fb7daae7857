//! `mcpolicy redeem` and `mcpolicy breakglass`: tokens that come by hand, with or without a running agent.

use std::io::{self, Read as _, Write as _};

use anyhow::Context as _;
use clap::Args;
use mcpolicy_platform::environment::Environment;

use super::agent::{self, Where, Which};
use super::exit;
use crate::enforce::pass::{self, Taken};
use crate::ipc::client::Unanswered;
use crate::ipc::{Answer, Ask};
use crate::output::json;
use crate::output::text::visible;

/// Longest token, in bytes.
const MAX_TOKEN: u64 = 256 * 1024;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The line that was signed, or - for standard input
    token: String,

    #[command(flatten)]
    r#where: Where,

    #[command(flatten)]
    which: Which,

    /// Say it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn redeem(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let token = token(&options.token)?;
    take(options, environment, &Ask::Redeem { token: token.clone() }, |setting| {
        pass::redeem(setting, &token, None)
    })
}

pub(super) fn breakglass(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let token = token(&options.token)?;
    let here = |setting: &pass::Setting<'_>| pass::break_glass(setting, &token);
    take(options, environment, &Ask::Breakglass { token: token.clone() }, here)
}

/// Has the running agent take it, or takes it for the next pass of one that does not run.
fn take(
    options: &Options,
    environment: &Environment,
    ask: &Ask,
    here: impl FnOnce(&pass::Setting<'_>) -> anyhow::Result<Taken>,
) -> anyhow::Result<u8> {
    let taken = match options.r#where.ask(ask, environment)? {
        Ok(Answer::Taken { id, what, until }) => Taken { id, what, until },
        Ok(Answer::Refused { why }) => anyhow::bail!("{why}"),
        Ok(_) => anyhow::bail!("the agent answered something else: is it of another version?"),
        Err(Unanswered::NotRunning { .. }) => {
            let mut agent = options.r#where.agent(environment)?;
            options.which.overrule(&mut agent.settings);
            agent.ensure_own("takes tokens for it")?;
            agent.ensure_trust_root()?;
            let _lock = agent.lock()?;
            let redactor = agent::redactor()?;
            here(&agent.setting(options.which.reading(), &redactor))?
        }
        Err(error) => return Err(error.into()),
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = if options.json {
        let answer = serde_json::json!({
            "schema": "mcpolicy/token-taken/v1", "id": taken.id, "what": taken.what, "until": taken.until,
        });
        json::write_value(&answer, &mut out)
    } else {
        writeln!(out, "{}: {}, until {}", visible(&taken.id), visible(&taken.what), taken.until)
    };
    super::written(written.and_then(|()| out.flush()))?;
    Ok(exit::OK)
}

fn token(given: &str) -> anyhow::Result<String> {
    if given != "-" {
        return Ok(given.to_owned());
    }
    let mut text = String::new();
    io::stdin().lock().take(MAX_TOKEN).read_to_string(&mut text).context("cannot read the token")?;
    Ok(text)
}

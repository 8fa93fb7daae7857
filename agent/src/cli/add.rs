//! `mcpolicy add`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use mcpolicy_platform::environment::Environment;

use super::answering::{self, Answering, Basis};
use super::{agent, exit};
use crate::answers::add::{self, On, Order};
use crate::ground::{self, Target};
use crate::output::human::answers;
use crate::pipeline::{self, SourceResult};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Name or rule of an approved server, as `mcpolicy catalog` shows it
    name: String,

    /// Id of the client, as in docs/clients.md
    #[arg(long, value_name = "ID")]
    client: String,

    /// Write it into the file of this project, instead of your own for all projects
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,

    /// The name that the entry gets [default: its usual one]
    #[arg(long = "as", value_name = "NAME")]
    under: Option<String>,

    /// Show what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,

    /// Arguments for the server itself, after `--`, where its rule leaves them open
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,

    #[command(flatten)]
    answering: Answering,

    /// Say it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let basis = options.answering.basis(environment)?;
    let project = options.project.as_ref().map(std::fs::canonicalize).transpose();
    let project = project.context("--project: there is no such directory")?;
    let settings = match &project {
        Some(_) => settings_of(&basis, options, environment)?,
        None => Vec::new(),
    };
    let mut judge = basis.judge();
    let asker = judge.asker(0);
    let order = Order {
        name: &options.name,
        under: options.under.as_deref(),
        client: &options.client,
        project: project.as_deref(),
        args: &options.args,
        dry_run: options.dry_run,
    };
    let on = On { ground: &basis.ground, home: 0, judge: &mut judge, settings, redactor: &basis.redactor };
    match add::add(order, basis.by(&asker), on) {
        Ok(added) if options.json => answering::say_json(&added)?,
        Ok(added) => answering::say(&answers::add(&added, answering::columns(environment)))?,
        Err(error) if error.is_usage() => return Err(error.into()),
        Err(error) => {
            super::complain(&format!("mcpolicy: {error}"));
            return Ok(exit::FINDINGS);
        }
    }
    Ok(exit::OK)
}

/// What the project's settings of clients set for every server that is started there: it is judged with the entry.
fn settings_of(
    basis: &Basis,
    options: &Options,
    environment: &Environment,
) -> anyhow::Result<Vec<SourceResult>> {
    let Some(project) = &options.project else { return Ok(Vec::new()) };
    let ground = ground::lay(&Target::Project(project.clone()), None, environment)?;
    let outcome = agent::with_bounds(|bounds| pipeline::scan(&ground, bounds, &basis.redactor));
    let mut settings: Vec<SourceResult> =
        outcome.sources.into_iter().filter(|source| !source.environment.is_empty()).collect();
    settings.iter_mut().for_each(|result| result.source.home = Some(0));
    Ok(settings)
}

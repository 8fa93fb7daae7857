//! `policy test`.

use std::path::PathBuf;

use serde::Serialize;

use super::common::{self, Clock};
use crate::authoring::problem::{self, Problem, Weight};
use crate::authoring::source::{self, Source};
use crate::authoring::table::{self, Outcome};
use crate::cli::exit;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The policy, or the folder it is in
    #[arg(default_value = ".")]
    policy: PathBuf,

    /// The test table [default: tests.toml beside the policy]
    #[arg(long, value_name = "FILE")]
    tests: Option<PathBuf>,

    /// Only rows whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,

    /// Say it as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    clock: Clock,
}

#[derive(Serialize)]
struct Answer {
    schema: &'static str,
    policy: String,
    passed: usize,
    failed: usize,
    tests: Vec<Outcome>,
}

pub(super) fn run(options: &Options) -> anyhow::Result<u8> {
    let policy_source = Source::of_policy(&options.policy)?;
    let policy = source::compile(&policy_source)?;
    let table = table::source(&policy_source.path, options.tests.as_deref())?;
    let rows = match table::rows(&table) {
        Ok(rows) => rows,
        Err(problems) => {
            let shown = problem::render(&problems, &table);
            anyhow::bail!("{} is no valid test table\n{}", table.path.display(), shown.trim_end());
        }
    };
    let outcomes = table::run(&policy, &rows, options.clock.now());
    let wanted = |o: &Outcome| options.only.as_ref().is_none_or(|text| o.name.contains(text.as_str()));
    let told: Vec<(usize, Outcome)> = outcomes.into_iter().enumerate().filter(|(_, o)| wanted(o)).collect();
    let failed = told.iter().filter(|(_, o)| !o.passed).count();
    anyhow::ensure!(
        !told.is_empty(),
        "{} has no row to run; add [[test]] rows, or widen --only",
        table.path.display()
    );
    if options.json {
        common::say_json(&Answer {
            schema: "mcpolicy/policy-test/v1",
            policy: policy_source.path.to_string_lossy().into_owned(),
            passed: told.len() - failed,
            failed,
            tests: told.into_iter().map(|(_, outcome)| outcome).collect(),
        })?;
    } else {
        common::say(&human(&told, failed, &table))?;
    }
    Ok(if failed > 0 { exit::FINDINGS } else { exit::OK })
}

fn human(told: &[(usize, Outcome)], failed: usize, table: &Source) -> String {
    let mut problems = Vec::new();
    for (at, outcome) in told {
        if !outcome.passed {
            let why = outcome.message.clone().unwrap_or_default();
            let message = format!("{}: {why}", outcome.name);
            problems.push(Problem::new(Weight::Error, "test-failed", format!("/test/{at}/name"), message));
        } else if let Some(inert) = outcome.inert {
            let message = format!(
                "{}: the client loads no such entry ({inert}); it was judged as if it did",
                outcome.name
            );
            problems.push(Problem::new(Weight::Warning, "inert-entry", format!("/test/{at}/entry"), message));
        }
    }
    let shown = problem::render(&problems, table);
    format!("{shown}{} passed, {failed} failed in {}\n", told.len() - failed, table.path.display())
}

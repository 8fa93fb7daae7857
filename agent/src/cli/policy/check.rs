//! `policy check`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use mcpolicy_schema::signed::Root;
use serde::Serialize;

use super::common::{self, Clock};
use crate::authoring::check::{self, CODES};
use crate::authoring::problem::{self, Problem, Weight};
use crate::authoring::repository::Repository;
use crate::authoring::source::Source;
use crate::cli::exit;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The policy, or the folder it is in
    #[arg(default_value = ".")]
    policy: PathBuf,

    /// Say it as JSON
    #[arg(long)]
    json: bool,

    /// Every rule must meet this revision of the MCP specification (2025-06-18) or a newer one
    #[arg(long, value_name = "REVISION")]
    spec: Option<String>,

    /// Count this code as a warning; may be repeated
    #[arg(long, value_name = "CODE", value_parser = code)]
    allow: Vec<String>,

    /// Count warnings as errors
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    clock: Clock,
}

fn code(text: &str) -> Result<String, String> {
    if CODES.iter().any(|(code, _)| *code == text) {
        return Ok(text.to_owned());
    }
    let all: Vec<&str> = CODES.iter().map(|(code, _)| *code).collect();
    Err(format!("there is no such code; the codes are {}", all.join(", ")))
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    policy: String,
    errors: usize,
    warnings: usize,
    problems: Vec<Placed<'a>>,
}

#[derive(Serialize)]
struct Placed<'a> {
    #[serde(flatten)]
    problem: &'a Problem,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
}

/// The newest root of the repository that the policy lies in, if it is one.
fn root(source: &Source) -> anyhow::Result<Option<Root>> {
    let trust = Repository::at(&source.path)?.trust()?;
    if trust.numbers("root")?.is_empty() { Ok(None) } else { trust.newest_root().map(Some) }
}

pub(super) fn run(options: &Options) -> anyhow::Result<u8> {
    let source = Source::of_policy(&options.policy)?;
    let asked = check::Options {
        now: options.clock.now(),
        spec: options.spec.clone(),
        allow: options.allow.iter().cloned().collect::<BTreeSet<_>>(),
        root: root(&source)?,
    };
    let problems = check::check(&source, &asked);
    let errors = problems.iter().filter(|p| p.weight == Weight::Error).count();
    let warnings = problems.len() - errors;
    if options.json {
        let placed = problems.iter().map(|problem| {
            let (line, column) = problem.position(&source).unzip();
            Placed { problem, line, column }
        });
        common::say_json(&Answer {
            schema: "mcpolicy/policy-check/v1",
            policy: source.path.to_string_lossy().into_owned(),
            errors,
            warnings,
            problems: placed.collect(),
        })?;
    } else {
        let verdict = format!("{errors} errors, {warnings} warnings in {}\n", source.path.display());
        common::say(&(problem::render(&problems, &source) + &verdict))?;
    }
    Ok(if errors > 0 || (options.strict && warnings > 0) { exit::FINDINGS } else { exit::OK })
}

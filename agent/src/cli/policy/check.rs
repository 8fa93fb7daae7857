//! `policy check`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context as _;
use jiff::civil::Date;
use mcpolicy_schema::signed::Root;
use serde::Serialize;

use super::common::{self, Clock};
use super::input::{self, Progress};
use crate::authoring::check::{self, CODES, unused};
use crate::authoring::ends::{self, Ends};
use crate::authoring::folder::Folder;
use crate::authoring::problem::{self, Problem, Weight};
use crate::authoring::repository::Repository;
use crate::authoring::source::Source;
use crate::authoring::words::counted;
use crate::cli::exit;
use crate::output::text::folded;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The policy, or the folder it is in
    #[arg(default_value = ".")]
    policy: PathBuf,

    /// Say it as JSON
    #[arg(long)]
    json: bool,

    /// Every rule must meet this revision of the MCP specification (2025-06-18) or a newer one
    #[arg(long, value_name = "REVISION", value_parser = revision)]
    spec: Option<Date>,

    /// Tell also which rules and exceptions no entry of these reports needs: files or folders; may be repeated
    #[arg(long, value_name = "REPORT")]
    reports: Vec<PathBuf>,

    /// Tell also when head, policy and emergency list of this published folder end
    #[arg(long, value_name = "FOLDER")]
    site: Option<PathBuf>,

    /// Count this code as a warning; may be repeated
    #[arg(long, value_name = "CODE", value_parser = code)]
    allow: Vec<String>,

    /// Count warnings as errors
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    clock: Clock,
}

fn revision(text: &str) -> Result<Date, String> {
    let day = text.parse().ok().filter(|_| text.len() == 10);
    day.ok_or_else(|| {
        "a revision of the MCP specification is named by its day, such as 2025-06-18".to_owned()
    })
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
    let trust = Repository::around(&source.path)?.trust()?;
    if trust.numbers("root")?.is_empty() { Ok(None) } else { trust.newest_root().map(Some) }
}

/// The documents that end: the newest policy that was signed in the repository, and what is published.
fn ends(source: &Source, root: Option<&Root>, site: Option<&std::path::Path>) -> anyhow::Result<Vec<Ends>> {
    let signed = Repository::around(&source.path)?.signed()?;
    let mut all: Vec<Ends> = ends::signed(&signed)?.into_iter().collect();
    if let Some(site) = site {
        let root =
            root.context("--site is verified by the roots in trust/, and there are none beside the policy")?;
        all.extend(ends::published(&Folder::at(site)?, root, &signed)?);
    }
    Ok(all)
}

pub(super) fn run(options: &Options, columns: usize) -> anyhow::Result<u8> {
    let source = Source::of_policy(&options.policy)?;
    let root = root(&source)?;
    let asked = check::Options {
        now: options.clock.now(),
        spec: options.spec,
        allow: options.allow.iter().cloned().collect::<BTreeSet<_>>(),
        ends: ends(&source, root.as_ref(), options.site.as_deref())?,
        root,
    };
    let mut problems = check::check(&source, &asked);
    let mut partial = exit::OK;
    if !options.reports.is_empty()
        && let Ok(policy) = source.compile()
    {
        let progress = Progress::new();
        let read = unused::check(&policy, &options.reports, asked.now, &|done, all| progress.tell(done, all));
        progress.clear();
        let (unused, unread) = read?;
        partial = input::tell_problems(&unread);
        problems.extend(unused);
        problems.sort_by_key(|problem| (problem.position(&source), problem.code));
    }
    let errors = problems.iter().filter(|p| p.weight == Weight::Error).count();
    let warnings = problems.iter().filter(|p| p.weight == Weight::Warning).count();
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
        let strict = if options.strict && errors == 0 && warnings > 0 {
            "; --strict counts them as errors"
        } else {
            ""
        };
        let verdict = format!(
            "{}, {} in {}{strict}\n",
            counted(errors, "error", "errors"),
            counted(warnings, "warning", "warnings"),
            source.path.display()
        );
        common::say(&(problem::render_within(&problems, &source, columns) + &folded(&verdict, columns)))?;
    }
    Ok(if errors > 0 || (options.strict && warnings > 0) { exit::FINDINGS } else { partial })
}

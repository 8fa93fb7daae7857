//! `policy diff`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::ValueEnum;
use mcpolicy_schema::loosens::loosening;
use serde::Serialize;

use super::common;
use crate::authoring::compare::{self, Change, Class};
use crate::authoring::markdown;
use crate::authoring::source::{self, Source};
use crate::cli::exit;
use crate::output::text::{folded, visible};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The policy before: a file, a folder with policy.toml, or a published body
    before: PathBuf,

    /// The policy after
    after: PathBuf,

    /// How to say it
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,

    /// Same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,

    /// Exit with 1 if there is such a change: `loosening` needs two people (protection taken away, a setting loosened for
    /// every rule, a denial removed), `admits-more` admits anything more
    #[arg(long, value_name = "WHAT", default_value = "never")]
    fail_on: FailOn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Human,
    /// For programs
    Json,
    /// One comment on a change
    Markdown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Never,
    Loosening,
    AdmitsMore,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    loosens: usize,
    tightens: usize,
    neutral: usize,
    /// A change takes protection away that the policy before left.
    second_signature: bool,
    /// Two people must approve the change.
    second_approval: bool,
    /// What machines demand the second signature for, whatever the policy before was.
    verifier_demands: Vec<String>,
    changes: &'a [Change],
}

pub(super) fn run(options: &Options, columns: usize) -> anyhow::Result<u8> {
    let before = source::compile(&Source::of_policy(&options.before)?)?;
    let after = source::compile(&Source::of_policy(&options.after)?)?;
    let changes = compare::compare(before.document(), after.document());
    let demands: Vec<String> = loosening(after.document()).iter().map(ToString::to_string).collect();
    match options.format {
        _ if options.json => json(&changes, demands)?,
        Format::Json => json(&changes, demands)?,
        Format::Human => common::say(&folded(&human(&changes, &demands), columns))?,
        Format::Markdown => common::say(&as_markdown(&changes, &demands))?,
    }
    let failing = |change: &Change| match options.fail_on {
        FailOn::Never => false,
        FailOn::Loosening => change.second_approval,
        FailOn::AdmitsMore => change.class == Class::Loosens,
    };
    Ok(if changes.iter().any(failing) { exit::FINDINGS } else { exit::OK })
}

fn count(changes: &[Change], class: Class) -> usize {
    changes.iter().filter(|c| c.class == class).count()
}

fn json(changes: &[Change], verifier_demands: Vec<String>) -> anyhow::Result<()> {
    common::say_json(&Answer {
        schema: "mcpolicy/policy-diff/v1",
        loosens: count(changes, Class::Loosens),
        tightens: count(changes, Class::Tightens),
        neutral: count(changes, Class::Neutral),
        second_signature: changes.iter().any(|c| c.second_signature),
        second_approval: changes.iter().any(|c| c.second_approval),
        verifier_demands,
        changes,
    })
}

fn summary(changes: &[Change]) -> String {
    let n = |class| count(changes, class);
    format!(
        "{} loosen, {} tighten, {} change no verdict",
        n(Class::Loosens),
        n(Class::Tightens),
        n(Class::Neutral)
    )
}

/// Who must sign, beyond one person.
fn signatures(changes: &[Change], demands: &[String]) -> Option<&'static str> {
    match (changes.iter().any(|c| c.second_approval), demands.is_empty()) {
        (true, false) if changes.iter().any(|c| c.second_signature) => {
            Some("This loosens the policy: it needs the signatures of two people.")
        }
        // A gate that was on, a denial that was there: only who sees both policies can tell.
        (true, _) => Some(
            "This loosens the policy: it needs the approval of two people. Machines cannot demand it, because they judge \
             the new policy alone.",
        ),
        (false, false) => {
            Some("The policy was loose before and still is: it needs the signatures of two people.")
        }
        (false, true) => None,
    }
}

fn human(changes: &[Change], demands: &[String]) -> String {
    if changes.is_empty() {
        return "no changes\n".to_owned();
    }
    let mut out = String::new();
    for change in changes {
        let class = if change.second_approval { "LOOSENS" } else { change.class.as_str() };
        let _ = writeln!(out, "{class:<9} {}: {}", visible(&change.place), visible(&change.what));
    }
    let _ = writeln!(out, "{}", summary(changes));
    if let Some(said) = signatures(changes, demands) {
        let _ = writeln!(out, "{said}");
    }
    out
}

fn as_markdown(changes: &[Change], demands: &[String]) -> String {
    let mut out = "### Policy changes\n\n".to_owned();
    if changes.is_empty() {
        out.push_str("None.\n");
        return out;
    }
    if let Some(said) = signatures(changes, demands) {
        let _ = writeln!(out, "> **{said}**\n");
    }
    out.push_str("| | where | what |\n|---|---|---|\n");
    for change in changes {
        let class = if change.second_approval { "**LOOSENS**" } else { change.class.as_str() };
        // Whole: who approves a change must see all of it.
        let (place, what) = (markdown::whole(&change.place), markdown::whole(&change.what));
        let _ = writeln!(out, "| {class} | {place} | {what} |");
    }
    let _ = writeln!(out, "\n{}", summary(changes));
    out
}

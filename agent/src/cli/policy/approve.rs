//! `policy approve`.

use std::path::PathBuf;

use jiff::civil::Date;

use super::common::{Clock, say};
use super::input::{self, Progress};
use crate::authoring::approve::{self, Approval};
use crate::authoring::lock::Lock;
use crate::authoring::requests;
use crate::authoring::source::Source;
use crate::authoring::table;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Id of the request, as `mcpolicy policy requests` lists it
    id: String,

    /// The reports that have it
    #[arg(long, required = true, value_name = "REPORT", num_args = 1..)]
    reports: Vec<PathBuf>,

    /// Change ticket
    #[arg(long, value_name = "T", value_parser = said)]
    ticket: String,

    /// Who answers for the rule
    #[arg(long, value_name = "O", value_parser = said)]
    owner: String,

    /// Day of the next review, such as 2027-05-21; `policy check` wants one for every rule
    #[arg(long, value_name = "DATE")]
    review_by: Date,

    /// policy.toml, or the folder it is in; tests.toml lies beside it
    #[arg(long, value_name = "DIR", default_value = ".")]
    policy: PathBuf,

    #[command(flatten)]
    clock: Clock,
}

fn said(text: &str) -> Result<String, String> {
    let text = text.trim();
    let plain = !text.is_empty() && !text.contains(char::is_control);
    if plain { Ok(text.to_owned()) } else { Err("say something, on one line".to_owned()) }
}

pub(super) fn run(options: &Options) -> anyhow::Result<u8> {
    let progress = Progress::new();
    let read = requests::read(&options.reports, &|done, all| progress.tell(done, all));
    progress.clear();
    let (made, problems) = read?;
    let partial = input::tell_problems(&problems);
    let request = approve::find(&made, &options.id)?;
    let folder = std::path::absolute(&options.policy)?;
    let folder = if folder.is_dir() { folder.as_path() } else { folder.parent().unwrap_or(&folder) };
    let _held = Lock::of_existing(folder)?;
    let policy = Source::of_policy(&options.policy)?;
    let tests_path = policy.path.with_file_name(table::FILE_NAME);
    let tests = if tests_path.exists() { Some(Source::read(&tests_path)?) } else { None };
    let approval = Approval {
        ticket: &options.ticket,
        owner: &options.owner,
        review_by: Some(options.review_by),
        now: options.clock.now(),
    };
    let change = approve::approve(request, &approval, &policy, tests.as_ref())?;
    if change.policy.is_none() && change.tests.is_none() {
        say(&format!("{} allows it already, and the tests say so; nothing to do\n", change.rule))?;
        return Ok(partial);
    }
    // The test first: a rule without its test would go unnoticed, a test without its rule fails.
    if let Some(text) = &change.tests {
        input::write_file(&tests_path, text)?;
    }
    if let Some(text) = &change.policy {
        input::write_file(&policy.path, text)?;
    }
    say(&change.message)?;
    Ok(partial)
}

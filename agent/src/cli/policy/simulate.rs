//! `policy simulate`.

use std::path::PathBuf;

use serde::Serialize;

use super::common::Clock;
use super::input::{self, Progress, Reports};
use crate::authoring::simulate::{self, Question, Simulation, Threshold, show};
use crate::cli::{complain, exit};
use crate::output::json;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    reports: Reports,

    /// The policy to try: policy.toml, or the folder it is in
    #[arg(long, value_name = "NEW")]
    policy: PathBuf,

    /// The policy in force, to tell what changes; without it, the verdicts in the reports, if a signed policy made them
    #[arg(long, value_name = "CURRENT")]
    against: Option<PathBuf>,

    /// Revocations in force, which both policies are tried with: a `revocations.N.body` of the published folder
    #[arg(long, value_name = "FILE")]
    revocations: Option<PathBuf>,

    /// Exit with 1 if more machines than this lose a server that they may use now: a number, or a share such as 5%
    /// [default: 10%, or any machine above the policy's max_new_removals]
    #[arg(long, value_name = "N|N%")]
    threshold: Option<Threshold>,

    /// Rows of each table
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,

    /// How to say it; json has all rows
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,

    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,

    #[command(flatten)]
    clock: Clock,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Tables for people
    Human,
    /// Everything, for programs
    Json,
    /// One comment for a change
    Markdown,
}

/// The answer for programs.
#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    alarms: &'a [String],
    problems: usize,
    #[serde(flatten)]
    simulation: &'a Simulation,
}

pub(super) fn run(options: &Options, columns: usize) -> anyhow::Result<u8> {
    let new = input::policy(&options.policy)?;
    let current = options.against.as_deref().map(input::policy).transpose()?;
    let revocations = options.revocations.as_deref().map(input::revocations).transpose()?;
    let question = Question {
        new: &new,
        current: current.as_ref(),
        revocations: revocations.as_ref(),
        now: options.clock.now(),
    };
    let progress = Progress::new();
    let (simulation, problems) =
        simulate::simulate(&question, &options.reports.reports, &|done, all| progress.tell(done, all));
    progress.clear();
    let partial = input::tell_problems(&problems);
    anyhow::ensure!(simulation.fleet.machines > 0, "no report could be read, so nothing can be said");
    let alarms = simulate::alarms(&simulation, options.threshold);
    write(
        options,
        &simulation,
        &show::Shown { alarms: &alarms, top: options.top, problems: problems.len(), columns },
    )?;
    for alarm in &alarms {
        complain(&format!("mcpolicy: {alarm}"));
    }
    Ok(if alarms.is_empty() { partial } else { exit::FINDINGS })
}

fn write(options: &Options, simulation: &Simulation, shown: &show::Shown<'_>) -> anyhow::Result<()> {
    let format = if options.json { Format::Json } else { options.format };
    input::answer(|out| match format {
        Format::Human => show::human(simulation, shown, out),
        Format::Markdown => show::markdown(simulation, shown, out),
        Format::Json => {
            let (alarms, problems) = (shown.alarms, shown.problems);
            json::write_value(&Answer { schema: "mcpolicy/simulation/v1", alarms, problems, simulation }, out)
        }
    })
}

//! `policy draft`.

use std::path::PathBuf;

use serde::Serialize;

use super::common::Clock;
use super::input::{self, Progress, Reports};
use crate::authoring::source::{self, Source};
use crate::authoring::{draft, fleet};
use crate::cli::complain;
use crate::output::json;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    reports: Reports,

    /// Propose no rule for what is on fewer machines
    #[arg(long, value_name = "N", default_value_t = 1)]
    min_machines: usize,

    /// A policy that is there already: what it allows is left out, and the proposal stands behind it
    #[arg(long, value_name = "EXISTING")]
    policy: Option<PathBuf>,

    /// Write the policy to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Replace the file that --output names
    #[arg(long, requires = "output")]
    force: bool,

    /// Say as JSON what is proposed, what it would still block and why, with the policy as text in it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    clock: Clock,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    #[serde(flatten)]
    draft: &'a draft::Draft,
}

pub(super) fn run(options: &Options) -> anyhow::Result<u8> {
    let existing = match &options.policy {
        Some(path) => {
            let source = Source::of_policy(path)?;
            Some((source::compile(&source)?, source.text))
        }
        None => None,
    };
    let wish = draft::Wish {
        min_machines: options.min_machines,
        existing: existing.as_ref().map(|(policy, text)| (policy, text.as_str())),
        now: options.clock.now(),
    };
    let progress = Progress::new();
    let drafted = draft::draft(&wish, &options.reports.reports, &|done, all| progress.tell(done, all));
    progress.clear();
    let (draft, problems) = drafted?;
    let partial = input::tell_problems(&problems);
    if draft.superseded > 0 {
        complain(&format!("mcpolicy: {}", fleet::superseded(draft.superseded)));
    }
    if let Some(path) = &options.output {
        input::write_output(path, &draft.policy, options.force)?;
    }
    if options.json {
        input::answer(|out| json::write_value(&Answer { schema: "mcpolicy/draft/v1", draft: &draft }, out))?;
    } else if options.output.is_none() {
        input::answer(|out| out.write_all(draft.policy.as_bytes()))?;
    }
    Ok(partial)
}

//! `policy requests`.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::common::Clock;
use super::input::{self, Progress, Reports};
use crate::authoring::requests::{self, Asked};
use crate::output::json;
use crate::output::text::{cut, visible};

/// Columns of a developer's reason.
const REASON: usize = 100;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    reports: Reports,

    /// The policy in force, to tell what is allowed already
    #[arg(long, value_name = "POLICY")]
    policy: Option<PathBuf>,

    /// Say it as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    clock: Clock,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    asked: &'a [Asked],
}

pub(super) fn run(options: &Options) -> anyhow::Result<u8> {
    let policy = options.policy.as_deref().map(input::policy).transpose()?;
    let progress = Progress::new();
    let read = requests::read(&options.reports.reports, &|done, all| progress.tell(done, all));
    progress.clear();
    let (made, problems) = read?;
    let partial = input::tell_problems(&problems);
    let asked = requests::grouped(&made, policy.as_ref(), options.clock.now());
    input::answer(|out| match options.json {
        true => json::write_value(&Answer { schema: "mcpolicy/requests/v1", asked: &asked }, out),
        false => human(&asked, out),
    })?;
    Ok(partial)
}

fn human(asked: &[Asked], out: &mut dyn Write) -> io::Result<()> {
    if asked.is_empty() {
        return writeln!(out, "no requests");
    }
    for asked in asked {
        let covered = match (&asked.covered_by, asked.verdict) {
            (Some(rule), _) => format!("; allowed already by {}", visible(rule)),
            (None, Some(verdict)) => format!("; the policy says {}", verdict.as_str()),
            (None, None) => String::new(),
        };
        let people = if asked.people == 1 { "person" } else { "people" };
        writeln!(
            out,
            "{}: {} {people} on {} machines{covered}",
            visible(&asked.identity),
            asked.people,
            asked.machines
        )?;
        writeln!(out, "  {}", visible(&asked.fingerprint))?;
        for one in &asked.requests {
            let device =
                one.device.as_deref().map(|device| format!(" on {}", visible(device))).unwrap_or_default();
            writeln!(
                out,
                "  {}  {}  {}{device} in {} as {}",
                visible(&one.id),
                visible(&one.time),
                visible(&one.user),
                visible(&one.client),
                visible(&one.name)
            )?;
            if !one.reason.trim().is_empty() {
                writeln!(out, "      {}", cut(&visible(one.reason.trim()), REASON))?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

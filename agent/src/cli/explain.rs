//! `mcpolicy explain`.

use clap::Args;
use mcpolicy_platform::environment::Environment;

use super::answering::{self, Answering};
use super::exit;
use crate::answers::explain::{self, Known};
use crate::output::human::answers;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Name of a server, a file, a package, or the id of a block (q-…)
    #[arg(value_name = "NAME|FILE|BLOCK-ID")]
    asked: String,

    #[command(flatten)]
    answering: Answering,

    /// Tell which rules were asked, and why each did not allow it
    #[arg(long, short)]
    verbose: bool,

    /// Say it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let basis = options.answering.basis(environment)?;
    let mut judge = basis.judge();
    let asker = judge.asker(0);
    let report = basis.scan(&mut judge);
    let past = answering::past(&options.answering, &basis.agent, environment)?;
    let elsewhere = basis.agent.machines_notice();
    let known = Known {
        report: &report,
        items: &past.items,
        records: &past.records,
        elsewhere: elsewhere.as_deref(),
        is_whole: past.is_whole,
        by: Some(basis.by(&asker)),
    };
    let explained = explain::explain(&options.asked, Some(basis.home()), known, &basis.redactor);
    if options.json {
        answering::say_json(&explained)?;
    } else {
        answering::say(&answers::explain(&explained, options.verbose, answering::columns(environment)))?;
    }
    let is_known = !explained.found.is_empty() || !explained.taken.is_empty() || !explained.ran.is_empty();
    Ok(if is_known { exit::OK } else { exit::FINDINGS })
}

//! `mcpolicy policy …`: one file a command.

mod input;
mod show;
mod simulate;

use clap::Subcommand;

/// The life of a policy in its repository.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print a policy as JSON, as it would be signed
    Show(show::Options),
    /// Tell from stored reports what a policy would do to a fleet
    ///
    /// Exit codes: 0 done; 1 more machines than the threshold lose a server; 2 wrong usage or no report could be read;
    /// 3 some inputs were no reports.
    Simulate(simulate::Options),
}

pub(super) fn run(command: &Command) -> anyhow::Result<u8> {
    match command {
        Command::Show(options) => show::run(options),
        Command::Simulate(options) => simulate::run(options),
    }
}

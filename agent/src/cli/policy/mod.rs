//! `mcpolicy policy …`: one file a command.

mod show;

use clap::Subcommand;

/// The life of a policy in its repository.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print a policy as JSON, as it would be signed
    Show(show::Options),
}

pub(super) fn run(command: &Command) -> anyhow::Result<u8> {
    match command {
        Command::Show(options) => show::run(options),
    }
}

//! `mcpolicy policy …`: one file a command.

mod approve;
mod check;
mod common;
mod diff;
mod draft;
mod input;
mod requests;
mod show;
mod simulate;
mod test;

use clap::Subcommand;

/// The life of a policy in its repository.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Look for what is wrong in a policy
    ///
    /// Exit codes: 0 no errors; 1 errors (with --strict also warnings); 2 wrong usage or no such file.
    Check(check::Options),
    /// Judge the entries of tests.toml and compare with the verdicts that they must get
    ///
    /// Exit codes: 0 all pass; 1 some fail; 2 wrong usage, or policy or table cannot be read.
    Test(test::Options),
    /// Say in words what one policy admits and denies otherwise than another
    ///
    /// Exit codes: 0 said; 1 with --fail-on, there is such a change; 2 wrong usage or a policy that is not valid.
    Diff(diff::Options),
    /// Show a policy as people read it, or as JSON
    Show(show::Options),
    /// Propose an allowlist from stored reports
    ///
    /// Exit codes: 0 done; 2 wrong usage or no report could be read; 3 some inputs were no reports.
    Draft(draft::Options),
    /// List what developers ask for, by server
    ///
    /// Exit codes: 0 done; 2 wrong usage; 3 some inputs were no reports.
    Requests(requests::Options),
    /// Turn a request into a rule, a test row and a message for the commit
    ///
    /// Writes policy.toml and tests.toml and nothing else; a second time it changes nothing. Exit codes: 0 done; 2 wrong
    /// usage, no such request, or no rule can be made of it; 3 some inputs were no reports.
    Approve(approve::Options),
    /// Tell from stored reports what a policy would do to a fleet
    ///
    /// Exit codes: 0 done; 1 more machines than the threshold lose a server; 2 wrong usage or no report could be read;
    /// 3 some inputs were no reports.
    Simulate(simulate::Options),
}

pub(super) fn run(command: &Command) -> anyhow::Result<u8> {
    match command {
        Command::Check(options) => check::run(options),
        Command::Test(options) => test::run(options),
        Command::Diff(options) => diff::run(options),
        Command::Show(options) => show::run(options),
        Command::Draft(options) => draft::run(options),
        Command::Requests(options) => requests::run(options),
        Command::Approve(options) => approve::run(options),
        Command::Simulate(options) => simulate::run(options),
    }
}

//! `mcpolicy policy …`: one file a command.

mod approve;
mod breakglass;
mod check;
mod common;
mod diff;
mod draft;
mod grant;
mod init;
mod input;
mod key;
mod publish;
mod requests;
mod revoke;
mod rotate;
mod show;
mod sign;
mod simulate;
mod test;
mod verify;

use clap::Subcommand;
use mcpolicy_platform::environment::Environment;

/// The life of a policy in its repository.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a new repository: policy, test table, CI recipe, keys and the first root
    ///
    /// Overwrites nothing. Private keys go beside the repository, never into it.
    Init(init::Options),
    /// Look for what is wrong in a policy
    ///
    /// Exit codes: 0 no errors; 1 errors (with --strict also warnings); 2 wrong usage or no such file; 3 some of --reports
    /// were no reports.
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
    /// Sign the policy; a second person runs it again to add a signature
    Sign(sign::Options),
    /// Write the folder of static files that machines fetch
    ///
    /// Refuses what a machine would refuse: too few signatures, a sequence that is not higher, a policy that fails its
    /// tests. The head is written last.
    Publish(publish::Options),
    /// Verify a published folder as a machine would, with the result of every rule
    ///
    /// Exit codes: 0 verified; 1 refused; 2 wrong usage or no such file.
    Verify(verify::Options),
    /// Make the next root: add, remove and replace keys, change thresholds
    ///
    /// Several people sign one after the other; until all have, it is a draft that nobody trusts.
    Rotate(rotate::Options),
    /// Deny something now, whatever the policy allows: a new emergency list and head in one command
    Revoke(revoke::Options),
    /// Sign a grant: one entry for one user on one device for a time, as one line to paste
    Grant(grant::Options),
    /// Sign a break-glass token: one device only watches for a time, as one line to paste
    ///
    /// It takes protection away: as many must sign as a policy that does.
    Breakglass(breakglass::Options),
    /// Make a private key, or show the public half of one
    Key(key::Options),
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

pub(super) fn run(command: &Command, environment: &Environment) -> anyhow::Result<u8> {
    match command {
        Command::Check(options) => check::run(options, common::columns(environment)),
        Command::Test(options) => test::run(options),
        Command::Diff(options) => diff::run(options, common::columns(environment)),
        Command::Show(options) => show::run(options, common::columns(environment)),
        Command::Init(options) => init::run(options, environment),
        Command::Sign(options) => sign::run(options, environment),
        Command::Publish(options) => publish::run(options, environment),
        Command::Verify(options) => verify::run(options),
        Command::Rotate(options) => rotate::run(options, environment),
        Command::Revoke(options) => revoke::run(options, environment),
        Command::Grant(options) => grant::run(options, environment),
        Command::Breakglass(options) => breakglass::run(options, environment),
        Command::Key(options) => key::run(options, environment),
        Command::Draft(options) => draft::run(options),
        Command::Requests(options) => requests::run(options),
        Command::Approve(options) => approve::run(options),
        Command::Simulate(options) => simulate::run(options, common::columns(environment)),
    }
}

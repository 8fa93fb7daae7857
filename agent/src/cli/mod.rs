//! The command line: one file a command.

mod agent;
mod enforce;
mod judging;
mod log;
mod policy;
mod quarantine;
mod run;
mod scan;

use std::io;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use mcpolicy_platform::environment::Environment;
use mcpolicy_platform::notification;

use crate::worker::process;

/// Inventory of the MCP servers that AI clients on this machine are set up to start.
#[derive(Debug, Parser)]
#[command(name = "mcpolicy", version, about, propagate_version = true, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read every MCP configuration and report each server, who would load it and what is risky about it
    ///
    /// Changes nothing, starts nothing and uses no network. With --policy or --draft each server is judged as well.
    /// Exit codes: 0 done; 1 findings at or above --fail-on, or a verdict at or above --fail-on-verdict; 2 wrong usage,
    /// a policy that was refused, or no report; 3 with --strict-coverage, something could not be read.
    Scan(Box<scan::Options>),
    /// Act on everything that the policy does not allow
    ///
    /// Takes up the newest verified policy and pins, switches off or quarantines what it denies, as far as its mode and
    /// the device's ceiling say. Every original is in the vault before its file is changed.
    /// Exit codes: 0 done; 1 something that was to be done could not be, or is left for the next pass, or a newer policy
    /// is held or refused so that the last good one acts; 2 wrong usage, no policy, or the pass ended early because
    /// vault or journal cannot be written: `mcpolicy log` says what was done before.
    Enforce(Box<enforce::Options>),
    /// Hold the line until it is told to stop: watch clients' files, and act at once on what the policy does not allow
    ///
    /// Makes a pass at its start, and then looks at whatever changes. Ends with 0 when it is told to (SIGTERM, Ctrl-C), with 2
    /// where it cannot begin or its own state cannot be written.
    Run(Box<run::Options>),
    /// Show, restore or purge what was taken out of files
    #[command(subcommand)]
    Quarantine(Box<quarantine::Command>),
    /// Show what was done: who, what, when, by which rule
    Log(Box<log::Options>),
    /// Write, test, sign and publish a policy
    #[command(subcommand)]
    Policy(Box<policy::Command>),
    /// Answer for one home, as its owner; started by mcpolicy itself
    #[command(hide = true)]
    Worker,
    /// Show a notification, as its user; started by mcpolicy itself
    #[command(hide = true)]
    Notify,
}

/// Exit codes, stable: detection scripts live on them.
pub mod exit {
    /// Done.
    pub const OK: u8 = 0;
    /// Findings at or above `--fail-on`, verdicts at or above `--fail-on-verdict`.
    pub const FINDINGS: u8 = 1;
    /// Wrong usage, or the answer could not be given.
    pub const USAGE: u8 = 2;
    /// With `--strict-coverage`: something could not be read.
    pub const PARTIAL: u8 = 3;
}

/// Runs the command line. Errors are said on standard error, with what to do.
pub fn run(arguments: Arguments, environment: &Environment) -> ExitCode {
    let result = match arguments.command {
        Command::Scan(options) => scan::run(&options, environment),
        Command::Enforce(options) => enforce::run(&options, environment),
        Command::Run(options) => run::run(&options, environment),
        Command::Quarantine(command) => quarantine::run(&command, environment),
        Command::Log(options) => log::run(&options, environment),
        Command::Policy(command) => policy::run(&command, environment),
        Command::Worker => process::run().map(|()| exit::OK),
        Command::Notify => Ok(notification::run()),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&format!("mcpolicy: {error:#}"));
            ExitCode::from(exit::USAGE)
        }
    }
}

/// How writing the answer ended: a reader (head, less) that has seen enough is no error.
fn written(result: io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// Says something on standard error; a closed one is nobody's loss.
fn complain(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

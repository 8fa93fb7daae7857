//! The command line: one file a command.

mod add;
mod agent;
mod answering;
mod catalog;
mod check;
mod demo;
mod doctor;
mod enforce;
mod explain;
mod fleet;
mod hook;
mod judging;
mod log;
mod native;
mod policy;
mod quarantine;
mod report;
mod reporting;
mod request;
mod run;
mod scan;
mod ship;
mod stand_in;
mod status;
mod support_bundle;
mod tokens;

use std::io;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use mcpolicy_platform::environment::Environment;
use mcpolicy_platform::notification;

use crate::gate;
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
    /// See it work: attacks on a throw-away laptop, and what the agent does about each
    ///
    /// Makes a temporary folder with client files, a policy that a fresh key signs and an agent that is pinned to it, runs the
    /// daemon on it, plants one attack after the other, and takes everything away again. Nothing outside of that folder is read
    /// or written, and of processes only those are looked at that the demo itself has started; it needs no network and no root.
    /// Exit codes: 0 every attack was answered; 1 one was not within 5 s; 2 it could not begin or was stopped.
    Demo(Box<demo::Options>),
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
    /// Send reports to every sink of the settings and fetch the policy: the role that uses the network, without rights
    ///
    /// On a managed machine it runs as an account of its own beside `mcpolicy run`. With --once it delivers one stored report
    /// and ends. Exit codes: 0 told to stop, or everything was delivered; 1 with --once, something was not; 2 wrong usage or
    /// settings.
    Ship(Box<ship::Options>),
    /// Show what leaves this machine in reports, as it leaves: your own records, without root
    Report(Box<report::Options>),
    /// Tell what the running agent holds: posture, what is open, what was done, what is wrong
    ///
    /// A user is told of the own entries, an administrator of everybody's.
    /// Exit codes, the worst wins in this order: 13 no agent answers; 10 a server that is not allowed would be started;
    /// 12 something is not watched, not looked at, refused or damaged; 11 the policy is old; 0 compliant. 2 wrong usage.
    Status(Box<status::Options>),
    /// Look at what the agent needs: settings, rights, state, trust root, policy, clock, watches, homes
    ///
    /// Exit codes: 0 all is well, or there are only warnings; 1 something does not work; 2 wrong usage.
    Doctor(Box<doctor::Options>),
    /// Write one redacted file for whoever helps: status, doctor, settings, the end of journal and log
    SupportBundle(Box<support_bundle::Options>),
    /// Take an exception that the security team has signed for you (`policy grant`); works offline
    Redeem(Box<tokens::Options>),
    /// Only watch for the time that a signed token gives (`policy breakglass`); for administrators, works offline
    ///
    /// The token is for this device alone and counts once. Its time ends with the next start of the machine, at the latest.
    Breakglass(Box<tokens::Options>),
    /// Show, restore or purge what was taken out of files
    #[command(subcommand)]
    Quarantine(Box<quarantine::Command>),
    /// Show what was done: who, what, when, by which rule
    Log(Box<log::Options>),
    /// Tell what became of a server: where it is or was, by which rule, why, whom to ask and what to use instead
    ///
    /// Looks at your own files and at what the agent has taken out of them; changes nothing.
    /// Exit codes: 0 something is known; 1 nothing is, and what was looked at is said; 2 wrong usage, or no policy.
    Explain(Box<explain::Options>),
    /// Tell what the policy says of a command, a URL or an entry before anyone edits anything
    ///
    /// Starts nothing, writes nothing and uses no network. Values of what is pasted are never shown.
    /// Exit codes: 0 allowed; 1 denied, or not to be judged; 2 wrong usage, or no policy.
    Check(Box<check::Options>),
    /// Show the servers that are approved for you, and all that is known of one
    Catalog(Box<catalog::Options>),
    /// Write an approved server into a client's file
    ///
    /// Secrets stay references to variables. The result is judged before it is written.
    /// Exit codes: 0 written, or there already; 1 not written, and why is said; 2 wrong usage, or no policy.
    Add(Box<add::Options>),
    /// Ask for a server to be allowed: the request goes with the next report, the answer comes as a newer policy
    Request(Box<request::Options>),
    /// Write, test, sign and publish a policy
    #[command(subcommand)]
    Policy(Box<policy::Command>),
    /// Put the policy into the clients' own managed files, so that they refuse by themselves; show and check what stands there
    ///
    /// Exit codes: 0 all is as it should be; 1 something is not, or stands in the way; 2 wrong usage, or no policy.
    #[command(subcommand)]
    Native(Box<native::Command>),
    /// Tell a fleet from its stored reports: who runs what, where, since when, and how its gates stand
    ///
    /// Reads reports of `mcpolicy scan --format json` and records as sinks write them. Starts nothing and uses no network.
    /// Exit codes: 0 no gate pages; nobody had it (blast); no hole and no dropped
    /// violation (check); 1 the opposite; 2 wrong usage, nothing could be
    /// read, or a `nobody` or `no hole` for which something was passed over.
    Fleet(Box<fleet::Options>),
    /// Answer a client's hook: whether a call of a server's tool is let through now; started by clients
    ///
    /// Reads what the client says of a call from standard input, asks the running agent, and answers in the client's own form.
    /// Without an agent calls are refused, unless its last mode acts on nothing.
    /// Exit codes: 0 let through, or (cursor) answered; 2 refused.
    Hook(Box<hook::Options>),
    /// Answer for one home, as its owner; started by mcpolicy itself
    #[command(hide = true)]
    Worker,
    /// Hold and answer opens of files; started by mcpolicy itself
    #[command(hide = true)]
    Gate,
    /// Show a notification, as its user; started by mcpolicy itself
    #[command(hide = true)]
    Notify,
    /// Stand in for a client or a server; started by the demo
    #[command(hide = true)]
    StandIn(stand_in::Options),
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
        Command::Demo(options) => demo::run(&options, environment),
        Command::Scan(options) => scan::run(&options, environment),
        Command::Enforce(options) => enforce::run(&options, environment),
        Command::Run(options) => run::run(&options, environment),
        Command::Ship(options) => ship::run(&options, environment),
        Command::Report(options) => report::run(&options, environment),
        Command::Status(options) => status::run(&options, environment),
        Command::Doctor(options) => doctor::run(&options, environment),
        Command::SupportBundle(options) => support_bundle::run(&options, environment),
        Command::Redeem(options) => tokens::redeem(&options, environment),
        Command::Breakglass(options) => tokens::breakglass(&options, environment),
        Command::Quarantine(command) => quarantine::run(&command, environment),
        Command::Log(options) => log::run(&options, environment),
        Command::Native(options) => native::run(&options, environment),
        Command::Explain(options) => explain::run(&options, environment),
        Command::Check(options) => check::run(&options, environment),
        Command::Catalog(options) => catalog::run(&options, environment),
        Command::Add(options) => add::run(&options, environment),
        Command::Request(options) => request::run(&options, environment),
        Command::Policy(command) => policy::run(&command, environment),
        Command::Fleet(options) => fleet::run(&options),
        Command::Hook(options) => Ok(hook::run(&options, environment)),
        Command::Worker => process::run().map(|()| exit::OK),
        Command::Gate => gate::serve().map(|()| exit::OK),
        Command::Notify => Ok(notification::run()),
        Command::StandIn(options) => stand_in::run(&options),
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

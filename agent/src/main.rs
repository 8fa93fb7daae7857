//! The command line of mcpolicy.

use std::process::ExitCode;

use clap::Parser;
use mcpolicy::cli::{Arguments, run};
use mcpolicy_platform::environment::Environment;

fn main() -> ExitCode {
    run(Arguments::parse(), &Environment::of_process())
}

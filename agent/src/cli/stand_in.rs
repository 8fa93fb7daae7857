//! `mcpolicy stand-in`: what the demo has running in the place of a client and of its server. It does nothing, and ends with
//! its input: so nothing is left running where the demo is killed.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use clap::Args;

use super::exit;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Start this program as a client starts a server, and say its number
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
}

pub(super) fn run(options: &Options) -> anyhow::Result<u8> {
    let mut server = None;
    if let Some(program) = &options.server {
        let mut command = Command::new(program);
        // a server is spoken to through its input and output
        command.arg("stand-in").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let input = child.stdin.take();
        writeln!(io::stdout().lock(), "{}", child.id())?;
        // it is asked for when it ends, as clients do: else it would stay in the table
        server = Some((input, std::thread::spawn(move || child.wait())));
    }
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    if let Some((input, ended)) = server {
        drop(input);
        let _ = ended.join();
    }
    Ok(exit::OK)
}

//! `mcpolicy report`.

use std::io::{self, IsTerminal as _, Write};

use clap::Args;
use mcpolicy_platform::environment::Environment;

use super::agent::Where;
use super::exit;
use crate::ipc::{Answer, Ask, Leaves};
use crate::output::text::visible;
use crate::reporter::shown::Which;

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    r#where: Where,

    #[command(flatten)]
    which: Asked,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Asked {
    /// What would leave this machine next, byte for byte
    #[arg(long)]
    preview: bool,

    /// What has left it and is still here, byte for byte
    #[arg(long)]
    sent: bool,
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let which = if options.which.sent { Which::Sent } else { Which::Waiting };
    let leaves = match options.r#where.ask(&Ask::Report { which }, environment)? {
        Ok(Answer::Report(leaves)) => *leaves,
        Ok(Answer::Refused { why }) => anyhow::bail!("{why}"),
        Ok(_) => anyhow::bail!("the agent answered something else: is it of another version?"),
        Err(error) => return Err(error.into()),
    };
    super::written(tell(&leaves))?;
    super::complain(&about(&leaves, which));
    Ok(exit::OK)
}

fn tell(leaves: &Leaves) -> io::Result<()> {
    let stdout = io::stdout();
    // on a terminal what cannot be seen is shown; whoever pipes gets the bytes
    let is_terminal = stdout.is_terminal();
    let mut out = io::BufWriter::new(stdout.lock());
    for record in &leaves.shown.records {
        if is_terminal {
            writeln!(out, "{}", visible(record))?;
        } else {
            writeln!(out, "{record}")?;
        }
    }
    out.flush()
}

/// What is said beside it, on standard error.
fn about(leaves: &Leaves, which: Which) -> String {
    let count = leaves.shown.records.len();
    let what = if which == Which::Sent { "have left this machine" } else { "wait to leave this machine" };
    let mut lines = vec![format!("{count} records {what}")];
    if !leaves.has_spool {
        lines = vec!["nothing leaves this machine: its settings have no [[sink]]".to_owned()];
    }
    if leaves.shown.older > 0 {
        lines.push(format!("  {} older ones are not shown", leaves.shown.older));
    }
    if leaves.shown.withheld > 0 {
        lines.push(format!("  {} of others are not shown to you", leaves.shown.withheld));
    }
    lines.extend(leaves.sinks.iter().map(|sink| format!("  to {}", visible(sink))));
    lines.join("\n")
}

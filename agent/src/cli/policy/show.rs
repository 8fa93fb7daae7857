//! `policy show`.

use std::io::Write as _;
use std::path::PathBuf;

use crate::authoring::source;
use crate::cli::exit;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The policy, or the folder it is in
    #[arg(default_value = ".")]
    policy: PathBuf,
}

pub(super) fn run(options: &Options) -> anyhow::Result<u8> {
    let document = source::load(&options.policy)?;
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &document)?;
    writeln!(out)?;
    Ok(exit::OK)
}

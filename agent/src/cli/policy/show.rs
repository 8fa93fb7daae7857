//! `policy show`.

use std::path::PathBuf;

use super::common;
use crate::authoring::present;
use crate::authoring::source::{self, Source};
use crate::cli::exit;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The policy, the folder it is in, or a published body
    #[arg(default_value = ".")]
    policy: PathBuf,

    /// Say it as JSON, as it would be signed
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> anyhow::Result<u8> {
    let policy = source::compile(&Source::of_policy(&options.policy)?)?;
    if options.json {
        common::say_json(policy.document())?;
    } else {
        common::say(&present::policy(policy.document()))?;
    }
    Ok(exit::OK)
}

//! `policy grant`.

use std::io::Read as _;
use std::path::PathBuf;

use jiff::SignedDuration;
use mcpolicy_platform::environment::Environment;

use super::common::{self, Clock, Signing};
use crate::authoring::folder::Folder;
use crate::authoring::grant;
use crate::authoring::repository::Repository;
use crate::cli::exit;

/// Largest request that is read, in bytes.
const MAX_REQUEST: usize = 64 * 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The request: a JSON file, a pasted line (mcpolicy-request-1:…), or - for standard input
    request: String,

    /// Stored reports, one of which has the entry: what is granted is read from there, not from the words of the request
    #[arg(long, value_name = "REPORT", num_args = 1..)]
    reports: Vec<PathBuf>,

    /// Value of a variable or header that the report hides and that is no secret, as the developer tells it; a wrong one
    /// proves nothing. May be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = named_value)]
    value: Vec<(String, String)>,

    /// The repository, whose newest root says which keys count
    #[arg(long, value_name = "DIR", default_value = ".")]
    repository: PathBuf,

    /// How long, at most 30 days
    #[arg(long = "for", value_name = "TIME", default_value = "24h", value_parser = common::lifetime)]
    lifetime: SignedDuration,

    /// The device, where the request names none
    #[arg(long, value_name = "ID")]
    device: Option<String>,

    /// The user, where the request names none
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// Change ticket
    #[arg(long)]
    ticket: Option<String>,

    /// Say it as JSON: what is granted, and the line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    signing: Signing,

    #[command(flatten)]
    clock: Clock,
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let root = Repository::at(&options.repository)?.trust()?.newest_root()?;
    let (granted, envelope) = grant::grant(&grant::Order {
        request: &request(&options.request)?,
        reports: &options.reports,
        values: &options.value.iter().cloned().collect(),
        device: options.device.clone(),
        user: options.user.clone(),
        ticket: options.ticket.clone(),
        lifetime: options.lifetime,
        root: &root,
        signers: &options.signing.signers(environment)?,
        now: options.clock.now(),
    })?;
    let line = grant::line(&envelope);
    if options.json {
        common::say_json(&serde_json::json!({
            "schema": "mcpolicy/policy-grant/v1",
            "grant": granted,
            "line": line,
        }))?;
    } else {
        common::say(&format!("{line}\n"))?;
        common::note(&format!(
            "{}: {} ({}) for {} on {} until {}",
            granted.id,
            crate::output::text::visible(&granted.identity),
            granted.fingerprint,
            crate::output::text::visible(&granted.user),
            crate::output::text::visible(&granted.device),
            granted.expires
        ));
    }
    Ok(exit::OK)
}

fn named_value(text: &str) -> Result<(String, String), String> {
    let named = text.split_once('=').filter(|(name, _)| !name.is_empty());
    named
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "write it as NAME=VALUE".to_owned())
}

fn request(given: &str) -> anyhow::Result<Vec<u8>> {
    if given == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(MAX_REQUEST as u64).read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    if given.starts_with("mcpolicy-request-") || given.trim_start().starts_with('{') {
        return Ok(given.as_bytes().to_vec());
    }
    let path = std::path::absolute(given)?;
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let found = Folder::at(path.parent().unwrap_or(&path))?.read(&name, MAX_REQUEST)?;
    found.ok_or_else(|| anyhow::anyhow!("there is no request at {}", path.display()))
}

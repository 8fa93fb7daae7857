//! `policy publish`.

use std::path::PathBuf;

use jiff::SignedDuration;
use mcpolicy_platform::environment::Environment;
use mcpolicy_schema::limits::{LONGEST_POLL_S, SHORTEST_POLL_S};
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::signed::Head;

use super::common::{self, Clock, Signing};
use crate::authoring::folder::Folder;
use crate::authoring::publish::{self, HeadOptions, Poll};
use crate::authoring::repository::Repository;
use crate::authoring::{serve, statement, table};
use crate::cli::exit;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The repository
    #[arg(default_value = ".")]
    repository: PathBuf,

    /// Folder of static files that machines fetch
    #[arg(long, value_name = "DIR")]
    to: PathBuf,

    /// Publish no other policy, only a new head for what is there
    #[arg(long)]
    refresh: bool,

    /// Publish though the test table fails or is missing
    #[arg(long)]
    skip_tests: bool,

    /// How long the head is valid, 14 days at most
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = common::head_lifetime)]
    head_expires_in: SignedDuration,

    /// Which fleet the folder is for [default: as before, or `default`]
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,

    /// Only this ring may take it up; empty for all [default: as before]
    #[arg(long, value_name = "NAME")]
    ring: Option<String>,

    /// With a ring: the policy of all other machines, where the last head does not say it; 0 if they have none
    #[arg(long, value_name = "N", requires = "ring")]
    elsewhere: Option<u64>,

    /// Oldest agent that enforces the policy in full [default: as before]
    #[arg(long, value_name = "VERSION")]
    min_agent: Option<String>,

    /// How often machines ask, in seconds, 30 to 3600; `default` leaves it to their settings again [default: as before]
    #[arg(long, value_name = "SECONDS", value_parser = poll)]
    poll_interval: Option<Poll>,

    /// Number of the new head, where that of the last one is lost; numbers may be skipped
    #[arg(long, value_name = "N")]
    head_sequence: Option<u64>,

    /// This line of the emergency list names a rule by its id, and another rule may admit the same server again
    #[arg(long, value_name = "LINE")]
    allow_again: Vec<String>,

    /// Nothing was ever revoked on this channel: a new or lost folder may begin without an emergency list
    #[arg(long)]
    without_revocations: bool,

    #[command(flatten)]
    signing: Signing,

    #[command(flatten)]
    clock: Clock,
}

/// Agents ask as often as a head says, within these bounds: a head that says more would promise what nobody keeps.
fn poll(text: &str) -> Result<Poll, String> {
    if text == "default" {
        return Ok(Poll::AsSettings);
    }
    let seconds = text.parse().ok().filter(|seconds| (SHORTEST_POLL_S..=LONGEST_POLL_S).contains(seconds));
    seconds.map(Poll::Every).ok_or_else(|| {
        format!(
            "agents take {SHORTEST_POLL_S} to {LONGEST_POLL_S} seconds, or `default` for what their settings say"
        )
    })
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let repository = Repository::at(&options.repository)?;
    serve::fit(&options.to, &repository)?;
    let signed = repository.signed()?;
    let now = options.clock.now();
    if !options.refresh {
        unchanged_and_tested(options, &repository, &signed)?;
    }
    let published = publish::publish(&publish::Order {
        trust: &repository.trust()?,
        signed: (!options.refresh).then_some(&signed),
        to: &Folder::at(&options.to)?,
        records: &signed,
        signers: &options.signing.signers(environment)?,
        head: HeadOptions {
            channel: options.channel.clone(),
            min_agent: options.min_agent.clone(),
            ring: options.ring.clone(),
            elsewhere: options.elsewhere,
            poll: options.poll_interval.unwrap_or_default(),
            lifetime: options.head_expires_in,
            sequence: options.head_sequence,
        },
        allow_again: options.allow_again.clone(),
        without_revocations: options.without_revocations,
        now,
    })?;
    for warning in &published.warnings {
        common::note(&format!("warning: {warning}"));
    }
    let head = &published.head;
    common::say(&format!(
        "published: policy {}{}, revocations {}, head {} until {} in {}\n",
        published.policy,
        for_whom(head),
        published.revocations.map_or_else(|| "none".to_owned(), |n| n.to_string()),
        head.sequence,
        head.expires,
        options.to.display()
    ))?;
    Ok(exit::OK)
}

/// Whom a policy is for, where it is not for all.
fn for_whom(head: &Head) -> String {
    let Some(ring) = &head.ring else { return String::new() };
    let others = head
        .elsewhere
        .map_or_else(String::new, |others| format!(" and policy {} for all others", others.sequence));
    format!(" for the ring {ring}{others}")
}

/// What was signed is what stands in `policy.toml` now, and it passes the table.
fn unchanged_and_tested(options: &Options, repository: &Repository, signed: &Folder) -> anyhow::Result<()> {
    let Some(number) = signed.numbers("policy")?.last().copied() else { return Ok(()) };
    let (_, _, body) = statement::load(signed, number)?;
    let policy = Policy::from_body(&body).map_err(|faults| {
        let first = faults.first().map(|f| format!("{}: {}", f.place, f.message)).unwrap_or_default();
        anyhow::anyhow!("the signed policy {number} is not valid: {first}; mend policy.toml and sign again")
    })?;
    let written = crate::authoring::source::load(&repository.policy())?;
    anyhow::ensure!(
        statement::body(&written)? == body,
        "policy.toml is not what was signed as policy {number}; sign it with `mcpolicy policy sign`, or restore it"
    );
    if options.skip_tests {
        common::note("warning: the test table was not run");
        return Ok(());
    }
    let table = table::source(&repository.policy(), None)?;
    let rows = table::rows(&table).map_err(|problems| {
        let shown = crate::authoring::problem::render(&problems, &table);
        anyhow::anyhow!(
            "{} is no valid test table; mend it, or publish with --skip-tests\n{shown}",
            table.path.display()
        )
    })?;
    let outcomes = table::run(&policy, &rows, options.clock.now());
    let failed: Vec<&str> = outcomes.iter().filter(|o| !o.passed).map(|o| o.name.as_str()).collect();
    anyhow::ensure!(
        failed.is_empty(),
        "nothing was published: {} of {} tests fail ({}); run `mcpolicy policy test`, or publish with --skip-tests",
        failed.len(),
        outcomes.len(),
        failed.join("; ")
    );
    Ok(())
}

//! `mcpolicy status`.

use std::io::{self, Write};

use clap::Args;
use jiff::Timestamp;
use mcpolicy_platform::environment::Environment;

use super::agent::{self, Where};
use crate::board::status::{self, Cost, PolicyStatus, SHOWN, State, Status, span};
use crate::ipc::client::Unanswered;
use crate::ipc::frame::MessageError;
use crate::ipc::{Answer, Ask};
use crate::output::json;
use crate::output::text::visible;

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    r#where: Where,

    /// Say it as JSON (`mcpolicy/status/v1`)
    #[arg(long)]
    json: bool,

    /// Say what the agent costs: CPU, memory, wakeups, bytes and times
    #[arg(long)]
    cost: bool,

    /// Say nothing; the exit code is the answer
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
}

/// Whether the agent took the connection and closed it without an answer. Where the question lay there already, the system
/// resets it.
fn is_closed(error: &Unanswered) -> bool {
    use MessageError::{Closed, Io};
    let Unanswered::Broken { source, .. } = error else { return false };
    matches!(source, Closed | Io(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe))
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let ask = Ask::Status { cost: options.cost };
    let status = match options.r#where.ask(&ask, environment)? {
        Ok(Answer::Status(status)) => *status,
        Ok(Answer::Refused { why }) => anyhow::bail!("{why}"),
        Ok(_) => anyhow::bail!("the agent answered something else: is it of another version?"),
        Err(error @ Unanswered::NotRunning { .. }) => status::not_running(format!(
            "{error}; an administrator starts it as a service, each user an own one with `mcpolicy run`"
        )),
        // the agent of this user who asks without end closes the channel at once; that it runs is certain
        Err(error) if is_closed(&error) => status::busy(format!(
            "{error}: it runs, and takes no more questions of yours for now; ask again in a minute"
        )),
        // it hangs: whoever detects by exit code is not to take that for a wrong word
        Err(error @ Unanswered::Broken { .. }) => status::not_running(error.to_string()),
    };
    if !options.quiet {
        let mut out = io::BufWriter::new(io::stdout().lock());
        let written = match options.json {
            true => json::write_value(&status, &mut out),
            false => human(&status, agent::now(), &mut out),
        };
        super::written(written.and_then(|()| out.flush()))?;
    }
    Ok(status.state.exit_code())
}

fn human(status: &Status, now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let word = match status.state {
        State::Compliant => "compliant",
        State::NonCompliant => {
            "NON-COMPLIANT: servers that the policy does not allow run or would be started"
        }
        State::Stale => "STALE: the policy is old",
        State::Degraded => "DEGRADED: something does not work as it should",
        State::NotRunning => "NOT RUNNING",
    };
    writeln!(out, "{word}")?;
    if let Some(since) = status.since {
        writeln!(out, "  agent     {}, running for {}", status.agent, span(since, now))?;
    }
    policy(status, now, out)?;
    if !status.layers.is_empty() {
        let layers: Vec<String> =
            status.layers.iter().map(|layer| format!("{} {}", layer.name, layer.state)).collect();
        writeln!(out, "  layers    {}", layers.join(", "))?;
    }
    if let Some(spool) = &status.spool {
        let short = if spool.short { "; the disk was full, and only violations are taken" } else { "" };
        let (records, waiting, kib) = (spool.records, spool.waiting, spool.bytes.div_ceil(1024));
        writeln!(out, "  spool     {records} records, {waiting} not delivered, {kib} KiB{short}")?;
        for trouble in &spool.troubles {
            writeln!(out, "  ! {}", visible(trouble))?;
        }
    }
    if let Some(rescan) = status.last_rescan {
        let pass =
            status.last_pass.map_or_else(String::new, |at| format!(", last pass {} ago", span(at, now)));
        let folders = status.watches.folders;
        writeln!(out, "  watches   {folders} folders, last rescan {} ago{pass}", span(rescan, now))?;
    }
    if status.since.is_some() {
        let counts = &status.verdicts;
        let whose = status.user.as_deref().map_or_else(String::new, |user| format!(" of {}", visible(user)));
        writeln!(
            out,
            "  servers{whose}   {} allowed, {} denied, {} unknown; {} of them open",
            counts.allow, counts.deny, counts.unknown, status.open
        )?;
    }
    open_entries(status, out)?;
    running(status, out)?;
    if !status.restart_needed.is_empty() {
        writeln!(out, "\nrestart needed, a session may still hold a denied server:")?;
        status.restart_needed.iter().try_for_each(|client| writeln!(out, "  {}", visible(client)))?;
    }
    recent(status, now, out)?;
    if !status.alerts.is_empty() {
        writeln!(out, "\nalerts:")?;
        for alert in status.alerts.iter().take(10) {
            writeln!(out, "  {} ago  {}: {}", span(alert.time, now), alert.code, visible(&alert.detail))?;
        }
    }
    if !status.problems.is_empty() {
        writeln!(out, "\nproblems:")?;
        status.problems.iter().try_for_each(|problem| writeln!(out, "  ! {}", visible(problem)))?;
    }
    status.cost.iter().try_for_each(|told| cost(told, out))
}

fn policy(status: &Status, now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let Some(policy) = &status.policy else { return Ok(()) };
    let sequence = policy.sequence.map_or_else(String::new, |sequence| format!(" {sequence}"));
    let revocations = policy.revocations.map_or_else(String::new, |list| format!(", revocations {list}"));
    let staleness = policy.staleness.as_deref().map_or_else(String::new, |word| format!(", {word}"));
    writeln!(out, "  policy    {}{sequence}{revocations}{staleness}", visible(&policy.name))?;
    let ceiling = policy.ceiling.as_deref().map_or_else(String::new, |word| format!(" (ceiling {word})"));
    let ring = policy.ring.as_deref().map_or_else(String::new, |ring| format!(", ring {}", visible(ring)));
    writeln!(out, "  mode      {}{ceiling}{ring}", policy.mode)?;
    age(policy, now, out)?;
    writeln!(out, "  ask       {}", visible(&policy.contact))
}

fn age(policy: &PolicyStatus, now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let until = |at: Timestamp| match at > now {
        true => format!("in {} ({})", span(now, at), at.strftime("%Y-%m-%d")),
        false => format!("since {} ({})", span(at, now), at.strftime("%Y-%m-%d")),
    };
    if let Some(as_of) = policy.as_of {
        let stale =
            policy.stale_at.map_or_else(String::new, |at| format!(", without news stale {}", until(at)));
        writeln!(out, "  age       {}{stale}", span(as_of, now))?;
    }
    if let Some(next) = policy.next_expiry {
        let ends = policy.expires.filter(|expires| *expires != next);
        let ends = ends.map_or_else(String::new, |at| format!("; the policy itself ends {}", until(at)));
        writeln!(
            out,
            "  expires   {}{}{ends}",
            if ends.is_empty() { "" } else { "without news " },
            until(next)
        )?;
    }
    Ok(())
}

fn running(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    if status.running.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nrunning, and not allowed:")?;
    for server in &status.running {
        let declared = if server.undeclared { ", in no file" } else { "" };
        let then = match (&server.doubt, &server.left) {
            (Some(doubt), _) => format!("left, it may be no server: {}", visible(doubt)),
            (None, Some(left)) => format!("left: {}", visible(left)),
            (None, None) => "it is being ended".to_owned(),
        };
        writeln!(
            out,
            "  {} ({}, process {}{declared}): {}; {then}",
            visible(&server.server),
            visible(&server.client),
            server.process,
            server.code
        )?;
    }
    Ok(())
}

fn open_entries(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    if status.open_entries.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nopen:")?;
    for entry in &status.open_entries {
        let line = entry.line.map_or_else(String::new, |line| format!(":{line}"));
        let reason = entry.reason.as_deref().unwrap_or("not allowed");
        let left = entry.left.as_deref().map_or_else(String::new, |why| format!("; left: {}", visible(why)));
        writeln!(
            out,
            "  {} ({}): {reason}{left}\n      {}{line}",
            visible(&entry.name),
            visible(&entry.client),
            visible(&entry.path)
        )?;
    }
    let more = status.open.saturating_sub(SHOWN as u64);
    if more > 0 {
        writeln!(out, "  and {more} more")?;
    }
    writeln!(out, "  `mcpolicy explain NAME` says why, and whom to ask")
}

fn recent(status: &Status, now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    if status.recent.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nlast actions:")?;
    for happened in status.recent.iter().take(10) {
        let block = happened.block.as_deref().map_or_else(String::new, |id| format!("  [{id}]"));
        writeln!(
            out,
            "  {} ago  {} {} ({}): {}{block}\n      {}",
            span(happened.time, now),
            happened.action.action,
            visible(&happened.action.server),
            happened.outcome.as_str(),
            happened.action.code,
            visible(&happened.path)
        )?;
    }
    Ok(())
}

fn cost(cost: &Cost, out: &mut dyn Write) -> io::Result<()> {
    let times = cost.p50_ms.zip(cost.p99_ms).map_or_else(String::new, |(half, most)| {
        format!(", half of them over within {half:.1} ms, 99 % within {most:.1} ms")
    });
    writeln!(out, "\ncost:")?;
    writeln!(out, "  cpu       {} ms in {} s ({:.3} %)", cost.cpu_ms, cost.seconds, cost.cpu_percent)?;
    writeln!(out, "  memory    {} KiB", cost.memory_kib)?;
    writeln!(out, "  wakeups   {}", cost.wakes)?;
    writeln!(out, "  looks     {}{times}", cost.looks)?;
    writeln!(out, "  passes    {}, {} bytes of files read", cost.passes, cost.bytes_read)?;
    writeln!(out, "  rescan    every {} s", cost.rescan_seconds)
}

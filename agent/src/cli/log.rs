//! `mcpolicy log`: who, what, when, by which rule.

use std::io::{self, Write};

use clap::Args;
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use mcpolicy_platform::environment::Environment;

use super::agent::{self, Where};
use super::exit;
use crate::journal::{self, Outcome, Record, What};
use crate::output::text::visible;

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    r#where: Where,

    /// Only what happened since: a time, a day, or a span back from now (2026-11-21, 24h, 7d)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,

    /// Only what concerns this user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// Only what concerns this server
    #[arg(long, value_name = "NAME")]
    server: Option<String>,

    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let agent = options.r#where.agent(environment)?;
    let since = options.since.as_deref().map(|text| since(text, agent::now())).transpose()?;
    if let Some(notice) = agent.machines_notice() {
        super::complain(&format!("mcpolicy: {notice}"));
    }
    if agent.is_machines() {
        return Ok(exit::PARTIAL);
    }
    let (records, unreadable) = journal::read(&agent.state.join("journal"))?;
    let redactor = agent::redactor()?;
    // the journal holds paths as they are, to finish what was broken off; people are shown no secret in one
    let shown: Vec<Record> =
        wanted(&records, options, since).into_iter().map(|record| record.redacted(&redactor)).collect();
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = shown.iter().try_for_each(|record| match options.json {
        true => serde_json::to_writer(&mut out, record).map_err(io::Error::from).and_then(|()| writeln!(out)),
        false => human(record, &mut out),
    });
    super::written(written.and_then(|()| out.flush()))?;
    if unreadable > 0 {
        super::complain(&format!("mcpolicy: {unreadable} lines of the journal cannot be read"));
        return Ok(exit::PARTIAL);
    }
    Ok(exit::OK)
}

/// The records that were asked for; an outcome goes with its intent.
fn wanted<'r>(records: &'r [Record], options: &Options, since: Option<Timestamp>) -> Vec<&'r Record> {
    let mut intents = std::collections::BTreeSet::new();
    let matches = |user: &str, servers: &[&str]| {
        options.user.as_deref().is_none_or(|wanted| wanted == user)
            && options.server.as_deref().is_none_or(|wanted| servers.contains(&wanted))
    };
    let mut wanted = Vec::new();
    for record in records {
        let fits = match &record.what {
            What::Intent(intent) => {
                let servers: Vec<&str> = intent.actions.iter().map(|action| action.server.as_str()).collect();
                let fits = matches(&intent.user, &servers);
                if fits {
                    intents.insert(record.seq);
                }
                fits
            }
            What::Outcome(outcome) => intents.contains(&outcome.intent),
            What::Event(event) => matches(&event.user, &[event.server.as_str()]),
        };
        if fits && since.is_none_or(|since| record.time >= since) {
            wanted.push(record);
        }
    }
    wanted
}

/// A time, a day (UTC), or a span back from now.
fn since(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(day) = text.parse::<Date>() {
        return Ok(day.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp());
    }
    let span = text.parse::<Span>().ok().filter(|span| span.is_positive());
    let back = span.and_then(|span| now.to_zoned(jiff::tz::TimeZone::UTC).checked_sub(span).ok());
    back.map(|then| then.timestamp()).ok_or_else(|| {
        anyhow::anyhow!("--since {text:?} is no time: write 2026-11-21, 2026-11-21T08:00:00Z, 24h or 7d")
    })
}

fn human(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    let time = record.time.strftime("%Y-%m-%d %H:%M:%SZ");
    match &record.what {
        What::Intent(intent) => {
            writeln!(out, "{time} #{} {} {}", record.seq, visible(&intent.user), visible(&intent.path))?;
            for action in &intent.actions {
                let rule = action
                    .rule
                    .as_deref()
                    .map_or_else(String::new, |rule| format!(", rule {}", visible(rule)));
                let (server, detail) = (visible(&action.server), visible(&action.detail));
                writeln!(out, "    {} {server}: {}{rule}: {detail}", action.action, action.code)?;
            }
            Ok(())
        }
        What::Outcome(Outcome { intent, outcome, detail }) => {
            let detail = if detail.is_empty() { String::new() } else { format!(": {}", visible(detail)) };
            writeln!(out, "{time} #{} {} (#{intent}){detail}", record.seq, outcome.as_str())
        }
        What::Event(event) => {
            let count = event.count.map_or_else(String::new, |count| format!(" ({count})"));
            let named = |what: &str, name: &str| match name.is_empty() {
                true => String::new(),
                false => format!(" {what} {}", visible(name)),
            };
            let whose = named("user", &event.user) + &named("server", &event.server);
            writeln!(out, "{time} #{} {}{count}{whose}: {}", record.seq, event.code, visible(&event.detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_a_day_or_a_span_back() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let at = |text: &str| since(text, now).unwrap().to_string();
        assert_eq!(at("2026-11-20T08:00:00Z"), "2026-11-20T08:00:00Z");
        assert_eq!(at("2026-11-20"), "2026-11-20T00:00:00Z");
        assert_eq!(at("24h"), "2026-11-20T10:00:00Z");
        assert_eq!(at("7d"), "2026-11-14T10:00:00Z");
        for text in ["", "yesterday", "-3h", "9999999d"] {
            assert!(since(text, now).is_err(), "{text:?}");
        }
    }
}

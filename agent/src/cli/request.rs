//! `mcpolicy request`.

use std::collections::BTreeSet;

use clap::Args;
use mcpolicy_platform::environment::Environment;
use mcpolicy_schema::report::v1;

use super::answering::{self, Answering, Basis};
use super::check::Asked;
use super::exit;
use crate::answers::request::{self, Listed};
use crate::answers::{Asker, check};
use crate::ipc::{Answer, Ask};
use crate::output::human::answers;
use crate::vault::{Item, Taken};

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    asked: Asked,

    /// What you need it for; whoever decides reads it
    #[arg(long, value_name = "TEXT", required_unless_present = "list")]
    reason: Option<String>,

    /// Show the requests that wait
    #[arg(long, conflicts_with = "reason")]
    list: bool,

    #[command(flatten)]
    answering: Answering,

    /// Say it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    if options.list {
        return list(options, environment);
    }
    anyhow::ensure!(
        !options.asked.is_empty(),
        "name what you ask for: a server of yours, a command after `--`, a URL, or an entry as text"
    );
    let basis = options.answering.basis(environment)?;
    let reason = request::reason(options.reason.as_deref().unwrap_or_default(), &basis.redactor)?;
    let mut judge = basis.judge();
    let asker = judge.asker(0);
    let entries = entries(options, &basis, &mut judge, &asker, environment)?;
    let is_allowed = |entry: &v1::Entry| {
        entry.judged.as_ref().is_some_and(|judged| judged.verdict == mcpolicy_schema::verdict::Verdict::Allow)
    };
    anyhow::ensure!(!entries.iter().all(is_allowed), "it is allowed already: nothing need be asked");
    let made: Vec<v1::Request> = entries
        .into_iter()
        .filter(|entry| !is_allowed(entry))
        .map(|entry| request::make(entry, &asker, reason.clone(), basis.now))
        .collect();
    for request in &made {
        let ask = Ask::Request { request: Box::new(request.clone()) };
        // without an agent the own state keeps it
        if options.answering.ask(&ask, environment)?.is_none() {
            basis.agent.ensure_own("or the agent itself, when it runs, takes requests for it")?;
            request::keep(&basis.agent.state, request)?;
        }
    }
    let listed = Listed { schema: request::SCHEMA.to_owned(), requests: made, damaged: Vec::new() };
    say(&listed, options, environment)?;
    if !options.json {
        answering::say("It goes with the next report; the answer comes as a newer policy.\n")?;
    }
    Ok(exit::OK)
}

/// The entries that are meant: those of a name in the own files, else what the words say.
fn entries(
    options: &Options,
    basis: &Basis,
    judge: &mut crate::judge::Judge<'_>,
    asker: &Asker,
    environment: &Environment,
) -> anyhow::Result<Vec<v1::Entry>> {
    let word = options.asked.word().filter(|word| is_name(word));
    if let Some(name) = word {
        let mut entries = basis.scan(judge).entries;
        entries.retain(|entry| entry.name.eq_ignore_ascii_case(name));
        let mut seen = BTreeSet::new();
        entries.retain(|entry| seen.insert(entry.fingerprint.clone()));
        if !entries.is_empty() {
            return Ok(entries);
        }
        let entries = taken(basis, judge, asker, name)?;
        return if entries.is_empty() {
            taken_by_agent(options, basis, environment, name)
        } else {
            Ok(entries)
        };
    }
    let spec = options.asked.read(basis)?;
    let checked = check::check(&spec, basis.by(asker), judge, (&basis.ground, 0), &basis.redactor);
    Ok(checked.servers.into_iter().map(|server| server.entry).collect())
}

/// A server's name, and neither a URL nor pasted text. A program without arguments is asked for after a `--` with a path.
fn is_name(word: &str) -> bool {
    word != "-" && !word.contains("://") && !word.starts_with(['{', '[', '/']) && !word.contains(['\n', '='])
}

/// What was taken from the user's files under a name, read again from its kept text.
fn taken(
    basis: &Basis,
    judge: &mut crate::judge::Judge<'_>,
    asker: &Asker,
    name: &str,
) -> anyhow::Result<Vec<v1::Entry>> {
    let specs = crate::answers::taken::specs(&basis.agent.state.join("vault"), name)?;
    let mut entries = Vec::new();
    for spec in &specs {
        let checked = check::check(spec, basis.by(asker), judge, (&basis.ground, 0), &basis.redactor);
        entries.extend(checked.servers.into_iter().map(|server| server.entry));
    }
    Ok(entries)
}

/// What the machine's agent took from the user's files: the entries as it tells them, the newest first. Their text stays with
/// it.
fn taken_by_agent(
    options: &Options,
    basis: &Basis,
    environment: &Environment,
    name: &str,
) -> anyhow::Result<Vec<v1::Entry>> {
    let past = answering::past(&options.answering, &basis.agent, environment)?;
    let all = past.items.iter().rev().flat_map(|item| item.entries.iter().map(move |taken| (item, taken)));
    let is_meant = |(_, taken): &(&Item, &Taken)| {
        !taken.restored && basis.redactor.name(&taken.name).eq_ignore_ascii_case(name)
    };
    let meant: Vec<(&Item, &Taken)> = all.filter(is_meant).collect();
    let mut seen = BTreeSet::new();
    let told = meant.iter().filter_map(|(_, taken)| taken.told.as_deref());
    let told: Vec<v1::Entry> = told.filter(|told| seen.insert(&told.fingerprint)).cloned().collect();
    match meant.first() {
        _ if !told.is_empty() => Ok(told),
        Some((item, _)) => anyhow::bail!(
            "{name:?} was taken from your files, and its text is kept where administrators see it: name the block {} to {}, or \
             give its command after `--`, its URL, or the entry as text",
            item.id,
            basis.in_force.policy.document().policy.contact
        ),
        None => anyhow::bail!(
            "no server called {name:?} is in your files or was taken from them; to ask for something new, give its command \
             after `--`, its URL, or the entry as text"
        ),
    }
}

fn list(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let listed = match options.answering.ask(&Ask::Requests, environment)? {
        Some(Answer::Requests(listed)) => listed,
        Some(_) => anyhow::bail!("the agent answered something else: is it of another version?"),
        None => {
            let agent = options.answering.agent(environment)?;
            agent.ensure_own("sees the requests that wait there")?;
            request::list(&agent.state)?
        }
    };
    say(&listed, options, environment)?;
    Ok(if listed.damaged.is_empty() { exit::OK } else { exit::PARTIAL })
}

fn say(listed: &Listed, options: &Options, environment: &Environment) -> anyhow::Result<()> {
    match options.json {
        true => answering::say_json(listed),
        false => answering::say(&answers::requests(listed, answering::columns(environment))),
    }
}

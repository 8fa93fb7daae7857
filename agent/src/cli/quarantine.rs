//! `mcpolicy quarantine`: what was taken out of files, and how it comes back.

use std::io::{self, Write};
use std::ops::Range;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use mcpolicy_platform::environment::Environment;
use mcpolicy_schema::redact::Redactor;
use serde::Serialize;

use super::agent::{self, Agent, Where, Which};
use super::exit;
use crate::enforce::pass::{self, On};
use crate::enforce::requests;
use crate::ipc::{Answer, Ask};
use crate::journal::{End, Event, Journal, What};
use crate::output::json;
use crate::output::text::visible;
use crate::vault::{Item, State, Vault, VaultError};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what is in quarantine
    List(List),
    /// Show one item: what was taken out of which file, and why
    Show(Show),
    /// Put back what of an item the policy allows that a pass would act by now
    ///
    /// Exit codes: 0 restored; 1 not, or not all of it, and why is said; 2 wrong usage.
    Restore(Restore),
    /// Remove an item for good; what it holds can then not be restored
    ///
    /// A user asks the agent of the machine for it: its next pass removes what was taken from that user's files.
    Purge(One),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    r#where: Where,

    /// Show restored items too
    #[arg(long)]
    all: bool,

    /// Only those of this user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// Say it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct One {
    #[command(flatten)]
    r#where: Where,

    /// Id of the item, as `quarantine list` shows it
    id: String,

    /// Say it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    one: One,

    /// Show what was taken out, too, as it stood in the file: it may hold secrets
    ///
    /// Only whoever may read the vault can: root that of the machine, each user the own one.
    #[arg(long)]
    text: bool,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    #[command(flatten)]
    one: One,

    #[command(flatten)]
    which: Which,
}

pub(super) fn run(command: &Command, environment: &Environment) -> anyhow::Result<u8> {
    match command {
        Command::List(options) => list(options, environment),
        Command::Show(options) => show(options, environment),
        Command::Restore(options) => restore(options, environment),
        Command::Purge(options) => purge(options, environment),
    }
}

/// An item without anything of its content.
#[derive(Serialize)]
struct ItemAnswer {
    id: String,
    taken: jiff::Timestamp,
    state: &'static str,
    user: String,
    path: String,
    client: String,
    whole: bool,
    entries: Vec<EntryAnswer>,
}

#[derive(Serialize)]
struct EntryAnswer {
    server: String,
    /// JSON Pointer of where it stood; in a list of items neither this nor the next, for it may be long.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    /// Where in the original that was, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<Vec<Range<u64>>>,
    /// What stood there, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    action: String,
    code: String,
    detail: String,
    fingerprint: String,
    restored: bool,
}

#[derive(Serialize)]
struct ListAnswer {
    schema: &'static str,
    items: Vec<ItemAnswer>,
    damaged: Vec<String>,
    /// Where others than this user's own items are, and how to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    elsewhere: Option<String>,
}

fn answer(item: &Item, redactor: &Redactor) -> ItemAnswer {
    let entry = |taken: &crate::vault::Taken| EntryAnswer {
        server: redactor.name(&taken.name),
        place: None,
        bytes: None,
        text: None,
        action: taken.action.clone(),
        code: taken.code.clone(),
        detail: taken.detail.clone(),
        fingerprint: taken.fingerprint.clone(),
        restored: taken.restored,
    };
    ItemAnswer {
        id: item.id.clone(),
        taken: item.taken,
        state: item.state.as_str(),
        user: item.user.clone(),
        path: redactor.name(&item.path),
        client: item.client.clone(),
        whole: item.shrunk.is_none(),
        entries: item.entries.iter().map(entry).collect(),
    }
}

fn list(options: &List, environment: &Environment) -> anyhow::Result<u8> {
    let agent = options.r#where.agent(environment)?;
    let redactor = agent::redactor()?;
    let (items, damaged) = match agent.is_machines() {
        true => (Vec::new(), Vec::new()),
        false => Vault::look(&agent.state.join("vault"))?.items()?,
    };
    let elsewhere = agent.machines_notice();
    let wanted = |item: &&Item| {
        (options.all || item.state != State::Restored)
            && options.user.as_deref().is_none_or(|user| user == item.user)
    };
    let items: Vec<ItemAnswer> = items.iter().filter(wanted).map(|item| answer(item, &redactor)).collect();
    let damaged: Vec<String> = damaged.iter().map(|path| path.display().to_string()).collect();
    let partial = !damaged.is_empty();
    say(|out| {
        if options.json {
            let schema = "mcpolicy/quarantine/v1";
            return json::write_value(&ListAnswer { schema, items, damaged, elsewhere }, out);
        }
        match &elsewhere {
            Some(elsewhere) if items.is_empty() => writeln!(out, "you have nothing here; {elsewhere}")?,
            Some(elsewhere) => writeln!(out, "! {elsewhere}")?,
            None if items.is_empty() => writeln!(out, "nothing is in quarantine")?,
            None => {}
        }
        for item in &items {
            let servers: Vec<&str> = item.entries.iter().map(|entry| entry.server.as_str()).collect();
            let (user, path) = (visible(&item.user), visible(&item.path));
            writeln!(
                out,
                "{}  {}  {}  {user}  {path}",
                item.id,
                item.taken.strftime("%Y-%m-%d %H:%M"),
                item.state
            )?;
            writeln!(out, "    {}", visible(&servers.join(", ")))?;
        }
        damaged.iter().try_for_each(|path| writeln!(out, "damaged: {path}"))
    })?;
    Ok(if partial { exit::PARTIAL } else { exit::OK })
}

fn show(Show { one: options, text }: &Show, environment: &Environment) -> anyhow::Result<u8> {
    let agent = options.r#where.agent(environment)?;
    let redactor = agent::redactor()?;
    let own = own(&agent, &options.id);
    let item = match (own, agent.machines_notice()) {
        (Ok(item), _) => {
            let mut told = answer(&item, &redactor);
            for (entry, taken) in told.entries.iter_mut().zip(&item.entries) {
                entry.place = Some(redactor.name(&taken.key_path));
                entry.bytes = Some(taken.pieces.clone());
            }
            if *text {
                let pieces = Vault::look(&agent.state.join("vault"))?.pieces(&item)?;
                for (entry, pieces) in told.entries.iter_mut().zip(pieces) {
                    let bytes: Vec<u8> = pieces.into_iter().flat_map(|(_, bytes)| bytes).collect();
                    entry.text = Some(String::from_utf8_lossy(&bytes).into_owned());
                }
            }
            told
        }
        (Err(error), None) => return Err(error.into()),
        (Err(_), Some(elsewhere)) => anyhow::bail!("{} is none of your own; {elsewhere}", options.id),
    };
    say(|out| {
        if options.json {
            return json::write_value(&item, out);
        }
        writeln!(out, "{}  {}  taken {}", item.id, item.state, item.taken.strftime("%Y-%m-%d %H:%M:%SZ"))?;
        writeln!(out, "file    {}", visible(&item.path))?;
        writeln!(out, "user    {}", visible(&item.user))?;
        writeln!(
            out,
            "kept    {}",
            if item.whole { "the whole original" } else { "what was taken out of it" }
        )?;
        for entry in &item.entries {
            let back = if entry.restored { " (restored)" } else { "" };
            writeln!(out, "\n{} {}{back}", entry.action, visible(&entry.server))?;
            writeln!(out, "  {}: {}", entry.code, visible(&entry.detail))?;
            writeln!(out, "  fingerprint {}", entry.fingerprint)?;
            writeln!(out, "  place {}", visible(entry.place.as_deref().unwrap_or_default()))?;
            let text = entry.text.as_deref().unwrap_or_default();
            text.lines().try_for_each(|line| writeln!(out, "  | {}", visible(line)))?;
        }
        Ok(())
    })?;
    Ok(exit::OK)
}

/// An item of the vault that this user may look into.
fn own(agent: &Agent, id: &str) -> Result<Item, VaultError> {
    if agent.is_machines() {
        return Err(VaultError::NoItem(id.to_owned()));
    }
    Vault::look(&agent.state.join("vault"))?.item(id)
}

fn restore(Restore { one: options, which }: &Restore, environment: &Environment) -> anyhow::Result<u8> {
    let mut agent = options.r#where.agent(environment)?;
    which.overrule(&mut agent.settings);
    agent.ensure_own("restores from it")?;
    agent.ensure_trust_root()?;
    let answer = match agent.try_lock()? {
        Some(_lock) => restore_here(&agent, which, &options.id, environment)?,
        // the daemon holds the state, and has hands of its own
        None => agent.ask(&Ask::Restore { id: options.id.clone() })?,
    };
    let Answer::Restored(restored) = answer else {
        anyhow::bail!("the agent answered something else: is it of another version?")
    };
    say(|out| {
        if options.json {
            let answer = serde_json::json!({
                "schema": "mcpolicy/restored/v1",
                "outcome": restored.outcome,
                "entries": restored.entries,
                "detail": restored.detail,
                "notices": restored.notices,
            });
            return json::write_value(&answer, out);
        }
        restored.notices.iter().try_for_each(|notice| writeln!(out, "! {}", visible(notice)))?;
        match restored.outcome {
            End::Applied => {
                let detail = if restored.detail.is_empty() { "" } else { "\n  " };
                let (entries, said) = (restored.entries.join(", "), visible(&restored.detail));
                writeln!(out, "restored: {}{detail}{said}", visible(&entries))
            }
            end => writeln!(out, "not restored ({}): {}", end.as_str(), visible(&restored.detail)),
        }
    })?;
    Ok(if restored.outcome == End::Applied && !restored.incomplete { exit::OK } else { exit::FINDINGS })
}

/// Restores in this process, which holds the state.
fn restore_here(agent: &Agent, which: &Which, id: &str, environment: &Environment) -> anyhow::Result<Answer> {
    let redactor = agent::redactor()?;
    let ground = agent.ground(environment)?;
    let setting = agent.setting(which.reading(), &redactor);
    let homes = agent::homes(&ground, &redactor);
    let on = On { ground: &ground, homes: &homes };
    let (restored, notices) = agent::with_bounds(|bounds| pass::restore(&setting, on, bounds, id))?;
    Ok(Answer::restored(&restored, &notices, &redactor))
}

/// Leaves word for the agent of the machine, whose vault no user can look into.
fn ask_to_purge(options: &One, environment: &Environment) -> anyhow::Result<u8> {
    let home = environment.get("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    requests::leave(&home.context("set HOME: the request is left there")?, &options.id)?;
    say(|out| match options.json {
        true => {
            let answer = serde_json::json!({ "schema": "mcpolicy/purge-requested/v1", "id": options.id });
            json::write_value(&answer, out)
        }
        false => writeln!(
            out,
            "asked: the next pass of this machine's agent purges {}, if it was taken from your files",
            options.id
        ),
    })?;
    Ok(exit::OK)
}

fn purge(options: &One, environment: &Environment) -> anyhow::Result<u8> {
    let agent = options.r#where.agent(environment)?;
    if agent.machines.is_some() && matches!(own(&agent, &options.id), Err(VaultError::NoItem(_))) {
        return ask_to_purge(options, environment);
    }
    let _lock = agent.lock()?;
    let vault = Vault::open(&agent.state.join("vault"))?;
    let item = vault.item(&options.id)?;
    anyhow::ensure!(
        item.state != State::Pending,
        "{} belongs to a change that was broken off: `mcpolicy enforce --once` finishes or undoes it, purge it then",
        item.id
    );
    let now = agent::now();
    let (mut journal, _) = Journal::open(&agent.state.join("journal"), now)?;
    let path = agent::redactor()?.name(&item.path);
    let detail = format!("the original of {path} ({}) was removed for good", item.id);
    // said before it is done: what is gone must have a trace
    let event = Event { user: item.user.clone(), ..Event::new("purged", detail) };
    journal.append_of(now, What::Event(event), item.uid)?;
    vault.forget(&item)?;
    say(|out| match options.json {
        true => json::write_value(&serde_json::json!({ "schema": "mcpolicy/purged/v1", "id": item.id }), out),
        false => writeln!(out, "purged {}", item.id),
    })?;
    Ok(exit::OK)
}

fn say(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    super::written(write(&mut out).and_then(|()| out.flush()))
}

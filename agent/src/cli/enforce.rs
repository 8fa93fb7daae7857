//! `mcpolicy enforce`.

use std::io::{self, Write};
use std::path::Path;

use clap::{Args, ValueEnum};
use mcpolicy_platform::environment::Environment;
use mcpolicy_schema::document::Mode;
use mcpolicy_schema::redact::Redactor;
use serde::Serialize;

use super::agent::{self, Agent, Where, Which};
use super::exit;
use crate::enforce::act::Acted;
use crate::enforce::foreseen::Would;
use crate::enforce::pass::{self, On, Passed};
use crate::enforce::plan::Left;
use crate::enforce::restore::Restored;
use crate::in_force;
use crate::ipc;
use crate::journal::{Action, End};
use crate::output::json;
use crate::output::text::visible;
use crate::vault::Item;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Make one full pass and end
    #[arg(long, required = true)]
    once: bool,

    #[command(flatten)]
    r#where: Where,

    #[command(flatten)]
    which: Which,

    #[command(flatten)]
    ceiling: Ceiling,

    /// Say it as JSON
    #[arg(long)]
    json: bool,
}

/// How far it may go.
#[derive(Debug, Args)]
pub(super) struct Ceiling {
    /// Go no further than this mode, whatever the policy says
    #[arg(long, value_name = "MODE")]
    mode_ceiling: Option<ModeName>,
}

impl Ceiling {
    pub(super) fn lower(&self, agent: &mut Agent) {
        if let Some(ceiling) = self.mode_ceiling {
            agent.lower_ceiling(ceiling.into());
        }
    }

    /// The mode, where one is given.
    pub(super) fn mode(&self) -> Option<Mode> {
        self.mode_ceiling.map(Mode::from)
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeName {
    Observe,
    Warn,
    Hold,
    Enforce,
}

impl From<ModeName> for Mode {
    fn from(name: ModeName) -> Self {
        match name {
            ModeName::Observe => Self::Observe,
            ModeName::Warn => Self::Warn,
            ModeName::Hold => Self::Hold,
            ModeName::Enforce => Self::Enforce,
        }
    }
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let mut agent = options.r#where.agent(environment)?;
    options.which.overrule(&mut agent.settings);
    options.ceiling.lower(&mut agent);
    agent.ensure_own("makes its pass")?;
    agent.ensure_trust_root()?;
    let Some(_lock) = agent.try_lock()? else {
        return ask_for_pass(&agent, options);
    };
    let redactor = agent::redactor()?;
    let ground = agent.ground(environment)?;
    let setting = agent.setting(options.which.reading(), &redactor);
    let homes = agent::homes(&ground, &redactor);
    let on = On { ground: &ground, homes: &homes };
    let passed = agent::with_bounds(|bounds| pass::pass(&setting, on, bounds))?;
    let answer = Answer::of(&passed, &redactor);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = if options.json { json::write_value(&answer, &mut out) } else { human(&answer, &mut out) };
    if let Err(error) = super::written(written.and_then(|()| out.flush())) {
        // usage, policy, vault and journal were all well: this is not exit code 2
        super::complain(&format!("mcpolicy: the pass was made, `mcpolicy log` says what it did; {error:#}"));
        return Ok(exit::FINDINGS);
    }
    Ok(if pass::is_complete(&passed) { exit::OK } else { exit::FINDINGS })
}

/// Has the daemon make a pass, which holds the state.
fn ask_for_pass(agent: &Agent, options: &Options) -> anyhow::Result<u8> {
    let ipc::Answer::Passed { servers, acted, notices } = agent.ask(&ipc::Ask::Pass)? else {
        anyhow::bail!("the agent answered something else: is it of another version?")
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = if options.json {
        let answer = serde_json::json!({
            "schema": "mcpolicy/asked-pass/v1", "entries": servers, "acted": acted, "notices": notices,
        });
        json::write_value(&answer, &mut out)
    } else {
        let mut say = || -> io::Result<()> {
            writeln!(
                out,
                "the running agent made a pass: {servers} servers looked at, {} acted on",
                acted.len()
            )?;
            for one in &acted {
                let (server, path) = (visible(&one.action.server), visible(&one.path));
                writeln!(out, "  {} {server} ({}) in {path}", one.action.action, one.outcome.as_str())?;
            }
            notices.iter().try_for_each(|notice| writeln!(out, "! {}", visible(notice)))
        };
        say()
    };
    super::written(written.and_then(|()| out.flush()))?;
    let is_done =
        notices.is_empty() && acted.iter().all(|one| matches!(one.outcome, End::Applied | End::Skipped));
    Ok(if is_done { exit::OK } else { exit::FINDINGS })
}

/// What a pass did, frozen: members may be added.
#[derive(Serialize)]
struct Answer {
    schema: &'static str,
    policy: PolicyActing,
    mode: &'static str,
    entries: usize,
    files: Vec<FileAnswer>,
    restored: Vec<RestoredAnswer>,
    left: Vec<LeftAnswer>,
    /// In a mode that writes nothing: what mode enforce would act on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    would: Vec<WouldAnswer>,
    /// What hold mode leaves because it was there first.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<HeldAnswer>,
    notices: Vec<String>,
}

#[derive(Serialize)]
struct PolicyActing {
    name: String,
    sequence: Option<u64>,
    ring: Option<String>,
    staleness: Option<&'static str>,
}

#[derive(Serialize)]
struct FileAnswer {
    path: String,
    outcome: End,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    vault: Option<String>,
    actions: Vec<Action>,
}

#[derive(Serialize)]
struct RestoredAnswer {
    path: String,
    outcome: End,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    vault: String,
    entries: Vec<String>,
}

#[derive(Serialize)]
struct LeftAnswer {
    path: String,
    server: String,
    why: &'static str,
}

#[derive(Serialize)]
struct WouldAnswer {
    path: String,
    #[serde(flatten)]
    action: Action,
}

#[derive(Serialize)]
struct HeldAnswer {
    /// The last day of the grace.
    until: String,
    /// Days after today until then.
    days_left: i32,
    entries: Vec<HeldEntry>,
}

#[derive(Serialize)]
struct HeldEntry {
    path: String,
    server: String,
}

impl Answer {
    /// Names and paths are text of users: a secret in one is hidden, as everywhere.
    fn of(passed: &Passed, redactor: &Redactor) -> Self {
        let about = passed.in_force.about(passed.ring.as_deref());
        let shown = |path: &Path| redactor.name(&path.to_string_lossy());
        let path = |source: usize| shown(&passed.outcome.sources[source].source.path);
        let replayed = passed.replayed.iter().map(|replayed| {
            let (end, detail) = (replayed.end.as_str(), &replayed.detail);
            format!("an earlier edit of {} was broken off: {end} ({detail})", replayed.path)
        });
        let notices = passed.notices.iter().cloned().chain(about.notices).chain(replayed);
        let file = |acted: &Acted| FileAnswer {
            path: if acted.path.as_os_str().is_empty() { path(acted.source) } else { shown(&acted.path) },
            outcome: acted.end,
            detail: redactor.name(&acted.detail),
            vault: acted.item.clone(),
            actions: acted.actions.clone(),
        };
        let restored = |(item, restored): &(Item, Restored)| RestoredAnswer {
            path: redactor.name(&item.path),
            outcome: restored.end,
            detail: redactor.name(&restored.detail),
            vault: item.id.clone(),
            entries: restored.entries.iter().map(|name| redactor.name(name)).collect(),
        };
        let left = |left: &Left| {
            let item = &passed.outcome.entries[left.entry];
            LeftAnswer { path: path(item.source), server: redactor.name(&item.entry.name), why: left.why }
        };
        let would = |would: &Would| WouldAnswer { path: path(would.source), action: would.action.clone() };
        let held = |at: &usize| {
            let item = &passed.outcome.entries[*at];
            HeldEntry { path: path(item.source), server: redactor.name(&item.entry.name) }
        };
        Self {
            schema: "mcpolicy/pass/v1",
            policy: PolicyActing {
                name: about.name,
                sequence: about.sequence,
                ring: about.ring,
                staleness: passed.in_force.staleness,
            },
            mode: in_force::word(passed.mode),
            entries: passed.outcome.entries.len(),
            files: passed.acted.iter().map(file).collect(),
            restored: passed.restored.iter().map(restored).collect(),
            left: passed.plan.left.iter().map(left).collect(),
            would: passed.would.iter().map(would).collect(),
            held: passed.held.until.map(|(day, days_left)| HeldAnswer {
                until: day.to_string(),
                days_left,
                entries: passed.held.entries.iter().map(held).collect(),
            }),
            notices: notices.map(|notice| redactor.name(&notice)).collect(),
        }
    }
}

fn human(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    for notice in &answer.notices {
        writeln!(out, "! {}", visible(notice))?;
    }
    let sequence = answer.policy.sequence.map_or_else(String::new, |sequence| format!(" {sequence}"));
    writeln!(out, "policy {}{sequence}, mode {}", visible(&answer.policy.name), answer.mode)?;
    for file in &answer.files {
        writeln!(out, "\n{}: {}", visible(&file.path), file.outcome.as_str())?;
        for action in &file.actions {
            let (server, detail) = (visible(&action.server), visible(&action.detail));
            writeln!(out, "  {:<15} {server}: {} ({detail})", action.action, action.code)?;
        }
        if !file.detail.is_empty() {
            writeln!(out, "  {}", visible(&file.detail))?;
        }
        if let Some(id) = &file.vault {
            writeln!(out, "  the original is kept: mcpolicy quarantine show {id}")?;
        }
    }
    for restored in &answer.restored {
        let entries = restored.entries.join(", ");
        let path = visible(&restored.path);
        let detail = visible(&restored.detail);
        match restored.outcome {
            End::Applied => writeln!(out, "\n{path}: restored {} {detail}", visible(&entries))?,
            end => writeln!(out, "\n{path}: not restored ({}): {detail}", end.as_str())?,
        }
    }
    for left in &answer.left {
        writeln!(out, "left in {}: {} ({})", visible(&left.path), visible(&left.server), left.why)?;
    }
    for would in &answer.would {
        let Action { action, server, code, detail, rule, .. } = &would.action;
        let rule = rule.as_deref().map_or_else(String::new, |rule| format!(", rule {}", visible(rule)));
        let (path, server, detail) = (visible(&would.path), visible(server), visible(detail));
        writeln!(out, "would {action} in {path}: {server}: {code}{rule} ({detail})")?;
    }
    if let Some(HeldAnswer { until, days_left, entries }) = &answer.held {
        let days = if *days_left == 1 { "day" } else { "days" };
        writeln!(out, "\nleft until {until}, {days_left} {days} from today, since they were there before:")?;
        for HeldEntry { path, server } in entries {
            writeln!(out, "  {} in {}", visible(server), visible(path))?;
        }
    }
    let applied = answer.files.iter().filter(|file| file.outcome == End::Applied);
    let (mut files, mut servers) = (0, 0);
    for file in applied {
        files += 1;
        // an approval is of a server that was counted already
        servers += file.actions.iter().filter(|action| action.action != "approval").count();
    }
    write!(out, "\n{} servers looked at, {servers} acted on in {files} files", answer.entries)?;
    match answer.would.len() {
        0 => writeln!(out),
        would => writeln!(out, "; mode enforce would act on {would}"),
    }
}

//! `mcpolicy enforce`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use mcpolicy_platform::environment::Environment;
use mcpolicy_schema::document::Mode;
use serde::Serialize;

use super::agent::{self, Where};
use super::exit;
use crate::enforce::pass::{self, On, Passed};
use crate::in_force;
use crate::journal::{Action, End};
use crate::output::json;
use crate::output::text::visible;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Make one full pass and end
    #[arg(long, required = true)]
    once: bool,

    #[command(flatten)]
    r#where: Where,

    /// The published policy, instead of that of the settings
    #[arg(long, value_name = "DIR")]
    policy: Option<PathBuf>,

    /// The root document that is trusted, instead of that of the settings
    #[arg(long, value_name = "FILE")]
    trust_root: Option<PathBuf>,

    /// Go no further than this mode, whatever the policy says
    #[arg(long, value_name = "MODE")]
    mode_ceiling: Option<ModeName>,

    /// The id of this machine, instead of that of the settings
    #[arg(long, value_name = "ID")]
    device_id: Option<String>,

    /// Say it as JSON
    #[arg(long)]
    json: bool,

    /// The time to judge by
    #[arg(long, value_name = "TIME", hide = true)]
    now: Option<Timestamp>,
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
    let policy = &mut agent.settings.policy;
    policy.dir = options.policy.clone().or(policy.dir.take());
    policy.trust_root = options.trust_root.clone().or(policy.trust_root.take());
    if let Some(id) = &options.device_id {
        agent.settings.device.id.clone_from(id);
    }
    if let Some(ceiling) = options.mode_ceiling {
        agent.lower_ceiling(ceiling.into());
    }
    let _lock = agent.lock()?;
    let redactor = agent::redactor()?;
    let ground = agent.ground(environment)?;
    let setting = agent.setting(options.now.unwrap_or_else(agent::now), &redactor);
    let homes = agent::homes(&ground, &redactor);
    let on = On { ground: &ground, homes: &homes };
    let passed = agent::with_bounds(|bounds| pass::pass(&setting, on, bounds))?;
    let answer = Answer::of(&passed);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = if options.json { json::write_value(&answer, &mut out) } else { human(&answer, &mut out) };
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        other => other?,
    }
    Ok(if pass::is_complete(&passed) { exit::OK } else { exit::FINDINGS })
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

impl Answer {
    fn of(passed: &Passed) -> Self {
        let about = passed.in_force.about(passed.ring.as_deref());
        let path = |source: usize| passed.outcome.sources[source].source.path.to_string_lossy().into_owned();
        let mut notices = passed.notices.clone();
        notices.extend(about.notices);
        for replayed in &passed.replayed {
            let (end, detail) = (replayed.end.as_str(), &replayed.detail);
            notices.push(format!("an earlier edit of {} was broken off: {end} ({detail})", replayed.path));
        }
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
            files: passed
                .acted
                .iter()
                .map(|acted| FileAnswer {
                    path: match acted.path.as_os_str().is_empty() {
                        true => path(acted.source),
                        false => acted.path.to_string_lossy().into_owned(),
                    },
                    outcome: acted.end,
                    detail: acted.detail.clone(),
                    vault: acted.item.clone(),
                    actions: acted.actions.clone(),
                })
                .collect(),
            restored: passed
                .restored
                .iter()
                .map(|(item, restored)| RestoredAnswer {
                    path: item.path.to_string(),
                    outcome: restored.end,
                    detail: restored.detail.clone(),
                    vault: item.id.clone(),
                    entries: restored.entries.clone(),
                })
                .collect(),
            left: passed
                .plan
                .left
                .iter()
                .map(|left| {
                    let item = &passed.outcome.entries[left.entry];
                    LeftAnswer { path: path(item.source), server: item.entry.name.clone(), why: left.why }
                })
                .collect(),
            notices,
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
    let applied = answer.files.iter().filter(|file| file.outcome == End::Applied);
    let (mut files, mut servers) = (0, 0);
    for file in applied {
        files += 1;
        // an approval is of a server that was counted already
        servers += file.actions.iter().filter(|action| action.action != "approval").count();
    }
    writeln!(out, "\n{} servers looked at, {servers} acted on in {files} files", answer.entries)
}

//! `mcpolicy run`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use mcpolicy_platform::environment::Environment;
use mcpolicy_schema::redact::Redactor;
use serde::Serialize;

use super::agent::{self, Where, Which};
use super::enforce::Ceiling;
use super::exit;
use crate::daemon::{self, Rig, Said, Wake};
use crate::enforce::act::Acted;
use crate::enforce::pass::{Looked, Passed};
use crate::in_force;
use crate::journal::{Action, End};
use crate::output::text::visible;
use crate::pipeline::Outcome;

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    r#where: Where,

    #[command(flatten)]
    which: Which,

    #[command(flatten)]
    ceiling: Ceiling,

    /// Say each line as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let mut agent = options.r#where.agent(environment)?;
    options.which.overrule(&mut agent.settings);
    options.ceiling.lower(&mut agent);
    agent.ensure_own("runs its agent")?;
    agent.ensure_trust_root()?;
    let _lock = agent.lock()?;
    let redactor = agent::redactor()?;
    let _log = agent.start_log(&redactor);
    let (sender, wakes) = mpsc::channel();
    let stop = sender.clone();
    ctrlc::set_handler(move || drop(stop.send(Wake::Stop))).context("cannot take the signals that end it")?;
    let rig = Rig {
        ground: &|| agent.ground(environment),
        setting: &|| agent.setting(options.which.reading(), &redactor),
        homes: &agent::homes,
        bounds: &|run| agent::with_bounds(|bounds| run(bounds)),
        redactor: &redactor,
        own: agent.watched(),
    };
    let mut tell = |said: Said<'_>| say(&Line::of(&said, &redactor), options.json);
    daemon::run(&rig, (&sender, &wakes), &mut tell)?;
    Ok(exit::OK)
}

/// What is said of a moment, one line each as JSON. Members may be added.
#[derive(Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
enum Line {
    Pass {
        policy: String,
        sequence: Option<u64>,
        mode: &'static str,
        servers: usize,
        acted: Vec<FileLine>,
        notices: Vec<String>,
    },
    Look {
        milliseconds: f64,
        servers: usize,
        acted: Vec<FileLine>,
        left: Vec<String>,
        /// In a mode that writes nothing: what enforcing would act on.
        would: Vec<Action>,
        notices: Vec<String>,
    },
    Notice {
        text: String,
    },
}

#[derive(Serialize)]
struct FileLine {
    path: String,
    outcome: End,
    actions: Vec<Action>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vault: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

impl Line {
    /// Names and paths are text of users: a secret in one is hidden, as everywhere.
    fn of(said: &Said<'_>, redactor: &Redactor) -> Self {
        match said {
            Said::Pass(passed) => Self::of_pass(passed, redactor),
            Said::Look(looked, since) => Self::of_look(looked, *since, redactor),
            Said::Notice(text) => Self::Notice { text: redactor.name(text) },
        }
    }

    fn of_pass(passed: &Passed, redactor: &Redactor) -> Self {
        let about = passed.in_force.about(passed.ring.as_deref());
        Self::Pass {
            policy: about.name,
            sequence: about.sequence,
            mode: in_force::word(passed.mode),
            servers: passed.outcome.entries.len(),
            acted: files(&passed.acted, &passed.outcome, redactor),
            notices: passed
                .notices
                .iter()
                .chain(&about.notices)
                .map(|notice| redactor.name(notice))
                .collect(),
        }
    }

    fn of_look(looked: &Looked, since: Duration, redactor: &Redactor) -> Self {
        let left = looked.left.iter().map(|left| {
            let item = &looked.outcome.entries[left.entry];
            format!("{} ({})", redactor.name(&item.entry.name), left.why)
        });
        Self::Look {
            milliseconds: since.as_secs_f64() * 1000.0,
            servers: looked.outcome.entries.len(),
            acted: files(&looked.acted, &looked.outcome, redactor),
            left: left.collect(),
            would: looked.would.iter().map(|would| would.action.clone()).collect(),
            notices: looked.notices.iter().map(|notice| redactor.name(notice)).collect(),
        }
    }
}

fn files(acted: &[Acted], outcome: &Outcome, redactor: &Redactor) -> Vec<FileLine> {
    let path = |acted: &Acted| -> PathBuf {
        if acted.path.as_os_str().is_empty() {
            outcome.sources[acted.source].source.path.clone()
        } else {
            acted.path.clone()
        }
    };
    let shown = |path: &Path| redactor.name(&path.to_string_lossy());
    let line = |acted: &Acted| FileLine {
        path: shown(&path(acted)),
        outcome: acted.end,
        actions: acted.actions.clone(),
        vault: acted.item.clone(),
        detail: redactor.name(&acted.detail),
    };
    acted.iter().map(line).collect()
}

/// Nobody may be reading: a service's output is its log.
fn say(line: &Line, json: bool) {
    let text = if json { serde_json::to_string(line).unwrap_or_default() } else { human(line) };
    if !text.is_empty() {
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }
}

fn human(line: &Line) -> String {
    match line {
        Line::Notice { text } => format!("! {}", visible(text)),
        Line::Pass { policy, sequence, mode, servers, acted, notices } => {
            let sequence = sequence.map_or_else(String::new, |sequence| format!(" {sequence}"));
            let mut lines: Vec<String> =
                notices.iter().map(|notice| format!("! {}", visible(notice))).collect();
            lines.push(format!(
                "policy {}{sequence}, mode {mode}: {servers} servers looked at",
                visible(policy)
            ));
            lines.extend(acted.iter().flat_map(of_file));
            lines.join("\n")
        }
        Line::Look { milliseconds, acted, would, notices, .. }
            if !(acted.is_empty() && would.is_empty() && notices.is_empty()) =>
        {
            let mut lines: Vec<String> =
                notices.iter().map(|notice| format!("! {}", visible(notice))).collect();
            lines.extend(acted.iter().flat_map(of_file));
            lines.extend(would.iter().map(|would| {
                format!(
                    "would {} {}: {} ({})",
                    would.action,
                    visible(&would.server),
                    would.code,
                    visible(&would.detail)
                )
            }));
            lines.push(format!("  {milliseconds:.1} ms after the change was told"));
            lines.join("\n")
        }
        Line::Look { .. } => String::new(),
    }
}

fn of_file(file: &FileLine) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", visible(&file.path), file.outcome.as_str())];
    for action in &file.actions {
        let (server, detail) = (visible(&action.server), visible(&action.detail));
        lines.push(format!("  {:<15} {server}: {} ({detail})", action.action, action.code));
    }
    if !file.detail.is_empty() {
        lines.push(format!("  {}", visible(&file.detail)));
    }
    if let Some(id) = &file.vault {
        lines.push(format!("  the original is kept: mcpolicy quarantine show {id}"));
    }
    lines
}

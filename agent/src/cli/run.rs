//! `mcpolicy run`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use mcpolicy_platform::environment::Environment;
use mcpolicy_platform::ipc_channel::Listener;
use mcpolicy_platform::processes::{self, Instance};
use mcpolicy_platform::{clock, mounts, users};
use mcpolicy_schema::redact::Redactor;
use serde::Serialize;
use tokio::sync::watch;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder};

use super::agent::{self, Agent, Where, Which};
use super::enforce::Ceiling;
use super::{exit, reporting, ship};
use crate::board::Board;
use crate::board::happened::Happened;
use crate::daemon::messenger::Messenger;
use crate::daemon::servers::Told;
use crate::daemon::{self, Ended, Rig, Said, Wake};
use crate::enforce::act::Acted;
use crate::enforce::pass::{Looked, Passed};
use crate::in_force;
use crate::ipc::hooks;
use crate::ipc::server::{self, Reports, Shared};
use crate::journal::{self, Action, End};
use crate::output::text::visible;
use crate::pipeline::Outcome;
use crate::reporter::Reporter;
use crate::shipper;

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

    /// Ship reports and fetch the policy as well, in this process; only for a user's own agent: root uses no network
    #[arg(long)]
    ship: bool,

    /// Stop too when standard input ends: with whoever started it
    #[arg(long, hide = true)]
    until_input_ends: bool,

    /// What whoever started this has started besides is taken for what runs on the machine of --root, and dealt with
    /// after short waits; the number has to be that of whoever started this
    #[arg(long, value_name = "PID", hide = true, requires = "root")]
    processes_below: Option<u32>,
}

/// Lines of output that wait for a reader; what comes beyond is dropped. What was done is in the journal.
const MOST_LINES: usize = 4096;

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let read = || -> anyhow::Result<Agent> {
        let mut agent = options.r#where.agent(environment)?;
        options.which.overrule(&mut agent.settings);
        options.ceiling.lower(&mut agent);
        Ok(agent)
    };
    let mut agent = read()?;
    agent.ensure_own("runs its agent")?;
    agent.ensure_trust_root()?;
    let below = options.processes_below.map(started_by).transpose()?;
    let _lock = agent.lock()?;
    if !agent.settings.policy.urls.is_empty()
        && let Err(error) = agent.make_exchange()
    {
        super::complain(&format!("mcpolicy: no policy can be fetched: {error:#}"));
    }
    let mut shipping = Shipping::start(options, &agent, environment)?;
    // fingerprints of secrets that leave are the same tomorrow, and on all machines with the fleet's key
    let key = reporting::key(&agent)?;
    let redactor = Redactor::new(&key);
    let _log = agent.start_log(&redactor);
    let (sender, wakes) = mpsc::channel();
    let stop = sender.clone();
    ctrlc::set_handler(move || drop(stop.send(Wake::Stop))).context("cannot take the signals that end it")?;
    let mut board = Board::new(agent::now(), agent.settings.enforcement.mode_ceiling);
    // who asks after an upgrade or a reboot what happened is told; a journal that is damaged is told of by the pass
    if let Ok((records, _)) = journal::read(&agent.state.join("journal")) {
        Happened::of_journal(&records, &redactor).into_iter().for_each(|one| board.recent.note(one));
    }
    let shared = Arc::new(Shared::new(board, (agent.state.clone(), redactor.clone()), agent::now));
    let _open = listen(&agent, &shared, &sender)?;
    // a pipe has no folder
    let folder = agent.socket.parent().filter(|folder| folder.is_dir());
    shared.says_mode_at(folder.map(|folder| folder.join(hooks::MODE_FILE)));
    let mounted = sender.clone();
    // without it a home that is unlocked later is found by the pass of the next day
    if let Err(error) = mounts::watch(move |paths| drop(mounted.send(Wake::Mounted(paths)))) {
        let text = format!("disks that are mounted later are not seen at once: {error}");
        shared.board().lasting("mounts", Some(text));
    }
    let leapt = sender.clone();
    // without it what waits for a time comes later by as long as the machine slept
    if let Err(error) = clock::watch(move || drop(leapt.send(Wake::Leapt))) {
        let text = format!("that the clock leaps is not seen at once: {error}");
        shared.board().lasting("clock", Some(text));
    }
    if options.until_input_ends {
        let stop = sender.clone();
        std::thread::spawn(move || {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            drop(stop.send(Wake::Stop));
        });
    }
    // attack, or a hanging log: output that nobody reads holds up whoever writes it, and nothing is enforced any more
    let queue = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(MOST_LINES);
    let (mut out, _flushed) = queue.finish(io::stdout());
    let mut tell = |said: Said<'_>| {
        let line = Line::of(&said, &redactor);
        log(&line);
        say(&line, options.json, &mut out);
    };
    let messenger = agent.has_desktops().then(Messenger::start).transpose();
    let messenger = messenger.context("cannot start the thread that shows notices")?;
    let mut kept = daemon::Kept::new(below);
    loop {
        match kept.reporter.as_mut() {
            Some(reporter) if agent.settings.has_spool() => {
                reporter.knows(reporting::about(&agent, &key));
            }
            _ => kept.reporter = open_report(&agent, &key, &shared, &redactor, &mut tell),
        }
        shared.knows_settings(&agent.settings, agent.device());
        shared.knows_reports(agent.settings.has_spool().then(|| Reports {
            exchange: agent.exchange.clone(),
            key: key.clone(),
            sinks: agent.settings.sinks.clone(),
        }));
        let rig = Rig {
            ground: &|| agent.ground(environment),
            setting: &|| agent.setting(options.which.reading(), &redactor),
            homes: &agent::homes,
            bounds: &|run| agent::with_bounds(|bounds| run(bounds)),
            redactor: &redactor,
            own: agent.watched(),
            native: agent.keeps_native(),
            waits_for_policy: !agent.settings.policy.urls.is_empty(),
            settings: &agent.settings_file,
            is_other_settings: &|| read().map_or(true, |new| new.settings != agent.settings),
            messenger: messenger.as_ref(),
            recipient: &|home| agent.recipient(home, environment),
            shared: &shared,
        };
        match daemon::run(&rig, (&sender, &wakes), &mut kept, &mut tell)? {
            Ended::Stopped => return Ok(exit::OK),
            Ended::OtherSettings => match read().and_then(|new| agent.changed_to(new)) {
                Ok(new) => {
                    agent = new;
                    shipping.start_anew(options, &agent, environment);
                }
                Err(error) => {
                    let error = format!("the settings of before go on: {error:#}");
                    shared.board().lasting("settings", Some(redactor.name(&error)));
                    tell(Said::Notice(error));
                    continue;
                }
            },
        }
        shared.board().lasting("settings", None);
    }
}

/// The role that uses the network, as a thread of a user's own agent.
#[derive(Default)]
struct Shipping(Option<(watch::Sender<bool>, JoinHandle<()>)>);

impl Shipping {
    fn start(options: &Options, agent: &Agent, environment: &Environment) -> anyhow::Result<Self> {
        if !options.ship {
            return Ok(Self::default());
        }
        anyhow::ensure!(
            !users::is_privileged(),
            "--ship is for a user's own agent: root uses no network; `mcpolicy ship` runs beside it as an account of its own"
        );
        let plan = ship::plan(agent, environment, true);
        if plan.settings.sinks.is_empty() && plan.settings.policy.urls.is_empty() {
            return Ok(Self::default());
        }
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::Builder::new().name("ship".to_owned()).spawn(move || {
            if let Err(error) = shipper::run(&plan, stopped) {
                tracing::error!(error = format!("{error:#}"), "nothing is shipped");
                super::complain(&format!("mcpolicy: nothing is shipped: {error:#}"));
            }
        });
        Ok(Self(Some((stop, thread.context("cannot start the thread that ships")?))))
    }

    /// With other settings. What cannot be shipped is told; the line is held all the same.
    fn start_anew(&mut self, options: &Options, agent: &Agent, environment: &Environment) {
        drop(std::mem::take(self));
        match Self::start(options, agent, environment) {
            Ok(new) => *self = new,
            Err(error) => super::complain(&format!("mcpolicy: nothing is shipped: {error:#}")),
        }
    }
}

impl Drop for Shipping {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            let _ = stop.send(true);
            let _ = thread.join();
        }
    }
}

/// The reporting side. One that cannot be opened is told, and protects nobody less: the line is held without it.
fn open_report(
    agent: &Agent,
    key: &[u8],
    shared: &Shared,
    redactor: &Redactor,
    tell: &mut dyn FnMut(Said<'_>),
) -> Option<Reporter> {
    let opened = reporting::open(agent, key);
    let problem = opened.as_ref().err().map(|error| {
        let error = redactor.name(&format!("{error:#}"));
        format!("nothing is reported until the agent is started again: {error}")
    });
    if let Some(problem) = &problem {
        tell(Said::Notice(problem.clone()));
    }
    let mut board = shared.board();
    board.lasting("spool", problem);
    board.spool = None;
    opened.ok().flatten()
}

/// The process with this number, if this one was started by it.
///
/// Attack: with the number of a shell, or of the system's first process, all that runs on this machine would be taken for
/// what runs in a folder, and judged by the policy of that.
fn started_by(pid: u32) -> anyhow::Result<Instance> {
    let parent = processes::parent().filter(|parent| parent.pid == pid && pid > 1);
    parent.with_context(|| format!("--processes-below {pid}: this was not started by that process"))
}

/// Listens for commands until what is given is dropped.
fn listen(agent: &Agent, shared: &Arc<Shared>, sender: &mpsc::Sender<Wake>) -> anyhow::Result<server::Open> {
    let listener = Listener::bind(&agent.socket, agent.audience())
        .with_context(|| format!("cannot listen for commands at {}", agent.socket.display()))?;
    let hand = sender.clone();
    server::start(listener, shared, move |work| drop(hand.send(Wake::Ask(work))))
        .context("cannot listen for commands")
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
        /// Since the first hint; none of a look that the daemon took of its own accord.
        #[serde(skip_serializing_if = "Option::is_none")]
        milliseconds: Option<f64>,
        servers: usize,
        acted: Vec<FileLine>,
        left: Vec<String>,
        /// In a mode that writes nothing: what enforcing would act on.
        would: Vec<Action>,
        notices: Vec<String>,
    },
    Servers {
        servers: Vec<ServerLine>,
    },
    Notice {
        text: String,
    },
}

/// What is said of a running server or of a client that may hold one.
#[derive(Serialize)]
struct ServerLine {
    what: &'static str,
    user: String,
    server: String,
    client: &'static str,
    process: u32,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    detail: String,
    /// Since it was first seen.
    milliseconds: f64,
}

impl ServerLine {
    fn of(told: &Told) -> Self {
        Self {
            what: told.what,
            user: told.user.clone(),
            server: told.server.clone(),
            client: told.client,
            process: told.process,
            code: told.code,
            rule: told.rule.clone(),
            detail: told.detail.clone(),
            milliseconds: told.since.as_secs_f64() * 1000.0,
        }
    }
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
            Said::Servers(told) => Self::Servers { servers: told.iter().map(ServerLine::of).collect() },
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

    fn of_look(looked: &Looked, since: Option<Duration>, redactor: &Redactor) -> Self {
        let left = looked.left.iter().map(|left| {
            let item = &looked.outcome.entries[left.entry];
            format!("{} ({})", redactor.name(&item.entry.name), left.why)
        });
        Self::Look {
            milliseconds: since.map(|since| since.as_secs_f64() * 1000.0),
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

/// The same for support: numbers and codes. What was done to which server is in the journal.
fn log(line: &Line) {
    match line {
        Line::Pass { sequence, mode, servers, acted, .. } => {
            tracing::info!(?sequence, mode, servers, files = acted.len(), "a pass was made");
        }
        Line::Look { milliseconds, servers, acted, .. } => {
            tracing::debug!(milliseconds, servers, files = acted.len(), "a look was taken");
        }
        Line::Notice { text } => tracing::warn!(%text, "told"),
        Line::Servers { servers } => {
            tracing::info!(servers = servers.len(), "running servers were dealt with");
        }
    }
}

/// Nobody may be reading: a service's output is its log. In one piece, since the queue takes pieces or drops them.
fn say(line: &Line, json: bool, out: &mut NonBlocking) {
    let text = if json { serde_json::to_string(line).unwrap_or_default() } else { human(line) };
    if !text.is_empty() {
        let _ = out.write_all(format!("{text}\n").as_bytes());
    }
}

fn human(line: &Line) -> String {
    match line {
        Line::Notice { text } => format!("! {}", visible(text)),
        Line::Servers { servers } => {
            let lines = servers.iter().map(|one| format!("{}: {}", one.what, visible(&one.detail)));
            lines.collect::<Vec<_>>().join("\n")
        }
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
            lines.extend(milliseconds.map(|after| format!("  {after:.1} ms after the change was told")));
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

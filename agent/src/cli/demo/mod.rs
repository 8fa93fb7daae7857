//! `mcpolicy demo`: attacks on a throw-away laptop, each answered by the real daemon before one's eyes.
//!
//! It must not be able to lie: an attack counts as answered only if the file holds what it held before, as the demo itself reads
//! it, and the daemon has told what it did. The clock runs from just before the attack until then. The last act has no file but
//! a process ([`undeclared`]).

mod acts;
mod daemon;
mod show;
mod stage;
mod undeclared;

use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use clap::Args;
use mcpolicy_platform::environment::Environment;
use mcpolicy_schema::report::v1::Report;
use mcpolicy_schema::verdict::Verdict;
use serde::Serialize;

use self::acts::Act;
use self::daemon::{Daemon, Line};
use self::show::Show;
use self::stage::Stage;
use super::agent;
use super::enforce::Ceiling;
use super::exit;
use crate::board::status::State;
use crate::ipc;
use crate::journal::{Action, End};
use crate::output::{self, Format, Style};

/// An attack that is not answered after this was not answered.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long the first pass may take.
const BEGINNING: Duration = Duration::from_secs(30);
/// Between two looks whether the file was changed. It is not opened for that: whoever opens a file holds the daemon up.
const TICK: Duration = Duration::from_millis(1);

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Wait for Enter before each attack
    #[arg(long, conflicts_with = "json")]
    pause: bool,

    /// Say it as JSON, when it is over
    #[arg(long)]
    json: bool,

    /// Leave the folder where it is: the files, the policy, the agent's journal and vault, the report
    #[arg(long)]
    keep: bool,

    /// Write the HTML report of the laptop to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    #[command(flatten)]
    ceiling: Ceiling,
}

/// What the demo waits for.
enum Event {
    /// The daemon said something.
    Told(Line),
    /// The daemon says nothing more.
    Ended,
    /// Somebody pressed Enter.
    Enter,
    /// It is to stop.
    Interrupted,
}

/// What came of it all.
#[derive(Serialize)]
struct Played {
    schema: &'static str,
    /// Every attack was answered, and nothing is on the laptop that the policy does not allow.
    ok: bool,
    attacks: Vec<Answer>,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<PathBuf>,
}

/// From when the time of an answer counts.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Since {
    /// From just before the attack.
    #[default]
    Attack,
    /// From when the daemon first told of it.
    Seen,
}

/// An attack and what the daemon did.
#[derive(Default, Serialize)]
struct Answer {
    attack: &'static str,
    title: &'static str,
    client: &'static str,
    path: String,
    server: &'static str,
    answered: bool,
    /// This machine does not let it be played; it counts neither way.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unplayed: bool,
    since: Since,
    /// Until the file was seen to be as it should, or the process to be gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    milliseconds: Option<f64>,
    /// From the first hint of the system to the end of the daemon's work, as the daemon counts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    daemon_milliseconds: Option<f64>,
    /// What was done; in a mode that writes nothing, what would have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<Action>,
    #[serde(skip_serializing_if = "String::is_empty")]
    why_not: String,
    /// The file before; absent where there was none. Of a process what runs is shown in the place of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    planted: String,
    after: String,
}

/// What is known at the end.
#[derive(Serialize)]
struct Status {
    /// What `mcpolicy status` says of the daemon after the last attack; absent where it did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    policy: String,
    sequence: Option<u64>,
    mode: String,
    /// Servers on the laptop, and how many of them the policy allows, by a scan after the last attack.
    servers: usize,
    allowed: usize,
    /// Originals that the daemon told to have kept.
    originals: usize,
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let (tell, events) = mpsc::channel();
    let stop = tell.clone();
    ctrlc::set_handler(move || drop(stop.send(Event::Interrupted)))
        .context("cannot take the signals that end it")?;
    // before anything is made: a report that cannot be written is told at once
    if let Some(folder) = options.report.as_deref().and_then(Path::parent) {
        let is_there = folder.as_os_str().is_empty() || folder.is_dir();
        anyhow::ensure!(is_there, "--report: there is no folder {}", folder.display());
    }
    let stage = Stage::set(options.ceiling.mode(), agent::now())?;
    let show = Show::new(options.json, environment);
    let mut play = Play { stage: &stage, show, events, pause: options.pause, originals: 0 };
    let played = play.all(options, environment, tell);
    let show = play.show;
    let folder = match options.keep {
        true => Some(stage.keep()),
        false => stage.clear().map(|()| None)?,
    };
    let mut played = played?;
    if folder.is_none() && options.report.is_none() {
        played.report = None;
    }
    played.folder = folder;
    show.end(&played)?;
    Ok(if played.ok { exit::OK } else { exit::FINDINGS })
}

/// The play on its stage.
struct Play<'s> {
    stage: &'s Stage,
    show: Show,
    events: Receiver<Event>,
    pause: bool,
    originals: usize,
}

impl Play<'_> {
    fn all(
        &mut self,
        options: &Options,
        environment: &Environment,
        tell: Sender<Event>,
    ) -> anyhow::Result<Played> {
        if self.pause && io::stdin().is_terminal() {
            listen(tell.clone());
        } else {
            self.pause = false;
        }
        let daemon = Daemon::start(self.stage, environment, tell)?;
        let (policy, sequence, mode) = self.first_pass()?;
        let acts = self.stage.acts();
        let mut attacks = Vec::new();
        let all = acts.len() + 1;
        for (at, act) in acts.iter().enumerate() {
            self.show.announce((at + 1, all), act.title, act.story)?;
            self.wait_for_enter()?;
            let answer = self.attack(act)?;
            self.show.answer(&answer)?;
            attacks.push(answer);
        }
        self.show.announce((all, all), undeclared::TITLE, &undeclared::story())?;
        self.wait_for_enter()?;
        let answer = self.undeclared(environment)?;
        self.show.answer(&answer)?;
        attacks.push(answer);
        let told = self.status_of_daemon();
        // the scan is of a laptop on which nobody does anything more
        drop(daemon);
        let report = self.stage.scan(&agent::redactor()?)?;
        let (servers, allowed) = counts(&report);
        let path = options.report.clone().unwrap_or_else(|| self.stage.path().join("report.html"));
        let path = std::path::absolute(path)?;
        write_report(&path, &report)?;
        let ok = attacks.iter().all(|answer| answer.answered || answer.unplayed) && allowed == servers;
        let originals = self.originals;
        let status = Status { state: told, policy, sequence, mode, servers, allowed, originals };
        Ok(Played { schema: "mcpolicy/demo/v1", ok, attacks, status, report: Some(path), folder: None })
    }

    /// What `mcpolicy status` says of the running daemon, in its own word. It may look at its last file at this moment.
    fn status_of_daemon(&self) -> Option<State> {
        let socket = mcpolicy_platform::paths::socket_of(&self.stage.state());
        let until = Instant::now() + Duration::from_secs(2);
        loop {
            let answer = ipc::client::ask(&socket, &ipc::Ask::Status { cost: false });
            let state = match answer {
                Ok(ipc::Answer::Status(status)) => Some(status.state),
                _ => None,
            };
            if state == Some(State::Compliant) || Instant::now() >= until {
                return state;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The next thing that happens, or nothing until then.
    fn next(&self, until: Instant) -> anyhow::Result<Option<Event>> {
        match self.events.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Event::Interrupted) => anyhow::bail!("stopped before it was over"),
            Ok(Event::Ended) => anyhow::bail!("the daemon ended before it was told to"),
            Ok(Event::Told(Line::Notice { text })) => {
                self.show.notice(&text)?;
                Ok(None)
            }
            Ok(event) => Ok(Some(event)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(None),
        }
    }

    fn first_pass(&mut self) -> anyhow::Result<(String, Option<u64>, String)> {
        let end = Instant::now() + BEGINNING;
        while Instant::now() < end {
            if let Some(Event::Told(Line::Pass { policy, sequence, mode, servers })) = self.next(end)? {
                self.show.opening((&policy, self.stage.rules), &mode, servers)?;
                return Ok((policy, sequence, mode));
            }
        }
        anyhow::bail!("the daemon made no pass within {} s", BEGINNING.as_secs())
    }

    fn wait_for_enter(&self) -> anyhow::Result<()> {
        if !self.pause {
            return Ok(());
        }
        self.show.ask()?;
        while !matches!(self.next(Instant::now() + BEGINNING)?, Some(Event::Enter)) {}
        Ok(())
    }

    /// Plants an attack, and waits until it is answered or its time is over.
    fn attack(&mut self, act: &Act) -> anyhow::Result<Answer> {
        let path = self.stage.of_home(act.clean.path);
        let before = act.comes.is_none().then(|| stage::read_text(&path)).transpose()?;
        let begun = self.plant(act, &path)?;
        let end = begun + DEADLINE;
        let mut seen = None;
        let mut is_clean = None;
        let mut heard = Heard::default();
        while (is_clean.is_none() || heard.told.is_none()) && Instant::now() < end {
            if let Some(Event::Told(line)) = self.next(end.min(Instant::now() + TICK))? {
                self.originals += heard.hear(line, act);
            }
            let stamp = stamp(&path);
            if is_clean.is_none() && (stamp != seen || heard.told.is_some()) {
                seen = stamp;
                is_clean =
                    (stage::read_text(&path).ok().as_ref() == Some(&act.clean.text)).then(|| begun.elapsed());
            }
        }
        let after = stage::read_text(&path).unwrap_or_default();
        let Heard { told, would, failed } = heard;
        // right once is not enough: it has to be so still
        let is_clean = is_clean.filter(|_| after == act.clean.text);
        let answered = is_clean.is_some() && told.is_some();
        let why_not = match (is_clean, &told, &would) {
            (None, _, Some(_)) => "the daemon only said what it would do".to_owned(),
            (None, None, None) => failed.unwrap_or_else(|| "the daemon did nothing about it".to_owned()),
            (None, Some(_), _) => "the daemon acted, and the file is not as it was before".to_owned(),
            (Some(_), None, _) => "the file is as it was, and the daemon told nothing of it".to_owned(),
            (Some(_), Some(_), _) => String::new(),
        };
        let daemon_milliseconds = told.as_ref().and_then(|(milliseconds, _)| *milliseconds);
        Ok(Answer {
            attack: act.id,
            title: act.title,
            client: act.client,
            path: format!("~/{}", act.clean.path),
            server: act.server,
            answered,
            unplayed: false,
            since: Since::Attack,
            milliseconds: is_clean.map(|time| time.as_secs_f64() * 1000.0),
            daemon_milliseconds,
            action: told.map(|(_, action)| action).or(would),
            why_not,
            before,
            planted: act.planted.clone(),
            after,
        })
    }

    /// When it was begun: just before the file is in its place.
    fn plant(&self, act: &Act, path: &Path) -> anyhow::Result<Instant> {
        let Some(comes) = act.comes else {
            let file = stage::beside(path, act.planted.as_bytes())?;
            let begun = Instant::now();
            file.persist(path)?;
            return Ok(begun);
        };
        let name = act.clean.path.strip_prefix(comes).unwrap_or_default().trim_start_matches('/');
        let folder = self.stage.elsewhere();
        stage::put(&folder.join(name), &act.planted)?;
        let begun = Instant::now();
        std::fs::rename(&folder, self.stage.of_home(comes))?;
        Ok(begun)
    }
}

/// What the daemon has said of one attack.
#[derive(Default)]
struct Heard {
    /// What it did, and how long it took by its own count.
    told: Option<(Option<f64>, Action)>,
    /// What it would do.
    would: Option<Action>,
    /// Why it could not.
    failed: Option<String>,
}

impl Heard {
    /// Takes a line in. How many originals it tells to have been kept.
    fn hear(&mut self, line: Line, act: &Act) -> usize {
        let Line::Look { milliseconds, acted, would } = line else { return 0 };
        let is_it = |action: &Action| action.server == act.server;
        self.would = would.into_iter().find(is_it).or(self.would.take());
        let mut originals = 0;
        for file in acted {
            let is_file = file.path.replace('\\', "/").ends_with(act.clean.path);
            if file.outcome == End::Applied {
                originals += usize::from(file.vault.is_some());
                let action = file.actions.into_iter().find(is_it).filter(|_| is_file);
                self.told = action.map(|action| (milliseconds, action)).or(self.told.take());
            } else if is_file {
                self.failed = Some(file.detail);
            }
        }
        originals
    }
}

/// What changes with a file, without opening it.
fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let facts = std::fs::symlink_metadata(path).ok()?;
    Some((facts.modified().ok()?, facts.len()))
}

/// Tells of each line that is typed. The thread ends with the process: nothing can end a read of a terminal.
fn listen(tell: Sender<Event>) {
    std::thread::spawn(move || {
        let mut line = String::new();
        while matches!(io::stdin().read_line(&mut line), Ok(read) if read > 0) {
            if tell.send(Event::Enter).is_err() {
                return;
            }
        }
        // no more Enter will come
        let _ = tell.send(Event::Interrupted);
    });
}

/// How many servers there are, and how many are allowed.
fn counts(report: &Report) -> (usize, usize) {
    let is_allowed = |judged: &mcpolicy_schema::report::v1::Judged| judged.verdict == Verdict::Allow;
    let allowed = report.entries.iter().filter(|entry| entry.judged.as_ref().is_some_and(is_allowed));
    (report.entries.len(), allowed.count())
}

fn write_report(path: &Path, report: &Report) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let mut out = BufWriter::new(tempfile::NamedTempFile::new_in(folder)?);
        output::write(report, Format::Html, &Style { color: false, width: 160 }, &mut out)?;
        out.flush()?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.persist(path).map(drop).map_err(|error| error.error)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

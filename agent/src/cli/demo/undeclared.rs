//! The act without a file: a client starts a server that no file declares, and the daemon finds it among the processes.
//!
//! Both are copies of this program that do nothing ([`stand_in`](crate::cli::stand_in)). The act counts as answered only if
//! the server is gone and the client is still there, as the demo itself asks the system, and the daemon has told of both the
//! deed and the end. The clock runs from when the daemon first tells of the server.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin};
use std::time::Instant;

use anyhow::Context as _;
use mcpolicy_clients::location::Os;
use mcpolicy_platform::environment::Environment;
use mcpolicy_platform::privileges;
use mcpolicy_platform::processes::Instance;

use super::daemon::{self, Line, OfServer};
use super::stage::{self, Stage};
use super::{Answer, DEADLINE, Event, Play, Since, TICK};
use crate::daemon::servers::Waits;
use crate::ground;
use crate::journal::Action;

pub(super) const TITLE: &str = "a server that stands in no file";
/// The client, as its process is called.
const CLIENT: &str = "claude";
const SERVER: &str = "rogue-mcp-server";
/// The client's own state, which it saves whenever it starts.
const STATE: &str = ".claude.json";

/// How it comes about. What is shortened for the demo is said.
pub(super) fn story() -> String {
    let (here, else_) = (Waits::SHORT, Waits::default());
    format!(
        "Claude Code is given a server by a flag: the daemon has to find it among the processes.\n\
         (It looks every {} s and gives a grace of {:.1} s here; on a real machine {} s and {} s.)",
        here.looks.as_secs(),
        here.grace.as_secs_f64(),
        else_.looks.as_secs(),
        else_.grace.as_secs()
    )
}

/// A client and its server. Both end with this.
struct Running {
    child: Child,
    input: Option<ChildStdin>,
    client: Instance,
    server: Instance,
}

impl Running {
    fn start(stage: &Stage, environment: &Environment) -> anyhow::Result<Self> {
        let client = stage.of_home(&format!(".local/bin/{}", program(CLIENT)));
        let server = stage.of_home(&place());
        for path in [&client, &server] {
            copy_of_own(path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        let mut command = daemon::of_stage(&client, stage, environment);
        command.arg("stand-in").arg("--server").arg(&server);
        let started = command.spawn();
        let mut child = started.with_context(|| {
            format!(
                "no program can be started from {} (name another folder by TMPDIR)",
                stage.path().display()
            )
        })?;
        let input = child.stdin.take();
        let said = child.stdout.take();
        let ended = |child: &mut Child| {
            let _ = child.kill();
            let _ = child.wait();
        };
        let both = said.and_then(|said| {
            let mut line = String::new();
            BufReader::new(said).read_line(&mut line).ok()?;
            Some((Instance::of(child.id())?, Instance::of(line.trim().parse().ok()?)?))
        });
        let Some((client, server)) = both else {
            ended(&mut child);
            anyhow::bail!("the stand-in of the client has started no server")
        };
        Ok(Self { child, input, client, server })
    }

    /// What of it runs now, as the system says it.
    fn shown(&self) -> String {
        let mut out = String::new();
        if self.client.is_running() {
            out.push_str(&format!("{CLIENT} (process {})\n", self.client));
        }
        if self.server.is_running() {
            out.push_str(&format!("  {SERVER} (process {})\n", self.server));
        }
        out
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // its server ends with it
        drop(self.input.take());
        daemon::end(&mut self.child);
    }
}

/// What the daemon has said of the server.
#[derive(Default)]
struct Heard {
    seen: Option<Instant>,
    /// It was asked to end, or killed.
    done: Option<OfServer>,
    ended: Option<f64>,
    /// The last that was said else.
    other: Option<OfServer>,
}

impl Heard {
    fn hear(&mut self, line: Line, server: u32) {
        let Line::Servers { servers } = line else { return };
        for one in servers.into_iter().filter(|one| one.process == server) {
            self.seen.get_or_insert_with(Instant::now);
            match one.what.as_str() {
                "server-asked" | "server-killed" => self.done = Some(one),
                "server-ended" => self.ended = Some(one.milliseconds),
                _ => self.other = Some(one),
            }
        }
    }
}

impl Play<'_> {
    /// Has the server started, and waits until it is gone or its time is over.
    pub(super) fn undeclared(&mut self, environment: &Environment) -> anyhow::Result<Answer> {
        let mut answer = Answer {
            attack: "undeclared-process",
            title: TITLE,
            client: "Claude Code",
            path: format!("~/{}", place()),
            server: SERVER,
            since: Since::Seen,
            ..Answer::default()
        };
        let begun = Instant::now();
        let running = match Running::start(self.stage, environment) {
            Ok(running) => running,
            Err(error) => {
                (answer.unplayed, answer.why_not) = (true, format!("{error:#}"));
                return Ok(answer);
            }
        };
        answer.planted = running.shown();
        // by this the daemon knows that a client may have been started: it has no eye on processes while none runs
        save_state(self.stage)?;
        let end = begun + DEADLINE;
        let mut gone: Option<Instant> = None;
        let mut heard = Heard::default();
        while (gone.is_none() || heard.ended.is_none()) && Instant::now() < end {
            if let Some(Event::Told(line)) = self.next(end.min(Instant::now() + TICK))? {
                heard.hear(line, running.server.pid);
            }
            if gone.is_none() && !running.server.is_running() {
                gone = Some(Instant::now());
            }
        }
        answer.after = running.shown();
        answer.fill(gone, running.client.is_running(), heard);
        Ok(answer)
    }
}

impl Answer {
    fn fill(&mut self, gone: Option<Instant>, has_client: bool, heard: Heard) {
        let Heard { seen, done, ended, other } = heard;
        let said = other.as_ref().map(|other| other.detail.clone());
        self.why_not = match (gone, &done, ended) {
            _ if !has_client => "the client has ended with its server".to_owned(),
            (None, None, _) => said.unwrap_or_else(|| "the daemon said nothing of it".to_owned()),
            (None, Some(_), _) => "the daemon acted, and the server goes on".to_owned(),
            (Some(_), Some(_), Some(_)) => String::new(),
            (Some(_), ..) => "the server has ended, and the daemon has not told that it did it".to_owned(),
        };
        self.answered = self.why_not.is_empty();
        let time = gone.zip(seen).map(|(gone, seen)| gone.saturating_duration_since(seen));
        // the daemon's first word comes a little late: it is not less than what went by until it acted
        let least = done.as_ref().map_or(0.0, |told| told.milliseconds);
        self.milliseconds = time.map(|time| (time.as_secs_f64() * 1000.0).max(least));
        self.daemon_milliseconds = ended;
        let what = if done.is_some() { "end" } else { "left" };
        self.action = done.or(other).map(|told| Action {
            action: what.to_owned(),
            server: SERVER.to_owned(),
            client: told.client,
            fingerprint: String::new(),
            code: told.code,
            detail: told.detail,
            rule: told.rule,
            identity: None,
        });
    }
}

/// A program's file name on this system.
fn program(name: &str) -> String {
    format!("{name}{}", std::env::consts::EXE_SUFFIX)
}

/// Where the server lies below the home.
fn place() -> String {
    format!(".cache/{}", program(SERVER))
}

/// This program under another name: another name of its file, or a copy where the system makes none.
fn copy_of_own(path: &Path) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // macOS may tell of a process by another name of its file, and makes copies that take no time
    let is_link_enough = ground::host_os() != Os::Macos;
    let link = || std::env::current_exe().and_then(|own| std::fs::hard_link(own, path));
    if !(is_link_enough && link().is_ok()) {
        std::fs::copy(privileges::own_program()?, path)?;
    }
    Ok(())
}

/// Saves the client's state as it does when it starts.
fn save_state(stage: &Stage) -> anyhow::Result<()> {
    let path = stage.of_home(STATE);
    let text = stage::read_text(&path)?;
    stage::put(&path, &text.replacen("\"numStartups\": 41", "\"numStartups\": 42", 1))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn told(what: &str) -> OfServer {
        OfServer {
            what: what.to_owned(),
            client: "claude-code".to_owned(),
            process: 7,
            code: "not-allowed".to_owned(),
            rule: None,
            detail: format!("it was {what}"),
            milliseconds: if what == "server-ended" { 560.0 } else { 510.0 },
        }
    }

    #[test]
    fn only_a_server_that_is_gone_by_the_daemons_hand_beside_a_client_that_lives_is_an_answer() {
        let now = Instant::now();
        let gone = Some(now + Duration::from_millis(500));
        let all = || {
            let mut heard = Heard::default();
            let servers = ["server-warned", "server-asked", "server-ended"].map(told).into();
            heard.hear(Line::Servers { servers }, 7);
            Heard { seen: Some(now), ..heard }
        };
        let answer = |gone, has_client, heard| {
            let mut answer = Answer::default();
            answer.fill(gone, has_client, heard);
            answer
        };
        let good = answer(gone, true, all());
        assert!(good.answered && good.why_not.is_empty());
        assert_eq!((good.milliseconds, good.daemon_milliseconds), (Some(510.0), Some(560.0)));
        assert_eq!(good.action.unwrap().action, "end");
        let bad = [
            answer(None, true, all()),
            answer(gone, false, all()),
            answer(gone, true, Heard { ended: None, ..all() }),
            answer(gone, true, Heard { done: None, ..all() }),
            answer(gone, true, Heard::default()),
            answer(None, true, Heard { other: Some(told("server-reported")), ..Heard::default() }),
        ];
        for answer in bad {
            assert!(!answer.answered && !answer.why_not.is_empty(), "{}", answer.why_not);
        }
        let mut of_another = Heard::default();
        of_another.hear(Line::Servers { servers: vec![told("server-ended")] }, 8);
        assert!(of_another.seen.is_none() && of_another.ended.is_none());
    }
}

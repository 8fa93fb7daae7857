//! The real daemon, as a child: `mcpolicy run` on the laptop, its lines read as a machine would read them.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mcpolicy_platform::environment::Environment;
use mcpolicy_platform::privileges;
use serde::Deserialize;

use super::Event;
use super::stage::Stage;
use crate::journal::{Action, End};

/// How long the daemon may take to end by itself.
const TO_END: Duration = Duration::from_secs(5);
/// Between two looks whether it has ended.
const TICK: Duration = Duration::from_millis(2);
/// What programs of Windows cannot do without.
const OF_SYSTEM: &str = "SystemRoot";

/// A line of `mcpolicy run --json`, as far as the demo reads it.
#[derive(Debug, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub(super) enum Line {
    Pass {
        policy: String,
        sequence: Option<u64>,
        mode: String,
        servers: usize,
    },
    Look {
        milliseconds: Option<f64>,
        acted: Vec<Acted>,
        would: Vec<Action>,
    },
    Servers {
        servers: Vec<OfServer>,
    },
    Notice {
        text: String,
    },
    #[serde(other)]
    Other,
}

/// What became of a file.
#[derive(Debug, Deserialize)]
pub(super) struct Acted {
    pub(super) path: String,
    pub(super) outcome: End,
    pub(super) actions: Vec<Action>,
    #[serde(default)]
    pub(super) vault: Option<String>,
    #[serde(default)]
    pub(super) detail: String,
}

/// What is told of a running server.
#[derive(Debug, Deserialize)]
pub(super) struct OfServer {
    pub(super) what: String,
    pub(super) client: String,
    pub(super) process: u32,
    pub(super) code: String,
    #[serde(default)]
    pub(super) rule: Option<String>,
    pub(super) detail: String,
    /// Since the daemon saw it first.
    pub(super) milliseconds: f64,
}

/// The daemon. It ends with this.
pub(super) struct Daemon {
    child: Child,
    /// Closed, it tells the daemon to stop; so the daemon ends too where the demo is killed.
    input: Option<ChildStdin>,
}

impl Daemon {
    /// Starts it. Its lines go to `tell`, and last of all that there are no more.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn start(
        stage: &Stage,
        environment: &Environment,
        tell: Sender<Event>,
    ) -> anyhow::Result<Self> {
        let mut command = of_stage(&privileges::own_program()?, stage, environment);
        command.args(["run", "--json", "--until-input-ends", "--root"]).arg(stage.laptop());
        command.arg("--settings").arg(stage.settings()).arg("--state").arg(stage.state());
        command.arg("--processes-below").arg(std::process::id().to_string());
        let mut child = command.spawn().context("the daemon cannot be started")?;
        let input = child.stdin.take();
        let output = child.stdout.take();
        let daemon = Self { child, input };
        let output = BufReader::new(output.context("the daemon has no output")?);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Line::Other);
                if tell.send(Event::Told(line)).is_err() {
                    return;
                }
            }
            let _ = tell.send(Event::Ended);
        });
        Ok(daemon)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.input.take());
        end(&mut self.child);
    }
}

/// A program with pipes, and with nothing of this machine: no variable by which its files could be found either.
pub(super) fn of_stage(program: &Path, stage: &Stage, environment: &Environment) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", stage.home()).env("USERPROFILE", stage.home());
    if let Some(value) = environment.get(OF_SYSTEM) {
        command.env(OF_SYSTEM, value);
    }
    command.current_dir(stage.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Waits for the end of a child whose input is closed: nothing of the folder may be in use when it is removed.
pub(super) fn end(child: &mut Child) {
    let end = Instant::now() + TO_END;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < end {
        std::thread::sleep(TICK);
    }
    let _ = child.kill();
    let _ = child.wait();
}

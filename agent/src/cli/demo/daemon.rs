//! The real daemon, as a child: `mcpolicy run` on the laptop, its lines read as a machine would read them.

use std::io::{BufRead as _, BufReader};
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
        let mut command = Command::new(privileges::own_program()?);
        command.args(["run", "--json", "--until-input-ends", "--root"]).arg(stage.laptop());
        command.arg("--settings").arg(stage.settings()).arg("--state").arg(stage.state());
        // nothing of this machine: no variable by which its files could be found either
        command.env_clear().env("HOME", stage.home()).env("USERPROFILE", stage.home());
        if let Some(value) = environment.get(OF_SYSTEM) {
            command.env(OF_SYSTEM, value);
        }
        command.current_dir(stage.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
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
    /// Nothing of the folder may be in use when it is removed, so its end is waited for.
    fn drop(&mut self) {
        drop(self.input.take());
        let end = Instant::now() + TO_END;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(TICK);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! What the policy commands share: the time, and saying the answer.

use std::io::{self, Write as _};

use jiff::Timestamp;
use serde::Serialize;

/// The time as a parameter, so that tests own it.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Clock {
    /// Take this for the time
    #[arg(long, value_name = "TIME", hide = true)]
    now: Option<Timestamp>,
}

impl Clock {
    pub(super) fn now(&self) -> Timestamp {
        self.now.unwrap_or_else(Timestamp::now)
    }
}

/// Says the answer on standard output; a reader that has seen enough is no error.
pub(super) fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Says something that is not the answer; a closed standard error is nobody's loss.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Says the answer as JSON.
pub(super) fn say_json(value: &impl Serialize) -> anyhow::Result<()> {
    say(&(serde_json::to_string_pretty(value)? + "\n"))
}

//! The log for support: what the agent does, in lines of files that are kept for some days.
//!
//! The journal is the record of what was done; nothing depends on this. So it never holds anybody up: lines go over a
//! queue to a thread, and what is too much for the queue, for a file or for the disk is dropped and counted.
//!
//! No secret: every line is redacted before it is queued, whoever wrote it, and only lines of our own crates are taken,
//! since others may log what they read. A panic is told by its place alone, since its message may quote what was read.

mod capped;
mod line;

use std::io::{self, Write as _};
use std::panic::PanicHookInfo;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mcpolicy_platform::{durable, system_log};
use mcpolicy_schema::redact::Redactor;
use serde::{Deserialize, Serialize};
use tracing::{Level, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use crate::settings::LogSettings;
use capped::Capped;

/// Names of the files: `mcpolicy.2026-01-31.log`.
const PREFIX: &str = "mcpolicy";
const SUFFIX: &str = "log";
/// Lines that wait for the thread that writes. The library's own number takes megabytes.
const QUEUE: usize = 2048;
/// Whose lines are taken: those of our crates.
const OURS: &str = "mcpolicy";

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// What somebody should know.
    Warn,
    /// What goes on.
    Info,
    /// What support asks for.
    Debug,
    /// Everything.
    Trace,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::OFF,
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

/// Why there is no log. The agent does its work without.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Its folder cannot be used.
    #[error("the folder of the log {} cannot be used: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The first file cannot be made.
    #[error("no log can be written in {}: {what}", path.display())]
    File {
        /// The folder.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// There is one already.
    #[error("this process has a log already")]
    Twice,
}

/// A log that is written to. What is queued is written when it is dropped.
#[derive(Debug)]
pub struct Log(#[expect(dead_code, reason = "held until it is dropped")] WorkerGuard);

/// Begins the log of this process, and has panics told in it. `None` where the settings turn it off. `is_machines`: this is
/// the machine's agent, whose graver lines go to the system's own log as well.
///
/// # Errors
/// The folder or the first file cannot be made, or others can get into the folder.
pub fn start(
    settings: &LogSettings,
    state: &Path,
    redactor: &Redactor,
    is_machines: bool,
) -> Result<Option<Log>, LogError> {
    std::panic::set_hook(Box::new(tell_panic));
    let Some((subscriber, guard)) = built(settings, state, redactor, is_machines)? else { return Ok(None) };
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
    Ok(Some(Log(guard)))
}

type Built = (Box<dyn Subscriber + Send + Sync>, WorkerGuard);

fn built(
    settings: &LogSettings,
    state: &Path,
    redactor: &Redactor,
    is_machines: bool,
) -> Result<Option<Built>, LogError> {
    if settings.level == LogLevel::Off {
        return Ok(None);
    }
    let folder = settings.dir.clone().unwrap_or_else(|| state.join("log"));
    // attack: in a folder that others can write, a file of the log is a link to one that is not to be written
    let prepared = durable::make_private_directory(&folder)
        .and_then(|()| durable::keep_private(&folder))
        .and_then(|()| durable::check_private_directory(&folder));
    prepared.map_err(|source| LogError::Folder { path: folder.clone(), source })?;
    let appender = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(PREFIX)
        .filename_suffix(SUFFIX)
        .max_log_files(usize::from(settings.max_files))
        .build(&folder);
    let appender =
        appender.map_err(|error| LogError::File { path: folder.clone(), what: error.to_string() })?;
    let counter: Arc<OnceLock<ErrorCounter>> = Arc::default();
    let of_queue = Arc::clone(&counter);
    let lost = move || of_queue.get().map_or(0, ErrorCounter::dropped_lines);
    // an agent that is started again and again goes on with the file of the day
    let written = std::fs::metadata(file_of(&folder, now())).map_or(0, |metadata| metadata.len());
    let most = u64::from(settings.max_mib) << 20;
    let writer = Capped::new(appender, most, written, Box::new(now), Box::new(lost));
    let (queue, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(QUEUE)
        .thread_name("log")
        .finish(writer);
    let _ = counter.set(queue.error_counter());
    let system = if is_machines { settings.system } else { LogLevel::Off };
    let layer =
        Redacting { queue, redactor: redactor.clone(), level: settings.level.into(), system: system.into() };
    Ok(Some((Box::new(tracing_subscriber::registry().with(layer)), guard)))
}

fn file_of(folder: &Path, time: Timestamp) -> PathBuf {
    folder.join(format!("{PREFIX}.{}.{SUFFIX}", time.to_zoned(TimeZone::UTC).date()))
}

#[expect(clippy::disallowed_methods, reason = "a line says when it was written, whatever time is judged by")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// Writes each event as one line without secrets.
struct Redacting {
    queue: NonBlocking,
    redactor: Redactor,
    level: LevelFilter,
    system: LevelFilter,
}

impl<S: Subscriber> Layer<S> for Redacting {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target().starts_with(OURS) && metadata.level() <= &self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let text = line::text_of(event, &self.redactor);
        let (level, target) = (metadata.level(), metadata.target());
        let line = format!("{:.3} {level} {target}: {text}\n", now());
        // one call is one line: the queue takes it whole or drops and counts it
        let _ = self.queue.clone().write_all(line.as_bytes());
        if level <= &self.system {
            system_log::write(weight(*level), &format!("{target}: {text}"));
        }
    }
}

fn weight(level: Level) -> system_log::Weight {
    match level {
        Level::ERROR => system_log::Weight::Error,
        Level::WARN => system_log::Weight::Warning,
        _ => system_log::Weight::Notice,
    }
}

/// In place of std's hook, which prints the message of a panic. That may quote a line of a user's file.
fn tell_panic(info: &PanicHookInfo<'_>) {
    let text = of_panic(info);
    tracing::error!("{text}");
    let _ = writeln!(io::stderr().lock(), "mcpolicy: {text}");
}

fn of_panic(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let kind = if payload.is::<&str>() {
        "a fixed text"
    } else if payload.is::<String>() {
        "a text"
    } else {
        "a value"
    };
    let thread = std::thread::current();
    let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    format!("a fault of mcpolicy: panic with {kind} at {place} in thread {}", thread.name().unwrap_or("-"))
}

#[cfg(test)]
mod tests;

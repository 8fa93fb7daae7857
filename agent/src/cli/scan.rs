//! `mcpolicy scan`.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Args, ValueEnum};
use mcpolicy_clients::location::Os;
use mcpolicy_platform::environment::Environment;
use mcpolicy_platform::machine::Machine;
use mcpolicy_platform::priority;
use mcpolicy_schema::finding::Severity;
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::v1::{self, Report};

use super::agent::Where;
use super::exit;
use super::judging::Judging;
use crate::answers::request;
use crate::ground::{self, Target};
use crate::judge::{Judge, Terms};
use crate::output::{self, Format, Style};
use crate::pipeline::{self, Bounds};
use crate::report::{self, Run};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Scan this home directory and nothing else of the machine; may be repeated
    #[arg(long, value_name = "DIR", conflicts_with_all = ["root", "file", "project"])]
    home: Vec<PathBuf>,

    /// Take this folder as the machine's root: an image, a container, a mounted disk
    #[arg(long, value_name = "DIR", conflicts_with_all = ["file", "project"])]
    root: Option<PathBuf>,

    /// Read one file, as the client given by --client reads it
    #[arg(long, value_name = "PATH", requires = "client", conflicts_with = "project")]
    file: Option<PathBuf>,

    /// Id of the client for --file, as in docs/clients.md
    #[arg(long, value_name = "ID", requires = "file", conflicts_with_all = ["home", "root", "project"])]
    client: Option<String>,

    /// With --file: read it as if it lay at this path (.claude/settings.json, managed-mcp.json …)
    #[arg(long = "as", value_name = "PATH", requires = "file", conflicts_with_all = ["home", "root", "project"])]
    as_path: Option<PathBuf>,

    /// Scan a checkout: the project files of all clients in it
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,

    /// Whose paths to look for with --home, --root, --file and --project [default: this system's]
    #[arg(long, value_name = "OS")]
    os: Option<OsName>,

    /// How to say it
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: FormatName,

    /// Write the report to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Exit with 1 if a finding has this severity or a greater one
    #[arg(long, value_name = "SEVERITY", default_value = "never")]
    fail_on: FailOn,

    /// Exit with 3 if something of this machine could not be read
    #[arg(long)]
    strict_coverage: bool,

    /// Seconds after which the walk of a home enters no further directory
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    walk_budget: u64,

    #[command(flatten)]
    judging: Judging,

    /// Threads of the walk [default: the processors, at most 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: Option<u16>,

    /// Run at background processor and disk priority
    #[arg(long)]
    background: bool,

    /// File whose bytes key the fingerprints of secrets, so that they are equal on all machines of a fleet
    #[arg(long, value_name = "FILE")]
    fingerprint_key: Option<PathBuf>,

    /// The state folder of the agent, whose waiting requests the report carries [default: that of the agent here]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["file", "project"])]
    state: Option<PathBuf>,

    /// When to colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatName {
    /// A table for people
    Human,
    /// report/v1, see docs/report-format.md
    Json,
    /// One row an entry
    Csv,
    /// SARIF 2.1.0, for checkouts in CI
    Sarif,
    /// One line for the inventory field of an MDM console
    Mdm,
    /// One self-contained page
    Html,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Never,
    Info,
    Low,
    Medium,
    High,
    Critical,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OsName {
    Linux,
    Macos,
    Windows,
}

/// Smallest key that is worth the name, in bytes.
const MIN_KEY_BYTES: usize = 16;

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    if options.background {
        priority::background();
    }
    let (redactor, fingerprint_key) = redactor(options)?;
    let started = Instant::now();
    #[allow(clippy::disallowed_methods, reason = "here the time becomes a parameter")]
    let now = jiff::Timestamp::now();
    let started_at = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let in_force = options.judging.in_force(now)?;
    let ground = ground::lay(&options.target(), options.os.map(Os::from), environment)?;
    let progress = Progress::new();
    let bounds = Bounds {
        walk_budget: Duration::from_secs(options.walk_budget),
        threads: options.threads.map_or_else(default_threads, usize::from),
        texts: 0,
        progress: &|directories| progress.tell(directories),
        reading: &|_, _| {},
        without: &BTreeSet::new(),
    };
    let mut outcome = pipeline::scan(&ground, &bounds, &redactor);
    progress.clear();
    let device = &options.judging.device_id;
    let in_force = in_force.map(|in_force| {
        let terms = Terms { in_force: &in_force, now, device, groups: &[], remembered: None };
        let ring = Judge::new(&ground, &ground.machine, terms).ring().map(str::to_owned);
        in_force.of_ring(ring.as_deref())
    });
    let sequence = in_force.as_ref().and_then(|in_force| in_force.sequence);
    options.judging.ensure_floor(sequence)?;
    let policy = in_force.as_ref().map(|in_force| {
        let groups = &options.judging.groups;
        let terms = Terms { in_force, now, device, groups, remembered: None };
        let mut judge = Judge::new(&ground, &ground.machine, terms);
        judge.judge(&mut outcome);
        in_force.about(judge.ring())
    });
    let duration_ms = started.elapsed().as_millis() as u64;
    let device_id = Some(options.judging.device_id.clone()).filter(|id| !id.is_empty());
    let groups = options.judging.groups.clone();
    let run = Run { started_at, duration_ms, fingerprint_key, device_id, groups, policy };
    let mut report = report::build(&ground, &outcome, &run, &redactor);
    report.requests = options.waiting(environment);
    // The working types of a large home are as large as its report; only one of them is kept while it is written.
    drop(outcome);
    write(options, environment, &report)?;
    Ok(exit_code(options, &report))
}

impl Options {
    /// What developers of what is scanned wait for an answer to. What cannot be read is told, and the scan goes on.
    fn waiting(&self, environment: &Environment) -> Vec<v1::Request> {
        let is_agents = self.state.is_some() || matches!(self.target(), Target::Live | Target::Root(_));
        if !is_agents {
            return Vec::new();
        }
        let place =
            Where { root: self.root.clone(), settings: None, state: self.state.clone(), socket: None };
        let listed = place.agent(environment).and_then(|agent| {
            let folders = request::all_folders(&agent.state).into_iter();
            let listed = folders.map(|folder| request::list(&folder)).collect::<Result<Vec<_>, _>>();
            Ok(listed?)
        });
        let listed = listed.unwrap_or_else(|error| {
            super::complain(&format!("mcpolicy: requests that wait are not in the report: {error:#}"));
            Vec::new()
        });
        for damaged in listed.iter().flat_map(|listed| &listed.damaged) {
            super::complain(&format!(
                "mcpolicy: the request {damaged} cannot be read and is not in the report"
            ));
        }
        listed.into_iter().flat_map(|listed| listed.requests).collect()
    }

    fn target(&self) -> Target {
        if let (Some(path), Some(client)) = (&self.file, &self.client) {
            return Target::File {
                path: path.clone(),
                client: client.clone(),
                as_path: self.as_path.clone(),
            };
        }
        if let Some(project) = &self.project {
            return Target::Project(project.clone());
        }
        match &self.root {
            Some(root) => Target::Root(root.clone()),
            None if self.home.is_empty() => Target::Live,
            None => Target::Homes(self.home.clone()),
        }
    }
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).min(8)
}

fn redactor(options: &Options) -> anyhow::Result<(Redactor, &'static str)> {
    let Some(path) = &options.fingerprint_key else {
        let mut key = [0u8; 32];
        getrandom::fill(&mut key).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
        return Ok((Redactor::new(&key), "ephemeral"));
    };
    let absolute = std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))?;
    let snapshot = Machine::live().read(&absolute, None, 4096);
    let snapshot = snapshot.with_context(|| format!("cannot read the fingerprint key {}", path.display()))?;
    anyhow::ensure!(
        snapshot.bytes.len() >= MIN_KEY_BYTES,
        "the fingerprint key {} has fewer than {MIN_KEY_BYTES} bytes; write 32 random bytes to it",
        path.display()
    );
    Ok((Redactor::new(&snapshot.bytes), "file"))
}

fn write(options: &Options, environment: &Environment, report: &Report) -> anyhow::Result<()> {
    let format = Format::from(options.format);
    if let Some(path) = &options.output {
        let style = Style { color: options.color == Color::Always, width: 160 };
        return write_file(path, report, format, &style)
            .with_context(|| format!("cannot write {}", path.display()));
    }
    let stdout = io::stdout();
    let terminal = stdout.is_terminal();
    let no_color = environment.get("NO_COLOR").is_some_and(|v| !v.is_empty());
    let color = match options.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && !no_color && environment.get("TERM") != Some("dumb"),
    };
    let columns = environment.get("COLUMNS").and_then(|c| c.parse().ok());
    let measured = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let width = columns.or(measured).unwrap_or(120).clamp(60, 400);
    let mut out = BufWriter::new(stdout.lock());
    match output::write(report, format, &Style { color, width }, &mut out).and_then(|()| out.flush()) {
        // The reader (head, less) has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write the report"),
    }
}

/// Never half a report: a new file beside the old one takes its place when it is whole. A device or pipe, such as
/// `/dev/null` or `/dev/stdout`, is written to as it is; a link is followed, so that its target is replaced.
fn write_file(path: &Path, report: &Report, format: Format, style: &Style) -> io::Result<()> {
    let mut target = std::path::absolute(path)?;
    if let Ok(there) = std::fs::metadata(&target) {
        if there.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        if !there.is_file() {
            let mut out = BufWriter::new(std::fs::OpenOptions::new().write(true).open(&target)?);
            output::write(report, format, style, &mut out)?;
            return out.flush();
        }
        target = std::fs::canonicalize(&target)?;
    }
    let directory = target.parent().ok_or(io::ErrorKind::InvalidInput)?;
    // The kind alone: the message of the system would name the temporary file.
    let file = tempfile::NamedTempFile::new_in(directory).map_err(|e| io::Error::from(e.kind()))?;
    let mut out = BufWriter::new(file);
    output::write(report, format, style, &mut out)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.persist(&target).map(drop).map_err(|e| io::Error::from(e.error.kind()))
}

fn exit_code(options: &Options, report: &Report) -> u8 {
    let threshold = match options.fail_on {
        FailOn::Never => None,
        FailOn::Info => Some(Severity::Info),
        FailOn::Low => Some(Severity::Low),
        FailOn::Medium => Some(Severity::Medium),
        FailOn::High => Some(Severity::High),
        FailOn::Critical => Some(Severity::Critical),
    };
    if threshold.is_some_and(|t| report.findings.iter().any(|f| f.severity >= t)) {
        return exit::FINDINGS;
    }
    if options.judging.fails(report) {
        return exit::FINDINGS;
    }
    if options.strict_coverage && report.coverage.iter().any(|gap| gap.partial) {
        return exit::PARTIAL;
    }
    exit::OK
}

/// A line on standard error while a walk takes long; only on a terminal.
struct Progress {
    shown: bool,
    start: Instant,
    last_ms: AtomicU64,
}

impl Progress {
    fn new() -> Self {
        Self { shown: io::stderr().is_terminal(), start: Instant::now(), last_ms: AtomicU64::new(700) }
    }

    fn tell(&self, directories: u64) {
        let now = self.start.elapsed().as_millis() as u64;
        let last = self.last_ms.load(Ordering::Relaxed);
        if !self.shown || now < last + 300 {
            return;
        }
        if self.last_ms.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let _ = write!(io::stderr().lock(), "\rmcpolicy: {directories} directories visited …");
        }
    }

    fn clear(&self) {
        if self.shown && self.last_ms.load(Ordering::Relaxed) > 700 {
            let _ = write!(io::stderr().lock(), "\r\u{1b}[2K");
        }
    }
}

impl From<OsName> for Os {
    fn from(name: OsName) -> Self {
        match name {
            OsName::Linux => Self::Linux,
            OsName::Macos => Self::Macos,
            OsName::Windows => Self::Windows,
        }
    }
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Human => Self::Human,
            FormatName::Json => Self::Json,
            FormatName::Csv => Self::Csv,
            FormatName::Sarif => Self::Sarif,
            FormatName::Mdm => Self::Mdm,
            FormatName::Html => Self::Html,
        }
    }
}

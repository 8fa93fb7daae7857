//! `mcpolicy ship`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use mcpolicy_platform::environment::Environment;
use mcpolicy_platform::{durable, users};
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::v1::Tier;
use mcpolicy_ship::clock::Clock;
use serde::Serialize;
use tokio::sync::watch;

use super::agent::{self, Agent, Where};
use super::{exit, reporting};
use crate::enforce::places::Places;
use crate::output::json;
use crate::output::text::visible;
use crate::settings::Settings;
use crate::settings::shipping::SinkSettings;
use crate::shipper::{self, Credentials, Plan};

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    r#where: Where,

    /// Ship for the agent of this machine, as the account of its settings; for the service
    #[arg(long, conflicts_with = "root")]
    machine: bool,

    /// Begin at once, not at a random moment of the first five minutes
    #[arg(long)]
    at_once: bool,

    /// Deliver one stored report and end: what `scan --format json` wrote, or lines of records
    #[arg(long, value_name = "REPORT", requires = "to")]
    once: Option<PathBuf>,

    /// Name of the sink in the settings that gets it
    #[arg(long, value_name = "SINK", requires = "once")]
    to: Option<String>,

    /// The id of the machine that the report is of, where it says none
    #[arg(long, value_name = "ID", requires = "once")]
    device_id: Option<String>,

    /// How much of the report's users leaves
    #[arg(long, value_enum, default_value_t = HowMuch::Full, requires = "once")]
    privacy: HowMuch,

    /// Seconds after which it is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 300, requires = "once")]
    within: u64,

    /// Say what became of it as JSON
    #[arg(long, requires = "once")]
    json: bool,
}

/// The tiers of a policy, by their words.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum HowMuch {
    /// Everything; secrets are in none
    Full,
    /// Names of users, homes and machines as keyed hashes
    Pseudonymous,
    /// Counts and hashes
    Outcomes,
}

impl HowMuch {
    fn tier(self) -> Tier {
        match self {
            Self::Full => Tier::Full,
            Self::Pseudonymous => Tier::Pseudonymous,
            Self::Outcomes => Tier::Outcomes,
        }
    }
}

/// How long nothing happens at first at the most, so that a fleet that was switched on together does not ask together.
const SPLAY: Duration = Duration::from_secs(300);

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let agent = agent_of(options, environment)?;
    match (&options.once, &options.to) {
        (Some(report), Some(sink)) => once(options, &agent, environment, (report, sink)),
        _ => forever(options, &agent, environment),
    }
}

fn agent_of(options: &Options, environment: &Environment) -> anyhow::Result<Agent> {
    if !options.machine {
        return options.r#where.agent(environment);
    }
    let places = Places::of(environment, false);
    let places = places.context("the folders of the machine's agent are not known here; give --settings")?;
    let given = &options.r#where;
    let whose = Where {
        root: None,
        settings: given.settings.clone().or(Some(places.settings)),
        state: given.state.clone().or(Some(places.state.clone())),
        socket: given.socket.clone(),
    };
    let mut agent = whose.agent(environment)?;
    // by the state alone it would lie in it, where this account sees nothing
    if agent.settings.ship.dir.is_none() && given.state.is_none() {
        agent.use_exchange(&places.exchange);
    }
    Ok(agent)
}

/// What is shipped where.
pub(super) fn plan(agent: &Agent, environment: &Environment, at_once: bool) -> Plan {
    let of_service = environment.get("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    Plan {
        settings: agent.settings.clone(),
        exchange: agent.exchange.clone(),
        credentials: Credentials::of(&agent.settings, of_service.filter(|folder| folder.is_absolute())),
        clock: Clock::new(|| u64::try_from(agent::now().as_millisecond()).unwrap_or(0)),
        draw,
        splay: if at_once { Duration::ZERO } else { SPLAY },
    }
}

/// A random number. Where the system has none, waits are not spread, and that is all.
fn draw() -> u64 {
    let mut bytes = [0; 8];
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

fn forever(options: &Options, agent: &Agent, environment: &Environment) -> anyhow::Result<u8> {
    let settings = &agent.settings;
    anyhow::ensure!(
        !users::is_privileged(),
        "root uses no network here: start this as the account {:?} of the settings ([ship] user), as the service does",
        settings.ship.user
    );
    if settings.sinks.is_empty() && settings.policy.urls.is_empty() {
        let file = agent.settings_file.display();
        let said = format!("there is nothing to ship: {file} has no [[sink]] and no [policy] urls");
        anyhow::ensure!(options.machine, "{said}");
        // the service ends well then, and is started again when the settings change: not every few seconds
        super::complain(&format!("mcpolicy: {said}"));
        return Ok(exit::OK);
    }
    let folders = [&agent.exchange.spool, &agent.exchange.inbox, &agent.exchange.shipped];
    if let Some(missing) = folders.into_iter().find(|folder| !folder.is_dir()) {
        anyhow::bail!(
            "{} is not there, or cannot be seen by this account: `mcpolicy run` makes it, and gives it to the account \
             of [ship] user; start that first",
            missing.display()
        );
    }
    // records were redacted before they came here; what is logged besides them are hosts, codes and counts
    let redactor = agent::redactor()?;
    let _log = agent.start_log_in(&agent.exchange.shipped, &redactor);
    can_write(agent)?;
    let (end, ended) = mpsc::channel();
    let (signal, is_ending) = (end.clone(), Arc::new(AtomicBool::new(false)));
    let is_told = Arc::clone(&is_ending);
    let take = move || {
        is_told.store(true, Ordering::Relaxed);
        let _ = signal.send(());
    };
    ctrlc::set_handler(take).context("cannot take the signals that end it")?;
    let mut plan = plan(agent, environment, options.at_once);
    loop {
        let (stop, stopped) = watch::channel(false);
        let seen = Seen::of(&plan.settings);
        let (done, other) = std::thread::scope(|scope| {
            let shipping = scope.spawn(|| {
                // where it ends by itself, by a panic too
                let _tells = Ending(&end);
                shipper::run(&plan, stopped)
            });
            let other = until_other(&seen, &ended, || read_anew(options, environment));
            stop.send_replace(true);
            (shipping.join(), other)
        });
        done.map_err(|_| anyhow::anyhow!("what ships has panicked"))??;
        // that it ended was told, and is not for the next
        while ended.try_recv().is_ok() {}
        let Some(agent) = other.filter(|_| !is_ending.load(Ordering::Relaxed)) else {
            return Ok(exit::OK);
        };
        tracing::info!("settings or credentials have changed");
        plan = self::plan(&agent, environment, true);
    }
}

/// Tells at its end that something has ended.
struct Ending<'e>(&'e mpsc::Sender<()>);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// Whether both folders of this account can be written: a service that was started before they were there sees them as they were
/// then, and only another start helps.
fn can_write(agent: &Agent) -> anyhow::Result<()> {
    for folder in [&agent.exchange.inbox, &agent.exchange.shipped] {
        let path = folder.join("probe");
        durable::replace(&path, b"").with_context(|| {
            format!(
                "{} cannot be written by this account; it is tried again at the next start",
                folder.display()
            )
        })?;
        std::fs::remove_file(&path)?;
    }
    Ok(())
}

/// Settings as they are now. Ones that cannot be used change nothing.
fn read_anew(options: &Options, environment: &Environment) -> Option<Agent> {
    agent_of(options, environment).ok()
}

/// How often settings and credentials are looked at.
const LOOKS: Duration = Duration::from_secs(15);

/// Settings and the state of the files of credentials.
#[derive(PartialEq)]
struct Seen {
    settings: Settings,
    files: Vec<Option<(std::time::SystemTime, u64)>>,
}

impl Seen {
    fn of(settings: &Settings) -> Self {
        let state = |path: &PathBuf| {
            let found = std::fs::metadata(path).ok()?;
            Some((found.modified().ok()?, found.len()))
        };
        let sinks = settings.sinks.iter().filter_map(|sink| sink.credential_file.as_ref());
        let network = &settings.network;
        let others = settings.policy.credential_file.iter().chain(&settings.policy.trust_root);
        let others = others.chain(&network.client_identity_file).chain(&network.proxy_credential_file);
        let files = sinks.chain(others).chain(&network.ca_files).map(state).collect();
        Self { settings: settings.clone(), files }
    }
}

/// Waits until this is to end, or until something has changed: the new settings then.
fn until_other(seen: &Seen, ended: &mpsc::Receiver<()>, read: impl Fn() -> Option<Agent>) -> Option<Agent> {
    while ended.recv_timeout(LOOKS) == Err(mpsc::RecvTimeoutError::Timeout) {
        if let Some(agent) = read().filter(|agent| Seen::of(&agent.settings) != *seen) {
            return Some(agent);
        }
    }
    None
}

/// What became of a stored report.
#[derive(Serialize)]
struct Outcome<'o> {
    schema: &'static str,
    sink: &'o str,
    device: &'o str,
    records: usize,
    sent: usize,
    rejected: usize,
    whole: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<&'o str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'o str>,
}

fn once(
    options: &Options,
    agent: &Agent,
    environment: &Environment,
    (report, name): (&PathBuf, &String),
) -> anyhow::Result<u8> {
    let settings = sink_of(agent, name)?;
    let plan = plan(agent, environment, true);
    let tier = options.privacy.tier();
    let key = if tier == Tier::Full { Vec::new() } else { reporting::key(agent)? };
    let stored = shipper::records(report, options.device_id.as_deref(), tier, &key)?;
    let (device, records) = (stored.device.clone(), stored.lines.len());
    let runtime = shipper::runtime()?;
    let delivered = runtime.block_on(async {
        let http = shipper::http(&plan)?;
        let sink = shipper::sink(settings, &plan.credentials, &http, &plan.clock)?;
        let within = Duration::from_secs(options.within.max(1));
        Ok::<_, anyhow::Error>(shipper::deliver(sink, stored, within, plan.draw).await)
    })?;
    let outcome = Outcome {
        schema: "mcpolicy/delivery/v1",
        sink: name,
        device: &device,
        records,
        sent: delivered.sent,
        rejected: delivered.rejected,
        whole: delivered.is_whole,
        receipt: delivered.receipt.as_deref(),
        why: delivered.why.as_deref(),
    };
    super::written(tell(&outcome, options.json, &Redactor::new(&[])))?;
    Ok(if delivered.is_whole && delivered.rejected == 0 { exit::OK } else { exit::FINDINGS })
}

fn sink_of<'a>(agent: &'a Agent, name: &str) -> anyhow::Result<&'a SinkSettings> {
    let sinks = &agent.settings.sinks;
    sinks.iter().find(|sink| sink.name == name).with_context(|| {
        let names: Vec<&str> = sinks.iter().map(|sink| sink.name.as_str()).collect();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        format!("{} has no [[sink]] {name:?}; there is {there}", agent.settings_file.display())
    })
}

fn tell(outcome: &Outcome<'_>, is_json: bool, redactor: &Redactor) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if is_json {
        return json::write_value(outcome, &mut out);
    }
    let Outcome { sink, records, sent, rejected, .. } = outcome;
    let whole = if outcome.whole { "" } else { "; the rest was not taken in time" };
    writeln!(out, "{sent} of {records} records were taken by {sink}, {rejected} refused{whole}")?;
    if let Some(why) = outcome.why {
        writeln!(out, "  why: {}", visible(&redactor.name(why)))?;
    }
    if let Some(receipt) = outcome.receipt {
        writeln!(out, "  receipt: {}", visible(&redactor.name(receipt)))?;
    }
    Ok(())
}

//! The role that uses the network: records out of the spool to every sink, published policies into the inbox.
//!
//! It is trusted with nothing. What it sends was redacted before it came into the spool; what it fetches is verified by
//! whoever reads the inbox. On a managed machine it is a user of its own, without rights; a user's own run has it as a thread.

mod credentials;
mod kept;
mod once;
mod policy;
mod sinks;
mod source;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use mcpolicy_platform::watch::Watcher;
use mcpolicy_ship::clock::Clock;
use mcpolicy_ship::drive::{Driver, Pace, Signals, Told};
use mcpolicy_ship::http::Http;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::settings::Settings;

pub use credentials::Credentials;
pub use kept::{Kept, Shipping, SinkState, acks, short, told};
pub use once::{Delivered, Stored, deliver, records};
pub use sinks::{http, sink};
pub use source::{Limited, Spooled};

/// How often it is looked whether the agent is to be told something.
const TELLS: Duration = Duration::from_secs(20);
/// How long a stop waits for what is under way.
const LAST: Duration = Duration::from_secs(2);

/// The folders between both roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Written by the agent, read by this role.
    pub spool: PathBuf,
    /// Documents of the policy: written by this role, read and verified by the agent.
    pub inbox: PathBuf,
    /// How far this role is, which the agent may read and need not believe.
    pub shipped: PathBuf,
}

impl Exchange {
    /// The folders in a folder.
    pub fn in_folder(folder: &Path) -> Self {
        let of = |name| folder.join(name);
        Self { spool: of("spool"), inbox: of("inbox"), shipped: of("shipped") }
    }
}

/// What is shipped where.
pub struct Plan {
    /// The settings.
    pub settings: Settings,
    /// The folders.
    pub exchange: Exchange,
    /// Where credentials may be, besides the paths of the settings.
    pub credentials: Credentials,
    /// The time of day.
    pub clock: Clock,
    /// Random numbers: waits of a fleet are not the same.
    pub draw: fn() -> u64,
    /// How quickly the first things are done; tests and a user's own run do not wait for a fleet.
    pub splay: Duration,
}

/// Ships until it is told to stop.
///
/// # Errors
/// Nothing can be shipped with these settings: a credential cannot be read, say. What is wrong later is told and tried again.
pub fn run(plan: &Plan, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let (http, mut tasks) = (sinks::http(plan)?, JoinSet::new());
    let names: Vec<String> = plan.settings.sinks.iter().map(|sink| sink.name.clone()).collect();
    let kept = Arc::new(Mutex::new(Kept::open(&plan.exchange.shipped, names, plan.clock.clone())));
    for notice in http.notices() {
        tracing::warn!(%notice, "told");
    }
    let (added, is_added) = watch::channel(0_u64);
    let _watcher = watch_spool(&plan.exchange.spool, added);
    let signals = Signals { added: is_added, stop: stop.clone() };
    if !plan.settings.policy.urls.is_empty()
        && let Err(error) = start_fetching(plan, (&http, &kept), stop.clone(), &mut tasks)
    {
        kept::lock(&kept).fetches_nothing(&format!("{error:#}"));
    }
    for settings in &plan.settings.sinks {
        // one that cannot be used holds up neither another nor a revocation
        if let Err(error) = start_sink(plan, settings, (&http, &kept), signals.clone(), &mut tasks) {
            kept::lock(&kept).unusable(&settings.name, &format!("{error:#}"));
        }
    }
    let told = Arc::clone(&kept);
    tasks.spawn(async move {
        // what happened last is told too, though nothing follows on it
        loop {
            tokio::time::sleep(TELLS).await;
            kept::lock(&told).write(false);
        }
    });
    runtime.block_on(until_stopped(stop, &mut tasks));
    runtime.shutdown_timeout(LAST);
    kept::lock(&kept).write(true);
    Ok(())
}

async fn until_stopped(mut stop: watch::Receiver<bool>, tasks: &mut JoinSet<()>) {
    // a sender that is gone is a stop too
    let _ = stop.wait_for(|stop| *stop).await;
    // loops end by themselves; the last of all tells, and never does
    let all = async { while tasks.len() > 1 && tasks.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST, all).await;
    tasks.abort_all();
}

/// A runtime of one thread.
///
/// # Errors
/// The system refuses.
pub fn runtime() -> anyhow::Result<Runtime> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build();
    runtime.context("cannot set up what waits for the network")
}

/// Tells of every change in the spool. Where nothing is told, the spool is looked at now and then.
fn watch_spool(spool: &Path, added: watch::Sender<u64>) -> Option<Watcher> {
    let tell = move |_| added.send_modify(|count| *count = count.wrapping_add(1));
    let mut watcher = Watcher::new(tell).ok()?;
    watcher.watch(spool).ok()?;
    Some(watcher)
}

fn start_sink(
    plan: &Plan,
    settings: &crate::settings::shipping::SinkSettings,
    (http, kept): (&Http, &Arc<Mutex<Kept>>),
    signals: Signals,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<()> {
    let sink = sinks::sink(settings, &plan.credentials, http, &plan.clock)?;
    let source = Spooled::new(&settings.name, &plan.exchange.spool, Arc::clone(kept));
    let pace = Pace { splay: plan.splay, ..Pace::default() };
    let heard = Arc::clone(kept);
    let tell = move |name: &str, told: Told| kept::lock(&heard).told(name, &told);
    let driver = Driver::new(sink, source, pace, plan.draw, tell);
    tasks.spawn(driver.run(signals));
    Ok(())
}

fn start_fetching(
    plan: &Plan,
    (http, kept): (&Http, &Arc<Mutex<Kept>>),
    stop: watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<()> {
    let (fetcher, mut wants) = policy::fetcher(plan, http)?;
    let heard = Arc::clone(kept);
    let (inbox, trust_root) = (plan.exchange.inbox.clone(), plan.settings.policy.trust_root.clone());
    let tell = move |result| {
        policy::clear(trust_root.as_deref(), &inbox);
        kept::lock(&heard).fetched(&result);
    };
    let hint = Arc::new(Notify::new());
    let draw = plan.draw;
    tasks.spawn(async move { fetcher.run(move |head: &[u8]| wants.of(head), draw, tell, hint, stop).await });
    Ok(())
}

//! A fleet in simulated time: the real loop of every agent, a receiver that counts requests, an outage.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcpolicy_ship::drive::{Driver, Pace, Signals, Source, Told};
use mcpolicy_ship::retry::between;
use mcpolicy_ship::{Batch, Limits, Line, Receipt, Sink, SinkError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// What is simulated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    /// Agents.
    pub(crate) agents: u64,
    /// Time between two heartbeats of one.
    pub(crate) heartbeat: Duration,
    /// Violations of one in a day, which are sent at once.
    pub(crate) violations_a_day: u64,
    /// When the receiver goes away.
    pub(crate) down: Duration,
    /// When it is back.
    pub(crate) up: Duration,
    /// When the simulation ends.
    pub(crate) end: Duration,
}

impl Scenario {
    /// An hour of outage after two hours of quiet, and three hours after it.
    pub(crate) fn outage_of_an_hour(agents: u64) -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let (heartbeat, violations_a_day) = (Duration::from_secs(900), 2);
        Self { agents, heartbeat, violations_a_day, down: hours(2), up: hours(3), end: hours(6) }
    }
}

/// What the receiver saw.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Requests in each minute, answered or not.
    pub(crate) minutes: Vec<u64>,
    /// Records that were taken.
    pub(crate) records: u64,
    /// Records that were made.
    pub(crate) made: u64,
}

impl Seen {
    /// Mean requests a minute between two times.
    pub(crate) fn mean(&self, from: Duration, until: Duration) -> f64 {
        let minutes = &self.minutes[minute(from)..minute(until)];
        minutes.iter().sum::<u64>() as f64 / minutes.len() as f64
    }

    /// Most requests of a minute between two times.
    pub(crate) fn peak(&self, from: Duration, until: Duration) -> u64 {
        self.minutes[minute(from)..minute(until)].iter().copied().max().unwrap_or(0)
    }
}

fn minute(time: Duration) -> usize {
    usize::try_from(time.as_secs() / 60).unwrap_or(usize::MAX)
}

/// Random numbers of one agent (splitmix64).
fn draws(seed: u64) -> impl FnMut() -> u64 + Send + 'static {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What waits in the spool of one agent: records and violations, and how many of each are settled.
#[derive(Debug, Default)]
struct Spool {
    state: (u64, u64),
    violations: (u64, u64),
}

struct Spooled {
    agent: u64,
    spool: Arc<Mutex<Spool>>,
}

impl Source for Spooled {
    fn next_batch(&mut self, limits: Limits) -> io::Result<Option<Batch>> {
        let spool = lock(&self.spool);
        let classes = [("violation", spool.violations), ("state", spool.state)];
        let waits = classes.into_iter().find(|(_, (made, settled))| made > settled);
        let Some((class, (made, settled))) = waits else { return Ok(None) };
        let until = made.min(settled + limits.max_records as u64);
        let line = |seq| Line {
            id: format!("{}.{class}.{seq}", self.agent),
            class: class.to_owned(),
            seq,
            time_ms: 0,
            json: b"{}".to_vec(),
        };
        Ok(Batch::new(
            &self.agent.to_string(),
            (settled + 1..=until).map(line).collect(),
            class == "violation",
        ))
    }

    fn advance(&mut self, batch: &Batch, count: usize, _: &Receipt) -> io::Result<()> {
        let mut spool = lock(&self.spool);
        let settled = if batch.is_urgent { &mut spool.violations.1 } else { &mut spool.state.1 };
        *settled += count as u64;
        Ok(())
    }

    fn set_aside(&mut self, _: &Batch, _: &Line, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

struct Counting {
    start: Instant,
    scenario: Scenario,
    seen: Arc<Mutex<Seen>>,
}

impl Sink for Counting {
    fn name(&self) -> &'static str {
        "receiver"
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn send(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        let at = self.start.elapsed();
        let is_down = at >= self.scenario.down && at < self.scenario.up;
        {
            let mut seen = lock(&self.seen);
            if let Some(count) = seen.minutes.get_mut(minute(at)) {
                *count += 1;
            }
            seen.records += if is_down { 0 } else { batch.lines.len() as u64 };
        }
        sleep(Duration::from_millis(20)).await;
        if is_down {
            return Err(SinkError::Retry { after: None, reason: "down".to_owned() });
        }
        Ok(Receipt { accepted: batch.lines.len(), ..Receipt::default() })
    }
}

/// Adds records at their times, and tells the loop as the watcher of the spool does.
async fn write(
    scenario: Scenario,
    spool: Arc<Mutex<Spool>>,
    added: watch::Sender<u64>,
    seen: Arc<Mutex<Seen>>,
    mut draw: impl FnMut() -> u64,
) {
    let start = Instant::now();
    let day = Duration::from_secs(24 * 3600);
    let mut beat = between(Duration::ZERO, scenario.heartbeat, draw());
    let between_violations = day / u32::try_from(scenario.violations_a_day.max(1)).unwrap_or(1);
    let mut violation = between(Duration::ZERO, between_violations * 2, draw());
    loop {
        let next = beat.min(violation);
        if next >= scenario.end {
            // the loop ends with who tells it of changes
            return sleep(day).await;
        }
        sleep((start + next).saturating_duration_since(Instant::now())).await;
        if next == violation {
            lock(&spool).violations.0 += 1;
            violation += between(Duration::ZERO, between_violations * 2, draw());
        } else {
            lock(&spool).state.0 += 1;
            beat += scenario.heartbeat;
        }
        lock(&seen).made += 1;
        added.send_modify(|count| *count += 1);
    }
}

/// Runs a scenario. Needs a runtime whose time is paused.
pub(crate) async fn run(scenario: Scenario) -> Seen {
    let minutes = vec![0; minute(scenario.end)];
    let seen = Arc::new(Mutex::new(Seen { minutes, ..Seen::default() }));
    let (start, mut tasks) = (Instant::now(), JoinSet::new());
    let (stop, stopped) = watch::channel(false);
    for agent in 1..=scenario.agents {
        let spool = Arc::new(Mutex::new(Spool::default()));
        let (added, is_added) = watch::channel(0);
        let sink = Counting { start, scenario, seen: Arc::clone(&seen) };
        let source = Spooled { agent, spool: Arc::clone(&spool) };
        let driver = Driver::new(sink, source, Pace::default(), draws(agent), |_: &str, _: Told| {});
        tasks.spawn(driver.run(Signals { added: is_added, stop: stopped.clone() }));
        tasks.spawn(write(scenario, spool, added, Arc::clone(&seen), draws(agent ^ 0x5555_5555)));
    }
    sleep(scenario.end).await;
    let _ = stop.send(true);
    tasks.abort_all();
    lock(&seen).clone()
}

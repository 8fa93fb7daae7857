//! What this role must not forget, and what it tells the agent: cursors, acks, how each sink stands.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use mcpolicy_platform::durable;
use mcpolicy_platform::machine::Machine;
use mcpolicy_schema::report::v1::Class;
use mcpolicy_ship::clock::Clock;
use mcpolicy_ship::drive::Told;
use mcpolicy_ship::fetch::{FetchError, Fetched};
use mcpolicy_ship::{Line, SinkError};
use mcpolicy_spool::{Acks, Cursor, Cursors, Positions};
use serde::{Deserialize, Serialize};

/// The file with what is told of sinks.
const SHIPPING: &str = "shipping.json";
/// Most of it that is read, in bytes.
const MOST_SHIPPING: u64 = 64 << 10;
/// Longest text of a failure, in characters.
const LONGEST_REASON: usize = 300;
/// Least time between two writings of what the agent is told, in milliseconds: each has the agent wait for the disk.
const BETWEEN: u64 = 20_000;
/// Bytes of lines that a receiver could not take, of each sink; beyond, they are only counted.
const MOST_ASIDE: u64 = 4 << 20;

/// How a sink stands, as this role says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SinkState {
    /// Records that it has taken since this role was started.
    pub sent: u64,
    /// Records that it refused for good.
    pub rejected: u64,
    /// Records that were cut to fit.
    pub cut: u64,
    /// Records that it could not read, which were set aside.
    pub set_aside: u64,
    /// Numbers that were gone before they could be sent; a `gap` record tells which.
    pub gone: u64,
    /// When it took something last, RFC 3339.
    pub last_sent: Option<String>,
    /// The proof of that.
    pub receipt: Option<String>,
    /// Why nothing is taken now.
    pub trouble: Option<String>,
    /// Since when.
    pub since: Option<String>,
}

/// How this role stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shipping {
    /// When this was written, RFC 3339.
    pub at: String,
    /// Of each sink.
    pub sinks: BTreeMap<String, SinkState>,
    /// When a mirror was asked for a policy last, with success.
    pub asked: Option<String>,
    /// Why none can be fetched now.
    pub trouble: Option<String>,
}

/// What this role says of itself. It is what a stranger says: it is bounded and cleaned, and proves nothing.
pub fn told(folder: &Path) -> Option<Shipping> {
    let snapshot = Machine::live().read(&folder.join(SHIPPING), None, MOST_SHIPPING).ok()?;
    serde_json::from_slice(&snapshot.bytes).ok()
}

/// A lock that a panic elsewhere does not take away.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is kept.
#[derive(Debug)]
pub struct Kept {
    folder: PathBuf,
    names: Vec<String>,
    clock: Clock,
    cursors: Cursors,
    shipping: Shipping,
    written_ms: u64,
    is_changed: bool,
    /// Ids of what was set aside last, by sink.
    aside: BTreeMap<String, BTreeSet<String>>,
}

impl Kept {
    /// What is kept in a folder, for these sinks. Others are forgotten.
    pub fn open(folder: &Path, names: Vec<String>, clock: Clock) -> Self {
        let mut cursors = Cursors::load(&Machine::live(), folder);
        cursors.retain(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let sinks = names.iter().map(|name| (name.clone(), SinkState::default())).collect();
        let shipping = Shipping { sinks, ..Shipping::default() };
        let folder = folder.to_owned();
        Self {
            folder,
            names,
            clock,
            cursors,
            shipping,
            written_ms: 0,
            is_changed: true,
            aside: BTreeMap::new(),
        }
    }

    /// How far a sink is.
    pub(super) fn cursor(&self, sink: &str, class: Class) -> Cursor {
        self.cursors.get(sink, class)
    }

    /// Moves a sink on: on the disk when this returns.
    pub(super) fn advance(&mut self, sink: &str, class: Class, cursor: Cursor) -> std::io::Result<()> {
        let before = self.cursors.clone();
        self.cursors.set(sink, class, cursor);
        if let Err(error) = self.cursors.store(&self.folder) {
            self.cursors = before;
            return Err(error);
        }
        self.is_changed = true;
        self.write(false);
        Ok(())
    }

    /// Keeps lines that a receiver could not read.
    pub(super) fn set_aside(&mut self, sink: &str, lines: &[&Line]) -> std::io::Result<()> {
        let ids: BTreeSet<String> = lines.iter().map(|line| line.id.clone()).collect();
        // a cursor that could not be kept brings the same lines again
        if lines.is_empty() || self.aside.get(sink) == Some(&ids) {
            return Ok(());
        }
        let path = self.folder.join(format!("aside-{sink}.ndjson"));
        let mut length = std::fs::symlink_metadata(&path).map_or(0, |found| found.len());
        // one write for all: each waits for the disk, under a lock that all sinks share
        let mut bytes = Vec::new();
        for line in lines {
            length = length.saturating_add(line.json.len() as u64 + 1);
            if length > MOST_ASIDE {
                tracing::warn!(sink, id = %line.id, "a record was given up: the file of such records is full");
                continue;
            }
            bytes.extend_from_slice(&line.json);
            bytes.push(b'\n');
        }
        if !bytes.is_empty() {
            durable::append(&path, &bytes)?;
        }
        self.aside.insert(sink.to_owned(), ids);
        Ok(())
    }

    /// Numbers were gone before they could be sent.
    pub(super) fn gone(&mut self, sink: &str, count: u64) {
        self.shipping.sinks.entry(sink.to_owned()).or_default().gone += count;
        tracing::warn!(sink, count, "records were dropped before they could be sent; a record tells which");
    }

    /// No mirror can be asked.
    pub(super) fn fetches_nothing(&mut self, error: &str) {
        tracing::error!(error, "no policy can be fetched");
        self.shipping.trouble = Some(short(error));
        self.is_changed = true;
        self.write(false);
    }

    /// A sink that cannot be set up.
    pub(super) fn unusable(&mut self, name: &str, error: &str) {
        let now = self.now();
        let state = self.shipping.sinks.entry(name.to_owned()).or_default();
        state.trouble = Some(short(error));
        state.since.get_or_insert(now);
        tracing::error!(sink = name, error, "nothing is sent there");
        self.is_changed = true;
        self.write(false);
    }

    /// What happened to a sink.
    pub(super) fn told(&mut self, name: &str, told: &Told) {
        let now = self.now();
        let state = self.shipping.sinks.entry(name.to_owned()).or_default();
        match told {
            Told::Sent { lines, rejected, why, cut, receipt } => {
                state.sent += *lines as u64;
                state.rejected += *rejected as u64;
                state.cut += *cut as u64;
                (state.last_sent, state.receipt) = (Some(now), Some(short(receipt)));
                (state.trouble, state.since) = (None, None);
                tracing::debug!(sink = name, lines, rejected, "records were taken");
                if let Some(why) = why {
                    tracing::warn!(sink = name, rejected, why = %short(why), "records were refused for good");
                }
            }
            Told::Waiting { error, wait } => {
                tracing::warn!(sink = name, seconds = wait.as_secs(), %error, "nothing was taken");
                state.is_in_trouble(error, now);
            }
            Told::Fewer { error, lines } => tracing::debug!(sink = name, lines, %error, "fewer at once"),
            Told::SetAside { id, error } => {
                state.set_aside += 1;
                tracing::warn!(sink = name, %id, %error, "a record was set aside");
            }
            Told::Spool { error } => {
                tracing::warn!(sink = name, error, "the spool or the cursor failed");
                state.trouble = Some(format!("the spool or the cursor: {error}"));
                state.since.get_or_insert(now);
            }
        }
        self.is_changed = true;
        self.write(false);
    }

    /// What a question for a policy came to.
    pub(super) fn fetched(&mut self, result: &Result<Fetched, FetchError>) {
        match result {
            Ok(fetched) => {
                tracing::debug!(?fetched, "the policy was asked for");
                (self.shipping.asked, self.shipping.trouble) = (Some(self.now()), None);
            }
            Err(error) => {
                tracing::warn!(%error, "no policy could be fetched");
                self.shipping.trouble = Some(short(&error.to_string()));
            }
        }
        self.is_changed = true;
        self.write(false);
    }

    /// Tells the agent how far all sinks are, now or when it is time.
    pub(super) fn write(&mut self, is_last: bool) {
        let now = self.clock.now_ms();
        // a clock that was set back must not silence this
        let is_due = now < self.written_ms || now - self.written_ms >= BETWEEN;
        if !self.is_changed || !(is_last || is_due) {
            return;
        }
        self.shipping.at = self.now();
        if let Err(error) = self.store() {
            tracing::warn!(error = %error.kind(), "the agent cannot be told what was sent");
        }
        (self.written_ms, self.is_changed) = (now, false);
    }

    fn store(&self) -> std::io::Result<()> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        Acks { taken: self.cursors.taken_by_all(&names) }.store(&self.folder)?;
        let text = serde_json::to_vec(&self.shipping)?;
        durable::replace(&self.folder.join(SHIPPING), &text)
    }

    fn now(&self) -> String {
        let ms = i64::try_from(self.clock.now_ms()).unwrap_or(0);
        Timestamp::from_millisecond(ms).unwrap_or_default().to_string()
    }
}

impl SinkState {
    fn is_in_trouble(&mut self, error: &SinkError, now: String) {
        self.trouble = Some(short(&error.to_string()));
        self.since.get_or_insert(now);
    }
}

impl Shipping {
    /// Why something does not arrive, a line each: at most one a sink.
    pub fn troubles(&self) -> BTreeSet<String> {
        let sinks = self.sinks.iter().filter_map(|(name, state)| {
            let since = state.since.as_deref().unwrap_or("some time");
            Some(format!("{name}: nothing is taken since {since}: {}", state.trouble.as_ref()?))
        });
        let lost = self.sinks.iter().filter_map(|(name, state)| {
            let SinkState { rejected, set_aside, gone, .. } = state;
            let is_any = rejected + set_aside + gone > 0;
            is_any.then(|| {
                format!("{name}: {rejected} records refused for good, {set_aside} set aside, {gone} dropped before they were sent")
            })
        });
        let policy = self.trouble.iter().map(|trouble| format!("no policy can be fetched: {trouble}"));
        sinks.chain(lost).chain(policy).map(|line| short(&line)).collect()
    }
}

/// Cut to what fits into a status.
pub fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect()
}

/// What all of these sinks have taken, of what this role says; nothing where it speaks of other sinks, as between a change of the
/// settings and the moment at which it takes it up.
pub fn acks(folder: &Path, said: &Shipping, sinks: &BTreeSet<String>) -> Positions {
    if !said.sinks.keys().eq(sinks) {
        return Positions::new();
    }
    Acks::load(&Machine::live(), folder).ok().flatten().unwrap_or_default().taken
}

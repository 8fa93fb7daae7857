//! The loop of one sink: takes batches from the spool, sends them, and does what [`retry`](crate::retry) says.
//!
//! Each sink has a loop, a cursor and a course of its own: one that hangs or refuses holds up no other.

use std::future::pending;
use std::io;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::retry::{Course, LONGEST, Next, SHORTEST, between};
use crate::sink::{Batch, Limits, Line, Receipt, Sink, SinkError};

/// Where batches come from, at the cursor of one sink.
pub trait Source: Send {
    /// The next lines that the sink has not got: those that are urgent before others, no more than the limits. Asked
    /// again before [`advance`](Self::advance), it may give the same, or something that has become more urgent.
    ///
    /// # Errors
    /// The spool cannot be read.
    fn next_batch(&mut self, limits: Limits) -> io::Result<Option<Batch>>;

    /// The first `count` lines of a batch are settled: the cursor moves past them. The receipt says which of them the
    /// receiver refused.
    ///
    /// # Errors
    /// The cursor cannot be kept: the lines will be sent again.
    fn advance(&mut self, batch: &Batch, count: usize, receipt: &Receipt) -> io::Result<()>;

    /// A line that the receiver cannot take is kept elsewhere and counted, and the cursor moves past it.
    ///
    /// # Errors
    /// It cannot be kept: it will be sent again.
    fn set_aside(&mut self, batch: &Batch, line: &Line, reason: &str) -> io::Result<()>;
}

/// What happened, for the log and for `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Lines were taken.
    Sent {
        /// How many the receiver has now.
        lines: usize,
        /// How many it refused for good.
        rejected: usize,
        /// The first reason for that.
        why: Option<String>,
        /// How many were cut to fit.
        cut: usize,
        /// Its proof.
        receipt: String,
    },
    /// Nothing was taken; it goes on after a wait.
    Waiting {
        /// How long.
        wait: Duration,
        /// Why.
        error: SinkError,
    },
    /// A batch was cut down to so many lines.
    Fewer {
        /// How many.
        lines: usize,
        /// Why.
        error: SinkError,
    },
    /// A line was set aside.
    SetAside {
        /// Its id.
        id: String,
        /// Why.
        error: SinkError,
    },
    /// The spool failed.
    Spool {
        /// How.
        error: String,
    },
}

/// How a loop runs.
#[derive(Debug, Clone)]
pub struct Pace {
    /// How often the spool is looked at where nothing tells that there is something new.
    pub look: Duration,
    /// The first look is at a random moment within this time, so that a fleet that was switched on together does not send together.
    pub splay: Duration,
    /// Longest time of one try; a receiver that hangs is given up then.
    pub try_timeout: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { look: seconds(60), splay: seconds(300), try_timeout: seconds(180) }
    }
}

/// What a loop is told from outside.
#[derive(Debug, Clone)]
pub struct Signals {
    /// Changes whenever something was added to the spool.
    pub added: watch::Receiver<u64>,
    /// True: come to an end.
    pub stop: watch::Receiver<bool>,
}

/// Takes what happens, with the name of the sink.
type Tell = Box<dyn FnMut(&str, Told) + Send>;

/// A sink and its loop.
pub struct Driver<S, B> {
    sink: S,
    source: B,
    pace: Pace,
    draw: Box<dyn FnMut() -> u64 + Send>,
    tell: Tell,
    course: Course,
    /// Before that only what is urgent and untried is sent.
    not_before: Option<Instant>,
    /// The last urgent batch that was tried, and when.
    ///
    /// Attack: a user who makes a violation each second while the receiver is down, on many machines, would have it asked each
    /// second.
    tried: Option<(String, Instant)>,
    /// It has failed since the last time that nothing was left.
    ///
    /// A fleet that comes back from an outage sends what it has kept. If each of it sent the next heartbeat at its usual time as
    /// well, the receiver would be asked more than twice as often as ever for some minutes: what nobody waits for comes a little
    /// later, once.
    has_failed: bool,
}

impl<S: Sink, B: Source> Driver<S, B> {
    /// Makes a loop. `draw` gives random numbers; `tell` takes what happens, with the name of the sink.
    pub fn new(
        sink: S,
        source: B,
        pace: Pace,
        draw: impl FnMut() -> u64 + Send + 'static,
        tell: impl FnMut(&str, Told) + Send + 'static,
    ) -> Self {
        Self {
            sink,
            source,
            pace,
            draw: Box::new(draw),
            tell: Box::new(tell),
            course: Course::default(),
            not_before: None,
            tried: None,
            has_failed: false,
        }
    }

    /// Runs until it is told to stop. A try that is under way then is given up: it may arrive twice, never not at all.
    pub async fn run(mut self, mut signals: Signals) {
        let splay = between(Duration::ZERO, self.pace.splay, (self.draw)());
        self.not_before = Some(Instant::now() + splay);
        tokio::select! {
            () = self.forever(&mut signals.added) => {}
            // an error is a sender that is gone, which is a stop too
            _ = signals.stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn forever(&mut self, added: &mut watch::Receiver<u64>) {
        loop {
            if self.step().await {
                continue;
            }
            let look = Instant::now() + self.pace.look;
            let until = self.not_before.map_or(look, |not_before| not_before.min(look));
            tokio::select! {
                () = sleep_until(until) => {}
                () = change(added) => {}
            }
        }
    }

    /// Sends until nothing is left, and gives back whether that came about before the deadline. For one stored report.
    pub async fn until_empty(&mut self, deadline: Instant) -> bool {
        loop {
            if self.step().await {
                continue;
            }
            if self.is_empty() {
                return true;
            }
            match self.not_before {
                None => return false,
                Some(not_before) if not_before >= deadline => return false,
                Some(not_before) => sleep_until(not_before).await,
            }
        }
    }

    /// Sends one batch, if there is one that may be sent now. Gives back whether there may be more at once.
    async fn step(&mut self) -> bool {
        let is_held = self.not_before.is_some_and(|not_before| Instant::now() < not_before);
        if is_held && !self.course.admits_urgent() {
            return false;
        }
        let batch = match self.source.next_batch(self.limits()) {
            Ok(Some(batch)) => batch,
            Ok(None) => {
                // nothing to send is no failure to wait for, unless a wait goes on
                self.not_before = self.not_before.filter(|_| is_held);
                if std::mem::take(&mut self.has_failed) && !is_held {
                    self.not_before = Some(Instant::now() + between(SHORTEST, LONGEST, (self.draw)()));
                }
                return false;
            }
            Err(error) => {
                self.spool(&error);
                return false;
            }
        };
        if is_held && !(batch.is_urgent && self.is_untried(&batch)) {
            return false;
        }
        if batch.is_urgent {
            self.tried = Some((batch.id.clone(), Instant::now()));
        }
        self.send(batch).await
    }

    fn is_empty(&mut self) -> bool {
        let limits = self.limits();
        matches!(self.source.next_batch(limits), Ok(None))
    }

    fn is_untried(&self, batch: &Batch) -> bool {
        self.tried.as_ref().is_none_or(|(id, at)| *id != batch.id && at.elapsed() >= SHORTEST)
    }

    fn limits(&self) -> Limits {
        let limits = self.sink.limits();
        let max_records =
            self.course.at_once().map_or(limits.max_records, |most| most.min(limits.max_records));
        Limits { max_records, ..limits }
    }

    async fn send(&mut self, mut batch: Batch) -> bool {
        loop {
            let tried = timeout(self.pace.try_timeout, self.sink.send(&batch)).await;
            let answer = match tried {
                Ok(Ok(receipt)) if receipt.accepted == 0 => Err(SinkError::retry("it accepted nothing")),
                Ok(answer) => answer,
                Err(_) => Err(SinkError::retry("no answer in time")),
            };
            let next = self.course.after(&answer, batch.lines.len(), (self.draw)());
            match (next, answer) {
                (Next::Advance(count), Ok(receipt)) => return self.advance(&batch, count, receipt),
                (Next::Fewer(lines), Err(error)) => {
                    self.tell(Told::Fewer { lines, error });
                    let Some(fewer) = batch.first(lines) else { return false };
                    batch = fewer;
                }
                (Next::SetAside, Err(error)) => return self.set_aside(&batch, error),
                (Next::Wait(wait), Err(error)) => {
                    self.has_failed = true;
                    self.not_before = Some(Instant::now() + wait);
                    self.tell(Told::Waiting { wait, error });
                    return false;
                }
                // an answer and what follows from it are of one kind
                _ => return false,
            }
        }
    }

    fn advance(&mut self, batch: &Batch, count: usize, receipt: Receipt) -> bool {
        self.not_before = None;
        if let Err(error) = self.source.advance(batch, count, &receipt) {
            self.spool(&error);
            return false;
        }
        let unnamed = receipt.rejected_unnamed.as_ref();
        let rejected = receipt.rejected.len() + unnamed.map_or(0, |(count, _)| *count);
        let why = receipt.rejected.first().map(|(_, why)| why).or(unnamed.map(|(_, why)| why)).cloned();
        let lines = count.saturating_sub(rejected);
        self.tell(Told::Sent { lines, rejected, why, cut: receipt.cut, receipt: receipt.receipt });
        true
    }

    fn set_aside(&mut self, batch: &Batch, error: SinkError) -> bool {
        self.not_before = None;
        let Some(line) = batch.lines.first() else { return false };
        if let Err(error) = self.source.set_aside(batch, line, &error.to_string()) {
            self.spool(&error);
            return false;
        }
        self.tell(Told::SetAside { id: line.id.clone(), error });
        true
    }

    /// A spool that cannot be read or whose cursor cannot be kept is tried again later; sending on would only repeat.
    fn spool(&mut self, error: &io::Error) {
        self.not_before = Some(Instant::now() + self.pace.look);
        self.tell(Told::Spool { error: error.kind().to_string() });
    }

    fn tell(&mut self, told: Told) {
        (self.tell)(self.sink.name(), told);
    }
}

/// Waits for a change; for ever where nobody is left to make one.
async fn change(added: &mut watch::Receiver<u64>) {
    if added.changed().await.is_err() {
        pending::<()>().await;
    }
}

//! When a session does what nothing outside calls for.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use mcpolicy_platform::power;
use mcpolicy_schema::document::Rescans as WaitsFor;

use super::rescans::{self, IDLE, PATIENCE, Rounds};
use super::{ASK_IDLE, LEAST_FOR_LOST, PASS, SETTLE};

/// A clock that leaps by less is of no matter. Virtual machines are set right by their hosts every minute.
const LEAP: SignedDuration = SignedDuration::from_secs(30);

/// Least time between the passes that such leaps call for.
const LEAST_FOR_LEAP: Duration = Duration::from_secs(60);

/// The times of one session.
pub(super) struct Times {
    begun: Instant,
    /// A moment by both clocks, as far as the second was not set since.
    both: (Instant, Timestamp),
    /// The next pass.
    pass_at: Instant,
    /// Nothing but the day that has gone by calls for it: it may wait until the machine is idle, but not for ever.
    patience: Option<Instant>,
    /// It waits, and this is when it is asked again.
    ask_at: Option<Instant>,
    /// All known files, now and then.
    pub(super) rescans: Rounds,
    /// Those of homes that are not watched whole, while there are such.
    pub(super) polls: Option<Rounds>,
    /// Something else than the day that has gone by calls for the pass.
    is_called: bool,
    /// Hints were lost in this session.
    pub(super) has_lost: bool,
}

impl Times {
    /// Those of a session whose pass is over. The next comes after this time. `both` was before that pass: the machine may have
    /// slept in the middle of it.
    pub(super) fn new(begun: Instant, both: (Instant, Timestamp), next: Duration) -> Self {
        let pass_at = begun + next;
        let patience = (next >= PASS).then(|| pass_at + PATIENCE);
        Self {
            begun,
            both,
            pass_at,
            patience,
            ask_at: None,
            rescans: Rounds::new(rescans::RESCAN, begun),
            polls: None,
            is_called: false,
            has_lost: false,
        }
    }

    /// A pass is called for, by whatever lets a session last so long at least.
    pub(super) fn pass(&mut self, now: Instant, least: Duration) {
        self.at(now + SETTLE, least);
    }

    /// The clock was set, or the machine woke: what waits for a time may be due, if it leapt far.
    pub(super) fn leapt(&mut self, now: Instant, wall: Timestamp) {
        let gone = SignedDuration::try_from(now.saturating_duration_since(self.both.0)).unwrap_or_default();
        let leap = wall.duration_since(self.both.1) - gone;
        if leap.abs() >= LEAP {
            self.both = (now, wall);
            self.pass(now, LEAST_FOR_LEAP);
        }
    }

    /// Hints were lost: a pass at once, but not one after the other.
    pub(super) fn lost(&mut self, now: Instant) {
        self.has_lost = true;
        self.at(now, LEAST_FOR_LOST);
    }

    /// A pass within this time.
    pub(super) fn pass_within(&mut self, time: Duration, now: Instant) {
        self.at(now + time, Duration::ZERO);
    }

    fn at(&mut self, at: Instant, least: Duration) {
        let at = at.max(self.begun + least);
        self.is_called = true;
        if at < self.pass_at {
            (self.pass_at, self.patience) = (at, None);
        } else if let Some(until) = &mut self.patience {
            // one that waits for idleness waits no longer than until then
            *until = at.min(*until);
        }
    }

    /// When the pass is due, or it is to be asked again whether it may begin.
    pub(super) fn next_pass(&self) -> Instant {
        match (self.patience, self.ask_at) {
            (Some(until), Some(ask)) => ask.min(until),
            _ => self.pass_at,
        }
    }

    /// Whether nothing but the day that has gone by calls for the pass.
    pub(super) fn is_of_the_day(&self) -> bool {
        self.patience.is_some() && !self.is_called
    }

    /// Whether the pass is to be made now.
    pub(super) fn is_pass_due(&mut self, now: Instant, waits_for: WaitsFor) -> bool {
        if now < self.next_pass() {
            return false;
        }
        let may = || rescans::may(waits_for) && power::load() < IDLE;
        if self.patience.is_some_and(|until| now < until) && !may() {
            self.ask_at = Some(now + ASK_IDLE);
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON_TIME: WaitsFor = WaitsFor::OnTime;

    fn session(begin: Instant, next: Duration) -> Times {
        Times::new(begin, (begin, Timestamp::UNIX_EPOCH), next)
    }

    #[test]
    fn what_calls_for_a_pass_brings_it_nearer_and_nothing_puts_it_off() {
        let begin = Instant::now();
        let mut times = session(begin, PASS);
        assert!(!times.is_pass_due(begin + PASS / 2, ON_TIME));
        times.pass(begin, Duration::from_secs(30));
        assert_eq!(times.pass_at, begin + Duration::from_secs(30));
        times.pass_within(Duration::from_secs(60), begin);
        assert_eq!(times.pass_at, begin + Duration::from_secs(30));
        times.lost(begin + Duration::from_secs(10));
        assert_eq!(times.pass_at, begin + Duration::from_secs(10));
        assert!(times.is_pass_due(begin + Duration::from_secs(10), ON_TIME), "it waits for no idleness");
    }

    #[test]
    fn a_clock_that_leaps_far_calls_for_one_pass_and_one_that_is_set_right_for_none() {
        let begin = Instant::now();
        let wall = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        let after = |seconds| begin + Duration::from_secs(seconds);
        let mut times = Times::new(begin, (begin, wall(0)), PASS);
        times.leapt(after(60), wall(61));
        times.leapt(after(120), wall(119));
        assert_eq!(times.pass_at, begin + PASS);
        // asleep for an hour, or set forward
        times.leapt(after(180), wall(180 + 3600));
        assert_eq!(times.pass_at, after(180) + SETTLE);
        let mut times = Times::new(begin, (begin, wall(0)), PASS);
        times.leapt(after(180), wall(180 - 3600));
        assert_eq!(times.pass_at, after(180) + SETTLE, "set back");
        times.pass_at = begin + PASS;
        times.leapt(after(240), wall(240 - 3600));
        assert_eq!(times.pass_at, begin + PASS, "told once");
        // asleep in the middle of the pass
        let mut times = Times::new(after(60), (begin, wall(0)), PASS);
        times.leapt(after(60), wall(60 + 36_000));
        assert_eq!(times.pass_at, after(60) + LEAST_FOR_LEAP);
    }

    #[test]
    fn the_pass_of_the_day_waits_for_idleness_no_longer_than_some_hours() {
        let begin = Instant::now();
        let mut times = session(begin, PASS);
        assert!(times.is_pass_due(begin + PASS + PATIENCE, ON_TIME));
        // what calls for one meanwhile is not put off with it
        let mut times = session(begin, PASS);
        let (due, ask) = (begin + PASS, begin + PASS + ASK_IDLE);
        times.ask_at = Some(ask);
        assert_eq!(times.next_pass(), ask);
        times.pass(due, Duration::ZERO);
        assert_eq!(times.next_pass(), due + SETTLE);
        assert!(times.is_pass_due(due + SETTLE, ON_TIME) && !times.is_of_the_day());
        // when a policy ends is no matter of patience
        let mut times = session(begin, PASS / 2);
        assert!(times.is_pass_due(begin + PASS / 2, ON_TIME));
    }
}

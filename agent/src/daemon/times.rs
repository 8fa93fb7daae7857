//! When a session does what nothing outside calls for.

use std::time::{Duration, Instant};

use mcpolicy_platform::power;

use super::rescans::{IDLE, PATIENCE, RESCAN, Rescans};
use super::{ASK_IDLE, LEAST_FOR_LOST, PASS, SETTLE};

/// The times of one session.
pub(super) struct Times {
    begun: Instant,
    /// The next pass.
    pub(super) pass_at: Instant,
    /// Nothing but the day that has gone by calls for it: it may wait until the machine is idle, but not for ever.
    patience: Option<Instant>,
    /// All known files, now and then.
    pub(super) rescans: Rescans,
    /// Those of homes that are not watched whole.
    pub(super) poll: Option<Instant>,
}

impl Times {
    /// Those of a session whose pass is over. The next comes after this time.
    pub(super) fn new(begun: Instant, next: Duration) -> Self {
        let pass_at = begun + next;
        let patience = (next >= PASS).then(|| pass_at + PATIENCE);
        Self { begun, pass_at, patience, rescans: Rescans::new(RESCAN, begun), poll: None }
    }

    /// A pass is called for, by whatever lets a session last so long at least.
    pub(super) fn pass(&mut self, now: Instant, least: Duration) {
        self.at(now + SETTLE, least);
    }

    /// Hints were lost: a pass at once, but not one after the other.
    pub(super) fn lost(&mut self, now: Instant) {
        self.at(now, LEAST_FOR_LOST);
    }

    /// A pass within this time.
    pub(super) fn pass_within(&mut self, time: Duration, now: Instant) {
        self.at(now + time, Duration::ZERO);
    }

    fn at(&mut self, at: Instant, least: Duration) {
        let at = at.max(self.begun + least);
        if at < self.pass_at {
            (self.pass_at, self.patience) = (at, None);
        }
    }

    /// Whether nothing but the day that has gone by calls for the pass.
    pub(super) fn is_of_the_day(&self) -> bool {
        self.patience.is_some()
    }

    /// Whether the pass is to be made now.
    pub(super) fn is_pass_due(&mut self, now: Instant) -> bool {
        if now < self.pass_at {
            return false;
        }
        if self.patience.is_some_and(|until| now < until) && power::load() >= IDLE {
            self.pass_at = now + ASK_IDLE;
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_calls_for_a_pass_brings_it_nearer_and_nothing_puts_it_off() {
        let begin = Instant::now();
        let mut times = Times::new(begin, PASS);
        assert!(!times.is_pass_due(begin + PASS / 2));
        times.pass(begin, Duration::from_secs(30));
        assert_eq!(times.pass_at, begin + Duration::from_secs(30));
        times.pass_within(Duration::from_secs(60), begin);
        assert_eq!(times.pass_at, begin + Duration::from_secs(30));
        times.lost(begin + Duration::from_secs(10));
        assert_eq!(times.pass_at, begin + Duration::from_secs(10));
        assert!(times.is_pass_due(begin + Duration::from_secs(10)), "it waits for no idleness");
    }

    #[test]
    fn the_pass_of_the_day_waits_for_idleness_no_longer_than_some_hours() {
        let begin = Instant::now();
        let mut times = Times::new(begin, PASS);
        assert!(times.is_pass_due(begin + PASS + PATIENCE));
        // when a policy ends is no matter of patience
        let mut times = Times::new(begin, PASS / 2);
        assert!(times.is_pass_due(begin + PASS / 2));
    }
}

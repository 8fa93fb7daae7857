//! A storm of changes: a package manager unpacks tens of thousands of files, and each file tells three times. Woken for each, the
//! daemon would do nothing but wake and sleep; so it sleeps a little longer then, and takes what came meanwhile at once.

use std::time::{Duration, Instant};

/// So long are hints counted.
const WINDOW: Duration = Duration::from_millis(100);
/// More hints than this in that time are a storm: whoever saves a file writes three or four.
const MANY: usize = 64;
/// How long hints are gathered in a storm. It is the delay that everything else has then.
const GATHER: Duration = Duration::from_millis(5);

/// The hints of the last moment.
#[derive(Debug, Default)]
pub(super) struct Storm {
    begun: Option<Instant>,
    hints: usize,
    rages: bool,
}

impl Storm {
    /// Counts hints.
    pub(super) fn count(&mut self, hints: usize, now: Instant) {
        let is_over = self.begun.is_none_or(|begun| now.saturating_duration_since(begun) > WINDOW);
        if is_over {
            self.rages = self.begun.is_some_and(|begun| now.saturating_duration_since(begun) <= 2 * WINDOW)
                && self.hints > MANY;
            (self.begun, self.hints) = (Some(now), 0);
        }
        self.hints += hints;
        self.rages |= self.hints > MANY;
    }

    /// How long hints are to be gathered before the next are taken.
    pub(super) fn gather(&self, now: Instant) -> Duration {
        let is_now = self.begun.is_some_and(|begun| now.saturating_duration_since(begun) <= 2 * WINDOW);
        if self.rages && is_now { GATHER } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_what_tells_of_many_files_in_a_moment_and_it_is_over_when_that_is() {
        let begin = Instant::now();
        let after = |millis| begin + Duration::from_millis(millis);
        let mut storm = Storm::default();
        storm.count(4, begin);
        storm.count(MANY - 4, after(50));
        assert_eq!(storm.gather(after(50)), Duration::ZERO);
        storm.count(1, after(60));
        assert_eq!(storm.gather(after(60)), GATHER);
        // it goes on
        storm.count(10, after(110));
        assert_eq!(storm.gather(after(120)), GATHER);
        storm.count(MANY, after(150));
        // a file that is saved long after it
        assert_eq!(storm.gather(after(1000)), Duration::ZERO);
        storm.count(3, after(1000));
        assert_eq!(storm.gather(after(1001)), Duration::ZERO);
    }
}

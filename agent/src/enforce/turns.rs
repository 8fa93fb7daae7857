//! Whose turn it is: homes are done in turn, file by file, and none takes more of a pass than its time.
//!
//! Attack: a user with thousands of files that are to be edited, or that fail slowly, holds up everybody's next pass.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// A home with more files to do than this begins elsewhere at each pass: files that take all of its time and fail must
/// not shield those behind them.
const MANY: usize = 64;

/// The time that homes have in one pass, and what they have used of it.
pub(super) struct Turns {
    most: Duration,
    used: BTreeMap<usize, Duration>,
    left: BTreeMap<usize, usize>,
}

impl Turns {
    /// So much for each home.
    pub(super) fn new(most: Duration) -> Self {
        Self { most, used: BTreeMap::new(), left: BTreeMap::new() }
    }

    /// Does a piece of work if its home has time left; else it is counted as left.
    pub(super) fn take<T>(&mut self, home: Option<usize>, work: impl FnOnce() -> T) -> Option<T> {
        let Some(home) = home else { return Some(work()) };
        if self.used.get(&home).is_some_and(|used| *used >= self.most) {
            *self.left.entry(home).or_default() += 1;
            return None;
        }
        let start = Instant::now();
        let done = work();
        *self.used.entry(home).or_default() += start.elapsed();
        Some(done)
    }

    /// Homes whose time was not enough, and how much is left there.
    pub(super) fn left(&self) -> impl Iterator<Item = (usize, usize)> {
        self.left.iter().map(|(home, count)| (*home, *count))
    }
}

/// Work in the order in which homes take turns. `start` says where homes with much to do begin.
pub(super) fn in_turn<T>(work: &[T], home: impl Fn(&T) -> Option<usize>, start: usize) -> Vec<&T> {
    let mut queues: BTreeMap<Option<usize>, VecDeque<&T>> = BTreeMap::new();
    for one in work {
        queues.entry(home(one)).or_default().push_back(one);
    }
    for queue in queues.values_mut().filter(|queue| queue.len() > MANY) {
        queue.rotate_left(start % queue.len());
    }
    let mut all = Vec::new();
    while !queues.is_empty() {
        all.extend(queues.values_mut().filter_map(VecDeque::pop_front));
        queues.retain(|_, queue| !queue.is_empty());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_take_turns_and_one_with_much_to_do_begins_elsewhere_each_time() {
        let few = [(1, 'a'), (1, 'b'), (1, 'c'), (2, 'd'), (3, 'e'), (3, 'f')];
        let order: String =
            in_turn(&few, |(home, _)| Some(*home), 5).into_iter().map(|(_, name)| name).collect();
        assert_eq!(order, "adebfc");
        let many: Vec<usize> = (0..1000).collect();
        let order = in_turn(&many, |_| Some(1), 1990);
        assert_eq!((order[0], order[10], order.len()), (&990, &0, 1000));
    }

    #[test]
    fn a_home_gets_no_more_than_its_time_and_others_get_theirs() {
        let mut turns = Turns::new(Duration::from_millis(5));
        let slow = || std::thread::sleep(Duration::from_millis(6));
        assert!(turns.take(Some(1), slow).is_some());
        assert!(turns.take(Some(1), slow).is_none() && turns.take(Some(1), slow).is_none());
        assert!(turns.take(Some(2), || ()).is_some() && turns.take(None, slow).is_some());
        assert_eq!(turns.left().collect::<Vec<_>>(), [(1, 2)]);
    }
}

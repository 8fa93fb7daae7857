//! What is to be looked at, and when. A path that changes is looked at at once, and then at most once in each quiet time:
//! whoever writes a file a hundred times a second has it looked at five times.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Time between two looks at one path.
pub const QUIET: Duration = Duration::from_millis(200);

/// Paths of one home that are looked at in one go.
///
/// Attack: a user who writes thousands of files a second has those of all others wait for them.
const AT_ONCE: usize = 64;

/// Paths of one home that wait. What comes beyond that is not kept, and the home is looked at as a whole.
///
/// Attack: a user makes and removes files of ever new names, faster than they are looked at.
const MOST: usize = 8192;

/// A path of a home, by the home's index.
pub type Place = (usize, PathBuf);

/// Paths that wait, and those that were looked at a moment ago.
#[derive(Debug, Default)]
pub struct Dirty {
    due: BTreeMap<Place, Instant>,
    looked: BTreeMap<Place, Instant>,
    /// Paths that are not looked at before a time, and what waits of them all the same.
    held: BTreeMap<Place, Instant>,
    /// Paths that are to be looked at again later, whether anything happens to them or not.
    later: BTreeMap<Place, Instant>,
    /// How many of the paths that wait are of each home.
    waiting: BTreeMap<usize, usize>,
    has_dropped: bool,
}

impl Dirty {
    /// Something happened to a path. Whether it is kept.
    pub fn hint(&mut self, place: Place, now: Instant) -> bool {
        let at = self.looked.get(&place).map_or(now, |looked| (*looked + QUIET).max(now));
        let held = self.held.get(&place).copied();
        self.wait_until(place, held.map_or(at, |held| held.max(at)), false)
    }

    fn wait_until(&mut self, place: Place, at: Instant, replaces: bool) -> bool {
        if let Some(known) = self.due.get_mut(&place) {
            if replaces {
                *known = at;
            }
            return true;
        }
        let waiting = self.waiting.entry(place.0).or_default();
        if *waiting >= MOST {
            self.has_dropped = true;
            return false;
        }
        *waiting += 1;
        self.due.insert(place, at);
        true
    }

    /// Whether something was not kept since this was last asked.
    pub fn has_dropped(&mut self) -> bool {
        std::mem::take(&mut self.has_dropped)
    }

    /// A path is not looked at before this time, whatever happens to it, and then once.
    pub fn hold(&mut self, place: Place, until: Instant) {
        self.wait_until(place.clone(), until, true);
        self.held.insert(place, until);
    }

    /// A path is looked at at this time, and before it if something happens to it.
    pub fn again(&mut self, place: Place, at: Instant) {
        self.later.insert(place, at);
    }

    /// When the next path is to be looked at.
    pub fn next(&self) -> Option<Instant> {
        self.due.values().chain(self.later.values()).min().copied()
    }

    /// Takes the paths that are to be looked at now, so many of each home: what is left is due at once again.
    pub fn take(&mut self, now: Instant) -> Vec<Place> {
        self.looked.retain(|_, looked| now.saturating_duration_since(*looked) < QUIET);
        self.held.retain(|_, until| *until > now);
        let (come, later) = std::mem::take(&mut self.later).into_iter().partition(|(_, at)| *at <= now);
        self.later = later;
        let come: BTreeMap<Place, Instant> = come;
        for place in come.into_keys() {
            self.hint(place, now);
        }
        let mut of_home: BTreeMap<usize, usize> = BTreeMap::new();
        let mut has_room = |home: usize| {
            let count = of_home.entry(home).or_default();
            *count += 1;
            *count <= AT_ONCE
        };
        let due = self.due.iter().filter(|((home, _), at)| **at <= now && has_room(*home));
        let due: Vec<Place> = due.map(|(place, _)| place.clone()).collect();
        for place in &due {
            if self.due.remove(place).is_some()
                && let Some(waiting) = self.waiting.get_mut(&place.0)
            {
                *waiting = waiting.saturating_sub(1);
            }
            self.later.remove(place);
            self.looked.insert(place.clone(), now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(name: usize) -> Place {
        (0, PathBuf::from(format!("/h/{name}")))
    }

    #[test]
    fn a_change_is_looked_at_at_once_and_the_next_after_the_quiet_time() {
        let begin = Instant::now();
        let after = |millis| begin + Duration::from_millis(millis);
        let mut dirty = Dirty::default();
        dirty.hint(place(1), begin);
        assert_eq!(dirty.take(begin), [place(1)]);
        dirty.hint(place(1), after(1));
        dirty.hint(place(1), after(2));
        assert_eq!(dirty.next(), Some(after(200)));
        assert_eq!(dirty.take(after(199)), []);
        // another file does not wait for it
        dirty.hint(place(2), after(50));
        assert_eq!(dirty.take(after(50)), [place(2)]);
        assert_eq!(dirty.take(after(200)), [place(1)]);
        assert_eq!(dirty.next(), None);
        dirty.hint(place(1), after(900));
        assert_eq!(dirty.take(after(900)), [place(1)]);
    }

    #[test]
    fn a_path_that_is_held_is_looked_at_when_its_time_has_come_and_not_before() {
        let begin = Instant::now();
        let after = |millis| begin + Duration::from_millis(millis);
        let mut dirty = Dirty::default();
        dirty.hint(place(1), begin);
        assert_eq!(dirty.take(begin), [place(1)]);
        dirty.hint(place(1), after(1));
        dirty.hold(place(1), after(4000));
        dirty.hint(place(1), after(500));
        dirty.hint(place(2), after(500));
        assert_eq!(dirty.take(after(600)), [place(2)]);
        assert_eq!(dirty.next(), Some(after(4000)));
        assert_eq!(dirty.take(after(4000)), [place(1)]);
        dirty.hint(place(1), after(5000));
        assert_eq!(dirty.take(after(5000)), [place(1)]);
    }

    #[test]
    fn names_without_end_take_no_memory_without_end_and_are_told() {
        let now = Instant::now();
        let mut dirty = Dirty::default();
        let kept = (0..MOST + 9).filter(|number| dirty.hint((1, number.to_string().into()), now)).count();
        assert_eq!(kept, MOST);
        assert!(dirty.hint((1, "0".into()), now) && dirty.hint((2, "x".into()), now));
        assert!(dirty.has_dropped() && !dirty.has_dropped());
        while dirty.next().is_some() {
            dirty.take(now);
        }
        assert!(dirty.hint((1, "new".into()), now) && !dirty.has_dropped());
    }

    #[test]
    fn what_is_to_be_looked_at_again_does_not_keep_a_change_waiting() {
        let begin = Instant::now();
        let after = |millis| begin + Duration::from_millis(millis);
        let mut dirty = Dirty::default();
        dirty.again(place(1), after(15_000));
        dirty.again(place(2), after(15_000));
        dirty.hint(place(1), after(1000));
        assert_eq!(dirty.take(after(1000)), [place(1)]);
        assert_eq!(dirty.next(), Some(after(15_000)));
        assert_eq!(dirty.take(after(14_999)), []);
        assert_eq!(dirty.take(after(15_000)), [place(2)]);
        assert_eq!(dirty.next(), None);
    }

    #[test]
    fn a_user_who_changes_thousands_of_files_holds_nobody_else_up() {
        let now = Instant::now();
        let mut dirty = Dirty::default();
        for number in 0..2 * AT_ONCE + 1 {
            dirty.hint((1, number.to_string().into()), now);
        }
        dirty.hint((2, "x".into()), now);
        let mut took = Vec::new();
        while dirty.next().is_some() {
            let due = dirty.take(now);
            took.push((due.len(), due.iter().any(|(home, _)| *home == 2)));
        }
        assert_eq!(took, [(AT_ONCE + 1, true), (AT_ONCE, false), (1, false)]);
    }

    proptest! {
        #[test]
        fn no_change_is_forgotten_and_no_path_is_looked_at_more_often_than_once_in_a_quiet_time(
            steps in prop::collection::vec((0_u64..120, 0_usize..3, any::<bool>()), 1..60)
        ) {
            let begin = Instant::now();
            let mut dirty = Dirty::default();
            let mut now = begin;
            let mut hinted: BTreeMap<Place, Instant> = BTreeMap::new();
            let mut looked: BTreeMap<Place, Instant> = BTreeMap::new();
            let mut take = |dirty: &mut Dirty, hinted: &mut BTreeMap<Place, Instant>, now: Instant| {
                for place in dirty.take(now) {
                    let before = looked.insert(place.clone(), now);
                    assert!(before.is_none_or(|before| now - before >= QUIET));
                    hinted.remove(&place);
                }
            };
            for (millis, name, takes) in steps {
                now += Duration::from_millis(millis);
                dirty.hint(place(name), now);
                hinted.entry(place(name)).or_insert(now);
                if takes {
                    take(&mut dirty, &mut hinted, now);
                }
            }
            take(&mut dirty, &mut hinted, now + QUIET);
            prop_assert!(hinted.is_empty(), "{hinted:?}");
        }
    }
}

//! How often a user is told something on the desktop: the first at once, and what comes too soon after it in one.
//!
//! Time is an argument; nothing is shown from here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// Time between two notifications of one user.
const BETWEEN: Duration = Duration::from_secs(10);
/// Most notifications of one user in [`HOUR`].
const IN_AN_HOUR: usize = 12;
const HOUR: Duration = Duration::from_secs(60 * 60);

/// What a user is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// In a few words.
    pub title: String,
    /// The rest: the reason, whom to ask, the block id.
    pub lines: Vec<String>,
}

/// What users are still to be told, and what they were told in the last hour.
#[derive(Debug, Default)]
pub struct Notices {
    of: BTreeMap<String, OfUser>,
    /// Users, clients and fingerprints of what they were warned of.
    warned: BTreeSet<(String, String, String)>,
}

/// Warnings that are remembered; beyond, all are forgotten, and told anew.
const MOST_WARNED: usize = 10_000;

#[derive(Debug, Default)]
struct OfUser {
    /// When something was shown, the oldest first.
    shown: VecDeque<Instant>,
    /// The first that waits.
    waiting: Option<Notice>,
    /// How many came after it.
    more: usize,
}

impl OfUser {
    /// When the next may be shown.
    fn free_at(&self) -> Option<Instant> {
        let after_last = self.shown.back().map(|last| *last + BETWEEN);
        let is_full = self.shown.len() >= IN_AN_HOUR;
        let after_hour = self.shown.front().filter(|_| is_full).map(|oldest| *oldest + HOUR);
        after_last.max(after_hour)
    }

    fn forget(&mut self, now: Instant) {
        while self.shown.front().is_some_and(|oldest| now.saturating_duration_since(*oldest) >= HOUR) {
            self.shown.pop_front();
        }
    }
}

impl Notices {
    /// Whether a user is not warned yet of an entry, by its client and fingerprint. From now on it is.
    pub fn is_new(&mut self, user: &str, (client, fingerprint): (&str, &str)) -> bool {
        if self.warned.len() >= MOST_WARNED {
            self.warned.clear();
        }
        self.warned.insert((user.to_owned(), client.to_owned(), fingerprint.to_owned()))
    }

    /// Takes up something that a user is to be told.
    pub fn add(&mut self, user: &str, notice: Notice) {
        let of_user = self.of.entry(user.to_owned()).or_default();
        if of_user.waiting.is_some() {
            of_user.more = of_user.more.saturating_add(1);
        } else {
            of_user.waiting = Some(notice);
        }
    }

    /// What is to be shown now, at most one for each user. It counts as shown.
    pub fn due(&mut self, now: Instant) -> Vec<(String, Notice)> {
        let mut due = Vec::new();
        for (user, of_user) in &mut self.of {
            of_user.forget(now);
            if of_user.free_at().is_some_and(|at| now < at) {
                continue;
            }
            let Some(mut notice) = of_user.waiting.take() else { continue };
            match std::mem::take(&mut of_user.more) {
                0 => {}
                more => notice.lines.push(format!("and {more} more: mcpolicy status")),
            }
            of_user.shown.push_back(now);
            due.push((user.clone(), notice));
        }
        self.of.retain(|_, of_user| of_user.waiting.is_some() || !of_user.shown.is_empty());
        due
    }

    /// When something that waits may be shown; `None` while nothing waits, so that nobody wakes up for it.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        let waiting = self.of.values().filter(|of_user| of_user.waiting.is_some());
        waiting.map(|of_user| of_user.free_at().unwrap_or(now)).min()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_user_is_warned_of_an_entry_once_in_each_client_and_not_at_each_save() {
        let mut notices = Notices::default();
        assert!(notices.is_new("ann", ("cursor", "x")));
        assert!(!notices.is_new("ann", ("cursor", "x")));
        for (user, key) in [("bob", ("cursor", "x")), ("ann", ("codex", "x")), ("ann", ("cursor", "y"))] {
            assert!(notices.is_new(user, key), "{user} {key:?}");
        }
    }

    fn notice(title: &str) -> Notice {
        Notice { title: title.to_owned(), lines: vec!["why".to_owned()] }
    }

    fn titles(due: &[(String, Notice)]) -> Vec<(&str, &str)> {
        due.iter().map(|(user, notice)| (user.as_str(), notice.title.as_str())).collect()
    }

    #[test]
    fn the_first_is_shown_at_once_and_what_follows_is_summed_up() {
        let (mut notices, begin) = (Notices::default(), Instant::now());
        assert_eq!(notices.next(begin), None);
        notices.add("ann", notice("one"));
        assert_eq!(notices.next(begin), Some(begin));
        assert_eq!(titles(&notices.due(begin)), [("ann", "one")]);
        for title in ["two", "three", "four"] {
            notices.add("ann", notice(title));
        }
        assert_eq!(notices.next(begin + SECOND), Some(begin + BETWEEN));
        assert!(notices.due(begin + 9 * SECOND).is_empty());
        let due = notices.due(begin + BETWEEN);
        assert_eq!(titles(&due), [("ann", "two")]);
        assert_eq!(due[0].1.lines, ["why", "and 2 more: mcpolicy status"]);
        assert_eq!(notices.next(begin + BETWEEN), None);
        assert!(notices.due(begin + 60 * SECOND).is_empty());
    }

    #[test]
    fn several_at_once_are_one_notification() {
        let (mut notices, begin) = (Notices::default(), Instant::now());
        (0..5).for_each(|_| notices.add("ann", notice("x")));
        let due = notices.due(begin);
        assert_eq!(due.len(), 1);
        assert!(due[0].1.lines.last().is_some_and(|line| line.starts_with("and 4 more")));
    }

    #[test]
    fn one_user_does_not_use_up_what_another_is_told() {
        let (mut notices, begin) = (Notices::default(), Instant::now());
        (0..1000).for_each(|_| notices.add("ann", notice("a")));
        notices.add("bob", notice("b"));
        assert_eq!(titles(&notices.due(begin)), [("ann", "a"), ("bob", "b")]);
    }

    #[test]
    fn a_user_who_was_told_twelve_times_in_an_hour_is_told_the_rest_after_it() {
        let (mut notices, begin) = (Notices::default(), Instant::now());
        let mut shown = 0;
        for second in 0..3600 {
            notices.add("ann", notice("x"));
            shown += notices.due(begin + second * SECOND).len();
        }
        assert_eq!(shown, IN_AN_HOUR);
        assert_eq!(notices.next(begin + 3599 * SECOND), Some(begin + HOUR));
        let due = notices.due(begin + HOUR);
        assert!(due[0].1.lines.last().is_some_and(|line| line.starts_with("and 3")), "{due:?}");
    }

    #[test]
    fn nothing_is_kept_of_a_user_who_was_told_nothing_for_an_hour() {
        let (mut notices, begin) = (Notices::default(), Instant::now());
        notices.add("ann", notice("x"));
        notices.due(begin);
        assert_eq!(notices.of.len(), 1);
        notices.due(begin + HOUR);
        assert!(notices.of.is_empty());
    }

    proptest! {
        #[test]
        fn whatever_comes_no_bound_is_broken_and_nothing_is_lost(
            steps in proptest::collection::vec((0u64..90, 0usize..4), 1..200)
        ) {
            let (mut notices, begin) = (Notices::default(), Instant::now());
            let (mut now, mut added, mut told) = (begin, 0, 0);
            let mut shown: Vec<Instant> = Vec::new();
            let told_by = |notice: &Notice| {
                let more = notice.lines.get(1).and_then(|line| line.split(' ').nth(1));
                1 + more.map_or(0, |more| more.parse::<usize>().unwrap())
            };
            for (seconds, count) in steps {
                now += Duration::from_secs(seconds);
                added += count;
                (0..count).for_each(|_| notices.add("ann", notice("x")));
                for (_, notice) in notices.due(now) {
                    told += told_by(&notice);
                    shown.push(now);
                }
            }
            prop_assert!(shown.windows(2).all(|two| two[1] - two[0] >= BETWEEN));
            prop_assert!(shown.windows(IN_AN_HOUR + 1).all(|many| many[IN_AN_HOUR] - many[0] >= HOUR));
            // what waits comes when its time has come
            if let Some(next) = notices.next(now) {
                told += notices.due(next.max(now)).iter().map(|(_, notice)| told_by(notice)).sum::<usize>();
            }
            prop_assert_eq!(added, told);
        }
    }
}

//! Looks that nothing but the time calls for, in rounds. The rescan: all known files, whatever the system tells of changes. It is
//! the truth, and it stays out of the way: home by home in small parts, between which changes are answered, and no more often than
//! its cost lets it. The poll is the same of homes in which the system does not tell of all changes, and comes more often.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mcpolicy_platform::power;
use mcpolicy_schema::document::Rescans as WaitsFor;

/// How often rounds come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// Time between two.
    pub(super) every: Duration,
    /// The longest, where one takes much.
    ///
    /// Attack: a user whose own files take long to look at has those of all others looked at more seldom.
    pub(super) longest: Duration,
    /// One takes this part of one processor's time at most: over that, the next comes later.
    pub(super) share: u32,
}

/// Of all known files.
pub(super) const RESCAN: Pace =
    Pace { every: Duration::from_secs(15 * 60), longest: Duration::from_secs(60 * 60), share: 1000 };
/// Of homes that are not watched whole.
pub(super) const POLL: Pace =
    Pace { every: Duration::from_secs(15), longest: Duration::from_secs(60), share: 50 };
/// Files that are looked at in one go. What changes meanwhile waits for so many.
const PART: usize = 128;
/// How long is waited at the most for power or idleness.
pub(super) const PATIENCE: Duration = Duration::from_secs(4 * 60 * 60);
/// Time between two looks whether there is some.
const ASK: Duration = Duration::from_secs(60);
/// Below this share of its processors' time a machine is idle.
pub(super) const IDLE: f32 = 0.25;

/// A part of a round: a home, and files or folders of it.
pub(super) type Part = (usize, BTreeSet<PathBuf>);

/// When to look, and at what.
#[derive(Debug)]
pub(super) struct Rounds {
    pace: Pace,
    every: Duration,
    next: Instant,
    /// Since when the next one waits.
    waits: Option<Instant>,
    left: VecDeque<Part>,
    /// The processor's time when the one that goes on began.
    begun: Option<Duration>,
}

impl Rounds {
    /// After a pass, which is one itself.
    pub(super) fn new(pace: Pace, now: Instant) -> Self {
        Self {
            pace,
            every: pace.every,
            next: now + pace.every,
            waits: None,
            left: VecDeque::new(),
            begun: None,
        }
    }

    /// Time between two, as things are.
    pub(super) fn every(&self) -> Duration {
        self.every
    }

    /// When the next step is due.
    pub(super) fn next(&self, now: Instant) -> Instant {
        if self.is_going_on() { now } else { self.next }
    }

    /// Whether one is to begin. `may` tells whether the machine has power and time to spare.
    pub(super) fn is_due(&mut self, now: Instant, may: &dyn Fn() -> bool) -> bool {
        if self.is_going_on() || now < self.next {
            return false;
        }
        let since = *self.waits.get_or_insert(now);
        if now.saturating_duration_since(since) < PATIENCE && !may() {
            self.next = now + ASK;
            return false;
        }
        self.waits = None;
        true
    }

    /// Begins one.
    pub(super) fn begin(&mut self, known: Vec<(usize, PathBuf)>, spent: Duration) {
        self.left.clear();
        for (home, path) in known {
            match self.left.back_mut() {
                Some((of, paths)) if *of == home && paths.len() < PART => _ = paths.insert(path),
                _ => self.left.push_back((home, BTreeSet::from([path]))),
            }
        }
        self.begun = Some(spent);
    }

    /// Whether one goes on.
    pub(super) fn is_going_on(&self) -> bool {
        self.begun.is_some()
    }

    /// What is to be looked at next. None if nothing is left.
    pub(super) fn part(&mut self) -> Option<Part> {
        self.left.pop_front()
    }

    /// What was looked at beside the last part, since it belongs to that, needs no other look.
    pub(super) fn looked_at(&mut self, looked: &BTreeMap<usize, BTreeSet<PathBuf>>) {
        for (home, paths) in &mut self.left {
            if let Some(looked) = looked.get(home) {
                paths.retain(|path| !looked.contains(path));
            }
        }
        self.left.retain(|(_, paths)| !paths.is_empty());
    }

    /// A home gives no answer: what is left of it is left out.
    pub(super) fn leave_out(&mut self, home: usize) {
        self.left.retain(|(of, _)| *of != home);
    }

    /// Ends one; the next comes the later the more this one took. Gives what it took.
    pub(super) fn end(&mut self, spent: Duration, now: Instant) -> Duration {
        let took = self.begun.take().map_or(Duration::ZERO, |begun| spent.saturating_sub(begun));
        self.every = (took * self.pace.share).clamp(self.pace.every, self.pace.longest);
        self.next = now + self.every;
        took
    }
}

/// Whether the machine has what looks are to wait for that nothing but the time calls for.
pub(super) fn may(waits_for: WaitsFor) -> bool {
    match waits_for {
        WaitsFor::OnTime => true,
        WaitsFor::OnMains => power::is_on_mains(),
        WaitsFor::WhenIdle => power::load() < IDLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = RESCAN.every;

    #[test]
    fn a_rescan_that_takes_much_comes_more_seldom_and_never_more_seldom_than_every_hour() {
        let begin = Instant::now();
        let mut rescans = Rounds::new(RESCAN, begin);
        let known = || (0..3_usize).flat_map(|home| (0..200).map(move |n| (home, format!("/{n}").into())));
        let run = |rescans: &mut Rounds, now, took| {
            assert!(rescans.is_due(now, &|| true));
            rescans.begin(known().collect(), Duration::from_secs(7));
            assert!(!rescans.is_due(now, &|| true) && rescans.next(now) == now);
            let mut looked = 0;
            while let Some((_, paths)) = rescans.part() {
                assert!(paths.len() <= PART);
                looked += paths.len();
            }
            assert_eq!(looked, 600);
            assert_eq!(rescans.end(Duration::from_secs(7) + took, now), took);
        };
        assert!(!rescans.is_due(begin + EVERY - Duration::from_secs(1), &|| true));
        run(&mut rescans, begin + EVERY, Duration::from_millis(20));
        assert_eq!(rescans.every(), EVERY);
        run(&mut rescans, begin + 2 * EVERY, Duration::from_secs(2));
        assert_eq!(rescans.every(), Duration::from_secs(2000));
        run(&mut rescans, begin + 5 * EVERY, Duration::from_secs(60));
        assert_eq!(rescans.every(), RESCAN.longest);
        run(&mut rescans, begin + 10 * EVERY, Duration::from_millis(20));
        assert_eq!(rescans.every(), EVERY);
    }

    #[test]
    fn nothing_is_looked_at_twice_and_a_home_that_gives_no_answer_is_not_waited_for_again() {
        let mut rescans = Rounds::new(RESCAN, Instant::now());
        let known =
            (0..3_usize).flat_map(|home| (0..400).map(move |n| (home, PathBuf::from(format!("/{n}")))));
        let known: Vec<_> = known.collect();
        rescans.begin(known.clone(), Duration::ZERO);
        assert_eq!(rescans.part().unwrap().0, 0);
        // all of a project
        rescans.looked_at(&BTreeMap::from([(
            0,
            known.iter().take(400).map(|(_, path)| path.clone()).collect(),
        )]));
        assert_eq!(rescans.part().unwrap().0, 1);
        rescans.leave_out(1);
        assert_eq!(rescans.part().unwrap().0, 2);
        assert!(rescans.is_going_on());
    }

    #[test]
    fn a_rescan_waits_for_power_but_not_for_ever() {
        let begin = Instant::now();
        let mut rescans = Rounds::new(RESCAN, begin);
        let mut now = begin + EVERY;
        assert!(!rescans.is_due(now, &|| false));
        while !rescans.is_due(now, &|| false) {
            assert_eq!(rescans.next(now), now + ASK);
            now = rescans.next(now);
            assert!(now <= begin + EVERY + PATIENCE, "it waits for ever");
        }
        rescans.begin(Vec::new(), Duration::ZERO);
        assert_eq!(rescans.part(), None);
        rescans.end(Duration::ZERO, now);
        // there is power again
        now = rescans.next(now);
        assert!(!rescans.is_due(now, &|| false) && rescans.is_due(now + ASK, &|| true));
    }
}

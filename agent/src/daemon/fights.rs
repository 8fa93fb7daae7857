//! Tools that put a denied entry back as often as it is taken out: each file is acted on only so often, so that the laptop
//! stays quiet, and people are told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A file of a user by the user's name: an index into the homes of a session means another's in the next.
pub type Place = (String, PathBuf);

/// Acts on one file within [`WINDOW`] that are nothing unusual.
const ACTS: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);
/// The first pause after more than that, which doubles with each further act.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);
/// A file that was left alone for so long is fought over no more.
const OVER: Duration = Duration::from_secs(300);
/// Files that are remembered.
///
/// Attack: a user makes files without end to be acted on.
const MOST: usize = 4096;

/// What was done to one file lately.
#[derive(Debug, Default)]
struct Round {
    acts: Vec<Instant>,
    pause: Option<Duration>,
}

/// Files that are acted on again and again.
#[derive(Debug, Default)]
pub struct Fights(BTreeMap<Place, Round>);

/// What an act on a file means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fight {
    /// Nothing unusual.
    No,
    /// The next look at it waits so long. `is_new` tells of the first time.
    Pause {
        /// How long.
        pause: Duration,
        /// It has begun with this act.
        is_new: bool,
    },
}

impl Fights {
    /// A file was acted on.
    pub fn acted(&mut self, place: &Place, now: Instant) -> Fight {
        self.end(now);
        if self.0.len() >= MOST && !self.0.contains_key(place) {
            // the one that was left alone for longest
            let oldest = self.0.iter().min_by_key(|(_, round)| round.acts.last().copied());
            if let Some(oldest) = oldest.map(|(place, _)| place.clone()) {
                self.0.remove(&oldest);
            }
        }
        let round = self.0.entry(place.clone()).or_default();
        round.acts.push(now);
        if round.pause.is_none() {
            round.acts.retain(|act| now.saturating_duration_since(*act) < WINDOW);
            if round.acts.len() <= ACTS {
                return Fight::No;
            }
        }
        // only the last counts from here on
        round.acts.drain(..round.acts.len() - 1);
        let is_new = round.pause.is_none();
        let pause = round.pause.map_or(FIRST, |pause| (pause * 2).min(LONGEST));
        round.pause = Some(pause);
        Fight::Pause { pause, is_new }
    }

    /// Files that are fought over now.
    pub fn going_on(&mut self, now: Instant) -> Vec<Place> {
        self.end(now);
        let fought = self.0.iter().filter(|(_, round)| round.pause.is_some());
        fought.map(|(place, _)| place.clone()).collect()
    }

    fn end(&mut self, now: Instant) {
        self.0.retain(|_, round| {
            let last = round.acts.last();
            last.is_some_and(|last| now.saturating_duration_since(*last) < OVER)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> Place {
        ("dev".to_owned(), name.into())
    }

    #[test]
    fn a_tool_that_puts_an_entry_back_is_answered_ever_more_slowly_and_other_files_at_once() {
        let begin = Instant::now();
        let mut fights = Fights::default();
        let mut now = begin;
        for _ in 0..ACTS {
            assert_eq!(fights.acted(&place("a"), now), Fight::No);
            now += Duration::from_millis(250);
        }
        let mut pauses = Vec::new();
        for round in 0..9 {
            let Fight::Pause { pause, is_new } = fights.acted(&place("a"), now) else { panic!("no pause") };
            assert_eq!(is_new, round == 0);
            pauses.push(pause.as_secs());
            now += pause;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(fights.acted(&place("b"), now), Fight::No);
        assert_eq!(fights.going_on(now), [place("a")]);
    }

    #[test]
    fn edits_of_an_ordinary_day_and_a_file_that_was_left_alone_are_no_fight() {
        let begin = Instant::now();
        let mut fights = Fights::default();
        for minute in 0..100_u32 {
            let now = begin + WINDOW * minute;
            for second in 0..3 {
                assert_eq!(fights.acted(&place("a"), now + Duration::from_secs(second)), Fight::No);
            }
        }
        let now = begin + WINDOW * 200;
        for _ in 0..=ACTS {
            fights.acted(&place("a"), now);
        }
        assert_eq!(fights.going_on(now).len(), 1);
        assert!(fights.going_on(now + OVER).is_empty());
        assert_eq!(fights.acted(&place("a"), now + OVER), Fight::No);
    }

    #[test]
    fn files_without_end_take_no_memory_without_end() {
        let begin = Instant::now();
        let mut fights = Fights::default();
        for number in 0..MOST as u64 + 100 {
            fights.acted(&place(&number.to_string()), begin + Duration::from_millis(number));
        }
        assert_eq!(fights.0.len(), MOST);
    }
}

//! Files of which an edit failed: they are tried again, ever more seldom. A disk that was full for a moment has room a moment
//! later; a file that nobody may write is not tried five times a second, for ever.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::dirty::Place;

/// Time until the first, which doubles with each further failure.
const FIRST: Duration = Duration::from_secs(15);
/// Longest time. The rescan tries it, too.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Files that are remembered of each home.
///
/// Attack: a user makes files without end that nobody may write.
const MOST: usize = 64;

/// Files whose last edit failed, and how long was waited after it.
#[derive(Debug, Default)]
pub(super) struct Retries(BTreeMap<Place, Duration>);

impl Retries {
    /// An edit of a file failed: how long is waited before it is tried again; none where the next rescan is to.
    pub(super) fn failed(&mut self, place: &Place) -> Option<Duration> {
        let last = self.0.get(place).copied();
        let of_home = || self.0.range((place.0, PathBuf::new())..(place.0 + 1, PathBuf::new())).count();
        if last.is_none() && of_home() >= MOST {
            return None;
        }
        let next = last.map_or(FIRST, |last| last * 2);
        self.0.insert(place.clone(), next.min(LONGEST));
        (next < LONGEST).then_some(next)
    }

    /// An edit of a file was made, or none is called for.
    pub(super) fn done(&mut self, place: &Place) {
        self.0.remove(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_is_tried_ever_more_seldom_and_then_by_the_rescan_alone() {
        let place = (0, "/h/a".into());
        let mut retries = Retries::default();
        let waits: Vec<Option<u64>> =
            (0..8).map(|_| retries.failed(&place).map(|wait| wait.as_secs())).collect();
        let first = [15, 30, 60, 120, 240, 480].map(Some);
        assert_eq!(waits, [first.as_slice(), &[None, None]].concat());
        retries.done(&place);
        assert_eq!(retries.failed(&place), Some(FIRST));
        for number in 0..2 * MOST {
            retries.failed(&(1, number.to_string().into()));
        }
        assert_eq!(retries.0.len(), MOST + 1);
        assert_eq!(retries.failed(&(2, "x".into())), Some(FIRST), "of another home");
    }
}

//! When to poll.

use std::time::Duration;

use crate::retry::between;

/// Shortest time between two polls that a head may ask for.
pub const SHORTEST_POLL: Duration = Duration::from_secs(30);
/// Longest one: a revocation waits no longer, whatever a head says.
pub const LONGEST_POLL: Duration = Duration::from_secs(60 * 60);

/// The wait until the next poll: half of `poll` to one and a half of it.
pub fn polled(poll: Duration, draw: u64) -> Duration {
    between(poll / 2, poll + poll / 2, draw)
}

/// The wait until the first poll: laptops that are switched on at nine do not all ask at nine.
pub fn splayed(splay: Duration, draw: u64) -> Duration {
    between(Duration::ZERO, splay, draw)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn polls_are_spread_by_half_around_their_time(seconds in 1_u64..100_000, draw: u64) {
            let poll = Duration::from_secs(seconds);
            let wait = polled(poll, draw);
            prop_assert!(wait >= poll / 2 && wait <= poll * 3 / 2);
            prop_assert!(splayed(poll, draw) <= poll);
        }
    }

    #[test]
    fn the_draw_reaches_both_ends() {
        let poll = Duration::from_secs(120);
        assert_eq!(polled(poll, 0).as_secs(), 60);
        assert_eq!(polled(poll, u64::MAX).as_millis(), 179_999);
    }

    /// From publication to the next question, at the usual time between two: what follows (fetching, a pass) takes seconds.
    #[test]
    fn a_revocation_is_asked_for_within_90_seconds_by_half_of_a_fleet_and_within_5_minutes_by_nearly_all() {
        let (poll, published) = (Duration::from_secs(120), Duration::from_secs(3600));
        let mut waits: Vec<Duration> = (0..10_000_u64)
            .map(|agent| {
                let mut draw = agent.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let mut at = splayed(Duration::from_secs(300), draw);
                while at < published {
                    draw = (draw ^ (draw >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb).wrapping_add(agent);
                    at += polled(poll, draw);
                }
                at - published
            })
            .collect();
        waits.sort_unstable();
        let at = |percent: usize| waits[waits.len() * percent / 100];
        assert!(
            at(50) <= Duration::from_secs(70) && at(95) <= Duration::from_secs(160),
            "{:?} {:?}",
            at(50),
            at(95)
        );
    }
}

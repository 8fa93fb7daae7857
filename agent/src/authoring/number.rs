//! The number of the next document, and its end.

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use mcpolicy_schema::limits::MAX_SEQUENCE;

/// The number after one that is taken.
///
/// # Errors
/// There is none: somebody meant to stop all further publications.
pub(super) fn after(number: u64, of: &str) -> anyhow::Result<u64> {
    number.checked_add(1).filter(|next| *next <= MAX_SEQUENCE).with_context(|| {
        format!(
            "{of} has the number {number}, after which machines take none; if a stolen key has signed it, follow \"A \
             stolen key has signed enormous numbers\" in docs/runbooks.md, else remove the file"
        )
    })
}

/// When a document ends.
///
/// # Errors
/// Time does not go that far: the clock is wrong.
pub(super) fn end(now: Timestamp, lifetime: SignedDuration) -> anyhow::Result<Timestamp> {
    now.checked_add(lifetime)
        .ok()
        .with_context(|| format!("the clock says {now}, which no document outlives; set it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_greatest_number_comes_none() {
        assert_eq!(after(1, "the head").unwrap(), 2);
        assert_eq!(after(MAX_SEQUENCE - 1, "the head").unwrap(), MAX_SEQUENCE);
        for number in [MAX_SEQUENCE, MAX_SEQUENCE + 1, u64::MAX] {
            assert!(after(number, "the head").unwrap_err().to_string().contains("runbooks"), "{number}");
        }
    }

    #[test]
    fn a_clock_at_the_end_of_time_is_told_and_is_no_panic() {
        let day = SignedDuration::from_hours(24);
        assert!(end(Timestamp::MAX, day).unwrap_err().to_string().contains("set it"));
        assert_eq!(end(Timestamp::UNIX_EPOCH, day).unwrap().to_string(), "1970-01-02T00:00:00Z");
    }
}

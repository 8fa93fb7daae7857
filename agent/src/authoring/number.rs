//! The number of the next document.

use anyhow::Context as _;
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
}

//! Runs of numbers, first and last of each.

/// A run without the numbers that are in others.
pub(crate) fn without(whole: (u64, u64), taken: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut left = vec![whole];
    for &(first, last) in taken {
        left = left
            .into_iter()
            .flat_map(|(from, to)| {
                let before = (from, to.min(first.saturating_sub(1)));
                let after = (from.max(last.saturating_add(1)), to);
                if last < from || to < first { [(from, to), (1, 0)] } else { [before, after] }
            })
            .filter(|(from, to)| from <= to)
            .collect();
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_left_without_what_others_have_of_it() {
        assert_eq!(without((5, 9), &[]), [(5, 9)]);
        assert_eq!(without((5, 9), &[(1, 4), (10, 12)]), [(5, 9)]);
        assert_eq!(without((5, 9), &[(6, 7)]), [(5, 5), (8, 9)]);
        assert_eq!(without((5, 9), &[(1, 5), (9, 20)]), [(6, 8)]);
        assert_eq!(without((5, 9), &[(7, 9), (1, 6)]), []);
    }
}

//! The clock that runs on while the machine sleeps and that nobody sets.

/// Which boot this is, and the seconds since then. Linux alone tells both in files; elsewhere the time between two
/// readings is not counted while the wall clock is behind.
#[allow(clippy::disallowed_methods, reason = "files of the kernel's own")]
pub fn read() -> Option<(String, u64)> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let seconds = uptime.split(['.', ' ']).next()?.parse().ok()?;
    Some((boot.trim().to_owned(), seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_since_boot_runs_on_in_the_same_boot() {
        let (Some(first), Some(second)) = (read(), read()) else { return };
        assert!(first.0 == second.0 && first.1 <= second.1 && !first.0.is_empty());
    }
}

//! Whether the machine has power and time to spare.

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod os;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod os;
#[cfg(windows)]
#[path = "windows.rs"]
mod os;

use std::time::Duration;

use sysinfo::{CpuRefreshKind, RefreshKind, System};

/// How long the processors are looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Whether it runs on mains power. A machine without a battery does, and one that does not tell counts as one.
pub fn is_on_mains() -> bool {
    os::is_on_mains().unwrap_or(true)
}

/// The share of all processors' time that is used at this moment, from 0 to 1. Takes a quarter of a second.
pub fn load() -> f32 {
    let wanted = CpuRefreshKind::nothing().with_usage();
    let Ok(mut system) = System::new_with_specifics(RefreshKind::nothing().with_cpu(wanted)) else {
        return 0.0;
    };
    std::thread::sleep(LOOK.max(sysinfo::MINIMUM_CPU_UPDATE_INTERVAL));
    system.refresh_cpu_specifics(wanted);
    (system.global_cpu_usage() / 100.0).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn processors_that_work_are_seen_to_work() {
        let ends = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            for _ in 0..threads {
                scope.spawn(|| {
                    while !ends.load(Ordering::Relaxed) {
                        std::hint::black_box((0..10_000_u64).sum::<u64>());
                    }
                });
            }
            let load = load();
            ends.store(true, Ordering::Relaxed);
            assert!(load > 0.5, "{load}");
        });
        let _ = is_on_mains();
    }
}

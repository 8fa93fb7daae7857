//! The yardstick of docs/performance.md: a bare parallel walk of a tree by the `ignore` crate that only counts.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use ignore::WalkState;
use mcpolicy::discover::walk;

#[allow(
    clippy::print_stdout,
    clippy::disallowed_macros,
    reason = "an example speaks to the person who runs it"
)]
fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let root = arguments.next().unwrap_or_default();
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(8);
    let seen = AtomicU64::new(0);
    walk::builder(&root, threads).build_parallel().run(|| {
        Box::new(|entry| {
            if entry.is_ok() {
                seen.fetch_add(1, Ordering::Relaxed);
            }
            WalkState::Continue
        })
    });
    println!("{}", seen.load(Ordering::Relaxed));
}

//! The gate, with real processes that open files: what is held, what is not, and what becomes of everybody when one of its
//! processes dies, is stopped or is not answered.
//!
//! Needs root and a kernel with permission events; without them the tests say so and pass, but with `CI=true`. Everything that
//! is held is in throw-away folders; mounts are made in name spaces of their own.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "this crate is a test")]
#![allow(clippy::disallowed_methods, reason = "a test reads its own files and parameters")]
#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::disallowed_macros,
    reason = "a test says what it has measured"
)]

#[cfg(target_os = "linux")]
mod costs;
#[cfg(target_os = "linux")]
mod deaths;
#[cfg(target_os = "linux")]
mod holds;
#[cfg(target_os = "linux")]
mod rig;

#[cfg(target_os = "linux")]
fn main() {
    use libtest_mimic::Trial;

    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(done) = rig::be(&words) {
        return done;
    }
    let mut arguments = libtest_mimic::Arguments::from_args();
    // one gate a process, and times are measured
    arguments.test_threads = Some(1);
    let all = holds::ALL.iter().chain(deaths::ALL).chain(costs::ALL);
    let trial = |(name, test): &(&'static str, fn())| {
        let test = *test;
        Trial::test(*name, move || {
            if rig::can() {
                test();
            }
            Ok(())
        })
    };
    libtest_mimic::run(&arguments, all.map(trial).collect()).exit();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    libtest_mimic::run(&libtest_mimic::Arguments::from_args(), Vec::new()).exit();
}

//! What a worker can still do, tried by a real one: this program starts itself as the worker.
//!
//! Needs root, and changes nothing but throw-away directories; without root the tests say so and pass, but with
//! `CI=true`.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "this crate is a test")]
#![allow(clippy::disallowed_methods, reason = "a test reads its own files and parameters")]
#![allow(clippy::print_stderr, reason = "a test that was not run must say so")]

#[cfg(target_os = "linux")]
mod cases;
#[cfg(target_os = "linux")]
#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
mod worker;

#[cfg(target_os = "linux")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "worker") {
        return worker::run(&arguments[1..]);
    }
    libtest_mimic::run(&libtest_mimic::Arguments::from_args(), cases::all()).exit();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    libtest_mimic::run(&libtest_mimic::Arguments::from_args(), Vec::new()).exit();
}

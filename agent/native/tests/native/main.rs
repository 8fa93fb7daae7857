//! The compilers against independent models of what each client admits.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "this crate is a test")]
#![allow(clippy::disallowed_methods, reason = "a test reads its own files and parameters")]

#[path = "../../../../tests/evasions/policy.rs"]
mod approved;
mod conflicts;
mod document;
mod evasions;
mod golden;
mod model;
mod properties;
mod sample;
mod selection;

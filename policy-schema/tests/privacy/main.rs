//! What leaves a machine by tier: every member of a record has a decision, and no name gets past it.

#![allow(clippy::unwrap_used, reason = "this file is a test")]

mod document;
mod hiding;
mod samples;
mod table;

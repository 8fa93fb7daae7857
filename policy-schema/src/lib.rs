//! The words of mcpolicy, in reading order: an [`entry::Entry`] is what a client was told to start, its
//! [`identity`] is what it would run or contact, a [`finding::Finding`] is what is worth telling about it, and
//! [`report::v1`] is how that leaves the machine.
//!
//! This crate is pure: no file, network, clock, environment or thread. Whatever depends on the world is an argument.

pub mod contradiction;
pub mod document;
pub mod entry;
pub mod envelope;
pub mod evaluate;
pub mod finding;
pub mod fingerprint;
pub mod identity;
pub mod json;
pub mod limits;
pub mod loosens;
mod pattern;
pub mod policy;
pub mod redact;
mod reference;
mod remote;
pub mod report;
pub mod requirement;
pub mod revocations;
pub mod risk;
pub mod secret;
pub mod sensitive;
pub mod signed;
pub mod trust;
pub mod unseen;
pub mod verdict;

#[cfg(test)]
mod testing;

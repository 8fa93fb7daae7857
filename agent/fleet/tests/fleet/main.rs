//! Generated fleets, and what is said of them.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, reason = "modules of one test program")]

#[path = "../maker/mod.rs"]
mod maker;

mod at_once;
mod blast;
mod chains;
mod documents;
mod evasions;
mod hostile;
mod identities;
mod key;
mod lies;
mod order;
mod scans;
mod spread;
mod support;
mod thresholds;
mod tiers;

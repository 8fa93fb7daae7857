//! Generated fleets, and what is said of them.

#[path = "../maker/mod.rs"]
mod maker;

mod blast;
mod chains;
mod hostile;
mod key;
mod order;
mod support;
mod thresholds;

//! The pipeline of mcpolicy, one module a stage:
//!
//! ```text
//! discover -> read -> inventory (parse, normalise) -> assess -> resolve, judge (with a policy) -> report -> output
//! ```

pub mod answers;
pub mod assess;
pub mod authoring;
pub mod board;
pub mod calls;
pub mod cli;
pub mod daemon;
pub mod diagnostics;
pub mod discover;
mod disk_advice;
pub mod enforce;
pub mod gap;
pub mod gate;
pub mod given;
pub mod ground;
pub mod hook;
pub mod in_force;
pub mod installed;
pub mod inventory;
pub mod ipc;
pub mod journal;
pub mod judge;
pub mod kept_path;
pub mod native;
pub mod output;
pub mod pipeline;
pub mod policy_store;
pub mod read;
pub mod report;
pub mod reporter;
pub mod resolve;
pub mod running;
pub mod settings;
pub mod shipper;
pub mod vault;
pub mod worker;

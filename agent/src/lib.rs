//! The pipeline of mcpolicy, one module a stage:
//!
//! ```text
//! discover -> read -> inventory (parse, normalise) -> assess -> report -> output
//! ```

pub mod assess;
pub mod authoring;
pub mod cli;
pub mod discover;
pub mod gap;
pub mod ground;
pub mod inventory;
pub mod output;
pub mod pipeline;
pub mod policy_store;
pub mod read;
pub mod report;
pub mod running;

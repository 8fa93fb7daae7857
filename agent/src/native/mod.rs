//! The layer of native policies: what clients' own managed files are to say, so that clients refuse by themselves.
//!
//! `mcpolicy-native` knows the clients and is pure. Here the files of a machine are read, written and given back.

pub mod files;
pub mod inputs;
pub mod kept;
pub mod program;
pub mod work;

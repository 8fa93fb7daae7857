//! What each AI client reads, as pure functions from bytes to entries with positions.
//!
//! [`codec`] turns text into a tree and knows no client; [`adapters`] know one client each; [`normalise`] turns a
//! node into an entry. Nothing here touches a file: the caller brings bytes and takes entries.

pub mod codec;
pub mod node;

pub mod adapter;
pub mod adapters;
pub mod edit;
pub mod editor;
pub mod element;
pub mod elsewhere;
pub mod environment;
mod filled;
mod launch;
pub mod location;
pub mod manifest;
pub mod normalise;
pub mod reads;
pub mod servers;
pub mod setting;
pub mod template;
pub mod writes;

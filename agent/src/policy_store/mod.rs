//! Signed documents on disk: a published folder is read, and what was accepted is kept so that no crash loses it.

mod disk;
pub mod published;
mod store;

#[cfg(test)]
mod tests;

pub use disk::{Disk, FolderDisk};
pub use published::{PolicyFiles, Sequences, policy_files, read, sequences};
pub use store::{Loaded, Origin, Store, StoreError, Stored};

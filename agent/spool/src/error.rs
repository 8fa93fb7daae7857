//! What can go wrong with the queue.

use std::io;

use mcpolicy_schema::report::v1::Class;

/// Why something was not done. No record's text is in any of them.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// A step on the disk failed.
    #[error("the spool cannot {step} {name}: {cause}")]
    Disk {
        /// What was to be done.
        step: &'static str,
        /// With which file of the folder.
        name: String,
        /// What the system says.
        cause: io::Error,
    },
    /// A record is longer than any that is taken.
    #[error("a record of {bytes} bytes is not taken: {most} are the most")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The most, in bytes.
        most: usize,
    },
    /// What the caller made is no record that can be read again.
    #[error("what was to be written is no record: {0}")]
    NoRecord(&'static str),
    /// The caps leave no room, and nothing may be dropped for it.
    #[error("the spool is full of what may not be dropped for a record of class {}", .0.as_str())]
    Full(Class),
    /// The disk is full, and what is left is kept for violations.
    #[error("the disk is full: only violations are written until there is room again")]
    Short,
}

impl SpoolError {
    /// Whether the disk has no room.
    pub(crate) fn is_disk_full(&self) -> bool {
        matches!(self, Self::Disk { cause, .. }
            if matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}

/// The error of a step, for `map_err`.
pub(crate) fn disk(step: &'static str, name: &str) -> impl FnOnce(io::Error) -> SpoolError {
    move |cause| SpoolError::Disk { step, name: name.to_owned(), cause }
}

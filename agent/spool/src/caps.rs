//! How much there may be.

/// Sizes, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caps {
    /// All records together.
    pub total: u64,
    /// Of these, what only violations may use.
    pub violations: u64,
    /// Of these, what calls of tools may use: of them there may be any number, and a user can make them up.
    pub tool_calls: u64,
    /// What is delivered and stays to be shown.
    pub sent: u64,
    /// After which a new segment begins.
    pub segment: u64,
    /// The JSON of one record.
    pub record: usize,
    /// What is kept from the disk for violations.
    pub reserve: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            total: 50 << 20,
            violations: 20 << 20,
            tool_calls: 8 << 20,
            sent: 10 << 20,
            segment: 1 << 20,
            record: 256 << 10,
            reserve: 8 << 20,
        }
    }
}

//! Budgets for hostile input. Every loop over bytes of an adversary is paid for from here.

/// Largest configuration file that is read, in bytes. The largest real `~/.claude.json` seen had 5 MB; a larger file
/// than this is reported as a coverage gap, never as "no servers".
pub const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Nesting depth, in levels, to which a document is kept as a tree. Deeper values are still checked for syntax but
/// kept as one opaque value, so that a 100,000-level file neither overflows the stack nor hides its neighbours.
pub const MAX_DEPTH: usize = 128;

/// Most nodes that YAML aliases may expand to in one file ("billion laughs").
pub const MAX_ALIAS_NODES: usize = 100_000;

//! Budgets for hostile input. Every loop over bytes of an adversary is paid for from here.

/// Largest configuration file that is read, in bytes. The largest real `~/.claude.json` seen had 5 MB; a larger file
/// than this is reported as a coverage gap, never as "no servers".
pub const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Nesting depth, in levels, to which a document is kept as a tree. Deeper values are still checked for syntax but
/// kept as one opaque value, so that a 100,000-level file neither overflows the stack nor hides its neighbours.
pub const MAX_DEPTH: usize = 128;

/// Most nodes that YAML aliases may expand to in one file ("billion laughs").
pub const MAX_ALIAS_NODES: usize = 100_000;

/// Largest envelope of a signed document that is read, in bytes; judged before anything of it is parsed.
pub const MAX_ENVELOPE_BYTES: usize = 64 * 1024;

/// Seconds between two questions for the head where neither settings nor a head say otherwise: half of a fleet then asks within 70 s of
/// a revocation, and 95 % within 160 s.
pub const DEFAULT_POLL_S: u32 = 120;

/// Fewest seconds between two questions for the head, whatever a head says: a fleet must not be made to storm its own server.
pub const SHORTEST_POLL_S: u32 = 30;

/// Most seconds between them: a revocation waits no longer, whatever a head says.
pub const LONGEST_POLL_S: u32 = 60 * 60;

/// Most signatures of an envelope that are looked at: each costs one verification for each trusted key.
pub const MAX_SIGNATURES: usize = 32;

/// Largest payload of a signed document, in bytes: a cloud KMS signs at most 4 KiB without hashing first.
pub const MAX_PAYLOAD_BYTES: usize = 3584;

/// Largest body of a policy, in bytes.
pub const MAX_POLICY_BODY_BYTES: usize = 8 * 1024 * 1024;

/// Largest body of a revocations document, in bytes: it is fetched in an emergency by every machine at once.
pub const MAX_REVOCATIONS_BODY_BYTES: usize = 256 * 1024;

/// Greatest number of a signed document: the greatest that every reader of JSON has exactly. After it a stolen key could
/// sign one that nothing can follow.
pub const MAX_SEQUENCE: u64 = (1 << 53) - 1;

/// Most new roots that are followed in one update.
pub const MAX_ROOT_UPDATES: usize = 1024;

/// Longest life of a head, in hours. Whoever withholds newer documents from a machine that remembers nothing is believed
/// for as long; heads are renewed daily and made for seven days, so twice that is room for holidays and no more.
pub const MAX_HEAD_HOURS: i64 = 14 * 24;

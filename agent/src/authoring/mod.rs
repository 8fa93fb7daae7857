//! The life of a policy in its repository: reading and checking what administrators write, signing, publishing,
//! comparing. Used by the `policy` commands only; the agent on a laptop never writes a policy.

pub mod draft;
pub mod fleet;
pub(crate) mod markdown;
pub mod reports;
pub mod source;
pub mod simulate;
pub mod stored;
pub(crate) mod toml;

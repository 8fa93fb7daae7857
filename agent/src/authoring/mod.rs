//! The life of a policy in its repository: reading and checking what administrators write, signing, publishing,
//! comparing. Used by the `policy` commands only; the agent on a laptop never writes a policy.

pub mod approve;
pub mod as_client;
pub mod check;
pub mod compare;
mod covers;
pub mod draft;
pub mod fleet;
pub mod markdown;
mod place;
pub mod present;
pub mod problem;
pub mod reports;
pub mod requests;
pub mod signer;
pub mod simulate;
pub mod source;
pub mod stored;
pub mod table;
pub(crate) mod toml;
pub mod words;

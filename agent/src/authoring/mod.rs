//! The life of a policy in its repository: reading and checking what administrators write, signing, publishing,
//! comparing. Used by the `policy` commands only; the agent on a laptop never writes a policy.

pub mod approve;
pub mod as_client;
pub mod before;
pub mod breakglass;
pub mod check;
pub mod compare;
mod covers;
pub mod draft;
mod elsewhere;
pub mod ends;
pub mod fleet;
pub mod folder;
pub mod grant;
pub mod init;
pub mod lock;
pub mod markdown;
mod number;
mod place;
pub mod present;
pub mod problem;
pub mod publish;
pub mod reports;
pub mod repository;
pub mod requests;
pub mod revoke;
pub mod rotate;
pub mod serve;
pub mod signer;
pub mod simulate;
pub mod source;
pub mod statement;
pub mod stored;
pub mod table;
pub(crate) mod toml;
pub mod verify;
pub mod words;

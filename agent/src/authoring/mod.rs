//! The life of a policy in its repository: reading and checking what administrators write, signing, publishing,
//! comparing. Used by the `policy` commands only; the agent on a laptop never writes a policy.

pub mod as_client;
pub mod check;
pub mod compare;
mod covers;
pub mod folder;
pub mod grant;
pub mod init;
pub mod markdown;
mod place;
pub mod present;
pub mod problem;
pub mod publish;
pub mod repository;
pub mod revoke;
pub mod rotate;
pub mod signer;
pub mod source;
pub mod statement;
pub mod table;
pub mod verify;
pub mod words;

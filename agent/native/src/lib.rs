//! Layer 1: one signed policy as the managed configuration of every client, so that the client itself refuses.
//!
//! [`compile`] takes the policy, the servers that are allowed on this machine and what stands in a client's managed files
//! now, and says what shall stand there. It is pure: another reads, writes and watches. [`remove`] gives a file back as
//! its administrator has it, [`verify`] tells what of ours is gone, [`mdm`] gives the same as files for MDM.
//!
//! What keeps a fleet alive: every output passes its client's own [`validate`] before it is handed out, since one bad entry
//! stops all servers of some clients and the start of others; an empty policy never becomes a form that means
//! "everything"; what an administrator wrote stays, byte for byte, and is never overwritten.

mod amp;
mod claude_code;
mod claude_desktop;
mod clients;
mod codex;
mod compile;
mod copilot;
mod cursor;
mod droid;
mod exact;
mod form;
mod gemini;
mod inexpressible;
mod json_file;
mod mdm;
mod opencode;
mod output;
mod over;
mod plan;
mod refused;
mod table;
mod target;
mod toml_file;
mod vscode;

pub use compile::{Input, compile, remove, targets, validate, verify};
pub use form::{Allowed, Denied, Launch};
pub use inexpressible::{Inexpressible, What};
pub use json_file::MergeError;
pub use mdm::{MdmFile, mdm};
pub use output::{
    Before, Compiled, Conflict, ConflictKind, Drift, Hook, KeyPath, OurKey, Ours, Output, State,
};
pub use over::{Over, Sign, over};
pub use refused::Refused;
pub use table::markdown;
pub use target::{Client, Format, Place, Target};

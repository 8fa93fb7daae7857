//! The operating system. The only crate with conditions on the OS and with unsafe code; it knows nothing of policy.
//!
//! One directory per capability, with one file per system. What is common to the systems stands in `mod.rs`.

pub mod clock;
pub mod cost;
pub mod durable;
pub mod environment;
pub mod filesystems;
pub mod gate;
pub mod host;
pub mod ipc_channel;
pub mod machine;
pub mod memory;
pub mod mounts;
pub mod notification;
pub mod paths;
pub mod power;
pub mod priority;
pub mod privileges;
pub mod processes;
pub mod protected;
pub mod secure_fs;
pub mod sockets;
pub mod system_log;
pub mod uptime;
pub mod users;
#[cfg(unix)]
mod waiting;
pub mod watch;
pub mod writers;

pub use environment::Environment;
pub use host::HostFacts;
pub use machine::{Account, DirEntry, FileKind, Machine, Owner, Program, ReadError, Resolved, Snapshot};
pub use processes::Process;
pub use users::{Home, HomeLayout};

//! What an evaluation needs besides the policy: the entry, and the facts of machine, user and time.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::entry::{ClientId, Entry, NamedValue};
use crate::identity::Identity;
use crate::revocations::Revocations;
use crate::signed::Grant;

/// The entry in question with what was read out of it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The declaration.
    pub entry: &'a Entry,
    /// What it would run or contact.
    pub identity: &'a Identity,
    /// Its fingerprint.
    pub fingerprint: &'a str,
}

/// Whose rules of paths, programs and variables hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum System {
    /// Linux.
    #[default]
    Linux,
    /// macOS.
    Macos,
    /// Windows: variable names and programs are compared without case.
    Windows,
}

/// The machine and the user concerned, as rules name them.
#[derive(Debug, Clone, Default)]
pub struct Device<'a> {
    /// Device id; empty if there is none.
    pub id: &'a str,
    /// The user whose entry it is; empty if it is the machine's.
    pub user: &'a str,
    /// Groups of user and machine.
    pub groups: &'a [String],
    /// The ring that [`crate::policy::Policy::ring_of`] chose.
    pub ring: Option<&'a str>,
}

/// A file that an entry would run, as the machine has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// Absolute path at which it was found (a bare command: in which directory of `PATH`).
    pub path: String,
    /// The same with every symbolic link resolved.
    pub real_path: String,
    /// SHA-256 of its bytes, 64 hex digits, where a rule wants it.
    pub sha256: Option<String>,
    /// The user can change or replace it.
    pub user_writable: bool,
}

/// What the machine knows of what an entry names. A missing fact that a rule needs makes the verdict unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The program in front (`npx`, `/usr/local/bin/server`).
    pub program: Option<FileFacts>,
    /// The script of an interpreter.
    pub script: Option<FileFacts>,
    /// The executable that owns the listening socket of a loopback URL.
    pub listener: Option<FileFacts>,
}

/// Facts of machine, user and time.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// Whose rules of paths and names hold.
    pub system: System,
    /// The trusted time (see [`crate::trust`]).
    pub now: Timestamp,
    /// The user's home directory.
    pub home: Option<&'a str>,
    /// The directory in which a client starts what a repository or plugin declares: the project's, or that of the
    /// plugin's file. `None` where it is the user's to choose.
    pub directory: Option<&'a str>,
    /// Variables that the project's settings of a client set for every server that the client starts there, as far as
    /// they change what runs: judged like the environment of the entry.
    pub client_env: &'a [ClientVariable],
    /// Machine and user.
    pub device: Device<'a>,
    /// What is known of the files that the entry names.
    pub facts: &'a Facts,
    /// The revocations in force.
    pub revocations: Option<&'a Revocations>,
    /// Verified grants.
    pub grants: &'a [Grant],
    /// Clients that are in use where the entry is, if that is known: others that would read its file read nothing.
    pub clients: Option<&'a BTreeSet<ClientId>>,
    /// What hold mode leaves until `grace_until`, as [`super::held_as`] names it.
    pub grandfathered: &'a BTreeSet<String>,
    /// Set when the policy has expired: fingerprints that the last good policy allowed on this machine. Anything
    /// else is then denied.
    pub expired: Option<&'a BTreeSet<String>>,
}

/// A variable that the settings of a client set for its servers.
#[derive(Debug, Clone)]
pub struct ClientVariable {
    /// Name and value.
    pub variable: NamedValue,
    /// The file of these settings, for people: it is not that of the entry.
    pub file: String,
}

impl Context<'_> {
    /// A context that knows nothing but the time: for tools that judge stored entries.
    pub fn bare(now: Timestamp) -> Self {
        static NOTHING: Facts = Facts { program: None, script: None, listener: None };
        static NOBODY: BTreeSet<String> = BTreeSet::new();
        Self {
            system: System::Linux,
            now,
            home: None,
            directory: None,
            client_env: &[],
            device: Device::default(),
            facts: &NOTHING,
            revocations: None,
            grants: &[],
            clients: None,
            grandfathered: &NOBODY,
            expired: None,
        }
    }
}

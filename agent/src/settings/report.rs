//! `[report]` of `agent.toml`: what the agent keeps for whoever reports it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Least mebibytes of the spool: what is kept for violations, and room for all else.
const LEAST_MIB: u32 = 24;

/// `[report]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportSettings {
    /// Records of what is found and done are kept in the spool.
    #[serde(default)]
    pub spool: bool,
    /// A file with the fleet's key for fingerprints of secrets and for names, 32 bytes or more; without one a key of this
    /// machine is made, and fingerprints of two machines cannot be compared.
    pub key_file: Option<PathBuf>,
    /// Mebibytes of the spool.
    #[serde(default = "spool_mib")]
    pub spool_mib: u32,
    /// Minutes between two heartbeats.
    #[serde(default = "heartbeat")]
    pub heartbeat_minutes: u16,
}

fn spool_mib() -> u32 {
    50
}

fn heartbeat() -> u16 {
    15
}

impl Default for ReportSettings {
    fn default() -> Self {
        Self { spool: false, key_file: None, spool_mib: spool_mib(), heartbeat_minutes: heartbeat() }
    }
}

impl ReportSettings {
    /// What is wrong with it, with what to do.
    pub(super) fn fault(&self) -> Option<String> {
        let is_wrong = self.spool_mib < LEAST_MIB || self.heartbeat_minutes == 0;
        is_wrong
            .then(|| format!("[report] spool_mib must be at least {LEAST_MIB}, heartbeat_minutes at least 1"))
    }
}

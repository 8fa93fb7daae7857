//! One test binary that drives the real executable on fake machines.
#![allow(
    clippy::disallowed_methods,
    reason = "a test reads its own files and asks for the time as a machine would"
)]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "this crate is a test")]

#[cfg(unix)]
mod actions;
mod answers;
mod asides;
#[cfg(unix)]
mod by_hand;
#[cfg(unix)]
mod come_back;
mod corpus;
mod corpus_edits;
mod corpus_verdicts;
mod coverage;
#[cfg(unix)]
mod demo;
#[cfg(unix)]
mod doctor;
#[cfg(unix)]
mod enforce;
#[cfg(target_os = "linux")]
mod fault_table;
#[cfg(unix)]
mod faults;
#[cfg(unix)]
mod five_users;
mod fleet;
#[cfg(unix)]
mod gate;
#[cfg(unix)]
mod generated;
#[cfg(unix)]
mod git;
#[cfg(unix)]
mod hook;
#[cfg(target_os = "linux")]
mod hook_clients;
#[cfg(unix)]
mod hostile;
mod house;
#[cfg(unix)]
mod killed;
#[cfg(unix)]
mod led_astray;
#[cfg(unix)]
mod limits;
#[cfg(unix)]
mod linked;
#[cfg(unix)]
mod live;
#[cfg(unix)]
mod model;
#[cfg(unix)]
mod moved;
#[cfg(unix)]
mod moved_by_clients;
#[cfg(unix)]
mod named_secrets;
#[cfg(unix)]
mod native;
#[cfg(unix)]
mod native_kept;
#[cfg(target_os = "linux")]
mod notification;
#[cfg(unix)]
mod odd_paths;
#[cfg(unix)]
mod off_switches;
#[cfg(unix)]
mod offered;
mod opened;
mod options;
#[cfg(unix)]
mod pilot;
#[cfg(unix)]
mod plugins;
#[cfg(unix)]
mod plugins_others;
mod policy_authoring;
mod policy_care;
#[cfg(unix)]
mod policy_ci;
mod policy_demo;
mod policy_desk;
mod policy_env;
mod policy_forged;
mod policy_keys;
mod policy_lost;
mod policy_readers;
mod policy_reports;
#[cfg(unix)]
mod policy_runbooks;
mod policy_scan;
mod policy_signing;
mod policy_stored;
mod policy_words;
#[cfg(unix)]
mod real_clients;
#[cfg(unix)]
mod real_clients_native;
#[cfg(unix)]
mod reported;
#[cfg(unix)]
mod rights;
#[cfg(unix)]
mod roles;
#[cfg(unix)]
mod run;
mod secrets;
#[cfg(unix)]
mod servers;
#[cfg(unix)]
mod shipped;
#[cfg(unix)]
mod shipped_faults;
mod signing;
#[cfg(unix)]
mod token;
#[cfg(unix)]
mod tokens;
#[cfg(unix)]
mod told;
#[cfg(unix)]
mod unseen;
#[cfg(unix)]
mod users;

// `generated`, `hostile`, `live`, the runbooks, recipes and tokens make links, pipes and modes, or run scripts: on Unix only.

/// The program under test.
const BINARY: &str = env!("CARGO_BIN_EXE_mcpolicy");

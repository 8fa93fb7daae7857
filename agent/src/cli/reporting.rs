//! What the running agent needs in order to report: its spool, its key, and the facts of the machine.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use mcpolicy_platform::machine::Machine;
use mcpolicy_platform::{durable, host, users};
use mcpolicy_schema::report::v1::Device;
use mcpolicy_spool::Caps;

use super::agent::{self, Agent};
use crate::ground;
use crate::reporter::{About, Reporter};
use crate::settings;

/// Least bytes of a key.
const MIN_KEY: usize = 32;
const MAX_KEY: u64 = 4096;

/// The key of fingerprints and of names in reports: the fleet's, else one of this machine that is made when it is first
/// wanted.
///
/// # Errors
/// The file of the settings cannot be read, is readable by others or too short; or none can be made.
pub(super) fn key(agent: &Agent) -> anyhow::Result<Vec<u8>> {
    if let Some(path) = &agent.settings.report.key_file {
        return fleet_key(path).with_context(|| format!("[report] key_file {}", path.display()));
    }
    let path = agent.state.join("report.key");
    if let Ok(snapshot) = Machine::live().read(&path, None, MAX_KEY)
        && snapshot.bytes.len() >= MIN_KEY
    {
        return Ok(snapshot.bytes);
    }
    let mut key = vec![0; MIN_KEY];
    getrandom::fill(&mut key).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    durable::replace(&path, &key).with_context(|| {
        format!(
            "cannot write {}, the key by which names are hidden: give one key of all machines as `key_file` under [report] of the \
             settings",
            path.display()
        )
    })?;
    Ok(key)
}

fn fleet_key(path: &Path) -> anyhow::Result<Vec<u8>> {
    let snapshot = Machine::live().read(path, None, MAX_KEY)?;
    anyhow::ensure!(
        settings::is_only_ours(&snapshot, users::own_uid()) && durable::is_private(path),
        "others may read or write it; make it root's, mode 0600"
    );
    anyhow::ensure!(snapshot.bytes.len() >= MIN_KEY, "it has less than {MIN_KEY} bytes");
    Ok(snapshot.bytes)
}

/// Opens the reporting side where the settings want a spool.
///
/// # Errors
/// The key or the spool cannot be used.
pub(super) fn open(agent: &Agent, key: &[u8]) -> anyhow::Result<Option<Reporter>> {
    if !agent.settings.has_spool() {
        return Ok(None);
    }
    agent.make_exchange()?;
    let total = u64::from(agent.settings.report.spool_mib) << 20;
    let tool_calls = Caps::default().tool_calls.min(total / 12);
    let caps = Caps { total, tool_calls, ..Caps::default() };
    let mut epochs = || {
        let mut random = [0; 8];
        // an epoch that was there before would be taken for the same; without random bytes time tells them apart
        if getrandom::fill(&mut random).is_err() {
            random = agent::now().as_nanosecond().to_be_bytes()[8..].try_into().unwrap_or_default();
        }
        random.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    let (reporter, opened) =
        Reporter::open((&agent.state, &agent.exchange), about(agent, key), &caps, agent::now(), &mut epochs)?;
    for loss in &opened.losses {
        tracing::warn!(class = loss.of.as_str(), count = loss.count, "records of the spool are damaged");
    }
    Ok(Some(reporter))
}

/// What a report says of the machine.
pub(super) fn about(agent: &Agent, key: &[u8]) -> About {
    let facts = host::facts(&Machine::live());
    let device = Device {
        id: agent.device(),
        hostname: facts.hostname,
        os: ground::host_os().as_str().to_owned(),
        os_version: facts.os_version,
        arch: Some(facts.arch.to_owned()),
        groups: agent.settings.device.groups.clone(),
    };
    let heartbeat = Duration::from_secs(60 * u64::from(agent.settings.report.heartbeat_minutes));
    let sinks = agent.settings.sinks.iter().map(|sink| sink.name.clone()).collect();
    About { device, key: key.to_vec(), heartbeat, sinks }
}

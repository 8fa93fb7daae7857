//! What is looked at. Each check looks at one thing, changes nothing and says what to do.

use std::path::PathBuf;

use jiff::SignedDuration;
use mcpolicy_platform::environment::Environment;
use mcpolicy_platform::gate::{self, Lack};
use mcpolicy_platform::machine::{Machine, ReadError};
use mcpolicy_platform::{durable, privileges, protected, uptime, users, watch};
use mcpolicy_schema::limits::MAX_ENVELOPE_BYTES;
use mcpolicy_schema::trust::Demands;

use super::super::agent::{Agent, Where, Which};
use super::Check;
use crate::board::status::{GATE, Layer, State, span};
use crate::in_force::InForce;
use crate::installed::{self, Installed, Tested};
use crate::ipc::client::Unanswered;
use crate::ipc::{Answer, Ask};
use crate::pipeline::Ground;
use crate::settings;

/// The name of the check that tells the device's id.
pub(super) const DEVICE: &str = "device";

pub(super) fn program() -> Check {
    let version = env!("CARGO_PKG_VERSION");
    let os = std::env::consts::OS;
    let workers = if privileges::HAS_WORKERS { "with workers" } else { "without workers" };
    Check::ok("program", format!("mcpolicy {version} on {os}, {workers}"))
}

pub(super) fn settings(agent: &Agent) -> Check {
    let path = agent.settings_file.display();
    match std::fs::symlink_metadata(&agent.settings_file) {
        Ok(_) => Check::ok("settings", format!("{path}")),
        Err(_) => Check::warning(
            "settings",
            format!("{path} is not there: the defaults hold"),
            "write it, or give --policy and --trust-root (docs: README, agent.toml)",
        ),
    }
}

pub(super) fn rights(agent: &Agent) -> Check {
    match (users::is_privileged(), agent.is_machines()) {
        (true, _) => Check::ok("rights", "root: every user of this machine"),
        (false, false) => Check::ok("rights", "a user: the own home only"),
        (false, true) => Check::warning(
            "rights",
            "the agent of this machine is another user's, and its state is not shown to you",
            "an administrator runs `mcpolicy doctor` as root to see the rest",
        ),
    }
}

pub(super) fn state(agent: &Agent) -> Check {
    let path = agent.state.display().to_string();
    if agent.is_machines() {
        return Check::ok("state", format!("{path} is the machine's: not looked at"));
    }
    if std::fs::symlink_metadata(&agent.state).is_err() {
        return Check::warning("state", format!("{path} is not there yet"), "the first run makes it");
    }
    if !durable::is_private(&agent.state) {
        return Check::fault(
            "state",
            format!("{path} can be entered by others"),
            "it holds originals with secrets: `chmod 700` it (the next run does so by itself)",
        );
    }
    match free_kib(agent) {
        Some(free) if free < 200 * 1024 => Check::fault(
            "state",
            format!("{path}: {free} KiB are free on its disk"),
            "make room: without it nothing is taken out of files, since no original could be kept",
        ),
        Some(free) => Check::ok("state", format!("{path}, {} MiB free", free / 1024)),
        None => Check::ok("state", path),
    }
}

fn free_kib(agent: &Agent) -> Option<u64> {
    mcpolicy_platform::filesystems::free_bytes(&agent.state).map(|bytes| bytes / 1024)
}

pub(super) fn trust_root(agent: &Agent) -> Check {
    let Some(path) = &agent.settings.policy.trust_root else {
        return Check::fault(
            "trust root",
            "none is named",
            "name the root document as `policy.trust_root` in the settings, or by --trust-root",
        );
    };
    let shown = path.display();
    match Machine::live().read(path, None, MAX_ENVELOPE_BYTES as u64) {
        Ok(snapshot) if settings::is_only_ours(&snapshot, users::own_uid()) => {
            Check::ok("trust root", format!("{shown}"))
        }
        Ok(_) => Check::fault(
            "trust root",
            format!("{shown} belongs to another user, or others may write it"),
            "copy it to where only administrators write, mode 0644, and name that",
        ),
        Err(error) => {
            Check::fault("trust root", format!("{shown}: {error}"), "fetch root.1.json and put it there")
        }
    }
}

/// Trust root and policy of a user whose machine has an agent: as that says, since its files are not the user's to read.
pub(super) fn managed(place: &Where, environment: &Environment) -> [Check; 2] {
    let root = Check::ok("trust root", "that of this machine's agent; `sudo mcpolicy doctor` looks at it");
    let status = place.ask(&Ask::Status { cost: false }, environment);
    let Ok(Ok(Answer::Status(status))) = status else {
        let seen = "that of this machine's agent, which does not answer";
        return [root, Check::warning("policy", seen, "tell your administrators")];
    };
    let Some(policy) = &status.policy else {
        return [root, Check::warning("policy", "the first pass is not over yet", "ask again in a minute")];
    };
    let staleness = policy.staleness.as_deref().unwrap_or("fresh");
    let sequence = policy.sequence.unwrap_or_default();
    let seen = format!("that of this machine's agent: {} {sequence}, {staleness}", policy.name);
    let policy = match staleness {
        "fresh" => Check::ok("policy", seen),
        _ => Check::warning("policy", seen, "tell your administrators: no news of it reaches this machine"),
    };
    [root, policy]
}

pub(super) fn policy(agent: &Agent, which: &Which) -> Check {
    let source = &agent.settings.policy;
    let (Some(folder), Some(root)) = (&source.dir, &source.trust_root) else {
        return Check::fault(
            "policy",
            "no folder is named that it comes from",
            "name the folder that `policy publish` wrote as `policy.dir`, or by --policy",
        );
    };
    let demands = Demands {
        min_policy: source.min_sequence,
        channel: Some(source.channel.clone()),
        ..Demands::default()
    };
    match InForce::verified(folder, root, demands, which.now()) {
        Ok(in_force) => of_policy(&in_force, which),
        Err(error) => Check::fault(
            "policy",
            format!("{error:#}"),
            "what was in force goes on; `mcpolicy policy verify` says which rule is broken",
        ),
    }
}

fn of_policy(in_force: &InForce, which: &Which) -> Check {
    let name = &in_force.policy.document().policy.name;
    let sequence = in_force.sequence.unwrap_or_default();
    let staleness = in_force.staleness.unwrap_or("fresh");
    let now = which.now();
    let ends = in_force.expires.map_or_else(String::new, |at| format!(", ends in {}", span(now, at)));
    let seen = format!("{name} {sequence}, {staleness}{ends}");
    let soon =
        in_force.expires.is_some_and(|at| at.duration_since(now) < SignedDuration::from_hours(14 * 24));
    match staleness {
        "fresh" if !soon => Check::ok("policy", seen),
        "fresh" => Check::warning("policy", seen, "sign and publish the next one before it ends"),
        _ => Check::fault("policy", seen, "publish a new head, or see why it does not reach this machine"),
    }
}

pub(super) fn clock(agent: &Agent, which: &Which) -> Check {
    let source = &agent.settings.policy;
    let issued = source
        .trust_root
        .as_ref()
        .and_then(|root| Machine::live().read(root, None, MAX_ENVELOPE_BYTES as u64).ok())
        .and_then(|snapshot| mcpolicy_schema::trust::Trust::pinned(&snapshot.bytes, which.now()).ok())
        .map(|trust| trust.root().issued);
    let now = which.now();
    if let Some(issued) = issued.filter(|issued| *issued > now) {
        return Check::fault(
            "clock",
            format!("it says {now}, and the trust root was made later ({issued})"),
            "set the clock: nothing that ended is brought to life by it, but documents are refused",
        );
    }
    match uptime::read() {
        Some(_) => Check::ok("clock", format!("{now}, beside a clock since boot")),
        None => Check::ok("clock", format!("{now}; this system has no clock since boot that files tell")),
    }
}

pub(super) fn device(agent: &Agent) -> Check {
    match agent.device().as_str() {
        "" => Check::warning(
            DEVICE,
            "this machine has no id",
            "set `device.id`: rings by share, grants and break-glass tokens go by it",
        ),
        id => Check::ok(DEVICE, id.to_owned()),
    }
}

pub(super) fn running(place: &Where, environment: &Environment) -> Check {
    match place.ask(&Ask::Status { cost: false }, environment) {
        Ok(Ok(Answer::Status(status))) => {
            let own = env!("CARGO_PKG_VERSION");
            if status.agent != own {
                return Check::warning(
                    "agent",
                    format!("{} runs, and this is {own}", status.agent),
                    "restart the service to take the upgrade",
                );
            }
            match status.state {
                State::Compliant => Check::ok("agent", "it runs, and is compliant"),
                state => Check::warning(
                    "agent",
                    format!("it runs, and is {}", state.as_str()),
                    "`mcpolicy status` says why",
                ),
            }
        }
        Ok(Ok(Answer::Refused { why })) => Check::fault("agent", why, "restart the service"),
        Ok(Ok(_)) => {
            Check::fault("agent", "it answered something else", "restart the service to take the upgrade")
        }
        Ok(Err(error @ Unanswered::NotRunning { .. })) => {
            Check::warning("agent", error.to_string(), "start the service, or `mcpolicy run`")
        }
        Ok(Err(error)) => Check::fault("agent", error.to_string(), "restart the service"),
        Err(error) => Check::fault("agent", format!("{error:#}"), "give --socket"),
    }
}

/// How many folders the system lets be watched.
pub(super) fn watches() -> Option<Check> {
    let limits = watch::limits()?;
    let seen = format!("{} folders and {} instances a user", limits.watches, limits.instances);
    let few = limits.watches < 8192 || limits.instances < 128;
    Some(match few {
        true => Check::warning(
            "watches",
            seen,
            "raise fs.inotify.max_user_watches to 524288 and max_user_instances to 512: without watches all known files \
             are looked at every 15 s",
        ),
        false => Check::ok("watches", seen),
    })
}

/// What a service needs for the gate.
const FOR_GATE: &str = "where the policy says `gate = true` the service needs CAP_SYS_ADMIN and CAP_LEASE, which the unit that is shipped \
    does not give: put gate.conf into /etc/systemd/system/mcpolicy.service.d (docs/gate.md) and restart it";

/// Whether opens can be held, and are. Nothing on systems that have no gate.
pub(super) fn gate(place: &Where, environment: &Environment) -> Option<Check> {
    let able = gate::ability();
    if able == Err(Lack::System) {
        return None;
    }
    let status = place.ask(&Ask::Status { cost: false }, environment);
    let layers = match status {
        Ok(Ok(Answer::Status(status))) => status.layers,
        _ => Vec::new(),
    };
    let running = layers.into_iter().find(|layer| layer.name == GATE);
    Some(match (running, able) {
        (Some(Layer { state, why: None, .. }), _) if state != "off" => {
            Check::ok(GATE, "in force: opens of clients' files wait until they are checked")
        }
        (Some(Layer { state, why: Some(why), .. }), _) => {
            Check::warning(GATE, format!("{state}: {why}"), FOR_GATE)
        }
        (_, Ok(())) => {
            Check::ok(GATE, "the kernel can hold opens; it does where the policy says `gate = true`")
        }
        (_, Err(Lack::Right)) => Check::ok(GATE, "not on; whether the kernel can hold opens, root is told"),
        (_, Err(lack)) => Check::warning(
            GATE,
            format!("not to be had: {lack}"),
            "leave `gate` out of this machine's policy",
        ),
    })
}

/// Whether the homes can be read.
pub(super) fn homes(ground: Result<&Ground, &anyhow::Error>) -> Vec<Check> {
    if !protected::has_full_disk_access() {
        return vec![Check::warning(
            "homes",
            "the system keeps folders of homes from this program",
            "an administrator grants Full Disk Access by MDM (a PPPC profile) to the agent",
        )];
    }
    let ground = match ground {
        Ok(ground) => ground,
        Err(error) => return vec![Check::fault("homes", format!("{error:#}"), "see docs/platforms.md")],
    };
    let unreadable: Vec<String> = ground
        .homes
        .iter()
        .filter(|home| matches!(home_state(&ground.machine, home), Err(ReadError::Denied)))
        .map(|home| home.user.clone())
        .collect();
    let users: Vec<&str> = ground.homes.iter().map(|home| home.user.as_str()).collect();
    if unreadable.is_empty() {
        return vec![Check::ok("homes", format!("{} ({})", users.len(), users.join(", ")))];
    }
    vec![Check::warning(
        "homes",
        format!("those of {} cannot be read", unreadable.join(", ")),
        "on a server the agent needs rights there; what cannot be read is told as a gap",
    )]
}

/// The clients that are installed for whoever asks: in the own home and machine-wide. Nothing of another user's is opened, and
/// by root nothing but what is root's.
pub(super) fn clients(ground: &Ground, environment: &Environment) -> Vec<Installed> {
    let is_root = users::is_privileged();
    let machine = if is_root { ground.machine.clone().only_roots() } else { ground.machine.clone() };
    let homes = ground.homes.iter().filter(|_| !is_root).map(|home| &home.layout);
    // what root finds by its own search path is no word about a user's
    let path = environment.get("PATH").filter(|_| !is_root && ground.machine.is_live());
    let search: Vec<PathBuf> =
        path.iter().flat_map(std::env::split_paths).filter(|at| at.is_absolute()).collect();
    installed::find(&machine, &homes.collect::<Vec<_>>(), ground.os, &search)
}

/// A client in a line.
pub(super) fn client(client: &Installed) -> Check {
    let Installed { name, version, path, tested, tested_versions, .. } = client;
    let version = version.as_deref().unwrap_or("of unknown version");
    let tested = match tested {
        Tested::ThisVersion => "tested".to_owned(),
        Tested::OtherVersions => format!("tested was {}", tested_versions.join(", ")),
        Tested::None => "not tested: what is known is from its documentation or code".to_owned(),
        Tested::Unknown => "not to be read without running it".to_owned(),
    };
    Check::ok("client", format!("{name} {version} ({tested}): {}", path.display()))
}

fn home_state(machine: &Machine, home: &crate::discover::HomeContext) -> Result<(), ReadError> {
    machine.list(&home.layout.home).map(drop)
}

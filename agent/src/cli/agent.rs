//! What the commands of the agent have in common: its settings, its state, its ground.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use clap::Args;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use mcpolicy_platform::environment::Environment;
use mcpolicy_platform::ipc_channel::Audience;
use mcpolicy_platform::machine::Machine;
use mcpolicy_platform::notification::Recipient;
use mcpolicy_platform::privileges::UserIds;
use mcpolicy_platform::{durable, host, paths, privileges, uptime, users};
use mcpolicy_schema::document::Mode;
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::trust::{Reading, Uptime};
use sha2::Sha256;

use crate::diagnostics::{self, Log};
use crate::discover::HomeContext;
use crate::enforce::pass::Setting;
use crate::enforce::places::{Places, StateLock, inside};
use crate::ground;
use crate::ipc::client::{self, Unanswered};
use crate::ipc::{Answer, Ask};
use crate::pipeline::{Bounds, Ground};
use crate::settings::Settings;
use crate::shipper::Exchange;
use crate::worker::homes::{Homes, WALK_BUDGET};

/// Where the agent finds what it needs. Every path is a parameter.
#[derive(Debug, Args)]
pub(super) struct Where {
    /// Take this folder as the machine's root (an image, a container); settings and state are looked for inside
    #[arg(long, value_name = "DIR")]
    pub(super) root: Option<PathBuf>,

    /// The settings [default: agent.toml of the machine; of the user without root]
    #[arg(long, value_name = "FILE")]
    pub(super) settings: Option<PathBuf>,

    /// The state folder, instead of that of the settings
    #[arg(long, value_name = "DIR")]
    pub(super) state: Option<PathBuf>,

    /// Where the agent listens for commands, instead of beside its state
    #[arg(long, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,
}

/// Which policy, on which machine, in place of what the settings say: what a pass and a restore by hand both take.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// The published policy, instead of that of the settings
    #[arg(long, value_name = "DIR")]
    policy: Option<PathBuf>,

    /// The root document that is trusted, instead of that of the settings
    #[arg(long, value_name = "FILE")]
    trust_root: Option<PathBuf>,

    /// The channel that the policy has to be of, instead of that of the settings
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,

    /// The id of this machine, instead of that of the settings
    #[arg(long, value_name = "ID")]
    device_id: Option<String>,

    /// The time to judge by
    #[arg(long, value_name = "TIME", hide = true)]
    now: Option<Timestamp>,
}

impl Which {
    /// What is given here goes before what the settings say.
    pub(super) fn overrule(&self, settings: &mut Settings) {
        let policy = &mut settings.policy;
        policy.dir = self.policy.clone().or(policy.dir.take());
        policy.trust_root = self.trust_root.clone().or(policy.trust_root.take());
        if let Some(channel) = &self.channel {
            settings.policy.channel.clone_from(channel);
        }
        if let Some(id) = &self.device_id {
            settings.device.id.clone_from(id);
        }
    }

    /// The time to judge by.
    pub(super) fn now(&self) -> Timestamp {
        self.now.unwrap_or_else(now)
    }

    /// What the clocks say. A time that was given goes with no other clock.
    pub(super) fn reading(&self) -> Reading {
        let uptime = uptime::read().filter(|_| self.now.is_none());
        Reading { wall: self.now(), uptime: uptime.map(|(boot, seconds)| Uptime { boot, seconds }) }
    }
}

/// An agent's folders, its settings read.
pub(super) struct Agent {
    pub(super) settings: Settings,
    pub(super) state: PathBuf,
    /// Spool and inbox, between it and the role that uses the network.
    pub(super) exchange: Exchange,
    /// Where it listens for commands.
    pub(super) socket: PathBuf,
    /// The file of its settings, which need not be there.
    pub(super) settings_file: PathBuf,
    /// State of the machine's agent, where this is a user who cannot look into it.
    pub(super) machines: Option<PathBuf>,
    /// Settings of the machine's agent, where there are any and this is a user's.
    machines_settings: Option<PathBuf>,
    /// It is not the machine's agent but one user's.
    user_level: bool,
    root: Option<PathBuf>,
}

impl Where {
    /// Finds the folders and reads the settings. Without a file of settings the defaults hold.
    pub(super) fn agent(&self, environment: &Environment) -> anyhow::Result<Agent> {
        let user_level = self.root.is_none() && !users::is_privileged();
        let places = Places::of(environment, user_level);
        let places = match &self.root {
            // before anything is made in it: a mistyped one is not to come into being
            Some(root) => {
                anyhow::ensure!(root.is_dir(), "--root {}: there is no such directory", root.display());
                places.map(|places| places.inside(root)).transpose()?
            }
            None => places,
        };
        let unknown = "the folders of the agent are not known; set HOME, or give --settings and --state";
        let path = self.settings.clone().or_else(|| places.as_ref().map(|places| places.settings.clone()));
        let path = std::path::absolute(path.context(unknown)?)?;
        let mut settings = if self.settings.is_some() || std::fs::symlink_metadata(&path).is_ok() {
            Settings::read(&path, users::own_uid())?
        } else {
            Settings::default()
        };
        if let (Some(root), None) = (&self.root, &self.settings) {
            // what an image says of itself is about the image, and steers nothing on this host
            for path in [
                &mut settings.state.dir,
                &mut settings.policy.dir,
                &mut settings.policy.trust_root,
                &mut settings.log.dir,
                &mut settings.ship.dir,
            ] {
                *path = path.take().map(|path| inside(root, &path)).transpose()?;
            }
        }
        let of_settings = self.state.clone().or_else(|| settings.state.dir.clone());
        let (state, exchange, socket) = match of_settings {
            Some(state) => {
                // of the machine's agent both roles have to find it, by the settings alone
                let is_machines = !user_level && self.root.is_none() && self.state.is_none();
                let fixed = places.filter(|_| is_machines).map(|of| of.exchange);
                let exchange = fixed.unwrap_or_else(|| paths::exchange_of(&state));
                (state.clone(), exchange, paths::socket_of(&state))
            }
            None => places.map(|of| (of.state, of.exchange, of.socket)).context(unknown)?,
        };
        let exchange = settings.ship.dir.clone().unwrap_or(exchange);
        let exchange = Exchange::in_folder(&std::path::absolute(exchange)?);
        if !settings.policy.urls.is_empty() {
            settings.policy.dir = Some(exchange.inbox.clone());
        }
        let socket = self.socket.clone().unwrap_or(socket);
        let state = std::path::absolute(state)?;
        let of_machine = Places::of(environment, false).filter(|_| user_level);
        let others = || of_machine.as_ref().map(|places| places.state.clone()).into_iter();
        let mut states = std::iter::once(state.clone()).chain(others());
        let machines = states.find(|state| !users::is_privileged() && paths::is_anothers(state));
        let machines_settings = of_machine.as_ref().map(|places| places.settings.clone());
        let machines_settings = machines_settings.filter(|path| std::fs::symlink_metadata(path).is_ok());
        let root = self.root.clone();
        Ok(Agent {
            settings,
            state,
            exchange,
            socket,
            settings_file: path,
            machines,
            machines_settings,
            user_level,
            root,
        })
    }
}

impl Where {
    /// Where agents may listen that answer for this user, the one of the machine first.
    pub(super) fn sockets(&self, environment: &Environment) -> anyhow::Result<Vec<PathBuf>> {
        if let Some(socket) = &self.socket {
            return Ok(vec![socket.clone()]);
        }
        if self.is_given() {
            return Ok(vec![self.agent(environment)?.socket]);
        }
        let of_machine = Places::of(environment, false).map(|places| places.socket);
        let own = Places::of(environment, true).map(|places| places.socket);
        let own = own.filter(|_| !users::is_privileged());
        let sockets: Vec<PathBuf> = of_machine.into_iter().chain(own).collect();
        anyhow::ensure!(!sockets.is_empty(), "where the agent listens is not known; give --socket");
        Ok(sockets)
    }

    /// Whether a place was given, so that it is not the machine's.
    pub(super) fn is_given(&self) -> bool {
        self.socket.is_some() || self.state.is_some() || self.root.is_some() || self.settings.is_some()
    }

    /// Asks the agent that answers for this user.
    pub(super) fn ask(
        &self,
        ask: &Ask,
        environment: &Environment,
    ) -> anyhow::Result<Result<Answer, Unanswered>> {
        let mut answer = None;
        for socket in self.sockets(environment)? {
            match client::ask(&socket, ask) {
                // of several that are not there the machine's is named
                Err(error @ Unanswered::NotRunning { .. }) => {
                    answer.get_or_insert(Err(error));
                }
                other => return Ok(other),
            }
        }
        answer.context("where the agent listens is not known; give --socket")
    }
}

impl Agent {
    /// Whether the state that was asked for is the machine's, which this user cannot look into.
    pub(super) fn is_machines(&self) -> bool {
        self.machines.as_ref() == Some(&self.state)
    }

    /// Whether this user has no agent of the own and the machine has one: policy and trust root are its.
    pub(super) fn is_managed(&self) -> bool {
        let has_own = self.settings.policy.trust_root.is_some() || self.settings.policy.dir.is_some();
        (self.machines.is_some() || self.machines_settings.is_some()) && !has_own
    }

    /// What a user is told where the machine's agent keeps what is looked for.
    pub(super) fn machines_notice(&self) -> Option<String> {
        let state = self.machines.as_ref()?;
        Some(format!(
            "the agent of this machine keeps its own in {}, which administrators see (`sudo mcpolicy quarantine list`); \
             ask them for the id of what was taken from your files, and `mcpolicy quarantine purge ID` has it removed",
            state.display()
        ))
    }

    /// Refuses what only the agent of the machine can do.
    pub(super) fn ensure_own(&self, what: &str) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.is_machines(),
            "{} belongs to the agent of this machine: an administrator {what}",
            self.state.display()
        );
        Ok(())
    }

    /// Where no root of trust is named for a user's own run, whether the machine's agent has one.
    pub(super) fn ensure_trust_root(&self) -> anyhow::Result<()> {
        let Some(path) =
            self.machines_settings.as_ref().filter(|_| self.settings.policy.trust_root.is_none())
        else {
            return Ok(());
        };
        let by_root = if privileges::HAS_WORKERS {
            ", which root runs; `sudo mcpolicy enforce --once` makes its pass, or"
        } else {
            "; to use the same policy,"
        };
        anyhow::bail!(
            "no trust root: this is your own run, and {} is for the machine's agent{by_root} give --policy and \
             --trust-root as that file names them",
            path.display()
        )
    }

    /// Takes the state folder for this process alone; `None` if another agent is at work on it.
    pub(super) fn try_lock(&self) -> anyhow::Result<Option<StateLock>> {
        let taken = StateLock::take(&self.state);
        taken.with_context(|| format!("cannot use the state folder {}", self.state.display()))
    }

    /// Asks the daemon that is at work on the state folder.
    pub(super) fn ask(&self, ask: &Ask) -> anyhow::Result<Answer> {
        match client::ask(&self.socket, ask) {
            Ok(Answer::Refused { why }) => anyhow::bail!("{why}"),
            Ok(answer) => Ok(answer),
            // a pass of another's, say
            Err(error @ Unanswered::NotRunning { .. }) => anyhow::bail!(
                "another mcpolicy is at work on {}; try again when it is through ({error})",
                self.state.display()
            ),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the state folder for this process alone.
    pub(super) fn lock(&self) -> anyhow::Result<StateLock> {
        self.try_lock()?.with_context(|| {
            format!("another mcpolicy is at work on {}; try again when it is through", self.state.display())
        })
    }

    /// Begins the log for support. Without one the agent does its work all the same, and says why on standard error.
    pub(super) fn start_log(&self, redactor: &Redactor) -> Option<Log> {
        let is_machines = !self.user_level && self.root.is_none();
        diagnostics::start(&self.settings.log, &self.state, redactor, is_machines).unwrap_or_else(|error| {
            super::complain(&format!("mcpolicy: {error}"));
            None
        })
    }

    /// As [`Self::start_log`], beside another folder than the state; the service manager's log has the same.
    pub(super) fn start_log_in(&self, folder: &Path, redactor: &Redactor) -> Option<Log> {
        diagnostics::start(&self.settings.log, folder, redactor, false).unwrap_or_else(|error| {
            super::complain(&format!("mcpolicy: {error}"));
            None
        })
    }

    /// Lays the ground: the machine, the own home without root, or the folder that is taken for a machine.
    pub(super) fn ground(&self, environment: &Environment) -> anyhow::Result<Ground> {
        // where no worker can be started, a process with all rights would meet what users wrote
        anyhow::ensure!(
            self.user_level || self.root.is_some() || privileges::HAS_WORKERS,
            "on this system the agent acts on the home of the user that runs it; run it as each user, not as administrator"
        );
        Ok(ground::lay_bare(self.root.as_deref(), environment)?)
    }

    /// The id of this machine: what the settings say, else one that is made from the system's own, equal at each start and
    /// telling nobody which. A folder that is taken for a machine has none of its own.
    pub(super) fn device(&self) -> String {
        let given = &self.settings.device.id;
        if !given.is_empty() || self.root.is_some() {
            return given.clone();
        }
        host::machine_id().map(|id| made_of(&id)).unwrap_or_default()
    }

    /// What a pass stands on.
    pub(super) fn setting<'a>(&'a self, reading: Reading, redactor: &'a Redactor) -> Setting<'a> {
        let device = self.device();
        let Reading { wall, uptime } = reading;
        let state = self.state.clone();
        Setting { settings: &self.settings, state, device, now: wall, uptime, redactor, glass: None }
    }

    /// Who may speak with it: everybody of the machine with that of the machine.
    pub(super) fn audience(&self) -> Audience {
        if self.user_level { Audience::OwnUser } else { Audience::Everybody }
    }

    /// Whether there are desktops on which users can be told: not in a folder that is taken for a machine.
    pub(super) fn has_desktops(&self) -> bool {
        self.root.is_none()
    }

    /// Whose desktop the user of a home has.
    pub(super) fn recipient(&self, home: &HomeContext, environment: &Environment) -> Option<Recipient> {
        if self.user_level {
            let runtime = environment.get("XDG_RUNTIME_DIR").map(PathBuf::from);
            return Some(Recipient::Own { runtime });
        }
        let ids = UserIds::of(&Machine::live(), &home.user, home.uid?)?;
        Some(Recipient::User { ids, runtime: None })
    }

    /// Takes other settings for the same agent.
    ///
    /// # Errors
    /// They are about another state or socket, which only another start of the agent takes.
    pub(super) fn changed_to(&self, new: Self) -> anyhow::Result<Self> {
        anyhow::ensure!(
            self.state == new.state && self.socket == new.socket,
            "they name another state folder ({}): restart the agent to take them",
            new.state.display()
        );
        Ok(new)
    }

    /// Folders in which a change may mean another policy.
    pub(super) fn watched(&self) -> Vec<PathBuf> {
        self.settings.policy.dir.iter().filter_map(|folder| std::path::absolute(folder).ok()).collect()
    }

    /// Whether the clients' own managed files are this agent's to write: they say what holds for all users of a machine.
    pub(super) fn keeps_native(&self) -> bool {
        !self.user_level
    }

    /// Makes the folders between this agent and the role that uses the network, and gives that role what is its own. On a
    /// managed machine without its account everything stays root's, and nothing leaves.
    ///
    /// # Errors
    /// One cannot be made, or is not as it must be.
    pub(super) fn make_exchange(&self) -> anyhow::Result<()> {
        let Exchange { spool, inbox, shipped } = &self.exchange;
        let above = spool.parent().context("no folder for spool and inbox")?;
        let make = || -> io::Result<()> {
            durable::make_public_directory(above)?;
            for folder in [spool, inbox, shipped] {
                durable::make_shared_directory(folder)?;
            }
            if let Some((uid, gid)) = self.shipping_account() {
                durable::share_with_group(spool, gid)?;
                durable::give(inbox, (uid, gid))?;
                durable::give(shipped, (uid, gid))?;
            }
            durable::check_shared_directory(spool)
        };
        make().with_context(|| format!("cannot use the folders of {}", above.display()))
    }

    /// Takes other folders between both roles.
    pub(super) fn use_exchange(&mut self, folder: &Path) {
        self.exchange = Exchange::in_folder(folder);
        if !self.settings.policy.urls.is_empty() {
            self.settings.policy.dir = Some(self.exchange.inbox.clone());
        }
    }

    /// The account of the role that uses the network; none where it is this user, or a folder is taken for a machine.
    pub(super) fn shipping_account(&self) -> Option<(u32, u32)> {
        let is_managed = !self.user_level && self.root.is_none() && users::is_privileged();
        let account = users::service_account(&Machine::live(), &self.settings.ship.user);
        account.filter(|(uid, _)| is_managed && *uid != 0)
    }

    /// Lowers the mode's ceiling, never raises it.
    pub(super) fn lower_ceiling(&mut self, ceiling: Mode) {
        let own = &mut self.settings.enforcement.mode_ceiling;
        *own = Some(own.map_or(ceiling, |own| own.min(ceiling)));
    }
}

/// An id of ours from the system's own, as systemd asks for it (machine-id(5)): keyed by it, over a name of ours.
fn made_of(machine_id: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(machine_id.as_bytes()) else { return String::new() };
    mac.update(b"mcpolicy device v1");
    let digest = mac.finalize().into_bytes();
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Who answers for the homes of a ground: workers where this is root, else this process.
pub(super) fn homes<'g>(ground: &'g Ground, redactor: &'g Redactor) -> Homes<'g> {
    Homes::new(ground, redactor, Homes::answering(), threads())
}

/// Threads of a walk.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).min(4)
}

/// A key for the fingerprints of secrets that is forgotten with the process.
pub(super) fn redactor() -> anyhow::Result<Redactor> {
    let mut key = [0u8; 32];
    getrandom::fill(&mut key).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    Ok(Redactor::new(&key))
}

/// Bounds of a pass that tells nothing on its way.
pub(super) fn with_bounds<T>(run: impl FnOnce(&Bounds<'_>) -> T) -> T {
    let seen = AtomicU64::new(0);
    let progress = |directories| seen.store(directories, Ordering::Relaxed);
    run(&Bounds {
        walk_budget: WALK_BUDGET,
        threads: threads(),
        texts: 0,
        progress: &progress,
        reading: &|_, _| {},
        without: &BTreeSet::new(),
    })
}

/// The time of this command.
pub(super) fn now() -> Timestamp {
    #[allow(clippy::disallowed_methods, reason = "here the time becomes a parameter")]
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_made_stays_the_same_and_hides_the_systems_own() {
        let made = made_of("0123456789abcdef0123456789abcdef");
        assert_eq!(made, made_of("0123456789abcdef0123456789abcdef"));
        assert_eq!(made.len(), 32);
        assert_ne!(made, made_of("0123456789abcdef0123456789abcdee"));
        assert!(!made.contains("0123456789"));
    }

    #[test]
    fn a_users_own_run_names_the_settings_of_the_machines_agent() {
        let mut agent = Agent {
            settings: Settings::default(),
            state: "/home/ann/.local/state/mcpolicy/state".into(),
            exchange: Exchange::in_folder(Path::new("/home/ann/.local/state/mcpolicy/state/ship")),
            socket: "/home/ann/.local/state/mcpolicy/state/agent.sock".into(),
            settings_file: "/home/ann/.config/mcpolicy/agent.toml".into(),
            machines: Some("/var/lib/mcpolicy".into()),
            machines_settings: Some("/etc/mcpolicy/agent.toml".into()),
            user_level: true,
            root: None,
        };
        let refused = agent.ensure_trust_root().unwrap_err().to_string();
        assert!(
            refused.contains("/etc/mcpolicy/agent.toml") && refused.contains("--trust-root"),
            "{refused}"
        );
        agent.settings.policy.trust_root = Some("/srv/root.1.json".into());
        agent.ensure_trust_root().unwrap();
        agent.ensure_own("restores").unwrap();
        assert!(agent.machines_notice().is_some_and(|notice| notice.contains("administrators")));
        agent.state = "/var/lib/mcpolicy".into();
        assert!(agent.ensure_own("restores").is_err());
    }
}

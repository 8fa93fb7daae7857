//! What the commands that answer have in common: by which policy, for whom, and what is found in the own home.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use mcpolicy_platform::environment::Environment;
use mcpolicy_platform::machine::Machine;
use mcpolicy_platform::{uptime, users};
use mcpolicy_schema::limits::MAX_ENVELOPE_BYTES;
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::v1;
use mcpolicy_schema::trust::{Demands, Reading, Trust, Uptime};

use super::agent::{self, Agent, Where};
use crate::answers::spec::MAX_TEXT;
use crate::answers::{Asker, By};
use crate::enforce::activation::Activation;
use crate::enforce::remembered::Remembered;
use crate::ground::{self, Target};
use crate::in_force::InForce;
use crate::ipc::client::Unanswered;
use crate::ipc::{Answer, Ask};
use crate::journal::{self, Record};
use crate::judge::{Judge, Terms};
use crate::output::json;
use crate::pipeline::{self, Ground};
use crate::policy_store::{self, FolderDisk, Store};
use crate::report::{self, Run};
use crate::settings;
use crate::vault::{Item, Vault};

/// By which policy, and for whom.
#[derive(Debug, Args)]
pub(super) struct Answering {
    /// Answer by the published policy in this folder, instead of the agent's
    #[arg(long, value_name = "DIR", requires = "trust_root")]
    policy: Option<PathBuf>,

    /// The root document that is trusted for it
    #[arg(long, value_name = "FILE", requires = "policy")]
    trust_root: Option<PathBuf>,

    /// The channel that a published policy has to be of
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,

    /// Answer by an unsigned policy.toml, or the folder it is in; the answer says UNSIGNED
    #[arg(long, value_name = "FILE", conflicts_with_all = ["policy", "trust_root"])]
    draft: Option<PathBuf>,

    /// The id of this machine, instead of that of the settings
    #[arg(long, value_name = "ID")]
    device_id: Option<String>,

    /// Take this home instead of your own, and nothing else of the machine
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,

    /// The settings [default: agent.toml of the machine; of the user without root]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,

    /// The state folder, instead of that of the settings
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,

    /// Where the agent listens for commands
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,

    /// The time to judge by
    #[arg(long, value_name = "TIME", hide = true)]
    now: Option<Timestamp>,
}

/// What is said of a policy that cannot be found.
const NO_POLICY: &str = "no policy is known here: give --policy and --trust-root, or --draft; the agent's own is named in \
    its settings as policy.trust_root and policy.dir";

/// What answers stand on.
pub(super) struct Basis {
    pub(super) agent: Agent,
    pub(super) ground: Ground,
    pub(super) in_force: InForce,
    pub(super) now: Timestamp,
    pub(super) redactor: Redactor,
    remembered: Option<Remembered>,
    device: String,
    groups: Vec<String>,
}

impl Answering {
    /// The agent's folders.
    pub(super) fn agent(&self, environment: &Environment) -> anyhow::Result<Agent> {
        self.place().agent(environment)
    }

    fn place(&self) -> Where {
        let (settings, state, socket) = (self.settings.clone(), self.state.clone(), self.socket.clone());
        Where { root: None, settings, state, socket }
    }

    /// What the running agent says, where one is asked: not for another policy than its own, nor for another home.
    pub(super) fn ask(&self, ask: &Ask, environment: &Environment) -> anyhow::Result<Option<Answer>> {
        if self.policy.is_some() || self.draft.is_some() || self.home.is_some() {
            return Ok(None);
        }
        match self.place().ask(ask, environment)? {
            Ok(Answer::Refused { why }) => anyhow::bail!("{why}"),
            Ok(answer) => Ok(Some(answer)),
            Err(Unanswered::NotRunning { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The policy and the home.
    pub(super) fn basis(&self, environment: &Environment) -> anyhow::Result<Basis> {
        let agent = self.agent(environment)?;
        let ground = match &self.home {
            Some(home) => ground::lay(&Target::Homes(vec![home.clone()]), None, environment)?,
            None => ground::lay_own(environment)?,
        };
        let sent = match self.ask(&Ask::Policy, environment)? {
            Some(Answer::Policy(sent)) => Some(*sent),
            Some(_) => anyhow::bail!("the agent answered something else: is it of another version?"),
            None => None,
        };
        let of_agent = sent.as_ref().map_or_else(|| agent.device(), |sent| sent.device.clone());
        let device = self.device_id.clone().unwrap_or(of_agent);
        let groups =
            sent.as_ref().map_or_else(|| agent.settings.device.groups.clone(), |sent| sent.groups.clone());
        let (in_force, now, remembered) = match sent {
            Some(sent) => (sent.in_force()?, self.now.unwrap_or_else(agent::now), None),
            None => self.in_force(&agent)?,
        };
        let in_force = {
            let terms =
                Terms { in_force: &in_force, now, device: &device, groups: &groups, remembered: None };
            let ring = Judge::new(&ground, &ground.machine, terms).ring().map(str::to_owned);
            in_force.of_ring(ring.as_deref())
        };
        let redactor = agent::redactor()?;
        Ok(Basis { agent, ground, in_force, now, redactor, remembered, device, groups })
    }

    fn in_force(&self, agent: &Agent) -> anyhow::Result<(InForce, Timestamp, Option<Remembered>)> {
        let now = self.now.unwrap_or_else(agent::now);
        if let (Some(folder), Some(root)) = (&self.policy, &self.trust_root) {
            let channel = self.channel.clone().unwrap_or_else(settings::default_channel);
            let demands = Demands { channel: Some(channel), ..Demands::default() };
            return Ok((InForce::verified(folder, root, demands, now)?, now, None));
        }
        if let Some(draft) = &self.draft {
            return Ok((InForce::draft(draft)?, now, None));
        }
        if agent.is_machines() {
            anyhow::bail!(
                "the policy of this machine is kept by its agent in {}, which you cannot look into, and the agent does not \
                 answer; give --policy and --trust-root, or ask an administrator",
                agent.state.display()
            );
        }
        let uptime = uptime::read().filter(|_| self.now.is_none());
        let reading = Reading { wall: now, uptime: uptime.map(|(boot, seconds)| Uptime { boot, seconds }) };
        let (in_force, now) = of_agent(agent, self.channel.as_deref(), &reading)?;
        let path = agent.state.join("remembered.json");
        // one that is damaged is put aside by the next pass, and not by a question
        let is_there = std::fs::symlink_metadata(&path).is_ok();
        let remembered = if is_there { Remembered::look(&path) } else { None };
        Ok((in_force, now, remembered))
    }
}

/// The policy of a user's own agent, as its next pass would have it. Nothing is written by asking.
pub(super) fn of_agent(
    agent: &Agent,
    channel: Option<&str>,
    reading: &Reading,
) -> anyhow::Result<(InForce, Timestamp)> {
    agent.ensure_trust_root()?;
    let source = &agent.settings.policy;
    let root = std::path::absolute(source.trust_root.as_ref().context(NO_POLICY)?)?;
    let pinned = Machine::live().read(&root, None, MAX_ENVELOPE_BYTES as u64);
    let pinned = pinned.with_context(|| format!("cannot read the trust root {}", root.display()))?;
    // attack: whoever can write it signs the policy that is answered by
    anyhow::ensure!(
        settings::is_only_ours(&pinned, users::own_uid()),
        "the trust root {} belongs to another user, or group and others may write it",
        root.display()
    );
    let stored = agent.state.join("policy");
    let trust = if stored.is_dir() {
        Store::new(FolderDisk::new(&stored)?).load(&pinned.bytes, Timestamp::UNIX_EPOCH)?.trust
    } else {
        Trust::pinned(&pinned.bytes, Timestamp::UNIX_EPOCH)?
    };
    let channel = channel.map_or_else(|| source.channel.clone(), str::to_owned);
    let demands = Demands { min_policy: source.min_sequence, channel: Some(channel), ..Demands::default() };
    let mut trust = trust.demanding(demands);
    let mut notices = Vec::new();
    if let Some(folder) = &source.dir {
        let time = trust.read_clock(reading.clone());
        match policy_store::read(folder) {
            Ok(documents) => {
                let refusals = trust.update(&documents, time).refusals;
                notices.extend(
                    refusals.iter().map(|refusal| format!("refused, what was in force stays: {refusal}")),
                );
            }
            Err(error) => notices.push(format!("{error:#}; what was in force stays")),
        }
    }
    let time = trust.read_clock(reading.clone());
    let mut in_force = InForce::of_trust(&trust, time).with_context(|| match notices.is_empty() {
        true => NO_POLICY.to_owned(),
        false => format!("no policy has been accepted:\n  {}", notices.join("\n  ")),
    })?;
    let activation = agent.state.join("activation");
    if activation.is_dir() {
        let activation = Activation::open(&activation)?;
        let is_held = activation.held().is_some_and(|held| held.policy.sha256 == in_force.sha256);
        if let Some((acting, policy)) = activation.acting_before(&in_force.sha256).filter(|_| is_held) {
            notices.push(format!(
                "policy {} is held, and {} goes on acting",
                in_force.sequence.unwrap_or(0),
                acting.sequence
            ));
            in_force = in_force.older(policy, &acting, time.judging);
        }
    }
    in_force.notices.extend(notices);
    Ok((in_force, time.judging))
}

impl Basis {
    /// Who judges.
    pub(super) fn judge(&self) -> Judge<'_> {
        let terms = Terms {
            in_force: &self.in_force,
            now: self.now,
            device: &self.device,
            groups: &self.groups,
            remembered: self.remembered.as_ref(),
        };
        Judge::new(&self.ground, &self.ground.machine, terms)
    }

    /// By what and for whom an answer is.
    pub(super) fn by<'a>(&'a self, asker: &'a Asker) -> By<'a> {
        By { in_force: &self.in_force, asker, now: self.now }
    }

    /// The home that is asked from.
    pub(super) fn home(&self) -> &Path {
        &self.ground.homes[0].layout.home
    }

    /// What stands in the home now, judged. Nothing is changed.
    pub(super) fn scan(&self, judge: &mut Judge<'_>) -> v1::Report {
        let mut outcome = agent::with_bounds(|bounds| pipeline::scan(&self.ground, bounds, &self.redactor));
        judge.judge(&mut outcome);
        let run = Run {
            started_at: self.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            duration_ms: 0,
            fingerprint_key: "ephemeral",
            device_id: Some(self.device.clone()).filter(|id| !id.is_empty()),
            groups: Vec::new(),
            policy: Some(self.in_force.about(judge.ring())),
        };
        report::build(&self.ground, &outcome, &run, &self.redactor)
    }
}

/// What the agent has taken out of files and written down, as far as this user may see it.
#[derive(Default)]
pub(super) struct Past {
    pub(super) items: Vec<Item>,
    pub(super) records: Vec<Record>,
    /// The running agent said so: there is no more.
    pub(super) is_whole: bool,
}

/// Asks the agent, or looks into the own state.
pub(super) fn past(answering: &Answering, agent: &Agent, environment: &Environment) -> anyhow::Result<Past> {
    if let Some(Answer::Past { items, records }) = answering.ask(&Ask::Past, environment)? {
        return Ok(Past { items, records, is_whole: true });
    }
    if agent.is_machines() {
        return Ok(Past::default());
    }
    let vault = agent.state.join("vault");
    let items = if vault.is_dir() { Vault::look(&vault)?.items_told()? } else { Vec::new() };
    let journal = agent.state.join("journal");
    let records = if journal.is_dir() { journal::read(&journal)?.0 } else { Vec::new() };
    Ok(Past { items, records, is_whole: false })
}

/// Text on standard input, no more than is read.
pub(super) fn standard_input() -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .take(MAX_TEXT as u64 + 1)
        .read_to_end(&mut bytes)
        .context("cannot read standard input")?;
    // the error of the conversion would hold the text
    String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("the text on standard input is not UTF-8"))
}

/// Says the answer.
pub(super) fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    super::written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Says the answer as JSON.
pub(super) fn say_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    super::written(json::write_value(value, &mut out).and_then(|()| out.flush()))
}

/// Columns that lines may have: what `COLUMNS` says, else the terminal's. A file or pipe gets lines as they are.
pub(super) fn columns(environment: &Environment) -> usize {
    let told = environment.get("COLUMNS").and_then(|columns| columns.parse().ok());
    let measured = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    told.or_else(measured).map_or(usize::MAX, |columns: usize| columns.clamp(60, 400))
}

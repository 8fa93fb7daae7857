//! The policy by which a scan judges: an unsigned draft, or a published one that was verified.

use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use mcpolicy_platform::machine::Machine;
use mcpolicy_schema::document::Mode;
use mcpolicy_schema::limits::MAX_ENVELOPE_BYTES;
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::report::v1::PolicyInForce;
use mcpolicy_schema::revocations::Revocations;
use mcpolicy_schema::signed::{Grant, Head};
use mcpolicy_schema::trust::{self, ClockEvent, Demands, Reading, Staleness, Time, Trust};
use sha2::{Digest, Sha256};

use crate::authoring::source::{self, Source};
use crate::authoring::statement;
use crate::enforce::activation::Acted;
use crate::policy_store;

/// Said of a draft wherever its verdicts are shown.
pub const UNSIGNED: &str = "UNSIGNED draft: nobody has signed this policy; its verdicts bind nobody";

/// A policy with all that goes with it.
#[derive(Clone)]
pub struct InForce {
    /// The rules.
    pub policy: Policy,
    /// What is denied now, whatever they allow.
    pub revocations: Option<Revocations>,
    /// Verified grants.
    pub grants: Vec<Grant>,
    /// Its sequence; `None` for a draft.
    pub sequence: Option<u64>,
    /// SHA-256 of its body.
    pub sha256: String,
    /// Change ticket under which it was signed.
    pub ticket: Option<String>,
    /// When the trust root ends; `None` for a draft.
    pub root_expires: Option<Timestamp>,
    /// Sequence of the revocations.
    pub revocations_sequence: Option<u64>,
    /// `fresh`, `stale` or `expired`; `None` for a draft.
    pub staleness: Option<&'static str>,
    /// It allows nothing new.
    pub expired: bool,
    /// When it ends; `None` for a draft.
    pub expires: Option<Timestamp>,
    /// Issue of the newest head whose documents are all in force; `None` for a draft, and where there never was one.
    pub as_of: Option<Timestamp>,
    /// When it counts as stale without a newer head; `None` where there never was one, and it is stale.
    pub stale_at: Option<Timestamp>,
    /// When it allows nothing new any more without a newer head.
    pub expired_at: Option<Timestamp>,
    /// When it counts as stale, as expired, and ends; in no order, and some may have passed.
    pub older_at: Vec<Timestamp>,
    /// What a reader of the verdicts must know.
    pub notices: Vec<String>,
    /// The ring that the head is for; `None` for all.
    pub for_ring: Option<String>,
    /// With a ring: the policy of all other machines, if the head names one.
    pub elsewhere: Option<Box<InForce>>,
}

impl InForce {
    /// A policy as its author has it, or the folder that it is in.
    ///
    /// # Errors
    /// It cannot be read, or something in it is wrong.
    pub fn draft(path: &Path) -> anyhow::Result<Self> {
        let source = Source::of_policy(path)?;
        let policy = source::compile(&source).context("nothing was judged")?;
        // as it would be signed, so that the digest is that of the later signed policy
        let body = statement::body(policy.document())?;
        Ok(Self {
            policy,
            revocations: None,
            grants: Vec::new(),
            sequence: None,
            sha256: Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect(),
            ticket: None,
            root_expires: None,
            revocations_sequence: None,
            staleness: None,
            expired: false,
            expires: None,
            as_of: None,
            stale_at: None,
            expired_at: None,
            older_at: Vec::new(),
            notices: vec![UNSIGNED.to_owned()],
            for_ring: None,
            elsewhere: None,
        })
    }

    /// A published policy, verified from a root that the caller trusts. A scan keeps nothing between two runs, so an
    /// older policy than one seen before is only noticed by what the caller demands; the agent's own store notices it
    /// by itself.
    ///
    /// # Errors
    /// Any check of any document fails: nothing of the folder counts then.
    pub fn verified(
        folder: &Path,
        trust_root: &Path,
        demands: Demands,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let root = read_root(trust_root)?;
        let lowest = demands.min_revocations;
        let mut trust = Trust::pinned(&root, Timestamp::UNIX_EPOCH)
            .with_context(|| format!("the trust root {} is refused", trust_root.display()))?
            .demanding(demands);
        // A wall clock that was set back before the roots were made brings nothing older to life.
        let reading = Reading { wall: now, uptime: None };
        let time = trust.read_clock(reading.clone());
        let update = trust.update(&policy_store::read(folder)?, time);
        if !update.refusals.is_empty() {
            let lines: Vec<String> = update.refusals.iter().map(|refusal| format!("\n  {refusal}")).collect();
            anyhow::bail!(
                "the policy in {} is refused, nothing was judged:{}",
                folder.display(),
                lines.concat()
            );
        }
        let by_now = trust.read_clock(reading);
        let mut in_force = Self::of_trust(&trust, by_now).with_context(|| {
            format!("{} holds no policy; name the folder that `policy publish` wrote", folder.display())
        })?;
        if in_force.expired {
            in_force.notices.push(SCAN_KNOWS_NOTHING.to_owned());
        }
        // A head of before the first revocations names none, and nothing of the folder is then too low.
        anyhow::ensure!(
            in_force.revocations_sequence.unwrap_or(0) >= lowest,
            "the policy in {} is refused, nothing was judged: it has no revocations, and those of sequence {lowest} are demanded; fetch the folder anew",
            folder.display()
        );
        if time.event == Some(ClockEvent::ClockRollback) {
            let notice = "the clock of this machine is behind the time at which its trust root was made";
            in_force.notices.push(notice.to_owned());
        }
        if lies_in(trust_root, folder) {
            let notice = "the trust root was taken from the policy's own folder: whoever can write there could have signed this policy";
            in_force.notices.insert(0, notice.to_owned());
        }
        Ok(in_force)
    }

    /// What a machine believes; `None` without a policy.
    pub fn of_trust(trust: &Trust, now: impl Into<Time>) -> Option<Self> {
        let now = now.into();
        let newest = Self::of_policy(trust, trust.policy()?, now);
        let ring = trust.head().and_then(|head| head.ring.clone());
        let elsewhere = trust.elsewhere().map(|policy| Box::new(Self::of_policy(trust, policy, now)));
        Some(Self { for_ring: ring, elsewhere, ..newest })
    }

    /// With grants that were verified.
    #[must_use]
    pub fn with_grants(mut self, grants: &[Grant]) -> Self {
        if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.grants = grants.to_vec();
        }
        Self { grants: grants.to_vec(), ..self }
    }

    fn of_policy(trust: &Trust, policy: &trust::InForce, now: Time) -> Self {
        let staleness = trust.staleness_of(policy, now);
        let mut notices: Vec<String> = trust.head().and_then(too_old_for).into_iter().collect();
        notices.extend(aged(staleness, trust.current_as_of()));
        Self {
            policy: policy.policy.clone(),
            revocations: trust.revocations().map(|list| list.revocations.clone()),
            grants: Vec::new(),
            sequence: Some(policy.sequence),
            sha256: policy.sha256.to_string(),
            ticket: policy.statement().ticket.clone(),
            root_expires: Some(trust.root().expires),
            revocations_sequence: trust.revocations().map(|list| list.sequence),
            staleness: Some(staleness.as_str()),
            expired: staleness == Staleness::Expired,
            expires: Some(policy.expires),
            as_of: trust.current_as_of(),
            stale_at: trust.current_as_of().map(|_| trust.age_of(policy).rungs()[0]),
            expired_at: Some(trust.age_of(policy).rungs()[1]),
            older_at: trust.age_of(policy).rungs().to_vec(),
            notices,
            for_ring: None,
            elsewhere: None,
        }
    }

    /// The policy of a machine in this ring: the one that the head names for the others, where it is offered to another
    /// ring.
    #[must_use]
    pub fn of_ring(mut self, ring: Option<&str>) -> Self {
        let is_other = self.for_ring.as_deref().is_some_and(|wanted| ring != Some(wanted));
        match self.elsewhere.take() {
            Some(elsewhere) if is_other => {
                let notices = self.notices.into_iter().filter(|notice| !elsewhere.notices.contains(notice));
                Self { notices: elsewhere.notices.iter().cloned().chain(notices).collect(), ..*elsewhere }
            }
            _ => self,
        }
    }

    /// An older policy that goes on acting, with the newest revocations. It may have ended, whatever the newest says.
    #[must_use]
    pub fn older(&self, policy: Policy, acting: &Acted, now: Timestamp) -> Self {
        let mut older = Self {
            policy,
            sequence: Some(acting.sequence),
            sha256: acting.sha256.clone(),
            // that of the newer one
            ticket: None,
            expires: acting.expires,
            older_at: self.older_at.iter().copied().chain(acting.expires).collect(),
            for_ring: None,
            elsewhere: None,
            ..self.clone()
        };
        if let Some(ended) = acting.expires.filter(|expires| *expires <= now && !self.expired) {
            older.expired = true;
            older.staleness = Some(Staleness::Expired.as_str());
            older.notices.push(format!(
                "EXPIRED: policy {} has ended ({ended}). It allows nothing new; what a pass knows that it allowed before stays",
                acting.sequence
            ));
        }
        older
    }

    /// When it allows nothing new any more, unless there is news before: it ends, or nothing newer has said that it is
    /// current. `None` for a draft.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.expired_at.into_iter().chain(self.expires).min()
    }

    /// How a report names it. `ring` is the machine's.
    pub fn about(&self, ring: Option<&str>) -> PolicyInForce {
        let mut notices = self.notices.clone();
        if let Some(wanted) = self.for_ring.as_deref().filter(|wanted| ring != Some(*wanted)) {
            notices.push(format!(
                "the head offers this policy to the ring {wanted} only; this machine is not in it"
            ));
        }
        PolicyInForce {
            name: self.policy.document().policy.name.clone(),
            sequence: self.sequence,
            signed: self.sequence.is_some(),
            sha256: self.sha256.clone(),
            mode: word(self.policy.mode(ring)).to_owned(),
            ring: ring.map(str::to_owned),
            revocations: self.revocations_sequence,
            staleness: self.staleness.map(str::to_owned),
            ticket: self.ticket.clone(),
            expires: self.expires.map(|at| at.to_string()),
            stale_at: self.stale_at.map(|at| at.to_string()),
            root_expires: self.root_expires.map(|at| at.to_string()),
            notices,
        }
    }
}

/// The mode as the policy names it.
pub fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "observe",
        Mode::Warn => "warn",
        Mode::Hold => "hold",
        Mode::Enforce => "enforce",
    }
}

/// What an expired policy means to whoever remembers nothing.
const SCAN_KNOWS_NOTHING: &str =
    "a scan knows of nothing that the policy allowed before: under an expired one it denies everything";

fn read_root(path: &Path) -> anyhow::Result<Vec<u8>> {
    let full = std::path::absolute(path)?;
    let snapshot = Machine::live().read(&full, None, MAX_ENVELOPE_BYTES as u64);
    Ok(snapshot.with_context(|| format!("cannot read the trust root {}", path.display()))?.bytes)
}

/// Whether a file is in a folder, links followed.
fn lies_in(file: &Path, folder: &Path) -> bool {
    let real =
        |path: &Path| Machine::live().resolve(&std::path::absolute(path).ok()?).ok().map(|found| found.path);
    real(folder).zip(real(file)).is_some_and(|(folder, file)| file.starts_with(folder))
}

/// An agent that does not know all that the policy uses.
fn too_old_for(head: &Head) -> Option<String> {
    let wanted = head.min_agent.as_deref()?;
    let own = env!("CARGO_PKG_VERSION");
    let numbers = |version: &str| -> Vec<u64> {
        version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect()
    };
    (numbers(own) < numbers(wanted)).then(|| {
        format!("the policy asks for mcpolicy {wanted} or newer; this is {own}, which may not know all of it")
    })
}

fn aged(rung: Staleness, current_as_of: Option<Timestamp>) -> Option<String> {
    let since = current_as_of.map_or_else(|| "no head".to_owned(), |at| format!("no head since {at}"));
    match rung {
        Staleness::Fresh => None,
        Staleness::Stale => Some(format!("STALE: {since} says that this policy is current")),
        Staleness::Expired => Some(format!(
            "EXPIRED: {since} says that this policy is current. It allows nothing new; what a pass knows that it \
             allowed before stays"
        )),
    }
}

//! Which signed documents are believed, and since when: the pinned root, its successors, the head, the policy, the
//! revocations. Time is an argument.
//!
//! Nothing that is refused changes anything: what was in force stays in force. Age takes new allowances away (see
//! [`Staleness`]) and never protection. Sequences only rise, but for a root that says otherwise.

mod clock;
mod documents;
mod refusal;
mod resume;
mod staleness;
mod state;
mod update;
mod verify;

use jiff::Timestamp;

pub use clock::{Clock, ClockEvent, Reading, Time, Uptime};
pub use documents::Documents;
pub use refusal::{DocumentName, Refusal, Violation};
pub use staleness::{Age, Staleness};
pub use state::{Accepted, Demands, Floor, Floors, Kept, SCHEMA, State};
pub use update::Update;

use crate::document::PolicyDocument;
use crate::loosens::Loosening;
use crate::policy::Policy;
use crate::revocations::Revocations;
use crate::signed::{
    Breakglass, Grant, Head, Payload as _, RevocationsStatement, Role, Root, Sha256Hex, Statement,
};
use verify::Verified;

/// The policy in force.
#[derive(Debug, Clone)]
pub struct InForce {
    /// Its number.
    pub sequence: u64,
    /// Its name.
    pub name: String,
    /// Digest of its body.
    pub sha256: Sha256Hex,
    /// When it was signed.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// How it takes protection away, as far as it does.
    pub loosening: Vec<Loosening>,
    /// Its compiled form.
    pub policy: Policy,
    statement: Verified<Statement>,
    body: Vec<u8>,
    root: Verified<Root>,
}

impl InForce {
    /// What administrators wrote.
    pub fn document(&self) -> &PolicyDocument {
        self.policy.document()
    }

    /// Its body, as it was signed.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// What was signed.
    pub fn statement(&self) -> &Statement {
        &self.statement.payload
    }

    /// How many policy keys had signed it.
    pub fn signers(&self) -> usize {
        self.statement.signers.len()
    }
}

/// The revocations in force.
#[derive(Debug, Clone)]
pub struct RevocationsInForce {
    /// Their number.
    pub sequence: u64,
    /// Digest of their body.
    pub sha256: Sha256Hex,
    /// When they were signed.
    pub issued: Timestamp,
    /// Their compiled form.
    pub revocations: Revocations,
    statement: Verified<RevocationsStatement>,
    body: Vec<u8>,
    root: Verified<Root>,
}

/// What a machine believes.
#[derive(Debug, Clone)]
pub struct Trust {
    /// The newest root.
    root: Verified<Root>,
    /// Digests from the pinned root to the newest.
    chain: Vec<Sha256Hex>,
    head: Option<(Verified<Head>, Verified<Root>)>,
    policy: Option<InForce>,
    /// Of the last update alone: it is not kept.
    elsewhere: Option<InForce>,
    revocations: Option<RevocationsInForce>,
    floors: Floors,
    demands: Demands,
    /// What is in force was taken on another channel.
    has_moved: bool,
    current_as_of: Option<Timestamp>,
    clock: Clock,
}

impl Trust {
    /// Trust in a pinned root and nothing else yet. `passed` is a time that is known to have passed, such as that of
    /// the build. The root's age is judged at the first update.
    ///
    /// # Errors
    /// The root is not one, or its own keys have not signed it.
    pub fn pinned(root: &[u8], passed: Timestamp) -> Result<Self, Refusal> {
        let root = verify::root(root).map_err(|v| Refusal::new(DocumentName::PinnedRoot, v))?;
        let mut clock = Clock::new(passed);
        // Who pinned the root saw it; a wall clock set back before it was made does not bring older documents to life.
        clock.raise(root.payload.issued);
        let mut floors = Floors::default();
        Self::take_reset(&root.payload, &mut floors, &mut clock);
        Ok(Self {
            chain: vec![root.digest],
            root,
            head: None,
            policy: None,
            elsewhere: None,
            revocations: None,
            floors,
            demands: Demands::default(),
            has_moved: false,
            current_as_of: None,
            clock,
        })
    }

    /// With what the device settings demand. Numbers of another channel are no floors of this one: what was taken there stays
    /// in force until this one's verifies.
    #[must_use]
    pub fn demanding(mut self, demands: Demands) -> Self {
        let said = self.head().map(|head| head.channel.as_str());
        if said.is_some_and(|said| demands.channel.as_deref().is_some_and(|wanted| wanted != said)) {
            self.head = None;
            self.has_moved = true;
            self.floors = Floors::default();
            Self::take_reset(&self.root.payload, &mut self.floors, &mut self.clock);
        }
        self.demands = demands;
        self
    }

    /// The policy in force; `None` if none was ever accepted.
    pub fn policy(&self) -> Option<&InForce> {
        self.policy.as_ref()
    }

    /// The policy that the head names for machines outside of its ring, if the last update brought it. Which of both is a
    /// machine's own depends on who it is.
    pub fn elsewhere(&self) -> Option<&InForce> {
        self.elsewhere.as_ref()
    }

    /// The revocations in force.
    pub fn revocations(&self) -> Option<&RevocationsInForce> {
        self.revocations.as_ref()
    }

    /// The newest root.
    pub fn root(&self) -> &Root {
        &self.root.payload
    }

    /// The newest head.
    pub fn head(&self) -> Option<&Head> {
        self.head.as_ref().map(|(head, _)| &head.payload)
    }

    /// The lowest sequences that are still taken.
    pub fn floors(&self) -> &Floors {
        &self.floors
    }

    /// Issue of the newest head whose documents are all in force.
    pub fn current_as_of(&self) -> Option<Timestamp> {
        self.current_as_of
    }

    /// The time, by the machine's clocks and everything that is known to have passed.
    pub fn read_clock(&mut self, reading: Reading) -> Time {
        let head_expires = self.head().map(|head| head.expires);
        self.clock.read(reading, head_expires)
    }

    /// How old what is in force is; `None` without a policy.
    pub fn staleness(&self, now: impl Into<Time>) -> Option<Staleness> {
        let policy = self.policy.as_ref()?;
        Some(self.staleness_of(policy, now))
    }

    /// The same of [`Trust::policy`] or [`Trust::elsewhere`].
    pub fn staleness_of(&self, policy: &InForce, now: impl Into<Time>) -> Staleness {
        let now = now.into();
        if policy.sequence < self.demands.min_policy {
            return Staleness::Expired;
        }
        now.doubting(self.age_of(policy).at(now.verifying))
    }

    /// What its staleness is judged by.
    pub fn age_of(&self, policy: &InForce) -> Age {
        Age {
            current_as_of: self.current_as_of,
            issued: policy.issued,
            expires: policy.expires,
            knobs: policy.document().policy.staleness,
        }
    }

    /// Verifies a grant: signed as a policy must be, and in its lifetime. Whether device, user and entry are those
    /// concerned is for the evaluation.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn grant(&self, envelope: &[u8], now: impl Into<Time>) -> Result<Grant, Refusal> {
        let now = now.into();
        let verified = self.root_in_its_time(now).and_then(|()| {
            let grant: Verified<Grant> = verify::document(envelope, &self.root().roles.policy.role)?;
            verify::in_its_time(&grant.payload.common(), now)?;
            // a time-boxed allowance ends by the later of all times that may be true
            match grant.payload.expires {
                expires if expires <= now.judging => Err(Violation::Expired(expires)),
                _ => Ok(grant.payload),
            }
        });
        verified.map_err(|violation| Refusal::new(DocumentName::Grant, violation))
    }

    /// Verifies a break-glass token: signed by as many as a policy that takes protection away, and in its lifetime. Whether
    /// it is for this device, and was taken before, is for whoever takes it.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn breakglass(&self, envelope: &[u8], now: impl Into<Time>) -> Result<Breakglass, Refusal> {
        let now = now.into();
        let role = &self.root().roles.policy;
        let role = Role { threshold: role.threshold_for(true), ..role.role.clone() };
        let verified = self.root_in_its_time(now).and_then(|()| {
            let token: Verified<Breakglass> = verify::document(envelope, &role)?;
            verify::in_its_time(&token.payload.common(), now)?;
            match token.payload.expires {
                expires if expires <= now.judging => Err(Violation::Expired(expires)),
                _ => Ok(token.payload),
            }
        });
        verified.map_err(|violation| Refusal::new(DocumentName::Breakglass, violation))
    }

    fn root_in_its_time(&self, now: Time) -> Result<(), Violation> {
        let expires = self.root().expires;
        if expires <= now.verifying { Err(Violation::RootExpired(expires)) } else { Ok(()) }
    }

    fn take_reset(root: &Root, floors: &mut Floors, clock: &mut Clock) {
        let Some(reset) = root.reset else { return };
        *floors = Floors {
            head: Floor::at(reset.head),
            policy: Floor::at(reset.policy),
            revocations: Floor::at(reset.revocations),
            for_all: 0,
        };
        clock.reset(root.issued);
    }
}

//! Going on after a restart: what was accepted is verified again, but not judged by its age, so that a policy in force
//! never disappears because time has passed.

use super::refusal::{DocumentName, Refusal, Violation};
use super::state::{Accepted, Kept, SCHEMA, State};
use super::update::policy_body;
use super::verify::{self, Verified};
use super::{InForce, RevocationsInForce, Trust};
use crate::signed::{Payload, RevocationsStatement, Role, Root, Sha256Hex, Statement};

impl Trust {
    /// Goes on with what was stored. A pinned root that the stored chain does not know takes its place: that is how
    /// administrators replace a root whose keys are lost; what was in force stays so until something newer verifies,
    /// and floors stay unless the new root resets them. Gives the refusals of stored documents that were damaged.
    ///
    /// # Errors
    /// Neither the pinned nor a stored root can be used.
    pub fn resume(pinned: &[u8], state: &State, kept: &Kept) -> Result<(Self, Vec<Refusal>), Refusal> {
        let mut refusals = Vec::new();
        let roots = known_roots(state, kept);
        let newest = state.chain.last().and_then(|digest| find(&roots, *digest)).cloned();
        let mut trust = match (Self::pinned(pinned, state.clock.floor()), newest) {
            (Ok(trust), Some(newest)) if state.chain.contains(&trust.root.digest) => {
                trust.stored(newest, state)
            }
            (Ok(trust), _) => trust.repinned(state),
            // a damaged pin must not switch the protection off
            (Err(refusal), Some(newest)) => {
                refusals.push(refusal);
                Self::bare(newest.clone(), state).stored(newest, state)
            }
            (Err(refusal), None) => return Err(refusal),
        };
        let head = state.head.filter(|_| trust.chain == state.chain);
        if let Some(head) =
            load(head, &roots, kept.head.as_deref(), DocumentName::Head, |root| &root.roles.online)
                .unwrap_or_else(|refusal| note(&mut refusals, refusal))
        {
            trust.head = Some(head);
        }
        let offers_to_all = trust.head().is_some_and(|head| head.ring.is_none());
        if trust.floors.for_all == 0 && offers_to_all {
            // a state of before this was remembered
            trust.floors.for_all = trust.floors.policy.sequence;
        }
        trust.policy = load_policy(state, &roots, kept).unwrap_or_else(|r| note(&mut refusals, r));
        trust.revocations = load_revocations(state, &roots, kept).unwrap_or_else(|r| note(&mut refusals, r));
        Ok((trust, refusals))
    }

    /// Puts what was in force before in the place of what is damaged. It then counts as current no more, until it is
    /// taken up anew.
    pub fn stand_in(&mut self, older: Self) {
        self.policy = self.policy.take().or(older.policy);
        self.revocations = self.revocations.take().or(older.revocations);
        self.current_as_of = None;
    }

    /// What must be remembered beside the documents.
    pub fn state(&self) -> State {
        let accepted = |root: &Verified<Root>, payload| Accepted { root: root.digest, payload };
        State {
            schema: SCHEMA.to_owned(),
            chain: self.chain.clone(),
            head: self.head.as_ref().map(|(head, root)| accepted(root, head.digest)),
            policy: self.policy.as_ref().map(|p| accepted(&p.root, p.statement.digest)),
            revocations: self.revocations.as_ref().map(|r| accepted(&r.root, r.statement.digest)),
            floors: self.floors,
            current_as_of: self.current_as_of,
            clock: self.clock.clone(),
        }
    }

    /// The documents that must be kept beside the state.
    pub fn kept(&self) -> Kept {
        let head = self.head.iter().map(|(_, root)| root);
        let policy = self.policy.iter().map(|p| &p.root);
        let revocations = self.revocations.iter().map(|r| &r.root);
        let mut roots: Vec<&Verified<Root>> = vec![&self.root];
        for root in head.chain(policy).chain(revocations) {
            if find(&roots, root.digest).is_none() {
                roots.push(root);
            }
        }
        Kept {
            roots: roots.into_iter().map(|root| root.bytes.clone()).collect(),
            head: self.head.as_ref().map(|(head, _)| head.bytes.clone()),
            statement: self.policy.as_ref().map(|p| p.statement.bytes.clone()),
            body: self.policy.as_ref().map(|p| p.body.clone()),
            revocations_statement: self.revocations.as_ref().map(|r| r.statement.bytes.clone()),
            revocations_body: self.revocations.as_ref().map(|r| r.body.clone()),
        }
    }

    fn bare(root: Verified<Root>, state: &State) -> Self {
        Self {
            root,
            chain: Vec::new(),
            head: None,
            policy: None,
            elsewhere: None,
            revocations: None,
            floors: state.floors,
            demands: super::Demands::default(),
            has_moved: false,
            current_as_of: None,
            clock: state.clock.clone(),
        }
    }

    /// The stored chain goes on.
    fn stored(self, newest: Verified<Root>, state: &State) -> Self {
        Self {
            root: newest,
            chain: state.chain.clone(),
            floors: state.floors,
            current_as_of: state.current_as_of,
            clock: state.clock.clone(),
            ..self
        }
    }

    /// A new pin begins a new chain.
    fn repinned(self, state: &State) -> Self {
        let (mut floors, mut clock) = (state.floors, state.clock.clone());
        Self::take_reset(&self.root.payload, &mut floors, &mut clock);
        Self { floors, clock, current_as_of: state.current_as_of, ..self }
    }
}

fn note<T>(refusals: &mut Vec<Refusal>, refusal: Refusal) -> Option<T> {
    refusals.push(refusal);
    None
}

/// The stored roots that the state knows. Whether one vouched for the next was judged when they were accepted.
fn known_roots(state: &State, kept: &Kept) -> Vec<Verified<Root>> {
    let accepted = [state.head, state.policy, state.revocations].into_iter().flatten().map(|a| a.root);
    let known: Vec<Sha256Hex> = state.chain.iter().copied().chain(accepted).collect();
    let roots = kept.roots.iter().filter_map(|bytes| verify::root(bytes).ok());
    roots.filter(|root| known.contains(&root.digest)).collect()
}

fn find<R: std::borrow::Borrow<Verified<Root>>>(roots: &[R], digest: Sha256Hex) -> Option<&R> {
    roots.iter().find(|root| (*root).borrow().digest == digest)
}

type Loaded<T> = Option<(Verified<T>, Verified<Root>)>;

/// A stored document, verified by the root under which it was accepted.
fn load<T: Payload>(
    accepted: Option<Accepted>,
    roots: &[Verified<Root>],
    bytes: Option<&[u8]>,
    name: DocumentName,
    role: impl Fn(&Root) -> &Role,
) -> Result<Loaded<T>, Refusal> {
    let Some(accepted) = accepted else { return Ok(None) };
    let changed = || Refusal::new(name, Violation::StoredCopyChanged);
    let root = find(roots, accepted.root).ok_or_else(changed)?;
    let bytes = bytes.ok_or_else(changed)?;
    let verified = verify::document::<T>(bytes, role(&root.payload)).map_err(|v| Refusal::new(name, v))?;
    if verified.digest != accepted.payload {
        return Err(changed());
    }
    Ok(Some((verified, root.clone())))
}

fn load_policy(state: &State, roots: &[Verified<Root>], kept: &Kept) -> Result<Option<InForce>, Refusal> {
    let statement = kept.statement.as_deref();
    let loaded: Loaded<Statement> =
        load(state.policy, roots, statement, DocumentName::Policy, |root| &root.roles.policy.role)?;
    let Some((statement, root)) = loaded else { return Ok(None) };
    let (body, policy) =
        policy_body(&statement, kept.body.as_deref()).map_err(|(name, v)| Refusal::new(name, v))?;
    Ok(Some(InForce::new(statement, body, policy, root)))
}

fn load_revocations(
    state: &State,
    roots: &[Verified<Root>],
    kept: &Kept,
) -> Result<Option<RevocationsInForce>, Refusal> {
    let statement = kept.revocations_statement.as_deref();
    let name = DocumentName::Revocations;
    let loaded: Loaded<RevocationsStatement> =
        load(state.revocations, roots, statement, name, |root| &root.roles.emergency)?;
    let Some((statement, root)) = loaded else { return Ok(None) };
    let taken = RevocationsInForce::new(statement, kept.revocations_body.as_deref(), root);
    taken.map(Some).map_err(|(name, v)| Refusal::new(name, v))
}

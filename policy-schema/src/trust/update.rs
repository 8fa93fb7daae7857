//! Taking up newer documents: roots first, then the head, then what it names.

use serde::Serialize;

use super::refusal::{DocumentName, Refusal, Violation};
use super::state::Floor;
use super::verify::{self, Verified};
use super::{ClockEvent, Documents, InForce, RevocationsInForce, Time, Trust};
use crate::limits::MAX_ROOT_UPDATES;
use crate::loosens::loosening;
use crate::policy::Policy;
use crate::signed::{Current, Head, Payload as _, RevocationsStatement, Root, Statement};

/// What an update changed and refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Update {
    /// Documents that were taken up, with their sequences. What was there before is not listed.
    pub accepted: Vec<(DocumentName, u64)>,
    /// Documents that were refused.
    pub refusals: Vec<Refusal>,
}

impl Update {
    /// Whether something new is in force, so that it must be stored.
    pub fn changed(&self) -> bool {
        !self.accepted.is_empty()
    }

    fn note(&mut self, document: DocumentName, taken: Result<Option<u64>, Violation>) {
        match taken {
            Ok(sequence) => self.accepted.extend(sequence.map(|sequence| (document, sequence))),
            Err(violation) => self.refusals.push(Refusal::new(document, violation)),
        }
    }
}

/// Why a statement or its body is refused.
type Refused = (DocumentName, Violation);

impl Trust {
    /// Takes up whatever of the documents is newer and verifies. What is refused changes nothing.
    pub fn update(&mut self, offered: &Documents, now: impl Into<Time>) -> Update {
        let mut update = Update::default();
        let now = now.into();
        self.take_roots(offered, now, &mut update);
        let now = self.recovered(offered, now);
        if let Err(violation) = self.root_in_its_time(now) {
            update.refusals.push(Refusal::new(DocumentName::Root(self.root().sequence), violation));
            return update;
        }
        let mut head_refused = false;
        if let Some(bytes) = &offered.head {
            let taken = self.take_head(bytes, now);
            head_refused = taken.is_err();
            update.note(DocumentName::Head, taken);
        }
        let mut of_list = Update::default();
        self.take_revocations(offered, now, head_refused, &mut of_list);
        match self.withheld() {
            Some(sequence) => {
                let withheld = Violation::RevocationsWithheld(sequence);
                update.refusals.push(Refusal::new(DocumentName::Policy, withheld));
            }
            None => {
                self.take_policy(offered, now, head_refused, &mut update);
                self.take_elsewhere(offered, now, head_refused, &mut update);
            }
        }
        update.accepted.extend(of_list.accepted);
        update.refusals.extend(of_list.refusals);
        self.confirm();
        update
    }

    /// The emergency list that the head names and that a machine lacks which has had none so far. It takes no policy then
    /// but the one that it has: what that allows grows old.
    ///
    /// Attack: a relay that drops one file. A runner that begins anew each time would never have a denial, and no day on
    /// which what it has counts as stale; nor would a laptop whose fleet had its first emergency.
    fn withheld(&self) -> Option<u64> {
        let head = self.head()?;
        let has_it = self.policy.as_ref().is_some_and(|p| p.sequence == head.policy.sequence);
        let named = head.revocations?;
        (!has_it && self.revocations.is_none()).then_some(named.sequence)
    }

    /// The time after the wall clock was ahead and is right again, which looks like one that was set back: a head above
    /// all that were seen, of this very day by the wall clock, says which it is. What is known from before cannot come
    /// back to life so, for it is not above itself; without it, one boot under a wrong clock would keep every emergency
    /// away until the day that it had claimed.
    fn recovered(&mut self, offered: &Documents, now: Time) -> Time {
        let time = now.without_claims();
        let is_new = |head: &Head| head.sequence > self.floors.head.sequence;
        let head = offered.head.as_deref().filter(|_| now.event == Some(ClockEvent::ClockRollback));
        let says =
            head.is_some_and(|bytes| self.next_head(bytes, time).is_ok_and(|head| is_new(&head.payload)));
        if says && self.root_in_its_time(time).is_ok() {
            self.clock.recover(time);
            return time;
        }
        now
    }

    /// Follows the chain of roots. An older root of the chain may have expired, as long as the newest has not.
    fn take_roots(&mut self, offered: &Documents, now: Time, update: &mut Update) {
        let newest_offered = offered.roots.keys().next_back().copied().unwrap_or(0);
        for _ in 0..MAX_ROOT_UPDATES {
            let Some(next) = self.root().sequence.checked_add(1).filter(|next| *next <= newest_offered)
            else {
                return;
            };
            let name = DocumentName::Root(next);
            let Some(bytes) = offered.roots.get(&next) else {
                let later = DocumentName::Root(newest_offered);
                update.refusals.push(Refusal::new(later, Violation::RootSkipped { missing: next }));
                return;
            };
            let taken = self.next_root(next, bytes, now).map(|root| self.follow(root));
            let refused = taken.is_err();
            update.note(name, taken.map(|()| Some(next)));
            if refused {
                return;
            }
        }
        if self.root().sequence < newest_offered {
            update.refusals.push(Refusal::new(DocumentName::Root(newest_offered), Violation::TooManyRoots));
        }
    }

    fn next_root(&self, number: u64, bytes: &[u8], now: Time) -> Result<Verified<Root>, Violation> {
        let next = verify::root(bytes)?;
        if next.payload.sequence != number {
            return Err(Violation::RootNumber { expected: number, found: next.payload.sequence });
        }
        verify::vouched(self.root(), &next)?;
        let issued = next.payload.issued;
        if now.may_have_issued(issued) {
            Ok(next)
        } else {
            Err(Violation::IssuedInTheFuture { issued, now: now.wall })
        }
    }

    fn follow(&mut self, next: Verified<Root>) {
        let root = &next.payload;
        self.clock.raise(root.issued);
        // what a replaced online key has said counts no more; what is in force stays
        if root.reset.is_some() || root.roles.online != self.root().roles.online {
            self.head = None;
            // a thief may have offered the policy of a ring to all
            self.floors.for_all = 0;
        }
        Self::take_reset(root, &mut self.floors, &mut self.clock);
        self.chain.push(next.digest);
        self.root = next;
    }

    fn next_head(&self, bytes: &[u8], now: Time) -> Result<Verified<Head>, Violation> {
        let head: Verified<Head> = verify::document(bytes, &self.root().roles.online)?;
        let said = &head.payload;
        if let Some(expected) = &self.demands.channel
            && *expected != said.channel
        {
            return Err(Violation::WrongChannel { expected: expected.clone(), found: said.channel.clone() });
        }
        verify::above(&self.floors.head, said.sequence, head.digest)?;
        verify::in_its_time(&said.common(), now)?;
        verify::short_lived(said)?;
        names_nothing_older(said.policy, &self.floors.policy)?;
        if let Some(named) = said.revocations {
            names_nothing_older(named, &self.floors.revocations)?;
        }
        if let Some(named) = said.elsewhere {
            // attack: a stolen online key offers any policy to a ring, and to all others one that is gone
            names_nothing_older(named, &Floor::at(self.floors.for_all))?;
        }
        if let (None, Some(in_force), false) = (&said.revocations, &self.revocations, self.has_moved) {
            return Err(Violation::RevocationsWithdrawn(in_force.sequence));
        }
        Ok(head)
    }

    fn take_head(&mut self, bytes: &[u8], now: Time) -> Result<Option<u64>, Violation> {
        let head = self.next_head(bytes, now)?;
        let said = &head.payload;
        let sequence = said.sequence;
        let known = self.head.as_ref().is_some_and(|(known, _)| known.digest == head.digest);
        if std::mem::take(&mut self.has_moved) && said.revocations.is_none() {
            // the list of the channel that the machine has left
            self.revocations = None;
        }
        self.clock.raise(said.issued);
        self.floors.head = Floor { sequence, payload: Some(head.digest) };
        self.head = Some((head, self.root.clone()));
        Ok(Some(sequence).filter(|_| !known))
    }

    /// What the head says of a document; without a head nothing is current.
    fn named(&self, pick: impl Fn(&Head) -> Option<Current>) -> Option<Current> {
        self.head().and_then(pick)
    }

    fn take_policy(&mut self, offered: &Documents, now: Time, head_refused: bool, update: &mut Update) {
        let named = self.named(|head| Some(head.policy));
        let Some(bytes) = &offered.statement else {
            let have = self.policy.as_ref().is_some_and(|p| named.is_some_and(|n| n.sequence == p.sequence));
            if let Some(named) = named.filter(|_| offered.head.is_some() && !head_refused && !have) {
                update.refusals.push(Refusal::new(DocumentName::Policy, Violation::Missing(named.sequence)));
            }
            return;
        };
        match self.next_policy(bytes, offered.body.as_deref(), named, now) {
            Ok(next) => {
                let known = self.policy.as_ref().is_some_and(|p| p.statement.digest == next.statement.digest);
                self.clock.raise(next.issued);
                self.floors.policy = Floor { sequence: next.sequence, payload: Some(next.statement.digest) };
                if self.head().is_some_and(|head| head.ring.is_none()) {
                    self.floors.for_all = next.sequence;
                }
                update.note(DocumentName::Policy, Ok(Some(next.sequence).filter(|_| !known)));
                self.policy = Some(next);
            }
            Err(refused) => refuse(refused, head_refused, update),
        }
    }

    /// Takes the policy for machines outside of the head's ring. A machine without state has no other; it is kept by none,
    /// since the head says by its digest which it is.
    fn take_elsewhere(&mut self, offered: &Documents, now: Time, head_refused: bool, update: &mut Update) {
        self.elsewhere = None;
        let Some(named) =
            self.named(|head| head.elsewhere).filter(|_| offered.head.is_some() && !head_refused)
        else {
            return;
        };
        let statement = offered.elsewhere_statement.as_deref();
        let taken = statement.ok_or((DocumentName::Policy, Violation::Missing(named.sequence)));
        let body = offered.elsewhere_body.as_deref();
        match taken.and_then(|statement| self.signed_policy(statement, body, named, now)) {
            Ok(policy) => {
                self.floors.for_all = policy.sequence;
                self.elsewhere = Some(policy);
            }
            Err((document, violation)) => {
                let document = match document {
                    DocumentName::PolicyBody => DocumentName::PolicyElsewhereBody,
                    _ => DocumentName::PolicyElsewhere,
                };
                update.refusals.push(Refusal::new(document, violation));
            }
        }
    }

    fn next_policy(
        &self,
        statement: &[u8],
        body: Option<&[u8]>,
        named: Option<Current>,
        now: Time,
    ) -> Result<InForce, Refused> {
        let of_statement = |violation| (DocumentName::Policy, violation);
        let role = &self.root().roles.policy;
        let statement: Verified<Statement> = verify::document(statement, &role.role).map_err(of_statement)?;
        let said = &statement.payload;
        verify::above(&self.floors.policy, said.sequence, statement.digest).map_err(of_statement)?;
        demanded(said.sequence, self.demands.min_policy).map_err(of_statement)?;
        named_by_head(named, self.head.is_some(), said.sequence, said.body).map_err(of_statement)?;
        self.in_force(statement, body, now)
    }

    /// A policy that the head names by its digest, whatever was taken before. What the settings demand is asked of it when it
    /// is to act ([`Trust::staleness_of`]): a machine in the ring does not need it.
    fn signed_policy(
        &self,
        statement: &[u8],
        body: Option<&[u8]>,
        named: Current,
        now: Time,
    ) -> Result<InForce, Refused> {
        let of_statement = |violation| (DocumentName::Policy, violation);
        let role = &self.root().roles.policy;
        let statement: Verified<Statement> = verify::document(statement, &role.role).map_err(of_statement)?;
        let said = &statement.payload;
        named_by_head(Some(named), true, said.sequence, said.body).map_err(of_statement)?;
        self.in_force(statement, body, now)
    }

    fn in_force(
        &self,
        statement: Verified<Statement>,
        body: Option<&[u8]>,
        now: Time,
    ) -> Result<InForce, Refused> {
        let of_statement = |violation| (DocumentName::Policy, violation);
        let role = &self.root().roles.policy;
        let said = &statement.payload;
        verify::in_its_time(&said.common(), now).map_err(of_statement)?;
        let (body, policy) = policy_body(&statement, body)?;
        let loosening = loosening(policy.document());
        let needed = role.threshold_for(!loosening.is_empty());
        let valid = u32::try_from(statement.signers.len()).unwrap_or(u32::MAX);
        if valid < needed {
            return Err(of_statement(Violation::Loosens { loosening, needed, valid }));
        }
        Ok(InForce::new(statement, body, policy, self.root.clone()))
    }

    fn take_revocations(&mut self, offered: &Documents, now: Time, head_refused: bool, update: &mut Update) {
        let named = self.named(|head| head.revocations);
        let Some(bytes) = &offered.revocations_statement else {
            let have =
                self.revocations.as_ref().is_some_and(|r| named.is_some_and(|n| n.sequence == r.sequence));
            if let Some(named) = named.filter(|_| offered.head.is_some() && !head_refused && !have) {
                let missing = Violation::Missing(named.sequence);
                update.refusals.push(Refusal::new(DocumentName::Revocations, missing));
            }
            return;
        };
        match self.next_revocations(bytes, offered.revocations_body.as_deref(), named, now) {
            Ok(next) => {
                let known =
                    self.revocations.as_ref().is_some_and(|r| r.statement.digest == next.statement.digest);
                self.clock.raise(next.issued);
                self.floors.revocations =
                    Floor { sequence: next.sequence, payload: Some(next.statement.digest) };
                update.note(DocumentName::Revocations, Ok(Some(next.sequence).filter(|_| !known)));
                self.revocations = Some(next);
            }
            Err(refused) => refuse(refused, head_refused, update),
        }
    }

    fn next_revocations(
        &self,
        statement: &[u8],
        body: Option<&[u8]>,
        named: Option<Current>,
        now: Time,
    ) -> Result<RevocationsInForce, Refused> {
        let of_statement = |violation| (DocumentName::Revocations, violation);
        let statement: Verified<RevocationsStatement> =
            verify::document(statement, &self.root().roles.emergency).map_err(of_statement)?;
        let said = &statement.payload;
        verify::above(&self.floors.revocations, said.sequence, statement.digest).map_err(of_statement)?;
        demanded(said.sequence, self.demands.min_revocations).map_err(of_statement)?;
        verify::in_its_time(&said.common(), now).map_err(of_statement)?;
        named_by_head(named, self.head.is_some(), said.sequence, said.body).map_err(of_statement)?;
        RevocationsInForce::new(statement, body, self.root.clone())
    }

    /// What is in force counts as current when it is all that the head names, so that holding back one document is
    /// noticed as holding back the head is.
    fn confirm(&mut self) {
        let Some(head) = self.head() else { return };
        let policy = self.policy.as_ref().map(|p| (p.sequence, p.sha256));
        let revocations = self.revocations.as_ref().map(|r| (r.sequence, r.sha256));
        let named = head.revocations.as_ref().map(|named| (named.sequence, named.sha256));
        // attack: a relay that drops the policy of all machines outside of the ring, which would never grow stale
        let has_both = head.elsewhere.is_none() || self.elsewhere.is_some();
        if has_both && policy == Some((head.policy.sequence, head.policy.sha256)) && revocations == named {
            self.current_as_of = Some(head.issued);
        }
    }
}

impl InForce {
    pub(super) fn new(
        statement: Verified<Statement>,
        body: Vec<u8>,
        policy: Policy,
        root: Verified<Root>,
    ) -> Self {
        let said = &statement.payload;
        Self {
            sequence: said.sequence,
            name: said.name.clone(),
            sha256: said.body.sha256,
            issued: said.issued,
            expires: said.expires,
            loosening: loosening(policy.document()),
            policy,
            statement,
            body,
            root,
        }
    }
}

impl RevocationsInForce {
    pub(super) fn new(
        statement: Verified<RevocationsStatement>,
        body: Option<&[u8]>,
        root: Verified<Root>,
    ) -> Result<Self, Refused> {
        let said = &statement.payload;
        let of_body = |violation| (DocumentName::RevocationsBody, violation);
        let body = body.ok_or(of_body(Violation::BodyMissing))?;
        verify::is_body(body, &said.body).map_err(of_body)?;
        let revocations = verify::revocations(body).map_err(of_body)?;
        let (sequence, sha256, issued) = (said.sequence, said.body.sha256, said.issued);
        Ok(Self { sequence, sha256, issued, revocations, statement, body: body.to_vec(), root })
    }
}

/// The body of a statement, read.
pub(super) fn policy_body(
    statement: &Verified<Statement>,
    body: Option<&[u8]>,
) -> Result<(Vec<u8>, Policy), Refused> {
    let of_body = |violation| (DocumentName::PolicyBody, violation);
    let body = body.ok_or(of_body(Violation::BodyMissing))?;
    verify::is_body(body, &statement.payload.body).map_err(of_body)?;
    let policy = verify::policy(body).map_err(of_body)?;
    Ok((body.to_vec(), policy))
}

fn demanded(sequence: u64, floor: u64) -> Result<(), Violation> {
    if sequence < floor { Err(Violation::BelowFloor { offered: sequence, floor }) } else { Ok(()) }
}

/// A head that names what is older than what was accepted before is not taken either, so that a stolen online key
/// cannot put the last honest head out.
fn names_nothing_older(named: Current, floor: &Floor) -> Result<(), Violation> {
    let (offered, floor) = (named.sequence, floor.sequence);
    if offered < floor { Err(Violation::NamesOlder { offered, floor }) } else { Ok(()) }
}

/// A statement must be the one that the head names, in number and body.
fn named_by_head(
    named: Option<Current>,
    has_head: bool,
    sequence: u64,
    body: crate::signed::Digest,
) -> Result<(), Violation> {
    let Some(named) = named else {
        return Err(if has_head { Violation::NotNamedByHead } else { Violation::NoHead });
    };
    if named.sequence != sequence {
        return Err(Violation::NotTheOneOfHead { expected: named.sequence, found: sequence });
    }
    if named.body() == body { Ok(()) } else { Err(Violation::OtherBodyThanHead) }
}

/// Notes a refusal. After a refused head its companions cannot fit the stored one: that is no news of its own.
fn refuse((document, violation): Refused, head_refused: bool, update: &mut Update) {
    let follows = matches!(
        violation,
        Violation::NotTheOneOfHead { .. }
            | Violation::OtherBodyThanHead
            | Violation::NotNamedByHead
            | Violation::NoHead
    );
    if !(head_refused && follows) {
        update.refusals.push(Refusal::new(document, violation));
    }
}

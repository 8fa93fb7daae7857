//! The next root: keys added, removed or replaced, thresholds changed. It is signed by the threshold of the root before
//! and by its own; several people sign one after the other, and until all have, it is a draft that nobody trusts.

use anyhow::{Context as _, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use mcpolicy_schema::envelope::{Envelope, PublicKey};
use mcpolicy_schema::limits::MAX_ENVELOPE_BYTES;
use mcpolicy_schema::signed::{self, Payload as _, Reset, Role, Roles, Root};

use super::folder::{self, Folder};
use super::lock::Lock;
use super::number;
use super::signer::Signer;
use super::words::counted;

/// A role by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoleName {
    /// Signs roots.
    Root,
    /// Signs policies and grants.
    Policy,
    /// Signs revocations.
    Emergency,
    /// Signs heads.
    Online,
}

impl RoleName {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Root, Self::Policy, Self::Emergency, Self::Online];

    /// The word used on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Policy => "policy",
            Self::Emergency => "emergency",
            Self::Online => "online",
        }
    }

    /// The role of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let role = Self::ALL.into_iter().find(|role| role.as_str() == text);
        role.with_context(|| format!("{text} is no role; the roles are root, policy, emergency and online"))
    }

    /// The role in a root.
    pub fn of(self, roles: &Roles) -> &Role {
        match self {
            Self::Root => &roles.root,
            Self::Policy => &roles.policy.role,
            Self::Emergency => &roles.emergency,
            Self::Online => &roles.online,
        }
    }

    fn of_mut(self, roles: &mut Roles) -> &mut Role {
        match self {
            Self::Root => &mut roles.root,
            Self::Policy => &mut roles.policy.role,
            Self::Emergency => &mut roles.emergency,
            Self::Online => &mut roles.online,
        }
    }
}

/// A change of the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A further key.
    Add(RoleName, PublicKey),
    /// A key no more, by the start of its id or its base64.
    Remove(RoleName, String),
    /// How many must sign.
    Threshold(RoleName, u32),
    /// How many must sign a policy that loosens.
    Loosening(u32),
    /// New floors, after a stolen key has signed enormous numbers.
    Reset(Reset),
}

/// What to do.
pub struct Order<'a> {
    /// The chain of roots.
    pub trust: &'a Folder,
    /// Changes; none with a draft there adds signatures to it.
    pub changes: Vec<Change>,
    /// Only a new end.
    pub renew: bool,
    /// Begin a new chain, which machines must be pinned to by MDM: the keys of the root before are lost. Every signer
    /// of its draft says so.
    pub break_chain: bool,
    /// Throw a draft away.
    pub discard: bool,
    /// Who signs now.
    pub signers: &'a [Box<dyn Signer>],
    /// The time.
    pub now: Timestamp,
    /// How long the next root is valid.
    pub lifetime: SignedDuration,
}

/// How far the next root is.
#[derive(Debug, Clone)]
pub struct Rotated {
    /// The next root.
    pub root: Root,
    /// How many keys of the root before have signed, and how many must. `None` in a new chain.
    pub before: Option<(usize, u32)>,
    /// How many of its own keys have signed, and how many must.
    pub own: (usize, u32),
    /// It has all signatures and is part of the chain.
    pub complete: bool,
}

/// Throws the draft of the next root away. Gives its name.
///
/// # Errors
/// There is none, or it stays.
pub fn discard(trust: &Folder) -> anyhow::Result<String> {
    let _held = Lock::take(trust.path())?;
    let name = draft_name(number::after(trust.newest_root()?.sequence, "the newest root")?);
    let there = trust.read(&name, MAX_ENVELOPE_BYTES)?.is_some();
    ensure!(there, "there is no draft to throw away: {} is not in {}", name, trust.path().display());
    trust.remove(&name)?;
    Ok(name)
}

/// Makes the next root or adds signatures to its draft.
///
/// # Errors
/// The changes make no sense, or a signer holds none of the keys.
pub fn rotate(order: &Order<'_>) -> anyhow::Result<Rotated> {
    let _held = Lock::of_existing(order.trust.path())?;
    let before = order.trust.newest_root()?;
    let next = number::after(before.sequence, "the newest root")?;
    let name = draft_name(next);
    let draft = order.trust.read(&name, MAX_ENVELOPE_BYTES)?.filter(|_| !order.discard);
    let changes = !order.changes.is_empty() || order.renew;
    let envelope = match (draft, changes) {
        (Some(_), true) => bail!(
            "{name} is still to be signed; sign it without further changes, or begin anew with --discard"
        ),
        (Some(bytes), false) => {
            let envelope = Envelope::parse(&bytes).with_context(|| format!("{name} is damaged"))?;
            envelope.must_be(Root::PAYLOAD_TYPE)?;
            envelope
        }
        (None, _) if changes || order.break_chain => folder::unsigned(&changed(&before, order)?)?,
        (None, _) => bail!("nothing to do: name a change (--add, --remove, --threshold …), or --renew"),
    };
    let root: Root = signed::decode(envelope.payload())?;
    ensure!(root.sequence == next, "{name} says sequence {}; begin anew with --discard", root.sequence);
    let new_chain = order.break_chain;
    let mut keys = root.roles.root.keys.clone();
    if !new_chain {
        keys.extend(&before.roles.root.keys);
    }
    let holds = order.signers.iter().any(|s| keys.contains(&s.public_key()));
    ensure!(holds, "none of the keys given is a root key of root {} or {next}", before.sequence);
    let (envelope, _) = folder::sign(envelope, &keys, order.signers)?;
    let count = |role: &Role| (envelope.signers(&role.key_set()).len(), role.threshold);
    let own = count(&root.roles.root);
    let by_before = (!new_chain).then(|| count(&before.roles.root));
    let enough = |(valid, needed): (usize, u32)| valid >= needed as usize;
    let complete = enough(own) && by_before.is_none_or(enough);
    finish(order.trust, &envelope, &root, complete, new_chain)?;
    Ok(Rotated { root, before: by_before, own, complete })
}

fn draft_name(number: u64) -> String {
    format!("next-root.{number}.draft")
}

fn finish(
    trust: &Folder,
    envelope: &Envelope,
    root: &Root,
    complete: bool,
    new_chain: bool,
) -> anyhow::Result<()> {
    let n = root.sequence;
    if !complete {
        return trust.write(&[(draft_name(n), envelope.to_bytes())]);
    }
    if new_chain {
        // Machines are pinned to the new root; the roots before it lead nowhere any more.
        let former = Folder::at(&trust.path().join("former"))?;
        for (number, bytes) in trust.roots()? {
            former.write(&[(format!("root.{number}.json"), bytes)])?;
        }
        trust.write(&[(format!("root.{n}.json"), envelope.to_bytes())])?;
        for number in trust.numbers("root")?.into_iter().filter(|number| *number < n) {
            trust.remove(&format!("root.{number}.json"))?;
        }
    } else {
        trust.write(&[(format!("root.{n}.json"), envelope.to_bytes())])?;
    }
    trust.remove(&draft_name(n))
}

fn changed(before: &Root, order: &Order<'_>) -> anyhow::Result<Root> {
    let mut next = Root {
        sequence: number::after(before.sequence, "the newest root")?,
        issued: order.now,
        expires: number::end(order.now, order.lifetime)?,
        reset: None,
        crit: Vec::new(),
        ..before.clone()
    };
    for change in &order.changes {
        apply(change, &mut next)?;
    }
    for role in RoleName::ALL {
        let Role { keys, threshold } = role.of(&next.roles);
        ensure!(
            keys.len() >= *threshold as usize && *threshold > 0,
            "the role {} would need {threshold} signatures of {} keys; set --threshold {}=N or add keys",
            role.as_str(),
            keys.len(),
            role.as_str()
        );
    }
    let (keys, needed) = (next.roles.policy.role.keys.len(), next.roles.policy.threshold_for(true));
    ensure!(
        keys >= needed as usize,
        "a policy that loosens would need {needed} signatures of {}, so none could be published; add policy keys, or set \
         --loosening-threshold",
        counted(keys, "policy key", "policy keys")
    );
    Ok(next)
}

fn apply(change: &Change, root: &mut Root) -> anyhow::Result<()> {
    match change {
        Change::Add(role, key) => {
            let keys = &mut role.of_mut(&mut root.roles).keys;
            ensure!(!keys.contains(key), "the key {} has the role {} already", key.key_id(), role.as_str());
            keys.push(*key);
        }
        Change::Remove(role, named) => {
            let keys = &mut role.of_mut(&mut root.roles).keys;
            let is_it = |key: &PublicKey| {
                (named.len() >= 6 && key.key_id().starts_with(named.as_str())) || key.to_base64() == *named
            };
            let found = keys.iter().filter(|key| is_it(key)).count();
            ensure!(
                found == 1,
                "{found} keys of the role {} are called {named}; `mcpolicy policy show --trust` lists the ids",
                role.as_str()
            );
            keys.retain(|key| !is_it(key));
        }
        Change::Threshold(role, threshold) => role.of_mut(&mut root.roles).threshold = *threshold,
        Change::Loosening(threshold) => root.roles.policy.loosening_threshold = *threshold,
        Change::Reset(reset) => root.reset = Some(*reset),
    }
    Ok(())
}

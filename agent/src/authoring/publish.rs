//! The published folder: static files that any web server can serve. What is written has been verified first as a
//! machine would verify it, and the head comes last, so that whoever fetches meanwhile sees the old state or the new.

use anyhow::{Context as _, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use mcpolicy_schema::envelope::Envelope;
use mcpolicy_schema::limits::MAX_ENVELOPE_BYTES;
use mcpolicy_schema::signed::{Current, Head, Payload as _, RevocationsStatement, Root, Statement};
use mcpolicy_schema::trust::{Documents, Trust};

use super::folder::{self, Folder, HEAD};
use super::lock::Lock;
use super::number;
use super::signer::Signer;
use super::statement;
use super::words::counted;

/// What a new head says, where it is not what the one before said.
#[derive(Debug, Clone, Default)]
pub struct HeadOptions {
    /// Which fleet it is for.
    pub channel: Option<String>,
    /// Oldest agent that enforces the policy in full.
    pub min_agent: Option<String>,
    /// The ring that may take it up; empty: all.
    pub ring: Option<String>,
    /// How often to ask, in seconds.
    pub poll_interval_s: Option<u32>,
    /// How long it is valid.
    pub lifetime: SignedDuration,
}

/// The channel of a fleet that needs no other.
const CHANNEL: &str = "default";
/// How often to ask, in seconds, where nobody said otherwise.
const POLL_S: u32 = 300;

/// What to publish.
pub struct Order<'a> {
    /// The chain of roots.
    pub trust: &'a Folder,
    /// The signed statements; `None` publishes no other policy, only a new head.
    pub signed: Option<&'a Folder>,
    /// Where to.
    pub to: &'a Folder,
    /// Who signs the head.
    pub signers: &'a [Box<dyn Signer>],
    /// The head.
    pub head: HeadOptions,
    /// The time.
    pub now: Timestamp,
}

/// What was published.
#[derive(Debug, Clone)]
pub struct Published {
    /// Number of the policy.
    pub policy: u64,
    /// Number of the head.
    pub head: Head,
    /// What a verifier says about the folder though it takes it.
    pub revocations: Option<u64>,
}

/// Publishes.
///
/// # Errors
/// A machine would refuse the folder, or it cannot be written.
pub fn publish(order: &Order<'_>) -> anyhow::Result<Published> {
    let held = Lock::of_existing(order.to.path())?;
    let roots = order.trust.roots()?;
    let root = order.trust.newest_root()?;
    check_roots(order.to, &roots)?;
    let before = current_head(order.to, &root)?;
    let (policy, statement, body) = match order.signed {
        Some(signed) => newest(signed, before.as_ref())?,
        None => published_policy(order.to, before.as_ref())?,
    };
    let revocations = before.as_ref().and_then(|before| before.head.revocations);
    let (head, envelope) = next_head(order, &root, before.as_ref(), policy, revocations)?;
    let mut offered =
        Documents { roots: roots.clone(), head: Some(envelope.to_bytes()), ..Documents::default() };
    offered.statement = Some(statement.clone());
    offered.body = Some(body.clone());
    if let Some(list) = revocations {
        let n = list.sequence;
        offered.revocations_statement =
            order.to.read(&format!("revocations.{n}.json"), MAX_ENVELOPE_BYTES)?;
        let most = mcpolicy_schema::limits::MAX_REVOCATIONS_BODY_BYTES;
        offered.revocations_body = order.to.read(&format!("revocations.{n}.body"), most)?;
    }
    accepted(&offered, order.now)?;
    let _held = match held {
        Some(held) => held,
        None => first_in(order.to)?,
    };
    let mut files: Vec<(String, Vec<u8>)> =
        roots.into_iter().map(|(n, bytes)| (format!("root.{n}.json"), bytes)).collect();
    files.push((format!("policy.{}.body", policy.sequence), body));
    files.push((format!("policy.{}.json", policy.sequence), statement));
    files.push((HEAD.to_owned(), envelope.to_bytes()));
    order.to.write(&files)?;
    Ok(Published { policy: policy.sequence, head, revocations: revocations.map(|r| r.sequence) })
}

/// Makes and takes a folder that was not there. Whoever published in it meanwhile keeps what they published.
fn first_in(to: &Folder) -> anyhow::Result<Lock> {
    std::fs::create_dir_all(to.path())
        .with_context(|| format!("cannot make the folder {}", to.path().display()))?;
    let held = Lock::take(to.path())?;
    ensure!(
        to.read(HEAD, MAX_ENVELOPE_BYTES)?.is_none(),
        "{} was published to meanwhile; run this again",
        to.path().display()
    );
    Ok(held)
}

/// A published root is never another than the repository's. Roots of a chain that was broken on purpose may lie there
/// still.
fn check_roots(to: &Folder, ours: &std::collections::BTreeMap<u64, Vec<u8>>) -> anyhow::Result<()> {
    let first = ours.keys().next().copied().unwrap_or_default();
    for (number, theirs) in to.roots()?.split_off(&first) {
        let payload = |bytes: &[u8]| Envelope::parse(bytes).map(|e| e.payload().to_vec()).ok();
        let same = ours.get(&number).is_some_and(|bytes| payload(bytes) == payload(&theirs));
        ensure!(
            same,
            "{} has a root.{number}.json that is not the one in trust/; find out who wrote it before you publish",
            to.path().display()
        );
    }
    Ok(())
}

/// The head that is published.
#[derive(Debug, Clone)]
pub struct Before {
    /// What it says.
    pub head: Head,
    /// The online keys of the newest root have signed it; else only those of a root before.
    pub by_current_keys: bool,
}

impl Before {
    /// The number of the next head.
    fn next(before: Option<&Self>, root: &Root) -> anyhow::Result<u64> {
        let Some(Self { head, by_current_keys }) = before else {
            return Ok(root.reset.map_or(1, |reset| reset.head.max(1)));
        };
        match root.reset {
            // The keys that said the enormous number say nothing any more: machines go on from the new floor.
            Some(reset) if !by_current_keys => Ok(reset.head.max(1)),
            reset => Ok(number::after(head.sequence, "the published head")?.max(reset.map_or(1, |r| r.head))),
        }
    }
}

/// The head that is published, as the online keys have signed it; an expired one still says what comes next. A head of
/// keys that were replaced is not believed in what it names: that is read from the documents beside it.
///
/// # Errors
/// It is there and does not verify.
pub fn current_head(to: &Folder, root: &Root) -> anyhow::Result<Option<Before>> {
    let Some(bytes) = to.read(HEAD, MAX_ENVELOPE_BYTES)? else { return Ok(None) };
    match said(&bytes, root) {
        Ok(head) => Ok(Some(Before { head, by_current_keys: true })),
        Err(error) => {
            // After the online key was replaced, only the root before knows the old one.
            let roots = to.roots()?;
            let by_older =
                roots.values().rev().find_map(|older| said(&bytes, &folder::root(older).ok()?).ok());
            let head = by_older.ok_or_else(|| {
                error.context(format!(
                    "the head in {} is not one of ours; remove it if it is damaged",
                    to.path().display()
                ))
            })?;
            let head = Head {
                policy: newest_policy(to, root)?.unwrap_or(head.policy),
                revocations: newest_list(to, root)?.or(head.revocations),
                ..head
            };
            Ok(Some(Before { head, by_current_keys: false }))
        }
    }
}

/// What a head says that the online keys of a root have signed. Not all that a machine asks is asked: an author has to
/// get past a head with an enormous number.
fn said(bytes: &[u8], root: &Root) -> anyhow::Result<Head> {
    let envelope = Envelope::parse(bytes)?;
    let role = &root.roles.online;
    envelope.verify(Head::PAYLOAD_TYPE, &role.key_set(), role.threshold)?;
    Ok(mcpolicy_schema::json::from_slice(envelope.payload())?)
}

/// The newest policy in a folder that the policy keys have signed.
fn newest_policy(to: &Folder, root: &Root) -> anyhow::Result<Option<Current>> {
    let role = &root.roles.policy.role;
    let good = |n: u64| {
        let bytes = to.read(&format!("policy.{n}.json"), MAX_ENVELOPE_BYTES).ok()??;
        let statement = folder::verified::<Statement>(&bytes, role).ok()?;
        (statement.sequence == n).then_some(Current {
            sequence: n,
            len: statement.body.len,
            sha256: statement.body.sha256,
        })
    };
    Ok(to.numbers("policy")?.into_iter().rev().find_map(good))
}

/// The newest emergency list in a folder that the emergency keys have signed.
fn newest_list(to: &Folder, root: &Root) -> anyhow::Result<Option<Current>> {
    let good = |n: u64| {
        let bytes = to.read(&format!("revocations.{n}.json"), MAX_ENVELOPE_BYTES).ok()??;
        let statement = folder::verified::<RevocationsStatement>(&bytes, &root.roles.emergency).ok()?;
        (statement.sequence == n).then_some(Current {
            sequence: n,
            len: statement.body.len,
            sha256: statement.body.sha256,
        })
    };
    Ok(to.numbers("revocations")?.into_iter().rev().find_map(good))
}

type Policy = (Current, Vec<u8>, Vec<u8>);

/// The newest signed policy, which must be newer than the published one.
fn newest(signed: &Folder, before: Option<&Before>) -> anyhow::Result<Policy> {
    let Some(number) = signed.numbers("policy")?.last().copied() else {
        bail!("nothing is signed yet; sign the policy with `mcpolicy policy sign`");
    };
    if let Some(Before { head, .. }) = before {
        ensure!(
            number > head.policy.sequence,
            "policy {number} is not newer than {}, which is published; sign with `mcpolicy policy sign --new`, or renew \
             the head alone with --refresh",
            head.policy.sequence
        );
    }
    let (envelope, statement, body) = statement::load(signed, number)?;
    let current = Current { sequence: number, len: statement.body.len, sha256: statement.body.sha256 };
    Ok((current, envelope.to_bytes(), body))
}

/// The policy that is published already.
fn published_policy(to: &Folder, before: Option<&Before>) -> anyhow::Result<Policy> {
    let Before { head, .. } = before.with_context(|| {
        format!("{} has no head to renew; publish without --refresh", to.path().display())
    })?;
    let (envelope, _, body) = statement::load(to, head.policy.sequence)?;
    Ok((head.policy, envelope.to_bytes(), body))
}

/// The next head, signed.
///
/// # Errors
/// Too few online keys are among the signers.
fn next_head(
    order: &Order<'_>,
    root: &Root,
    before: Option<&Before>,
    policy: Current,
    revocations: Option<Current>,
) -> anyhow::Result<(Head, Envelope)> {
    head(&order.head, root, before, policy, revocations, order.signers, order.now)
}

/// Makes and signs a head.
///
/// # Errors
/// Too few online keys are among the signers.
pub fn head(
    options: &HeadOptions,
    root: &Root,
    before: Option<&Before>,
    policy: Current,
    revocations: Option<Current>,
    signers: &[Box<dyn Signer>],
    now: Timestamp,
) -> anyhow::Result<(Head, Envelope)> {
    let kept =
        |given: &Option<String>, old: Option<String>| given.clone().or(old).filter(|text| !text.is_empty());
    let sequence = Before::next(before, root)?;
    let before = before.map(|before| &before.head);
    let head = Head {
        schema: Head::SCHEMA.to_owned(),
        sequence,
        issued: now,
        expires: number::end(now, options.lifetime)?,
        channel: kept(&options.channel, before.map(|h| h.channel.clone()))
            .unwrap_or_else(|| CHANNEL.to_owned()),
        policy,
        revocations,
        min_agent: kept(&options.min_agent, before.and_then(|h| h.min_agent.clone())),
        ring: kept(&options.ring, before.and_then(|h| h.ring.clone())),
        poll_interval_s: options.poll_interval_s.or(before.and_then(|h| h.poll_interval_s)).or(Some(POLL_S)),
        crit: Vec::new(),
    };
    let online = &root.roles.online;
    let (envelope, valid) = folder::sign(folder::unsigned(&head)?, &online.keys, signers)?;
    ensure!(
        valid >= online.threshold as usize,
        "the head needs {}, {valid} signed; give them with --key or --signer",
        counted(online.threshold, "online key", "online keys")
    );
    Ok((head, envelope))
}

/// What a machine that is pinned to the oldest root of the chain says: it must take everything.
///
/// # Errors
/// It refuses something.
pub fn accepted(offered: &Documents, now: Timestamp) -> anyhow::Result<()> {
    let pinned = offered.roots.values().next().context("nothing was published: there is no root")?;
    let refused =
        |refusal| anyhow::anyhow!("nothing was published, since machines would refuse it: {refusal}");
    let mut trust = Trust::pinned(pinned, Timestamp::UNIX_EPOCH).map_err(refused)?;
    match trust.update(offered, now).refusals.into_iter().next() {
        None => Ok(()),
        Some(refusal) => Err(refused(refusal)),
    }
}

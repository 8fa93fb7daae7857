//! The published folder: static files that any web server can serve. What is written has been verified first as a
//! machine would verify it, and the head comes last, so that whoever fetches meanwhile sees the old state or the new.

use anyhow::{Context as _, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use mcpolicy_schema::envelope::Envelope;
use mcpolicy_schema::limits::MAX_ENVELOPE_BYTES;
use mcpolicy_schema::signed::{Current, Head, Payload as _, Root};
use mcpolicy_schema::trust::{Documents, Trust};

use super::folder::{self, Folder, HEAD};
use super::signer::Signer;
use super::statement;

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
    let roots = order.trust.roots()?;
    let root = order.trust.newest_root()?;
    check_roots(order.to, &roots)?;
    let before = current_head(order.to, &root)?;
    let (policy, statement, body) = match order.signed {
        Some(signed) => newest(signed, before.as_ref())?,
        None => published_policy(order.to, before.as_ref())?,
    };
    let revocations = before.as_ref().and_then(|head| head.revocations);
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
    let mut files: Vec<(String, Vec<u8>)> =
        roots.into_iter().map(|(n, bytes)| (format!("root.{n}.json"), bytes)).collect();
    files.push((format!("policy.{}.body", policy.sequence), body));
    files.push((format!("policy.{}.json", policy.sequence), statement));
    files.push((HEAD.to_owned(), envelope.to_bytes()));
    order.to.write(&files)?;
    Ok(Published { policy: policy.sequence, head, revocations: revocations.map(|r| r.sequence) })
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

/// The head that is published, as the online keys have signed it; an expired one still says what comes next.
///
/// # Errors
/// It is there and does not verify.
pub fn current_head(to: &Folder, root: &Root) -> anyhow::Result<Option<Head>> {
    let Some(bytes) = to.read(HEAD, MAX_ENVELOPE_BYTES)? else { return Ok(None) };
    match folder::verified::<Head>(&bytes, &root.roles.online) {
        Ok(head) => Ok(Some(head)),
        Err(error) => {
            // After the online key was replaced, only the root before knows the old one.
            let roots = to.roots()?;
            let by_older = roots.values().rev().find_map(|bytes_of_root| {
                let older = folder::root(bytes_of_root).ok()?;
                folder::verified::<Head>(&bytes, &older.roles.online).ok()
            });
            by_older.map(Some).ok_or_else(|| {
                error.context(format!(
                    "the head in {} is not one of ours; remove it if it is damaged",
                    to.path().display()
                ))
            })
        }
    }
}

type Policy = (Current, Vec<u8>, Vec<u8>);

/// The newest signed policy, which must be newer than the published one.
fn newest(signed: &Folder, before: Option<&Head>) -> anyhow::Result<Policy> {
    let Some(number) = signed.numbers("policy")?.last().copied() else {
        bail!("nothing is signed yet; sign the policy with `mcpolicy policy sign`");
    };
    if let Some(head) = before {
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
fn published_policy(to: &Folder, before: Option<&Head>) -> anyhow::Result<Policy> {
    let head = before.with_context(|| {
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
    before: Option<&Head>,
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
    before: Option<&Head>,
    policy: Current,
    revocations: Option<Current>,
    signers: &[Box<dyn Signer>],
    now: Timestamp,
) -> anyhow::Result<(Head, Envelope)> {
    let kept =
        |given: &Option<String>, old: Option<String>| given.clone().or(old).filter(|text| !text.is_empty());
    let head = Head {
        schema: Head::SCHEMA.to_owned(),
        sequence: before.map_or(1, |head| head.sequence + 1),
        issued: now,
        expires: now + options.lifetime,
        channel: kept(&options.channel, before.map(|h| h.channel.clone()))
            .unwrap_or_else(|| CHANNEL.to_owned()),
        policy,
        revocations,
        min_agent: kept(&options.min_agent, before.and_then(|h| h.min_agent.clone())),
        ring: kept(&options.ring, before.and_then(|h| h.ring.clone())),
        poll_interval_s: options.poll_interval_s.or(before.and_then(|h| h.poll_interval_s)).or(Some(POLL_S)),
        crit: Vec::new(),
    };
    // A reset of the floors says where numbers go on.
    let head = match root.reset {
        Some(reset) => Head { sequence: head.sequence.max(reset.head), ..head },
        None => head,
    };
    let online = &root.roles.online;
    let (envelope, valid) = folder::sign(folder::unsigned(&head)?, &online.keys, signers)?;
    ensure!(
        valid >= online.threshold as usize,
        "the head needs {} online key(s), {valid} signed; give them with --key or --signer",
        online.threshold
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
